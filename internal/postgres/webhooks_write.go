package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// InsertWebhook stores a webhook with its secret, once for each form as long as that webhook is there.
func (s *Webhooks) InsertWebhook(
	ctx context.Context, w posthorn.Webhook, secret posthorn.SealedSecret, form *posthorn.IdempotencyKey, entry posthorn.AuditEntry,
) (made posthorn.WebhookMade, err error) {
	err = s.db.inTx(ctx, "insert "+w.ID.String(), func(tx pgx.Tx) error {
		first, repeated, err := claimFormKey(ctx, tx, form, w.ID.String())
		if err != nil {
			return err
		}
		if repeated {
			id, err := posthorn.ParseWebhookID(first)
			if err != nil {
				return err
			}
			made.Webhook, err = webhookDetail(ctx, tx, w.TenantID, id)
			if !errors.Is(err, pgx.ErrNoRows) {
				made.Repeated = true
				return err
			}
			if err := renewFormKey(ctx, tx, form, w.ID.String()); err != nil {
				return err
			}
		}
		if err := lockTenant(ctx, tx, w.TenantID); err != nil {
			return err
		}
		made.Webhook, err = addWebhook(ctx, tx, &w, secret, entry)
		return err
	})
	return made, err
}

// InsertWebhookAtFreeURL stores a webhook with its secret, unless its application, or none, has one at its URL. The lock on the
// tenant makes those who insert wait for each other, so that only one finds the place free.
func (s *Webhooks) InsertWebhookAtFreeURL(
	ctx context.Context, w posthorn.Webhook, secret posthorn.SealedSecret, entry posthorn.AuditEntry,
) (made posthorn.WebhookMade, err error) {
	err = s.db.inTx(ctx, "insert "+w.ID.String(), func(tx pgx.Tx) error {
		if err := lockTenant(ctx, tx, w.TenantID); err != nil {
			return err
		}
		at, err := webhooksAt(ctx, tx, w.TenantID, w.ApplicationID, w.URL)
		if err != nil {
			return err
		}
		if len(at) > 0 {
			return posthorn.ErrURLTaken
		}
		made.Webhook, err = addWebhook(ctx, tx, &w, secret, entry)
		return err
	})
	return made, err
}

// addWebhook inserts a webhook with its secret, in a transaction that holds the lock on the tenant, and returns it as it is
// read from then on.
func addWebhook(
	ctx context.Context, tx pgx.Tx, w *posthorn.Webhook, secret posthorn.SealedSecret, entry posthorn.AuditEntry,
) (posthorn.WebhookDetail, error) {
	var none posthorn.WebhookDetail
	var n int
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM webhooks WHERE tenant_id = $1`, w.TenantID.UUID()).Scan(&n); err != nil {
		return none, err
	}
	if n >= posthorn.MaxWebhooks {
		return none, posthorn.ErrTooManyWebhooks
	}
	if err := insertWebhook(ctx, tx, w); err != nil {
		return none, err
	}
	if err := insertSigningSecret(ctx, tx, secret); err != nil {
		return none, err
	}
	if err := writeAudit(ctx, tx, entry); err != nil {
		return none, err
	}
	return webhookDetail(ctx, tx, w.TenantID, w.ID)
}

func insertWebhook(ctx context.Context, tx pgx.Tx, w *posthorn.Webhook) error {
	signature, names, values, err := webhookValues(w)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO webhooks (id, tenant_id, application_id, name, description, url, events, header_names, header_values,
       signature, timeout_seconds, max_attempts, retry_on, rate_limit, max_in_flight, state, state_reason, state_since, state_by,
       version, created_at, created_by, updated_at, updated_by, stopped_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::json, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
       CASE WHEN $16 <> 'active' THEN $18::timestamptz END)`,
		w.ID.UUID(), w.TenantID.UUID(), uuidOrNull(w.ApplicationID.UUID()), w.Name, w.Description, w.URL, w.Events, names, values,
		signature, int(w.Timeout.Seconds()), w.MaxAttempts, w.RetryOn, nullZero(w.RateLimit), w.MaxInFlight, string(w.Status.State),
		w.Status.Reason, w.Status.Since, w.Status.By, w.Version, w.CreatedAt, w.CreatedBy, w.UpdatedAt, w.UpdatedBy)
	return err
}

// webhookValues returns what of a webhook has another form in the database.
func webhookValues(w *posthorn.Webhook) (signature string, names []string, values [][]byte, err error) {
	raw, err := json.Marshal(w.Signature)
	if err != nil {
		return "", nil, nil, fmt.Errorf("write the signature of %s: %w", w.ID, err)
	}
	names, values = make([]string, len(w.Headers)), make([][]byte, len(w.Headers))
	for i, h := range w.Headers {
		names[i], values[i] = h.Name, h.Sealed
	}
	return string(raw), names, values, nil
}

// nullZero maps 0 to NULL.
func nullZero(n int) any {
	if n == 0 {
		return nil
	}
	return n
}

// UpdateWebhook stores a changed webhook, unless another change came first.
func (s *Webhooks) UpdateWebhook(
	ctx context.Context, w posthorn.Webhook, secret *posthorn.SecretChange, entries ...posthorn.AuditEntry,
) (saved posthorn.WebhookDetail, err error) {
	err = s.db.inTx(ctx, "update "+w.ID.String(), func(tx pgx.Tx) error {
		if err := forgetFailures(ctx, tx, &w); err != nil {
			return err
		}
		if err := updateWebhook(ctx, tx, &w); err != nil {
			return err
		}
		if secret != nil {
			if err := replaceSigningSecret(ctx, tx, secret.Secret, secret.OldExpires); err != nil {
				return err
			}
		}
		if err := writeAudit(ctx, tx, entries...); err != nil {
			return err
		}
		saved, err = webhookDetail(ctx, tx, w.TenantID, w.ID)
		return err
	})
	return saved, err
}

// forgetFailures gives a webhook that becomes active, or gets another URL, a clean record: what failed before says nothing of
// the endpoint as it is now. It comes before the webhook is locked, because the results of deliveries lock their health first.
func forgetFailures(ctx context.Context, tx pgx.Tx, w *posthorn.Webhook) error {
	_, err := tx.Exec(ctx, `UPDATE webhook_health h SET failing_since = NULL, throttled_until = NULL FROM webhooks w
 WHERE h.webhook_id = w.id AND w.tenant_id = $1 AND w.id = $2 AND (w.url <> $3 OR w.state <> 'active' AND $4 = 'active')`,
		w.TenantID.UUID(), w.ID.UUID(), w.URL, string(w.Status.State))
	return err
}

func updateWebhook(ctx context.Context, tx pgx.Tx, w *posthorn.Webhook) error {
	signature, names, values, err := webhookValues(w)
	if err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, `UPDATE webhooks SET application_id = $4, name = $5, description = $6, url = $7, events = $8,
       header_names = $9, header_values = $10, signature = $11::text::json, timeout_seconds = $12, max_attempts = $13, retry_on = $14,
       rate_limit = $15, max_in_flight = $16, state = $17, state_reason = $18, state_since = $19, state_by = $20,
       version = $3, revision = revision + 1, updated_at = $21, updated_by = $22,
       stopped_at = CASE WHEN state = 'active' AND $17 <> 'active' THEN $19 ELSE stopped_at END,
       resumed_at = CASE WHEN state <> 'active' AND $17 = 'active' THEN $19 WHEN $17 = 'active' THEN resumed_at END
 WHERE tenant_id = $1 AND id = $2 AND version = $3 - 1`,
		w.TenantID.UUID(), w.ID.UUID(), w.Version, uuidOrNull(w.ApplicationID.UUID()), w.Name, w.Description, w.URL, w.Events,
		names, values, signature, int(w.Timeout.Seconds()), w.MaxAttempts, w.RetryOn, nullZero(w.RateLimit), w.MaxInFlight,
		string(w.Status.State), w.Status.Reason, w.Status.Since, w.Status.By, w.UpdatedAt, w.UpdatedBy)
	if err != nil {
		return err
	}
	if tag.RowsAffected() == 0 {
		return posthorn.ErrStaleWebhook
	}
	return nil
}

// DeleteWebhook deletes a webhook, with its headers and secrets, and leaves its name and URL for the log. What is due for it is
// cancelled, now or by the next maintenance.
func (s *Webhooks) DeleteWebhook(ctx context.Context, w posthorn.Webhook, at time.Time, entry posthorn.AuditEntry) error {
	err := s.db.inTx(ctx, "delete "+w.ID.String(), func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `WITH d AS (DELETE FROM webhooks WHERE tenant_id = $1 AND id = $2 RETURNING id, tenant_id, name, url)
INSERT INTO deleted_webhooks (id, tenant_id, name, url, deleted_at, deleted_by) SELECT id, tenant_id, name, url, $3, $4 FROM d`,
			w.TenantID.UUID(), w.ID.UUID(), at, entry.Actor.Name)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return pgx.ErrNoRows
		}
		return writeAudit(ctx, tx, entry)
	})
	if err != nil {
		return err
	}
	if _, err := s.db.cancelOrphans(ctx, w.ID); err != nil {
		s.db.log.WarnContext(ctx, "deliveries of a deleted webhook are left to the maintenance",
			slog.String("webhook_id", w.ID.String()), slog.Any("error", err))
	}
	return nil
}

// ReplaceSecret makes a new secret the current one, once for each form.
func (s *Webhooks) ReplaceSecret(
	ctx context.Context, c posthorn.SecretChange, form *posthorn.IdempotencyKey, entry posthorn.AuditEntry,
) (made posthorn.WebhookMade, err error) {
	tenant, id := c.Secret.TenantID, c.Secret.WebhookID
	err = s.db.inTx(ctx, "replace the secret of "+id.String(), func(tx pgx.Tx) error {
		if made.Repeated, err = rotateSecret(ctx, tx, c, form, entry); err != nil {
			return err
		}
		if !made.Repeated {
			_, err := tx.Exec(ctx, `UPDATE webhooks SET version = version + 1, updated_at = $3, updated_by = $4 WHERE tenant_id = $1 AND id = $2`,
				tenant.UUID(), id.UUID(), c.Secret.CreatedAt, c.Secret.CreatedBy)
			if err != nil {
				return err
			}
		}
		made.Webhook, err = webhookDetail(ctx, tx, tenant, id)
		return err
	})
	return made, err
}

// RetireSecrets ends all secrets of a webhook but the current one.
func (s *Webhooks) RetireSecrets(
	ctx context.Context, tenant posthorn.TenantID, id posthorn.WebhookID, entry posthorn.AuditEntry,
) (int, error) {
	return s.db.retireSecrets(ctx, "retire the old secrets of "+id.String(), tenant, id, entry)
}
