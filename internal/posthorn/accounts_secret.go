package posthorn

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// APISecretPlace is what the API secret of a tenant is bound to when it is sealed, so that it opens nowhere else.
func APISecretPlace(id TenantID) []byte { return []byte(id.String() + "/api_secret") }

// APISecret describes the API secret of a tenant; the secret itself is shown once.
type APISecret struct {
	Current SealedSecret
	// Old are those that it replaced and that sign on until they expire, newest first.
	Old []SealedSecret
}

// ErrSecretShown is the Conflict of a second look at a secret.
var ErrSecretShown = Errorf(Conflict, "The API secret was shown already. Rotate it to get a new one.")

// APISecret describes the API secret of a tenant and those before it that still sign. An unknown tenant is NotFound.
func (a *Accounts) APISecret(ctx context.Context, tenant TenantID) (APISecret, error) {
	var out APISecret
	secrets, err := a.store.APISecrets(ctx, tenant)
	if err != nil {
		return out, fmt.Errorf("get the api secret of %s: %w", tenant, err)
	}
	for _, s := range secrets {
		if s.Current() {
			out.Current = s
		} else {
			out.Old = append(out.Old, s)
		}
	}
	if out.Current.ID.IsZero() {
		return out, Errorf(NotFound, "There is no organisation with the id %s.", tenant)
	}
	return out, nil
}

// RevealAPISecret returns the API secret of a tenant to the first who asks; to everybody after that it is ErrSecretShown,
// also when several ask at the same time. A secret that cannot be opened counts as not shown.
func (a *Accounts) RevealAPISecret(ctx context.Context, actor Actor, tenant TenantID) (string, error) {
	secret, err := a.APISecret(ctx, tenant)
	if err != nil {
		return "", err
	}
	if !secret.Current.RevealedAt.IsZero() {
		return "", ErrSecretShown
	}
	plain, err := a.config.Sealer.Open(secret.Current.Sealed, APISecretPlace(tenant))
	if err != nil {
		return "", fmt.Errorf("open the api secret %s of %s: %w", secret.Current.ID, tenant, err)
	}
	entry := audit(tenant, actor, ActionAPISecretRevealed, tenant.String(), nil, nil)
	if err := a.store.MarkAPISecretRevealed(ctx, secret.Current.ID, databaseNow(), entry); err != nil {
		return "", fmt.Errorf("reveal the api secret of %s: %w", tenant, err)
	}
	return string(plain), nil
}

// RotatedSecret is a new API secret at the one moment at which it is known.
type RotatedSecret struct {
	// Plain is empty when the form was sent before.
	Plain string
	// OldExpires is until when the secret before it signs on, zero when it ended at once.
	OldExpires time.Time
	// Repeated says that the form was sent before: it made a secret then, and changed nothing now.
	Repeated bool
}

// RotateAPISecret replaces the API secret of a tenant and returns the new one, which counts as shown. Wrong input is Invalid
// with the fields named; with MaxLiveSecrets in use it is ErrTooManySecrets.
func (a *Accounts) RotateAPISecret(ctx context.Context, actor Actor, tenant TenantID, r SecretRotation) (RotatedSecret, error) {
	var faults fieldFaults
	faults.overlap(r.Overlap)
	plain := a.config.NewAPISecret()
	if r.Own != "" {
		own, rule := ParseSigningSecret(r.Own)
		if rule != "" {
			faults.add(FieldSecret, rule)
		}
		plain = own.Reveal()
	}
	if err := faults.err(); err != nil {
		return RotatedSecret{}, err
	}
	change := SecretChange{Secret: a.sealAPISecret(actor, tenant, plain)}
	change.Secret.RevealedAt = change.Secret.CreatedAt
	if r.Overlap > 0 {
		change.OldExpires = change.Secret.CreatedAt.Add(r.Overlap)
	}
	repeated, err := a.store.ReplaceAPISecret(ctx, change, r.Form, apiSecretRotated(actor, &change, r.Own != ""))
	switch {
	case err != nil:
		return RotatedSecret{}, fmt.Errorf("rotate the api secret of %s: %w", tenant, err)
	case repeated:
		return RotatedSecret{Repeated: true}, nil
	}
	return RotatedSecret{Plain: plain, OldExpires: change.OldExpires}, nil
}

// RetireOldAPISecrets ends the secrets that the current one replaced: from then on it signs alone. It returns how many that were.
func (a *Accounts) RetireOldAPISecrets(ctx context.Context, actor Actor, tenant TenantID) (int, error) {
	n, err := a.store.RetireAPISecrets(ctx, tenant, audit(tenant, actor, ActionAPISecretRetired, tenant.String(), nil, nil))
	if err != nil {
		return 0, fmt.Errorf("retire the old api secrets of %s: %w", tenant, err)
	}
	return n, nil
}

// sealAPISecret makes the stored form of an API secret that nobody has seen.
func (a *Accounts) sealAPISecret(actor Actor, tenant TenantID, plain string) SealedSecret {
	return SealedSecret{
		ID: NewSigningSecretID(), TenantID: tenant, Sealed: a.config.Sealer.Seal([]byte(plain), APISecretPlace(tenant)),
		LastFour: lastFour(plain), CreatedAt: databaseNow(), CreatedBy: actor.Name,
	}
}

// lastFour returns the end of a secret. The padding of base64 is at the end of all of them and so is left out.
func lastFour(secret string) string {
	secret = strings.TrimRight(secret, "=")
	return secret[max(0, len(secret)-4):]
}

func apiSecretRotated(actor Actor, c *SecretChange, own bool) AuditEntry {
	after := map[string]any{"ownSecret": own, "oldValidUntil": nil}
	if !c.OldExpires.IsZero() {
		after["oldValidUntil"] = FormatTime(c.OldExpires)
	}
	return audit(c.Secret.TenantID, actor, ActionAPISecretRotated, c.Secret.TenantID.String(), nil, after)
}
