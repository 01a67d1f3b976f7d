package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// EventTypes keeps what tenants change of the event catalogue. It implements posthorn.EventTypeStore.
type EventTypes struct{ db *DB }

// NewEventTypes makes the store.
func NewEventTypes(db *DB) *EventTypes { return &EventTypes{db} }

var _ posthorn.EventTypeStore = (*EventTypes)(nil)

const (
	selectEventTypes = `SELECT event, description, schema::text, example::text, enforcement, created_at, updated_at
 FROM event_types WHERE tenant_id = $1`
	outlineEventTypes = `SELECT event, description, NULL::text, NULL::text, enforcement, created_at, updated_at
 FROM event_types WHERE tenant_id = $1`
)

// eventTypeRow is a row of event_types; what is null is a built-in type's.
type eventTypeRow struct {
	Event                        string
	Description, Schema, Example *string
	Enforcement                  string
	CreatedAt, UpdatedAt         time.Time
}

func (r *eventTypeRow) eventType() posthorn.EventType {
	t := posthorn.EventType{
		Event: r.Event, Enforcement: posthorn.Enforcement(r.Enforcement), CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
	if r.Description != nil {
		t.Description = *r.Description
	}
	if r.Schema != nil {
		t.Schema = []byte(*r.Schema)
	}
	if r.Example != nil {
		t.Example = []byte(*r.Example)
	}
	return t
}

// ListEventTypes returns what a tenant stored, by name.
func (s *EventTypes) ListEventTypes(ctx context.Context, tenant posthorn.TenantID) ([]posthorn.EventType, error) {
	types, err := s.eventTypes(ctx, selectEventTypes, tenant)
	return types, translate(err, "list the event types of "+tenant.String())
}

// OutlineEventTypes returns what a tenant stored, by name, without schemas and examples.
func (s *EventTypes) OutlineEventTypes(ctx context.Context, tenant posthorn.TenantID) ([]posthorn.EventType, error) {
	types, err := s.eventTypes(ctx, outlineEventTypes, tenant)
	return types, translate(err, "outline the event types of "+tenant.String())
}

func (s *EventTypes) eventTypes(ctx context.Context, query string, tenant posthorn.TenantID) ([]posthorn.EventType, error) {
	rows, err := s.db.pool.Query(ctx, query+` ORDER BY event COLLATE "C"`, tenant.UUID())
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[eventTypeRow])
	if err != nil {
		return nil, err
	}
	types := make([]posthorn.EventType, len(found))
	for i := range found {
		types[i] = found[i].eventType()
	}
	return types, nil
}

// EventType returns one type, or NotFound. Publishing asks for it, so this is pgx's.
func (s *EventTypes) EventType(ctx context.Context, tenant posthorn.TenantID, event string) (posthorn.EventType, error) {
	t, err := eventType(ctx, s.db.pool, tenant, event)
	return t, translate(err, "get event type "+event+" of "+tenant.String())
}

// querier is a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func eventType(ctx context.Context, q querier, tenant posthorn.TenantID, event string) (posthorn.EventType, error) {
	rows, err := q.Query(ctx, selectEventTypes+` AND event = $2`, tenant.UUID(), event)
	if err != nil {
		return posthorn.EventType{}, err
	}
	row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[eventTypeRow])
	if err != nil {
		return posthorn.EventType{}, err
	}
	return row.eventType(), nil
}

// PutEventType stores what change makes of the stored type. The lock on the tenant makes its changes wait for each
// other, so that none is lost and the limits hold.
func (s *EventTypes) PutEventType(ctx context.Context, tenant posthorn.TenantID, event string, change posthorn.EventTypeChange) error {
	return s.db.inTx(ctx, "put event type "+event+" of "+tenant.String(), func(tx pgx.Tx) error {
		if err := lockTenant(ctx, tx, tenant); err != nil {
			return err
		}
		var others posthorn.EventTypesSum
		err := tx.QueryRow(ctx, `SELECT count(*), coalesce(sum(octet_length(description) + octet_length(schema::text) + octet_length(example::text)), 0)
 FROM event_types WHERE tenant_id = $1 AND event <> $2`, tenant.UUID(), event).Scan(&others.Count, &others.Bytes)
		if err != nil {
			return err
		}
		var stored *posthorn.EventType
		switch found, err := eventType(ctx, tx, tenant, event); {
		case err == nil:
			stored = &found
		case !errors.Is(err, pgx.ErrNoRows):
			return err
		}
		made, entry, err := change(stored, others)
		if err != nil || entry == nil {
			return err
		}
		if err := upsertEventType(ctx, tx, tenant, made); err != nil {
			return err
		}
		return writeAudit(ctx, tx, *entry)
	})
}

// upsertEventType writes a type; of a built-in one the enforcement alone.
func upsertEventType(ctx context.Context, tx pgx.Tx, tenant posthorn.TenantID, t posthorn.EventType) error {
	var description, schema, example any
	if !t.BuiltIn {
		description, schema, example = t.Description, string(t.Schema), string(t.Example)
	}
	_, err := tx.Exec(ctx, `INSERT INTO event_types (tenant_id, event, description, schema, example, enforcement, created_at, updated_at)
VALUES ($1, $2, $3, $4::text::json, $5::text::json, $6, $7, $8)
ON CONFLICT (tenant_id, event) DO UPDATE SET description = excluded.description, schema = excluded.schema, example = excluded.example,
       enforcement = excluded.enforcement, updated_at = excluded.updated_at`,
		tenant.UUID(), t.Event, description, schema, example, string(t.Enforcement), t.CreatedAt, t.UpdatedAt)
	return err
}
