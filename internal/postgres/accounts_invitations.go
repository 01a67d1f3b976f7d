package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

const memberInvitationColumns = `id, tenant_id, email, role, external_id, token_hash, created_at, created_by, created_by_id, expires_at, accepted_at, accepted_by, revoked_at`

// memberInvitationOpen is the condition of an invitation that can be accepted.
const memberInvitationOpen = `accepted_at IS NULL AND revoked_at IS NULL AND expires_at > now()`

// pastInvitations is how many invitations that are over a list shows.
const pastInvitations = 50

func scanMemberInvitation(row pgx.CollectableRow) (posthorn.MemberInvitation, error) {
	var i posthorn.MemberInvitation
	var external *string
	var hash []byte
	var accepted, revoked *time.Time
	var by *uuid.UUID
	err := row.Scan((*uuid.UUID)(&i.ID), (*uuid.UUID)(&i.TenantID), &i.Email, &i.Role, &external, &hash, &i.CreatedAt, &i.CreatedBy,
		(*uuid.UUID)(&i.CreatedByID), &i.ExpiresAt, &accepted, &by, &revoked)
	if err != nil {
		return i, err
	}
	copy(i.TokenHash[:], hash)
	i.CreatedAt, i.ExpiresAt, i.AcceptedAt, i.RevokedAt = i.CreatedAt.UTC(), i.ExpiresAt.UTC(), utc(accepted), utc(revoked)
	if external != nil {
		i.ExternalID = *external
	}
	if by != nil {
		i.AcceptedBy = posthorn.UserID(*by)
	}
	return i, nil
}

func (a *Accounts) memberInvitation(ctx context.Context, op, condition string, args ...any) (posthorn.MemberInvitation, error) {
	rows, err := a.db.pool.Query(ctx, `SELECT `+memberInvitationColumns+` FROM member_invitations WHERE `+condition, args...)
	if err != nil {
		return posthorn.MemberInvitation{}, translate(err, op)
	}
	i, err := pgx.CollectExactlyOneRow(rows, scanMemberInvitation)
	return i, translate(err, op)
}

// MemberInvitation returns an invitation of a tenant.
func (a *Accounts) MemberInvitation(
	ctx context.Context, tenant posthorn.TenantID, id posthorn.MemberInvitationID,
) (posthorn.MemberInvitation, error) {
	return a.memberInvitation(ctx, "get "+id.String(), `tenant_id = $1 AND id = $2`, tenant.UUID(), id.UUID())
}

// MemberInvitationByHash returns the invitation with the hash of a token.
func (a *Accounts) MemberInvitationByHash(ctx context.Context, tokenHash [32]byte) (posthorn.MemberInvitation, error) {
	return a.memberInvitation(ctx, "find an invitation by its token", `token_hash = $1`, tokenHash[:])
}

// ListMemberInvitations returns the open invitations of a tenant and the newest of the others, newest first.
func (a *Accounts) ListMemberInvitations(ctx context.Context, tenant posthorn.TenantID) ([]posthorn.MemberInvitation, error) {
	op := "list the invitations to " + tenant.String()
	rows, err := a.db.pool.Query(ctx, `SELECT `+memberInvitationColumns+` FROM (
  SELECT *, `+memberInvitationOpen+` AS open, row_number() OVER (PARTITION BY (`+memberInvitationOpen+`) ORDER BY id DESC) AS n
    FROM member_invitations WHERE tenant_id = $1) i WHERE open OR n <= $2 ORDER BY id DESC`, tenant.UUID(), pastInvitations)
	if err != nil {
		return nil, translate(err, op)
	}
	list, err := pgx.CollectRows(rows, scanMemberInvitation)
	return list, translate(err, op)
}

// InsertMemberInvitation stores an invitation, once for each form. The lock on the tenant makes those who invite wait for each
// other, so that an address gets one open invitation.
func (a *Accounts) InsertMemberInvitation(
	ctx context.Context, i posthorn.MemberInvitation, limit int, form *posthorn.IdempotencyKey, entry posthorn.AuditEntry,
) (made posthorn.MemberInvitationID, err error) {
	made = i.ID
	err = a.db.inTx(ctx, "insert "+i.ID.String(), func(tx pgx.Tx) error {
		first, repeated, err := claimFormKey(ctx, tx, form, i.ID.String())
		if err != nil {
			return err
		}
		if repeated {
			made, err = posthorn.ParseMemberInvitationID(first)
			return err
		}
		if err := lockTenant(ctx, tx, i.TenantID); err != nil {
			return err
		}
		if err := wantOwner(ctx, tx, i.CreatedByID); err != nil {
			return err
		}
		if err := refuseInvitation(ctx, tx, &i, limit); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO member_invitations (id, tenant_id, email, role, external_id, token_hash, created_at, created_by, created_by_id, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, i.ID.UUID(), i.TenantID.UUID(), i.Email, string(i.Role), textOrNull(i.ExternalID), i.TokenHash[:],
			i.CreatedAt, i.CreatedBy, i.CreatedByID.UUID(), i.ExpiresAt)
		if err != nil {
			return err
		}
		return writeAudit(ctx, tx, entry)
	})
	return made, err
}

// refuseInvitation is a Conflict where an invitation could not be accepted, or is one too many.
func refuseInvitation(ctx context.Context, tx pgx.Tx, i *posthorn.MemberInvitation, limit int) error {
	var user, invited, external, promised bool
	var open int
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM users WHERE lower(email) = lower($2)),
       EXISTS (SELECT FROM users WHERE tenant_id = $1 AND external_id = $3),
       count(*), coalesce(bool_or(lower(email) = lower($2)), false), coalesce(bool_or(external_id = $3), false)
  FROM member_invitations WHERE tenant_id = $1 AND `+memberInvitationOpen, i.TenantID.UUID(), i.Email, textOrNull(i.ExternalID)).
		Scan(&user, &external, &open, &invited, &promised)
	switch {
	case err != nil:
		return err
	case user:
		return posthorn.FieldError(posthorn.Conflict, posthorn.FieldEmail, "already belongs to a user")
	case invited:
		return posthorn.FieldError(posthorn.Conflict, posthorn.FieldEmail, "has an open invitation already; revoke that one to make a new link")
	case external:
		return posthorn.FieldError(posthorn.Conflict, posthorn.FieldExternalID, "already belongs to another user")
	case promised:
		return posthorn.FieldError(posthorn.Conflict, posthorn.FieldExternalID, "already belongs to another open invitation")
	case open >= limit:
		return posthorn.ErrTooManyMemberInvitations
	}
	return nil
}

// RevokeMemberInvitation writes i.RevokedAt, unless the invitation was accepted or revoked meanwhile.
func (a *Accounts) RevokeMemberInvitation(ctx context.Context, i posthorn.MemberInvitation, entry posthorn.AuditEntry) error {
	return a.db.inTx(ctx, "revoke "+i.ID.String(), func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE member_invitations SET revoked_at = $3
 WHERE tenant_id = $1 AND id = $2 AND accepted_at IS NULL AND revoked_at IS NULL`, i.TenantID.UUID(), i.ID.UUID(), i.RevokedAt)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		return writeAudit(ctx, tx, entry)
	})
}

// AcceptMemberInvitation stores the user of an invitation and when it was accepted, or neither. Of several who accept it at
// the same time one does: the others wait for the row and find it accepted.
func (a *Accounts) AcceptMemberInvitation(
	ctx context.Context, i posthorn.MemberInvitation, u posthorn.UserCredentials, entries ...posthorn.AuditEntry,
) error {
	return a.db.inTx(ctx, "accept "+i.ID.String(), func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE member_invitations SET accepted_at = $2, accepted_by = $3
 WHERE id = $1 AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $2`, i.ID.UUID(), i.AcceptedAt, i.AcceptedBy.UUID())
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return posthorn.ErrMemberInvitationOver
		}
		if err := insertUser(ctx, tx, u); err != nil {
			return err
		}
		return writeAudit(ctx, tx, entries...)
	})
}
