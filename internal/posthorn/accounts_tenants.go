package posthorn

import (
	"context"
	"fmt"
	"time"
)

// NewTenant asks for an organisation and its first owner.
type NewTenant struct {
	Name       string
	OwnerEmail string
	// OwnerName may be empty: it is then what comes before the @ of the address.
	OwnerName     string
	OwnerPassword string
	// WithCredentials asks for an API key with all scopes and for the API secret, which is handed out with it and so
	// counts as revealed.
	WithCredentials bool
}

// Bootstrap is a new tenant as its founder needs to know it, in the JSON of "posthorn bootstrap --json". APIKey and
// APISecret are empty unless they were asked for; they are not shown again.
type Bootstrap struct {
	TenantID  TenantID `json:"tenantId"`
	UserID    UserID   `json:"userId"`
	Email     string   `json:"email"`
	Password  string   `json:"password"`
	APIKey    string   `json:"apiKey"`
	APISecret string   `json:"apiSecret"`
}

// bootstrapKeyName is the name of the API key that comes with a tenant.
const bootstrapKeyName = "Bootstrap"

// SetUp reports whether there is a tenant, and so somebody who can sign in.
func (a *Accounts) SetUp(ctx context.Context) (bool, error) {
	_, err := a.store.FirstTenantID(ctx)
	switch {
	case err == nil:
		return true, nil
	case KindOf(err) == NotFound:
		return false, nil
	default:
		return false, fmt.Errorf("look for a tenant: %w", err)
	}
}

// CreateTenant makes an organisation with its owner, and an API key where it is asked for: all of it or nothing. Wrong
// input is Invalid with the fields named; an email address in use is Conflict.
func (a *Accounts) CreateTenant(ctx context.Context, actor Actor, t NewTenant) (Bootstrap, error) {
	return a.found(ctx, actor, t, false)
}

// FirstOwner makes the first organisation with its owner. It is Conflict when there is one already, also when several
// are asked for at the same time: one of them is made. An actor without a name is the new owner.
func (a *Accounts) FirstOwner(ctx context.Context, actor Actor, t NewTenant) (Bootstrap, error) {
	done, err := a.SetUp(ctx)
	if err != nil {
		return Bootstrap{}, err
	}
	if done {
		return Bootstrap{}, ErrAlreadySetUp
	}
	return a.found(ctx, actor, t, true)
}

// ErrAlreadySetUp is the Conflict of a setup that comes second.
var ErrAlreadySetUp = Errorf(Conflict, "Posthorn is set up already. Sign in, or ask the owner to add you.")

func (a *Accounts) found(ctx context.Context, actor Actor, t NewTenant, mustBeFirst bool) (Bootstrap, error) {
	var faults fieldFaults
	name := faults.name(FieldTenant, t.Name)
	owner, err := a.newUser(ctx, &faults, NewUser{
		TenantID: NewID[tenantKind](), Email: t.OwnerEmail, Name: t.OwnerName, Role: RoleOwner, Password: t.OwnerPassword,
	})
	if err != nil {
		return Bootstrap{}, err
	}
	if actor.Name == "" {
		actor = owner.User.Actor(actor.Address)
	}
	tenant := Tenant{ID: owner.User.TenantID, Name: name, CreatedAt: owner.User.CreatedAt}
	secret := a.config.NewAPISecret()
	f := Founding{
		Tenant: tenant, Owner: owner, MustBeFirst: mustBeFirst,
		APISecret: a.sealAPISecret(actor, tenant.ID, secret),
		Audit: []AuditEntry{
			audit(tenant.ID, actor, ActionTenantCreated, tenant.ID.String(), nil, map[string]any{"name": tenant.Name}),
			userCreated(actor, owner.User),
		},
	}
	made := Bootstrap{TenantID: tenant.ID, UserID: owner.User.ID, Email: owner.User.Email, Password: t.OwnerPassword}
	if t.WithCredentials {
		issued := a.config.NewAPIKey()
		f.APIKey = newAPIKey(tenant.ID, actor, bootstrapKeyName, Scopes(), time.Time{}, issued)
		f.APISecret.RevealedAt = tenant.CreatedAt
		f.Audit = append(f.Audit, apiKeyCreated(actor, f.APIKey),
			audit(tenant.ID, actor, ActionAPISecretRevealed, tenant.ID.String(), nil, nil))
		made.APIKey, made.APISecret = issued.Plain, secret
	}
	if err := a.store.FoundTenant(ctx, f); err != nil {
		return Bootstrap{}, fmt.Errorf("found %s with owner %s: %w", tenant.ID, owner.User.ID, err)
	}
	return made, nil
}

// TenantByID returns a tenant, or NotFound.
func (a *Accounts) TenantByID(ctx context.Context, id TenantID) (Tenant, error) {
	t, err := a.store.TenantByID(ctx, id)
	if KindOf(err) == NotFound {
		return Tenant{}, Because(NotFound, "There is no organisation with the id "+id.String()+".", err)
	}
	return t, err
}

// FirstTenantID returns the oldest tenant, or NotFound before there is one.
func (a *Accounts) FirstTenantID(ctx context.Context) (TenantID, error) {
	return a.store.FirstTenantID(ctx)
}

// ListTenants returns all tenants, oldest first.
func (a *Accounts) ListTenants(ctx context.Context) ([]Tenant, error) {
	return a.store.ListTenants(ctx)
}
