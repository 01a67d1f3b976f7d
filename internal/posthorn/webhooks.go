package posthorn

import (
	"context"
	"crypto/subtle"
	"fmt"
	"time"
)

// Webhooks is what people and programs do with webhooks. Form, API and seed go through it alike, and every change is
// written to the audit log in the same transaction.
type Webhooks struct {
	store  WebhookStore
	config WebhooksConfig
}

// NewWebhooks makes the use cases; every part of the configuration is needed.
func NewWebhooks(store WebhookStore, config WebhooksConfig) *Webhooks {
	return &Webhooks{store: store, config: config}
}

// WebhooksConfig is what webhooks are checked and protected with.
type WebhooksConfig struct {
	Sealer    SecretBox
	Catalogue EventCatalogue
	// CheckTarget says what is wrong with a URL to send to, empty for nothing. It reads on from "URL ".
	CheckTarget func(ctx context.Context, url string) (rule string)
	// Changed is called after a webhook, its state or its secrets were changed, so that whoever sends to it looks again.
	Changed func(WebhookID)
}

// SecretBox encrypts what must come back in the clear, and decrypts it; both are bound to a place. Implemented by package
// secretbox.
type SecretBox interface {
	Sealer
	Open(ciphertext, place []byte) ([]byte, error)
}

// EventCatalogue lists the event types of a tenant. Implemented by EventTypes.
type EventCatalogue interface {
	List(ctx context.Context, tenant TenantID) ([]EventType, error)
}

// WebhookStore keeps webhooks. Implemented by package postgres. What does not exist in the tenant is NotFound.
type WebhookStore interface {
	WebhookReader
	WebhookWriter
	WebhookSecretStore
}

// WebhookReader finds webhooks and the applications that they may be limited to.
type WebhookReader interface {
	ListWebhooks(ctx context.Context, tenant TenantID, f WebhookFilter) (WebhookList, error)
	Webhook(ctx context.Context, tenant TenantID, id WebhookID) (WebhookDetail, error)
	// WebhooksAt returns the ids of the webhooks of an application, or of none, that have a URL; at most two.
	WebhooksAt(ctx context.Context, tenant TenantID, application ApplicationID, url string) ([]WebhookID, error)
	// ListApplications returns the applications of a tenant by name.
	ListApplications(ctx context.Context, tenant TenantID) ([]Application, error)
}

// WebhookWriter changes webhooks.
type WebhookWriter interface {
	// InsertWebhook stores a webhook with its secret. With a form key that was used before it stores nothing and returns the
	// webhook that was made then.
	InsertWebhook(ctx context.Context, w Webhook, secret SealedSecret, form *IdempotencyKey, entry AuditEntry) (made WebhookID, err error)
	// UpdateWebhook stores a changed webhook. It is ErrStaleWebhook when the stored version is not the one before w.Version.
	UpdateWebhook(ctx context.Context, w Webhook, secret *SecretChange, entries ...AuditEntry) error
	// DeleteWebhook deletes a webhook with its headers and secrets.
	DeleteWebhook(ctx context.Context, w Webhook, at time.Time, entry AuditEntry) error
}

// WebhookSecretStore changes the secrets of webhooks.
type WebhookSecretStore interface {
	// ReplaceSecret makes a new secret the current one. With a form key that was used before it changes nothing and says so.
	ReplaceSecret(ctx context.Context, c SecretChange, form *IdempotencyKey, entry AuditEntry) (repeated bool, err error)
	// RetireSecrets ends all secrets of a webhook but the current one and returns how many that were.
	RetireSecrets(ctx context.Context, tenant TenantID, id WebhookID, entry AuditEntry) (int, error)
}

// SecretChange is a new secret that replaces the current one.
type SecretChange struct {
	Secret SealedSecret
	// OldExpires is until when those before it sign on; zero ends them at once.
	OldExpires time.Time
}

// ErrStaleWebhook is the Conflict of an edit of a version that is not the latest any more.
var ErrStaleWebhook = Errorf(Conflict, "Not saved: this webhook was changed since you opened it.")

// WebhookMade is a webhook after a change, with the secret where the change made one.
type WebhookMade struct {
	Webhook WebhookDetail
	// Created is false when an existing one was changed.
	Created bool
	// Secret is as the integrator needs it, at the only moment at which it is known; zero when none was made.
	Secret SigningSecret
	// Repeated says that the form was sent before: the webhook is the one that was made then.
	Repeated bool
}

// List returns the webhooks of a tenant that a filter selects.
func (ws *Webhooks) List(ctx context.Context, tenant TenantID, f WebhookFilter) (WebhookList, error) {
	if f.State != "" && !f.State.Valid() {
		return WebhookList{}, FieldError(Invalid, "state", "must be one of active, inactive and disabled")
	}
	return ws.store.ListWebhooks(ctx, tenant, f)
}

// Applications returns the applications of a tenant by name.
func (ws *Webhooks) Applications(ctx context.Context, tenant TenantID) ([]Application, error) {
	return ws.store.ListApplications(ctx, tenant)
}

// Get returns a webhook of a tenant, or NotFound.
func (ws *Webhooks) Get(ctx context.Context, tenant TenantID, id WebhookID) (WebhookDetail, error) {
	w, err := ws.store.Webhook(ctx, tenant, id)
	if KindOf(err) == NotFound {
		return w, Because(NotFound, "There is no webhook with the id "+id.String()+".", err)
	}
	return w, err
}

// Create makes a webhook. Wrong input is Invalid with the fields named. A form key that was used before makes nothing and
// returns the webhook that was made with it, without its secret.
func (ws *Webhooks) Create(ctx context.Context, actor Actor, tenant TenantID, in WebhookInput, form *IdempotencyKey) (WebhookMade, error) {
	faults, err := ws.faults(ctx, tenant)
	if err != nil {
		return WebhookMade{}, err
	}
	w := newWebhook(tenant, actor, in.Active == nil || *in.Active)
	faults.apply(&w, in, ws.config.Sealer.Seal)
	if in.Events == nil {
		faults.events(nil)
	}
	secret := faults.secret(in.Secret)
	faults.target(ctx, &w, ws.config.CheckTarget)
	if err := faults.err(); err != nil {
		return WebhookMade{}, err
	}
	return ws.insert(ctx, actor, w, secret, form)
}

func (ws *Webhooks) insert(ctx context.Context, actor Actor, w Webhook, secret SigningSecret, form *IdempotencyKey) (WebhookMade, error) {
	sealed := ws.seal(&w, secret, actor)
	made, err := ws.store.InsertWebhook(ctx, w, sealed, form, webhookCreated(actor, &w))
	if err != nil {
		return WebhookMade{}, fmt.Errorf("create %s in %s: %w", w.ID, w.TenantID, err)
	}
	out := WebhookMade{Created: true, Secret: secret}
	if made != w.ID {
		out = WebhookMade{Repeated: true}
	}
	out.Webhook, err = ws.Get(ctx, w.TenantID, made)
	return out, err
}

// faults begins a check with what it needs to know of the tenant.
func (ws *Webhooks) faults(ctx context.Context, tenant TenantID) (*webhookFaults, error) {
	catalogue, err := ws.config.Catalogue.List(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("list the event types of %s: %w", tenant, err)
	}
	applications, err := ws.store.ListApplications(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("list the applications of %s: %w", tenant, err)
	}
	return &webhookFaults{catalogue: catalogue, applications: applications}, nil
}

// secret reads an own secret, or draws one when there is none.
func (f *webhookFaults) secret(own *string) SigningSecret {
	if own == nil || *own == "" {
		return NewSigningSecret()
	}
	secret, rule := ParseSigningSecret(*own)
	if rule != "" {
		f.add(FieldSecret, rule)
	}
	return secret
}

// seal makes the stored form of a secret that is shown in the answer.
func (ws *Webhooks) seal(w *Webhook, secret SigningSecret, actor Actor) SealedSecret {
	now := databaseNow()
	return SealedSecret{
		ID: NewSigningSecretID(), TenantID: w.TenantID, WebhookID: w.ID,
		Sealed:   ws.config.Sealer.Seal([]byte(secret.Reveal()), WebhookSecretPlace(w.ID)),
		LastFour: secret.LastFour(), CreatedAt: now, CreatedBy: actor.Name, RevealedAt: now,
	}
}

// Update changes a webhook. version names the version that the edit was made from, 0 for whichever is stored; an edit of an
// older one is ErrStaleWebhook. Wrong input is Invalid with the fields named.
func (ws *Webhooks) Update(ctx context.Context, actor Actor, tenant TenantID, id WebhookID, in WebhookInput, version int) (WebhookMade, error) {
	const tries = 5
	for try := 1; ; try++ {
		made, err := ws.update(ctx, actor, tenant, id, in, version)
		if version == 0 && try < tries && KindOf(err) == Conflict && isStale(err) {
			continue // somebody else's change came between; this one is made on top of it
		}
		return made, err
	}
}

func (ws *Webhooks) update(ctx context.Context, actor Actor, tenant TenantID, id WebhookID, in WebhookInput, version int) (WebhookMade, error) {
	stored, err := ws.Get(ctx, tenant, id)
	if err != nil {
		return WebhookMade{}, err
	}
	if version != 0 && version != stored.Version {
		return WebhookMade{}, ErrStaleWebhook
	}
	faults, err := ws.faults(ctx, tenant)
	if err != nil {
		return WebhookMade{}, err
	}
	changed := stored.Webhook
	faults.apply(&changed, in, ws.config.Sealer.Seal)
	if changed.URL != stored.URL {
		faults.target(ctx, &changed, ws.config.CheckTarget)
	}
	secret, replacement := ws.ownSecret(actor, faults, &stored, in.Secret)
	if err := faults.err(); err != nil {
		return WebhookMade{}, err
	}
	if changed.Status, err = statusFor(changed.Status, in.Active, actor); err != nil {
		return WebhookMade{}, err
	}
	if err := ws.save(ctx, actor, &stored.Webhook, &changed, replacement); err != nil {
		return WebhookMade{}, err
	}
	made := WebhookMade{Secret: secret}
	made.Webhook, err = ws.Get(ctx, tenant, id)
	return made, err
}

// ownSecret returns the secret that an input brings, and how it replaces the current one; neither when it brings none or
// the one that is there already.
func (ws *Webhooks) ownSecret(actor Actor, faults *webhookFaults, stored *WebhookDetail, own *string) (SigningSecret, *SecretChange) {
	if own == nil {
		return SigningSecret{}, nil
	}
	secret, rule := ParseSigningSecret(*own)
	if rule != "" {
		faults.add(FieldSecret, rule)
		return SigningSecret{}, nil
	}
	if current, ok := stored.ownSecret(); ok {
		known, err := ws.config.Sealer.Open(current.Sealed, WebhookSecretPlace(stored.ID))
		if err == nil && subtle.ConstantTimeCompare(known, []byte(secret.Reveal())) == 1 {
			return SigningSecret{}, nil
		}
	}
	sealed := ws.seal(&stored.Webhook, secret, actor)
	return secret, &SecretChange{Secret: sealed, OldExpires: sealed.CreatedAt.Add(DefaultSecretOverlap)}
}

// ownSecret returns the webhook's current own secret, unless it signs with the tenant's.
func (w *WebhookDetail) ownSecret() (SealedSecret, bool) {
	for _, s := range w.Secrets {
		if s.WebhookID == w.ID && s.ExpiresAt.IsZero() {
			return s, true
		}
	}
	return SealedSecret{}, false
}

// statusFor follows the wish of an input to have the webhook active or not.
func statusFor(now WebhookStatus, active *bool, actor Actor) (WebhookStatus, error) {
	switch {
	case active == nil, *active == (now.State == WebhookActive):
		return now, nil
	case *active:
		return now.To(WebhookActive, actor.Name, "", databaseNow())
	case now.State == WebhookDisabled:
		return now, nil // it does not send as it is
	default:
		return now.To(WebhookInactive, actor.Name, "Deactivated by "+actor.Name, databaseNow())
	}
}

// save stores a change, unless nothing differs.
func (ws *Webhooks) save(ctx context.Context, actor Actor, before, after *Webhook, secret *SecretChange) error {
	if secret == nil && sameWebhook(before, after) {
		return nil
	}
	after.Version = before.Version + 1
	after.UpdatedAt, after.UpdatedBy = databaseNow(), actor.Name
	if err := ws.store.UpdateWebhook(ctx, *after, secret, webhookChanged(actor, before, after, secret)...); err != nil {
		return fmt.Errorf("update %s of %s: %w", after.ID, after.TenantID, err)
	}
	ws.config.Changed(after.ID)
	return nil
}

// Put creates or updates as the API does: by id, else by application and URL. Without an id and with several webhooks of the
// application at that URL it is Conflict.
func (ws *Webhooks) Put(ctx context.Context, actor Actor, tenant TenantID, id WebhookID, in WebhookInput) (WebhookMade, error) {
	if !id.IsZero() {
		return ws.Update(ctx, actor, tenant, id, in, 0)
	}
	at, err := ws.find(ctx, tenant, in)
	switch {
	case err != nil:
		return WebhookMade{}, err
	case len(at) > 1:
		return WebhookMade{}, FieldError(Conflict, FieldURL, "belongs to several webhooks: give the id of one")
	case len(at) == 1:
		return ws.Update(ctx, actor, tenant, at[0], in, 0)
	default:
		return ws.Create(ctx, actor, tenant, in, nil)
	}
}

// find looks for the webhooks that an input without an id may mean.
func (ws *Webhooks) find(ctx context.Context, tenant TenantID, in WebhookInput) ([]WebhookID, error) {
	w := Webhook{}
	faults, err := ws.faults(ctx, tenant)
	if err != nil {
		return nil, err
	}
	if in.Application != nil {
		w.ApplicationID = faults.application(*in.Application)
	}
	if in.URL == nil || faults.fields != nil {
		return nil, nil // Create says what is wrong
	}
	return ws.store.WebhooksAt(ctx, tenant, w.ApplicationID, *in.URL)
}
