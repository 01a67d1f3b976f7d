package postgres_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
	"posthorn/internal/testkit"
)

// newRecorder starts a recorder that hands its deliveries to nobody, or to offer.
func newRecorder(tb testing.TB, db *postgres.DB, offer func([]posthorn.Job)) *postgres.EventRecorder {
	tb.Helper()
	outbox := &postgres.Outbox{}
	if offer != nil {
		outbox.HandOffTo(postgres.HandOff{
			NewLease: func() posthorn.Lease { return posthorn.Lease{Token: 7, Expires: time.Now().Add(time.Minute)} }, Offer: offer,
		})
	}
	log := slog.New(slog.NewTextHandler(tb.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	r := postgres.NewEventRecorder(db, log, outbox, postgres.DefaultGroupLimits)
	tb.Cleanup(r.Close)
	return r
}

// event is an event of a tenant; change may alter it.
func event(tenant posthorn.TenantID, kind string, change func(*posthorn.Event)) posthorn.Event {
	e := posthorn.Event{ID: posthorn.NewEventID(), TenantID: tenant, Type: kind, Data: json.RawMessage(`{"n":1}`)}
	e.OccurredAt = e.ID.Time()
	if change != nil {
		change(&e)
	}
	return e
}

func publish(tb testing.TB, r *postgres.EventRecorder, events ...posthorn.Event) []posthorn.Published {
	tb.Helper()
	published, err := r.Publish(tb.Context(), events)
	if err != nil {
		tb.Fatal(err)
	}
	return published
}

// selectAll runs a query and returns its one column.
func selectAll[T any](tb testing.TB, db *postgres.DB, sql string, args ...any) []T {
	tb.Helper()
	rows, err := db.Pool().Query(tb.Context(), sql, args...)
	if err != nil {
		tb.Fatal(err)
	}
	values, err := pgx.CollectRows(rows, pgx.RowTo[T])
	if err != nil {
		tb.Fatal(err)
	}
	return values
}

func TestTheDatabaseComputesDeliveryIDsAsGoDoes(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	var events, webhooks []uuid.UUID
	var want []posthorn.DeliveryID
	random := func() (id uuid.UUID) {
		for i := range id {
			id[i] = byte(rand.Uint32())
		}
		return id
	}
	for i := range 1000 {
		e, w := random(), random()
		if i%2 == 0 { // as they really are
			e, w = posthorn.NewEventID().UUID(), posthorn.NewWebhookID().UUID()
		}
		events, webhooks = append(events, e), append(webhooks, w)
		want = append(want, posthorn.DeliveryIDOf(posthorn.EventID(e), posthorn.WebhookID(w)))
	}
	var got []posthorn.DeliveryID
	for _, id := range selectAll[uuid.UUID](t, db, `SELECT delivery_id(e, w) FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS t (e, w, ord) ORDER BY ord`, events, webhooks) {
		got = append(got, posthorn.DeliveryID(id))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// newApplication adds an application to a tenant.
func newApplication(tb testing.TB, db *postgres.DB, tenant posthorn.TenantID, external string) posthorn.ApplicationID {
	tb.Helper()
	id := posthorn.NewApplicationID()
	if _, err := db.Pool().Exec(tb.Context(), `INSERT INTO applications (id, tenant_id, name, external_id) VALUES ($1, $2, 'App', $3)`, id.UUID(), tenant.UUID(), external); err != nil {
		tb.Fatal(err)
	}
	return id
}

func TestAnEventGoesToTheWebhooksThatCoverIt(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	store, r := postgres.NewWebhooks(db), newRecorder(t, db, nil)
	app, other := newApplication(t, db, tenant, "client_1"), newApplication(t, db, tenant, "client_2")
	types := []string{"submission.created", "submission.completed", "aml.match.found", "aml.screening.completed", "webhook.disabled", "delivery.failed", "payment.a.b.c"}
	subscriptions := []string{"*", "submission.*", "aml.*", "webhook.*", "delivery.*", "payment.*", "submission.created", "aml.match.found", "webhook.disabled", "payment.a"}
	var hooks []posthorn.Webhook
	for i := range 60 {
		hooks = append(hooks, insertHook(t, store, tenant, func(w *posthorn.Webhook) {
			w.Events = nil
			for _, s := range subscriptions {
				if rand.IntN(4) == 0 {
					w.Events = append(w.Events, s)
				}
			}
			if len(w.Events) == 0 {
				w.Events = []string{subscriptions[i%len(subscriptions)]}
			}
			w.ApplicationID = []posthorn.ApplicationID{{}, {}, app, other}[rand.IntN(4)]
			w.Status.State = []posthorn.WebhookState{posthorn.WebhookActive, posthorn.WebhookActive, posthorn.WebhookInactive, posthorn.WebhookDisabled}[rand.IntN(4)]
		}))
	}
	strangers := posthorn.NewTenantID()
	if _, err := db.Pool().Exec(t.Context(), `INSERT INTO tenants (id, name) VALUES ($1, 'Other')`, strangers.UUID()); err != nil {
		t.Fatal(err)
	}
	insertHook(t, store, strangers, func(w *posthorn.Webhook) { w.Events = []string{"*"} })

	var events []posthorn.Event
	for _, kind := range types {
		for _, to := range []func(*posthorn.Event){
			func(*posthorn.Event) {}, func(e *posthorn.Event) { e.ApplicationID = app }, func(e *posthorn.Event) { e.ApplicationExternalID = "client_2" },
			func(e *posthorn.Event) { e.ApplicationExternalID = "nobody" },
		} {
			events = append(events, event(tenant, kind, to))
		}
	}
	published := publish(t, r, events...)
	for i, e := range events {
		if e.ApplicationExternalID == "client_2" {
			e.ApplicationID = other
		}
		var want []string
		for _, w := range hooks {
			covered := posthorn.MatchesSubscription(w.Events, e.Type)
			if listed := slices.ContainsFunc(posthorn.SubscriptionsFor(e.Type), func(s string) bool { return slices.Contains(w.Events, s) }); listed != covered {
				t.Errorf("%v and %s: SubscriptionsFor says %v, MatchesSubscription %v", w.Events, e.Type, listed, covered)
			}
			if covered && w.Active() && (w.ApplicationID.IsZero() || w.ApplicationID == e.ApplicationID) {
				want = append(want, w.ID.String())
			}
		}
		var got []string
		for _, id := range selectAll[uuid.UUID](t, db, `SELECT webhook_id FROM deliveries WHERE event_id = $1 ORDER BY webhook_id`, e.ID.UUID()) {
			got = append(got, posthorn.WebhookID(id).String())
		}
		if slices.Sort(want); !slices.Equal(got, want) || published[i].Deliveries != len(want) {
			t.Errorf("%s of %v: %d deliveries\n got %v\nwant %v", e.Type, e.ApplicationID, published[i].Deliveries, got, want)
		}
	}
	if n := selectAll[int](t, db, `SELECT count(*) FROM due d JOIN deliveries USING (webhook_id) WHERE deliveries.id = d.delivery_id AND next_attempt_at <= now()
 UNION ALL SELECT count(*) FROM deliveries`); n[0] != n[1] || n[0] == 0 {
		t.Errorf("%d of %d deliveries are due", n[0], n[1])
	}
}

func TestATestGoesToItsWebhookAloneWhateverItsState(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	store, r := postgres.NewWebhooks(db), newRecorder(t, db, nil)
	insertHook(t, store, tenant, func(w *posthorn.Webhook) { w.Events = []string{"*"} })
	for _, state := range posthorn.WebhookStates() {
		w := insertHook(t, store, tenant, func(w *posthorn.Webhook) { w.Events, w.Status.State = []string{"aml.*"}, state })
		e := event(tenant, "submission.created", func(e *posthorn.Event) { e.Test, e.Webhook = true, w.ID })
		if got := publish(t, r, e)[0]; got.Deliveries != 1 {
			t.Errorf("%s: %+v", state, got)
		}
		ids := selectAll[uuid.UUID](t, db, `SELECT id FROM deliveries WHERE event_id = $1 AND test`, e.ID.UUID())
		if len(ids) != 1 || posthorn.DeliveryID(ids[0]) != posthorn.DeliveryIDOf(e.ID, w.ID) {
			t.Errorf("%s: deliveries %v", state, ids)
		}
	}
}

func TestAKeyPublishedManyTimesAtOnceIsOneEvent(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	insertHook(t, postgres.NewWebhooks(db), tenant, nil)
	recorders := []*postgres.EventRecorder{newRecorder(t, db, nil), newRecorder(t, db, nil)}
	const n = 20
	answers := make([]posthorn.Published, n)
	var work sync.WaitGroup
	for i := range n {
		work.Go(func() {
			published, err := recorders[i%2].Publish(t.Context(), []posthorn.Event{event(tenant, "submission.created", func(e *posthorn.Event) { e.Key = "order-1" })})
			if err != nil {
				t.Errorf("publish: %v", err)
				return
			}
			answers[i] = published[0]
		})
	}
	work.Wait()
	duplicates := 0
	for _, a := range answers {
		if a.ID != answers[0].ID || a.Deliveries != 1 || a.Event != "submission.created" {
			t.Errorf("answer %+v, another %+v", a, answers[0])
		}
		if a.Duplicate {
			duplicates++
		}
	}
	if got := selectAll[int](t, db, `SELECT count(*) FROM events UNION ALL SELECT count(*) FROM deliveries UNION ALL SELECT count(*) FROM due`); duplicates != n-1 || !slices.Equal(got, []int{1, 1, 1}) {
		t.Errorf("%d duplicates; events, deliveries, due: %v", duplicates, got)
	}
}

func TestARepeatedKeyAnswersTheFirstEventWhateverComesWithIt(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	insertHook(t, postgres.NewWebhooks(db), tenant, nil)
	r := newRecorder(t, db, nil)
	keyed := func(kind, key string) posthorn.Event {
		return event(tenant, kind, func(e *posthorn.Event) { e.Key = key })
	}
	first := publish(t, r, keyed("submission.created", "a"))[0]
	again := publish(t, r, keyed("invitation.sent", "a"), keyed("submission.created", "b"), keyed("invitation.sent", "b"))
	want := []posthorn.Published{
		{ID: first.ID, Event: "submission.created", Deliveries: 1, Duplicate: true},
		{ID: again[1].ID, Event: "submission.created", Deliveries: 1},
		{ID: again[1].ID, Event: "submission.created", Deliveries: 1, Duplicate: true},
	}
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if n := selectAll[int](t, db, `SELECT count(*) FROM events`)[0]; n != 2 {
		t.Errorf("%d events, want 2", n)
	}
}

func TestOneEventThatTakesTooLongDoesNotHoldTheOthersUp(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	limits := postgres.DefaultGroupLimits
	limits.Flushers, limits.Flush = 1, 300*time.Millisecond
	r := postgres.NewEventRecorder(db, quiet, &postgres.Outbox{}, limits)
	t.Cleanup(r.Close)
	// Somebody else is about to publish the keys.
	holder, err := db.Pool().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := holder.Exec(t.Context(), `INSERT INTO event_keys (tenant_id, key, event_id, expires_at)
 SELECT $1, k, gen_random_uuid(), now() + interval '1 day' FROM unnest('{first,second}'::text[]) k`, tenant.UUID()); err != nil {
		t.Fatal(err)
	}
	answers := make(chan error, 2)
	keyed := func(key string) {
		_, err := r.Publish(t.Context(), []posthorn.Event{event(tenant, "submission.created", func(e *posthorn.Event) { e.Key = key })})
		answers <- err
	}
	go keyed("first")
	// While the first waits, these two gather behind it.
	go keyed("second")
	publish(t, r, event(tenant, "submission.created", nil))
	select {
	case err := <-answers:
		t.Errorf("a publish with a key that somebody holds is answered: %v", err)
	default:
	}
	if err := holder.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-answers; err != nil {
			t.Errorf("a publish that took long: %v", err)
		}
	}
	if n := selectAll[int](t, db, `SELECT count(*) FROM events`)[0]; n != 3 {
		t.Errorf("%d events, want 3", n)
	}
}

func TestAKeyCountsForSevenDaysInItsTenant(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	r := newRecorder(t, db, nil)
	keyed := func(e *posthorn.Event) { e.Key = "k" }
	batch := publish(t, r, event(tenant, "submission.created", keyed), event(tenant, "submission.created", nil), event(tenant, "submission.created", keyed))
	if batch[0].Duplicate || batch[1].Duplicate || !batch[2].Duplicate || batch[2].ID != batch[0].ID || batch[1].ID == batch[0].ID {
		t.Errorf("within a batch: %+v", batch)
	}
	left := selectAll[time.Time](t, db, `SELECT expires_at FROM event_keys`)
	if d := time.Until(left[0]); len(left) != 1 || d < 7*24*time.Hour-time.Minute || d > 7*24*time.Hour {
		t.Errorf("keys end at %v", left)
	}
	other := posthorn.NewTenantID()
	if got := publish(t, r, event(other, "submission.created", keyed))[0]; got.Duplicate {
		t.Error("another tenant's key counts")
	}
	selectAll[string](t, db, `UPDATE event_keys SET expires_at = now() - interval '1 second' RETURNING key`)
	if got := publish(t, r, event(tenant, "submission.created", keyed))[0]; got.Duplicate || got.ID == batch[0].ID {
		t.Errorf("after 7 days: %+v", got)
	}
}

func TestDataIsStoredByteForByte(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	r := newRecorder(t, db, nil)
	for _, data := range []string{
		`{}`, "{ \"b\" : 1 ,\n\t\"a\":2.50, \"a\" : 1e400 }", `{"e":"\u00e9é\/\u0000\ud800<&>"}`, `{"n":123456789012345678901234567890.10}`,
		`{"x":"` + strings.Repeat("a", posthorn.MaxEventBytes-8) + `"}`, `{"deep":` + strings.Repeat("[", 60) + strings.Repeat("]", 60) + `}`,
	} {
		e := event(tenant, "submission.created", func(e *posthorn.Event) { e.Data = json.RawMessage(data) })
		publish(t, r, e)
		if got := selectAll[string](t, db, `SELECT payload::text FROM events WHERE id = $1`, e.ID.UUID()); len(got) != 1 || got[0] != data {
			t.Errorf("stored %.80s, published %.80s", got, data)
		}
	}
}

func TestABatchIsStoredWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	r := newRecorder(t, db, nil)
	broken := event(tenant, "submission.created", func(e *posthorn.Event) { e.Data = json.RawMessage(`{`) })
	if _, err := r.Publish(t.Context(), []posthorn.Event{event(tenant, "submission.created", func(e *posthorn.Event) { e.Key = "k" }), broken}); err == nil {
		t.Fatal("no error")
	}
	if got := selectAll[int](t, db, `SELECT count(*) FROM events UNION ALL SELECT count(*) FROM event_keys`); !slices.Equal(got, []int{0, 0}) {
		t.Errorf("events and keys: %v", got)
	}
}

func TestDeliveriesAreHandedOverUnderTheirLeaseAfterTheCommit(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	w := insertHook(t, postgres.NewWebhooks(db), tenant, nil)
	var jobs []posthorn.Job
	r := newRecorder(t, db, func(offered []posthorn.Job) {
		if n := selectAll[int](t, db, `SELECT count(*) FROM due WHERE lease_token = 7 AND next_attempt_at > now()`); n[0] != len(offered) {
			t.Errorf("%d of %d are committed under the lease", n[0], len(offered))
		}
		jobs = append(jobs, offered...)
	})
	e := event(tenant, "submission.created", func(e *posthorn.Event) { e.Key = "k" })
	publish(t, r, e)
	publish(t, r, event(tenant, "submission.created", func(e *posthorn.Event) { e.Key = "k" }), event(tenant, "payment.settled", nil))
	if len(jobs) != 1 {
		t.Fatalf("%d jobs", len(jobs))
	}
	want := posthorn.Job{
		DeliveryID: posthorn.DeliveryIDOf(e.ID, w.ID), TenantID: tenant, WebhookID: w.ID, EventID: e.ID, Event: e.Type, OccurredAt: e.OccurredAt,
		Data: e.Data, Payload: w.Signature.Scheme, Attempt: 1, Schedule: 1, Revision: 1, Lease: jobs[0].Lease,
	}
	if diff := cmp.Diff(want, jobs[0]); diff != "" || jobs[0].Lease.Token != 7 {
		t.Errorf("job (-want +got):\n%s", diff)
	}
}

func TestMisfitsAreKept(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	r := newRecorder(t, db, nil)
	e := event(tenant, "submission.created", func(e *posthorn.Event) { e.Misfits = []string{"at /a: <must> be", "at /b"} })
	publish(t, r, e)
	got, err := postgres.NewEventLog(db).Event(t.Context(), tenant, e.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e, got.Event); diff != "" {
		t.Errorf("event (-published +read):\n%s", diff)
	}
}
