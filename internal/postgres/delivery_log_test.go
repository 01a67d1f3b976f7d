package postgres_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
)

// logBench is a tenant with a webhook, and what it takes to make deliveries and decide their fate.
type logBench struct {
	t        *testing.T
	db       *postgres.DB
	tenant   posthorn.TenantID
	hook     posthorn.Webhook
	hooks    *postgres.Webhooks
	recorder *postgres.EventRecorder
	dispatch *postgres.Dispatching
	log      *postgres.DeliveryLog
}

func newLogBench(t *testing.T) *logBench {
	t.Helper()
	db, tenant := newTenant(t)
	b := &logBench{
		t: t, db: db, tenant: tenant, hooks: postgres.NewWebhooks(db), recorder: newRecorder(t, db, nil),
		dispatch: postgres.NewDispatching(db, nil, &postgres.Outbox{}), log: postgres.NewDeliveryLog(db),
	}
	b.hook = insertHook(t, b.hooks, tenant, func(w *posthorn.Webhook) {
		w.Events, w.Signature = []string{"*"}, posthorn.Signature{Scheme: posthorn.SchemeStandard}
	})
	return b
}

// publish makes an event and returns the id of its delivery to the webhook of the bench.
func (b *logBench) publish(kind string, change func(*posthorn.Event)) posthorn.DeliveryID {
	b.t.Helper()
	e := event(b.tenant, kind, change)
	publish(b.t, b.recorder, e)
	return posthorn.DeliveryIDOf(e.ID, b.hook.ID)
}

// claim leases everything that is due.
func (b *logBench) claim() []posthorn.Job {
	b.t.Helper()
	claim, err := b.dispatch.Claim(b.t.Context(), posthorn.ClaimRequest{
		PerWebhook: 500, Limit: 500, Lease: posthorn.Lease{Token: 99, Expires: time.Now().Add(time.Minute)},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return claim.Jobs
}

// finish claims a delivery and writes what an attempt at it came to.
func (b *logBench) finish(id posthorn.DeliveryID, o posthorn.Outcome, d posthorn.Decision) {
	b.t.Helper()
	jobs := b.claim()
	i := slices.IndexFunc(jobs, func(j posthorn.Job) bool { return j.DeliveryID == id })
	if i < 0 {
		b.t.Fatalf("%s is not due among %d", id, len(jobs))
	}
	b.write(jobs[i], o, d)
	for j := range jobs {
		if j != i {
			b.release(jobs[j])
		}
	}
}

func (b *logBench) write(j posthorn.Job, o posthorn.Outcome, d posthorn.Decision) {
	b.t.Helper()
	o.StartedAt = time.Now()
	r := posthorn.Result{Job: j, Attempt: posthorn.NewAttemptID(), Outcome: o, Decision: d, URL: b.hook.URL, RequestHeaders: []posthorn.Header{{Name: "webhook-id", Value: j.DeliveryID.String()}}}
	if err := b.dispatch.Finish(b.t.Context(), 0, []posthorn.Result{r}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *logBench) release(j posthorn.Job) {
	b.t.Helper()
	if err := b.dispatch.Release(b.t.Context(), []posthorn.Release{{DeliveryID: j.DeliveryID, Token: j.Lease.Token, At: time.Now().Add(-time.Second)}}); err != nil {
		b.t.Fatal(err)
	}
}

var (
	succeeded = posthorn.Decision{State: posthorn.DeliverySucceeded}
	failed    = posthorn.Decision{State: posthorn.DeliveryFailed, Reason: "Failed: 404 is not retried"}
	retried   = posthorn.Decision{State: posthorn.DeliveryPending, Reason: "Answered 503", Wait: time.Hour}
)

func status(code int) posthorn.Outcome {
	return posthorn.Outcome{StatusCode: code, Timings: posthorn.Timings{Total: 12 * time.Millisecond}}
}

func (b *logBench) get(id posthorn.DeliveryID) posthorn.LogEntry {
	b.t.Helper()
	e, err := b.log.Delivery(b.t.Context(), b.tenant, id)
	if err != nil {
		b.t.Fatal(err)
	}
	return e
}

func (b *logBench) replay(id posthorn.DeliveryID) error {
	entry := b.entry(posthorn.ActionDeliveryReplayed)
	entry.Subject = id.String()
	return b.log.ReplayDelivery(b.t.Context(), b.tenant, id, entry)
}

func (b *logBench) stop(id posthorn.DeliveryID) error {
	entry := b.entry(posthorn.ActionDeliveryStopped)
	entry.Subject = id.String()
	return b.log.StopDelivery(b.t.Context(), b.tenant, id, "Stopped by Amara", entry)
}

func (b *logBench) entry(action posthorn.Action) posthorn.AuditEntry {
	return entryFor(&b.hook, action)
}

func TestADeliveryIsReadWithEverythingThatHappenedToIt(t *testing.T) {
	t.Parallel()
	b := newLogBench(t)
	id := b.publish("submission.created", func(e *posthorn.Event) { e.Data = json.RawMessage(`{ "a": 1 }`) })
	first := posthorn.Outcome{
		ErrorClass: posthorn.ErrorTimeout, Error: "No answer within 15 s.",
		Timings: posthorn.Timings{DNS: 1500 * time.Microsecond, Connect: 2 * time.Millisecond, Total: 15 * time.Second},
	}
	b.finish(id, first, posthorn.Decision{State: posthorn.DeliveryPending, Reason: "Timed out"})
	second := posthorn.Outcome{
		StatusCode: 200, RemoteAddress: "203.0.113.7:443", HTTPVersion: "HTTP/2", ResponseBody: []byte("ok\xff\x00"), ResponseTruncated: true,
		ResponseHeaders: []posthorn.Header{{Name: "Set-Cookie", Value: "a"}, {Name: "Set-Cookie", Value: "b"}},
		Timings:         posthorn.Timings{TLS: 3 * time.Millisecond, FirstByte: 4 * time.Millisecond, Total: 142 * time.Millisecond},
	}
	b.finish(id, second, succeeded)
	got := b.get(id)
	if len(got.History) != 2 || got.History[0].Number != 1 || got.History[1].Number != 2 {
		t.Fatalf("history %+v", got.History)
	}
	for i, want := range []posthorn.Outcome{first, second} {
		a := got.History[i].Outcome
		want.StartedAt, want.RequestHeaders = a.StartedAt, []posthorn.Header{{Name: "webhook-id", Value: id.String()}}
		if diff := cmp.Diff(want, a); diff != "" || a.StartedAt.IsZero() {
			t.Errorf("attempt %d (-made +read):\n%s", i+1, diff)
		}
	}
	if got.State != posthorn.DeliverySucceeded || got.StatusCode != http.StatusOK || got.ErrorClass != "" || got.Duration != 142*time.Millisecond || got.Attempts != 2 ||
		got.FinishedAt.IsZero() || !got.NextAttemptAt.IsZero() || got.InHand || got.WebhookName != "Ledger sync" || got.WebhookDeleted || string(got.Data) != `{ "a": 1 }` {
		t.Errorf("entry %+v", got)
	}
	want := fmt.Sprintf(`{"id":"%s","event":"submission.created","timestamp":"%s","eventId":"%s","tenantId":"%s","applicationId":null,"data":{ "a": 1 }}`,
		id, posthorn.FormatTime(got.OccurredAt), got.EventID, b.tenant)
	if string(got.Body()) != want {
		t.Errorf("body %s\nwant %s", got.Body(), want)
	}
}

func TestTheNextAttemptIsToldUnlessOneIsInHand(t *testing.T) {
	t.Parallel()
	b := newLogBench(t)
	id := b.publish("submission.created", nil)
	if e := b.get(id); e.InHand || time.Since(e.NextAttemptAt).Abs() > time.Minute || e.State != posthorn.DeliveryPending {
		t.Errorf("waiting: %+v", e.Delivery)
	}
	jobs := b.claim()
	if e := b.get(id); !e.InHand || !e.NextAttemptAt.IsZero() {
		t.Errorf("in hand: %+v", e.Delivery)
	}
	b.write(jobs[0], status(503), retried)
	if e := b.get(id); e.InHand || time.Until(e.NextAttemptAt) < 59*time.Minute || e.Reason != "Answered 503" || e.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("retrying: %+v", e.Delivery)
	}
}

// logged is one of each kind of delivery.
type logged struct {
	b                                                              *logBench
	success, dead, refused, retrying, queued, stopped, test, keyed posthorn.DeliveryID
	// names are the ids by their names.
	names map[posthorn.DeliveryID]string
	other posthorn.Webhook
	gone  posthorn.DeliveryID
}

func newLogged(t *testing.T) *logged {
	t.Helper()
	b := newLogBench(t)
	l := &logged{b: b}
	l.success = b.publish("submission.created", nil)
	b.finish(l.success, status(200), succeeded)
	l.dead = b.publish("submission.completed", nil)
	b.finish(l.dead, status(404), failed)
	l.refused = b.publish("submission.completed", nil)
	b.finish(l.refused, posthorn.Outcome{ErrorClass: posthorn.ErrorRefused, Error: "Nothing listens."}, retried)
	l.retrying = b.publish("aml.match.found", nil)
	b.finish(l.retrying, status(503), retried)
	l.stopped = b.publish("submission.created", nil)
	if err := b.stop(l.stopped); err != nil {
		t.Fatal(err)
	}
	l.test = b.publish("submission.created", func(e *posthorn.Event) { e.Test, e.Webhook = true, b.hook.ID })
	b.finish(l.test, status(204), succeeded)
	l.keyed = b.publish("invitation.sent", func(e *posthorn.Event) { e.Key = "order 7" })
	b.finish(l.keyed, status(200), succeeded)
	// Another webhook, with a failed delivery, that is gone.
	l.other = insertHook(t, b.hooks, b.tenant, func(w *posthorn.Webhook) { w.Events, w.Name = []string{"reward.*"}, "Old" })
	e := event(b.tenant, "reward.claimed", nil)
	publish(t, b.recorder, e)
	for _, j := range b.claim() {
		if j.WebhookID == l.other.ID {
			b.write(j, status(500), failed)
		} else {
			b.write(j, status(200), succeeded)
		}
	}
	l.gone = posthorn.DeliveryIDOf(e.ID, l.other.ID)
	rewarded := posthorn.DeliveryIDOf(e.ID, b.hook.ID)
	if err := b.hooks.DeleteWebhook(t.Context(), l.other, time.Now(), b.entry(posthorn.ActionWebhookDeleted)); err != nil {
		t.Fatal(err)
	}
	l.queued = b.publish("verification.approved", nil)
	l.names = map[posthorn.DeliveryID]string{
		l.success: "success", l.dead: "dead", l.refused: "refused", l.retrying: "retrying", l.stopped: "stopped", l.test: "test",
		l.keyed: "keyed", l.gone: "gone", l.queued: "queued", rewarded: "rewarded",
	}
	return l
}

// list returns the names of what a query finds, in its order.
func (l *logged) list(q posthorn.DeliveryQuery) ([]string, posthorn.DeliveryRows) {
	l.b.t.Helper()
	if q.Position.Limit == 0 {
		q.Position.Limit = 50
	}
	rows, err := l.b.log.ListDeliveries(l.b.t.Context(), l.b.tenant, q)
	if err != nil {
		l.b.t.Fatal(err)
	}
	var names []string
	for i := range rows.Entries {
		name, known := l.names[rows.Entries[i].ID]
		if !known {
			name = "event of " + rows.Entries[i].Event
		}
		names = append(names, name)
	}
	return names, rows
}

func TestTheLogIsFilteredByEveryCondition(t *testing.T) {
	t.Parallel()
	l := newLogged(t)
	yes, no := true, false
	anEvent := func(id posthorn.DeliveryID) posthorn.EventID { e := l.b.get(id); return e.EventID }
	type filter = posthorn.DeliveryFilter
	success, failure, pending := posthorn.StatusSuccess, posthorn.StatusError, posthorn.StatusPending
	code := func(from, to int) posthorn.StatusRange { return posthorn.StatusRange{From: from, To: to} }
	statuses := func(s ...posthorn.DeliveryStatus) []posthorn.DeliveryStatus { return s }
	for name, tc := range map[string]struct {
		filter filter
		want   string
	}{
		"webhook":               {filter{WebhookID: l.other.ID}, "gone"},
		"webhook and error":     {filter{WebhookID: l.b.hook.ID, Statuses: statuses(failure)}, "stopped dead"},
		"webhook and pending":   {filter{WebhookID: l.b.hook.ID, Statuses: statuses(pending)}, "queued retrying refused"},
		"unknown webhook":       {filter{WebhookID: posthorn.NewWebhookID()}, ""},
		"event":                 {filter{Events: []string{"submission.completed"}}, "refused dead"},
		"two events":            {filter{Events: []string{"invitation.sent", "aml.match.found"}}, "keyed retrying"},
		"success":               {filter{Statuses: statuses(success)}, "rewarded keyed test success"},
		"error":                 {filter{Statuses: statuses(failure)}, "gone stopped dead"},
		"pending":               {filter{Statuses: statuses(pending)}, "queued retrying refused"},
		"not delivered":         {filter{Statuses: statuses(failure, pending)}, "queued gone stopped retrying refused dead"},
		"all statuses":          {filter{Statuses: posthorn.DeliveryStatuses()}, "queued gone rewarded keyed test stopped retrying refused dead success"},
		"404":                   {filter{StatusCodes: code(404, 404)}, "dead"},
		"5xx":                   {filter{StatusCodes: code(500, 599)}, "gone retrying"},
		"2xx":                   {filter{StatusCodes: code(200, 299)}, "rewarded keyed test success"},
		"204":                   {filter{StatusCodes: code(204, 204)}, "test"},
		"error and 5xx":         {filter{Statuses: statuses(failure), StatusCodes: code(500, 599)}, "gone"},
		"success and 5xx":       {filter{Statuses: statuses(success), StatusCodes: code(500, 599)}, ""},
		"class":                 {filter{ErrorClass: posthorn.ErrorRefused}, "refused"},
		"other class":           {filter{ErrorClass: posthorn.ErrorDNS}, ""},
		"event id":              {filter{EventID: anEvent(l.dead)}, "dead"},
		"event id and success":  {filter{EventID: anEvent(l.dead), Statuses: statuses(success)}, ""},
		"delivery id":           {filter{DeliveryID: l.stopped}, "stopped"},
		"delivery id and error": {filter{DeliveryID: l.stopped, Statuses: statuses(failure)}, "stopped"},
		"attempts":              {filter{MinAttempts: 1, Statuses: statuses(failure)}, "gone dead"},
		"more attempts":         {filter{MinAttempts: 2}, ""},
		"latency":               {filter{Over: 11 * time.Millisecond, Statuses: statuses(failure)}, "gone dead"},
		"more latency":          {filter{Over: 12 * time.Millisecond}, ""},
		"unknown application":   {filter{Application: "nobody's"}, ""},
		"4xx of a webhook":      {filter{WebhookID: l.b.hook.ID, StatusCodes: code(400, 499)}, "dead"},
		"tests of a webhook":    {filter{WebhookID: l.b.hook.ID, Test: &yes}, "test"},
		"event of a webhook":    {filter{WebhookID: l.b.hook.ID, Events: []string{"invitation.sent"}}, "keyed"},
		"tests":                 {filter{Test: &yes}, "test"},
		"no tests":              {filter{Test: &no, Statuses: statuses(success)}, "rewarded keyed success"},
		"from":                  {filter{From: l.queued.Time()}, "queued"},
		"to":                    {filter{To: time.Now().Add(-time.Hour)}, ""},
		"from and to":           {filter{From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Hour), Events: []string{"aml.match.found"}}, "retrying"},
		"error from":            {filter{From: l.queued.Time(), Statuses: statuses(failure)}, ""},
		"text: producer's id":   {filter{Text: "order 7"}, "keyed"},
		"text: unknown id":      {filter{Text: "order 8"}, ""},
		"text: event":           {filter{Text: anEvent(l.test).String()}, "test"},
		"text: delivery":        {filter{Text: l.test.String()}, "test"},
		"text: webhook":         {filter{Text: l.other.ID.String()}, "gone"},
		"text and status":       {filter{Text: "order 7", Statuses: statuses(failure)}, ""},
	} {
		names, _ := l.list(posthorn.DeliveryQuery{Filter: tc.filter})
		// What was published within one millisecond is in no particular order.
		want := strings.Fields(tc.want)
		if slices.Sort(names); !slices.Equal(names, slices.Sorted(slices.Values(want))) {
			t.Errorf("%s: %v, want %v", name, names, want)
		}
	}
	other, err := l.b.log.ListDeliveries(t.Context(), posthorn.NewTenantID(), posthorn.DeliveryQuery{Position: posthorn.DeliveryPosition{Limit: 50}})
	if err != nil || len(other.Entries) != 0 {
		t.Errorf("another tenant sees %d, %v", len(other.Entries), err)
	}
}

func TestEveryDeliveryIsOnOnePageInBothDirections(t *testing.T) {
	t.Parallel()
	l := newLogged(t)
	failure, pending := posthorn.StatusError, posthorn.StatusPending
	for name, f := range map[string]posthorn.DeliveryFilter{
		"all": {}, "not delivered": {Statuses: []posthorn.DeliveryStatus{failure, pending}}, "pending": {Statuses: []posthorn.DeliveryStatus{pending}},
	} {
		whole, rows := l.list(posthorn.DeliveryQuery{Filter: f})
		if rows.HasNewer || rows.HasOlder || len(whole) < 3 || !slices.IsSortedFunc(rows.Entries, func(a, b posthorn.LogEntry) int { return strings.Compare(b.ID.String(), a.ID.String()) }) {
			t.Fatalf("%s: %v", name, whole)
		}
		for _, limit := range []int{1, 2, 3} {
			q := posthorn.DeliveryQuery{Filter: f, Position: posthorn.DeliveryPosition{Limit: limit}}
			var down, up []string
			for older := true; older; {
				names, rows := l.list(q)
				if rows.HasNewer != (len(down) > 0) {
					t.Errorf("%s, after %d: HasNewer %v", name, len(down), rows.HasNewer)
				}
				down = append(down, names...)
				older, q.Position.After = rows.HasOlder, rows.Entries[len(rows.Entries)-1].ID
			}
			q.Position.After, q.Position.Before = posthorn.DeliveryID{}, rows.Entries[len(rows.Entries)-1].ID
			up = whole[len(whole)-1:]
			for newer := true; newer; {
				names, rows := l.list(q)
				if !rows.HasOlder {
					t.Errorf("%s, above: HasOlder is false", name)
				}
				up = append(slices.Clone(names), up...)
				newer, q.Position.Before = rows.HasNewer, rows.Entries[0].ID
			}
			if !slices.Equal(down, whole) || !slices.Equal(up, whole) {
				t.Errorf("%s by %d:\nwhole %v\ndown  %v\nup    %v", name, limit, whole, down, up)
			}
		}
	}
}

func TestAPageOfMuchDataIsCut(t *testing.T) {
	t.Parallel()
	b := newLogBench(t)
	const n = 90
	large := json.RawMessage(`{"x":"` + strings.Repeat("a", posthorn.MaxEventBytes-8) + `"}`)
	want := map[uuid.UUID]bool{}
	for range n {
		want[b.publish("submission.created", func(e *posthorn.Event) { e.Data = large }).UUID()] = true
	}
	pages := 0
	for q := (posthorn.DeliveryQuery{Position: posthorn.DeliveryPosition{Limit: 200}}); ; pages++ {
		rows, err := b.log.ListDeliveries(t.Context(), b.tenant, q)
		if err != nil {
			t.Fatal(err)
		}
		for i := range rows.Entries {
			delete(want, rows.Entries[i].ID.UUID())
			if len(rows.Entries[i].Data) != len(large) {
				t.Errorf("%s has %d bytes of data", rows.Entries[i].ID, len(rows.Entries[i].Data))
			}
		}
		if !rows.HasOlder {
			break
		}
		q.Position.After = rows.Entries[len(rows.Entries)-1].ID
	}
	if pages != 1 || len(want) != 0 {
		t.Errorf("%d pages more, %d deliveries on none", pages, len(want))
	}
	events, err := postgres.NewEventLog(b.db).ListEvents(t.Context(), b.tenant, posthorn.EventQuery{Position: posthorn.EventPosition{Limit: 200}})
	if err != nil || len(events.Events) != 64 || !events.HasOlder {
		t.Errorf("%d events, %v", len(events.Events), err)
	}
}
