package posthorn

import (
	"context"
	"fmt"
)

// ActivityList is a page of the feed for programs, newest first. The cursors are empty where there is no page.
type ActivityList struct {
	Records                []Activity
	NextCursor, PrevCursor string
}

// ListActivity returns a page of a scope's records, newest first. Wrong limits and cursors are Invalid with the fields named.
func ListActivity(ctx context.Context, reader ActivityReader, scope ActivityScope, f ActivityFilter, page PageRequest) (ActivityList, error) {
	var faults fieldFaults
	var at ListPosition[activityKind]
	readPage(&faults, page, &at)
	if err := faults.err(); err != nil {
		return ActivityList{}, err
	}
	rows, err := reader.List(ctx, ActivityQuery{Scope: scope, Filter: f, After: at.After, Before: at.Before, Limit: at.Limit})
	if err != nil {
		return ActivityList{}, fmt.Errorf("list the activity of %s: %w", scope.TenantID, err)
	}
	out := ActivityList{Records: rows.Records}
	if n := len(rows.Records); n > 0 {
		out.PrevCursor, out.NextCursor = cursors(rows.HasNewer, rows.HasOlder, rows.Records[0].ID, rows.Records[n-1].ID)
	}
	return out, nil
}
