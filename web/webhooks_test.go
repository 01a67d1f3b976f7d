package web_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/go-cmp/cmp"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/pages"
	"posthorn/views/path"
)

// publicURL is one that every policy allows, and that nobody has to look up.
const publicURL = "https://93.184.215.14/hooks"

// shownSecret is a signing secret in the clear.
var shownSecret = regexp.MustCompile(`whsec_[A-Za-z0-9+/]{43}=`)

// makeWebhook makes a webhook; change adds to its input.
func makeWebhook(t *testing.T, s *sitekit.Site, change func(in *posthorn.WebhookInput)) posthorn.WebhookDetail {
	t.Helper()
	in := posthorn.WebhookInput{Name: new("Ledger sync"), URL: new(publicURL), Events: &[]string{posthorn.SubscribeAll}}
	if change != nil {
		change(&in)
	}
	made, err := s.Webhooks.Create(t.Context(), posthorn.CommandLine(), s.Owner.TenantID, in, nil)
	if err != nil {
		t.Fatal(err)
	}
	return made.Webhook
}

// storedWebhook is a webhook as it is now.
func storedWebhook(t *testing.T, s *sitekit.Site, id posthorn.WebhookID) posthorn.WebhookDetail {
	t.Helper()
	w, err := s.Webhooks.Get(t.Context(), s.Owner.TenantID, id)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// countWebhooks is how many there are.
func countWebhooks(t *testing.T, s *sitekit.Site) int {
	t.Helper()
	return selectOne[int](t, s, `SELECT count(*) FROM webhooks`)
}

// filled is what a browser sends of a form as it stands.
func filled(t *testing.T, doc *goquery.Document, selector string) url.Values {
	t.Helper()
	form := doc.Find(selector)
	if form.Length() != 1 {
		t.Fatalf("%d forms match %s", form.Length(), selector)
	}
	values := url.Values{}
	form.Find("input[name], textarea[name]").Each(func(_ int, field *goquery.Selection) {
		_, checked := field.Attr("checked")
		switch kind, _ := field.Attr("type"); {
		case (kind == "checkbox" || kind == "radio") && !checked:
		case goquery.NodeName(field) == "textarea":
			values.Add(field.AttrOr("name", ""), field.Text())
		default:
			values.Add(field.AttrOr("name", ""), field.AttrOr("value", "on"))
		}
	})
	form.Find("select[name]").Each(func(_ int, field *goquery.Selection) {
		chosen := field.Find("option[selected]")
		if chosen.Length() == 0 {
			chosen = field.Find("option").First()
		}
		values.Add(field.AttrOr("name", ""), chosen.AttrOr("value", ""))
	})
	values.Del("") // the search field of the event types
	return values
}

// newForm is the form of a new webhook, filled in.
func newForm(t *testing.T, c *sitekit.Client) url.Values {
	t.Helper()
	form := filled(t, c.Get(path.WebhookNew).HTML(t), "#webhook-form")
	form.Set(posthorn.FieldName, "Ledger sync")
	form.Set(posthorn.FieldURL, publicURL)
	form[posthorn.FieldEvents] = []string{"submission.completed"}
	return form
}

// settingsForm is the form of a webhook as it is opened.
func settingsForm(t *testing.T, c *sitekit.Client, id posthorn.WebhookID) url.Values {
	t.Helper()
	return filled(t, c.Get(path.WebhookSettings(id.String())).HTML(t), "#webhook-form")
}

// into are the headers of a request by htmx for an element.
func into(target string) []string { return []string{"HX-Request", "true", "HX-Target", target} }

func wantStatus(t *testing.T, a sitekit.Answer, want int) {
	t.Helper()
	if a.StatusCode != want {
		t.Fatalf("%s %s is %d, want %d\n%s", a.Request.Method, a.Request.URL.Path, a.StatusCode, want, text(a.HTML(t).Find("main, dialog")))
	}
}

func wantRedirect(t *testing.T, a sitekit.Answer, to string) {
	t.Helper()
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != to {
		t.Fatalf("%s %s is %d to %q, want a redirect to %q\n%s", a.Request.Method, a.Request.URL.Path, a.StatusCode, a.Header.Get("Location"), to, text(a.HTML(t).Find("main")))
	}
}

// wantNews makes sure that the next page says something.
func wantNews(t *testing.T, c *sitekit.Client, target, news string) {
	t.Helper()
	if got := text(c.Get(target).HTML(t).Find("#toasts")); !strings.Contains(got, news) {
		t.Errorf("%s says %q, want %q", target, got, news)
	}
}

// webhookRoutes are the addresses of one webhook with their methods.
func webhookRoutes(id string) map[string]string {
	return map[string]string{
		path.Webhook(id): http.MethodGet, path.WebhookSettings(id): http.MethodGet, path.WebhookDeactivate(id): http.MethodGet,
		path.WebhookDelete(id): http.MethodGet, path.WebhookRotateSecret(id): http.MethodGet,
		path.WebhookActivate(id): http.MethodPost, path.WebhookDuplicate(id): http.MethodPost,
		path.WebhookRetireSecrets(id): http.MethodPost, path.WebhookSettingsHeaders(id): http.MethodPost,
	}
}

func TestWebhooksAreForAdminsAlone(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	w := makeWebhook(t, s, nil)
	member := addMember(t, s)
	routes := webhookRoutes(w.ID.String())
	routes[path.Webhooks], routes[path.WebhookNew], routes[path.WebhookNewHeaders] = http.MethodGet, http.MethodGet, http.MethodPost
	for target, method := range routes {
		if a := member.Do(method, target, nil); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s %s is %d for a member", method, target, a.StatusCode)
		}
	}
	for _, target := range []string{path.Webhooks, path.WebhookSettings(w.ID.String()), path.WebhookDeactivate(w.ID.String()), path.WebhookDelete(w.ID.String()), path.WebhookRotateSecret(w.ID.String())} {
		if a := member.Post(target, url.Values{posthorn.FieldConfirm: {w.Name}, posthorn.FieldOverlap: {"0"}}); a.StatusCode != http.StatusNotFound {
			t.Errorf("POST %s is %d for a member", target, a.StatusCode)
		}
	}
	if got := storedWebhook(t, s, w.ID); got.Version != 1 || len(got.Secrets) != 1 || countWebhooks(t, s) != 1 {
		t.Errorf("a member changed the webhook: %+v", got.Webhook)
	}
}

func TestAWebhookOfNobodyOrOfOthersIsNotFound(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	w := makeWebhook(t, s, nil)
	_, other := newTenant(t, s)
	owner := s.SignedIn()
	for target, method := range webhookRoutes(w.ID.String()) {
		if a := other.Do(method, target, nil); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s %s is %d for another organisation", method, target, a.StatusCode)
		}
	}
	for _, id := range []string{posthorn.NewWebhookID().String(), "wh_", "whd_0000000000000000000000", "nothing", "%2e%2e"} {
		for target, method := range webhookRoutes(id) {
			if a := owner.Do(method, target, nil); a.StatusCode != http.StatusNotFound {
				t.Errorf("%s %s is %d", method, target, a.StatusCode)
			}
		}
	}
	if text := other.Get(path.Webhooks).Text; strings.Contains(text, w.ID.String()) {
		t.Error("another organisation sees the webhook in its list")
	}
}

func TestANewWebhookShowsItsSecretOnce(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	form := newForm(t, c)
	a := c.Post(path.Webhooks, form)
	wantStatus(t, a, http.StatusOK)
	page := a.HTML(t)
	secret := page.Find("#secret-value").AttrOr("value", "")
	address := page.Find("[data-replace-url]").AttrOr("data-replace-url", "")
	if !shownSecret.MatchString(secret) || !strings.HasPrefix(address, "/webhooks/wh_") || a.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("secret %q at %q, Cache-Control %q", secret, address, a.Header.Get("Cache-Control"))
	}
	if done := page.Find("dialog form"); done.AttrOr("action", "") != address || done.Find("input[required]").Length() != 1 {
		t.Error("Done does not lead to the webhook, or needs no tick")
	}
	for _, target := range []string{address, address + "/settings", path.Webhooks} {
		if text := c.Get(target).Text; shownSecret.MatchString(text) {
			t.Errorf("%s shows a secret", target)
		}
	}
	if text := c.Get(address).Text; !strings.Contains(text, strings.TrimRight(secret, "=")[45:]) {
		t.Error("the page does not tell the end of the secret")
	}

	again := c.Post(path.Webhooks, form)
	wantRedirect(t, again, address)
	wantNews(t, c, address, "This webhook was created already. Its secret was shown once; rotate it to get a new one.")
	if n := countWebhooks(t, s); n != 1 {
		t.Errorf("%d webhooks", n)
	}
}

func TestTheFormMakesWhatItSays(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	form := newForm(t, c)
	form.Set(posthorn.FieldActive, pages.ActiveNo)
	form.Set(posthorn.FieldDescription, "Two\r\nlines")
	form.Set(pages.FieldEventScope, pages.EventScopeChosen)
	form[posthorn.FieldEvents] = []string{"submission.*", "submission.completed", "aml.match.found", "delivery.failed"}
	form[pages.FieldHeaderName] = []string{"X-Env", "", "Authorization"}
	form[pages.FieldHeaderValue] = []string{"production", "", "Bearer x"}
	form[pages.FieldHeaderStored] = []string{"", "", ""}
	form.Set(posthorn.FieldSignature, "custom")
	form.Set(pages.FieldSigningKey, "webhook") // of a scheme that is not chosen
	form.Set(pages.FieldSignatureHeader, "X-Signature")
	form.Set(pages.FieldTimestampHeader, "X-Time")
	form.Set(pages.FieldSigned, "timestamp.body")
	form.Set(posthorn.FieldSecret, strings.Repeat("own-secret.", 3))
	form.Set(posthorn.FieldTimeout, "7")
	form.Set(posthorn.FieldMaxAttempts, "3")
	form.Set(posthorn.FieldRateLimit, "20")
	form.Set(posthorn.FieldMaxInFlight, "4")
	form[posthorn.FieldRetryOn] = []string{"429", "408"}
	a := c.Post(path.Webhooks, form)
	wantStatus(t, a, http.StatusOK)

	list, err := s.Webhooks.List(t.Context(), s.Owner.TenantID, posthorn.WebhookFilter{})
	if err != nil || len(list.Webhooks) != 1 {
		t.Fatal(list, err)
	}
	w := list.Webhooks[0]
	if diff := cmp.Diff([]string{"submission.*", "aml.match.found", "delivery.failed"}, w.Events); diff != "" {
		t.Error(diff)
	}
	want := posthorn.Signature{Scheme: posthorn.SchemeCustom, Header: "X-Signature", TimestampHeader: "X-Time", Encoding: posthorn.EncodingHex, Over: posthorn.OverTimestampBody}
	if w.Signature != want || w.Status.State != posthorn.WebhookInactive || w.Description != "Two\nlines" {
		t.Errorf("%+v", w)
	}
	if len(w.Headers) != 2 || w.Headers[0].Name != "X-Env" || w.Headers[1].Name != "Authorization" {
		t.Errorf("headers %v", w.Headers)
	}
	if w.Timeout.Seconds() != 7 || w.MaxAttempts != 3 || w.RateLimit != 20 || w.MaxInFlight != 4 || cmp.Diff([]int{408, 429}, w.RetryOn) != "" {
		t.Errorf("%+v", w)
	}
}

func TestWrongInputKeepsWhatWasTyped(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	form := newForm(t, c)
	form.Set(posthorn.FieldName, "Mine & yours")
	form.Set(posthorn.FieldURL, "http://10.1.2.3/hooks")
	form.Del(posthorn.FieldEvents)
	form.Set(posthorn.FieldDescription, "\nbegins with an empty line")
	form[pages.FieldHeaderName] = []string{"X-Fine", "Host"}
	form[pages.FieldHeaderValue] = []string{"one", "two"}
	form[pages.FieldHeaderStored] = []string{"", ""}
	form.Set(posthorn.FieldSignature, "custom")
	form.Set(posthorn.FieldSecret, "short")
	form.Set(posthorn.FieldTimeout, "soon")
	form.Set(posthorn.FieldRateLimit, "0")
	form.Set(posthorn.FieldMaxInFlight, "99999999999999999999")
	a := c.Post(path.Webhooks, form)
	wantStatus(t, a, http.StatusUnprocessableEntity)
	page := a.HTML(t)
	if diff := cmp.Diff(form, filled(t, page, "#webhook-form")); diff != "" {
		t.Errorf("what was sent is not what came back:\n%s", diff)
	}
	faults := map[string]string{
		"#url-error": "URL must be https.", "#events-error": "Events must name at least one event type", "#header-1-error": "This header is reserved",
		"#signature-error": "Signature must", "#secret-error": "Secret must be 24 to 64 bytes", "#timeoutSeconds-error": "Timeout must be a whole number",
		"#rateLimitPerSecond-error": "Rate limit must be", "#maxInFlight-error": "Requests in flight must be",
	}
	for where, want := range faults {
		if got := text(page.Find(where)); !strings.HasPrefix(got, want) {
			t.Errorf("%s says %q, want %q", where, got, want)
		}
	}
	if got := text(page.Find("#webhook-form [role=status]")); got != "Not saved. 8 fields need attention." {
		t.Errorf("the bar says %q", got)
	}
	if focus := page.Find("main [autofocus]"); focus.Length() != 1 || focus.AttrOr("name", "") != posthorn.FieldURL {
		t.Errorf("%d fields want the focus, the first is %q", focus.Length(), focus.AttrOr("name", ""))
	}
	if page.Find("form[data-guard][data-dirty]").Length() != 1 || countWebhooks(t, s) != 0 {
		t.Error("the form is not guarded, or something was saved")
	}
}

func TestHeadersAreAddedAndRemovedWithoutSaving(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	w := makeWebhook(t, s, func(in *posthorn.WebhookInput) {
		in.Headers = &[]posthorn.HeaderInput{{Name: "X-One", Value: "value-one"}, {Name: "X-Two", Value: "value-two"}}
	})
	names := func(a sitekit.Answer) []string {
		return a.HTML(t).Find("[name=" + pages.FieldHeaderName + "]").Map(func(_ int, f *goquery.Selection) string { return f.AttrOr("value", "") })
	}
	form := settingsForm(t, c, w.ID)
	form.Set(posthorn.FieldName, "Renamed")

	form.Set(pages.FieldHeaderAdd, "1")
	a := c.Post(path.WebhookSettingsHeaders(w.ID.String()), form)
	wantStatus(t, a, http.StatusOK)
	if got := names(a); cmp.Diff([]string{"X-One", "X-Two", ""}, got) != "" || a.HTML(t).Find("#header-2[autofocus]").Length() != 1 {
		t.Errorf("headers %q, or the new one has no focus", got)
	}
	if a.HTML(t).Find("[name=name]").AttrOr("value", "") != "Renamed" {
		t.Error("the rest of the form was lost")
	}

	form.Del(pages.FieldHeaderAdd)
	form.Set(pages.FieldHeaderRemove, "0")
	a = c.Post(path.WebhookSettingsHeaders(w.ID.String()), form, into("headers")...)
	wantStatus(t, a, http.StatusOK)
	if got := names(a); cmp.Diff([]string{"X-Two"}, got) != "" || a.HTML(t).Find("main").Length() != 0 || a.HTML(t).Find("#headers #header-0[autofocus]").Length() != 1 {
		t.Errorf("headers %q, or more than the headers came", got)
	}
	if got := storedWebhook(t, s, w.ID); got.Version != 1 {
		t.Error("something was saved")
	}

	fresh := newForm(t, c)
	a = c.Post(path.WebhookNewHeaders, fresh, into("headers")...)
	if got := names(a); cmp.Diff([]string{""}, got) != "" {
		t.Errorf("headers of a new webhook %q", got)
	}
	for range 2 * posthorn.MaxHeaders {
		fresh.Add(pages.FieldHeaderName, "")
		fresh.Add(pages.FieldHeaderValue, "")
		fresh.Add(pages.FieldHeaderStored, "")
	}
	a = c.Post(path.WebhookNewHeaders, fresh)
	if got := text(a.HTML(t).Find("#headers-error")); got != "Headers must be at most 20." || a.HTML(t).Find("[name=form_key]").AttrOr("value", "") != fresh.Get("form_key") {
		t.Errorf("too many headers: %q, or the key of the form was lost", got)
	}
}
