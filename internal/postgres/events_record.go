package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"posthorn/internal/metrics"
	"posthorn/internal/posthorn"
)

// EventRecorder stores published events through a group commit: concurrent requests share a transaction, and each is
// answered after its own events are durable. It implements posthorn.EventRecorder.
type EventRecorder struct {
	db     *DB
	log    *slog.Logger
	outbox *Outbox
	group  *groupCommit[[]posthorn.Event, []posthorn.Published]
}

// NewEventRecorder starts the flushers.
func NewEventRecorder(db *DB, log *slog.Logger, outbox *Outbox, limits GroupLimits) *EventRecorder {
	r := &EventRecorder{db: db, log: log, outbox: outbox}
	r.group = newGroupCommit(limits, eventsSize, r.flush)
	return r
}

// Close answers what was accepted and stops the flushers.
func (r *EventRecorder) Close() { r.group.close() }

// Publish stores events, all or none, and returns after they are durable.
func (r *EventRecorder) Publish(ctx context.Context, events []posthorn.Event) ([]posthorn.Published, error) {
	return r.group.do(ctx, events)
}

// eventsSize estimates the bytes that events add to a statement.
func eventsSize(events []posthorn.Event) int {
	n := 0
	for i := range events {
		n += 512 + len(events[i].Data)
	}
	return n
}

// flush stores the events of several requests in one transaction.
func (r *EventRecorder) flush(ctx context.Context, _ int, batch [][]posthorn.Event) ([][]posthorn.Published, error) {
	started := time.Now()
	var events []posthorn.Event
	for _, request := range batch {
		events = append(events, request...)
	}
	out, err := r.store(ctx, events)
	if err != nil {
		r.log.ErrorContext(ctx, "events not published", slog.Int("events", len(events)),
			slog.String("first_id", events[0].ID.String()), slog.Any("error", err))
		return nil, fmt.Errorf("publish %d events from %s: %w", len(events), events[0].ID, err)
	}
	r.log.DebugContext(ctx, "events published", slog.Int("events", len(events)), slog.Int("requests", len(batch)),
		slog.Int("handed_off", len(out.jobs)), slog.String("first_id", events[0].ID.String()), slog.Duration("took", time.Since(started)))
	r.db.metrics.Flush(metrics.Events, len(events))
	r.outbox.committed(out)
	answers := make([][]posthorn.Published, len(batch))
	at := 0
	for i, request := range batch {
		answers[i] = out.published[at : at+len(request) : at+len(request)]
		at += len(request)
	}
	return answers, nil
}

// store writes events in one statement, which is a transaction of its own: an answer means that it is durable.
func (r *EventRecorder) store(ctx context.Context, events []posthorn.Event) (emitted, error) {
	out, err := r.outbox.emit(ctx, r.db.pool, events)
	if outcomeUnknown(err) {
		return out, &commitError{err}
	}
	return out, err
}
