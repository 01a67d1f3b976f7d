package posthorn

import (
	"context"
	"fmt"
	"iter"
	"slices"
)

// DeliveryFeed is the delivery log as a page shows it: rows without the data of events and the attempts, how many there are, and
// what is new.
type DeliveryFeed struct{ store DeliveryFeedReader }

// NewDeliveryFeed makes the use cases.
func NewDeliveryFeed(store DeliveryFeedReader) *DeliveryFeed { return &DeliveryFeed{store} }

// DeliveryFeedReader answers the questions of the feed. Implemented by package postgres.
type DeliveryFeedReader interface {
	// ListDeliveries is that of DeliveryReader.
	ListDeliveries(ctx context.Context, tenant TenantID, q DeliveryQuery) (DeliveryRows, error)
	// CountDeliveries counts the newest deliveries that a filter lets through, those above since, up to most.
	CountDeliveries(ctx context.Context, tenant TenantID, f DeliveryFilter, since DeliveryID, most int) (Estimate, error)
	// DeliveriesByID returns those of some deliveries that are the tenant's, in no order.
	DeliveriesByID(ctx context.Context, tenant TenantID, ids []DeliveryID) ([]LogEntry, error)
	// NewestDelivery returns the newest id of a tenant, zero when there is none.
	NewestDelivery(ctx context.Context, tenant TenantID) (DeliveryID, error)
}

// How far the feed counts, and how many rows are read anew at once.
const (
	maxDeliveriesCounted = 2_000
	maxDeliveryNews      = 99
	MaxDeliveryRows      = 200
)

// List returns a page, newest first. Wrong filters, limits and cursors are Invalid with the fields named.
func (d *DeliveryFeed) List(ctx context.Context, tenant TenantID, f DeliveryFilter, page PageRequest) (DeliveryPage, error) {
	q := DeliveryQuery{Filter: f, Brief: true}
	var faults fieldFaults
	f.check(&faults)
	readPage(&faults, page, &q.Position)
	if err := faults.err(); err != nil {
		return DeliveryPage{}, err
	}
	rows, err := d.store.ListDeliveries(ctx, tenant, q)
	if err != nil {
		return DeliveryPage{}, fmt.Errorf("list deliveries of %s: %w", tenant, err)
	}
	return rows.page(q.Position), nil
}

// Count counts the newest deliveries that a filter lets through, up to a cap.
func (d *DeliveryFeed) Count(ctx context.Context, tenant TenantID, f DeliveryFilter) (Estimate, error) {
	return d.store.CountDeliveries(ctx, tenant, f, DeliveryID{}, maxDeliveriesCounted)
}

// News counts what is newer than a delivery, up to a cap.
func (d *DeliveryFeed) News(ctx context.Context, tenant TenantID, f DeliveryFilter, since DeliveryID) (Estimate, error) {
	return d.store.CountDeliveries(ctx, tenant, f, since, maxDeliveryNews)
}

// Newest returns the newest id of a tenant, zero when there is none.
func (d *DeliveryFeed) Newest(ctx context.Context, tenant TenantID) (DeliveryID, error) {
	return d.store.NewestDelivery(ctx, tenant)
}

// Rows reads some deliveries anew, at most MaxDeliveryRows. Those that are not the tenant's are left out.
func (d *DeliveryFeed) Rows(ctx context.Context, tenant TenantID, ids []DeliveryID) ([]LogEntry, error) {
	return d.store.DeliveriesByID(ctx, tenant, ids[:min(len(ids), MaxDeliveryRows)])
}

// Export yields every delivery that a filter lets through, newest first, reading as the consumer does. A brief one leaves out
// the data of events and the attempts.
func (d *DeliveryFeed) Export(ctx context.Context, tenant TenantID, f DeliveryFilter, brief bool) iter.Seq2[LogEntry, error] {
	return func(yield func(LogEntry, error) bool) {
		q := DeliveryQuery{Filter: f, Brief: brief, Position: DeliveryPosition{Limit: MaxPageLimit}}
		for {
			rows, err := d.store.ListDeliveries(ctx, tenant, q)
			if err != nil {
				yield(LogEntry{}, fmt.Errorf("export deliveries of %s: %w", tenant, err))
				return
			}
			for i := range rows.Entries {
				if !yield(rows.Entries[i], nil) {
					return
				}
			}
			switch {
			case !rows.Reached.IsZero():
				q.Position.After = rows.Reached
			case rows.HasOlder && len(rows.Entries) > 0:
				q.Position.After = rows.Entries[len(rows.Entries)-1].ID
			default:
				return
			}
		}
	}
}

// DeliveryNotice tells readers of a tenant's events and of its delivery log that there is something new. It is a hint: what is true is read from the log.
type DeliveryNotice struct {
	// Events is how many events came in, whether or not a webhook gets them; New is how many deliveries were made.
	Events, New int
	// Changed are deliveries of which something became. More says that there are others.
	Changed []DeliveryID
	More    bool
}

// maxNoticed bounds the ids of a notice: who has so much to read reads all.
const maxNoticed = 200

// Merge returns one notice that stands for two.
func (n DeliveryNotice) Merge(next DeliveryNotice) DeliveryNotice {
	out := DeliveryNotice{Events: n.Events + next.Events, New: n.New + next.New, More: n.More || next.More, Changed: slices.Clone(n.Changed)}
	for _, id := range next.Changed {
		if slices.Contains(out.Changed, id) {
			continue
		}
		if len(out.Changed) == maxNoticed {
			out.More = true
			break
		}
		out.Changed = append(out.Changed, id)
	}
	return out
}

// DeliveryTopic is the topic under which the deliveries of a tenant are announced.
func DeliveryTopic(tenant TenantID) string { return "deliveries/" + tenant.String() }

// NoticesOfResults sums up by tenant what attempts came to.
func NoticesOfResults(results []Result) map[TenantID]DeliveryNotice {
	out := map[TenantID]DeliveryNotice{}
	for i := range results {
		j := &results[i].Job
		n := out[j.TenantID]
		if len(n.Changed) < maxNoticed {
			n.Changed = append(n.Changed, j.DeliveryID)
		} else {
			n.More = true
		}
		out[j.TenantID] = n
	}
	return out
}

// NoticesOfEvents sums up by tenant what was published.
func NoticesOfEvents(events []Event, published []Published) map[TenantID]DeliveryNotice {
	out := map[TenantID]DeliveryNotice{}
	for i := range published {
		if p := &published[i]; !p.Duplicate {
			n := out[events[i].TenantID]
			n.Events++
			n.New += p.Deliveries
			out[events[i].TenantID] = n
		}
	}
	return out
}
