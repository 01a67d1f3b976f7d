package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// lockKey names one thing that only one process at a time may do in a database.
type lockKey int32

// The locks. Their numbers are shared by all versions of Posthorn that may run side by side, so they never change.
const (
	lockMigrate    lockKey = 1
	lockPartitions lockKey = 2
	lockCleanUp    lockKey = 3
)

// lockSpace is the first half of the advisory locks' two-part key: "post" in ASCII. It keeps them apart from those of
// other programs in the same database.
const lockSpace = 0x706f7374

// lockPoll is how often a lock that somebody else holds is tried again. It is tried, not waited for: a statement that
// waits holds a snapshot, and CREATE INDEX CONCURRENTLY of the lock's holder would wait for that.
const lockPoll = 100 * time.Millisecond

// withLock runs fn while this process holds the lock, waiting for it as long as ctx lasts. The lock takes a connection
// of its own and belongs to a transaction on it; when that connection is lost so is the lock, so fn must do no harm when
// another process does the same at the same time.
func (db *DB) withLock(ctx context.Context, key lockKey, fn func() error) error {
	for {
		ran, err := db.tryLock(ctx, key, fn)
		if ran || err != nil {
			return err
		}
		if err := pause(ctx, lockPoll); err != nil {
			return fmt.Errorf("wait for advisory lock %d: %w", key, err)
		}
	}
}

// tryLock is withLock, but returns false when somebody else holds the lock.
func (db *DB) tryLock(ctx context.Context, key lockKey, fn func() error) (ran bool, err error) {
	tx, err := db.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		return false, fmt.Errorf("take advisory lock %d: %w", key, err)
	}
	// Rolling back releases the lock. If that fails the connection is gone, and the lock with it.
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), attemptTimeout)
		defer cancel()
		_ = tx.Rollback(ctx)
	}()
	// The simple protocol, because the portal of the extended one would stay open and keep its snapshot, for which
	// detaching a partition waits.
	var taken bool
	err = tx.QueryRow(ctx, fmt.Sprintf(`SELECT set_config('idle_in_transaction_session_timeout', '0', true) IS NOT NULL
		AND pg_try_advisory_xact_lock(%d, %d)`, lockSpace, key), pgx.QueryExecModeSimpleProtocol).Scan(&taken)
	if err != nil || !taken {
		if err != nil {
			err = fmt.Errorf("take advisory lock %d: %w", key, err)
		}
		return false, err
	}
	return true, fn()
}
