package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// Webhooks keeps the configuration of endpoints. It implements posthorn.WebhookStore.
type Webhooks struct{ db *DB }

// NewWebhooks makes the store.
func NewWebhooks(db *DB) *Webhooks { return &Webhooks{db} }

var _ posthorn.WebhookStore = (*Webhooks)(nil)

// webhookColumns are all of a webhook; listedWebhookColumns leave the values of its headers out.
var (
	webhookColumns       = fmt.Sprintf(webhookColumnsFormat, "w.header_values")
	listedWebhookColumns = fmt.Sprintf(webhookColumnsFormat, "NULL::bytea[]")
)

const webhookColumnsFormat = `w.id, w.tenant_id, w.application_id, w.name, w.description, w.url, w.events, w.header_names, %s,
       w.signature::text, w.timeout_seconds, w.max_attempts, w.retry_on, w.rate_limit, w.max_in_flight, w.state, w.state_reason,
       w.state_since, w.state_by, w.version, w.created_at, w.created_by, w.updated_at, w.updated_by`

// scanWebhook reads a row of webhookColumns or listedWebhookColumns; before are what stands before them in the row.
func scanWebhook(row pgx.CollectableRow, before ...any) (posthorn.Webhook, error) {
	var w posthorn.Webhook
	var application *uuid.UUID
	var names []string
	var values [][]byte
	var signature, state string
	var seconds int
	var rate *int
	err := row.Scan(append(before, (*uuid.UUID)(&w.ID), (*uuid.UUID)(&w.TenantID), &application, &w.Name, &w.Description, &w.URL,
		&w.Events, &names, &values, &signature, &seconds, &w.MaxAttempts, &w.RetryOn, &rate, &w.MaxInFlight, &state, &w.Status.Reason,
		&w.Status.Since, &w.Status.By, &w.Version, &w.CreatedAt, &w.CreatedBy, &w.UpdatedAt, &w.UpdatedBy)...)
	if err != nil {
		return w, err
	}
	if err := json.Unmarshal([]byte(signature), &w.Signature); err != nil {
		return w, fmt.Errorf("read the signature of %s: %w", w.ID, err)
	}
	if application != nil {
		w.ApplicationID = posthorn.ApplicationID(*application)
	}
	if rate != nil {
		w.RateLimit = *rate
	}
	for i, name := range names {
		h := posthorn.CustomHeader{Name: name}
		if values != nil {
			h.Sealed = values[i]
		}
		w.Headers = append(w.Headers, h)
	}
	w.Timeout = time.Duration(seconds) * time.Second
	w.Status.State = posthorn.WebhookState(state)
	w.Status.Since, w.CreatedAt, w.UpdatedAt = w.Status.Since.UTC(), w.CreatedAt.UTC(), w.UpdatedAt.UTC()
	return w, nil
}

// standingSQL is the posthorn.WebhookStanding of a webhook w; f are those that count as failing.
const standingSQL = `CASE WHEN w.state = 'active' AND w.id IN (SELECT webhook_id FROM f) THEN 'failing' ELSE w.state END`

// ListWebhooks returns the page of what a filter selects, and how many there are of each standing. The first argument of its
// conditions is the tenant, which failingSQL needs.
func (s *Webhooks) ListWebhooks(ctx context.Context, tenant posthorn.TenantID, f posthorn.WebhookFilter) (posthorn.WebhookList, error) {
	op := "list the webhooks of " + tenant.String()
	list := posthorn.WebhookList{Counts: map[posthorn.WebhookStanding]int{}}
	c := webhookConditions(tenant, f)
	rows, err := s.db.pool.Query(ctx, `WITH f AS MATERIALIZED (`+failingSQL+`)
SELECT `+standingSQL+`, count(*) FROM webhooks w WHERE `+c.where()+` GROUP BY 1`, c.args...)
	if err != nil {
		return list, translate(err, op)
	}
	var standing posthorn.WebhookStanding
	var n int
	_, err = pgx.ForEachRow(rows, []any{&standing, &n}, func() error {
		list.Counts[standing] = n
		return nil
	})
	if err != nil {
		return list, translate(err, op)
	}
	if list.Any = list.Total() > 0; !list.Any {
		err := s.db.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM webhooks WHERE tenant_id = $1)`, tenant.UUID()).Scan(&list.Any)
		return list, translate(err, op)
	}
	if f.Standing != "" {
		c.and(standingSQL+" = %s", string(f.Standing))
	}
	return list, translate(s.pageOfWebhooks(ctx, &list, c, f), op)
}

// pageOfWebhooks reads the page of a list, webhooks that fail first. The first argument of c is the tenant. A tenant has MaxWebhooks at most, so numbering them costs little.
func (s *Webhooks) pageOfWebhooks(ctx context.Context, list *posthorn.WebhookList, c *conditions, f posthorn.WebhookFilter) error {
	after, before, limit := c.arg(f.After.UUID()), c.arg(f.Before.UUID()), c.arg(nullZero(f.Limit))
	rows, err := s.db.pool.Query(ctx, `WITH f AS MATERIALIZED (`+failingSQL+`), l AS MATERIALIZED (
  SELECT w.id, row_number() OVER (ORDER BY w.state <> 'active' OR w.id NOT IN (SELECT webhook_id FROM f),
           array_position('{disabled,active,inactive}', w.state), lower(w.name), w.id) AS n
    FROM webhooks w WHERE `+c.where()+`),
 page AS (SELECT coalesce((SELECT greatest(0, n - 1 - coalesce(`+limit+`::int, n)) FROM l WHERE id = `+before+`),
                          (SELECT n FROM l WHERE id = `+after+`), 0) AS skipped)
SELECT l.n, `+listedWebhookColumns+` FROM page, l JOIN webhooks w ON w.id = l.id WHERE l.n > skipped ORDER BY l.n LIMIT `+limit, c.args...)
	if err != nil {
		return err
	}
	var number int
	list.Webhooks, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (posthorn.Webhook, error) {
		return scanWebhook(row, &number)
	})
	list.Skipped = max(0, number-len(list.Webhooks))
	return err
}

// webhookConditions turns a filter, but for the standing, into SQL.
func webhookConditions(tenant posthorn.TenantID, f posthorn.WebhookFilter) *conditions {
	c := &conditions{}
	c.and("w.tenant_id = %s", tenant.UUID())
	if f.Event != "" {
		c.and("w.events && %s::text[]", posthorn.SubscriptionsFor(f.Event))
	}
	if f.Text == "" {
		return c
	}
	if id, err := posthorn.ParseWebhookID(f.Text); err == nil {
		c.and("w.id = %s", id.UUID())
		return c
	}
	pattern := "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(f.Text) + "%"
	c.and("(w.name ILIKE %s OR w.url ILIKE %s)", pattern, pattern)
	return c
}

// Webhook returns a webhook of a tenant with its live secrets and its application.
func (s *Webhooks) Webhook(ctx context.Context, tenant posthorn.TenantID, id posthorn.WebhookID) (posthorn.WebhookDetail, error) {
	d, err := webhookDetail(ctx, s.db.pool, tenant, id)
	return d, translate(err, "get "+id.String())
}

// webhookDetail is Webhook, in the pool or in a transaction that has just changed it.
func webhookDetail(ctx context.Context, q querier, tenant posthorn.TenantID, id posthorn.WebhookID) (posthorn.WebhookDetail, error) {
	var d posthorn.WebhookDetail
	rows, err := q.Query(ctx, `SELECT `+webhookColumns+` FROM webhooks w WHERE w.tenant_id = $1 AND w.id = $2`, tenant.UUID(), id.UUID())
	if err != nil {
		return d, err
	}
	d.Webhook, err = pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (posthorn.Webhook, error) { return scanWebhook(row) })
	if err != nil {
		return d, err
	}
	owner := id
	if d.Signature.UsesTenantSecret() {
		owner = posthorn.WebhookID{}
	}
	if d.Secrets, err = liveSecrets(ctx, q, tenant, owner); err != nil || d.ApplicationID.IsZero() {
		return d, err
	}
	found, err := applications(ctx, q, `tenant_id = $1 AND id = $2`, tenant.UUID(), d.ApplicationID.UUID())
	if len(found) == 1 {
		d.Application = &found[0]
	}
	return d, err
}

// WebhooksAt returns the ids of up to two webhooks of an application, or of none, that have a URL.
func (s *Webhooks) WebhooksAt(
	ctx context.Context, tenant posthorn.TenantID, application posthorn.ApplicationID, url string,
) ([]posthorn.WebhookID, error) {
	ids, err := webhooksAt(ctx, s.db.pool, tenant, application, url)
	return ids, translate(err, "find a webhook of "+tenant.String()+" by its URL")
}

func webhooksAt(
	ctx context.Context, q querier, tenant posthorn.TenantID, application posthorn.ApplicationID, url string,
) ([]posthorn.WebhookID, error) {
	// The index is on the digest, because a URL may be longer than an index entry can be.
	rows, err := q.Query(ctx, `SELECT id FROM webhooks
 WHERE tenant_id = $1 AND application_id IS NOT DISTINCT FROM $2::uuid AND md5(url) = md5($3) AND url = $3 ORDER BY id LIMIT 2`,
		tenant.UUID(), uuidOrNull(application.UUID()), url)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (posthorn.WebhookID, error) {
		var id uuid.UUID
		err := row.Scan(&id)
		return posthorn.WebhookID(id), err
	})
}

// OwnSecret returns the current secret of a webhook's own.
func (s *Webhooks) OwnSecret(ctx context.Context, tenant posthorn.TenantID, id posthorn.WebhookID) (posthorn.SealedSecret, error) {
	op := "get the secret of " + id.String()
	rows, err := s.db.pool.Query(ctx, `SELECT `+signingSecretColumns+` FROM signing_secrets
 WHERE tenant_id = $1 AND webhook_id = $2 AND expires_at IS NULL`, tenant.UUID(), id.UUID())
	if err != nil {
		return posthorn.SealedSecret{}, translate(err, op)
	}
	secret, err := pgx.CollectExactlyOneRow(rows, scanSigningSecret)
	return secret, translate(err, op)
}

// ListApplications returns the applications of a tenant by name.
func (s *Webhooks) ListApplications(ctx context.Context, tenant posthorn.TenantID) ([]posthorn.Application, error) {
	list, err := applications(ctx, s.db.pool, `tenant_id = $1`, tenant.UUID())
	return list, translate(err, "list the applications of "+tenant.String())
}

func applications(ctx context.Context, q querier, condition string, args ...any) ([]posthorn.Application, error) {
	rows, err := q.Query(ctx, `SELECT id, tenant_id, name, coalesce(external_id, '') FROM applications WHERE `+condition+
		` ORDER BY lower(name), id`, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (posthorn.Application, error) {
		var a posthorn.Application
		err := row.Scan((*uuid.UUID)(&a.ID), (*uuid.UUID)(&a.TenantID), &a.Name, &a.ExternalID)
		return a, err
	})
}
