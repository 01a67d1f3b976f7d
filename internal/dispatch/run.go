package dispatch

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"posthorn/internal/posthorn"
)

// settleTime is how much of the grace is kept for writing down what came of the attempts, a tenth of it at most.
const settleTime = 2 * time.Second

// Run sends deliveries until ctx ends, and then stops within Options.Grace: see stop. It can be called once. The error tells
// that attempts did not even end when they were cancelled, or that results could not be written; those deliveries are sent
// again when their leases are over.
func (d *Dispatcher) Run(ctx context.Context) error {
	if d.started.Swap(true) {
		return errors.New("dispatch: run once only")
	}
	// What is under way outlives ctx: attempts until the grace is used up, calls of the store a little longer.
	life := context.WithoutCancel(ctx)
	attempts, interrupt := context.WithCancelCause(life)
	defer interrupt(ErrStopping)
	calls, give := context.WithCancel(life)
	defer give()

	var helpers sync.WaitGroup
	quit := make(chan struct{})
	for shard := range d.opts.Finishers {
		f := &finisher{d: d, shard: shard}
		helpers.Go(func() { f.run(calls, quit) })
	}
	helpers.Go(func() { d.runReleases(calls, quit) })

	o := d.newOwner(attempts, calls)
	var cut, end *time.Timer
	o.onStop = func() {
		cut = time.AfterFunc(d.opts.Grace-min(settleTime, d.opts.Grace/10), func() { interrupt(ErrStopping) })
		end = time.AfterFunc(d.opts.Grace, give)
	}
	o.loop(ctx.Done(), calls.Done())
	close(quit)
	helpers.Wait()
	cut.Stop()
	end.Stop()
	return d.leftovers(o.inFlight)
}

// newOwner makes the owner, whose attempts and calls of the store end with these contexts.
func (d *Dispatcher) newOwner(attempts, calls context.Context) *owner {
	o := &owner{
		d: d, lanes: map[posthorn.WebhookID]*lane{}, idle: list.New(),
		claimed: make(chan claimed, 1), loaded: make(chan loaded, maxLoads),
		claims: claims{wanted: true}, dispatchers: 1,
	}
	o.attempt = func(l *lane, j posthorn.Job) {
		go d.perform(attempts, task{lane: l, endpoint: l.endpoint, round: l.pace.round, job: j})
	}
	o.claim = func(r ClaimRequest, bytes int) { go func() { o.claimed <- d.ask(calls, r, bytes) }() }
	o.load = func(l *lane) { go func() { o.loaded <- d.endpoint(calls, l) }() }
	return o
}

// leftovers says what a stop could not see to its end.
func (d *Dispatcher) leftovers(inFlight int) error {
	var errs []error
	if inFlight > 0 {
		errs = append(errs, fmt.Errorf("dispatch: %d attempts did not end in time", inFlight))
	}
	if n := len(d.results); n > 0 {
		errs = append(errs, fmt.Errorf("dispatch: %d results were not written", n))
	}
	return errors.Join(errs...)
}
