package postgres_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
	"posthorn/internal/testkit"
)

// limiters are the rate limiters of several processes on a database, which hear each other until the test ends.
func limiters(t *testing.T, db *postgres.DB, n int, limit posthorn.RateLimit) []*posthorn.RateLimiter {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var work sync.WaitGroup
	all := make([]*posthorn.RateLimiter, n)
	for i := range all {
		l := posthorn.NewRateLimiter(postgres.NewRateLimits(db), limit)
		changed, listening := make(chan struct{}, 1), make(chan struct{})
		hints := postgres.NewHints(db, slog.New(slog.DiscardHandler), func() {})
		heard := postgres.HeardRateLimits(l, func() {
			select {
			case changed <- struct{}{}:
			default:
			}
		})
		first := sync.OnceFunc(func() { close(listening) })
		hints.On(postgres.RateLimitsChannel, func(payload string) {
			heard(payload)
			first()
		})
		work.Go(func() { hints.RunListener(ctx) })
		work.Go(func() { l.Run(ctx, changed, func(err error) { t.Error(err) }) })
		<-listening
		all[i] = l
	}
	t.Cleanup(func() {
		cancel()
		work.Wait()
	})
	return all
}

// addTenant adds a tenant to a database.
func addTenant(t *testing.T, db *postgres.DB) posthorn.TenantID {
	t.Helper()
	tenant := posthorn.NewTenantID()
	if _, err := db.Pool().Exec(t.Context(), `INSERT INTO tenants (id, name) VALUES ($1, 'Second')`, tenant.UUID()); err != nil {
		t.Fatal(err)
	}
	return tenant
}

// takeAtOnce sends requests to limiters at the same time and returns how many passed.
func takeAtOnce(t *testing.T, all []*posthorn.RateLimiter, tenant posthorn.TenantID, split ...int) (passed int) {
	t.Helper()
	var mu sync.Mutex
	var work sync.WaitGroup
	for i, n := range split {
		for range n {
			work.Go(func() {
				standing, err := all[i].Take(t.Context(), tenant, posthorn.RequestAPI)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					passed++
				case posthorn.KindOf(err) != posthorn.RateLimited || standing.Remaining != 0:
					t.Errorf("%+v, %v", standing, err)
				}
			})
		}
	}
	work.Wait()
	return passed
}

func TestTwoProcessesShareOneBucketHoweverRequestsAreSplit(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	// So slow that nothing comes in while the test runs.
	all := limiters(t, db, 2, posthorn.RateLimit{PerMinute: 1, Burst: 100})
	for _, split := range [][]int{{100, 0}, {50, 50}, {1, 99}, {80, 20}} {
		tenant := addTenant(t, db)
		if n := takeAtOnce(t, all, tenant, split...); n != 100 {
			t.Errorf("%v: %d of 100 passed", split, n)
		}
		if n := takeAtOnce(t, all, tenant, 20, 20); n != 0 {
			t.Errorf("%v: %d more passed", split, n)
		}
	}
}

// The one that has a lease is asked for it, and the other needs it.
func TestALeaseOfAnotherProcessIsRecalled(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	all := limiters(t, db, 2, posthorn.RateLimit{PerMinute: 1, Burst: 100})
	tenant := addTenant(t, db)
	for i := range 2 {
		if i > 0 {
			<-time.After(1100 * time.Millisecond) // a pace is found over a second, and a lease for it
		}
		if n := takeAtOnce(t, all, tenant, 1); n != 1 {
			t.Fatal("the first requests do not pass")
		}
	}
	if leases := selectAll[int](t, db, `SELECT count(*) FROM rate_limits WHERE leases <> '{}'`)[0]; leases != 1 {
		t.Fatalf("%d buckets have leases", leases)
	}
	began := time.Now()
	if n := takeAtOnce(t, all, tenant, 0, 98); n != 98 {
		t.Errorf("%d of 98 passed", n)
	}
	t.Logf("within %s", time.Since(began))
}

func TestTheBucketOfATenantAndKindIsItsOwn(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	store := postgres.NewRateLimits(db)
	limits := posthorn.NewLimits(store, posthorn.DefaultRateLimit)
	first, second := addTenant(t, db), addTenant(t, db)
	if _, err := limits.Set(t.Context(), posthorn.CommandLine(), first, posthorn.LimitSettings{PublishRate: new(1), PublishBurst: new(7)}); err != nil {
		t.Fatal(err)
	}
	order := posthorn.BucketOrder{Holder: uuid.New(), Need: 1000}
	for _, c := range []struct {
		tenant posthorn.TenantID
		kind   posthorn.RequestKind
		want   int
	}{
		{first, posthorn.RequestAPI, 100},
		{first, posthorn.RequestPublish, 7},
		{second, posthorn.RequestAPI, 100},
		{second, posthorn.RequestPublish, 1000},
		{first, posthorn.RequestAPI, 0},
		{first, posthorn.RequestPublish, 0},
		{second, posthorn.RequestPublish, 1000},
	} {
		a, err := store.TakeTokens(t.Context(), c.tenant, c.kind, posthorn.RateLimit{PerMinute: 1, Burst: 100}, order)
		if err != nil || a.Granted != c.want {
			t.Errorf("%s %s: %+v, %v, want %d", c.tenant, c.kind, a, err, c.want)
		}
	}
	if _, err := store.TakeTokens(t.Context(), posthorn.NewTenantID(), posthorn.RequestAPI, posthorn.DefaultRateLimit, order); err == nil {
		t.Error("a tenant that there is none of has a bucket")
	}
	if n := takeAtOnce(t, limiters(t, db, 1, posthorn.DefaultRateLimit), addTenant(t, db), 1); n != 1 {
		t.Error("the connections are left in a transaction that failed")
	}
}

func TestASettingIsKeptWithItsAuditEntryAndHoldsInEveryProcess(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	defaults := posthorn.RateLimit{PerMinute: 1, Burst: 10}
	all := limiters(t, db, 2, defaults)
	limits := posthorn.NewLimits(postgres.NewRateLimits(db), defaults)
	tenant := addTenant(t, db)
	if n := takeAtOnce(t, all, tenant, 10, 10); n != 10 {
		t.Fatalf("%d passed", n)
	}
	in := posthorn.LimitSettings{APIBurst: new(25), PublishRate: new(60), PublishBurst: new(2)}
	want := posthorn.TenantLimits{
		Set: in, Defaults: defaults, API: posthorn.RateLimit{PerMinute: 1, Burst: 25}, Publish: posthorn.RateLimit{PerMinute: 60, Burst: 2},
	}
	for range 2 { // the second time it is so already
		got, err := limits.Set(t.Context(), posthorn.CommandLine(), tenant, in)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Fatal(err, diff)
		}
	}
	if got, err := limits.Get(t.Context(), tenant); err != nil || cmp.Diff(want, got) != "" {
		t.Error(err, cmp.Diff(want, got))
	}
	if n := selectAll[int](t, db, `SELECT count(*) FROM audit_log WHERE action = 'tenant.limits_updated' AND subject = '`+tenant.String()+`'
		AND before->>'apiBurst' IS NULL AND after->>'apiBurst' = '25' AND after->>'publishRate' = '60'`)[0]; n != 1 {
		t.Errorf("%d audit entries", n)
	}
	// The hint is on its way; at worst a request is refused that is let through a moment later.
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	passed := 0
	for end := time.After(20 * time.Second); passed < 15; {
		select {
		case <-look.C:
			passed += takeAtOnce(t, all, tenant, 1, 1)
		case <-end:
			t.Fatalf("%d of 15 more passed", passed)
		}
	}
	if n := takeAtOnce(t, all, tenant, 5, 5); n != 0 {
		t.Errorf("%d passed beyond the larger burst", n)
	}
	for i, l := range all {
		standing, err := l.Take(t.Context(), tenant, posthorn.RequestPublish)
		if err != nil || standing.Limit.Burst != 2 {
			t.Errorf("publishing at process %d: %+v, %v", i, standing, err)
		}
	}
	if _, err := limits.Get(t.Context(), posthorn.NewTenantID()); posthorn.KindOf(err) != posthorn.NotFound {
		t.Errorf("a tenant that there is none of: %v", err)
	}
	if _, err := limits.Set(t.Context(), posthorn.CommandLine(), posthorn.NewTenantID(), in); posthorn.KindOf(err) != posthorn.NotFound {
		t.Errorf("a tenant that there is none of: %v", err)
	}
}

func TestWhileTheDatabaseIsAwayRequestsThatNeedItAreUnavailable(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	tenant := addTenant(t, db)
	l := posthorn.NewRateLimiter(postgres.NewRateLimits(db), posthorn.DefaultRateLimit)
	db.Close()
	if _, err := l.Take(t.Context(), tenant, posthorn.RequestAPI); err == nil || posthorn.KindOf(err) == posthorn.RateLimited {
		t.Errorf("%v", err)
	}
	if err := l.Reread(t.Context()); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// BenchmarkTakeTokens is the cost of asking a bucket, and of a request that is let through by a lease or refused by what is known.
func BenchmarkTakeTokens(b *testing.B) {
	db, tenant := newTenant(b)
	most := posthorn.RateLimit{PerMinute: posthorn.MaxRequestRate, Burst: posthorn.MaxRequestRate}
	store, holder := postgres.NewRateLimits(db), uuid.New()
	b.Run("query", func(b *testing.B) {
		for b.Loop() {
			if _, err := store.TakeTokens(b.Context(), tenant, posthorn.RequestAPI, most, posthorn.BucketOrder{Holder: holder, Need: 1}); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, limit := range map[string]posthorn.RateLimit{"leased": most, "refused": {PerMinute: 1, Burst: 1}} {
		b.Run(name, func(b *testing.B) {
			l := posthorn.NewRateLimiter(store, limit)
			defer l.Settle()
			for b.Loop() {
				if _, err := l.Take(b.Context(), tenant, posthorn.RequestAPI); err != nil && posthorn.KindOf(err) != posthorn.RateLimited {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("publishing without a limit", func(b *testing.B) {
		l := posthorn.NewRateLimiter(store, most)
		for b.Loop() {
			if _, err := l.Take(b.Context(), tenant, posthorn.RequestPublish); err != nil {
				b.Fatal(err)
			}
		}
	})
}
