package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

var _ posthorn.DeliveryFinder = (*DeliveryLog)(nil)

// DeliveryBackground returns what a delivery's place in the schedule depends on.
func (s *DeliveryLog) DeliveryBackground(ctx context.Context, e *posthorn.LogEntry) (b posthorn.DeliveryBackground, err error) {
	var activity *uuid.UUID
	var scheduled *int
	var throttled *time.Time
	err = s.db.pool.QueryRow(ctx, `SELECT (SELECT activity_id FROM events WHERE id = $1 AND tenant_id = $4),
       (SELECT schedule FROM due WHERE delivery_id = $2), (SELECT throttled_until FROM webhook_health WHERE webhook_id = $3)`,
		e.EventID.UUID(), e.ID.UUID(), e.WebhookID.UUID(), e.TenantID.UUID()).Scan(&activity, &scheduled, &throttled)
	if err != nil {
		return b, translate(err, "get the background of "+e.ID.String())
	}
	if activity != nil {
		b.ActivityID = posthorn.ActivityID(*activity)
	}
	if scheduled != nil {
		b.Scheduled = *scheduled
	}
	b.ThrottledUntil = utc(throttled)
	return b, nil
}

// How long before and after a record its events may have got their ids. They get them when the record comes in, so this only
// says which partitions are looked at.
const (
	causedBefore = time.Hour
	causedAfter  = 24 * time.Hour
)

// DeliveriesOfActivity returns the events that a record of activity caused, each with its deliveries in the order of the names of
// their webhooks.
func (s *DeliveryLog) DeliveriesOfActivity(
	ctx context.Context, tenant posthorn.TenantID, id posthorn.ActivityID,
) (events []posthorn.CausedEvent, err error) {
	err = s.db.snapshot(ctx, "find what "+id.String()+" caused", func(tx pgx.Tx) error {
		at := id.Time()
		rows, err := tx.Query(ctx, `SELECT id, event FROM events
 WHERE activity_id = $1 AND tenant_id = $2 AND id BETWEEN $3 AND $4 ORDER BY id LIMIT 10`, pgx.QueryExecModeCacheDescribe, id.UUID(), tenant.UUID(),
			posthorn.EventIDAt(at.Add(-causedBefore)).UUID(), posthorn.EventIDAt(at.Add(causedAfter)).UUID())
		if err != nil {
			return err
		}
		events, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (e posthorn.CausedEvent, err error) {
			return e, row.Scan((*uuid.UUID)(&e.ID), &e.Event)
		})
		if err != nil || len(events) == 0 {
			return err
		}
		batch := &pgx.Batch{}
		for i := range events {
			queueCaused(batch, tenant, &events[i])
		}
		return tx.SendBatch(ctx, batch).Close()
	})
	return events, err
}

// queueCaused asks for the deliveries of an event, one more than are listed, to know whether there are more.
func queueCaused(batch *pgx.Batch, tenant posthorn.TenantID, e *posthorn.CausedEvent) {
	first, last := deliveryRange(e.ID)
	batch.Queue(`WITH d AS (
  SELECT id, webhook_id, state, attempts, status_code, error_class FROM deliveries
   WHERE id BETWEEN $2 AND $3 AND event_id = $4 AND tenant_id = $1 LIMIT 1000)
SELECT d.id, coalesce(w.name, x.name, ''), d.state, d.attempts, d.status_code, d.error_class, coalesce(q.lease_token <> 0 AND q.next_attempt_at > now(), false)
  FROM d LEFT JOIN webhooks w ON w.tenant_id = $1 AND w.id = d.webhook_id
         LEFT JOIN deleted_webhooks x ON x.tenant_id = $1 AND x.id = d.webhook_id LEFT JOIN due q ON q.delivery_id = d.id
 ORDER BY lower(coalesce(w.name, x.name, '')), d.id LIMIT $5`, tenant.UUID(), first, last, e.ID.UUID(), posthorn.MaxCausedDeliveries+1).
		Query(func(rows pgx.Rows) error {
			list, err := pgx.CollectRows(rows, scanCaused)
			if err != nil {
				return err
			}
			e.More = len(list) > posthorn.MaxCausedDeliveries
			e.Deliveries = list[:min(len(list), posthorn.MaxCausedDeliveries)]
			return nil
		})
}

func scanCaused(row pgx.CollectableRow) (d posthorn.CausedDelivery, err error) {
	var status *int
	var class *string
	err = row.Scan((*uuid.UUID)(&d.ID), &d.WebhookName, &d.State, &d.Attempts, &status, &class, &d.InHand)
	if status != nil {
		d.StatusCode = *status
	}
	d.ErrorClass = posthorn.ErrorClass(orEmpty(class))
	return d, err
}
