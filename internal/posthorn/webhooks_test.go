package posthorn_test

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/posthorn"
)

const ledger = `"url":"https://ledger.example/hooks","events":["submission.completed"]`

func TestOmittedFieldsKeepTheirValue(t *testing.T) {
	t.Parallel()
	b := newBench()
	first := b.mustPut(t, `{`+ledger+`,"name":"Ledger","headers":{"X-A":"1","X-B":"2"},"timeoutSeconds":7,"rateLimitPerSecond":5,"retryOn":[429],
		"description":"two\nlines","maxAttempts":3,"maxInFlight":9,"active":false,"signature":{"scheme":"kryptos"}}`)
	again := b.mustPut(t, `{"url":"https://ledger.example/hooks","name":"Ledger sync"}`)
	if again.Created || again.Secret.Reveal() != "" {
		t.Errorf("created %v, secret %q", again.Created, again.Secret.Reveal())
	}
	want := first.Webhook.Webhook
	want.Name, want.Version, want.UpdatedAt = "Ledger sync", 2, again.Webhook.UpdatedAt
	if diff := cmp.Diff(want, again.Webhook.Webhook); diff != "" {
		t.Errorf("webhook (-want +got):\n%s", diff)
	}
}

func TestNothingNewIsNoChange(t *testing.T) {
	t.Parallel()
	b := newBench()
	const body = `{` + ledger + `,"secret":"an-own-secret-of-24-bytes-or-more","headers":{"X-A":"••••"}}`
	b.mustPut(t, strings.Replace(body, "••••", "v", 1))
	entries := len(b.store.audit)
	again := b.mustPut(t, body)
	if again.Webhook.Version != 1 || len(b.store.audit) != entries || again.Secret.Reveal() != "" {
		t.Errorf("version %d, %d audit entries, secret %q", again.Webhook.Version, len(b.store.audit)-entries, again.Secret.Reveal())
	}
}

func TestAWebhookCanBeSentBackAsItWasRead(t *testing.T) {
	t.Parallel()
	b := newBench()
	made := b.mustPut(t, `{`+ledger+`,"headers":{"X-A":"1"},"retryOn":[408]}`)
	raw, err := json.Marshal(&made.Webhook.Webhook)
	if err != nil {
		t.Fatal(err)
	}
	back := b.mustPut(t, string(raw))
	if diff := cmp.Diff(made.Webhook.Webhook, back.Webhook.Webhook); diff != "" {
		t.Errorf("webhook (-sent +kept):\n%s", diff)
	}
}

func TestAHeaderLeftAsTheMaskKeepsItsValueAndOthersGo(t *testing.T) {
	t.Parallel()
	b := newBench()
	made := b.mustPut(t, `{`+ledger+`,"headers":{"X-A":"1","X-B":"2","X-C":"3"}}`)
	changed := b.mustPut(t, `{`+ledger+`,"headers":{"x-a":"••••","X-C":"new"}}`)
	got := map[string]string{}
	for _, h := range changed.Webhook.Headers {
		value, err := fakeBox{}.Open(h.Sealed, posthorn.WebhookHeaderPlace(made.Webhook.ID, h.Name))
		if err != nil {
			t.Fatal(err)
		}
		got[h.Name] = string(value)
	}
	if diff := cmp.Diff(map[string]string{"x-a": "1", "X-C": "new"}, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

func TestPutFindsByIDElseByApplicationAndURL(t *testing.T) {
	t.Parallel()
	b := newBench()
	app := posthorn.Application{ID: posthorn.ApplicationID(posthorn.NewTenantID()), ExternalID: "app_outside"}
	b.store.applications = []posthorn.Application{app}
	plain := b.mustPut(t, `{`+ledger+`}`)
	scoped := b.mustPut(t, `{`+ledger+`,"applicationId":"app_outside"}`)
	if !scoped.Created || scoped.Webhook.ID == plain.Webhook.ID || scoped.Webhook.ApplicationID != app.ID {
		t.Fatalf("the webhook of an application is the one of none: %+v", scoped.Webhook)
	}
	if again := b.mustPut(t, `{`+ledger+`,"applicationId":"`+app.ID.String()+`"}`); again.Webhook.ID != scoped.Webhook.ID {
		t.Errorf("by the application's own id: %s", again.Webhook.ID)
	}
	if moved := b.mustPut(t, `{"id":"`+scoped.Webhook.ID.String()+`","applicationId":null}`); !moved.Webhook.ApplicationID.IsZero() {
		t.Errorf("null does not take the application away: %s", moved.Webhook.ApplicationID)
	}
	if _, err := b.put(t, `{`+ledger+`}`); posthorn.KindOf(err) != posthorn.Conflict {
		t.Errorf("two webhooks at one URL: %v", err)
	}
	for _, id := range []string{posthorn.NewWebhookID().String(), "wh_1", "evt_0000000000000000000000"} {
		if _, err := b.put(t, `{"id":"`+id+`",`+ledger+`}`); posthorn.KindOf(err) != posthorn.NotFound {
			t.Errorf("unknown id %s: %v", id, err)
		}
	}
}

func TestAnEditOfAnOldVersionIsStale(t *testing.T) {
	t.Parallel()
	b := newBench()
	made := b.mustPut(t, `{`+ledger+`}`)
	name := "mine"
	b.mustPut(t, `{`+ledger+`,"name":"theirs"}`)
	_, err := b.Update(t.Context(), b.actor, b.tenant, made.Webhook.ID, posthorn.WebhookInput{Name: &name}, made.Webhook.Version)
	if !errors.Is(err, posthorn.ErrStaleWebhook) || posthorn.KindOf(err) != posthorn.Conflict {
		t.Errorf("want ErrStaleWebhook, got %v", err)
	}
	if got := b.store.webhooks[made.Webhook.ID].Name; got != "theirs" {
		t.Errorf("the name is %q", got)
	}
}

func TestStatesFollowTheTableOfTransitions(t *testing.T) {
	t.Parallel()
	allowed := map[posthorn.WebhookState][]posthorn.WebhookState{
		posthorn.WebhookActive:   {posthorn.WebhookInactive, posthorn.WebhookDisabled},
		posthorn.WebhookInactive: {posthorn.WebhookActive},
		posthorn.WebhookDisabled: {posthorn.WebhookActive, posthorn.WebhookInactive},
	}
	begin, then := time.Unix(1, 0), time.Unix(2, 0)
	for _, from := range posthorn.WebhookStates() {
		for _, to := range posthorn.WebhookStates() {
			was := posthorn.WebhookStatus{State: from, Reason: "before", Since: begin, By: "Jonas"}
			got, err := was.To(to, "Amara", "after", then)
			switch {
			case from == to:
				if err != nil || got != was {
					t.Errorf("%s again: %+v, %v", to, got, err)
				}
			case slices.Contains(allowed[from], to):
				if want := (posthorn.WebhookStatus{State: to, Reason: "after", Since: then, By: "Amara"}); err != nil || got != want {
					t.Errorf("%s to %s: %+v, %v", from, to, got, err)
				}
			default:
				if posthorn.KindOf(err) != posthorn.Conflict || got != was {
					t.Errorf("%s to %s: %+v, %v", from, to, got, err)
				}
			}
		}
	}
}

func TestRotationKeepsTheOldSecretAsLongAsAsked(t *testing.T) {
	t.Parallel()
	b := newBench()
	id := b.mustPut(t, `{`+ledger+`}`).Webhook.ID
	for _, c := range []struct {
		overlap time.Duration
		live    int
	}{{24 * time.Hour, 2}, {0, 1}, {posthorn.MaxSecretOverlap, 2}} {
		made, err := b.RotateSecret(t.Context(), b.actor, b.tenant, id, posthorn.SecretRotation{Overlap: c.overlap})
		if err != nil {
			t.Fatal(err)
		}
		secrets := made.Webhook.Secrets
		if len(secrets) != c.live || made.Secret.Reveal() == "" {
			t.Fatalf("overlap %s: %d secrets", c.overlap, len(secrets))
		}
		if c.live == 2 && secrets[1].ExpiresAt.Sub(secrets[0].CreatedAt) != c.overlap {
			t.Errorf("the old secret signs on for %s", secrets[1].ExpiresAt.Sub(secrets[0].CreatedAt))
		}
	}
	for _, wrong := range []time.Duration{-time.Second, posthorn.MaxSecretOverlap + time.Second} {
		_, err := b.RotateSecret(t.Context(), b.actor, b.tenant, id, posthorn.SecretRotation{Overlap: wrong})
		if posthorn.KindOf(err) != posthorn.Invalid {
			t.Errorf("overlap %s: %v", wrong, err)
		}
	}
	b.mustPut(t, `{"id":"`+id.String()+`","signature":{"scheme":"smartkyc"}}`)
	if _, err := b.RotateSecret(t.Context(), b.actor, b.tenant, id, posthorn.SecretRotation{}); posthorn.KindOf(err) != posthorn.Conflict {
		t.Errorf("a webhook that signs with the organisation's secret: %v", err)
	}
}

func TestACopyIsInactiveWithTheSameHeadersAndAnotherSecret(t *testing.T) {
	t.Parallel()
	b := newBench()
	made := b.mustPut(t, `{`+ledger+`,"name":"Ledger","headers":{"X-A":"1"},"timeoutSeconds":9}`)
	copied, err := b.Duplicate(t.Context(), b.actor, b.tenant, made.Webhook.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := copied.Webhook
	if w.ID == made.Webhook.ID || w.Name != "Ledger (copy)" || w.Status.State != posthorn.WebhookInactive || w.Timeout != 9*time.Second {
		t.Errorf("copy: %+v", w.Webhook)
	}
	if copied.Secret.Reveal() == "" || copied.Secret.Reveal() == made.Secret.Reveal() {
		t.Error("the copy has no secret of its own")
	}
	value, err := fakeBox{}.Open(w.Headers[0].Sealed, posthorn.WebhookHeaderPlace(w.ID, "X-A"))
	if err != nil || string(value) != "1" {
		t.Errorf("header: %q, %v", value, err)
	}
}

func TestDeletionWantsTheName(t *testing.T) {
	t.Parallel()
	b := newBench()
	made := b.mustPut(t, `{`+ledger+`,"name":"Ledger"}`)
	for _, wrong := range []string{"", "ledger", "Ledger 2"} {
		_, err := b.Delete(t.Context(), b.actor, b.tenant, made.Webhook.ID, wrong)
		if fieldsOf(t, err)[posthorn.FieldConfirm] == "" {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if len(b.store.webhooks) != 1 {
		t.Fatal("it is gone")
	}
	if _, err := b.Delete(t.Context(), b.actor, b.tenant, made.Webhook.ID, "Ledger"); err != nil || len(b.store.webhooks) != 0 {
		t.Errorf("%v, %d webhooks", err, len(b.store.webhooks))
	}
}

func TestTheAuditLogSaysWhatChangedAndNoSecret(t *testing.T) {
	t.Parallel()
	b := newBench()
	const value, own = "token-of-the-ledger", "an-own-secret-of-24-bytes-or-more"
	made := b.mustPut(t, `{`+ledger+`,"name":"Ledger","headers":{"X-A":"`+value+`"},"secret":"`+own+`"}`)
	b.store.audit = nil
	rotated := b.mustPut(t, `{`+ledger+`,"name":"Ledger sync","active":false,"headers":{"X-A":"`+value+`2"},"secret":"`+own+`2"}`)
	var got []map[string]any
	for _, e := range b.store.audit {
		got = append(got, map[string]any{"action": string(e.Action), "before": e.Before, "after": e.After})
	}
	want := []map[string]any{
		{"action": "webhook.deactivated", "before": map[string]any{"state": "active"}, "after": map[string]any{"state": "inactive"}},
		{
			"action": "webhook.updated", "before": map[string]any{"name": "Ledger"},
			"after": map[string]any{"name": "Ledger sync", "headersReplaced": []string{"X-A"}},
		},
		{
			"action": "webhook.secret_rotated", "before": map[string]any(nil),
			"after": map[string]any{"name": "Ledger sync", "oldSecretExpiresAt": posthorn.FormatTime(rotated.Webhook.Secrets[1].ExpiresAt)},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	raw, err := json.Marshal(b.store.audit)
	if err != nil {
		t.Fatal(err)
	}
	for secret := range maps.Values(map[int]string{1: value, 2: own, 3: made.Secret.Reveal(), 4: rotated.Secret.Reveal()}) {
		if strings.Contains(string(raw), secret) {
			t.Errorf("the audit log says %q", secret)
		}
	}
}

func TestAnotherTenantsWebhookDoesNotExist(t *testing.T) {
	t.Parallel()
	b := newBench()
	id := b.mustPut(t, `{`+ledger+`}`).Webhook.ID
	other := posthorn.NewTenantID()
	ctx := t.Context()
	calls := map[string]func() error{
		"get":       func() error { _, err := b.Get(ctx, other, id); return err },
		"update":    func() error { _, err := b.Update(ctx, b.actor, other, id, posthorn.WebhookInput{}, 0); return err },
		"activate":  func() error { _, err := b.SetActive(ctx, b.actor, other, id, false); return err },
		"duplicate": func() error { _, err := b.Duplicate(ctx, b.actor, other, id, nil); return err },
		"delete":    func() error { return b.DeleteByID(ctx, b.actor, other, id) },
		"rotate":    func() error { _, err := b.RotateSecret(ctx, b.actor, other, id, posthorn.SecretRotation{}); return err },
		"retire":    func() error { _, err := b.RetireOldSecrets(ctx, b.actor, other, id); return err },
	}
	for name, call := range calls {
		if err := call(); posthorn.KindOf(err) != posthorn.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
}
