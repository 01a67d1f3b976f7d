package posthorn_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"posthorn/internal/posthorn"
)

const ownKey = "an-own-secret-of-24-bytes-or-more"

func TestAURLIsStoredAndFoundInOneSpelling(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"https://ledger.example/Hooks":        "https://ledger.example/Hooks",
		"HTTPS://Ledger.EXAMPLE/Hooks":        "https://ledger.example/Hooks",
		"https://ledger.example:443/Hooks":    "https://ledger.example/Hooks",
		"https://ledger.example:8443/Hooks":   "https://ledger.example:8443/Hooks",
		"https://Ledger.example?To=A":         "https://ledger.example?To=A",
		"https://[2606:4700::AB:443]:443/":    "https://[2606:4700::ab:443]/",
		"https://[2606:4700::AB:443]/":        "https://[2606:4700::ab:443]/",
		"https://ledger.example/a:443":        "https://ledger.example/a:443",
		"https://ledger.example/HTTPS://A:80": "https://ledger.example/HTTPS://A:80",
	} {
		b := newBench()
		made := b.mustPut(t, `{"url":" `+given+`","events":["*"]}`)
		again := b.mustPut(t, `{"url":"`+given+`","events":["*"],"applicationId":" "}`)
		if made.Webhook.URL != want || again.Created || again.Webhook.ID != made.Webhook.ID || again.Webhook.Version != 1 {
			t.Errorf("%q is stored as %q, and putting it again created %t", given, made.Webhook.URL, again.Created)
		}
	}
}

func TestTheDatabaseIsNotAskedAboutWhatNoWebhookCanBe(t *testing.T) {
	t.Parallel()
	for body, field := range map[string]string{
		`{"url":"https://a\u0000b/","events":["*"]}`:                           "url",
		`{"url":"http://a.example/","events":["*"]}`:                           "url",
		`{"url":"","events":["*"]}`:                                            "url",
		`{"events":["*"]}`:                                                     "url",
		`{"url":"https://a.example/","events":["*"],"applicationId":"\u0000"}`: "applicationId",
	} {
		_, err := newBench().put(t, body)
		if posthorn.KindOf(err) != posthorn.Invalid || fieldsOf(t, err)[field] == "" {
			t.Errorf("%s: %v", body, err)
		}
	}
	b := newBench()
	for field, f := range map[string]posthorn.WebhookFilter{
		"q": {Text: "a\x00"}, "event": {Event: "\xff"}, "status": {Standing: "broken"},
	} {
		if _, err := b.List(t.Context(), b.tenant, f); posthorn.KindOf(err) != posthorn.Invalid || fieldsOf(t, err)[field] == "" {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestWhoComesSecondUpdates(t *testing.T) {
	t.Parallel()
	b := newBench()
	b.store.urlTaken = 1
	b.store.faster = func() { b.mustPut(t, `{`+ledger+`,"name":"Theirs"}`) }
	made := b.mustPut(t, `{`+ledger+`,"timeoutSeconds":7}`)
	if made.Created || made.Webhook.Name != "Theirs" || made.Webhook.Timeout != 7*time.Second || made.Secret.Reveal() != "" || len(b.store.webhooks) != 1 {
		t.Errorf("created %t, %+v, %d webhooks", made.Created, made.Webhook.Webhook, len(b.store.webhooks))
	}
}

func TestAWebhookThatIsDeletedBeforeItsChangeIsMadeAnew(t *testing.T) {
	t.Parallel()
	b := newBench()
	gone := posthorn.NewWebhookID()
	b.store.ghosts = []posthorn.WebhookID{gone}
	if made := b.mustPut(t, `{`+ledger+`}`); !made.Created || made.Webhook.ID == gone {
		t.Errorf("created %t, %s", made.Created, made.Webhook.ID)
	}
}

func TestAProgramsChangeIsMadeOnTopOfThoseOfOthers(t *testing.T) {
	t.Parallel()
	b := newBench()
	id := b.mustPut(t, `{`+ledger+`}`).Webhook.ID
	b.store.stale, b.asked = 40, nil
	made := b.mustPut(t, `{"id":"`+id.String()+`","name":"Mine","url":"https://other.example/"}`)
	if made.Webhook.Name != "Mine" || len(b.asked) != 1 {
		t.Errorf("%+v, the name servers were asked %d times", made.Webhook.Webhook, len(b.asked))
	}
	// When there is no time left, the sentence is not one about a form.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b.store.stale = 1
	name := "Too late"
	_, err := b.Put(ctx, b.actor, b.tenant, id, posthorn.WebhookInput{Name: &name})
	if posthorn.KindOf(err) != posthorn.Unavailable {
		t.Errorf("without time: %v", err)
	}
}

func TestTheAnswerToAChangeIsNotReadAfterIt(t *testing.T) {
	t.Parallel()
	b := newBench()
	made := b.mustPut(t, `{`+ledger+`}`)
	if b.store.reads != 0 || made.Webhook.ID.IsZero() || len(made.Webhook.Secrets) != 1 {
		t.Errorf("created: %d reads, %+v", b.store.reads, made.Webhook)
	}
	changes := map[string]func() (posthorn.WebhookMade, error){
		"own secret": func() (posthorn.WebhookMade, error) {
			return b.put(t, `{"id":"`+made.Webhook.ID.String()+`","secret":"`+ownKey+`"}`)
		},
		"rotation": func() (posthorn.WebhookMade, error) {
			return b.RotateSecret(t.Context(), b.actor, b.tenant, made.Webhook.ID, posthorn.SecretRotation{})
		},
		"copy": func() (posthorn.WebhookMade, error) {
			return b.Duplicate(t.Context(), b.actor, b.tenant, made.Webhook.ID, nil)
		},
	}
	for name, change := range changes {
		b.store.reads = 0
		if got, err := change(); err != nil || b.store.reads != 1 || got.Secret.Reveal() == "" || got.Webhook.Name == "" {
			t.Errorf("%s: %d reads, %+v, %v", name, b.store.reads, got.Webhook, err)
		}
	}
}

func TestASecretThatWouldSignNothingIsRefused(t *testing.T) {
	t.Parallel()
	const smartKYC = `,"signature":{"scheme":"smartkyc"}`
	b := newBench()
	_, err := b.put(t, `{`+ledger+smartKYC+`,"secret":"`+ownKey+`"}`)
	if rule := fieldsOf(t, err)[posthorn.FieldSecret]; posthorn.KindOf(err) != posthorn.Invalid || !strings.Contains(rule, `"key":"webhook"`) {
		t.Errorf("create: %v", err)
	}
	id := b.mustPut(t, `{`+ledger+smartKYC+`,"secret":""}`).Webhook.ID
	if _, err := b.put(t, `{"id":"`+id.String()+`","secret":"`+ownKey+`"}`); fieldsOf(t, err)[posthorn.FieldSecret] == "" {
		t.Errorf("change: %v", err)
	}
}

func TestTheWebhooksOwnSecretIsKnownAgainWhicheverSigned(t *testing.T) {
	t.Parallel()
	b := newBench()
	id := b.mustPut(t, `{`+ledger+`,"secret":"`+ownKey+`"}`).Webhook.ID.String()
	b.mustPut(t, `{"id":"`+id+`","signature":{"scheme":"smartkyc"}}`)
	for range posthorn.MaxLiveSecrets + 1 {
		made := b.mustPut(t, `{"id":"`+id+`","signature":{"scheme":"smartkyc","key":"webhook"},"secret":"`+ownKey+`"}`)
		if made.Secret.Reveal() != "" || len(made.Webhook.Secrets) != 1 || made.Webhook.Version != 3 {
			t.Fatalf("secret %q, %d secrets sign, version %d", made.Secret.Reveal(), len(made.Webhook.Secrets), made.Webhook.Version)
		}
	}
}

func TestAnEmptySecretIsNone(t *testing.T) {
	t.Parallel()
	b := newBench()
	made := b.mustPut(t, `{`+ledger+`,"secret":""}`)
	again := b.mustPut(t, `{`+ledger+`,"secret":""}`)
	if made.Secret.Reveal() == "" || again.Secret.Reveal() != "" || again.Webhook.Version != 1 {
		t.Errorf("secrets %q and %q, version %d", made.Secret.Reveal(), again.Secret.Reveal(), again.Webhook.Version)
	}
}

func TestAHeaderWithTheValueThatIsStoredIsNoChange(t *testing.T) {
	t.Parallel()
	b := newBench()
	const body = `{` + ledger + `,"headers":{"X-A":"one","X-B":"two"}}`
	b.mustPut(t, body)
	entries := len(b.store.audit)
	if again := b.mustPut(t, body); again.Webhook.Version != 1 || len(b.store.audit) != entries {
		t.Errorf("version %d, %d audit entries", again.Webhook.Version, len(b.store.audit)-entries)
	}
	if other := b.mustPut(t, strings.Replace(body, "two", "three", 1)); other.Webhook.Version != 2 {
		t.Errorf("another value: version %d", other.Webhook.Version)
	}
}

func TestTheFormOfAStoredURLIsCheckedAgain(t *testing.T) {
	t.Parallel()
	b := newBench()
	made := b.mustPut(t, `{`+ledger+`,"active":false}`)
	id := made.Webhook.ID
	b.forbidden, b.asked = "https", nil
	calls := map[string]func() error{
		"save":      func() error { _, err := b.put(t, `{"id":"`+id.String()+`","name":"New"}`); return err },
		"activate":  func() error { _, err := b.SetActive(t.Context(), b.actor, b.tenant, id, true); return err },
		"duplicate": func() error { _, err := b.Duplicate(t.Context(), b.actor, b.tenant, id, nil); return err },
	}
	for name, call := range calls {
		if err := call(); err == nil || fieldsOf(t, err)[posthorn.FieldURL] != "must not be https" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := b.store.webhooks[id]; got.Active() || got.Version != 1 || len(b.store.webhooks) != 1 {
		t.Errorf("it was changed: %+v", got)
	}
	b.forbidden = "http"
	if _, err := b.SetActive(t.Context(), b.actor, b.tenant, id, true); err != nil || len(b.asked) != 0 {
		t.Errorf("allowed again: %v, the name servers were asked about %v", err, b.asked)
	}
	b.forbidden = "https"
	if w, err := b.SetActive(t.Context(), b.actor, b.tenant, id, false); err != nil || w.Active() {
		t.Errorf("stopping it: %v", err)
	}
}

func TestANameIsConfirmedAsPeopleSeeIt(t *testing.T) {
	t.Parallel()
	b := newBench()
	made := b.mustPut(t, `{`+ledger+`,"name":" Ledger   sync "}`)
	if made.Webhook.Name != "Ledger sync" {
		t.Errorf("the name is %q", made.Webhook.Name)
	}
	if _, err := b.Delete(t.Context(), b.actor, b.tenant, made.Webhook.ID, " Ledger  sync"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"a\u202eb", "zero\u200bwidth", "join\u200der"} {
		if _, err := b.put(t, `{`+ledger+`,"name":"`+name+`"}`); fieldsOf(t, err)[posthorn.FieldName] == "" {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestTooManySecretsSaysWhatToDo(t *testing.T) {
	t.Parallel()
	next := time.Date(2026, 11, 22, 16, 30, 0, 0, time.UTC)
	err := posthorn.TooManySecrets(next)
	if !errors.Is(err, posthorn.ErrTooManySecrets) || posthorn.KindOf(err) != posthorn.Conflict {
		t.Errorf("%v", err)
	}
	e, _ := errors.AsType[*posthorn.Error](err)
	for _, part := range []string{"5 secrets", posthorn.FormatTime(next), "overlapSeconds 0"} {
		if !strings.Contains(e.Message, part) {
			t.Errorf("%q does not say %q", e.Message, part)
		}
	}
}
