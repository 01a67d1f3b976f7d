package postgres_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
	"posthorn/internal/secretbox"
)

func newKey() []byte {
	key := make([]byte, secretbox.KeySize)
	_, _ = rand.Read(key)
	return key
}

func boxOf(t *testing.T, keys ...[]byte) *secretbox.Box {
	t.Helper()
	box, err := secretbox.New(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// sealedFixture is a database with secrets of every kind, sealed under one key.
type sealedFixture struct {
	accountsFixture
	tenant posthorn.TenantID
	old    *secretbox.Box
}

func newSealed(t *testing.T, key []byte, webhooks int) sealedFixture {
	t.Helper()
	f := sealedFixture{accountsFixture: newAccounts(t), old: boxOf(t, key)}
	made, _ := f.found(t, ownerEmail)
	f.tenant = made.TenantID
	exec(t, f.db, `UPDATE signing_secrets SET secret = $1`, f.old.Seal([]byte("the api secret"), posthorn.APISecretPlace(f.tenant)))
	for range webhooks {
		f.addWebhook(t, f.old)
	}
	return f
}

// addWebhook stores a webhook with a secret and two headers.
func (f sealedFixture) addWebhook(t *testing.T, box *secretbox.Box) posthorn.WebhookID {
	t.Helper()
	now := time.Now()
	id := posthorn.NewWebhookID()
	w := posthorn.Webhook{
		ID: id, TenantID: f.tenant, Name: "n", URL: "https://example.com", Events: []string{"*"}, RetryOn: []int{},
		Headers: []posthorn.CustomHeader{
			{Name: "X-One", Sealed: box.Seal([]byte("one"), posthorn.WebhookHeaderPlace(id, "X-One"))},
			{Name: "X-Two", Sealed: box.Seal([]byte("two"), posthorn.WebhookHeaderPlace(id, "x-two"))},
		},
		Signature: posthorn.Signature{Scheme: posthorn.SchemeStandard}, Status: posthorn.WebhookStatus{State: posthorn.WebhookActive, Since: now},
		Version: 1, CreatedAt: now, UpdatedAt: now,
	}
	secret := posthorn.SealedSecret{
		ID: posthorn.NewSigningSecretID(), TenantID: f.tenant, WebhookID: id, CreatedAt: now,
		Sealed: box.Seal([]byte("a webhook's secret"), posthorn.WebhookSecretPlace(id)),
	}
	entry := posthorn.AuditEntry{ID: posthorn.AuditID(uuid.New()), TenantID: f.tenant}
	if _, err := postgres.NewWebhooks(f.db).InsertWebhook(t.Context(), w, secret, nil, entry); err != nil {
		t.Fatal(err)
	}
	return id
}

// checkOpens opens everything with one box, by other means than Reseal.
func (f sealedFixture) checkOpens(t *testing.T, box *secretbox.Box) {
	t.Helper()
	open := func(sealed, place []byte, want string) {
		t.Helper()
		if plain, err := box.Open(sealed, place); err != nil || string(plain) != want {
			t.Errorf("%s: %q, %v", place, plain, err)
		}
	}
	rows, err := f.db.Pool().Query(t.Context(), `SELECT s.webhook_id, s.secret, w.header_values FROM signing_secrets s LEFT JOIN webhooks w ON w.id = s.webhook_id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var webhook *uuid.UUID
		var secret []byte
		var headers [][]byte
		if err := rows.Scan(&webhook, &secret, &headers); err != nil {
			t.Fatal(err)
		}
		if webhook == nil {
			open(secret, posthorn.APISecretPlace(f.tenant), "the api secret")
			continue
		}
		id := posthorn.WebhookID(*webhook)
		open(secret, posthorn.WebhookSecretPlace(id), "a webhook's secret")
		open(headers[0], posthorn.WebhookHeaderPlace(id, "X-One"), "one")
		open(headers[1], posthorn.WebhookHeaderPlace(id, "X-Two"), "two")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

func checkReport(t *testing.T, got postgres.SealedReport, err error, want postgres.SealedReport) {
	t.Helper()
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}

func TestRotatingTheKeyLeavesNothingThatNeedsTheOldOne(t *testing.T) {
	t.Parallel()
	const webhooks = 205 // more than one batch
	oldKey, newKey := newKey(), newKey()
	f := newSealed(t, oldKey, webhooks)
	both, fresh := boxOf(t, newKey, oldKey), boxOf(t, newKey)

	r, err := f.db.ExamineSealed(t.Context(), both)
	checkReport(t, r, err, postgres.SealedReport{Stale: 1 + 3*webhooks})
	r, err = f.db.Reseal(t.Context(), both)
	checkReport(t, r, err, postgres.SealedReport{Resealed: 1 + 3*webhooks})
	f.checkOpens(t, fresh)
	r, err = f.db.Reseal(t.Context(), both)
	checkReport(t, r, err, postgres.SealedReport{Current: 1 + 3*webhooks})
	r, err = f.db.ExamineSealed(t.Context(), fresh)
	checkReport(t, r, err, postgres.SealedReport{Current: 1 + 3*webhooks})
}

func TestRotatingTheKeyNamesWhatOpensWithNoneAndDoesTheRest(t *testing.T) {
	t.Parallel()
	oldKey, newKey, lostKey := newKey(), newKey(), newKey()
	f := newSealed(t, oldKey, 1)
	lost := f.addWebhook(t, boxOf(t, lostKey))
	var secret uuid.UUID
	if err := f.db.Pool().QueryRow(t.Context(), `SELECT id FROM signing_secrets WHERE webhook_id = $1`, lost.UUID()).Scan(&secret); err != nil {
		t.Fatal(err)
	}
	both := boxOf(t, newKey, oldKey)
	for _, v := range []struct{ resealed, current int }{{4, 0}, {0, 4}} {
		r, err := f.db.Reseal(t.Context(), both)
		checkReport(t, r, err, postgres.SealedReport{
			Resealed: v.resealed, Current: v.current, Unreadable: []string{posthorn.SigningSecretID(secret).String(), lost.String()},
		})
	}
	// With the lost key at hand, the next run finishes.
	all := boxOf(t, newKey, oldKey, lostKey)
	r, err := f.db.Reseal(t.Context(), all)
	checkReport(t, r, err, postgres.SealedReport{Resealed: 3, Current: 4})
	f.checkOpens(t, boxOf(t, newKey))
}

// editingBox changes what is stored between the moment at which it was read and the one at which its new form is written.
type editingBox struct {
	*secretbox.Box
	edit func()
}

func (b *editingBox) Open(ciphertext, place []byte) ([]byte, error) {
	if edit := b.edit; edit != nil {
		b.edit = nil
		edit()
	}
	return b.Box.Open(ciphertext, place)
}

func TestAChangeAtTheSameTimeWinsOverTheRotation(t *testing.T) {
	t.Parallel()
	oldKey, newKey := newKey(), newKey()
	f := newSealed(t, oldKey, 0)
	both := boxOf(t, newKey, oldKey)
	place := posthorn.APISecretPlace(f.tenant)
	for name, sealer := range map[string]*secretbox.Box{"under the new key": both, "under the old key": f.old} {
		changed := sealer.Seal([]byte("changed "+name), place)
		exec(t, f.db, `UPDATE signing_secrets SET secret = $1`, f.old.Seal([]byte("the api secret"), place))
		box := &editingBox{Box: both, edit: func() { exec(t, f.db, `UPDATE signing_secrets SET secret = $1`, changed) }}
		r, err := f.db.Reseal(t.Context(), box)
		if err != nil || r.Stale != 0 || r.Unreadable != nil {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		var stored []byte
		if err := f.db.Pool().QueryRow(t.Context(), `SELECT secret FROM signing_secrets`).Scan(&stored); err != nil {
			t.Fatal(err)
		}
		if plain, err := boxOf(t, newKey).Open(stored, place); err != nil || string(plain) != "changed "+name {
			t.Errorf("%s: %q, %v", name, plain, err)
		}
	}
}

func TestExaminingChangesNothing(t *testing.T) {
	t.Parallel()
	oldKey := newKey()
	f := newSealed(t, oldKey, 2)
	dump := func() []byte {
		var all []byte
		err := f.db.Pool().QueryRow(t.Context(), `SELECT convert_to(string_agg(s.secret::text || coalesce(w.header_values::text, ''), ' ' ORDER BY s.id), 'UTF8')
 FROM signing_secrets s LEFT JOIN webhooks w ON w.id = s.webhook_id`).Scan(&all)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	before := slices.Clone(dump())
	if _, err := f.db.ExamineSealed(t.Context(), boxOf(t, newKey(), oldKey)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, dump()) {
		t.Error("something changed")
	}
}
