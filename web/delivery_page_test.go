package web_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// changeable is a receiver whose answer a test chooses.
type changeable struct {
	*httptest.Server
	answer atomic.Pointer[http.HandlerFunc]
}

func (e *changeable) answers(h http.HandlerFunc) { e.answer.Store(&h) }

func startChangeable(t *testing.T, h http.HandlerFunc) *changeable {
	t.Helper()
	e := &changeable{}
	e.answers(h)
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*e.answer.Load())(w, r) }))
	t.Cleanup(e.Close)
	return e
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// siteWithHook runs a site with a webhook that leads to an endpoint.
func siteWithHook(t *testing.T, h http.HandlerFunc, change func(*posthorn.WebhookInput)) (*sitekit.Site, *changeable, posthorn.WebhookDetail) {
	t.Helper()
	s := sitekit.Start(t, toLoopback...)
	e := startChangeable(t, h)
	hook := makeWebhook(t, s, func(in *posthorn.WebhookInput) {
		in.URL, in.Headers = &e.URL, &[]posthorn.HeaderInput{{Name: "Authorization", Value: "Bearer top-secret"}}
		if change != nil {
			change(in)
		}
	})
	return s, e, hook
}

// deliver publishes an event and returns its delivery once that has had an attempt.
func deliver(t *testing.T, s *sitekit.Site) string {
	t.Helper()
	id := queued(t, s)
	attempted(t, s, id, 1)
	return id
}

// queued publishes an event and returns its delivery.
func queued(t *testing.T, s *sitekit.Site) string {
	t.Helper()
	event, err := posthorn.ParseEventID(publish(t, s, s.Owner.APIKey))
	if err != nil {
		t.Fatal(err)
	}
	return posthorn.DeliveryID(selectOne[[16]byte](t, s, `SELECT id FROM deliveries WHERE event_id = $1`, event.UUID())).String()
}

// attempted waits until a delivery had so many attempts.
func attempted(t *testing.T, s *sitekit.Site, id string, n int) {
	t.Helper()
	parsed, err := posthorn.ParseDeliveryID(id)
	if err != nil {
		t.Fatal(err)
	}
	await(t, fmt.Sprintf("%d attempts of %s", n, id), func() bool {
		return selectOne[bool](t, s, `SELECT attempts >= $2 AND NOT EXISTS (SELECT FROM due WHERE delivery_id = id AND lease_token <> 0)
 FROM deliveries WHERE id = $1`, parsed.UUID(), n)
	})
}

func TestADeliveryShowsItsAttemptsWithWhatTheyCameTo(t *testing.T) {
	t.Parallel()
	s, e, hook := siteWithHook(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Retry-After", "120")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"error":"<b>no_healthy_upstream"}`))
	}, nil)
	id := deliver(t, s)
	c := s.SignedIn()
	a := c.Get(path.Delivery(id))
	wantStatus(t, a, http.StatusOK)
	page := a.HTML(t)
	if a.Header.Get("Cache-Control") != "no-store" || text(page.Find("main h1")) != "submission.completed" {
		t.Errorf("Cache-Control %q, heading %q", a.Header.Get("Cache-Control"), text(page.Find("main h1")))
	}
	for where, want := range map[string][]string{
		"main .badge":                      {"Retrying"},
		"#attempts-title + p":              {"1 of 10"},
		"section ol li:nth-of-type(1)":     {"Attempt 2", "Scheduled, in"},
		"section ol li:nth-of-type(2)":     {"Attempt 1", "503 Service Unavailable"},
		"#attempt":                         {"Attempt 1 got 503 Service Unavailable after", "asked to wait 120 s (retry-after)"},
		"[aria-labelledby=response-title]": {"503", "34 bytes", "Retry-After: 120", `"error": "<b>no_healthy_upstream"`},
		"[aria-labelledby=request-title]":  {"POST", e.URL, "Authorization: •••• (custom, hidden)", "webhook-id: " + id, `"event": "submission.completed"`, "HTTP/1.1"},
		"#timings":                         {"DNS", "First byte", "Total"},
		"#signature":                       {"Matches", "The secret ends in " + hook.Secrets[0].LastFour, id + ".", "v1,"},
		"#curl-code":                       {"curl --globoff", "'Authorization: ••••'", "--data-raw '{"},
		"[aria-label=Identifiers]":         {"whd_", "evt_", "att_"},
		"main form[action='" + path.DeliveryReplay(id) + "']": {"Send now"},
		"main a[href='" + path.DeliveryStop(id) + "']":        {"Stop retrying"},
		"section ol + div": {"Gives up about"},
	} {
		if got := text(page.Find(where)); !containsAll(got, want...) {
			t.Errorf("%s says %q, want %q", where, got, want)
		}
	}
	if strings.Contains(a.Text, "top-secret") || shownSecret.MatchString(a.Text) {
		t.Error("the page shows a secret")
	}
	if page.Find("#attempt b").Length() != 0 {
		t.Error("what the endpoint answered is markup")
	}
	for _, link := range []string{path.Webhook(hook.ID.String()), path.DeliveryBody(id), path.Event(text(page.Find("[aria-label=Identifiers] a").First()))} {
		if page.Find("main a[href='"+link+"']").Length() == 0 {
			t.Errorf("no link to %s", link)
		}
	}
	body := c.Get(path.DeliveryBody(id))
	if body.StatusCode != http.StatusOK || !strings.HasPrefix(body.Text, `{"id":"`+id+`",`) || body.Header.Get("Content-Disposition") != `attachment; filename="`+id+`.json"` {
		t.Errorf("the body is %d %s", body.StatusCode, body.Text)
	}
}

func TestAnAttemptIsChosenByItsNumber(t *testing.T) {
	t.Parallel()
	s, e, _ := siteWithHook(t, status(http.StatusNotFound), nil)
	id := deliver(t, s)
	e.answers(status(http.StatusOK))
	c := s.SignedIn()
	wantRedirect(t, c.Post(path.DeliveryReplay(id), nil), path.Delivery(id))
	attempted(t, s, id, 2)
	for query, want := range map[string]string{"": "Attempt 2 got 200", "?attempt=1": "Attempt 1 got 404 Not Found", "?attempt=2": "Attempt 2 got 200", "?attempt=": "Attempt 2 got 200"} {
		page := c.Get(path.Delivery(id) + query).HTML(t)
		if got := text(page.Find("#attempt")); !strings.Contains(got, want) {
			t.Errorf("%q says %q, want %q", query, got, want)
		}
		if n := page.Find("ol [aria-current=true]").Length(); n != 1 {
			t.Errorf("%q marks %d attempts", query, n)
		}
	}
	for _, query := range []string{"?attempt=3", "?attempt=0", "?attempt=-1", "?attempt=x", "?attempt=99999999999999999999"} {
		if a := c.Get(path.Delivery(id) + query); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s is %d", query, a.StatusCode)
		}
	}
	page := c.Get(path.Delivery(id)).HTML(t)
	if page.Find("[data-poll]").Length() != 0 || page.Find("a[href='"+path.DeliveryStop(id)+"']").Length() != 0 {
		t.Error("what was delivered asks for news, or can be stopped")
	}
}

func TestAReplayIsAskedForWhereTheEndpointHasTheEvent(t *testing.T) {
	t.Parallel()
	s, e, hook := siteWithHook(t, status(http.StatusOK), nil)
	id := deliver(t, s)
	c := s.SignedIn()
	if link := c.Get(path.Delivery(id)).HTML(t).Find("#replay"); link.AttrOr("hx-get", "") != path.DeliveryReplay(id) || link.AttrOr("data-key", "") != "r" {
		t.Error("the replay of what was delivered does not ask")
	}
	asked := c.Get(path.DeliveryReplay(id), into("dialog-slot")...)
	if doc := asked.HTML(t); doc.Find("dialog[open] form[action='"+path.DeliveryReplay(id)+"']").Length() != 1 || doc.Find("main").Length() != 0 {
		t.Errorf("the question is %s", asked.Text)
	}
	if got := text(c.Get(path.DeliveryReplay(id)).HTML(t).Find("main")); !strings.Contains(got, "Ledger sync has this event already") {
		t.Errorf("the question as a page is %q", got)
	}
	wantRedirect(t, c.Post(path.DeliveryReplay(id), url.Values{}), path.Delivery(id))
	wantNews(t, c, path.Delivery(id), "Replayed. It is sent now.")
	attempted(t, s, id, 2)

	e.answers(status(http.StatusNotFound))
	if _, err := s.Webhooks.SetActive(t.Context(), posthorn.CommandLine(), s.Owner.TenantID, hook.ID, false); err != nil {
		t.Fatal(err)
	}
	wantRedirect(t, c.Post(path.DeliveryReplay(id), nil), path.Delivery(id))
	wantNews(t, c, path.Delivery(id), "Replayed. It waits until the webhook is active again.")
	if got := text(c.Get(path.Delivery(id)).HTML(t).Find("#attempt")); !strings.Contains(got, "It waits: the webhook is inactive.") {
		t.Errorf("while the webhook is inactive: %q", got)
	}
	got := selectRows[string](t, s, `SELECT action || ' ' || subject FROM audit_log WHERE action LIKE 'delivery.%' ORDER BY id`)
	if diff := cmp.Diff([]string{"delivery.replayed " + id, "delivery.replayed " + id}, got); diff != "" {
		t.Errorf("audit log:\n%s", diff)
	}

	if err := s.Webhooks.DeleteByID(t.Context(), posthorn.CommandLine(), s.Owner.TenantID, hook.ID); err != nil {
		t.Fatal(err)
	}
	page := c.Get(path.Delivery(id)).HTML(t)
	if got := text(page.Find("#delivery")); !containsAll(got, "Ledger sync (deleted)", "The webhook was deleted.", "The signature cannot be recomputed.") {
		t.Errorf("after the webhook was deleted: %q", got)
	}
	if page.Find("#replay").Length() != 0 || page.Find("a[href='"+path.Webhook(hook.ID.String())+"']").Length() != 0 {
		t.Error("there is a way to send to a webhook that was deleted, or a link to it")
	}
	again := c.Post(path.DeliveryReplay(id), nil)
	wantStatus(t, again, http.StatusConflict)
	if got := text(again.HTML(t).Find("main [role=alert]")); got != "Its webhook was deleted, so it cannot be sent again." {
		t.Errorf("the alert is %q", got)
	}
}

func TestRetryingIsStopped(t *testing.T) {
	t.Parallel()
	s, _, _ := siteWithHook(t, status(http.StatusInternalServerError), nil)
	id := deliver(t, s)
	c := s.SignedIn()
	if a := c.Get(path.DeliveryStop(id), into("dialog-slot")...); a.HTML(t).Find("dialog form[action='"+path.DeliveryStop(id)+"'][hx-post]").Length() != 1 {
		t.Errorf("the question is %s", a.Text)
	}
	wantRedirect(t, c.Post(path.DeliveryStop(id), nil), path.Delivery(id))
	wantNews(t, c, path.Delivery(id), "Stopped. No more attempts are made.")
	page := c.Get(path.Delivery(id)).HTML(t)
	if got := text(page.Find("#delivery")); !containsAll(got, "Cancelled", "Stopped by ", "unless somebody replays it", "Replay now") {
		t.Errorf("the page says %q", got)
	}
	again := c.Post(path.DeliveryStop(id), nil, into("dialog-slot")...)
	wantStatus(t, again, http.StatusConflict)
	if got := text(again.HTML(t).Find("dialog [role=alert]")); got != "This delivery is not pending: there is nothing to stop." {
		t.Errorf("the alert is %q", got)
	}
}

func TestThePageOfAPendingDeliveryRefreshesItself(t *testing.T) {
	t.Parallel()
	s, e, _ := siteWithHook(t, status(http.StatusInternalServerError), nil)
	id := deliver(t, s)
	c := s.SignedIn()
	poll := c.Get(path.Delivery(id)).HTML(t).Find("[data-poll]")
	news, _ := poll.Attr("hx-get")
	if !strings.HasPrefix(news, path.DeliveryNews(id)+"?") || poll.AttrOr("hx-swap", "") != "none" || poll.AttrOr("hx-trigger", "") != "changed, every 2s" {
		t.Fatalf("asks %q", news)
	}
	same := c.Get(news, into("")...)
	if same.Header.Get("HX-Retarget") != "" || !strings.HasPrefix(text(same.HTML(t).Find("#planned[hx-swap-oob]")), "Scheduled, in ") {
		t.Errorf("without a change: %s", same.Text)
	}
	e.answers(status(http.StatusOK))
	wantRedirect(t, c.Post(path.DeliveryReplay(id), nil), path.Delivery(id))
	attempted(t, s, id, 2)
	changed := c.Get(news, into("")...)
	doc := changed.HTML(t)
	if changed.Header.Get("HX-Retarget") != "#delivery" || changed.Header.Get("HX-Reswap") != "outerHTML" || doc.Find("#delivery [data-poll]").Length() != 0 {
		t.Errorf("after the last attempt: %v", changed.Header)
	}
	if got := text(doc.Find("#announcer")); !strings.HasPrefix(got, "Attempt 2 got 200 OK") || doc.Find("main").Length() != 0 {
		t.Errorf("announces %q", got)
	}
	wantRedirect(t, c.Get(news), path.Delivery(id))
}

func TestWhatIsNotTextIsShownAsSizeAndType(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		kind, body string
		want       []string
	}{
		"binary":     {"image/png; x=y", "\x89PNG\x00\x01", []string{"Binary, 6 bytes, image/png"}},
		"empty":      {"text/plain", "", []string{"Empty", "0 bytes"}},
		"cut":        {"text/plain", strings.Repeat("é", posthorn.MaxResponseBytes), []string{"Cut after 65.5 KB.", "more than 65.5 KB", "longer than 64 KiB"}},
		"deep":       {"application/json", strings.Repeat("[", 5000) + strings.Repeat("]", 5000), []string{strings.Repeat("[", 5000)}},
		"plain text": {"text/plain", "no\nway <i>", []string{"no way <i>"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _, _ := siteWithHook(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tc.kind)
				w.WriteHeader(http.StatusBadRequest)
				_, _ = w.Write([]byte(tc.body))
			}, nil)
			page := s.SignedIn().Get(path.Delivery(deliver(t, s))).HTML(t)
			if got := text(page.Find("#attempt")); !containsAll(got, tc.want...) || strings.Contains(got, "\uFFFD") {
				t.Errorf("the page says %.2000q, want %q", got, tc.want)
			}
		})
	}
}

func TestAnAttemptWithoutAnAnswerIsExplained(t *testing.T) {
	t.Parallel()
	s, e, _ := siteWithHook(t, status(http.StatusOK), nil)
	e.Close()
	page := s.SignedIn().Get(path.Delivery(deliver(t, s))).HTML(t)
	if got := text(page.Find("#delivery")); !containsAll(got, "Connection refused", "Attempt 1 was refused a connection.", "Nothing was sent, so there is no signature.") {
		t.Errorf("the page says %q", got)
	}
	if page.Find("[aria-labelledby=response-title]").Length() != 0 {
		t.Error("there is a response")
	}
}

func TestADeliveryBeforeItsFirstAttempt(t *testing.T) {
	t.Parallel()
	s, _, hook := siteWithHook(t, status(http.StatusOK), nil)
	release := make(chan struct{})
	e := startChangeable(t, func(http.ResponseWriter, *http.Request) { <-release })
	t.Cleanup(func() { close(release) })
	_ = makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.Name, in.URL = new("Slow one"), &e.URL })
	event, err := posthorn.ParseEventID(publish(t, s, s.Owner.APIKey))
	if err != nil {
		t.Fatal(err)
	}
	id := posthorn.DeliveryID(selectOne[[16]byte](t, s, `SELECT id FROM deliveries WHERE event_id = $1 AND webhook_id <> $2`, event.UUID(), hook.ID.UUID())).String()
	c := s.SignedIn()
	page := c.Get(path.Delivery(id)).HTML(t)
	if got := text(page.Find("#delivery")); !containsAll(got, "Attempt 1", "0 of 10", "What will be sent", `"event": "submission.completed"`) {
		t.Errorf("the page says %q", got)
	}
	if page.Find("#curl-code, #signature, #timings").Length() != 0 {
		t.Error("what was not sent has a command, a signature or timings")
	}
	if poll := page.Find("[data-poll]").AttrOr("hx-trigger", ""); poll != "changed, every 2s" {
		t.Errorf("asks %q", poll)
	}
	wantRedirect(t, c.Post(path.DeliveryStop(id), nil), path.Delivery(id))
	if got := text(c.Get(path.Delivery(id)).HTML(t).Find("#delivery")); !containsAll(got, "Cancelled", "No attempt was made.") {
		t.Errorf("after it was stopped: %q", got)
	}
}

func TestARecordListsTheDeliveriesThatItCaused(t *testing.T) {
	t.Parallel()
	s, _, _ := siteWithHook(t, status(http.StatusOK), nil)
	member := addMember(t, s)
	record := s.PostActivity(map[string]any{"userId": memberID, "riskLevel": "critical", "riskScore": 92})
	activity, err := posthorn.ParseActivityID(record)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "both deliveries", func() bool {
		return selectOne[int](t, s, `SELECT count(*) FROM deliveries d JOIN events e ON e.id = d.event_id WHERE e.activity_id = $1 AND d.state = 'succeeded'`, activity.UUID()) == 2
	})
	c := s.SignedIn()
	for name, a := range map[string]sitekit.Answer{
		"[aria-labelledby=record-deliveries]": c.Get(path.ActivityRecord(record), into("drawer-slot")...), "#deliveries": c.Get(path.ActivityRecordPage(record)),
	} {
		part := a.HTML(t).Find("section" + name)
		links := part.Find("a[href^='/deliveries/whd_']")
		if got := text(part); links.Length() != 2 || !containsAll(got, "activity.recorded", "activity.flagged", "Ledger sync", "Delivered") {
			t.Errorf("%s: %d deliveries, %q", name, links.Length(), got)
			continue
		}
		page := c.Get(links.First().AttrOr("href", ""))
		wantStatus(t, page, http.StatusOK)
		if page.HTML(t).Find("main a[href='"+path.ActivityRecord(record)+"']").Length() != 1 {
			t.Error("the delivery does not lead to its record")
		}
	}
	for _, target := range []string{path.ActivityRecord(record), path.ActivityRecordPage(record)} {
		if a := member.Get(target); a.StatusCode != http.StatusOK || strings.Contains(a.Text, "/deliveries/") {
			t.Errorf("%s is %d for a member, or tells of deliveries", target, a.StatusCode)
		}
	}
}
