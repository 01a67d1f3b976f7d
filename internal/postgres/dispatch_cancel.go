package postgres

import (
	"context"
	"log/slog"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// cancelBatch is how many deliveries one transaction ends.
const cancelBatch = 500

// cancelOrphans ends the due deliveries of a webhook that is gone, in batches, and returns how many. The rows of each are locked
// in order, so that it cannot deadlock with results that come in.
func (db *DB) cancelOrphans(ctx context.Context, webhook posthorn.WebhookID) (total int, err error) {
	for n := cancelBatch; n == cancelBatch; total += n {
		err = db.inTx(ctx, "cancel what was due for "+webhook.String(), func(tx pgx.Tx) error {
			rows, err := tx.Query(ctx, `SELECT delivery_id FROM due WHERE webhook_id = $1
    AND NOT EXISTS (SELECT FROM webhooks WHERE id = $1) ORDER BY delivery_id LIMIT $2 FOR UPDATE OF due`, webhook.UUID(), cancelBatch)
			if err != nil {
				return err
			}
			ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
			n = len(ids)
			if err != nil {
				return err
			}
			return cancelDeliveries(ctx, tx, ids, posthorn.CancelledWithWebhook)
		})
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// orphanedSQL walks from webhook to webhook of the due table and finds those that are gone.
const orphanedSQL = `
WITH RECURSIVE w AS (
  (SELECT webhook_id FROM due ORDER BY webhook_id LIMIT 1)
  UNION ALL
  SELECT (SELECT webhook_id FROM due WHERE webhook_id > w.webhook_id ORDER BY webhook_id LIMIT 1) FROM w WHERE w.webhook_id IS NOT NULL)
SELECT webhook_id FROM w WHERE webhook_id IS NOT NULL AND NOT EXISTS (SELECT FROM webhooks WHERE id = w.webhook_id)`

// sweepOrphans ends what is due for webhooks that are gone: what was published while the webhook was being deleted, and what
// the deletion did not get to.
func (db *DB) sweepOrphans(ctx context.Context) error {
	rows, err := db.pool.Query(ctx, orphanedSQL)
	if err != nil {
		return translate(err, "find deliveries of webhooks that are gone")
	}
	webhooks, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return translate(err, "find deliveries of webhooks that are gone")
	}
	for _, id := range webhooks {
		n, err := db.cancelOrphans(ctx, posthorn.WebhookID(id))
		if n > 0 {
			db.log.InfoContext(ctx, "deliveries cancelled", slog.String("webhook_id", posthorn.WebhookID(id).String()),
				slog.Int("deliveries", n), slog.String("reason", posthorn.CancelledWithWebhook))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// cancelledColumns are the columns of a delivery that stand beside it when it is cancelled. insertCancelled selects them from
// something that has them.
const (
	cancelledColumns = `id, tenant_id, webhook_id, event, application_id, attempts, status_code, error_class, duration_ms`
	insertCancelled  = `INSERT INTO cancelled_deliveries (delivery_id, tenant_id, webhook_id, event, application_id, attempts, status_code,
       error_class, duration_ms) SELECT ` + cancelledColumns + ``
)

// cancelDeliveries ends deliveries for a reason. The caller holds their rows in due.
func cancelDeliveries(ctx context.Context, tx pgx.Tx, ids []uuid.UUID, reason string) error {
	if len(ids) == 0 {
		return nil
	}
	first, last := idRange(ids)
	_, err := tx.Exec(ctx, `WITH gone AS (DELETE FROM due WHERE delivery_id = ANY ($1)),
 s AS (UPDATE deliveries SET state = 'cancelled', reason = $4, finished_at = now() WHERE id = ANY ($1) AND id BETWEEN $2 AND $3
       RETURNING `+cancelledColumns+`)
`+insertCancelled+` FROM s ON CONFLICT DO NOTHING`, ids, first, last, reason)
	return err
}
