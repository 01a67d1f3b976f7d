package dispatch

import (
	"container/list"
	"math/rand/v2"
	"time"

	"posthorn/internal/posthorn"
)

// owner has the slots and the schedule. All of its methods run in the goroutine of Run, one after the other; what takes time
// it has others do.
type owner struct {
	d *Dispatcher
	// attempt, claim and load begin what their names say in goroutines of their own, and return at once. What comes of it
	// arrives by d.done, claimed and loaded.
	attempt func(l *lane, j posthorn.Job)
	claim   func(r ClaimRequest, bytes int)
	load    func(l *lane)
	// onStop starts the clock of a stop.
	onStop  func()
	claimed chan claimed
	loaded  chan loaded

	lanes  map[posthorn.WebhookID]*lane
	ready  ring
	timers timers
	// idle has the lanes with nothing to do, the one that is so for longest first.
	idle *list.List
	// loads are under way, and these wait for their turn.
	loads       int
	waitingLoad []*lane

	inFlight int
	// dispatchers is how many share the limits of webhooks, as was heard last.
	dispatchers int
	claims      claims
	stopping    bool
	// now is the time of this turn of the loop.
	now time.Time
}

// loop turns until a stop is over, or its deadline: it sees to everything that is possible, and then waits for something to
// happen.
func (o *owner) loop(stop, deadline <-chan struct{}) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for !o.over() {
		o.now = time.Now()
		for l := o.timers.due(o.now); l != nil; l = o.timers.due(o.now) {
			o.onTime(l)
		}
		o.divide()
		o.pump()
		o.startClaim()
		if at := o.nextTime(); at.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(at.Sub(o.now))
		}
		select {
		case <-stop:
			stop = nil
			o.stop()
		case <-deadline:
			return
		case jobs := <-o.d.offers:
			o.offered(jobs)
		case c := <-o.d.done:
			o.now = time.Now()
			o.completed(&c)
		case c := <-o.claimed:
			o.now = time.Now()
			o.tookClaim(&c)
		case l := <-o.loaded:
			o.now = time.Now()
			o.tookEndpoint(l)
		case id := <-o.d.changed:
			o.noteChange(id)
		case <-o.d.wake:
			o.claims.wanted = true
		case <-o.d.written:
		case <-timer.C:
		}
		o.gather()
	}
}

// gather takes what else has happened meanwhile, so that a busy loop turns once for many. Its bound keeps the timers in time.
func (o *owner) gather() {
	o.now = time.Now()
	for range 256 {
		select {
		case c := <-o.d.done:
			o.completed(&c)
		case jobs := <-o.d.offers:
			o.offered(jobs)
		default:
			return
		}
	}
}

// over reports whether a stop has nothing left to wait for.
func (o *owner) over() bool {
	return o.stopping && o.inFlight == 0 && !o.claims.underWay && len(o.d.offers) == 0
}

// nextTime is when the loop has to turn although nothing happens, zero for never.
func (o *owner) nextTime() time.Time {
	at := o.timers.next()
	if poll := o.claims.time(); o.mayClaim() && (at.IsZero() || poll.Before(at)) {
		at = poll
	}
	if o.stopping {
		return time.Time{}
	}
	return at
}

// pump starts jobs in turn, as long as there are slots and lanes that may.
func (o *owner) pump() {
	for blocked := 0; o.ready.n > blocked && o.hasSlot(); {
		l := o.ready.pop()
		switch o.turn(l) {
		case waits:
			l.ready = false
			o.rest(l)
		case blockedByShare:
			o.ready.push(l)
			blocked++
		case goesOn:
			o.ready.push(l)
			blocked = 0
		}
	}
}

// hasSlot reports whether another attempt may begin.
func (o *owner) hasSlot() bool {
	return !o.stopping && o.inFlight < o.d.opts.Concurrency && o.d.unwritten.Load() < int64(o.d.opts.Unwritten)
}

// verdict is what became of a lane's turn.
type verdict int

const (
	// waits means that the lane cannot start anything before something happens to it: it leaves the ring.
	waits verdict = iota
	// blockedByShare means that the lane has all that the others leave to it.
	blockedByShare
	// goesOn means that it did something, and may have more to do.
	goesOn
)

// turn has a lane start one job, or finds out why it cannot.
func (o *owner) turn(l *lane) verdict {
	if l.empty() {
		return waits
	}
	if !l.known(o.now, o.d.opts.EndpointAge) {
		o.fetch(l)
		return waits
	}
	if l.gone {
		o.giveBack(l, &l.tests)
	}
	if l.tests.len() > 0 && l.inFlight < l.limit() {
		o.start(l, &l.tests)
		return goesOn
	}
	if !l.closedUntil(o.now).IsZero() {
		o.giveBack(l, &l.queue)
		return waits
	}
	switch {
	case l.queue.len() == 0 || l.inFlight >= l.pace.allowed(l.limit()):
		return waits
	case l.inFlight >= o.share(l):
		return blockedByShare
	case l.rate.next().After(o.now):
		o.timers.set(l, l.rate.next())
		return waits
	}
	o.start(l, &l.queue)
	return goesOn
}

// share is how many slots a lane may have: as many as all others leave free. Some of the free ones are kept for endpoints that
// were quick the last time. Whatever hangs, they soon give back what they take.
func (o *owner) share(l *lane) int {
	free := o.d.opts.Concurrency - o.inFlight
	if l.quick {
		return free
	}
	return free - o.d.opts.Concurrency/8
}

// start begins the oldest job of a queue. One whose lease could be over before its end is given back instead, to come again
// under a new one.
func (o *owner) start(l *lane, q *queue) {
	j := q.pop()
	o.d.queued.give(1, size(&j))
	o.claimAgain(l)
	if j.Lease.Expires.Sub(o.now) < l.endpoint.Webhook.Timeout+o.d.opts.Grace {
		o.d.giveBack(&j, o.now, true)
		return
	}
	l.rate.take(o.now)
	l.inFlight++
	o.inFlight++
	o.d.stats.inFlight.Store(int64(o.inFlight))
	o.d.unwritten.Add(1)
	o.attempt(l, j)
}

// completed takes back the slot of an attempt and learns from its end.
func (o *owner) completed(c *completion) {
	l := c.lane
	l.inFlight--
	o.inFlight--
	o.d.stats.inFlight.Store(int64(o.inFlight))
	l.quick = c.took < quickEnough
	if !c.interrupted && !c.unsent {
		l.measure(c.took)
	}
	switch {
	case c.interrupted:
		o.d.unwritten.Add(-1)
		o.d.giveBack(&c.job, o.now, true)
	case c.unsent:
	case c.decision.DisableWebhook != "":
		l.stop(o.now)
	case c.job.Test:
		// A test says nothing of how the endpoint fares, but what the endpoint asks for counts.
	case c.decision.EndpointFailed:
		l.pace.failed(c.round, o.now, rand.Float64())
	default:
		l.pace.succeeded(l.limit())
	}
	if c.decision.Throttle > 0 {
		l.pace.closeUntil(o.now.Add(c.decision.Throttle))
	}
	if c.decision.Wait > 0 {
		o.claims.by(o.now.Add(c.decision.Wait))
	}
	o.claimAgain(l)
	o.enlist(l)
}

// divide notes how many dispatchers share the limits of webhooks. Lanes that have more to themselves than before are looked at.
func (o *owner) divide() {
	n := max(o.d.opts.Dispatchers(), 1)
	if n == o.dispatchers {
		return
	}
	o.dispatchers = n
	for _, l := range o.lanes {
		l.divide(n)
		o.enlist(l)
	}
}

// onTime has a lane looked at whose time has come.
func (o *owner) onTime(l *lane) {
	o.claimAgain(l)
	if l.skipped {
		o.leaveOut(l) // closed anew, meanwhile
	}
	o.enlist(l)
}

// enlist puts a lane that has jobs into the ring, and one without to rest.
func (o *owner) enlist(l *lane) {
	if l.empty() {
		o.rest(l)
		return
	}
	if !l.ready {
		l.ready = true
		o.ready.push(l)
	}
}
