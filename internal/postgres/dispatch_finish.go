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
// attempt or the end, the dead letter, and the counts of the minute, of answers only those other than 200. Counts are sorted by
// key, so that two processes cannot deadlock; those of tests are not kept. The answer names the deliveries that were written, and
// says of each whether the webhook has been failing or is throttled. Times to come are by the clock of the database, which all
// processes share.
//
// It is planned once, perhaps while the tables are empty, and runs with hundreds of results: held hands everything on, for joins
// between the steps would compare row by row, and the other tables are looked into by their ids in so many words.
var finishSQL = `
WITH held AS MATERIALIZED (
  SELECT r.* FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::interval[], $5::int[], $6::int[], $7::text[], $8::text[],
         $9::uuid[], $10::uuid[], $11::uuid[], $12::timestamptz[], $13::int[], $14::text[], $15::text[], $16::text[], $17::text[],
         $18::text[], $19::text[], $20::bytea[], $21::bool[], $22::real[], $23::real[], $24::real[], $25::real[], $26::real[],
         $27::int[], $28::bool[])
         AS r (delivery_id, token, state, wait, number, schedule, reason, url,
         attempt_id, tenant_id, webhook_id, started_at, status_code, error_class, error, remote_address, http_version,
         request_headers, response_headers, response_body, truncated, duration_ms, dns_ms, connect_ms, tls_ms, first_byte_ms,
         bucket, test)
   CROSS JOIN LATERAL (SELECT FROM due WHERE delivery_id = r.delivery_id AND lease_token = r.token FOR UPDATE) leased),
done AS (
  DELETE FROM due WHERE delivery_id = ANY (ARRAY(SELECT delivery_id FROM held WHERE wait IS NULL))),
again AS (
  UPDATE due SET lease_token = 0, next_attempt_at = now() + h.wait, attempts = h.number, schedule = h.schedule,
         status_code = h.status_code, error_class = h.error_class
    FROM held h WHERE due.delivery_id = h.delivery_id AND h.wait IS NOT NULL
     AND due.delivery_id = ANY (ARRAY(SELECT delivery_id FROM held WHERE wait IS NOT NULL))),
state AS (
  UPDATE deliveries d SET url = h.url, state = h.state, reason = h.reason, attempts = h.number, status_code = h.status_code,
         error_class = h.error_class, duration_ms = h.duration_ms::int, finished_at = CASE WHEN h.wait IS NULL THEN now() END
    FROM held h WHERE d.id = h.delivery_id AND d.id BETWEEN $29 AND $30
     AND d.id = ANY (ARRAY(SELECT delivery_id FROM held))
  RETURNING d.id, d.tenant_id, d.webhook_id, d.event, d.application_id, d.state, d.attempts, d.status_code, d.error_class, d.duration_ms),
made AS (
  INSERT INTO attempts (id, delivery_id, tenant_id, webhook_id, number, started_at, url, status_code, error_class, error,
         remote_address, http_version, request_headers, response_headers, response_body, response_truncated, duration_ms,
         dns_ms, connect_ms, tls_ms, first_byte_ms)
  SELECT attempt_id, delivery_id, tenant_id, webhook_id, number, started_at, url, status_code, error_class, error,
         remote_address, http_version, request_headers::json, response_headers::json, response_body, truncated, duration_ms,
         dns_ms, connect_ms, tls_ms, first_byte_ms
    FROM held),
dead AS (
  INSERT INTO dead_letters (delivery_id, tenant_id, webhook_id, failed_at, event, application_id, attempts, status_code, error_class, duration_ms)
  SELECT id, tenant_id, webhook_id, now(), event, application_id, attempts, status_code, error_class, duration_ms
    FROM state WHERE state = 'failed'
  ON CONFLICT (delivery_id) DO NOTHING),
counted AS (
  INSERT INTO webhook_minutes AS m (webhook_id, minute, shard, tenant_id, succeeded, failed, dead, latency)
  SELECT webhook_id, date_trunc('minute', started_at), $31, tenant_id, count(*) FILTER (WHERE state = 'succeeded'),
         count(*) FILTER (WHERE state <> 'succeeded'), count(*) FILTER (WHERE state = 'failed'), ` + countBuckets() + `
    FROM held WHERE NOT test GROUP BY 1, 2, 4 ORDER BY 1, 2
  ON CONFLICT (webhook_id, minute, shard) DO UPDATE SET succeeded = m.succeeded + excluded.succeeded,
    failed = m.failed + excluded.failed, dead = m.dead + excluded.dead,
    latency = (SELECT array_agg(x + y ORDER BY ord) FROM unnest(m.latency, excluded.latency) WITH ORDINALITY AS t (x, y, ord))),
answered AS (
  INSERT INTO webhook_responses AS r (webhook_id, minute, shard, answer, attempts)
  SELECT webhook_id, date_trunc('minute', started_at), $31, coalesce(error_class, status_code::text), count(*)
    FROM held WHERE NOT test AND (error_class IS NOT NULL OR status_code <> 200) GROUP BY 1, 2, 4 ORDER BY 1, 2, 4
  ON CONFLICT (webhook_id, minute, shard, answer) DO UPDATE SET attempts = r.attempts + excluded.attempts)
SELECT h.delivery_id, EXISTS (SELECT FROM webhook_health w WHERE w.webhook_id = h.webhook_id
         AND (w.failing_since IS NOT NULL OR w.throttled_until IS NOT NULL))
  FROM held h`

// countBuckets is the SQL of a histogram: how many rows are in each bucket of posthorn.LatencyBucket.
func countBuckets() string {
	counts := make([]string, posthorn.LatencyBuckets)
	for i := range counts {
		counts[i] = fmt.Sprintf("count(*) FILTER (WHERE bucket = %d)", i)
	}
	return "ARRAY[" + strings.Join(counts, ", ") + "]::int[]"
}

// Finish writes the results of attempts in one transaction, each fenced by its lease, and what follows for the webhooks:
// their health, and the events that tell of it.
func (s *Dispatching) Finish(ctx context.Context, shard int, results []posthorn.Result) error {
	var out emitted
	var written []posthorn.Result
	err := s.db.inTx(ctx, fmt.Sprintf("finish %d deliveries", len(results)), func(tx pgx.Tx) error {
		held, troubled, err := writeResults(ctx, tx, shard, results)
		if err != nil {
			return err
		}
		written = held
		events, err := s.noteHealth(ctx, tx, held, troubled)
		if err != nil {
			return err
		}
		failed, err := failedEvents(held)
		if err != nil {
			return err
		}
		out, err = s.outbox.emit(ctx, tx, append(events, failed...))
		return err
	})
	if err == nil {
		s.measure(written)
		s.outbox.committed(out)
		s.outbox.finished(written)
	}
	return err
}

// writeResults runs finishSQL and returns the results whose lease held, and which of their webhooks have been failing or are
// throttled.
func writeResults(
	ctx context.Context, in runner, shard int, results []posthorn.Result,
) (held []posthorn.Result, troubled map[posthorn.WebhookID]bool, err error) {
	args, err := finishArgs(results)
	if err != nil {
		return nil, nil, err
	}
	byID := make(map[uuid.UUID]*posthorn.Result, len(results))
	for i := range results {
		byID[results[i].Job.DeliveryID.UUID()] = &results[i]
	}
	held = make([]posthorn.Result, 0, len(results))
	troubled = map[posthorn.WebhookID]bool{}
	var id uuid.UUID
	var trouble bool
	err = runHot(ctx, in, statement{finishSQL, append(args, shard), func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&id, &trouble}, func() error {
			held = append(held, *byID[id])
			if trouble {
				troubled[byID[id].Job.WebhookID] = true
			}
			return nil
		})
		return err
	}})
	return held, troubled, err
}

// finishArgs turns results into the columns of finishSQL, followed by the first and the last id of a delivery. They are sorted,
// so that what is due is locked in one order and two processes cannot deadlock.
func finishArgs(results []posthorn.Result) ([]any, error) {
	n := len(results)
	results = slices.SortedFunc(slices.Values(results), func(a, b posthorn.Result) int {
		return bytes.Compare(a.Job.DeliveryID[:], b.Job.DeliveryID[:])
	})
	deliveries, tokens, states, waits := make(uuidColumn, n), make([]int64, n), make([]string, n), make(intervalColumn, n)
	numbers, schedules, reasons, urls := make([]int, n), make([]int, n), make([]string, n), make([]string, n)
	attempts, tenants, webhooks, started := make(uuidColumn, n), make(uuidColumn, n), make(uuidColumn, n), make([]time.Time, n)
	statuses, classes, faults := make(intColumn, n), make(textColumn, n), make(textColumn, n)
	remotes, versions, requests, responses := make(textColumn, n), make(textColumn, n), make([][]byte, n), make([][]byte, n)
	bodies, truncated, totals := make([][]byte, n), make([]bool, n), make([]float32, n)
	dns, connect, tls, firstByte := make(realColumn, n), make(realColumn, n), make(realColumn, n), make(realColumn, n)
	buckets, tests := make([]int, n), make([]bool, n)
	for i := range results {
		r := &results[i]
		o, j := &r.Outcome, &r.Job
		deliveries[i], tokens[i], states[i] = uuidOrNull(j.DeliveryID.UUID()), j.Lease.Token, string(r.Decision.State)
		if r.Decision.State == posthorn.DeliveryPending {
			waits[i] = intervalOf(r.Decision.Wait)
		}
		numbers[i], schedules[i], reasons[i], urls[i] = j.Attempt, j.Schedule, r.Decision.Reason, r.URL
		attempts[i], tenants[i], webhooks[i] = uuidOrNull(r.Attempt.UUID()), uuidOrNull(j.TenantID.UUID()), uuidOrNull(j.WebhookID.UUID())
		started[i], statuses[i], classes[i], faults[i] = o.StartedAt, intOrNull(o.StatusCode), textOrNull(o.ErrorClass), textOrNull(cleaned(o.Error))
		remotes[i], versions[i] = textOrNull(o.RemoteAddress), textOrNull(o.HTTPVersion)
		var err error
		if requests[i], err = headersJSON(r.RequestHeaders); err == nil {
			responses[i], err = headersJSON(o.ResponseHeaders)
		}
		if err != nil {
			return nil, fmt.Errorf("headers of %s: %w", r.Attempt, err)
		}
		if len(o.ResponseBody) > 0 {
			bodies[i] = o.ResponseBody
		}
		truncated[i], totals[i] = o.ResponseTruncated, float32(o.Total.Seconds()*1000)
		dns[i], connect[i], tls[i], firstByte[i] = msOrNull(o.DNS), msOrNull(o.Connect), msOrNull(o.TLS), msOrNull(o.FirstByte)
		buckets[i], tests[i] = posthorn.LatencyBucket(o.Total), j.Test
	}
	return []any{
		deliveries, tokens, states, waits, numbers, schedules, reasons, urls, attempts, tenants, webhooks, started, statuses, classes,
		faults, remotes, versions, requests, responses, bodies, truncated, totals, dns, connect, tls, firstByte, buckets, tests,
		deliveries[0], deliveries[n-1],
	}, nil
}

// headersJSON writes headers as a list of pairs, which keeps their order and repeated names; NULL for none.
func headersJSON(headers []posthorn.Header) ([]byte, error) {
	if len(headers) == 0 {
		return nil, nil
	}
	pairs := make([][2]string, len(headers))
	for i, h := range headers {
		pairs[i] = [2]string{h.Name, h.Value}
	}
	return json.Marshal(pairs)
}

// cleaned replaces what text in the database cannot hold.
func cleaned(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}
