package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

const signingSecretColumns = "id, tenant_id, webhook_id, secret, last_four, created_at, created_by, revealed_at, expires_at" //nolint:gosec // names of columns, not a secret

// signingSecretRow is a row of signing_secrets, in the order of signingSecretColumns.
type signingSecretRow struct {
	ID         uuid.UUID
	TenantID   uuid.UUID
	WebhookID  *uuid.UUID
	Secret     []byte
	LastFour   string
	CreatedAt  time.Time
	CreatedBy  string
	RevealedAt *time.Time
	ExpiresAt  *time.Time
}

func (r *signingSecretRow) secret() posthorn.SealedSecret {
	s := posthorn.SealedSecret{
		ID: posthorn.SigningSecretID(r.ID), TenantID: posthorn.TenantID(r.TenantID), Sealed: r.Secret, LastFour: r.LastFour,
		CreatedAt: r.CreatedAt.UTC(), CreatedBy: r.CreatedBy, RevealedAt: utc(r.RevealedAt), ExpiresAt: utc(r.ExpiresAt),
	}
	if r.WebhookID != nil {
		s.WebhookID = posthorn.WebhookID(*r.WebhookID)
	}
	return s
}

// utc maps NULL to the zero time.
func utc(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// liveSecrets returns the secrets of a webhook, or of the tenant where webhook is zero, that have not expired, newest first.
func liveSecrets(ctx context.Context, q querier, tenant posthorn.TenantID, webhook posthorn.WebhookID) ([]posthorn.SealedSecret, error) {
	rows, err := q.Query(ctx, `SELECT `+signingSecretColumns+` FROM signing_secrets
 WHERE tenant_id = $1 AND webhook_id IS NOT DISTINCT FROM $2 AND (expires_at IS NULL OR expires_at > now())
 ORDER BY expires_at IS NULL DESC, created_at DESC, id DESC`, tenant.UUID(), uuidOrNull(webhook.UUID()))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanSigningSecret)
}

// scanSigningSecret reads a row of signingSecretColumns.
func scanSigningSecret(row pgx.CollectableRow) (posthorn.SealedSecret, error) {
	r, err := pgx.RowToStructByPos[signingSecretRow](row)
	return r.secret(), err
}

// insertSigningSecret stores a secret as it is.
func insertSigningSecret(ctx context.Context, tx pgx.Tx, s posthorn.SealedSecret) error {
	_, err := tx.Exec(ctx, `INSERT INTO signing_secrets (`+signingSecretColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		s.ID.UUID(), s.TenantID.UUID(), uuidOrNull(s.WebhookID.UUID()), s.Sealed, s.LastFour, s.CreatedAt, s.CreatedBy,
		nullTime(s.RevealedAt), nullTime(s.ExpiresAt))
	return err
}

// replaceSigningSecret makes s the current secret of its owner. Those before it sign on, the current one until oldExpires;
// a zero oldExpires ends all of them at once. Rotations of one owner wait for each other. It is NotFound without the owner,
// and TooManySecrets when too many would sign.
func replaceSigningSecret(ctx context.Context, tx pgx.Tx, s posthorn.SealedSecret, oldExpires time.Time) error {
	if err := lockSecretOwner(ctx, tx, s.TenantID, s.WebhookID); err != nil {
		return err
	}
	tenant, webhook := s.TenantID.UUID(), uuidOrNull(s.WebhookID.UUID())
	_, err := tx.Exec(ctx, `DELETE FROM signing_secrets WHERE tenant_id = $1 AND webhook_id IS NOT DISTINCT FROM $2
   AND ($3::timestamptz IS NULL OR expires_at <= now())`, tenant, webhook, nullTime(oldExpires))
	if err != nil {
		return err
	}
	var old int
	var next *time.Time
	err = tx.QueryRow(ctx, `WITH old AS (UPDATE signing_secrets SET expires_at = coalesce(expires_at, $3)
   WHERE tenant_id = $1 AND webhook_id IS NOT DISTINCT FROM $2 RETURNING expires_at)
SELECT count(*), min(expires_at) FROM old`, tenant, webhook, nullTime(oldExpires)).Scan(&old, &next)
	if err != nil {
		return err
	}
	if old >= posthorn.MaxLiveSecrets {
		return posthorn.TooManySecrets(utc(next))
	}
	if err := insertSigningSecret(ctx, tx, s); err != nil {
		return err
	}
	return bumpRevision(ctx, tx, s.TenantID, s.WebhookID)
}

// bumpRevision makes whoever sends to a webhook, or to any of the tenant where webhook is zero, read its secrets again.
func bumpRevision(ctx context.Context, tx pgx.Tx, tenant posthorn.TenantID, webhook posthorn.WebhookID) error {
	_, err := tx.Exec(ctx, `UPDATE webhooks SET revision = revision + 1 WHERE tenant_id = $1 AND id = coalesce($2, id)`,
		tenant.UUID(), uuidOrNull(webhook.UUID()))
	return err
}

// lockSecretOwner makes the transactions that change the secrets of one webhook, or of one tenant's API secret, wait for each
// other. References to the owner do not notice.
func lockSecretOwner(ctx context.Context, tx pgx.Tx, tenant posthorn.TenantID, webhook posthorn.WebhookID) error {
	if webhook.IsZero() {
		return lockTenant(ctx, tx, tenant)
	}
	var one int
	return tx.QueryRow(ctx, `SELECT 1 FROM webhooks WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE`, tenant.UUID(), webhook.UUID()).Scan(&one)
}

// lockTenant makes the transactions that count what a tenant has, or look for something before they add it, wait for each
// other. References to the tenant do not notice.
func lockTenant(ctx context.Context, tx pgx.Tx, tenant posthorn.TenantID) error {
	var one int
	return tx.QueryRow(ctx, `SELECT 1 FROM tenants WHERE id = $1 FOR NO KEY UPDATE`, tenant.UUID()).Scan(&one)
}

// retireOldSecrets ends all secrets of a webhook, or of the tenant where webhook is zero, but the current one. It returns how
// many that still signed.
func retireOldSecrets(ctx context.Context, tx pgx.Tx, tenant posthorn.TenantID, webhook posthorn.WebhookID) (n int, err error) {
	if err := lockSecretOwner(ctx, tx, tenant, webhook); err != nil {
		return 0, err
	}
	if err := bumpRevision(ctx, tx, tenant, webhook); err != nil {
		return 0, err
	}
	err = tx.QueryRow(ctx, `WITH gone AS (
  DELETE FROM signing_secrets WHERE tenant_id = $1 AND webhook_id IS NOT DISTINCT FROM $2 AND expires_at IS NOT NULL
  RETURNING expires_at)
SELECT count(*) FROM gone WHERE expires_at > now()`, tenant.UUID(), uuidOrNull(webhook.UUID())).Scan(&n)
	return n, err
}

// APISecrets returns the API secrets of a tenant that have not expired, newest first.
func (a *Accounts) APISecrets(ctx context.Context, tenant posthorn.TenantID) ([]posthorn.SealedSecret, error) {
	secrets, err := liveSecrets(ctx, a.db.pool, tenant, posthorn.WebhookID{})
	return secrets, translate(err, "list the api secrets of "+tenant.String())
}

// MarkAPISecretRevealed notes when a secret was shown; ErrSecretShown when it was before.
func (a *Accounts) MarkAPISecretRevealed(ctx context.Context, id posthorn.SigningSecretID, at time.Time, entry posthorn.AuditEntry) error {
	return a.db.inTx(ctx, "reveal "+id.String(), func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE signing_secrets SET revealed_at = $2 WHERE id = $1 AND revealed_at IS NULL AND expires_at IS NULL`,
			id.UUID(), at)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return posthorn.ErrSecretShown
		}
		return writeAudit(ctx, tx, entry)
	})
}

// ReplaceAPISecret makes a new API secret the current one, once for each form.
func (a *Accounts) ReplaceAPISecret(
	ctx context.Context, c posthorn.SecretChange, form *posthorn.IdempotencyKey, entry posthorn.AuditEntry,
) (repeated bool, err error) {
	err = a.db.inTx(ctx, "replace the api secret of "+c.Secret.TenantID.String(), func(tx pgx.Tx) error {
		repeated, err = rotateSecret(ctx, tx, c, form, entry)
		return err
	})
	return repeated, err
}

// rotateSecret makes a new secret the current one, once for each form, and notes it in the audit log.
func rotateSecret(
	ctx context.Context, tx pgx.Tx, c posthorn.SecretChange, form *posthorn.IdempotencyKey, entry posthorn.AuditEntry,
) (repeated bool, err error) {
	if _, repeated, err = claimFormKey(ctx, tx, form, c.Secret.ID.String()); err != nil || repeated {
		return repeated, err
	}
	if err := replaceSigningSecret(ctx, tx, c.Secret, c.OldExpires); err != nil {
		return false, err
	}
	return false, writeAudit(ctx, tx, entry)
}

// RetireAPISecrets ends all API secrets of a tenant but the current one.
func (a *Accounts) RetireAPISecrets(ctx context.Context, tenant posthorn.TenantID, entry posthorn.AuditEntry) (n int, err error) {
	return a.db.retireSecrets(ctx, "retire the old api secrets of "+tenant.String(), tenant, posthorn.WebhookID{}, entry)
}

// retireSecrets is retireOldSecrets with its entry in the audit log, where any still signed. op says what is being done.
func (db *DB) retireSecrets(
	ctx context.Context, op string, tenant posthorn.TenantID, webhook posthorn.WebhookID, entry posthorn.AuditEntry,
) (n int, err error) {
	err = db.inTx(ctx, op, func(tx pgx.Tx) error {
		if n, err = retireOldSecrets(ctx, tx, tenant, webhook); err != nil || n == 0 {
			return err
		}
		entry.SecretsEnded(n)
		return writeAudit(ctx, tx, entry)
	})
	return n, err
}
