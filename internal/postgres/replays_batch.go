package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// filterStep makes the next deliveries that a filter selects due, as many as the rate allows after those that this second has
// had. Those that cannot be sent again are passed by: tests, what is under way, and those whose event or webhook is gone.
func filterStep(ctx context.Context, tx pgx.Tx, s *storedReplay, had int) (b batchStep, err error) {
	key, err := eventOfKey(ctx, tx, s.TenantID, s.Filter.Text)
	if err != nil {
		return b, err
	}
	q := posthorn.DeliveryQuery{
		Filter: s.Filter, Position: posthorn.DeliveryPosition{Before: posthorn.DeliveryID(s.cursor), Limit: replayLooked},
	}
	search := searchDeliveries(s.TenantID, &q, posthorn.DeliveryID{}, key, deliveriesScanned)
	entries, err := queryEntries(ctx, tx, search.sql(entryColumns, replayLooked+1), search.args)
	if err != nil {
		return b, err
	}
	b.cursor, b.more = s.cursor, len(entries) > replayLooked
	entries = entries[:min(len(entries), replayLooked)]
	if !b.more {
		reached, err := search.reached(ctx, tx)
		if err != nil {
			return b, err
		}
		// What lies between the last one that is selected and the last one that was looked at is passed by at the end.
		defer func() {
			if !reached.IsZero() && !b.more {
				b.cursor, b.more = reached.UUID(), true
			}
		}()
	}
	if len(entries) == 0 {
		return b, nil
	}
	webhooks, events, err := stillThere(ctx, tx, s.TenantID, entries)
	if err != nil {
		return b, err
	}
	var ids []uuid.UUID
	looked := 0
	for i := range entries {
		e := &entries[i]
		fit := !e.Test && e.State != posthorn.DeliveryPending && webhooks[e.WebhookID.UUID()] && events[e.EventID.UUID()]
		if fit && had+len(ids) >= s.Rate {
			b.more = true
			break
		}
		if looked++; fit {
			ids = append(ids, e.ID.UUID())
		}
		b.cursor = e.ID.UUID()
	}
	if len(ids) > 0 {
		b.made, err = makeDue(ctx, tx, ids, had, s.Rate)
	}
	b.skipped = looked - b.made
	return b, err
}

// stillThere returns which webhooks and events of deliveries there are. The webhooks are held, so that they are not deleted
// while something is made due for them.
func stillThere(
	ctx context.Context, tx pgx.Tx, tenant posthorn.TenantID, entries []posthorn.LogEntry,
) (webhooks, events map[uuid.UUID]bool, err error) {
	var hooks, all []uuid.UUID
	known := map[uuid.UUID]bool{}
	first, last := entries[0].EventID, entries[0].EventID
	for i := range entries {
		first, last = minID(first, entries[i].EventID), maxID(last, entries[i].EventID)
		all = append(all, entries[i].EventID.UUID())
		if id := entries[i].WebhookID.UUID(); !known[id] {
			known[id] = true
			hooks = append(hooks, id)
		}
	}
	webhooks, err = presentIDs(ctx, tx, `SELECT id FROM webhooks WHERE tenant_id = $1 AND id = ANY ($2) ORDER BY id FOR KEY SHARE`, tenant.UUID(), hooks)
	if err != nil {
		return nil, nil, err
	}
	events, err = presentIDs(ctx, tx, `SELECT id FROM events WHERE id = ANY ($1) AND id BETWEEN $2 AND $3`, all, first.UUID(), last.UUID())
	return webhooks, events, err
}

func presentIDs(ctx context.Context, tx pgx.Tx, sql string, args ...any) (map[uuid.UUID]bool, error) {
	rows, err := tx.Query(ctx, sql, append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
	if err != nil {
		return nil, err
	}
	found := map[uuid.UUID]bool{}
	var id uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&id}, func() error {
		found[id] = true
		return nil
	})
	return found, err
}

// makeDueSQL makes deliveries due again that have come to an end, each after its wait in milliseconds. The ids are sorted, so
// that two who do so cannot deadlock.
const makeDueSQL = `
WITH q AS (
  INSERT INTO due (delivery_id, webhook_id, next_attempt_at, lease_token, attempts, schedule, test, status_code, error_class)
  SELECT d.id, d.webhook_id, now() + r.wait * interval '1 millisecond', 0, d.attempts, 0, false, d.status_code, d.error_class
    FROM deliveries d JOIN unnest($1::uuid[], $2::int[]) AS r (id, wait) ON r.id = d.id
   WHERE d.id = ANY ($1) AND d.id BETWEEN $3 AND $4 AND d.state <> 'pending'
   ORDER BY d.id
  ON CONFLICT (delivery_id) DO NOTHING
  RETURNING delivery_id),
s AS (UPDATE deliveries SET state = 'pending', reason = '', finished_at = NULL FROM q
   WHERE id = q.delivery_id AND id = ANY ($1) AND id BETWEEN $3 AND $4),
x AS (DELETE FROM dead_letters USING q WHERE dead_letters.delivery_id = q.delivery_id AND dead_letters.delivery_id = ANY ($1)),
y AS (DELETE FROM cancelled_deliveries USING q
   WHERE cancelled_deliveries.delivery_id = q.delivery_id AND cancelled_deliveries.delivery_id = ANY ($1))
SELECT count(*) FROM q`

// makeDue makes deliveries due, spread over the rest of the second of which had have been used.
func makeDue(ctx context.Context, tx pgx.Tx, ids []uuid.UUID, had, rate int) (made int, err error) {
	waits := make([]int32, len(ids))
	for i := range ids {
		at := time.Duration(i) * replayTurn / time.Duration(rate)
		waits[i] = int32((at - at%replayStep) / time.Millisecond) //nolint:gosec // G115: at most a second
	}
	if had > 0 {
		clear(waits)
	}
	err = tx.QueryRow(ctx, makeDueSQL, pgx.QueryExecModeCacheDescribe, ids, waits, ids[0], ids[len(ids)-1]).Scan(&made)
	return made, err
}

// missedStep makes the next deliveries that a webhook missed, n at most.
func missedStep(ctx context.Context, tx pgx.Tx, s *storedReplay, n int) (b batchStep, err error) {
	err = holdWebhook(ctx, tx, s.TenantID, s.WebhookID.UUID())
	if errors.Is(err, pgx.ErrNoRows) {
		return b, posthorn.ErrNoWebhookToReplay
	}
	if err != nil {
		return b, err
	}
	m, err := makeMissed(ctx, tx, s.TenantID, s.WebhookID, s.cursor, s.until, n)
	b = batchStep{made: m.made, skipped: m.covered - m.made, cursor: m.last, more: m.more}
	return b, err
}
