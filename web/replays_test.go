package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/pages"
	"posthorn/views/path"
)

// failDeliveries puts deliveries of a webhook into the log that failed with a status.
func failDeliveries(t *testing.T, s *sitekit.Site, w *posthorn.Webhook, n, code int) []posthorn.DeliveryID {
	t.Helper()
	ids := make([]posthorn.DeliveryID, n)
	var events, deliveries []uuid.UUID
	for i := range ids {
		event := posthorn.NewEventID()
		ids[i] = posthorn.DeliveryIDOf(event, w.ID)
		events, deliveries = append(events, event.UUID()), append(deliveries, ids[i].UUID())
	}
	selectRows[uuid.UUID](t, s, `
WITH made AS (SELECT * FROM unnest($1::uuid[], $2::uuid[]) AS m (event_id, id)),
e AS (INSERT INTO events (id, tenant_id, event, occurred_at, payload) SELECT event_id, $3, 'submission.created', now(), '{}' FROM made),
d AS (INSERT INTO deliveries (id, tenant_id, webhook_id, event_id, event, payload_scheme, test, created_at, url, state, reason, attempts, status_code, finished_at)
  SELECT id, $3, $4, event_id, 'submission.created', 'standard', false, now(), '', 'failed', 'Not retried', 1, $5, now() FROM made)
INSERT INTO dead_letters (delivery_id, tenant_id, webhook_id, failed_at, status_code) SELECT id, $3, $4, now(), $5 FROM made RETURNING delivery_id`,
		events, deliveries, w.TenantID.UUID(), w.ID.UUID(), code)
	return ids
}

// pausedWebhook makes a webhook to which nothing is sent.
func pausedWebhook(t *testing.T, s *sitekit.Site) posthorn.WebhookDetail {
	t.Helper()
	return makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.Active = new(bool) })
}

func TestAFilterOfTheLogIsReplayed(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	w := pausedWebhook(t, s)
	failDeliveries(t, s, &w.Webhook, 40, 404)
	failDeliveries(t, s, &w.Webhook, 2, 500)
	query := url.Values{"webhookId": {w.ID.String()}, "statusCode": {"404"}, "status": {"error"}, "range": {"24h"}}
	a := c.Get(path.With(path.DeliveryLogReplay, query))
	wantStatus(t, a, http.StatusOK)
	page := a.HTML(t)
	said := text(page.Find("main"))
	for _, want := range []string{"Send 40 deliveries again?", "Ledger sync", "Failed or stopped", "404", "The oldest go first", "not active", "about 2 s.", "Replay 40"} {
		if !strings.Contains(said, want) {
			t.Errorf("the question does not say %q: %s", want, said)
		}
	}
	form := filled(t, page, "main form")
	if strings.Contains(form.Get(pages.FieldReplayFilter), "range") || !strings.Contains(form.Get(pages.FieldReplayFilter), "from=") {
		t.Errorf("the time is not fixed: %s", form.Get(pages.FieldReplayFilter))
	}
	form.Set(posthorn.FieldRate, "501")
	a = c.Post(path.DeliveryLogReplay, form)
	wantStatus(t, a, http.StatusUnprocessableEntity)
	if got := text(a.HTML(t).Find("#rate-error")); got != "Rate must be a whole number from 1 to 500." {
		t.Errorf("a wrong rate: %q", got)
	}
	form.Set(posthorn.FieldRate, "1")
	a = c.Post(path.DeliveryLogReplay, form)
	to := a.Header.Get("Location")
	if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, "/replays/rpl_") {
		t.Fatalf("%d to %q", a.StatusCode, to)
	}
	if again := c.Post(path.DeliveryLogReplay, form); again.Header.Get("Location") != to {
		t.Errorf("sent twice: %q and %q", to, again.Header.Get("Location"))
	}
	page = c.Get(to).HTML(t)
	if said := text(page.Find("#replay")); !strings.Contains(said, "of 40 queued") || !strings.Contains(said, "Running") || page.Find("#replay[hx-get='"+to+"'][hx-trigger='every 2s']").Length() != 1 {
		t.Errorf("running: %s", said)
	}
	part := c.Get(to, into("replay")...).HTML(t)
	if part.Find("#replay progress[value]").Length() != 1 || part.Find("main").Length() != 0 {
		t.Error("the progress alone is not the progress alone")
	}
	wantRedirect(t, c.Post(to+"/cancel", nil), to)
	page = c.Get(to).HTML(t)
	if said := text(page.Find("#replay")); !strings.Contains(said, "Cancelled") || page.Find("#replay[hx-get]").Length() != 0 || page.Find("#replay form").Length() != 0 {
		t.Errorf("cancelled: %s", said)
	}
	wantRedirect(t, c.Post(to+"/cancel", nil), to)
	wantNews(t, c, to, "The replay had ended already.")
	if rows := c.Get(path.Replays).HTML(t).Find("tbody tr"); rows.Length() != 1 || rows.Find("a[href='"+to+"']").Length() != 1 {
		t.Errorf("%d replays are listed", rows.Length())
	}
	if left := selectOne[int](t, s, `SELECT count(*) FROM due`); left == 40 {
		t.Error("a cancelled replay went on")
	}
}

func TestAReplayOfNothingIsNotOffered(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	for query, want := range map[string]string{
		"":             "Nothing to replay",
		"test=true":    "Nothing to replay",
		"status=error": "Nothing to replay",
	} {
		a := c.Get(path.DeliveryLogReplay + "?" + query)
		if page := a.HTML(t); a.StatusCode != http.StatusOK || !strings.Contains(text(page.Find("main")), want) || page.Find("main form").Length() != 0 {
			t.Errorf("%s: %d %s", query, a.StatusCode, text(page.Find("main")))
		}
	}
	a := c.Get(path.DeliveryLogReplay + "?statusCode=999")
	if a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(text(a.HTML(t).Find("main")), "These filters could not be understood") {
		t.Errorf("a wrong filter: %d", a.StatusCode)
	}
	if a := c.Post(path.DeliveryLogReplay, url.Values{pages.FieldReplayFilter: {"test=true"}, posthorn.FieldRate: {"20"}}); a.StatusCode != http.StatusConflict {
		t.Errorf("tests alone: %d", a.StatusCode)
	}
	if n := selectOne[int](t, s, `SELECT count(*) FROM replays`); n != 0 {
		t.Errorf("%d replays", n)
	}
}

func TestAReplayOfOthersIsNotFound(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	w := pausedWebhook(t, s)
	failDeliveries(t, s, &w.Webhook, 3, 404)
	form := filled(t, c.Get(path.DeliveryLogReplay+"?status=error").HTML(t), "main form")
	form.Set(posthorn.FieldRate, "1")
	to := c.Post(path.DeliveryLogReplay, form).Header.Get("Location")
	_, other := newTenant(t, s)
	member := addMember(t, s)
	for name, client := range map[string]*sitekit.Client{"others": other, "a member": member} {
		for _, target := range []string{to, path.WebhookMissed(w.ID.String())} {
			if a := client.Get(target); a.StatusCode != http.StatusNotFound {
				t.Errorf("GET %s is %d for %s", target, a.StatusCode, name)
			}
		}
		for _, target := range []string{to + "/cancel", path.WebhookMissed(w.ID.String())} {
			if a := client.Post(target, url.Values{posthorn.FieldRate: {"1"}}); a.StatusCode != http.StatusNotFound {
				t.Errorf("POST %s is %d for %s", target, a.StatusCode, name)
			}
		}
	}
	for _, target := range []string{path.Replays, path.Attention, path.DeliveryLogReplay + "?webhookId=" + w.ID.String()} {
		if got := other.Get(target).Text; strings.Contains(got, w.Name) || strings.Contains(got, "rpl_") {
			t.Errorf("%s shows others what is not theirs", target)
		}
	}
	if got := member.Get(path.Attention).StatusCode; got != http.StatusNotFound {
		t.Errorf("%s is %d for a member", path.Attention, got)
	}
	if n := selectOne[int](t, s, `SELECT count(*) FROM replays WHERE state = 'cancelled'`); n != 0 {
		t.Error("somebody else cancelled the replay")
	}
}

func TestAttentionLeadsToTheLogAndToTheReplay(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	if got := text(c.Get(path.Attention).HTML(t).Find("main")); !strings.Contains(got, "Nothing needs attention") {
		t.Errorf("without failures: %s", got)
	}
	w := pausedWebhook(t, s)
	failDeliveries(t, s, &w.Webhook, 3, 404)
	failDeliveries(t, s, &w.Webhook, 1, 503)
	rows := c.Get(path.Attention).HTML(t).Find("tbody tr")
	if rows.Length() != 2 {
		t.Fatalf("%d rows", rows.Length())
	}
	row := rows.Last() // the newest is first
	if got := text(row); !strings.Contains(got, "Ledger sync") || !strings.Contains(got, "404 Not Found") || text(row.Find("td.num")) != "3" {
		t.Errorf("row %q", got)
	}
	replay := row.Find("a.btn").AttrOr("href", "")
	if got := text(c.Get(replay).HTML(t).Find("main")); !strings.Contains(got, "Send 3 deliveries again?") {
		t.Errorf("%s says %s", replay, got)
	}
	wantStatus(t, c.Get(row.Find("a.row-link").AttrOr("href", "")), http.StatusOK)
}

func TestWhatAWebhookMissedIsOfferedWhenItIsActiveAgain(t *testing.T) {
	t.Parallel()
	arrived := make(chan string, 10)
	endpoint := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { arrived <- r.Header.Get("webhook-id") }))
	t.Cleanup(endpoint.Close)
	s := sitekit.Start(t, "POSTHORN_ALLOW_HTTP_TARGETS=true", "POSTHORN_ALLOW_TARGET_CIDRS=127.0.0.0/8")
	c := s.SignedIn()
	w := makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.URL = new(endpoint.URL) })
	page, missed := path.Webhook(w.ID.String()), path.WebhookMissed(w.ID.String())
	if got := text(c.Get(missed).HTML(t).Find("main")); !strings.Contains(got, "Nothing was missed") {
		t.Errorf("always active: %s", got)
	}
	wantRedirect(t, c.Post(path.WebhookDeactivate(w.ID.String()), nil), page)
	for range 3 {
		s.PostActivity(nil)
	}
	doc := c.Get(missed).HTML(t)
	if got := text(doc.Find("main")); !strings.Contains(got, "Activate the webhook first") || doc.Find("form[action='"+missed+"']").Length() != 0 {
		t.Errorf("not active: %s", got)
	}
	if c.Get(page).HTML(t).Find("a[href='"+missed+"']").Length() != 0 {
		t.Error("it is offered while the webhook is not active")
	}
	wantRedirect(t, c.Post(path.WebhookActivate(w.ID.String()), nil), page)
	if c.Get(page).HTML(t).Find("a[href='"+missed+"']").Length() != 1 {
		t.Error("it is not offered")
	}
	doc = c.Get(missed).HTML(t)
	if got := text(doc.Find("#missed-title")); got != "Send the 3 events that this webhook missed?" {
		t.Errorf("the question is %q", got)
	}
	form := filled(t, doc, "form[action='"+missed+"']")
	form.Set(posthorn.FieldRate, "none")
	wantStatus(t, c.Post(missed, form), http.StatusUnprocessableEntity)
	form.Set(posthorn.FieldRate, "500")
	to := c.Post(missed, form).Header.Get("Location")
	if !strings.HasPrefix(to, "/replays/rpl_") {
		t.Fatalf("leads to %q", to)
	}
	for range 3 {
		select {
		case id := <-arrived:
			if !strings.HasPrefix(id, "whd_") {
				t.Errorf("got %q", id)
			}
		case <-t.Context().Done():
			t.Fatal("nothing was sent")
		}
	}
	if got := text(c.Get(to).HTML(t).Find("main")); !strings.Contains(got, "3 deliveries queued") || !strings.Contains(got, "Finished") {
		t.Errorf("the replay says %s", got)
	}
	if c.Get(page).HTML(t).Find("a[href='"+missed+"']").Length() != 0 {
		t.Error("it is offered again")
	}
}
