package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"posthorn/internal/posthorn"
)

// Headers and bodies are about as long as real ones.
const (
	requestHeaders = `[["Content-Length","412"],["Content-Type","application/json"],["User-Agent","Posthorn/1.0"],` +
		`["Webhook-Id","whd_02YkOqSV2GzVzZ0dS5eYbC"],["X-Smartkyc-Signature","5f2b7c0e9a4d1386f0c2b79e8d4a51630c9f7e2d8b4a615c3d0e9f8a7b6c5d4e"]]`
	responseHeaders = `[["Content-Length","21"],["Content-Type","application/json"],["Date","Sat, 21 Nov 2026 12:00:00 GMT"],["Server","nginx"]]`
)

var responseBody = []byte(`{"status":"received"}`)

// writeDay writes the rows of a day, and what lies in days before stays as it is.
func writeDay(ctx context.Context, pool *pgxpool.Pool, d *dayRows) error {
	var work sync.WaitGroup
	errs := make([]error, 4)
	for i, write := range []func(context.Context, *pgxpool.Pool) error{d.writeEvents, d.writeDeliveries, d.writeAttempts, d.writeRest} {
		work.Go(func() { errs[i] = write(ctx, pool) })
	}
	work.Wait()
	return errors.Join(errs...)
}

// fill fills the partition of the day. Where there is none it is made, and attached when it is full, which indexes it at once.
func (d *dayRows) fill(ctx context.Context, pool *pgxpool.Pool, table string, columns []string, rows pgx.CopyFromSource) error {
	bound := func(t time.Time) uuid.UUID { return posthorn.EventIDAt(t).UUID() }
	to := d.from.Add(day)
	partition := fmt.Sprintf("%s_p%s_%s", table, d.from.Format("20060102"), to.Format("20060102"))
	var exists bool
	var storage string
	err := pool.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL, (SELECT coalesce('WITH (' || array_to_string(c.reloptions, ', ') || ')', '')
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = $2::regclass ORDER BY c.relname DESC LIMIT 1)`, partition, table).
		Scan(&exists, &storage)
	if err != nil {
		return fmt.Errorf("look for %s: %w", partition, err)
	}
	if !exists {
		if _, err := pool.Exec(ctx, fmt.Sprintf("CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS) %s", partition, table, storage)); err != nil {
			return fmt.Errorf("create %s: %w", partition, err)
		}
	}
	if _, err := pool.CopyFrom(ctx, pgx.Identifier{partition}, columns, rows); err != nil {
		return fmt.Errorf("copy into %s: %w", partition, err)
	}
	after := []string{"VACUUM (ANALYZE) " + partition}
	if !exists {
		after = append([]string{fmt.Sprintf("ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM ('%s') TO ('%s')",
			table, partition, bound(d.from), bound(to))}, after...)
	}
	for _, sql := range after {
		if _, err := pool.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%.40s: %w", sql, err)
		}
	}
	return nil
}

// each turns rows into what is copied. Ids are handed over as bytes: of their own type pgx makes text, and reads that again.
func each[T any](rows []T, columns func(*T) []any) pgx.CopyFromSource {
	return pgx.CopyFromSlice(len(rows), func(i int) ([]any, error) {
		row := columns(&rows[i])
		for n, value := range row {
			if id, ok := value.(uuid.UUID); ok {
				row[n] = [16]byte(id)
			}
		}
		return row, nil
	})
}

// orNull is NULL for a zero id.
func orNull(id uuid.UUID) any {
	if id == uuid.Nil {
		return nil
	}
	return id
}

func (d *dayRows) writeEvents(ctx context.Context, pool *pgxpool.Pool) error {
	return d.fill(ctx, pool, "events", []string{"id", "tenant_id", "application_id", "event", "payload", "occurred_at", "test"},
		each(d.events, func(row **eventRow) []any {
			e := *row
			return []any{e.id, e.tenant.UUID(), orNull(e.application.UUID()), e.kind.name, e.kind.data, e.at, e.test}
		}))
}

// answered returns the columns of the latest outcome.
func answered(o *posthorn.Outcome) (status, class any) {
	if o.StatusCode != 0 {
		status = int32(o.StatusCode) //nolint:gosec // G115: a status
	}
	if o.ErrorClass != "" {
		class = string(o.ErrorClass)
	}
	return status, class
}

func (d *dayRows) writeDeliveries(ctx context.Context, pool *pgxpool.Pool) error {
	columns := []string{
		"id", "tenant_id", "webhook_id", "event_id", "event", "application_id", "payload_scheme", "test", "created_at", "url", "state", "reason",
		"attempts", "status_code", "error_class", "duration_ms", "finished_at",
	}
	return d.fill(ctx, pool, "deliveries", columns, each(d.deliveries, func(r *deliveryRow) []any {
		status, class := answered(&r.outcome)
		var finished any
		if r.state != posthorn.DeliveryPending {
			finished = r.at
		}
		e := r.event
		return []any{
			r.id.UUID(), e.tenant.UUID(), r.endpoint.id.UUID(), e.id, e.kind.name, orNull(e.application.UUID()), "smartkyc", e.test, e.at,
			r.endpoint.url, string(r.state), r.reason, int32(r.attempts), status, class, r.duration(), finished, //nolint:gosec // G115: few
		}
	}))
}

// duration is that of the latest attempt in milliseconds, null when there was none.
func (r *deliveryRow) duration() any {
	if r.attempts == 0 {
		return nil
	}
	return int32(r.outcome.Total.Milliseconds()) //nolint:gosec // G115: within a timeout
}

// besideColumns are what the log is filtered by and stands beside what did not succeed, too.
var besideColumns = []string{"delivery_id", "webhook_id", "tenant_id", "event", "application_id", "attempts", "status_code", "error_class", "duration_ms"}

func (r *deliveryRow) beside() []any {
	status, class := answered(&r.outcome)
	e := r.event
	return []any{
		r.id.UUID(), r.endpoint.id.UUID(), e.tenant.UUID(), e.kind.name, orNull(e.application.UUID()), int32(r.attempts), status, class, //nolint:gosec // G115: few
		r.duration(),
	}
}

func (d *dayRows) writeAttempts(ctx context.Context, pool *pgxpool.Pool) error {
	columns := []string{
		"id", "delivery_id", "tenant_id", "webhook_id", "number", "started_at", "url", "status_code", "error_class", "error", "remote_address",
		"http_version", "request_headers", "response_headers", "response_body", "response_truncated", "duration_ms", "first_byte_ms",
	}
	return d.fill(ctx, pool, "attempts", columns, each(d.attempts, func(a *attemptRow) []any {
		o := &a.outcome
		status, class := answered(o)
		var fault, version, headers, body, firstByte any
		total := float32(o.Total.Seconds() * 1000)
		if class != nil {
			fault = o.Error
		}
		if status != nil {
			version, headers, body, firstByte = "HTTP/2", responseHeaders, responseBody, total*0.9
		}
		return []any{
			a.id, a.delivery.UUID(), a.endpoint.tenant.UUID(), a.endpoint.id.UUID(), int32(a.number), o.StartedAt, a.endpoint.url, //nolint:gosec // G115: few
			status, class, fault, "203.0.113.7:443", version, requestHeaders, headers, body, false, total, firstByte,
		}
	}))
}

// writeRest writes what stands beside the partitions: what waits, what failed for good, what was stopped, keys, and counts.
func (d *dayRows) writeRest(ctx context.Context, pool *pgxpool.Pool) error {
	var due, dead, cancelled, keys, minutes, answers [][]any
	for i := range d.deliveries {
		r := &d.deliveries[i]
		switch r.state {
		case posthorn.DeliveryPending:
			status, class := answered(&r.outcome)
			n := int32(r.attempts) //nolint:gosec // G115: few
			due = append(due, []any{r.id.UUID(), r.endpoint.id.UUID(), r.at, int64(0), n, n, r.event.test, status, class})
		case posthorn.DeliveryFailed:
			dead = append(dead, append(r.beside(), r.at))
		case posthorn.DeliveryCancelled:
			cancelled = append(cancelled, r.beside())
		default:
		}
	}
	for _, e := range d.events {
		if e.key != "" && time.Since(e.at) < 7*day {
			keys = append(keys, []any{e.tenant.UUID(), e.key, e.id, e.at.Add(7 * day)})
		}
	}
	at := func(k minuteKey) time.Time { return time.Unix(k.minute*60, 0).UTC() }
	for _, k := range slices.SortedFunc(maps.Keys(d.minutes), func(a, b minuteKey) int { return cmp.Compare(a.minute, b.minute) }) {
		m := d.minutes[k]
		minutes = append(minutes, []any{
			k.endpoint.id.UUID(), at(k), int16(0), k.endpoint.tenant.UUID(), int32(m.succeeded), int32(m.failed), int32(m.dead), m.latency[:], //nolint:gosec // G115: few
		})
	}
	for _, k := range slices.SortedFunc(maps.Keys(d.answers), func(a, b answerKey) int { return cmp.Compare(a.minute, b.minute) }) {
		answers = append(answers, []any{k.endpoint.id.UUID(), at(k.minuteKey), int16(0), k.answer, int32(d.answers[k])}) //nolint:gosec // G115: few
	}
	for _, t := range []struct {
		table   string
		columns []string
		rows    [][]any
	}{
		{"due", []string{"delivery_id", "webhook_id", "next_attempt_at", "lease_token", "attempts", "schedule", "test", "status_code", "error_class"}, due},
		{"dead_letters", append(slices.Clone(besideColumns), "failed_at"), dead},
		{"cancelled_deliveries", besideColumns, cancelled},
		{"event_keys", []string{"tenant_id", "key", "event_id", "expires_at"}, keys},
		{"webhook_minutes", []string{"webhook_id", "minute", "shard", "tenant_id", "succeeded", "failed", "dead", "latency"}, minutes},
		{"webhook_responses", []string{"webhook_id", "minute", "shard", "answer", "attempts"}, answers},
	} {
		if _, err := pool.CopyFrom(ctx, pgx.Identifier{t.table}, t.columns, pgx.CopyFromRows(t.rows)); err != nil {
			return fmt.Errorf("copy into %s: %w", t.table, err)
		}
	}
	return nil
}
