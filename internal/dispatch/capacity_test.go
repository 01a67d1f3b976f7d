package dispatch_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/dispatch"
	"posthorn/internal/posthorn"
)

func TestAWebhookThatIsAloneAndQuickHasThousandsInHand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		d, _ := start(t, dispatch.Options{Store: s, Sender: r})
		id := s.webhook(t, "https://a", nil)
		r.on("https://a", takes(20*time.Millisecond, 200))
		offer(s, d, id, 1)
		pass(t, time.Second)
		for range 5 {
			offer(s, d, id, 4000)
			synctest.Wait()
			if n := d.Stats().Queued; n < 3900 {
				t.Errorf("%d in hand", n)
			}
			pass(t, 5*time.Second)
		}
		if got := d.Stats(); got.Released != 0 || got.Claimed != 0 || s.left() != 0 {
			t.Errorf("what was offered went back and forth: %d left, %+v", s.left(), got)
		}
	})
}

func TestAWebhookHasNoMoreInHandThanItIsGoingToStartInTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		took     time.Duration
		inFlight int
		// claimed and offered are what fits into 20 and 10 seconds.
		claimed, offered int64
	}{
		{10 * time.Second, 32, 64, 32},
		{time.Second, 10, 200, 100},
		{12 * time.Second, 1, 1, 1},
		{200 * time.Millisecond, 3, 300, 150},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, r := newStore(), newReceivers()
			d, _ := start(t, dispatch.Options{Store: s, Sender: r})
			id := s.webhook(t, "https://a", func(w *posthorn.Webhook) { w.MaxInFlight = c.inFlight })
			r.on("https://a", takes(c.took, 200))
			offer(s, d, id, 1)
			pass(t, c.took+time.Second)
			offer(s, d, id, c.inFlight)
			synctest.Wait()
			offer(s, d, id, 2000)
			synctest.Wait()
			if n := d.Stats().Queued; n > c.offered || n < c.offered*3/4 {
				t.Errorf("%+v: %d of what was offered wait in memory", c, n)
			}
			released := d.Stats().Released
			for range 200 {
				pass(t, 100*time.Millisecond)
				if n := int64(d.Stats().Queued); n > c.claimed {
					t.Fatalf("%+v: %d wait in memory", c, n)
				}
			}
			if n := d.Stats().Released - released; n != 0 {
				t.Errorf("%+v: %d claimed in vain", c, n)
			}
			if n := r.peak("https://a"); n != c.inFlight {
				t.Errorf("%+v: %d at once", c, n)
			}
		})
	}
}

func TestForAWebhookThatBecomesQuickerMoreIsClaimedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		d, _ := start(t, dispatch.Options{Store: s, Sender: r, MaxPoll: time.Hour})
		id := s.webhook(t, "https://a", func(w *posthorn.Webhook) { w.MaxInFlight = 1 })
		r.on("https://a", takes(2*time.Second, 200))
		offer(s, d, id, 1)
		pass(t, 3*time.Second)
		r.on("https://a", takes(5*time.Millisecond, 200))
		s.publish(id, 150, nil)
		d.Wake()
		pass(t, 2*time.Second)
		if s.left() != 0 {
			t.Errorf("%d of 150 wait", s.left())
		}
	})
}

// A webhook that has nothing but one attempt at once and slow answers has always one under way.
func TestASlowWebhookIsNeverIdleWithWorkWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		start(t, dispatch.Options{Store: s, Sender: r})
		id := s.webhook(t, "https://a", func(w *posthorn.Webhook) { w.MaxInFlight, w.Timeout = 1, 30*time.Second })
		r.on("https://a", takes(20*time.Second, 200))
		s.publish(id, 200, nil)
		pass(t, time.Hour)
		if n := r.count("https://a"); n < 175 {
			t.Errorf("%d attempts in an hour, possible are 180", n)
		}
	})
}

func TestWebhooksWhoseEndpointsDoNotLoadLeaveRoomForOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		broken := map[posthorn.WebhookID]bool{}
		s.refuseEndpoint = func(id posthorn.WebhookID) error {
			if broken[id] {
				return posthorn.Errorf(posthorn.Internal, "The secret cannot be opened.")
			}
			return nil
		}
		d, _ := start(t, dispatch.Options{Store: s, Sender: r, Queue: 1000})
		var ids []posthorn.WebhookID
		for i := range 20 {
			id := s.webhook(t, fmt.Sprintf("https://broken-%d", i), nil)
			s.locked(func() { broken[id] = true })
			ids = append(ids, id)
			s.publish(id, 100, nil)
			offer(s, d, id, 90)
			offer(s, d, id, 2, func(j *posthorn.Job) { j.Test = true })
		}
		pass(t, time.Minute)
		if got := d.Stats(); got.Queued > 20 || s.leased() > 20 {
			t.Errorf("%d jobs of webhooks that do not load wait, %d are leased", got.Queued, s.leased())
		}
		before := d.Stats()
		for _, id := range ids {
			offer(s, d, id, 10)
		}
		synctest.Wait()
		if n := d.Stats().Queued; n > 20 {
			t.Errorf("%d jobs that were offered meanwhile wait", n)
		}
		pass(t, time.Minute)
		if n := d.Stats().Claimed - before.Claimed; n > 20*4*15 {
			t.Errorf("%d jobs claimed in vain within a minute", n)
		}
		well := s.webhook(t, "https://well", nil)
		s.publish(well, 500, nil)
		offer(s, d, well, 100)
		pass(t, 10*time.Second)
		if n := r.count("https://well"); n != 600 {
			t.Errorf("%d of 600 sent beside them", n)
		}
		s.locked(func() { clear(broken) })
		for _, id := range ids {
			d.Changed(id)
		}
		pass(t, time.Minute)
		if s.left() != 0 {
			t.Errorf("%d left after they were mended", s.left())
		}
	})
}

func TestTheLimitsOfAWebhookAreSharedByDispatchers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ dispatchers, inFlight, rate, atOnce, perSecond int }{
		{1, 30, 0, 30, 300},
		{3, 30, 0, 30, 300},
		{2, 5, 0, 6, 60},
		{3, 1, 0, 3, 30},
		{2, 32, 40, 32, 40},
		{3, 32, 10, 12, 12},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, r := newStore(), newReceivers()
			id := s.webhook(t, "https://a", func(w *posthorn.Webhook) { w.MaxInFlight, w.RateLimit = c.inFlight, c.rate })
			r.on("https://a", takes(100*time.Millisecond, 200))
			s.publish(id, 4000, nil)
			for range c.dispatchers {
				d, _ := start(t, dispatch.Options{Store: s, Sender: r, Dispatchers: func() int { return c.dispatchers }})
				offer(s, d, id, 1000)
			}
			pass(t, 5*time.Second)
			if n := r.peak("https://a"); n > c.atOnce || (c.rate == 0 && n < c.atOnce) {
				t.Errorf("%+v: %d at once", c, n)
			}
			if n := most(r.times("https://a"), time.Second); n > c.perSecond || n < c.perSecond*9/10 {
				t.Errorf("%+v: %d in a second", c, n)
			}
		})
	}
}

func TestADispatcherHasWhatTheOthersLeaveWhenTheyAreGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), newReceivers()
		id := s.webhook(t, "https://a", func(w *posthorn.Webhook) { w.MaxInFlight, w.RateLimit = 12, 60 })
		r.on("https://a", takes(200*time.Millisecond, 200))
		s.publish(id, 20_000, nil)
		live := make(chan int, 1)
		live <- 4
		start(t, dispatch.Options{Store: s, Sender: r, Dispatchers: func() int {
			n := <-live
			live <- n
			return n
		}})
		for _, n := range []int{4, 1, 2, 0} {
			<-live
			live <- n
			pass(t, 10*time.Second)
			before := r.count("https://a")
			pass(t, 10*time.Second)
			want := 600 / max(n, 1)
			if got := r.count("https://a") - before; got > want+1 || got < want*9/10 {
				t.Errorf("%d dispatchers: %d attempts in 10 s, want %d", n, got, want)
			}
		}
	})
}
