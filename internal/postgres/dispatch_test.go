package postgres_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
	"posthorn/internal/testkit"
)

// plainBox seals by writing the place in front.
type plainBox struct{}

func (plainBox) Seal(plaintext, place []byte) []byte {
	return slices.Concat(place, []byte("="), plaintext)
}

func (plainBox) Open(ciphertext, place []byte) ([]byte, error) {
	plain, ok := strings.CutPrefix(string(ciphertext), string(place)+"=")
	if !ok {
		return nil, fmt.Errorf("%q is not sealed for %q", ciphertext, place)
	}
	return []byte(plain), nil
}

// sending is a database with a tenant, and the stores around deliveries. Nothing is handed off unless a test says so.
type sending struct {
	*postgres.Dispatching
	t        *testing.T
	db       *postgres.DB
	tenant   posthorn.TenantID
	webhooks *postgres.Webhooks
	outbox   *postgres.Outbox
	events   *postgres.EventRecorder
}

func newSending(t *testing.T) *sending {
	t.Helper()
	db, tenant := newTenant(t)
	outbox := &postgres.Outbox{}
	s := &sending{
		Dispatching: postgres.NewDispatching(db, plainBox{}, outbox), t: t, db: db, tenant: tenant,
		webhooks: postgres.NewWebhooks(db), outbox: outbox, events: postgres.NewEventRecorder(db, quiet, outbox, postgres.DefaultGroupLimits),
	}
	t.Cleanup(s.events.Close)
	return s
}

// hook makes an active webhook that is subscribed to events.
func (s *sending) hook(events ...string) posthorn.Webhook {
	s.t.Helper()
	return insertHook(s.t, s.webhooks, s.tenant, func(w *posthorn.Webhook) {
		w.Events, w.Headers, w.Signature = events, nil, posthorn.Signature{Scheme: posthorn.SchemeStandard}
	})
}

// event is an event of the tenant.
func (s *sending) event(kind string) posthorn.Event {
	return posthorn.Event{
		ID: posthorn.NewEventID(), TenantID: s.tenant, Type: kind, OccurredAt: time.Now().UTC().Truncate(time.Millisecond),
		Data: json.RawMessage(`{"a" : 1}`),
	}
}

func (s *sending) publish(events ...posthorn.Event) []posthorn.Published {
	s.t.Helper()
	published, err := s.events.Publish(s.t.Context(), events)
	if err != nil {
		s.t.Fatal(err)
	}
	return published
}

func lease(d time.Duration) posthorn.Lease {
	return posthorn.Lease{Token: time.Now().UnixNano(), Expires: time.Now().Add(d)}
}

func (s *sending) claim(r posthorn.ClaimRequest) posthorn.Claim {
	s.t.Helper()
	if r.Limit == 0 {
		r.PerWebhook, r.Limit = 100, 500
	}
	if r.Lease.Token == 0 {
		r.Lease = lease(time.Minute)
	}
	c, err := s.Claim(s.t.Context(), r)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *sending) finish(results ...posthorn.Result) {
	s.t.Helper()
	if err := s.Finish(s.t.Context(), 0, results); err != nil {
		s.t.Fatal(err)
	}
}

// result is an attempt at a job with a status, made now; 503 is retried in a minute, other errors fail for good.
func result(j posthorn.Job, status int) posthorn.Result {
	r := posthorn.Result{
		Job: j, Attempt: posthorn.NewAttemptID(), URL: "https://ledger.example/hooks",
		RequestHeaders: []posthorn.Header{{Name: "X-A", Value: posthorn.HeaderMask}},
		Outcome: posthorn.Outcome{
			StatusCode: status, StartedAt: time.Now(), Timings: posthorn.Timings{FirstByte: 3 * time.Millisecond, Total: 7 * time.Millisecond},
			ResponseHeaders: []posthorn.Header{{Name: "Server", Value: "x"}}, ResponseBody: []byte("body\x00\xff"), RemoteAddress: "192.0.2.1:443",
		},
	}
	switch {
	case status < 300:
		r.Decision = posthorn.Decision{State: posthorn.DeliverySucceeded}
	case status == 503:
		r.Decision = posthorn.Decision{State: posthorn.DeliveryPending, Wait: time.Minute, Reason: "again", EndpointFailed: true}
	default:
		r.Decision = posthorn.Decision{State: posthorn.DeliveryFailed, Reason: fmt.Sprintf("Failed: %d is not retried", status)}
	}
	return r
}

func (s *sending) one(query string, args ...any) (n int) {
	s.t.Helper()
	if err := s.db.Pool().QueryRow(s.t.Context(), query, args...).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *sending) exec(query string, args ...any) {
	s.t.Helper()
	if _, err := s.db.Pool().Exec(s.t.Context(), query, args...); err != nil {
		s.t.Fatal(err)
	}
}

func TestAClaimedJobIsTheEventThatWasPublished(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	w := s.hook("submission.*")
	e := s.event("submission.completed")
	if got := s.publish(e)[0]; got != (posthorn.Published{ID: e.ID, Event: e.Type, Deliveries: 1}) {
		t.Errorf("published %+v", got)
	}
	l := lease(time.Minute)
	c := s.claim(posthorn.ClaimRequest{Lease: l})
	want := []posthorn.Job{{
		DeliveryID: posthorn.DeliveryIDOf(e.ID, w.ID), TenantID: s.tenant, WebhookID: w.ID, EventID: e.ID, Event: e.Type,
		OccurredAt: e.OccurredAt, Data: e.Data, Payload: posthorn.SchemeStandard, Attempt: 1, Schedule: 1, Revision: 1, Lease: l,
	}}
	if diff := cmp.Diff(want, c.Jobs); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
	if again := s.claim(posthorn.ClaimRequest{}); len(again.Jobs) != 0 || again.NextDue.IsZero() {
		t.Errorf("leased jobs are claimed again: %+v", again)
	}
}

func TestWhatIsHandedOffIsLeasedAndWhatTheClaimFinds(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	s.hook("*")
	var handed []posthorn.Job
	l := lease(time.Minute)
	s.outbox.HandOffTo(postgres.HandOff{
		NewLease: func() posthorn.Lease { return l },
		Offer:    func(jobs []posthorn.Job) { handed = append(handed, jobs...) },
	})
	s.publish(s.event("submission.completed"))
	if len(handed) != 1 || len(s.claim(posthorn.ClaimRequest{}).Jobs) != 0 {
		t.Fatalf("handed off %d jobs, or the claim finds them", len(handed))
	}
	if err := s.Release(t.Context(), []posthorn.Release{{DeliveryID: handed[0].DeliveryID, Token: l.Token, At: time.Now()}}); err != nil {
		t.Fatal(err)
	}
	claimed := s.claim(posthorn.ClaimRequest{}).Jobs
	if len(claimed) != 1 {
		t.Fatalf("claimed %d jobs after the release", len(claimed))
	}
	claimed[0].Lease = l
	if diff := cmp.Diff(handed, claimed); diff != "" {
		t.Errorf("handed off and claimed jobs differ (-handed +claimed):\n%s", diff)
	}
	s.outbox.StopHandingOff()
	s.publish(s.event("submission.completed"))
	if len(s.claim(posthorn.ClaimRequest{}).Jobs) != 1 || len(handed) != 1 {
		t.Error("without a dispatcher a delivery is not due at once")
	}
}

func TestOnlyTheHolderOfTheLeaseWritesAResult(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	s.hook("*")
	s.publish(s.event("submission.completed"))
	lost := s.claim(posthorn.ClaimRequest{Lease: lease(-time.Second)}).Jobs[0]
	held := s.claim(posthorn.ClaimRequest{}).Jobs[0]
	s.finish(result(lost, 200))
	if n := s.one(`SELECT count(*) FROM attempts`); n != 0 {
		t.Fatalf("the result of a lost lease made %d attempts", n)
	}
	if err := s.Release(t.Context(), []posthorn.Release{{DeliveryID: lost.DeliveryID, Token: lost.Lease.Token, At: time.Now()}}); err != nil {
		t.Fatal(err)
	}
	if len(s.claim(posthorn.ClaimRequest{}).Jobs) != 0 {
		t.Error("a lost lease was given back")
	}
	s.finish(result(held, 200))
	s.finish(result(held, 200))
	if n := s.one(`SELECT count(*) FROM attempts`); n != 1 {
		t.Errorf("%d attempts, want 1", n)
	}
	if n := s.one(`SELECT count(*) FROM due`); n != 0 {
		t.Errorf("%d are due", n)
	}
	if n := s.one(`SELECT count(*) FROM deliveries WHERE state = 'succeeded' AND attempts = 1 AND status_code = 200 AND finished_at IS NOT NULL`); n != 1 {
		t.Error("the delivery did not succeed")
	}
}

func TestARetryIsDueLaterWithTheNextNumber(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	s.hook("*")
	s.publish(s.event("submission.completed"))
	s.finish(result(s.claim(posthorn.ClaimRequest{}).Jobs[0], 503))
	c := s.claim(posthorn.ClaimRequest{})
	if wait := time.Until(c.NextDue); len(c.Jobs) != 0 || wait < 50*time.Second || wait > time.Minute {
		t.Fatalf("%d jobs, the next in %s", len(c.Jobs), wait)
	}
	s.exec(`UPDATE due SET next_attempt_at = now()`)
	j := s.claim(posthorn.ClaimRequest{}).Jobs[0]
	if j.Attempt != 2 || j.Schedule != 2 {
		t.Errorf("attempt %d at place %d of the schedule", j.Attempt, j.Schedule)
	}
	s.finish(result(j, 404))
	if n := s.one(`SELECT count(*) FROM dead_letters d JOIN deliveries USING (tenant_id, webhook_id) WHERE id = delivery_id AND state = 'failed'`); n != 1 {
		t.Error("it is not in the dead letter list")
	}
	if n := s.one(`SELECT count(*) FROM webhook_minutes WHERE succeeded = 0 AND failed = 2 AND dead = 1 OR failed = 1`); n == 0 {
		t.Error("the attempts were not counted")
	}
}

func TestNoWebhookStarvesAnother(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	noisy, quietOne := s.hook("aml.match.found"), s.hook("submission.completed")
	var many []posthorn.Event
	for range 300 {
		many = append(many, s.event("aml.match.found"))
	}
	s.publish(many...)
	s.publish(s.event("submission.completed"))
	c := s.claim(posthorn.ClaimRequest{PerWebhook: 10, Limit: 50})
	got := map[posthorn.WebhookID]int{}
	for _, j := range c.Jobs {
		got[j.WebhookID]++
	}
	if diff := cmp.Diff(map[posthorn.WebhookID]int{noisy.ID: 10, quietOne.ID: 1}, got); diff != "" {
		t.Errorf("claimed (-want +got):\n%s", diff)
	}
	if c = s.claim(posthorn.ClaimRequest{PerWebhook: 10, Limit: 50, Skip: []posthorn.WebhookID{noisy.ID}}); len(c.Jobs) != 0 {
		t.Errorf("%d jobs of a webhook to skip", len(c.Jobs))
	}
}

func TestAClaimThatWasCutGoesOnAfterTheLastWebhook(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	for range 5 {
		s.hook("*")
	}
	for range 4 {
		s.publish(s.event("submission.completed"))
	}
	var after posthorn.WebhookID
	seen := map[posthorn.WebhookID]int{}
	for range 6 {
		c := s.claim(posthorn.ClaimRequest{PerWebhook: 2, Limit: 4, After: after})
		for _, j := range c.Jobs {
			seen[j.WebhookID]++
		}
		after = c.Reached
	}
	for id, n := range seen {
		if n != 4 {
			t.Errorf("%s: %d of 4", id, n)
		}
	}
	if len(seen) != 5 {
		t.Errorf("%d of 5 webhooks were reached", len(seen))
	}
}

func TestClaimsAtTheSameTimeShareTheWork(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	s.hook("*")
	var many []posthorn.Event
	for range 200 {
		many = append(many, s.event("aml.match.found"))
	}
	s.publish(many...)
	var mu sync.Mutex
	seen := map[posthorn.DeliveryID]int{}
	var work sync.WaitGroup
	for range 8 {
		work.Go(func() {
			for {
				c, err := s.Claim(t.Context(), posthorn.ClaimRequest{PerWebhook: 7, Limit: 7, Lease: lease(time.Minute)})
				if err != nil {
					t.Error(err)
					return
				}
				if len(c.Jobs) == 0 {
					return
				}
				mu.Lock()
				for _, j := range c.Jobs {
					seen[j.DeliveryID]++
				}
				mu.Unlock()
			}
		})
	}
	work.Wait()
	// What one claim had locked, another one that found nothing else skipped: it is claimed now.
	for _, j := range s.claim(posthorn.ClaimRequest{PerWebhook: 500}).Jobs {
		seen[j.DeliveryID]++
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s was claimed %d times", id, n)
		}
	}
	if len(seen) != 200 {
		t.Errorf("%d of 200 were claimed", len(seen))
	}
}

func TestADeliveryWhoseEventIsGoneEndsAndHoldsNothingUp(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	s.hook("*")
	gone, kept := s.event("submission.completed"), s.event("submission.completed")
	s.publish(gone, kept)
	s.exec(`DELETE FROM events WHERE id = $1`, gone.ID.UUID())
	if jobs := s.claim(posthorn.ClaimRequest{}).Jobs; len(jobs) != 1 || jobs[0].EventID != kept.ID {
		t.Fatalf("claimed %+v, want the delivery that has its event", jobs)
	}
	if n := s.one(`SELECT count(*) FROM due`); n != 1 {
		t.Errorf("%d deliveries are due, want that of the other event", n)
	}
	if n := s.one(`SELECT count(*) FROM deliveries d JOIN cancelled_deliveries c ON c.delivery_id = d.id
 WHERE d.event_id = $1 AND d.state = 'cancelled' AND d.reason = $2`, gone.ID.UUID(), posthorn.CancelledWithoutEvent); n != 1 {
		t.Error("the delivery without its event is not cancelled")
	}
}

func TestAClaimStopsAtItsBytesAndGivesTheRestBack(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	s.hook("*")
	for range 5 {
		e := s.event("submission.completed")
		e.Data = json.RawMessage(`{"text":"` + strings.Repeat("x", 1000) + `"}`)
		s.publish(e)
	}
	for claim, want := range []int{2, 2, 1, 0} {
		if jobs := s.claim(posthorn.ClaimRequest{PerWebhook: 10, Limit: 10, Bytes: 2500}).Jobs; len(jobs) != want {
			t.Errorf("claim %d brought %d jobs, want %d", claim, len(jobs), want)
		}
	}
	large := s.event("submission.completed")
	large.Data = json.RawMessage(`{"text":"` + strings.Repeat("x", 5000) + `"}`)
	s.publish(large)
	if jobs := s.claim(posthorn.ClaimRequest{PerWebhook: 10, Limit: 10, Bytes: 100}).Jobs; len(jobs) != 1 {
		t.Errorf("what is larger than the bound is claimed %d times", len(jobs))
	}
}

func TestAClaimTakesNoMoreOfAWebhookThanIsAskedFor(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	slow, quick := s.hook("*"), s.hook("*")
	for range 6 {
		s.publish(s.event("submission.completed"))
	}
	c := s.claim(posthorn.ClaimRequest{PerWebhook: 4, Limit: 50, Most: map[posthorn.WebhookID]int{slow.ID: 1, quick.ID: 9}})
	got := map[posthorn.WebhookID]int{}
	for _, j := range c.Jobs {
		got[j.WebhookID]++
	}
	if diff := cmp.Diff(map[posthorn.WebhookID]int{slow.ID: 1, quick.ID: 4}, got); diff != "" {
		t.Errorf("claimed of each (-want +got):\n%s", diff)
	}
}

func TestAClaimGoesOnBehindManyWebhooksThatHaveNothingYet(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	// Their ids come before those of real webhooks.
	s.exec(`INSERT INTO due (delivery_id, webhook_id, next_attempt_at, lease_token, attempts, schedule, test)
 SELECT gen_random_uuid(), lpad(to_hex(i), 32, '0')::uuid, now() + interval '1 day', 0, 1, 1, false FROM generate_series(1, 2500) i`)
	w := s.hook("*")
	s.publish(s.event("submission.completed"))
	after, claims := posthorn.WebhookID{}, 0
	for {
		c := s.claim(posthorn.ClaimRequest{After: after, PerWebhook: 10, Limit: 10})
		claims++
		if len(c.Jobs) == 1 && c.Jobs[0].WebhookID == w.ID {
			break
		}
		if len(c.Jobs) > 0 || c.Reached.IsZero() {
			t.Fatalf("claim %d brought %d jobs and reached the end", claims, len(c.Jobs))
		}
		after = c.Reached
	}
	if claims != 3 {
		t.Errorf("%d claims for 2501 webhooks, want 3", claims)
	}
}

func TestATestIsClaimedAlthoughItsWebhookCanTakeNothingElse(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	w := s.hook("*")
	e := s.event("submission.completed")
	e.Test, e.Webhook = true, w.ID
	s.publish(e, s.event("submission.completed"))
	if jobs := s.claim(posthorn.ClaimRequest{Skip: []posthorn.WebhookID{w.ID}}).Jobs; len(jobs) != 1 || !jobs[0].Test {
		t.Errorf("claimed %+v, want the test alone", jobs)
	}
}

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

func TestWhatBecameDueForADeletedWebhookIsSweptUp(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	w := s.hook("submission.completed")
	for range 3 {
		s.publish(s.event("submission.completed"))
	}
	// As when it was published while the webhook was being deleted.
	s.exec(`DELETE FROM webhooks WHERE id = $1`, w.ID.UUID())
	if _, err := postgres.NewMaintenance(s.db, postgres.Retention{Events: testkit.EventRetention}).RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := s.one(`SELECT count(*) FROM due`); n != 0 {
		t.Errorf("%d are due", n)
	}
	if n := s.one(`SELECT count(*) FROM deliveries WHERE state = 'cancelled' AND reason = $1`, posthorn.CancelledWithWebhook); n != 3 {
		t.Errorf("%d of 3 are cancelled", n)
	}
}

func TestWhatIsQueuedForAPausedWebhookWaitsAndATestDoesNot(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	w := s.hook("*")
	s.publish(s.event("submission.completed"))
	s.exec(`UPDATE webhooks SET state = 'inactive'`)
	if published := s.publish(s.event("submission.completed"))[0]; published.Deliveries != 0 {
		t.Errorf("an inactive webhook gets %d deliveries", published.Deliveries)
	}
	if n := len(s.claim(posthorn.ClaimRequest{}).Jobs); n != 0 {
		t.Fatalf("%d jobs of an inactive webhook", n)
	}
	e := s.event("aml.match.found")
	e.Test, e.Webhook = true, w.ID
	s.publish(e)
	jobs := s.claim(posthorn.ClaimRequest{}).Jobs
	if len(jobs) != 1 || !jobs[0].Test || jobs[0].EventID != e.ID {
		t.Fatalf("of the test: %+v", jobs)
	}
	s.finish(result(jobs[0], 500))
	if n := s.one(`SELECT count(*) FROM webhook_minutes`) + s.one(`SELECT count(*) FROM webhook_health`); n != 0 {
		t.Error("a test counts in the figures")
	}
	s.exec(`UPDATE webhooks SET state = 'active'`)
	if n := len(s.claim(posthorn.ClaimRequest{}).Jobs); n != 1 {
		t.Errorf("%d jobs wait for the webhook that is active again", n)
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

func TestAnEndpointIsOpenedWithItsSecretsAndHeaders(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	secret := posthorn.NewSigningSecret()
	w, sealed := hook(s.tenant, nil)
	w.Headers = []posthorn.CustomHeader{{Name: "X-A", Sealed: plainBox{}.Seal([]byte("1"), posthorn.WebhookHeaderPlace(w.ID, "X-A"))}}
	sealed.Sealed = plainBox{}.Seal([]byte(secret.Reveal()), posthorn.WebhookSecretPlace(w.ID))
	if _, err := s.webhooks.InsertWebhook(t.Context(), w, sealed, nil, entryFor(&w, posthorn.ActionWebhookCreated)); err != nil {
		t.Fatal(err)
	}
	e, err := s.Endpoint(t.Context(), w.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]posthorn.Header{{Name: "X-A", Value: "1"}}, e.Headers); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if len(e.Secrets) != 1 || e.Secrets[0].Secret.Reveal() != secret.Reveal() || e.Revision != 1 {
		t.Errorf("%d secrets, revision %d", len(e.Secrets), e.Revision)
	}
	_, next := hook(s.tenant, func(x *posthorn.Webhook) { x.ID = w.ID })
	next.Sealed = sealed.Sealed
	change := posthorn.SecretChange{Secret: next, OldExpires: time.Now().Add(time.Hour)}
	if _, err := s.webhooks.ReplaceSecret(t.Context(), change, nil, entryFor(&w, posthorn.ActionSecretRotated)); err != nil {
		t.Fatal(err)
	}
	if e, err = s.Endpoint(t.Context(), w.ID); err != nil || e.Revision != 2 || len(e.Secrets) != 2 {
		t.Errorf("after a rotation: revision %d, %d secrets, %v", e.Revision, len(e.Secrets), err)
	}
	if _, err := s.Endpoint(t.Context(), posthorn.NewWebhookID()); posthorn.KindOf(err) != posthorn.NotFound {
		t.Errorf("a webhook that is not: %v", err)
	}
}

func TestADeletedWebhooksDeliveriesAreCancelled(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	w := s.hook("*")
	s.publish(s.event("submission.completed"), s.event("submission.completed"))
	held := s.claim(posthorn.ClaimRequest{PerWebhook: 1, Limit: 1}).Jobs[0]
	if err := s.webhooks.DeleteWebhook(t.Context(), w, time.Now(), entryFor(&w, posthorn.ActionWebhookDeleted)); err != nil {
		t.Fatal(err)
	}
	s.finish(result(held, 200))
	if n := s.one(`SELECT count(*) FROM deliveries WHERE state = 'cancelled' AND reason = 'The webhook was deleted'`); n != 2 {
		t.Errorf("%d of 2 are cancelled", n)
	}
	if n := s.one(`SELECT count(*) FROM due`); n != 0 {
		t.Errorf("%d are due", n)
	}
}

func TestResultsOfManyShardsAtTheSameTimeDoNotDeadlock(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	for range 4 {
		s.hook("*")
	}
	var many []posthorn.Event
	for range 100 {
		many = append(many, s.event("aml.match.found"))
	}
	s.publish(many...)
	jobs := s.claim(posthorn.ClaimRequest{}).Jobs
	if len(jobs) != 400 {
		t.Fatalf("%d jobs", len(jobs))
	}
	var work sync.WaitGroup
	for shard := range 8 {
		work.Go(func() {
			var batch []posthorn.Result
			for i := shard; i < len(jobs); i += 8 {
				batch = append(batch, result(jobs[i], []int{200, 503, 404}[i%3]))
			}
			slices.Reverse(batch)
			if err := s.Finish(context.WithoutCancel(t.Context()), shard%2, batch); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	if n := s.one(`SELECT count(*) FROM attempts`); n != 400 {
		t.Errorf("%d of 400 attempts", n)
	}
	if n := s.one(`SELECT sum(succeeded + failed) FROM webhook_minutes`); n != 400 {
		t.Errorf("%d of 400 are counted", n)
	}
}

func TestTheDatabaseMakesTheSameDeliveryIDs(t *testing.T) {
	t.Parallel()
	db, _ := newTenant(t)
	for range 200 {
		e, w := posthorn.NewEventID(), posthorn.NewWebhookID()
		var got uuid.UUID
		if err := db.Pool().QueryRow(t.Context(), `SELECT delivery_id($1, $2)`, e.UUID(), w.UUID()).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if want := posthorn.DeliveryIDOf(e, w).UUID(); got != want {
			t.Fatalf("%s and %s make %s, want %s", e, w, got, want)
		}
	}
}
