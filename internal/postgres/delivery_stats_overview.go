package postgres

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// watchedWebhooks is how many webhooks the overview lists.
const watchedWebhooks = 5

// failingSQL selects the ids of the webhooks of a tenant, $1, that count as failing: posthorn.EndpointHealth in SQL.
var failingSQL = fmt.Sprintf(`
  SELECT webhook_id FROM webhook_minutes WHERE tenant_id = $1 AND minute > now() - interval '%d seconds' GROUP BY 1
  HAVING sum(succeeded + failed) >= %d AND sum(succeeded) < %g * sum(succeeded + failed)
   UNION
  SELECT h.webhook_id FROM webhooks w JOIN webhook_health h ON h.webhook_id = w.id
   WHERE w.tenant_id = $1 AND h.failing_since <= now() - interval '%d seconds'`,
	int(posthorn.RecentSpan.Seconds()), posthorn.FailingAttempts, posthorn.FailingBelow, int(posthorn.FailingAfter.Seconds()))

// Overview says how sending fares at all webhooks of a tenant: in a range, and on the last day, whose buckets are an hour or
// longer, at those webhooks that deserve a look.
func (s *DeliveryStats) Overview(
	ctx context.Context, tenant posthorn.TenantID, r, lastDay posthorn.OverviewRange,
) (posthorn.DeliveryOverview, error) {
	o := posthorn.DeliveryOverview{States: map[posthorn.WebhookState]int{}}
	if err := s.states(ctx, tenant, &o); err != nil || o.Total() == 0 {
		return o, err
	}
	var err error
	if o.Stats, err = s.Range(ctx, tenant, posthorn.WebhookID{}, r); err != nil {
		return o, err
	}
	if o.Waiting, err = s.Waiting(ctx, tenant, posthorn.WebhookID{}); err != nil {
		return o, err
	}
	if o.Webhooks, err = s.watched(ctx, tenant, lastDay); err != nil {
		return o, err
	}
	if o.Secrets, err = s.endingSecrets(ctx, tenant); err != nil {
		return o, err
	}
	err = s.db.pool.QueryRow(ctx, `SELECT (SELECT count(*) FROM (SELECT FROM dead_letters WHERE tenant_id = $1 LIMIT $2) d),
       coalesce(bool_or(test), false), coalesce(bool_or(NOT test), false)
  FROM (SELECT test FROM deliveries WHERE tenant_id = $1 ORDER BY id DESC LIMIT 100) n`, tenant.UUID(), posthorn.DeadLettersLimit+1).
		Scan(&o.DeadLetters, &o.Tested, &o.Delivered)
	return o, translate(err, "count dead letters")
}

// states counts the webhooks by state, and the active ones that fail.
func (s *DeliveryStats) states(ctx context.Context, tenant posthorn.TenantID, o *posthorn.DeliveryOverview) error {
	rows, err := s.db.pool.Query(ctx, `WITH f AS MATERIALIZED (`+failingSQL+`)
SELECT w.state, count(*), count(f.webhook_id) FROM webhooks w LEFT JOIN f ON f.webhook_id = w.id WHERE w.tenant_id = $1 GROUP BY 1`, tenant.UUID())
	if err != nil {
		return translate(err, "count webhooks")
	}
	var state string
	var n, failing int
	_, err = pgx.ForEachRow(rows, []any{&state, &n, &failing}, func() error {
		o.States[posthorn.WebhookState(state)] = n
		if posthorn.WebhookState(state) == posthorn.WebhookActive {
			o.Failing = failing
		}
		return nil
	})
	return translate(err, "count webhooks")
}

// watched returns the webhooks to look at with how they fare: those that fail, those that Posthorn disabled, then those with
// most attempts.
func (s *DeliveryStats) watched(ctx context.Context, tenant posthorn.TenantID, day posthorn.OverviewRange) ([]posthorn.WebhookFare, error) {
	rows, err := s.db.pool.Query(ctx, `WITH f AS MATERIALIZED (`+failingSQL+`)
SELECT `+listedWebhookColumns+`
  FROM webhooks w LEFT JOIN f ON f.webhook_id = w.id
  CROSS JOIN LATERAL (SELECT coalesce(sum(q.succeeded + q.failed), 0) AS attempts FROM webhook_quarters q
    WHERE q.tenant_id = $1 AND q.webhook_id = w.id AND q.quarter >= $2) v
 WHERE w.tenant_id = $1
 ORDER BY CASE WHEN w.state = 'active' AND f.webhook_id IS NOT NULL THEN 0 WHEN w.state = 'disabled' THEN 1 WHEN w.state = 'active' THEN 2
          ELSE 3 END, v.attempts DESC, lower(w.name), w.id LIMIT $3`, tenant.UUID(), day.From(), watchedWebhooks)
	if err != nil {
		return nil, translate(err, "list webhooks to watch")
	}
	webhooks, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (posthorn.Webhook, error) { return scanWebhook(row) })
	if err != nil {
		return nil, translate(err, "list webhooks to watch")
	}
	ids := make([]posthorn.WebhookID, len(webhooks))
	for i := range webhooks {
		ids[i] = webhooks[i].ID
	}
	stats, err := s.Webhooks(ctx, tenant, ids, day)
	if err != nil {
		return nil, err
	}
	fares := make([]posthorn.WebhookFare, len(webhooks))
	for i := range webhooks {
		fares[i] = posthorn.WebhookFare{Webhook: webhooks[i], Stats: stats[ids[i]]}
	}
	return fares, nil
}

// endingSecrets returns the replaced signing secrets that still sign, the next one to end first: one of each webhook.
func (s *DeliveryStats) endingSecrets(ctx context.Context, tenant posthorn.TenantID) ([]posthorn.EndingSecret, error) {
	rows, err := s.db.pool.Query(ctx, `SELECT k.webhook_id, coalesce(w.name, ''), min(k.expires_at)
  FROM signing_secrets k LEFT JOIN webhooks w ON w.id = k.webhook_id
 WHERE k.tenant_id = $1 AND k.expires_at > now() GROUP BY 1, 2 ORDER BY 3, 1 LIMIT $2`, tenant.UUID(), watchedWebhooks)
	if err != nil {
		return nil, translate(err, "list ending secrets")
	}
	secrets, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e posthorn.EndingSecret, err error) {
		var webhook *uuid.UUID
		if err = row.Scan(&webhook, &e.Name, &e.ExpiresAt); webhook != nil {
			e.WebhookID = posthorn.WebhookID(*webhook)
		}
		e.ExpiresAt = e.ExpiresAt.UTC()
		return e, err
	})
	return secrets, translate(err, "list ending secrets")
}
