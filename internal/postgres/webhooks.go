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

const webhookColumns = `w.id, w.tenant_id, w.application_id, w.name, w.description, w.url, w.events, w.header_names, w.header_values,
       w.signature::text, w.timeout_seconds, w.max_attempts, w.retry_on, w.rate_limit, w.max_in_flight, w.state, w.state_reason,
       w.state_since, w.state_by, w.version, w.created_at, w.created_by, w.updated_at, w.updated_by`

// scanWebhook reads a row of webhookColumns.
func scanWebhook(row pgx.CollectableRow) (posthorn.Webhook, error) {
	var w posthorn.Webhook
	var application *uuid.UUID
	var names []string
	var values [][]byte
	var signature, state string
	var seconds int
	var rate *int
	err := row.Scan((*uuid.UUID)(&w.ID), (*uuid.UUID)(&w.TenantID), &application, &w.Name, &w.Description, &w.URL, &w.Events, &names, &values,
		&signature, &seconds, &w.MaxAttempts, &w.RetryOn, &rate, &w.MaxInFlight, &state, &w.Status.Reason,
		&w.Status.Since, &w.Status.By, &w.Version, &w.CreatedAt, &w.CreatedBy, &w.UpdatedAt, &w.UpdatedBy)
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
		w.Headers = append(w.Headers, posthorn.CustomHeader{Name: name, Sealed: values[i]})
	}
	w.Timeout = time.Duration(seconds) * time.Second
	w.Status.State = posthorn.WebhookState(state)
	w.Status.Since, w.CreatedAt, w.UpdatedAt = w.Status.Since.UTC(), w.CreatedAt.UTC(), w.UpdatedAt.UTC()
	return w, nil
}

// ListWebhooks returns what a filter selects, and how many there are in each state.
func (s *Webhooks) ListWebhooks(ctx context.Context, tenant posthorn.TenantID, f posthorn.WebhookFilter) (posthorn.WebhookList, error) {
	op := "list the webhooks of " + tenant.String()
	list := posthorn.WebhookList{Counts: map[posthorn.WebhookState]int{}}
	c := webhookConditions(tenant, f)
	rows, err := s.db.pool.Query(ctx, `SELECT state, count(*) FROM webhooks w WHERE `+c.where()+` GROUP BY state`, c.args...)
	if err != nil {
		return list, translate(err, op)
	}
	var state string
	var n int
	_, err = pgx.ForEachRow(rows, []any{&state, &n}, func() error {
		list.Counts[posthorn.WebhookState(state)] = n
		return nil
	})
	if err != nil {
		return list, translate(err, op)
	}
	if f.State != "" {
		c.and("w.state = %s", string(f.State))
	}
	rows, err = s.db.pool.Query(ctx, `SELECT `+webhookColumns+` FROM webhooks w WHERE `+c.where()+`
 ORDER BY array_position('{disabled,active,inactive}', w.state), lower(w.name), w.id`, c.args...)
	if err != nil {
		return list, translate(err, op)
	}
	list.Webhooks, err = pgx.CollectRows(rows, scanWebhook)
	return list, translate(err, op)
}

// webhookConditions turns a filter, but for the state, into SQL.
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
	var d posthorn.WebhookDetail
	op := "get " + id.String()
	rows, err := s.db.pool.Query(ctx, `SELECT `+webhookColumns+` FROM webhooks w WHERE w.tenant_id = $1 AND w.id = $2`, tenant.UUID(), id.UUID())
	if err != nil {
		return d, translate(err, op)
	}
	if d.Webhook, err = pgx.CollectExactlyOneRow(rows, scanWebhook); err != nil {
		return d, translate(err, op)
	}
	owner := id
	if d.Signature.UsesTenantSecret() {
		owner = posthorn.WebhookID{}
	}
	if d.Secrets, err = s.db.liveSecrets(ctx, tenant, owner); err != nil {
		return d, translate(err, op)
	}
	if d.ApplicationID.IsZero() {
		return d, nil
	}
	applications, err := s.applications(ctx, `tenant_id = $1 AND id = $2`, tenant.UUID(), d.ApplicationID.UUID())
	if len(applications) == 1 {
		d.Application = &applications[0]
	}
	return d, err
}

// WebhooksAt returns the ids of up to two webhooks of an application, or of none, that have a URL.
func (s *Webhooks) WebhooksAt(
	ctx context.Context, tenant posthorn.TenantID, application posthorn.ApplicationID, url string,
) ([]posthorn.WebhookID, error) {
	op := "find a webhook of " + tenant.String() + " by its URL"
	// The index is on the digest, because a URL may be longer than an index entry can be.
	rows, err := s.db.pool.Query(ctx, `SELECT id FROM webhooks
 WHERE tenant_id = $1 AND application_id IS NOT DISTINCT FROM $2::uuid AND md5(url) = md5($3) AND url = $3 ORDER BY id LIMIT 2`,
		tenant.UUID(), nullID(application.UUID()), url)
	if err != nil {
		return nil, translate(err, op)
	}
	ids, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (posthorn.WebhookID, error) {
		var id uuid.UUID
		err := row.Scan(&id)
		return posthorn.WebhookID(id), err
	})
	return ids, translate(err, op)
}

// ListApplications returns the applications of a tenant by name.
func (s *Webhooks) ListApplications(ctx context.Context, tenant posthorn.TenantID) ([]posthorn.Application, error) {
	return s.applications(ctx, `tenant_id = $1`, tenant.UUID())
}

func (s *Webhooks) applications(ctx context.Context, condition string, args ...any) ([]posthorn.Application, error) {
	rows, err := s.db.pool.Query(ctx, `SELECT id, tenant_id, name, coalesce(external_id, '') FROM applications WHERE `+condition+
		` ORDER BY lower(name), id`, args...)
	if err != nil {
		return nil, translate(err, "list applications")
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (posthorn.Application, error) {
		var a posthorn.Application
		err := row.Scan((*uuid.UUID)(&a.ID), (*uuid.UUID)(&a.TenantID), &a.Name, &a.ExternalID)
		return a, err
	})
	return list, translate(err, "list applications")
}
