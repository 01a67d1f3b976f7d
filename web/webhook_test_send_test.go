package web_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/pages"
	"posthorn/views/path"
)

// testReceiver is a receiver that keeps what it gets.
type testReceiver struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
}

// newTestReceiver answers every request with a status and a body.
func newTestReceiver(t *testing.T, status int, answer string) *testReceiver {
	t.Helper()
	e := &testReceiver{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		e.mu.Lock()
		e.bodies = append(e.bodies, string(body))
		e.mu.Unlock()
		w.Header().Set("X-Answer", "mine")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(e.Close)
	return e
}

// newHeldReceiver answers with 204, once a channel is closed.
func newHeldReceiver(t *testing.T, hold <-chan struct{}) *testReceiver {
	t.Helper()
	e := &testReceiver{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		e.mu.Lock()
		e.bodies = append(e.bodies, string(body))
		e.mu.Unlock()
		<-hold
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(e.Close)
	return e
}

// got are the bodies that came.
func (e *testReceiver) got() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.bodies...)
}

// testForm is the form of a test as it is opened.
func testForm(t *testing.T, c *sitekit.Client, id posthorn.WebhookID, event string) url.Values {
	t.Helper()
	form := filled(t, c.Get(path.With(path.WebhookTest(id.String()), url.Values{posthorn.FieldEvent: {event}})).HTML(t), "#test-form")
	form.Del(pages.FieldLoad)
	return form
}

func TestATestShowsWhatWasSentAndWhatCameBack(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t, toLoopback...)
	receiver := newTestReceiver(t, http.StatusOK, `{"received":true}`)
	w := makeWebhook(t, s, func(in *posthorn.WebhookInput) {
		in.URL, in.Events = &receiver.URL, &[]string{"aml.*"}
		in.Headers = &[]posthorn.HeaderInput{{Name: "X-Env", Value: "very-secret"}}
	})
	c := s.SignedIn()
	page := c.Get(path.WebhookTest(w.ID.String())).HTML(t)
	if group := page.Find("#event optgroup").First(); group.AttrOr("label", "") != "Subscribed" || group.Find("option[selected]").AttrOr("value", "") != "aml.screening.completed" {
		t.Errorf("the form begins with %q", text(group))
	}
	form := testForm(t, c, w.ID, "submission.completed")
	if !strings.Contains(form.Get(pages.FieldData), "\n") || form.Get(posthorn.FieldEvent) != "submission.completed" {
		t.Fatalf("form %v", form)
	}
	form.Set(pages.FieldData, "{\r\n  \"amount\": 1.50\r\n}")
	a := c.Post(path.WebhookTest(w.ID.String()), form)
	if a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d %s", a.StatusCode, text(a.HTML(t).Find("main")))
	}
	address := a.Header.Get("Location")
	a = c.Get(address)
	wantStatus(t, a, http.StatusOK)
	result := text(a.HTML(t).Find("#test-result"))
	for _, part := range []string{"Accepted with 200 OK in", "webhook-signature: v1,", "X-Env: •••• (custom, hidden)", `"received": true`, "X-Answer: mine", `"amount": 1.50`} {
		if !strings.Contains(result, part) && !strings.Contains(strings.ToLower(result), strings.ToLower(part)) {
			t.Errorf("the result lacks %q: %s", part, result)
		}
	}
	if strings.Contains(a.Text, "very-secret") {
		t.Error("the value of a custom header is shown")
	}
	if got := filled(t, a.HTML(t), "#test-form").Get(pages.FieldData); !strings.Contains(got, `"amount": 1.50`) {
		t.Errorf("the form does not go on with what was sent: %s", got)
	}
	if got := receiver.got(); len(got) != 1 || !strings.Contains(got[0], `"data":{"amount":1.50}`) {
		t.Errorf("sent %q", got)
	}
	if !selectOne[bool](t, s, `SELECT test FROM deliveries`) || selectOne[int](t, s, `SELECT count(*) FROM audit_log WHERE action = 'webhook.tested'`) != 1 {
		t.Error("the delivery is no test, or the audit log does not tell")
	}
	again := c.Get(path.WebhookTest(w.ID.String())).HTML(t)
	if got := text(again.Find("#earlier li")); !strings.Contains(got, "submission.completed 200 OK") {
		t.Errorf("earlier tests: %q", got)
	}
}

func TestATestSentTwiceIsSentOnce(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t, toLoopback...)
	receiver := newTestReceiver(t, http.StatusNotFound, "")
	w := makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.URL, in.Active = &receiver.URL, new(false) })
	c := s.SignedIn()
	form := testForm(t, c, w.ID, "user.created")
	var wg sync.WaitGroup
	answers := make([]sitekit.Answer, 4)
	for i := range answers {
		wg.Go(func() { answers[i] = c.Post(path.WebhookTest(w.ID.String()), form, into(pages.IntoTestArea)...) })
	}
	wg.Wait()
	for _, a := range answers {
		if a.StatusCode != http.StatusOK || !strings.Contains(text(a.HTML(t).Find("#test-result")), "Refused with 404 Not Found") || a.HTML(t).Find("main").Length() != 0 {
			t.Errorf("%d %s", a.StatusCode, text(a.HTML(t).Find("body")))
		}
		if a.Header.Get("HX-Replace-Url") != answers[0].Header.Get("HX-Replace-Url") {
			t.Error("the answers are about different tests")
		}
	}
	if n := len(receiver.got()); n != 1 || selectOne[int](t, s, `SELECT count(*) FROM audit_log WHERE action = 'webhook.tested'`) != 1 {
		t.Errorf("%d requests, or not one entry", n)
	}
	next := filled(t, answers[0].HTML(t), "#test-form")
	if next.Get(pages.FieldFormKey) == form.Get(pages.FieldFormKey) {
		t.Error("the next test would be taken for this one")
	}
	c.Post(path.WebhookTest(w.ID.String()), next)
	if n := len(receiver.got()); n != 2 {
		t.Errorf("%d requests after another test", n)
	}
}

func TestAWrongTestKeepsWhatWasTyped(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	w := makeWebhook(t, s, nil)
	c := s.SignedIn()
	for typed, want := range map[string]string{
		"{\n  \"a\": 1,\n}": "Payload must be JSON: invalid character '}' looking for beginning of object key string in line 3.",
		"":                  "Payload must be JSON:",
		"[1]":               "Payload must be a JSON object.",
	} {
		form := testForm(t, c, w.ID, "user.created")
		form.Set(pages.FieldData, typed)
		a := c.Post(path.WebhookTest(w.ID.String()), form)
		wantStatus(t, a, http.StatusUnprocessableEntity)
		if got := text(a.HTML(t).Find("#data-error")); !strings.HasPrefix(got, want) {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
		if got := filled(t, a.HTML(t), "#test-form").Get(pages.FieldData); got != typed && strings.TrimPrefix(got, "\n") != typed {
			t.Errorf("%q came back as %q", typed, got)
		}
	}
	form := testForm(t, c, w.ID, "user.created")
	form.Set(posthorn.FieldEvent, "nobody.knows")
	a := c.Post(path.WebhookTest(w.ID.String()), form)
	wantStatus(t, a, http.StatusUnprocessableEntity)
	if got := text(a.HTML(t).Find("#event-error")); !strings.Contains(got, "must be a type of the catalogue") {
		t.Errorf("%q", got)
	}
	if n := selectOne[int](t, s, `SELECT count(*) FROM events`); n != 0 {
		t.Errorf("%d events", n)
	}
}

func TestAnotherTypeBringsItsExample(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	w := makeWebhook(t, s, nil)
	c := s.SignedIn()
	target := path.WebhookTest(w.ID.String())
	a := c.Get(target+"?event=invitation.sent", into(pages.IntoTestData)...)
	if a.HTML(t).Find("#test-data textarea").Length() != 1 || a.HTML(t).Find("form").Length() != 0 || !strings.Contains(a.Text, "customer") {
		t.Errorf("fragment %s", a.Text)
	}
	form := testForm(t, c, w.ID, "user.created")
	form.Set(pages.FieldLoad, "1")
	form.Set(posthorn.FieldEvent, "invitation.sent")
	wantRedirect(t, c.Post(target, form), target+"?event=invitation.sent")
}

func TestTheResultOfAnotherWebhookIsNotShown(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t, toLoopback...)
	receiver := newTestReceiver(t, http.StatusOK, "")
	mine := makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.URL = &receiver.URL })
	other := makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.Name = new("Other") })
	c := s.SignedIn()
	a := c.Post(path.WebhookTest(mine.ID.String()), testForm(t, c, mine.ID, "user.created"))
	_, query, _ := strings.Cut(a.Header.Get("Location"), "?")
	for _, q := range []string{query, "delivery=whd_1", "delivery=" + posthorn.DeliveryIDOf(posthorn.NewEventID(), other.ID).String()} {
		a := c.Get(path.WebhookTest(other.ID.String()) + "?" + q)
		wantStatus(t, a, http.StatusOK)
		if got := text(a.HTML(t).Find("#test-result")); !strings.Contains(got, "Nothing sent yet") {
			t.Errorf("%s: %s", q, got)
		}
	}
}
