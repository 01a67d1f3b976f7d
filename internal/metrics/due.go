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
)

// dueCollector has both gauges from one question.
type dueCollector struct {
	ask func(ctx context.Context) (due int, oldest time.Duration, err error)
}

// Describe implements [prometheus.Collector].
func (dueCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- dueDesc
	descs <- oldestDesc
}

// Collect implements [prometheus.Collector].
func (c dueCollector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), dueTimeout)
	defer cancel()
	due, oldest, err := c.ask(ctx)
	if err != nil {
		return // readiness says that the database is away
	}
	metrics <- prometheus.MustNewConstMetric(dueDesc, prometheus.GaugeValue, float64(due))
	metrics <- prometheus.MustNewConstMetric(oldestDesc, prometheus.GaugeValue, oldest.Seconds())
}
