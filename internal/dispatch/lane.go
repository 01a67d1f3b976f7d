package dispatch

import (
	"container/list"
	"time"

	"posthorn/internal/posthorn"
)

// inactiveAge is for how long a webhook that does not send is taken to be so, as long as nobody tells of a change.
const inactiveAge = time.Second

// quickEnough is within what an attempt has to end for its endpoint to be quick.
const quickEnough = time.Second

// The time that an attempt is taken to need as long as no answer tells, and at least.
const (
	assumedTook = time.Second / 2
	leastTook   = time.Millisecond
)

// lane is one webhook: its jobs in hand, and what is known of its endpoint. It belongs to the owner.
type lane struct {
	id posthorn.WebhookID
	// queue is what waits. tests wait apart: somebody is looking at them, so they go first, and whatever state the webhook is
	// in.
	queue, tests queue
	inFlight     int

	// endpoint is nil until it is loaded for the first time. fetched is when the loading of it began.
	endpoint *posthorn.Endpoint
	fetched  time.Time
	// wanted is the newest revision that a job spoke of; stale means that there is news of which no job spoke.
	wanted  int64
	stale   bool
	loading bool
	// gone means that the webhook was not found.
	gone bool
	// loadErrors counts those in a row, and notBefore is when to try again.
	loadErrors int
	notBefore  time.Time

	pace pace
	rate rate
	// dispatchers is how many share the limits of the webhook.
	dispatchers int
	// took is how long attempts take, as a moving average, 0 before the first has ended.
	took time.Duration
	// quick means that the latest attempt to end was quickEnough.
	quick bool

	// ready means that the lane is in the ring.
	ready bool
	// skipped means that a claim left the webhook out; another is to be made when it need not.
	skipped bool
	// at is when the lane is looked at again, while place, its index among the timers, is not negative.
	at    time.Time
	place int
	// idle is the lane's element in the list of lanes with nothing to do, nil while it has.
	idle *list.Element
}

func (l *lane) empty() bool { return l.queue.len() == 0 && l.tests.len() == 0 }

// known reports whether the endpoint is known well enough to send to it, or to give its jobs back.
func (l *lane) known(now time.Time, age time.Duration) bool {
	if l.endpoint == nil || l.stale || l.endpoint.Revision < l.wanted {
		return false
	}
	if !l.endpoint.Webhook.Active() {
		age = min(age, inactiveAge)
	}
	return now.Sub(l.fetched) < age
}

// closedUntil is when the lane sends again what is no test, zero when it does. An unknown endpoint may turn out to be open.
func (l *lane) closedUntil(now time.Time) time.Time {
	until := l.pace.closedUntil
	if l.endpoint != nil && !l.endpoint.Webhook.Active() {
		if rest := l.fetched.Add(inactiveAge); rest.After(until) {
			until = rest
		}
	}
	if !until.After(now) {
		return time.Time{}
	}
	return until
}

// limit is how many attempts may run at once, apart from the shares of others.
func (l *lane) limit() int { return part(max(l.endpoint.Webhook.MaxInFlight, 1), l.dispatchers) }

// divide shares the limits of the webhook among a number of dispatchers.
func (l *lane) divide(dispatchers int) {
	l.dispatchers = dispatchers
	if l.endpoint != nil {
		l.rate.set(part(l.endpoint.Webhook.RateLimit, dispatchers))
	}
}

// part is what one of several gets, rounded up.
func part(whole, parts int) int { return (whole + parts - 1) / parts }

// measure notes how long an attempt took.
func (l *lane) measure(took time.Duration) {
	if l.took == 0 {
		l.took = max(took, leastTook)
		return
	}
	l.took = max(l.took+(took-l.took)/16, leastTook)
}

// capacity is how many jobs the lane is going to start within a time, one at least: as its rate allows, and as its slots become
// free by what attempts took so far. What it had beyond that would wait here while its lease runs out.
func (l *lane) capacity(within time.Duration) int {
	slots, took := posthorn.DefaultMaxInFlight, l.took
	if l.endpoint != nil {
		slots = l.pace.allowed(l.limit())
	}
	if took == 0 {
		took = assumedTook
	}
	return max(min(slots*int(within/leastTook)/int(took/leastTook), l.rate.within(within)), 1)
}

// learn takes in what was loaded. Jobs that cannot be sent are the caller's to give back.
func (l *lane) learn(e *posthorn.Endpoint, fetched time.Time) {
	known := l.endpoint
	l.endpoint, l.fetched, l.gone = e, fetched, false
	l.divide(l.dispatchers)
	switch {
	case known == nil:
		if !e.FailingSince.IsZero() {
			l.pace = resumed()
		}
	case known.Webhook.URL != e.Webhook.URL || !known.Webhook.Status.Since.Equal(e.Webhook.Status.Since):
		// Somebody did something about it.
		l.pace = pace{round: l.pace.round + 1}
	}
	if e.ThrottledUntil.After(fetched) && !l.pace.closedUntil.After(fetched) {
		// Another dispatcher was asked to leave it alone, or this one before it forgot the lane.
		l.pace.closeUntil(e.ThrottledUntil)
	}
}

// stop notes that the webhook does not send, as its own answer had it.
func (l *lane) stop(now time.Time) {
	stopped := *l.endpoint
	stopped.Webhook.Status.State = posthorn.WebhookDisabled
	l.endpoint, l.fetched = &stopped, now
}

// forget notes that the webhook does not exist.
func (l *lane) forget(now time.Time) {
	l.endpoint, l.fetched, l.gone = &posthorn.Endpoint{Revision: l.wanted}, now, true
}
