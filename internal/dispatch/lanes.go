package dispatch

import (
	"time"

	"posthorn/internal/posthorn"
)

// rateHorizon is how much of a webhook's rate is kept in hand: more would wait for longer than its lease allows.
const rateHorizon = 20 * time.Second

// lane returns the lane of a webhook. A new one may take the place of the one that has had nothing to do for longest.
func (o *owner) lane(id posthorn.WebhookID) *lane {
	l, ok := o.lanes[id]
	if ok {
		return l
	}
	for o.idle.Len() >= o.d.opts.Endpoints {
		oldest, _ := o.idle.Front().Value.(*lane) // the list holds nothing else
		o.drop(oldest)
	}
	l = &lane{id: id, place: -1}
	o.lanes[id] = l
	o.d.stats.endpoints.Store(int64(len(o.lanes)))
	return l
}

// rest puts a lane with nothing to do among the idle ones.
func (o *owner) rest(l *lane) {
	if l.idle != nil || l.ready || l.loading || l.inFlight > 0 || !l.empty() {
		return
	}
	l.queue, l.tests = queue{}, queue{}
	l.idle = o.idle.PushBack(l)
}

// rouse takes a lane out from among the idle ones.
func (o *owner) rouse(l *lane) {
	if l.idle != nil {
		o.idle.Remove(l.idle)
		l.idle = nil
	}
}

// drop forgets an idle lane. Whether it was closed is forgotten with it, and learnt again.
func (o *owner) drop(l *lane) {
	o.rouse(l)
	o.timers.remove(l)
	delete(o.lanes, l.id)
	if l.skipped {
		o.claims.wanted = true
	}
}

// room is how many more jobs the queue as a whole takes.
func (o *owner) room() int { return max(o.d.opts.Queue-int(o.d.queued.Load()), 0) }

// offered takes in jobs that the publisher handed over. They have their room in the queue as a whole, but one lane may have
// no more of them than an eighth of what is free: so a lane alone gets a ninth of the queue, and there is room for others
// however many are full. Claims have twice that, so that what is late gets on although there are offers all the time.
func (o *owner) offered(jobs []posthorn.Job) {
	for i := range jobs {
		o.accept(&jobs[i], max(o.room()/8, 1))
	}
}

// accept puts a job into its lane, or gives it back: when the lane is closed, and when it has that many jobs or as many as
// its rate allows for some time.
func (o *owner) accept(j *posthorn.Job, most int) {
	if o.stopping {
		o.refuse(j, o.now, false)
		return
	}
	l := o.lane(j.WebhookID)
	l.wanted = max(l.wanted, j.Revision)
	known := l.known(o.now, o.d.opts.EndpointAge)
	if j.Test && !(known && l.gone) {
		o.rouse(l)
		l.tests.push(j)
		o.enlist(l)
		return
	}
	waiting := l.queue.len()
	switch byRate := l.rate.within(rateHorizon); {
	case known && !l.closedUntil(o.now).IsZero():
		o.refuse(j, o.now, false)
		o.leaveOut(l)
	case waiting >= byRate:
		o.refuse(j, o.now.Add(time.Duration(waiting)*l.rate.interval), false)
	case waiting >= most:
		o.refuse(j, o.now, true)
	default:
		o.rouse(l)
		l.queue.push(j)
	}
	o.enlist(l)
}

// refuse gives back a job that is in no lane, due at a time. again has another claim made when that is done.
func (o *owner) refuse(j *posthorn.Job, at time.Time, again bool) {
	o.d.queued.Add(-1)
	if at.After(o.now) {
		o.claims.by(at)
	}
	o.d.giveBack(j, at, again)
}

// giveBack empties a queue of a lane that is closed. The jobs are due again at once, for whoever has more luck with the
// endpoint, or gets to know first that somebody mended it; this dispatcher leaves them out until the lane opens.
func (o *owner) giveBack(l *lane, q *queue) {
	o.giveBackBeyond(q, 0, o.now)
	o.leaveOut(l)
}

// giveBackBeyond gives back all but the n oldest jobs.
func (o *owner) giveBackBeyond(q *queue, n int, at time.Time) {
	jobs := q.cut(n)
	for i := range jobs {
		o.refuse(&jobs[i], at, false)
	}
	clear(jobs)
}

// leaveOut has claims leave a lane's webhook out, until it can take jobs again.
func (o *owner) leaveOut(l *lane) {
	l.skipped = true
	if until := l.closedUntil(o.now); !until.IsZero() {
		o.timers.set(l, until)
	}
}

// claimAgain asks for another claim when the last left the lane's webhook out and the next need not.
func (o *owner) claimAgain(l *lane) {
	if l.skipped && o.wants(l) {
		o.claims.wanted, l.skipped = true, false
	}
}

// wants reports whether a lane can do with a share of a claim: when it has nothing, and as long as it has not too much. One
// that is not well takes no more than it is going to try.
func (o *owner) wants(l *lane) bool {
	if l.notBefore.After(o.now) || !l.closedUntil(o.now).IsZero() {
		return false
	}
	waiting := l.queue.len()
	if waiting == 0 || l.pace.slots > 0 {
		return waiting < max(l.pace.slots, 1)
	}
	return waiting+o.claimShare() <= min(o.room()/4, l.rate.within(rateHorizon))
}

// claimShare is how many jobs of one webhook a claim may bring.
func (o *owner) claimShare() int { return min(o.d.opts.ClaimPerWebhook, max(o.room()/8, 1)) }
