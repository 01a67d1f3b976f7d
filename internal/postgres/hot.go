package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// hotSettings hold for the transaction. A statement of the hot path touches several partitioned tables, and takes longer to be
// planned than to run: it is planned once for each connection, and not for the values of each call. Such a plan outlives the
// sizes of tables for which it was made, so it must not read a table as a whole because that is small at the time.
const hotSettings = `SELECT set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true)`

// statement is one of those that go to the database together.
type statement struct {
	sql     string
	args    []any
	collect func(pgx.Rows) error
}

// runHot runs statements of the hot path with hotSettings, in one round trip. Where in is the pool they are a transaction of
// their own, which is durable when there is no error.
func runHot(ctx context.Context, in runner, statements ...statement) error {
	b := &pgx.Batch{}
	b.Queue(hotSettings)
	for _, s := range statements {
		b.Queue(s.sql, s.args...)
	}
	results := in.SendBatch(ctx, b)
	_, err := results.Exec()
	for _, s := range statements {
		if err != nil {
			break
		}
		var rows pgx.Rows
		if rows, err = results.Query(); err == nil {
			err = s.collect(rows)
		}
	}
	if closeErr := results.Close(); err == nil {
		err = closeErr
	}
	return err
}
