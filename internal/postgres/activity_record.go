package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"posthorn/internal/metrics"
	"posthorn/internal/posthorn"
)

// ActivityRecorder stores activity through a group commit: concurrent posts share a transaction, and each is answered
// after its own row is durable. It implements posthorn.ActivityRecorder.
type ActivityRecorder struct {
	db        *DB
	log       *slog.Logger
	outbox    *Outbox
	committed func([]posthorn.Activity)
	group     *groupCommit[posthorn.Recording, posthorn.Receipt]
}

// NewActivityRecorder starts the flushers. committed is called after each commit with the records that it stored.
func NewActivityRecorder(
	db *DB, log *slog.Logger, outbox *Outbox, limits GroupLimits, committed func([]posthorn.Activity),
) *ActivityRecorder {
	r := &ActivityRecorder{db: db, log: log, outbox: outbox, committed: committed}
	r.group = newGroupCommit(limits, recordingSize, r.flush)
	return r
}

// Close answers what was accepted and stops the flushers.
func (r *ActivityRecorder) Close() { r.group.close() }

// Record stores one recording and returns after it is durable.
func (r *ActivityRecorder) Record(ctx context.Context, rec posthorn.Recording) (posthorn.Receipt, error) {
	return r.group.do(ctx, rec)
}

// recordingSize estimates the bytes that a recording adds to a statement.
func recordingSize(rec posthorn.Recording) int {
	a := &rec.Record
	n := 1024 + len(a.RequestPayload) + len(a.ResponsePayload) + len(a.ResponseSummary) + len(a.Metadata) + len(a.ErrorMessage)
	for _, e := range rec.Events {
		n += len(e.Data)
	}
	return n
}

// recordSQL stores a batch. The keys are upserted in order, so that two batches cannot deadlock, and a row is written
// only where its key, if it has one, was not there before. Rows that exist already are left alone and not counted
// again, so a batch whose outcome was lost can be repeated. The answer names the rows that a key turned away.
const recordSQL = `
WITH inp AS MATERIALIZED (
  SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::smallint[], $8::text[],
       $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::float8[], $15::text[], $16::text[], $17::text[],
       $18::text[], $19::text[], $20::text[], $21::text[], $22::timestamptz[], $23::text[], $24::text[], $25::text[], $26::text[])
       WITH ORDINALITY AS t (id, tenant_id, activity_type, user_id, request_id, response_id, status_code, blockchain,
       transaction_hash, address, entity_id, entity_name, risk_level, risk_score, request_payload, response_payload,
       response_summary, error_message, metadata, client_app_id, client_app_name, created_at, search, scope, key, response, ord)),
k AS (
  INSERT INTO idempotency_keys AS ik (scope, key, response, expires_at)
  SELECT scope, key, response, now() + interval '24 hours'
    FROM (SELECT DISTINCT ON (scope COLLATE "C", key COLLATE "C") scope, key, response FROM inp WHERE key IS NOT NULL
           ORDER BY scope COLLATE "C", key COLLATE "C", ord) s
   ORDER BY scope COLLATE "C", key COLLATE "C"
  ON CONFLICT (scope, key) DO UPDATE SET
    response   = CASE WHEN ik.expires_at < now() THEN excluded.response   ELSE ik.response   END,
    expires_at = CASE WHEN ik.expires_at < now() THEN excluded.expires_at ELSE ik.expires_at END
  RETURNING scope, key, response),
res AS MATERIALIZED (
  SELECT inp.*, k.response AS first, (k.response IS NULL OR k.response = inp.response) AS fresh
    FROM inp LEFT JOIN k ON k.scope = inp.scope AND k.key = inp.key),
ins AS (
  INSERT INTO user_activity_history (id, tenant_id, activity_type, user_id, request_id, response_id, status_code, blockchain,
         transaction_hash, address, entity_id, entity_name, risk_level, risk_score, request_payload, response_payload,
         response_summary, error_message, metadata, client_app_id, client_app_name, created_at, search)
  SELECT id, tenant_id, activity_type, user_id, request_id, response_id, status_code, blockchain,
         transaction_hash, address, entity_id, entity_name, risk_level, risk_score, request_payload::json, response_payload::json,
         response_summary::json, error_message, metadata::jsonb, client_app_id, client_app_name, created_at,
         array_to_tsvector(string_to_array(search, E'\x1f'))
    FROM res WHERE fresh ORDER BY ord
  ON CONFLICT (id) DO NOTHING
  RETURNING tenant_id, created_at, risk_level, status_code),
m AS (
  INSERT INTO activity_minutes AS am (tenant_id, minute, shard, low, medium, high, critical, unrated, errors)
  SELECT tenant_id, date_trunc('minute', created_at, 'UTC'), $27::smallint, count(*) FILTER (WHERE risk_level = 'low'),
         count(*) FILTER (WHERE risk_level = 'medium'), count(*) FILTER (WHERE risk_level = 'high'),
         count(*) FILTER (WHERE risk_level = 'critical'), count(*) FILTER (WHERE risk_level IS NULL),
         count(*) FILTER (WHERE status_code >= 400)
    FROM ins GROUP BY 1, 2 ORDER BY 1, 2
  ON CONFLICT (tenant_id, minute, shard) DO UPDATE SET
    low = am.low + excluded.low, medium = am.medium + excluded.medium, high = am.high + excluded.high,
    critical = am.critical + excluded.critical, unrated = am.unrated + excluded.unrated, errors = am.errors + excluded.errors)
SELECT ord, first FROM res WHERE NOT fresh`

// flush stores a batch of recordings in one transaction and returns a receipt for each.
func (r *ActivityRecorder) flush(ctx context.Context, shard int, batch []posthorn.Recording) ([]posthorn.Receipt, error) {
	started := time.Now()
	receipts := make([]posthorn.Receipt, len(batch))
	var c columns
	for i, rec := range batch {
		receipts[i] = posthorn.Receipt{ID: rec.Record.ID, RequestID: rec.Record.RequestID}
		if err := addRecording(&c, rec, receipts[i]); err != nil {
			return nil, err
		}
	}
	stored, events, err := r.store(ctx, append(c.args(), shard), batch, receipts)
	if err != nil {
		r.log.ErrorContext(ctx, "activity not recorded", slog.Int("records", len(batch)),
			slog.String("first_id", receipts[0].ID.String()), slog.Any("error", err))
		return nil, fmt.Errorf("record %d activities from %s: %w", len(batch), receipts[0].ID, err)
	}
	r.log.DebugContext(ctx, "activity recorded", slog.Int("records", len(stored)), slog.Int("repeated", len(batch)-len(stored)),
		slog.String("first_id", receipts[0].ID.String()), slog.Duration("took", time.Since(started)))
	r.db.metrics.Flush(metrics.Activity, len(batch))
	r.db.metrics.ActivityRecorded(len(stored))
	if len(stored) > 0 {
		r.committed(stored)
		r.outbox.committed(events)
	}
	return receipts, nil
}

// store runs the transaction of a batch and returns the records that are new, and what became of their events.
func (r *ActivityRecorder) store(
	ctx context.Context, args []any, batch []posthorn.Recording, receipts []posthorn.Receipt,
) (stored []posthorn.Activity, out emitted, err error) {
	tx, err := r.db.pool.Begin(ctx)
	if err != nil {
		return nil, out, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // does nothing after the commit
	repeated, err := repeats(ctx, tx, args, receipts)
	if err != nil {
		return nil, out, err
	}
	var events []posthorn.Event
	for i, rec := range batch {
		if !repeated[i] {
			stored = append(stored, rec.Record.Activity)
			events = append(events, rec.Events...)
		}
	}
	if out, err = r.outbox.emit(ctx, tx, events); err != nil {
		return nil, out, err
	}
	if err := tx.Commit(ctx); err != nil {
		return nil, out, &commitError{err}
	}
	return stored, out, nil
}

// repeats runs recordSQL. It replaces the receipts of repeated posts with the first ones and says which they are.
func repeats(ctx context.Context, tx pgx.Tx, args []any, receipts []posthorn.Receipt) (map[int]bool, error) {
	rows, err := tx.Query(ctx, recordSQL, args...)
	if err != nil {
		return nil, err
	}
	repeated := map[int]bool{}
	var ord int
	var first string
	_, err = pgx.ForEachRow(rows, []any{&ord, &first}, func() error {
		repeated[ord-1] = true
		return json.Unmarshal([]byte(first), &receipts[ord-1])
	})
	return repeated, err
}

func addRecording(c *columns, rec posthorn.Recording, receipt posthorn.Receipt) error {
	a := &rec.Record
	var scope, key, response any
	if rec.Idempotency != nil {
		answer, err := json.Marshal(receipt)
		if err != nil {
			return fmt.Errorf("receipt of %s: %w", receipt.ID, err)
		}
		scope, key, response = rec.Idempotency.Scope, rec.Idempotency.Key, string(answer)
	}
	c.add(a.ID.UUID(), a.TenantID.UUID(), string(a.Type), a.UserID, a.RequestID, textOrNull(a.ResponseID), a.StatusCode,
		textOrNull(a.Blockchain), textOrNull(a.TransactionHash), textOrNull(a.Address), textOrNull(a.EntityID), textOrNull(a.EntityName), textOrNull(a.RiskLevel),
		a.RiskScore, nullJSON(a.RequestPayload), nullJSON(a.ResponsePayload), nullJSON(a.ResponseSummary), textOrNull(a.ErrorMessage),
		nullJSON(a.Metadata), textOrNull(a.ClientAppID), textOrNull(a.ClientAppName), a.CreatedAt(), joinTerms(a.SearchTerms()),
		scope, key, response)
	return nil
}

// termSeparator parts search terms on their way into the database; it cannot be typed into a search field.
const termSeparator = "\x1f"

func joinTerms(terms []string) string {
	for i, t := range terms {
		terms[i] = strings.ReplaceAll(t, termSeparator, " ")
	}
	return strings.Join(terms, termSeparator)
}
