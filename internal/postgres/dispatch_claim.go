package postgres

import (
	"bytes"
	"context"
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
// waiting, and takes a share of each. Rows that somebody else is claiming are skipped. Tests are taken whatever the state of
// their webhook, and whether it can take anything else or not. The last row of the answer is where the next claim goes on: after
// the webhook where this one was cut, by one of its limits or by the bound of the walk; NULL when it saw everything.
const claimSQL = `
WITH RECURSIVE w AS (
  (SELECT webhook_id, next_attempt_at, 1 AS n FROM due WHERE webhook_id > $1 ORDER BY webhook_id, next_attempt_at LIMIT 1)
  UNION ALL
  SELECT d.webhook_id, d.next_attempt_at, w.n + 1
    FROM w CROSS JOIN LATERAL (SELECT webhook_id, next_attempt_at FROM due WHERE webhook_id > w.webhook_id
                                ORDER BY webhook_id, next_attempt_at LIMIT 1) d
   WHERE w.n < $6),
ready AS MATERIALIZED (
  SELECT w.webhook_id, h.revision, w.n, least($3, m.most) AS share
    FROM w JOIN webhooks h ON h.id = w.webhook_id LEFT JOIN unnest($9::uuid[], $10::bigint[]) AS m (id, most) ON m.id = w.webhook_id
   WHERE w.next_attempt_at <= now() AND h.state = 'active' AND w.webhook_id <> ALL ($2::uuid[]) ORDER BY w.n LIMIT $7),
pick AS MATERIALIZED (
  SELECT d.delivery_id, r.revision, r.n
    FROM ready r CROSS JOIN LATERAL (SELECT delivery_id FROM due WHERE webhook_id = r.webhook_id AND next_attempt_at <= now()
                                      ORDER BY next_attempt_at LIMIT r.share FOR UPDATE SKIP LOCKED) d
   LIMIT $4),
tests AS MATERIALIZED (
  SELECT delivery_id, 0::bigint AS revision, 0 AS n FROM due WHERE test AND next_attempt_at <= now()
     AND delivery_id NOT IN (SELECT delivery_id FROM pick)
   ORDER BY next_attempt_at LIMIT $3 FOR UPDATE SKIP LOCKED),
taken AS (
  UPDATE due SET lease_token = $5, next_attempt_at = now() + $8::interval FROM (SELECT * FROM pick UNION ALL SELECT * FROM tests) p
   WHERE due.delivery_id = p.delivery_id
  RETURNING due.delivery_id, due.webhook_id, due.attempts, due.schedule, due.test, p.revision)
SELECT t.delivery_id, t.webhook_id, t.attempts, t.schedule, t.test, t.revision, NULL::uuid FROM taken t
UNION ALL
SELECT NULL, NULL, 0, 0, false, 0,
       CASE WHEN (SELECT count(*) FROM pick) >= $4 THEN (SELECT r.webhook_id FROM ready r WHERE r.n = (SELECT max(n) FROM pick))
            WHEN (SELECT count(*) FROM ready) >= $7 THEN (SELECT webhook_id FROM ready ORDER BY n DESC LIMIT 1)
            WHEN (SELECT max(n) FROM w) >= $6 THEN (SELECT webhook_id FROM w ORDER BY n DESC LIMIT 1) END`

// maxWalked bounds how many webhooks one claim looks at, those that it cannot take from included.
const maxWalked = 1000

// Claim leases due deliveries of active webhooks, fairly between them.
func (s *Dispatching) Claim(ctx context.Context, r posthorn.ClaimRequest) (posthorn.Claim, error) {
	var claim posthorn.Claim
	err := s.db.inTx(ctx, "claim deliveries", func(tx pgx.Tx) error {
		taken, reached, err := claimDue(ctx, tx, r)
		if err != nil {
			return err
		}
		claim.Reached = reached
		l := loading{request: r, jobs: taken}
		if claim.Jobs, err = l.run(ctx, tx); err != nil {
			return err
		}
		var wait *time.Duration
		err = tx.QueryRow(ctx, `SELECT min(next_attempt_at) - now() FROM due WHERE next_attempt_at > now()`).Scan(&wait)
		if wait != nil {
			claim.NextDue = time.Now().Add(*wait)
		}
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
	var webhooks []uuid.UUID
	var most []int
	for id, n := range r.Most {
		webhooks, most = append(webhooks, id.UUID()), append(most, n)
	}
	rows, err := tx.Query(ctx, claimSQL, r.After.UUID(), skip, r.PerWebhook, r.Limit, r.Lease.Token, maxWalked, maxClaimedWebhooks,
		time.Until(r.Lease.Expires), webhooks, most)
	if err != nil {
		return nil, reached, err
	}
	var delivery, webhook, last *uuid.UUID
	var attempts, schedule int
	var test bool
	var revision int64
	_, err = pgx.ForEachRow(rows, []any{&delivery, &webhook, &attempts, &schedule, &test, &revision, &last}, func() error {
		if delivery == nil {
			if last != nil {
				reached = posthorn.WebhookID(*last)
			}
			return nil
		}
		jobs = append(jobs, posthorn.Job{
			DeliveryID: posthorn.DeliveryID(*delivery), WebhookID: posthorn.WebhookID(*webhook), Attempt: attempts + 1,
			Schedule: schedule + 1, Test: test, Revision: revision, Lease: r.Lease,
		})
		return nil
	})
	return jobs, reached, err
}

// Release gives leases back without an attempt.
func (s *Dispatching) Release(ctx context.Context, releases []posthorn.Release) error {
	n := len(releases)
	// In order, so that two processes cannot deadlock.
	releases = slices.SortedFunc(slices.Values(releases), func(a, b posthorn.Release) int { return bytes.Compare(a.DeliveryID[:], b.DeliveryID[:]) })
	ids, tokens, waits := make(uuidColumn, n), make([]int64, n), make(intervalColumn, n)
	for i, r := range releases {
		ids[i], tokens[i], waits[i] = uuidOrNull(r.DeliveryID.UUID()), r.Token, intervalOf(max(time.Until(r.At), 0))
	}
	_, err := s.db.pool.Exec(ctx, `WITH r AS MATERIALIZED (
  SELECT i.id, i.wait FROM unnest($1::uuid[], $2::bigint[], $3::interval[]) AS i (id, token, wait)
   CROSS JOIN LATERAL (SELECT FROM due WHERE delivery_id = i.id AND lease_token = i.token FOR UPDATE) leased)
UPDATE due SET lease_token = 0, next_attempt_at = now() + r.wait
  FROM r WHERE due.delivery_id = r.id AND due.delivery_id = ANY (ARRAY(SELECT id FROM r))`, ids, tokens, waits)
	return translate(err, fmt.Sprintf("release %d deliveries", n))
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
