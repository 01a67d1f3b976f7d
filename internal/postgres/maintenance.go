package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"
)

const (
	// maintenanceInterval is the mean pause between two runs; maintenanceRetry the one after a failed run.
	maintenanceInterval = 10 * time.Minute
	maintenanceRetry    = time.Minute
	// cleanBatch is how many rows one statement deletes, cleanBatches how many statements one run gives a table.
	cleanBatch   = 5000
	cleanBatches = 200
	// signInFailuresKept is how long failed sign-ins that block nobody any more are remembered.
	signInFailuresKept = 24 * time.Hour
	// activityMinutesKept is how far back the overview's counts go: two months, the range before the longest one included.
	activityMinutesKept = 62 * day
	// replaysKept is how long bulk replays are listed after their end.
	replaysKept = 90 * day
	// webhookQuartersKept is the same for the counts of attempts, and webhookMinutesKept for what they are summed up from: as
	// long as a webhook may fail before it is disabled, and more. webhookResponsesKept, for the sums of answers, is a bit more than
	// the longest range.
	webhookQuartersKept  = 62 * day
	webhookMinutesKept   = 8 * day
	webhookResponsesKept = 32 * day
)

// MaintenanceReport says what a run did.
type MaintenanceReport struct {
	// Created and Dropped are partitions. Postponed ones are past their retention and still in use by an open transaction.
	Created, Dropped, Postponed []PartitionState
	// Deleted counts the rows that went, by table.
	Deleted map[string]int64
	// Elsewhere says that another process was cleaning up, so that this run only looked after the partitions ahead.
	Elsewhere bool
}

// Maintenance makes partitions ahead, drops them behind and deletes rows that have expired. Any number of processes may
// run it on one database; one of them at a time does the work.
type Maintenance struct {
	db        *DB
	retention Retention
}

// NewMaintenance makes the maintenance of a database. It logs to the database's logger.
func NewMaintenance(db *DB, retention Retention) *Maintenance {
	return &Maintenance{db: db, retention: retention}
}

// Run does the maintenance at once and then about every ten minutes until ctx ends. A failure is logged and the work is
// tried again after a minute.
func (m *Maintenance) Run(ctx context.Context) {
	for {
		wait := maintenanceInterval
		if _, err := m.RunOnce(ctx); err != nil && ctx.Err() == nil {
			m.db.log.ErrorContext(ctx, "database maintenance failed", slog.Any("error", err))
			wait = maintenanceRetry
		}
		// A fifth of jitter, so that processes started together drift apart.
		if pause(ctx, wait*9/10+rand.N(wait/5)) != nil {
			return
		}
	}
}

// RunOnce does the maintenance once. At start its error is a reason to stop: without today's partition nothing can be
// stored. What is merely still in use is no error.
func (m *Maintenance) RunOnce(ctx context.Context) (MaintenanceReport, error) {
	return m.runOnce(ctx, time.Now())
}

func (m *Maintenance) runOnce(ctx context.Context, now time.Time) (MaintenanceReport, error) {
	r := MaintenanceReport{Deleted: map[string]int64{}}
	var errs []error
	for _, p := range m.retention.tables() {
		made, err := m.db.ensure(ctx, p, p.wanted(now))
		r.Created = append(r.Created, made...)
		errs = append(errs, err)
	}
	ran, err := m.db.tryLock(ctx, lockCleanUp, func() error { return m.cleanUp(ctx, now, &r) })
	r.Elsewhere = !ran && err == nil
	return r, errors.Join(append(errs, err)...)
}

func (m *Maintenance) cleanUp(ctx context.Context, now time.Time, r *MaintenanceReport) error {
	var errs []error
	for _, p := range m.retention.tables() {
		d, err := m.db.dropExpired(ctx, p, now)
		r.Dropped = append(r.Dropped, d.dropped...)
		r.Postponed = append(r.Postponed, d.postponed...)
		errs = append(errs, err)
	}
	deleted := func(table string, n int64, err error) {
		r.Deleted[table] = n
		errs = append(errs, err)
		if n > 0 {
			m.db.log.InfoContext(ctx, "expired rows deleted", slog.String("table", table), slog.Int64("rows", n))
		}
	}
	rolled, err := m.db.rollUp(ctx, now)
	errs = append(errs, err)
	for _, c := range cleanings {
		if c.rolled && !rolled {
			continue
		}
		n, err := m.db.clean(ctx, c, now)
		deleted(c.table, n, err)
	}
	for _, table := range endings {
		n, err := m.db.cleanEndings(ctx, table)
		deleted(table, n, err)
	}
	errs = append(errs, m.db.sweepOrphans(ctx))
	return errors.Join(errs...)
}

// cleaning deletes the rows of a table that nobody will ask for again.
type cleaning struct {
	table string
	// keep is how long before now the cutoff lies.
	keep time.Duration
	// rows selects the ctid of up to $2 rows older than $1.
	rows string
	// rolled says that the rows are summed up elsewhere, and stay until all of them are.
	rolled bool
}

// A row that another transaction is renewing is skipped, so that no cleaning waits and no renewed row is lost.
var cleanings = []cleaning{
	{"idempotency_keys", 0, `SELECT ctid FROM idempotency_keys WHERE expires_at < $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED`, false},
	{"sessions", 0, `SELECT ctid FROM sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED`, false},
	{"sign_in_failures", signInFailuresKept, `SELECT ctid FROM sign_in_failures WHERE last_at < $1 AND blocked_until < $1 LIMIT $2 FOR UPDATE SKIP LOCKED`, false},
	// Tenant by tenant, because that is how the primary key finds old minutes without reading the others.
	{"activity_minutes", activityMinutesKept, `SELECT m.old FROM tenants t CROSS JOIN LATERAL (SELECT ctid AS old FROM activity_minutes
		WHERE tenant_id = t.id AND minute < $1 ORDER BY minute LIMIT $2) m LIMIT $2`, false},
	{"webhook_minutes", webhookMinutesKept, `SELECT m.old FROM tenants t CROSS JOIN LATERAL (SELECT ctid AS old FROM webhook_minutes
		WHERE tenant_id = t.id AND minute < $1 ORDER BY minute LIMIT $2) m LIMIT $2`, true},
	{"webhook_quarters", webhookQuartersKept, `SELECT ctid FROM webhook_quarters WHERE quarter < $1 LIMIT $2`, false},
	{"webhook_responses", webhookMinutesKept, `SELECT ctid FROM webhook_responses WHERE minute < $1 LIMIT $2 FOR UPDATE SKIP LOCKED`, true},
	{"webhook_response_quarters", webhookResponsesKept, `SELECT ctid FROM webhook_response_quarters WHERE quarter < $1 LIMIT $2`, false},
	{"signing_secrets", 0, `SELECT ctid FROM signing_secrets WHERE expires_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED`, false},
	{"replays", replaysKept, `SELECT ctid FROM replays WHERE finished_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED`, false},
	{"event_keys", 0, `SELECT ctid FROM event_keys WHERE expires_at < $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED`, false},
}

// endings are the tables with a row for each delivery that ended in some way, which goes when the delivery has gone with its
// partition.
var endings = []string{"dead_letters", "cancelled_deliveries"}

// cleanEndings deletes the endings of deliveries that are no longer kept.
func (db *DB) cleanEndings(ctx context.Context, table string) (deleted int64, err error) {
	kept, err := db.partitions(ctx, tableDeliveries)
	if err != nil || len(kept) == 0 {
		return 0, err
	}
	statement := fmt.Sprintf(`DELETE FROM %s WHERE delivery_id = ANY (ARRAY(
  SELECT delivery_id FROM %[1]s WHERE delivery_id < $1 ORDER BY delivery_id LIMIT $2 FOR UPDATE SKIP LOCKED))`, table)
	return db.inBatches(ctx, table, statement, bound(kept[0].From))
}

func (db *DB) clean(ctx context.Context, c cleaning, now time.Time) (deleted int64, err error) {
	return db.inBatches(ctx, c.table, fmt.Sprintf(`DELETE FROM %s WHERE ctid = ANY (ARRAY(%s))`, c.table, c.rows), now.Add(-c.keep))
}

// inBatches runs a statement that deletes up to $2 rows before $1, until there are no more or it was run often enough.
func (db *DB) inBatches(ctx context.Context, table, statement string, before any) (deleted int64, err error) {
	for range cleanBatches {
		tag, err := db.pool.Exec(ctx, statement, before, cleanBatch)
		deleted += tag.RowsAffected()
		if err != nil {
			return deleted, translate(err, "delete expired rows of "+table)
		}
		if tag.RowsAffected() < cleanBatch {
			break
		}
	}
	return deleted, nil
}
