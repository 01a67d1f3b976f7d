package postgres

import (
	"context"
	"time"
)

const (
	// rollUpBehind is how old a minute is when it is summed up: an attempt is counted in the minute in which it began, and ends
	// later. What comes later still is counted by the runs after, which sum up rollUpAgain once more.
	rollUpBehind = 5 * time.Minute
	rollUpAgain  = time.Hour
	// rollUpSpan is the longest stretch that one statement sums up. It is a multiple of a quarter.
	rollUpSpan = 6 * time.Hour
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

// rollUp sums up what is past since the run before. Each stretch is a transaction of its own, so that an interrupted run goes on
// where it stopped.
func (db *DB) rollUp(ctx context.Context, now time.Time) error {
	const op = "sum up minutes"
	until := now.Add(-rollUpBehind).UTC().Truncate(quarter)
	var from *time.Time
	err := db.pool.QueryRow(ctx, `SELECT CASE WHEN isfinite(rolled_until) THEN rolled_until - $1::interval ELSE
  (SELECT min(m.minute) FROM tenants t CROSS JOIN LATERAL (SELECT minute FROM webhook_minutes WHERE tenant_id = t.id
    ORDER BY minute LIMIT 1) m) END FROM webhook_rollup`, rollUpAgain).Scan(&from)
	if err != nil {
		return translate(err, op)
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
		_, err := db.pool.Exec(ctx, rollUpSQL, start, end)
		if err == nil {
			_, err = db.pool.Exec(ctx, `UPDATE webhook_rollup SET rolled_until = $1 WHERE rolled_until < $1`, end)
		}
		if err != nil {
			return translate(err, op)
		}
		if !end.Before(until) {
			return nil
		}
		start = end
	}
}
