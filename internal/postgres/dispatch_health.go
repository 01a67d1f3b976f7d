package postgres

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// verdict is what a batch of results says of one webhook: its latest one counts.
type verdict struct {
	webhook posthorn.WebhookID
	// url is where the attempt went, at when it ended.
	url       string
	at        time.Time
	succeeded bool
	failed    bool
	throttle  time.Duration
	// disable is the reason to disable it at once, empty for none.
	disable string
}

// verdicts sums results up, in the order of webhooks, so that two processes cannot deadlock. Tests say nothing.
func verdicts(results []posthorn.Result) []verdict {
	byWebhook := map[posthorn.WebhookID]*verdict{}
	for i := range results {
		r := &results[i]
		if r.Job.Test {
			continue
		}
		v := byWebhook[r.Job.WebhookID]
		if v == nil {
			v = &verdict{webhook: r.Job.WebhookID}
			byWebhook[v.webhook] = v
		}
		if end := r.Outcome.StartedAt.Add(r.Outcome.Total); !end.Before(v.at) {
			v.url, v.at = r.URL, end
			v.succeeded, v.failed = r.Decision.State == posthorn.DeliverySucceeded, r.Decision.State != posthorn.DeliverySucceeded
		}
		v.throttle = max(v.throttle, r.Decision.Throttle)
		if r.Decision.DisableWebhook != "" {
			v.disable = r.Decision.DisableWebhook
		}
	}
	var all []verdict
	for _, v := range byWebhook {
		all = append(all, *v)
	}
	slices.SortFunc(all, func(a, b verdict) int { return bytes.Compare(a.webhook[:], b.webhook[:]) })
	return all
}

// noteHealth writes how endpoints do, where that changes, disables those that are beyond hope, and returns the events that
// tell of it. troubled are the webhooks that have been failing or are throttled.
func (s *Dispatching) noteHealth(
	ctx context.Context, tx pgx.Tx, results []posthorn.Result, troubled map[posthorn.WebhookID]bool,
) ([]posthorn.Event, error) {
	var events []posthorn.Event
	for _, v := range verdicts(results) {
		if v.succeeded && v.throttle == 0 && v.disable == "" && !troubled[v.webhook] {
			continue // it did well before, too
		}
		since, age, err := noteVerdict(ctx, tx, v)
		if err != nil {
			return nil, err
		}
		switch {
		case v.disable == "" && v.failed && age >= posthorn.DisableAfter:
			v.disable = posthorn.DisabledForFailures
		case v.succeeded && age >= posthorn.RecoveredAfter:
			e, err := s.webhookEvent(ctx, tx, posthorn.EventWebhookRecovered, v, *since)
			if err != nil {
				return nil, err
			}
			events = append(events, e)
		}
		if v.disable == "" {
			continue
		}
		e, disabled, err := s.disable(ctx, tx, v, since)
		if err != nil {
			return nil, err
		}
		if disabled {
			events = append(events, e)
		}
	}
	return events, nil
}

// noteVerdict writes a verdict and returns since when the webhook had been failing, and for how long; since is nil when it had
// not. The clock is that of the database, which all processes share.
func noteVerdict(ctx context.Context, tx pgx.Tx, v verdict) (since *time.Time, age time.Duration, err error) {
	if v.succeeded && v.throttle == 0 {
		err = tx.QueryRow(ctx, `WITH old AS (SELECT webhook_id, failing_since FROM webhook_health
   WHERE webhook_id = $1 AND (failing_since IS NOT NULL OR throttled_until IS NOT NULL) FOR UPDATE),
 u AS (UPDATE webhook_health h SET failing_since = NULL, throttled_until = NULL FROM old WHERE h.webhook_id = old.webhook_id)
SELECT min(failing_since), coalesce(now() - min(failing_since), '0') FROM old`, v.webhook.UUID()).Scan(&since, &age)
		return since, age, err
	}
	var throttle any
	if v.throttle > 0 {
		throttle = v.throttle
	}
	// The webhook may be gone by now, and its health with it. An address that it no longer has says nothing of it.
	err = tx.QueryRow(ctx, `WITH u AS (
  INSERT INTO webhook_health AS h (webhook_id, failing_since, throttled_until)
  SELECT id, CASE WHEN $2 THEN now() END, now() + $3::interval FROM webhooks WHERE id = $1 AND url = $4
  ON CONFLICT (webhook_id) DO UPDATE SET
    failing_since   = CASE WHEN $2 THEN coalesce(h.failing_since, excluded.failing_since) END,
    throttled_until = greatest(h.throttled_until, excluded.throttled_until)
   WHERE (h.failing_since IS NOT NULL) <> $2 OR $3::interval IS NOT NULL
  RETURNING failing_since),
 s AS (SELECT coalesce((SELECT failing_since FROM u), (SELECT failing_since FROM webhook_health WHERE webhook_id = $1)) AS since)
SELECT since, coalesce(now() - since, '0') FROM s`, v.webhook.UUID(), v.failed, throttle, v.url).Scan(&since, &age)
	return since, age, err
}

// disable stops an active webhook for a reason, notes it in the audit log, and returns the event that tells of it.
func (s *Dispatching) disable(ctx context.Context, tx pgx.Tx, v verdict, since *time.Time) (e posthorn.Event, disabled bool, err error) {
	tag, err := tx.Exec(ctx, `UPDATE webhooks SET state = 'disabled', state_reason = $2, state_since = now(), state_by = $3,
       stopped_at = now(), resumed_at = NULL,
       revision = revision + 1, version = version + 1, updated_at = now(), updated_by = $3 WHERE id = $1 AND url = $4 AND state = 'active'`,
		v.webhook.UUID(), v.disable, posthorn.System().Name, v.url)
	if err != nil || tag.RowsAffected() == 0 {
		return e, false, err
	}
	if e, err = s.webhookEvent(ctx, tx, posthorn.EventWebhookDisabled, v, utc(since)); err != nil {
		return e, false, err
	}
	return e, true, writeAudit(ctx, tx, posthorn.WebhookDisabledEntry(e.TenantID, v.webhook, v.disable))
}

// webhookEvent makes an event about a webhook.
func (s *Dispatching) webhookEvent(ctx context.Context, tx pgx.Tx, event string, v verdict, since time.Time) (posthorn.Event, error) {
	var tenant uuid.UUID
	var application *uuid.UUID
	var name, url string
	err := tx.QueryRow(ctx, `SELECT tenant_id, application_id, name, url FROM webhooks WHERE id = $1`, v.webhook.UUID()).
		Scan(&tenant, &application, &name, &url)
	if err != nil {
		return posthorn.Event{}, err
	}
	e, err := posthorn.WebhookEvent(event, posthorn.WebhookNotice{
		TenantID: posthorn.TenantID(tenant), WebhookID: v.webhook, Name: name, URL: url, Reason: v.disable, FailingSince: since, At: v.at,
	})
	if application != nil {
		e.ApplicationID = posthorn.ApplicationID(*application)
	}
	return e, err
}

// failedEvents makes an event of every delivery that failed for good. Events about webhooks and deliveries, and tests, make
// no further ones, so that nothing goes round in a circle.
func failedEvents(results []posthorn.Result) ([]posthorn.Event, error) {
	var events []posthorn.Event
	for i := range results {
		r := &results[i]
		if r.Decision.State != posthorn.DeliveryFailed || r.Job.Test || posthorn.Operational(r.Job.Event) {
			continue
		}
		e, err := posthorn.DeliveryFailedEvent(r)
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}
