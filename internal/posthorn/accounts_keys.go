package posthorn

import (
	"context"
	"crypto/subtle"
	"fmt"
	"slices"
	"time"
)

// NewAPIKey asks for a key for the API.
type NewAPIKey struct {
	Name   string
	Scopes []Scope
	// ExpiresAt is zero for a key that does not expire.
	ExpiresAt time.Time
	// Form is the key of the form that asked, nil for programs.
	Form *IdempotencyKey
}

// MadeAPIKey is a new key at the one moment at which it is known.
type MadeAPIKey struct {
	APIKey
	// Plain is the key itself, empty when the form was sent before.
	Plain string
	// Repeated says that the form was sent before: the key is the one that was made then.
	Repeated bool
}

// MaxAPIKeys is how many keys a tenant may have that are neither revoked nor expired.
const MaxAPIKeys = 200

// ErrTooManyAPIKeys is the Conflict of one more than MaxAPIKeys.
var ErrTooManyAPIKeys = Errorf(Conflict, "This organisation has %d API keys in use already, and that is the most. Revoke one that is not needed.", MaxAPIKeys)

// CreateAPIKey makes a key for the API of a tenant. Wrong input is Invalid with the fields named, an unknown tenant
// NotFound, one key more than MaxAPIKeys ErrTooManyAPIKeys. A form key that was used before makes nothing and returns the key that was made with it, without its text.
func (a *Accounts) CreateAPIKey(ctx context.Context, actor Actor, tenant TenantID, in NewAPIKey) (MadeAPIKey, error) {
	var faults fieldFaults
	in.Name = faults.name(FieldName, in.Name)
	in.Scopes = faults.scopes(in.Scopes)
	if !in.ExpiresAt.IsZero() && !in.ExpiresAt.After(time.Now()) {
		faults.add(FieldExpiresAt, "must lie in the future")
	}
	if err := faults.err(); err != nil {
		return MadeAPIKey{}, err
	}
	if _, err := a.TenantByID(ctx, tenant); err != nil {
		return MadeAPIKey{}, err
	}
	issued := a.config.NewAPIKey()
	k := newAPIKey(tenant, actor, in.Name, in.Scopes, in.ExpiresAt, issued)
	made, err := a.store.InsertAPIKey(ctx, *k, in.Form, apiKeyCreated(actor, k))
	if err != nil {
		return MadeAPIKey{}, fmt.Errorf("create %s in %s: %w", k.ID, tenant, err)
	}
	if made != k.ID {
		first, err := a.APIKey(ctx, tenant, made)
		return MadeAPIKey{APIKey: first, Repeated: true}, err
	}
	return MadeAPIKey{APIKey: *k, Plain: issued.Plain}, nil
}

func newAPIKey(tenant TenantID, actor Actor, name string, scopes []Scope, expires time.Time, issued IssuedKey) *APIKey {
	return &APIKey{
		ID: NewID[apiKeyKind](), TenantID: tenant, Name: name, Scopes: scopes, Hash: issued.Hash, Prefix: issued.Prefix,
		LastFour: issued.LastFour, CreatedBy: actor.UserID, CreatedAt: databaseNow(), ExpiresAt: expires,
	}
}

func apiKeyCreated(actor Actor, k *APIKey) AuditEntry {
	return audit(k.TenantID, actor, ActionAPIKeyCreated, k.ID.String(), nil, k.auditFields())
}

func (k *APIKey) auditFields() map[string]any {
	fields := map[string]any{"name": k.Name, "scopes": k.Scopes, "prefix": k.Prefix, "lastFour": k.LastFour}
	if !k.ExpiresAt.IsZero() {
		fields["expiresAt"] = FormatTime(k.ExpiresAt)
	}
	return fields
}

// ListAPIKeys returns the keys of a tenant, newest first: all that are accepted, and of those that are revoked or expired the
// newest hundred.
func (a *Accounts) ListAPIKeys(ctx context.Context, tenant TenantID) ([]APIKey, error) {
	return a.store.ListAPIKeys(ctx, tenant)
}

// APIKey returns a key of a tenant, or NotFound.
func (a *Accounts) APIKey(ctx context.Context, tenant TenantID, id APIKeyID) (APIKey, error) {
	k, err := a.store.APIKey(ctx, tenant, id)
	if KindOf(err) == NotFound {
		return k, Because(NotFound, "There is no API key with the id "+id.String()+".", err)
	}
	return k, err
}

// RevokeAPIKey ends a key of a tenant: from its return on no process accepts it. Revoking it again changes nothing. A key of
// another tenant is NotFound. It returns the key as it is then.
func (a *Accounts) RevokeAPIKey(ctx context.Context, actor Actor, tenant TenantID, id APIKeyID) (APIKey, error) {
	k, err := a.APIKey(ctx, tenant, id)
	if err != nil || !k.RevokedAt.IsZero() {
		return k, err
	}
	k.RevokedAt = databaseNow()
	if err := a.store.RevokeAPIKey(ctx, k, audit(tenant, actor, ActionAPIKeyRevoked, id.String(), k.auditFields(), nil)); err != nil {
		return k, fmt.Errorf("revoke %s of %s: %w", id, tenant, err)
	}
	return k, nil
}

// errAPIKey is the answer to every key that does not count: which it was is nobody's business.
var errAPIKey = Errorf(Unauthorized, "The API key is missing, wrong, expired or revoked.")

// apiKeyUseNoted is how old the note of a key's last use may become before it is renewed.
const apiKeyUseNoted = time.Minute

// VerifyAPIKey returns the key that a request presents. One that is unknown, revoked or expired is Unauthorized, and the
// error does not say which.
//
// Every call asks the database, by an index on the hash: that costs a tenth of a millisecond, and a cache would have to
// be told of a revocation by every process, or accept the key a while longer.
func (a *Accounts) VerifyAPIKey(ctx context.Context, plain string) (APIKey, error) {
	hash, ok := a.config.HashAPIKey(plain)
	if !ok {
		return APIKey{}, errAPIKey
	}
	k, err := a.store.APIKeyByHash(ctx, hash)
	switch {
	case KindOf(err) == NotFound:
		return APIKey{}, errAPIKey
	case err != nil:
		return APIKey{}, fmt.Errorf("verify an api key: %w", err)
	}
	now := databaseNow()
	same := subtle.ConstantTimeCompare(k.Hash[:], hash[:]) == 1
	if !same || !k.Live(now) {
		return APIKey{}, errAPIKey
	}
	if now.Sub(k.LastUsedAt) >= apiKeyUseNoted {
		a.store.NoteAPIKeyUse(k.ID, now)
	}
	return k, nil
}

// Live reports whether the key is accepted at a time: it is neither revoked nor expired.
func (k *APIKey) Live(now time.Time) bool {
	return k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || k.ExpiresAt.After(now))
}

// Has reports whether the key has a scope.
func (k *APIKey) Has(s Scope) bool { return slices.Contains(k.Scopes, s) }

// Actor returns the key as the actor of a request from an address.
func (k *APIKey) Actor(address string) Actor {
	return Actor{Name: "API key " + k.Name, Address: address}
}
