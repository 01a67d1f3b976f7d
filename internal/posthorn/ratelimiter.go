package posthorn

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// RateStore keeps the buckets that all processes share, and what the limits of tenants are set to. Implemented by package
// postgres.
type RateStore interface {
	// TakeTokens carries out an order on a bucket, while no other process sees it. defaults hold for the API of a tenant
	// that has no settings. A bucket that there is none of yet is full.
	TakeTokens(ctx context.Context, tenant TenantID, kind RequestKind, defaults RateLimit, o BucketOrder) (BucketAnswer, error)
	// AllLimitSettings returns the settings of those tenants that have any.
	AllLimitSettings(ctx context.Context) (map[TenantID]LimitSettings, error)
}

// RateLimiter lets the requests of programs through or refuses them, together with those of other processes on the same
// database.
//
// A request that finds neither a lent token nor a bucket that is known to be empty asks the bucket. Those that come while the
// answer is on its way ask next, together. A process that lets requests through at some pace is lent what it will need for the
// next leaseAhead; a lone request costs one query, and a request to an empty bucket none.
//
// How close it stays to one bucket: it never lets more through. Fewer it lets through only by what other processes have spent of
// their leases and not told yet, of each a twentieth of the burst at most, and for leaseKept by the lease of a process that died.
type RateLimiter struct {
	store    RateStore
	defaults RateLimit
	holder   uuid.UUID
	settings atomic.Pointer[map[TenantID]LimitSettings]

	mu      sync.Mutex
	buckets map[bucketKey]*sharedBucket
}

type bucketKey struct {
	tenant TenantID
	kind   RequestKind
}

// NewRateLimiter makes the limiter of a process; defaults hold for the API of tenants that have no settings. It knows of
// settings from the first Reread on.
func NewRateLimiter(store RateStore, defaults RateLimit) *RateLimiter {
	l := &RateLimiter{store: store, defaults: defaults, holder: uuid.New(), buckets: map[bucketKey]*sharedBucket{}}
	l.settings.Store(&map[TenantID]LimitSettings{})
	return l
}

// Holder is what the process calls itself in the buckets.
func (l *RateLimiter) Holder() uuid.UUID { return l.holder }

// RateStanding is how a bucket stands, as this process knows.
type RateStanding struct {
	Limit RateLimit
	// Remaining is how many requests could follow at once.
	Remaining int
	// Full is after which time the bucket is full, when nothing more comes.
	Full time.Duration
}

// Take lets a request of a tenant through, or refuses it as RateLimited with the time at which there is a token. What the
// database does not say in time is Unavailable: without it no key could be checked either. The standing is that of the bucket
// of the kind; of the API's where publishing has no limit, which is then neither asked nor counted against.
func (l *RateLimiter) Take(ctx context.Context, tenant TenantID, kind RequestKind) (RateStanding, error) {
	if kind == RequestPublish && l.limit(tenant, RequestPublish).Off() {
		return l.standing(tenant), nil
	}
	for {
		standing, err := l.bucket(tenant, kind).take(ctx)
		switch {
		case errors.Is(err, errBucketGone):
			continue
		case standing.Limit.Off(): // just now
			return l.standing(tenant), err
		}
		return standing, err
	}
}

// standing is how the bucket of the API stands.
func (l *RateLimiter) standing(tenant TenantID) RateStanding {
	b := l.bucket(tenant, RequestAPI)
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.standing(time.Now())
}

// limit is that of a tenant as of the last Reread.
func (l *RateLimiter) limit(tenant TenantID, kind RequestKind) RateLimit {
	return LimitOf((*l.settings.Load())[tenant], l.defaults, kind)
}

func (l *RateLimiter) bucket(tenant TenantID, kind RequestKind) *sharedBucket {
	key := bucketKey{tenant, kind}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[key]
	if b == nil {
		now := time.Now()
		b = &sharedBucket{limiter: l, key: key, limit: l.limit(tenant, kind), levelAt: now, used: now}
		b.level = float64(b.limit.Burst)
		l.buckets[key] = b
	}
	return b
}

// all returns the buckets that requests came for.
func (l *RateLimiter) all() []*sharedBucket {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]*sharedBucket, 0, len(l.buckets))
	for _, b := range l.buckets {
		list = append(list, b)
	}
	return list
}

// Reread reads what limits are set to. It tells buckets whose limit has changed.
func (l *RateLimiter) Reread(ctx context.Context) error {
	settings, err := l.store.AllLimitSettings(ctx)
	if err != nil {
		return fmt.Errorf("read the limits of tenants: %w", err)
	}
	l.settings.Store(&settings)
	for _, b := range l.all() {
		b.limitIs(l.limit(b.key.tenant, b.key.kind))
	}
	return nil
}

// Recall gives back what this process was lent of a bucket, because another one needs it.
func (l *RateLimiter) Recall(tenant TenantID, kind RequestKind) {
	l.mu.Lock()
	b := l.buckets[bucketKey{tenant, kind}]
	l.mu.Unlock()
	if b != nil {
		b.settle()
	}
}

// bucketIdle is after which silence a process forgets a bucket.
const bucketIdle = 10 * time.Minute

// Run rereads settings every LimitsReread, and whenever changed says so, until ctx ends; then it gives back what was lent. failed is
// told of each reading that failed.
func (l *RateLimiter) Run(ctx context.Context, changed <-chan struct{}, failed func(error)) {
	tick := time.NewTicker(LimitsReread)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			l.Settle() //nolint:contextcheck // it is given back although ctx has ended
			return
		case <-tick.C:
		case <-changed:
		}
		if err := l.Reread(ctx); err != nil && ctx.Err() == nil {
			failed(err)
		}
		l.forget(time.Now().Add(-bucketIdle))
	}
}

// Settle gives back what was lent and waits until that is done.
func (l *RateLimiter) Settle() {
	list := l.all()
	for _, b := range list {
		b.settle()
	}
	for _, b := range list {
		b.await()
	}
}

// forget drops the buckets that nobody asked for since a time.
func (l *RateLimiter) forget(since time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.buckets, func(_ bucketKey, b *sharedBucket) bool { return b.retire(since) })
}
