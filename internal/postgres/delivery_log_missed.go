package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// replayMissedSQL makes the deliveries of the next events that a webhook covers and has no delivery of. They have the ids
// that they would have had at once, so what is there already is not made again. The answer is how many were made, how many
// events were covered, and the last one of them.
//
// The subscriptions that cover an event are those of posthorn.SubscriptionsFor, as in emitSQL.
const replayMissedSQL = `
WITH e AS MATERIALIZED (
  SELECT e.id, e.tenant_id, e.event, e.application_id, w.id AS webhook_id, w.url, w.payload_scheme
    FROM webhooks w JOIN events e ON e.tenant_id = w.tenant_id
   WHERE w.id = $1 AND w.tenant_id = $2 AND e.id > $3 AND e.id < $4 AND NOT e.test
     AND (w.application_id IS NULL OR w.application_id = e.application_id)
     AND w.events && (ARRAY[e.event, split_part(e.event, '.', 1) || '.*']
           || CASE WHEN split_part(e.event, '.', 1) IN ('webhook', 'delivery') THEN '{}'::text[] ELSE '{*}'::text[] END)
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
SELECT (SELECT count(*) FROM d), (SELECT count(*) FROM e), (SELECT id FROM e ORDER BY id DESC LIMIT 1)`

// ReplayMissed makes the deliveries that a webhook should have got and did not. It goes on in batches; the audit log gets its
// entry with the first.
func (s *DeliveryLog) ReplayMissed(
	ctx context.Context, tenant posthorn.TenantID, webhook posthorn.WebhookID, m posthorn.MissedRange, entry posthorn.AuditEntry,
) (total int, err error) {
	var from, until posthorn.EventID
	for first, more := true, true; more; first = false {
		var made, covered int
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
			var last *uuid.UUID
			err := tx.QueryRow(ctx, replayMissedSQL, webhook.UUID(), tenant.UUID(), from.UUID(), until.UUID(), replayBatch).
				Scan(&made, &covered, &last)
			if last != nil {
				from = posthorn.EventID(*last)
			}
			return err
		})
		if err != nil {
			return total, err
		}
		total += made
		more = covered == replayBatch
	}
	return total, nil
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
