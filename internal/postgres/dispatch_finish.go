package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// finishSQL writes a batch of results, each only where its lease still holds: the attempt, the state of the delivery, the next
// attempt or the end, the dead letter, and the counts of the minute. The answer names the deliveries that were written.
const finishSQL = `
WITH r AS MATERIALIZED (
  SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::timestamptz[], $5::int[], $6::int[], $7::text[], $8::text[],
         $9::uuid[], $10::uuid[], $11::uuid[], $12::timestamptz[], $13::int[], $14::text[], $15::text[], $16::text[], $17::text[],
         $18::text[], $19::text[], $20::bytea[], $21::bool[], $22::real[], $23::real[], $24::real[], $25::real[], $26::real[])
         AS t (delivery_id, token, state, next_at, number, schedule, reason, url,
         attempt_id, tenant_id, webhook_id, started_at, status_code, error_class, error, remote_address, http_version,
         request_headers, response_headers, response_body, truncated, duration_ms, dns_ms, connect_ms, tls_ms, first_byte_ms)),
held AS MATERIALIZED (
  SELECT due.delivery_id FROM r JOIN due ON due.delivery_id = r.delivery_id AND due.lease_token = r.token
   ORDER BY due.delivery_id FOR UPDATE OF due),
done AS (
  DELETE FROM due WHERE delivery_id IN (SELECT h.delivery_id FROM held h JOIN r ON r.delivery_id = h.delivery_id WHERE r.next_at IS NULL)),
again AS (
  UPDATE due SET lease_token = 0, next_attempt_at = r.next_at, attempts = r.number, schedule = r.schedule
    FROM r JOIN held h ON h.delivery_id = r.delivery_id
   WHERE due.delivery_id = r.delivery_id AND r.next_at IS NOT NULL),
state AS (
  UPDATE deliveries d SET url = r.url, state = r.state, reason = r.reason, attempts = r.number, status_code = r.status_code,
         error_class = r.error_class, duration_ms = r.duration_ms::int, finished_at = CASE WHEN r.next_at IS NULL THEN now() END
    FROM r JOIN held h ON h.delivery_id = r.delivery_id
   WHERE d.id = r.delivery_id AND d.id BETWEEN $27 AND $28),
made AS (
  INSERT INTO attempts (id, delivery_id, tenant_id, webhook_id, number, started_at, url, status_code, error_class, error,
         remote_address, http_version, request_headers, response_headers, response_body, response_truncated, duration_ms,
         dns_ms, connect_ms, tls_ms, first_byte_ms)
  SELECT r.attempt_id, r.delivery_id, r.tenant_id, r.webhook_id, r.number, r.started_at, r.url, r.status_code, r.error_class,
         r.error, r.remote_address, r.http_version, r.request_headers::json, r.response_headers::json, r.response_body,
         r.truncated, r.duration_ms, r.dns_ms, r.connect_ms, r.tls_ms, r.first_byte_ms
    FROM r JOIN held h ON h.delivery_id = r.delivery_id),
dead AS (
  INSERT INTO dead_letters (delivery_id, tenant_id, webhook_id, failed_at)
  SELECT r.delivery_id, r.tenant_id, r.webhook_id, now() FROM r JOIN held h ON h.delivery_id = r.delivery_id
   WHERE r.state = 'failed'
  ON CONFLICT (delivery_id) DO NOTHING)
SELECT delivery_id FROM held`

// Finish writes the results of attempts in one transaction, each fenced by its lease, and what follows for the webhooks:
// their counts, their health, and the events that tell of it.
func (s *Dispatching) Finish(ctx context.Context, shard int, results []posthorn.Result) error {
	var out emitted
	written := make([]posthorn.Result, 0, len(results))
	err := s.db.inTx(ctx, fmt.Sprintf("finish %d deliveries", len(results)), func(tx pgx.Tx) error {
		held, err := writeResults(ctx, tx, results)
		if err != nil {
			return err
		}
		for _, r := range results {
			if held[r.Job.DeliveryID.UUID()] {
				written = append(written, r)
			}
		}
		if err := countMinutes(ctx, tx, shard, written); err != nil {
			return err
		}
		events, err := s.noteHealth(ctx, tx, written)
		if err != nil {
			return err
		}
		failed, err := failedEvents(written)
		if err != nil {
			return err
		}
		out, err = s.outbox.emit(ctx, tx, append(events, failed...))
		return err
	})
	if err == nil {
		s.measure(written)
		s.outbox.committed(out)
	}
	return err
}

// writeResults runs finishSQL and returns the deliveries whose lease held.
func writeResults(ctx context.Context, tx pgx.Tx, results []posthorn.Result) (map[uuid.UUID]bool, error) {
	var c columns
	first, last := results[0].Job.DeliveryID.UUID(), results[0].Job.DeliveryID.UUID()
	for i := range results {
		if err := addResult(&c, &results[i]); err != nil {
			return nil, err
		}
		id := results[i].Job.DeliveryID.UUID()
		if bytes.Compare(id[:], first[:]) < 0 {
			first = id
		}
		if bytes.Compare(id[:], last[:]) > 0 {
			last = id
		}
	}
	rows, err := tx.Query(ctx, finishSQL, append(c.args(), first, last)...)
	if err != nil {
		return nil, err
	}
	held := make(map[uuid.UUID]bool, len(results))
	var id uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&id}, func() error { held[id] = true; return nil })
	return held, err
}

func addResult(c *columns, r *posthorn.Result) error {
	o, j := &r.Outcome, &r.Job
	request, err := headersJSON(r.RequestHeaders)
	if err != nil {
		return fmt.Errorf("headers of %s: %w", r.Attempt, err)
	}
	response, err := headersJSON(o.ResponseHeaders)
	if err != nil {
		return fmt.Errorf("headers of %s: %w", r.Attempt, err)
	}
	var next any
	schedule := j.Schedule
	if r.Decision.State == posthorn.DeliveryPending {
		next = time.Now().Add(r.Decision.Wait)
	}
	c.add(j.DeliveryID.UUID(), j.Lease.Token, string(r.Decision.State), next, j.Attempt, schedule, r.Decision.Reason, r.URL,
		r.Attempt.UUID(), j.TenantID.UUID(), j.WebhookID.UUID(), o.StartedAt, nullZero(o.StatusCode), null(o.ErrorClass),
		nullText(o.Error), null(o.RemoteAddress), null(o.HTTPVersion), request, response, nullBytes(o.ResponseBody), o.ResponseTruncated,
		milliseconds(o.Total), nullMilliseconds(o.DNS), nullMilliseconds(o.Connect), nullMilliseconds(o.TLS), nullMilliseconds(o.FirstByte))
	return nil
}

// headersJSON writes headers as a list of pairs, which keeps their order and repeated names.
func headersJSON(headers []posthorn.Header) (any, error) {
	if len(headers) == 0 {
		return nil, nil //nolint:nilnil // NULL is what no headers are stored as
	}
	pairs := make([][2]string, len(headers))
	for i, h := range headers {
		pairs[i] = [2]string{h.Name, h.Value}
	}
	raw, err := json.Marshal(pairs)
	return string(raw), err
}

// nullText maps empty text to NULL, and takes out what text in the database cannot hold.
func nullText(text string) any {
	return null(strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD"))
}

func nullBytes(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

func milliseconds(d time.Duration) float32 { return float32(d.Seconds() * 1000) }

func nullMilliseconds(d time.Duration) any {
	if d == 0 {
		return nil
	}
	return milliseconds(d)
}

// countMinutes adds attempts to the counts of their webhooks. Tests are not counted. The rows are sorted by key, so that two
// processes cannot deadlock.
func countMinutes(ctx context.Context, tx pgx.Tx, shard int, results []posthorn.Result) error {
	type key struct {
		webhook posthorn.WebhookID
		minute  time.Time
	}
	type counts struct {
		tenant                  posthorn.TenantID
		succeeded, failed, dead int
		latency                 [posthorn.LatencyBuckets]int32
	}
	sums := map[key]*counts{}
	var keys []key
	for i := range results {
		r := &results[i]
		if r.Job.Test {
			continue
		}
		k := key{r.Job.WebhookID, r.Outcome.StartedAt.UTC().Truncate(time.Minute)}
		n := sums[k]
		if n == nil {
			n = &counts{tenant: r.Job.TenantID}
			sums[k], keys = n, append(keys, k)
		}
		switch r.Decision.State {
		case posthorn.DeliverySucceeded:
			n.succeeded++
		case posthorn.DeliveryFailed:
			n.failed++
			n.dead++
		default:
			n.failed++
		}
		n.latency[posthorn.LatencyBucket(r.Outcome.Total)]++
	}
	if len(keys) == 0 {
		return nil
	}
	slices.SortFunc(keys, func(a, b key) int {
		if d := bytes.Compare(a.webhook[:], b.webhook[:]); d != 0 {
			return d
		}
		return a.minute.Compare(b.minute)
	})
	batch := &pgx.Batch{}
	for _, k := range keys {
		n := sums[k]
		batch.Queue(`INSERT INTO webhook_minutes AS m (webhook_id, minute, shard, tenant_id, succeeded, failed, dead, latency)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (webhook_id, minute, shard) DO UPDATE SET succeeded = m.succeeded + excluded.succeeded,
  failed = m.failed + excluded.failed, dead = m.dead + excluded.dead, latency = add_counts(m.latency, excluded.latency)`,
			k.webhook.UUID(), k.minute, shard, n.tenant.UUID(), n.succeeded, n.failed, n.dead, n.latency[:])
	}
	return tx.SendBatch(ctx, batch).Close()
}
