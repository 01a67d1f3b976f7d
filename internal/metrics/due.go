package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// dueTimeout bounds the question to the database: a scrape must not wait for it.
const dueTimeout = 2 * time.Second

var (
	dueDesc = prometheus.NewDesc("posthorn_due_deliveries",
		"Deliveries whose time has come and that nobody has in hand, of all processes. Counted to a bound, and a few seconds old.", nil, nil)
	oldestDesc = prometheus.NewDesc("posthorn_oldest_due_seconds",
		"For how long the oldest due delivery of an active webhook that is not throttled has been due. A few seconds old.", nil, nil)
	stuckDesc = prometheus.NewDesc("posthorn_stuck_webhooks",
		"Active webhooks that a delivery has waited for too long, and that nothing is sent to. A few seconds old.", nil, nil)
)

// Due says how deliveries that are due fare, in all processes together.
type Due struct {
	// Deliveries is how many are due, and Oldest for how long the oldest has been.
	Deliveries int
	Oldest     time.Duration
	// StuckWebhooks is how many webhooks have some and get none.
	StuckWebhooks int
}

// dueCollector has all gauges from one question.
type dueCollector struct {
	ask func(ctx context.Context) (Due, error)
}

// Describe implements [prometheus.Collector].
func (dueCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- dueDesc
	descs <- oldestDesc
	descs <- stuckDesc
}

// Collect implements [prometheus.Collector].
func (c dueCollector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), dueTimeout)
	defer cancel()
	due, err := c.ask(ctx)
	if err != nil {
		return // readiness says that the database is away
	}
	metrics <- prometheus.MustNewConstMetric(dueDesc, prometheus.GaugeValue, float64(due.Deliveries))
	metrics <- prometheus.MustNewConstMetric(oldestDesc, prometheus.GaugeValue, due.Oldest.Seconds())
	metrics <- prometheus.MustNewConstMetric(stuckDesc, prometheus.GaugeValue, float64(due.StuckWebhooks))
}
