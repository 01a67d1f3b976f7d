package metrics_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"posthorn/internal/metrics"
)

func scrape(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
}

func TestWhatHappenedIsCounted(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	m.EventsIngested(3)
	m.ActivityRecorded(2)
	m.Attempt(metrics.Succeeded, 20*time.Millisecond)
	m.Attempt(metrics.Succeeded, 30*time.Second)
	m.Attempt(metrics.Retried, time.Minute)
	m.FirstAttempt(2 * time.Millisecond)
	m.FirstAttempt(-time.Second)
	m.Flush(metrics.Events, 3)
	m.Flush(metrics.Results, 500)
	m.WatchDispatch(func() (inFlight, queued int64) { return 4, 5 })
	m.WatchDue(func(context.Context) (metrics.Due, error) {
		return metrics.Due{Deliveries: 6, Oldest: 1500 * time.Millisecond, StuckWebhooks: 2}, nil
	})
	wantLines(t, scrape(t, m),
		"posthorn_events_ingested_total 3",
		"posthorn_activity_recorded_total 2",
		`posthorn_deliveries_total{result="succeeded"} 2`,
		`posthorn_deliveries_total{result="failed"} 0`,
		`posthorn_deliveries_total{result="retried"} 1`,
		`posthorn_attempt_duration_seconds_bucket{le="0.025"} 1`,
		`posthorn_attempt_duration_seconds_bucket{le="30"} 2`,
		"posthorn_attempt_duration_seconds_count 3",
		"posthorn_publish_to_first_attempt_seconds_count 2",
		"posthorn_publish_to_first_attempt_seconds_sum 0.002",
		`posthorn_flush_items_sum{what="events"} 3`,
		`posthorn_flush_items_count{what="activity"} 0`,
		`posthorn_flush_items_bucket{what="results",le="200"} 0`,
		`posthorn_flush_items_bucket{what="results",le="500"} 1`,
		"posthorn_attempts_in_flight 4",
		"posthorn_dispatch_queued 5",
		"posthorn_due_deliveries 6",
		"posthorn_oldest_due_seconds 1.5",
		"posthorn_stuck_webhooks 2",
	)
	if text := scrape(t, m); !strings.Contains(text, "go_goroutines ") || !strings.Contains(text, "process_cpu_seconds_total ") {
		t.Error("the figures of Go and of the process are missing")
	}
}

func TestWithoutADatabaseTheOtherSamplesStay(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	m.WatchDue(func(ctx context.Context) (metrics.Due, error) {
		if _, bounded := ctx.Deadline(); !bounded {
			t.Error("the question has no deadline")
		}
		return metrics.Due{}, errors.New("away")
	})
	text := scrape(t, m)
	wantLines(t, text, "posthorn_events_ingested_total 0")
	if strings.Contains(text, "posthorn_due_deliveries") || strings.Contains(text, "posthorn_oldest_due") || strings.Contains(text, "posthorn_stuck") {
		t.Error("samples of a database that did not answer")
	}
}

func TestNilMetricsCountNothing(t *testing.T) {
	t.Parallel()
	var m *metrics.Metrics
	m.EventsIngested(1)
	m.ActivityRecorded(1)
	m.Attempt(metrics.Failed, time.Second)
	m.FirstAttempt(time.Second)
	m.Flush(metrics.Results, 1)
	m.WatchDispatch(nil)
	m.WatchDue(nil)
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("a scrape of no metrics: %d", w.Code)
	}
}
