package dispatch_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/dispatch"
	"posthorn/internal/posthorn"
)

// Whatever goes wrong in two days: every delivery ends, none is counted more often than it may, and no limit is broken.
func TestNothingIsLostWhateverGoesWrong(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { chaos(t, rand.New(rand.NewPCG(seed, 0))) })
		})
	}
}

func chaos(t *testing.T, chance *rand.Rand) {
	t.Helper()
	s, r := newStore(), newReceivers()
	var mu sync.Mutex // chance has one user at a time
	below := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return chance.IntN(n)
	}
	failing := false
	s.err = func(string) error {
		if failing || below(50) == 0 {
			return errAway
		}
		return nil
	}
	var ids []posthorn.WebhookID
	urls := map[string]int{}
	for i := range 8 {
		url := fmt.Sprintf("https://hook-%d", i)
		most := 1 + below(40)
		urls[url] = most
		ids = append(ids, s.webhook(t, url, func(w *posthorn.Webhook) {
			w.MaxInFlight, w.MaxAttempts = most, 1+below(10)
			w.RateLimit = below(2) * (20 + below(100))
		}))
		r.on(url, func(ctx context.Context, _ int) posthorn.Outcome {
			if !sleep(ctx, time.Duration(below(3000))*time.Millisecond) {
				return posthorn.Outcome{Interrupted: true}
			}
			switch below(12) {
			case 0:
				return posthorn.Outcome{StatusCode: 500}
			case 1:
				return posthorn.Outcome{ErrorClass: posthorn.ErrorReset}
			case 2:
				return posthorn.Outcome{StatusCode: 503, RetryAfter: time.Duration(below(60)) * time.Second}
			case 3:
				return posthorn.Outcome{StatusCode: 404}
			}
			return posthorn.Outcome{StatusCode: 200}
		})
	}
	published := 0
	for range 20 {
		// A process lives for a while, and ends or dies.
		port := &cutOff{Store: s}
		d, err := dispatch.New(dispatch.Options{Store: port, Sender: r, Concurrency: 64, Queue: 200, Endpoints: 4})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		for range 20 {
			id := ids[below(len(ids))]
			n := 1 + below(40)
			published += n
			if below(3) == 0 {
				s.publish(id, n, nil)
				d.Wake()
			} else {
				offer(s, d, id, n)
			}
			if below(10) == 0 {
				outage := below(2) == 0
				s.locked(func() { failing = outage })
			}
			pass(t, time.Duration(below(5000))*time.Millisecond)
		}
		torn := below(2) == 0
		if torn {
			port.cut()
		}
		cancel()
		if err := <-ended; err != nil && !torn {
			t.Errorf("Run: %v", err)
		}
	}
	s.locked(func() { failing = false })
	start(t, dispatch.Options{Store: s, Sender: r})
	for hours := 0; s.left() > 0 && hours < 200; hours++ {
		pass(t, time.Hour)
	}
	if s.left() != 0 || len(s.final) != published {
		t.Fatalf("%d of %d left", s.left(), published)
	}
	for id, results := range s.attempts {
		allowed := s.webhooks[results[0].Job.WebhookID].Webhook.MaxAttempts
		for i, result := range results {
			last := i == len(results)-1
			if result.Job.Attempt != i+1 || (result.Decision.State == posthorn.DeliveryPending) == last || i >= allowed {
				t.Errorf("%s: attempt %d of %d is counted as %d: %+v", id, i+1, len(results), result.Job.Attempt, result.Decision)
			}
		}
	}
	for url, most := range urls {
		if r.peak(url) > most {
			t.Errorf("%s: %d at once, allowed are %d", url, r.peak(url), most)
		}
	}
}
