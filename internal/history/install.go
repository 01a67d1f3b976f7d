package history

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"posthorn/internal/posthorn"
)

// install makes the tenants, applications and webhooks. The webhooks sign with the API secret of their tenant, so that they need
// none of their own.
func (w *world) install(ctx context.Context, pool *pgxpool.Pool) error {
	b := &pgx.Batch{}
	for n, id := range w.past.Small {
		b.Queue(`INSERT INTO tenants (id, name) VALUES ($1, $2)`, id.UUID(), fmt.Sprintf("Small tenant %d", n+1))
	}
	for n, id := range w.applications {
		b.Queue(`INSERT INTO applications (id, tenant_id, name, external_id) VALUES ($1, $2, $3, $4)`,
			id.UUID(), w.o.Tenant.UUID(), fmt.Sprintf("Application %d", n+1), externalID(n))
	}
	for _, e := range w.endpoints {
		if e.character == Deleted {
			b.Queue(`INSERT INTO deleted_webhooks (id, tenant_id, name, url, deleted_at, deleted_by) VALUES ($1, $2, $3, $4, $5, 'Amara')`,
				e.id.UUID(), e.tenant.UUID(), e.name, e.url, e.stopped)
			continue
		}
		var application any
		if !e.application.IsZero() {
			application = e.application.UUID()
		}
		var stopped any
		if e.state != posthorn.WebhookActive {
			stopped = e.since
		}
		made := e.id.Time()
		b.Queue(`INSERT INTO webhooks (id, tenant_id, application_id, name, description, url, events, header_names, header_values, signature,
       timeout_seconds, max_attempts, retry_on, rate_limit, max_in_flight, state, state_reason, state_since, state_by, version, created_at,
       created_by, updated_at, updated_by, stopped_at)
VALUES ($1, $2, $3, $4, '', $5, $6, '{}', '{}', '{"scheme":"smartkyc"}', 15, $7, '{}', NULL, 32, $8, '', $9, 'Amara', 1, $10, 'Amara', $10, 'Amara', $11)`,
			e.id.UUID(), e.tenant.UUID(), application, e.name, e.url, e.events, e.policy.MaxAttempts, string(e.state), e.since, made, stopped)
		if e.character == Down {
			b.Queue(`INSERT INTO webhook_health (webhook_id, failing_since) VALUES ($1, $2)`, e.id.UUID(), e.troubleFrom)
		}
	}
	// What was summed up before the history was there counts for nothing.
	b.Queue(`UPDATE webhook_rollup SET rolled_until = '-infinity'`)
	if err := pool.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("install the webhooks: %w", err)
	}
	return nil
}

// finish has the database look at the small tables, as it does by itself in time.
func (w *world) finish(ctx context.Context, pool *pgxpool.Pool) error {
	for _, table := range []string{"due", "dead_letters", "cancelled_deliveries", "event_keys", "webhooks", "applications", "deleted_webhooks"} {
		if _, err := pool.Exec(ctx, "VACUUM (ANALYZE) "+table); err != nil {
			return fmt.Errorf("vacuum %s: %w", table, err)
		}
	}
	return nil
}
