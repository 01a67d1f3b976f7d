package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/metrics"
	"posthorn/internal/posthorn"
)

// Outbox is the only writer of events. It runs inside the transaction of the change that caused them, so that an event and
// its deliveries exist exactly when their cause does, and hands the deliveries to the dispatcher of this process after the
// commit. What is not handed over is found by whichever dispatcher looks first.
type Outbox struct {
	// Metrics count the events. Nil counts nothing.
	Metrics *metrics.Metrics
	// Announce tells readers of the delivery log, by tenant, what was committed. It must not block. Nil tells nobody.
	Announce func(map[posthorn.TenantID]posthorn.DeliveryNotice)
	to       atomic.Pointer[HandOff]
}

// HandOff is where deliveries go right after the commit that made them.
type HandOff struct {
	// NewLease reserves a batch of them for this process.
	NewLease func() posthorn.Lease
	// Offer takes them. It must not block.
	Offer func([]posthorn.Job)
}

// HandOffTo makes deliveries go to a dispatcher from now on.
func (o *Outbox) HandOffTo(h HandOff) { o.to.Store(&h) }

// StopHandingOff leaves the deliveries that are made from now on to whoever looks first.
func (o *Outbox) StopHandingOff() { o.to.Store(nil) }

// emitted is what became of events in a transaction that is still open.
type emitted struct {
	// events are those that were given, each with what was published of it.
	events    []posthorn.Event
	published []posthorn.Published
	jobs      []posthorn.Job
	// fresh is how many of the events are new.
	fresh int
	// to is who the jobs are leased for, nil for nobody.
	to *HandOff
}

// committed hands the deliveries over; it must be called after the commit.
func (o *Outbox) committed(e emitted) {
	o.Metrics.EventsIngested(e.fresh)
	if len(e.jobs) > 0 {
		e.to.Offer(e.jobs)
	}
	if o.Announce != nil && len(e.events) > 0 {
		o.Announce(posthorn.NoticesOfEvents(e.events, e.published))
	}
}

// finished tells of results; it must be called after the commit.
func (o *Outbox) finished(results []posthorn.Result) {
	if o.Announce != nil && len(results) > 0 {
		o.Announce(posthorn.NoticesOfResults(results))
	}
}

// emitSQL writes a batch of events and, for each that is new, a delivery for every webhook that it goes to. The keys of
// producers are upserted in order, so that two batches cannot deadlock. Writing the same batch again changes nothing, so it
// can be repeated when the outcome of its commit was lost.
//
// It is planned once, perhaps while the tables are empty, and runs with hundreds of events: steps that were joined would be
// compared row by row with each other. So each hands on what the next needs, membership is asked with IN, which is always
// hashed, and OFFSET 0 keeps the other tables from being read as a whole.
//
// The subscriptions that cover an event are those of posthorn.SubscriptionsFor. The answer has a row for each delivery, and
// one with the id of the first for each event that was published before.
const emitSQL = `
WITH inp AS MATERIALIZED (
  SELECT i.id, i.tenant_id, coalesce(i.application, a.id) AS application_id, i.event, i.payload, i.occurred_at, i.key, i.test,
         i.webhook_id, i.misfits, i.activity_id, i.ord,
         ARRAY[i.event, split_part(i.event, '.', 1) || '.*']
           || CASE WHEN split_part(i.event, '.', 1) IN ('webhook', 'delivery') THEN '{}'::text[] ELSE '{*}'::text[] END AS covering
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::text[], $9::bool[],
         $10::uuid[], $11::text[], $12::uuid[]) WITH ORDINALITY
         AS i (id, tenant_id, application, external_id, event, payload, occurred_at, key, test, webhook_id, misfits, activity_id, ord)
    LEFT JOIN LATERAL (SELECT id FROM applications
                        WHERE i.application IS NULL AND tenant_id = i.tenant_id AND external_id = i.external_id OFFSET 0) a ON true),
k AS (
  INSERT INTO event_keys AS ek (tenant_id, key, event_id, expires_at)
  SELECT tenant_id, key, id, now() + interval '7 days'
    FROM (SELECT DISTINCT ON (tenant_id, key COLLATE "C") tenant_id, key, id FROM inp WHERE key IS NOT NULL
           ORDER BY tenant_id, key COLLATE "C", ord) s
   ORDER BY tenant_id, key COLLATE "C"
  ON CONFLICT (tenant_id, key) DO UPDATE SET
    event_id   = CASE WHEN ek.expires_at < now() THEN excluded.event_id   ELSE ek.event_id   END,
    expires_at = CASE WHEN ek.expires_at < now() THEN excluded.expires_at ELSE ek.expires_at END
  RETURNING tenant_id, key, event_id),
res AS MATERIALIZED (
  SELECT inp.*, (inp.key IS NULL OR inp.id IN (SELECT event_id FROM k)) AS fresh FROM inp),
ev AS (
  INSERT INTO events (id, tenant_id, application_id, event, payload, occurred_at, test, misfits, activity_id)
  SELECT id, tenant_id, application_id, event, payload::json, occurred_at, test, misfits::json, activity_id
    FROM res WHERE fresh ORDER BY ord
  ON CONFLICT (id) DO NOTHING),
m AS MATERIALIZED (
  SELECT r.ord, r.id AS event_id, r.tenant_id, r.event, r.application_id, r.test, delivery_id(r.id, w.id) AS id,
         w.id AS webhook_id, w.url, w.payload_scheme, w.revision
    FROM res r CROSS JOIN LATERAL (
      SELECT id, url, payload_scheme, revision FROM webhooks WHERE tenant_id = r.tenant_id
         AND CASE WHEN r.webhook_id IS NOT NULL THEN id = r.webhook_id
                  ELSE state = 'active' AND (application_id IS NULL OR application_id = r.application_id) AND events && r.covering END
       OFFSET 0) w
   WHERE r.fresh),
d AS (
  INSERT INTO deliveries (id, tenant_id, webhook_id, event_id, event, application_id, payload_scheme, test, created_at, url,
         state, reason, attempts)
  SELECT id, tenant_id, webhook_id, event_id, event, application_id, payload_scheme, test, now(), url, 'pending', '', 0 FROM m
  ON CONFLICT (id) DO NOTHING
  RETURNING id, webhook_id, test),
q AS (
  INSERT INTO due (delivery_id, webhook_id, next_attempt_at, lease_token, attempts, schedule, test)
  SELECT id, webhook_id, now() + $13::interval, $14, 0, 0, test FROM d)
SELECT m.ord, NULL::uuid, m.application_id, m.id, m.webhook_id, m.payload_scheme, m.revision, m.id IN (SELECT id FROM d) FROM m
UNION ALL
SELECT r.ord, (SELECT k.event_id FROM k WHERE k.tenant_id = r.tenant_id AND k.key = r.key), NULL, NULL, NULL, NULL, NULL, false
  FROM res r WHERE NOT r.fresh`

// firstSQL tells of the events that were published before under the keys of a batch, but not in it: the type, and how many
// deliveries there are, which are a range of ids. It runs after emitSQL, which waits for others that publish the same keys and
// does not see what they wrote.
const firstSQL = `
SELECT k.event_id, e.event, (SELECT count(*) FROM deliveries d WHERE d.event_id = k.event_id
         AND d.id BETWEEN (left(k.event_id::text, 19) || '0000-000000000000')::uuid AND (left(k.event_id::text, 19) || 'ffff-ffffffffffff')::uuid)
  FROM unnest($1::uuid[], $2::text[]) AS i (tenant_id, key) JOIN event_keys k ON k.tenant_id = i.tenant_id AND k.key = i.key
  JOIN events e ON e.id = k.event_id
 WHERE k.event_id <> ALL ($3::uuid[])`

// emit writes events inside the transaction of the change that caused them, or in one of its own where in is the pool.
func (o *Outbox) emit(ctx context.Context, in runner, events []posthorn.Event) (emitted, error) {
	if len(events) == 0 {
		return emitted{}, nil
	}
	b := newEmitBatch(events, o.to.Load())
	args, err := b.args()
	if err == nil {
		statements := []statement{{emitSQL, args, b.collect}}
		if len(b.keys) > 0 {
			statements = append(statements, statement{firstSQL, []any{b.keyTenants, b.keys, b.ids}, b.collectFirst})
		}
		err = runHot(ctx, in, statements...)
	}
	if err != nil {
		return emitted{}, fmt.Errorf("emit %d events from %s: %w", len(events), events[0].ID, err)
	}
	b.answerRepeated()
	return b.out, nil
}

// emitBatch is a batch of events on its way into the database.
type emitBatch struct {
	events []posthorn.Event
	lease  posthorn.Lease
	ids    uuidColumn
	// keys are those of producers, each with its tenant.
	keys       []string
	keyTenants uuidColumn
	out        emitted
	// firsts are what is known of the events that others repeat.
	firsts map[posthorn.EventID]posthorn.Published
}

// newEmitBatch makes the batch; its deliveries are leased for a dispatcher, or, without one in this process, due at once.
func newEmitBatch(events []posthorn.Event, to *HandOff) *emitBatch {
	b := &emitBatch{events: events, ids: make(uuidColumn, len(events)), firsts: map[posthorn.EventID]posthorn.Published{}}
	b.out = emitted{events: events, published: make([]posthorn.Published, len(events)), fresh: len(events), to: to}
	if to != nil {
		b.lease = to.NewLease()
	}
	for i := range events {
		e := &events[i]
		b.ids[i] = uuidOrNull(e.ID.UUID())
		b.out.published[i] = posthorn.Published{ID: e.ID, Event: e.Type}
		if e.Key != "" {
			b.keys, b.keyTenants = append(b.keys, e.Key), append(b.keyTenants, uuidOrNull(e.TenantID.UUID()))
		}
	}
	return b
}

// args are the arguments of emitSQL: a column each.
func (b *emitBatch) args() ([]any, error) {
	n := len(b.events)
	tenants, applications, externals := make(uuidColumn, n), make(uuidColumn, n), make(textColumn, n)
	types, payloads, times := make([]string, n), make([][]byte, n), make([]time.Time, n)
	keys, tests, webhooks := make(textColumn, n), make([]bool, n), make(uuidColumn, n)
	misfits, activities := make(textColumn, n), make(uuidColumn, n)
	for i := range b.events {
		e := &b.events[i]
		tenants[i], applications[i] = uuidOrNull(e.TenantID.UUID()), uuidOrNull(e.ApplicationID.UUID())
		externals[i], types[i], payloads[i], times[i] = textOrNull(e.ApplicationExternalID), e.Type, e.Data, e.OccurredAt
		keys[i], tests[i] = textOrNull(e.Key), e.Test
		webhooks[i], activities[i] = uuidOrNull(e.Webhook.UUID()), uuidOrNull(e.ActivityID.UUID())
		if len(e.Misfits) > 0 {
			raw, err := json.Marshal(e.Misfits)
			if err != nil {
				return nil, fmt.Errorf("misfits of %s: %w", e.ID, err)
			}
			misfits[i] = textOrNull(string(raw))
		}
	}
	wait := time.Duration(0)
	if b.lease.Token != 0 {
		wait = time.Until(b.lease.Expires)
	}
	return []any{
		b.ids, tenants, applications, externals, types, payloads, times, keys, tests, webhooks, misfits, activities, wait, b.lease.Token,
	}, nil
}

// collect reads the answer of emitSQL.
func (b *emitBatch) collect(rows pgx.Rows) error {
	var ord int
	var made bool
	var first, application, delivery, webhook *uuid.UUID
	var scheme *string
	var revision *int64
	into := []any{&ord, &first, &application, &delivery, &webhook, &scheme, &revision, &made}
	_, err := pgx.ForEachRow(rows, into, func() error {
		e, p := &b.events[ord-1], &b.out.published[ord-1]
		if first != nil {
			p.ID, p.Duplicate = posthorn.EventID(*first), true
			b.out.fresh--
			return nil
		}
		p.Deliveries++
		if !made || b.lease.Token == 0 {
			return nil
		}
		j := posthorn.Job{
			DeliveryID: posthorn.DeliveryID(*delivery), TenantID: e.TenantID, WebhookID: posthorn.WebhookID(*webhook), EventID: e.ID,
			Event: e.Type, OccurredAt: e.OccurredAt, Data: e.Data, Payload: posthorn.Scheme(*scheme), Test: e.Test,
			Attempt: 1, Schedule: 1, Revision: *revision, Lease: b.lease,
		}
		if application != nil {
			j.ApplicationID = posthorn.ApplicationID(*application)
		}
		b.out.jobs = append(b.out.jobs, j)
		return nil
	})
	return err
}

// collectFirst reads the answer of firstSQL.
func (b *emitBatch) collectFirst(rows pgx.Rows) error {
	var id uuid.UUID
	var kind string
	var deliveries int
	_, err := pgx.ForEachRow(rows, []any{&id, &kind, &deliveries}, func() error {
		b.firsts[posthorn.EventID(id)] = posthorn.Published{Event: kind, Deliveries: deliveries}
		return nil
	})
	return err
}

// answerRepeated gives what was published before the answer of the first, which may be in the same batch. One that is past the
// retention is only known by its id.
func (b *emitBatch) answerRepeated() {
	if b.out.fresh == len(b.events) {
		return
	}
	for _, p := range b.out.published {
		if !p.Duplicate {
			b.firsts[p.ID] = p
		}
	}
	for i := range b.out.published {
		p := &b.out.published[i]
		if first, ok := b.firsts[p.ID]; p.Duplicate && ok {
			p.Event, p.Deliveries = first.Event, first.Deliveries
		}
	}
}

// deliveryRange bounds the ids of the deliveries of an event: they share its first half.
func deliveryRange(event posthorn.EventID) (first, last uuid.UUID) {
	first, last = event.UUID(), event.UUID()
	for i := 8; i < len(first); i++ {
		first[i], last[i] = 0, 0xff
	}
	return first, last
}
