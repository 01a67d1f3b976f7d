package postgres_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
)

// benchEvents are events of 1 KiB.
func benchEvents(tenant posthorn.TenantID, n int) []posthorn.Event {
	events := make([]posthorn.Event, n)
	for i := range events {
		events[i] = event(tenant, "submission.completed", func(e *posthorn.Event) {
			e.Data = json.RawMessage(`{"text":"` + strings.Repeat("x", 1000) + `"}`)
		})
	}
	return events
}

// BenchmarkDeliveries writes events and the results of their deliveries, in transactions of different sizes.
func BenchmarkDeliveries(b *testing.B) {
	for _, batch := range []int{1, 20, 100, 500} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			db, tenant := newTenant(b)
			insertHook(b, postgres.NewWebhooks(db), tenant, func(w *posthorn.Webhook) { w.Events = []string{"submission.*"} })
			var jobs []posthorn.Job
			r := newRecorder(b, db, func(j []posthorn.Job) { jobs = append(jobs, j...) })
			store := postgres.NewDispatching(db, plainBox{}, &postgres.Outbox{})
			var publishing, finishing time.Duration
			done := 0
			for b.Loop() {
				began := time.Now()
				publish(b, r, benchEvents(tenant, batch)...)
				published := time.Now()
				results := make([]posthorn.Result, len(jobs))
				for i := range jobs {
					results[i] = result(jobs[i], 200)
				}
				if err := store.Finish(b.Context(), 0, results); err != nil {
					b.Fatal(err)
				}
				publishing, finishing = publishing+published.Sub(began), finishing+time.Since(published)
				done += len(jobs)
				jobs = jobs[:0]
			}
			b.ReportMetric(float64(publishing.Microseconds())/float64(done), "µs/event")
			b.ReportMetric(float64(finishing.Microseconds())/float64(done), "µs/result")
		})
	}
}
