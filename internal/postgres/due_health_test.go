package postgres_test

import (
	"testing"
	"time"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
	"posthorn/internal/testkit"
)

// putDue has a delivery of a webhook due since a time ago, or in a time when it is negative.
func putDue(t *testing.T, db *postgres.DB, webhook posthorn.WebhookID, ago time.Duration) {
	t.Helper()
	_, err := db.Pool().Exec(t.Context(), `INSERT INTO due (delivery_id, webhook_id, next_attempt_at, lease_token, attempts, schedule, test)
VALUES (gen_random_uuid(), $1, now() - $2::interval, 0, 0, 0, false)`, webhook.UUID(), ago)
	if err != nil {
		t.Fatal(err)
	}
}

// tried notes that something was sent to a webhook a time ago.
func tried(t *testing.T, db *postgres.DB, w posthorn.Webhook, ago time.Duration) {
	t.Helper()
	_, err := db.Pool().Exec(t.Context(), `INSERT INTO webhook_minutes (webhook_id, minute, shard, tenant_id, succeeded, failed, dead, latency)
VALUES ($1, date_trunc('minute', now() - $2::interval), 0, $3, 1, 0, 0, '{0}')`, w.ID.UUID(), ago, w.TenantID.UUID())
	if err != nil {
		t.Fatal(err)
	}
}

func health(t *testing.T, db *postgres.DB, webhook posthorn.WebhookID, failingSince, throttledUntil any) {
	t.Helper()
	_, err := db.Pool().Exec(t.Context(), `INSERT INTO webhook_health (webhook_id, failing_since, throttled_until)
VALUES ($1, now() - $2::interval, now() - $3::interval)`, webhook.UUID(), failingSince, throttledUntil)
	if err != nil {
		t.Fatal(err)
	}
}

// since lets a webhook be in its state for a time.
func since(d time.Duration) func(*posthorn.Webhook) {
	return func(w *posthorn.Webhook) {
		w.Status.Since = time.Now().Add(-d).UTC().Truncate(time.Microsecond)
		w.URL += "/" + w.ID.String()
	}
}

const hour = time.Hour

func TestADeliveryThatNobodyTriesToSendIsNeglected(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		arrange           func(t *testing.T, db *postgres.DB, w posthorn.Webhook)
		oldest, neglected time.Duration
	}{
		"nothing is due": {func(*testing.T, *postgres.DB, posthorn.Webhook) {}, 0, 0},
		"due later or leased": {func(t *testing.T, db *postgres.DB, w posthorn.Webhook) {
			t.Helper()
			putDue(t, db, w.ID, -time.Minute)
		}, 0, 0},
		"due for four minutes": {func(t *testing.T, db *postgres.DB, w posthorn.Webhook) {
			t.Helper()
			putDue(t, db, w.ID, 4*time.Minute)
		}, 4 * time.Minute, 0},
		"due for six minutes": {func(t *testing.T, db *postgres.DB, w posthorn.Webhook) {
			t.Helper()
			putDue(t, db, w.ID, time.Second)
			putDue(t, db, w.ID, 6*time.Minute)
		}, 6 * time.Minute, 6 * time.Minute},
		"a backlog that is worked on": {func(t *testing.T, db *postgres.DB, w posthorn.Webhook) {
			t.Helper()
			putDue(t, db, w.ID, 20*time.Minute)
			tried(t, db, w, time.Minute)
		}, 20 * time.Minute, 0},
		"a backlog that was worked on": {func(t *testing.T, db *postgres.DB, w posthorn.Webhook) {
			t.Helper()
			putDue(t, db, w.ID, 20*time.Minute)
			tried(t, db, w, 10*time.Minute)
		}, 20 * time.Minute, 20 * time.Minute},
		"a failing webhook between two attempts": {func(t *testing.T, db *postgres.DB, w posthorn.Webhook) {
			t.Helper()
			putDue(t, db, w.ID, 20*time.Minute)
			tried(t, db, w, 10*time.Minute)
			health(t, db, w.ID, hour, nil)
		}, 20 * time.Minute, 0},
		"a failing webhook that is not probed": {func(t *testing.T, db *postgres.DB, w posthorn.Webhook) {
			t.Helper()
			putDue(t, db, w.ID, 30*time.Minute)
			tried(t, db, w, 20*time.Minute)
			health(t, db, w.ID, hour, nil)
		}, 30 * time.Minute, 30 * time.Minute},
		"throttled": {func(t *testing.T, db *postgres.DB, w posthorn.Webhook) {
			t.Helper()
			putDue(t, db, w.ID, 20*time.Minute)
			health(t, db, w.ID, nil, -hour)
		}, 0, 0},
		"throttled until a minute ago": {func(t *testing.T, db *postgres.DB, w posthorn.Webhook) {
			t.Helper()
			putDue(t, db, w.ID, 20*time.Minute)
			health(t, db, w.ID, nil, time.Minute)
		}, time.Minute, 0},
		"paused": {func(t *testing.T, db *postgres.DB, w posthorn.Webhook) {
			t.Helper()
			putDue(t, db, w.ID, 20*time.Minute)
			if _, err := db.Pool().Exec(t.Context(), `UPDATE webhooks SET state = 'inactive' WHERE id = $1`, w.ID.UUID()); err != nil {
				t.Fatal(err)
			}
		}, 0, 0},
		"activated a minute ago": {func(t *testing.T, db *postgres.DB, w posthorn.Webhook) {
			t.Helper()
			putDue(t, db, w.ID, 20*time.Minute)
			if _, err := db.Pool().Exec(t.Context(), `UPDATE webhooks SET state_since = now() - interval '1 minute' WHERE id = $1`, w.ID.UUID()); err != nil {
				t.Fatal(err)
			}
		}, time.Minute, 0},
		"behind one that does well": {func(t *testing.T, db *postgres.DB, w posthorn.Webhook) {
			t.Helper()
			other := insertHook(t, postgres.NewWebhooks(db), w.TenantID, since(hour))
			putDue(t, db, other.ID, 40*time.Minute)
			tried(t, db, other, time.Minute)
			putDue(t, db, w.ID, 7*time.Minute)
		}, 40 * time.Minute, 7 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, tenant := newTenant(t)
			w := insertHook(t, postgres.NewWebhooks(db), tenant, since(hour))
			tc.arrange(t, db, w)
			h, err := db.DueHealth(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if off := h.Oldest - tc.oldest; off < 0 || off > 30*time.Second {
				t.Errorf("the oldest is due for %v, want %v", h.Oldest, tc.oldest)
			}
			if off := h.Neglected - tc.neglected; off < 0 || off > 30*time.Second {
				t.Errorf("neglected for %v, want %v", h.Neglected, tc.neglected)
			}
			if (h.Webhook == w.ID) != (tc.neglected > 0) {
				t.Errorf("neglected is %s, of %s", h.Webhook, w.ID)
			}
		})
	}
}

func TestDueDeliveriesAreCountedAndTheAnswerIsKeptForAWhile(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	w := insertHook(t, postgres.NewWebhooks(db), tenant, since(hour))
	putDue(t, db, w.ID, time.Minute)
	putDue(t, db, w.ID, 2*time.Minute)
	putDue(t, db, w.ID, -time.Minute)
	for range 2 {
		h, err := db.DueHealth(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if h.Due != 2 {
			t.Errorf("%d are due", h.Due)
		}
		putDue(t, db, w.ID, time.Minute)
	}
}

func TestDueHealthIsCheapBesideALongQueue(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	_, err := db.Pool().Exec(t.Context(), `INSERT INTO due (delivery_id, webhook_id, next_attempt_at, lease_token, attempts, schedule, test)
SELECT gen_random_uuid(), ('00000000-0000-7000-8000-' || lpad((i % 1000)::text, 12, '0'))::uuid, now() - interval '1 minute', 0, 0, 0, false
  FROM generate_series(1, 200000) i`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Pool().Exec(t.Context(), `ANALYZE due`); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	h, err := db.DueHealth(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	t.Logf("%d due of 1000 webhooks: %v", h.Due, took)
	if h.Due != 100_000 || took > 2*time.Second {
		t.Errorf("%d due after %v", h.Due, took)
	}
}
