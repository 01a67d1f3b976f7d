package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

const apiKeyColumns = "id, tenant_id, name, scopes, hash, prefix, last_four, created_by, created_at, expires_at, last_used_at, revoked_at" //nolint:gosec // names of columns, not a key

// apiKeyRow is a row of api_keys, in the order of apiKeyColumns.
type apiKeyRow struct {
	ID         uuid.UUID
	TenantID   uuid.UUID
	Name       string
	Scopes     []string
	Hash       []byte
	Prefix     string
	LastFour   string
	CreatedBy  *uuid.UUID
	CreatedAt  time.Time
	ExpiresAt  *time.Time
	LastUsedAt *time.Time
	RevokedAt  *time.Time
}

func (r *apiKeyRow) key() posthorn.APIKey {
	k := posthorn.APIKey{
		ID: posthorn.APIKeyID(r.ID), TenantID: posthorn.TenantID(r.TenantID), Name: r.Name, Prefix: r.Prefix, LastFour: r.LastFour,
		CreatedAt: r.CreatedAt.UTC(), ExpiresAt: utc(r.ExpiresAt), LastUsedAt: utc(r.LastUsedAt), RevokedAt: utc(r.RevokedAt),
	}
	copy(k.Hash[:], r.Hash)
	for _, s := range r.Scopes {
		k.Scopes = append(k.Scopes, posthorn.Scope(s))
	}
	if r.CreatedBy != nil {
		k.CreatedBy = posthorn.UserID(*r.CreatedBy)
	}
	return k
}

// apiKeys returns the keys that a condition selects, newest first. It is pgx's, because every call of the API asks for one.
func (a *Accounts) apiKeys(ctx context.Context, condition string, args ...any) ([]posthorn.APIKey, error) {
	rows, err := a.db.pool.Query(ctx, `SELECT `+apiKeyColumns+` FROM api_keys WHERE `+condition+` ORDER BY id DESC`, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (posthorn.APIKey, error) {
		r, err := pgx.RowToStructByPos[apiKeyRow](row)
		return r.key(), err
	})
}

func (a *Accounts) apiKey(ctx context.Context, condition string, args ...any) (posthorn.APIKey, error) {
	keys, err := a.apiKeys(ctx, condition, args...)
	switch {
	case err != nil:
		return posthorn.APIKey{}, err
	case len(keys) == 0:
		return posthorn.APIKey{}, pgx.ErrNoRows
	}
	return keys[0], nil
}

// apiKeyLive selects the keys that are accepted.
const apiKeyLive = `revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())` //nolint:gosec // a condition, not a key

// endedAPIKeys is how many keys are listed that are revoked or expired.
const endedAPIKeys = 100

// ListAPIKeys returns the keys of a tenant, newest first: all that are accepted, and the newest of the others.
func (a *Accounts) ListAPIKeys(ctx context.Context, tenant posthorn.TenantID) ([]posthorn.APIKey, error) {
	keys, err := a.apiKeys(ctx, `tenant_id = $1 AND (`+apiKeyLive+` OR id IN (
  SELECT id FROM api_keys WHERE tenant_id = $1 AND NOT (`+apiKeyLive+`) ORDER BY id DESC LIMIT $2))`, tenant.UUID(), endedAPIKeys)
	return keys, translate(err, "list the api keys of "+tenant.String())
}

// APIKey returns a key of a tenant, or NotFound.
func (a *Accounts) APIKey(ctx context.Context, tenant posthorn.TenantID, id posthorn.APIKeyID) (posthorn.APIKey, error) {
	k, err := a.apiKey(ctx, `tenant_id = $1 AND id = $2`, tenant.UUID(), id.UUID())
	return k, translate(err, "get "+id.String())
}

// apiKeyReadTimeout bounds the query for a key.
const apiKeyReadTimeout = 10 * time.Second

// APIKeyByHash returns the key with a hash, or NotFound. Every call of the API asks, so those of one moment share a query; what
// they get may be shared, too. A revocation counts from its commit on, in every process.
func (a *Accounts) APIKeyByHash(ctx context.Context, hash [32]byte) (posthorn.APIKey, error) {
	return a.keys.get(ctx, hash)
}

// InsertAPIKey stores a new key, once for each form, and returns the id of the one that the form made. The lock on the tenant
// makes those who make keys wait for each other, so that the limit holds.
func (a *Accounts) InsertAPIKey(
	ctx context.Context, k posthorn.APIKey, form *posthorn.IdempotencyKey, entry posthorn.AuditEntry,
) (made posthorn.APIKeyID, err error) {
	made = k.ID
	err = a.db.inTx(ctx, "insert "+k.ID.String(), func(tx pgx.Tx) error {
		first, repeated, err := claimFormKey(ctx, tx, form, k.ID.String())
		if err != nil {
			return err
		}
		if repeated {
			made, err = posthorn.ParseAPIKeyID(first)
			return err
		}
		if err := lockTenant(ctx, tx, k.TenantID); err != nil {
			return err
		}
		var live int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM api_keys WHERE tenant_id = $1 AND `+apiKeyLive, k.TenantID.UUID()).Scan(&live); err != nil {
			return err
		}
		if live >= posthorn.MaxAPIKeys {
			return posthorn.ErrTooManyAPIKeys
		}
		if err := insertAPIKey(ctx, tx, k); err != nil {
			return err
		}
		return writeAudit(ctx, tx, entry)
	})
	return made, err
}

func insertAPIKey(ctx context.Context, tx pgx.Tx, k posthorn.APIKey) error {
	scopes := make([]string, len(k.Scopes))
	for i, s := range k.Scopes {
		scopes[i] = string(s)
	}
	_, err := tx.Exec(ctx, `INSERT INTO api_keys (id, tenant_id, name, scopes, hash, prefix, last_four, created_by, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		k.ID.UUID(), k.TenantID.UUID(), k.Name, scopes, k.Hash[:], k.Prefix, k.LastFour, uuidOrNull(k.CreatedBy.UUID()), k.CreatedAt,
		nullTime(k.ExpiresAt))
	return err
}

// RevokeAPIKey writes k.RevokedAt, unless the key is revoked already.
func (a *Accounts) RevokeAPIKey(ctx context.Context, k posthorn.APIKey, entry posthorn.AuditEntry) error {
	return a.db.inTx(ctx, "revoke "+k.ID.String(), func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE api_keys SET revoked_at = $3 WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL`,
			k.TenantID.UUID(), k.ID.UUID(), k.RevokedAt)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		return writeAudit(ctx, tx, entry)
	})
}
