package postgres

import (
	"context"
	"encoding/hex"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// Sessions keeps the signed-in browsers. How long a session lasts is its owner's matter: it is over when its ExpiresAt
// has come.
type Sessions struct{ db *DB }

// NewSessions makes the store.
func NewSessions(db *DB) *Sessions { return &Sessions{db} }

// touchEvery is the least time between two notes of when a session was last used.
const touchEvery = time.Minute

// sessionRow is a row of sessions, for gorm to change.
type sessionRow struct{}

func (sessionRow) TableName() string { return "sessions" }

// errPasswordGone is the answer to a session for a password that is not the user's any more.
var errPasswordGone = posthorn.Errorf(posthorn.Unauthorized, "The password was changed meanwhile. Sign in with the new one.")

// CreateSession stores a session. It is Unauthorized when the user's password was changed since the session's
// PasswordChangedAt was read: what ends all sessions also ends the one that was about to begin. The update of the user
// makes this wait for a change that is under way, or that change wait for this.
func (s *Sessions) CreateSession(ctx context.Context, n posthorn.Session) error {
	data := n.Data
	if data == nil {
		data = []byte{}
	}
	tag, err := s.db.pool.Exec(ctx, `
WITH u AS (UPDATE users SET last_seen_at = $7 WHERE id = $2 AND password_changed_at = $9 RETURNING id)
INSERT INTO sessions (token_hash, user_id, data, address, user_agent, created_at, last_seen_at, expires_at)
SELECT $1, u.id, $3, $4, $5, $6, $7, $8 FROM u`,
		n.TokenHash[:], n.UserID.UUID(), data, n.Address, storable(n.UserAgent), n.CreatedAt, n.LastSeenAt, n.ExpiresAt, n.PasswordChangedAt)
	op := "create a session of " + n.UserID.String()
	if err == nil && tag.RowsAffected() == 0 {
		err = errPasswordGone
	}
	return translate(err, op)
}

// Session returns a live session with its user and tenant; NotFound when it ended or never was.
func (s *Sessions) Session(ctx context.Context, tokenHash [32]byte) (posthorn.SignedIn, error) {
	var (
		in     = posthorn.SignedIn{Session: posthorn.Session{TokenHash: tokenHash}}
		user   userRow
		tenant tenantRow
	)
	err := s.db.pool.QueryRow(ctx, `
SELECT s.data, s.address, s.user_agent, s.created_at, s.last_seen_at, s.expires_at,
       u.id, u.email, u.name, u.role, u.external_id, u.theme, u.time_zone, u.password_changed_at, u.created_at,
       t.id, t.name, t.created_at
  FROM sessions s JOIN users u ON u.id = s.user_id JOIN tenants t ON t.id = u.tenant_id
 WHERE s.token_hash = $1 AND s.expires_at > $2`, tokenHash[:], time.Now()).Scan(
		&in.Session.Data, &in.Session.Address, &in.Session.UserAgent, &in.Session.CreatedAt, &in.Session.LastSeenAt, &in.Session.ExpiresAt,
		&user.ID, &user.Email, &user.Name, &user.Role, &user.ExternalID, &user.Theme, &user.TimeZone, &user.PasswordChangedAt, &user.CreatedAt,
		&tenant.ID, &tenant.Name, &tenant.CreatedAt)
	if err != nil {
		return posthorn.SignedIn{}, translate(err, "read session "+shortHash(tokenHash))
	}
	user.TenantID = tenant.ID
	in.User, in.Tenant = user.user(), tenant.tenant()
	in.Session.UserID, in.Session.PasswordChangedAt = in.User.ID, in.User.PasswordChangedAt
	return in, nil
}

// SaveSessionData writes what a browser's session keeps between requests; NotFound when the session ended.
func (s *Sessions) SaveSessionData(ctx context.Context, tokenHash [32]byte, data []byte) error {
	q := s.db.gorm.WithContext(ctx).Model(&sessionRow{}).Where("token_hash = ?", tokenHash[:]).UpdateColumn("data", data)
	err := q.Error
	if err == nil && q.RowsAffected == 0 {
		err = pgx.ErrNoRows
	}
	return translate(err, "save the data of session "+shortHash(tokenHash))
}

// TouchSession notes that a session was used, by its user, and until when it lasts now. It does so at most once a minute, so that many
// requests at once write once; a session that ended meanwhile stays ended.
func (s *Sessions) TouchSession(ctx context.Context, tokenHash [32]byte, seen, expires time.Time) error {
	// The user comes first, as wherever else both are locked.
	_, err := s.db.pool.Exec(ctx, `
WITH u AS (UPDATE users SET last_seen_at = $2
            WHERE id = (SELECT user_id FROM sessions WHERE token_hash = $1 AND last_seen_at <= $4) RETURNING id)
UPDATE sessions SET last_seen_at = $2, expires_at = $3 FROM u WHERE token_hash = $1 AND user_id = u.id AND last_seen_at <= $4`,
		tokenHash[:], seen, expires, seen.Add(-touchEvery))
	return translate(err, "touch session "+shortHash(tokenHash))
}

// DeleteSession ends a session; one that ended already is no error.
func (s *Sessions) DeleteSession(ctx context.Context, tokenHash [32]byte) error {
	err := s.db.gorm.WithContext(ctx).Where("token_hash = ?", tokenHash[:]).Delete(&sessionRow{}).Error
	return translate(err, "delete session "+shortHash(tokenHash))
}

// DeleteUserSessions ends a user's sessions but the excepted one, and returns how many that were.
func (a *Accounts) DeleteUserSessions(
	ctx context.Context, id posthorn.UserID, except *[32]byte, entry posthorn.AuditEntry,
) (ended int, err error) {
	err = a.db.inTx(ctx, "end the sessions of "+id.String(), func(tx pgx.Tx) error {
		// One at a time, so that two of these cannot lock the same sessions in a different order.
		var locked uuid.UUID
		if err := tx.QueryRow(ctx, `SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE`, id.UUID()).Scan(&locked); err != nil {
			return err
		}
		var err error
		if ended, err = deleteSessions(ctx, tx, id, except); err != nil {
			return err
		}
		entry.SessionsEnded(ended)
		return writeAudit(ctx, tx, entry)
	})
	return ended, err
}

// deleteSessions ends a user's sessions but the excepted one. The caller has locked the user.
func deleteSessions(ctx context.Context, tx pgx.Tx, id posthorn.UserID, except *[32]byte) (int, error) {
	var keep []byte
	if except != nil {
		keep = except[:]
	}
	tag, err := tx.Exec(ctx, `DELETE FROM sessions WHERE user_id = $1 AND token_hash IS DISTINCT FROM $2`, id.UUID(), keep)
	return int(tag.RowsAffected()), err
}

// storable returns a header's text without what a text column refuses.
func storable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

// shortHash names a session in the log: enough to tell it from others.
func shortHash(tokenHash [32]byte) string { return hex.EncodeToString(tokenHash[:4]) }
