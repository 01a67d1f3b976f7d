package app_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"posthorn/internal/app"
	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
)

// findingOn returns what doctor finds on a subject.
func findingOn(t *testing.T, s *sitekit.Site, subject string) app.Finding {
	t.Helper()
	findings := app.Examine(t.Context(), []string{
		"POSTHORN_DATA_DIR=" + s.Config.DataDir, "DATABASE_URL=" + s.Config.DatabaseURL.Reveal(),
	})
	i := slices.IndexFunc(findings, func(f app.Finding) bool { return f.Subject == subject })
	if i < 0 {
		t.Fatalf("nothing on %s in %+v", subject, findings)
	}
	return findings[i]
}

func TestADeliveryThatNoDispatcherSendsIsNoticed(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t, "POSTHORN_ALLOW_HTTP_TARGETS=true", "POSTHORN_ALLOW_TARGET_CIDRS=127.0.0.0/8")
	a := s.Client().Do(http.MethodPut, "/api/v1/webhooks/configs", strings.NewReader(`{"url":"http://127.0.0.1:9/hook","events":["*"]}`),
		"Content-Type", "application/json", "Authorization", "Bearer "+s.Owner.APIKey)
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(a.Text), &made); err != nil || a.StatusCode != http.StatusCreated {
		t.Fatalf("create a webhook: %d %s", a.StatusCode, a.Text)
	}
	id, err := posthorn.ParseWebhookID(made.ID)
	if err != nil {
		t.Fatal(err)
	}
	s.Stop() // and with it the only dispatcher
	if f := findingOn(t, s, "deliveries"); f.Problem != "" || f.Fine != "0 due, the oldest for 0s" {
		t.Errorf("with nothing due: %+v", f)
	}
	db, err := postgres.Open(t.Context(), postgres.Options{URL: s.Config.DatabaseURL.Reveal()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	execute(t, s, `UPDATE webhooks SET state_since = now() - interval '1 hour' WHERE id = $1`, id.UUID())
	execute(t, s, `INSERT INTO due (delivery_id, webhook_id, next_attempt_at, lease_token, attempts, schedule, test)
VALUES (gen_random_uuid(), $1, now() - interval '10 minutes', 0, 0, 0, false)`, id.UUID())
	for _, lastLook := range []time.Time{{}, time.Now().Add(-2 * time.Minute)} {
		_, err = app.Ready(t.Context(), db, lastLook)
		if posthorn.KindOf(err) != posthorn.Conflict || !strings.Contains(err.Error(), "10m0") || strings.Contains(err.Error(), made.ID) {
			t.Errorf("readiness, with a dispatcher that looked at %v: %v", lastLook, err)
		}
	}
	// A dispatcher that looks can do no more about it.
	notes, err := app.Ready(t.Context(), db, time.Now().Add(-30*time.Second))
	if err != nil || len(notes) != 1 || !strings.Contains(notes[0], "1 active webhook") || strings.Contains(notes[0], made.ID) {
		t.Errorf("readiness, with a dispatcher that looks: %q, %v", notes, err)
	}
	f := findingOn(t, s, "deliveries")
	if !strings.Contains(f.Problem, "10m0") || !strings.Contains(f.Problem, made.ID) || !strings.Contains(f.Remedy, "posthorn worker") {
		t.Errorf("doctor: %+v", f)
	}
}
