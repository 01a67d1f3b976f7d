package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// dropMark is the comment on a partition that Posthorn has decided to drop. A table that somebody else detached, to
	// keep it, does not have it.
	dropMark = "posthorn: past its retention, to be dropped"
	// detachWait bounds one detaching. It blocks neither readers nor writers, but nothing can be attached meanwhile.
	detachWait = 2 * time.Second
	// finishAttempts is how often the last step of dropping is tried; the next run goes on.
	finishAttempts = 3
)

// dropResult says what became of the partitions that had to go.
type dropResult struct {
	dropped []PartitionState
	// postponed are still in use by an open transaction.
	postponed []PartitionState
}

// leaving is a partition on its way out: detached, or as good as.
type leaving struct {
	PartitionState
	// marked says that Posthorn wants it dropped; without it somebody else detached it and keeps the table.
	marked bool
}

// dropExpired drops the partitions of a table whose rows are all past the retention, and completes what an interrupted
// run left behind. It waits for nobody for long: what is still in use is postponed to the next run. The caller holds
// lockCleanUp.
func (db *DB) dropExpired(ctx context.Context, p partitioned, now time.Time) (dropResult, error) {
	var r dropResult
	states, err := db.partitions(ctx, p.table)
	if err == nil {
		err = db.finishLeaving(ctx, p, now, &r)
	}
	for _, s := range states {
		// A table can have one unfinished detaching at a time.
		if err != nil || len(r.postponed) > 0 {
			break
		}
		if s.Detaching || !p.expired(s.span(), now) {
			continue
		}
		kept, keptErr := db.keeps(ctx, p, s)
		if err = keptErr; kept || err != nil {
			continue
		}
		if err = db.detach(ctx, s); err == nil {
			err = db.finishLeaving(ctx, p, now, &r)
		}
	}
	return r, translate(err, "drop the expired partitions of "+p.table)
}

// keeps reports whether a partition past its retention still holds what is needed.
func (db *DB) keeps(ctx context.Context, p partitioned, s PartitionState) (kept bool, err error) {
	if p.keptBy == "" {
		return false, nil
	}
	err = db.pool.QueryRow(ctx, `SELECT EXISTS (`+p.keptBy+`)`, bound(s.From), bound(s.To)).Scan(&kept)
	return kept, err
}

// detach marks a partition and begins to detach it. Afterwards it may be detached, half detached, or, when not even the
// first step got its lock, as it was.
func (db *DB) detach(ctx context.Context, s PartitionState) error {
	err := db.ddl(ctx, finishAttempts, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, fmt.Sprintf(`COMMENT ON TABLE %s IS '%s'`, quote(s.Name), dropMark))
		return err
	})
	if lockBusy(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("mark partition %s: %w", s.Name, err)
	}
	// Not in a transaction, so there is no SET LOCAL lock_timeout: the context gives up, and the driver cancels.
	detaching, cancel := context.WithTimeout(ctx, detachWait)
	defer cancel()
	_, err = db.pool.Exec(detaching, fmt.Sprintf(`ALTER TABLE %s DETACH PARTITION %s CONCURRENTLY`, quote(s.Table), quote(s.Name)))
	if ctx.Err() == nil && (detaching.Err() != nil || lockBusy(err)) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("detach partition %s: %w", s.Name, err)
	}
	return nil
}

// finishLeaving takes every partition of the table that is on its way out to the end of it, where that can be had now.
func (db *DB) finishLeaving(ctx context.Context, p partitioned, now time.Time, r *dropResult) error {
	all, err := db.leaving(ctx, p.table)
	if err != nil {
		return err
	}
	for _, l := range all {
		drop := l.marked && p.expired(l.span(), now)
		err := db.ddl(ctx, finishAttempts, func(tx pgx.Tx) error { return finish(ctx, tx, l, drop) })
		switch {
		case lockBusy(err):
			db.log.InfoContext(ctx, "partition still in use", l.attrs()...)
			r.postponed = append(r.postponed, l.PartitionState)
		case err != nil:
			return fmt.Errorf("finish partition %s: %w", l.Name, err)
		case drop:
			db.log.InfoContext(ctx, "partition dropped", l.attrs()...)
			r.dropped = append(r.dropped, l.PartitionState)
		default:
			db.log.WarnContext(ctx, "partition no longer to be dropped", append(l.attrs(), slog.Bool("attached", l.marked))...)
		}
	}
	return nil
}

// finish completes a detaching and drops the table. One that is marked and yet inside the retention, because that was
// made longer in between, is attached again; one that somebody else detached is left to them.
func finish(ctx context.Context, tx pgx.Tx, l leaving, drop bool) error {
	var steps []string
	if l.Detaching {
		steps = append(steps, fmt.Sprintf(`ALTER TABLE %s DETACH PARTITION %s FINALIZE`, quote(l.Table), quote(l.Name)))
	}
	switch {
	case drop:
		steps = append(steps, `DROP TABLE `+quote(l.Name))
	case l.marked:
		steps = append(steps, fmt.Sprintf(`COMMENT ON TABLE %s IS NULL`, quote(l.Name)), attachSQL(l.PartitionState))
	}
	for _, step := range steps {
		if _, err := tx.Exec(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// leaving lists the tables that were partitions of table and are half detached, or detached and marked.
func (db *DB) leaving(ctx context.Context, table string) ([]leaving, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT c.relname, coalesce(i.inhdetachpending, false), coalesce(obj_description(c.oid, 'pg_class') = $2, false)
		  FROM pg_class parent
		  JOIN pg_class c ON c.relnamespace = parent.relnamespace AND c.relkind = 'r' AND starts_with(c.relname, $1 || '_p')
		  LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = parent.oid
		 WHERE parent.oid = to_regclass($1)
		   AND CASE WHEN c.relispartition THEN i.inhdetachpending ELSE obj_description(c.oid, 'pg_class') = $2 END
		 ORDER BY c.relname`, table, dropMark)
	if err != nil {
		return nil, fmt.Errorf("list the detached partitions: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (leaving, error) {
		l := leaving{PartitionState: PartitionState{Table: table}}
		if err := row.Scan(&l.Name, &l.Detaching, &l.marked); err != nil {
			return l, err
		}
		s, err := spanOfName(table, l.Name)
		l.From, l.To = s.from, s.to
		if err != nil && !l.marked {
			// Not a name of ours, and not ours to drop: it only needs finishing.
			err = nil
		}
		return l, err
	})
	if err != nil {
		return nil, fmt.Errorf("list the detached partitions: %w", err)
	}
	return all, nil
}
