package postgres

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

var _ posthorn.DeliveryFeedReader = (*DeliveryLog)(nil)

// CountDeliveries counts the newest deliveries that a filter lets through, those above since, up to most.
func (s *DeliveryLog) CountDeliveries(
	ctx context.Context, tenant posthorn.TenantID, f posthorn.DeliveryFilter, since posthorn.DeliveryID, most int,
) (n posthorn.Estimate, err error) {
	err = s.db.snapshot(ctx, "count the deliveries of "+tenant.String(), func(tx pgx.Tx) error {
		key, err := eventOfKey(ctx, tx, tenant, f.Text)
		if err != nil {
			return err
		}
		search := searchDeliveries(tenant, &posthorn.DeliveryQuery{Filter: f}, since, key, s.scan)
		args := append([]any{pgx.QueryExecModeCacheDescribe}, search.args...)
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM ("+search.sql("d.id", most+1)+") n", args...).Scan(&n.N); err != nil {
			return err
		}
		if n.N > most {
			n = posthorn.Estimate{N: most, More: true}
			return nil
		}
		reached, err := search.reached(ctx, tx)
		n.More = !reached.IsZero()
		return err
	})
	return n, err
}

// DeliveriesByID returns those of some deliveries that are the tenant's, in no order, without their attempts.
func (s *DeliveryLog) DeliveriesByID(
	ctx context.Context, tenant posthorn.TenantID, ids []posthorn.DeliveryID,
) (entries []posthorn.LogEntry, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	raw := make([]uuid.UUID, len(ids))
	for i, id := range ids {
		raw[i] = id.UUID()
	}
	first, last := idRange(raw)
	err = s.db.snapshot(ctx, "read deliveries of "+tenant.String(), func(tx pgx.Tx) error {
		entries, err = queryEntries(ctx, tx, `SELECT `+entryColumns+` FROM deliveries d
 WHERE d.id = ANY ($1) AND d.id BETWEEN $2 AND $3 AND d.tenant_id = $4`, []any{raw, first, last, tenant.UUID()})
		if err != nil || len(entries) == 0 {
			return err
		}
		return fillChunk(ctx, tx, tenant, entries, true)
	})
	return entries, err
}

// NewestDelivery returns the newest id of a tenant, zero when there is none.
func (s *DeliveryLog) NewestDelivery(ctx context.Context, tenant posthorn.TenantID) (posthorn.DeliveryID, error) {
	var id *uuid.UUID
	err := s.db.pool.QueryRow(ctx, `SELECT (SELECT id FROM deliveries WHERE tenant_id = $1 ORDER BY id DESC LIMIT 1)`, tenant.UUID()).Scan(&id)
	if err != nil || id == nil {
		return posthorn.DeliveryID{}, translate(err, "find the newest delivery of "+tenant.String())
	}
	return posthorn.DeliveryID(*id), nil
}
