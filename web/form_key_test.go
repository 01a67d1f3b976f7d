package web_test

import (
	"maps"
	"net/http"
	"net/url"
	"testing"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

func TestAFormThatWasChangedAndSentAgainIsAnother(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	addressOf := func(a sitekit.Answer) string {
		return a.HTML(t).Find("[data-replace-url]").AttrOr("data-replace-url", "")
	}
	one := newForm(t, c)
	one.Set(posthorn.FieldName, "One")
	first := c.Post(path.Webhooks, one)
	wantStatus(t, first, http.StatusOK)
	two := maps.Clone(one)
	two.Set(posthorn.FieldName, "Two")
	second := c.Post(path.Webhooks, two)
	wantStatus(t, second, http.StatusOK)
	if !shownSecret.MatchString(second.Text) || addressOf(second) == addressOf(first) || countWebhooks(t, s) != 2 {
		t.Fatalf("%d webhooks, the second is at %q", countWebhooks(t, s), addressOf(second))
	}
	wantRedirect(t, c.Post(path.Webhooks, one), addressOf(first))
	wantRedirect(t, c.Post(path.Webhooks, two), addressOf(second))

	key := keyForm(t, c, url.Values{posthorn.FieldName: {"One"}})
	keys := []string{shown(t, c.Post(path.APIKeys, key))}
	key.Set(posthorn.FieldName, "Two")
	keys = append(keys, shown(t, c.Post(path.APIKeys, key)))
	if keys[0] == "" || keys[1] == "" || keys[0] == keys[1] {
		t.Errorf("keys %q", keys)
	}
	wantRedirect(t, c.Post(path.APIKeys, key), path.Credentials)

	stored := selectRows[string](t, s, `SELECT key FROM idempotency_keys WHERE scope LIKE 'form:%'`)
	if len(stored) != 4 {
		t.Errorf("%d forms are remembered: %q", len(stored), stored)
	}
	for _, form := range []url.Values{one, key} {
		for _, remembered := range stored {
			if containsAll(remembered, form.Get("form_key")) {
				t.Error("the key of a form is stored, and what was typed can be guessed at")
			}
		}
	}
}

func TestAFormWhoseWebhookWasDeletedMakesItAnew(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	form := newForm(t, c)
	source := makeWebhook(t, s, nil)
	for target, form := range map[string]url.Values{
		path.Webhooks: form,
		path.WebhookDuplicate(source.ID.String()): filled(t, c.Get(path.Webhook(source.ID.String())).HTML(t), "#webhook-menu form"),
	} {
		seen := map[string]bool{}
		for range 2 {
			a := c.Post(target, form)
			wantStatus(t, a, http.StatusOK)
			address := a.HTML(t).Find("[data-replace-url]").AttrOr("data-replace-url", "")
			wantRedirect(t, c.Post(target, form), address)
			if !shownSecret.MatchString(a.Text) || seen[address] {
				t.Errorf("%s shows no secret, or that of %q again", target, address)
			}
			seen[address] = true
			name := text(c.Get(address).HTML(t).Find("main h1"))
			wantRedirect(t, c.Post(address+"/delete", url.Values{posthorn.FieldConfirm: {name}}), path.Webhooks)
		}
	}
}
