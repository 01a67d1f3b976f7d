package postgres_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"posthorn/internal/posthorn"
)

func TestAnAddressThatAWebhookNoLongerHasSaysNothingOfIt(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	w := s.hook("submission.completed")
	s.publish(s.event("submission.completed"))
	r := result(s.claim(posthorn.ClaimRequest{}).Jobs[0], 410)
	r.Decision.DisableWebhook = "410 Gone"
	s.exec(`UPDATE webhooks SET url = 'https://new.example/hooks'`)
	s.finish(r)
	if n := s.one(`SELECT count(*) FROM webhooks WHERE state = 'active'`); n != 1 {
		t.Error("the old address disabled the webhook")
	}
	if n := s.one(`SELECT count(*) FROM webhook_health WHERE failing_since IS NOT NULL`); n != 0 {
		t.Error("the old address counts as a failure of the new one")
	}
	s.exec(`UPDATE webhooks SET url = $1 WHERE id = $2`, r.URL, w.ID.UUID())
	s.publish(s.event("submission.completed"))
	r = result(s.claim(posthorn.ClaimRequest{}).Jobs[0], 410)
	r.Decision.DisableWebhook = "410 Gone"
	s.finish(r)
	if n := s.one(`SELECT count(*) FROM webhooks WHERE state = 'disabled'`); n != 1 {
		t.Error("its own address does not disable the webhook")
	}
}

func TestFiveDaysOfFailuresDisableAWebhookAndTellOfIt(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	w := s.hook("submission.completed")
	s.hook("webhook.*")
	fail := func() {
		t.Helper()
		s.publish(s.event("submission.completed"))
		s.finish(result(s.claim(posthorn.ClaimRequest{}).Jobs[0], 503))
	}
	fail()
	if n := s.one(`SELECT count(*) FROM webhook_health WHERE failing_since > now() - interval '1 minute'`); n != 1 {
		t.Fatal("the first failure is not noted")
	}
	s.exec(`UPDATE webhook_health SET failing_since = now() - interval '4 days 23 hours'`)
	fail()
	if n := s.one(`SELECT count(*) FROM webhooks WHERE state = 'disabled'`); n != 0 {
		t.Fatal("it is disabled too early")
	}
	s.exec(`UPDATE webhook_health SET failing_since = now() - interval '5 days'`)
	fail()
	if n := s.one(`SELECT count(*) FROM webhooks WHERE id = $1 AND state = 'disabled' AND state_reason = $2 AND state_by = 'Posthorn' AND revision > 1`,
		w.ID.UUID(), posthorn.DisabledForFailures); n != 1 {
		t.Error("it is not disabled")
	}
	jobs := s.claim(posthorn.ClaimRequest{}).Jobs
	if len(jobs) != 1 || jobs[0].Event != posthorn.EventWebhookDisabled || !strings.Contains(string(jobs[0].Data), w.ID.String()) {
		t.Errorf("nobody is told: %+v", jobs)
	}
	if n := s.one(`SELECT count(*) FROM audit_log WHERE action = 'webhook.disabled' AND subject = $1`, w.ID.String()); n != 1 {
		t.Error("the audit log does not know")
	}
}

func TestASuccessEndsAFailureAndALongOneIsWorthAnEvent(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	s.hook("submission.completed")
	s.hook("webhook.recovered")
	send := func(status int) {
		t.Helper()
		s.publish(s.event("submission.completed"))
		s.finish(result(s.claim(posthorn.ClaimRequest{}).Jobs[0], status))
	}
	send(503)
	send(200)
	if n := s.one(`SELECT count(*) FROM webhook_health WHERE failing_since IS NOT NULL`); n != 0 {
		t.Error("a success does not end the failure")
	}
	if n := s.one(`SELECT count(*) FROM events WHERE event = 'webhook.recovered'`); n != 0 {
		t.Error("a short failure is told of")
	}
	send(503)
	s.exec(`UPDATE webhook_health SET failing_since = now() - interval '11 minutes'`)
	send(200)
	if n := s.one(`SELECT count(*) FROM deliveries WHERE event = 'webhook.recovered'`); n != 1 {
		t.Errorf("the recovery made %d deliveries, want 1", n)
	}
}

func TestGoneDisablesAtOnce(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	s.hook("submission.completed")
	s.publish(s.event("submission.completed"))
	r := result(s.claim(posthorn.ClaimRequest{}).Jobs[0], 410)
	r.Decision.DisableWebhook = "The endpoint answered 410 Gone"
	s.finish(r)
	if n := s.one(`SELECT count(*) FROM webhooks WHERE state = 'disabled' AND state_reason = 'The endpoint answered 410 Gone'`); n != 1 {
		t.Error("it is not disabled")
	}
}

func TestFailedDeliveriesAreToldOfAndTheTellingIsNot(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	s.hook("submission.completed", "delivery.failed")
	s.publish(s.event("submission.completed"))
	s.finish(result(s.claim(posthorn.ClaimRequest{}).Jobs[0], 404))
	jobs := s.claim(posthorn.ClaimRequest{}).Jobs
	if len(jobs) != 1 || jobs[0].Event != posthorn.EventDeliveryFailed {
		t.Fatalf("jobs: %+v", jobs)
	}
	var data map[string]any
	if err := json.Unmarshal(jobs[0].Data, &data); err != nil || data["lastStatusCode"] != 404.0 || data["event"] != "submission.completed" {
		t.Errorf("data: %s, %v", jobs[0].Data, err)
	}
	s.finish(result(jobs[0], 404))
	if n := s.one(`SELECT count(*) FROM events`); n != 2 {
		t.Errorf("%d events: the telling is told of", n)
	}
}

func TestAThrottledWebhookIsRememberedSo(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	w := s.hook("submission.completed")
	s.publish(s.event("submission.completed"))
	r := result(s.claim(posthorn.ClaimRequest{}).Jobs[0], 503)
	r.Decision.Throttle = time.Hour
	s.finish(r)
	e, err := s.Endpoint(t.Context(), w.ID)
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(e.ThrottledUntil); left < 59*time.Minute || left > time.Hour+time.Second || e.FailingSince.IsZero() {
		t.Errorf("throttled for %s, failing since %s", left, e.FailingSince)
	}
}
