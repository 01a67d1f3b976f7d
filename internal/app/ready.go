package app

import (
	"context"
	"fmt"
	"time"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
)

// readyHorizon is how far ahead partitions must reach for the server to call itself ready.
const readyHorizon = time.Hour

// readiness looks at what the server cannot work without.
type readiness struct{ db *postgres.DB }

// Ready returns nil when the database answers, its schema is the one of this binary, and partitions are there for now.
func (r readiness) Ready(ctx context.Context) error {
	current, want, err := r.db.SchemaVersion(ctx)
	if err != nil {
		return err
	}
	if current != want {
		return posthorn.Errorf(posthorn.Conflict, "The schema is at version %d, this binary needs %d.", current, want)
	}
	now := time.Now()
	horizon, err := r.db.PartitionHorizon(ctx, now)
	if err != nil {
		return err
	}
	for table, until := range horizon {
		if until.Before(now.Add(readyHorizon)) {
			return fmt.Errorf("table %s: %w", table, posthorn.Errorf(posthorn.Conflict, "Partitions for the coming hour are missing."))
		}
	}
	return nil
}
