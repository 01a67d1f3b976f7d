package postgres

import (
	"posthorn/internal/metrics"
	"posthorn/internal/posthorn"
)

// measure adds a written batch of results to the metrics.
func (s *Dispatching) measure(written []posthorn.Result) {
	m := s.db.metrics
	m.Flush(metrics.Results, len(written))
	for i := range written {
		r := &written[i]
		result := metrics.Failed
		switch r.Decision.State {
		case posthorn.DeliverySucceeded:
			result = metrics.Succeeded
		case posthorn.DeliveryPending:
			result = metrics.Retried
		default:
		}
		m.Attempt(result, r.Outcome.Total)
		if r.Job.Attempt == 1 {
			m.FirstAttempt(r.Outcome.StartedAt.Sub(r.Job.EventID.Time()))
		}
	}
}
