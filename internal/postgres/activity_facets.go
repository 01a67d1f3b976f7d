package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// maxFacets bounds how many values a filter offers.
const maxFacets = 50

// Facets lists the blockchains and applications of a scope. It hops along the index from one value to the next, so its
// cost is in the number of values, not of records.
func (f *ActivityFeed) Facets(ctx context.Context, scope posthorn.ActivityScope) (posthorn.ActivityFacets, error) {
	var facets posthorn.ActivityFacets
	chains, err := f.distinct(ctx, scope, "blockchain")
	if err != nil {
		return facets, err
	}
	for _, v := range chains {
		facets.Blockchains = append(facets.Blockchains, v.ID)
	}
	facets.Applications, err = f.distinct(ctx, scope, "client_app_id")
	return facets, err
}

// distinct returns the values of a column, each with the newest name of the application that it came with.
func (f *ActivityFeed) distinct(ctx context.Context, scope posthorn.ActivityScope, column string) ([]posthorn.ApplicationFacet, error) {
	c := activityConditions(scope, posthorn.ActivityFilter{})
	sql := fmt.Sprintf(`WITH RECURSIVE v AS (
  (SELECT %[1]s AS value FROM user_activity_history WHERE %[2]s AND %[1]s IS NOT NULL ORDER BY %[1]s LIMIT 1)
  UNION ALL
  SELECT n.value FROM v CROSS JOIN LATERAL
    (SELECT %[1]s AS value FROM user_activity_history WHERE %[2]s AND %[1]s > v.value ORDER BY %[1]s LIMIT 1) n)
SELECT v.value, coalesce((SELECT client_app_name FROM user_activity_history WHERE %[2]s AND %[1]s = v.value ORDER BY id DESC LIMIT 1), '')
  FROM v LIMIT %[3]d`, column, c.where(), maxFacets)
	rows, err := f.db.pool.Query(ctx, sql, c.args...)
	if err != nil {
		return nil, translate(err, "list the values of "+column)
	}
	values, err := pgx.CollectRows(rows, pgx.RowToStructByPos[posthorn.ApplicationFacet])
	if err != nil {
		return nil, translate(err, "list the values of "+column)
	}
	return values, nil
}
