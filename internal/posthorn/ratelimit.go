package posthorn

import (
	"math"
	"slices"
	"time"

	"github.com/google/uuid"
)

// RequestKind says which limit a request of a program counts against.
type RequestKind string

// The kinds of requests.
const (
	// RequestAPI is every request of the admin API but those that publish.
	RequestAPI RequestKind = "api"
	// RequestPublish is a request that publishes events, one or a batch of them.
	RequestPublish RequestKind = "publish"
)

// Bucket is a token bucket that several processes share. What a process was lent it may spend without asking; until it has
// told what became of that, the bucket fills to so much less. So the tokens and what is lent are never more than the burst
// together, and all processes let through no more than one bucket would.
//
// The time is handed in. It is that of the database, so that the clocks of processes need not agree.
type Bucket struct {
	// Tokens are as of FilledAt. Positive infinity is as many as there can be.
	Tokens   float64
	FilledAt time.Time
	// Leases are what is lent, by process.
	Leases map[uuid.UUID]BucketLease
}

// BucketLease is what a process was lent.
type BucketLease struct {
	Tokens int `json:"tokens"`
	// Until is when a process that told nothing is taken to be dead, and all it was lent to be spent.
	Until time.Time `json:"until"`
}

// How tokens are lent.
const (
	// leaseAhead is for how long a process is lent what it will need. leaseSpent is how long it may spend that, for requests do
	// not come evenly; then it tells how much that was.
	leaseAhead = 5 * time.Second
	leaseSpent = 2 * leaseAhead
	// leaseKept is how long the bucket waits to be told. It is longer, for what takes time on the way.
	leaseKept = leaseSpent + 5*time.Second
	// leaseShare is which part of the burst a process is lent at most, leaseReserve which part of the tokens that are left: one
	// of so many. A bucket that is almost empty lends nothing.
	leaseShare   = 20
	leaseReserve = 8
	// clockBack is how far the time may lie behind that of the bucket without having been set back.
	clockBack = time.Second
	// tokenDust is what rounding may take from a token.
	tokenDust = 1e-6
)

// BucketOrder is what a process asks of a bucket.
type BucketOrder struct {
	// Holder is the process, by an id that it drew when it started.
	Holder uuid.UUID
	// Spent is what it spent of its lease, oldest first. The lease ends, and what is left of it goes back.
	Spent []Spending
	// Need is how many requests wait for a token, Spare how many tokens it would like to be lent beside them.
	Need, Spare int
	// Recall asks that those who have leases be told to give them back, where there are too few tokens for Need.
	Recall bool
}

// Spending is a number of requests that were let through together, so long before the order was sent.
type Spending struct {
	Requests int
	Ago      time.Duration
}

// BucketAnswer is what a bucket gives for an order.
type BucketAnswer struct {
	// Limit is the bucket's own, as it is set now.
	Limit RateLimit
	// Granted is how many of the waiting requests may go on; Spare is what was lent.
	Granted, Spare int
	// Tokens are left in the bucket, and Lent to other processes.
	Tokens float64
	Lent   int
}

// Take carries out an order at a time.
func (b *Bucket) Take(now time.Time, limit RateLimit, o BucketOrder) BucketAnswer {
	if limit.Off() {
		return BucketAnswer{Granted: o.Need}
	}
	if b.Leases == nil {
		b.Leases = map[uuid.UUID]BucketLease{}
	}
	b.noticeClock(now)
	for _, s := range o.Spent {
		b.fill(now.Add(-s.Ago), limit)
		if lease, ok := b.Leases[o.Holder]; ok {
			lease.Tokens = max(lease.Tokens-s.Requests, 0)
			b.Leases[o.Holder] = lease
		}
	}
	b.Tokens += float64(b.Leases[o.Holder].Tokens) // what has lapsed is spent, and nothing is left of it
	delete(b.Leases, o.Holder)
	b.fill(now, limit)

	a := BucketAnswer{Limit: limit, Lent: b.lent()}
	a.Granted = min(o.Need, wholeTokens(b.Tokens))
	b.Tokens -= float64(a.Granted)
	if a.Granted == o.Need {
		a.Spare = min(o.Spare, (limit.Burst+leaseShare-1)/leaseShare, wholeTokens(b.Tokens)/leaseReserve)
	}
	if a.Spare > 0 {
		b.Tokens -= float64(a.Spare)
		b.Leases[o.Holder] = BucketLease{a.Spare, now.Add(leaseKept)}
	}
	a.Tokens = b.Tokens
	return a
}

// noticeClock makes do with a clock that was set back: what it would have filled until it is where it was is lost otherwise.
func (b *Bucket) noticeClock(now time.Time) {
	if b.FilledAt.Sub(now) <= clockBack {
		return
	}
	b.FilledAt = now
	for holder, lease := range b.Leases {
		if end := now.Add(leaseKept); lease.Until.After(end) {
			b.Leases[holder] = BucketLease{lease.Tokens, end}
		}
	}
}

// fill adds what came in until a time. A lease that lapses on the way makes room when it does. A time that is past for the
// bucket changes nothing.
func (b *Bucket) fill(to time.Time, limit RateLimit) {
	for {
		next := uuid.Nil
		for holder, lease := range b.Leases {
			if !lease.Until.After(to) && (next == uuid.Nil || lease.Until.Before(b.Leases[next].Until)) {
				next = holder
			}
		}
		if next == uuid.Nil {
			break
		}
		b.pour(b.Leases[next].Until, limit)
		delete(b.Leases, next)
	}
	b.pour(to, limit)
}

// pour adds what came in until a time, up to the room that leases leave.
func (b *Bucket) pour(to time.Time, limit RateLimit) {
	if to.After(b.FilledAt) {
		b.Tokens += to.Sub(b.FilledAt).Seconds() * limit.perSecond()
		b.FilledAt = to
	}
	b.Tokens = min(b.Tokens, float64(max(limit.Burst-b.lent(), 0)))
}

// lent is how many tokens processes hold.
func (b *Bucket) lent() int {
	n := 0
	for _, lease := range b.Leases {
		n += lease.Tokens
	}
	return n
}

// wholeTokens is for how many requests tokens are enough.
func wholeTokens(tokens float64) int { return max(int(math.Floor(tokens+tokenDust)), 0) }

func (l RateLimit) perSecond() float64 { return float64(l.PerMinute) / 60 }

// until is how long it takes from some tokens to others.
func (l RateLimit) until(from, to float64) time.Duration {
	if from >= to || l.Off() {
		return 0
	}
	return time.Duration((to - from) / l.perSecond() * float64(time.Second))
}

// spendingStep is how close in time requests are that are told of as one spending. The bucket believes all of them to have
// been as late as the last.
const spendingStep = 200 * time.Millisecond

// spentToken is a spending by the clock of this process.
type spentToken struct {
	requests    int
	first, last time.Time
}

// noteSpent adds a request that was let through.
func noteSpent(spent []spentToken, now time.Time) []spentToken {
	if n := len(spent); n > 0 && now.Sub(spent[n-1].first) < spendingStep {
		spent[n-1].requests++
		spent[n-1].last = now
		return spent
	}
	return append(spent, spentToken{1, now, now})
}

// spendings is what to tell the bucket. What no lease can be about any more is left out.
func spendings(spent []spentToken, now time.Time) []Spending {
	spent = slices.DeleteFunc(slices.Clone(spent), func(s spentToken) bool { return now.Sub(s.last) > leaseKept })
	told := make([]Spending, len(spent))
	for i, s := range spent {
		told[i] = Spending{s.requests, now.Sub(s.last)}
	}
	return told
}
