package postgres

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"posthorn/internal/posthorn"
)

// groupCommit lets concurrent callers share a transaction. A flusher takes whatever is waiting, writes it in one
// statement and answers every caller once the commit is durable; there is no timer, so a lone caller waits for nobody.
//
// A flush must be repeatable: running it twice with the same items stores them once. That is what makes it possible to
// settle a commit whose outcome was lost with the connection: the same items are flushed again until the database says
// yes. It is never "no" by then, so a caller is told that nothing was stored only when nothing was.
type groupCommit[T, R any] struct {
	flush  func(ctx context.Context, shard int, items []T) ([]R, error)
	size   func(T) int
	limits GroupLimits
	queue  chan *waiting[T, R]
	done   chan struct{}
	work   sync.WaitGroup
}

// GroupLimits bounds a group commit.
type GroupLimits struct {
	// Flushers is how many transactions run at once.
	Flushers int
	// Items and Bytes bound one transaction.
	Items, Bytes int
	// Flush bounds one transaction in time, Settle how long a lost outcome is looked for.
	Flush, Settle time.Duration
}

// DefaultGroupLimits have two flushers, which keep one fsync in flight while the next batch gathers.
var DefaultGroupLimits = GroupLimits{Flushers: 2, Items: 500, Bytes: 8 << 20, Flush: 5 * time.Second, Settle: 20 * time.Second}

// waiting is one caller's item and the place for its answer.
type waiting[T, R any] struct {
	item   T
	result R
	err    error
	ready  chan struct{}
}

func (w *waiting[T, R]) answer(result R, err error) {
	w.result, w.err = result, err
	close(w.ready)
}

// errStopping is the answer to a caller that comes after close.
var errStopping = posthorn.Errorf(posthorn.Unavailable, "Posthorn is stopping")

// errOutcomeUnknown is the answer when the database went away during a commit and did not come back in time.
var errOutcomeUnknown = posthorn.Because(posthorn.Unavailable, "The database went away while it was committing", posthorn.ErrOutcomeUnknown)

// commitError is a failed COMMIT. Only that can leave an outcome unknown: a transaction that broke before is rolled back.
type commitError struct{ err error }

func (e *commitError) Error() string { return "commit: " + e.err.Error() }
func (e *commitError) Unwrap() error { return e.err }

// isTooSlow reports whether the database was at work when the time of the flush ran out. One that could not even be reached
// is not slow.
func isTooSlow(err error) bool { return pgconn.Timeout(err) }

// isCommitLost reports whether err leaves it open whether the transaction was committed.
func isCommitLost(err error) bool {
	_, committing := errors.AsType[*commitError](err)
	return committing && outcomeUnknown(err)
}

func newGroupCommit[T, R any](limits GroupLimits, size func(T) int, flush func(context.Context, int, []T) ([]R, error)) *groupCommit[T, R] {
	g := &groupCommit[T, R]{
		flush: flush, size: size, limits: limits,
		queue: make(chan *waiting[T, R], limits.Items), done: make(chan struct{}),
	}
	for shard := range limits.Flushers {
		g.work.Go(func() { g.run(shard) })
	}
	return g
}

// do hands in one item and waits for its answer. A context that ends while there is no room in the queue takes it back; once a
// flusher has it, the caller waits, because the outcome is about to be known.
func (g *groupCommit[T, R]) do(ctx context.Context, item T) (R, error) {
	w := &waiting[T, R]{item: item, ready: make(chan struct{})}
	var none R
	select {
	case <-g.done:
		return none, errStopping
	default:
	}
	select {
	case g.queue <- w:
	case <-g.done:
		return none, errStopping
	case <-ctx.Done():
		return none, posthorn.Because(posthorn.Unavailable, "The database is too busy", ctx.Err())
	}
	select {
	case <-w.ready:
		return w.result, w.err
	case <-g.done:
	}
	// The flushers answer what they hold and then go; what they never took was not stored.
	g.work.Wait()
	select {
	case <-w.ready:
		return w.result, w.err
	default:
		return none, errStopping
	}
}

// close refuses new items, waits for those in hand, and returns.
func (g *groupCommit[T, R]) close() {
	close(g.done)
	g.work.Wait()
}

// run is one flusher: take what waits, flush it, again.
func (g *groupCommit[T, R]) run(shard int) {
	for {
		select {
		case <-g.done:
			g.drain(shard)
			return
		case first := <-g.queue:
			g.commit(shard, g.gather(first))
		}
	}
}

// drain flushes what had been accepted before close.
func (g *groupCommit[T, R]) drain(shard int) {
	for {
		select {
		case first := <-g.queue:
			g.commit(shard, g.gather(first))
		default:
			return
		}
	}
}

// gather adds what else is waiting to the first item, up to the limits.
func (g *groupCommit[T, R]) gather(first *waiting[T, R]) []*waiting[T, R] {
	batch := []*waiting[T, R]{first}
	bytes := g.size(first.item)
	for len(batch) < g.limits.Items && bytes < g.limits.Bytes {
		select {
		case w := <-g.queue:
			batch = append(batch, w)
			bytes += g.size(w.item)
		default:
			return batch
		}
	}
	return batch
}

// commit flushes a batch once and answers it, or sees to it that it is answered.
func (g *groupCommit[T, R]) commit(shard int, batch []*waiting[T, R]) {
	err := g.try(shard, batch)
	switch {
	case err == nil:
	case isDataFault(err) && len(batch) > 1:
		// One bad item must not take the others down with it: each gets a transaction and an answer of its own.
		for _, w := range batch {
			g.commit(shard, []*waiting[T, R]{w})
		}
	case isTooSlow(err) && len(batch) > 1:
		// More than the time of a flush allows: halves may do.
		g.commit(shard, batch[:len(batch)/2])
		g.commit(shard, batch[len(batch)/2:])
	case isCommitLost(err):
		// Settling may take long; the flusher goes on meanwhile.
		g.work.Go(func() { g.settle(shard, batch) })
	default:
		g.fail(batch, err)
	}
}

// try flushes a batch; when that succeeds, every caller has its answer.
func (g *groupCommit[T, R]) try(shard int, batch []*waiting[T, R]) error {
	ctx, cancel := context.WithTimeout(context.Background(), g.limits.Flush)
	defer cancel()
	items := make([]T, len(batch))
	for i, w := range batch {
		items[i] = w.item
	}
	results, err := g.flush(ctx, shard, items)
	if err != nil {
		return err
	}
	for i, w := range batch {
		w.answer(results[i], nil)
	}
	return nil
}

// settle repeats a flush whose outcome was lost, until it succeeds, time is up, or the group closes.
func (g *groupCommit[T, R]) settle(shard int, batch []*waiting[T, R]) {
	deadline := time.NewTimer(g.limits.Settle)
	defer deadline.Stop()
	retry := time.NewTicker(100 * time.Millisecond)
	defer retry.Stop()
	for {
		select {
		case <-deadline.C:
			g.fail(batch, errOutcomeUnknown)
			return
		case <-g.done:
			if g.try(shard, batch) != nil {
				g.fail(batch, errOutcomeUnknown)
			}
			return
		case <-retry.C:
			if g.try(shard, batch) == nil {
				return
			}
		}
	}
}

func (g *groupCommit[T, R]) fail(batch []*waiting[T, R], err error) {
	var none R
	for _, w := range batch {
		w.answer(none, err)
	}
}
