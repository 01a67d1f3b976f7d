// Package metrics counts what a process does, for Prometheus. Labels have a few values each, known beforehand: what
// concerns one tenant or webhook is in the database and on its pages.
package metrics

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are those of one process. All methods may be called on nil, where they do nothing, and concurrently.
type Metrics struct {
	registry   *prometheus.Registry
	events     prometheus.Counter
	activity   prometheus.Counter
	deliveries map[Result]prometheus.Counter
	duration   prometheus.Histogram
	first      prometheus.Histogram
	flushes    map[Flushed]prometheus.Observer
}

// Result is what an attempt was for its delivery.
type Result string

// The results.
const (
	// Succeeded deliveries were taken by their receiver.
	Succeeded Result = "succeeded"
	// Failed deliveries are not tried again.
	Failed Result = "failed"
	// Retried ones are tried again later.
	Retried Result = "retried"
)

// Flushed is what a transaction wrote.
type Flushed string

// The kinds of flushes.
const (
	// Events are those that were published.
	Events Flushed = "events"
	// Activity are recorded checks.
	Activity Flushed = "activity"
	// Results are those of attempts.
	Results Flushed = "results"
)

// Buckets of the histograms: an attempt takes as long as its webhook's timeout at most, which is 30 s; what waits does so
// for microseconds or, behind an outage, for hours.
var (
	durationBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15, 30}
	firstBuckets    = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30, 300, 3600}
	flushBuckets    = []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000}
)

// New makes the metrics of this process, with those of Go and of the process itself.
func New() *Metrics {
	registry := prometheus.NewRegistry()
	m := &Metrics{
		registry: registry,
		events: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "posthorn_events_ingested_total", Help: "Events that were stored, by whatever they were caused. Repeated ones are not counted.",
		}),
		activity: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "posthorn_activity_recorded_total", Help: "Records of activity that were stored. Repeated ones are not counted.",
		}),
		deliveries: map[Result]prometheus.Counter{},
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "posthorn_attempt_duration_seconds", Help: "How long attempts at deliveries took.", Buckets: durationBuckets,
		}),
		first: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "posthorn_publish_to_first_attempt_seconds",
			Help: "From the receipt of an event to the start of the first attempt at one of its deliveries.", Buckets: firstBuckets,
		}),
		flushes: map[Flushed]prometheus.Observer{},
	}
	deliveries := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "posthorn_deliveries_total", Help: "Attempts at deliveries by what came of them, tests included.",
	}, []string{"result"})
	for _, r := range []Result{Succeeded, Failed, Retried} {
		m.deliveries[r] = deliveries.WithLabelValues(string(r))
	}
	flushes := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "posthorn_flush_items", Help: "How many items one transaction wrote.", Buckets: flushBuckets,
	}, []string{"what"})
	for _, f := range []Flushed{Events, Activity, Results} {
		m.flushes[f] = flushes.WithLabelValues(string(f))
	}
	registry.MustRegister(m.events, m.activity, deliveries, m.duration, m.first, flushes,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// EventsIngested counts events that were stored.
func (m *Metrics) EventsIngested(n int) {
	if m != nil {
		m.events.Add(float64(n))
	}
}

// ActivityRecorded counts records that were stored.
func (m *Metrics) ActivityRecorded(n int) {
	if m != nil {
		m.activity.Add(float64(n))
	}
}

// Attempt counts an attempt whose result was stored, and how long it took.
func (m *Metrics) Attempt(r Result, took time.Duration) {
	if m == nil {
		return
	}
	if counter, ok := m.deliveries[r]; ok {
		counter.Inc()
	}
	m.duration.Observe(took.Seconds())
}

// FirstAttempt notes how long after the receipt of its event a delivery was first attempted. Clocks of several processes may
// differ: less than nothing counts as nothing.
func (m *Metrics) FirstAttempt(after time.Duration) {
	if m != nil {
		m.first.Observe(max(after, 0).Seconds())
	}
}

// Flush notes how many items a transaction wrote.
func (m *Metrics) Flush(what Flushed, n int) {
	if m == nil {
		return
	}
	if histogram, ok := m.flushes[what]; ok {
		histogram.Observe(float64(n))
	}
}

// WatchDispatch asks the dispatcher of this process, at each scrape, how many attempts are under way and how many jobs wait
// in memory. It may be called once.
func (m *Metrics) WatchDispatch(ask func() (inFlight, queued int64)) {
	if m == nil {
		return
	}
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "posthorn_attempts_in_flight", Help: "Attempts that are under way in this process.",
		}, func() float64 { n, _ := ask(); return float64(n) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "posthorn_dispatch_queued", Help: "Deliveries that wait in the memory of this process, and the room kept for what a claim under way may bring.",
		}, func() float64 { _, n := ask(); return float64(n) }))
}

// WatchDue asks the database, at each scrape, how deliveries that are due fare. Where it does not answer, there are no such
// samples. It may be called once.
func (m *Metrics) WatchDue(ask func(ctx context.Context) (Due, error)) {
	if m != nil {
		m.registry.MustRegister(dueCollector{ask})
	}
}

// Handler answers scrapes.
func (m *Metrics) Handler() http.Handler {
	if m == nil {
		return http.NotFoundHandler()
	}
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
