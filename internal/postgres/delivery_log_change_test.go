package postgres_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
)

// actions returns the actions in the audit log about a subject, with the state before each.
func (b *logBench) actions(subject string) []string {
	b.t.Helper()
	return selectAll[string](b.t, b.db, `SELECT action || ' ' || coalesce(before ->> 'state', '-') FROM audit_log WHERE subject = $1 ORDER BY id`, subject)
}

func TestAReplayBeginsANewScheduleAndCountsAttemptsOn(t *testing.T) {
	t.Parallel()
	l := newLogged(t)
	b := l.b
	for name, id := range map[string]posthorn.DeliveryID{"success": l.success, "dead": l.dead, "stopped": l.stopped, "test": l.test} {
		before := b.get(id)
		if err := b.replay(id); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		e := b.get(id)
		if e.State != posthorn.DeliveryPending || e.Reason != "" || !e.FinishedAt.IsZero() || time.Since(e.NextAttemptAt) > time.Minute || e.NextAttemptAt.After(time.Now().Add(time.Second)) {
			t.Errorf("%s: %+v", name, e)
		}
		if got := b.actions(id.String()); got[len(got)-1] != "delivery.replayed "+string(before.State) {
			t.Errorf("%s: audit log %v", name, got)
		}
	}
	if left := selectAll[uuid.UUID](t, b.db, `SELECT delivery_id FROM dead_letters UNION ALL SELECT delivery_id FROM cancelled_deliveries`); len(left) != 1 || posthorn.DeliveryID(left[0]) != l.gone {
		t.Errorf("not delivered: %v", left)
	}
	for _, j := range b.claim() {
		want := len(b.get(j.DeliveryID).History) + 1
		if name := l.names[j.DeliveryID]; name != "queued" && (j.Schedule != 1 || j.Attempt != want || j.Test != (name == "test")) {
			t.Errorf("%s: attempt %d of schedule %d, test %v, want attempt %d of 1", name, j.Attempt, j.Schedule, j.Test, want)
		}
		b.write(j, status(200), succeeded)
	}
	if e := b.get(l.dead); len(e.History) != 2 || e.History[1].Number != 2 || e.State != posthorn.DeliverySucceeded {
		t.Errorf("after its replay: %+v", e)
	}
}

func TestAPendingDeliveryBecomesDueNowUnlessSomebodyHasItInHand(t *testing.T) {
	t.Parallel()
	b := newLogBench(t)
	id := b.publish("submission.created", nil)
	b.finish(id, status(503), retried)
	b.finish2(id, 2)
	if e := b.get(id); time.Until(e.NextAttemptAt) < 59*time.Minute {
		t.Fatalf("next attempt at %v", e.NextAttemptAt)
	}
	if err := b.replay(id); err != nil {
		t.Fatal(err)
	}
	jobs := b.claim()
	if len(jobs) != 1 || jobs[0].Attempt != 3 || jobs[0].Schedule != 3 {
		t.Fatalf("jobs %+v", jobs)
	}
	audited := len(b.actions(id.String()))
	if err := b.replay(id); err != nil {
		t.Fatal(err)
	}
	if e := b.get(id); !e.InHand || len(b.actions(id.String())) != audited {
		t.Errorf("taken out of a hand: %+v", e.Delivery)
	}
	b.write(jobs[0], status(200), succeeded)
	if e := b.get(id); e.State != posthorn.DeliverySucceeded {
		t.Errorf("the attempt in hand does not count: %+v", e.Delivery)
	}
}

// finish2 makes a delivery that waits due, and writes a retried attempt of a number.
func (b *logBench) finish2(id posthorn.DeliveryID, number int) {
	b.t.Helper()
	selectAll[uuid.UUID](b.t, b.db, `UPDATE due SET next_attempt_at = now() WHERE delivery_id = $1 RETURNING delivery_id`, id.UUID())
	b.finish(id, status(503), retried)
	if e := b.get(id); e.Attempts != number {
		b.t.Fatalf("%d attempts, want %d", e.Attempts, number)
	}
}

func TestManyReplaysAtOnceAreOne(t *testing.T) {
	t.Parallel()
	b := newLogBench(t)
	id := b.publish("submission.created", nil)
	b.finish(id, status(404), failed)
	var work sync.WaitGroup
	for range 10 {
		work.Go(func() {
			if err := b.replay(id); err != nil {
				t.Errorf("replay: %v", err)
			}
		})
	}
	work.Wait()
	if n := len(b.claim()); n != 1 {
		t.Errorf("%d jobs", n)
	}
}

func TestOfADeletedWebhookNothingIsSentAgain(t *testing.T) {
	t.Parallel()
	l := newLogged(t)
	if err := l.b.replay(l.gone); !errors.Is(err, posthorn.ErrNoWebhookToReplay) || posthorn.KindOf(err) != posthorn.Conflict {
		t.Errorf("replay: %v", err)
	}
	if e := l.b.get(l.gone); e.State != posthorn.DeliveryFailed || e.WebhookName != "Old" || !e.WebhookDeleted || len(e.History) != 1 || e.Body() == nil {
		t.Errorf("entry %+v", e)
	}
	if err := l.b.hooks.DeleteWebhook(t.Context(), l.b.hook, time.Now(), l.b.entry(posthorn.ActionWebhookDeleted)); err != nil {
		t.Fatal(err)
	}
	if e := l.b.get(l.queued); e.State != posthorn.DeliveryCancelled || e.Reason != "The webhook was deleted" {
		t.Errorf("what waited: %+v", e.Delivery)
	}
	if names, _ := l.list(posthorn.DeliveryQuery{Filter: posthorn.DeliveryFilter{Statuses: []posthorn.DeliveryStatus{posthorn.StatusError}}}); len(names) != 6 {
		t.Errorf("not delivered: %v", names)
	}
}

func TestAStoppedDeliveryIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	b := newLogBench(t)
	waiting, inHand, done := b.publish("submission.created", nil), b.publish("submission.created", nil), b.publish("submission.created", nil)
	b.finish(done, status(200), succeeded)
	b.finish(waiting, status(503), retried)
	jobs := b.claim()
	for _, id := range []posthorn.DeliveryID{waiting, inHand} {
		if err := b.stop(id); err != nil {
			t.Fatal(err)
		}
		if got := b.actions(id.String()); !slices.Equal(got, []string{"delivery.stopped pending"}) {
			t.Errorf("audit log %v", got)
		}
	}
	b.write(jobs[0], status(200), succeeded) // too late
	if e := b.get(inHand); e.State != posthorn.DeliveryCancelled || e.Reason != "Stopped by Amara while an attempt was under way" || len(e.History) != 0 {
		t.Errorf("in hand: %+v", e)
	}
	if e := b.get(waiting); e.State != posthorn.DeliveryCancelled || e.Reason != "Stopped by Amara" || !e.NextAttemptAt.IsZero() || e.FinishedAt.IsZero() {
		t.Errorf("waiting: %+v", e)
	}
	for name, id := range map[string]posthorn.DeliveryID{"done": done, "stopped already": waiting} {
		if err := b.stop(id); !errors.Is(err, posthorn.ErrNotPending) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(b.claim()); n != 0 {
		t.Errorf("%d are due", n)
	}
}

func TestAnotherTenantsDeliveriesDoNotExist(t *testing.T) {
	t.Parallel()
	l := newLogged(t)
	b, ctx := l.b, t.Context()
	stranger := posthorn.NewTenantID()
	entry := b.entry(posthorn.ActionDeliveryReplayed)
	_, getErr := b.log.Delivery(ctx, stranger, l.dead)
	_, stateErr := b.log.DeliveryState(ctx, stranger, l.dead)
	_, failedErr := b.log.ReplayFailed(ctx, stranger, b.hook.ID, time.Time{}, entry)
	_, missedErr := b.log.ReplayMissed(ctx, stranger, b.hook.ID, posthorn.MissedRange{}, entry)
	_, eventErr := postgres.NewEventLog(b.db).Event(ctx, stranger, b.get(l.dead).EventID)
	for name, err := range map[string]error{
		"get": getErr, "state": stateErr, "failed": failedErr, "missed": missedErr, "event": eventErr,
		"replay": b.log.ReplayDelivery(ctx, stranger, l.dead, entry), "stop": b.log.StopDelivery(ctx, stranger, l.queued, "", entry),
		"unknown": b.log.ReplayDelivery(ctx, b.tenant, posthorn.DeliveryIDOf(posthorn.NewEventID(), b.hook.ID), entry),
	} {
		if posthorn.KindOf(err) != posthorn.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := b.get(l.dead).State; got != posthorn.DeliveryFailed {
		t.Errorf("it is %s now", got)
	}
}

func TestWhatFailedAtAWebhookIsReplayedInBatches(t *testing.T) {
	t.Parallel()
	b := newLogBench(t)
	const n = 1203
	var events []posthorn.Event
	for range n {
		events = append(events, event(b.tenant, "submission.created", nil))
	}
	publish(t, b.recorder, events...)
	selectAll[uuid.UUID](t, b.db, `WITH d AS (UPDATE deliveries SET state = 'failed', attempts = 4 RETURNING id, tenant_id, webhook_id), q AS (DELETE FROM due)
INSERT INTO dead_letters (delivery_id, tenant_id, webhook_id, failed_at) SELECT id, tenant_id, webhook_id, now() - interval '1 hour' FROM d RETURNING delivery_id`)
	old := selectAll[uuid.UUID](t, b.db, `UPDATE dead_letters SET failed_at = now() - interval '2 days' WHERE delivery_id = (SELECT max(delivery_id::text)::uuid FROM dead_letters) RETURNING delivery_id`)
	since := time.Now().Add(-24 * time.Hour)
	got, err := b.log.ReplayFailed(t.Context(), b.tenant, b.hook.ID, since, b.entry(posthorn.ActionFailedReplayed))
	if err != nil || got != n-1 {
		t.Errorf("%d replayed, %v", got, err)
	}
	if left := selectAll[uuid.UUID](t, b.db, `SELECT delivery_id FROM dead_letters`); !slices.Equal(left, old) {
		t.Errorf("left: %v, want %v", left, old)
	}
	if due := selectAll[int](t, b.db, `SELECT count(*) FROM due JOIN deliveries ON id = delivery_id WHERE state = 'pending' AND due.attempts = 4 AND schedule = 0 AND next_attempt_at <= now()`); due[0] != n-1 {
		t.Errorf("%d are due", due[0])
	}
	if again, err := b.log.ReplayFailed(t.Context(), b.tenant, b.hook.ID, since, b.entry(posthorn.ActionFailedReplayed)); again != 0 || err != nil {
		t.Errorf("again: %d, %v", again, err)
	}
	if got := b.actions(b.hook.ID.String()); strings.Join(got, "\n") != "webhook.created -\nwebhook.failed_replayed -\nwebhook.failed_replayed -" {
		t.Errorf("audit log %v", got)
	}
}

// switchTo changes the state of the bench's webhook as an edit does.
func (b *logBench) switchTo(state posthorn.WebhookState) {
	b.t.Helper()
	d, err := b.hooks.Webhook(b.t.Context(), b.tenant, b.hook.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	d.Version++
	d.Status = posthorn.WebhookStatus{State: state, Since: time.Now().UTC().Truncate(time.Microsecond), By: "Amara"}
	if _, err := b.hooks.UpdateWebhook(b.t.Context(), d.Webhook, nil); err != nil {
		b.t.Fatal(err)
	}
}

func (b *logBench) missed(m posthorn.MissedRange) int {
	b.t.Helper()
	made, err := b.log.ReplayMissed(b.t.Context(), b.tenant, b.hook.ID, m, b.entry(posthorn.ActionMissedReplayed))
	if err != nil || !made.GoesOn.IsZero() {
		b.t.Fatalf("%+v, %v", made, err)
	}
	return made.Deliveries
}

func TestWhatAWebhookMissedIsDeliveredOnce(t *testing.T) {
	t.Parallel()
	b := newLogBench(t)
	app := newApplication(t, b.db, b.tenant, "client_1")
	limited := insertHook(t, b.hooks, b.tenant, func(w *posthorn.Webhook) {
		w.Events, w.ApplicationID, w.Status.State = []string{"submission.*"}, app, posthorn.WebhookInactive
	})
	got := b.publish("submission.created", nil)
	if n := b.missed(posthorn.MissedRange{}); n != 0 {
		t.Errorf("a webhook that never stopped missed %d", n)
	}
	b.switchTo(posthorn.WebhookInactive)
	var events []posthorn.Event
	for range 1001 {
		events = append(events, event(b.tenant, "submission.created", nil))
	}
	events = append(events,
		event(b.tenant, "webhook.disabled", nil), // not covered by *
		event(b.tenant, "submission.created", func(e *posthorn.Event) { e.ApplicationID = app }),
		event(b.tenant, "aml.match.found", func(e *posthorn.Event) { e.ApplicationID = app }),
		event(b.tenant, "submission.created", func(e *posthorn.Event) { e.Test, e.Webhook = true, limited.ID }))
	publish(t, b.recorder, events...)
	b.switchTo(posthorn.WebhookActive)
	after := b.publish("submission.created", nil)
	if n := b.missed(posthorn.MissedRange{}); n != 1003 {
		t.Errorf("missed %d, want 1003", n)
	}
	for i, e := range events[:1003] {
		state, err := b.log.DeliveryState(t.Context(), b.tenant, posthorn.DeliveryIDOf(e.ID, b.hook.ID))
		if covered := e.Type != "webhook.disabled"; covered != (state == posthorn.DeliveryPending) || covered != (err == nil) {
			t.Fatalf("event %d, %s: %q, %v", i, e.Type, state, err)
		}
	}
	if n := selectAll[int](t, b.db, `SELECT count(*) FROM due WHERE webhook_id = $1 AND next_attempt_at <= now()`, b.hook.ID.UUID()); n[0] != 1005 {
		t.Errorf("%d are due", n[0])
	}
	if n := b.missed(posthorn.MissedRange{}); n != 0 {
		t.Errorf("again: %d", n)
	}
	for _, id := range []posthorn.DeliveryID{got, after} {
		if e := b.get(id); e.State != posthorn.DeliveryPending {
			t.Errorf("what it got: %+v", e.Delivery)
		}
	}
	// The limited one was made inactive.
	made, err := b.log.ReplayMissed(t.Context(), b.tenant, limited.ID, posthorn.MissedRange{}, b.entry(posthorn.ActionMissedReplayed))
	if made.Deliveries != 1 || err != nil {
		t.Errorf("the limited one missed %+v, %v", made, err)
	}
}

func TestTheTimeThatAWebhookMissedIsTheLatest(t *testing.T) {
	t.Parallel()
	b := newLogBench(t)
	past := func(ago time.Duration) func(*posthorn.Event) {
		return func(e *posthorn.Event) {
			at := posthorn.EventIDAt(time.Now().Add(-ago))
			copy(e.ID[:6], at[:6])
		}
	}
	b.switchTo(posthorn.WebhookInactive)
	for _, ago := range []time.Duration{3 * time.Hour, 90 * time.Minute, 30 * time.Minute, time.Minute} {
		b.publish("submission.created", past(ago))
	}
	b.switchTo(posthorn.WebhookActive)
	// It was away from two hours ago until one hour ago, and made long before.
	selectAll[uuid.UUID](t, b.db, `UPDATE webhooks SET created_at = now() - interval '1 day', stopped_at = now() - interval '2 hours', resumed_at = now() - interval '1 hour' RETURNING id`)
	if n := b.missed(posthorn.MissedRange{}); n != 1 {
		t.Errorf("in between: %d", n)
	}
	now := time.Now()
	if n := b.missed(posthorn.MissedRange{Since: now.Add(-4 * time.Hour), Until: now, Kept: now.Add(-time.Hour)}); n != 2 {
		t.Errorf("what is kept: %d", n)
	}
	if n := b.missed(posthorn.MissedRange{Since: now.Add(-4 * time.Hour), Until: now}); n != 1 {
		t.Errorf("everything: %d", n)
	}
}

func TestAWebhookRemembersWhenItStoppedAndWhenItCameBack(t *testing.T) {
	t.Parallel()
	b := newLogBench(t)
	times := func() [2]*time.Time {
		var at [2]*time.Time
		if err := b.db.Pool().QueryRow(t.Context(), `SELECT stopped_at, resumed_at FROM webhooks WHERE id = $1`, b.hook.ID.UUID()).Scan(&at[0], &at[1]); err != nil {
			t.Fatal(err)
		}
		return at
	}
	if at := times(); at[0] != nil || at[1] != nil {
		t.Errorf("new: %v", at)
	}
	b.publish("submission.created", nil)
	j := b.claim()[0]
	b.write(j, status(410), posthorn.Decision{State: posthorn.DeliveryFailed, Reason: "Gone", DisableWebhook: "The endpoint answered 410 Gone"})
	disabled := times()
	if disabled[0] == nil || time.Since(*disabled[0]) > time.Minute || disabled[1] != nil {
		t.Fatalf("disabled: %v", disabled)
	}
	b.switchTo(posthorn.WebhookInactive)
	if at := times(); !at[0].Equal(*disabled[0]) || at[1] != nil {
		t.Errorf("taken over as inactive: %v", at)
	}
	b.switchTo(posthorn.WebhookActive)
	active := times()
	if !active[0].Equal(*disabled[0]) || active[1] == nil || active[1].Before(*active[0]) {
		t.Errorf("active: %v", active)
	}
	b.switchTo(posthorn.WebhookActive) // another edit
	if at := times(); !at[0].Equal(*active[0]) || !at[1].Equal(*active[1]) {
		t.Errorf("edited: %v", at)
	}
	b.switchTo(posthorn.WebhookInactive)
	if at := times(); !at[0].After(*active[0]) || at[1] != nil {
		t.Errorf("stopped again: %v", at)
	}
}
