package posthorn_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"posthorn/internal/posthorn"
)

// rateStore is the database of several limiters.
type rateStore struct {
	mu       sync.Mutex
	buckets  map[string]*posthorn.Bucket
	settings map[posthorn.TenantID]posthorn.LimitSettings
	// listeners are told of recalls.
	listeners []*posthorn.RateLimiter
	// delay is how long an order is on its way, and its answer.
	delay func() time.Duration
	// broken orders fail, before they are carried out or after.
	broken func() (before, after error)
	// orders counts them, lent is the most that was ever lent and left together.
	orders, recalls int
	fullest         float64
}

func newRateStore() *rateStore {
	return &rateStore{
		buckets: map[string]*posthorn.Bucket{}, settings: map[posthorn.TenantID]posthorn.LimitSettings{},
		delay: func() time.Duration { return 0 }, broken: func() (before, after error) { return nil, nil },
	}
}

// ordered is how many orders there were since the beginning, or since countAnew.
func (s *rateStore) ordered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.orders
}

func (s *rateStore) countAnew() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.orders = 0
}

func (s *rateStore) TakeTokens(
	_ context.Context, tenant posthorn.TenantID, kind posthorn.RequestKind, defaults posthorn.RateLimit, o posthorn.BucketOrder,
) (posthorn.BucketAnswer, error) {
	<-time.After(s.delay())
	before, after := s.broken()
	if before != nil {
		return posthorn.BucketAnswer{}, before
	}
	a := s.carryOut(tenant, kind, defaults, o) //nolint:contextcheck // a recall is another process's
	<-time.After(s.delay())
	return a, after
}

func (s *rateStore) carryOut(
	tenant posthorn.TenantID, kind posthorn.RequestKind, defaults posthorn.RateLimit, o posthorn.BucketOrder,
) posthorn.BucketAnswer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.orders++
	key := string(kind) + tenant.String()
	b := s.buckets[key]
	if b == nil {
		b = &posthorn.Bucket{Tokens: math.Inf(1), FilledAt: time.Now()}
		s.buckets[key] = b
	}
	limit := posthorn.LimitOf(s.settings[tenant], defaults, kind)
	a := b.Take(time.Now(), limit, o)
	s.fullest = max(s.fullest, a.Tokens+float64(a.Lent+a.Spare))
	if o.Recall && a.Granted < o.Need && a.Lent > 0 {
		s.recalls++
		for _, l := range s.listeners {
			if l.Holder() != o.Holder {
				go l.Recall(tenant, kind)
			}
		}
	}
	return a
}

func (s *rateStore) AllLimitSettings(context.Context) (map[posthorn.TenantID]posthorn.LimitSettings, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.settings), nil
}

// processes are limiters of several processes on one store.
func (s *rateStore) processes(n int, limit posthorn.RateLimit) []*posthorn.RateLimiter {
	for range n {
		s.listeners = append(s.listeners, posthorn.NewRateLimiter(s, limit))
	}
	return s.listeners
}

// rateJudge notes what was let through.
type rateJudge struct {
	mu       sync.Mutex
	admitted []time.Time
	refused  int
	faults   []error
}

// ask sends a request of the API to a process.
func (j *rateJudge) ask(t *testing.T, l *posthorn.RateLimiter, tenant posthorn.TenantID) {
	t.Helper()
	came := time.Now()
	standing, err := l.Take(t.Context(), tenant, posthorn.RequestAPI)
	j.mu.Lock()
	defer j.mu.Unlock()
	e, _ := errors.AsType[*posthorn.Error](err)
	switch {
	case err == nil:
		j.admitted = append(j.admitted, time.Now())
		if standing.Remaining < 0 || standing.Remaining >= standing.Limit.Burst || standing.Full <= 0 {
			j.faults = append(j.faults, fmt.Errorf("let through with %+v", standing))
		}
	case posthorn.KindOf(err) == posthorn.RateLimited:
		j.refused++
		if standing.Remaining != 0 || standing.Limit.Burst == 0 || !e.RetryAt.After(came) {
			j.faults = append(j.faults, fmt.Errorf("refused with %+v until %s", standing, time.Until(e.RetryAt)))
		}
	default:
		j.faults = append(j.faults, err)
	}
}

// check says where more was let through than one bucket would have, with what may have been late.
func (j *rateJudge) check(t *testing.T, limit posthorn.RateLimit, late time.Duration) {
	t.Helper()
	if len(j.faults) > 0 {
		t.Fatalf("%d faults, the first: %v", len(j.faults), j.faults[0])
	}
	slices.SortFunc(j.admitted, time.Time.Compare)
	perSecond := float64(limit.PerMinute) / 60
	// The most extreme window that ends with a request begins where the ones before it were fewest.
	lowest := math.Inf(1)
	for i, at := range j.admitted {
		seconds := at.Sub(j.admitted[0]).Seconds()
		lowest = min(lowest, float64(i)-seconds*perSecond)
		if over := float64(i+1) - seconds*perSecond - lowest; over > float64(limit.Burst)+late.Seconds()*perSecond+0.001 {
			t.Fatalf("request %d, after %.3f s, is %.2f over a bucket of %d", i+1, seconds, over, limit.Burst)
		}
	}
	for i, at := range j.admitted {
		if n := i - 2*limit.Burst; n >= 0 && late == 0 && limit.Burst == limit.PerMinute && at.Sub(j.admitted[n]) < time.Minute {
			t.Fatalf("%d requests within %s", 2*limit.Burst+1, at.Sub(j.admitted[n]))
		}
	}
}

func TestAHundredAtOncePassAndTheNextIsRefusedHoweverTheyAreSplit(t *testing.T) {
	t.Parallel()
	for _, split := range [][]int{{100}, {50, 50}, {99, 1}, {1, 99}, {34, 33, 33}} {
		synctest.Test(t, func(t *testing.T) {
			s := newRateStore()
			s.delay = func() time.Duration { return rand.N(2 * time.Millisecond) }
			processes, tenant := s.processes(len(split), posthorn.DefaultRateLimit), posthorn.NewTenantID()
			for round := range 2 {
				s.countAnew()
				var j rateJudge
				var work sync.WaitGroup
				for i, n := range split {
					for range n {
						work.Go(func() { j.ask(t, processes[i], tenant) })
					}
				}
				work.Wait()
				if len(j.admitted) != 100 {
					t.Fatalf("%v, round %d: %d of 100 passed, %d refused, %v", split, round, len(j.admitted), j.refused, j.faults)
				}
				for _, l := range processes {
					j.ask(t, l, tenant)
				}
				if j.refused != len(processes) {
					t.Errorf("%v, round %d: %d refused", split, round, j.refused)
				}
				t.Logf("%v, round %d: %d orders for %d requests", split, round, s.ordered(), 100+len(split))
				<-time.After(time.Minute)
			}
			settleAll(processes)
		})
	}
}

func settleAll(processes []*posthorn.RateLimiter) {
	for _, l := range processes {
		l.Settle()
	}
}

func TestAHundredAMinuteAlwaysPass(t *testing.T) {
	t.Parallel()
	for _, processes := range []int{1, 2, 3} {
		synctest.Test(t, func(t *testing.T) {
			s := newRateStore()
			s.delay = func() time.Duration { return rand.N(2 * time.Millisecond) }
			all, tenant := s.processes(processes, posthorn.DefaultRateLimit), posthorn.NewTenantID()
			var j rateJudge
			const n = 1000
			for range n {
				j.ask(t, all[rand.N(len(all))], tenant)
				<-time.After(600 * time.Millisecond)
			}
			j.check(t, posthorn.DefaultRateLimit, 0)
			if len(j.admitted) != n {
				t.Errorf("%d of %d passed", len(j.admitted), n)
			}
			if limit := n * (1 + processes) / 8; s.ordered() > limit {
				t.Errorf("%d orders, want at most %d", s.ordered(), limit)
			}
			t.Logf("%d processes: %.2f orders a request", processes, float64(s.ordered())/n)
			settleAll(all)
		})
	}
}

// One process is as exact as one bucket but for how far apart requests are that are told of together.
func TestOneProcessIsOneBucket(t *testing.T) {
	t.Parallel()
	limit := posthorn.RateLimit{PerMinute: 600, Burst: 100}
	for seed := range uint64(50) {
		synctest.Test(t, func(t *testing.T) {
			s := newRateStore()
			random := rand.New(rand.NewPCG(seed, 1))
			l, tenant := s.processes(1, limit)[0], posthorn.NewTenantID()
			ideal, at := float64(limit.Burst), time.Now()
			for range 2000 {
				pause := time.Duration(random.ExpFloat64() * float64(100*time.Millisecond))
				if random.IntN(100) == 0 {
					pause *= 50
				}
				<-time.After(pause)
				ideal = min(ideal+time.Since(at).Seconds()*10, float64(limit.Burst))
				at = time.Now()
				_, err := l.Take(t.Context(), tenant, posthorn.RequestAPI)
				if err == nil {
					ideal--
				}
				if ideal < -0.001 {
					t.Fatalf("seed %d: let through with %.2f tokens", seed, ideal+1)
				}
				if err != nil && ideal > 1+3 { // 200 ms at 10 a second, and a token that is not whole
					t.Fatalf("seed %d: refused with %.2f tokens", seed, ideal)
				}
			}
			l.Settle()
		})
	}
}

// Processes that come and go, answers that are late or lost, recalls that are not heard: never is more let through than
// one bucket would.
func TestProcessesTogetherNeverLetMoreThroughThanOneBucket(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 2))
			limit := []posthorn.RateLimit{posthorn.DefaultRateLimit, {PerMinute: 60, Burst: 10}, {PerMinute: 600, Burst: 100}, {PerMinute: 1, Burst: 1}}[random.IntN(4)]
			s := newRateStore()
			count := 1 + random.IntN(3)
			all, tenant := s.processes(count, limit), posthorn.NewTenantID()
			if random.IntN(4) == 0 {
				s.listeners = nil // nobody hears
			}
			lost := random.IntN(3) == 0
			s.broken = func() (before, after error) {
				broken := posthorn.Errorf(posthorn.Unavailable, "away")
				switch n := rand.IntN(10); {
				case lost && n == 0:
					return broken, nil
				case lost && n == 1:
					return nil, broken
				}
				return nil, nil
			}
			var j rateJudge
			var work sync.WaitGroup
			for range 200 {
				size := 1 + random.IntN(1+random.IntN(limit.Burst))
				for range size {
					limiter := all[random.IntN(count)]
					work.Go(func() { j.ask(t, limiter, tenant) })
				}
				<-time.After(time.Duration(random.ExpFloat64() * float64(time.Second)))
				switch random.IntN(20) {
				case 0:
					all[random.IntN(count)].Settle()
				case 1:
					all[random.IntN(count)] = posthorn.NewRateLimiter(s, limit) // the other one died
				}
			}
			work.Wait()
			if lost {
				j.faults = slices.DeleteFunc(j.faults, func(err error) bool { return posthorn.KindOf(err) == posthorn.Unavailable })
			}
			j.check(t, limit, 0)
			s.mu.Lock() // others give back what they were lent
			if s.fullest > float64(limit.Burst)+0.001 {
				t.Errorf("there were %.2f tokens, lent ones included", s.fullest)
			}
			t.Logf("seed %d: %d processes, %+v: %d passed, %d refused, %d orders, %d recalls", seed, count, limit, len(j.admitted), j.refused, s.orders, s.recalls)
			s.mu.Unlock()
			<-time.After(20 * time.Second)
			settleAll(all)
		})
	}
}

func TestAnEmptyBucketIsNotAskedForEachRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newRateStore()
		all, tenant := s.processes(2, posthorn.DefaultRateLimit), posthorn.NewTenantID()
		var j rateJudge
		const seconds = 60
		for range seconds * 100 { // 200 a second
			for _, l := range all {
				j.ask(t, l, tenant)
			}
			<-time.After(10 * time.Millisecond)
		}
		j.check(t, posthorn.DefaultRateLimit, 0)
		if got := len(j.admitted); got < 195 || got > 200 {
			t.Errorf("%d passed in a minute", got)
		}
		// The tokens of the first moments are asked for one by one: what comes in them has no pace yet.
		if s.ordered() > 2*(seconds*2+10)+2*posthorn.DefaultRateLimit.Burst {
			t.Errorf("%d orders for %d requests", s.ordered(), seconds*200)
		}
		t.Logf("%d orders for %d requests, of which %d passed", s.ordered(), seconds*200, len(j.admitted))
		settleAll(all)
	})
}

// What a process was lent and did not spend comes back when another one needs it, and lapses when it died.
func TestALeaseIsRecalledOrLapses(t *testing.T) {
	t.Parallel()
	for _, dead := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newRateStore()
			all, tenant := s.processes(2, posthorn.DefaultRateLimit), posthorn.NewTenantID()
			var before, burst rateJudge
			for range 3 {
				before.ask(t, all[0], tenant)
				<-time.After(500 * time.Millisecond)
			}
			if dead {
				s.listeners = all[1:]
			}
			<-time.After(1500 * time.Millisecond) // now one bucket has 100 tokens again, but for a lease of 5
			began := time.Now()
			var work sync.WaitGroup
			for range 100 {
				work.Go(func() { burst.ask(t, all[1], tenant) })
			}
			work.Wait()
			want := 100
			if dead {
				want = 95
			}
			if len(burst.admitted) != want || time.Since(began) > 550*time.Millisecond {
				t.Errorf("dead %v: %d passed within %s", dead, len(burst.admitted), time.Since(began))
			}
			<-time.After(time.Minute)
			settleAll(all)
			burst = rateJudge{}
			for range 101 {
				burst.ask(t, all[1], tenant)
			}
			if len(burst.admitted) != 100 {
				t.Errorf("dead %v: a minute later %d pass", dead, len(burst.admitted))
			}
			settleAll(all)
		})
	}
}

func TestPublishingIsCountedAloneAndOnlyWhereItHasALimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newRateStore()
		l, free, limited := s.processes(1, posthorn.DefaultRateLimit)[0], posthorn.NewTenantID(), posthorn.NewTenantID()
		s.settings[limited] = posthorn.LimitSettings{PublishRate: new(60), PublishBurst: new(3)}
		if err := l.Reread(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 1000 {
			standing, err := l.Take(t.Context(), free, posthorn.RequestPublish)
			if want := (posthorn.RateStanding{Limit: posthorn.DefaultRateLimit, Remaining: 100}); err != nil || standing != want {
				t.Fatalf("%+v, %v", standing, err)
			}
		}
		if s.ordered() != 0 {
			t.Errorf("%d orders although publishing has no limit", s.ordered())
		}
		for i := range 4 {
			standing, err := l.Take(t.Context(), limited, posthorn.RequestPublish)
			if (posthorn.KindOf(err) == posthorn.RateLimited) != (i == 3) || standing.Limit.Burst != 3 {
				t.Errorf("request %d: %+v, %v", i+1, standing, err)
			}
			if i == 3 && !strings.Contains(err.Error(), "60 requests that publish a minute, and 3 at once. Try again in 1 second.") {
				t.Error(err)
			}
		}
		if standing, err := l.Take(t.Context(), limited, posthorn.RequestAPI); err != nil || standing.Remaining != 99 {
			t.Errorf("the API: %+v, %v", standing, err)
		}
		l.Settle()
	})
}

func TestALimitThatIsRaisedHoldsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newRateStore()
		l, tenant := s.processes(1, posthorn.RateLimit{PerMinute: 1, Burst: 1})[0], posthorn.NewTenantID()
		var j rateJudge
		for range 3 {
			j.ask(t, l, tenant)
		}
		if len(j.admitted) != 1 {
			t.Fatalf("%d passed", len(j.admitted))
		}
		s.settings[tenant] = posthorn.LimitSettings{APIRate: new(6000), APIBurst: new(10)}
		changed, stop := make(chan struct{}), make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			l.Run(ctx, changed, func(err error) { t.Error(err) })
			close(stop)
		}()
		changed <- struct{}{}
		<-time.After(50 * time.Millisecond)
		for range 6 {
			j.ask(t, l, tenant)
		}
		if len(j.admitted) != 1+5 {
			t.Errorf("%d passed, want the five tokens of 50 ms", len(j.admitted)-1)
		}
		cancel()
		<-stop
	})
}

func TestWithoutADatabaseRequestsAreNeitherLetThroughNorCalledTooMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newRateStore()
		l, tenant := s.processes(1, posthorn.DefaultRateLimit)[0], posthorn.NewTenantID()
		away := posthorn.Errorf(posthorn.Unavailable, "away")
		s.broken = func() (before, after error) { return away, nil }
		standing, err := l.Take(t.Context(), tenant, posthorn.RequestAPI)
		if !errors.Is(err, away) || posthorn.KindOf(err) != posthorn.Unavailable || standing.Limit != posthorn.DefaultRateLimit {
			t.Errorf("%+v, %v", standing, err)
		}
		s.broken = func() (before, after error) { return nil, nil }
		if _, err := l.Take(t.Context(), tenant, posthorn.RequestAPI); err != nil {
			t.Errorf("after it came back: %v", err)
		}
	})
}

func TestAClockThatIsSetBackStopsNothing(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	holder := uuid.New()
	b := posthorn.Bucket{Tokens: 0, FilledAt: now, Leases: map[uuid.UUID]posthorn.BucketLease{uuid.New(): {Tokens: 5, Until: now.Add(15 * time.Second)}}}
	take := func(at time.Time) int {
		return b.Take(at, posthorn.DefaultRateLimit, posthorn.BucketOrder{Holder: holder, Need: 200}).Granted
	}
	if n := take(now.Add(-time.Hour)); n != 0 {
		t.Errorf("%d tokens from the past", n)
	}
	if n := take(now.Add(-time.Hour + 6*time.Second)); n != 10 {
		t.Errorf("%d tokens in six seconds", n)
	}
	if n := take(now.Add(-time.Hour + 2*time.Minute)); n != 100 {
		t.Errorf("%d tokens in two minutes, of which the dead process holds none", n)
	}
}
