package postgres_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/posthorn"
	"posthorn/internal/testkit"
)

func (f accountsFixture) makeKey(t *testing.T, who posthorn.User, in posthorn.NewAPIKey) posthorn.MadeAPIKey {
	t.Helper()
	in.Name, in.Scopes = "CI", []posthorn.Scope{posthorn.ScopePublish}
	k, err := f.CreateAPIKey(t.Context(), who.Actor("192.0.2.1"), who.TenantID, in)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestAPIKeysAreStoredHashed(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	_, owner := f.found(t, ownerEmail)
	expires := time.Now().Add(time.Hour).Truncate(time.Microsecond)
	k := f.makeKey(t, owner, posthorn.NewAPIKey{ExpiresAt: expires})
	var row string
	var by string
	var at time.Time
	err := f.db.Pool().QueryRow(t.Context(), `SELECT k::text, created_by::text, expires_at FROM api_keys k WHERE id = $1`, k.ID.UUID()).Scan(&row, &by, &at)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(row, k.Plain) || by != owner.ID.UUID().String() || !at.Equal(expires) {
		t.Errorf("row %s, created by %s, expires %s", row, by, at)
	}
}

func TestKeysAreListedNewestFirstWithinTheirTenant(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	_, owner := f.found(t, ownerEmail)
	_, other := f.found(t, "other@example.com")
	expires := time.Now().UTC().Add(time.Hour).Truncate(time.Microsecond)
	one, two := f.makeKey(t, owner, posthorn.NewAPIKey{}), f.makeKey(t, owner, posthorn.NewAPIKey{ExpiresAt: expires})
	keys, err := f.ListAPIKeys(t.Context(), owner.TenantID)
	if err != nil || len(keys) != 3 || keys[2].Name != "Bootstrap" {
		t.Fatalf("%+v, %v", keys, err)
	}
	if diff := cmp.Diff([]posthorn.APIKey{two.APIKey, one.APIKey}, keys[:2]); diff != "" {
		t.Error(diff)
	}
	_, err = f.APIKey(t.Context(), other.TenantID, one.ID)
	wantKind(t, err, posthorn.NotFound, "")
	_, err = f.RevokeAPIKey(t.Context(), other.Actor(""), other.TenantID, one.ID)
	wantKind(t, err, posthorn.NotFound, "")
	if _, err := f.VerifyAPIKey(t.Context(), one.Plain); err != nil {
		t.Error(err)
	}
}

func TestARevokedKeyIsRefusedAtOnceByEveryProcess(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	_, owner := f.found(t, ownerEmail)
	elsewhere := accountsOver(t, f.db, nil)
	k := f.makeKey(t, owner, posthorn.NewAPIKey{})
	if got, err := elsewhere.VerifyAPIKey(t.Context(), k.Plain); err != nil || got.ID != k.ID {
		t.Fatalf("%v, %v", got.ID, err)
	}
	for range 2 {
		if _, err := f.RevokeAPIKey(t.Context(), owner.Actor("192.0.2.1"), owner.TenantID, k.ID); err != nil {
			t.Fatal(err)
		}
		_, err := elsewhere.VerifyAPIKey(t.Context(), k.Plain)
		wantKind(t, err, posthorn.Unauthorized, "")
	}
	entries := f.audit(t, posthorn.ActionAPIKeyRevoked)
	if len(entries) != 1 || entries[0].Subject != k.ID.String() || entries[0].Before["name"] != "CI" {
		t.Errorf("audit %+v", entries)
	}
}

func TestAFormSentManyTimesAtOnceMakesOneKey(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	_, owner := f.found(t, ownerEmail)
	form := &posthorn.IdempotencyKey{Scope: "form:x", Key: "1"}
	made := make([]posthorn.MadeAPIKey, 20)
	var work sync.WaitGroup
	for i := range made {
		work.Go(func() {
			var err error
			in := posthorn.NewAPIKey{Name: "CI", Scopes: posthorn.Scopes(), Form: form}
			if made[i], err = f.CreateAPIKey(t.Context(), owner.Actor(""), owner.TenantID, in); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	fresh := slices.DeleteFunc(slices.Clone(made), func(k posthorn.MadeAPIKey) bool { return k.Repeated })
	if len(fresh) != 1 || fresh[0].Plain == "" || f.count(t, "api_keys") != 2 || len(f.audit(t, posthorn.ActionAPIKeyCreated)) != 2 {
		t.Fatalf("%d keys were made, %d rows", len(fresh), f.count(t, "api_keys"))
	}
	for _, k := range made {
		if k.ID != fresh[0].ID || k.Repeated && k.Plain != "" {
			t.Errorf("%+v", k)
		}
	}
}

func TestATenantHasABoundedNumberOfKeysInUse(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	_, owner := f.found(t, ownerEmail) // with one key
	more := func(n int, ended string) {
		t.Helper()
		exec(t, f.db, `INSERT INTO api_keys (id, tenant_id, name, scopes, hash, prefix, last_four, `+ended+`)
SELECT gen_random_uuid(), $1, 'Ended', '{read}', sha256(gen_random_uuid()::text::bytea), '', '', now() FROM generate_series(1, $2::int)`, owner.TenantID.UUID(), n)
	}
	more(150, "revoked_at")
	more(150, "expires_at")
	var work sync.WaitGroup
	var refused atomic.Int64
	exec(t, f.db, `INSERT INTO api_keys (id, tenant_id, name, scopes, hash, prefix, last_four)
SELECT gen_random_uuid(), $1, 'Live', '{read}', sha256(gen_random_uuid()::text::bytea), '', '' FROM generate_series(1, $2::int)`, owner.TenantID.UUID(), posthorn.MaxAPIKeys-4)
	for range 12 {
		work.Go(func() {
			_, err := f.CreateAPIKey(t.Context(), owner.Actor(""), owner.TenantID, posthorn.NewAPIKey{Name: "CI", Scopes: posthorn.Scopes()})
			if errors.Is(err, posthorn.ErrTooManyAPIKeys) && posthorn.KindOf(err) == posthorn.Conflict {
				refused.Add(1)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	keys, err := f.ListAPIKeys(t.Context(), owner.TenantID)
	live := slices.DeleteFunc(slices.Clone(keys), func(k posthorn.APIKey) bool { return !k.Live(time.Now()) })
	if err != nil || refused.Load() != 9 || len(live) != posthorn.MaxAPIKeys || len(keys) != posthorn.MaxAPIKeys+100 {
		t.Errorf("%d refused, %d live of %d listed, %v", refused.Load(), len(live), len(keys), err)
	}
}

func TestTheUseOfAKeyIsWrittenBesideTheRequest(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	_, owner := f.found(t, ownerEmail)
	k := f.makeKey(t, owner, posthorn.NewAPIKey{})
	for range 3 {
		if _, err := f.VerifyAPIKey(t.Context(), k.Plain); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := f.APIKey(t.Context(), owner.TenantID, k.ID); err != nil || !got.LastUsedAt.IsZero() {
		t.Fatalf("written by the request: %v, %v", got.LastUsedAt, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // what is pending is written all the same
	f.store.RunAPIKeyUses(ctx)
	got, err := f.APIKey(t.Context(), owner.TenantID, k.ID)
	if err != nil || time.Since(got.LastUsedAt) > time.Minute {
		t.Errorf("last used %v, %v", got.LastUsedAt, err)
	}
	// A later start, which knows of an older use, does not turn the clock back.
	f.store.NoteAPIKeyUse(k.ID, got.LastUsedAt.Add(-time.Hour))
	f.store.RunAPIKeyUses(ctx)
	if again, err := f.APIKey(t.Context(), owner.TenantID, k.ID); err != nil || !again.LastUsedAt.Equal(got.LastUsedAt) {
		t.Errorf("last used %v, then %v, %v", got.LastUsedAt, again.LastUsedAt, err)
	}
}

// BenchmarkVerifyAPIKey measures what every call of the API pays.
func BenchmarkVerifyAPIKey(b *testing.B) {
	f := accountsOver(b, testkit.DB(b), nil)
	made, err := f.CreateTenant(b.Context(), posthorn.CommandLine(), posthorn.NewTenant{
		Name: "Acme", OwnerEmail: ownerEmail, OwnerPassword: ownerPassword, WithCredentials: true,
	})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := f.VerifyAPIKey(b.Context(), made.APIKey); err != nil {
			b.Fatal(err)
		}
	}
}
