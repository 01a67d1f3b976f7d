package posthorn_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"posthorn/internal/posthorn"
)

// accountsFixture is Accounts over fakes, and the fakes.
type accountsFixture struct {
	*posthorn.Accounts
	store  *fakeAccounts
	hasher *fakeHasher
}

// Secrets that no audit entry may hold.
const (
	plainAPIKey      = "ph_live_plain-key"
	plainAPISecret   = "whsec_plain-secret"
	integratorSecret = "a secret of the integrator's own"
	goodPassword     = "correct horse battery"
	newPassword      = "staple battery horse"
)

func newAccounts(t *testing.T) accountsFixture {
	t.Helper()
	f := accountsFixture{store: &fakeAccounts{failures: map[string]posthorn.SignInFailures{}}, hasher: &fakeHasher{}}
	f.Accounts = posthorn.NewAccounts(f.store, posthorn.AccountsConfig{
		Passwords: f.hasher,
		CheckPassword: func(password, _ string) error {
			if len(password) < 10 {
				return errors.New("must have at least 10 characters")
			}
			return nil
		},
		NewAPIKey: func() posthorn.IssuedKey {
			return posthorn.IssuedKey{Plain: plainAPIKey, Hash: sha256.Sum256([]byte(plainAPIKey)), Prefix: "ph_live_plai", LastFour: "-key"}
		},
		HashAPIKey: func(plain string) ([32]byte, bool) {
			return sha256.Sum256([]byte(plain)), strings.HasPrefix(plain, "ph_live_")
		},
		NewAPISecret: func() string { return plainAPISecret },
		NewToken:     fakeTokens(),
		HashToken:    hashToken,
		Sealer:       fakeSealer{},
	})
	return f
}

// withOwner founds a tenant and returns its owner as signed in.
func (f accountsFixture) withOwner(t *testing.T) posthorn.SignedIn {
	t.Helper()
	_, err := f.CreateTenant(t.Context(), posthorn.CommandLine(), posthorn.NewTenant{
		Name: "Acme", OwnerEmail: "Ada@Example.com", OwnerName: "Ada", OwnerPassword: goodPassword,
	})
	if err != nil {
		t.Fatalf("create tenant: %v", err)
	}
	return posthorn.SignedIn{
		Session: posthorn.Session{TokenHash: [32]byte{1}, Address: "192.0.2.1"},
		User:    f.store.users[0].User, Tenant: f.store.tenants[0],
	}
}

type fakeSealer struct{}

func (fakeSealer) Seal(plaintext, aad []byte) []byte {
	return slices.Concat([]byte("sealed "), aad, []byte(" "), plaintext)
}

func (fakeSealer) Open(ciphertext, aad []byte) ([]byte, error) {
	plain, ok := bytes.CutPrefix(ciphertext, slices.Concat([]byte("sealed "), aad, []byte(" ")))
	if !ok {
		return nil, errors.New("sealed for another place")
	}
	return plain, nil
}

// fakeHasher "hashes" by a prefix and counts how often it was asked to compare. While hold is set, comparing waits.
type fakeHasher struct {
	mu                sync.Mutex
	verified, nothing int
	hold              chan struct{}
}

func (h *fakeHasher) Hash(_ context.Context, password string) (string, error) {
	return "new:" + password, nil
}

func (h *fakeHasher) Verify(_ context.Context, password, encoded string) (bool, error) {
	h.count(&h.verified)
	_, plain, _ := strings.Cut(encoded, ":")
	return plain == password, nil
}

func (h *fakeHasher) VerifyNothing(context.Context, string) error {
	h.count(&h.nothing)
	return nil
}

func (h *fakeHasher) count(n *int) {
	h.mu.Lock()
	*n++
	hold := h.hold
	h.mu.Unlock()
	if hold != nil {
		<-hold
	}
}

func (h *fakeHasher) NeedsRehash(encoded string) bool { return strings.HasPrefix(encoded, "old:") }

// compared returns how often a password was looked at, in either way.
func (h *fakeHasher) compared() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.verified + h.nothing
}

// fakeAccounts is a store in memory. It keeps what a test looks at.
type fakeAccounts struct {
	mu        sync.Mutex
	tenants   []posthorn.Tenant
	foundings []posthorn.Founding
	users     []posthorn.UserCredentials
	keys      []posthorn.APIKey
	used      []posthorn.APIKeyID
	secrets   []posthorn.SealedSecret
	// forms is what came of each form.
	forms    map[posthorn.IdempotencyKey]any
	failures map[string]posthorn.SignInFailures
	audit    []posthorn.AuditEntry
	changes  []posthorn.PasswordChange
	lookups  int
	members  fakeMembers
}

var errNone = posthorn.Errorf(posthorn.NotFound, "Not found")

func (s *fakeAccounts) FirstTenantID(context.Context) (posthorn.TenantID, error) {
	if len(s.tenants) == 0 {
		return posthorn.TenantID{}, errNone
	}
	return s.tenants[0].ID, nil
}

func (s *fakeAccounts) TenantByID(_ context.Context, id posthorn.TenantID) (posthorn.Tenant, error) {
	for _, t := range s.tenants {
		if t.ID == id {
			return t, nil
		}
	}
	return posthorn.Tenant{}, errNone
}

func (s *fakeAccounts) ListTenants(context.Context) ([]posthorn.Tenant, error) { return s.tenants, nil }

func (s *fakeAccounts) FoundTenant(_ context.Context, f posthorn.Founding) error {
	s.foundings = append(s.foundings, f)
	s.tenants = append(s.tenants, f.Tenant)
	s.users = append(s.users, f.Owner)
	s.secrets = append(s.secrets, f.APISecret)
	s.audit = append(s.audit, f.Audit...)
	return nil
}

func (s *fakeAccounts) ListUsers(context.Context, posthorn.TenantID) ([]posthorn.User, error) {
	return nil, nil
}

func (s *fakeAccounts) InsertUser(_ context.Context, u posthorn.UserCredentials, e posthorn.AuditEntry) error {
	s.users, s.audit = append(s.users, u), append(s.audit, e)
	return nil
}

func (s *fakeAccounts) UpdateUser(_ context.Context, u posthorn.User, e posthorn.AuditEntry) error {
	for i := range s.users {
		if s.users[i].User.ID == u.ID {
			s.users[i].User = u
		}
	}
	s.audit = append(s.audit, e)
	return nil
}

func (s *fakeAccounts) DeleteUserSessions(_ context.Context, _ posthorn.UserID, _ *[32]byte, e posthorn.AuditEntry) (int, error) {
	e.SessionsEnded(3)
	s.audit = append(s.audit, e)
	return 3, nil
}

func (s *fakeAccounts) CredentialsByEmail(_ context.Context, email string) (posthorn.UserCredentials, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lookups++
	for _, u := range s.users {
		if strings.EqualFold(u.User.Email, email) {
			return u, nil
		}
	}
	return posthorn.UserCredentials{}, errNone
}

func (s *fakeAccounts) CredentialsByID(_ context.Context, id posthorn.UserID) (posthorn.UserCredentials, error) {
	for _, u := range s.users {
		if u.User.ID == id {
			return u, nil
		}
	}
	return posthorn.UserCredentials{}, errNone
}

func (s *fakeAccounts) SetPassword(ctx context.Context, p posthorn.PasswordChange) (int, error) {
	s.changes, s.audit = append(s.changes, p), append(s.audit, p.Audit)
	return 0, s.ReplaceHash(ctx, p.UserID, p.OldHash, p.NewHash)
}

func (s *fakeAccounts) ReplaceHash(_ context.Context, id posthorn.UserID, oldHash, newHash string) error {
	for i := range s.users {
		if s.users[i].User.ID == id && s.users[i].PasswordHash == oldHash {
			s.users[i].PasswordHash = newHash
		}
	}
	return nil
}

func (s *fakeAccounts) UpdateSignInFailures(_ context.Context, keys []string, change func([]posthorn.SignInFailures) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := make([]posthorn.SignInFailures, len(keys))
	for i, k := range keys {
		counts[i] = s.failures[k]
		counts[i].Key = k
	}
	if err := change(counts); err != nil {
		return err
	}
	for _, c := range counts {
		s.failures[c.Key] = c
		if c.Failures == 0 {
			delete(s.failures, c.Key)
		}
	}
	return nil
}

// wantKind checks the kind of an error, and the fields that it names.
func wantKind(t *testing.T, err error, kind posthorn.Kind, fields ...string) {
	t.Helper()
	e, ok := errors.AsType[*posthorn.Error](err)
	if !ok || e.Kind != kind {
		t.Fatalf("error is %v, want one of kind %v", err, kind)
	}
	for _, name := range fields {
		if e.Fields[name] == "" {
			t.Errorf("error %v says nothing about the field %s", err, name)
		}
	}
	if len(e.Fields) != len(fields) {
		t.Errorf("error names the fields %v, want %v", e.Fields, fields)
	}
	if !strings.HasSuffix(e.Message, ".") {
		t.Errorf("message %q is not a sentence", e.Message)
	}
}

// pass lets time pass inside a synctest bubble.
func pass(d time.Duration) { <-time.After(d) }
