package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

const userColumns = "id, tenant_id, email, name, role, external_id, theme, time_zone, password_changed_at, created_at"

// userRow is a row of users; PasswordHash is read only where a password is checked.
type userRow struct {
	ID                uuid.UUID
	TenantID          uuid.UUID
	Email             string
	Name              string
	Role              string
	ExternalID        *string
	PasswordHash      string
	PasswordChangedAt time.Time
	Theme             string
	TimeZone          string
	CreatedAt         time.Time
}

func (userRow) TableName() string { return "users" }

func (r *userRow) user() posthorn.User {
	u := posthorn.User{
		ID: posthorn.UserID(r.ID), TenantID: posthorn.TenantID(r.TenantID), Email: r.Email, Name: r.Name,
		Role: posthorn.Role(r.Role), Theme: posthorn.Theme(r.Theme), TimeZone: r.TimeZone,
		PasswordChangedAt: r.PasswordChangedAt.UTC(), CreatedAt: r.CreatedAt.UTC(),
	}
	if r.ExternalID != nil {
		u.ExternalID = *r.ExternalID
	}
	return u
}

// ListUsers returns the users of a tenant, oldest first.
func (a *Accounts) ListUsers(ctx context.Context, tenant posthorn.TenantID) ([]posthorn.User, error) {
	var rows []userRow
	err := a.db.gorm.WithContext(ctx).Select(userColumns).Where("tenant_id = ?", tenant.UUID()).Order("id").Find(&rows).Error
	if err != nil {
		return nil, translate(err, "list the users of "+tenant.String())
	}
	users := make([]posthorn.User, len(rows))
	for i := range rows {
		users[i] = rows[i].user()
	}
	return users, nil
}

// CredentialsByEmail finds a user by their address, in upper or lower case.
func (a *Accounts) CredentialsByEmail(ctx context.Context, email string) (posthorn.UserCredentials, error) {
	return a.credentials(ctx, "find a user by email", "lower(email) = lower(?)", email)
}

// CredentialsByID finds a user by their id.
func (a *Accounts) CredentialsByID(ctx context.Context, id posthorn.UserID) (posthorn.UserCredentials, error) {
	return a.credentials(ctx, "get "+id.String(), "id = ?", id.UUID())
}

func (a *Accounts) credentials(ctx context.Context, op, condition string, value any) (posthorn.UserCredentials, error) {
	var row userRow
	err := a.db.gorm.WithContext(ctx).Select(userColumns+", password_hash").Where(condition, value).Take(&row).Error
	if err != nil {
		return posthorn.UserCredentials{}, translate(err, op)
	}
	return posthorn.UserCredentials{User: row.user(), PasswordHash: row.PasswordHash}, nil
}

// InsertUser stores a new user.
func (a *Accounts) InsertUser(ctx context.Context, u posthorn.UserCredentials, entry posthorn.AuditEntry) error {
	return a.db.inTx(ctx, "insert "+u.User.ID.String(), func(tx pgx.Tx) error {
		if err := insertUser(ctx, tx, u); err != nil {
			return err
		}
		return writeAudit(ctx, tx, entry)
	})
}

func insertUser(ctx context.Context, tx pgx.Tx, c posthorn.UserCredentials) error {
	u := c.User
	_, err := tx.Exec(ctx, `INSERT INTO users (id, tenant_id, email, name, role, external_id, password_hash, password_changed_at,
       theme, time_zone, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)`,
		u.ID.UUID(), u.TenantID.UUID(), u.Email, u.Name, string(u.Role), textOrNull(u.ExternalID), c.PasswordHash, u.PasswordChangedAt,
		string(u.Theme), u.TimeZone, u.CreatedAt)
	return err
}

// UpdateUser writes the user's name, theme and time zone.
func (a *Accounts) UpdateUser(ctx context.Context, u posthorn.User, entry posthorn.AuditEntry) error {
	return a.db.inTx(ctx, "update "+u.ID.String(), func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE users SET name = $2, theme = $3, time_zone = $4, updated_at = now() WHERE id = $1`,
			u.ID.UUID(), u.Name, string(u.Theme), u.TimeZone)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return pgx.ErrNoRows
		}
		return writeAudit(ctx, tx, entry)
	})
}

// errPasswordChanged is the Conflict of two changes of one password at the same time.
var errPasswordChanged = posthorn.Errorf(posthorn.Conflict, "The password was changed at the same time. Try again.")

// SetPassword changes a password and ends the user's sessions but the excepted one.
func (a *Accounts) SetPassword(ctx context.Context, p posthorn.PasswordChange) (ended int, err error) {
	err = a.db.inTx(ctx, "set the password of "+p.UserID.String(), func(tx pgx.Tx) error {
		ended, err = setPassword(ctx, tx, p)
		return err
	})
	return ended, err
}

func setPassword(ctx context.Context, tx pgx.Tx, p posthorn.PasswordChange) (ended int, err error) {
	tag, err := tx.Exec(ctx, `UPDATE users SET password_hash = $3, password_changed_at = $4, updated_at = $4
 WHERE id = $1 AND password_hash = $2`, p.UserID.UUID(), p.OldHash, p.NewHash, p.At)
	if err != nil {
		return 0, err
	}
	if tag.RowsAffected() == 0 {
		return 0, errPasswordChanged
	}
	if ended, err = deleteSessions(ctx, tx, p.UserID, p.Except); err != nil {
		return 0, err
	}
	p.Audit.SessionsEnded(ended)
	return ended, writeAudit(ctx, tx, p.Audit)
}

// ReplaceHash stores the same password under another hash, unless the old one is gone.
func (a *Accounts) ReplaceHash(ctx context.Context, id posthorn.UserID, oldHash, newHash string) error {
	err := a.db.gorm.WithContext(ctx).Model(&userRow{}).Where("id = ? AND password_hash = ?", id.UUID(), oldHash).
		UpdateColumn("password_hash", newHash).Error
	return translate(err, "replace the hash of "+id.String())
}
