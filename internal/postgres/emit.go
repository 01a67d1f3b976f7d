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
	to      atomic.Pointer[HandOff]
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

// lease returns the lease that deliveries are made with: none without a dispatcher in this process, so that they are due at
// once.
func (o *Outbox) lease() posthorn.Lease {
	to := o.to.Load()
	if to == nil {
		return posthorn.Lease{}
	}
	return to.NewLease()
}

// emitted is what became of events in a transaction that is still open.
type emitted struct {
	published []posthorn.Published
	jobs      []posthorn.Job
	// fresh is how many of the events are new.
	fresh int
}

// committed hands the deliveries over; it must be called after the commit.
func (o *Outbox) committed(e emitted) {
	o.Metrics.EventsIngested(e.fresh)
	if to := o.to.Load(); to != nil && len(e.jobs) > 0 {
		to.Offer(e.jobs)
	}
}

// emitSQL writes a batch of events and, for each that is new, a delivery for every webhook that it goes to. The keys of
// producers are upserted in order, so that two batches cannot deadlock. Writing the same batch again changes nothing, so it
// can be repeated when the outcome of its commit was lost.
//
// The subscriptions that cover an event are those of posthorn.SubscriptionsFor.
const emitSQL = `
WITH inp AS MATERIALIZED (
  SELECT i.id, i.tenant_id, coalesce(i.application, a.id) AS application_id, i.event, i.payload, i.occurred_at, i.key, i.test,
         i.webhook_id, i.misfits, i.activity_id, i.ord,
         ARRAY[i.event, split_part(i.event, '.', 1) || '.*']
           || CASE WHEN split_part(i.event, '.', 1) IN ('webhook', 'delivery') THEN '{}'::text[] ELSE '{*}'::text[] END AS covering
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::text[], $9::bool[],
         $10::uuid[], $11::text[], $12::uuid[]) WITH ORDINALITY
         AS i (id, tenant_id, application, external_id, event, payload, occurred_at, key, test, webhook_id, misfits, activity_id, ord)
    LEFT JOIN applications a ON i.application IS NULL AND a.tenant_id = i.tenant_id AND a.external_id = i.external_id),
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
  SELECT inp.*, coalesce(k.event_id, inp.id) AS result_id, (k.event_id IS NULL OR k.event_id = inp.id) AS fresh
    FROM inp LEFT JOIN k ON k.tenant_id = inp.tenant_id AND k.key = inp.key),
ev AS (
  INSERT INTO events (id, tenant_id, application_id, event, payload, occurred_at, test, misfits, activity_id)
  SELECT id, tenant_id, application_id, event, payload::json, occurred_at, test, misfits::json, activity_id
    FROM res WHERE fresh ORDER BY ord
  ON CONFLICT (id) DO NOTHING),
m AS MATERIALIZED (
  SELECT r.ord, r.id AS event_id, r.tenant_id, r.event, r.application_id, r.test, delivery_id(r.id, w.id) AS id,
         w.id AS webhook_id, w.url, w.payload_scheme, w.revision
    FROM res r JOIN webhooks w ON w.tenant_id = r.tenant_id
     AND CASE WHEN r.webhook_id IS NOT NULL THEN w.id = r.webhook_id
              ELSE w.state = 'active' AND (w.application_id IS NULL OR w.application_id = r.application_id) AND w.events && r.covering END
   WHERE r.fresh),
d AS (
  INSERT INTO deliveries (id, tenant_id, webhook_id, event_id, event, application_id, payload_scheme, test, created_at, url,
         state, reason, attempts)
  SELECT id, tenant_id, webhook_id, event_id, event, application_id, payload_scheme, test, now(), url, 'pending', '', 0 FROM m
  ON CONFLICT (id) DO NOTHING
  RETURNING id),
q AS (
  INSERT INTO due (delivery_id, webhook_id, next_attempt_at, lease_token, attempts, schedule, test)
  SELECT m.id, m.webhook_id, now() + $13::interval, $14, 0, 0, m.test FROM d JOIN m ON m.id = d.id)
SELECT r.ord, r.result_id, r.fresh, r.application_id, m.id, m.webhook_id, m.payload_scheme, m.revision, d.id IS NOT NULL
  FROM res r LEFT JOIN m ON m.ord = r.ord LEFT JOIN d ON d.id = m.id
 ORDER BY r.ord`

// emit writes events inside the transaction of the change that caused them.
func (o *Outbox) emit(ctx context.Context, tx pgx.Tx, events []posthorn.Event) (emitted, error) {
	if len(events) == 0 {
		return emitted{}, nil
	}
	var c columns
	for i := range events {
		e := &events[i]
		misfits, err := misfitsJSON(e.Misfits)
		if err != nil {
			return emitted{}, fmt.Errorf("emit %s: %w", e.ID, err)
		}
		c.add(e.ID.UUID(), e.TenantID.UUID(), nullID(e.ApplicationID.UUID()), null(e.ApplicationExternalID), e.Type, string(e.Data),
			e.OccurredAt, null(e.Key), e.Test, nullID(e.Webhook.UUID()), misfits, nullID(e.ActivityID.UUID()))
	}
	lease := o.lease()
	wait := time.Duration(0)
	if lease.Token != 0 {
		wait = time.Until(lease.Expires)
	}
	rows, err := tx.Query(ctx, emitSQL, append(c.args(), wait, lease.Token)...)
	if err != nil {
		return emitted{}, fmt.Errorf("emit %d events from %s: %w", len(events), events[0].ID, err)
	}
	out, repeated, err := collectEmitted(rows, events, lease)
	if err == nil && len(repeated) > 0 {
		err = countFirst(ctx, tx, out.published, repeated)
	}
	if err != nil {
		return emitted{}, fmt.Errorf("emit %d events from %s: %w", len(events), events[0].ID, err)
	}
	return out, nil
}

func misfitsJSON(misfits []string) (any, error) {
	if len(misfits) == 0 {
		return nil, nil //nolint:nilnil // NULL is what no misfits are stored as
	}
	raw, err := json.Marshal(misfits)
	return string(raw), err
}

// collectEmitted reads the answer of emitSQL, and returns the places of events that were published before.
func collectEmitted(rows pgx.Rows, events []posthorn.Event, lease posthorn.Lease) (out emitted, repeated []int, err error) {
	out.published = make([]posthorn.Published, len(events))
	var ord int
	var result uuid.UUID
	var fresh, made bool
	var application, delivery, webhook *uuid.UUID
	var scheme *string
	var revision *int64
	into := []any{&ord, &result, &fresh, &application, &delivery, &webhook, &scheme, &revision, &made}
	_, err = pgx.ForEachRow(rows, into, func() error {
		e, p := &events[ord-1], &out.published[ord-1]
		if p.ID.IsZero() {
			*p = posthorn.Published{ID: posthorn.EventID(result), Event: e.Type, Duplicate: !fresh}
			if fresh {
				out.fresh++
			} else {
				repeated = append(repeated, ord-1)
			}
		}
		if delivery == nil {
			return nil
		}
		p.Deliveries++
		if !made || lease.Token == 0 {
			return nil
		}
		j := posthorn.Job{
			DeliveryID: posthorn.DeliveryID(*delivery), TenantID: e.TenantID, WebhookID: posthorn.WebhookID(*webhook), EventID: e.ID,
			Event: e.Type, OccurredAt: e.OccurredAt, Data: e.Data, Payload: posthorn.Scheme(*scheme), Test: e.Test,
			Attempt: 1, Schedule: 1, Revision: *revision, Lease: lease,
		}
		if application != nil {
			j.ApplicationID = posthorn.ApplicationID(*application)
		}
		out.jobs = append(out.jobs, j)
		return nil
	})
	return out, repeated, err
}

// countFirst fills in the number of deliveries of events that were published before. Those of an event are a range of ids.
func countFirst(ctx context.Context, tx pgx.Tx, published []posthorn.Published, repeated []int) error {
	for _, i := range repeated {
		first, last := deliveryRange(published[i].ID)
		err := tx.QueryRow(ctx, `SELECT count(*) FROM deliveries WHERE id BETWEEN $1 AND $2 AND event_id = $3`,
			first, last, published[i].ID.UUID()).Scan(&published[i].Deliveries)
		if err != nil {
			return err
		}
	}
	return nil
}

// deliveryRange bounds the ids of the deliveries of an event: they share its first half.
func deliveryRange(event posthorn.EventID) (first, last uuid.UUID) {
	first, last = event.UUID(), event.UUID()
	for i := 8; i < len(first); i++ {
		first[i], last[i] = 0, 0xff
	}
	return first, last
}
