package dispatch_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/dispatch"
	"posthorn/internal/posthorn"
)

// fastP99 publishes a delivery every 5 ms for 40 seconds to a webhook that answers in 20 ms, beside what disturb does, and
// returns how long 99 of 100 took at most from being published to being answered.
func fastP99(t *testing.T, o dispatch.Options, disturb func(s *fakeStore, r *receivers, d *dispatch.Dispatcher)) time.Duration {
	t.Helper()
	var p99 time.Duration
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		o.Store, o.Sender = s, r
		d, _ := start(t, o)
		fast := s.webhook(t, "https://fast", nil)
		r.on("https://fast", takes(20*time.Millisecond, 200))
		offer(s, d, fast, 1)
		pass(t, time.Second)
		disturb(s, r, d)
		var jobs []posthorn.Job
		for range 40 * 200 {
			jobs = append(jobs, offer(s, d, fast, 1)...)
			pass(t, 5*time.Millisecond)
		}
		pass(t, 2*time.Minute)
		var took []time.Duration
		for _, j := range jobs {
			results := s.attempts[j.DeliveryID]
			if len(results) != 1 {
				t.Fatalf("%d results", len(results))
			}
			took = append(took, results[0].Outcome.StartedAt.Add(results[0].Outcome.Total).Sub(j.OccurredAt))
		}
		slices.Sort(took)
		p99 = took[len(took)*99/100]
	})
	return p99
}

func TestWebhooksThatHangDoNotSlowAnotherDown(t *testing.T) {
	t.Parallel()
	alone := fastP99(t, dispatch.Options{}, func(*fakeStore, *receivers, *dispatch.Dispatcher) {})
	if alone != 20*time.Millisecond {
		t.Fatalf("alone it takes %v", alone)
	}
	for _, c := range []struct {
		name             string
		hanging, backlog int
		inFlight         int
		options          dispatch.Options
	}{
		{"one with 10,000 queued", 1, 10_000, 32, dispatch.Options{}},
		{"one that may have every slot", 1, 10_000, 512, dispatch.Options{}},
		{"more of them than there are slots", 40, 500, 32, dispatch.Options{}},
		{"few slots and little room", 10, 200, 32, dispatch.Options{Concurrency: 64, Queue: 128}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			beside := fastP99(t, c.options, func(s *fakeStore, r *receivers, d *dispatch.Dispatcher) {
				for i := range c.hanging {
					url := fmt.Sprintf("https://hangs-%d", i)
					id := s.webhook(t, url, func(w *posthorn.Webhook) { w.MaxInFlight = c.inFlight })
					r.on(url, hangs(15*time.Second))
					s.publish(id, c.backlog/2, nil)
					offer(s, d, id, c.backlog/2)
				}
			})
			if beside > 2*alone {
				t.Errorf("p99 is %v alone and %v beside", alone, beside)
			}
		})
	}
}

func TestAWebhookOfItsOwnBacklogSharesWithOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		large, small := s.webhook(t, "https://large", nil), s.webhook(t, "https://small", nil)
		r.on("https://large", takes(100*time.Millisecond, 200))
		r.on("https://small", takes(100*time.Millisecond, 200))
		s.publish(large, 20_000, nil)
		s.publish(small, 50, nil)
		start(t, dispatch.Options{Store: s, Sender: r, Concurrency: 16, Queue: 100})
		pass(t, 2*time.Second)
		if n := r.count("https://small"); n != 50 {
			t.Errorf("%d of 50 sent beside a backlog", n)
		}
	})
}
