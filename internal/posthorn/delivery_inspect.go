package posthorn

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// DeliveryInspector gathers what there is to know about single deliveries.
type DeliveryInspector struct{ config DeliveryInspectorConfig }

// NewDeliveryInspector makes the use cases; every part of the configuration is needed.
func NewDeliveryInspector(config DeliveryInspectorConfig) *DeliveryInspector {
	return &DeliveryInspector{config}
}

// DeliveryInspectorConfig is where the parts come from.
type DeliveryInspectorConfig struct {
	Log      DeliveryFinder
	Webhooks WebhookFinder
	// Box opens the secrets that signatures are recomputed with.
	Box SecretBox
}

// DeliveryFinder finds deliveries and what is around them. Implemented by package postgres. What does not exist in the tenant
// is NotFound.
type DeliveryFinder interface {
	Delivery(ctx context.Context, tenant TenantID, id DeliveryID) (LogEntry, error)
	DeliveryBackground(ctx context.Context, e *LogEntry) (DeliveryBackground, error)
	// DeliveriesOfActivity returns the events that a record of activity caused, in their order, each with its deliveries, at most
	// MaxCausedDeliveries of them.
	DeliveriesOfActivity(ctx context.Context, tenant TenantID, id ActivityID) ([]CausedEvent, error)
}

// DeliveryBackground is what a delivery's place in the schedule depends on.
type DeliveryBackground struct {
	// ActivityID is the record that caused the event, zero for none.
	ActivityID ActivityID
	// Scheduled is how many attempts of the present schedule were made, which a replay begins anew.
	Scheduled int
	// ThrottledUntil is until when the endpoint asked to be left alone, zero when it did not.
	ThrottledUntil time.Time
}

// Inspection is a delivery with what explains it.
type Inspection struct {
	Entry LogEntry
	// Webhook is nil when it was deleted.
	Webhook *WebhookDetail
	DeliveryBackground
	// Attempt is the one that is looked at, nil when none was made; Signature is what its check showed.
	Attempt   *Attempt
	Signature SignatureCheck
}

// Latest reports whether the attempt that is looked at is the latest one.
func (in *Inspection) Latest() bool {
	n := len(in.Entry.History)
	return in.Attempt != nil && in.Attempt.Number == in.Entry.History[n-1].Number
}

// Replays reports whether the delivery can be sent again or sooner.
func (in *Inspection) Replays() bool {
	return in.Webhook != nil && in.Entry.Data != nil && !in.Entry.InHand
}

// Inspect returns one delivery, looked at through one of its attempts: 0 stands for the latest. What does not exist is NotFound.
func (i *DeliveryInspector) Inspect(ctx context.Context, tenant TenantID, id DeliveryID, attempt int) (Inspection, error) {
	var in Inspection
	var err error
	if in.Entry, err = i.config.Log.Delivery(ctx, tenant, id); err != nil {
		return in, noDelivery(err, id)
	}
	if in.Attempt, err = in.Entry.attempt(attempt); err != nil {
		return in, err
	}
	if in.DeliveryBackground, err = i.config.Log.DeliveryBackground(ctx, &in.Entry); err != nil {
		return in, fmt.Errorf("inspect %s: %w", id, err)
	}
	w, err := i.config.Webhooks.Webhook(ctx, tenant, in.Entry.WebhookID)
	switch {
	case err == nil:
		in.Webhook = &w
	case KindOf(err) != NotFound:
		return in, fmt.Errorf("inspect %s: %w", id, err)
	}
	if in.Attempt != nil {
		in.Signature = checkSignature(&in.Entry, in.Attempt, in.Webhook, i.config.Box)
	}
	return in, nil
}

// attempt finds an attempt by its number; 0 is the latest, nil when there is none yet.
func (e *LogEntry) attempt(number int) (*Attempt, error) {
	if number == 0 {
		if len(e.History) == 0 {
			return nil, nil //nolint:nilnil // no attempt yet is no error
		}
		return &e.History[len(e.History)-1], nil
	}
	at := slices.IndexFunc(e.History, func(a Attempt) bool { return a.Number == number })
	if at < 0 {
		return nil, Errorf(NotFound, "This delivery has no attempt %d.", number)
	}
	return &e.History[at], nil
}

// MaxCausedDeliveries is how many deliveries of one event are listed beside the record that caused it.
const MaxCausedDeliveries = 20

// CausedEvent is an event that a record of activity caused, with what became of it.
type CausedEvent struct {
	ID         EventID
	Event      string
	Deliveries []CausedDelivery
	// More says that there are deliveries beyond those listed.
	More bool
}

// CausedDelivery is a delivery in short.
type CausedDelivery struct {
	ID          DeliveryID
	WebhookName string
	State       DeliveryState
	Attempts    int
	// InHand says that an attempt runs, or is about to.
	InHand bool
	// StatusCode and ErrorClass are those of the latest attempt.
	StatusCode int
	ErrorClass ErrorClass
}

// OfActivity returns the events that a record of activity caused, with their deliveries; none when it is too old, or nobody's.
func (i *DeliveryInspector) OfActivity(ctx context.Context, tenant TenantID, id ActivityID) ([]CausedEvent, error) {
	events, err := i.config.Log.DeliveriesOfActivity(ctx, tenant, id)
	if err != nil {
		return nil, fmt.Errorf("find what %s caused: %w", id, err)
	}
	return events, nil
}
