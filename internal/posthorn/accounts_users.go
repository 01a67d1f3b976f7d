package posthorn

import (
	"context"
	"fmt"
	"strings"
)

// NewUser asks for a user of a tenant.
type NewUser struct {
	TenantID TenantID
	Email    string
	// Name may be empty: it is then what comes before the @ of the address.
	Name string
	Role Role
	// ExternalID is the user's id in the world of the workers, empty when none is known.
	ExternalID string
	Password   string
}

// CreateUser makes a user who can sign in. Wrong input is Invalid with the fields named, an unknown tenant NotFound, an
// email address or external id in use Conflict.
func (a *Accounts) CreateUser(ctx context.Context, actor Actor, n NewUser) (User, error) {
	if _, err := a.TenantByID(ctx, n.TenantID); err != nil {
		return User{}, err
	}
	u, err := a.newUser(ctx, &fieldFaults{}, n)
	if err != nil {
		return User{}, err
	}
	if err := a.store.InsertUser(ctx, u, userCreated(actor, u.User)); err != nil {
		return User{}, fmt.Errorf("create %s in %s: %w", u.User.ID, n.TenantID, err)
	}
	return u.User, nil
}

// newUser checks the input, adding to the faults that were found before, and hashes the password once nothing is wrong.
func (a *Accounts) newUser(ctx context.Context, faults *fieldFaults, n NewUser) (UserCredentials, error) {
	now := databaseNow()
	u := User{
		ID: NewID[userKind](), TenantID: n.TenantID, Email: faults.email(n.Email), Role: n.Role,
		ExternalID: faults.externalID(n.ExternalID), Theme: ThemeSystem, TimeZone: "UTC", PasswordChangedAt: now, CreatedAt: now,
	}
	if strings.TrimSpace(n.Name) == "" {
		u.Name, _, _ = strings.Cut(u.Email, "@")
	} else {
		u.Name = faults.name(FieldName, n.Name)
	}
	faults.role(n.Role)
	faults.password(FieldPassword, n.Password, u.Email, a.config.CheckPassword)
	if err := faults.err(); err != nil {
		return UserCredentials{}, err
	}
	hash, err := a.config.Passwords.Hash(ctx, n.Password)
	if err != nil {
		return UserCredentials{}, fmt.Errorf("hash the password of %s: %w", u.ID, err)
	}
	return UserCredentials{User: u, PasswordHash: hash}, nil
}

func userCreated(actor Actor, u User) AuditEntry {
	after := map[string]any{"email": u.Email, "name": u.Name, "role": u.Role}
	if u.ExternalID != "" {
		after["externalId"] = u.ExternalID
	}
	return audit(u.TenantID, actor, ActionUserCreated, u.ID.String(), nil, after)
}

// ListUsers returns the users of a tenant, oldest first; an unknown tenant is NotFound.
func (a *Accounts) ListUsers(ctx context.Context, tenant TenantID) ([]User, error) {
	if _, err := a.TenantByID(ctx, tenant); err != nil {
		return nil, err
	}
	return a.store.ListUsers(ctx, tenant)
}

// UpdateProfile changes what a signed-in person is called.
func (a *Accounts) UpdateProfile(ctx context.Context, who SignedIn, name string) error {
	var faults fieldFaults
	u := who.User
	u.Name = faults.name(FieldName, name)
	if err := faults.err(); err != nil {
		return err
	}
	return a.updateUser(ctx, who, u, ActionProfileUpdated,
		map[string]any{"name": who.User.Name}, map[string]any{"name": u.Name})
}

// UpdatePreferences changes the look and the time zone that a signed-in person sees. The time zone is a name of the time
// zone database, such as "Europe/Madrid".
func (a *Accounts) UpdatePreferences(ctx context.Context, who SignedIn, theme Theme, timeZone string) error {
	var faults fieldFaults
	faults.theme(theme)
	faults.timeZone(timeZone)
	if err := faults.err(); err != nil {
		return err
	}
	u := who.User
	u.Theme, u.TimeZone = theme, timeZone
	return a.updateUser(ctx, who, u, ActionPreferencesUpdated,
		map[string]any{"theme": who.User.Theme, "timeZone": who.User.TimeZone}, map[string]any{"theme": theme, "timeZone": timeZone})
}

// updateUser writes what a person changed about themselves, unless it is what it was.
func (a *Accounts) updateUser(ctx context.Context, who SignedIn, u User, action Action, before, after map[string]any) error {
	if u == who.User {
		return nil
	}
	entry := audit(u.TenantID, who.actor(), action, u.ID.String(), before, after)
	if err := a.store.UpdateUser(ctx, u, entry); err != nil {
		return fmt.Errorf("update %s: %w", u.ID, err)
	}
	return nil
}

// actor is the person of a session, at the address they signed in from.
func (s *SignedIn) actor() Actor { return s.User.Actor(s.Session.Address) }

// DeleteUserSessions signs a user out of every browser but the one whose session is excepted, nil for none. It returns
// how many sessions it ended.
func (a *Accounts) DeleteUserSessions(ctx context.Context, actor Actor, u User, except *[32]byte) (int, error) {
	entry := audit(u.TenantID, actor, ActionSignedOutEverywhere, u.ID.String(), nil, nil)
	n, err := a.store.DeleteUserSessions(ctx, u.ID, except, entry)
	if err != nil {
		return 0, fmt.Errorf("end the sessions of %s: %w", u.ID, err)
	}
	return n, nil
}
