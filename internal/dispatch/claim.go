package dispatch

import (
	"context"
	"log/slog"
	"math"
	"slices"
	"time"

	"posthorn/internal/posthorn"
)

// minPoll is the least time between two claims that nobody asked for.
const minPoll = 50 * time.Millisecond

// claims says when to claim next.
type claims struct {
	underWay bool
	// wanted means that there may be more right now.
	wanted bool
	// at is when to claim although nobody asks, notBefore how long the store is left alone after an error.
	at, notBefore time.Time
	errors        int
	// after is the webhook that the last claim reached.
	after posthorn.WebhookID
}

// by has a claim made at a time, or earlier.
func (c *claims) by(at time.Time) {
	if at.Before(c.at) {
		c.at = at
	}
}

// time is when the next claim is to be made.
func (c *claims) time() time.Time {
	if c.wanted || c.at.Before(c.notBefore) {
		return c.notBefore
	}
	return c.at
}

// claimed is what came of a claim.
type claimed struct {
	Claim
	request ClaimRequest
	err     error
}

// mayClaim reports whether there is anything to claim for: a free slot, and some room in the queue.
func (o *owner) mayClaim() bool {
	return !o.claims.underWay && o.hasSlot() && o.room() >= max(o.d.opts.Queue/64, 1)
}

// startClaim makes a claim when it is time for one. The room for what it brings is taken beforehand: half of what there is at
// most, so that something is left for offers, however much there is to be claimed.
func (o *owner) startClaim() {
	if o.claims.time().After(o.now) || !o.mayClaim() {
		return
	}
	r := ClaimRequest{After: o.claims.after, Skip: o.skip(), PerWebhook: o.claimShare(), Lease: o.d.NewLease()}
	r.Limit = o.d.reserve(min(o.d.opts.ClaimLimit, max(o.room()/2, 1)))
	if r.Limit == 0 {
		return
	}
	r.PerWebhook = min(r.PerWebhook, r.Limit)
	o.claims.underWay, o.claims.wanted = true, false
	o.claim(r)
}

// skip lists the webhooks that can take no more. When one can again, there is another claim.
func (o *owner) skip() []posthorn.WebhookID {
	var ids []posthorn.WebhookID
	for id, l := range o.lanes {
		if o.wants(l) {
			l.skipped = false
			continue
		}
		ids = append(ids, id)
		o.leaveOut(l)
	}
	return ids
}

// tookClaim takes in the jobs of a claim and settles when to make the next.
func (o *owner) tookClaim(c *claimed) {
	o.claims.underWay = false
	unused := c.request.Limit
	if c.err != nil {
		o.d.queued.Add(-int64(unused))
		o.claims.errors++
		o.claims.wanted = true
		o.claims.notBefore = o.now.Add(backOff(o.claims.errors))
		return
	}
	o.d.queued.Add(int64(len(c.Jobs) - unused))
	for i := range c.Jobs {
		o.accept(&c.Jobs[i], math.MaxInt)
	}
	o.claims.errors, o.claims.notBefore = 0, time.Time{}
	o.claims.after = c.Reached
	if c.more() {
		o.claims.wanted = true
	}
	o.claims.at = o.now.Add(spreadAtRandom(o.d.opts.MaxPoll))
	if !c.NextDue.IsZero() {
		o.claims.by(c.NextDue)
	}
	if soonest := o.now.Add(minPoll); o.claims.at.Before(soonest) {
		o.claims.at = soonest
	}
}

// more reports whether another claim would find something at once: when this one was full, or one webhook's share of it was;
// and when it began in the middle, for what comes before that.
func (c *claimed) more() bool {
	if len(c.Jobs) >= c.request.Limit || !c.Reached.IsZero() || !c.request.After.IsZero() {
		return true
	}
	of := map[posthorn.WebhookID]int{}
	return slices.ContainsFunc(c.Jobs, func(j posthorn.Job) bool {
		of[j.WebhookID]++
		return of[j.WebhookID] >= c.request.PerWebhook
	})
}

// ask makes a claim.
func (d *Dispatcher) ask(ctx context.Context, r ClaimRequest) claimed {
	ctx, cancel := context.WithTimeout(ctx, d.opts.StoreTimeout)
	defer cancel()
	c := claimed{request: r}
	c.Claim, c.err = d.opts.Store.Claim(ctx, r)
	d.stats.claims.Add(1)
	if c.err != nil {
		d.stats.storeErrors.Add(1)
		d.opts.Logger.WarnContext(ctx, "nothing claimed", slog.Any("error", c.err))
		return c
	}
	d.stats.claimed.Add(int64(len(c.Jobs)))
	return c
}
