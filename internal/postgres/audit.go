package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"posthorn/internal/posthorn"
)

// runner runs statements: in a transaction, on a connection that is in one, or in the pool, each in one of its own.
type runner interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// inTx runs a change and what is committed with it, all or nothing. op says what is being done, with its ids.
func (db *DB) inTx(ctx context.Context, op string, change func(tx pgx.Tx) error) error {
	return translate(pgx.BeginTxFunc(ctx, db.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, change), op)
}

// writeAudit adds entries to the audit log, in the transaction of the change that they tell of.
func writeAudit(ctx context.Context, tx runner, entries ...posthorn.AuditEntry) error {
	for _, e := range entries {
		before, err := auditJSON(e.Before)
		if err != nil {
			return fmt.Errorf("write audit entry %s: %w", e.ID, err)
		}
		after, err := auditJSON(e.After)
		if err != nil {
			return fmt.Errorf("write audit entry %s: %w", e.ID, err)
		}
		_, err = tx.Exec(ctx, `INSERT INTO audit_log (id, tenant_id, actor_id, actor, address, action, subject, before, after)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::json, $9::json)`,
			e.ID.UUID(), e.TenantID.UUID(), uuidOrNull(e.Actor.UserID.UUID()), e.Actor.Name, e.Actor.Address, string(e.Action),
			e.Subject, before, after)
		if err != nil {
			return fmt.Errorf("write audit entry %s: %w", e.ID, err)
		}
	}
	return nil
}

func auditJSON(fields map[string]any) (any, error) {
	if fields == nil {
		return nil, nil //nolint:nilnil // NULL is what no fields are stored as
	}
	raw, err := json.Marshal(fields)
	return string(raw), err
}
