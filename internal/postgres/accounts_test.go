package postgres_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/auth"
	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
	"posthorn/internal/secretbox"
	"posthorn/internal/testkit"
)

const (
	ownerEmail    = "Ada@Example.com"
	ownerPassword = "correct horse battery"
	otherPassword = "staple battery horse"
)

// accountsFixture is the accounts of one database, with a hasher that costs nothing.
type accountsFixture struct {
	*posthorn.Accounts
	db       *postgres.DB
	store    *postgres.Accounts
	sessions *postgres.Sessions
	box      *secretbox.Box
	compared *atomic.Int64
}

func newAccounts(t *testing.T) accountsFixture {
	t.Helper()
	return accountsOver(t, testkit.DB(t), nil)
}

// accountsOver makes accounts over a database that may be shared; without a hasher they take a free one.
func accountsOver(tb testing.TB, db *postgres.DB, hasher posthorn.PasswordHasher) accountsFixture {
	tb.Helper()
	box, err := secretbox.New(make([]byte, secretbox.KeySize))
	if err != nil {
		tb.Fatal(err)
	}
	f := accountsFixture{
		db: db, store: postgres.NewAccounts(db), sessions: postgres.NewSessions(db), box: box, compared: &atomic.Int64{},
	}
	if hasher == nil {
		hasher = freeHasher{f.compared}
	}
	f.Accounts = posthorn.NewAccounts(f.store, posthorn.AccountsConfig{
		Passwords: hasher, CheckPassword: auth.CheckPassword, NewAPISecret: auth.NewAPISecret, Sealer: box,
		NewToken: auth.NewToken, HashToken: auth.HashToken,
		HashAPIKey: func(plain string) ([32]byte, bool) { return auth.HashAPIKey(plain), true },
		NewAPIKey: func() posthorn.IssuedKey {
			plain, parts := auth.NewAPIKey()
			return posthorn.IssuedKey{Plain: plain, Hash: parts.Hash, Prefix: parts.Prefix, LastFour: parts.Last4}
		},
	})
	return f
}

// freeHasher makes hashes that cost nothing and counts how often it was asked to compare.
type freeHasher struct{ compared *atomic.Int64 }

func (freeHasher) Hash(_ context.Context, password string) (string, error) {
	return "free:" + password, nil
}

func (h freeHasher) Verify(_ context.Context, password, encoded string) (bool, error) {
	h.compared.Add(1)
	return encoded == "free:"+password, nil
}

func (h freeHasher) VerifyNothing(context.Context, string) error {
	h.compared.Add(1)
	return nil
}

func (freeHasher) NeedsRehash(string) bool { return false }

// found makes a tenant with credentials and returns it with its owner.
func (f accountsFixture) found(t *testing.T, email string) (posthorn.Bootstrap, posthorn.User) {
	t.Helper()
	made, err := f.CreateTenant(t.Context(), posthorn.CommandLine(), posthorn.NewTenant{
		Name: "Acme", OwnerEmail: email, OwnerName: "Ada", OwnerPassword: ownerPassword, WithCredentials: true,
	})
	if err != nil {
		t.Fatalf("create tenant: %v", err)
	}
	u, err := f.store.CredentialsByID(t.Context(), made.UserID)
	if err != nil {
		t.Fatalf("read the owner: %v", err)
	}
	return made, u.User
}

func (f accountsFixture) count(t *testing.T, table string) (n int) {
	t.Helper()
	if err := f.db.Pool().QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// wantKind checks the kind of an error and that it names a field, none when field is empty.
func wantKind(t *testing.T, err error, kind posthorn.Kind, field string) {
	t.Helper()
	e, ok := errors.AsType[*posthorn.Error](err)
	if !ok || e.Kind != kind {
		t.Fatalf("error is %v, want one of kind %v", err, kind)
	}
	if _, named := e.Fields[field]; named != (field != "") {
		t.Errorf("error names the fields %v, want %q", e.Fields, field)
	}
}

func TestATenantIsFoundedWithEverythingItStartsWith(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	made, owner := f.found(t, ownerEmail)
	ctx := t.Context()

	if owner.Email != ownerEmail || owner.Role != posthorn.RoleOwner || owner.TenantID != made.TenantID {
		t.Errorf("owner %+v", owner)
	}
	tenant, err := f.TenantByID(ctx, made.TenantID)
	if err != nil || tenant.Name != "Acme" {
		t.Errorf("tenant %+v, error %v", tenant, err)
	}
	var sealed []byte
	var revealed *time.Time
	err = f.db.Pool().QueryRow(ctx, `SELECT secret, revealed_at FROM signing_secrets WHERE webhook_id IS NULL AND expires_at IS NULL`).Scan(&sealed, &revealed)
	if err != nil || revealed == nil {
		t.Errorf("the secret that was handed out is not marked as revealed (%v)", err)
	}
	if plain, err := f.box.Open(sealed, []byte(made.TenantID.String()+"/api_secret")); err != nil || string(plain) != made.APISecret {
		t.Errorf("the sealed secret opens as %q, %v", plain, err)
	}
	var hash []byte
	var scopes []string
	var by *string
	err = f.db.Pool().QueryRow(ctx, `SELECT hash, scopes, created_by::text FROM api_keys`).Scan(&hash, &scopes, &by)
	if sum := sha256.Sum256([]byte(made.APIKey)); err != nil || string(hash) != string(sum[:]) || by != nil {
		t.Errorf("stored key: hash %x, created by %v, error %v", hash, by, err)
	}
	if diff := cmp.Diff([]string{"read", "write", "publish"}, scopes); diff != "" {
		t.Error(diff)
	}
	users, err := f.ListUsers(ctx, made.TenantID)
	if err != nil || len(users) != 1 {
		t.Fatalf("users %v, error %v", users, err)
	}
	if diff := cmp.Diff(owner, users[0]); diff != "" {
		t.Error(diff)
	}
}

func TestATenantWhoseOwnerCannotBeIsNotFounded(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	f.found(t, ownerEmail)
	rows := f.count(t, "audit_log")
	_, err := f.CreateTenant(t.Context(), posthorn.CommandLine(), posthorn.NewTenant{
		Name: "Other", OwnerEmail: strings.ToLower(ownerEmail), OwnerPassword: ownerPassword, WithCredentials: true,
	})
	wantKind(t, err, posthorn.Conflict, posthorn.FieldEmail)
	if n := f.count(t, "tenants"); n != 1 {
		t.Errorf("%d tenants", n)
	}
	if n := f.count(t, "audit_log"); n != rows {
		t.Errorf("what was not done is in the audit log")
	}
}

func TestOfManySetupsAtTheSameTimeOneIsMade(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	const tries = 8
	errs := make([]error, tries)
	var wg sync.WaitGroup
	for i := range tries {
		wg.Go(func() {
			// The store is asked directly: all of them have looked and found no tenant.
			errs[i] = f.store.FoundTenant(t.Context(), founding(fmt.Sprintf("owner%d@example.com", i), true))
		})
	}
	wg.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
			continue
		}
		wantKind(t, err, posthorn.Conflict, "")
	}
	if n := f.count(t, "tenants"); made != 1 || n != 1 {
		t.Errorf("%d setups went through and %d tenants are there, want 1", made, n)
	}
	if done, err := f.SetUp(t.Context()); !done || err != nil {
		t.Errorf("set up: %v, %v", done, err)
	}
}

func TestASetupWaitsForATenantThatIsBeingMade(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	ctx := t.Context()
	tx, err := f.db.Pool().Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	_, err = tx.Exec(ctx, `INSERT INTO tenants (id, name) VALUES (gen_random_uuid(), 'Acme')`)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- f.store.FoundTenant(ctx, founding(ownerEmail, true)) }()
	awaitBlocked(t, f.db)
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	wantKind(t, <-done, posthorn.Conflict, "")
}

func founding(email string, first bool) posthorn.Founding {
	tenant := posthorn.Tenant{ID: posthorn.NewTenantID(), Name: "Acme", CreatedAt: time.Now()}
	return posthorn.Founding{
		Tenant: tenant, MustBeFirst: first,
		APISecret: posthorn.SealedSecret{
			ID: posthorn.NewSigningSecretID(), TenantID: tenant.ID, Sealed: []byte("sealed"), CreatedAt: tenant.CreatedAt,
		},
		Owner: posthorn.UserCredentials{PasswordHash: "free:", User: posthorn.User{
			ID: posthorn.UserID(posthorn.NewTenantID()), TenantID: tenant.ID, Email: email, Name: "Ada", Role: posthorn.RoleOwner,
			Theme: posthorn.ThemeSystem, TimeZone: "UTC", PasswordChangedAt: tenant.CreatedAt, CreatedAt: tenant.CreatedAt,
		}},
	}
}

// awaitBlocked returns once a connection to the test's database waits for a lock.
func awaitBlocked(t *testing.T, db *postgres.DB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for blocked := false; !blocked; {
		err := db.Pool().QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock')`).Scan(&blocked)
		if err != nil {
			t.Fatalf("wait for a blocked statement: %v", err)
		}
	}
}

func TestTenantsAreListedOldestFirst(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	_, err := f.FirstTenantID(t.Context())
	wantKind(t, err, posthorn.NotFound, "")
	_, err = f.TenantByID(t.Context(), posthorn.NewTenantID())
	wantKind(t, err, posthorn.NotFound, "")
	one, _ := f.found(t, "one@example.com")
	two, _ := f.found(t, "two@example.com")
	tenants, err := f.ListTenants(t.Context())
	if err != nil || len(tenants) != 2 || tenants[0].ID != one.TenantID || tenants[1].ID != two.TenantID {
		t.Errorf("tenants %v, error %v", tenants, err)
	}
	if first, err := f.FirstTenantID(t.Context()); err != nil || first != one.TenantID {
		t.Errorf("first tenant %v, error %v", first, err)
	}
}

func TestEmailsAreOnePersonEverywhereAndExternalIDsWithinTheirTenant(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	one, _ := f.found(t, "one@example.com")
	two, _ := f.found(t, "two@example.com")
	add := func(tenant posthorn.TenantID, email, external string) error {
		_, err := f.CreateUser(t.Context(), posthorn.CommandLine(), posthorn.NewUser{
			TenantID: tenant, Email: email, Role: posthorn.RoleMember, ExternalID: external, Password: ownerPassword,
		})
		return err
	}
	for _, step := range []struct {
		rule            string
		tenant          posthorn.TenantID
		email, external string
		field           string // empty: it works
	}{
		{"a new user", one.TenantID, "bob@example.com", "user_2x", ""},
		{"the same email in another case", one.TenantID, "BOB@example.com", "", posthorn.FieldEmail},
		{"the same email elsewhere", two.TenantID, "bob@example.com", "", posthorn.FieldEmail},
		{"the same external id", one.TenantID, "eve@example.com", "user_2x", posthorn.FieldExternalID},
		{"the same external id elsewhere", two.TenantID, "eve@example.com", "user_2x", ""},
		{"no external id", one.TenantID, "joe@example.com", "", ""},
		{"no external id again", one.TenantID, "jim@example.com", "", ""},
	} {
		err := add(step.tenant, step.email, step.external)
		if step.field == "" {
			if err != nil {
				t.Errorf("%s: %v", step.rule, err)
			}
			continue
		}
		wantKind(t, err, posthorn.Conflict, step.field)
	}
	c, err := f.store.CredentialsByEmail(t.Context(), "boB@EXAMPLE.com")
	if err != nil || c.User.Email != "bob@example.com" || c.User.ExternalID != "user_2x" || c.PasswordHash != "free:"+ownerPassword {
		t.Errorf("found %+v, error %v", c, err)
	}
	_, err = f.store.CredentialsByEmail(t.Context(), "nobody@example.com")
	wantKind(t, err, posthorn.NotFound, "")
}

func TestProfileAndPreferencesAreKept(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	_, owner := f.found(t, ownerEmail)
	who := posthorn.SignedIn{User: owner}
	if err := f.UpdateProfile(t.Context(), who, "Ada Lovelace"); err != nil {
		t.Fatal(err)
	}
	who.User.Name = "Ada Lovelace"
	if err := f.UpdatePreferences(t.Context(), who, posthorn.ThemeDark, "Europe/Madrid"); err != nil {
		t.Fatal(err)
	}
	want := who.User
	want.Theme, want.TimeZone = posthorn.ThemeDark, "Europe/Madrid"
	got, err := f.store.CredentialsByID(t.Context(), owner.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.User); diff != "" {
		t.Error(diff)
	}
	who.User.ID = posthorn.UserID(posthorn.NewTenantID())
	wantKind(t, f.UpdateProfile(t.Context(), who, "Nobody"), posthorn.NotFound, "")
}

func TestAccountsWorkWithTheRealHasher(t *testing.T) {
	t.Parallel()
	f := accountsOver(t, testkit.DB(t), auth.NewHasher(1))
	made, err := f.FirstOwner(t.Context(), posthorn.Actor{Address: "192.0.2.1"}, posthorn.NewTenant{
		Name: "Acme", OwnerEmail: ownerEmail, OwnerPassword: ownerPassword,
	})
	if err != nil {
		t.Fatal(err)
	}
	attempt := posthorn.SignInAttempt{Email: ownerEmail, Password: ownerPassword, Address: "192.0.2.1"}
	if u, err := f.SignIn(t.Context(), attempt); err != nil || u.ID != made.UserID {
		t.Errorf("user %v, error %v", u.ID, err)
	}
	attempt.Password = "wrong"
	_, err = f.SignIn(t.Context(), attempt)
	wantKind(t, err, posthorn.Unauthorized, "")
	attempt.Email = "nobody@example.com"
	_, err = f.SignIn(t.Context(), attempt)
	wantKind(t, err, posthorn.Unauthorized, "")
}
