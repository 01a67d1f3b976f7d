package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// ListMembers returns the members of a tenant: owners first, then admins, then the rest, each by name.
func (a *Accounts) ListMembers(ctx context.Context, tenant posthorn.TenantID) ([]posthorn.Member, error) {
	op := "list the members of " + tenant.String()
	rows, err := a.db.pool.Query(ctx, `SELECT `+userColumns+`, last_seen_at FROM users WHERE tenant_id = $1
 ORDER BY array_position('{owner,admin,member}', role), lower(name), id`, tenant.UUID())
	if err != nil {
		return nil, translate(err, op)
	}
	members, err := pgx.CollectRows(rows, scanMember)
	return members, translate(err, op)
}

func scanMember(row pgx.CollectableRow) (posthorn.Member, error) {
	var u userRow
	var seen *time.Time
	err := row.Scan(&u.ID, &u.TenantID, &u.Email, &u.Name, &u.Role, &u.ExternalID, &u.Theme, &u.TimeZone, &u.PasswordChangedAt, &u.CreatedAt, &seen)
	return posthorn.Member{User: u.user(), LastSeenAt: utc(seen)}, err
}

// ChangeMember lets change look at a member and does what it decides. The lock on the tenant makes those who change its
// members wait for each other, so that two owners cannot take the role from each other at the same time.
func (a *Accounts) ChangeMember(
	ctx context.Context, tenant posthorn.TenantID, by, id posthorn.UserID, change func(posthorn.MemberStanding) (posthorn.MemberOutcome, error),
) error {
	return a.db.inTx(ctx, "change "+id.String()+" of "+tenant.String(), func(tx pgx.Tx) error {
		if err := lockTenant(ctx, tx, tenant); err != nil {
			return err
		}
		s, err := memberStanding(ctx, tx, tenant, by, id)
		if err != nil {
			return err
		}
		out, err := change(s)
		if err != nil || len(out.Audit) == 0 {
			return err
		}
		if out.Remove {
			return removeMember(ctx, tx, id, out.Audit)
		}
		m := out.Member
		_, err = tx.Exec(ctx, `UPDATE users SET name = $2, role = $3, external_id = $4, updated_at = now() WHERE id = $1`,
			id.UUID(), m.Name, string(m.Role), textOrNull(m.ExternalID))
		if err != nil {
			return err
		}
		if s.Member.Role == posthorn.RoleOwner && m.Role != posthorn.RoleOwner {
			if err := endLinks(ctx, tx, id); err != nil {
				return err
			}
		}
		return writeAudit(ctx, tx, out.Audit...)
	})
}

func memberStanding(ctx context.Context, tx pgx.Tx, tenant posthorn.TenantID, by, id posthorn.UserID) (posthorn.MemberStanding, error) {
	var s posthorn.MemberStanding
	rows, err := tx.Query(ctx, `SELECT `+userColumns+`, last_seen_at FROM users WHERE tenant_id = $1 AND id = $2 FOR UPDATE`, tenant.UUID(), id.UUID())
	if err != nil {
		return s, err
	}
	m, err := pgx.CollectExactlyOneRow(rows, scanMember)
	if err != nil {
		return s, err
	}
	s.Member = m.User
	err = tx.QueryRow(ctx, `SELECT coalesce(max(role) FILTER (WHERE id = $2), ''), count(*) FILTER (WHERE role = 'owner') FROM users WHERE tenant_id = $1`,
		tenant.UUID(), by.UUID()).Scan(&s.ByRole, &s.Owners)
	return s, err
}

// endLinks ends the links that somebody made as an owner and that nobody has used.
func endLinks(ctx context.Context, tx pgx.Tx, by posthorn.UserID) error {
	_, err := tx.Exec(ctx, `WITH resets AS (UPDATE password_resets SET expires_at = now() WHERE created_by_id = $1 AND used_at IS NULL AND expires_at > now())
UPDATE member_invitations SET revoked_at = now() WHERE created_by_id = $1 AND `+memberInvitationOpen, by.UUID())
	return err
}

// wantOwner is posthorn.ErrOwnersManage unless a user is an owner, and stays one until the transaction ends.
func wantOwner(ctx context.Context, tx pgx.Tx, id posthorn.UserID) error {
	var owner bool
	err := tx.QueryRow(ctx, `SELECT role = 'owner' FROM users WHERE id = $1 FOR SHARE`, id.UUID()).Scan(&owner)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && !owner {
		return posthorn.ErrOwnersManage
	}
	return err
}

// removeMember deletes a user. Their sessions are deleted first, to be counted.
func removeMember(ctx context.Context, tx pgx.Tx, id posthorn.UserID, entries []posthorn.AuditEntry) error {
	if err := endLinks(ctx, tx, id); err != nil {
		return err
	}
	ended, err := deleteSessions(ctx, tx, id, nil)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM users WHERE id = $1`, id.UUID()); err != nil {
		return err
	}
	for i := range entries {
		entries[i].SessionsEnded(ended)
	}
	return writeAudit(ctx, tx, entries...)
}

// ReplacePasswordReset stores a link for a new password in the place of the one before it, once for each form.
func (a *Accounts) ReplacePasswordReset(
	ctx context.Context, r posthorn.PasswordReset, form *posthorn.IdempotencyKey, entry posthorn.AuditEntry,
) (repeated bool, err error) {
	err = a.db.inTx(ctx, "replace the reset link of "+r.UserID.String(), func(tx pgx.Tx) error {
		if _, repeated, err = claimFormKey(ctx, tx, form, entry.ID.String()); err != nil || repeated {
			return err
		}
		if err := wantOwner(ctx, tx, r.CreatedByID); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO password_resets (user_id, token_hash, created_at, created_by, created_by_id, expires_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (user_id) DO UPDATE SET token_hash = excluded.token_hash, created_at = excluded.created_at, created_by = excluded.created_by,
  created_by_id = excluded.created_by_id, expires_at = excluded.expires_at, used_at = NULL`,
			r.UserID.UUID(), r.TokenHash[:], r.CreatedAt, r.CreatedBy, r.CreatedByID.UUID(), r.ExpiresAt)
		if err != nil {
			return err
		}
		return writeAudit(ctx, tx, entry)
	})
	return repeated, err
}

// PasswordResetByHash returns a link for a new password and whose it is.
func (a *Accounts) PasswordResetByHash(ctx context.Context, tokenHash [32]byte) (posthorn.PasswordReset, posthorn.UserCredentials, error) {
	var r posthorn.PasswordReset
	var hash []byte
	var used *time.Time
	const op = "find a reset link"
	err := a.db.pool.QueryRow(ctx, `SELECT user_id, token_hash, created_at, created_by, created_by_id, expires_at, used_at
  FROM password_resets WHERE token_hash = $1`, tokenHash[:]).
		Scan((*uuid.UUID)(&r.UserID), &hash, &r.CreatedAt, &r.CreatedBy, (*uuid.UUID)(&r.CreatedByID), &r.ExpiresAt, &used)
	if err != nil {
		return r, posthorn.UserCredentials{}, translate(err, op)
	}
	copy(r.TokenHash[:], hash)
	r.CreatedAt, r.ExpiresAt, r.UsedAt = r.CreatedAt.UTC(), r.ExpiresAt.UTC(), utc(used)
	known, err := a.CredentialsByID(ctx, r.UserID)
	return r, known, err
}

// UsePasswordReset changes the password and ends the link, or neither.
func (a *Accounts) UsePasswordReset(ctx context.Context, r posthorn.PasswordReset, p posthorn.PasswordChange) error {
	return a.db.inTx(ctx, "use the reset link of "+r.UserID.String(), func(tx pgx.Tx) error {
		// The user is locked first, as by whoever changes a password in another way.
		if _, err := setPassword(ctx, tx, p); err != nil {
			if errors.Is(err, errPasswordChanged) {
				return posthorn.ErrResetOver
			}
			return err
		}
		tag, err := tx.Exec(ctx, `UPDATE password_resets SET used_at = $3 WHERE user_id = $1 AND token_hash = $2 AND used_at IS NULL`,
			r.UserID.UUID(), r.TokenHash[:], r.UsedAt)
		if err == nil && tag.RowsAffected() == 0 {
			err = posthorn.ErrResetOver
		}
		return err
	})
}
