package web_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"posthorn/internal/browserkit"
	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// newMoody is an endpoint that answers the events of each type with a status that the test chooses, 404 until it does, and tells the
// amount that it got. It fails the first times that it was told to with 503, whatever the type.
type moody struct {
	*httptest.Server
	failing  atomic.Int64
	statuses map[string]*atomic.Int64
	requests atomic.Int64
}

func newMoody(t *testing.T, events ...string) *moody {
	t.Helper()
	e := &moody{statuses: map[string]*atomic.Int64{}}
	for _, event := range events {
		e.statuses[event] = &atomic.Int64{}
		e.statuses[event].Store(http.StatusNotFound)
	}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.requests.Add(1)
		var in struct {
			Event string
			Data  struct{ Amount json.Number }
		}
		raw, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(raw, &in)
		}
		status := e.statuses[in.Event]
		if err != nil || status == nil {
			t.Errorf("%s: %v", raw, err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if e.failing.Add(-1) >= 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"error":"no_healthy_upstream"}`)
			return
		}
		w.WriteHeader(int(status.Load()))
		_, _ = fmt.Fprintf(w, `{"booked":%q}`, in.Data.Amount)
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *moody) answers(event string, status int) { e.statuses[event].Store(int64(status)) }

// dueNow lets the time until the next attempt of a delivery pass.
func dueNow(t *testing.T, s *sitekit.Site, id string) {
	t.Helper()
	parsed, err := posthorn.ParseDeliveryID(id)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the delivery waits", func() bool {
		return len(selectRows[int](t, s, `UPDATE due SET next_attempt_at = now() WHERE delivery_id = $1 AND lease_token = 0 RETURNING 1`, parsed.UUID())) == 1
	})
}

// An endpoint fails twice and then works; an admin watches it, mends another one and replays what it refused.
func TestTheStoryOfADeliveryThatTakesThreeAttempts(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t, toLoopback...)
	ledger, bridge := newMoody(t, "submission.completed"), newMoody(t, "submission.completed")
	ledger.failing.Store(2)
	ledger.answers("submission.completed", http.StatusOK)
	good := makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.URL = &ledger.URL })
	bad := makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.Name, in.URL = new("Slack bridge"), &bridge.URL })
	event := publishEvent(t, s, "submission.completed", map[string]any{"amount": 42}, "")
	taken, refused := deliveryOf(t, event, good.ID), deliveryOf(t, event, bad.ID)

	p := person(t, s)
	p.Goto(path.DeliveryLog)
	p.WaitCount("#results tbody tr", 2)
	p.Click("#f-webhook-chip")
	p.Click("#f-webhook label", "Ledger sync")
	p.WaitCount("#results tbody tr", 1)
	p.At(path.DeliveryLog + "?webhookId=" + good.ID.String())
	p.Press("Escape")
	p.Visible(row(taken)+"-status", "Retrying")
	p.Click(row(taken) + " .row-link")
	p.At(path.Delivery(taken))
	mark(p)

	// The second attempt comes by its schedule; for the third, five minutes pass.
	p.Visible("#attempt", "Attempt 2 got 503 Service Unavailable")
	p.Visible("main .badge", "Retrying")
	dueNow(t, s, taken)
	p.Visible("#attempt", "Attempt 3 got 200 OK")
	p.Visible("main .badge", "Delivered")
	p.Wait(`document.querySelector("#announcer").textContent.startsWith("Attempt 3 got 200 OK")`)
	p.Visible("#attempt", `"booked": "42"`)
	p.WaitCount("#delivery section ol li", 3)
	unloaded(t, p)
	p.Click("section ol a", "Attempt 1")
	p.At(path.DeliveryAttempt(taken, 1))
	p.Visible("#attempt", "no_healthy_upstream")

	p.Goto(path.DeliveryLog + "?status=error")
	p.WaitCount("#results tbody tr", 1)
	p.Click(row(refused) + " .row-link")
	p.Visible("#attempt", "Attempt 1 got 404 Not Found")
	p.Visible("#attempt", "Check the path of the URL, and that it takes POST.")
	bridge.answers("submission.completed", http.StatusOK)
	mark(p)
	p.Click("main button", "Replay")
	p.Visible("#toasts", "Replayed. It is sent now.")
	p.Visible("#attempt", "Attempt 2 got 200 OK")
	p.Visible("main .badge", "Delivered")
	if a, b := ledger.requests.Load(), bridge.requests.Load(); a != 3 || b != 2 {
		t.Errorf("%d and %d requests, want 3 and 2", a, b)
	}
}

// Two people look at one delivery: what one does the other sees.
func TestWhatSomebodyElseDoesToADeliveryIsSeenAtOnce(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t, toLoopback...)
	ledger := newMoody(t, "submission.completed")
	ledger.answers("submission.completed", http.StatusServiceUnavailable)
	w := makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.URL = &ledger.URL })
	id := deliver(t, s)
	other, list, page := s.SignedIn(), person(t, s), person(t, s)
	list.Goto(path.WebhookLog(w.ID.String()))
	list.Visible(row(id)+"-status", "Retrying")
	page.Goto(path.Delivery(id))
	page.Visible("main .badge", "Retrying")
	mark(list)
	mark(page)

	wantRedirect(t, other.Post(path.DeliveryStop(id), nil), path.Delivery(id))
	list.Visible(row(id)+"-status", "Cancelled")
	page.Visible("main .badge", "Cancelled")
	page.WaitCount("[data-poll]", 0)
	ledger.answers("submission.completed", http.StatusOK)
	// Nothing is on its way any more, so the pages do not ask by themselves.
	wantRedirect(t, other.Post(path.DeliveryReplay(id), nil), path.Delivery(id))
	list.Visible(row(id)+"-status", "Delivered")
	page.Visible("#attempt", "got 200 OK")
	page.Visible("main .badge", "Delivered")
	unloaded(t, list)
	unloaded(t, page)
}

// failMany publishes as many events of each type as n, and waits until the endpoint has refused them all.
func failMany(t *testing.T, s *sitekit.Site, n int, events ...string) {
	t.Helper()
	var batch []map[string]any
	for _, event := range events {
		for i := range n {
			batch = append(batch, map[string]any{"event": event, "data": map[string]any{"amount": i}})
		}
	}
	body, err := json.Marshal(batch)
	if err != nil {
		t.Fatal(err)
	}
	if a := callAPI(s.Client(), http.MethodPost, path.APIEvents, string(body), s.Owner.APIKey); a.StatusCode != http.StatusAccepted {
		t.Fatalf("publish: %d %s", a.StatusCode, a.Text)
	}
	await(t, "all were refused", func() bool {
		return selectOne[int](t, s, `SELECT count(*) FROM dead_letters`) == n*len(events)
	})
}

// An endpoint refused 400 deliveries. An admin tries it out with a payload of their own, replays half of them, watches that, and thinks
// better of the other half.
func TestTheStoryOfABulkReplay(t *testing.T) {
	t.Parallel()
	const n = 200
	const created, completed = "submission.created", "submission.completed"
	s := sitekit.Start(t, toLoopback...)
	ledger := newMoody(t, created, completed)
	w := makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.URL = &ledger.URL })
	failMany(t, s, n, created, completed)
	p := person(t, s)

	p.Goto(path.WebhookTest(w.ID.String()))
	p.Choose("#event", completed)
	p.At(path.WebhookTest(w.ID.String()) + "?event=" + completed)
	p.Fill(dataField, `{"amount": 17}`)
	p.Click(sendTest)
	p.Visible(result, "Refused with 404 Not Found")
	if p.Shows(result+" a", "Replay") {
		t.Error("a replay is offered although the endpoint refuses the test")
	}
	ledger.answers(created, http.StatusOK)
	ledger.answers(completed, http.StatusOK)
	p.Fill(dataField, `{"amount": 18}`)
	p.Click(sendTest)
	p.Visible(result, "Accepted with 200 OK")
	p.Visible("#response-body", `"booked": "18"`)
	p.Visible(result, "400 deliveries of this webhook failed before")
	p.Click(result+" a", "Replay 400 failed deliveries")
	p.At(path.DeliveryLogReplay + "?status=error&webhookId=" + w.ID.String())
	p.Visible("main h2", "Send 400 deliveries again?")
	p.Visible("main", "Ledger sync")

	// It is too much at once: one type first, as the log shows it.
	p.Goto(path.WebhookLog(w.ID.String()) + "?status=error&test=false")
	p.Visible("[data-summary]", "400 failed")
	p.Click("#f-event-chip")
	p.Click("#f-event label", created)
	p.Visible("[data-summary]", "200 failed")
	p.Press("Escape")
	p.Click("#results a", "Replay 200…")
	p.Visible("main h2", "Send 200 deliveries again?")
	p.Fill("#rate", "20")
	p.Click("main button", "Replay 200")
	p.Visible("#replay .badge", "Running")
	mark(p)
	p.Wait(`(() => { const n = document.querySelector("#replay progress")?.value; return n > 0 && n < 100; })()`)
	p.Visible("#replay .badge", "Finished")
	p.Visible("#replay", "200 deliveries queued")
	unloaded(t, p)
	p.Goto(path.WebhookLog(w.ID.String()) + "?event=" + created)
	p.Visible("[data-summary]", "200 deliveries")
	p.WaitCount("#results tbody tr", 50)
	await(t, "all are delivered", func() bool {
		return selectOne[int](t, s, `SELECT count(*) FROM deliveries WHERE state = 'succeeded' AND event = $1`, created) == n
	})

	// The other half goes so slowly that it can be stopped at any time.
	p.Goto(path.DeliveryLogReplay + "?status=error&event=" + completed)
	p.Fill("#rate", "1")
	p.Click("main button", "Replay 200")
	p.Visible("#replay .badge", "Running")
	p.Wait(`document.querySelector("#replay progress")?.value > 0`)
	p.Click("#cancel-replay")
	p.Visible("#replay .badge", "Cancelled")
	p.Visible("#toasts", "The replay is cancelled. What was queued already is sent.")
	queued := selectOne[int](t, s, `SELECT done FROM replays WHERE state = 'cancelled'`)
	p.Visible("#replay", fmt.Sprintf("%d of 200 queued", queued))
	if queued < 1 || queued >= n {
		t.Errorf("%d were queued", queued)
	}
	await(t, "what was queued is delivered", func() bool {
		return selectOne[int](t, s, `SELECT count(*) FROM deliveries WHERE state = 'succeeded' AND event = $1 AND NOT test`, completed) == queued
	})
	p.Goto(path.Replays)
	p.WaitCount("main tbody tr", 2)
	p.Visible("main tbody tr", "Cancelled")
	if left := selectOne[int](t, s, `SELECT count(*) FROM dead_letters d JOIN deliveries x ON x.id = d.delivery_id WHERE NOT x.test`); left != n-queued {
		t.Errorf("%d are left, want %d", left, n-queued)
	}
	// Two tests, each of all once, and what was replayed.
	if got, want := ledger.requests.Load(), int64(2+2*n+n+queued); got != want {
		t.Errorf("%d requests, want %d", got, want)
	}
}

func TestTheEventsGrowByThemselves(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	p := person(t, s)
	p.Goto(path.Events)
	p.Visible("#results", "No events yet")
	mark(p)
	first := publishEvent(t, s, "user.created", map[string]any{}, "")
	p.Visible(row(first), "user.created")
	p.Visible("#results .row-new", "user.created")
	// While somebody reads, what is new is counted and the rows stay.
	p.Wait("(link) => { document.querySelector(link).focus(); return true }", row(first)+" .row-link")
	second := publishEvent(t, s, "user.authenticated", map[string]any{}, "")
	p.Visible(pill, "1 new event")
	third := publishEvent(t, s, "user.opted_in", map[string]any{}, "")
	p.Visible(pill, "2 new events")
	p.Focused(row(first) + " .row-link")
	p.WaitCount("#results tbody tr", 1)
	p.Click(pill)
	p.Visible(row(second))
	p.Visible(row(third))
	p.WaitCount("#results tbody tr", 3)
	unloaded(t, p)
	// Under a filter only what passes it is new.
	p.Goto(path.Events + "?event=user.created")
	p.WaitCount("#results tbody tr", 1)
	p.Wait("(link) => { document.querySelector(link).focus(); return true }", row(first)+" .row-link")
	publishEvent(t, s, "user.opted_in", map[string]any{}, "")
	publishEvent(t, s, "user.created", map[string]any{}, "")
	p.Visible(pill, "1 new event")
	for _, v := range p.Axe() {
		t.Error(v)
	}
	p.Viewport(browserkit.Phone)
	if pixels, culprit := p.Overflow(); pixels > 0 {
		t.Errorf("%d px too wide: %s", pixels, culprit)
	}
	if got := strings.Count(p.Text("#results [data-summary]"), "event"); got != 1 {
		t.Errorf("the summary is %q", p.Text("#results [data-summary]"))
	}
}
