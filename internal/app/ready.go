package app

import (
	"context"
	"fmt"
	"time"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
)

const (
	// readyHorizon is how far ahead partitions must reach for the server to call itself ready.
	readyHorizon = time.Hour
	// lookHorizon is within what a dispatcher that works looks for what is due. With nothing else to do it does so every few
	// seconds.
	lookHorizon = time.Minute
)

// readiness looks at what the server cannot work without.
type readiness struct {
	db *postgres.DB
	// lastLook is when the dispatcher of this process last found out what is due, zero for never.
	lastLook func() time.Time
}

// Ready returns nil when the database answers, its schema is the one of this binary, partitions are there for now, and
// sending does not stand still. The notes say what is wrong even so, with what concerns single webhooks.
//
// Sending stands still when the oldest due delivery of an active webhook that is not throttled has been due for
// postgres.NeglectedAfter or longer, although no process has tried lately to send anything to any webhook, and the dispatcher
// of this process has not even looked for what is due for lookHorizon. As long as something is tried, or the dispatcher looks
// and finds nothing that it can send, it is the webhooks that are stuck: that is a matter of their configuration, and taking
// the process out of service would keep it from its other work and mend nothing.
func (r readiness) Ready(ctx context.Context) (notes []string, err error) {
	current, want, err := r.db.SchemaVersion(ctx)
	if err != nil {
		return nil, err
	}
	if current != want {
		return nil, posthorn.Errorf(posthorn.Conflict, "The schema is at version %d, this binary needs %d.", current, want)
	}
	now := time.Now()
	horizon, err := r.db.PartitionHorizon(ctx, now)
	if err != nil {
		return nil, err
	}
	for table, until := range horizon {
		if until.Before(now.Add(readyHorizon)) {
			return nil, fmt.Errorf("table %s: %w", table, posthorn.Errorf(posthorn.Conflict, "Partitions for the coming hour are missing."))
		}
	}
	return r.sending(ctx, now)
}

// sending returns an error when sending stands still, and a note when webhooks are stuck. Who asks is not known, so that it
// names none of them.
func (r readiness) sending(ctx context.Context, now time.Time) (notes []string, err error) {
	health, err := r.db.DueHealth(ctx)
	if err != nil {
		return nil, err
	}
	if health.Still > 0 && now.Sub(r.lastLook()) > lookHorizon {
		return nil, posthorn.Errorf(posthorn.Conflict,
			"A delivery has been due for %s and nothing is sent to any webhook: the dispatchers do not run, or cannot.",
			health.Still.Round(time.Second))
	}
	if health.Stuck > 0 {
		notes = append(notes, fmt.Sprintf("Nothing is sent to %s: deliveries have waited for up to %s. `posthorn doctor` says where.",
			webhooks(health.Stuck), health.StuckFor.Round(time.Second)))
	}
	return notes, nil
}

// webhooks is a number of them in words.
func webhooks(n int) string {
	if n == 1 {
		return "1 active webhook"
	}
	return fmt.Sprintf("%d active webhooks", n)
}
