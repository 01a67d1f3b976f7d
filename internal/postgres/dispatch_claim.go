package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// Dispatching is what the dispatcher keeps in the database: what is due, and what became of it. It implements
// dispatch.Store.
type Dispatching struct {
	db     *DB
	box    posthorn.SecretBox
	outbox *Outbox
}

// NewDispatching makes the store; box opens what webhooks keep sealed.
func NewDispatching(db *DB, box posthorn.SecretBox, outbox *Outbox) *Dispatching {
	return &Dispatching{db: db, box: box, outbox: outbox}
}

// maxClaimedWebhooks bounds how many webhooks one claim takes from.
const maxClaimedWebhooks = 64

// claimSQL leases what is due, fairly: it walks from webhook to webhook by the index, without looking at what each has
// waiting, and takes a share of each. Rows that somebody else is claiming are skipped. Tests
// are taken whatever the state of their webhook. reached is the last webhook of the
// walk when there may be more after it.
const claimSQL = `
WITH RECURSIVE w AS (
  (SELECT webhook_id, next_attempt_at, 1 AS n FROM due WHERE webhook_id > $1 ORDER BY webhook_id, next_attempt_at LIMIT 1)
  UNION ALL
  SELECT d.webhook_id, d.next_attempt_at, w.n + 1
    FROM w CROSS JOIN LATERAL (SELECT webhook_id, next_attempt_at FROM due WHERE webhook_id > w.webhook_id
                                ORDER BY webhook_id, next_attempt_at LIMIT 1) d
   WHERE w.n < $6),
ready AS MATERIALIZED (
  SELECT w.webhook_id, h.revision FROM w JOIN webhooks h ON h.id = w.webhook_id
   WHERE w.next_attempt_at <= now() AND h.state = 'active' AND w.webhook_id <> ALL ($2::uuid[]) LIMIT $7),
pick AS MATERIALIZED (
  SELECT d.delivery_id, r.revision
    FROM ready r CROSS JOIN LATERAL (SELECT delivery_id FROM due WHERE webhook_id = r.webhook_id AND next_attempt_at <= now()
                                      ORDER BY next_attempt_at LIMIT $3 FOR UPDATE SKIP LOCKED) d
   LIMIT $4),
tests AS MATERIALIZED (
  SELECT delivery_id, 0::bigint AS revision FROM due WHERE test AND next_attempt_at <= now() AND webhook_id <> ALL ($2::uuid[])
     AND delivery_id NOT IN (SELECT delivery_id FROM pick)
   ORDER BY next_attempt_at LIMIT $3 FOR UPDATE SKIP LOCKED),
taken AS (
  UPDATE due SET lease_token = $5, next_attempt_at = $8 FROM (SELECT * FROM pick UNION ALL SELECT * FROM tests) p
   WHERE due.delivery_id = p.delivery_id
  RETURNING due.delivery_id, due.webhook_id, due.attempts, due.schedule, due.test, p.revision)
SELECT t.delivery_id, t.webhook_id, t.attempts, t.schedule, t.test, t.revision, NULL::uuid FROM taken t
UNION ALL
SELECT NULL, NULL, 0, 0, false, 0, (SELECT webhook_id FROM w ORDER BY n DESC LIMIT 1)`

// maxWalked bounds how many webhooks one claim looks at, those that it cannot take from included.
const maxWalked = 1000

// Claim leases due deliveries of active webhooks, fairly between them.
func (s *Dispatching) Claim(ctx context.Context, r posthorn.ClaimRequest) (posthorn.Claim, error) {
	var claim posthorn.Claim
	err := s.db.inTx(ctx, "claim deliveries", func(tx pgx.Tx) error {
		jobs, reached, err := claimDue(ctx, tx, r)
		if err != nil {
			return err
		}
		if claim.Jobs, err = loadJobs(ctx, tx, jobs); err != nil {
			return err
		}
		// The walk went to the end unless it was cut, by its own bound or by that of the claim.
		claim.Reached = reached
		var next *time.Time
		err = tx.QueryRow(ctx, `SELECT min(next_attempt_at) FROM due WHERE next_attempt_at > now()`).Scan(&next)
		claim.NextDue = utc(next)
		return err
	})
	return claim, err
}

// claimDue runs claimSQL. The jobs know what the due table knows.
func claimDue(ctx context.Context, tx pgx.Tx, r posthorn.ClaimRequest) (jobs []posthorn.Job, reached posthorn.WebhookID, err error) {
	skip := make([]uuid.UUID, len(r.Skip))
	for i, id := range r.Skip {
		skip[i] = id.UUID()
	}
	rows, err := tx.Query(ctx, claimSQL, r.After.UUID(), skip, r.PerWebhook, r.Limit, r.Lease.Token, maxWalked, maxClaimedWebhooks, r.Lease.Expires)
	if err != nil {
		return nil, reached, err
	}
	var delivery, webhook, last *uuid.UUID
	var attempts, schedule int
	var test bool
	var revision int64
	taken := map[posthorn.WebhookID]bool{}
	_, err = pgx.ForEachRow(rows, []any{&delivery, &webhook, &attempts, &schedule, &test, &revision, &last}, func() error {
		if delivery == nil {
			if last != nil {
				reached = posthorn.WebhookID(*last)
			}
			return nil
		}
		j := posthorn.Job{
			DeliveryID: posthorn.DeliveryID(*delivery), WebhookID: posthorn.WebhookID(*webhook), Attempt: attempts + 1,
			Schedule: schedule + 1, Test: test, Revision: revision, Lease: r.Lease,
		}
		taken[j.WebhookID] = true
		jobs = append(jobs, j)
		return nil
	})
	if err != nil {
		return nil, reached, err
	}
	return jobs, reachedOf(jobs, taken, reached, r), nil
}

// reachedOf says where the next claim goes on. A claim that was cut by its limits goes on after the last webhook that it took
// from; one that saw everything begins anew.
func reachedOf(jobs []posthorn.Job, taken map[posthorn.WebhookID]bool, walked posthorn.WebhookID, r posthorn.ClaimRequest) posthorn.WebhookID {
	if len(jobs) < r.Limit && len(taken) < maxClaimedWebhooks {
		return posthorn.WebhookID{}
	}
	last := posthorn.WebhookID{}
	for id := range taken {
		if string(id[:]) > string(last[:]) {
			last = id
		}
	}
	if last == walked {
		return posthorn.WebhookID{}
	}
	return last
}

// loadJobs adds what is sent: events and deliveries are found by id, within the ids of the batch, so that the partitions of
// other days are not touched.
func loadJobs(ctx context.Context, tx pgx.Tx, jobs []posthorn.Job) ([]posthorn.Job, error) {
	if len(jobs) == 0 {
		return nil, nil
	}
	byID := make(map[uuid.UUID]*posthorn.Job, len(jobs))
	ids := make([]uuid.UUID, len(jobs))
	for i := range jobs {
		ids[i] = jobs[i].DeliveryID.UUID()
		byID[ids[i]] = &jobs[i]
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	first, last := ids[0], ids[len(ids)-1]
	for i := 8; i < len(first); i++ { // an event's id has the first half of its deliveries'
		first[i], last[i] = 0, 0xff
	}
	rows, err := tx.Query(ctx, `SELECT d.id, d.tenant_id, d.event_id, d.event, d.application_id, d.payload_scheme, e.occurred_at, e.payload::text
  FROM deliveries d JOIN events e ON e.id = d.event_id
 WHERE d.id = ANY ($1) AND d.id BETWEEN $2 AND $3 AND e.id BETWEEN $2 AND $3`, ids, first, last)
	if err != nil {
		return nil, err
	}
	loaded := make([]posthorn.Job, 0, len(jobs))
	var id, tenant, event uuid.UUID
	var application *uuid.UUID
	var scheme, payload string
	var eventType string
	var occurred time.Time
	_, err = pgx.ForEachRow(rows, []any{&id, &tenant, &event, &eventType, &application, &scheme, &occurred, &payload}, func() error {
		j := *byID[id]
		j.TenantID, j.EventID, j.Event = posthorn.TenantID(tenant), posthorn.EventID(event), eventType
		j.Payload, j.OccurredAt, j.Data = posthorn.Scheme(scheme), occurred.UTC(), json.RawMessage(payload)
		if application != nil {
			j.ApplicationID = posthorn.ApplicationID(*application)
		}
		loaded = append(loaded, j)
		return nil
	})
	if err == nil && len(loaded) < len(jobs) {
		err = fmt.Errorf("%d of %d claimed deliveries have no event", len(jobs)-len(loaded), len(jobs))
	}
	return loaded, err
}

// Release gives leases back without an attempt.
func (s *Dispatching) Release(ctx context.Context, releases []posthorn.Release) error {
	var c columns
	for _, r := range releases {
		c.add(r.DeliveryID.UUID(), r.Token, r.At)
	}
	// In order, so that two processes cannot deadlock.
	_, err := s.db.pool.Exec(ctx, `WITH r AS MATERIALIZED (
  SELECT due.delivery_id, i.at FROM unnest($1::uuid[], $2::bigint[], $3::timestamptz[]) AS i (id, token, at)
    JOIN due ON due.delivery_id = i.id AND due.lease_token = i.token ORDER BY due.delivery_id FOR UPDATE OF due)
UPDATE due SET lease_token = 0, next_attempt_at = r.at FROM r WHERE due.delivery_id = r.delivery_id`, c.args()...)
	return translate(err, fmt.Sprintf("release %d deliveries", len(releases)))
}

// Endpoint returns a webhook's configuration for sending, opened.
func (s *Dispatching) Endpoint(ctx context.Context, id posthorn.WebhookID) (*posthorn.Endpoint, error) {
	e := &posthorn.Endpoint{}
	var tenant uuid.UUID
	var failing, throttled *time.Time
	// The revision is read before the rest: what changes meanwhile has a newer one.
	err := s.db.pool.QueryRow(ctx, `SELECT w.tenant_id, w.revision, h.failing_since, h.throttled_until
  FROM webhooks w LEFT JOIN webhook_health h ON h.webhook_id = w.id WHERE w.id = $1`, id.UUID()).Scan(&tenant, &e.Revision, &failing, &throttled)
	if err != nil {
		return nil, translate(err, "get the endpoint "+id.String())
	}
	e.FailingSince, e.ThrottledUntil = utc(failing), utc(throttled)
	d, err := (&Webhooks{s.db}).Webhook(ctx, posthorn.TenantID(tenant), id)
	if err != nil {
		return nil, err
	}
	return e, d.OpenInto(e, s.box)
}
