package dispatch_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/dispatch"
	"posthorn/internal/posthorn"
)

func TestWhatADeadProcessHadInHandIsTakenOverWhenItsLeaseIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		id := s.webhook(t, "https://a", nil)
		r.on("https://a", func(ctx context.Context, n int) posthorn.Outcome {
			if n <= 32 {
				return takes(3*time.Second, 200)(ctx, n)
			}
			return posthorn.Outcome{StatusCode: 200}
		})
		port := &cutOff{Store: s}
		first, err := dispatch.New(dispatch.Options{Store: port, Sender: r})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- first.Run(ctx) }()
		began := time.Now()
		offer(s, first, id, 100)
		synctest.Wait()
		port.cut()
		cancel()
		pass(t, 30*time.Second) // what it does now, nobody hears of
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}

		start(t, dispatch.Options{Store: s, Sender: r})
		pass(t, 5*time.Minute)
		if s.left() != 0 || len(s.final) != 100 {
			t.Fatalf("%d left", s.left())
		}
		for id, results := range s.attempts {
			if len(results) != 1 || results[0].Outcome.StartedAt.Sub(began) < 90*time.Second {
				t.Errorf("%s has %d results, the first %v after", id, len(results), results[0].Outcome.StartedAt.Sub(began))
			}
		}
		if n := r.count("https://a"); n != 132 {
			t.Errorf("%d attempts, want 32 in vain and 100", n)
		}
	})
}

func TestAStopLetsAttemptsEndAndGivesTheRestBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		id := s.webhook(t, "https://a", nil)
		r.on("https://a", takes(5*time.Second, 200))
		d, stop := start(t, dispatch.Options{Store: s, Sender: r})
		offer(s, d, id, 100)
		pass(t, time.Second)
		began := time.Now()
		stop()
		if took := time.Since(began); took != 4*time.Second {
			t.Errorf("stopped in %v", took)
		}
		if s.left() != 68 || s.leased() != 0 || r.count("https://a") != 32 {
			t.Errorf("%d left, %d of them leased, %d sent", s.left(), s.leased(), r.count("https://a"))
		}
		// Whatever comes now is for somebody else.
		offer(s, d, id, 1)
		if got := d.Stats(); got.InFlight != 0 || got.Queued != 0 || got.ResultsWaiting != 0 || got.Succeeded != 32 {
			t.Errorf("stats %+v", got)
		}
	})
}

func TestAStopInterruptsWhatDoesNotEndInTimeAndCountsItNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		id := s.webhook(t, "https://a", func(w *posthorn.Webhook) { w.Timeout = 30 * time.Second })
		r.on("https://a", hangs(30*time.Second))
		d, stop := start(t, dispatch.Options{Store: s, Sender: r})
		offer(s, d, id, 40)
		pass(t, time.Second)
		began := time.Now()
		stop()
		if took := time.Since(began); took > 20*time.Second || took < 15*time.Second {
			t.Errorf("stopped in %v", took)
		}
		if s.left() != 40 || s.leased() != 0 || len(s.attempts) != 0 {
			t.Errorf("%d left, %d of them leased, %d counted", s.left(), s.leased(), len(s.attempts))
		}
		if len(r.causes) != 32 || !errors.Is(r.causes[0], dispatch.ErrStopping) {
			t.Errorf("%d interrupted, cause %v", len(r.causes), r.causes[0])
		}
		if got := d.Stats(); got.Interrupted != 32 || got.Attempts != 0 || got.Released != 40 {
			t.Errorf("stats %+v", got)
		}
	})
}

func TestAStopDoesNotWaitForASenderThatIgnoresIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		id := s.webhook(t, "https://a", nil)
		free := make(chan struct{})
		deaf := dispatch.SenderFunc(func(context.Context, posthorn.Request) posthorn.Outcome {
			<-free
			return posthorn.Outcome{StatusCode: 200}
		})
		d, err := dispatch.New(dispatch.Options{Store: s, Sender: deaf})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		offer(s, d, id, 3)
		pass(t, time.Second)
		began := time.Now()
		cancel()
		if err := <-ended; err == nil || time.Since(began) != 20*time.Second {
			t.Errorf("ended with %v after %v", err, time.Since(began))
		}
		close(free)
	})
}

func TestAStopGivesTheJobsOfAClaimUnderWayBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		id := s.webhook(t, "https://a", nil)
		s.publish(id, 10, nil)
		slow := &slowClaims{fakeStore: s}
		_, stop := start(t, dispatch.Options{Store: slow, Sender: r})
		pass(t, time.Second)
		stop()
		if r.count("https://a") != 0 || s.left() != 10 || s.leased() != 0 {
			t.Errorf("%d sent, %d left, %d leased", r.count("https://a"), s.left(), s.leased())
		}
	})
}

// slowClaims has a store that commits a claim and takes its time to say so.
type slowClaims struct{ *fakeStore }

func (s *slowClaims) Claim(ctx context.Context, r dispatch.ClaimRequest) (dispatch.Claim, error) {
	c, err := s.fakeStore.Claim(ctx, r)
	sleep(ctx, 3*time.Second)
	return c, err
}

func TestWhileTheStoreIsAwayFewAttemptsBeginAndNoResultIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		d, _ := start(t, dispatch.Options{Store: s, Sender: r, Concurrency: 20, Unwritten: 50, MaxPoll: time.Second})
		id := s.webhook(t, "https://a", nil)
		r.on("https://a", takes(10*time.Millisecond, 200))
		offer(s, d, id, 1) // so that the endpoint is known
		pass(t, time.Second)
		away := true
		s.err = func(string) error {
			if away {
				return errAway
			}
			return nil
		}
		offer(s, d, id, 300)
		pass(t, 4*time.Second)
		if n := r.count("https://a"); n != 51 || d.Stats().ResultsWaiting != 50 {
			t.Errorf("%d attempts in an outage, want 50 and the one before; %+v", n, d.Stats())
		}
		pass(t, 26*time.Second)
		s.locked(func() { away = false })
		pass(t, time.Minute)
		if s.left() != 0 || r.count("https://a") != 301 || d.Stats().Lost != 0 || d.Stats().StoreErrors == 0 {
			t.Errorf("%d left, %d attempts, %+v", s.left(), r.count("https://a"), d.Stats())
		}
	})
}

func TestAnOutageLongerThanALeaseHasTheDeliveriesSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		d, _ := start(t, dispatch.Options{Store: s, Sender: r})
		id := s.webhook(t, "https://a", nil)
		r.on("https://a", takes(time.Second, 200))
		jobs := offer(s, d, id, 10)
		pass(t, 500*time.Millisecond)
		away := true
		s.locked(func() {
			s.err = func(string) error {
				if away {
					return errAway
				}
				return nil
			}
		})
		pass(t, 2*time.Minute)
		if d.Stats().Lost != 10 || d.Stats().ResultsWaiting != 0 {
			t.Errorf("stats %+v", d.Stats())
		}
		s.locked(func() { away = false })
		pass(t, time.Minute)
		for _, j := range jobs {
			if len(s.attempts[j.DeliveryID]) != 1 || s.final[j.DeliveryID].State != posthorn.DeliverySucceeded {
				t.Errorf("%d results", len(s.attempts[j.DeliveryID]))
			}
		}
		if n := r.count("https://a"); n != 20 {
			t.Errorf("%d attempts", n)
		}
	})
}

func TestAResultThatTheStoreRefusesDoesNotHoldTheOthersUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		d, stop := start(t, dispatch.Options{Store: s, Sender: r, Finishers: 1})
		id := s.webhook(t, "https://a", func(w *posthorn.Webhook) { w.MaxInFlight = 200 })
		r.on("https://a", takes(time.Second, 200))
		jobs := offer(s, d, id, 100)
		s.locked(func() {
			s.refuse = func(r *posthorn.Result) bool { return r.Job.DeliveryID == jobs[42].DeliveryID }
		})
		pass(t, 30*time.Second)
		if s.left() != 1 {
			t.Errorf("%d left", s.left())
		}
		offer(s, d, id, 50)
		pass(t, 2*time.Second)
		if s.left() != 1 || d.Stats().ResultsWaiting != 1 {
			t.Errorf("%d left after the next; %+v", s.left(), d.Stats())
		}
		// It is tried as long as its lease lasts, and then sent again.
		pass(t, 80*time.Second)
		s.locked(func() { s.refuse = nil })
		pass(t, 2*time.Minute)
		if s.left() != 0 || d.Stats().Lost == 0 {
			t.Errorf("%d left, %+v", s.left(), d.Stats())
		}
		stop()
	})
}

func TestAResultUnderALostLeaseIsDropped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		id := s.webhook(t, "https://a", nil)
		r.on("https://a", func(ctx context.Context, n int) posthorn.Outcome {
			return takes(10*time.Second, map[bool]int{true: 500, false: 200}[n == 1])(ctx, n)
		})
		a, _ := start(t, dispatch.Options{Store: s, Sender: r, MaxPoll: time.Hour})
		job := offer(s, a, id, 1)[0]
		pass(t, time.Second)
		// Somebody takes the lease away, as if it had run out.
		s.locked(func() { s.due[id][job.DeliveryID].at = time.Now() })
		b, _ := start(t, dispatch.Options{Store: s, Sender: r})
		pass(t, time.Minute)
		if s.fenced != 1 || len(s.attempts[job.DeliveryID]) != 1 || s.final[job.DeliveryID].State != posthorn.DeliverySucceeded {
			t.Errorf("%d fenced, %d results, %+v", s.fenced, len(s.attempts[job.DeliveryID]), s.final[job.DeliveryID])
		}
		if a.Stats().Attempts != 1 || b.Stats().Attempts != 1 {
			t.Errorf("%+v and %+v", a.Stats(), b.Stats())
		}
	})
}

func TestTwoDispatchersShareTheWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		var ids []posthorn.WebhookID
		for _, url := range []string{"https://a", "https://b", "https://c", "https://d"} {
			ids = append(ids, s.webhook(t, url, nil))
			r.on(url, takes(100*time.Millisecond, 200))
		}
		for _, id := range ids {
			s.publish(id, 2000, nil)
		}
		a, _ := start(t, dispatch.Options{Store: s, Sender: r})
		b, _ := start(t, dispatch.Options{Store: s, Sender: r})
		pass(t, time.Minute)
		if s.left() != 0 || s.fenced != 0 {
			t.Errorf("%d left, %d fenced", s.left(), s.fenced)
		}
		sa, sb := a.Stats(), b.Stats()
		if sa.Attempts+sb.Attempts != 8000 || min(sa.Attempts, sb.Attempts) < 2000 {
			t.Errorf("%d and %d attempts", sa.Attempts, sb.Attempts)
		}
	})
}

func TestAfterErrorsOfTheStoreTheClaimBacksOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		var calls []time.Time
		s.err = func(call string) error {
			if call == "claim" {
				calls = append(calls, time.Now())
			}
			return errAway
		}
		d, _ := start(t, dispatch.Options{Store: s, Sender: r})
		for range 600 {
			d.Wake()
			pass(t, 100*time.Millisecond)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if n := len(calls); n < 10 || n > 25 {
			t.Errorf("%d claims in a minute", n)
		}
		if first := calls[1].Sub(calls[0]); first < 160*time.Millisecond || first > 340*time.Millisecond {
			t.Errorf("the first pause is %v", first)
		}
		if last := calls[len(calls)-1].Sub(calls[len(calls)-2]); last < 4*time.Second || last > 6100*time.Millisecond {
			t.Errorf("the last pause is %v", last)
		}
	})
}
