package posthorn

import (
	"context"
	"fmt"
)

// ChangePassword gives a signed-in person a new password and ends all their other sessions. A wrong current password is
// Invalid, and counts against the same limit as a failed sign-in; over it the error is RateLimited.
func (a *Accounts) ChangePassword(ctx context.Context, who SignedIn, current, newPassword string) error {
	var faults fieldFaults
	if current == "" {
		faults.add(FieldCurrentPassword, "must not be empty")
	}
	faults.password(FieldNewPassword, newPassword, who.User.Email, a.config.CheckPassword)
	if newPassword != "" && newPassword == current {
		faults.add(FieldNewPassword, "must differ from the current password")
	}
	if err := faults.err(); err != nil {
		return err
	}
	known, err := a.store.CredentialsByID(ctx, who.User.ID)
	if err != nil {
		return fmt.Errorf("read the password of %s: %w", who.User.ID, err)
	}
	right, err := a.guess(ctx, guessKeys(known.User.ID, "", who.Session.Address), func() (bool, error) {
		return a.config.Passwords.Verify(ctx, current, known.PasswordHash)
	})
	if err != nil {
		return fmt.Errorf("check the password of %s: %w", who.User.ID, err)
	}
	if !right {
		return FieldError(Invalid, FieldCurrentPassword, "is wrong")
	}
	except := who.Session.TokenHash
	return a.setPassword(ctx, who.actor(), ActionPasswordChanged, known, newPassword, &except)
}

// ResetPassword gives the user with an email address a new password, ends all their sessions and forgets their failed
// sign-ins. An unknown address is NotFound.
func (a *Accounts) ResetPassword(ctx context.Context, actor Actor, email, newPassword string) error {
	var faults fieldFaults
	email = faults.email(email)
	faults.password(FieldNewPassword, newPassword, email, a.config.CheckPassword)
	if err := faults.err(); err != nil {
		return err
	}
	known, err := a.store.CredentialsByEmail(ctx, email)
	if KindOf(err) == NotFound {
		return Because(NotFound, "There is no user with the email "+email+".", err)
	}
	if err != nil {
		return fmt.Errorf("find the user to reset: %w", err)
	}
	if err := a.setPassword(ctx, actor, ActionPasswordReset, known, newPassword, nil); err != nil {
		return err
	}
	return a.forgive(ctx, guessKeys(known.User.ID, "", ""))
}

func (a *Accounts) setPassword(
	ctx context.Context, actor Actor, action Action, known UserCredentials, password string, except *[32]byte,
) error {
	u := known.User
	hash, err := a.config.Passwords.Hash(ctx, password)
	if err != nil {
		return fmt.Errorf("hash the new password of %s: %w", u.ID, err)
	}
	_, err = a.store.SetPassword(ctx, PasswordChange{
		UserID: u.ID, OldHash: known.PasswordHash, NewHash: hash, At: databaseNow(), Except: except,
		Audit: audit(u.TenantID, actor, action, u.ID.String(), nil, nil),
	})
	if err != nil {
		return fmt.Errorf("set the password of %s: %w", u.ID, err)
	}
	return nil
}
