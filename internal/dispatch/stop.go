package dispatch

import "log/slog"

// A stop takes four steps, and no longer than the grace.
//
//  1. The context of Run ends. Nothing is claimed, begun or accepted any more; what waits is given back, due at once, so that
//     another process has it without waiting for the lease to run out. A claim that is under way is awaited, for its jobs
//     have to be given back too.
//  2. What is in flight goes on to its end.
//  3. When the grace is used up but for the settling, the attempts that are left are cancelled. They come back as
//     interrupted, and their leases are given back too.
//  4. The finishers and the releaser write what they still have, and Run returns.

// stop is the first step.
func (o *owner) stop() {
	o.stopping = true
	o.d.stopped.Store(true)
	o.onStop()
	queued, _ := o.d.queued.used()
	o.d.opts.Logger.Info("dispatcher is stopping", slog.Int("in_flight", o.inFlight), slog.Int("queued", queued))
	for _, l := range o.lanes {
		o.giveBackBeyond(&l.queue, 0, o.now)
		o.giveBackBeyond(&l.tests, 0, o.now)
	}
}
