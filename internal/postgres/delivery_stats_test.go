package postgres_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
	"posthorn/internal/testkit"
)

// statsHour ends in the hour that now lies in.
func statsHour(now time.Time, buckets int) posthorn.OverviewRange {
	return posthorn.OverviewRange{Until: now.Truncate(time.Hour).Add(time.Hour), Bucket: time.Hour, Buckets: buckets}
}

// putMinute counts attempts of a webhook, all of which took 20 ms.
func putMinute(t *testing.T, db *postgres.DB, tenant posthorn.TenantID, webhook posthorn.WebhookID, at time.Time, shard, succeeded, failed int) {
	t.Helper()
	exec(t, db, `INSERT INTO webhook_minutes (webhook_id, minute, shard, tenant_id, succeeded, failed, dead, latency)
SELECT $1, date_trunc('minute', $2::timestamptz), $3, $4, $5::int, $6::int, 0, array_agg(CASE WHEN i = $7 THEN $5::int + $6::int ELSE 0 END ORDER BY i)
  FROM generate_series(0, $8 - 1) i`,
		webhook.UUID(), at, shard, tenant.UUID(), succeeded, failed, posthorn.LatencyBucket(20*time.Millisecond), posthorn.LatencyBuckets)
}

// neverSummedUp makes the database one whose minutes were never summed up: the template was, when it was made.
func neverSummedUp(t *testing.T, db *postgres.DB) {
	t.Helper()
	exec(t, db, `UPDATE webhook_rollup SET rolled_until = '-infinity'`)
}

func maintain(t *testing.T, db *postgres.DB, now time.Time) {
	t.Helper()
	if _, err := postgres.NewMaintenance(db, postgres.Retention{Events: testkit.EventRetention}).RunOnceAt(t.Context(), now); err != nil {
		t.Fatal(err)
	}
}

func TestChartsSayTheSameBeforeAndAfterMinutesAreSummedUp(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	neverSummedUp(t, db)
	store := postgres.NewWebhooks(db)
	one, two := insertHook(t, store, tenant, nil).ID, insertHook(t, store, tenant, nil).ID
	now := time.Now()
	for i := range 180 {
		at := now.Add(-time.Duration(i) * 10 * time.Minute)
		putMinute(t, db, tenant, one, at, 0, 3, 1)
		putMinute(t, db, tenant, one, at, 1, 1, 0)
		putMinute(t, db, tenant, two, at, 0, 0, 2)
	}
	stats := postgres.NewDeliveryStats(db)
	r := statsHour(now, 12)
	read := func() []posthorn.DeliveryStats {
		var all []posthorn.DeliveryStats
		for _, id := range []posthorn.WebhookID{{}, one, two} {
			got, err := stats.Range(t.Context(), tenant, id, r)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, got)
		}
		return all
	}
	before := read()
	for range 2 { // summing up again counts nothing twice
		maintain(t, db, now)
	}
	var summed int
	if err := db.Pool().QueryRow(t.Context(), `SELECT count(*) FROM webhook_quarters`).Scan(&summed); err != nil || summed == 0 {
		t.Fatalf("%d quarters, %v", summed, err)
	}
	after := read()
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("before and after: %s", diff)
	}
	all, first := after[0], after[1]
	if all.Delivered != first.Delivered || all.Failed != first.Failed+after[2].Failed || first.Delivered != 4*first.Failed {
		t.Errorf("all together %+v, the first %+v", all.AttemptCounts, first.AttemptCounts)
	}
	if first.Before.Total() != 5*72 {
		t.Errorf("before the range %d attempts, want 72 minutes with 5 each", first.Before.Total())
	}
	if p := first.Latency.Percentile(0.95); p < 15*time.Millisecond || p > 22*time.Millisecond {
		t.Errorf("p95 is %s", p)
	}
}

func TestWhatComesLateIsCountedByTheNextRun(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	neverSummedUp(t, db)
	w := insertHook(t, postgres.NewWebhooks(db), tenant, nil).ID
	now := time.Now()
	at := now.Add(-30 * time.Minute)
	putMinute(t, db, tenant, w, at, 0, 1, 0)
	maintain(t, db, now)
	putMinute(t, db, tenant, w, at, 1, 5, 0)
	maintain(t, db, now.Add(10*time.Minute))
	got, err := postgres.NewDeliveryStats(db).Range(t.Context(), tenant, w, statsHour(now, 3))
	if err != nil || got.Delivered != 6 {
		t.Errorf("%d delivered, %v; want 6", got.Delivered, err)
	}
}

func TestAnotherTenantCountsNothingOfThis(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	neverSummedUp(t, db)
	w := insertHook(t, postgres.NewWebhooks(db), tenant, nil).ID
	now := time.Now()
	putMinute(t, db, tenant, w, now.Add(-time.Minute), 0, 5, 5)
	putMinute(t, db, tenant, w, now.Add(-3*time.Hour), 0, 5, 5)
	maintain(t, db, now)
	exec(t, db, `INSERT INTO webhook_responses VALUES ($1, $2, 0, '503', 5)`, w.UUID(), now.Add(-time.Minute))
	stats, other, r := postgres.NewDeliveryStats(db), posthorn.NewTenantID(), statsHour(now, 24)
	for _, id := range []posthorn.WebhookID{{}, w} {
		if got, err := stats.Range(t.Context(), other, id, r); err != nil || got.Total() != 0 {
			t.Errorf("%d attempts, %v", got.Total(), err)
		}
		if got, err := stats.Waiting(t.Context(), other, id); err != nil || got.Total != 0 {
			t.Errorf("%d wait, %v", got.Total, err)
		}
	}
	if got, err := stats.Webhooks(t.Context(), other, []posthorn.WebhookID{w}, r); err != nil || len(got) != 0 {
		t.Errorf("webhooks %v, %v", got, err)
	}
	if got, err := stats.Answers(t.Context(), other, w, r.From(), r.Until, 0); err != nil || len(got) != 0 {
		t.Errorf("answers %v, %v", got, err)
	}
	if got, err := stats.Overview(t.Context(), other, r, r); err != nil || got.Total() != 0 || got.Stats.Total() != 0 {
		t.Errorf("overview %+v, %v", got, err)
	}
}

func TestAnswersAreTheSameBeforeAndAfterTheyAreSummedUp(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	neverSummedUp(t, db)
	w := insertHook(t, postgres.NewWebhooks(db), tenant, nil).ID
	now := time.Now()
	for i := range 90 {
		at := now.Add(-time.Duration(i) * 7 * time.Minute)
		putMinute(t, db, tenant, w, at, 0, 3, 2)
		for shard, answer := range []string{"503", "202", "timeout"} {
			exec(t, db, `INSERT INTO webhook_responses VALUES ($1, date_trunc('minute', $2::timestamptz), $3, $4, $5)`, w.UUID(), at, shard, answer, i%3+shard+1)
		}
	}
	stats := postgres.NewDeliveryStats(db)
	until := now.Truncate(time.Minute).Add(time.Minute)
	read := func() [][]posthorn.AnswerCount {
		var all [][]posthorn.AnswerCount
		for _, from := range []time.Time{statsHour(now, 6).From(), until.Add(-time.Hour), until.Add(-301 * time.Minute)} {
			to := until
			if from.Equal(from.Truncate(time.Hour)) {
				to = statsHour(now, 6).Until
			}
			got, err := stats.Answers(t.Context(), tenant, w, from, to, 10_000)
			if err != nil || len(got) != 4 {
				t.Fatal(got, err)
			}
			all = append(all, got)
		}
		return all
	}
	before := read()
	for range 2 {
		maintain(t, db, now)
	}
	var summed int
	if err := db.Pool().QueryRow(t.Context(), `SELECT count(*) FROM webhook_response_quarters`).Scan(&summed); err != nil || summed == 0 {
		t.Fatalf("%d quarters, %v", summed, err)
	}
	if diff := cmp.Diff(before, read()); diff != "" {
		t.Errorf("before and after: %s", diff)
	}
}

func TestAnswersAreCountedAndTheRestOfTheSuccessesIs200(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	var jobs []posthorn.Job
	w := insertHook(t, postgres.NewWebhooks(db), tenant, func(w *posthorn.Webhook) { w.Events = []string{"submission.*"} }).ID
	r := newRecorder(t, db, func(j []posthorn.Job) { jobs = append(jobs, j...) })
	publish(t, r, benchEvents(tenant, 8)...)
	results := make([]posthorn.Result, len(jobs))
	for i, status := range []int{200, 200, 202, 503, 503, 503, 0, 200} {
		results[i] = result(jobs[i], status)
	}
	results[6].Outcome.ErrorClass, results[6].Decision = posthorn.ErrorTimeout, results[3].Decision
	results[7].Job.Test = true
	if err := postgres.NewDispatching(db, plainBox{}, &postgres.Outbox{}).Finish(t.Context(), 0, results); err != nil {
		t.Fatal(err)
	}
	stats, span := postgres.NewDeliveryStats(db), statsHour(time.Now(), 24)
	sums, err := stats.Range(t.Context(), tenant, w, span)
	if err != nil {
		t.Fatal(err)
	}
	got, err := stats.Answers(t.Context(), tenant, w, span.From(), span.Until, sums.Delivered)
	want := []posthorn.AnswerCount{{Answer: "503", Attempts: 3}, {Answer: "200", Attempts: 2}, {Answer: "202", Attempts: 1}, {Answer: "timeout", Attempts: 1}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("answers: %s %v", diff, err)
	}
}

func TestWebhooksThatFailComeFirst(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	neverSummedUp(t, db)
	store := postgres.NewWebhooks(db)
	hook := func(name string, state posthorn.WebhookState) posthorn.WebhookID {
		return insertHook(t, store, tenant, func(w *posthorn.Webhook) { w.Name, w.Status.State = name, state }).ID
	}
	quiet, disabled, paused := hook("a quiet", posthorn.WebhookActive), hook("b disabled", posthorn.WebhookDisabled), hook("c paused", posthorn.WebhookInactive)
	busy, poor, down := hook("d busy", posthorn.WebhookActive), hook("e poor", posthorn.WebhookActive), hook("f down", posthorn.WebhookActive)
	now := time.Now()
	putMinute(t, db, tenant, quiet, now.Add(-time.Minute), 0, 8, 1) // too few to say
	putMinute(t, db, tenant, busy, now.Add(-2*time.Hour), 0, 100, 100)
	putMinute(t, db, tenant, busy, now.Add(-time.Minute), 0, 96, 4)
	putMinute(t, db, tenant, poor, now.Add(-time.Minute), 0, 94, 6)
	putMinute(t, db, tenant, paused, now.Add(-time.Minute), 0, 0, 50)
	putMinute(t, db, tenant, down, now.Add(-time.Minute), 0, 0, 3)
	exec(t, db, `INSERT INTO webhook_health (webhook_id, failing_since) VALUES ($1, $2), ($3, $4)`,
		down.UUID(), now.Add(-6*time.Minute), quiet.UUID(), now.Add(-4*time.Minute))
	exec(t, db, `INSERT INTO webhook_responses VALUES ($1, date_trunc('minute', $2::timestamptz), 0, '503', 3)`, down.UUID(), now.Add(-time.Minute))
	maintain(t, db, now)

	list, err := store.ListWebhooks(t.Context(), tenant, posthorn.WebhookFilter{})
	if err != nil {
		t.Fatal(err)
	}
	var got []posthorn.WebhookID
	for i := range list.Webhooks {
		got = append(got, list.Webhooks[i].ID)
	}
	if diff := cmp.Diff([]posthorn.WebhookID{poor, down, disabled, quiet, busy, paused}, got); diff != "" {
		t.Errorf("the list: %s", diff)
	}
	r := statsHour(now, 24)
	o, err := postgres.NewDeliveryStats(db).Overview(t.Context(), tenant, r, r)
	if err != nil {
		t.Fatal(err)
	}
	got = got[:0]
	for i := range o.Webhooks {
		got = append(got, o.Webhooks[i].ID)
	}
	if diff := cmp.Diff([]posthorn.WebhookID{poor, down, disabled, busy, quiet}, got); diff != "" {
		t.Errorf("the overview: %s", diff)
	}
	if o.Failing != 2 || o.Total() != 6 || o.States[posthorn.WebhookActive] != 4 {
		t.Errorf("%d fail of %v", o.Failing, o.States)
	}
	for i := range o.Webhooks {
		w := &o.Webhooks[i]
		if want := w.ID == poor || w.ID == down; w.Stats.Health.Failing(now) != want {
			t.Errorf("%s: failing is %v", w.Name, !want)
		}
	}
	if h := o.Webhooks[1].Stats.Health; h.FailedSince != 3 || h.LastFault != "503" || h.FailingSince.IsZero() {
		t.Errorf("health %+v", h)
	}
}

func TestWhatWaitsIsCountedWithTheNextAndTheOldest(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	w := insertHook(t, postgres.NewWebhooks(db), tenant, nil).ID
	now := time.Now().UTC().Truncate(time.Millisecond)
	for i := range 3 {
		id := posthorn.DeliveryIDAt(now.Add(-time.Duration(i) * time.Hour))
		exec(t, db, `INSERT INTO due (delivery_id, webhook_id, next_attempt_at, lease_token, attempts, schedule, test) VALUES ($1, $2, $3, 0, $4, 0, false)`,
			id.UUID(), w.UUID(), now.Add(time.Duration(i-1)*time.Hour), i)
	}
	for _, id := range []posthorn.WebhookID{{}, w} {
		got, err := postgres.NewDeliveryStats(db).Waiting(t.Context(), tenant, id)
		want := posthorn.WaitingDeliveries{Total: 3, Retrying: 2, Next: now.Add(time.Hour), Oldest: now.Add(-2 * time.Hour)}
		if got.Next = got.Next.Truncate(time.Millisecond); err != nil || got != want {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
}

func TestSecretsThatEndAndDeadLettersAreInTheOverview(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	w := insertHook(t, postgres.NewWebhooks(db), tenant, func(w *posthorn.Webhook) { w.Name = "Slack" }).ID
	ends := time.Now().UTC().Add(time.Hour).Truncate(time.Microsecond)
	exec(t, db, `INSERT INTO signing_secrets (id, tenant_id, webhook_id, secret, last_four, created_at, created_by, expires_at) VALUES
  (gen_random_uuid(), $1, $2, '', '', now(), '', $3), (gen_random_uuid(), $1, NULL, '', '', now(), '', $3::timestamptz + interval '1 hour'),
  (gen_random_uuid(), $1, $2, '', '', now(), '', now() - interval '1 hour')`, tenant.UUID(), w.UUID(), ends)
	exec(t, db, `INSERT INTO dead_letters (delivery_id, tenant_id, webhook_id, failed_at) VALUES ($1, $2, $3, now())`, uuid.New(), tenant.UUID(), w.UUID())
	r := statsHour(time.Now(), 24)
	o, err := postgres.NewDeliveryStats(db).Overview(t.Context(), tenant, r, r)
	want := []posthorn.EndingSecret{{WebhookID: w, Name: "Slack", ExpiresAt: ends}, {ExpiresAt: ends.Add(time.Hour)}}
	if diff := cmp.Diff(want, o.Secrets); diff != "" || err != nil || o.DeadLetters != 1 {
		t.Errorf("secrets %s, %d dead letters, %v", diff, o.DeadLetters, err)
	}
}
