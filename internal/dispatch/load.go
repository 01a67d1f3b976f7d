package dispatch

import (
	"context"
	"log/slog"
	"time"

	"posthorn/internal/posthorn"
)

// maxLoads is how many endpoints are loaded at once.
const maxLoads = 16

// loaded is what came of loading an endpoint.
type loaded struct {
	lane     *lane
	endpoint *posthorn.Endpoint
	err      error
	// at is when the loading began: what is known may be as old as that.
	at time.Time
}

// fetch has a lane's endpoint loaded, once at a time, and not too soon after an error.
func (o *owner) fetch(l *lane) {
	switch {
	case l.loading:
	case l.notBefore.After(o.now):
		o.timers.set(l, l.notBefore)
	default:
		l.loading, l.stale = true, false
		if o.loads == maxLoads {
			o.waitingLoad = append(o.waitingLoad, l)
			return
		}
		o.loads++
		o.load(l)
	}
}

// tookEndpoint takes in what was loaded.
func (o *owner) tookEndpoint(in loaded) {
	l := in.lane
	l.loading = false
	if len(o.waitingLoad) > 0 && !o.stopping {
		next := o.waitingLoad[0]
		o.waitingLoad[0] = nil
		o.waitingLoad = o.waitingLoad[1:]
		o.load(next)
	} else {
		o.loads--
	}
	if in.err == nil && in.endpoint.Revision < l.wanted {
		// A job spoke of a later one. It was committed before the job, so this is a copy that lags behind.
		in.err = posthorn.Errorf(posthorn.Unavailable, "The endpoint's configuration is older than the job's.")
	}
	switch {
	case in.err == nil:
		l.loadErrors = 0
		l.learn(in.endpoint, in.at)
		if capacity := l.capacity(horizon); l.queue.len() > capacity {
			o.giveBackBeyond(&l.queue, capacity, o.now)
			l.skipped = true
		}
	case posthorn.KindOf(in.err) == posthorn.NotFound:
		l.loadErrors = 0
		l.forget(in.at)
	default:
		l.loadErrors++
		l.notBefore = o.now.Add(backOff(l.loadErrors))
		// What waits here would take the room of others, and its lease would run out.
		o.giveBackBeyond(&l.queue, 0, l.notBefore)
		o.giveBackBeyond(&l.tests, 0, l.notBefore)
		o.leaveOut(l)
	}
	o.claimAgain(l)
	o.enlist(l)
}

// noteChange has a webhook's configuration read again: before the next job, and at once when the lane is closed, for the
// change may be what opens it.
func (o *owner) noteChange(id posthorn.WebhookID) {
	o.claims.wanted = true
	l, ok := o.lanes[id]
	if !ok {
		return
	}
	l.stale = true
	if !l.closedUntil(o.now).IsZero() && !o.stopping {
		o.rouse(l)
		o.fetch(l)
	}
}

// endpoint loads what a lane sends to.
func (d *Dispatcher) endpoint(ctx context.Context, l *lane) loaded {
	ctx, cancel := context.WithTimeout(ctx, d.opts.StoreTimeout)
	defer cancel()
	in := loaded{lane: l, at: time.Now()}
	in.endpoint, in.err = d.opts.Store.Endpoint(ctx, l.id)
	if in.err != nil && posthorn.KindOf(in.err) != posthorn.NotFound {
		d.stats.storeErrors.Add(1)
		d.opts.Logger.WarnContext(ctx, "endpoint not loaded", slog.String("webhook_id", l.id.String()), slog.Any("error", in.err))
	}
	return in
}
