package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"posthorn/internal/posthorn"
)

// DueHealth says how deliveries that are due fare, in all processes together. Only webhooks count that are active and not
// throttled.
type DueHealth struct {
	// Due is how many are due and in nobody's hand, those of paused webhooks included, counted up to maxDueCounted.
	Due int
	// Oldest is how long the oldest has been due, 0 when there is none.
	Oldest time.Duration
	// Still is Oldest when that is at least NeglectedAfter although nothing was tried lately, at any webhook: then sending as
	// a whole stands still, or all that there is to send goes to webhooks that are stuck. It is 0 otherwise.
	Still time.Duration
	// Stuck is how many webhooks have a delivery that has waited for NeglectedAfter or more while nothing was sent to them
	// lately, although others may do well: their endpoints cannot be loaded, perhaps. StuckFor is how long the one that has
	// waited longest has, and Webhook where it goes; both are zero when there is none.
	Stuck    int
	StuckFor time.Duration
	Webhook  posthorn.WebhookID
}

// NeglectedAfter is from when on a delivery that nobody tries to send tells that something is wrong.
const NeglectedAfter = 5 * time.Minute

const (
	// dueHealthAge is how old an answer of DueHealth may be.
	dueHealthAge = 5 * time.Second
	// maxDueCounted bounds the count of what is due.
	maxDueCounted = 100_000
	// maxDueWalked bounds how many webhooks are looked at.
	maxDueWalked = 10_000
	// lately is within what a webhook with something due is tried, and failingLately one that fails, which is left alone for
	// minutes between two attempts.
	lately        = 3 * time.Minute
	failingLately = 15 * time.Minute
)

// dueHealthSQL walks from webhook to webhook by the index, as claimSQL does, and looks at the first delivery of each. A
// delivery waits from when it is due, its webhook is active and its throttling over, whichever comes last. A backlog alone
// says nothing: a webhook may be slow, have a rate, or fail.
//
// What cannot be sent is taken in hand and given back again and again, and is due anew each time; so of what was never tried
// it is the time at which it was made that counts. It is looked up only for webhooks that nothing was sent to lately.
const dueHealthSQL = `
WITH RECURSIVE w AS (
  (SELECT webhook_id, next_attempt_at, 1 AS n FROM due ORDER BY webhook_id, next_attempt_at LIMIT 1)
  UNION ALL
  SELECT d.webhook_id, d.next_attempt_at, w.n + 1
    FROM w CROSS JOIN LATERAL (SELECT webhook_id, next_attempt_at FROM due WHERE webhook_id > w.webhook_id
                                ORDER BY webhook_id, next_attempt_at LIMIT 1) d
   WHERE w.n < $1),
sending AS MATERIALIZED (
  SELECT w.webhook_id, w.next_attempt_at, greatest(h.state_since, s.throttled_until) AS since,
         EXISTS (SELECT FROM webhook_minutes m WHERE m.webhook_id = w.webhook_id
                    AND m.minute > now() - CASE WHEN s.failing_since IS NULL THEN $4::interval ELSE $5::interval END) AS tried
    FROM w JOIN webhooks h ON h.id = w.webhook_id LEFT JOIN webhook_health s ON s.webhook_id = w.webhook_id
   WHERE h.state = 'active' AND (s.throttled_until IS NULL OR s.throttled_until <= now())),
oldest AS MATERIALIZED (
  SELECT now() - min(greatest(next_attempt_at, since)) AS age FROM sending WHERE next_attempt_at <= now()),
stuck AS MATERIALIZED (
  SELECT s.webhook_id, now() - greatest(least(s.next_attempt_at, untried.made), s.since) AS age
    FROM sending s CROSS JOIN LATERAL (
         SELECT min(d.created_at) AS made
           FROM (SELECT delivery_id, attempts FROM due WHERE webhook_id = s.webhook_id ORDER BY next_attempt_at LIMIT 10) f
           JOIN deliveries d ON d.id = f.delivery_id
          WHERE f.attempts = 0) untried
   WHERE NOT s.tried AND s.since <= now() - $2::interval
     AND least(s.next_attempt_at, untried.made) <= now() - $2::interval),
worst AS (SELECT webhook_id, age FROM stuck ORDER BY age DESC, webhook_id LIMIT 1)
SELECT (SELECT count(*) FROM (SELECT FROM due WHERE next_attempt_at <= now() LIMIT $3) d),
       coalesce(extract(epoch FROM (SELECT age FROM oldest)), 0)::float8,
       (SELECT age >= $2::interval FROM oldest) AND NOT EXISTS (SELECT FROM sending WHERE tried)
         AND NOT EXISTS (SELECT FROM attempts WHERE id >= $6),
       (SELECT count(*) FROM stuck),
       coalesce(extract(epoch FROM (SELECT age FROM worst)), 0)::float8,
       (SELECT webhook_id FROM worst)`

// dueHealth keeps the last answer.
type dueHealth struct {
	mu    sync.Mutex
	at    time.Time
	known DueHealth
}

// DueHealth says how deliveries that are due fare. The answer is up to five seconds old, so that it may be asked for often.
func (db *DB) DueHealth(ctx context.Context) (DueHealth, error) {
	c := &db.due
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.at) < dueHealthAge {
		return c.known, nil
	}
	var h DueHealth
	var oldest, stuckFor float64
	var still *bool
	var webhook *uuid.UUID
	// The id of an attempt begins with its time, as all ids do.
	recent := posthorn.DeliveryIDAt(time.Now().Add(-lately)).UUID()
	err := db.pool.QueryRow(ctx, dueHealthSQL, maxDueWalked, NeglectedAfter, maxDueCounted, lately, failingLately, recent).
		Scan(&h.Due, &oldest, &still, &h.Stuck, &stuckFor, &webhook)
	if err != nil {
		return DueHealth{}, translate(err, "look at what is due")
	}
	h.Oldest, h.StuckFor = seconds(oldest), seconds(stuckFor)
	if still != nil && *still {
		h.Still = h.Oldest
	}
	if webhook != nil {
		h.Webhook = posthorn.WebhookID(*webhook)
	}
	c.at, c.known = time.Now(), h
	return h, nil
}

// seconds is a duration of the database.
func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
