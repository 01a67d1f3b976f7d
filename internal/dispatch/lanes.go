package dispatch

import (
	"time"

	"posthorn/internal/posthorn"
)

// How much work of a webhook is kept in hand: what it is going to start within the horizon. More would wait for longer than its
// lease allows. Offers have half of that, so that what is late gets on although there are offers all the time.
const (
	horizon      = 20 * time.Second
	offerHorizon = horizon / 2
)

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
	l = &lane{id: id, place: -1, dispatchers: o.dispatchers}
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

// bound is how much a lane may have.
type bound struct {
	jobs, bytes int
	within      time.Duration
}

// offered takes in jobs that the publisher handed over. They have their room in the queue as a whole, but one lane may have
// no more of them than a third of what is free: so a lane alone gets a quarter of the queue, and there is room for others
// however many are full. Claims may fill a lane further.
func (o *owner) offered(jobs []posthorn.Job) {
	for i := range jobs {
		free, bytes := o.d.queued.room()
		o.accept(&jobs[i], bound{free / 3, bytes / 3, offerHorizon})
	}
}

// accept puts a job into its lane, or gives it back: when the endpoint cannot be loaded, when the lane is closed, and when it
// has as much as it may. It may always have one job.
func (o *owner) accept(j *posthorn.Job, most bound) {
	if o.stopping {
		o.refuse(j, o.now, false)
		return
	}
	l := o.lane(j.WebhookID)
	l.wanted = max(l.wanted, j.Revision)
	known := l.known(o.now, o.d.opts.EndpointAge)
	if !known && l.notBefore.After(o.now) {
		o.refuse(j, l.notBefore, false)
		o.leaveOut(l)
		o.enlist(l)
		return
	}
	if j.Test && (!known || !l.gone) {
		o.rouse(l)
		l.tests.push(j)
		o.enlist(l)
		return
	}
	waiting, capacity := l.queue.len(), l.capacity(most.within)
	switch {
	case known && !l.closedUntil(o.now).IsZero():
		o.refuse(j, o.now, false)
		o.leaveOut(l)
	case waiting >= capacity:
		// It is for others, if there are any, and for this dispatcher when its turn may come.
		o.refuse(j, o.now.Add(time.Duration(waiting)*l.rate.interval), false)
		l.skipped = true
	case waiting > 0 && (waiting >= most.jobs || l.queue.bytes+size(j) > most.bytes):
		o.refuse(j, o.now, true)
	default:
		o.rouse(l)
		l.queue.push(j)
	}
	o.enlist(l)
}

// refuse gives back a job that is in no lane, due at a time. again has another claim made when that is done.
func (o *owner) refuse(j *posthorn.Job, at time.Time, again bool) {
	o.d.queued.give(1, size(j))
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
	switch until := l.closedUntil(o.now); {
	case l.notBefore.After(o.now):
		o.timers.set(l, l.notBefore)
	case !until.IsZero():
		o.timers.set(l, until)
	}
}

// claimAgain asks for another claim when the last left out some of what the lane's webhook has, and the next need not.
func (o *owner) claimAgain(l *lane) {
	if l.skipped && o.wants(l) > 0 {
		o.claims.wanted, l.skipped = true, false
	}
}

// wants is how many jobs a claim may bring for a lane. It is none unless that is worth a claim: a whole share, or half of what
// the lane can have, or anything at all for one that has nothing. One that is not well takes no more than it is going to try,
// and one whose endpoint was not loaded takes one to try that with.
func (o *owner) wants(l *lane) int {
	if l.notBefore.After(o.now) || !l.closedUntil(o.now).IsZero() {
		return 0
	}
	waiting, share := l.queue.len(), o.claimShare()
	free, bytes := o.d.queued.room()
	most := l.capacity(horizon)
	switch {
	case l.loadErrors > 0:
		most = 1
	case l.pace.slots > 0:
		most = min(most, l.pace.slots)
	}
	if waiting == 0 {
		return min(most, share)
	}
	most = min(most, free/2)
	if wanted := most - waiting; wanted >= min(share, (most+1)/2) && l.queue.bytes < bytes/2 {
		return min(wanted, share)
	}
	return 0
}

// claimShare is how many jobs of one webhook a claim may bring.
func (o *owner) claimShare() int {
	free, _ := o.d.queued.room()
	return min(o.d.opts.ClaimPerWebhook, max(free/8, 1))
}
