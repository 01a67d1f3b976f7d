package web_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/pages"
	"posthorn/views/path"
)

// eventVisits exercise the pages of events, and the tests of a webhook that is nobody's.
func eventVisits() []visit {
	const get, post = http.MethodGet, http.MethodPost
	nobodys := posthorn.WebhookID{15: 1}.String()
	return []visit{
		adminVisit(get, path.Events, path.Events, fine),
		adminVisit(get, path.Events+"?range=never", path.Events, wrong),
		adminVisit(post, path.Events, path.Events, wrong),
		adminVisit(get, path.EventNew, path.EventNew, fine),
		adminVisit(get, path.EventNews, path.EventNews, fine),
		adminVisit(get, path.EventNews+"?since=evt_1", path.EventNews, wrong),
		adminVisit(get, path.EventStream, path.EventStream, fine),
		adminVisit(get, path.Event("evt_1"), path.Event(":id"), missing),
		adminVisit(get, path.WebhookTest(nobodys), path.WebhookTest(":id"), missing),
		adminVisit(post, path.WebhookTest(nobodys), path.WebhookTest(":id"), missing),
	}
}

// publishes publishes an event as a service does and returns its id.
func publishes(t *testing.T, s *sitekit.Site, body string) string {
	t.Helper()
	a := callAPI(s.Client(), http.MethodPost, path.APIEvents, body, s.Owner.APIKey)
	var published struct{ ID string }
	if err := json.Unmarshal([]byte(a.Text), &published); err != nil || a.StatusCode != http.StatusAccepted {
		t.Fatalf("publish: %d %s", a.StatusCode, a.Text)
	}
	return published.ID
}

// eventsOn are the ids of the events of a list, from the top.
func eventsOn(doc *goquery.Document) []string {
	return doc.Find("#results tbody tr").Map(func(_ int, row *goquery.Selection) string { return strings.TrimPrefix(row.AttrOr("id", ""), "row-") })
}

func TestTheEventsAreListedAndFiltered(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	if got := text(c.Get(path.Events).HTML(t).Find("#results")); !strings.Contains(got, "No events yet") {
		t.Errorf("an empty list says %q", got)
	}
	first := publishes(t, s, `{"event":"submission.completed","data":{"amount":42},"id":"order-7"}`)
	second := publishes(t, s, `{"event":"user.created","data":{}}`)
	w := makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.Active = new(false) })
	a := c.Post(path.WebhookTest(w.ID.String()), testForm(t, c, w.ID, "user.created"))
	if a.StatusCode != http.StatusSeeOther {
		t.Fatal(a.StatusCode)
	}
	test := posthorn.EventID(selectOne[[16]byte](t, s, `SELECT id FROM events WHERE test`)).String()
	for query, want := range map[string][]string{
		"":                             {test, second, first},
		"event=user.created":           {test, second},
		"event=user.created&test=true": {test},
		"test=false":                   {second, first},
		"q=order-7":                    {first},
		"q=" + second:                  {second},
		"range=1h":                     {test, second, first},
		"to=2020-01-01":                nil,
		"applicationId=app_nobody":     nil,
		"event=aml.match.found":        nil,
	} {
		a := c.Get(path.Events + "?" + query)
		wantStatus(t, a, http.StatusOK)
		if got := eventsOn(a.HTML(t)); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%q lists %v, want %v", query, got, want)
		}
		if want == nil && !strings.Contains(text(a.HTML(t).Find("#results")), "No events match") {
			t.Errorf("%q: %s", query, text(a.HTML(t).Find("#results")))
		}
	}
	if got := text(c.Get(path.Events).HTML(t).Find("#results")); !strings.Contains(got, `{"amount":42}`) {
		t.Errorf("the list does not show the beginning of the data: %s", got)
	}
	fragment := c.Get(path.Events+"?test=true", into("results")...)
	if doc := fragment.HTML(t); doc.Find("#results").Length() != 1 || doc.Find("main").Length() != 0 || doc.Find("#f-test-chip[hx-swap-oob]").Length() != 1 {
		t.Errorf("fragment %s", fragment.Text)
	}
	for _, query := range []string{"test=maybe", "range=never", "from=2026-01-02&to=2026-01-01", "event=NO", "cursor=x", "limit=0"} {
		a := c.Get(path.Events + "?" + query)
		wantStatus(t, a, http.StatusUnprocessableEntity)
		if !strings.Contains(text(a.HTML(t).Find("#results [role=alert]")), "could not be understood") {
			t.Errorf("%s: %s", query, text(a.HTML(t).Find("#results")))
		}
	}
}

func TestTheListOfEventsIsPagedBothWays(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	body := `[` + strings.TrimSuffix(strings.Repeat(`{"event":"user.created","data":{}},`, 60), ",") + `]`
	if a := callAPI(s.Client(), http.MethodPost, path.APIEvents, body, s.Owner.APIKey); a.StatusCode != http.StatusAccepted {
		t.Fatal(a.Text)
	}
	first := c.Get(path.Events + "?event=user.created").HTML(t)
	older := first.Find("a[rel=next]").AttrOr("href", "")
	second := c.Get(older).HTML(t)
	newer := second.Find("a[rel=prev]").AttrOr("href", "")
	if len(eventsOn(first)) != 50 || len(eventsOn(second)) != 10 || first.Find("a[rel=prev]").Length() != 0 || second.Find("a[rel=next]").Length() != 0 {
		t.Fatalf("pages of %d and %d", len(eventsOn(first)), len(eventsOn(second)))
	}
	if back := eventsOn(c.Get(newer).HTML(t)); strings.Join(back, " ") != strings.Join(eventsOn(first), " ") || !strings.Contains(newer, "event=user.created") {
		t.Errorf("back on %s are %v", newer, back)
	}
}

func TestAnEventSaysWhatBecameOfItAtEveryWebhook(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t, toLoopback...)
	receiver, broken := newTestReceiver(t, http.StatusOK, ""), newTestReceiver(t, http.StatusBadRequest, "")
	makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.Name, in.URL = new("Good"), &receiver.URL })
	makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.Name, in.URL = new("Broken"), &broken.URL })
	makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.Name, in.Events = new("Picky"), &[]string{"aml.*"} })
	makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.Name, in.Active = new("Paused"), new(false) })
	id := publishes(t, s, `{"event":"submission.completed","data":{"amount":42}}`)
	c := s.SignedIn()
	await(t, "both deliveries end", func() bool {
		return selectOne[int](t, s, `SELECT count(*) FROM deliveries WHERE state IN ('succeeded', 'failed')`) == 2
	})
	a := c.Get(path.Event(id))
	wantStatus(t, a, http.StatusOK)
	page := a.HTML(t)
	for name, want := range map[string]string{
		"Good": "Answered with 200 OK. Delivered", "Broken": "Failed: 400 is not retried. Failed",
		"Picky": "Not subscribed to submission.completed. Not sent", "Paused": "The webhook was inactive at the time. Not sent",
	} {
		row := page.Find("#reaches li").FilterFunction(func(_ int, li *goquery.Selection) bool { return text(li.Find("a.above")) == name })
		if got := text(row); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		sent := row.Find("a[href^='/deliveries/whd_']").Length()
		if (sent == 1) != (name == "Good" || name == "Broken") {
			t.Errorf("%s has %d links to a delivery", name, sent)
		}
	}
	if got := text(page.Find("#reaches .card-head")); !strings.Contains(got, "1 delivered") || !strings.Contains(got, "1 failed") || !strings.Contains(got, "2 not sent") {
		t.Errorf("summary %q", got)
	}
	if page.Find("#reaches[hx-get]").Length() != 0 {
		t.Error("a settled event asks again")
	}
	if got := text(page.Find("#data")); !strings.Contains(got, `"amount": 42`) {
		t.Errorf("data %q", got)
	}
	if doc := c.Get(path.Event(id), into(pages.IntoReaches)...).HTML(t); doc.Find("#reaches").Length() != 1 || doc.Find("main").Length() != 0 {
		t.Error("the part that renews itself is not alone")
	}
	_, stranger := newTenant(t, s)
	if a := stranger.Get(path.Event(id)); a.StatusCode != http.StatusNotFound {
		t.Errorf("another organisation gets %d", a.StatusCode)
	}
}

func TestAnEventLeadsToTheRecordThatItCameFrom(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	record := s.PostActivity(nil)
	event := posthorn.EventID(selectOne[[16]byte](t, s, `SELECT id FROM events WHERE activity_id IS NOT NULL AND event = 'activity.recorded'`)).String()
	page := s.SignedIn().Get(path.Event(event)).HTML(t)
	if page.Find("#about a[href='"+path.ActivityRecordPage(record)+"']").Length() != 1 {
		t.Errorf("about: %s", text(page.Find("#about")))
	}
}

// newEventForm is the form that publishes an event, as it is opened.
func newEventForm(t *testing.T, c *sitekit.Client, event string) url.Values {
	t.Helper()
	form := filled(t, c.Get(path.With(path.EventNew, url.Values{posthorn.FieldEvent: {event}})).HTML(t), "main form")
	form.Del(pages.FieldLoad)
	return form
}

func TestAnEventIsPublishedByHandOnce(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t, toLoopback...)
	receiver := newTestReceiver(t, http.StatusOK, "")
	makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.URL = &receiver.URL })
	c := s.SignedIn()
	if n := c.Get(path.EventNew).HTML(t).Find("#event option[value='activity.recorded']").Length(); n != 0 {
		t.Error("what Posthorn alone makes is offered")
	}
	form := newEventForm(t, c, "submission.completed")
	a := c.Post(path.Events, form)
	address := a.Header.Get("Location")
	if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(address, "/events/evt_") {
		t.Fatalf("%d to %q: %s", a.StatusCode, address, text(a.HTML(t).Find("main")))
	}
	wantNews(t, c, address, "The event is published, and goes to 1 webhook.")
	wantRedirect(t, c.Post(path.Events, form), address)
	wantNews(t, c, address, "This event was published already.")
	if n := selectOne[int](t, s, `SELECT count(*) FROM events`); n != 1 {
		t.Errorf("%d events", n)
	}
	if got := selectOne[string](t, s, `SELECT after ->> 'event' FROM audit_log WHERE action = 'event.published'`); got != "submission.completed" {
		t.Errorf("the audit log tells of %q", got)
	}
	await(t, "the event arrives", func() bool { return len(receiver.got()) == 1 })
}

func TestAnEventThatDoesNotFitIsPublishedOnlyOnASecondWord(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	form := newEventForm(t, c, "submission.completed")
	form.Set(pages.FieldData, `{}`)
	a := c.Post(path.Events, form)
	wantStatus(t, a, http.StatusUnprocessableEntity)
	doc := a.HTML(t)
	if doc.Find("[role=alert] li").Length() == 0 || doc.Find("button[name="+pages.FieldAnyway+"]").Length() != 1 || selectOne[int](t, s, `SELECT count(*) FROM events`) != 0 {
		t.Fatalf("the form says %q", text(doc.Find("main")))
	}
	form = filled(t, doc, "main form")
	form.Set(pages.FieldAnyway, "1")
	a = c.Post(path.Events, form)
	address := a.Header.Get("Location")
	if a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d: %s", a.StatusCode, text(a.HTML(t).Find("main")))
	}
	if got := text(c.Get(address).HTML(t).Find("main .callout")); !strings.Contains(got, "The data does not fit the schema of its type") {
		t.Errorf("the event says %q", got)
	}

	for field, change := range map[string]func(url.Values){
		"#data-error":  func(f url.Values) { f.Set(pages.FieldData, `{"a":`) },
		"#event-error": func(f url.Values) { f.Set(posthorn.FieldEvent, "activity.recorded") },
	} {
		form := newEventForm(t, c, "user.created")
		change(form)
		a := c.Post(path.Events, form)
		wantStatus(t, a, http.StatusUnprocessableEntity)
		if a.HTML(t).Find(field).Length() != 1 {
			t.Errorf("%s is not there: %s", field, text(a.HTML(t).Find("main")))
		}
	}
	form = newEventForm(t, c, "integration.failed")
	form.Set(pages.FieldData, `{"provider":"x"}`)
	a = c.Post(path.Events, form)
	wantStatus(t, a, http.StatusUnprocessableEntity)
	if got := text(a.HTML(t).Find("#data-error")); !strings.Contains(got, "uid") {
		t.Errorf("an integration without a uid: %q", got)
	}
}

func TestTheFindFieldOpensWhatAnIDStandsFor(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner, member := s.SignedIn(), addMember(t, s)
	for id, to := range map[string]string{
		posthorn.EventID{15: 1}.String():    path.Event(posthorn.EventID{15: 1}.String()),
		posthorn.DeliveryID{15: 1}.String(): path.Delivery(posthorn.DeliveryID{15: 1}.String()),
		posthorn.WebhookID{15: 1}.String():  path.Webhook(posthorn.WebhookID{15: 1}.String()),
	} {
		wantRedirect(t, owner.Get(path.Search+"?q="+id), to)
		wantRedirect(t, member.Get(path.Search+"?q="+id), path.Activity+"?q="+id)
	}
}
