package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// Changes lock in one order: the webhook, against its deletion; what is due, against results that come in and against each
// other; then the delivery.

// ReplayDelivery makes a delivery due now.
func (s *DeliveryLog) ReplayDelivery(
	ctx context.Context, tenant posthorn.TenantID, id posthorn.DeliveryID, entry posthorn.AuditEntry,
) error {
	return s.db.inTx(ctx, "replay "+id.String(), func(tx pgx.Tx) error {
		var webhook uuid.UUID
		var hasEvent bool
		err := tx.QueryRow(ctx, `SELECT webhook_id, EXISTS (SELECT FROM events e WHERE e.id = d.event_id) FROM deliveries d
 WHERE id = $1 AND tenant_id = $2`, id.UUID(), tenant.UUID()).Scan(&webhook, &hasEvent)
		if err != nil {
			return err
		}
		if !hasEvent {
			return posthorn.ErrNoEventToReplay
		}
		if err := holdWebhook(ctx, tx, tenant, webhook); errors.Is(err, pgx.ErrNoRows) {
			return posthorn.ErrNoWebhookToReplay
		} else if err != nil {
			return err
		}
		// What is under way is written first, so that the attempts are counted on from it.
		if _, err := tx.Exec(ctx, `SELECT FROM due WHERE delivery_id = $1 FOR UPDATE`, id.UUID()); err != nil {
			return err
		}
		// A row that is not under a lease becomes due; one that is, or is due already, stays as it is. Without a row the
		// delivery had come to its end.
		tag, err := tx.Exec(ctx, `INSERT INTO due (delivery_id, webhook_id, next_attempt_at, lease_token, attempts, schedule, test, status_code, error_class)
SELECT id, webhook_id, now(), 0, attempts, 0, test, status_code, error_class FROM deliveries WHERE id = $1
ON CONFLICT (delivery_id) DO UPDATE SET next_attempt_at = now() WHERE due.lease_token = 0 AND due.next_attempt_at > now()`, id.UUID())
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		var before posthorn.DeliveryState
		err = tx.QueryRow(ctx, `WITH old AS (SELECT id, state FROM deliveries WHERE id = $1 FOR UPDATE),
 d AS (UPDATE deliveries SET state = 'pending', reason = '', finished_at = NULL FROM old WHERE deliveries.id = $1 AND old.state <> 'pending'),
 dead AS (DELETE FROM dead_letters WHERE delivery_id = $1),
 cancelled AS (DELETE FROM cancelled_deliveries WHERE delivery_id = $1)
SELECT state FROM old`, id.UUID()).Scan(&before)
		if err != nil {
			return err
		}
		entry.StateBefore(before)
		return writeAudit(ctx, tx, entry)
	})
}

// holdWebhook keeps a webhook from being deleted while something is made due for it; no row means that it is gone.
func holdWebhook(ctx context.Context, tx pgx.Tx, tenant posthorn.TenantID, id uuid.UUID) error {
	return tx.QueryRow(ctx, `SELECT id FROM webhooks WHERE tenant_id = $1 AND id = $2 FOR KEY SHARE`, tenant.UUID(), id).Scan(&id)
}

// StopDelivery cancels a pending delivery. An attempt that is under way loses its lease, and with it its result.
func (s *DeliveryLog) StopDelivery(
	ctx context.Context, tenant posthorn.TenantID, id posthorn.DeliveryID, reason string, entry posthorn.AuditEntry,
) error {
	return s.db.inTx(ctx, "stop "+id.String(), func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `SELECT FROM deliveries WHERE id = $1 AND tenant_id = $2`, id.UUID(), tenant.UUID()).Scan()
		if err != nil {
			return err
		}
		var leased bool
		err = tx.QueryRow(ctx, `DELETE FROM due WHERE delivery_id = $1 RETURNING lease_token <> 0 AND next_attempt_at > now()`, id.UUID()).
			Scan(&leased)
		if errors.Is(err, pgx.ErrNoRows) {
			return posthorn.ErrNotPending
		}
		if err != nil {
			return err
		}
		if leased {
			reason += " while an attempt was under way"
		}
		_, err = tx.Exec(ctx, `WITH d AS (
  UPDATE deliveries SET state = 'cancelled', reason = $2, finished_at = now() WHERE id = $1
  RETURNING `+cancelledColumns+`)
`+insertCancelled+` FROM d ON CONFLICT DO NOTHING`, id.UUID(), reason)
		if err != nil {
			return err
		}
		entry.StateBefore(posthorn.DeliveryPending)
		return writeAudit(ctx, tx, entry)
	})
}

// replayBatch is how many deliveries one transaction makes due, when there are many.
const replayBatch = 500

// replayFailedSQL makes the next dead letters of a webhook due, but for tests, and for events that are past the retention. The
// answer is how many were replayed, and the last one that
// was looked at.
const replayFailedSQL = `
WITH dl AS MATERIALIZED (
  SELECT delivery_id FROM dead_letters
   WHERE webhook_id = $1 AND tenant_id = $2 AND delivery_id > $3 AND failed_at >= $4 AND failed_at < $5
   ORDER BY delivery_id LIMIT $6 FOR UPDATE),
q AS (
  INSERT INTO due (delivery_id, webhook_id, next_attempt_at, lease_token, attempts, schedule, test, status_code, error_class)
  SELECT d.id, d.webhook_id, now(), 0, d.attempts, 0, d.test, d.status_code, d.error_class FROM dl JOIN deliveries d ON d.id = dl.delivery_id
   WHERE NOT d.test AND d.id BETWEEN (SELECT delivery_id FROM dl ORDER BY delivery_id LIMIT 1)
     AND (SELECT delivery_id FROM dl ORDER BY delivery_id DESC LIMIT 1)
     AND EXISTS (SELECT FROM events e WHERE e.id = d.event_id)
   ORDER BY d.id
  ON CONFLICT (delivery_id) DO NOTHING
  RETURNING delivery_id),
s AS (UPDATE deliveries SET state = 'pending', reason = '', finished_at = NULL FROM q
   WHERE id = q.delivery_id AND id BETWEEN (SELECT delivery_id FROM dl ORDER BY delivery_id LIMIT 1)
     AND (SELECT delivery_id FROM dl ORDER BY delivery_id DESC LIMIT 1)),
x AS (DELETE FROM dead_letters USING q WHERE dead_letters.delivery_id = q.delivery_id)
SELECT (SELECT count(*) FROM q), (SELECT delivery_id FROM dl ORDER BY delivery_id DESC LIMIT 1)`

// ReplayFailed makes deliveries of a webhook due again that failed for good since a time. It goes on in batches; the audit
// log gets its entry with the first.
func (s *DeliveryLog) ReplayFailed(
	ctx context.Context, tenant posthorn.TenantID, webhook posthorn.WebhookID, since time.Time, entry posthorn.AuditEntry,
) (total int, err error) {
	started := time.Now()
	at := uuid.Nil
	for first := true; first || at != uuid.Nil; first = false {
		var n int
		err = s.db.inTx(ctx, "replay what failed at "+webhook.String(), func(tx pgx.Tx) error {
			if err := holdWebhook(ctx, tx, tenant, webhook.UUID()); err != nil {
				return err
			}
			var last *uuid.UUID
			err := tx.QueryRow(ctx, replayFailedSQL, webhook.UUID(), tenant.UUID(), at, since, started, replayBatch).Scan(&n, &last)
			if err != nil {
				return err
			}
			if at = uuid.Nil; last != nil {
				at = *last
			}
			if !first {
				return nil
			}
			return writeAudit(ctx, tx, entry)
		})
		if err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}

// DeliveryTenant returns whose a delivery is, for commands that are given its id alone.
func (s *DeliveryLog) DeliveryTenant(ctx context.Context, id posthorn.DeliveryID) (posthorn.TenantID, error) {
	return s.ownerOf(ctx, `SELECT tenant_id FROM deliveries WHERE id = $1`, id.UUID(), id.String())
}

// WebhookTenant returns whose a webhook is, for commands that are given its id alone.
func (s *DeliveryLog) WebhookTenant(ctx context.Context, id posthorn.WebhookID) (posthorn.TenantID, error) {
	return s.ownerOf(ctx, `SELECT tenant_id FROM webhooks WHERE id = $1`, id.UUID(), id.String())
}

func (s *DeliveryLog) ownerOf(ctx context.Context, sql string, id uuid.UUID, name string) (posthorn.TenantID, error) {
	var tenant uuid.UUID
	err := translate(s.db.pool.QueryRow(ctx, sql, id).Scan(&tenant), "find "+name)
	if posthorn.KindOf(err) == posthorn.NotFound {
		err = posthorn.Because(posthorn.NotFound, "There is no "+name+".", err)
	}
	return posthorn.TenantID(tenant), err
}
