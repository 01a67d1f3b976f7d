package dispatch

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"posthorn/internal/posthorn"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestThePausesOfALaneDoubleUpToFiveMinutes(t *testing.T) {
	t.Parallel()
	var p pace
	now := epoch
	for i := range probeAfter - 1 {
		if p.failed(p.round, now, 0.5); p.closedUntil.After(now) {
			t.Fatalf("closed after %d failures", i+1)
		}
	}
	for _, seconds := range []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
		want := time.Duration(seconds) * time.Second
		p.failed(p.round, now, 0.5)
		if got := p.closedUntil.Sub(now); got != want || p.allowed(32) != 1 {
			t.Fatalf("closed for %v with %d slots, want %v and 1", got, p.allowed(32), want)
		}
		now = p.closedUntil
	}
	p.succeeded(32)
	for slots := 2; slots < 32; slots++ {
		if p.allowed(32) != slots {
			t.Fatalf("%d slots, want %d", p.allowed(32), slots)
		}
		p.succeeded(32)
	}
	if p.allowed(32) != 32 || p.slots != 0 {
		t.Fatalf("not open again: %+v", p)
	}
	for range probeAfter - 1 {
		p.failed(p.round, now, 0.5)
	}
	if p.closedUntil.After(now) {
		t.Error("failures from before the success are remembered")
	}
}

func TestFailuresOfAttemptsThatBeganBeforeAPauseMakeItNoLonger(t *testing.T) {
	t.Parallel()
	var p pace
	for range 32 {
		p.failed(0, epoch, 0.5)
	}
	if got := p.closedUntil.Sub(epoch); got != minPause || p.pause != minPause {
		t.Errorf("closed for %v", got)
	}
	p.closeUntil(epoch.Add(time.Millisecond))
	if got := p.closedUntil.Sub(epoch); got != minPause {
		t.Errorf("a shorter throttle makes it %v", got)
	}
}

func TestTheRateIsNeverExceeded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var r rate
		perSecond := rapid.IntRange(1, posthorn.MaxRateLimit).Draw(t, "per second")
		r.set(perSecond)
		now := epoch
		var taken []time.Time
		for range rapid.IntRange(1, 300).Draw(t, "attempts") {
			if r.next().After(now) {
				now = r.next()
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 20_000_000).Draw(t, "late")))
			r.take(now)
			taken = append(taken, now)
		}
		for i, at := range taken {
			j, _ := slices.BinarySearchFunc(taken, at.Add(time.Second), time.Time.Compare)
			if n := j - i; n > perSecond+perSecond/100 {
				t.Fatalf("%d in a second of %d", n, perSecond)
			}
		}
	})
}

func TestAPanicWhereARequestIsMadeOrAResultDecidedEndsTheDelivery(t *testing.T) {
	t.Parallel()
	d, err := New(Options{Store: struct{ Store }{}, Sender: SenderFunc(nil)})
	if err != nil {
		t.Fatal(err)
	}
	// Without an endpoint there is nothing to make a request of, and nothing to decide by.
	job := posthorn.Job{DeliveryID: posthorn.DeliveryID{1}, Attempt: 1, Schedule: 1, Data: []byte(`{}`)}
	d.perform(t.Context(), task{lane: &lane{}, job: job})
	result, end := <-d.results, <-d.done
	if result.Decision.State != posthorn.DeliveryFailed || result.Decision.Reason == "" || result.Job.DeliveryID != job.DeliveryID {
		t.Errorf("result %+v", result)
	}
	if result.Outcome.ErrorClass != posthorn.ErrorProtocol || result.Attempt.IsZero() {
		t.Errorf("outcome %+v", result.Outcome)
	}
	if !end.unsent || end.interrupted {
		t.Errorf("completion %+v", end)
	}
}

func TestTheBytesOfAQueueAreThoseOfItsJobs(t *testing.T) {
	t.Parallel()
	var q queue
	for n := range 10 {
		q.push(&posthorn.Job{Data: make([]byte, n)})
	}
	if want := 45 + 10*jobOverhead; q.bytes != want {
		t.Errorf("%d bytes, want %d", q.bytes, want)
	}
	q.pop()
	q.pop()
	q.cut(5)
	if want := 2 + 3 + 4 + 5 + 6 + 5*jobOverhead; q.bytes != want {
		t.Errorf("%d bytes, want %d", q.bytes, want)
	}
	if q.cut(0); q.bytes != 0 {
		t.Errorf("%d bytes in an empty queue", q.bytes)
	}
}

func TestABudgetIsNeverExceededByOffersAndClaims(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := budget{maxJobs: rapid.IntRange(1, 100).Draw(t, "jobs"), maxBytes: rapid.IntRange(1, 100_000).Draw(t, "bytes")}
		t.Repeat(map[string]func(*rapid.T){
			"offer": func(t *rapid.T) {
				jobs := make([]posthorn.Job, rapid.IntRange(0, 20).Draw(t, "offered"))
				for i := range jobs {
					jobs[i].Data = make([]byte, rapid.IntRange(0, 5000).Draw(t, "data"))
				}
				b.take(jobs)
			},
			"claim": func(t *rapid.T) {
				jobs, bytes := b.promise(rapid.IntRange(1, 50).Draw(t, "limit"), rapid.IntRange(1, 50_000).Draw(t, "most"))
				if jobs > 0 && bytes-jobs*jobOverhead <= 0 {
					t.Fatalf("%d jobs are promised %d bytes", jobs, bytes)
				}
			},
			"": func(t *rapid.T) {
				if jobs, bytes := b.used(); jobs > b.maxJobs || bytes > b.maxBytes || jobs < 0 || bytes < 0 {
					t.Fatalf("%d jobs and %d bytes of %d and %d", jobs, bytes, b.maxJobs, b.maxBytes)
				}
			},
		})
	})
}

func TestAQueueIsFirstInFirstOut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		var model []int
		next := 0
		t.Repeat(map[string]func(*rapid.T){
			"push": func(*rapid.T) {
				next++
				q.push(&posthorn.Job{Attempt: next})
				model = append(model, next)
			},
			"pop": func(t *rapid.T) {
				if len(model) == 0 {
					t.Skip("empty")
				}
				if j := q.pop(); j.Attempt != model[0] {
					t.Fatalf("%d, want %d", j.Attempt, model[0])
				}
				model = model[1:]
			},
			"cut": func(t *rapid.T) {
				n := rapid.IntRange(0, next+1).Draw(t, "keep")
				rest := q.cut(n)
				n = min(n, len(model))
				for i, j := range rest {
					if j.Attempt != model[n+i] {
						t.Fatalf("cut %d, want %d", j.Attempt, model[n+i])
					}
				}
				if len(rest) != len(model)-n {
					t.Fatalf("cut %d of %d, keeping %d", len(rest), len(model), n)
				}
				clear(rest)
				model = model[:n]
			},
			"": func(t *rapid.T) {
				if q.len() != len(model) {
					t.Fatalf("%d, want %d", q.len(), len(model))
				}
			},
		})
	})
}

func TestTheRingAndTheTimersKeepTheirOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var r ring
		var model []*lane
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			if len(model) > 0 && rapid.Bool().Draw(t, "pop") {
				if l := r.pop(); l != model[0] {
					t.Fatal("out of turn")
				}
				model = model[1:]
				continue
			}
			l := &lane{}
			r.push(l)
			model = append(model, l)
		}
		if r.n != len(model) {
			t.Fatalf("%d in the ring, want %d", r.n, len(model))
		}

		var ts timers
		earliest := map[*lane]time.Time{}
		lanes := make([]*lane, 20)
		for i := range lanes {
			lanes[i] = &lane{place: -1}
		}
		for range rapid.IntRange(1, 100).Draw(t, "timers") {
			l := rapid.SampledFrom(lanes).Draw(t, "lane")
			if rapid.IntRange(0, 9).Draw(t, "remove") == 0 {
				ts.remove(l)
				delete(earliest, l)
				continue
			}
			at := epoch.Add(time.Duration(rapid.IntRange(0, 50).Draw(t, "at")))
			ts.set(l, at)
			if was, ok := earliest[l]; !ok || at.Before(was) {
				earliest[l] = at
			}
		}
		now := epoch
		for len(earliest) > 0 {
			now = now.Add(1)
			for l := ts.due(now); l != nil; l = ts.due(now) {
				if at := earliest[l]; at.After(now) || now.Sub(at) > 1 {
					t.Fatalf("%v at %v", at, now)
				}
				delete(earliest, l)
			}
			if now.Sub(epoch) > 100 {
				t.Fatalf("%d are never due", len(earliest))
			}
		}
		if !ts.next().IsZero() {
			t.Fatal("some are left")
		}
	})
}
