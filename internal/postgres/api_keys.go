package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// InsertAPIKey stores a new key.
func (a *Accounts) InsertAPIKey(ctx context.Context, k posthorn.APIKey, entry posthorn.AuditEntry) error {
	return a.db.inTx(ctx, "insert "+k.ID.String(), func(tx pgx.Tx) error {
		if err := insertAPIKey(ctx, tx, k); err != nil {
			return err
		}
		return writeAudit(ctx, tx, entry)
	})
}

func insertAPIKey(ctx context.Context, tx pgx.Tx, k posthorn.APIKey) error {
	scopes := make([]string, len(k.Scopes))
	for i, s := range k.Scopes {
		scopes[i] = string(s)
	}
	_, err := tx.Exec(ctx, `INSERT INTO api_keys (id, tenant_id, name, scopes, hash, prefix, last_four, created_by, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		k.ID.UUID(), k.TenantID.UUID(), k.Name, scopes, k.Hash[:], k.Prefix, k.LastFour, nullID(k.CreatedBy.UUID()), k.CreatedAt,
		nullTime(k.ExpiresAt))
	return err
}
