package postgres_test

import (
	"strings"
	"testing"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
)

// limitWebhook stores a webhook that is limited to an application.
func (f accountsFixture) limitWebhook(t *testing.T, id posthorn.WebhookID, a posthorn.Application) {
	t.Helper()
	_, err := f.db.Pool().Exec(t.Context(), `INSERT INTO webhooks (id, tenant_id, application_id, name, description, url, events, header_names, header_values,
 signature, timeout_seconds, max_attempts, retry_on, max_in_flight, state, state_reason, state_since, state_by, version, created_at, created_by, updated_at, updated_by)
VALUES ($1, $2, $3, 'Ledger', '', 'https://a.example', '{*}', '{}', '{}', '{"scheme":"standard"}', 15, 10, '{}', 32, 'active', '', now(), '', 1, now(), '', now(), '')`,
		id.UUID(), a.TenantID.UUID(), a.ID.UUID())
	if err != nil {
		t.Fatal(err)
	}
}

func TestAnApplicationLivesUntilNoWebhookUsesIt(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	_, owner := f.found(t, ownerEmail)
	_, other := f.found(t, "other@example.com")
	who, stranger := f.signedIn(t, owner), f.signedIn(t, other)
	x := posthorn.NewApplications(postgres.NewApplications(f.db))
	form := &posthorn.IdempotencyKey{Scope: "form", Key: "k"}
	made, err := x.Create(t.Context(), who, posthorn.ApplicationInput{Name: "Shop", ExternalID: "shop", Form: form})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := x.Create(t.Context(), who, posthorn.ApplicationInput{Name: "Shop", ExternalID: "shop", Form: form}); err != nil || !again.Repeated || again.ID != made.ID {
		t.Errorf("the same form again: %+v, %v", again, err)
	}
	_, err = x.Create(t.Context(), who, posthorn.ApplicationInput{Name: "Second", ExternalID: "shop"})
	wantConflict(t, err, posthorn.FieldExternalID)
	if _, err := x.Create(t.Context(), stranger, posthorn.ApplicationInput{Name: "Theirs", ExternalID: "shop"}); err != nil {
		t.Errorf("the external id in another tenant: %v", err)
	}
	for name, err := range map[string]error{
		"get":    func() error { _, err := x.Get(t.Context(), stranger.Tenant.ID, made.ID); return err }(),
		"update": x.Update(t.Context(), stranger, made.ID, posthorn.ApplicationInput{Name: "Mine"}),
		"delete": x.Delete(t.Context(), stranger, made.ID),
	} {
		if posthorn.KindOf(err) != posthorn.NotFound {
			t.Errorf("%s by another tenant: %v", name, err)
		}
	}

	webhook := posthorn.NewWebhookID()
	f.limitWebhook(t, webhook, made.Application)
	if err := x.Delete(t.Context(), who, made.ID); posthorn.KindOf(err) != posthorn.Conflict || !strings.Contains(err.Error(), "“Ledger”") {
		t.Errorf("delete while it is used: %v", err)
	}
	list, err := x.List(t.Context(), who.Tenant.ID)
	if err != nil || len(list) != 1 || len(list[0].Webhooks) != 1 || list[0].Webhooks[0].ID != webhook {
		t.Errorf("the list is %+v, %v", list, err)
	}
	if _, err := f.db.Pool().Exec(t.Context(), `DELETE FROM applications WHERE id = $1`, made.ID.UUID()); err == nil {
		t.Error("the database deletes an application with its webhooks")
	}
	if _, err := f.db.Pool().Exec(t.Context(), `DELETE FROM webhooks`); err != nil {
		t.Fatal(err)
	}
	if err := x.Update(t.Context(), who, made.ID, posthorn.ApplicationInput{Name: "Web shop"}); err != nil {
		t.Fatal(err)
	}
	if err := x.Delete(t.Context(), who, made.ID); err != nil {
		t.Fatal(err)
	}
	if entries := f.audit(t, posthorn.ActionApplicationDeleted); len(entries) != 1 || entries[0].Before["name"] != "Web shop" {
		t.Errorf("the entries are %+v", entries)
	}
}

// A tenant that goes takes its applications and their webhooks with it, although a webhook holds its application.
func TestATenantGoesWithItsApplications(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	_, owner := f.found(t, ownerEmail)
	x := posthorn.NewApplications(postgres.NewApplications(f.db))
	made, err := x.Create(t.Context(), f.signedIn(t, owner), posthorn.ApplicationInput{Name: "Shop"})
	if err != nil {
		t.Fatal(err)
	}
	f.limitWebhook(t, posthorn.NewWebhookID(), made.Application)
	if _, err := f.db.Pool().Exec(t.Context(), `DELETE FROM tenants WHERE id = $1`, owner.TenantID.UUID()); err != nil {
		t.Error(err)
	}
}
