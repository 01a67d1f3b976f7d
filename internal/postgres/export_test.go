package postgres

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/gorm"
)

// What the tests in package postgres_test see of the inside. They live outside because testkit imports this package.
var (
	Translate      = translate
	IsDataFault    = isDataFault
	OutcomeUnknown = outcomeUnknown
	ListSQL        = listSQL
	CountsSQL      = countsSQL
)

// Pool returns the pool, for tests that look at the tables themselves.
func (db *DB) Pool() *pgxpool.Pool { return db.pool }

// OpenTraced opens a database whose queries are told to a tracer, without waiting for it.
func OpenTraced(ctx context.Context, o Options, tracer pgx.QueryTracer) (*DB, error) {
	cfg, err := poolConfig(o)
	if err != nil {
		return nil, err
	}
	cfg.ConnConfig.Tracer = tracer
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	db := &DB{pool: pool, sql: stdlib.OpenDBFromPool(pool), log: slog.New(slog.DiscardHandler)}
	return db, db.openGorm()
}

// Gorm returns gorm over the same pool.
func (db *DB) Gorm() *gorm.DB { return db.gorm }

// CheckServer is what Open says of a server.
func CheckServer(number int, version, encoding string, standby bool) error {
	return serverFacts{number, version, encoding, standby}.check()
}

// Span and Partitioned are what the planning of partitions works on.
type (
	Span        = span
	Partitioned = partitioned
)

// NewSpan makes a span.
func NewSpan(from, to time.Time) Span { return span{from, to} }

// From and To return the ends of the span.
func (s span) From() time.Time { return s.from }

// To returns the first instant after the span.
func (s span) To() time.Time { return s.to }

// NewPartitioned makes a table with a retention.
func NewPartitioned(table string, retention time.Duration) Partitioned {
	return partitioned{table: table, retention: retention}
}

// Missing plans the partitions for a moment.
func (p partitioned) Missing(existing []Span, now time.Time) []Span {
	return missing(existing, p.wanted(now), p.width())
}

// Expired is expired.
func (p partitioned) Expired(s Span, now time.Time) bool { return p.expired(s, now) }

// Bounds writes bounds, SpanOfBounds reads them.
func (s span) Bounds() string { return s.bounds() }

// SpanOfBounds reads bounds.
var SpanOfBounds = spanOfBounds

// DropMark is the comment on partitions that are to be dropped.
const DropMark = dropMark

// WithCleanUpLock runs fn while it holds the lock of the cleaning up.
func (db *DB) WithCleanUpLock(ctx context.Context, fn func() error) error {
	return db.withLock(ctx, lockCleanUp, fn)
}

// RunOnceAt is RunOnce at another time.
func (m *Maintenance) RunOnceAt(ctx context.Context, now time.Time) (MaintenanceReport, error) {
	return m.runOnce(ctx, now)
}

// Turn is one second's work of a runner.
func (r *ReplayRunner) Turn(ctx context.Context) (int, error) { return r.turn(ctx) }

// Release leaves to others what a runner has in hand.
func (r *ReplayRunner) Release(ctx context.Context) { r.release(ctx) }

// HurryMissed makes ReplayMissed leave everything after its first batch to a bulk replay.
func (s *DeliveryLog) HurryMissed() { s.missedBudget = 0 }

// LookAt sets how many deliveries a query looks at.
func (s *DeliveryLog) LookAt(n int) { s.scan = n }
