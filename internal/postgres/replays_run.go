package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

const (
	// replayTurn is the time in which a replay makes as many deliveries due as its rate says.
	replayTurn = time.Second
	// replayLook is how often a process that has none in hand looks for one.
	replayLook = 10 * time.Second
	// replayLease is how long after its last batch a replay is left to the process that has it in hand.
	replayLease = 15 * time.Second
	// replaysInHand is how many a process works off side by side.
	replaysInHand = 20
	// replayLooked is how many deliveries a batch looks at: most may be such as cannot be sent again.
	replayLooked = 500
	// replayEventsLooked is how many events a batch looks at, of which a webhook may be subscribed to few.
	replayEventsLooked = 20_000
	// replayCountedExactly is up to where the first batch counts what was counted only so far.
	replayCountedExactly = 100_000
	// replayTries is how often in a row a batch may fail.
	replayTries = 30
	// replayStep is into how many parts a turn is divided, at which deliveries become due.
	replayStep = 100 * time.Millisecond
)

// ReplayRunner carries bulk replays out: in each process one, and each replay in one process at a time.
type ReplayRunner struct {
	db *DB
	id uuid.UUID
	// due is called after each batch that made deliveries due.
	due    func()
	wanted chan struct{}
	// failures counts the batches in a row that failed.
	failures map[posthorn.ReplayID]int
}

// NewReplayRunner makes a runner; due is called when something became due. It must not block.
func NewReplayRunner(db *DB, due func()) *ReplayRunner {
	return &ReplayRunner{db: db, id: uuid.New(), due: due, wanted: make(chan struct{}, 1), failures: map[posthorn.ReplayID]int{}}
}

// Wake says that there is a new replay. It never blocks.
func (r *ReplayRunner) Wake() {
	select {
	case r.wanted <- struct{}{}:
	default: // it looks anyway
	}
}

// Run works replays off until ctx ends, and then leaves them to others.
func (r *ReplayRunner) Run(ctx context.Context) {
	for {
		began := time.Now()
		inHand, err := r.turn(ctx)
		if err != nil && ctx.Err() == nil {
			r.db.log.ErrorContext(ctx, "replays stand still", slog.Any("error", err))
		}
		wait := replayLook
		if inHand > 0 {
			wait = max(replayTurn-time.Since(began), 0)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			r.release(ctx)
			return
		case <-r.wanted:
			timer.Stop()
		case <-timer.C:
		}
		// Who is woken up in the middle of a turn ends it first, so that no rate is exceeded.
		if inHand > 0 && pause(ctx, replayTurn-time.Since(began)) != nil {
			r.release(ctx)
			return
		}
	}
}

// turn takes replays in hand and makes as many of their deliveries due as they may have in one second. It returns how many
// replays go on.
func (r *ReplayRunner) turn(ctx context.Context) (inHand int, err error) {
	rows, err := r.db.pool.Query(ctx, `UPDATE replays SET leased_by = $1, leased_until = now() + $2::interval
 WHERE id IN (SELECT id FROM replays WHERE state = 'running' AND (leased_by IS NULL OR leased_by = $1 OR leased_until < now())
               ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED)
RETURNING id`, r.id, replayLease, replaysInHand)
	if err != nil {
		return 0, translate(err, "take replays in hand")
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return 0, translate(err, "take replays in hand")
	}
	for _, id := range ids {
		more, err := r.work(ctx, posthorn.ReplayID(id), replayTurn/time.Duration(len(ids)))
		if ctx.Err() != nil {
			return inHand, ctx.Err()
		}
		if err != nil {
			more = r.failed(ctx, posthorn.ReplayID(id), err)
		} else {
			delete(r.failures, posthorn.ReplayID(id))
		}
		if more {
			inHand++
		}
	}
	return inHand, nil
}

// work is one turn of one replay, in as many batches as it takes, or as fit into its share of the turn. It returns whether the
// replay goes on.
func (r *ReplayRunner) work(ctx context.Context, id posthorn.ReplayID, share time.Duration) (more bool, err error) {
	began, made := time.Now(), 0
	for {
		b, err := r.batch(ctx, id, made)
		if err != nil {
			return true, err
		}
		if made += b.made; b.made > 0 {
			r.due()
		}
		if !b.more || made >= b.rate || time.Since(began) >= share {
			return b.more, nil
		}
	}
}

// failed notes that a batch failed. It returns whether the replay goes on all the same.
func (r *ReplayRunner) failed(ctx context.Context, id posthorn.ReplayID, cause error) (more bool) {
	r.failures[id]++
	r.db.log.WarnContext(ctx, "a batch of a replay failed", slog.String("replay", id.String()), slog.Int("failures", r.failures[id]), slog.Any("error", cause))
	if r.failures[id] < replayTries {
		return true
	}
	err := r.db.inTx(ctx, "give up "+id.String(), func(tx pgx.Tx) error {
		s, err := r.hold(ctx, tx, id)
		if err != nil || s == nil {
			return err
		}
		return endReplay(ctx, tx, s, posthorn.ReplayFailed, "Posthorn could not go on; its log says why")
	})
	if err != nil {
		return true
	}
	delete(r.failures, id)
	return false
}

// batchResult is what came of a batch.
type batchResult struct {
	made, rate int
	// more says that there is more to look at.
	more bool
}

// hold locks a replay that this process has in hand, nil when it has it no more.
func (r *ReplayRunner) hold(ctx context.Context, tx pgx.Tx, id posthorn.ReplayID) (*storedReplay, error) {
	rows, err := tx.Query(ctx, `SELECT `+replayColumns+` FROM replays r WHERE r.id = $1 AND r.state = 'running' AND r.leased_by = $2 FOR UPDATE`, id.UUID(), r.id)
	if err != nil {
		return nil, err
	}
	s, err := pgx.CollectExactlyOneRow(rows, scanReplay)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // it was cancelled, or is in another hand
	}
	return &s, err
}

// batch makes the next deliveries of a replay due, in one transaction with its progress, so that none is counted twice and none
// is left out when the process dies. made is how many the turn has made due already.
func (r *ReplayRunner) batch(ctx context.Context, id posthorn.ReplayID, made int) (out batchResult, err error) {
	err = r.db.inTx(ctx, "go on with "+id.String(), func(tx pgx.Tx) error {
		s, err := r.hold(ctx, tx, id)
		if err != nil || s == nil {
			return err
		}
		if err := countExactly(ctx, tx, s); err != nil {
			return err
		}
		var b batchStep
		switch s.Kind {
		case posthorn.ReplayOfMissed:
			b, err = missedStep(ctx, tx, s, s.Rate-made)
		default:
			b, err = filterStep(ctx, tx, s, made)
		}
		if errors.Is(err, posthorn.ErrNoWebhookToReplay) {
			return endReplay(ctx, tx, s, posthorn.ReplayFailed, posthorn.CancelledWithWebhook)
		}
		if err != nil {
			return err
		}
		s.Done, s.Skipped = s.Done+b.made, s.Skipped+b.skipped
		s.Total.N = max(s.Total.N, s.Looked())
		_, err = tx.Exec(ctx, `UPDATE replays SET cursor = $2, done = $3, skipped = $4, total = $5, total_more = $6, leased_until = now() + $7::interval
 WHERE id = $1`, id.UUID(), b.cursor, s.Done, s.Skipped, s.Total.N, s.Total.More && b.more, replayLease)
		if err != nil {
			return err
		}
		out = batchResult{made: b.made, rate: s.Rate, more: b.more}
		if b.more {
			return nil
		}
		return endReplay(ctx, tx, s, posthorn.ReplayFinished, "")
	})
	return out, err
}

// endReplay ends a replay that is held, with an entry of the audit log.
func endReplay(ctx context.Context, tx pgx.Tx, s *storedReplay, state posthorn.ReplayState, reason string) error {
	_, err := tx.Exec(ctx, `UPDATE replays SET state = $2, reason = $3, finished_at = now(), leased_by = NULL, leased_until = NULL WHERE id = $1`,
		s.ID.UUID(), string(state), reason)
	if err != nil {
		return err
	}
	action := posthorn.ActionReplayFinished
	if state == posthorn.ReplayFailed {
		action = posthorn.ActionReplayFailed
	}
	after := endOf(state, s.Done, s.Skipped)
	if reason != "" {
		after["reason"] = reason
	}
	return writeAudit(ctx, tx, posthorn.SystemAudit(s.TenantID, action, s.ID.String(), after))
}

// countExactly counts what a replay is about when it begins, where that was counted only up to a limit.
func countExactly(ctx context.Context, tx pgx.Tx, s *storedReplay) (err error) {
	if !s.Total.More || s.Looked() > 0 || s.Kind != posthorn.ReplayOfFilter {
		return nil
	}
	s.Total, err = countReplayable(ctx, tx, s.TenantID, s.Filter, replayCountedExactly)
	return err
}

// batchStep is what a batch did, and how far it came.
type batchStep struct {
	made, skipped int
	cursor        uuid.UUID
	more          bool
}

// release leaves what this process has in hand to others.
func (r *ReplayRunner) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), attemptTimeout)
	defer cancel()
	_, err := r.db.pool.Exec(ctx, `UPDATE replays SET leased_by = NULL, leased_until = NULL WHERE state = 'running' AND leased_by = $1`, r.id)
	if err != nil {
		r.db.log.WarnContext(ctx, "replays are left to others late", slog.Any("error", fmt.Errorf("release: %w", err)))
	}
}
