package postgres

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// How dispatchers tell each other that they live.
const (
	// DispatcherInterval is the mean pause between two signs of life, of which each is up to a fifth longer or shorter.
	DispatcherInterval = 5 * time.Second
	// DispatcherGone is after which silence a dispatcher does not count any more.
	DispatcherGone = 15 * time.Second
	// dispatcherKept is after which silence its row is deleted.
	dispatcherKept = 10 * time.Minute
	// dispatcherTimeout bounds a sign of life, dispatcherLeave the last one, for which a stop waits.
	dispatcherTimeout = 5 * time.Second
	dispatcherLeave   = time.Second
)

// Dispatchers keeps a sign of life of the dispatcher of this process beside those of others on the same database, and knows
// how many there are. A dispatcher that starts knows the others from its first beat on; they know it after their next one.
type Dispatchers struct {
	db   *DB
	id   uuid.UUID
	live atomic.Int64
}

// NewDispatchers makes the sign of life of a dispatcher. Until the first Beat it is alone.
func NewDispatchers(db *DB) *Dispatchers {
	d := &Dispatchers{db: db, id: uuid.New()}
	d.live.Store(1)
	return d
}

// Live is how many dispatchers there are, this one among them, as of the last beat that the database answered. It does not
// block.
func (d *Dispatchers) Live() int { return int(d.live.Load()) }

// beatSQL writes the sign of life and counts the others. A row that another process is deleting is left to it, so that none
// waits for another.
const beatSQL = `
WITH old AS (
  DELETE FROM dispatchers WHERE id IN (SELECT id FROM dispatchers WHERE seen_at < now() - $3::interval FOR UPDATE SKIP LOCKED)
     AND id <> $1),
me AS (
  INSERT INTO dispatchers (id, started_at, seen_at) VALUES ($1, now(), now())
  ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at)
SELECT count(*) FROM dispatchers WHERE id <> $1 AND seen_at > now() - $2::interval`

// Beat gives one sign of life and counts the others.
func (d *Dispatchers) Beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, dispatcherTimeout)
	defer cancel()
	var others int64
	err := d.db.pool.QueryRow(ctx, beatSQL, d.id, DispatcherGone, dispatcherKept).Scan(&others)
	if err == nil {
		d.live.Store(1 + others)
	}
	return translate(err, "beat as dispatcher "+d.id.String())
}

// During gives signs of life for as long as work takes, the first before it begins, and takes the last away when it has ended,
// so that the others count on this dispatcher no longer. It returns what work does. The end of ctx ends nothing but the first.
func (d *Dispatchers) During(ctx context.Context, work func() error) error {
	d.try(ctx)
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var beating sync.WaitGroup
	beating.Go(func() {
		for pause(background, DispatcherInterval*4/5+rand.N(DispatcherInterval*2/5)) == nil {
			d.try(background)
		}
	})
	err := work()
	stop()
	beating.Wait()
	d.leave(context.WithoutCancel(ctx))
	return err
}

// try gives one sign of life. When that fails, the next may not.
func (d *Dispatchers) try(ctx context.Context) {
	if err := d.Beat(ctx); err != nil && ctx.Err() == nil {
		d.db.log.WarnContext(ctx, "dispatchers not counted", slog.Int("assumed", d.Live()), slog.Any("error", err))
	}
}

// leave takes the sign of life away. When that fails, the others find out by its silence.
func (d *Dispatchers) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, dispatcherLeave)
	defer cancel()
	if _, err := d.db.pool.Exec(ctx, `DELETE FROM dispatchers WHERE id = $1`, d.id); err != nil {
		d.db.log.WarnContext(ctx, "dispatcher not signed off", slog.Any("error", err))
	}
}
