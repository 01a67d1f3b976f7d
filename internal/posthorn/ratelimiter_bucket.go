package posthorn

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// How a process asks a bucket.
const (
	// askTimeout bounds a query that requests wait for, settleTimeout one that gives back what was lent: a stop waits for it,
	// and what it does not give back lapses.
	askTimeout    = 5 * time.Second
	settleTimeout = time.Second
	// emptyAtLeast and emptyAtMost are for how long a bucket is taken to be empty without another look. A flood makes no more
	// queries than that, however fast the bucket fills; and what another process gives back is known by then.
	emptyAtLeast = 20 * time.Millisecond
	emptyAtMost  = time.Second
	// paceOver is the least time over which the pace of requests is taken.
	paceOver = time.Second
)

// recallWaits are the pauses before the looks that follow a recall. After the last of them requests are refused.
// They are long enough for a process that is short of processor time.
var recallWaits = [...]time.Duration{
	10 * time.Millisecond, 30 * time.Millisecond, 60 * time.Millisecond, 150 * time.Millisecond, 300 * time.Millisecond,
}

// errBucketGone is the answer of a bucket that the process has just forgotten.
var errBucketGone = errors.New("the bucket was forgotten")

// sharedBucket is what a process knows and holds of one bucket.
type sharedBucket struct {
	limiter *RateLimiter
	key     bucketKey

	mu    sync.Mutex
	limit RateLimit
	// level is how many tokens there were at levelAt, as far as the process knows: for the headers, not to decide by.
	level   float64
	levelAt time.Time
	// spare is what is left of the lease, to be spent before leaseEnd, of which ending tells. spent is what is to be told of
	// it.
	spare    int
	leaseEnd time.Time
	ending   *time.Timer
	spent    []spentToken
	// Before emptyUntil there is no token, and at nextAt there is one.
	emptyUntil, nextAt time.Time
	// recallAfter is when those who did not answer the last recall may be recalled again.
	recallAfter time.Time
	// waiting wait for an answer. asking is closed when the last of them has one, nil while nobody asks. settling wants the
	// lease told of, also when nobody waits.
	waiting  []*waitingRequest
	asking   chan struct{}
	settling bool
	// admitted were let through since paceAt; before that requests came at pace, which is in requests a second.
	admitted int
	paceAt   time.Time
	pace     float64
	used     time.Time
	gone     bool
}

// waitingRequest is a request and the place for its answer.
type waitingRequest struct {
	done     chan struct{}
	standing RateStanding
	err      error
}

// take lets a request through or refuses it.
func (b *sharedBucket) take(ctx context.Context) (RateStanding, error) {
	b.mu.Lock()
	if b.gone {
		b.mu.Unlock()
		return RateStanding{}, errBucketGone
	}
	now := time.Now()
	b.used = now
	if standing, err, known := b.decide(now); known {
		b.mu.Unlock()
		return standing, err
	}
	w := &waitingRequest{done: make(chan struct{})}
	b.waiting = append(b.waiting, w)
	b.ask(ctx)
	b.mu.Unlock()
	select {
	case <-w.done:
		return w.standing, w.err
	case <-ctx.Done():
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.standing(time.Now()), Because(Unavailable, "The database is too busy", ctx.Err())
	}
}

// decide answers a request by what the process holds and knows; known is false where that does not say.
func (b *sharedBucket) decide(now time.Time) (standing RateStanding, err error, known bool) { //nolint:revive // known says whether the others mean anything
	switch {
	case b.spare > 0 && now.Before(b.leaseEnd):
		b.spare--
		b.spent = noteSpent(b.spent, now)
		b.admitted++
		b.level = b.levelNow(now) - 1
		b.levelAt = now
		return b.standing(now), nil, true
	case now.Before(b.emptyUntil):
		standing, err = b.refuse(now)
		return standing, err, true
	}
	return RateStanding{}, nil, false
}

func (b *sharedBucket) levelNow(now time.Time) float64 {
	return min(b.level+now.Sub(b.levelAt).Seconds()*b.limit.perSecond(), float64(b.limit.Burst))
}

func (b *sharedBucket) standing(now time.Time) RateStanding {
	level := b.levelNow(now)
	return RateStanding{Limit: b.limit, Remaining: wholeTokens(level), Full: b.limit.until(level, float64(b.limit.Burst))}
}

// refuse is the answer to a request for which there is no token, as far as the process knows.
func (b *sharedBucket) refuse(now time.Time) (RateStanding, error) {
	standing := b.standing(now)
	standing.Remaining = 0
	at := b.nextAt
	if !at.After(now) {
		at = now.Add(time.Millisecond)
	}
	what := "requests"
	if b.key.kind == RequestPublish {
		what = "requests that publish"
	}
	return standing, &Error{
		Kind: RateLimited, RetryAt: at,
		Message: fmt.Sprintf("Too many requests: this organisation may make %d %s a minute, and %d at once. Try again in %s.",
			b.limit.PerMinute, what, b.limit.Burst, wholeSeconds(at.Sub(now))),
	}
}

// wholeSeconds says how long to wait, rounded up.
func wholeSeconds(d time.Duration) string {
	n := int((d + time.Second - 1) / time.Second)
	if n == 1 {
		return "1 second"
	}
	return strconv.Itoa(n) + " seconds"
}

// ask sees to it that those who wait are asked for.
func (b *sharedBucket) ask(ctx context.Context) {
	if b.asking != nil {
		return
	}
	b.asking = make(chan struct{})
	go b.run(context.WithoutCancel(ctx))
}

// settle has the bucket told of the lease, and what is left of it given back.
func (b *sharedBucket) settle() {
	b.mu.Lock()
	defer b.mu.Unlock()
	// What is on its way may be a lease, too.
	if b.spare > 0 || len(b.spent) > 0 || b.asking != nil {
		b.settling = true
		b.ask(context.Background())
	}
}

// await waits until nobody asks.
func (b *sharedBucket) await() {
	b.mu.Lock()
	asking := b.asking
	b.mu.Unlock()
	if asking != nil {
		<-asking
	}
}

// limitIs learns what the limit is now. When that is another than it was, what was known is not.
func (b *sharedBucket) limitIs(limit RateLimit) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if limit == b.limit {
		return
	}
	now := time.Now()
	b.level = min(b.levelNow(now)+float64(max(limit.Burst-b.limit.Burst, 0)), float64(limit.Burst))
	b.levelAt, b.limit, b.emptyUntil = now, limit, time.Time{}
}

// retire reports whether the bucket was not used since a time and nothing is under way. It is gone then.
func (b *sharedBucket) retire(since time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gone = b.used.Before(since) && b.asking == nil && b.spare == 0 && len(b.spent) == 0
	return b.gone
}

// run asks for those who wait, again and again until nobody does.
func (b *sharedBucket) run(ctx context.Context) {
	looks := 0 // that followed a recall
	for {
		batch, order, sent, ok := b.begin(looks)
		if !ok {
			return
		}
		answer, err := b.order(ctx, order)
		if looks = b.finish(batch, order, sent, answer, err, looks); looks > 0 {
			<-time.After(recallWaits[looks-1])
		}
	}
}

func (b *sharedBucket) order(ctx context.Context, o BucketOrder) (BucketAnswer, error) {
	limit := askTimeout
	if o.Need == 0 {
		limit = settleTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return b.limiter.store.TakeTokens(ctx, b.key.tenant, b.key.kind, b.limiter.defaults, o)
}

// begin makes the next order. What the process holds of its lease goes back with it, so that nothing is spent while the
// answer is on its way.
func (b *sharedBucket) begin(looks int) (batch []*waitingRequest, o BucketOrder, now time.Time, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now = time.Now()
	for _, w := range b.waiting {
		if standing, err, known := b.decide(now); known {
			w.answer(standing, err)
		} else {
			batch = append(batch, w)
		}
	}
	b.waiting = nil
	if len(batch) == 0 && !b.settling {
		close(b.asking)
		b.asking = nil
		return nil, o, now, false
	}
	o = BucketOrder{
		Holder: b.limiter.holder, Spent: spendings(b.spent, now), Need: len(batch),
		Recall: looks == 0 && !now.Before(b.recallAfter),
	}
	if o.Need > 0 {
		o.Spare = b.expected(now)
	}
	b.settling, b.spare = false, 0
	return batch, o, now, true
}

// expected is how many requests will come in leaseAhead, if they go on coming as they did. Those of a single moment have no pace:
// what was lent for them would be missing in another process.
func (b *sharedBucket) expected(now time.Time) int {
	if since := now.Sub(b.paceAt); since >= paceOver {
		if !b.paceAt.IsZero() {
			b.pace = float64(b.admitted) / since.Seconds()
		}
		b.paceAt, b.admitted = now, 0
	}
	return int(min(b.pace*leaseAhead.Seconds(), MaxRequestRate))
}

// finish hands out the answer to an order. It returns how many looks have followed a recall, where there will be another one.
func (b *sharedBucket) finish(batch []*waitingRequest, o BucketOrder, sent time.Time, a BucketAnswer, err error, looks int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if err != nil {
		// Whether the order was carried out is not known. What was to be told is told again, and what was lent is not spent.
		for _, w := range batch {
			w.answer(b.standing(now), fmt.Errorf("take tokens of %s for %s: %w", b.key.tenant, b.key.kind, err))
		}
		return 0
	}
	b.learn(sent, now, a)
	for i, w := range batch[:a.Granted] {
		s := b.standing(now)
		s.Remaining += a.Granted - 1 - i
		w.answer(s, nil)
	}
	rest := batch[a.Granted:]
	switch {
	case len(rest) == 0:
		return 0
	case a.Lent > 0 && (o.Recall || looks > 0) && looks < len(recallWaits):
		b.waiting = append(rest, b.waiting...)
		return looks + 1
	case looks > 0:
		b.recallAfter = now.Add(leaseKept)
	}
	next := a.Limit.until(a.Tokens, 1)
	b.nextAt = now.Add(next)
	b.emptyUntil = sent.Add(min(max(next, emptyAtLeast), emptyAtMost))
	for _, w := range rest {
		w.answer(b.refuse(now))
	}
	return 0
}

// learn notes what an answer says.
func (b *sharedBucket) learn(sent, now time.Time, a BucketAnswer) {
	b.limit, b.level, b.levelAt = a.Limit, a.Tokens+float64(a.Spare), now
	b.admitted += a.Granted
	b.spent, b.spare, b.leaseEnd = nil, a.Spare, sent.Add(leaseSpent)
	if b.ending != nil {
		b.ending.Stop()
	}
	if a.Spare > 0 {
		b.ending = time.AfterFunc(b.leaseEnd.Sub(now), b.settle)
	}
}

func (w *waitingRequest) answer(standing RateStanding, err error) {
	w.standing, w.err = standing, err
	close(w.done)
}
