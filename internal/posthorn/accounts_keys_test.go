package posthorn_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/posthorn"
)

// makeKey makes a key that ends after a while, or never when that is 0.
func (f accountsFixture) makeKey(t *testing.T, who posthorn.SignedIn, lives time.Duration) posthorn.MadeAPIKey {
	t.Helper()
	in := posthorn.NewAPIKey{Name: "CI", Scopes: []posthorn.Scope{posthorn.ScopeRead}}
	if lives > 0 {
		in.ExpiresAt = time.Now().Add(lives)
	}
	k, err := f.CreateAPIKey(t.Context(), who.User.Actor("192.0.2.1"), who.Tenant.ID, in)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestAKeyIsKnownByItsTextAlone(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	who := f.withOwner(t)
	made := f.makeKey(t, who, 0)
	k, err := f.VerifyAPIKey(t.Context(), plainAPIKey)
	if diff := cmp.Diff(made.APIKey, k); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if !k.Has(posthorn.ScopeRead) || k.Has(posthorn.ScopeWrite) {
		t.Errorf("scopes %v", k.Scopes)
	}
	if a := k.Actor("192.0.2.9"); a != (posthorn.Actor{Name: "API key CI", Address: "192.0.2.9"}) {
		t.Errorf("actor %+v", a)
	}
}

func TestEveryKeyThatDoesNotCountGetsTheSameAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		messages := map[string]bool{}
		check := func(f accountsFixture, plain string) {
			t.Helper()
			_, err := f.VerifyAPIKey(t.Context(), plain)
			wantKind(t, err, posthorn.Unauthorized)
			messages[err.Error()] = true
		}
		f := newAccounts(t)
		who := f.withOwner(t)
		for _, plain := range []string{"", "nonsense", "ph_live_unknown", plainAPIKey} {
			check(f, plain)
		}
		k := f.makeKey(t, who, time.Hour)
		if _, err := f.VerifyAPIKey(t.Context(), plainAPIKey); err != nil {
			t.Error(err)
		}
		pass(time.Hour)
		check(f, plainAPIKey)
		if k.Live(time.Now()) {
			t.Error("an expired key is live")
		}

		f = newAccounts(t)
		who = f.withOwner(t)
		k = f.makeKey(t, who, 0)
		if _, err := f.RevokeAPIKey(t.Context(), who.User.Actor(""), who.Tenant.ID, k.ID); err != nil {
			t.Fatal(err)
		}
		check(f, plainAPIKey)
		if len(messages) != 1 {
			t.Errorf("%d different messages: %v", len(messages), messages)
		}
	})
}

func TestTheUseOfAKeyIsNotedOnceAMinute(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]struct {
		ago  time.Duration
		want int
	}{"never": {0, 1}, "just now": {time.Second, 0}, "59 seconds ago": {59 * time.Second, 0}, "a minute ago": {time.Minute, 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newAccounts(t)
			f.makeKey(t, f.withOwner(t), 0)
			if v.ago > 0 {
				f.store.keys[0].LastUsedAt = time.Now().Add(-v.ago).Truncate(time.Microsecond)
			}
			if _, err := f.VerifyAPIKey(t.Context(), plainAPIKey); err != nil {
				t.Fatal(err)
			}
			if len(f.store.used) != v.want {
				t.Errorf("noted %d times, want %d", len(f.store.used), v.want)
			}
		})
	}
}

func TestRevokingAgainChangesNothingAndAnotherTenantsKeyDoesNotExist(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	who := f.withOwner(t)
	k := f.makeKey(t, who, 0)
	_, err := f.RevokeAPIKey(t.Context(), who.User.Actor(""), posthorn.NewTenantID(), k.ID)
	wantKind(t, err, posthorn.NotFound)
	first, err := f.RevokeAPIKey(t.Context(), who.User.Actor(""), who.Tenant.ID, k.ID)
	if err != nil || first.RevokedAt.IsZero() {
		t.Fatalf("%+v, %v", first, err)
	}
	entries := len(f.store.audit)
	again, err := f.RevokeAPIKey(t.Context(), who.User.Actor(""), who.Tenant.ID, k.ID)
	if err != nil || !again.RevokedAt.Equal(first.RevokedAt) || len(f.store.audit) != entries {
		t.Errorf("%+v, %v, %d new entries", again, err, len(f.store.audit)-entries)
	}
}

func TestAFormThatIsSentAgainMakesNoSecondKeyAndShowsNone(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	who := f.withOwner(t)
	in := posthorn.NewAPIKey{Name: "CI", Scopes: posthorn.Scopes(), Form: &posthorn.IdempotencyKey{Scope: "form", Key: "1"}}
	first, err := f.CreateAPIKey(t.Context(), who.User.Actor(""), who.Tenant.ID, in)
	if err != nil || first.Repeated || first.Plain == "" {
		t.Fatalf("%+v, %v", first, err)
	}
	again, err := f.CreateAPIKey(t.Context(), who.User.Actor(""), who.Tenant.ID, in)
	if err != nil || !again.Repeated || again.Plain != "" || again.ID != first.ID || len(f.store.keys) != 1 {
		t.Errorf("%+v, %v, %d keys", again, err, len(f.store.keys))
	}
}
