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

// errRepeatedForm ends the transaction of a form that was sent before.
var errRepeatedForm = errors.New("the form was sent before")

// InsertWebhook stores a webhook with its secret, unless its form was sent before.
func (s *Webhooks) InsertWebhook(
	ctx context.Context, w posthorn.Webhook, secret posthorn.SealedSecret, form *posthorn.IdempotencyKey, entry posthorn.AuditEntry,
) (posthorn.WebhookID, error) {
	made := w.ID
	err := s.db.inTx(ctx, "insert "+w.ID.String(), func(tx pgx.Tx) error {
		first, repeated, err := claimFormKey(ctx, tx, form, w.ID.String())
		if err != nil {
			return err
		}
		if repeated {
			made, err = posthorn.ParseWebhookID(first)
			return errors.Join(err, errRepeatedForm)
		}
		if err := insertWebhook(ctx, tx, &w); err != nil {
			return err
		}
		if err := insertSigningSecret(ctx, tx, secret); err != nil {
			return err
		}
		return writeAudit(ctx, tx, entry)
	})
	if errors.Is(err, errRepeatedForm) && !made.IsZero() {
		return made, nil
	}
	return made, err
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
		w.ID.UUID(), w.TenantID.UUID(), nullID(w.ApplicationID.UUID()), w.Name, w.Description, w.URL, w.Events, names, values,
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
) error {
	signature, names, values, err := webhookValues(&w)
	if err != nil {
		return err
	}
	return s.db.inTx(ctx, "update "+w.ID.String(), func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE webhooks SET application_id = $4, name = $5, description = $6, url = $7, events = $8,
       header_names = $9, header_values = $10, signature = $11::text::json, timeout_seconds = $12, max_attempts = $13, retry_on = $14,
       rate_limit = $15, max_in_flight = $16, state = $17, state_reason = $18, state_since = $19, state_by = $20,
       version = $3, revision = revision + 1, updated_at = $21, updated_by = $22,
       stopped_at = CASE WHEN state = 'active' AND $17 <> 'active' THEN $19 ELSE stopped_at END,
       resumed_at = CASE WHEN state <> 'active' AND $17 = 'active' THEN $19 WHEN $17 = 'active' THEN resumed_at END
 WHERE tenant_id = $1 AND id = $2 AND version = $3 - 1`,
			w.TenantID.UUID(), w.ID.UUID(), w.Version, nullID(w.ApplicationID.UUID()), w.Name, w.Description, w.URL, w.Events,
			names, values, signature, int(w.Timeout.Seconds()), w.MaxAttempts, w.RetryOn, nullZero(w.RateLimit), w.MaxInFlight,
			string(w.Status.State), w.Status.Reason, w.Status.Since, w.Status.By, w.UpdatedAt, w.UpdatedBy)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return posthorn.ErrStaleWebhook
		}
		if secret != nil {
			if err := replaceSigningSecret(ctx, tx, secret.Secret, secret.OldExpires); err != nil {
				return err
			}
		}
		return writeAudit(ctx, tx, entries...)
	})
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

// ReplaceSecret makes a new secret the current one, unless its form was sent before.
func (s *Webhooks) ReplaceSecret(
	ctx context.Context, c posthorn.SecretChange, form *posthorn.IdempotencyKey, entry posthorn.AuditEntry,
) (repeated bool, err error) {
	err = s.db.inTx(ctx, "replace the secret of "+c.Secret.WebhookID.String(), func(tx pgx.Tx) error {
		if _, repeated, err = claimFormKey(ctx, tx, form, c.Secret.ID.String()); err != nil || repeated {
			return err
		}
		if err := replaceSigningSecret(ctx, tx, c.Secret, c.OldExpires); err != nil {
			return err
		}
		return writeAudit(ctx, tx, entry)
	})
	return repeated, err
}

// RetireSecrets ends all secrets of a webhook but the current one.
func (s *Webhooks) RetireSecrets(
	ctx context.Context, tenant posthorn.TenantID, id posthorn.WebhookID, entry posthorn.AuditEntry,
) (n int, err error) {
	err = s.db.inTx(ctx, "retire the old secrets of "+id.String(), func(tx pgx.Tx) error {
		if n, err = retireOldSecrets(ctx, tx, tenant, id); err != nil || n == 0 {
			return err
		}
		entry.SecretsEnded(n)
		return writeAudit(ctx, tx, entry)
	})
	return n, err
}
