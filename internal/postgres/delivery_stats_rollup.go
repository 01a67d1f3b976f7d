package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// rollUpBehind is how old a minute is when it is summed up: an attempt is counted in the minute in which it began, and ends
	// later. What comes later still is counted by the runs after, which sum up rollUpAgain once more.
	rollUpBehind = 5 * time.Minute
	rollUpAgain  = time.Hour
	// rollUpSpan is the longest stretch that one transaction sums up. It is a multiple of a quarter.
	rollUpSpan = 2 * time.Hour
	// rollUpTime is from when on a run leaves the rest to the next: a server that starts waits for the first one.
	rollUpTime = 20 * time.Second
)

// rollUpSQL sums the minutes from $1 until $2 up to quarters, for each webhook and for all of a tenant together. A quarter that
// is there is written anew, so that summing up twice counts once. Tenant by tenant, for that is how minutes are indexed.
var rollUpSQL = `
INSERT INTO webhook_quarters AS q (tenant_id, webhook_id, quarter, succeeded, failed, dead, latency)
SELECT t.id, coalesce(m.webhook_id, '00000000-0000-0000-0000-000000000000'), m.quarter, m.succeeded, m.failed, m.dead, m.latency
  FROM tenants t CROSS JOIN LATERAL (
       SELECT webhook_id, date_bin('15 minutes', minute, '2000-01-01 00:00:00+00') AS quarter, sum(succeeded) AS succeeded, sum(failed) AS failed,
              sum(dead) AS dead, ` + sumBuckets("int") + ` AS latency
         FROM webhook_minutes WHERE tenant_id = t.id AND minute >= $1 AND minute < $2
        GROUP BY GROUPING SETS ((1, 2), (2))) m
    ON CONFLICT (tenant_id, webhook_id, quarter) DO UPDATE SET succeeded = excluded.succeeded, failed = excluded.failed,
       dead = excluded.dead, latency = excluded.latency
 WHERE (q.succeeded, q.failed, q.dead) IS DISTINCT FROM (excluded.succeeded, excluded.failed, excluded.dead)`

// rollUpAnswersSQL does the same with the answers of each webhook.
const rollUpAnswersSQL = `
INSERT INTO webhook_response_quarters AS q (webhook_id, quarter, answer, attempts)
SELECT webhook_id, date_bin('15 minutes', minute, '2000-01-01 00:00:00+00'), answer, sum(attempts)
  FROM webhook_responses WHERE minute >= $1 AND minute < $2 GROUP BY 1, 2, 3
    ON CONFLICT (webhook_id, quarter, answer) DO UPDATE SET attempts = excluded.attempts WHERE q.attempts <> excluded.attempts`

// rollUp sums up what is past since the run before, and says whether it came to the end. Each stretch is a transaction of its
// own, so that a run goes on where the one before it stopped.
func (db *DB) rollUp(ctx context.Context, now time.Time) (whole bool, err error) {
	const op = "sum up minutes"
	until := now.Add(-rollUpBehind).UTC().Truncate(quarter)
	began := time.Now()
	var from *time.Time
	err = db.pool.QueryRow(ctx, `SELECT CASE WHEN isfinite(rolled_until) THEN rolled_until - $1::interval ELSE
  (SELECT min(m.minute) FROM tenants t CROSS JOIN LATERAL (SELECT minute FROM webhook_minutes WHERE tenant_id = t.id
    ORDER BY minute LIMIT 1) m) END FROM webhook_rollup`, rollUpAgain).Scan(&from)
	if err != nil {
		return false, translate(err, op)
	}
	start := until
	if from != nil {
		start = from.UTC().Truncate(quarter)
	}
	for {
		end := start.Add(rollUpSpan)
		if end.After(until) {
			end = until
		}
		stretch := &pgx.Batch{} // one transaction
		stretch.Queue(rollUpSQL, start, end)
		stretch.Queue(rollUpAnswersSQL, start, end)
		stretch.Queue(`UPDATE webhook_rollup SET rolled_until = $1 WHERE rolled_until < $1`, end)
		if err := db.pool.SendBatch(ctx, stretch).Close(); err != nil {
			return false, translate(err, op)
		}
		if !end.Before(until) {
			return true, nil
		}
		if time.Since(began) > rollUpTime {
			return false, nil
		}
		start = end
	}
}
