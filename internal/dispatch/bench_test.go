package dispatch_test

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"posthorn/internal/dispatch"
	"posthorn/internal/posthorn"
)

// doneStore writes nothing, and counts down.
type doneStore struct {
	*fakeStore
	left atomic.Int64
	done chan struct{}
}

func (s *doneStore) Finish(_ context.Context, _ int, results []posthorn.Result) error {
	if s.left.Add(-int64(len(results))) == 0 {
		close(s.done)
	}
	return nil
}

func (*doneStore) Claim(context.Context, dispatch.ClaimRequest) (dispatch.Claim, error) {
	return dispatch.Claim{}, nil
}

// BenchmarkDispatch measures what a job costs from being offered to its result being handed to the store, composing and
// signing included, beside a sender and a store that cost nothing.
func BenchmarkDispatch(b *testing.B) {
	s := &doneStore{fakeStore: newStore(), done: make(chan struct{})}
	d, err := dispatch.New(dispatch.Options{
		Store: s, Queue: 1 << 16,
		Sender: dispatch.SenderFunc(func(context.Context, posthorn.Request) posthorn.Outcome {
			return posthorn.Outcome{StatusCode: 200}
		}),
	})
	if err != nil {
		b.Fatal(err)
	}
	const webhooks, batch = 100, 10
	jobs := make([]posthorn.Job, 0, webhooks*batch)
	for range webhooks {
		id := s.webhook(b, "https://hooks.example/in", nil)
		for range batch {
			event := posthorn.NewEventID()
			jobs = append(jobs, posthorn.Job{
				DeliveryID: posthorn.DeliveryIDOf(event, id), WebhookID: id, EventID: event, Event: "submission.completed",
				OccurredAt: time.Now(), Data: json.RawMessage(`{"id":"sub_1","status":"completed","score":0.93}`),
				Payload: posthorn.SchemeStandard, Attempt: 1, Schedule: 1, Revision: 1,
			})
		}
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()

	s.left.Store(int64(b.N))
	b.ReportAllocs()
	b.ResetTimer()
	for sent := 0; sent < b.N; {
		n := min(len(jobs), b.N-sent)
		for d.Stats().Queued > 1<<15 {
			<-time.After(time.Millisecond)
		}
		lease := d.NewLease()
		offered := append([]posthorn.Job(nil), jobs[:n]...)
		for i := range offered {
			offered[i].Lease = lease
		}
		d.Offer(offered)
		sent += n
	}
	<-s.done
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	if d.Stats().Released != 0 {
		b.Errorf("%d jobs were given back", d.Stats().Released)
	}
}
