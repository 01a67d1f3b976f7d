package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"posthorn/internal/posthorn"
)

// DueHealth says how deliveries that are due fare, in all processes together.
type DueHealth struct {
	// Due is how many are due and in nobody's hand, those of paused webhooks included, counted up to maxDueCounted.
	Due int
	// Oldest is how long the oldest has been due whose webhook is active and not throttled, 0 when there is none.
	Oldest time.Duration
	// Neglected is how long the oldest has been due of a webhook that nobody tries to send anything to, and Webhook which that
	// is. It is at least NeglectedAfter, or 0 when there is none: then dispatchers are at work.
	Neglected time.Duration
	Webhook   posthorn.WebhookID
}

// NeglectedAfter is from when on a delivery that nobody tries to send tells that no dispatcher is at work.
const NeglectedAfter = 5 * time.Minute

const (
	// dueHealthAge is how old an answer of DueHealth may be.
	dueHealthAge = 5 * time.Second
	// maxDueCounted bounds the count of what is due.
	maxDueCounted = 100_000
	// maxDueWalked bounds how many webhooks are looked at.
	maxDueWalked = 10_000
)

// dueHealthSQL walks from webhook to webhook by the index, as claimSQL does, and looks at the oldest delivery of each. A
// delivery waits from when it is due, its webhook is active and its throttling over, whichever comes last. A backlog alone
// says nothing about the dispatchers: a webhook may be slow, have a rate, or fail, and a failing one is left alone for
// minutes between two attempts. Neglected is one whose oldest delivery is due for long, and where even so nothing was tried
// lately.
const dueHealthSQL = `
WITH RECURSIVE w AS (
  (SELECT webhook_id, next_attempt_at, 1 AS n FROM due ORDER BY webhook_id, next_attempt_at LIMIT 1)
  UNION ALL
  SELECT d.webhook_id, d.next_attempt_at, w.n + 1
    FROM w CROSS JOIN LATERAL (SELECT webhook_id, next_attempt_at FROM due WHERE webhook_id > w.webhook_id
                                ORDER BY webhook_id, next_attempt_at LIMIT 1) d
   WHERE w.n < $1),
waiting AS MATERIALIZED (
  SELECT w.webhook_id, greatest(w.next_attempt_at, h.state_since, s.throttled_until) AS since, s.failing_since IS NOT NULL AS failing
    FROM w JOIN webhooks h ON h.id = w.webhook_id LEFT JOIN webhook_health s ON s.webhook_id = w.webhook_id
   WHERE w.next_attempt_at <= now() AND h.state = 'active' AND (s.throttled_until IS NULL OR s.throttled_until <= now())),
neglected AS (
  SELECT webhook_id, since FROM waiting
   WHERE since <= now() - $2::interval
     AND NOT EXISTS (SELECT FROM webhook_minutes m WHERE m.webhook_id = waiting.webhook_id
                        AND m.minute > now() - CASE WHEN failing THEN interval '15 minutes' ELSE interval '3 minutes' END)
   ORDER BY since LIMIT 1)
SELECT (SELECT count(*) FROM (SELECT FROM due WHERE next_attempt_at <= now() LIMIT $3) d),
       coalesce(extract(epoch FROM now() - (SELECT min(since) FROM waiting)), 0)::float8,
       coalesce(extract(epoch FROM now() - (SELECT since FROM neglected)), 0)::float8,
       (SELECT webhook_id FROM neglected)`

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
	var due int
	var oldest, neglected float64
	var webhook *uuid.UUID
	err := db.pool.QueryRow(ctx, dueHealthSQL, maxDueWalked, NeglectedAfter, maxDueCounted).Scan(&due, &oldest, &neglected, &webhook)
	if err != nil {
		return DueHealth{}, translate(err, "look at what is due")
	}
	c.at, c.known = time.Now(), DueHealth{Due: due, Oldest: seconds(oldest), Neglected: seconds(neglected)}
	if webhook != nil {
		c.known.Webhook = posthorn.WebhookID(*webhook)
	}
	return c.known, nil
}

// seconds is a duration of the database.
func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
