package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
	"posthorn/internal/testkit"
)

func TestExpiredRowsAreDeletedAndOthersStay(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	tenant, user := uuid.New(), uuid.New()
	now := time.Now()
	neverSummedUp(t, db)
	exec(t, db, `INSERT INTO tenants (id, name) VALUES ($1, 'n')`, tenant)
	exec(t, db, `INSERT INTO users (id, tenant_id, email, name, role, password_hash) VALUES ($1, $2, 'a@b.c', 'n', 'owner', '')`, user, tenant)
	exec(t, db, `INSERT INTO idempotency_keys (scope, key, response, expires_at)
		SELECT 's', i::text, '{}', $1::timestamptz + (i - 2500) * interval '1 second' FROM generate_series(0, 2600) i`, now)
	exec(t, db, `INSERT INTO sessions (token_hash, user_id, data, address, user_agent, expires_at)
		VALUES ('old', $1, '', '', '', $2::timestamptz - interval '1 second'), ('new', $1, '', '', '', $2::timestamptz + interval '1 minute')`, user, now)
	exec(t, db, `INSERT INTO sign_in_failures (key, failures, last_at, blocked_until) VALUES
		('stale', 3, $1::timestamptz - interval '25 hours', $1::timestamptz - interval '25 hours'),
		('still blocking', 9, $1::timestamptz - interval '25 hours', $1::timestamptz + interval '1 hour'),
		('recent', 1, $1::timestamptz - interval '23 hours', $1::timestamptz - interval '23 hours')`, now)
	exec(t, db, `INSERT INTO activity_minutes (tenant_id, minute, shard, low, medium, high, critical, unrated, errors)
		SELECT $1, $2::timestamptz - d * interval '1 day', 0, 1, 0, 0, 0, 0, 0 FROM generate_series(0, 70) d`, tenant, now)
	exec(t, db, `INSERT INTO webhook_minutes (webhook_id, minute, shard, tenant_id, succeeded, failed, dead, latency)
		SELECT $1, $2::timestamptz - d * interval '1 day', 0, $1, 1, 0, 0, '{0}' FROM generate_series(0, 70) d`, tenant, now)
	exec(t, db, `INSERT INTO webhook_responses (webhook_id, minute, shard, answer, attempts)
		SELECT $1, $2::timestamptz - d * interval '1 day', 0, '503', 1 FROM generate_series(0, 70) d`, tenant, now)
	exec(t, db, `INSERT INTO event_keys (tenant_id, key, event_id, expires_at)
		SELECT $1, i::text, $1, $2::timestamptz + (i - 20) * interval '1 second' FROM generate_series(0, 29) i`, tenant, now)
	exec(t, db, `INSERT INTO signing_secrets (id, tenant_id, secret, last_four, created_at, created_by, expires_at) VALUES
		(gen_random_uuid(), $1, '', '', $2, '', $2::timestamptz - interval '1 second'),
		(gen_random_uuid(), $1, '', '', $2, '', $2::timestamptz + interval '1 hour'), (gen_random_uuid(), $1, '', '', $2, '', NULL)`, tenant, now)
	for _, table := range []string{"dead_letters (delivery_id, tenant_id, webhook_id, failed_at) VALUES ($1, $2, $2, now())", "cancelled_deliveries (delivery_id, tenant_id, webhook_id) VALUES ($1, $2, $2)"} {
		exec(t, db, `INSERT INTO `+table, uuid.UUID(posthorn.NewEventID()), tenant)
		exec(t, db, `INSERT INTO `+table, uuid.UUID{0: 1}, tenant) // of a day that was dropped long ago
	}

	report, err := postgres.NewMaintenance(db, postgres.Retention{Events: testkit.EventRetention}).RunOnceAt(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	for table, want := range map[string]struct{ deleted, left int64 }{
		"idempotency_keys": {2500, 101}, "sessions": {1, 1}, "sign_in_failures": {1, 2}, "activity_minutes": {8, 63},
		"webhook_minutes": {62, 9}, "webhook_quarters": {18, 122}, "webhook_responses": {62, 9}, "webhook_response_quarters": {39, 31}, "event_keys": {20, 10}, "signing_secrets": {1, 2}, "dead_letters": {1, 1}, "cancelled_deliveries": {1, 1},
	} {
		var left int64
		if err := db.Pool().QueryRow(t.Context(), `SELECT count(*) FROM `+table).Scan(&left); err != nil {
			t.Fatal(err)
		}
		if report.Deleted[table] != want.deleted || left != want.left {
			t.Errorf("%s: deleted %d and left %d, want %d and %d", table, report.Deleted[table], left, want.deleted, want.left)
		}
	}
}

func TestARowThatIsBeingRenewedIsNotDeleted(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	exec(t, db, `INSERT INTO idempotency_keys (scope, key, response, expires_at) VALUES ('s', 'k', '1', now() - interval '1 hour')`)
	tx, err := db.Pool().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := tx.Exec(t.Context(), `UPDATE idempotency_keys SET response = '2', expires_at = now() + interval '1 day'`); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := postgres.NewMaintenance(db, postgres.Retention{Events: testkit.EventRetention}).RunOnce(ctx); err != nil {
		t.Fatalf("the cleaning waited for the row, or failed: %v", err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	var response string
	if err := db.Pool().QueryRow(t.Context(), `SELECT response FROM idempotency_keys`).Scan(&response); err != nil || response != "2" {
		t.Errorf("response %q, %v; want the renewed one", response, err)
	}
}

func TestOnlyOneProcessCleansUpAndTheOthersStillMakePartitions(t *testing.T) {
	t.Parallel()
	db := migrated(t)
	err := db.WithCleanUpLock(t.Context(), func() error {
		report, err := postgres.NewMaintenance(db, twoDays).RunOnceAt(t.Context(), start)
		if !report.Elsewhere || len(report.Created) == 0 || len(report.Deleted) > 0 {
			t.Errorf("beside another process: %+v", report)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if report := runAt(t, db, twoDays, start); report.Elsewhere || len(report.Deleted) == 0 {
		t.Errorf("alone: %+v", report)
	}
}

func TestALockIsFreeAgainAfterAFailureAndAWaiterStopsWhenItIsToldTo(t *testing.T) {
	t.Parallel()
	db := migrated(t)
	boom := errors.New("boom")
	if err := db.WithCleanUpLock(t.Context(), func() error { return boom }); !errors.Is(err, boom) {
		t.Errorf("got %v, want the failure", err)
	}
	err := db.WithCleanUpLock(t.Context(), func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		return db.WithCleanUpLock(ctx, func() error { t.Error("two hold the lock"); return nil })
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want that the waiter ran out of time", err)
	}
}

// lockedBuffer collects log lines and tells of the first one that has a word.
type lockedBuffer struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	word string
	seen chan struct{}
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !strings.Contains(b.buf.String(), b.word) && bytes.Contains(p, []byte(b.word)) {
		close(b.seen)
	}
	return b.buf.Write(p)
}

func TestTheLoopWorksAtOnceLogsWhatItDidAndEndsWithItsContext(t *testing.T) {
	t.Parallel()
	url := testkit.EmptyURL(t)
	if _, err := open(t, url).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	log := &lockedBuffer{word: "table=events", seen: make(chan struct{})}
	db, err := postgres.Open(t.Context(), postgres.Options{URL: url, Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		postgres.NewMaintenance(db, twoDays).Run(ctx)
	}()
	<-log.seen
	cancel()
	<-done
	if text := log.buf.String(); !strings.Contains(text, `msg="partitions created" table=user_activity_history partitions=`) {
		t.Errorf("log is\n%s", text)
	}
}
