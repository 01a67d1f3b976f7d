package postgres

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

var _ posthorn.EventStore = (*EventLog)(nil)

// CountEvents counts the events above one that a filter lets through, up to most.
func (l *EventLog) CountEvents(
	ctx context.Context, tenant posthorn.TenantID, f posthorn.EventFilter, since posthorn.EventID, most int,
) (n posthorn.Estimate, err error) {
	err = l.db.snapshot(ctx, "count the new events of "+tenant.String(), func(tx pgx.Tx) error {
		key, err := eventOfKey(ctx, tx, tenant, f.Text)
		if err != nil {
			return err
		}
		// It is the page above, whose columns nobody reads.
		sql, args := eventsSQL(tenant, posthorn.EventQuery{Filter: f, Position: posthorn.EventPosition{Before: since, Limit: most}}, key)
		args = append([]any{pgx.QueryExecModeCacheDescribe}, args...)
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM ("+sql+") n", args...).Scan(&n.N); err != nil {
			return err
		}
		if n.N > most {
			n = posthorn.Estimate{N: most, More: true}
		}
		return nil
	})
	return n, err
}

// NewestEvent returns the newest id of a tenant, zero when there is none.
func (l *EventLog) NewestEvent(ctx context.Context, tenant posthorn.TenantID) (posthorn.EventID, error) {
	var id *uuid.UUID
	err := l.db.pool.QueryRow(ctx, `SELECT (SELECT id FROM events WHERE tenant_id = $1 ORDER BY id DESC LIMIT 1)`, tenant.UUID()).Scan(&id)
	if err != nil || id == nil {
		return posthorn.EventID{}, translate(err, "find the newest event of "+tenant.String())
	}
	return posthorn.EventID(*id), nil
}
