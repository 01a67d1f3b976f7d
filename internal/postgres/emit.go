package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// emitSQL writes a batch of events. Writing the same event again changes nothing, so a batch can be repeated when the
// outcome of its commit was lost.
const emitSQL = `
INSERT INTO events (id, tenant_id, application_id, event, payload, occurred_at)
SELECT i.id, i.tenant_id, a.id, i.event, i.payload::json, i.occurred_at
  FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[]) WITH ORDINALITY
       AS i (id, tenant_id, application, event, payload, occurred_at, ord)
  LEFT JOIN applications a ON a.tenant_id = i.tenant_id AND a.external_id = i.application
 ORDER BY i.ord
ON CONFLICT (id) DO NOTHING`

// emit is the only writer of events. It runs inside the transaction of the change that caused them, so that an event
// exists exactly when its cause does.
func emit(ctx context.Context, tx pgx.Tx, events []posthorn.Event) error {
	if len(events) == 0 {
		return nil
	}
	var c columns
	for _, e := range events {
		c.add(e.ID.UUID(), e.TenantID.UUID(), null(e.ApplicationExternalID), e.Type, string(e.Data), e.OccurredAt)
	}
	if _, err := tx.Exec(ctx, emitSQL, c.args()...); err != nil {
		return fmt.Errorf("emit %d events from %s: %w", len(events), events[0].ID, err)
	}
	return nil
}
