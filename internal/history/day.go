package history

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"posthorn/internal/posthorn"
)

const (
	// applicationShare is the part of the events that belong to an application, testShare that of tests, keyShare that of
	// events with an id of their producer's.
	applicationShare = 0.6
	testShare        = 0.001
	keyShare         = 0.05
	// cancelledShare is the part of the deliveries that a person stopped.
	cancelledShare = 0.0003
	// stoppedReason is what the log says of those.
	stoppedReason = "Stopped by Amara"
)

type eventRow struct {
	id          uuid.UUID
	tenant      posthorn.TenantID
	application posthorn.ApplicationID
	kind        *kind
	at          time.Time
	test        bool
	key         string
}

type deliveryRow struct {
	id       posthorn.DeliveryID
	event    *eventRow
	endpoint *endpoint
	state    posthorn.DeliveryState
	reason   string
	attempts int
	outcome  posthorn.Outcome
	// at is when it came to its end, or when the next attempt is due.
	at time.Time
}

type attemptRow struct {
	id       uuid.UUID
	delivery posthorn.DeliveryID
	endpoint *endpoint
	number   int
	outcome  posthorn.Outcome
}

// minuteKey and answerKey are what attempts are counted by, as the dispatcher does.
type minuteKey struct {
	endpoint *endpoint
	minute   int64
}

type answerKey struct {
	minuteKey
	answer string
}

type minute struct {
	succeeded, failed, dead int
	latency                 [posthorn.LatencyBuckets]int32
}

// dayRows are the rows of a day. Attempts are in the day on which they were made.
type dayRows struct {
	from       time.Time
	events     []*eventRow
	deliveries []deliveryRow
	attempts   []attemptRow
	minutes    map[minuteKey]*minute
	answers    map[answerKey]int
}

// dayOf returns the rows of the day that a time lies in.
func (w *world) dayOf(at time.Time) *dayRows {
	n := int(at.Sub(w.start) / day)
	d := w.later[n]
	if d == nil {
		d = &dayRows{from: w.start.Add(time.Duration(n) * day), minutes: map[minuteKey]*minute{}, answers: map[answerKey]int{}}
		w.later[n] = d
	}
	return d
}

// day makes a day; those before it have been made.
func (w *world) day(n int) *dayRows {
	from := w.start.Add(time.Duration(n) * day)
	d := w.dayOf(from)
	delete(w.later, n-1)
	last := w.eventsUntil(w.o.Until.Sub(from), w.perDay)
	for i := range last {
		at := from.Add(timeOfDay(float64(i) / float64(w.perDay)))
		if i == 0 {
			at = at.Add(time.Second)
		}
		w.publish(d, at.Truncate(time.Microsecond))
	}
	w.past.Events += len(d.events)
	w.past.Deliveries += len(d.deliveries)
	w.past.Attempts += len(d.attempts)
	slices.SortFunc(d.attempts, func(a, b attemptRow) int { return bytes.Compare(a.id[:], b.id[:]) })
	return d
}

// publish makes an event with its deliveries.
func (w *world) publish(d *dayRows, at time.Time) {
	e := &eventRow{id: w.uuidAt(at), tenant: w.o.Tenant, kind: w.kindAt(), at: at}
	endpoints := e.kind.endpoints
	if n := int(w.rnd.Float64() / smallShare); n < smallTenants {
		e.tenant = w.past.Small[n]
		endpoints = w.small[e.tenant]
	} else if w.rnd.Float64() < applicationShare {
		e.application = w.applications[w.rnd.IntN(len(w.applications))]
	}
	if w.rnd.Float64() < keyShare {
		e.key = "order-" + strconv.FormatUint(w.rnd.Uint64(), 36)
	}
	d.events = append(d.events, e)
	if e.tenant == w.o.Tenant && w.rnd.Float64() < testShare {
		e.test, e.key = true, ""
		w.deliver(d, e, endpoints[w.rnd.IntN(len(endpoints))])
		return
	}
	for _, to := range endpoints {
		if to.reached(e.application, at) && (e.tenant == w.o.Tenant || to.subscribed(e.kind.name)) {
			w.deliver(d, e, to)
		}
	}
}

// deliver makes a delivery with its attempts, as far as they were made until the history ends.
func (w *world) deliver(d *dayRows, e *eventRow, to *endpoint) {
	row := deliveryRow{
		id: posthorn.DeliveryIDOf(posthorn.EventID(e.id), to.id), event: e, endpoint: to, state: posthorn.DeliveryPending,
		at: e.at.Add(time.Duration(10+w.rnd.IntN(50)) * time.Millisecond),
	}
	policy := to.policy
	if e.test {
		policy.MaxAttempts = 1
	}
	if w.rnd.Float64() < cancelledShare {
		row.state, row.reason = posthorn.DeliveryCancelled, stoppedReason
	}
	for row.state == posthorn.DeliveryPending && row.at.Before(w.o.Until) {
		if to.over(row.at) && !e.test {
			if to.character == Deleted {
				row.state, row.reason = posthorn.DeliveryCancelled, posthorn.CancelledWithWebhook
			}
			break
		}
		row.outcome = w.attempt(to, row.at)
		row.attempts++
		next := policy.Decide(row.attempts, row.outcome, w.rnd.Float64())
		row.state, row.reason = next.State, next.Reason
		w.dayOf(row.at).add(attemptRow{w.uuidAt(row.at), row.id, to, row.attempts, row.outcome}, row.state, e.test)
		row.at = row.at.Add(row.outcome.Total + next.Wait)
	}
	d.deliveries = append(d.deliveries, row)
	w.note(&row)
}

// attempt is what an endpoint does.
func (w *world) attempt(to *endpoint, at time.Time) posthorn.Outcome {
	n := w.rnd.IntN(10_000)
	var does answer
	for _, does = range to.answers(at) {
		if n -= does.per10000; n < 0 {
			break
		}
	}
	o := posthorn.Outcome{StatusCode: does.status, ErrorClass: does.class, StartedAt: at}
	took := time.Duration(does.ms * float64(time.Millisecond))
	if does.class != posthorn.ErrorTimeout {
		took = time.Duration(float64(took) * math.Exp(0.5*w.rnd.NormFloat64()))
	}
	if took > posthorn.MaxTimeout/2 && does.class == "" { // of a webhook whose timeout is the usual one
		took = posthorn.MaxTimeout / 2
	}
	o.Total = took.Truncate(time.Microsecond)
	if does.class != "" {
		o.Error = "The endpoint failed: " + string(does.class) + "."
	}
	return o
}

// add adds an attempt with what is counted of it.
func (d *dayRows) add(a attemptRow, state posthorn.DeliveryState, test bool) {
	d.attempts = append(d.attempts, a)
	if test {
		return
	}
	key := minuteKey{a.endpoint, a.outcome.StartedAt.Unix() / 60}
	m := d.minutes[key]
	if m == nil {
		m = &minute{}
		d.minutes[key] = m
	}
	switch state {
	case posthorn.DeliverySucceeded:
		m.succeeded++
	case posthorn.DeliveryFailed:
		m.failed++
		m.dead++
	default:
		m.failed++
	}
	m.latency[posthorn.LatencyBucket(a.outcome.Total)]++
	answer := string(a.outcome.ErrorClass)
	if answer == "" {
		answer = strconv.Itoa(a.outcome.StatusCode)
	}
	if answer != "200" {
		d.answers[answerKey{key, answer}]++
	}
}

// note counts a delivery, and keeps it as an example.
func (w *world) note(row *deliveryRow) {
	x := &w.past.Examples
	mine := row.event.tenant == w.o.Tenant
	keep := func(place *posthorn.DeliveryID) {
		if mine && !row.event.test {
			*place = row.id
		}
	}
	switch row.state {
	case posthorn.DeliverySucceeded:
		keep(&x.Succeeded)
		if row.attempts > 1 {
			keep(&x.Retried)
			if mine {
				x.Event = posthorn.EventID(row.event.id)
			}
		}
	case posthorn.DeliveryFailed:
		w.past.Failed++
		keep(&x.Failed)
	case posthorn.DeliveryCancelled:
		w.past.Cancelled++
		keep(&x.Cancelled)
	case posthorn.DeliveryPending:
		w.past.Waiting++
		keep(&x.Waiting)
	}
	if mine && row.event.test {
		x.Test = row.id
	}
	if mine && x.Old.IsZero() {
		x.Old = row.id
	}
	if mine && row.event.key != "" {
		x.Key = row.event.key
	}
}
