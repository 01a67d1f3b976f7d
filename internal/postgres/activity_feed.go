package postgres

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// ActivityFeed answers the questions of the feed. It implements posthorn.ActivityReader.
type ActivityFeed struct{ db *DB }

// NewActivityFeed makes the reader.
func NewActivityFeed(db *DB) *ActivityFeed { return &ActivityFeed{db} }

// activityColumns are the columns of a row without its payloads, in the order of scanActivity.
const activityColumns = `id, tenant_id, activity_type, user_id, request_id, coalesce(response_id, ''), status_code,
 coalesce(blockchain, ''), coalesce(transaction_hash, ''), coalesce(address, ''), coalesce(entity_id, ''),
 coalesce(entity_name, ''), coalesce(risk_level, ''), risk_score, response_summary, coalesce(error_message, ''), metadata,
 coalesce(client_app_id, ''), coalesce(client_app_name, '')`

// payloadColumns follow activityColumns where a whole record is read.
const payloadColumns = `, request_payload, response_payload`

// activityTargets lists where activityColumns are scanned to.
func activityTargets(a *posthorn.Activity, id, tenant *uuid.UUID) []any {
	return []any{
		id, tenant, &a.Type, &a.UserID, &a.RequestID, &a.ResponseID, &a.StatusCode, &a.Blockchain, &a.TransactionHash,
		&a.Address, &a.EntityID, &a.EntityName, &a.RiskLevel, &a.RiskScore, (*[]byte)(&a.ResponseSummary), &a.ErrorMessage,
		(*[]byte)(&a.Metadata), &a.ClientAppID, &a.ClientAppName,
	}
}

func scanActivity(row pgx.CollectableRow) (posthorn.Activity, error) {
	var a posthorn.Activity
	var id, tenant uuid.UUID
	err := row.Scan(activityTargets(&a, &id, &tenant)...)
	a.ID, a.TenantID = posthorn.ActivityID(id), posthorn.TenantID(tenant)
	return a, err
}

func scanRecord(row pgx.CollectableRow) (posthorn.ActivityRecord, error) {
	var r posthorn.ActivityRecord
	var id, tenant uuid.UUID
	targets := append(activityTargets(&r.Activity, &id, &tenant), (*[]byte)(&r.RequestPayload), (*[]byte)(&r.ResponsePayload))
	err := row.Scan(targets...)
	r.ID, r.TenantID = posthorn.ActivityID(id), posthorn.TenantID(tenant)
	return r, err
}

// List returns one page, newest first. It reads one row more than asked for, to know whether the feed goes on.
func (f *ActivityFeed) List(ctx context.Context, q posthorn.ActivityQuery) (posthorn.ActivityPage, error) {
	sql, args := listSQL(q)
	rows, err := f.db.query(ctx, sql, args)
	if err != nil {
		return posthorn.ActivityPage{}, translate(err, "list activity")
	}
	records, err := pgx.CollectRows(rows, scanActivity)
	if err != nil {
		return posthorn.ActivityPage{}, translate(err, "list activity")
	}
	more := len(records) > q.Limit
	records = records[:min(len(records), q.Limit)]
	page := posthorn.ActivityPage{Records: records, HasOlder: more, HasNewer: !q.After.IsZero()}
	if !q.Before.IsZero() {
		slices.Reverse(records)
		page.HasOlder, page.HasNewer = true, more
	}
	return page, nil
}

// listSQL returns the query of a page; one that goes up is to be turned round.
func listSQL(q posthorn.ActivityQuery) (sql string, args []any) {
	c := activityConditions(q.Scope, q.Filter)
	order := "DESC"
	switch {
	case !q.After.IsZero():
		c.and("id < %s", q.After.UUID())
	case !q.Before.IsZero():
		c.and("id > %s", q.Before.UUID())
		order = "ASC"
	}
	sql = fmt.Sprintf(`SELECT %s FROM user_activity_history WHERE %s ORDER BY id %s LIMIT %s`,
		activityColumns, c.where(), order, c.arg(q.Limit+1))
	return sql, c.args
}

// query runs a query whose best plan depends on its values: a rare value wants another index than a common one. It is
// planned for its values each time, where a prepared statement would settle for one plan for all.
func (db *DB) query(ctx context.Context, sql string, args []any) (pgx.Rows, error) {
	return db.pool.Query(ctx, sql, append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
}

// Get returns one record with its payloads.
func (f *ActivityFeed) Get(ctx context.Context, scope posthorn.ActivityScope, id posthorn.ActivityID) (posthorn.ActivityRecord, error) {
	c := activityConditions(scope, posthorn.ActivityFilter{})
	c.and("id = %s", id.UUID())
	rows, err := f.db.pool.Query(ctx, `SELECT `+activityColumns+payloadColumns+` FROM user_activity_history WHERE `+c.where(), c.args...)
	if err != nil {
		return posthorn.ActivityRecord{}, translate(err, "get activity "+id.String())
	}
	rec, err := pgx.CollectExactlyOneRow(rows, scanRecord)
	if err != nil {
		return posthorn.ActivityRecord{}, translate(err, "get activity "+id.String())
	}
	return rec, nil
}

// Neighbours returns the records beside one in a filtered feed.
func (f *ActivityFeed) Neighbours(ctx context.Context, scope posthorn.ActivityScope, filter posthorn.ActivityFilter, id posthorn.ActivityID) (posthorn.ActivityNeighbours, error) {
	c := activityConditions(scope, filter)
	at := c.arg(id.UUID())
	sql := fmt.Sprintf(`SELECT (SELECT id FROM user_activity_history WHERE %[1]s AND id > %[2]s ORDER BY id LIMIT 1),
       (SELECT id FROM user_activity_history WHERE %[1]s AND id < %[2]s ORDER BY id DESC LIMIT 1)`, c.where(), at)
	var newer, older *uuid.UUID
	if err := f.db.pool.QueryRow(ctx, sql, c.args...).Scan(&newer, &older); err != nil {
		return posthorn.ActivityNeighbours{}, translate(err, "find the neighbours of activity "+id.String())
	}
	return posthorn.ActivityNeighbours{Newer: orZero(newer), Older: orZero(older)}, nil
}

func orZero(id *uuid.UUID) posthorn.ActivityID {
	if id == nil {
		return posthorn.ActivityID{}
	}
	return posthorn.ActivityID(*id)
}

// maxCounted bounds what a page counts: beyond it the answer is "more than".
const maxCounted = 2_000

// Counts counts the newest maxCounted records of a filtered feed by risk level.
func (f *ActivityFeed) Counts(ctx context.Context, scope posthorn.ActivityScope, filter posthorn.ActivityFilter) (posthorn.RiskCounts, error) {
	sql, args := countsSQL(scope, filter)
	var n posthorn.RiskCounts
	rows, err := f.db.query(ctx, sql, args)
	if err != nil {
		return n, translate(err, "count activity")
	}
	if _, err = pgx.ForEachRow(rows, []any{&n.Low, &n.Medium, &n.High, &n.Critical, &n.Unrated, &n.Errors}, func() error { return nil }); err != nil {
		return n, translate(err, "count activity")
	}
	n.Capped = n.Total() > maxCounted
	return n, nil
}

func countsSQL(scope posthorn.ActivityScope, filter posthorn.ActivityFilter) (sql string, args []any) {
	c := activityConditions(scope, filter)
	sql = fmt.Sprintf(`SELECT count(*) FILTER (WHERE risk_level = 'low'), count(*) FILTER (WHERE risk_level = 'medium'),
       count(*) FILTER (WHERE risk_level = 'high'), count(*) FILTER (WHERE risk_level = 'critical'),
       count(*) FILTER (WHERE risk_level IS NULL), count(*) FILTER (WHERE status_code >= 400)
  FROM (SELECT risk_level, status_code FROM user_activity_history WHERE %s ORDER BY id DESC LIMIT %d) newest`, c.where(), maxCounted+1)
	return sql, c.args
}

// maxNews bounds how many new records the pill counts.
const maxNews = 99

// News counts what is newer than a record.
func (f *ActivityFeed) News(ctx context.Context, scope posthorn.ActivityScope, filter posthorn.ActivityFilter, since posthorn.ActivityID) (posthorn.ActivityNews, error) {
	c := activityConditions(scope, filter)
	c.and("id > %s", since.UUID())
	sql := fmt.Sprintf(`SELECT count(*), coalesce(max(CASE risk_level WHEN 'critical' THEN 4 WHEN 'high' THEN 3 WHEN 'medium' THEN 2
       WHEN 'low' THEN 1 END), 0)
  FROM (SELECT risk_level FROM user_activity_history WHERE %s ORDER BY id DESC LIMIT %d) newest`, c.where(), maxNews+1)
	var count, worst int
	rows, err := f.db.query(ctx, sql, c.args)
	if err != nil {
		return posthorn.ActivityNews{}, translate(err, "count new activity")
	}
	if _, err = pgx.ForEachRow(rows, []any{&count, &worst}, func() error { return nil }); err != nil {
		return posthorn.ActivityNews{}, translate(err, "count new activity")
	}
	news := posthorn.ActivityNews{Count: min(count, maxNews), Capped: count > maxNews}
	for _, level := range posthorn.RiskLevels() {
		if level.Rank() == worst {
			news.Worst = level
		}
	}
	return news, nil
}

// Newest returns the newest id in a scope.
func (f *ActivityFeed) Newest(ctx context.Context, scope posthorn.ActivityScope) (posthorn.ActivityID, error) {
	c := activityConditions(scope, posthorn.ActivityFilter{})
	var id *uuid.UUID
	err := f.db.pool.QueryRow(ctx, `SELECT (SELECT id FROM user_activity_history WHERE `+c.where()+` ORDER BY id DESC LIMIT 1)`, c.args...).Scan(&id)
	if err != nil {
		return posthorn.ActivityID{}, translate(err, "find the newest activity")
	}
	return orZero(id), nil
}

// exportChunk is how many records an export reads at a time: small, because their payloads may be large.
const exportChunk = 200

// Export yields every record of a filtered feed, newest first. It pages, so that a slow reader holds no transaction.
func (f *ActivityFeed) Export(ctx context.Context, scope posthorn.ActivityScope, filter posthorn.ActivityFilter) iter.Seq2[posthorn.ActivityRecord, error] {
	return func(yield func(posthorn.ActivityRecord, error) bool) {
		var after posthorn.ActivityID
		for {
			records, err := f.exportPage(ctx, scope, filter, after)
			if err != nil {
				yield(posthorn.ActivityRecord{}, err)
				return
			}
			for _, r := range records {
				if !yield(r, nil) {
					return
				}
			}
			if len(records) < exportChunk {
				return
			}
			after = records[len(records)-1].ID
		}
	}
}

func (f *ActivityFeed) exportPage(ctx context.Context, scope posthorn.ActivityScope, filter posthorn.ActivityFilter, after posthorn.ActivityID) ([]posthorn.ActivityRecord, error) {
	c := activityConditions(scope, filter)
	if !after.IsZero() {
		c.and("id < %s", after.UUID())
	}
	sql := fmt.Sprintf(`SELECT %s FROM user_activity_history WHERE %s ORDER BY id DESC LIMIT %d`,
		activityColumns+payloadColumns, c.where(), exportChunk)
	rows, err := f.db.query(ctx, sql, c.args)
	if err != nil {
		return nil, translate(err, "export activity")
	}
	records, err := pgx.CollectRows(rows, scanRecord)
	if err != nil {
		return nil, translate(err, "export activity")
	}
	return records, nil
}
