package posthorn

import (
	"context"
	"fmt"
	"time"
)

// ActionResetLinkMade is the action of an owner who makes a link for a member's new password.
const ActionResetLinkMade Action = "user.reset_link_created"

// resetLinkLife is how long a link for a new password is good.
const resetLinkLife = 24 * time.Hour

// PasswordReset is a link by which a user can set a new password, once. A user has one at most: a newer one replaces it.
type PasswordReset struct {
	UserID UserID
	// TokenHash is the SHA-256 of the token in the link.
	TokenHash            [32]byte
	CreatedAt, ExpiresAt time.Time
	// CreatedBy is the name of the owner who made it. When CreatedByID is an owner no more, it ends.
	CreatedBy   string
	CreatedByID UserID
	// UsedAt is zero while it is good.
	UsedAt time.Time
}

// PasswordResetStore keeps links for new passwords. What does not exist is NotFound.
type PasswordResetStore interface {
	// ReplacePasswordReset stores a link in the place of the one before it. With a form key that was used before it changes
	// nothing and says so. It is ErrOwnersManage when who made it is an owner no more.
	ReplacePasswordReset(ctx context.Context, r PasswordReset, form *IdempotencyKey, entry AuditEntry) (repeated bool, err error)
	// PasswordResetByHash returns a link and whose it is.
	PasswordResetByHash(ctx context.Context, tokenHash [32]byte) (PasswordReset, UserCredentials, error)
	// UsePasswordReset changes the password and ends the link, or neither: it is ErrResetOver when the link is not good any
	// more.
	UsePasswordReset(ctx context.Context, r PasswordReset, p PasswordChange) error
}

// ErrResetOver refuses a link that was used, or has expired, or is older than the password.
var ErrResetOver = Errorf(Conflict, "This link was used already or has expired. Ask an owner of the organisation for a new one.")

// errResetYourself refuses a link for one's own password: a session left open would be enough to change the password for good.
var errResetYourself = Errorf(Conflict, "This is your own account. Change your password on your profile.")

// MadeResetLink is a link for a new password at the one moment at which its token is known.
type MadeResetLink struct {
	Member Member
	// Token is what the link ends with, empty when the form was sent before.
	Token     string
	ExpiresAt time.Time
	// Repeated says that the form was sent before, and changed nothing now.
	Repeated bool
}

// MakeResetLink makes a link by which a member of an owner's tenant sets a new password, once and within 24 hours. The
// password that they have works until then. The link before it ends. For oneself it is Conflict.
func (a *Accounts) MakeResetLink(ctx context.Context, who SignedIn, id UserID, form *IdempotencyKey) (MadeResetLink, error) {
	if err := who.owns(); err != nil {
		return MadeResetLink{}, err
	}
	m, err := a.Member(ctx, who.Tenant.ID, id)
	if err != nil {
		return MadeResetLink{}, err
	}
	if id == who.User.ID {
		return MadeResetLink{}, errResetYourself
	}
	token, hash := a.config.NewToken()
	now := databaseNow()
	r := PasswordReset{
		UserID: id, TokenHash: hash, CreatedAt: now, ExpiresAt: now.Add(resetLinkLife), CreatedBy: who.User.Name, CreatedByID: who.User.ID,
	}
	entry := audit(m.TenantID, who.actor(), ActionResetLinkMade, id.String(), nil, map[string]any{"expiresAt": FormatTime(r.ExpiresAt)})
	repeated, err := a.store.ReplacePasswordReset(ctx, r, form, entry)
	if err != nil {
		return MadeResetLink{}, fmt.Errorf("make a reset link for %s: %w", id, err)
	}
	if repeated {
		return MadeResetLink{Member: m, Repeated: true}, nil
	}
	return MadeResetLink{Member: m, Token: token, ExpiresAt: r.ExpiresAt}, nil
}

// OpenResetLink returns whose password the link of a token sets. One that is not good any more is ErrResetOver, an unknown
// token NotFound; from an address that tried too many it is RateLimited, as a sign-in is.
func (a *Accounts) OpenResetLink(ctx context.Context, token, address string) (User, error) {
	_, known, err := a.resetLink(ctx, token, address)
	return known.User, err
}

func (a *Accounts) resetLink(ctx context.Context, token, address string) (r PasswordReset, known UserCredentials, err error) {
	err = a.guessToken(ctx, token, address, func(hash [32]byte) (stored [32]byte, err error) {
		r, known, err = a.store.PasswordResetByHash(ctx, hash)
		return r.TokenHash, err
	})
	if err != nil {
		return PasswordReset{}, UserCredentials{}, fmt.Errorf("open a reset link: %w", err)
	}
	// Whoever changed the password meanwhile did not forget it, and an old link must not undo that.
	if !r.UsedAt.IsZero() || !r.ExpiresAt.After(databaseNow()) || known.User.PasswordChangedAt.After(r.CreatedAt) {
		return PasswordReset{}, UserCredentials{}, ErrResetOver
	}
	return r, known, nil
}

// ResetPasswordByLink sets a new password with the token of a link, and does what ResetPassword does beside: it ends all
// sessions of the user and forgets their failed sign-ins. The errors are those of OpenResetLink, and Invalid with the field
// named for a password that is not fit.
func (a *Accounts) ResetPasswordByLink(ctx context.Context, token, address, newPassword string) (User, error) {
	r, known, err := a.resetLink(ctx, token, address)
	if err != nil {
		return User{}, err
	}
	u := known.User
	var faults fieldFaults
	faults.password(FieldNewPassword, newPassword, u.Email, a.config.CheckPassword)
	if err := faults.err(); err != nil {
		return User{}, err
	}
	hash, err := a.config.Passwords.Hash(ctx, newPassword)
	if err != nil {
		return User{}, fmt.Errorf("hash the new password of %s: %w", u.ID, err)
	}
	r.UsedAt = databaseNow()
	err = a.store.UsePasswordReset(ctx, r, PasswordChange{
		UserID: u.ID, OldHash: known.PasswordHash, NewHash: hash, At: r.UsedAt,
		Audit: audit(u.TenantID, u.Actor(address), ActionPasswordReset, u.ID.String(), nil, nil),
	})
	if err != nil {
		return User{}, fmt.Errorf("reset the password of %s by a link: %w", u.ID, err)
	}
	return u, a.forgive(ctx, guessKeys(u.ID, "", ""))
}
