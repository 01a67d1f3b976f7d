package dispatch_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/dispatch"
	"posthorn/internal/posthorn"
)

// large gives a job so many bytes of data.
func large(bytes int) func(j *posthorn.Job) {
	data := json.RawMessage(`{"x":"` + strings.Repeat("a", bytes-8) + `"}`)
	return func(j *posthorn.Job) { j.Data = data }
}

func TestWhatWaitsIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const budget, event = 2 << 20, 64 << 10
		s, r := newStore(), newReceivers()
		d, _ := start(t, dispatch.Options{Store: s, Sender: r, QueueBytes: budget})
		for i := range 20 {
			url := fmt.Sprintf("https://hook-%d", i)
			id := s.webhook(t, url, func(w *posthorn.Webhook) { w.MaxInFlight = 1 })
			r.on(url, takes(100*time.Millisecond, 200))
			s.publish(id, 50, nil, large(event))
			offer(s, d, id, 50, large(event))
		}
		for s.left() > 0 {
			// A claim may bring one event more than it was promised.
			if got := d.Stats(); got.QueuedBytes > budget+event {
				t.Fatalf("%d bytes wait, allowed are %d", got.QueuedBytes, budget)
			}
			pass(t, 20*time.Millisecond)
			if d.Stats().Attempts > 2000 {
				t.Fatal("some are sent twice")
			}
		}
		if got := d.Stats(); got.Released == 0 || got.Queued != 0 || got.QueuedBytes != 0 {
			t.Errorf("in the end %+v", got)
		}
	})
}

func TestAClaimIsBoundedByTheBytesThatAreFree(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const budget = 2 << 20
		s, r := newStore(), newReceivers()
		id := s.webhook(t, "https://a", func(w *posthorn.Webhook) { w.MaxInFlight = 1 })
		r.on("https://a", takes(100*time.Millisecond, 200))
		s.publish(id, 100, nil, large(posthorn.MaxEventBytes))
		d, _ := start(t, dispatch.Options{Store: s, Sender: r, QueueBytes: budget})
		pass(t, 15*time.Second)
		if s.left() != 0 || d.Stats().Released != 0 {
			t.Errorf("%d left, %+v", s.left(), d.Stats())
		}
		for _, c := range s.claims {
			if c.Bytes <= 0 || c.Bytes > budget/2 {
				t.Errorf("a claim of %d bytes", c.Bytes)
			}
		}
	})
}

func TestLargeEventsOfOneWebhookLeaveRoomForOthers(t *testing.T) {
	t.Parallel()
	for name, fill := range map[string]func(s *fakeStore, d *dispatch.Dispatcher, id posthorn.WebhookID){
		"offered": func(s *fakeStore, d *dispatch.Dispatcher, id posthorn.WebhookID) {
			for range 100 {
				offer(s, d, id, 1, large(64<<10))
				synctest.Wait()
			}
		},
		"claimed": func(s *fakeStore, d *dispatch.Dispatcher, id posthorn.WebhookID) {
			s.publish(id, 100, nil, large(64<<10))
			d.Wake()
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			const budget = 4 << 20
			s, r := newStore(), newReceivers()
			d, _ := start(t, dispatch.Options{Store: s, Sender: r, QueueBytes: budget})
			id, other := s.webhook(t, "https://hangs", nil), s.webhook(t, "https://other", nil)
			r.on("https://hangs", hangs(15*time.Second))
			offer(s, d, id, posthorn.DefaultMaxInFlight)
			pass(t, time.Second)
			fill(s, d, id)
			pass(t, time.Second)
			if n := d.Stats().QueuedBytes; n < budget/8 || n > budget*3/4 {
				t.Errorf("%s: %d bytes of one webhook wait, of %d for all", name, n, budget)
			}
			released := d.Stats().Released
			offer(s, d, other, 4, large(64<<10))
			pass(t, time.Millisecond)
			if n := r.count("https://other"); n != 4 || d.Stats().Released != released {
				t.Errorf("%s: %d of another sent, %d given back", name, n, d.Stats().Released-released)
			}
		})
	}
}

// Each claim has room for a few of the large events, which are sent before the next is made.
func TestABacklogOfLargeEventsIsClaimedBesideOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		// Ids are in the order of time, and so are claims.
		first := s.webhook(t, "https://first", nil)
		pass(t, time.Second)
		second := s.webhook(t, "https://second", nil)
		s.publish(first, 100, nil, large(posthorn.MaxEventBytes))
		s.publish(second, 10, nil)
		d, _ := start(t, dispatch.Options{
			Store: &slowClaims{fakeStore: s}, Sender: r, QueueBytes: 2 << 20, MaxPoll: time.Hour, EndpointAge: time.Hour,
		})
		offer(s, d, first, 1) // so that the endpoint is known
		pass(t, 20*time.Second)
		if n := r.count("https://second"); n != 10 {
			t.Errorf("%d of 10 sent beside large events", n)
		}
		pass(t, 5*time.Minute)
		if s.left() != 0 {
			t.Errorf("%d left", s.left())
		}
	})
}

func TestAResultDoesNotKeepTheEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		d, _ := start(t, dispatch.Options{Store: s, Sender: r})
		id := s.webhook(t, "https://a", nil)
		job := offer(s, d, id, 1, large(1000))[0]
		unsent := offer(s, d, id, 1, func(j *posthorn.Job) { j.Data = json.RawMessage(`[]`) })[0]
		pass(t, time.Second)
		for _, j := range []posthorn.Job{job, unsent} {
			if results := s.attempts[j.DeliveryID]; len(results) != 1 || results[0].Job.Data != nil {
				t.Errorf("results %+v", results)
			}
		}
	})
}
