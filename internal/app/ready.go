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

// Ready returns nil when the database answers, its schema is the one of this binary, partitions are there for now, and what is
// due is being sent.
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
	return r.sending(ctx)
}

// sending returns nil when no delivery is neglected.
func (r readiness) sending(ctx context.Context) error {
	health, err := r.db.DueHealth(ctx)
	if err != nil || health.Neglected == 0 {
		return err
	}
	return fmt.Errorf("webhook %s: %w", health.Webhook, posthorn.Errorf(posthorn.Conflict,
		"A delivery has been due for %s and nothing is sent to its webhook: the dispatchers do not run, or cannot.",
		health.Neglected.Round(time.Second)))
}
