package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// EventLog reads events and what became of them. It implements posthorn.EventReader.
type EventLog struct{ db *DB }

// NewEventLog makes the reader.
func NewEventLog(db *DB) *EventLog { return &EventLog{db} }

var _ posthorn.EventReader = (*EventLog)(nil)

const eventColumns = `e.id, e.tenant_id, e.application_id, e.event, e.payload::text, e.occurred_at, e.test, e.misfits::text, e.activity_id`

func scanEvent(row pgx.CollectableRow) (posthorn.Event, error) {
	var e posthorn.Event
	var application, activity *uuid.UUID
	var payload string
	var misfits *string
	err := row.Scan((*uuid.UUID)(&e.ID), (*uuid.UUID)(&e.TenantID), &application, &e.Type, &payload, &e.OccurredAt, &e.Test, &misfits, &activity)
	if err != nil {
		return e, err
	}
	e.Data, e.OccurredAt = json.RawMessage(payload), e.OccurredAt.UTC()
	if application != nil {
		e.ApplicationID = posthorn.ApplicationID(*application)
	}
	if activity != nil {
		e.ActivityID = posthorn.ActivityID(*activity)
	}
	if misfits != nil {
		if err := json.Unmarshal([]byte(*misfits), &e.Misfits); err != nil {
			return e, fmt.Errorf("read the misfits of %s: %w", e.ID, err)
		}
	}
	return e, nil
}

// ListEvents returns a page, newest first. It reads one row more than asked for, to know whether the list goes on.
func (l *EventLog) ListEvents(ctx context.Context, tenant posthorn.TenantID, q posthorn.EventQuery) (out posthorn.EventRows, err error) {
	err = l.db.snapshot(ctx, "list the events of "+tenant.String(), func(tx pgx.Tx) error {
		key, err := eventOfKey(ctx, tx, tenant, q.Filter.Text)
		if err != nil {
			return err
		}
		sql, args := eventsSQL(tenant, q, key)
		events, more, err := queryEvents(ctx, tx, sql, args, q.Position.Limit)
		if err != nil {
			return err
		}
		out = posthorn.EventRows{Events: events, HasOlder: more, HasNewer: !q.Position.After.IsZero()}
		if !q.Position.Before.IsZero() {
			slices.Reverse(events)
			out.HasOlder, out.HasNewer = true, more
		}
		return nil
	})
	return out, err
}

// queryEvents reads up to limit events, fewer where their data is too much for a page, and says whether there are more.
func queryEvents(ctx context.Context, tx pgx.Tx, sql string, args []any, limit int) (events []posthorn.Event, more bool, err error) {
	rows, err := tx.Query(ctx, sql, append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for bytes := 0; rows.Next(); {
		if len(events) == limit || bytes >= maxPageBytes {
			rows.Close() // the rest is read from the connection and thrown away
			return events, true, rows.Err()
		}
		e, err := scanEvent(rows)
		if err != nil {
			return nil, false, err
		}
		events = append(events, e)
		bytes += len(e.Data)
	}
	return events, false, rows.Err()
}

// eventsSQL returns the query of a page; one that goes up is to be turned round. key is the event that the free text names.
func eventsSQL(tenant posthorn.TenantID, q posthorn.EventQuery, key *posthorn.EventID) (sql string, args []any) {
	c := &conditions{}
	c.and("e.tenant_id = %s", tenant.UUID())
	order := "DESC"
	switch {
	case !q.Position.After.IsZero():
		c.and("e.id < %s", q.Position.After.UUID())
	case !q.Position.Before.IsZero():
		c.and("e.id > %s", q.Position.Before.UUID())
		order = "ASC"
	}
	oneOf(c, "e.event", q.Filter.Types)
	c.received("e.id", q.Filter.From, q.Filter.To)
	if f := q.Filter.Application; f != "" {
		if id, err := posthorn.ParseApplicationID(f); err == nil {
			c.and("e.application_id = %s", id.UUID())
		} else {
			c.and("e.application_id = (SELECT id FROM applications WHERE tenant_id = %s AND external_id = %s)", tenant.UUID(), f)
		}
	}
	switch {
	case q.Filter.Test == nil:
	case *q.Filter.Test:
		c.and("e.test")
	default:
		c.and("NOT e.test")
	}
	if q.Filter.Text != "" {
		c.eventText(q.Filter.Text, key)
	}
	sql = fmt.Sprintf(`SELECT %s FROM events e WHERE %s ORDER BY e.id %s LIMIT %s`, eventColumns, c.where(), order, c.arg(q.Position.Limit+1))
	return sql, c.args
}

func (c *conditions) eventText(text string, key *posthorn.EventID) {
	if id, err := posthorn.ParseEventID(text); err == nil {
		c.and("e.id = %s", id.UUID())
	} else if id, err := posthorn.ParseDeliveryID(text); err == nil {
		c.and("e.id = (SELECT event_id FROM deliveries WHERE id = %s)", id.UUID())
	} else if key != nil {
		c.and("e.id = %s", key.UUID())
	} else {
		c.and("false")
	}
}

// Event returns one event with all that is known of its way.
func (l *EventLog) Event(ctx context.Context, tenant posthorn.TenantID, id posthorn.EventID) (t posthorn.EventTrace, err error) {
	err = l.db.snapshot(ctx, "get "+id.String(), func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT `+eventColumns+` FROM events e WHERE e.id = $1 AND e.tenant_id = $2`, id.UUID(), tenant.UUID())
		if err != nil {
			return err
		}
		if t.Event, err = pgx.CollectExactlyOneRow(rows, scanEvent); err != nil {
			return err
		}
		t.Webhooks, err = reaches(ctx, tx, &t.Event)
		return err
	})
	return t, err
}

// reaches returns what became of an event at every webhook of its tenant: those with a delivery first, then by name. Of the
// deleted ones only those that were there when it came.
func reaches(ctx context.Context, tx pgx.Tx, e *posthorn.Event) ([]posthorn.EventReach, error) {
	first, last := deliveryRange(e.ID)
	rows, err := tx.Query(ctx, `
WITH d AS (
  SELECT id, webhook_id, url, state, reason, attempts, created_at, status_code, error_class, finished_at,
         (SELECT next_attempt_at FROM due WHERE delivery_id = deliveries.id AND (lease_token = 0 OR next_attempt_at <= now())) AS next_attempt_at
    FROM deliveries WHERE id BETWEEN $2 AND $3 AND event_id = $4 AND tenant_id = $1),
w AS (
  SELECT id, name, url, NULL::timestamptz AS deleted_at, created_at, events, application_id, state, state_reason, state_since, state_by,
         stopped_at, resumed_at
    FROM webhooks WHERE tenant_id = $1
  UNION ALL
  SELECT id, name, url, deleted_at, NULL, NULL, NULL, '', '', NULL, '', NULL, NULL FROM deleted_webhooks
   WHERE tenant_id = $1 AND (deleted_at >= $5 OR id IN (SELECT webhook_id FROM d)))
SELECT w.id, w.name, w.url, w.deleted_at, w.created_at, w.events, w.application_id, w.state, w.state_reason, w.state_since, w.state_by,
       w.stopped_at, w.resumed_at, d.id, d.url, d.state, d.reason, d.attempts, d.created_at, d.next_attempt_at, d.status_code,
       d.error_class, d.finished_at
  FROM w LEFT JOIN d ON d.webhook_id = w.id
 ORDER BY d.id IS NULL, w.deleted_at IS NOT NULL, lower(w.name), w.id`, e.TenantID.UUID(), first, last, e.ID.UUID(), e.ID.Time())
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (posthorn.EventReach, error) { return scanReach(row, e) })
}

func scanReach(row pgx.CollectableRow, e *posthorn.Event) (posthorn.EventReach, error) {
	var r posthorn.EventReach
	w := &r.Webhook
	var deleted, created, since, stopped, resumed *time.Time
	var application, delivery *uuid.UUID
	var url, state, reason, class *string
	var attempts, status *int
	var made, next, finished *time.Time
	err := row.Scan((*uuid.UUID)(&w.ID), &w.Name, &w.URL, &deleted, &created, &w.Events, &application, &w.Status.State, &w.Status.Reason,
		&since, &w.Status.By, &stopped, &resumed, &delivery, &url, &state, &reason, &attempts, &made, &next, &status, &class, &finished)
	if err != nil {
		return r, err
	}
	w.Deleted, w.DeletedAt, w.CreatedAt, w.Status.Since = deleted != nil, utc(deleted), utc(created), utc(since)
	w.StoppedAt, w.ResumedAt = utc(stopped), utc(resumed)
	if application != nil {
		w.ApplicationID = posthorn.ApplicationID(*application)
	}
	if delivery != nil {
		r.Delivery = &posthorn.Delivery{
			ID: posthorn.DeliveryID(*delivery), TenantID: e.TenantID, WebhookID: w.ID, EventID: e.ID, Event: e.Type, URL: *url,
			State: posthorn.DeliveryState(*state), Reason: *reason, Test: e.Test, Attempts: *attempts, CreatedAt: utc(made),
			NextAttemptAt: utc(next),
		}
		r.FinishedAt = utc(finished)
		if status != nil {
			r.StatusCode = *status
		}
		if class != nil {
			r.ErrorClass = posthorn.ErrorClass(*class)
		}
	}
	return r, nil
}
