package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
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

// attempted notes that something was sent to any webhook a time ago.
func attempted(t *testing.T, db *postgres.DB, ago time.Duration) {
	t.Helper()
	id := posthorn.DeliveryIDAt(time.Now().Add(-ago)).UUID()
	_, err := db.Pool().Exec(t.Context(), `INSERT INTO attempts (id, delivery_id, tenant_id, webhook_id, number, started_at, url, response_truncated, duration_ms)
VALUES ($1, $1, $1, $1, 1, now() - $2::interval, '', false, 1)`, id, ago)
	if err != nil {
		t.Fatal(err)
	}
}

// putUntried has a delivery that was made a time ago and never tried, and is due since another.
func putUntried(t *testing.T, db *postgres.DB, w posthorn.Webhook, made, due time.Duration, attempts int) {
	t.Helper()
	id := posthorn.NewEventID().UUID()
	_, err := db.Pool().Exec(t.Context(), `WITH d AS (
  INSERT INTO deliveries (id, tenant_id, webhook_id, event_id, event, payload_scheme, test, created_at, url, state, reason, attempts)
  VALUES ($1, $2, $3, $1, 'submission.created', 'standard', false, now() - $4::interval, '', 'pending', '', $6))
INSERT INTO due (delivery_id, webhook_id, next_attempt_at, lease_token, attempts, schedule, test)
VALUES ($1, $3, now() - $5::interval, 0, $6, $6, false)`, id, w.TenantID.UUID(), w.ID.UUID(), made, due, attempts)
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsDueAndNobodyTriesToSendIsNoticed(t *testing.T) {
	t.Parallel()
	const minute = time.Minute
	setState := func(t *testing.T, db *postgres.DB, w posthorn.Webhook, set string) {
		t.Helper()
		if _, err := db.Pool().Exec(t.Context(), `UPDATE webhooks SET `+set+` WHERE id = $1`, w.ID.UUID()); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		arrange func(t *testing.T, db *postgres.DB, w, other posthorn.Webhook)
		// stuck is how long the first webhook has waited, 0 when it has not.
		oldest, still, stuck time.Duration
		webhooks             int
	}{
		"nothing is due": {func(*testing.T, *postgres.DB, posthorn.Webhook, posthorn.Webhook) {}, 0, 0, 0, 0},
		"due later or leased": {func(t *testing.T, db *postgres.DB, w, _ posthorn.Webhook) {
			t.Helper()
			putDue(t, db, w.ID, -minute)
		}, 0, 0, 0, 0},
		"due for four minutes": {func(t *testing.T, db *postgres.DB, w, _ posthorn.Webhook) {
			t.Helper()
			putDue(t, db, w.ID, 4*minute)
		}, 4 * minute, 0, 0, 0},
		"due for six minutes": {func(t *testing.T, db *postgres.DB, w, _ posthorn.Webhook) {
			t.Helper()
			putDue(t, db, w.ID, time.Second)
			putDue(t, db, w.ID, 6*minute)
		}, 6 * minute, 6 * minute, 6 * minute, 1},
		"due for six minutes, and so is another": {func(t *testing.T, db *postgres.DB, w, other posthorn.Webhook) {
			t.Helper()
			putDue(t, db, w.ID, 7*minute)
			putDue(t, db, other.ID, 6*minute)
		}, 7 * minute, 7 * minute, 7 * minute, 2},
		"another was tried that has nothing due": {func(t *testing.T, db *postgres.DB, w, _ posthorn.Webhook) {
			t.Helper()
			putDue(t, db, w.ID, 6*minute)
			attempted(t, db, minute)
		}, 6 * minute, 0, 6 * minute, 1},
		"another was tried, long ago": {func(t *testing.T, db *postgres.DB, w, _ posthorn.Webhook) {
			t.Helper()
			putDue(t, db, w.ID, 6*minute)
			attempted(t, db, 4*minute)
		}, 6 * minute, 6 * minute, 6 * minute, 1},
		"a backlog that is worked on": {func(t *testing.T, db *postgres.DB, w, _ posthorn.Webhook) {
			t.Helper()
			putDue(t, db, w.ID, 20*minute)
			tried(t, db, w, minute)
		}, 20 * minute, 0, 0, 0},
		"a backlog that was worked on": {func(t *testing.T, db *postgres.DB, w, _ posthorn.Webhook) {
			t.Helper()
			putDue(t, db, w.ID, 20*minute)
			tried(t, db, w, 10*minute)
		}, 20 * minute, 20 * minute, 20 * minute, 1},
		"a failing webhook between two attempts": {func(t *testing.T, db *postgres.DB, w, _ posthorn.Webhook) {
			t.Helper()
			putDue(t, db, w.ID, 20*minute)
			tried(t, db, w, 10*minute)
			health(t, db, w.ID, hour, nil)
		}, 20 * minute, 0, 0, 0},
		"a failing webhook that is not probed": {func(t *testing.T, db *postgres.DB, w, _ posthorn.Webhook) {
			t.Helper()
			putDue(t, db, w.ID, 30*minute)
			tried(t, db, w, 20*minute)
			health(t, db, w.ID, hour, nil)
		}, 30 * minute, 30 * minute, 30 * minute, 1},
		"throttled": {func(t *testing.T, db *postgres.DB, w, _ posthorn.Webhook) {
			t.Helper()
			putDue(t, db, w.ID, 20*minute)
			health(t, db, w.ID, nil, -hour)
		}, 0, 0, 0, 0},
		"throttled until a minute ago": {func(t *testing.T, db *postgres.DB, w, _ posthorn.Webhook) {
			t.Helper()
			putDue(t, db, w.ID, 20*minute)
			health(t, db, w.ID, nil, minute)
		}, minute, 0, 0, 0},
		"paused": {func(t *testing.T, db *postgres.DB, w, _ posthorn.Webhook) {
			t.Helper()
			putDue(t, db, w.ID, 20*minute)
			setState(t, db, w, `state = 'inactive'`)
		}, 0, 0, 0, 0},
		"activated a minute ago": {func(t *testing.T, db *postgres.DB, w, _ posthorn.Webhook) {
			t.Helper()
			putUntried(t, db, w, 20*minute, 20*minute, 0)
			setState(t, db, w, `state_since = now() - interval '1 minute'`)
		}, minute, 0, 0, 0},
		"behind one that does well": {func(t *testing.T, db *postgres.DB, w, other posthorn.Webhook) {
			t.Helper()
			putDue(t, db, other.ID, 40*minute)
			tried(t, db, other, minute)
			putDue(t, db, w.ID, 7*minute)
		}, 40 * minute, 0, 7 * minute, 1},
		// What is taken in hand and given back is due anew each time.
		"never tried, and just given back": {func(t *testing.T, db *postgres.DB, w, _ posthorn.Webhook) {
			t.Helper()
			putUntried(t, db, w, 9*minute, time.Second, 0)
		}, 0, 0, 9 * minute, 1},
		"never tried, and in hand": {func(t *testing.T, db *postgres.DB, w, _ posthorn.Webhook) {
			t.Helper()
			putUntried(t, db, w, 9*minute, -minute, 0)
		}, 0, 0, 9 * minute, 1},
		"made a while ago, beside others that are sent": {func(t *testing.T, db *postgres.DB, w, _ posthorn.Webhook) {
			t.Helper()
			putUntried(t, db, w, 9*minute, -minute, 0)
			tried(t, db, w, minute)
		}, 0, 0, 0, 0},
		"made a while ago, and between two attempts": {func(t *testing.T, db *postgres.DB, w, _ posthorn.Webhook) {
			t.Helper()
			putUntried(t, db, w, 9*minute, -minute, 1)
		}, 0, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, tenant := newTenant(t)
			w := insertHook(t, postgres.NewWebhooks(db), tenant, since(hour))
			tc.arrange(t, db, w, insertHook(t, postgres.NewWebhooks(db), tenant, since(hour)))
			h, err := db.DueHealth(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for what, d := range map[string]struct{ got, want time.Duration }{
				"the oldest is due": {h.Oldest, tc.oldest}, "sending stands still": {h.Still, tc.still}, "the webhook has waited": {h.StuckFor, tc.stuck},
			} {
				if off := d.got - d.want; off < 0 || off > 30*time.Second {
					t.Errorf("%s for %v, want %v", what, d.got, d.want)
				}
			}
			if h.Stuck != tc.webhooks || (h.Webhook == w.ID) != (tc.stuck > 0) {
				t.Errorf("%d are stuck, %s longest, want %d and %s", h.Stuck, h.Webhook, tc.webhooks, w.ID)
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

// Of a thousand webhooks none was tried lately, so that all have to be looked at closely.
func TestDueHealthIsCheapBesideALongQueue(t *testing.T) {
	t.Parallel()
	db, tenant := newTenant(t)
	w := insertHook(t, postgres.NewWebhooks(db), tenant, since(hour))
	columns := selectAll[string](t, db, `SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns
 WHERE table_schema = current_schema AND table_name = 'webhooks' AND is_generated = 'NEVER' AND column_name NOT IN ('id', 'url')`)[0]
	const id = `('00000000-0000-7000-8000-' || lpad((i %% 1000)::text, 12, '0'))::uuid`
	for _, sql := range []string{
		fmt.Sprintf(`INSERT INTO webhooks (id, url, %s) SELECT `+id+`, url || i, %s FROM webhooks, generate_series(0, 999) i`, columns, columns),
		`DELETE FROM webhooks WHERE id = '` + w.ID.UUID().String() + `'`,
		fmt.Sprintf(`WITH made AS (
  INSERT INTO deliveries (id, tenant_id, webhook_id, event_id, event, payload_scheme, test, created_at, url, state, reason, attempts)
  SELECT (left($1::uuid::text, 24) || lpad(to_hex(i), 12, '0'))::uuid, $1::uuid, ` + id + `, $1, '', '', false, now() - interval '6 minutes', '', 'pending', '', 0
    FROM generate_series(1, 110000) i RETURNING id, webhook_id)
INSERT INTO due (delivery_id, webhook_id, next_attempt_at, lease_token, attempts, schedule, test)
SELECT id, webhook_id, now() - interval '1 minute', 0, 0, 0, false FROM made`),
		`ANALYZE due`, `ANALYZE deliveries`, `ANALYZE webhooks`,
	} {
		var args []any
		if strings.Contains(sql, "$1") {
			args = append(args, posthorn.NewEventID().UUID())
		}
		if _, err := db.Pool().Exec(t.Context(), sql, args...); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	began := time.Now()
	h, err := db.DueHealth(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	t.Logf("%d due of 1000 webhooks: %v", h.Due, took)
	if h.Due != 100_000 || h.Stuck != 1000 || took > 2*time.Second {
		t.Errorf("%d due, %d stuck, after %v", h.Due, h.Stuck, took)
	}
}
