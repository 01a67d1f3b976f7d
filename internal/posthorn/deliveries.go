package posthorn

import (
	"context"
	"fmt"
	"time"
)

// Deliveries is what people and programs do with the delivery log: read it, send again, stop, and try a webhook out.
type Deliveries struct {
	store  DeliveryStore
	config DeliveriesConfig
}

// NewDeliveries makes the use cases; every part of the configuration is needed.
func NewDeliveries(store DeliveryStore, config DeliveriesConfig) *Deliveries {
	return &Deliveries{store: store, config: config}
}

// DeliveriesConfig is what the use cases work with beside the log.
type DeliveriesConfig struct {
	Webhooks WebhookFinder
	Types    *EventTypes
	Recorder EventRecorder
	// Wake tells the dispatcher that something is due. It does not block.
	Wake func()
	// Announce tells readers of the delivery log of a tenant what a person or program changed. It does not block.
	Announce func(TenantID, DeliveryNotice)
	// Retention is how long events are kept, 0 for ever.
	Retention time.Duration
}

// WebhookFinder finds a webhook of a tenant. Implemented by package postgres.
type WebhookFinder interface {
	Webhook(ctx context.Context, tenant TenantID, id WebhookID) (WebhookDetail, error)
}

// DeliveryStore keeps the delivery log. Implemented by package postgres. What does not exist in the tenant is NotFound.
type DeliveryStore interface {
	DeliveryReader
	DeliveryWriter
}

// DeliveryReader reads the delivery log.
type DeliveryReader interface {
	// ListDeliveries returns a page, newest first. It may be shorter than asked for although there is more, so that it is
	// not too large.
	ListDeliveries(ctx context.Context, tenant TenantID, q DeliveryQuery) (DeliveryRows, error)
	Delivery(ctx context.Context, tenant TenantID, id DeliveryID) (LogEntry, error)
	// DeliveryState returns what has become of a delivery, without its attempts.
	DeliveryState(ctx context.Context, tenant TenantID, id DeliveryID) (DeliveryState, error)
}

// DeliveryWriter changes what becomes of deliveries, with an entry of the audit log in the same transaction.
type DeliveryWriter interface {
	// ReplayDelivery makes a delivery due now. One that is pending keeps its place in the schedule, and when somebody has it
	// in hand it is left alone. It is Conflict when its webhook was deleted.
	ReplayDelivery(ctx context.Context, tenant TenantID, id DeliveryID, entry AuditEntry) error
	// StopDelivery cancels a pending delivery. It is Conflict when the delivery is not pending.
	StopDelivery(ctx context.Context, tenant TenantID, id DeliveryID, reason string, entry AuditEntry) error
	// ReplayFailed makes deliveries of a webhook due again that failed for good since a time, and returns how many.
	ReplayFailed(ctx context.Context, tenant TenantID, webhook WebhookID, since time.Time, entry AuditEntry) (int, error)
	// ReplayMissed makes the deliveries that a webhook should have got in a stretch of time and did not, due now, and returns
	// how many. What takes too long for a request it leaves to a bulk replay.
	ReplayMissed(ctx context.Context, tenant TenantID, webhook WebhookID, m MissedRange, entry AuditEntry) (MissedReplay, error)
	FormNotes
}

// The actions on deliveries.
const (
	ActionDeliveryReplayed Action = "delivery.replayed"
	ActionDeliveryStopped  Action = "delivery.stopped"
	ActionFailedReplayed   Action = "webhook.failed_replayed"
	ActionMissedReplayed   Action = "webhook.missed_replayed"
	ActionWebhookTested    Action = "webhook.tested"
)

// StateBefore notes the state that a change found, which is known only once it is made.
func (e *AuditEntry) StateBefore(state DeliveryState) {
	e.Before = map[string]any{"state": string(state)}
}

// List returns a page of the log, newest first. Wrong filters, limits and cursors are Invalid with the fields named.
func (ds *Deliveries) List(ctx context.Context, tenant TenantID, f DeliveryFilter, page PageRequest) (DeliveryPage, error) {
	q := DeliveryQuery{Filter: f}
	var faults fieldFaults
	f.check(&faults)
	readPage(&faults, page, &q.Position)
	if err := faults.err(); err != nil {
		return DeliveryPage{}, err
	}
	rows, err := ds.store.ListDeliveries(ctx, tenant, q)
	if err != nil {
		return DeliveryPage{}, fmt.Errorf("list deliveries of %s: %w", tenant, err)
	}
	return rows.page(q.Position), nil
}

// Get returns one entry of the log, or NotFound.
func (ds *Deliveries) Get(ctx context.Context, tenant TenantID, id DeliveryID) (LogEntry, error) {
	entry, err := ds.store.Delivery(ctx, tenant, id)
	return entry, noDelivery(err, id)
}

// noDelivery says of a NotFound what was not found.
func noDelivery(err error, id DeliveryID) error {
	if KindOf(err) == NotFound {
		return Because(NotFound, "There is no delivery with the id "+id.String()+".", err)
	}
	return err
}

// ErrNoWebhookToReplay is the Conflict of a delivery that has nowhere to go.
var ErrNoWebhookToReplay = Errorf(Conflict, "Its webhook was deleted, so it cannot be sent again.")

// ErrNoEventToReplay is the Conflict of a delivery that has nothing to send.
var ErrNoEventToReplay = Errorf(Conflict, "Its event is past the retention, so it cannot be sent again.")

// ErrNotPending is the Conflict of stopping what is not under way.
var ErrNotPending = Errorf(Conflict, "This delivery is not pending: there is nothing to stop.")

// Replay sends a delivery again, whatever became of it: a new schedule begins, and its attempts are counted on. One that is
// pending is sent now instead of later; where an attempt is under way already, that one is it. While its webhook is not
// active it waits, as all deliveries do.
func (ds *Deliveries) Replay(ctx context.Context, actor Actor, tenant TenantID, id DeliveryID) (LogEntry, error) {
	entry := audit(tenant, actor, ActionDeliveryReplayed, id.String(), nil, map[string]any{"state": string(DeliveryPending)})
	if err := ds.store.ReplayDelivery(ctx, tenant, id, entry); err != nil {
		return LogEntry{}, noDelivery(err, id)
	}
	ds.config.Wake()
	ds.changed(tenant, id)
	return ds.Get(ctx, tenant, id)
}

// changed tells readers of the log that something became of a delivery.
func (ds *Deliveries) changed(tenant TenantID, id DeliveryID) {
	ds.config.Announce(tenant, DeliveryNotice{Changed: []DeliveryID{id}})
}

// Stop ends the retrying of a pending delivery. An attempt that is under way ends, and its result is not counted.
func (ds *Deliveries) Stop(ctx context.Context, actor Actor, tenant TenantID, id DeliveryID) (LogEntry, error) {
	entry := audit(tenant, actor, ActionDeliveryStopped, id.String(), nil, map[string]any{"state": string(DeliveryCancelled)})
	if err := ds.store.StopDelivery(ctx, tenant, id, "Stopped by "+actor.Name, entry); err != nil {
		return LogEntry{}, noDelivery(err, id)
	}
	ds.changed(tenant, id)
	return ds.Get(ctx, tenant, id)
}

// ReplayFailed sends everything again that failed for good at a webhook since a time, and returns how many deliveries that
// are.
func (ds *Deliveries) ReplayFailed(ctx context.Context, actor Actor, tenant TenantID, id WebhookID, since time.Time) (int, error) {
	entry := audit(tenant, actor, ActionFailedReplayed, id.String(), nil, map[string]any{FieldSince: FormatTime(since)})
	n, err := ds.store.ReplayFailed(ctx, tenant, id, since, entry)
	ds.config.Wake()
	if err != nil {
		return n, fmt.Errorf("replay what failed at %s since %s: %w", id, FormatTime(since), noWebhook(err, id))
	}
	return n, nil
}

func noWebhook(err error, id WebhookID) error {
	if KindOf(err) == NotFound {
		return Because(NotFound, "There is no webhook with the id "+id.String()+".", err)
	}
	return err
}
