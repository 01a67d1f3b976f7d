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

// categoryIntegration is that of events which always say whose integration they are about.
const categoryIntegration = "integration"

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
	applications *applicationIndex
}

// NewPublisher makes the use case.
func NewPublisher(recorder EventRecorder, types *EventTypes, applications ApplicationReader) *Publisher {
	return &Publisher{recorder: recorder, types: types, applications: newApplicationIndex(applications)}
}

// Publish checks and stores what a request holds: one event as an object, or up to MaxBatchEvents in an array, which are
// stored all or not at all. body must be valid JSON: it is not looked at again whether it is. Wrong input is Invalid with the fields named, "[2].event" in an array;
// what is too large is TooLarge and names the limit.
func (p *Publisher) Publish(ctx context.Context, tenant TenantID, body []byte) (published []Published, batch bool, err error) {
	if len(body) > MaxBatchBytes {
		return nil, false, Errorf(TooLarge, "A batch may have at most 8 MiB.")
	}
	raws, batch, err := splitBatch(body)
	if err != nil {
		return nil, batch, err
	}
	began := time.Now()
	events := make([]Event, len(raws))
	var faults fieldFaults
	for i, raw := range raws {
		if len(raw) > MaxEventBytes {
			return nil, batch, Errorf(TooLarge, "%s may have at most 256 KiB, and this one has %d bytes.", eventLabel(i, batch), len(raw))
		}
		if events[i], err = p.parse(ctx, tenant, raw, began); err != nil {
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
	raws = arrayItems(body)
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

// parse reads and checks one event of a request that began at a time. What it returns shares no memory with raw, which may be
// a small part of a large body.
func (p *Publisher) parse(ctx context.Context, tenant TenantID, raw []byte, began time.Time) (Event, error) {
	e, err := p.read(ctx, tenant, raw, began)
	if err != nil {
		return e, err
	}
	fit, err := p.types.fit(ctx, tenant, e.Type, e.Data)
	if err != nil {
		return e, err
	}
	if fit.Rejected() {
		return e, FieldError(Invalid, fieldData, "does not fit the schema of "+e.Type+": "+strings.Join(fit.Violations, "; "))
	}
	e.Misfits = fit.Violations
	return e, nil
}

// read is parse without comparing the data with the schema.
func (p *Publisher) read(ctx context.Context, tenant TenantID, raw []byte, began time.Time) (Event, error) {
	if len(raw) == 0 || raw[0] != '{' {
		return Event{}, FieldError(Invalid, FieldEvent, "must be an object with event and data")
	}
	members := objectMembers(raw)
	in := inputParser{object: make(map[string]json.RawMessage, len(members))}
	for _, m := range members {
		in.object[m.name] = m.value
	}
	data, _ := findMember(members, fieldData)
	e := Event{ID: NewEventID(), TenantID: tenant}
	e.OccurredAt = e.ID.Time()
	e.Type = in.eventType()
	e.Key = in.eventKey()
	in.timestamp(&e)
	application, _ := in.text(FieldApplicationID, true)
	user, _ := in.text(FieldUserID, true)
	in.eventData(&e, data, user)
	if in.faults.fields == nil && application != "" {
		var known bool
		var err error
		if e.ApplicationID, known, err = p.applications.find(ctx, tenant, application, began); err != nil {
			return e, err
		}
		if !known {
			in.faults.add(FieldApplicationID, "must be an application of this organisation")
		}
	}
	return e, in.faults.err()
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
func (p *inputParser) eventData(e *Event, data jsonMember, user string) {
	if rule := objectRule(data); rule != "" {
		p.faults.add(fieldData, rule)
		return
	}
	integration := CategoryOf(e.Type) == categoryIntegration
	if user == "" && !integration {
		e.Data = bytes.Clone(data.value)
		return
	}
	members := objectMembers(data.value)
	uid, given := findMember(members, fieldUID)
	switch given = given && !uid.isNull(); {
	case given:
		e.Data = bytes.Clone(data.value)
	case user != "":
		e.Data = addUID(data.value, members, &user)
	default:
		p.faults.add(fieldData, "must have a uid for events of integrations, or userId must be given beside it")
	}
}

// objectRule is eventDataRule for a member of valid JSON.
func objectRule(m jsonMember) string {
	if len(m.value) == 0 || m.value[0] != '{' {
		return notAnObject
	}
	return depthRule(m.depth)
}
