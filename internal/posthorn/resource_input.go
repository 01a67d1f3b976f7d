package posthorn

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// MaxResourceBytes bounds the JSON that a resource is created or changed with, in bytes: an event holds no more.
const MaxResourceBytes = MaxEventBytes

// maxResourceText is the longest single text of a resource, in characters: longer text cannot be indexed.
const maxResourceText = maxActivityText

// resourceInput is the body of a POST or PATCH on its way onto a resource.
type resourceInput struct {
	inputParser
	// creates says that the resource is new: what is needed must be there.
	creates bool
	// changed are the fields that got another value.
	changed []string
	// now is the moment of the request.
	now time.Time
	// application and invitation are what the ids in the body stand for, zero where none is given.
	application ApplicationID
	invitation  InvitationID
}

// parseResourceInput reads a body, which must be valid JSON. Unknown fields, and those that only Posthorn writes, are ignored,
// so that a resource can be sent back as it was read.
func parseResourceInput(body []byte, creates bool) (*resourceInput, error) {
	in := &resourceInput{creates: creates, now: databaseNow()}
	if err := json.Unmarshal(body, &in.object); err != nil || in.object == nil {
		return nil, Errorf(Invalid, "The body must be a JSON object.")
	}
	return in, nil
}

// assign sets a field and notes that it changed.
func assign[T comparable](in *resourceInput, field string, into *T, value T) {
	if *into != value {
		*into = value
		in.changed = append(in.changed, field)
	}
}

// status reads the status that is asked for, empty for none. A new resource has no choice.
func (in *resourceInput) status(m Machine) ResourceStatus {
	text, ok := in.text(fieldStatus, false)
	if !ok {
		return ""
	}
	status := ResourceStatus(text)
	switch _, known := m.State(status); {
	case in.creates && status != m.Initial().Status:
		in.faults.add(fieldStatus, "must be "+string(m.Initial().Status)+" at the beginning, or left out")
	case !known:
		in.faults.add(fieldStatus, "must be one of "+orList(m.Statuses()))
	}
	return status
}

// line reads a text of one line that the resource cannot do without.
func (in *resourceInput) line(field string, into *string) {
	text, ok := in.text(field, false)
	switch {
	case !ok && in.creates:
		in.faults.add(field, "is required")
	case ok:
		text = strings.TrimSpace(text)
		if text == "" {
			in.faults.add(field, "must not be empty")
		}
		in.short(field, text)
		assign(in, field, into, text)
	}
}

// short notes a fault when text is too long, or holds what a single line cannot.
func (in *resourceInput) short(field, text string) {
	in.faults.line(field, text, maxResourceText, "must be at most 512 characters long")
}

// optionalLine reads a text of one line; null and empty text take it away.
func (in *resourceInput) optionalLine(field string, into *string) {
	text, ok := in.text(field, true)
	if !ok {
		return
	}
	text = strings.TrimSpace(text)
	in.short(field, text)
	assign(in, field, into, text)
}

// prose reads a text that may have several lines; null and empty text take it away.
func (in *resourceInput) prose(field string, into *string) {
	text, ok := in.text(field, true)
	if !ok {
		return
	}
	text = strings.TrimSpace(text)
	switch {
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		in.faults.add(field, "must be plain text")
	case utf8.RuneCountInString(text) > maxProse:
		in.faults.add(field, "must be at most 2000 characters long")
	}
	assign(in, field, into, text)
}

// maxProse is the longest text of several lines, in characters.
const maxProse = 2000

// email reads the address of a customer.
func (in *resourceInput) email(field string, into *string) {
	in.line(field, into)
	switch {
	case *into == "" || in.faults.fields[field] != "":
	case len(*into) > MaxEmailLength:
		in.faults.add(field, "must be at most 254 characters long")
	case !isEmail(*into):
		in.faults.add(field, "must be one plain address, such as ana@example.com")
	}
}

// choice reads a text that must be one of several.
func choice[S ~string](in *resourceInput, field string, into *S, known []S) {
	text, ok := in.text(field, false)
	if !ok {
		return
	}
	if !slices.Contains(known, S(text)) {
		in.faults.add(field, "must be one of "+orList(known))
		return
	}
	assign(in, field, into, S(text))
}

// moment reads a time in RFC 3339; null takes it away.
func (in *resourceInput) moment(field string, into *time.Time) {
	text, ok := in.text(field, true)
	if !ok {
		return
	}
	var at time.Time
	if _, given := in.raw(field); given {
		var err error
		if at, err = time.Parse(time.RFC3339Nano, text); err != nil || at.Year() < 1970 || at.UTC().Year() > 9999 {
			in.faults.add(field, "must be a time as in RFC 3339, such as 2026-01-15T10:30:00.000Z")
			return
		}
	}
	assign(in, field, into, inMilliseconds(at))
}

// inMilliseconds is a time as JSON keeps it.
func inMilliseconds(at time.Time) time.Time {
	if at.IsZero() {
		return at
	}
	return at.UTC().Truncate(time.Millisecond)
}

// millis reads a time in milliseconds since 1970; null takes it away.
func (in *resourceInput) millis(field string, into *time.Time) {
	raw, given := in.object[field]
	if !given {
		return
	}
	if bytes.Equal(raw, jsonNull) {
		assign(in, field, into, time.Time{})
		return
	}
	const year9999 = 253_402_300_799_999
	var ms float64
	if json.Unmarshal(raw, &ms) != nil || ms != math.Trunc(ms) || ms < 0 || ms > year9999 {
		in.faults.add(field, "must be a time in whole milliseconds since 1970")
		return
	}
	assign(in, field, into, time.UnixMilli(int64(ms)).UTC())
}

// count reads a whole number from 0 that is not too large to be exact.
func (in *resourceInput) count(field string, into *int64) {
	raw, ok := in.raw(field)
	if !ok {
		return
	}
	const largest = 1<<53 - 1 // what every reader of JSON can tell from its neighbours
	var n float64
	if json.Unmarshal(raw, &n) != nil || n != math.Trunc(n) || n < 0 || n > largest {
		in.faults.add(field, "must be a whole number from 0 to 9007199254740991")
		return
	}
	assign(in, field, into, int64(n))
}

// truth reads true or false.
func (in *resourceInput) truth(field string, into *bool) {
	var value *bool
	if parseInto(&in.inputParser, field, &value, "must be true or false"); value != nil {
		assign(in, field, into, *value)
	}
}

// document reads a JSON object, which is kept as it was written; null takes it away.
func (in *resourceInput) document(field string, into *json.RawMessage) {
	raw, given := in.object[field]
	if !given {
		return
	}
	value := json.RawMessage(bytes.Clone(bytes.TrimSpace(raw)))
	if bytes.Equal(value, jsonNull) {
		value = nil
	} else if rule := documentOfResourceRule(value); rule != "" {
		in.faults.add(field, rule)
		return
	}
	if !bytes.Equal(value, *into) {
		*into = value
		in.changed = append(in.changed, field)
	}
}

// documentOfResourceRule says what is wrong with valid JSON that must be an object, empty for nothing.
func documentOfResourceRule(raw json.RawMessage) string {
	if rule := eventDataRule(raw); rule != "" {
		return rule
	}
	var decoded map[string]any
	if json.Unmarshal(raw, &decoded) != nil {
		return "must not have numbers beyond the range of a double"
	}
	return ""
}

// fixed notes a fault when a field that was settled at the creation changes. put reads the field.
func (in *resourceInput) fixed(field string, put func()) {
	before := len(in.changed)
	put()
	if !in.creates && len(in.changed) > before {
		in.faults.add(field, "cannot be changed after the creation")
	}
}

// create fills a new resource of a tenant.
func (in *resourceInput) create(kind ResourceKind, tenant TenantID, actor Actor) (Resource, ResourceChange, error) {
	spec := kind.spec()
	initial := spec.machine.Initial()
	r := spec.blank()
	h := r.Head()
	h.Kind, h.UUID, h.TenantID, h.Status = kind, spec.ids.fresh(), tenant, initial.Status
	h.CreatedAt, h.UpdatedAt = in.now, in.now
	in.status(spec.machine)
	r.put(in)
	if err := in.faults.err(); err != nil {
		return nil, ResourceChange{}, err
	}
	r.entered(in)
	c, err := newChange(h, actor.Name, "", nil, initial.Event, r.eventData(), inMilliseconds(in.now))
	return r, c, err
}

// change puts the input onto a resource as it is stored. It returns nil when that changes nothing.
func (in *resourceInput) change(r Resource, actor Actor) (*ResourceChange, error) {
	h := r.Head()
	machine, from := h.Kind.States(), h.Status
	to := in.status(machine)
	r.put(in)
	if err := in.faults.err(); err != nil {
		return nil, err
	}
	state, _ := machine.State(from)
	event := state.Updated
	switch moves := to != "" && to != from; {
	case moves:
		next, err := machine.step(h.Kind, from, to)
		if err != nil {
			return nil, err
		}
		h.Status, event = next.Status, next.Event
		changed := in.changed
		r.entered(in)
		in.changed = changed // what comes with the state is not a change of its own
	case len(in.changed) == 0:
		return nil, nil //nolint:nilnil // nothing changed, and that is no error
	case state.Closed:
		return nil, Errorf(Conflict, "%s that is %s cannot be changed any more.", h.Kind.withArticle(), from)
	}
	h.UpdatedAt = in.now
	c, err := newChange(h, actor.Name, from, in.changed, event, r.eventData(), inMilliseconds(in.now))
	return &c, err
}

// invitationOf returns the invitation that a body names, zero for none; not ok when it names what is no id of one.
func (in *resourceInput) invitationOf() (id InvitationID, ok bool) {
	text, given := in.text(FieldInvitationID, false)
	if !given || strings.TrimSpace(text) == "" {
		return id, true
	}
	id, err := ParseID[invitationKind](strings.TrimSpace(text))
	return id, err == nil && id.UUID() != uuid.Nil
}
