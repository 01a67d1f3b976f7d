package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// The partitioned tables.
const (
	tableActivity = "user_activity_history"
	tableEvents   = "events"

	tableDeliveries = "deliveries"
	tableAttempts   = "attempts"
)

// Retention says how long rows are kept. Zero means for ever.
type Retention struct {
	Activity, Events time.Duration
}

func (r Retention) tables() []partitioned {
	return []partitioned{
		{table: tableActivity, retention: r.Activity},
		{table: tableAttempts, retention: r.Events},
		// Deliveries are updated in place, which needs room in each page. They go before the events that they send.
		{table: tableDeliveries, retention: r.Events, keptBy: pendingDeliveries, storage: "fillfactor = 50"},
		{table: tableEvents, retention: r.Events, keptBy: pendingDeliveries},
	}
}

// PartitionState describes one partition.
type PartitionState struct {
	// Table is the partitioned table, Name the partition.
	Table, Name string
	// From and To bound the times of receipt of its rows; To is the first instant outside.
	From, To time.Time
	// Detaching says that it is being taken away: its rows are not seen any more.
	Detaching bool
}

// pendingDeliveries finds what still waits to be sent among the ids of a partition.
const pendingDeliveries = `SELECT FROM due WHERE delivery_id >= $1 AND delivery_id < $2`

func (s PartitionState) span() span { return span{s.From, s.To} }

func (s PartitionState) attrs() []any {
	return []any{
		slog.String("table", s.Table), slog.String("partition", s.Name),
		slog.Time("from", s.From), slog.Time("to", s.To),
	}
}

// Partitions lists the partitions of every partitioned table, oldest first in each.
func (db *DB) Partitions(ctx context.Context) ([]PartitionState, error) {
	var all []PartitionState
	for _, p := range (Retention{}).tables() {
		states, err := db.partitions(ctx, p.table)
		if err != nil {
			return nil, err
		}
		all = append(all, states...)
	}
	return all, nil
}

// PartitionHorizon returns, for every partitioned table, until when its partitions cover the time from now on without a
// gap. A time that is not after now means that nothing can be stored any more.
func (db *DB) PartitionHorizon(ctx context.Context, now time.Time) (map[string]time.Time, error) {
	horizon := map[string]time.Time{}
	for _, p := range (Retention{}).tables() {
		states, err := db.partitions(ctx, p.table)
		if err != nil {
			return nil, err
		}
		usable := slices.DeleteFunc(states, func(s PartitionState) bool { return s.Detaching })
		horizon[p.table] = coveredUntil(spans(usable), now.UTC())
	}
	return horizon, nil
}

// EnsureRange makes whatever partitions of a table are missing between two times, for rows that are older than usual,
// and returns them. They are as wide as a table without retention has them.
func (db *DB) EnsureRange(ctx context.Context, table string, from, to time.Time) ([]PartitionState, error) {
	p := partitioned{table: table}
	return db.ensure(ctx, p, span{daily.floor(from), daily.after(to.Add(-1), 1)})
}

// partitions lists the partitions of one table, oldest first.
func (db *DB) partitions(ctx context.Context, table string) ([]PartitionState, error) {
	op := "list the partitions of " + table
	rows, err := db.pool.Query(ctx, `SELECT c.relname, pg_get_expr(c.relpartbound, c.oid), i.inhdetachpending
		FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = to_regclass($1) AND c.relpartbound IS NOT NULL`, table)
	if err != nil {
		return nil, translate(err, op)
	}
	states, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (PartitionState, error) {
		s := PartitionState{Table: table}
		var bounds *string
		if err := row.Scan(&s.Name, &bounds, &s.Detaching); err != nil || bounds == nil {
			return s, err
		}
		b, err := spanOfBounds(*bounds)
		s.From, s.To = b.from, b.to
		if err != nil {
			err = fmt.Errorf("partition %s was not made by Posthorn: %w", s.Name, err)
		}
		return s, err
	})
	if err != nil {
		return nil, translate(err, op)
	}
	// One that was dropped since the statement began has no bounds to show.
	states = slices.DeleteFunc(states, func(s PartitionState) bool { return s.To.IsZero() })
	slices.SortFunc(states, func(a, b PartitionState) int { return bySpan(a.span(), b.span()) })
	return states, nil
}

func spans(states []PartitionState) []span {
	out := make([]span, len(states))
	for i, s := range states {
		out[i] = s.span()
	}
	return out
}

// ensure makes the partitions that are missing in a stretch of time, one process at a time, and returns them.
func (db *DB) ensure(ctx context.Context, p partitioned, wanted span) ([]PartitionState, error) {
	// Mostly there is nothing to do, and no lock to wait for.
	if plan, err := db.plan(ctx, p, wanted); err != nil || len(plan) == 0 {
		return nil, err
	}
	var made []PartitionState
	err := db.withLock(ctx, lockPartitions, func() error {
		plan, err := db.plan(ctx, p, wanted)
		for _, s := range plan {
			if err := db.createPartition(ctx, s, p.storage); err != nil {
				return err
			}
			db.log.DebugContext(ctx, "partition created", s.attrs()...)
			made = append(made, s)
		}
		return err
	})
	if n := len(made); n > 0 {
		db.log.InfoContext(ctx, "partitions created", slog.String("table", p.table), slog.Int("partitions", n),
			slog.Time("from", made[0].From), slog.Time("to", made[n-1].To))
	}
	return made, translate(err, "make the partitions of "+p.table)
}

func (db *DB) plan(ctx context.Context, p partitioned, wanted span) ([]PartitionState, error) {
	existing, err := db.partitions(ctx, p.table)
	if err != nil {
		return nil, err
	}
	var plan []PartitionState
	for _, s := range missing(spans(existing), wanted, p.width()) {
		plan = append(plan, PartitionState{Table: p.table, Name: s.name(p.table), From: s.from, To: s.to})
	}
	return plan, nil
}

// createPartition makes a table of its own and attaches it, which waits for no reader. It has no check that says the same as
// its bounds: every statement that writes would prepare it anew. If another process was faster, that is fine.
func (db *DB) createPartition(ctx context.Context, s PartitionState, storage string) error {
	if storage != "" {
		storage = " WITH (" + storage + ")"
	}
	err := db.ddl(ctx, createAttempts, func(tx pgx.Tx) error {
		table, name := quote(s.Table), quote(s.Name)
		_, err := tx.Exec(ctx, fmt.Sprintf(`CREATE TABLE %s (LIKE %s INCLUDING ALL)%s`, name, table, storage))
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, attachSQL(s))
		return err
	})
	if err == nil {
		return nil
	}
	// The refusal that a race ends in has many codes; the partition being there has one meaning.
	states, listErr := db.partitions(ctx, s.Table)
	if listErr == nil && slices.ContainsFunc(states, func(o PartitionState) bool { return o.span() == s.span() }) {
		return nil
	}
	return fmt.Errorf("create partition %s: %w", s.Name, err)
}

func attachSQL(s PartitionState) string {
	return fmt.Sprintf(`ALTER TABLE %s ATTACH PARTITION %s %s`, quote(s.Table), quote(s.Name), s.span().bounds())
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

const (
	// ddlLockTimeout bounds how long a change of a table waits for a lock, because whoever comes after it waits too.
	ddlLockTimeout = "1s"
	// createAttempts is how often the making of a partition is tried: rows need it, so for longer than an unfinished
	// detaching holds its locks (detachWait).
	createAttempts = 10
	// ddlPause is the mean pause between two attempts.
	ddlPause = 100 * time.Millisecond
)

// ddl runs a change of tables in a transaction that gives up waiting for locks soon, and tries again a few times.
func (db *DB) ddl(ctx context.Context, attempts int, fn func(pgx.Tx) error) error {
	for attempt := 1; ; attempt++ {
		err := pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `SET LOCAL lock_timeout = '`+ddlLockTimeout+`'`); err != nil {
				return err
			}
			return fn(tx)
		})
		if !lockBusy(err) || attempt >= attempts {
			return err
		}
		if err := pause(ctx, ddlPause/2+rand.N(ddlPause)); err != nil {
			return err
		}
	}
}

// lockBusy reports whether a lock could not be had in time.
func lockBusy(err error) bool {
	state := sqlState(err)
	return state == codeLockNotAvailable || state == codeDeadlock
}
