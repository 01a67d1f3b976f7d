package dispatch_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/dispatch"
	"posthorn/internal/posthorn"
)

// most returns how many of the times lie within any window.
func most(times []time.Time, window time.Duration) int {
	n, from := 0, 0
	for i, at := range times {
		for at.Sub(times[from]) >= window {
			from++
		}
		n = max(n, i-from+1)
	}
	return n
}

func TestTheRateOfAWebhookIsKeptInEverySecond(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ rate, ceiling, jobs int }{
		{1, 1, 30}, {3, 3, 60}, {50, 50, 1000}, {1000, 1010, 10_000},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, r := newStore(), newReceivers()
			d, _ := start(t, dispatch.Options{Store: s, Sender: r})
			id := s.webhook(t, "https://a", func(w *posthorn.Webhook) { w.RateLimit = c.rate })
			r.on("https://a", takes(time.Millisecond, 200))
			began := time.Now()
			offer(s, d, id, c.jobs/2)
			s.publish(id, c.jobs/2, nil)
			d.Wake()
			pass(t, 3*time.Minute)
			times := r.times("https://a")
			if s.left() != 0 || len(times) != c.jobs {
				t.Fatalf("rate %d: %d left, %d sent", c.rate, s.left(), len(times))
			}
			if n := most(times, time.Second); n > c.ceiling {
				t.Errorf("rate %d: %d in a second", c.rate, n)
			}
			if took, want := times[len(times)-1].Sub(began), time.Duration(c.jobs/c.rate)*time.Second; took > want*3/2+2*time.Second {
				t.Errorf("rate %d: took %v, want %v", c.rate, took, want)
			}
		})
	}
}

func TestAWebhookThatKeepsFailingIsProbedUntilItIsWell(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		d, _ := start(t, dispatch.Options{Store: s, Sender: r})
		id := s.webhook(t, "https://a", nil)
		began := time.Now()
		recovery := began.Add(30 * time.Minute)
		r.on("https://a", func(ctx context.Context, n int) posthorn.Outcome {
			if time.Now().Before(recovery) {
				return takes(100*time.Millisecond, 503)(ctx, n)
			}
			return takes(100*time.Millisecond, 200)(ctx, n)
		})
		s.publish(id, 2000, nil)
		offer(s, d, id, 2000)
		pass(t, 30*time.Minute)
		times := r.times("https://a")
		// 32 at first, and as many more as end before ten have failed; then pauses of 1, 2, 4 … 256, 300, 300 … seconds.
		first := most(times, 500*time.Millisecond)
		if n := len(times) - first; first > 41 || n < 10 || n > 16 {
			t.Errorf("%d attempts, and %d probes in half an hour", first, n)
		}
		for i := first + 1; i < len(times); i++ {
			if gap := times[i].Sub(times[i-1]); gap > 6*time.Minute+time.Second || gap < 900*time.Millisecond {
				t.Errorf("probe %d came %v after the one before", i-first, gap)
			}
		}
		if n := d.Stats().Released; n > 4000+16*100 {
			t.Errorf("%d leases went back and forth", n)
		}
		pass(t, 6*time.Minute)
		// Opened by one success, slowly at first; what has failed before waits for its own time.
		if n := r.count("https://a") - len(times); n < 3900 {
			t.Errorf("%d sent since it is well", n)
		}
		pass(t, time.Hour)
		if s.left() != 0 {
			t.Errorf("%d left", s.left())
		}
	})
}

func TestTheFirstAttemptAfterARestartIsAProbeWhereItFailedBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		id := s.webhook(t, "https://a", nil)
		s.webhooks[id].FailingSince = time.Now()
		r.on("https://a", takes(time.Second, 503))
		d, _ := start(t, dispatch.Options{Store: s, Sender: r})
		offer(s, d, id, 100)
		pass(t, 1500*time.Millisecond)
		if n := r.count("https://a"); n != 1 {
			t.Errorf("%d attempts at once", n)
		}
	})
}

func TestAnEndpointThatRefusesDeliveriesIsNotPaused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		d, _ := start(t, dispatch.Options{Store: s, Sender: r})
		id := s.webhook(t, "https://a", nil)
		r.on("https://a", takes(100*time.Millisecond, 422))
		offer(s, d, id, 320)
		pass(t, 1100*time.Millisecond)
		if s.left() != 0 || r.count("https://a") != 320 {
			t.Errorf("%d left", s.left())
		}
	})
}

func TestAnEndpointThatFailsNowAndThenIsNotPaused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		d, _ := start(t, dispatch.Options{Store: s, Sender: r})
		id := s.webhook(t, "https://a", nil)
		r.on("https://a", func(ctx context.Context, n int) posthorn.Outcome {
			return takes(100*time.Millisecond, map[bool]int{true: 500, false: 200}[n%4 == 0])(ctx, n)
		})
		offer(s, d, id, 320)
		pass(t, 1100*time.Millisecond)
		if n := r.count("https://a"); n < 320 {
			t.Errorf("%d attempts", n)
		}
	})
}

func TestAnEndpointIsLeftAloneForAsLongAsItAsks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		after  time.Duration
		quiet  time.Duration
	}{
		{429, 0, 10 * time.Second},
		{429, time.Minute, time.Minute},
		{502, 0, time.Second},
		{504, 0, time.Second},
		{502, 20 * time.Second, 20 * time.Second},
		{503, 30 * time.Second, 30 * time.Second},
		{429, 3 * time.Hour, 3 * time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, r := newStore(), newReceivers()
			d, _ := start(t, dispatch.Options{Store: s, Sender: r})
			id := s.webhook(t, "https://a", func(w *posthorn.Webhook) { w.MaxInFlight = 4; w.RetryOn = []int{429} })
			began := time.Now()
			r.on("https://a", func(context.Context, int) posthorn.Outcome {
				if time.Since(began) < time.Millisecond {
					return posthorn.Outcome{StatusCode: c.status, RetryAfter: c.after}
				}
				return posthorn.Outcome{StatusCode: 200}
			})
			s.publish(id, 200, nil)
			offer(s, d, id, 50)
			pass(t, time.Second/2)
			first := r.count("https://a")
			if first < 1 || first > 4 {
				t.Errorf("%d %v: %d attempts before it was heard", c.status, c.after, first)
			}
			offer(s, d, id, 50)
			pass(t, c.quiet+10*time.Minute)
			times := r.times("https://a")
			if len(times) != 300+first || s.left() != 0 {
				t.Fatalf("%d %v: %d attempts, %d left", c.status, c.after, len(times), s.left())
			}
			if quiet := times[first].Sub(began); quiet < c.quiet || quiet > c.quiet+3*time.Second {
				t.Errorf("%d %v: left alone for %v", c.status, c.after, quiet)
			}
		})
	}
}

func TestWhatAnotherDispatcherWasAskedIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		id := s.webhook(t, "https://a", nil)
		s.webhooks[id].ThrottledUntil = time.Now().Add(time.Hour)
		d, _ := start(t, dispatch.Options{Store: s, Sender: r})
		offer(s, d, id, 10)
		pass(t, time.Hour-time.Second)
		if n := r.count("https://a"); n != 0 {
			t.Errorf("%d attempts", n)
		}
		pass(t, time.Minute)
		if s.left() != 0 {
			t.Errorf("%d left", s.left())
		}
	})
}

func TestAPausedWebhookSendsNothingAndGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	for _, told := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s, r := newStore(), newReceivers()
			d, _ := start(t, dispatch.Options{Store: s, Sender: r})
			id := s.webhook(t, "https://a", func(w *posthorn.Webhook) { w.MaxInFlight = 1 })
			r.on("https://a", takes(time.Second, 200))
			set := func(state posthorn.WebhookState) {
				s.change(id, func(w *posthorn.Webhook) {
					w.Status = posthorn.WebhookStatus{State: state, Since: time.Now()}
				})
				if told {
					d.Changed(id)
				}
			}
			offer(s, d, id, 60)
			pass(t, 2500*time.Millisecond)
			set(posthorn.WebhookInactive)
			pass(t, 6*time.Second)
			paused := r.count("https://a")
			if most := map[bool]int{true: 3, false: 9}[told]; paused > most {
				t.Errorf("told %v: %d attempts until it was noticed", told, paused)
			}
			offer(s, d, id, 5)
			pass(t, time.Hour)
			if n := r.count("https://a"); n != paused || s.left() == 0 || s.leased() != 0 {
				t.Errorf("told %v: %d attempts, %d left, %d leased", told, n, s.left(), s.leased())
			}
			set(posthorn.WebhookActive)
			pass(t, 8*time.Second)
			if r.count("https://a") == paused {
				t.Errorf("told %v: nothing sent in the first seconds", told)
			}
			pass(t, 2*time.Minute)
			if s.left() != 0 || r.count("https://a") != 65 {
				t.Errorf("told %v: %d left, %d attempts", told, s.left(), r.count("https://a"))
			}
		})
	}
}

func TestAWebhookThatIsGoneIsStoppedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		d, _ := start(t, dispatch.Options{Store: s, Sender: r})
		id := s.webhook(t, "https://a", func(w *posthorn.Webhook) { w.MaxInFlight = 2 })
		r.on("https://a", takes(time.Second, 410))
		offer(s, d, id, 50)
		s.publish(id, 50, nil)
		pass(t, time.Hour)
		if n := r.count("https://a"); n != 2 || s.left() != 98 || s.leased() != 0 {
			t.Errorf("%d attempts, %d left, %d leased", n, s.left(), s.leased())
		}
		if w := s.webhooks[id].Webhook; w.Status.State != posthorn.WebhookDisabled || w.Status.Reason != "The endpoint answered 410 Gone" {
			t.Errorf("status %+v", w.Status)
		}
	})
}

func TestJobsOfADeletedWebhookGoBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		d, _ := start(t, dispatch.Options{Store: s, Sender: r})
		id := s.webhook(t, "https://a", nil)
		lease := d.NewLease()
		jobs := s.publish(id, 10, &lease)
		tests := s.publish(id, 2, &lease, func(j *posthorn.Job) { j.Test = true })
		s.locked(func() { delete(s.webhooks, id); delete(s.due, id) })
		d.Offer(jobs)
		d.Offer(tests)
		pass(t, time.Minute)
		if d.Stats().Released != 12 || d.Stats().Queued != 0 || d.Stats().Attempts != 0 {
			t.Errorf("stats %+v", d.Stats())
		}
	})
}

func TestATestIsSentWhateverTheStateAndSaysNothingOfIt(t *testing.T) {
	t.Parallel()
	test := func(j *posthorn.Job) { j.Test = true }
	for name, edit := range map[string]func(e *posthorn.Endpoint){
		"active":    func(*posthorn.Endpoint) {},
		"inactive":  func(e *posthorn.Endpoint) { e.Webhook.Status.State = posthorn.WebhookInactive },
		"disabled":  func(e *posthorn.Endpoint) { e.Webhook.Status.State = posthorn.WebhookDisabled },
		"throttled": func(e *posthorn.Endpoint) { e.ThrottledUntil = time.Now().Add(time.Hour) },
	} {
		synctest.Test(t, func(t *testing.T) {
			s, r := newStore(), newReceivers()
			id := s.webhook(t, "https://a", nil)
			edit(s.webhooks[id])
			r.on("https://a", takes(time.Second, 503))
			d, _ := start(t, dispatch.Options{Store: s, Sender: r})
			jobs := append(offer(s, d, id, 20, test), s.publish(id, 1, nil, test)...)
			d.Wake()
			pass(t, 3*time.Second)
			for _, j := range jobs {
				if got := s.final[j.DeliveryID].Reason; got != "Failed after 1 attempt: HTTP 503 Service Unavailable" {
					t.Fatalf("%s: %q", name, got)
				}
			}
			// Twenty failures of tests, and the lane is as open as before.
			r.on("https://a", takes(time.Second, 200))
			offer(s, d, id, 32)
			pass(t, 1100*time.Millisecond)
			if sent := r.count("https://a") - 21; sent != map[string]int{"active": 32}[name] {
				t.Errorf("%s: %d sent afterwards", name, sent)
			}
		})
	}
}

func TestAChangedAddressIsANewBeginning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		d, _ := start(t, dispatch.Options{Store: s, Sender: r})
		id := s.webhook(t, "https://down", nil)
		r.on("https://down", takes(time.Millisecond, 503))
		s.publish(id, 500, nil)
		pass(t, 10*time.Minute)
		s.change(id, func(w *posthorn.Webhook) { w.URL = "https://up" })
		s.locked(func() { s.webhooks[id].FailingSince = time.Time{} })
		d.Changed(id)
		pass(t, 2*time.Second)
		if n := r.count("https://up"); n < 400 {
			t.Errorf("%d sent to the new address", n)
		}
	})
}

func TestAJobOfANewerRevisionIsNotSentByAnOlderOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		d, _ := start(t, dispatch.Options{Store: s, Sender: r})
		id := s.webhook(t, "https://old", nil)
		offer(s, d, id, 100)
		pass(t, time.Second)
		s.change(id, func(w *posthorn.Webhook) { w.URL = "https://new" })
		offer(s, d, id, 100)
		pass(t, time.Second)
		if r.count("https://old") != 100 || r.count("https://new") != 100 {
			t.Errorf("%d and %d sent", r.count("https://old"), r.count("https://new"))
		}
		if n := s.loads[id]; n != 2 {
			t.Errorf("loaded %d times", n)
		}
	})
}

func TestOnlySoManyIdleEndpointsAreRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		d, _ := start(t, dispatch.Options{Store: s, Sender: r, Endpoints: 10})
		var ids []posthorn.WebhookID
		for range 100 {
			id := s.webhook(t, "https://a", nil)
			ids = append(ids, id)
			offer(s, d, id, 1)
			pass(t, time.Millisecond)
		}
		if n := d.Stats().Endpoints; n > 11 {
			t.Errorf("%d endpoints remembered", n)
		}
		offer(s, d, ids[0], 1)
		offer(s, d, ids[99], 1)
		pass(t, time.Second)
		if s.loads[ids[0]] != 2 || s.loads[ids[99]] != 1 || s.left() != 0 {
			t.Errorf("loaded %d and %d times, %d left", s.loads[ids[0]], s.loads[ids[99]], s.left())
		}
	})
}

func TestAnEndpointThatCannotBeLoadedIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		id := s.webhook(t, "https://a", nil)
		tries := 0
		s.err = func(call string) error {
			if call == "endpoint" {
				if tries++; tries < 4 {
					return errAway
				}
			}
			return nil
		}
		d, _ := start(t, dispatch.Options{Store: s, Sender: r})
		offer(s, d, id, 10)
		pass(t, 3*time.Second)
		if s.left() != 0 || tries != 4 {
			t.Errorf("%d left after %d tries", s.left(), tries)
		}
	})
}
