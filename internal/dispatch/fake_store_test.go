package dispatch_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"posthorn/internal/dispatch"
	"posthorn/internal/posthorn"
)

// fakeStore is a store in memory that does what the SQL does: leases, fencing by token, fair claims, locks that are skipped.
type fakeStore struct {
	mu       sync.Mutex
	webhooks map[posthorn.WebhookID]*posthorn.Endpoint
	due      map[posthorn.WebhookID]map[posthorn.DeliveryID]*dueRow
	// attempts are the results that were written, in order; final has the deliveries that ended.
	attempts map[posthorn.DeliveryID][]posthorn.Result
	final    map[posthorn.DeliveryID]posthorn.Decision
	fenced   int
	loads    map[posthorn.WebhookID]int
	releases []int // the size of each call
	claims   []dispatch.ClaimRequest
	// err, when it is not nil, says what a call fails with: "claim", "finish", "release", "endpoint".
	err func(call string) error
	// refuseEndpoint says which endpoint cannot be read.
	refuseEndpoint func(id posthorn.WebhookID) error
	// refuse says which result the store cannot write.
	refuse func(r *posthorn.Result) bool
}

// dueRow is a row of the table due.
type dueRow struct {
	job posthorn.Job
	at  time.Time
}

var errAway = posthorn.Errorf(posthorn.Unavailable, "The database is not available, try again")

func newStore() *fakeStore {
	return &fakeStore{
		webhooks: map[posthorn.WebhookID]*posthorn.Endpoint{},
		due:      map[posthorn.WebhookID]map[posthorn.DeliveryID]*dueRow{},
		attempts: map[posthorn.DeliveryID][]posthorn.Result{},
		final:    map[posthorn.DeliveryID]posthorn.Decision{},
		loads:    map[posthorn.WebhookID]int{},
	}
}

// webhook adds a webhook; edit may be nil.
func (s *fakeStore) webhook(tb testing.TB, url string, edit func(*posthorn.Webhook)) posthorn.WebhookID {
	tb.Helper()
	secret, rule := posthorn.ParseSigningSecret("the secret of all tests here")
	if rule != "" {
		tb.Fatalf("secret %s", rule)
	}
	w := posthorn.Webhook{
		ID: posthorn.NewWebhookID(), URL: url, Signature: posthorn.Signature{Scheme: posthorn.SchemeStandard},
		Timeout: posthorn.DefaultTimeout, MaxAttempts: 10, MaxInFlight: posthorn.DefaultMaxInFlight,
		Status: posthorn.WebhookStatus{State: posthorn.WebhookActive, Since: time.Now()},
	}
	if edit != nil {
		edit(&w)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.webhooks[w.ID] = &posthorn.Endpoint{
		Webhook: w, Revision: 1, Secrets: []posthorn.EndpointSecret{{Secret: secret}},
		Headers: []posthorn.Header{{Name: "X-Key", Value: "in the clear"}},
	}
	s.due[w.ID] = map[posthorn.DeliveryID]*dueRow{}
	return w.ID
}

// change edits a webhook, which gives it a new revision.
func (s *fakeStore) change(id posthorn.WebhookID, edit func(*posthorn.Webhook)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := *s.webhooks[id]
	edit(&e.Webhook)
	e.Revision++
	s.webhooks[id] = &e
}

// publish stores n deliveries. Under a lease they are for the dispatcher that gave it, without one for the next claim.
func (s *fakeStore) publish(id posthorn.WebhookID, n int, lease *posthorn.Lease, edits ...func(*posthorn.Job)) []posthorn.Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	jobs := make([]posthorn.Job, n)
	for i := range jobs {
		event := posthorn.NewEventID()
		j := posthorn.Job{
			DeliveryID: posthorn.DeliveryIDOf(event, id), WebhookID: id, EventID: event, Event: "submission.completed",
			OccurredAt: time.Now(), Data: json.RawMessage(`{"n":1}`), Payload: posthorn.SchemeStandard,
			Attempt: 1, Schedule: 1, Revision: s.webhooks[id].Revision,
		}
		for _, edit := range edits {
			edit(&j)
		}
		row := &dueRow{job: j, at: time.Now()}
		if lease != nil {
			row.job.Lease, row.at = *lease, lease.Expires
		}
		jobs[i] = row.job
		s.due[id][j.DeliveryID] = row
	}
	return jobs
}

func (s *fakeStore) fail(call string) error {
	if s.err == nil {
		return nil
	}
	return s.err(call)
}

func (s *fakeStore) Claim(ctx context.Context, r dispatch.ClaimRequest) (dispatch.Claim, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := errors.Join(ctx.Err(), s.fail("claim")); err != nil {
		return dispatch.Claim{}, errAway
	}
	now := time.Now()
	s.claims = append(s.claims, r)
	var c dispatch.Claim
	size := 0
	for _, id := range slices.SortedFunc(maps.Keys(s.due), compareIDs) {
		e := s.webhooks[id]
		for _, row := range s.due[id] {
			if row.at.After(now) && (c.NextDue.IsZero() || row.at.Before(c.NextDue)) {
				c.NextDue = row.at
			}
		}
		if compareIDs(id, r.After) <= 0 || slices.Contains(r.Skip, id) || !c.Reached.IsZero() {
			continue
		}
		var rows []*dueRow
		for _, row := range s.due[id] {
			if !row.at.After(now) && (e.Webhook.Active() || row.job.Test) {
				rows = append(rows, row)
			}
		}
		slices.SortFunc(rows, func(a, b *dueRow) int {
			if n := a.at.Compare(b.at); n != 0 {
				return n
			}
			return bytes.Compare(a.job.DeliveryID[:], b.job.DeliveryID[:])
		})
		share := r.PerWebhook
		if most, ok := r.Most[id]; ok {
			share = min(share, most)
		}
		for _, row := range rows[:min(len(rows), share, r.Limit-len(c.Jobs))] {
			if size += len(row.job.Data); size > r.Bytes && len(c.Jobs) > 0 {
				break
			}
			row.job.Lease, row.job.Revision, row.at = r.Lease, e.Revision, r.Lease.Expires
			c.Jobs = append(c.Jobs, row.job)
		}
		if len(c.Jobs) == r.Limit {
			c.Reached = id
		}
	}
	return c, nil
}

func (s *fakeStore) Finish(ctx context.Context, _ int, results []posthorn.Result) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := errors.Join(ctx.Err(), s.fail("finish")); err != nil {
		return errAway
	}
	if s.refuse != nil && slices.ContainsFunc(results, func(r posthorn.Result) bool { return s.refuse(&r) }) {
		return posthorn.Errorf(posthorn.Internal, "Something went wrong")
	}
	for _, r := range results {
		id, wid := r.Job.DeliveryID, r.Job.WebhookID
		row, ok := s.due[wid][id]
		if !ok || row.job.Lease.Token != r.Job.Lease.Token {
			s.fenced++
			continue
		}
		s.attempts[id] = append(s.attempts[id], r)
		e := *s.webhooks[wid]
		switch {
		case r.Decision.State == posthorn.DeliverySucceeded:
			e.FailingSince = time.Time{}
		case r.Decision.EndpointFailed && e.FailingSince.IsZero():
			e.FailingSince = time.Now()
		}
		if r.Decision.Throttle > 0 {
			e.ThrottledUntil = time.Now().Add(r.Decision.Throttle)
		}
		if r.Decision.DisableWebhook != "" {
			e.Webhook.Status = posthorn.WebhookStatus{State: posthorn.WebhookDisabled, Reason: r.Decision.DisableWebhook, Since: time.Now()}
			e.Revision++
		}
		s.webhooks[wid] = &e
		if r.Decision.State != posthorn.DeliveryPending {
			s.final[id] = r.Decision
			delete(s.due[wid], id)
			continue
		}
		row.job.Attempt++
		row.job.Schedule++
		row.job.Lease = posthorn.Lease{}
		row.at = time.Now().Add(r.Decision.Wait)
	}
	return nil
}

func (s *fakeStore) Release(ctx context.Context, releases []dispatch.Release) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := errors.Join(ctx.Err(), s.fail("release")); err != nil {
		return errAway
	}
	s.releases = append(s.releases, len(releases))
	for _, r := range releases {
		for _, rows := range s.due {
			if row, ok := rows[r.DeliveryID]; ok && row.job.Lease.Token == r.Token {
				row.job.Lease, row.at = posthorn.Lease{}, r.At
			}
		}
	}
	return nil
}

func (s *fakeStore) Endpoint(ctx context.Context, id posthorn.WebhookID) (*posthorn.Endpoint, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := errors.Join(ctx.Err(), s.fail("endpoint")); err != nil {
		return nil, errAway
	}
	s.loads[id]++
	if s.refuseEndpoint != nil {
		if err := s.refuseEndpoint(id); err != nil {
			return nil, err
		}
	}
	e, ok := s.webhooks[id]
	if !ok {
		return nil, posthorn.Errorf(posthorn.NotFound, "Not found")
	}
	return e, nil
}

// locked runs f while nothing else happens in the store.
func (s *fakeStore) locked(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// left is how many deliveries have not ended.
func (s *fakeStore) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, rows := range s.due {
		n += len(rows)
	}
	return n
}

// leased is how many deliveries are under a lease that lasts.
func (s *fakeStore) leased() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, rows := range s.due {
		for _, row := range rows {
			if row.job.Lease.Token != 0 && row.at.After(time.Now()) {
				n++
			}
		}
	}
	return n
}

func compareIDs(a, b posthorn.WebhookID) int { return bytes.Compare(a[:], b[:]) }

// cutOff is a store as a process sees it that can be torn away from it, as by kill -9.
type cutOff struct {
	dispatch.Store
	mu   sync.Mutex
	gone bool
}

func (c *cutOff) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
}

func (c *cutOff) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return errAway
	}
	return nil
}

func (c *cutOff) Claim(ctx context.Context, r dispatch.ClaimRequest) (dispatch.Claim, error) {
	if err := c.err(); err != nil {
		return dispatch.Claim{}, err
	}
	return c.Store.Claim(ctx, r)
}

func (c *cutOff) Finish(ctx context.Context, shard int, results []posthorn.Result) error {
	if err := c.err(); err != nil {
		return err
	}
	return c.Store.Finish(ctx, shard, results)
}

func (c *cutOff) Release(ctx context.Context, releases []dispatch.Release) error {
	if err := c.err(); err != nil {
		return err
	}
	return c.Store.Release(ctx, releases)
}
