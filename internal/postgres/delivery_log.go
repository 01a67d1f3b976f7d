package postgres

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// DeliveryLog reads deliveries with their attempts, and changes what becomes of them. It implements posthorn.DeliveryStore.
type DeliveryLog struct {
	db *DB
	// missedBudget is how long ReplayMissed works itself.
	missedBudget time.Duration
	// scan is how many deliveries a query looks at.
	scan int
}

// NewDeliveryLog makes the store.
func NewDeliveryLog(db *DB) *DeliveryLog {
	return &DeliveryLog{db: db, missedBudget: missedBudget, scan: deliveriesScanned}
}

var _ posthorn.DeliveryStore = (*DeliveryLog)(nil)

const (
	// maxPageBytes is from when on a page is cut, in bytes: the events and responses of 200 deliveries may be 150 MiB.
	maxPageBytes = 16 << 20
	// entryChunk is how many entries are filled in at a time, between two looks at their size.
	entryChunk = 20
	// attemptSkew is how far behind the clock of the process that made an attempt may be, compared with that of the one that
	// took the event in: ids, and so partitions, follow the clocks.
	attemptSkew = time.Hour
)

// beginSnapshot begins a transaction that sees one state of the database. What it reads is found through indexes on disks that
// have no heads to move, or in memory: without being told, the database rather reads a month of a tenant's deliveries in their
// order than those of one webhook.
const beginSnapshot = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL random_page_cost = 1.1"

// snapshot runs queries that see one state of the database.
func (db *DB) snapshot(ctx context.Context, op string, read func(tx pgx.Tx) error) error {
	return translate(pgx.BeginTxFunc(ctx, db.pool, pgx.TxOptions{BeginQuery: beginSnapshot}, read), op)
}

// ListDeliveries returns a page, newest first.
func (s *DeliveryLog) ListDeliveries(
	ctx context.Context, tenant posthorn.TenantID, q posthorn.DeliveryQuery,
) (rows posthorn.DeliveryRows, err error) {
	err = s.db.snapshot(ctx, "list the deliveries of "+tenant.String(), func(tx pgx.Tx) error {
		key, err := eventOfKey(ctx, tx, tenant, q.Filter.Text)
		if err != nil {
			return err
		}
		search := searchDeliveries(tenant, &q, posthorn.DeliveryID{}, key, s.scan)
		entries, err := queryEntries(ctx, tx, search.sql(entryColumns, q.Position.Limit+1), search.args)
		if err != nil {
			return err
		}
		more := len(entries) > q.Position.Limit
		if !more {
			if rows.Reached, err = search.reached(ctx, tx); err != nil {
				return err
			}
		}
		entries = entries[:min(len(entries), q.Position.Limit)]
		filled, err := fillEntries(ctx, tx, tenant, entries, q.Brief)
		if err != nil {
			return err
		}
		if filled < len(entries) { // what is left out of the page is on the next
			more, entries, rows.Reached = true, entries[:filled], posthorn.DeliveryID{}
		}
		more = more || !rows.Reached.IsZero()
		rows.Entries, rows.HasOlder, rows.HasNewer = entries, more, !q.Position.After.IsZero()
		if !q.Position.Before.IsZero() {
			slices.Reverse(entries)
			rows.HasOlder, rows.HasNewer = true, more
		}
		return nil
	})
	return rows, err
}

// Delivery returns one delivery of a tenant with its attempts.
func (s *DeliveryLog) Delivery(ctx context.Context, tenant posthorn.TenantID, id posthorn.DeliveryID) (entry posthorn.LogEntry, err error) {
	err = s.db.snapshot(ctx, "get "+id.String(), func(tx pgx.Tx) error {
		entries, err := queryEntries(ctx, tx, `SELECT `+entryColumns+` FROM deliveries d WHERE d.id = $1 AND d.tenant_id = $2`,
			[]any{id.UUID(), tenant.UUID()})
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			return pgx.ErrNoRows
		}
		_, err = fillEntries(ctx, tx, tenant, entries, false)
		entry = entries[0]
		return err
	})
	return entry, err
}

// DeliveryState returns what has become of a delivery.
func (s *DeliveryLog) DeliveryState(
	ctx context.Context, tenant posthorn.TenantID, id posthorn.DeliveryID,
) (state posthorn.DeliveryState, err error) {
	err = s.db.pool.QueryRow(ctx, `SELECT state FROM deliveries WHERE id = $1 AND tenant_id = $2`, id.UUID(), tenant.UUID()).Scan(&state)
	return state, translate(err, "get the state of "+id.String())
}

const entryColumns = `d.id, d.tenant_id, d.webhook_id, d.event_id, d.event, d.application_id, d.payload_scheme, d.test, d.created_at, d.url,
       d.state, d.reason, d.attempts, d.status_code, d.error_class, d.duration_ms, d.finished_at`

// queryEntries reads rows of entryColumns. The best plan depends on the values: see DB.query.
func queryEntries(ctx context.Context, tx pgx.Tx, sql string, args []any) ([]posthorn.LogEntry, error) {
	rows, err := tx.Query(ctx, sql, append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanEntry)
}

func scanEntry(row pgx.CollectableRow) (posthorn.LogEntry, error) {
	var e posthorn.LogEntry
	var application *uuid.UUID
	var status, duration *int
	var class *string
	var finished *time.Time
	err := row.Scan((*uuid.UUID)(&e.ID), (*uuid.UUID)(&e.TenantID), (*uuid.UUID)(&e.WebhookID), (*uuid.UUID)(&e.EventID), &e.Event,
		&application, &e.Payload, &e.Test, &e.CreatedAt, &e.URL, &e.State, &e.Reason, &e.Attempts, &status, &class, &duration, &finished)
	if application != nil {
		e.ApplicationID = posthorn.ApplicationID(*application)
	}
	if status != nil {
		e.StatusCode = *status
	}
	if class != nil {
		e.ErrorClass = posthorn.ErrorClass(*class)
	}
	if duration != nil {
		e.Duration = time.Duration(*duration) * time.Millisecond
	}
	e.CreatedAt, e.FinishedAt = e.CreatedAt.UTC(), utc(finished)
	return e, err
}

// fillEntries adds to entries what is not in their own rows, until that is too much for a page, and returns for how many. Brief
// ones stay without the data of their events and without their attempts.
func fillEntries(
	ctx context.Context, tx pgx.Tx, tenant posthorn.TenantID, entries []posthorn.LogEntry, brief bool,
) (filled int, err error) {
	if brief && len(entries) > 0 {
		return len(entries), fillChunk(ctx, tx, tenant, entries, true)
	}
	bytes := 0
	for filled < len(entries) && bytes < maxPageBytes {
		chunk := entries[filled:min(filled+entryChunk, len(entries))]
		if err := fillChunk(ctx, tx, tenant, chunk, false); err != nil {
			return filled, err
		}
		for i := range chunk {
			bytes += len(chunk[i].Data)
			for _, a := range chunk[i].History {
				bytes += len(a.ResponseBody)
			}
		}
		filled += len(chunk)
	}
	return filled, nil
}

// fillChunk adds events, attempts, what is due and the names of webhooks, in one round trip. What is found by id is found
// within the range of the ids, so that the partitions of other days are not touched.
func fillChunk(ctx context.Context, tx pgx.Tx, tenant posthorn.TenantID, entries []posthorn.LogEntry, brief bool) error {
	byID := make(map[uuid.UUID]*posthorn.LogEntry, len(entries))
	var ids, events, webhooks []uuid.UUID
	oldest, newest := entries[0].EventID, entries[0].EventID
	for i := range entries {
		e := &entries[i]
		ids, events = append(ids, e.ID.UUID()), append(events, e.EventID.UUID())
		if byID[e.ID.UUID()] = e; !slices.Contains(webhooks, e.WebhookID.UUID()) {
			webhooks = append(webhooks, e.WebhookID.UUID())
		}
		oldest = minID(oldest, e.EventID)
		newest = maxID(newest, e.EventID)
	}
	batch := &pgx.Batch{}
	if !brief {
		batch.Queue(`SELECT id, occurred_at, payload::text FROM events WHERE id = ANY ($1) AND id BETWEEN $2 AND $3`,
			events, oldest.UUID(), newest.UUID()).Query(func(rows pgx.Rows) error { return addEvents(rows, entries) })
		batch.Queue(`SELECT `+attemptColumns+` FROM attempts WHERE delivery_id = ANY ($1) AND id >= $2 ORDER BY delivery_id, number, id`,
			ids, posthorn.EventIDAt(oldest.Time().Add(-attemptSkew)).UUID()).Query(func(rows pgx.Rows) error { return addAttempts(rows, byID) })
	}
	batch.Queue(`SELECT delivery_id, next_attempt_at, lease_token <> 0 AND next_attempt_at > now() FROM due WHERE delivery_id = ANY ($1)`, ids).
		Query(func(rows pgx.Rows) error { return addDue(rows, byID) })
	batch.Queue(`SELECT id, name, false FROM webhooks WHERE tenant_id = $1 AND id = ANY ($2)
 UNION ALL SELECT id, name, true FROM deleted_webhooks WHERE tenant_id = $1 AND id = ANY ($2)`, tenant.UUID(), webhooks).
		Query(func(rows pgx.Rows) error { return addNames(rows, entries) })
	return tx.SendBatch(ctx, batch).Close()
}

func addEvents(rows pgx.Rows, entries []posthorn.LogEntry) error {
	var id uuid.UUID
	var occurred time.Time
	var payload string
	_, err := pgx.ForEachRow(rows, []any{&id, &occurred, &payload}, func() error {
		for i := range entries {
			if entries[i].EventID.UUID() == id {
				entries[i].OccurredAt, entries[i].Data = occurred.UTC(), json.RawMessage(payload)
			}
		}
		return nil
	})
	return err
}

func addDue(rows pgx.Rows, byID map[uuid.UUID]*posthorn.LogEntry) error {
	var id uuid.UUID
	var at time.Time
	var leased bool
	_, err := pgx.ForEachRow(rows, []any{&id, &at, &leased}, func() error {
		if byID[id].InHand = leased; !leased {
			byID[id].NextAttemptAt = at.UTC()
		}
		return nil
	})
	return err
}

func addNames(rows pgx.Rows, entries []posthorn.LogEntry) error {
	var id uuid.UUID
	var name string
	var deleted bool
	_, err := pgx.ForEachRow(rows, []any{&id, &name, &deleted}, func() error {
		for i := range entries {
			if entries[i].WebhookID.UUID() == id {
				entries[i].WebhookName, entries[i].WebhookDeleted = name, deleted
			}
		}
		return nil
	})
	return err
}

// minID and maxID compare ids by the order that the database has them in.
func minID(a, b posthorn.EventID) posthorn.EventID {
	if string(b[:]) < string(a[:]) {
		return b
	}
	return a
}

func maxID(a, b posthorn.EventID) posthorn.EventID {
	if string(b[:]) > string(a[:]) {
		return b
	}
	return a
}
