package postgres_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
	"posthorn/internal/testkit"
)

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
