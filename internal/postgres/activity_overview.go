package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// flaggedShown is how many high and critical records the overview lists.
const flaggedShown = 6

// Overview sums up the records of a tenant from the counts by minute.
func (f *ActivityFeed) Overview(ctx context.Context, tenant posthorn.TenantID, r posthorn.OverviewRange) (posthorn.ActivityOverview, error) {
	var o posthorn.ActivityOverview
	newest, err := f.Newest(ctx, posthorn.ActivityScope{TenantID: tenant})
	if err != nil {
		return o, err
	}
	if o.Any = !newest.IsZero(); !o.Any {
		return o, nil
	}
	if o.Counts, err = f.minutes(ctx, tenant, r.From(), r.Until); err != nil {
		return o, err
	}
	if o.Before, err = f.minutes(ctx, tenant, r.From().Add(r.From().Sub(r.Until)), r.From()); err != nil {
		return o, err
	}
	if o.Buckets, err = f.buckets(ctx, tenant, r); err != nil {
		return o, err
	}
	o.Flagged, err = f.flagged(ctx, tenant, r)
	return o, err
}

// minutes sums the counts of the minutes that begin in [from, until).
func (f *ActivityFeed) minutes(ctx context.Context, tenant posthorn.TenantID, from, until time.Time) (posthorn.RiskCounts, error) {
	const sql = `SELECT coalesce(sum(low), 0), coalesce(sum(medium), 0), coalesce(sum(high), 0), coalesce(sum(critical), 0),
       coalesce(sum(unrated), 0), coalesce(sum(errors), 0)
  FROM activity_minutes WHERE tenant_id = $1 AND minute >= $2 AND minute < $3`
	var n posthorn.RiskCounts
	err := f.db.pool.QueryRow(ctx, sql, tenant.UUID(), from, until).Scan(&n.Low, &n.Medium, &n.High, &n.Critical, &n.Unrated, &n.Errors)
	if err != nil {
		return n, translate(err, "sum activity")
	}
	return n, nil
}

// buckets returns a dense series: a bucket without records is there, with zeros.
func (f *ActivityFeed) buckets(ctx context.Context, tenant posthorn.TenantID, r posthorn.OverviewRange) ([]posthorn.OverviewBucket, error) {
	const sql = `SELECT floor(extract(epoch FROM minute - $2) / $4)::int, sum(low + medium + high + critical + unrated - errors), sum(errors)
  FROM activity_minutes WHERE tenant_id = $1 AND minute >= $2 AND minute < $3 GROUP BY 1`
	buckets := make([]posthorn.OverviewBucket, r.Buckets)
	for i := range buckets {
		buckets[i].Start = r.From().Add(time.Duration(i) * r.Bucket)
	}
	rows, err := f.db.pool.Query(ctx, sql, tenant.UUID(), r.From(), r.Until, r.Bucket.Seconds())
	if err != nil {
		return nil, translate(err, "chart activity")
	}
	var i, ok, failed int
	if _, err = pgx.ForEachRow(rows, []any{&i, &ok, &failed}, func() error {
		buckets[i].OK, buckets[i].Errors = ok, failed
		return nil
	}); err != nil {
		return nil, translate(err, "chart activity")
	}
	return buckets, nil
}

// flagged returns the newest high and critical records. Each level is read from its own stretch of the index, so that
// a tenant with few of them is not searched from end to end.
func (f *ActivityFeed) flagged(ctx context.Context, tenant posthorn.TenantID, r posthorn.OverviewRange) ([]posthorn.Activity, error) {
	level := func(l posthorn.RiskLevel) string {
		return fmt.Sprintf(`(SELECT %s FROM user_activity_history WHERE tenant_id = $1 AND risk_level = '%s' AND id >= $2 AND id < $3
 ORDER BY id DESC LIMIT %d)`, activityColumns, l, flaggedShown)
	}
	sql := fmt.Sprintf(`%s UNION ALL %s ORDER BY 1 DESC LIMIT %d`, level(posthorn.RiskHigh), level(posthorn.RiskCritical), flaggedShown)
	rows, err := f.db.pool.Query(ctx, sql, tenant.UUID(), posthorn.ActivityIDAt(r.From()).UUID(), posthorn.ActivityIDAt(r.Until).UUID())
	if err != nil {
		return nil, translate(err, "list flagged activity")
	}
	records, err := pgx.CollectRows(rows, scanActivity)
	if err != nil {
		return nil, translate(err, "list flagged activity")
	}
	return records, nil
}
