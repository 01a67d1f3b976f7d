package posthorn

import (
	"context"
	"fmt"
	"time"
)

// CreateAPIKey makes a key for the API of a tenant. A zero expiry means that it does not expire. It returns the key's
// description and the key itself, which nobody can read again. Wrong input is Invalid with the fields named, an unknown
// tenant NotFound.
func (a *Accounts) CreateAPIKey(
	ctx context.Context, actor Actor, tenant TenantID, name string, scopes []Scope, expires time.Time,
) (APIKey, string, error) {
	var faults fieldFaults
	name = faults.name(FieldName, name)
	scopes = faults.scopes(scopes)
	if !expires.IsZero() && !expires.After(time.Now()) {
		faults.add(FieldExpiresAt, "must lie in the future")
	}
	if err := faults.err(); err != nil {
		return APIKey{}, "", err
	}
	if _, err := a.TenantByID(ctx, tenant); err != nil {
		return APIKey{}, "", err
	}
	issued := a.config.NewAPIKey()
	k := newAPIKey(tenant, actor, name, scopes, expires, issued)
	if err := a.store.InsertAPIKey(ctx, *k, apiKeyCreated(actor, k)); err != nil {
		return APIKey{}, "", fmt.Errorf("create %s in %s: %w", k.ID, tenant, err)
	}
	return *k, issued.Plain, nil
}

func newAPIKey(tenant TenantID, actor Actor, name string, scopes []Scope, expires time.Time, issued IssuedKey) *APIKey {
	return &APIKey{
		ID: NewID[apiKeyKind](), TenantID: tenant, Name: name, Scopes: scopes, Hash: issued.Hash, Prefix: issued.Prefix,
		LastFour: issued.LastFour, CreatedBy: actor.UserID, CreatedAt: databaseNow(), ExpiresAt: expires,
	}
}

func apiKeyCreated(actor Actor, k *APIKey) AuditEntry {
	after := map[string]any{"name": k.Name, "scopes": k.Scopes, "prefix": k.Prefix, "lastFour": k.LastFour}
	if !k.ExpiresAt.IsZero() {
		after["expiresAt"] = FormatTime(k.ExpiresAt)
	}
	return audit(k.TenantID, actor, ActionAPIKeyCreated, k.ID.String(), nil, after)
}
