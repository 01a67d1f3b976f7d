package posthorn

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// ActionEventPublished is the action of a person who publishes an event by hand.
const ActionEventPublished Action = "event.published"

// ManualPublisher publishes events that a person puts together from the catalogue.
type ManualPublisher struct {
	publisher *Publisher
	events    EventReader
	notes     FormNotes
}

// NewManualPublisher makes the use case.
func NewManualPublisher(publisher *Publisher, events EventReader, notes FormNotes) *ManualPublisher {
	return &ManualPublisher{publisher: publisher, events: events, notes: notes}
}

// ManualEvent is an event as a person asks for it.
type ManualEvent struct {
	// Event is the type.
	Event string
	// Application is the id or external id of the application that it belongs to, empty for none.
	Application string
	// UserID becomes the uid of data that has none; empty for nobody.
	UserID string
	// Data must be valid JSON.
	Data json.RawMessage
	// Anyway publishes data that does not fit its schema, where the type allows that.
	Anyway bool
	// Form makes a form that is sent twice publish once, nil for what is no form.
	Form *IdempotencyKey
}

// ManualResult is what became of a ManualEvent.
type ManualResult struct {
	// ID is the event's, zero when it was not published because its data does not fit.
	ID EventID
	// Deliveries is how many webhooks it goes to. It is not known of one that was Repeated.
	Deliveries int
	// Repeated says that the form was sent before and published the event then.
	Repeated bool
	// Fit says what does not fit the schema.
	Fit Fit
}

// Publish checks an event and stores it. When the data does not fit the schema of the type nothing is stored, unless the type
// allows it and the person wants it anyway. Wrong input is Invalid with the fields named, TooLarge names the limit.
func (m *ManualPublisher) Publish(ctx context.Context, actor Actor, tenant TenantID, in ManualEvent) (ManualResult, error) {
	e, err := m.event(ctx, tenant, &in)
	if err != nil {
		return ManualResult{}, err
	}
	fit, err := m.publisher.types.fit(ctx, tenant, e.Type, e.Data)
	if err != nil || fit.Rejected() || len(fit.Violations) > 0 && !in.Anyway {
		return ManualResult{Fit: fit}, err
	}
	e.Misfits = fit.Violations
	made := ManualResult{Fit: fit}
	// It is noted before it is published, so that nothing is published that is not.
	after := map[string]any{FieldEvent: e.Type}
	if !e.ApplicationID.IsZero() {
		after[FieldApplicationID] = e.ApplicationID.String()
	}
	if made.ID, err = noteOnce(ctx, m.notes, audit(tenant, actor, ActionEventPublished, e.ID.String(), nil, after), in.Form, e.ID); err != nil {
		return ManualResult{}, fmt.Errorf("note the publishing of %s: %w", e.ID, err)
	}
	if made.ID != e.ID {
		_, err := m.events.Event(ctx, tenant, made.ID)
		if KindOf(err) != NotFound || err == nil {
			made.Repeated = true
			return made, err
		}
		// The process ended between the note and the event.
		e.ID, e.OccurredAt = made.ID, made.ID.Time()
	}
	published, err := m.publisher.recorder.Publish(ctx, []Event{e})
	if err != nil {
		return ManualResult{}, fmt.Errorf("publish %s of %s: %w", e.ID, tenant, err)
	}
	made.Deliveries = published[0].Deliveries
	return made, nil
}

// event reads the event by the rules of publishing.
func (m *ManualPublisher) event(ctx context.Context, tenant TenantID, in *ManualEvent) (Event, error) {
	raw, err := marshal(struct {
		Event         string          `json:"event"`
		ApplicationID string          `json:"applicationId"`
		UserID        string          `json:"userId"`
		Data          json.RawMessage `json:"data"`
	}{in.Event, in.Application, in.UserID, in.Data})
	if err != nil {
		return Event{}, Because(Invalid, "The data is not JSON.", err)
	}
	if len(raw) > MaxEventBytes {
		return Event{}, Errorf(TooLarge, "An event may have at most 256 KiB, and this one has %d bytes.", len(raw))
	}
	return m.publisher.read(ctx, tenant, raw, time.Now())
}
