package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// coversEvent is the condition that a webhook w covers an event e: that of posthorn.SubscriptionsFor, as in emitSQL.
const coversEvent = `(w.application_id IS NULL OR w.application_id = e.application_id)
             AND w.events && (ARRAY[e.event, split_part(e.event, '.', 1) || '.*']
                   || CASE WHEN split_part(e.event, '.', 1) IN ('webhook', 'delivery') THEN '{}'::text[] ELSE '{*}'::text[] END)`

// replayMissedSQL makes the deliveries of the next events that a webhook covers and has no delivery of, looking at so many
// events. They have the ids that they would have had at once, so what is there already is not made again. The answer is how
// many were made, how many events were covered, how many were looked at, and the last one of both.
const replayMissedSQL = `
WITH seen AS MATERIALIZED (
  SELECT id, tenant_id, event, application_id FROM events
   WHERE tenant_id = $2 AND id > $3 AND id < $4 AND NOT test ORDER BY id LIMIT $6),
e AS MATERIALIZED (
  SELECT e.id, e.tenant_id, e.event, e.application_id, w.id AS webhook_id, w.url, w.payload_scheme
    FROM seen e JOIN webhooks w ON w.id = $1 AND w.tenant_id = e.tenant_id
   WHERE ` + coversEvent + `
   ORDER BY e.id LIMIT $5),
d AS (
  INSERT INTO deliveries (id, tenant_id, webhook_id, event_id, event, application_id, payload_scheme, test, created_at, url,
         state, reason, attempts)
  SELECT delivery_id(id, webhook_id), tenant_id, webhook_id, id, event, application_id, payload_scheme, false, now(), url,
         'pending', '', 0
    FROM e
  ON CONFLICT (id) DO NOTHING
  RETURNING id, webhook_id),
q AS (
  INSERT INTO due (delivery_id, webhook_id, next_attempt_at, lease_token, attempts, schedule, test)
  SELECT id, webhook_id, now(), 0, 0, 0, false FROM d)
SELECT (SELECT count(*) FROM d), (SELECT count(*) FROM e), (SELECT count(*) FROM seen),
       (SELECT id FROM e ORDER BY id DESC LIMIT 1), (SELECT id FROM seen ORDER BY id DESC LIMIT 1)`

// missedBatch is what a batch of missed deliveries came to.
type missedBatch struct {
	made, covered int
	// last is the last event that it came past, more whether there may be more after it.
	last uuid.UUID
	more bool
}

// makeMissed makes the next deliveries that a webhook missed, n at most, of events after one and before another.
func makeMissed(
	ctx context.Context, tx pgx.Tx, tenant posthorn.TenantID, webhook posthorn.WebhookID, after, until uuid.UUID, n int,
) (b missedBatch, err error) {
	var seen int
	var covered, looked *uuid.UUID
	err = tx.QueryRow(ctx, replayMissedSQL, webhook.UUID(), tenant.UUID(), after, until, n, replayEventsLooked).
		Scan(&b.made, &b.covered, &seen, &covered, &looked)
	b.last = after
	switch {
	case b.covered == n && covered != nil:
		b.last, b.more = *covered, true
	case looked != nil:
		b.last, b.more = *looked, seen == replayEventsLooked
	}
	return b, err
}

// missedBudget is how long a request makes missed deliveries itself. A bulk replay makes the rest.
const missedBudget = 8 * time.Second

// ReplayMissed makes the deliveries that a webhook should have got and did not. It goes on in batches; the audit log gets its
// entry with the first. What is left when its time is up is left to a bulk replay at the highest rate, whose id is returned.
func (s *DeliveryLog) ReplayMissed(
	ctx context.Context, tenant posthorn.TenantID, webhook posthorn.WebhookID, m posthorn.MissedRange, entry posthorn.AuditEntry,
) (out posthorn.MissedReplay, err error) {
	var from, until posthorn.EventID
	began := time.Now()
	for first, more := true, true; more; first = false {
		var b missedBatch
		var goesOn posthorn.ReplayID
		err = s.db.inTx(ctx, "replay what "+webhook.String()+" missed", func(tx pgx.Tx) error {
			if err := holdWebhook(ctx, tx, tenant, webhook.UUID()); err != nil {
				return err
			}
			if first {
				if from, until, err = missedIDs(ctx, tx, webhook, m); err != nil {
					return err
				}
				if err := writeAudit(ctx, tx, entry); err != nil {
					return err
				}
			}
			var err error
			b, err = makeMissed(ctx, tx, tenant, webhook, from.UUID(), until.UUID(), replayBatch)
			if err != nil || !b.more || time.Since(began) < s.missedBudget {
				return err
			}
			b.more = false
			goesOn, err = leaveMissed(ctx, tx, tenant, webhook, posthorn.EventID(b.last), until, entry.Actor)
			return err
		})
		if err != nil {
			return out, err
		}
		from, more = posthorn.EventID(b.last), b.more
		out.Deliveries += b.made
		out.GoesOn = goesOn
	}
	return out, nil
}

// leaveMissed begins a bulk replay of what a webhook missed after an event, and returns its id.
func leaveMissed(
	ctx context.Context, tx pgx.Tx, tenant posthorn.TenantID, webhook posthorn.WebhookID, from, until posthorn.EventID, actor posthorn.Actor,
) (posthorn.ReplayID, error) {
	r := posthorn.Replay{
		ID: posthorn.NewReplayID(), TenantID: tenant, Kind: posthorn.ReplayOfMissed, WebhookID: webhook, Rate: posthorn.MaxReplayRate,
		Filter: posthorn.DeliveryFilter{WebhookID: webhook, From: from.Time(), To: until.Time()},
		Total:  posthorn.Estimate{More: true}, CreatedAt: time.Now(), CreatedBy: actor.Name,
	}
	return r.ID, insertReplay(ctx, tx, &r, from, until)
}

// missedIDs bounds the ids of the events that a webhook missed. Both are zero when it never stopped.
func missedIDs(ctx context.Context, tx pgx.Tx, webhook posthorn.WebhookID, m posthorn.MissedRange) (from, until posthorn.EventID, err error) {
	since, end := m.Since, m.Until
	if since.IsZero() {
		var created, now time.Time
		var stopped, resumed *time.Time
		err = tx.QueryRow(ctx, `SELECT created_at, stopped_at, resumed_at, now() FROM webhooks WHERE id = $1`, webhook.UUID()).
			Scan(&created, &stopped, &resumed, &now)
		if err != nil || stopped == nil {
			return from, until, err
		}
		// What came before the webhook was made it has not missed.
		if since = stopped.Add(-posthorn.MissedSlack); since.Before(created) {
			since = created
		}
		if end = now; resumed != nil {
			end = *resumed
		}
		end = end.Add(posthorn.MissedSlack)
	}
	if since.Before(m.Kept) {
		since = m.Kept
	}
	return posthorn.EventIDAt(since), posthorn.EventIDAt(end), nil
}
