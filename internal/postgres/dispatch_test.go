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

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
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
