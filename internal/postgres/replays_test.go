package postgres_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
)

// replayBench is a bench with bulk replays, and a runner that works when it is told to.
type replayBench struct {
	*logBench
	replays *posthorn.Replays
	runner  *postgres.ReplayRunner
	actor   posthorn.Actor
}

func newReplayBench(t *testing.T) *replayBench {
	t.Helper()
	b := &replayBench{logBench: newLogBench(t), actor: posthorn.Actor{Name: "Amara"}}
	b.replays = posthorn.NewReplays(postgres.NewReplays(b.db), posthorn.ReplaysConfig{Wake: func() {}, Retention: 30 * 24 * time.Hour})
	b.runner = postgres.NewReplayRunner(b.db, func() {})
	return b
}

// failures makes so many deliveries that failed for good with a status, and returns their ids, oldest first.
func (b *replayBench) failures(n, code int) []posthorn.DeliveryID {
	b.t.Helper()
	ids := make([]posthorn.DeliveryID, n)
	for i := range ids {
		ids[i] = b.publish("submission.created", nil)
		b.finish(ids[i], status(code), failed)
	}
	return ids
}

func (b *replayBench) start(f posthorn.DeliveryFilter, rate int) posthorn.ReplayID {
	b.t.Helper()
	id, err := b.replays.Start(b.t.Context(), b.actor, b.tenant, f, rate, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

func (b *replayBench) progress(id posthorn.ReplayID) posthorn.Replay {
	b.t.Helper()
	r, err := b.replays.Get(b.t.Context(), b.tenant, id)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// turns lets a runner work for so many turns.
func (b *replayBench) turns(r *postgres.ReplayRunner, n int) {
	b.t.Helper()
	for range n {
		if _, err := r.Turn(b.t.Context()); err != nil {
			b.t.Fatal(err)
		}
	}
}

// queued are the deliveries that are due, oldest first.
func (b *replayBench) queued() []posthorn.DeliveryID {
	b.t.Helper()
	var out []posthorn.DeliveryID
	for _, id := range selectAll[uuid.UUID](b.t, b.db, `SELECT delivery_id FROM due ORDER BY delivery_id`) {
		out = append(out, posthorn.DeliveryID(id))
	}
	return out
}

// ended is the end of a replay: its state, what it did and what it passed by.
type ended struct {
	State         posthorn.ReplayState
	Done, Skipped int
}

func endOf(r posthorn.Replay) ended { return ended{r.State, r.Done, r.Skipped} }

func TestABulkReplayMakesItsDeliveriesDueAtItsRateOldestFirst(t *testing.T) {
	t.Parallel()
	b := newReplayBench(t)
	ids := b.failures(5, 404)
	other := b.failures(1, 500)
	f := posthorn.DeliveryFilter{WebhookID: b.hook.ID, StatusCodes: posthorn.StatusRange{From: 404, To: 404}}
	n, err := b.replays.Preview(t.Context(), b.tenant, f)
	if err != nil || n != (posthorn.Estimate{N: 5}) {
		t.Fatalf("preview %+v, %v", n, err)
	}
	id := b.start(f, 2)
	b.turns(b.runner, 1)
	if got := b.queued(); !slices.Equal(got, ids[:2]) {
		t.Errorf("after one second %v are due, want the oldest two", got)
	}
	if r := b.progress(id); r.Done != 2 || r.State != posthorn.ReplayRunning || r.Total.N != 5 || r.Left() != 1500*time.Millisecond {
		t.Errorf("progress %+v", r)
	}
	b.turns(b.runner, 3)
	if got := b.queued(); !slices.Equal(got, ids) {
		t.Errorf("%v are due, want %v", got, ids)
	}
	if diff := cmp.Diff(ended{posthorn.ReplayFinished, 5, 0}, endOf(b.progress(id))); diff != "" {
		t.Error(diff)
	}
	if e := b.get(ids[0]); e.State != posthorn.DeliveryPending || e.Reason != "" || !e.FinishedAt.IsZero() || e.Attempts != 1 {
		t.Errorf("replayed: %+v", e.Delivery)
	}
	left := selectAll[uuid.UUID](t, b.db, `SELECT delivery_id FROM dead_letters`)
	if len(left) != 1 || posthorn.DeliveryID(left[0]) != other[0] {
		t.Errorf("dead letters %v", left)
	}
	want := []string{"replay.started Amara", "replay.finished Posthorn"}
	if diff := cmp.Diff(want, selectAll[string](t, b.db, `SELECT action || ' ' || actor FROM audit_log WHERE subject = $1 ORDER BY id`, id.String())); diff != "" {
		t.Error(diff)
	}
}

func TestABulkReplayPassesByWhatCannotBeSentAgain(t *testing.T) {
	t.Parallel()
	b := newReplayBench(t)
	ids := b.failures(3, 404)
	stopped := b.publish("submission.created", nil)
	if err := b.stop(stopped); err != nil {
		t.Fatal(err)
	}
	test := b.publish("submission.created", func(e *posthorn.Event) { e.Test, e.Webhook = true, b.hook.ID })
	b.finish(test, status(404), failed)
	pending := b.publish("submission.created", nil)
	b.finish(pending, status(503), retried)
	deleted := insertHook(t, b.hooks, b.tenant, func(w *posthorn.Webhook) { w.Events = []string{"webhook.*"} })
	selectAll[uuid.UUID](t, b.db, `UPDATE deliveries SET webhook_id = $2 WHERE id = $1 RETURNING id`, ids[1].UUID(), deleted.ID.UUID())
	selectAll[uuid.UUID](t, b.db, `DELETE FROM webhooks WHERE id = $1 RETURNING id`, deleted.ID.UUID())
	selectAll[uuid.UUID](t, b.db, `DELETE FROM events WHERE id = (SELECT event_id FROM deliveries WHERE id = $1) RETURNING id`, ids[2].UUID())

	id := b.start(posthorn.DeliveryFilter{}, 100)
	later := b.failures(1, 404)
	b.turns(b.runner, 1)
	if diff := cmp.Diff(ended{posthorn.ReplayFinished, 2, 2}, endOf(b.progress(id))); diff != "" {
		t.Error(diff)
	}
	for _, d := range []posthorn.DeliveryID{ids[0], stopped} {
		if e := b.get(d); e.State != posthorn.DeliveryPending {
			t.Errorf("%+v", e.Delivery)
		}
	}
	for name, d := range map[string]posthorn.DeliveryID{"test": test, "without its event": ids[2], "later": later[0]} {
		if e := b.get(d); e.State != posthorn.DeliveryFailed {
			t.Errorf("%s: %+v", name, e.Delivery)
		}
	}
	if e := b.get(pending); time.Until(e.NextAttemptAt) < 50*time.Minute {
		t.Errorf("pending: %+v", e.Delivery)
	}
}

func TestACancelledReplayStopsAndOneThatHasEndedCannotBeCancelled(t *testing.T) {
	t.Parallel()
	b := newReplayBench(t)
	b.failures(4, 404)
	id := b.start(posthorn.DeliveryFilter{}, 1)
	b.turns(b.runner, 1)
	if err := b.replays.Cancel(t.Context(), b.actor, b.tenant, id); err != nil {
		t.Fatal(err)
	}
	b.turns(b.runner, 2)
	r := b.progress(id)
	if diff := cmp.Diff(ended{posthorn.ReplayCancelled, 1, 0}, endOf(r)); diff != "" || r.FinishedBy != "Amara" || r.FinishedAt.IsZero() || len(b.queued()) != 1 {
		t.Errorf("%+v\n%s", r, diff)
	}
	if err := b.replays.Cancel(t.Context(), b.actor, b.tenant, id); posthorn.KindOf(err) != posthorn.Conflict {
		t.Errorf("again: %v", err)
	}
	if err := b.replays.Cancel(t.Context(), b.actor, b.tenant, posthorn.NewReplayID()); posthorn.KindOf(err) != posthorn.NotFound {
		t.Errorf("of nobody: %v", err)
	}
	_, stranger := newTenant(t)
	if err := b.replays.Cancel(t.Context(), b.actor, stranger, id); posthorn.KindOf(err) != posthorn.NotFound {
		t.Errorf("of others: %v", err)
	}
}

func TestAReplayIsInOneHandAtATimeAndGoesOnInAnother(t *testing.T) {
	t.Parallel()
	b := newReplayBench(t)
	ids := b.failures(4, 404)
	id := b.start(posthorn.DeliveryFilter{}, 1)
	second := postgres.NewReplayRunner(b.db, func() {})
	b.turns(b.runner, 1)
	b.turns(second, 3)
	if got := b.queued(); len(got) != 1 {
		t.Fatalf("two work at it: %v", got)
	}
	// The first one crashes, and its lease runs out.
	selectAll[uuid.UUID](t, b.db, `UPDATE replays SET leased_until = now() - interval '1 second' RETURNING id`)
	b.turns(second, 1)
	b.turns(b.runner, 1)
	if got := b.queued(); !slices.Equal(got, ids[:2]) {
		t.Fatalf("%v are due, want %v", got, ids[:2])
	}
	// The second one stops, and leaves it to whoever comes.
	second.Release(t.Context())
	b.turns(b.runner, 3)
	if diff := cmp.Diff(ended{posthorn.ReplayFinished, 4, 0}, endOf(b.progress(id))); diff != "" {
		t.Error(diff)
	}
}

func TestAFormOfAReplayThatIsSentTwiceStartsOne(t *testing.T) {
	t.Parallel()
	b := newReplayBench(t)
	b.failures(1, 404)
	form := &posthorn.IdempotencyKey{Scope: "form:" + b.tenant.String(), Key: "replay 1"}
	first, err := b.replays.Start(t.Context(), b.actor, b.tenant, posthorn.DeliveryFilter{}, 20, form)
	if err != nil {
		t.Fatal(err)
	}
	again, err := b.replays.Start(t.Context(), b.actor, b.tenant, posthorn.DeliveryFilter{}, 20, form)
	if err != nil || again != first {
		t.Errorf("%s and %s, %v", first, again, err)
	}
	list, more, err := b.replays.List(t.Context(), b.tenant, posthorn.ReplayID{})
	if err != nil || more || len(list) != 1 || list[0].ID != first || list[0].CreatedBy != "Amara" {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestWhatAWebhookMissedIsReplayed(t *testing.T) {
	t.Parallel()
	b := newReplayBench(t)
	ctx := t.Context()
	if m, err := b.replays.Missed(ctx, b.tenant, b.hook.ID); err != nil || !m.Since.IsZero() {
		t.Errorf("always active: %+v, %v", m, err)
	}
	if _, err := b.replays.StartMissed(ctx, b.actor, b.tenant, b.hook.ID, 20, nil); posthorn.KindOf(err) != posthorn.Conflict {
		t.Errorf("always active: %v", err)
	}
	b.switchTo(posthorn.WebhookInactive)
	var ids []posthorn.DeliveryID
	for range 5 {
		ids = append(ids, b.publish("submission.created", nil))
	}
	if m, err := b.replays.Missed(ctx, b.tenant, b.hook.ID); err != nil || m.Count.N != 5 || !m.Until.IsZero() {
		t.Errorf("not active: %+v, %v", m, err)
	}
	b.switchTo(posthorn.WebhookActive)
	m, err := b.replays.Missed(ctx, b.tenant, b.hook.ID)
	if err != nil || m.Count != (posthorn.Estimate{N: 5}) || m.Until.IsZero() || !m.Replay.IsZero() {
		t.Fatalf("%+v, %v", m, err)
	}
	id, err := b.replays.StartMissed(ctx, b.actor, b.tenant, b.hook.ID, 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.turns(b.runner, 1)
	if got := b.queued(); !slices.Equal(got, ids[:3]) {
		t.Errorf("after one second %v are due, want %v", got, ids[:3])
	}
	b.turns(b.runner, 2)
	if got := b.queued(); !slices.Equal(got, ids) {
		t.Errorf("%v are due, want %v", got, ids)
	}
	if diff := cmp.Diff(ended{posthorn.ReplayFinished, 5, 0}, endOf(b.progress(id))); diff != "" {
		t.Error(diff)
	}
	if m, err = b.replays.Missed(ctx, b.tenant, b.hook.ID); err != nil || m.Count.N != 0 || m.Replay != id {
		t.Errorf("afterwards: %+v, %v", m, err)
	}
}

func TestAReplayOfWhatAWebhookMissedFailsWhenTheWebhookIsDeleted(t *testing.T) {
	t.Parallel()
	b := newReplayBench(t)
	b.switchTo(posthorn.WebhookInactive)
	b.publish("submission.created", nil)
	b.switchTo(posthorn.WebhookActive)
	id, err := b.replays.StartMissed(t.Context(), b.actor, b.tenant, b.hook.ID, 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	selectAll[uuid.UUID](t, b.db, `DELETE FROM webhooks WHERE id = $1 RETURNING id`, b.hook.ID.UUID())
	b.turns(b.runner, 1)
	if r := b.progress(id); r.State != posthorn.ReplayFailed || r.Reason != posthorn.CancelledWithWebhook {
		t.Errorf("%+v", r)
	}
}

func TestARequestForWhatWasMissedLeavesTheRestToABulkReplay(t *testing.T) {
	t.Parallel()
	b := newReplayBench(t)
	b.switchTo(posthorn.WebhookInactive)
	const events = 700
	batch := make([]posthorn.Event, events)
	for i := range batch {
		batch[i] = event(b.tenant, "submission.created", nil)
	}
	for part := range slices.Chunk(batch, 100) {
		publish(t, b.recorder, part...)
	}
	b.switchTo(posthorn.WebhookActive)
	b.log.HurryMissed()
	made, err := b.log.ReplayMissed(t.Context(), b.tenant, b.hook.ID, posthorn.MissedRange{}, b.entry(posthorn.ActionMissedReplayed))
	if err != nil || made.Deliveries != 500 {
		t.Fatalf("%+v, %v, want the first batch", made, err)
	}
	b.turns(b.runner, 2)
	list, _, err := b.replays.List(t.Context(), b.tenant, posthorn.ReplayID{})
	if err != nil || len(list) != 1 || list[0].ID != made.GoesOn || list[0].Kind != posthorn.ReplayOfMissed || list[0].Done != events-500 || list[0].State != posthorn.ReplayFinished {
		t.Errorf("%+v, %v", list, err)
	}
	if got := b.queued(); len(got) != events {
		t.Errorf("%d are due, want %d", len(got), events)
	}
}

func TestAttentionGroupsFailuresByWebhookAndReason(t *testing.T) {
	t.Parallel()
	b := newReplayBench(t)
	b.failures(3, 404)
	b.failures(2, 500)
	timedOut := b.publish("submission.created", nil)
	b.finish(timedOut, posthorn.Outcome{ErrorClass: posthorn.ErrorTimeout, Error: "No answer."}, failed)
	test := b.publish("submission.created", func(e *posthorn.Event) { e.Test, e.Webhook = true, b.hook.ID })
	b.finish(test, status(404), failed)
	alone := b.publish("submission.created", func(e *posthorn.Event) { e.Test, e.Webhook = true, b.hook.ID })
	b.finish(alone, status(418), failed)
	groups, more, err := b.replays.Attention(t.Context(), b.tenant)
	if err != nil || more {
		t.Fatal(err, more)
	}
	got := map[string]int{}
	for _, g := range groups {
		if g.WebhookID != b.hook.ID || g.WebhookName != b.hook.Name || time.Since(g.NewestAt) > time.Minute {
			t.Errorf("%+v", g)
		}
		got[fmt.Sprintf("%d %s", g.StatusCode, g.ErrorClass)] = g.Count.N
	}
	if diff := cmp.Diff(map[string]int{"404 ": 3, "500 ": 2, "0 timeout": 1}, got); diff != "" {
		t.Error(diff)
	}
	_, stranger := newTenant(t)
	if groups, _, err := b.replays.Attention(t.Context(), stranger); err != nil || len(groups) != 0 {
		t.Errorf("of others: %v, %v", groups, err)
	}
}
