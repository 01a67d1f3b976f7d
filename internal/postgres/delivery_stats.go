package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// DeliveryStats reads how sending fares, from counts alone: no page counts attempts.
type DeliveryStats struct{ db *DB }

// NewDeliveryStats makes the reader.
func NewDeliveryStats(db *DB) *DeliveryStats { return &DeliveryStats{db} }

// quarter is what minutes are summed up to. The buckets of charts begin at multiples of it, but for those of a minute.
const quarter = 15 * time.Minute

// countedSQL selects the counts of the webhooks that %[2]s names, the zero id for all together, in the time from %[3]s until
// %[4]s of the tenant %[1]s: quarters as far as they are summed up, then minutes, whose webhook %[5]s names. minutesSQL is the
// same from minutes alone, for buckets of a minute.
const (
	countedSQL = `
  SELECT q.quarter AS at, q.succeeded, q.failed, q.dead, q.latency FROM webhook_quarters q
   WHERE q.tenant_id = %[1]s AND q.webhook_id = %[2]s AND q.quarter >= %[3]s
     AND q.quarter < least(%[4]s, (SELECT rolled_until FROM webhook_rollup))
  UNION ALL
  SELECT m.minute, m.succeeded, m.failed, m.dead, m.latency FROM webhook_minutes m
   WHERE m.tenant_id = %[1]s AND %[5]s AND m.minute >= greatest(%[3]s, (SELECT rolled_until FROM webhook_rollup)) AND m.minute < %[4]s`
	minutesSQL = `
  SELECT m.minute AS at, m.succeeded, m.failed, m.dead, m.latency FROM webhook_minutes m
   WHERE m.tenant_id = %[1]s AND %[2]s IS NOT NULL AND %[5]s AND m.minute >= %[3]s AND m.minute < %[4]s`
)

// sumsSQL sums counts up, which come from a subquery in their names.
var sumsSQL = `sum(succeeded)::bigint, sum(failed)::bigint, sum(dead)::bigint, ` + sumBuckets("bigint")

// sumBuckets is the SQL of a sum of histograms. Adding columns is several times as fast as taking arrays apart.
func sumBuckets(kind string) string {
	sums := make([]string, posthorn.LatencyBuckets)
	for i := range sums {
		sums[i] = fmt.Sprintf("coalesce(sum(latency[%d]), 0)", i+1)
	}
	return "ARRAY[" + strings.Join(sums, ", ") + "]::" + kind + "[]"
}

// Range sums up the attempts of a webhook in a range, or of all webhooks of the tenant where webhook is zero.
func (s *DeliveryStats) Range(
	ctx context.Context, tenant posthorn.TenantID, webhook posthorn.WebhookID, r posthorn.OverviewRange,
) (posthorn.DeliveryStats, error) {
	stats := posthorn.NewDeliveryStats(r)
	counted, only := countedSQL, "true"
	if r.Bucket < quarter {
		counted = minutesSQL
	}
	if !webhook.IsZero() {
		only = "m.webhook_id = $2"
	}
	from := r.From().Add(r.From().Sub(r.Until))
	sql := `SELECT greatest(-1, floor(extract(epoch FROM at - $5::timestamptz) / $6))::int, ` + sumsSQL + ` FROM (` +
		fmt.Sprintf(counted, "$1", "$2::uuid", "$3::timestamptz", "$4::timestamptz", only) + `) c GROUP BY 1`
	rows, err := s.db.pool.Query(ctx, sql, tenant.UUID(), webhook.UUID(), from, r.Until, r.From(), r.Bucket.Seconds())
	if err != nil {
		return stats, translate(err, "chart deliveries")
	}
	var bucket int
	var n sums
	_, err = pgx.ForEachRow(rows, append([]any{&bucket}, n.columns()...), func() error {
		stats.Put(bucket, n.sums())
		return nil
	})
	return stats, translate(err, "chart deliveries")
}

// sums is a row of sumsSQL; its columns are null where nothing was counted.
type sums struct {
	delivered, failed, dead *int64
	latency                 []int64
}

func (n *sums) columns() []any { return []any{&n.delivered, &n.failed, &n.dead, &n.latency} }

func (n *sums) sums() *posthorn.AttemptSums {
	var out posthorn.AttemptSums
	if n.delivered != nil {
		out.Delivered, out.Failed, out.Dead = *n.delivered, *n.failed, *n.dead
	}
	copy(out.Latency[:], n.latency)
	return &out
}

// newestSQL finds the newest delivery of a webhook w. Asked for as a range, and in the order of the webhooks, it is found by the
// index of webhooks: otherwise the database reads the newest deliveries of all until there is one of this webhook, and for
// one that gets nothing any more that is all there are. Every partition is looked into, so it is asked for in two steps, and OFFSET 0 has it done once a webhook.
const (
	newestSQL    = `SELECT d.created_at FROM deliveries d WHERE d.webhook_id BETWEEN w.id AND w.id AND NOT d.test`
	newestFirst  = `ORDER BY d.webhook_id DESC, d.id DESC LIMIT 1`
	newestRecent = 48 * time.Hour
)

// webhookStatsSQL reads how webhooks fare in one query: their health, their newest delivery, and their buckets, a row each. A
// webhook without attempts has one row without a bucket. What failed before a webhook began to fail lies in another minute, or
// in the first one, where it is counted too.
var webhookStatsSQL = `
SELECT w.id, h.failing_since, h.throttled_until, since.failed, recent.succeeded, recent.failed, fault.answer, newest.created_at,
       b.number, b.succeeded, b.failed, b.dead, b.latency
  FROM webhooks w
  LEFT JOIN webhook_health h ON h.webhook_id = w.id
  CROSS JOIN LATERAL (SELECT coalesce(sum(m.failed), 0) AS failed FROM webhook_minutes m
   WHERE m.webhook_id = w.id AND m.minute >= date_trunc('minute', h.failing_since)) since
  CROSS JOIN LATERAL (SELECT coalesce(sum(m.succeeded), 0) AS succeeded, coalesce(sum(m.failed), 0) AS failed
    FROM webhook_minutes m WHERE m.webhook_id = w.id AND m.minute > now() - $6::interval) recent
  LEFT JOIN LATERAL (SELECT r.answer FROM webhook_responses r WHERE r.webhook_id = w.id AND r.answer !~ '^2'
     AND r.minute > coalesce(h.failing_since, now()) - $6::interval ORDER BY r.minute DESC LIMIT 1) fault ON true
  CROSS JOIN LATERAL (SELECT coalesce((` + newestSQL + ` AND d.id >= $7 ` + newestFirst + `), (` + newestSQL + ` AND d.id < $7 ` + newestFirst + `)) AS created_at OFFSET 0) newest
  LEFT JOIN LATERAL (SELECT floor(extract(epoch FROM at - $3::timestamptz) / $5)::int AS number, sum(succeeded)::bigint AS succeeded,
         sum(failed)::bigint AS failed, sum(dead)::bigint AS dead, ` + sumBuckets("bigint") + ` AS latency
    FROM (` + fmt.Sprintf(countedSQL, "$1", "w.id", "$3::timestamptz", "$4::timestamptz", "m.webhook_id = w.id") + `) c GROUP BY 1) b ON true
 WHERE w.tenant_id = $1 AND w.id = ANY ($2)`

// Webhooks says how webhooks of a tenant fare, with their attempts in a range whose buckets are an hour or longer. Those that
// do not exist are missing.
func (s *DeliveryStats) Webhooks(
	ctx context.Context, tenant posthorn.TenantID, ids []posthorn.WebhookID, r posthorn.OverviewRange,
) (map[posthorn.WebhookID]posthorn.WebhookStats, error) {
	all := make(map[posthorn.WebhookID]posthorn.WebhookStats, len(ids))
	if len(ids) == 0 {
		return all, nil
	}
	rows, err := s.db.pool.Query(ctx, webhookStatsSQL, tenant.UUID(), uuids(ids), r.From(), r.Until, r.Bucket.Seconds(), posthorn.RecentSpan,
		posthorn.DeliveryIDAt(r.Until.Add(-newestRecent)).UUID())
	if err != nil {
		return nil, translate(err, "sum up webhooks")
	}
	var id uuid.UUID
	var failing, throttled, newest *time.Time
	var h posthorn.EndpointHealth
	var fault *string
	var bucket *int
	var n sums
	columns := append([]any{
		&id, &failing, &throttled, &h.FailedSince, &h.Recent.Delivered, &h.Recent.Failed, &fault, &newest, &bucket,
	}, n.columns()...)
	_, err = pgx.ForEachRow(rows, columns, func() error {
		w, known := all[posthorn.WebhookID(id)]
		if !known {
			w.DeliveryStats, w.Health = posthorn.NewDeliveryStats(r), h
			w.Health.FailingSince, w.Health.ThrottledUntil, w.LastDelivery = utc(failing), utc(throttled), utc(newest)
			if fault != nil {
				w.Health.LastFault = posthorn.Answer(*fault)
			}
		}
		if bucket != nil {
			w.Put(*bucket, n.sums())
		}
		all[posthorn.WebhookID(id)] = w
		return nil
	})
	return all, translate(err, "sum up webhooks")
}

func uuids(ids []posthorn.WebhookID) []uuid.UUID {
	raw := make([]uuid.UUID, len(ids))
	for i, id := range ids {
		raw[i] = id.UUID()
	}
	return raw
}

// answersSQL counts answers of the webhook $2 of the tenant $1 from $3 until $4: of quarters as far as they are summed up where $6
// says that they may be taken, then of minutes. $5 attempts succeeded.
const answersSQL = `
WITH w AS MATERIALIZED (SELECT id FROM webhooks WHERE tenant_id = $1 AND id = $2),
rolled AS MATERIALIZED (SELECT CASE WHEN $6 THEN rolled_until ELSE '-infinity' END AS until FROM webhook_rollup),
n AS (
  SELECT answer, sum(attempts)::bigint AS attempts FROM (
    SELECT answer, attempts FROM webhook_response_quarters
     WHERE webhook_id = (SELECT id FROM w) AND quarter >= $3 AND quarter < least($4, (SELECT until FROM rolled))
    UNION ALL
    SELECT answer, attempts FROM webhook_responses
     WHERE webhook_id = (SELECT id FROM w) AND minute >= greatest($3, (SELECT until FROM rolled)) AND minute < $4) counted
   GROUP BY 1),
all_of_them AS (
  SELECT * FROM n UNION ALL SELECT '200', $5 - coalesce(sum(attempts), 0) FROM n WHERE answer ~ '^2')
SELECT answer, attempts::bigint FROM all_of_them WHERE attempts > 0 ORDER BY 2 DESC, 1`

// Answers counts what the attempts of a webhook got from a time until another, the most frequent answers first; delivered is
// how many succeeded in that time. What is not counted of them by its status got 200.
func (s *DeliveryStats) Answers(
	ctx context.Context, tenant posthorn.TenantID, webhook posthorn.WebhookID, from, until time.Time, delivered int64,
) ([]posthorn.AnswerCount, error) {
	// A stretch that begins or ends within a quarter is of minutes alone.
	whole := from.Equal(from.Truncate(quarter)) && until.Equal(until.Truncate(quarter))
	rows, err := s.db.pool.Query(ctx, answersSQL, tenant.UUID(), webhook.UUID(), from, until, delivered, whole)
	if err != nil {
		return nil, translate(err, "count answers")
	}
	answers, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a posthorn.AnswerCount, err error) {
		err = row.Scan((*string)(&a.Answer), &a.Attempts)
		return a, err
	})
	return answers, translate(err, "count answers")
}

// waitingSQL counts what is due at the webhooks of a tenant, or at one, up to a number at each. The id of a delivery begins with
// the time at which it was made, and reads in the order of its bytes. A webhook is found between itself and itself, which only the
// index by webhook and time can put into order: where it is equal to one, the planner may read all that is due by time alone.
const waitingSQL = `
SELECT coalesce(sum(least(n.total, $3)), 0)::bigint, coalesce(sum(least(n.retrying, $3)), 0)::bigint, coalesce(bool_or(n.total > $3), false),
       min(n.oldest)::uuid, min(ahead.at) FILTER (WHERE w.state = 'active')
  FROM webhooks w
  CROSS JOIN LATERAL (SELECT count(*) AS total, count(*) FILTER (WHERE attempts > 0) AS retrying, min(delivery_id::text) AS oldest
    FROM (SELECT delivery_id, attempts FROM due WHERE webhook_id BETWEEN w.id AND w.id
           ORDER BY webhook_id, next_attempt_at LIMIT $3 + 1) d) n
  LEFT JOIN LATERAL (SELECT next_attempt_at AS at FROM due WHERE webhook_id BETWEEN w.id AND w.id AND next_attempt_at > now()
                      ORDER BY webhook_id, next_attempt_at LIMIT 1) ahead ON true
 WHERE w.tenant_id = $1 AND ($2::uuid IS NULL OR w.id = $2)`

// Waiting says what waits to be sent to a webhook, or to all webhooks of the tenant where webhook is zero.
func (s *DeliveryStats) Waiting(ctx context.Context, tenant posthorn.TenantID, webhook posthorn.WebhookID) (posthorn.WaitingDeliveries, error) {
	var w posthorn.WaitingDeliveries
	limit := posthorn.WaitingLimit
	if webhook.IsZero() {
		limit = posthorn.WaitingLimitOfMany
	}
	var oldest *uuid.UUID
	var next *time.Time
	err := s.db.pool.QueryRow(ctx, waitingSQL, tenant.UUID(), uuidOrNull(webhook.UUID()), int64(limit)).
		Scan(&w.Total, &w.Retrying, &w.More, &oldest, &next)
	if err != nil {
		return w, translate(err, "count what waits")
	}
	if oldest != nil {
		w.Oldest = posthorn.DeliveryID(*oldest).Time()
	}
	w.Next = utc(next)
	return w, nil
}
