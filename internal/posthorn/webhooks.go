package posthorn

import (
	"context"
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
	// CheckTarget says what is wrong with a URL to send to, empty for nothing. It reads on from "URL ", and may have to ask the
	// name servers. CheckURL says what is wrong with its form, in the same way, and asks nobody.
	CheckTarget func(ctx context.Context, url string) (rule string)
	CheckURL    func(url string) (rule string)
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
	// Outline leaves out schemas and examples.
	Outline(ctx context.Context, tenant TenantID) ([]EventType, error)
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

// WebhookWriter changes webhooks. What it returns is read before the change is committed, so that nothing can fail between
// the commit and the one answer that shows a new secret.
type WebhookWriter interface {
	// InsertWebhook stores a webhook with its secret. With a form key that was used before it stores nothing and returns the
	// webhook that was made then, as repeated, unless that was deleted since. It is ErrTooManyWebhooks when the tenant has
	// MaxWebhooks.
	InsertWebhook(ctx context.Context, w Webhook, secret SealedSecret, form *IdempotencyKey, entry AuditEntry) (WebhookMade, error)
	// InsertWebhookAtFreeURL is InsertWebhook for a program: it is ErrURLTaken when the application, or none, has a webhook at
	// that URL already. Of several that insert at the same time one does.
	InsertWebhookAtFreeURL(ctx context.Context, w Webhook, secret SealedSecret, entry AuditEntry) (WebhookMade, error)
	// UpdateWebhook stores a changed webhook. It is ErrStaleWebhook when the stored version is not the one before w.Version. A
	// webhook that becomes active, or gets another URL, begins with a clean record of failures.
	UpdateWebhook(ctx context.Context, w Webhook, secret *SecretChange, entries ...AuditEntry) (WebhookDetail, error)
	// DeleteWebhook deletes a webhook with its headers and secrets.
	DeleteWebhook(ctx context.Context, w Webhook, at time.Time, entry AuditEntry) error
}

// WebhookSecretStore knows and changes the secrets of webhooks.
type WebhookSecretStore interface {
	// OwnSecret returns the current secret of a webhook's own, also while the tenant's signs.
	OwnSecret(ctx context.Context, tenant TenantID, id WebhookID) (SealedSecret, error)
	// ReplaceSecret makes a new secret the current one, which is a change of the webhook: its version grows. With a form key
	// that was used before it changes nothing and says that it is repeated.
	ReplaceSecret(ctx context.Context, c SecretChange, form *IdempotencyKey, entry AuditEntry) (WebhookMade, error)
	// RetireSecrets ends all secrets of a webhook but the current one and returns how many that were.
	RetireSecrets(ctx context.Context, tenant TenantID, id WebhookID, entry AuditEntry) (int, error)
}

// SecretChange is a new secret that replaces the current one.
type SecretChange struct {
	Secret SealedSecret
	// OldExpires is until when those before it sign on; zero ends them at once.
	OldExpires time.Time
}

// MaxWebhooks is how many webhooks a tenant may have.
const MaxWebhooks = 1000

// The Conflicts of a change.
var (
	// ErrStaleWebhook refuses an edit of a version that is not the latest any more.
	ErrStaleWebhook = Errorf(Conflict, "Not saved: this webhook was changed since you opened it.")
	// ErrTooManyWebhooks refuses one more than MaxWebhooks.
	ErrTooManyWebhooks = Errorf(Conflict, "This organisation has %d webhooks already, and that is the most. Delete one that is not needed.", MaxWebhooks)
	// ErrURLTaken refuses a second webhook at the URL of another.
	ErrURLTaken = Errorf(Conflict, "There is a webhook at this URL already.")
)

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

// List returns the webhooks of a tenant that a filter selects. A filter that nothing can match is Invalid with the field
// named.
func (ws *Webhooks) List(ctx context.Context, tenant TenantID, f WebhookFilter) (WebhookList, error) {
	if err := f.check(); err != nil {
		return WebhookList{}, err
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
	rules, err := ws.rules(ctx, tenant)
	if err != nil {
		return WebhookMade{}, err
	}
	w, secret, err := rules.newWebhook(ctx, actor, tenant, in)
	if err != nil {
		return WebhookMade{}, err
	}
	made, err := ws.store.InsertWebhook(ctx, w, ws.seal(&w, secret, actor), form, webhookCreated(actor, &w))
	return ws.created(made, &w, secret, err)
}

// created is the answer to an insert of a webhook.
func (ws *Webhooks) created(made WebhookMade, w *Webhook, secret SigningSecret, err error) (WebhookMade, error) {
	if err != nil {
		return WebhookMade{}, fmt.Errorf("create %s in %s: %w", w.ID, w.TenantID, err)
	}
	if !made.Repeated {
		made.Created, made.Secret = true, secret
	}
	return made, nil
}

// rules gathers what the webhooks of a tenant are checked against.
func (ws *Webhooks) rules(ctx context.Context, tenant TenantID) (*webhookRules, error) {
	catalogue, err := ws.config.Catalogue.Outline(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("list the event types of %s: %w", tenant, err)
	}
	applications, err := ws.store.ListApplications(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("list the applications of %s: %w", tenant, err)
	}
	return &webhookRules{config: &ws.config, catalogue: catalogue, applications: applications}, nil
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
