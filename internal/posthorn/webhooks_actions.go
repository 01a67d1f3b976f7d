package posthorn

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// SetActive activates or deactivates a webhook. One that Posthorn disabled can be activated again, or taken over as
// inactive. Nothing changes when it is in that state already.
func (ws *Webhooks) SetActive(ctx context.Context, actor Actor, tenant TenantID, id WebhookID, active bool) (WebhookDetail, error) {
	for {
		stored, err := ws.Get(ctx, tenant, id)
		if err != nil {
			return stored, err
		}
		state, reason := WebhookActive, ""
		if !active {
			state, reason = WebhookInactive, "Deactivated by "+actor.Name
		}
		if rule := ws.config.CheckURL(stored.URL); active && rule != "" {
			return stored, unfitURL("Not activated", rule)
		}
		changed := stored.Webhook
		if changed.Status, err = changed.Status.To(state, actor.Name, reason, databaseNow()); err != nil {
			return stored, err
		}
		saved, err := ws.save(ctx, actor, &stored, &changed, nil)
		if isStale(err) && ctx.Err() == nil {
			continue // a change of something else came between
		}
		return saved, err
	}
}

// unfitURL is the Conflict of a webhook whose stored URL is not allowed any more: the policy has changed since it was saved.
func unfitURL(refused, rule string) error {
	return &Error{Kind: Conflict, Message: refused + ": its URL " + rule + ". Change it in the settings first.", Fields: map[string]string{FieldURL: rule}}
}

func isStale(err error) bool { return errors.Is(err, ErrStaleWebhook) }

// Duplicate makes an inactive copy of a webhook, with its headers and with a secret of its own.
func (ws *Webhooks) Duplicate(ctx context.Context, actor Actor, tenant TenantID, id WebhookID, form *IdempotencyKey) (WebhookMade, error) {
	stored, err := ws.Get(ctx, tenant, id)
	if err != nil {
		return WebhookMade{}, err
	}
	if rule := ws.config.CheckURL(stored.URL); rule != "" {
		return WebhookMade{}, unfitURL("Not copied", rule)
	}
	fresh := newWebhook(tenant, actor, false)
	w := stored.Webhook
	w.ID, w.Status, w.Version = fresh.ID, fresh.Status, fresh.Version
	w.Status.Reason = "Copied from " + stored.Name
	w.CreatedAt, w.CreatedBy, w.UpdatedAt, w.UpdatedBy = fresh.CreatedAt, fresh.CreatedBy, fresh.UpdatedAt, fresh.UpdatedBy
	w.Name = copyName(stored.Name)
	w.Headers = make([]CustomHeader, len(stored.Headers))
	for i, h := range stored.Headers {
		value, err := ws.config.Sealer.Open(h.Sealed, WebhookHeaderPlace(stored.ID, h.Name))
		if err != nil {
			return WebhookMade{}, fmt.Errorf("open header %s of %s: %w", h.Name, stored.ID, err)
		}
		w.Headers[i] = CustomHeader{Name: h.Name, Sealed: ws.config.Sealer.Seal(value, WebhookHeaderPlace(w.ID, h.Name))}
	}
	secret := NewSigningSecret()
	made, err := ws.store.InsertWebhook(ctx, w, ws.seal(&w, secret, actor), form, webhookCreated(actor, &w))
	return ws.created(made, &w, secret, err)
}

// copyName names a copy within the limit of names.
func copyName(name string) string {
	const suffix = " (copy)"
	runes := []rune(name)
	return strings.TrimSpace(string(runes[:min(len(runes), MaxNameLength-len(suffix))])) + suffix
}

// Delete deletes a webhook. confirm must be its name, as SameName has it, so that nobody deletes another than they mean.
func (ws *Webhooks) Delete(ctx context.Context, actor Actor, tenant TenantID, id WebhookID, confirm string) (Webhook, error) {
	stored, err := ws.Get(ctx, tenant, id)
	if err != nil {
		return Webhook{}, err
	}
	if !SameName(confirm, stored.Name) {
		return stored.Webhook, FieldError(Invalid, FieldConfirm, "must be the name of the webhook: "+stored.Name)
	}
	return stored.Webhook, ws.delete(ctx, actor, &stored.Webhook)
}

// DeleteByID deletes a webhook for a program, which names it by its id alone.
func (ws *Webhooks) DeleteByID(ctx context.Context, actor Actor, tenant TenantID, id WebhookID) error {
	stored, err := ws.Get(ctx, tenant, id)
	if err != nil {
		return err
	}
	return ws.delete(ctx, actor, &stored.Webhook)
}

func (ws *Webhooks) delete(ctx context.Context, actor Actor, w *Webhook) error {
	if err := ws.store.DeleteWebhook(ctx, *w, databaseNow(), webhookDeleted(actor, w)); err != nil {
		return fmt.Errorf("delete %s of %s: %w", w.ID, w.TenantID, err)
	}
	ws.config.Changed(w.ID)
	return nil
}

// How long an old secret may sign on beside the one that replaces it.
const (
	DefaultSecretOverlap = 24 * time.Hour
	MaxSecretOverlap     = 7 * 24 * time.Hour
)

// Fields of the forms around secrets and deletion.
const (
	FieldOverlap = "overlapSeconds"
	FieldConfirm = "confirm"
)

// SecretRotation asks for a new secret.
type SecretRotation struct {
	// Overlap is how long the old secret signs on, 0 to end it at once.
	Overlap time.Duration
	// Own is the integrator's own new secret, empty to have one made.
	Own string
	// Form is the key of the form that asked, nil for programs.
	Form *IdempotencyKey
}

// RotateSecret replaces the secret of a webhook. Wrong input is Invalid with the fields named; a webhook that signs with the
// tenant's API secret has none of its own to rotate, which is Conflict.
func (ws *Webhooks) RotateSecret(ctx context.Context, actor Actor, tenant TenantID, id WebhookID, r SecretRotation) (WebhookMade, error) {
	stored, err := ws.Get(ctx, tenant, id)
	if err != nil {
		return WebhookMade{}, err
	}
	if stored.Signature.UsesTenantSecret() {
		return WebhookMade{}, Errorf(Conflict, "This webhook signs with the API secret of the organisation. Rotate that one.")
	}
	faults, secret := webhookFaults{}, NewSigningSecret()
	faults.overlap(r.Overlap)
	if r.Own != "" {
		secret = faults.ownSecret(&stored.Webhook, r.Own)
	}
	if err := faults.err(); err != nil {
		return WebhookMade{}, err
	}
	change := SecretChange{Secret: ws.seal(&stored.Webhook, secret, actor)}
	if r.Overlap > 0 {
		change.OldExpires = change.Secret.CreatedAt.Add(r.Overlap)
	}
	made, err := ws.store.ReplaceSecret(ctx, change, r.Form, secretRotated(actor, &stored.Webhook, &change))
	if err != nil {
		return WebhookMade{}, fmt.Errorf("rotate the secret of %s: %w", id, err)
	}
	if !made.Repeated {
		made.Secret = secret
		ws.config.Changed(id)
	}
	return made, nil
}

func (f *fieldFaults) overlap(d time.Duration) {
	if d < 0 || d > MaxSecretOverlap {
		f.add(FieldOverlap, "must be from 0 to 604800 seconds, which is 7 days")
	}
}

// RetireOldSecrets ends the secrets that the current one replaced: from then on it signs alone. It returns how many that were.
func (ws *Webhooks) RetireOldSecrets(ctx context.Context, actor Actor, tenant TenantID, id WebhookID) (int, error) {
	stored, err := ws.Get(ctx, tenant, id)
	if err != nil {
		return 0, err
	}
	n, err := ws.store.RetireSecrets(ctx, tenant, id, audit(tenant, actor, ActionSecretRetired, id.String(), nil, map[string]any{"name": stored.Name}))
	if err != nil {
		return 0, fmt.Errorf("retire the old secrets of %s: %w", id, err)
	}
	ws.config.Changed(id)
	return n, nil
}
