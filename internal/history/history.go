// Package history fills a database with the past of a busy installation, for the programs and tests that look at how Posthorn
// does with years of use behind it. It is no part of the product.
//
// What it makes is believable: a large tenant and some small ones, webhooks that do well and webhooks that fail in every way,
// events that come by day rather than by night, retries by the product's own schedule, what waits, and what failed for good. It
// writes by COPY into partitions that are indexed when they are full. Minutes are counted as the dispatcher counts them, and the
// product's maintenance sums them up.
package history

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
)

const day = 24 * time.Hour

// Options say what is made.
type Options struct {
	// URL is the connection string of a migrated database with the partitions of today and nothing in them.
	URL string
	// Tenant is there already, without webhooks. Most of the history is its.
	Tenant posthorn.TenantID
	// Deliveries is how many there will be, give or take a few in a hundred.
	Deliveries int
	// Days is how many days the history goes back, from the first midnight in UTC. 0 means 30, the usual retention.
	Days int
	// Until is when the history ends, zero for now.
	Until time.Time
	// Seed decides on everything that is left to chance.
	Seed uint64
	// Progress is told about each day, when it is not nil.
	Progress func(done, days int)
}

// Past is what was made.
type Past struct {
	Events, Deliveries, Attempts int
	// Waiting, Failed and Cancelled are how many deliveries are pending, in the dead letter list, and stopped.
	Waiting, Failed, Cancelled int
	// Webhooks are those of the large tenant by their character, Small are the other tenants.
	Webhooks map[Character]posthorn.WebhookID
	Small    []posthorn.TenantID
	// Application is one of the large tenant that events belong to, by its external id too.
	Application         posthorn.ApplicationID
	ApplicationExternal string
	// Examples are deliveries of the large tenant.
	Examples Examples
	// Maintenance is how long the product's maintenance took to sum everything up and to delete what is not kept.
	Maintenance time.Duration
}

// Examples are deliveries by what became of them, and the events of others. The latest of each.
type Examples struct {
	Succeeded, Retried, Failed, Waiting, Cancelled, Test posthorn.DeliveryID
	// Old is one of the first day.
	Old posthorn.DeliveryID
	// Event is the event of Retried, Key the id that a producer gave an event.
	Event posthorn.EventID
	Key   string
}

// Fill makes a history.
func Fill(ctx context.Context, o Options) (*Past, error) {
	if o.Days == 0 {
		o.Days = 30
	}
	if o.Until.IsZero() {
		o.Until = time.Now()
	}
	o.Until = o.Until.UTC().Truncate(time.Millisecond)
	pool, err := pgxpool.New(ctx, o.URL)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	defer pool.Close()
	w := newWorld(&o)
	if err := w.install(ctx, pool); err != nil {
		return nil, err
	}
	for n := range o.Days {
		if err := writeDay(ctx, pool, w.day(n)); err != nil {
			return nil, fmt.Errorf("day %d: %w", n+1, err)
		}
		if o.Progress != nil {
			o.Progress(n+1, o.Days)
		}
	}
	if err := w.finish(ctx, pool); err != nil {
		return nil, err
	}
	began := time.Now()
	if err := maintain(ctx, &o, pool); err != nil {
		return nil, err
	}
	w.past.Maintenance = time.Since(began)
	// As the database does by itself in time.
	for _, table := range []string{"webhook_minutes", "webhook_quarters", "webhook_responses", "webhook_response_quarters"} {
		if _, err := pool.Exec(ctx, "VACUUM (ANALYZE) "+table); err != nil {
			return nil, fmt.Errorf("vacuum %s: %w", table, err)
		}
	}
	return &w.past, nil
}

// maintain runs the product's maintenance until it has summed everything up and has nothing more to delete.
func maintain(ctx context.Context, o *Options, pool *pgxpool.Pool) error {
	db, err := postgres.Open(ctx, postgres.Options{URL: o.URL})
	if err != nil {
		return fmt.Errorf("connect for the maintenance: %w", err)
	}
	defer db.Close()
	m := postgres.NewMaintenance(db, postgres.Retention{Events: time.Duration(o.Days) * day})
	for {
		report, err := m.RunOnce(ctx)
		if err != nil {
			return fmt.Errorf("sum up: %w", err)
		}
		if report.Elsewhere {
			return errors.New("sum up: another process does the maintenance")
		}
		deleted := int64(0)
		for _, n := range report.Deleted {
			deleted += n
		}
		var summed bool
		if err := pool.QueryRow(ctx, `SELECT rolled_until > now() - interval '1 hour' FROM webhook_rollup`).Scan(&summed); err != nil {
			return fmt.Errorf("look at what is summed up: %w", err)
		}
		if summed && deleted == 0 {
			return nil
		}
	}
}
