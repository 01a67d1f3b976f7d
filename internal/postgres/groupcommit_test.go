package postgres

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"posthorn/internal/posthorn"
)

// recorder is a flush that answers each item with itself, and whose faults are scripted.
type recorder struct {
	mu      sync.Mutex
	batches [][]int
	fail    func(call int, items []int) error
	hold    chan struct{}
}

func (r *recorder) flush(_ context.Context, _ int, items []int) ([]int, error) {
	if r.hold != nil {
		<-r.hold
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.batches = append(r.batches, slices.Clone(items))
	if r.fail != nil {
		if err := r.fail(len(r.batches), items); err != nil {
			return nil, err
		}
	}
	return slices.Clone(items), nil
}

func (r *recorder) group(limits GroupLimits) *groupCommit[int, int] {
	return newGroupCommit(limits, func(int) int { return 1 }, r.flush)
}

var testLimits = GroupLimits{Flushers: 1, Items: 10, Bytes: 100, Flush: time.Second, Settle: 10 * time.Second}

// errLost is what a connection that broke during a commit leaves behind.
var errLost = &commitError{io.ErrUnexpectedEOF}

func TestWaitingItemsShareATransactionAndEachGetsItsOwnAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{hold: make(chan struct{})}
		g := r.group(testLimits)
		defer g.close()
		var callers sync.WaitGroup
		for i := range 9 {
			callers.Go(func() {
				if got, err := g.do(t.Context(), i); got != i || err != nil {
					t.Errorf("item %d was answered %d, %v", i, got, err)
				}
			})
		}
		synctest.Wait() // some are with the flusher, the others wait
		close(r.hold)
		callers.Wait()
		if len(r.batches) != 2 || len(r.batches[0])+len(r.batches[1]) != 9 {
			t.Errorf("batches = %v, want two with 9 items", r.batches)
		}
	})
}

func TestABatchEndsAtItsLimits(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]GroupLimits{
		"items": {Flushers: 1, Items: 3, Bytes: 100, Flush: time.Second, Settle: time.Second},
		"bytes": {Flushers: 1, Items: 10, Bytes: 3, Flush: time.Second, Settle: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := &recorder{hold: make(chan struct{})}
				g := r.group(limits)
				defer g.close()
				var callers sync.WaitGroup
				for i := range 7 {
					callers.Go(func() { _, _ = g.do(t.Context(), i) })
				}
				synctest.Wait()
				close(r.hold)
				callers.Wait()
				for _, b := range r.batches {
					if len(b) > 3 {
						t.Errorf("a batch of %d", len(b))
					}
				}
			})
		})
	}
}

func TestOneBadItemDoesNotTakeTheOthersDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bad := &pgconn.PgError{Code: "22P05", Message: "unsupported Unicode escape sequence"}
		r := &recorder{hold: make(chan struct{}), fail: func(_ int, items []int) error {
			if slices.Contains(items, 4) {
				return bad
			}
			return nil
		}}
		g := r.group(testLimits)
		defer g.close()
		var callers sync.WaitGroup
		for i := range 8 {
			callers.Go(func() {
				got, err := g.do(t.Context(), i)
				if i == 4 && !errors.Is(err, bad) {
					t.Errorf("the bad item was answered %v", err)
				}
				if i != 4 && (got != i || err != nil) {
					t.Errorf("item %d was answered %d, %v", i, got, err)
				}
			})
		}
		synctest.Wait()
		close(r.hold)
		callers.Wait()
	})
}

func TestALostOutcomeIsSettledByRepeatingTheBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refused := &pgconn.ConnectError{}
		r := &recorder{fail: func(call int, _ []int) error {
			switch {
			case call == 1:
				return errLost
			case call < 30:
				return refused // the server is not back yet: still no reason to say no
			default:
				return nil
			}
		}}
		g := r.group(testLimits)
		defer g.close()
		if got, err := g.do(t.Context(), 1); got != 1 || err != nil {
			t.Errorf("answered %d, %v; the batch did get through", got, err)
		}
	})
}

func TestAnOutcomeThatStaysUnknownIsNotCalledAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{fail: func(int, []int) error { return errLost }}
		g := r.group(testLimits)
		defer g.close()
		started := time.Now()
		_, err := g.do(t.Context(), 1)
		if !errors.Is(err, posthorn.ErrOutcomeUnknown) {
			t.Errorf("answered %v, want ErrOutcomeUnknown", err)
		}
		if took := time.Since(started); took != testLimits.Settle {
			t.Errorf("gave up after %v, want %v", took, testLimits.Settle)
		}
	})
}

func TestABrokenConnectionBeforeTheCommitIsAFailureAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{fail: func(int, []int) error { return io.ErrUnexpectedEOF }}
		g := r.group(testLimits)
		defer g.close()
		_, err := g.do(t.Context(), 1)
		if !errors.Is(err, io.ErrUnexpectedEOF) || len(r.batches) != 1 {
			t.Errorf("answered %v after %d flushes", err, len(r.batches))
		}
	})
}

func TestCloseDoesNotWaitForAnOutcomeThatStaysUnknown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{fail: func(int, []int) error { return errLost }}
		g := r.group(testLimits)
		answered := make(chan error)
		go func() {
			_, err := g.do(t.Context(), 1)
			answered <- err
		}()
		synctest.Wait()
		started := time.Now()
		g.close()
		if err := <-answered; !errors.Is(err, posthorn.ErrOutcomeUnknown) {
			t.Errorf("answered %v, want ErrOutcomeUnknown", err)
		}
		if took := time.Since(started); took >= testLimits.Settle {
			t.Errorf("close took %v", took)
		}
	})
}

func TestARefusalIsAnsweredAtOnceAndNotRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refused := &pgconn.PgError{Code: "40P01", Message: "deadlock detected"}
		r := &recorder{fail: func(int, []int) error { return refused }}
		g := r.group(testLimits)
		defer g.close()
		_, err := g.do(t.Context(), 1)
		if !errors.Is(err, refused) || len(r.batches) != 1 {
			t.Errorf("answered %v after %d flushes", err, len(r.batches))
		}
	})
}

func TestCloseAnswersWhatWasAcceptedAndRefusesTheRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{hold: make(chan struct{})}
		g := r.group(testLimits)
		var callers sync.WaitGroup
		for i := range 5 {
			callers.Go(func() {
				if got, err := g.do(t.Context(), i); got != i || err != nil {
					t.Errorf("item %d was answered %d, %v", i, got, err)
				}
			})
		}
		synctest.Wait()
		closed := make(chan struct{})
		go func() { g.close(); close(closed) }()
		synctest.Wait()
		if _, err := g.do(t.Context(), 9); !errors.Is(err, errStopping) {
			t.Errorf("after close: %v", err)
		}
		close(r.hold)
		callers.Wait()
		<-closed
	})
}

func TestACallerWhoseTimeIsUpWhileQueuedStoresNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{hold: make(chan struct{})}
		g := r.group(GroupLimits{Flushers: 1, Items: 1, Bytes: 1, Flush: time.Second, Settle: time.Second})
		var callers sync.WaitGroup
		for i := range 2 { // one with the flusher, one in the queue of one
			callers.Go(func() { _, _ = g.do(t.Context(), i) })
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := g.do(ctx, 7); posthorn.KindOf(err) != posthorn.Unavailable || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("answered %v", err)
		}
		close(r.hold)
		callers.Wait()
		g.close()
		for _, b := range r.batches {
			if slices.Contains(b, 7) {
				t.Error("the item was stored after all")
			}
		}
	})
}
