package dispatch

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"time"

	"posthorn/internal/posthorn"
)

// finishBytes bounds the bodies of responses in one batch.
const finishBytes = 8 << 20

// finisher writes results: it takes whatever is waiting, and writes it in one go. There is no timer, so a lone result waits
// for nobody.
type finisher struct {
	d     *Dispatcher
	shard int
	batch []posthorn.Result
	// apart are results that the store refuses, each tried by itself.
	apart sync.WaitGroup
}

// run writes results until quit is closed and none waits any more.
func (f *finisher) run(ctx context.Context, quit <-chan struct{}) {
	defer f.apart.Wait()
	for {
		select {
		case first := <-f.d.results:
			f.take(ctx, first)
		case <-quit:
			select {
			case first := <-f.d.results:
				f.take(ctx, first)
			default:
				return
			}
		}
	}
}

// take writes one result and those that wait behind it.
func (f *finisher) take(ctx context.Context, first *posthorn.Result) {
	f.batch = append(f.batch[:0], *first)
	for bytes := len(first.Outcome.ResponseBody); len(f.batch) < f.d.opts.FinishLimit && bytes < finishBytes; {
		select {
		case r := <-f.d.results:
			f.batch = append(f.batch, *r)
			bytes += len(r.Outcome.ResponseBody)
			continue
		default:
		}
		break
	}
	f.write(ctx, f.batch, patience)
	clear(f.batch)
}

// patience is how often a batch is tried as a whole when the store refuses it for another reason than being away.
const patience = 3

// write writes a batch. While the store is away it is tried again, as long as the leases last. When the store refuses it, one
// result in it may be at fault, and must not keep the others from being written: the halves are tried, each for itself. A
// result that is refused alone goes on being tried, but nobody waits for it.
func (f *finisher) write(ctx context.Context, batch []posthorn.Result, patience int) {
	for try := 1; ; try++ {
		if batch = f.inTime(ctx, batch); len(batch) == 0 {
			return
		}
		err := f.finish(ctx, batch)
		if err == nil {
			return
		}
		f.d.stats.storeErrors.Add(1)
		f.d.opts.Logger.WarnContext(ctx, "results not written",
			slog.Int("results", len(batch)), slog.Int("try", try), slog.Any("error", err))
		if posthorn.KindOf(err) != posthorn.Unavailable && try >= patience {
			f.divide(ctx, batch)
			return
		}
		if !pause(ctx, backOff(try)) {
			for i := range batch {
				f.lose(ctx, &batch[i], "the dispatcher stopped")
			}
			return
		}
	}
}

// divide writes the halves of a batch, and a batch of one by the side.
func (f *finisher) divide(ctx context.Context, batch []posthorn.Result) {
	if len(batch) == 1 {
		alone := []posthorn.Result{batch[0]}
		f.apart.Go(func() { f.write(ctx, alone, math.MaxInt) })
		return
	}
	f.write(ctx, batch[:len(batch)/2], 1)
	f.write(ctx, batch[len(batch)/2:], 1)
}

// finish writes a batch once.
func (f *finisher) finish(ctx context.Context, batch []posthorn.Result) error {
	ctx, cancel := context.WithTimeout(ctx, f.d.opts.StoreTimeout)
	defer cancel()
	if err := f.d.opts.Store.Finish(ctx, f.shard, batch); err != nil {
		return err
	}
	f.d.stats.finishes.Add(1)
	for i := range batch {
		f.d.stats.finished(batch[i].Decision.State)
	}
	f.settle(len(batch))
	return nil
}

// settle notes that nobody has to remember so many results any more.
func (f *finisher) settle(n int) {
	f.d.unwritten.Add(-int64(n))
	signal(f.d.written)
}

// inTime leaves out the results whose lease is over: somebody else has the delivery by now, or soon will.
func (f *finisher) inTime(ctx context.Context, batch []posthorn.Result) []posthorn.Result {
	now := time.Now()
	kept := batch[:0]
	for i := range batch {
		if batch[i].Job.Lease.Expires.After(now) {
			kept = append(kept, batch[i])
			continue
		}
		f.lose(ctx, &batch[i], "its lease is over")
	}
	return kept
}

// lose notes that a result is not written. The delivery is sent again.
func (f *finisher) lose(ctx context.Context, r *posthorn.Result, why string) {
	f.settle(1)
	f.d.stats.lost.Add(1)
	f.d.opts.Logger.ErrorContext(ctx, "result lost", slog.String("delivery_id", r.Job.DeliveryID.String()),
		slog.String("webhook_id", r.Job.WebhookID.String()), slog.Int("attempt", r.Job.Attempt),
		slog.String("decision", string(r.Decision.State)), slog.String("why", why))
}

// pause waits, and reports whether the context lasted.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
