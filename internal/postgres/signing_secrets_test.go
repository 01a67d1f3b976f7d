package postgres_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"posthorn/internal/posthorn"
)

func (f accountsFixture) rotate(t *testing.T, who posthorn.User, overlap time.Duration) (posthorn.RotatedSecret, error) {
	t.Helper()
	return f.RotateAPISecret(t.Context(), who.Actor("192.0.2.1"), who.TenantID, posthorn.SecretRotation{Overlap: overlap})
}

// plain opens what signs, newest first.
func (f accountsFixture) plain(t *testing.T, tenant posthorn.TenantID) (texts []string) {
	t.Helper()
	secret, err := f.APISecret(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range append([]posthorn.SealedSecret{secret.Current}, secret.Old...) {
		text, err := f.box.Open(s.Sealed, posthorn.APISecretPlace(tenant))
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	return texts
}

func TestOnlyOneOfManyWhoAskAtOnceSeesTheAPISecret(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	made, err := f.CreateTenant(t.Context(), posthorn.CommandLine(), posthorn.NewTenant{Name: "Acme", OwnerEmail: ownerEmail, OwnerPassword: ownerPassword})
	if err != nil {
		t.Fatal(err)
	}
	seen := make([]string, 20)
	var work sync.WaitGroup
	for i := range seen {
		work.Go(func() {
			var err error
			if seen[i], err = f.RevealAPISecret(t.Context(), posthorn.CommandLine(), made.TenantID); err != nil && !errors.Is(err, posthorn.ErrSecretShown) {
				t.Error(err)
			}
		})
	}
	work.Wait()
	shown := 0
	for _, text := range seen {
		if text != "" {
			shown++
		}
	}
	if shown != 1 || len(f.audit(t, posthorn.ActionAPISecretRevealed)) != 1 {
		t.Errorf("shown %d times", shown)
	}
}

func TestOldSecretsSignUntilTheirEndAndNoLonger(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	made, owner := f.found(t, ownerEmail)
	one, err := f.rotate(t, owner, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	two, err := f.rotate(t, owner, 2*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(f.plain(t, owner.TenantID)), fmt.Sprint([]string{two.Plain, one.Plain, made.APISecret}); got != want {
		t.Errorf("signing: %s, want %s", got, want)
	}
	// The first one keeps the end that it was given; when it has come, it is out.
	exec(t, f.db, `UPDATE signing_secrets SET expires_at = now() WHERE expires_at < now() + interval '90 minutes'`)
	if got, want := fmt.Sprint(f.plain(t, owner.TenantID)), fmt.Sprint([]string{two.Plain, one.Plain}); got != want {
		t.Errorf("signing: %s, want %s", got, want)
	}
	n, err := f.RetireOldAPISecrets(t.Context(), owner.Actor(""), owner.TenantID)
	if err != nil || n != 1 || f.count(t, "signing_secrets") != 1 {
		t.Errorf("retired %d, %v, %d rows", n, err, f.count(t, "signing_secrets"))
	}
	if n, err := f.RetireOldAPISecrets(t.Context(), owner.Actor(""), owner.TenantID); err != nil || n != 0 {
		t.Errorf("retired %d, %v", n, err)
	}
	if entries := f.audit(t, posthorn.ActionAPISecretRetired); len(entries) != 1 || entries[0].After["secretsEnded"] != 1.0 {
		t.Errorf("audit %+v", entries)
	}
}

func TestARotationAtOnceEndsEveryOlderSecret(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	_, owner := f.found(t, ownerEmail)
	_, other := f.found(t, "other@example.com")
	for _, overlap := range []time.Duration{time.Hour, time.Hour, 0} {
		if _, err := f.rotate(t, owner, overlap); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.plain(t, owner.TenantID); len(got) != 1 {
		t.Errorf("signing: %v", got)
	}
	if got := f.plain(t, other.TenantID); len(got) != 1 {
		t.Errorf("the other tenant's: %v", got)
	}
}

func TestNoMoreThanFiveSecretsSignAtTheSameTime(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	_, owner := f.found(t, ownerEmail)
	const tries = 12
	errs := make([]error, tries)
	var work sync.WaitGroup
	for i := range errs {
		work.Go(func() { _, errs[i] = f.rotate(t, owner, time.Hour) })
	}
	work.Wait()
	refused := 0
	for _, err := range errs {
		if errors.Is(err, posthorn.ErrTooManySecrets) {
			refused++
			if e, _ := errors.AsType[*posthorn.Error](err); !strings.Contains(e.Message, fmt.Sprintf("ends at %d-", time.Now().UTC().Year())) {
				t.Errorf("it does not say when the next one ends: %s", e.Message)
			}
		} else if err != nil {
			t.Error(err)
		}
	}
	if got := f.plain(t, owner.TenantID); len(got) != posthorn.MaxLiveSecrets || refused != tries-posthorn.MaxLiveSecrets+1 {
		t.Errorf("%d sign, %d rotations were refused", len(got), refused)
	}
	// At once works always, and expired ones do not count.
	exec(t, f.db, `UPDATE signing_secrets SET expires_at = now() WHERE expires_at IS NOT NULL`)
	if _, err := f.rotate(t, owner, time.Hour); err != nil {
		t.Error(err)
	}
}

func TestASecretOfNobodyIsNotFound(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	nobody := posthorn.User{TenantID: posthorn.NewTenantID()}
	_, err := f.rotate(t, nobody, time.Hour)
	wantKind(t, err, posthorn.NotFound, "")
	_, err = f.APISecret(t.Context(), nobody.TenantID)
	wantKind(t, err, posthorn.NotFound, "")
	_, err = f.RetireOldAPISecrets(t.Context(), posthorn.CommandLine(), nobody.TenantID)
	wantKind(t, err, posthorn.NotFound, "")
}
