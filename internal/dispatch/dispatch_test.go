package dispatch_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/dispatch"
	"posthorn/internal/posthorn"
)

func TestADispatcherNeedsALeaseThatOutlastsAnAttempt(t *testing.T) {
	t.Parallel()
	s, r := newStore(), newReceivers()
	for _, c := range []struct {
		name string
		opts dispatch.Options
		ok   bool
	}{
		{"the defaults", dispatch.Options{Store: s, Sender: r}, true},
		{"no store", dispatch.Options{Sender: r}, false},
		{"no sender", dispatch.Options{Store: s}, false},
		{"a lease as long as timeout and grace", dispatch.Options{Store: s, Sender: r, Lease: 50 * time.Second}, false},
		{"a lease that is longer", dispatch.Options{Store: s, Sender: r, Lease: 50*time.Second + 1}, true},
		{"a longer grace needs a longer lease", dispatch.Options{Store: s, Sender: r, Lease: time.Minute, Grace: 30 * time.Second}, false},
		{"fewer results than slots", dispatch.Options{Store: s, Sender: r, Concurrency: 10, Unwritten: 9}, false},
		{"less than nothing", dispatch.Options{Store: s, Sender: r, Queue: -1}, false},
		{"a time before", dispatch.Options{Store: s, Sender: r, MaxPoll: -1}, false},
	} {
		if _, err := dispatch.New(c.opts); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestWhatIsOfferedAndWhatIsDueIsSentOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		d, stop := start(t, dispatch.Options{Store: s, Sender: r})
		a, b := s.webhook(t, "https://a", nil), s.webhook(t, "https://b", nil)
		offer(s, d, a, 300)
		s.publish(b, 1000, nil)
		d.Wake()
		pass(t, time.Second)
		if s.left() != 0 || r.count("https://a") != 300 || r.count("https://b") != 1000 {
			t.Errorf("%d left, %d and %d sent", s.left(), r.count("https://a"), r.count("https://b"))
		}
		stop()
		got := d.Stats()
		got.Claims, got.Finishes, got.Released, got.Claimed = 0, 0, 0, 0
		if diff := cmp.Diff(dispatch.Stats{Attempts: 1300, Succeeded: 1300, Endpoints: 2}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestADeliveryGoesThroughTheWholeSchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		d, _ := start(t, dispatch.Options{Store: s, Sender: r})
		id := s.webhook(t, "https://down", nil)
		r.on("https://down", takes(time.Second, 503))
		began := time.Now()
		job := offer(s, d, id, 1)[0]
		pass(t, 100*time.Hour)

		times := r.times("https://down")
		delays := posthorn.RetryDelays()
		if len(times) != len(delays) {
			t.Fatalf("%d attempts", len(times))
		}
		previous := began
		for i, at := range times {
			// Beside the jitter there is the second that the attempt takes, and as much for polling.
			least, most := delays[i]*8/10, delays[i]*12/10+2*time.Second
			if wait := at.Sub(previous); wait < least || wait > most {
				t.Errorf("attempt %d after %v, want %v", i+1, wait, delays[i])
			}
			previous = at
		}
		if total := previous.Sub(began); total < 60*time.Hour || total > 91*time.Hour {
			t.Errorf("the schedule took %v", total)
		}
		for i, result := range s.attempts[job.DeliveryID] {
			if result.Job.Attempt != i+1 || result.Job.Schedule != i+1 {
				t.Errorf("attempt %d is counted as %d, %d", i+1, result.Job.Attempt, result.Job.Schedule)
			}
		}
		want := posthorn.Decision{
			State: posthorn.DeliveryFailed, EndpointFailed: true,
			Reason: "Failed after 10 attempts: HTTP 503 Service Unavailable",
		}
		if diff := cmp.Diff(want, s.final[job.DeliveryID]); diff != "" {
			t.Error(diff)
		}
	})
}

func TestEveryAttemptHasTheSameBodyAndItsOwnSignature(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		d, _ := start(t, dispatch.Options{Store: s, Sender: r})
		id := s.webhook(t, "https://a", nil)
		r.on("https://a", func(_ context.Context, n int) posthorn.Outcome {
			return posthorn.Outcome{StatusCode: map[bool]int{true: 500, false: 200}[n < 3]}
		})
		job := offer(s, d, id, 1)[0]
		pass(t, time.Hour)
		if len(r.requests) != 3 {
			t.Fatalf("%d attempts", len(r.requests))
		}
		signatures := map[string]bool{}
		for _, request := range r.requests {
			if !bytes.Equal(request.Body, r.requests[0].Body) || request.Timeout != posthorn.DefaultTimeout {
				t.Errorf("request %+v", request)
			}
			for _, h := range request.Headers {
				if h.Name == "webhook-signature" {
					signatures[h.Value] = true
				}
				if h.Name == "webhook-id" && h.Value != job.DeliveryID.String() {
					t.Errorf("webhook-id %s", h.Value)
				}
			}
		}
		if len(signatures) != 3 {
			t.Errorf("%d signatures", len(signatures))
		}
	})
}

func TestNoSecretIsKeptOrLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s, r := newStore(), newReceivers()
		d, stop := start(t, dispatch.Options{
			Store: s, Sender: r,
			Logger: slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})),
		})
		id := s.webhook(t, "https://a", nil)
		r.on("https://a", takes(time.Second, 404))
		job := offer(s, d, id, 1)[0]
		pass(t, 2*time.Second)
		stop()
		result := s.attempts[job.DeliveryID][0]
		if len(result.RequestHeaders) == 0 || result.Outcome.RequestHeaders != nil {
			t.Errorf("headers %v", result.RequestHeaders)
		}
		for _, h := range result.RequestHeaders {
			if h.Name == "X-Key" && h.Value != posthorn.HeaderMask {
				t.Errorf("a custom header is kept: %v", h)
			}
		}
		if strings.Contains(out.String(), "in the clear") || strings.Contains(out.String(), "whsec_") {
			t.Errorf("logged: %s", out.String())
		}
		var line map[string]any
		for text := range strings.Lines(out.String()) {
			if strings.Contains(text, "attempt made") {
				if err := json.Unmarshal([]byte(text), &line); err != nil {
					t.Fatal(err)
				}
			}
		}
		delete(line, "time")
		want := map[string]any{
			"level": "INFO", "msg": "attempt made", "delivery_id": job.DeliveryID.String(), "webhook_id": id.String(),
			"event_id": job.EventID.String(), "tenant_id": job.TenantID.String(), "attempt": 1.0, "status": 404.0,
			"error_class": "", "took": 1e9, "decision": "failed", "reason": "Failed: 404 is not retried",
		}
		if diff := cmp.Diff(want, line); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWhatCannotBeSentFailsAtOnceAndHurtsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		d, _ := start(t, dispatch.Options{Store: s, Sender: r})
		id := s.webhook(t, "https://a", nil)
		bad := offer(s, d, id, 20, func(j *posthorn.Job) { j.Data = json.RawMessage(`[]`) })
		good := offer(s, d, id, 20)
		pass(t, time.Second)
		if r.count("https://a") != len(good) || s.left() != 0 {
			t.Errorf("%d sent, %d left", r.count("https://a"), s.left())
		}
		for _, j := range bad {
			if s.final[j.DeliveryID].State != posthorn.DeliveryFailed {
				t.Fatalf("decision %+v", s.final[j.DeliveryID])
			}
		}
	})
}

func TestAPanicOfOneAttemptEndsNothingElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		sender := dispatch.SenderFunc(func(ctx context.Context, req posthorn.Request) posthorn.Outcome {
			o := r.Send(ctx, req)
			if r.count(req.URL) == 1 {
				panic("a fault")
			}
			return o
		})
		d, _ := start(t, dispatch.Options{Store: s, Sender: sender})
		job := offer(s, d, s.webhook(t, "https://a", nil), 1)[0]
		pass(t, time.Minute)
		results := s.attempts[job.DeliveryID]
		if len(results) != 2 || results[0].Outcome.ErrorClass != posthorn.ErrorProtocol || s.left() != 0 {
			t.Errorf("results %+v", results)
		}
	})
}

func TestTheLimitOfAttemptsAtOnceHolds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ concurrency, inFlight, want int }{
		{512, 1, 1}, {512, 32, 32}, {8, 512, 4}, {1, 5, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, r := newStore(), newReceivers()
			d, _ := start(t, dispatch.Options{Store: s, Sender: r, Concurrency: c.concurrency})
			id := s.webhook(t, "https://a", func(w *posthorn.Webhook) { w.MaxInFlight = c.inFlight })
			r.on("https://a", takes(10*time.Millisecond, 200))
			offer(s, d, id, 100)
			pass(t, 10*time.Second)
			if got := r.peak("https://a"); got != c.want || s.left() != 0 {
				t.Errorf("%+v: %d at once, %d left", c, got, s.left())
			}
		})
	}
}

func TestWhatFindsNoRoomIsGivenBackInBatchesAndSentLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		d, _ := start(t, dispatch.Options{Store: s, Sender: r, Queue: 64})
		id := s.webhook(t, "https://a", nil)
		r.on("https://a", takes(10*time.Millisecond, 200))
		offer(s, d, id, 5000)
		synctest.Wait()
		if n := d.Stats().Queued; n > 64 {
			t.Errorf("%d queued", n)
		}
		if calls := len(s.releases); calls == 0 || calls > 100 {
			t.Errorf("%d calls to give leases back", calls)
		}
		pass(t, 2*time.Minute)
		if s.left() != 0 || r.count("https://a") < 5000 || d.Stats().Lost != 0 {
			t.Errorf("%d left, %d sent, %+v", s.left(), r.count("https://a"), d.Stats())
		}
	})
}

func TestAJobWhoseLeaseIsTooShortComesAgainAtOnceUnderANewOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		d, _ := start(t, dispatch.Options{Store: s, Sender: r})
		id := s.webhook(t, "https://a", nil)
		// Timeout 15 s and grace 20 s.
		lease := d.NewLease()
		lease.Expires = time.Now().Add(35*time.Second - 1)
		d.Offer(s.publish(id, 1, &lease))
		pass(t, time.Second)
		if r.count("https://a") != 1 || s.left() != 0 || s.fenced != 0 {
			t.Errorf("sent %d times, %d left, %d fenced: %+v", r.count("https://a"), s.left(), s.fenced, d.Stats())
		}
		if got := d.Stats(); got.Released != 1 || got.Claimed != 1 {
			t.Errorf("sent under a lease that is too short: %+v", got)
		}
	})
}

func TestRunIsForOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, stop := start(t, dispatch.Options{Store: newStore(), Sender: newReceivers()})
		synctest.Wait()
		if err := d.Run(t.Context()); err == nil {
			t.Error("ran twice")
		}
		stop()
		if err := d.Run(t.Context()); err == nil {
			t.Error("ran again")
		}
	})
}
