package posthorn_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"posthorn/internal/posthorn"
)

func TestTheAPISecretIsRevealedOnce(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	who := f.withOwner(t)
	before, err := f.APISecret(t.Context(), who.Tenant.ID)
	if err != nil || !before.Current.RevealedAt.IsZero() || before.Current.LastFour != "cret" || before.Current.CreatedBy != "command line" {
		t.Fatalf("%+v, %v", before, err)
	}
	plain, err := f.RevealAPISecret(t.Context(), who.User.Actor(""), who.Tenant.ID)
	if err != nil || plain != plainAPISecret {
		t.Fatalf("%q, %v", plain, err)
	}
	again, err := f.RevealAPISecret(t.Context(), who.User.Actor(""), who.Tenant.ID)
	if !errors.Is(err, posthorn.ErrSecretShown) || again != "" {
		t.Errorf("%q, %v", again, err)
	}
	if after, err := f.APISecret(t.Context(), who.Tenant.ID); err != nil || after.Current.RevealedAt.IsZero() {
		t.Errorf("%+v, %v", after, err)
	}
	_, err = f.RevealAPISecret(t.Context(), who.User.Actor(""), posthorn.NewTenantID())
	wantKind(t, err, posthorn.NotFound)
}

func TestASecretThatDoesNotOpenIsNotUsedUp(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	who := f.withOwner(t)
	f.store.secrets[0].Sealed = []byte("sealed elsewhere")
	if _, err := f.RevealAPISecret(t.Context(), who.User.Actor(""), who.Tenant.ID); err == nil {
		t.Fatal("it was shown")
	}
	if !f.store.secrets[0].RevealedAt.IsZero() {
		t.Error("it counts as shown")
	}
}

func TestRotatingKeepsTheOldSecretForTheOverlap(t *testing.T) {
	t.Parallel()
	for name, overlap := range map[string]time.Duration{"a day": 24 * time.Hour, "a week": posthorn.MaxSecretOverlap, "at once": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newAccounts(t)
			who := f.withOwner(t)
			form := &posthorn.IdempotencyKey{Scope: "form", Key: "1"}
			made, err := f.RotateAPISecret(t.Context(), who.User.Actor(""), who.Tenant.ID, posthorn.SecretRotation{Overlap: overlap, Own: integratorSecret, Form: form})
			if err != nil || !strings.HasPrefix(made.Plain, "whsec_") {
				t.Fatalf("%+v, %v", made, err)
			}
			now, err := f.APISecret(t.Context(), who.Tenant.ID)
			if err != nil || now.Current.RevealedAt.IsZero() || now.Current.CreatedBy != "Ada" || !strings.HasSuffix(strings.TrimRight(made.Plain, "="), now.Current.LastFour) {
				t.Errorf("%+v, %v", now.Current, err)
			}
			if overlap == 0 {
				if len(now.Old) != 0 || !made.OldExpires.IsZero() {
					t.Errorf("still signing: %+v", now.Old)
				}
				return
			}
			if len(now.Old) != 1 || !now.Old[0].ExpiresAt.Equal(made.OldExpires) || !made.OldExpires.Equal(now.Current.CreatedAt.Add(overlap)) {
				t.Errorf("%+v, old until %s", now, made.OldExpires)
			}
			again, err := f.RotateAPISecret(t.Context(), who.User.Actor(""), who.Tenant.ID, posthorn.SecretRotation{Overlap: overlap, Form: form})
			if err != nil || !again.Repeated || again.Plain != "" || len(f.store.secrets) != 2 {
				t.Errorf("sent again: %+v, %v", again, err)
			}
			n, err := f.RetireOldAPISecrets(t.Context(), who.User.Actor(""), who.Tenant.ID)
			if err != nil || n != 1 || len(f.store.secrets) != 1 {
				t.Errorf("retired %d, %v", n, err)
			}
		})
	}
}

func TestARotationIsCheckedBeforeItChangesAnything(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]struct {
		rotation posthorn.SecretRotation
		bad      []string
	}{
		"too long":  {posthorn.SecretRotation{Overlap: posthorn.MaxSecretOverlap + time.Second}, []string{posthorn.FieldOverlap}},
		"negative":  {posthorn.SecretRotation{Overlap: -time.Second}, []string{posthorn.FieldOverlap}},
		"too short": {posthorn.SecretRotation{Own: "short"}, []string{posthorn.FieldSecret}},
		"both":      {posthorn.SecretRotation{Overlap: -1, Own: "whsec_!"}, []string{posthorn.FieldOverlap, posthorn.FieldSecret}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newAccounts(t)
			who := f.withOwner(t)
			_, err := f.RotateAPISecret(t.Context(), who.User.Actor(""), who.Tenant.ID, v.rotation)
			wantKind(t, err, posthorn.Invalid, v.bad...)
			if len(f.store.secrets) != 1 || v.rotation.Own != "" && strings.Contains(err.Error(), v.rotation.Own) {
				t.Errorf("%d secrets, %v", len(f.store.secrets), err)
			}
		})
	}
}
