package postgres_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
	"posthorn/internal/testkit"
)

// newTenant opens a database with a tenant in it.
func newTenant(tb testing.TB) (*postgres.DB, posthorn.TenantID) {
	tb.Helper()
	db, tenant := testkit.DB(tb), posthorn.NewTenantID()
	if _, err := db.Pool().Exec(tb.Context(), `INSERT INTO tenants (id, name) VALUES ($1, 'Meridian Pay')`, tenant.UUID()); err != nil {
		tb.Fatal(err)
	}
	return db, tenant
}

// hook is a webhook with something in every field; change may alter it.
func hook(tenant posthorn.TenantID, change func(*posthorn.Webhook)) (posthorn.Webhook, posthorn.SealedSecret) {
	at := time.Now().UTC().Truncate(time.Microsecond)
	w := posthorn.Webhook{
		ID: posthorn.NewWebhookID(), TenantID: tenant, Name: "Ledger sync", Description: "two\nlines", URL: "https://ledger.example/hooks",
		Events:    []string{"submission.*", "aml.match.found"},
		Headers:   []posthorn.CustomHeader{{Name: "X-B", Sealed: []byte{1, 0, 255}}, {Name: "X-A", Sealed: []byte("sealed")}},
		Signature: posthorn.Signature{Scheme: posthorn.SchemeSmartKYC, Key: posthorn.KeyWebhook},
		Timeout:   7 * time.Second, MaxAttempts: 3, RetryOn: []int{408, 429}, RateLimit: 5, MaxInFlight: 9,
		Status:  posthorn.WebhookStatus{State: posthorn.WebhookActive, Reason: "because", Since: at, By: "Amara"},
		Version: 1, CreatedAt: at, CreatedBy: "Amara", UpdatedAt: at, UpdatedBy: "Jonas",
	}
	if change != nil {
		change(&w)
	}
	return w, posthorn.SealedSecret{
		ID: posthorn.NewSigningSecretID(), TenantID: tenant, WebhookID: w.ID,
		Sealed:    plainBox{}.Seal([]byte(posthorn.NewSigningSecret().Reveal()), posthorn.WebhookSecretPlace(w.ID)),
		LastFour:  "4f2a",
		CreatedAt: at, CreatedBy: "Amara", RevealedAt: at,
	}
}

func entryFor(w *posthorn.Webhook, action posthorn.Action) posthorn.AuditEntry {
	return posthorn.AuditEntry{ID: posthorn.NewAuditID(), TenantID: w.TenantID, Actor: posthorn.CommandLine(), Action: action, Subject: w.ID.String()}
}

func insertHook(tb testing.TB, store *postgres.Webhooks, tenant posthorn.TenantID, change func(*posthorn.Webhook)) posthorn.Webhook {
	tb.Helper()
	w, secret := hook(tenant, change)
	if _, err := store.InsertWebhook(tb.Context(), w, secret, nil, entryFor(&w, posthorn.ActionWebhookCreated)); err != nil {
		tb.Fatal(err)
	}
	return w
}

func TestAWebhookIsReadAsItWasStored(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	store := postgres.NewWebhooks(db)
	w, secret := hook(tenant, nil)
	if _, err := store.InsertWebhook(t.Context(), w, secret, nil, entryFor(&w, posthorn.ActionWebhookCreated)); err != nil {
		t.Fatal(err)
	}
	got, err := store.Webhook(t.Context(), tenant, w.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(posthorn.WebhookDetail{Webhook: w, Secrets: []posthorn.SealedSecret{secret}}, got); diff != "" {
		t.Errorf("webhook (-want +got):\n%s", diff)
	}

	w.Headers, w.RetryOn, w.RateLimit, w.Version = nil, []int{}, 0, 2
	saved, err := store.UpdateWebhook(t.Context(), w, nil, entryFor(&w, posthorn.ActionWebhookUpdated))
	if err != nil {
		t.Fatal(err)
	}
	if got, err = store.Webhook(t.Context(), tenant, w.ID); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w, got.Webhook); diff != "" {
		t.Errorf("changed webhook (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(got, saved); diff != "" {
		t.Errorf("the answer to the change (-stored +got):\n%s", diff)
	}
	if _, err := store.UpdateWebhook(t.Context(), w, nil); !errors.Is(err, posthorn.ErrStaleWebhook) {
		t.Errorf("the same version again: %v", err)
	}
}

func TestADeletedWebhookLeavesItsNameAndNothingSealed(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	store := postgres.NewWebhooks(db)
	w := insertHook(t, store, tenant, nil)
	if err := store.DeleteWebhook(t.Context(), w, time.Now(), entryFor(&w, posthorn.ActionWebhookDeleted)); err != nil {
		t.Fatal(err)
	}
	var name, url string
	if err := db.Pool().QueryRow(t.Context(), `SELECT name, url FROM deleted_webhooks WHERE id = $1`, w.ID.UUID()).Scan(&name, &url); err != nil {
		t.Fatal(err)
	}
	if name != w.Name || url != w.URL {
		t.Errorf("%s at %s", name, url)
	}
	var rest int
	if err := db.Pool().QueryRow(t.Context(), `SELECT (SELECT count(*) FROM webhooks) + (SELECT count(*) FROM signing_secrets WHERE webhook_id IS NOT NULL)`).Scan(&rest); err != nil {
		t.Fatal(err)
	}
	if rest != 0 {
		t.Errorf("%d rows are left", rest)
	}
	if err := store.DeleteWebhook(t.Context(), w, time.Now(), entryFor(&w, posthorn.ActionWebhookDeleted)); posthorn.KindOf(err) != posthorn.NotFound {
		t.Errorf("again: %v", err)
	}
}

func TestAFormSentManyTimesMakesOneWebhook(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	store := postgres.NewWebhooks(db)
	form := &posthorn.IdempotencyKey{Scope: "form:" + tenant.String(), Key: "one"}
	var made sync.Map
	var work sync.WaitGroup
	for range 20 {
		w, secret := hook(tenant, nil)
		work.Go(func() {
			first, err := store.InsertWebhook(t.Context(), w, secret, form, entryFor(&w, posthorn.ActionWebhookCreated))
			if err != nil || first.Repeated == (first.Webhook.ID == w.ID) || len(first.Webhook.Secrets) != 1 {
				t.Errorf("insert: %+v, %v", first, err)
			}
			made.Store(first.Webhook.ID, true)
		})
	}
	work.Wait()
	n := 0
	made.Range(func(any, any) bool { n++; return true })
	list, err := store.ListWebhooks(t.Context(), tenant, posthorn.WebhookFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if n != 1 || len(list.Webhooks) != 1 {
		t.Errorf("%d ids, %d webhooks", n, len(list.Webhooks))
	}
}

func TestTheListIsFilteredCountedAndInOrder(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	store := postgres.NewWebhooks(db)
	add := func(name, url string, state posthorn.WebhookState, events ...string) posthorn.WebhookID {
		return insertHook(t, store, tenant, func(w *posthorn.Webhook) {
			w.Name, w.URL, w.Status.State, w.Events = name, url, state, events
		}).ID
	}
	core := add("core banking", "https://core.example/50%_off", posthorn.WebhookActive, "*")
	ledger := add("Ledger", "https://ledger.example/", posthorn.WebhookActive, "aml.*")
	add("Staging", "https://staging.example/", posthorn.WebhookInactive, "submission.completed")
	broken := add("Zeta", "https://zeta.example/", posthorn.WebhookDisabled, "webhook.*")
	poor := add("Poor", "https://poor.example/", posthorn.WebhookActive, "user.created")
	paused := add("Paused", "https://paused.example/", posthorn.WebhookInactive, "user.created")
	// Of ten attempts nine succeeded: that is under the limit, while 19 of 20 is not, and neither are nine that failed, nor those of
	// another hour.
	now := time.Now()
	putMinute(t, db, tenant, poor, now.Add(-time.Minute), 0, 5, 1)
	putMinute(t, db, tenant, poor, now.Add(-10*time.Minute), 0, 4, 0)
	putMinute(t, db, tenant, paused, now.Add(-time.Minute), 0, 0, 20)
	putMinute(t, db, tenant, core, now.Add(-time.Minute), 0, 19, 1)
	putMinute(t, db, tenant, ledger, now.Add(-time.Minute), 0, 0, 9)
	putMinute(t, db, tenant, ledger, now.Add(-2*time.Hour), 0, 0, 100)
	names := func(f posthorn.WebhookFilter) []string {
		t.Helper()
		list, err := store.ListWebhooks(t.Context(), tenant, f)
		if err != nil {
			t.Fatal(err)
		}
		out := []string{}
		for _, w := range list.Webhooks {
			out = append(out, w.Name)
		}
		return out
	}
	for _, c := range []struct {
		filter posthorn.WebhookFilter
		want   []string
	}{
		{posthorn.WebhookFilter{}, []string{"Poor", "Zeta", "core banking", "Ledger", "Paused", "Staging"}},
		{posthorn.WebhookFilter{Standing: posthorn.StandingActive}, []string{"core banking", "Ledger"}},
		{posthorn.WebhookFilter{Standing: posthorn.StandingFailing}, []string{"Poor"}},
		{posthorn.WebhookFilter{Standing: posthorn.StandingInactive}, []string{"Paused", "Staging"}},
		{posthorn.WebhookFilter{Standing: posthorn.StandingFailing, Text: "core"}, []string{}},
		{posthorn.WebhookFilter{Text: "LEDGER.ex"}, []string{"Ledger"}},
		{posthorn.WebhookFilter{Text: "50%_"}, []string{"core banking"}},
		{posthorn.WebhookFilter{Text: "%"}, []string{"core banking"}},
		{posthorn.WebhookFilter{Text: ledger.String()}, []string{"Ledger"}},
		{posthorn.WebhookFilter{Event: "aml.match.found"}, []string{"core banking", "Ledger"}},
		{posthorn.WebhookFilter{Event: "webhook.disabled"}, []string{"Zeta"}},
		{posthorn.WebhookFilter{Text: "nothing"}, []string{}},
	} {
		if diff := cmp.Diff(c.want, names(c.filter)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.filter, diff)
		}
	}
	list, err := store.ListWebhooks(t.Context(), tenant, posthorn.WebhookFilter{Standing: posthorn.StandingInactive})
	if err != nil {
		t.Fatal(err)
	}
	want := map[posthorn.WebhookStanding]int{
		posthorn.StandingActive: 2, posthorn.StandingFailing: 1, posthorn.StandingInactive: 2, posthorn.StandingDisabled: 1,
	}
	if diff := cmp.Diff(want, list.Counts); diff != "" || list.Total() != 6 {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if slices.Contains([]posthorn.WebhookID{core, ledger, broken}, posthorn.WebhookID{}) {
		t.Error("an id is zero")
	}
}

func TestAWebhookIsFoundByApplicationAndURLWithinItsTenant(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	store := postgres.NewWebhooks(db)
	app := posthorn.NewApplicationID()
	_, err := db.Pool().Exec(t.Context(), `INSERT INTO applications (id, tenant_id, name, external_id) VALUES ($1, $2, 'Ledger', 'app_outside')`,
		app.UUID(), tenant.UUID())
	if err != nil {
		t.Fatal(err)
	}
	url := "https://ledger.example/" + fmt.Sprintf("%02000d", 7)
	plain := insertHook(t, store, tenant, func(w *posthorn.Webhook) { w.URL = url })
	scoped := insertHook(t, store, tenant, func(w *posthorn.Webhook) { w.URL, w.ApplicationID = url, app })
	for _, c := range []struct {
		tenant      posthorn.TenantID
		application posthorn.ApplicationID
		want        []posthorn.WebhookID
	}{
		{tenant, posthorn.ApplicationID{}, []posthorn.WebhookID{plain.ID}},
		{tenant, app, []posthorn.WebhookID{scoped.ID}},
		{posthorn.NewTenantID(), app, []posthorn.WebhookID{}},
	} {
		got, err := store.WebhooksAt(t.Context(), c.tenant, c.application, url)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("ids (-want +got):\n%s", diff)
		}
	}
	detail, err := store.Webhook(t.Context(), tenant, scoped.ID)
	if err != nil {
		t.Fatal(err)
	}
	want := &posthorn.Application{ID: app, TenantID: tenant, Name: "Ledger", ExternalID: "app_outside"}
	if diff := cmp.Diff(want, detail.Application); diff != "" {
		t.Errorf("application (-want +got):\n%s", diff)
	}
}

func TestRotatedSecretsSignOnUntilTheirEnd(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	store := postgres.NewWebhooks(db)
	w := insertHook(t, store, tenant, nil)
	rotate := func(oldExpires time.Time, form *posthorn.IdempotencyKey) (bool, error) {
		t.Helper()
		_, secret := hook(tenant, func(x *posthorn.Webhook) { x.ID = w.ID })
		made, err := store.ReplaceSecret(t.Context(), posthorn.SecretChange{Secret: secret, OldExpires: oldExpires}, form, entryFor(&w, posthorn.ActionSecretRotated))
		return made.Repeated, err
	}
	live := func() int {
		t.Helper()
		d, err := store.Webhook(t.Context(), tenant, w.ID)
		if err != nil {
			t.Fatal(err)
		}
		if !d.Secrets[0].Current() {
			t.Error("the first secret is not the current one")
		}
		return len(d.Secrets)
	}
	form := &posthorn.IdempotencyKey{Scope: "form:" + tenant.String(), Key: "rotate"}
	for range 3 {
		if _, err := rotate(time.Now().Add(time.Hour), form); err != nil {
			t.Fatal(err)
		}
	}
	if n := live(); n != 2 {
		t.Errorf("one form sent three times: %d secrets sign", n)
	}
	for range posthorn.MaxLiveSecrets - 2 {
		if _, err := rotate(time.Now().Add(time.Hour), nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := rotate(time.Now().Add(time.Hour), nil); !errors.Is(err, posthorn.ErrTooManySecrets) || live() != posthorn.MaxLiveSecrets {
		t.Errorf("one more than allowed: %v, %d secrets sign", err, live())
	}
	n, err := store.RetireSecrets(t.Context(), tenant, w.ID, entryFor(&w, posthorn.ActionSecretRetired))
	if err != nil || n != posthorn.MaxLiveSecrets-1 || live() != 1 {
		t.Errorf("retired %d, %v, %d secrets sign", n, err, live())
	}
	if _, err := rotate(time.Now().Add(-time.Second), nil); err != nil || live() != 1 {
		t.Errorf("an old secret whose time is over: %v, %d secrets sign", err, live())
	}
	if _, err := rotate(time.Time{}, nil); err != nil || live() != 1 {
		t.Errorf("ended at once: %v, %d secrets sign", err, live())
	}
}

func BenchmarkListOf500Webhooks(b *testing.B) {
	db, tenant := newTenant(b)
	store := postgres.NewWebhooks(db)
	for i := range 500 {
		w, secret := hook(tenant, func(w *posthorn.Webhook) { w.Name = fmt.Sprintf("Webhook %d", i) })
		if _, err := store.InsertWebhook(b.Context(), w, secret, nil, entryFor(&w, posthorn.ActionWebhookCreated)); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if list, err := store.ListWebhooks(b.Context(), tenant, posthorn.WebhookFilter{Text: "webhook"}); err != nil || len(list.Webhooks) != 500 {
			b.Fatal(err, len(list.Webhooks))
		}
	}
}
