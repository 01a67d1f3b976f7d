package posthorn

import (
	"context"
	"fmt"
)

// SignInAttempt is one try to sign in.
type SignInAttempt struct {
	Email, Password string
	// Address is the IP address that the attempt comes from.
	Address string
}

// errSignIn answers an unknown user and a wrong password alike.
var errSignIn = Errorf(Unauthorized, "Email or password is wrong.")

// SignIn checks a password and returns whose it is. An unknown user and a wrong password are the same Unauthorized
// error, after the same time. After too many failures for an account or from an address it is RateLimited, with RetryAt,
// and the password is not looked at. A missing email or password is Invalid.
func (a *Accounts) SignIn(ctx context.Context, at SignInAttempt) (User, error) {
	var faults fieldFaults
	if foldEmail(at.Email) == "" {
		faults.add(FieldEmail, "must not be empty")
	}
	if at.Password == "" {
		faults.add(FieldPassword, "must not be empty")
	}
	if err := faults.err(); err != nil {
		return User{}, err
	}
	known, err := a.credentialsFor(ctx, at.Email)
	if err != nil {
		return User{}, err
	}
	right, err := a.guess(ctx, guessKeys(known.User.ID, at.Email, at.Address), func() (bool, error) {
		if known.User.ID.IsZero() {
			return false, a.config.Passwords.VerifyNothing(ctx, at.Password)
		}
		return a.config.Passwords.Verify(ctx, at.Password, known.PasswordHash)
	})
	switch {
	case err != nil:
		return User{}, fmt.Errorf("sign in: %w", err)
	case !right:
		return User{}, errSignIn
	}
	if err := a.rehash(ctx, known, at.Password); err != nil {
		return User{}, err
	}
	return known.User, nil
}

// credentialsFor finds the user with an email address; they are zero when there is none. What is not an address is not
// looked up: the database might not even take it.
func (a *Accounts) credentialsFor(ctx context.Context, email string) (UserCredentials, error) {
	var faults fieldFaults
	email = faults.email(email)
	if len(faults.fields) > 0 {
		return UserCredentials{}, nil
	}
	known, err := a.store.CredentialsByEmail(ctx, email)
	if err != nil && KindOf(err) != NotFound {
		return UserCredentials{}, fmt.Errorf("find the user who signs in: %w", err)
	}
	return known, nil
}

// rehash brings the stored hash to today's cost, at the one moment at which the password is known.
func (a *Accounts) rehash(ctx context.Context, known UserCredentials, password string) error {
	if !a.config.Passwords.NeedsRehash(known.PasswordHash) {
		return nil
	}
	hash, err := a.config.Passwords.Hash(ctx, password)
	if err != nil {
		return fmt.Errorf("hash the password of %s anew: %w", known.User.ID, err)
	}
	if err := a.store.ReplaceHash(ctx, known.User.ID, known.PasswordHash, hash); err != nil {
		return fmt.Errorf("replace the hash of %s: %w", known.User.ID, err)
	}
	return nil
}
