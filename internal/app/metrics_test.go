package app_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// scrape reads the metrics of a site, with headers in pairs, as this machine does without them.
func scrape(t *testing.T, s *sitekit.Site, headers ...string) map[string]float64 {
	t.Helper()
	a := s.Client().Get(path.Metrics, headers...)
	if a.StatusCode != http.StatusOK {
		t.Fatalf("scrape: %d %s", a.StatusCode, a.Text)
	}
	samples := map[string]float64{}
	for line := range strings.Lines(a.Text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if ok && name != "#" {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatalf("read %q: %v", line, err)
			}
			samples[name] = n
		}
	}
	return samples
}

func TestMetricsTellWhatTheWholeServerDoes(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t, slices.Concat(many, loopback, []string{"POSTHORN_METRICS_TOKEN=scraper", "POSTHORN_TRUSTED_PROXIES=127.0.0.0/8"})...)
	before := scrape(t, s)
	for _, name := range []string{
		"posthorn_events_ingested_total", "posthorn_activity_recorded_total", "posthorn_attempts_in_flight",
		"posthorn_due_deliveries", "posthorn_oldest_due_seconds", "posthorn_stuck_webhooks",
		`posthorn_deliveries_total{result="succeeded"}`, `posthorn_deliveries_total{result="failed"}`, `posthorn_deliveries_total{result="retried"}`,
		"posthorn_attempt_duration_seconds_count", "posthorn_publish_to_first_attempt_seconds_count",
		`posthorn_flush_items_count{what="events"}`, `posthorn_flush_items_count{what="activity"}`, `posthorn_flush_items_count{what="results"}`,
	} {
		if n, there := before[name]; !there || n != 0 {
			t.Errorf("%s is %v before anything happens, there: %t", name, n, there)
		}
	}
	hold := make(chan struct{})
	holding := newCollector(t, hold)
	status := func(code int) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }))
		t.Cleanup(server.Close)
		return server.URL
	}
	const events = 20
	newWebhook(t, s, status(http.StatusNoContent), "")
	newWebhook(t, s, status(http.StatusBadRequest), "")
	newWebhook(t, s, status(http.StatusInternalServerError), `,"maxInFlight":1`)
	newWebhook(t, s, holding.URL, `,"maxInFlight":1,"timeoutSeconds":30`)
	publishAt(t, s.URL, s.Owner.APIKey, events)
	s.PostActivity(nil)

	var wrong []string
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("last seen to be wrong: %q", wrong)
		}
	})
	await(t, func() bool {
		wrong = wrongSamples(scrape(t, s), events)
		return len(wrong) == 0
	})
	close(hold)
	await(t, func() bool { return scrape(t, s)[`posthorn_deliveries_total{result="succeeded"}`] == 2*events })
}

// wrongSamples says which samples are not as they must be after events and an activity were published to four webhooks: one
// that takes everything, one that refuses it, one that fails and one that hangs. Each failed delivery is an event, too. What
// waits for the webhook that fails is due, and what waits for the one that hangs is in memory.
func wrongSamples(now map[string]float64, events float64) (wrong []string) {
	retried, first := now[`posthorn_deliveries_total{result="retried"}`], now["posthorn_publish_to_first_attempt_seconds_count"]
	attempts := 2*events + retried
	for name, want := range map[string]float64{
		"posthorn_events_ingested_total":                              2*events + 1,
		"posthorn_activity_recorded_total":                            1,
		`posthorn_deliveries_total{result="succeeded"}`:               events,
		`posthorn_deliveries_total{result="failed"}`:                  events,
		"posthorn_attempts_in_flight":                                 1,
		"posthorn_stuck_webhooks":                                     0,
		"posthorn_attempt_duration_seconds_count":                     attempts,
		`posthorn_attempt_duration_seconds_bucket{le="+Inf"}`:         attempts,
		`posthorn_publish_to_first_attempt_seconds_bucket{le="3600"}`: first,
		`posthorn_flush_items_sum{what="results"}`:                    attempts,
		`posthorn_flush_items_count{what="events"}`:                   1,
		`posthorn_flush_items_sum{what="events"}`:                     events,
		`posthorn_flush_items_bucket{what="events",le="10"}`:          0,
		`posthorn_flush_items_bucket{what="events",le="20"}`:          1,
		`posthorn_flush_items_count{what="activity"}`:                 1,
	} {
		if now[name] != want {
			wrong = append(wrong, fmt.Sprintf("%s is %v, want %v", name, now[name], want))
		}
	}
	if first < 2*events || first > attempts {
		wrong = append(wrong, fmt.Sprintf("%v first attempts of %v", first, attempts))
	}
	for _, name := range []string{
		`posthorn_deliveries_total{result="retried"}`, "posthorn_dispatch_queued", "posthorn_due_deliveries", "posthorn_oldest_due_seconds",
		"posthorn_attempt_duration_seconds_sum", "posthorn_publish_to_first_attempt_seconds_sum", `posthorn_flush_items_count{what="results"}`,
	} {
		if now[name] <= 0 {
			wrong = append(wrong, fmt.Sprintf("%s is %v", name, now[name]))
		}
	}
	return wrong
}

func TestMetricsOfTheWholeServerAreForThisMachineAndTheToken(t *testing.T) {
	t.Parallel()
	const token = "Bearer scraper"
	for variable, withToken := range map[string]int{"POSTHORN_METRICS_TOKEN=scraper": http.StatusOK, "": http.StatusNotFound} {
		variables := []string{"POSTHORN_TRUSTED_PROXIES=127.0.0.0/8"}
		if variable != "" {
			variables = append(variables, variable)
		}
		s := sitekit.Start(t, variables...)
		for _, tc := range []struct {
			headers []string
			want    int
		}{
			{nil, http.StatusOK},
			{[]string{"X-Forwarded-For", "203.0.113.7"}, http.StatusNotFound},
			{[]string{"X-Forwarded-For", "203.0.113.7", "Authorization", "Bearer other"}, http.StatusNotFound},
			{[]string{"X-Forwarded-For", "203.0.113.7", "Authorization", token}, withToken},
		} {
			a := s.Client().Get(path.Metrics, tc.headers...)
			if a.StatusCode != tc.want || strings.Contains(a.Text, "posthorn_events_ingested_total") != (tc.want == http.StatusOK) {
				t.Errorf("%q, %v: %d %.100s", variable, tc.headers, a.StatusCode, a.Text)
			}
		}
	}
}

func TestAWebhookThatCannotBeSentToIsToldAndTakesNothingOutOfService(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t, slices.Concat(many, loopback)...)
	id := newWebhook(t, s, "http://127.0.0.1:9/hook", "")
	// The secret was sealed with a key that is gone.
	execute(t, s, `UPDATE signing_secrets SET secret = decode('00', 'hex')`)
	publishAt(t, s.URL, s.Owner.APIKey, 3)
	execute(t, s, `UPDATE webhooks SET state_since = now() - interval '1 hour'`)
	execute(t, s, `UPDATE deliveries SET created_at = now() - interval '10 minutes'`)

	const note = "Nothing is sent to 1 active webhook: deliveries have waited for up to 10m"
	await(t, func() bool {
		a := s.Client().Get(path.Readyz)
		if a.StatusCode != http.StatusOK {
			t.Fatalf("readiness: %d %s", a.StatusCode, a.Text)
		}
		return strings.Contains(a.Text, `"status":"ready"`) && strings.Contains(a.Text, note)
	})
	if n := scrape(t, s)["posthorn_stuck_webhooks"]; n != 1 {
		t.Errorf("%v webhooks are stuck", n)
	}
	f := findingOn(t, s, "deliveries")
	if !strings.Contains(f.Problem, id) || !strings.Contains(f.Problem, "10m") || !strings.Contains(f.Remedy, "POSTHORN_SECRET_KEY") {
		t.Errorf("doctor: %+v", f)
	}
}

// execute changes the database behind the back of a site.
func execute(t *testing.T, s *sitekit.Site, sql string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.Config.DatabaseURL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(fmt.Errorf("%s: %w", sql, err))
	}
}
