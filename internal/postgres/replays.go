package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// Replays keeps bulk replays. It implements posthorn.ReplayStore; ReplayRunner carries them out.
type Replays struct{ db *DB }

// NewReplays makes the store.
func NewReplays(db *DB) *Replays { return &Replays{db} }

var _ posthorn.ReplayStore = (*Replays)(nil)

// firstID is before every id of something.
var firstID = uuid.UUID{15: 1}

// CountReplayable counts the deliveries that a filter selects, up to a limit.
func (s *Replays) CountReplayable(
	ctx context.Context, tenant posthorn.TenantID, f posthorn.DeliveryFilter, limit int,
) (n posthorn.Estimate, err error) {
	err = s.db.snapshot(ctx, "count what to replay in "+tenant.String(), func(tx pgx.Tx) error {
		n, err = countReplayable(ctx, tx, tenant, f, limit)
		return err
	})
	return n, err
}

func countReplayable(
	ctx context.Context, tx pgx.Tx, tenant posthorn.TenantID, f posthorn.DeliveryFilter, limit int,
) (n posthorn.Estimate, err error) {
	key, err := eventOfKey(ctx, tx, tenant, f.Text)
	if err != nil {
		return n, err
	}
	q := posthorn.DeliveryQuery{Filter: f, Position: posthorn.DeliveryPosition{Before: posthorn.DeliveryID(firstID), Limit: limit}}
	search := searchDeliveries(tenant, &q, posthorn.DeliveryID{}, key, replayScanned*limit)
	// The best plan depends on the values: see DB.query.
	err = tx.QueryRow(ctx, `SELECT count(*) FROM (`+search.sql("d.id", limit+1)+`) selected`,
		append([]any{pgx.QueryExecModeCacheDescribe}, search.args...)...).Scan(&n.N)
	if err != nil {
		return n, err
	}
	if n.N > limit {
		return posthorn.Estimate{N: limit, More: true}, nil
	}
	reached, err := search.reached(ctx, tx)
	n.More = !reached.IsZero()
	return n, err
}

// replayScanned is how many deliveries a count looks at for each that it may count.
const replayScanned = 5

// CreateReplay begins a replay, once for a form key.
func (s *Replays) CreateReplay(
	ctx context.Context, r *posthorn.Replay, form *posthorn.IdempotencyKey, entry posthorn.AuditEntry,
) (id posthorn.ReplayID, err error) {
	err = s.db.inTx(ctx, "create "+r.ID.String(), func(tx pgx.Tx) error {
		first, repeated, err := claimFormKey(ctx, tx, form, r.ID.String())
		if err != nil {
			return err
		}
		if repeated {
			id, err = posthorn.ParseReplayID(first)
			return err
		}
		id = r.ID
		cursor, until := posthorn.EventID(firstID), posthorn.EventIDAt(r.CreatedAt.Add(posthorn.MissedSlack))
		if r.Kind == posthorn.ReplayOfMissed {
			if err := holdWebhook(ctx, tx, r.TenantID, r.WebhookID.UUID()); err != nil {
				return err
			}
			if cursor, until, err = missedIDs(ctx, tx, r.WebhookID, r.Missed); err != nil {
				return err
			}
			r.Filter = posthorn.DeliveryFilter{WebhookID: r.WebhookID, From: cursor.Time(), To: until.Time()}
		}
		if err := insertReplay(ctx, tx, r, cursor, until); err != nil {
			return err
		}
		return writeAudit(ctx, tx, entry)
	})
	return id, err
}

func insertReplay(ctx context.Context, tx pgx.Tx, r *posthorn.Replay, cursor, until posthorn.EventID) error {
	filter, err := json.Marshal(r.Filter)
	if err != nil {
		return fmt.Errorf("write the filter of %s: %w", r.ID, err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO replays (id, tenant_id, kind, webhook_id, filter, cursor, until, rate, total, total_more, created_at, created_by)
VALUES ($1, $2, $3, $4, $5::json, $6, $7, $8, $9, $10, $11, $12)`,
		r.ID.UUID(), r.TenantID.UUID(), string(r.Kind), uuidOrNull(r.WebhookID.UUID()), string(filter), cursor.UUID(), until.UUID(), r.Rate,
		r.Total.N, r.Total.More, r.CreatedAt, r.CreatedBy)
	return err
}

// replayColumns are those of scanReplay, of replays as r.
const replayColumns = `r.id, r.tenant_id, r.kind, r.webhook_id,
  coalesce((SELECT name FROM webhooks w WHERE w.id = r.webhook_id), (SELECT name FROM deleted_webhooks w WHERE w.id = r.webhook_id), ''),
  r.filter::text, r.cursor, r.until, r.rate, r.total, r.total_more, r.done, r.skipped, r.state, r.reason, r.created_at, r.created_by,
  r.finished_at, r.finished_by`

// storedReplay is a replay with its place.
type storedReplay struct {
	posthorn.Replay
	cursor, until uuid.UUID
}

func scanReplay(row pgx.CollectableRow) (storedReplay, error) {
	var r storedReplay
	var webhook *uuid.UUID
	var filter string
	var finished *time.Time
	err := row.Scan((*uuid.UUID)(&r.ID), (*uuid.UUID)(&r.TenantID), &r.Kind, &webhook, &r.WebhookName, &filter, &r.cursor, &r.until, &r.Rate,
		&r.Total.N, &r.Total.More, &r.Done, &r.Skipped, &r.State, &r.Reason, &r.CreatedAt, &r.CreatedBy, &finished, &r.FinishedBy)
	if err != nil {
		return r, err
	}
	r.CreatedAt, r.FinishedAt = r.CreatedAt.UTC(), utc(finished)
	if webhook != nil {
		r.WebhookID = posthorn.WebhookID(*webhook)
	}
	if err := json.Unmarshal([]byte(filter), &r.Filter); err != nil {
		return r, fmt.Errorf("read the filter of %s: %w", r.ID, err)
	}
	if r.Kind == posthorn.ReplayOfMissed {
		r.Missed.Since, r.Missed.Until = r.Filter.From, r.Filter.To
	}
	return r, nil
}

// Replay returns one replay.
func (s *Replays) Replay(ctx context.Context, tenant posthorn.TenantID, id posthorn.ReplayID) (posthorn.Replay, error) {
	rows, err := s.db.pool.Query(ctx, `SELECT `+replayColumns+` FROM replays r WHERE r.id = $1 AND r.tenant_id = $2`, id.UUID(), tenant.UUID())
	if err != nil {
		return posthorn.Replay{}, translate(err, "get "+id.String())
	}
	r, err := pgx.CollectExactlyOneRow(rows, scanReplay)
	return r.Replay, translate(err, "get "+id.String())
}

// ListReplays returns replays, newest first.
func (s *Replays) ListReplays(
	ctx context.Context, tenant posthorn.TenantID, before posthorn.ReplayID, limit int,
) (replays []posthorn.Replay, more bool, err error) {
	last := before.UUID()
	if before.IsZero() {
		last = uuid.Max
	}
	rows, err := s.db.pool.Query(ctx, `SELECT `+replayColumns+` FROM replays r WHERE r.tenant_id = $1 AND r.id < $2 ORDER BY r.id DESC LIMIT $3`,
		tenant.UUID(), last, limit+1)
	if err != nil {
		return nil, false, translate(err, "list the replays of "+tenant.String())
	}
	stored, err := pgx.CollectRows(rows, scanReplay)
	if err != nil {
		return nil, false, translate(err, "list the replays of "+tenant.String())
	}
	if more = len(stored) > limit; more {
		stored = stored[:limit]
	}
	for i := range stored {
		replays = append(replays, stored[i].Replay)
	}
	return replays, more, nil
}

// CancelReplay ends a running replay. It waits for the batch that is under way.
func (s *Replays) CancelReplay(
	ctx context.Context, tenant posthorn.TenantID, id posthorn.ReplayID, by string, entry posthorn.AuditEntry,
) error {
	return s.db.inTx(ctx, "cancel "+id.String(), func(tx pgx.Tx) error {
		var state posthorn.ReplayState
		var done, skipped int
		err := tx.QueryRow(ctx, `SELECT state, done, skipped FROM replays WHERE id = $1 AND tenant_id = $2 FOR UPDATE`, id.UUID(), tenant.UUID()).
			Scan(&state, &done, &skipped)
		switch {
		case err != nil:
			return err
		case state != posthorn.ReplayRunning:
			return posthorn.ErrReplayEnded
		}
		if _, err := tx.Exec(ctx, `UPDATE replays SET state = 'cancelled', finished_at = now(), finished_by = $2, leased_by = NULL,
  leased_until = NULL WHERE id = $1`, id.UUID(), by); err != nil {
			return err
		}
		entry.After = endOf(posthorn.ReplayCancelled, done, skipped)
		return writeAudit(ctx, tx, entry)
	})
}

// endOf is what the audit log says of the end of a replay.
func endOf(state posthorn.ReplayState, done, skipped int) map[string]any {
	return map[string]any{"state": string(state), "done": done, "skipped": skipped}
}

// countMissedSQL counts the events that a webhook covers and has no delivery of, up to a limit, among so many events that came
// while it was not active. It also says how many of those were looked at, and whether the webhook has been sent what it missed.
const countMissedSQL = `
WITH seen AS MATERIALIZED (
  SELECT id, event, application_id FROM events WHERE tenant_id = $2 AND id > $3 AND id < $4 AND NOT test ORDER BY id LIMIT $6)
SELECT (SELECT count(*) FROM (
          SELECT FROM seen e JOIN webhooks w ON w.id = $1
           WHERE ` + coversEvent + `
             AND NOT EXISTS (SELECT FROM deliveries d WHERE d.id = delivery_id(e.id, w.id))
           LIMIT $5) missed),
       (SELECT count(*) FROM seen)`

// CountMissed counts what a webhook missed.
func (s *Replays) CountMissed(
	ctx context.Context, tenant posthorn.TenantID, webhook posthorn.WebhookID, look posthorn.MissedLook,
) (m posthorn.Missed, err error) {
	err = s.db.snapshot(ctx, "count what "+webhook.String()+" missed", func(tx pgx.Tx) error {
		var stopped, resumed *time.Time
		err := tx.QueryRow(ctx, `SELECT stopped_at, resumed_at FROM webhooks WHERE id = $1 AND tenant_id = $2`, webhook.UUID(), tenant.UUID()).
			Scan(&stopped, &resumed)
		if err != nil || stopped == nil {
			return err
		}
		m.Since, m.Until = utc(stopped), utc(resumed)
		since := m.Until
		if since.IsZero() {
			since = m.Since
		}
		err = tx.QueryRow(ctx, `SELECT id FROM replays WHERE webhook_id = $1 AND tenant_id = $2 AND kind = 'missed' AND created_at >= $3 ORDER BY id DESC LIMIT 1`,
			webhook.UUID(), tenant.UUID(), since).Scan((*uuid.UUID)(&m.Replay))
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if !look.NewSince.IsZero() && (m.Until.Before(look.NewSince) || !m.Replay.IsZero()) {
			return nil
		}
		m.Count, err = countMissed(ctx, tx, tenant, webhook, look)
		return err
	})
	return m, err
}

func countMissed(
	ctx context.Context, tx pgx.Tx, tenant posthorn.TenantID, webhook posthorn.WebhookID, look posthorn.MissedLook,
) (n posthorn.Estimate, err error) {
	from, until, err := missedIDs(ctx, tx, webhook, posthorn.MissedRange{Kept: look.Kept})
	if err != nil {
		return n, err
	}
	var looked int
	err = tx.QueryRow(ctx, countMissedSQL, pgx.QueryExecModeCacheDescribe, webhook.UUID(), tenant.UUID(), from.UUID(), until.UUID(), look.Limit+1, look.Events).
		Scan(&n.N, &looked)
	n.More = n.N > look.Limit || looked == look.Events
	n.N = min(n.N, look.Limit)
	return n, err
}
