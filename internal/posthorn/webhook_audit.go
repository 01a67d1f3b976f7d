package posthorn

import (
	"maps"
	"reflect"
)

// The actions on webhooks.
const (
	ActionWebhookCreated     Action = "webhook.created"
	ActionWebhookUpdated     Action = "webhook.updated"
	ActionWebhookActivated   Action = "webhook.activated"
	ActionWebhookDeactivated Action = "webhook.deactivated"
	ActionWebhookDeleted     Action = "webhook.deleted"
	ActionSecretRotated      Action = "webhook.secret_rotated"
	ActionSecretRetired      Action = "webhook.secret_retired"
)

// auditFields is a webhook as the audit log shows it: the fields of the API, with every header value masked.
func (w *Webhook) auditFields() map[string]any {
	headers := map[string]any{}
	for _, h := range w.Headers {
		headers[h.Name] = HeaderMask
	}
	fields := map[string]any{
		FieldName: w.Name, FieldDescription: w.Description, FieldURL: w.URL, FieldEvents: w.Events, FieldApplicationID: nil,
		FieldHeaders: headers, FieldSignature: w.Signature, FieldTimeout: int(w.Timeout.Seconds()), FieldMaxAttempts: w.MaxAttempts,
		FieldRetryOn: w.RetryOn, FieldRateLimit: nil, FieldMaxInFlight: w.MaxInFlight, "state": string(w.Status.State),
	}
	if !w.ApplicationID.IsZero() {
		fields[FieldApplicationID] = w.ApplicationID.String()
	}
	if w.RateLimit > 0 {
		fields[FieldRateLimit] = w.RateLimit
	}
	return fields
}

func webhookCreated(actor Actor, w *Webhook) AuditEntry {
	return audit(w.TenantID, actor, ActionWebhookCreated, w.ID.String(), nil, w.auditFields())
}

func webhookDeleted(actor Actor, w *Webhook) AuditEntry {
	return audit(w.TenantID, actor, ActionWebhookDeleted, w.ID.String(), w.auditFields(), nil)
}

// webhookChanged makes the entries of a change, each with only what differs: one for the configuration, one for the state,
// one for the secret.
func webhookChanged(actor Actor, before, after *Webhook, secret *SecretChange) []AuditEntry {
	was, is := before.auditFields(), after.auditFields()
	var entries []AuditEntry
	if before.Status.State != after.Status.State {
		action := ActionWebhookActivated
		if after.Status.State != WebhookActive {
			action = ActionWebhookDeactivated
		}
		entries = append(entries, audit(after.TenantID, actor, action, after.ID.String(),
			map[string]any{"state": was["state"]}, map[string]any{"state": is["state"]}))
	}
	delete(was, "state")
	delete(is, "state")
	maps.DeleteFunc(was, func(field string, value any) bool { return reflect.DeepEqual(value, is[field]) })
	maps.DeleteFunc(is, func(field string, _ any) bool { _, differs := was[field]; return !differs })
	if replaced := replacedHeaders(before, after); len(replaced) > 0 {
		is["headersReplaced"] = replaced
	}
	if len(is) > 0 {
		entries = append(entries, audit(after.TenantID, actor, ActionWebhookUpdated, after.ID.String(), was, is))
	}
	if secret != nil {
		entries = append(entries, secretRotated(actor, after, secret))
	}
	return entries
}

// replacedHeaders lists the headers that have the same name and another value.
func replacedHeaders(before, after *Webhook) []string {
	var names []string
	for _, h := range after.Headers {
		if old, ok := before.header(h.Name); ok && string(old.Sealed) != string(h.Sealed) {
			names = append(names, h.Name)
		}
	}
	return names
}

func secretRotated(actor Actor, w *Webhook, c *SecretChange) AuditEntry {
	after := map[string]any{"name": w.Name, "oldSecretExpiresAt": nil}
	if !c.OldExpires.IsZero() {
		after["oldSecretExpiresAt"] = FormatTime(c.OldExpires)
	}
	return audit(w.TenantID, actor, ActionSecretRotated, w.ID.String(), nil, after)
}
