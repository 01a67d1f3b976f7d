package dispatch_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/dispatch"
	"posthorn/internal/posthorn"
)

// receivers is a sender with receivers behind it, by URL. It keeps the times of attempts and how many ran at once.
type receivers struct {
	mu       sync.Mutex
	answer   map[string]answer
	begun    map[string][]time.Time
	ended    map[string][]time.Time
	running  map[string]int
	most     map[string]int
	all      int
	mostAll  int
	requests []posthorn.Request
	causes   []error
}

// answer is what a receiver does with its n-th request, from 1.
type answer func(ctx context.Context, n int) posthorn.Outcome

func newReceivers() *receivers {
	return &receivers{
		answer: map[string]answer{}, begun: map[string][]time.Time{}, ended: map[string][]time.Time{},
		running: map[string]int{}, most: map[string]int{},
	}
}

// on sets what a receiver does.
func (r *receivers) on(url string, a answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer[url] = a
}

// takes is a receiver that answers with a status after a time.
func takes(d time.Duration, status int) answer {
	return func(ctx context.Context, _ int) posthorn.Outcome {
		if !sleep(ctx, d) {
			return posthorn.Outcome{Interrupted: true}
		}
		return posthorn.Outcome{StatusCode: status}
	}
}

// hangs is a receiver that never answers.
func hangs(timeout time.Duration) answer {
	return func(ctx context.Context, _ int) posthorn.Outcome {
		if !sleep(ctx, timeout) {
			return posthorn.Outcome{Interrupted: true}
		}
		return posthorn.Outcome{ErrorClass: posthorn.ErrorTimeout, Error: "No answer."}
	}
}

func (r *receivers) Send(ctx context.Context, req posthorn.Request) posthorn.Outcome {
	started := time.Now()
	r.mu.Lock()
	a := r.answer[req.URL]
	r.begun[req.URL] = append(r.begun[req.URL], started)
	n := len(r.begun[req.URL])
	r.running[req.URL]++
	r.most[req.URL] = max(r.most[req.URL], r.running[req.URL])
	r.all++
	r.mostAll = max(r.mostAll, r.all)
	r.requests = append(r.requests, req)
	r.mu.Unlock()
	o := posthorn.Outcome{StatusCode: 200}
	if a != nil {
		o = a(ctx, n)
	}
	o.StartedAt, o.Total, o.RequestHeaders = started, time.Since(started), req.Headers
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running[req.URL]--
	r.all--
	r.ended[req.URL] = append(r.ended[req.URL], time.Now())
	if o.Interrupted {
		r.causes = append(r.causes, context.Cause(ctx))
	}
	return o
}

// times returns when the attempts at a URL began.
func (r *receivers) times(url string) []time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]time.Time(nil), r.begun[url]...)
}

func (r *receivers) count(url string) int { return len(r.times(url)) }

// peak returns how many attempts at a URL ran at once at most.
func (r *receivers) peak(url string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.most[url]
}

// sleep waits in the time of the bubble, and reports whether the context lasted.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// pass lets time go by, and everything happen that happens in it.
func pass(tb testing.TB, d time.Duration) {
	tb.Helper()
	sleep(tb.Context(), d)
	synctest.Wait()
}

// start runs a dispatcher. What it returns stops it, and checks that the stop was clean; the end of the test does so too.
func start(tb testing.TB, o dispatch.Options) (d *dispatch.Dispatcher, stop func()) {
	tb.Helper()
	d, err := dispatch.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Errorf("Run: %v", err)
		}
	})
	tb.Cleanup(stop)
	return d, stop
}

// offer publishes deliveries and hands them over, as the publisher does.
func offer(s *fakeStore, d *dispatch.Dispatcher, id posthorn.WebhookID, n int, edits ...func(*posthorn.Job)) []posthorn.Job {
	lease := d.NewLease()
	jobs := s.publish(id, n, &lease, edits...)
	handed := append([]posthorn.Job(nil), jobs...)
	d.Offer(handed)
	return jobs
}
