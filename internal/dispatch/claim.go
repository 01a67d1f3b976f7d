package dispatch

import (
	"context"
	"log/slog"
	"math"
	"time"

	"posthorn/internal/posthorn"
)

// claimBytes bounds what one claim brings, in bytes.
const claimBytes = 8 << 20

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
	// bytes is the room that was made for request.Limit jobs with what request.Bytes they may have.
	bytes int
	err   error
}

// mayClaim reports whether there is anything to claim for: a free slot, and some room in the queue.
func (o *owner) mayClaim() bool {
	jobs, bytes := o.d.queued.room()
	return !o.claims.underWay && o.hasSlot() && jobs >= max(o.d.opts.Queue/64, 1) && bytes >= o.d.opts.QueueBytes/64
}

// startClaim makes a claim when it is time for one. The room for what it brings is taken beforehand.
func (o *owner) startClaim() {
	if o.claims.time().After(o.now) || !o.mayClaim() {
		return
	}
	r := ClaimRequest{After: o.claims.after, PerWebhook: o.claimShare(), Lease: o.d.NewLease()}
	o.limit(&r)
	limit, bytes := o.d.queued.promise(o.d.opts.ClaimLimit, claimBytes)
	if limit == 0 {
		return
	}
	r.Limit, r.Bytes = limit, bytes-limit*jobOverhead
	r.PerWebhook = min(r.PerWebhook, r.Limit)
	o.claims.underWay, o.claims.wanted = true, false
	o.claim(r, bytes)
}

// limit names the webhooks that can take no more, and those that can take less than a whole share. When one can take more
// again, there is another claim.
func (o *owner) limit(r *ClaimRequest) {
	for id, l := range o.lanes {
		l.skipped = false
		switch n := o.wants(l); {
		case n == 0:
			r.Skip = append(r.Skip, id)
			o.leaveOut(l)
		case n < r.PerWebhook:
			if r.Most == nil {
				r.Most = map[posthorn.WebhookID]int{}
			}
			r.Most[id] = n
		}
	}
}

// tookClaim takes in the jobs of a claim and settles when to make the next.
func (o *owner) tookClaim(c *claimed) {
	o.claims.underWay = false
	if c.err != nil {
		o.d.queued.give(c.request.Limit, c.bytes)
		o.claims.errors++
		o.claims.wanted = true
		o.claims.notBefore = o.now.Add(backOff(o.claims.errors))
		return
	}
	brought := 0
	for i := range c.Jobs {
		brought += size(&c.Jobs[i])
	}
	o.d.queued.give(c.request.Limit-len(c.Jobs), c.bytes-brought)
	for i := range c.Jobs {
		o.accept(&c.Jobs[i], bound{math.MaxInt, math.MaxInt, horizon})
	}
	o.claims.errors, o.claims.notBefore = 0, time.Time{}
	o.claims.after = c.reached()
	if o.leftSome(c) {
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

// leftSome reports whether another claim would find something at once: when this one was full, or one webhook's share of it
// was; and when it began in the middle, for what comes before that. For a webhook that had less than a whole share and filled
// that, there is another claim when its lane wants more.
func (o *owner) leftSome(c *claimed) bool {
	some := len(c.Jobs) >= c.request.Limit || c.cut() || !c.Reached.IsZero() || !c.request.After.IsZero()
	of := map[posthorn.WebhookID]int{}
	for i := range c.Jobs {
		id := c.Jobs[i].WebhookID
		of[id]++
		most, less := c.request.Most[id]
		switch l := o.lanes[id]; {
		case !less:
			some = some || of[id] >= c.request.PerWebhook
		case of[id] >= most && l != nil:
			l.skipped = true
			o.claimAgain(l)
		}
	}
	return some
}

// cut reports whether another event might not have found room in the bytes of the claim.
func (c *claimed) cut() bool {
	total := 0
	for i := range c.Jobs {
		total += len(c.Jobs[i].Data)
	}
	return len(c.Jobs) > 0 && total+posthorn.MaxEventBytes > c.request.Bytes
}

// reached is the webhook after which the next claim begins. After one whose bytes were used up that is the last it brought
// anything of: or those with the largest events would be the first each time, and there was nothing left for others.
func (c *claimed) reached() posthorn.WebhookID {
	last := c.Reached
	if !last.IsZero() || !c.cut() {
		return last
	}
	for i := range c.Jobs {
		if id := c.Jobs[i].WebhookID; !c.Jobs[i].Test && id.After(last) {
			last = id
		}
	}
	return last
}

// ask makes a claim.
func (d *Dispatcher) ask(ctx context.Context, r ClaimRequest, bytes int) claimed {
	ctx, cancel := context.WithTimeout(ctx, d.opts.StoreTimeout)
	defer cancel()
	c := claimed{request: r, bytes: bytes}
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
