package posthorn_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/posthorn"
)

// fakeDeliveries is a log in memory of one tenant, newest first.
type fakeDeliveries struct {
	entries []posthorn.LogEntry
	queries []posthorn.DeliveryQuery
	audit   []posthorn.AuditEntry
	missed  []posthorn.MissedRange
	forms   map[posthorn.IdempotencyKey]string
	looks   int
	// settle is when deliveries come to their end, after which they have succeeded.
	settle time.Time
}

func (s *fakeDeliveries) ListDeliveries(_ context.Context, _ posthorn.TenantID, q posthorn.DeliveryQuery) (posthorn.DeliveryRows, error) {
	s.queries = append(s.queries, q)
	from, to := 0, min(q.Position.Limit, len(s.entries))
	if at := s.find(q.Position.After); at >= 0 {
		from, to = at+1, min(at+1+q.Position.Limit, len(s.entries))
	}
	if at := s.find(q.Position.Before); at >= 0 {
		from, to = max(0, at-q.Position.Limit), at
	}
	return posthorn.DeliveryRows{Entries: s.entries[from:to], HasNewer: from > 0, HasOlder: to < len(s.entries)}, nil
}

func (s *fakeDeliveries) find(id posthorn.DeliveryID) int {
	return slices.IndexFunc(s.entries, func(e posthorn.LogEntry) bool { return e.ID == id })
}

func (s *fakeDeliveries) Delivery(ctx context.Context, tenant posthorn.TenantID, id posthorn.DeliveryID) (posthorn.LogEntry, error) {
	i := s.find(id)
	if i < 0 {
		return posthorn.LogEntry{}, posthorn.Errorf(posthorn.NotFound, "Not found")
	}
	e := s.entries[i]
	var err error
	e.State, err = s.DeliveryState(ctx, tenant, id)
	return e, err
}

func (s *fakeDeliveries) DeliveryState(context.Context, posthorn.TenantID, posthorn.DeliveryID) (posthorn.DeliveryState, error) {
	if s.looks++; time.Now().Before(s.settle) {
		return posthorn.DeliveryPending, nil
	}
	return posthorn.DeliverySucceeded, nil
}

func (s *fakeDeliveries) note(ctx context.Context, id posthorn.DeliveryID, entry posthorn.AuditEntry) error {
	if s.find(id) < 0 {
		return posthorn.Errorf(posthorn.NotFound, "Not found")
	}
	return s.NoteAudit(ctx, entry)
}

func (s *fakeDeliveries) ReplayDelivery(ctx context.Context, _ posthorn.TenantID, id posthorn.DeliveryID, entry posthorn.AuditEntry) error {
	return s.note(ctx, id, entry)
}

func (s *fakeDeliveries) StopDelivery(ctx context.Context, _ posthorn.TenantID, id posthorn.DeliveryID, reason string, entry posthorn.AuditEntry) error {
	if i := s.find(id); i >= 0 {
		s.entries[i].Reason = reason
	}
	return s.note(ctx, id, entry)
}

func (s *fakeDeliveries) ReplayFailed(context.Context, posthorn.TenantID, posthorn.WebhookID, time.Time, posthorn.AuditEntry) (int, error) {
	return 3, nil
}

func (s *fakeDeliveries) ReplayMissed(ctx context.Context, _ posthorn.TenantID, _ posthorn.WebhookID, m posthorn.MissedRange, entry posthorn.AuditEntry) (posthorn.MissedReplay, error) {
	s.missed = append(s.missed, m)
	return posthorn.MissedReplay{Deliveries: 5}, s.NoteAudit(ctx, entry)
}

func (s *fakeDeliveries) NoteAudit(_ context.Context, entry posthorn.AuditEntry) error {
	s.audit = append(s.audit, entry)
	return nil
}

func (s *fakeDeliveries) NoteOnce(ctx context.Context, entry posthorn.AuditEntry, form *posthorn.IdempotencyKey, made string) (string, error) {
	if form == nil {
		return made, s.NoteAudit(ctx, entry)
	}
	if first, sent := s.forms[*form]; sent {
		return first, nil
	}
	if s.forms == nil {
		s.forms = map[posthorn.IdempotencyKey]string{}
	}
	s.forms[*form] = made
	return made, s.NoteAudit(ctx, entry)
}

// deliveriesBench is the use cases on a log in memory, with one webhook.
type deliveriesBench struct {
	*posthorn.Deliveries
	store     *fakeDeliveries
	types     eventTypesFixture
	hook      posthorn.Webhook
	published []posthorn.Event
	wakes     int
	announced []posthorn.DeliveryID
	actor     posthorn.Actor
}

func newDeliveriesBench() *deliveriesBench {
	b := &deliveriesBench{store: &fakeDeliveries{}, types: newEventTypes(), actor: posthorn.Actor{Name: "Amara"}}
	b.hook = posthorn.Webhook{ID: posthorn.NewWebhookID(), TenantID: b.types.tenant, Timeout: 10 * time.Second, ApplicationID: posthorn.NewApplicationID()}
	b.Deliveries = posthorn.NewDeliveries(b.store, posthorn.DeliveriesConfig{
		Webhooks: b, Types: b.types.EventTypes, Recorder: recorderFunc(b.record), Wake: func() { b.wakes++ }, Retention: 30 * 24 * time.Hour,
		Announce: func(tenant posthorn.TenantID, n posthorn.DeliveryNotice) {
			if tenant == b.types.tenant {
				b.announced = append(b.announced, n.Changed...)
			}
		},
	})
	return b
}

func (b *deliveriesBench) Webhook(_ context.Context, tenant posthorn.TenantID, id posthorn.WebhookID) (posthorn.WebhookDetail, error) {
	if tenant != b.hook.TenantID || id != b.hook.ID {
		return posthorn.WebhookDetail{}, posthorn.Errorf(posthorn.NotFound, "Not found")
	}
	return posthorn.WebhookDetail{Webhook: b.hook}, nil
}

func (b *deliveriesBench) record(_ context.Context, events []posthorn.Event) ([]posthorn.Published, error) {
	b.published = append(b.published, events...)
	e := events[0]
	b.store.entries = []posthorn.LogEntry{{Delivery: posthorn.Delivery{ID: posthorn.DeliveryIDOf(e.ID, e.Webhook), Event: e.Type}}}
	return []posthorn.Published{{ID: e.ID, Event: e.Type, Deliveries: 1}}, nil
}

// fill puts deliveries into the log.
func (b *deliveriesBench) fill(n int) {
	for range n {
		id := posthorn.DeliveryIDOf(posthorn.NewEventID(), b.hook.ID)
		b.store.entries = append([]posthorn.LogEntry{{Delivery: posthorn.Delivery{ID: id}}}, b.store.entries...)
	}
}

func TestCursorsLeadThroughTheLogInBothDirections(t *testing.T) {
	t.Parallel()
	b := newDeliveriesBench()
	b.fill(7)
	var pages [][]posthorn.DeliveryID
	ids := func(p posthorn.DeliveryPage) (ids []posthorn.DeliveryID) {
		for _, e := range p.Entries {
			ids = append(ids, e.ID)
		}
		return ids
	}
	get := func(cursor string) posthorn.DeliveryPage {
		p, err := b.List(t.Context(), b.types.tenant, posthorn.DeliveryFilter{}, posthorn.PageRequest{Limit: 3, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := get("")
	if p.PrevCursor != "" {
		t.Error("the newest page has one above it")
	}
	for pages = append(pages, ids(p)); p.NextCursor != ""; pages = append(pages, ids(p)) {
		p = get(p.NextCursor)
	}
	for i := len(pages) - 2; i >= 0; i-- {
		p = get(p.PrevCursor)
		if diff := cmp.Diff(pages[i], ids(p)); diff != "" {
			t.Errorf("page %d on the way back (-down +up):\n%s", i, diff)
		}
	}
	if len(pages) != 3 || len(slices.Concat(pages...)) != 7 || p.PrevCursor != "" {
		t.Errorf("%d pages", len(pages))
	}
}

func TestWrongQueriesAreRefusedBeforeTheStoreIsAsked(t *testing.T) {
	t.Parallel()
	b := newDeliveriesBench()
	b.fill(3)
	p, err := b.List(t.Context(), b.types.tenant, posthorn.DeliveryFilter{}, posthorn.PageRequest{Limit: 2})
	if err != nil || b.store.queries[0].Position.Limit != 2 {
		t.Fatal(err)
	}
	c, now := p.NextCursor, time.Now()
	for name, tc := range map[string]struct {
		filter posthorn.DeliveryFilter
		page   posthorn.PageRequest
		field  string
	}{
		"limit too large": {page: posthorn.PageRequest{Limit: 201}, field: "limit"},
		"negative limit":  {page: posthorn.PageRequest{Limit: -1}, field: "limit"},
		"no cursor":       {page: posthorn.PageRequest{Cursor: "next"}, field: "cursor"},
		"cut cursor":      {page: posthorn.PageRequest{Cursor: c[:len(c)-1]}, field: "cursor"},
		"longer cursor":   {page: posthorn.PageRequest{Cursor: c + "A"}, field: "cursor"},
		"changed cursor":  {page: posthorn.PageRequest{Cursor: c[:5] + strings.Map(other, c[5:6]) + c[6:]}, field: "cursor"},
		"padded cursor":   {page: posthorn.PageRequest{Cursor: c + "="}, field: "cursor"},
		"an id":           {page: posthorn.PageRequest{Cursor: b.store.entries[0].ID.String()}, field: "cursor"},
		"event":           {filter: posthorn.DeliveryFilter{Events: []string{"submission.completed", "submission"}}, field: "event"},
		"status":          {filter: posthorn.DeliveryFilter{Statuses: []posthorn.DeliveryStatus{"failed"}}, field: "status"},
		"status code":     {filter: posthorn.DeliveryFilter{StatusCodes: posthorn.StatusRange{From: 99, To: 99}}, field: "statusCode"},
		"class":           {filter: posthorn.DeliveryFilter{ErrorClass: "late"}, field: "errorClass"},
		"times":           {filter: posthorn.DeliveryFilter{From: now, To: now}, field: "to"},
	} {
		_, err := b.List(t.Context(), b.types.tenant, tc.filter, tc.page)
		if t.Log(name); len(b.store.queries) != 1 {
			t.Fatal("the store was asked")
		}
		wantKind(t, err, posthorn.Invalid, tc.field)
	}
	// A cursor of another list is none.
	events := posthorn.NewEventLog(fakeEvents{})
	_, err = events.List(t.Context(), b.types.tenant, posthorn.EventFilter{}, posthorn.PageRequest{Cursor: c})
	wantKind(t, err, posthorn.Invalid, "cursor")
	if _, err = b.List(t.Context(), b.types.tenant, posthorn.DeliveryFilter{}, posthorn.PageRequest{}); err != nil || b.store.queries[1].Position.Limit != 50 {
		t.Errorf("without a limit: %v, %v", b.store.queries[1:], err)
	}
}

// other is another character of base64.
func other(r rune) rune {
	if r == 'A' {
		return 'B'
	}
	return 'A'
}

func TestStatusesAreGivenAloneOrAsAClass(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]posthorn.StatusRange{
		"404": {From: 404, To: 404}, "5xx": {From: 500, To: 599}, "2XX": {From: 200, To: 299}, "100": {From: 100, To: 100}, "599": {From: 599, To: 599},
		"": {}, "600": {}, "99": {}, "xxx": {}, "4x4": {}, "40": {}, "-404": {}, "٤٠٤": {}, "0xx": {},
	} {
		if got, ok := posthorn.ParseStatusRange(text); got != want || ok == want.IsZero() {
			t.Errorf("%q: %v, %v", text, got, ok)
		}
	}
}

// parseAttemptID reads "att_…".
func parseAttemptID(text string) (id posthorn.AttemptID, err error) {
	err = id.UnmarshalText([]byte(text))
	return id, err
}

// mustParse reads an id that a test was written with.
func mustParse[T any](t *testing.T, parse func(string) (T, error), text string) T {
	t.Helper()
	id, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestALogEntryIsWrittenAsTheContractHasIt(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 15, 10, 30, 0, 0, time.UTC)
	e := posthorn.LogEntry{
		Delivery: posthorn.Delivery{
			ID:        mustParse(t, posthorn.ParseDeliveryID, "whd_0351VmS5Pg40TDe4V86zdy"),
			TenantID:  mustParse(t, posthorn.ParseTenantID, "tenant_0351VmS5Pg40TDe4V86zdy"),
			WebhookID: mustParse(t, posthorn.ParseWebhookID, "wh_0351VmS5Pg40TDe4V86zdy"),
			EventID:   mustParse(t, posthorn.ParseEventID, "evt_0351VmS5Pg40TDe4V86zdy"),
			Event:     "submission.completed", URL: "https://ledger.example/hooks?a=1&b=2", Payload: posthorn.SchemeStandard,
			State: posthorn.DeliveryPending, Reason: "Answered 503", CreatedAt: at, NextAttemptAt: at.Add(5 * time.Minute),
		},
		OccurredAt: at.Add(-time.Hour), Data: json.RawMessage(`{ "b":1.50,"a":"<é>" }`),
		History: []posthorn.Attempt{
			{
				ID: mustParse(t, parseAttemptID, "att_0351VmS5Pg40TDe4V86zdy"), Number: 1, Outcome: posthorn.Outcome{
					StartedAt: at, ErrorClass: posthorn.ErrorDNS, Error: "The host has no address.",
					Timings: posthorn.Timings{DNS: 1234567 * time.Nanosecond, Total: 1499999 * time.Nanosecond},
				},
			},
			{
				ID: mustParse(t, parseAttemptID, "att_0351VmS5Pg40TDe4V86zdz"), Number: 2, Outcome: posthorn.Outcome{
					StartedAt: at.Add(5 * time.Second), StatusCode: 503, RemoteAddress: "203.0.113.7:443", ResponseBody: []byte("late\xff<b>\n"),
					RequestHeaders:  []posthorn.Header{{Name: "webhook-id", Value: "whd_1"}, {Name: "X-Env", Value: posthorn.HeaderMask}},
					ResponseHeaders: []posthorn.Header{{Name: "Set-Cookie", Value: "a=1"}, {Name: "Retry-After", Value: "5"}, {Name: "set-cookie", Value: "b=2"}},
					Timings:         posthorn.Timings{Connect: 10 * time.Millisecond, TLS: 20 * time.Millisecond, FirstByte: 100500 * time.Microsecond, Total: 142 * time.Millisecond},
				},
			},
		},
	}
	const want = `{"id":"whd_0351VmS5Pg40TDe4V86zdy","eventId":"evt_0351VmS5Pg40TDe4V86zdy","event":"submission.completed",` +
		`"webhookId":"wh_0351VmS5Pg40TDe4V86zdy","url":"https://ledger.example/hooks?a=1&b=2","status":"pending","reason":"Answered 503","test":false,` +
		`"payload":{"id":"whd_0351VmS5Pg40TDe4V86zdy","event":"submission.completed","timestamp":"2026-01-15T09:30:00.000Z",` +
		`"eventId":"evt_0351VmS5Pg40TDe4V86zdy","tenantId":"tenant_0351VmS5Pg40TDe4V86zdy","applicationId":null,"data":{"b":1.50,"a":"<é>"}},` +
		`"createdAt":"2026-01-15T10:30:00.000Z","nextAttemptAt":"2026-01-15T10:35:00.000Z","attempts":[` +
		`{"id":"att_0351VmS5Pg40TDe4V86zdy","number":1,"startedAt":"2026-01-15T10:30:00.000Z","durationMs":1,"statusCode":null,"errorClass":"dns",` +
		`"error":"The host has no address.","requestHeaders":{},"responseHeaders":{},"responseBody":null,"remoteAddress":null,` +
		`"timings":{"dnsMs":1.235,"connectMs":null,"tlsMs":null,"firstByteMs":null,"totalMs":1.5}},` +
		`{"id":"att_0351VmS5Pg40TDe4V86zdz","number":2,"startedAt":"2026-01-15T10:30:05.000Z","durationMs":142,"statusCode":503,"errorClass":null,` +
		`"error":null,"requestHeaders":{"webhook-id":"whd_1","X-Env":"••••"},"responseHeaders":{"Set-Cookie":"a=1, b=2","Retry-After":"5"},` +
		`"responseBody":"late�<b>\n","remoteAddress":"203.0.113.7:443",` +
		`"timings":{"dnsMs":null,"connectMs":10,"tlsMs":20,"firstByteMs":100.5,"totalMs":142}}]}`
	got, err := e.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("entry (-want +got):\n%s", diff)
	}
	e.State, e.Reason, e.NextAttemptAt, e.History, e.Data = posthorn.DeliveryCancelled, "", time.Time{}, nil, nil
	got, err = e.MarshalJSON()
	for _, part := range []string{`"status":"error","reason":null,`, `"payload":null,`, `"nextAttemptAt":null,"attempts":[]}`} {
		if err != nil || !strings.Contains(string(got), part) {
			t.Errorf("%s is not in %s, %v", part, got, err)
		}
	}
}

func TestATestSendsTheExampleAndWaitsForItsResult(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newDeliveriesBench()
		b.store.settle = time.Now().Add(3 * time.Second)
		started := time.Now()
		got, err := b.Test(t.Context(), b.actor, b.types.tenant, b.hook.ID, "activity.flagged", nil)
		if err != nil || got.State != posthorn.DeliverySucceeded || len(b.published) != 1 {
			t.Fatalf("%+v, %v", got.Delivery, err)
		}
		if took := time.Since(started); took < 3*time.Second || took > 3200*time.Millisecond || b.store.looks > 30 {
			t.Errorf("answered after %v and %d looks", took, b.store.looks)
		}
		example, err := b.types.Get(t.Context(), b.types.tenant, "activity.flagged")
		e := b.published[0]
		if err != nil || string(e.Data) != string(example.Example) || !e.Test || e.Webhook != b.hook.ID || e.ApplicationID != b.hook.ApplicationID || b.wakes != 1 {
			t.Errorf("event %+v, %d wakes", e, b.wakes)
		}
		if a := b.store.audit[0]; a.Action != posthorn.ActionWebhookTested || a.Subject != b.hook.ID.String() || a.After["deliveryId"] != got.ID.String() || a.Actor != b.actor {
			t.Errorf("audit entry %+v", a)
		}
	})
}

func TestATestThatTakesTooLongIsAnsweredPending(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		patience, want time.Duration
	}{"webhook's timeout": {time.Hour, 15 * time.Second}, "caller's time": {8 * time.Second, 7 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newDeliveriesBench()
				b.store.settle = time.Now().Add(time.Hour)
				ctx, cancel := context.WithTimeout(t.Context(), tc.patience)
				defer cancel()
				started := time.Now()
				got, err := b.Test(ctx, b.actor, b.types.tenant, b.hook.ID, "submission.completed", nil)
				if took := time.Since(started); err != nil || got.State != posthorn.DeliveryPending || took != tc.want {
					t.Errorf("%s after %v, %v", got.State, took, err)
				}
			})
		})
	}
}

func TestATestIsCheckedAsAnEventIs(t *testing.T) {
	t.Parallel()
	b := newDeliveriesBench()
	b.types.mustPut(t, strings.Replace(paymentSettled, `"description"`, `"enforcement":"reject","description"`, 1))
	send := func(hook posthorn.WebhookID, event, data string) error {
		raw := json.RawMessage(data)
		_, err := b.Test(t.Context(), b.actor, b.types.tenant, hook, event, &raw)
		return err
	}
	for name, tc := range map[string]struct{ event, data, field string }{
		"unknown type": {"submission.lost", `{}`, "event"}, "no type": {"", `{}`, "event"},
		"a list": {"submission.completed", `[]`, "data"}, "rejected": {"payment.settled", `{"amount":"x"}`, "data"},
	} {
		t.Log(name)
		wantKind(t, send(b.hook.ID, tc.event, tc.data), posthorn.Invalid, tc.field)
	}
	large := `{"x":"` + strings.Repeat("a", posthorn.MaxEventBytes) + `"}`
	if err := send(b.hook.ID, "submission.completed", large); posthorn.KindOf(err) != posthorn.TooLarge || !strings.Contains(err.Error(), "256 KiB") {
		t.Errorf("too large: %v", err)
	}
	wantKind(t, send(posthorn.NewWebhookID(), "submission.completed", `{}`), posthorn.NotFound)
	if len(b.published) != 0 || len(b.store.audit) != 0 {
		t.Errorf("%d were sent, %d noted", len(b.published), len(b.store.audit))
	}
	if err := send(b.hook.ID, "payment.settled", `{ "amount": 1.50 }`); err != nil || string(b.published[0].Data) != `{ "amount": 1.50 }` {
		t.Errorf("own data: %v", err)
	}
}

func TestReplayAndStopAreNotedAnnouncedAndWakeTheDispatcher(t *testing.T) {
	t.Parallel()
	b := newDeliveriesBench()
	b.fill(1)
	id, ctx := b.store.entries[0].ID, t.Context()
	if _, err := b.Replay(ctx, b.actor, b.types.tenant, id); err != nil || b.wakes != 1 {
		t.Errorf("replay: %v, %d wakes", err, b.wakes)
	}
	if e, err := b.Stop(ctx, b.actor, b.types.tenant, id); err != nil || e.Reason != "Stopped by Amara" {
		t.Errorf("stop: %q, %v", e.Reason, err)
	}
	if diff := cmp.Diff([]posthorn.DeliveryID{id, id}, b.announced); diff != "" {
		t.Errorf("announced (-want +got):\n%s", diff)
	}
	var actions []posthorn.Action
	for _, a := range b.store.audit {
		if actions = append(actions, a.Action); a.Subject != id.String() || a.Actor != b.actor || a.TenantID != b.types.tenant {
			t.Errorf("entry %+v", a)
		}
	}
	if !slices.Equal(actions, []posthorn.Action{posthorn.ActionDeliveryReplayed, posthorn.ActionDeliveryStopped}) {
		t.Errorf("actions %v", actions)
	}
	unknown := posthorn.DeliveryIDOf(posthorn.NewEventID(), b.hook.ID)
	_, getErr := b.Get(ctx, b.types.tenant, unknown)
	_, replayErr := b.Replay(ctx, b.actor, b.types.tenant, unknown)
	_, stopErr := b.Stop(ctx, b.actor, b.types.tenant, unknown)
	for _, err := range []error{getErr, replayErr, stopErr} {
		wantKind(t, err, posthorn.NotFound)
	}
	if len(b.announced) != 2 {
		t.Errorf("what did not happen was announced: %v", b.announced)
	}
}

func TestWhatWasMissedIsBoundedByTheRetention(t *testing.T) {
	t.Parallel()
	b := newDeliveriesBench()
	ctx, now := t.Context(), time.Now()
	since := now.Add(-time.Hour)
	for _, at := range []time.Time{{}, since} {
		if made, err := b.ReplayMissed(ctx, b.actor, b.types.tenant, b.hook.ID, at); made.Deliveries != 5 || err != nil {
			t.Errorf("%+v, %v", made, err)
		}
	}
	latest, given := b.store.missed[0], b.store.missed[1]
	if !latest.Since.IsZero() || !latest.Until.IsZero() || !given.Since.Equal(since) || given.Until.Before(now.Add(-time.Second)) {
		t.Errorf("ranges %+v", b.store.missed)
	}
	if d := now.Add(-30 * 24 * time.Hour).Sub(latest.Kept); d.Abs() > time.Minute {
		t.Errorf("kept from %v", latest.Kept)
	}
	goesOn := posthorn.NewReplayID()
	for made, want := range map[posthorn.MissedReplay]string{
		{Deliveries: 5}:                 `{"deliveries":5,"replayId":null}`,
		{Deliveries: 2, GoesOn: goesOn}: `{"deliveries":2,"replayId":"` + goesOn.String() + `"}`,
	} {
		if raw, err := json.Marshal(made); string(raw) != want || err != nil {
			t.Errorf("%s, %v, want %s", raw, err, want)
		}
	}
	_, err := b.ReplayMissed(ctx, b.actor, b.types.tenant, b.hook.ID, now.Add(time.Hour))
	wantKind(t, err, posthorn.Invalid, "since")
	if b.wakes != 2 || len(b.store.audit) != 2 {
		t.Errorf("%d wakes, %d entries", b.wakes, len(b.store.audit))
	}
}
