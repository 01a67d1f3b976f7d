package posthorn

import (
	"context"
	"errors"
	"fmt"
)

// Update changes a webhook. version names the version that the edit was made from, 0 for whichever is stored; an edit of an
// older one is ErrStaleWebhook. Wrong input is Invalid with the fields named.
func (ws *Webhooks) Update(ctx context.Context, actor Actor, tenant TenantID, id WebhookID, in WebhookInput, version int) (WebhookMade, error) {
	rules, err := ws.rules(ctx, tenant)
	if err != nil {
		return WebhookMade{}, err
	}
	if version != 0 {
		return ws.update(ctx, rules, actor, tenant, id, in, version)
	}
	return ws.updateLatest(ctx, rules, actor, tenant, id, in)
}

// updateLatest changes whichever version is stored: on top of every change that comes between. One of those that are made
// at the same time always succeeds, so there is an end to it.
func (ws *Webhooks) updateLatest(ctx context.Context, rules *webhookRules, actor Actor, tenant TenantID, id WebhookID, in WebhookInput) (WebhookMade, error) {
	for {
		made, err := ws.update(ctx, rules, actor, tenant, id, in, 0)
		switch {
		case !isStale(err):
			return made, err
		case ctx.Err() != nil:
			return made, Because(Unavailable, "Others change this webhook all the time, try again", err)
		}
	}
}

func (ws *Webhooks) update(
	ctx context.Context, rules *webhookRules, actor Actor, tenant TenantID, id WebhookID, in WebhookInput, version int,
) (WebhookMade, error) {
	stored, err := ws.Get(ctx, tenant, id)
	if err != nil {
		return WebhookMade{}, err
	}
	if version != 0 && version != stored.Version {
		return WebhookMade{}, ErrStaleWebhook
	}
	changed, faults := stored.Webhook, webhookFaults{webhookRules: rules}
	faults.apply(&changed, in)
	faults.target(ctx, &changed, stored.URL)
	secret, replacement, err := ws.ownSecret(ctx, actor, &faults, &changed, in.Secret)
	if err == nil {
		err = faults.err()
	}
	if err != nil {
		return WebhookMade{}, err
	}
	if changed.Status, err = statusFor(changed.Status, in.Active, actor); err != nil {
		return WebhookMade{}, err
	}
	detail, err := ws.save(ctx, actor, &stored, &changed, replacement)
	return WebhookMade{Webhook: detail, Secret: secret}, err
}

// ownSecret returns the secret that an input brings, and how it replaces the current one; neither when it brings none or
// the one that is there already.
func (ws *Webhooks) ownSecret(
	ctx context.Context, actor Actor, faults *webhookFaults, w *Webhook, own *string,
) (SigningSecret, *SecretChange, error) {
	if own == nil || *own == "" {
		return SigningSecret{}, nil, nil
	}
	secret := faults.ownSecret(w, *own)
	if secret.IsZero() {
		return secret, nil, nil
	}
	current, err := ws.store.OwnSecret(ctx, w.TenantID, w.ID)
	if err != nil {
		return SigningSecret{}, nil, fmt.Errorf("get the secret of %s: %w", w.ID, err)
	}
	if opensTo(ws.config.Sealer, current.Sealed, WebhookSecretPlace(w.ID), secret.Reveal()) {
		return SigningSecret{}, nil, nil
	}
	sealed := ws.seal(w, secret, actor)
	return secret, &SecretChange{Secret: sealed, OldExpires: sealed.CreatedAt.Add(DefaultSecretOverlap)}, nil
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

// save stores a change, unless nothing differs, and returns the webhook as it is then.
func (ws *Webhooks) save(ctx context.Context, actor Actor, before *WebhookDetail, after *Webhook, secret *SecretChange) (WebhookDetail, error) {
	if secret == nil && sameWebhook(&before.Webhook, after) {
		return *before, nil
	}
	after.Version = before.Version + 1
	after.UpdatedAt, after.UpdatedBy = databaseNow(), actor.Name
	saved, err := ws.store.UpdateWebhook(ctx, *after, secret, webhookChanged(actor, &before.Webhook, after, secret)...)
	if err != nil {
		return WebhookDetail{}, fmt.Errorf("update %s of %s: %w", after.ID, after.TenantID, err)
	}
	ws.config.Changed(after.ID)
	return saved, nil
}

// Put creates or updates as the API does: by id, else by application and URL. Without an id and with several webhooks of the
// application at that URL it is Conflict. Of several that create at the same time one does, and the others update.
func (ws *Webhooks) Put(ctx context.Context, actor Actor, tenant TenantID, id WebhookID, in WebhookInput) (WebhookMade, error) {
	rules, err := ws.rules(ctx, tenant)
	if err != nil {
		return WebhookMade{}, err
	}
	if !id.IsZero() {
		return ws.updateLatest(ctx, rules, actor, tenant, id, in)
	}
	for {
		made, err := ws.putAt(ctx, rules, actor, tenant, in)
		if !errors.Is(err, errPlaceChanged) && !errors.Is(err, ErrURLTaken) || ctx.Err() != nil {
			return made, err
		}
	}
}

// errPlaceChanged ends a try to update a webhook that was deleted since it was found.
var errPlaceChanged = Errorf(Conflict, "The webhook was deleted meanwhile, try again.")

// putAt creates or updates the webhook that an input without an id means. It is errPlaceChanged or ErrURLTaken when somebody
// else was faster.
func (ws *Webhooks) putAt(ctx context.Context, rules *webhookRules, actor Actor, tenant TenantID, in WebhookInput) (WebhookMade, error) {
	var at []WebhookID
	// The database is not asked about a place where no webhook can be.
	if application, url, ok := rules.place(in); ok {
		var err error
		if at, err = ws.store.WebhooksAt(ctx, tenant, application, url); err != nil {
			return WebhookMade{}, err
		}
	}
	switch {
	case len(at) > 1:
		return WebhookMade{}, FieldError(Conflict, FieldURL, "belongs to several webhooks: give the id of one")
	case len(at) == 1:
		made, err := ws.updateLatest(ctx, rules, actor, tenant, at[0], in)
		if KindOf(err) == NotFound {
			err = errPlaceChanged
		}
		return made, err
	}
	w, secret, err := rules.newWebhook(ctx, actor, tenant, in)
	if err != nil {
		return WebhookMade{}, err
	}
	made, err := ws.store.InsertWebhookAtFreeURL(ctx, w, ws.seal(&w, secret, actor), webhookCreated(actor, &w))
	return ws.created(made, &w, secret, err)
}
