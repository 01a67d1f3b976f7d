package posthorn

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of publishing. MaxEventBytes is in event.go.
const (
	// MaxBatchEvents is how many events one request may publish.
	MaxBatchEvents = 500
	// MaxBatchBytes is the largest body of one request, in bytes.
	MaxBatchBytes = 8 << 20
	// MaxEventKey is the longest id that a producer gives an event, in bytes.
	MaxEventKey = 255
)

// Fields of a published event; FieldEvent and fieldData are with the catalogue.
const (
	FieldID        = "id"
	FieldTimestamp = "timestamp"
	FieldUserID    = "userId"
)

// Published is what a producer learns of an event that was accepted.
type Published struct {
	ID EventID `json:"id"`
	// Event is the type.
	Event string `json:"event"`
	// Deliveries is how many webhooks it goes to.
	Deliveries int `json:"deliveries"`
	// Duplicate says that the event was accepted before; ID is that of the first.
	Duplicate bool `json:"duplicate,omitempty"`
}

// EventRecorder stores events with the deliveries that they cause. Implemented by package postgres.
type EventRecorder interface {
	// Publish returns after all the events and their deliveries are durable; it stores all of them or none.
	Publish(ctx context.Context, events []Event) ([]Published, error)
}

// ApplicationReader finds the applications of a tenant. Implemented by package postgres.
type ApplicationReader interface {
	ListApplications(ctx context.Context, tenant TenantID) ([]Application, error)
}

// Publisher takes in the events that services publish.
type Publisher struct {
	recorder     EventRecorder
	types        *EventTypes
	applications ApplicationReader
}

// NewPublisher makes the use case.
func NewPublisher(recorder EventRecorder, types *EventTypes, applications ApplicationReader) *Publisher {
	return &Publisher{recorder: recorder, types: types, applications: applications}
}

// Publish checks and stores what a request holds: one event as an object, or up to MaxBatchEvents in an array, which are
// stored all or not at all. body must be valid JSON. Wrong input is Invalid with the fields named, "[2].event" in an array;
// what is too large is TooLarge and names the limit.
func (p *Publisher) Publish(ctx context.Context, tenant TenantID, body []byte) (published []Published, batch bool, err error) {
	if len(body) > MaxBatchBytes {
		return nil, false, Errorf(TooLarge, "A batch may have at most 8 MiB.")
	}
	raws, batch, err := splitBatch(body)
	if err != nil {
		return nil, batch, err
	}
	events := make([]Event, len(raws))
	var faults fieldFaults
	for i, raw := range raws {
		if len(raw) > MaxEventBytes {
			return nil, batch, Errorf(TooLarge, "%s may have at most 256 KiB, and this one has %d bytes.", eventLabel(i, batch), len(raw))
		}
		if events[i], err = p.parse(ctx, tenant, raw); err != nil {
			if e, ok := wrongFields(err); ok {
				faults.takeOver(e, i, batch)
				continue
			}
			return nil, batch, err
		}
	}
	if err := faults.err(); err != nil {
		return nil, batch, err
	}
	published, err = p.recorder.Publish(ctx, events)
	if err != nil {
		return nil, batch, fmt.Errorf("publish %d events from %s of %s: %w", len(events), events[0].ID, tenant, err)
	}
	return published, batch, nil
}

// splitBatch returns the events of a body as they were written, and whether they came in an array.
func splitBatch(body []byte) (raws []json.RawMessage, batch bool, err error) {
	body = bytes.TrimSpace(body)
	switch {
	case len(body) > 0 && body[0] == '{':
		return []json.RawMessage{body}, false, nil
	case len(body) == 0 || body[0] != '[':
		return nil, false, Errorf(Invalid, "The body must be an event as an object, or an array of events.")
	}
	if err := json.Unmarshal(body, &raws); err != nil {
		return nil, true, Because(Invalid, "The body must be an array of events.", err)
	}
	if len(raws) == 0 || len(raws) > MaxBatchEvents {
		return nil, true, Errorf(Invalid, "A batch must hold 1 to %d events, and this one holds %d.", MaxBatchEvents, len(raws))
	}
	return raws, true, nil
}

func eventLabel(i int, batch bool) string {
	if batch {
		return fmt.Sprintf("Event [%d]", i)
	}
	return "An event"
}

// wrongFields returns the error of an event that names fields.
func wrongFields(err error) (*Error, bool) {
	e, ok := err.(*Error) //nolint:errorlint // a wrapped one is not about the input
	return e, ok && e.Kind == Invalid && e.Fields != nil
}

// takeOver adds the faults of one event to those of its batch.
func (f *fieldFaults) takeOver(e *Error, i int, batch bool) {
	for field, rule := range e.Fields {
		if batch {
			field = fmt.Sprintf("[%d].%s", i, field)
		}
		f.add(field, rule)
	}
}

// parse reads and checks one event.
func (p *Publisher) parse(ctx context.Context, tenant TenantID, raw []byte) (Event, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(raw, &object); err != nil || object == nil {
		return Event{}, FieldError(Invalid, FieldEvent, "must be an object with event and data")
	}
	in := inputParser{object: object}
	e := Event{ID: NewEventID(), TenantID: tenant, Data: object[fieldData]}
	e.OccurredAt = e.ID.Time()
	e.Type = in.eventType()
	e.Key = in.eventKey()
	in.timestamp(&e)
	application, _ := in.text(FieldApplicationID, true)
	user, _ := in.text(FieldUserID, true)
	in.eventData(&e, user)
	if in.faults.fields == nil && application != "" {
		if err := p.application(ctx, &in, &e, application); err != nil {
			return e, err
		}
	}
	if in.faults.fields != nil {
		return e, in.faults.err()
	}
	fit, err := p.types.Check(ctx, tenant, e.Type, e.Data)
	if err != nil {
		return e, err
	}
	if fit.Rejected() {
		return e, FieldError(Invalid, fieldData, "does not fit the schema of "+e.Type+": "+strings.Join(fit.Violations, "; "))
	}
	e.Misfits = fit.Violations
	return e, nil
}

func (p *inputParser) eventType() string {
	event, ok := p.text(FieldEvent, false)
	switch {
	case !ok:
		p.faults.add(FieldEvent, "must be the name of an event type")
	case !Publishable(event):
		p.faults.add(FieldEvent, "must not be of the categories activity, webhook and delivery, which Posthorn publishes itself")
	}
	return event
}

func (p *inputParser) eventKey() string {
	key, ok := p.text(FieldID, false)
	unfit := key == "" || len(key) > MaxEventKey || !utf8.ValidString(key) || strings.ContainsFunc(key, unicode.IsControl)
	if ok && unfit {
		p.faults.add(FieldID, "must be 1 to 255 bytes of plain text")
	}
	return key
}

// timestamp reads the event's own time, which is otherwise that of its receipt.
func (p *inputParser) timestamp(e *Event) {
	text, ok := p.text(FieldTimestamp, false)
	if !ok {
		return
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || at.Year() < 1970 || at.UTC().Year() > 9999 {
		p.faults.add(FieldTimestamp, "must be a time as in RFC 3339, such as 2026-01-15T10:30:00.000Z")
		return
	}
	e.OccurredAt = at.UTC().Truncate(time.Millisecond)
}

// eventData checks the data and adds the user where it names none.
func (p *inputParser) eventData(e *Event, user string) {
	if rule := eventDataRule(e.Data); rule != "" {
		p.faults.add(fieldData, rule)
		return
	}
	if user != "" {
		e.Data = AddUID(e.Data, &user)
	}
	if CategoryOf(e.Type) != "integration" {
		return
	}
	var data struct{ UID *json.RawMessage }
	if json.Unmarshal(e.Data, &data) != nil || data.UID == nil || string(*data.UID) == "null" {
		p.faults.add(fieldData, "must have a uid for events of integrations, or userId must be given beside it")
	}
}

// application finds the application that an event names by its id or external id.
func (p *Publisher) application(ctx context.Context, in *inputParser, e *Event, id string) error {
	applications, err := p.applications.ListApplications(ctx, e.TenantID)
	if err != nil {
		return fmt.Errorf("list the applications of %s: %w", e.TenantID, err)
	}
	for _, a := range applications {
		if a.ID.String() == id || a.ExternalID == id {
			e.ApplicationID = a.ID
			return nil
		}
	}
	in.faults.add(FieldApplicationID, "must be an application of this organisation")
	return nil
}
