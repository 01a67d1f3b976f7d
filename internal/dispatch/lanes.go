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

// offered takes in jobs that the publisher handed over. They have their room in the queue as a whole, but one lane may have
// no more than an eighth of what is free: so a lane alone gets a ninth of the queue, and there is room for others however many
// are full. Claims have twice that, so that what is late gets on although there are offers all the time.
func (o *owner) offered(jobs []posthorn.Job) {
	for i := range jobs {
		o.accept(&jobs[i], max((o.d.opts.Queue-int(o.d.queued.Load()))/8, 1))
	}
}

// accept puts a job into its lane, or gives it back: when the lane is closed, and when it has that many jobs or as many as
// its rate allows for some time.
func (o *owner) accept(j *posthorn.Job, most int) {
	if o.stopping {
		o.refuse(j, o.now)
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
	until := l.closedUntil(o.now)
	waiting := l.queue.len()
	switch byRate := l.rate.within(rateHorizon); {
	case known && !until.IsZero():
		o.refuse(j, until)
	case waiting >= byRate:
		o.refuse(j, o.now.Add(time.Duration(waiting)*l.rate.interval))
	case waiting >= most:
		o.refuse(j, o.now)
	default:
		o.rouse(l)
		l.queue.push(j)
	}
	o.enlist(l)
}

// refuse gives back a job that is in no lane.
func (o *owner) refuse(j *posthorn.Job, at time.Time) {
	o.d.queued.Add(-1)
	if at.After(o.now) {
		o.claims.by(at)
	}
	o.d.giveBack(j, at)
}

// giveBack empties a lane's queue; the jobs are due again at a time.
func (o *owner) giveBack(l *lane, q *queue, at time.Time) { o.giveBackBeyond(l, q, 0, at) }

// giveBackBeyond gives back all but the n oldest jobs.
func (o *owner) giveBackBeyond(l *lane, q *queue, n int, at time.Time) {
	jobs := q.cut(n)
	for i := range jobs {
		o.refuse(&jobs[i], at)
	}
	clear(jobs)
	o.claimAgain(l)
}

// wants reports whether the lane can take a full share of a claim.
func (o *owner) wants(l *lane) bool {
	if l.loading && l.loadErrors > 0 || l.notBefore.After(o.now) || !l.closedUntil(o.now).IsZero() {
		return false
	}
	most := min(o.claimMost(), l.rate.within(rateHorizon))
	return l.queue.len() == 0 || l.queue.len()+o.d.opts.ClaimPerWebhook <= most
}

// claimAgain asks for another claim when the last left the lane's webhook out and the next need not.
func (o *owner) claimAgain(l *lane) {
	if l.skipped && o.wants(l) {
		o.claims.wanted, l.skipped = true, false
	}
}

// claimMost is how many jobs a lane may have and still be claimed for.
func (o *owner) claimMost() int { return (o.d.opts.Queue - int(o.d.queued.Load())) / 4 }
