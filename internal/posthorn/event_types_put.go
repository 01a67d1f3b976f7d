package posthorn

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// The fields of an event type: form, API, errors and views share these names.
const (
	FieldEvent       = "event"
	FieldSchema      = "schema"
	FieldExample     = "example"
	FieldEnforcement = "enforcement"
)

// Limits of an event type.
const (
	// MaxEventTypeDescription is the longest description of an event type, in characters.
	MaxEventTypeDescription = 500
	// MaxEventTypeDocument is the largest schema or example of an event type, in bytes.
	MaxEventTypeDocument = 64 << 10
	// MaxEventTypeBytes is the largest event type as the API takes it, in bytes: schema, example and the rest.
	MaxEventTypeBytes = 2*MaxEventTypeDocument + 16<<10
)

// EventTypePut says what an event type shall be. A nil field keeps its value, or takes the default of a new type.
type EventTypePut struct {
	Event       string
	Description *string
	Schema      json.RawMessage
	Example     json.RawMessage
	Enforcement *Enforcement
	// MustBeNew refuses to change what is there already.
	MustBeNew bool
	// Seen, when it is not zero, is the UpdatedAt of the type that the change was made from: should it have changed since
	// then, nothing is changed.
	Seen time.Time
}

// check refuses a change that was not meant for the stored type, which is nil while there is none.
func (in EventTypePut) check(stored *EventType) error {
	_, known := builtInCatalogue().byName[in.Event]
	switch {
	case in.MustBeNew && (known || stored != nil):
		return FieldError(Conflict, FieldEvent, "is in the catalogue already")
	case !in.Seen.IsZero() && (stored == nil || !stored.UpdatedAt.Equal(in.Seen)):
		return errEventTypeChanged
	default:
		return nil
	}
}

// errEventTypeChanged is the Conflict of two changes that do not know of each other.
var errEventTypeChanged = Errorf(Conflict, "Somebody else changed this event type in the meantime. Open it again and repeat your change.")

// ParseEventTypePut reads an event type as the API takes it: a JSON object. Unknown members are ignored, and null is the
// same as absent. A member of the wrong type is Invalid with the field named.
func ParseEventTypePut(body []byte) (EventTypePut, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		return EventTypePut{}, Because(Invalid, "An event type must be a JSON object.", err)
	}
	var (
		in     EventTypePut
		faults fieldFaults
	)
	text := func(field string) *string {
		raw, given := members[field]
		if !given || string(raw) == "null" {
			return nil
		}
		var s string
		if json.Unmarshal(raw, &s) != nil {
			faults.add(field, "must be a string")
		}
		return &s
	}
	document := func(field string) json.RawMessage {
		if raw := members[field]; string(raw) != "null" {
			return raw
		}
		return nil
	}
	if event := text(FieldEvent); event != nil {
		in.Event = *event
	}
	in.Description = text(FieldDescription)
	in.Enforcement = (*Enforcement)(text(FieldEnforcement))
	in.Schema, in.Example = document(FieldSchema), document(FieldExample)
	return in, faults.err()
}

// eventName notes what keeps a name from being that of a tenant's type.
func (f *fieldFaults) eventName(event string) {
	_, known := builtInCatalogue().byName[event]
	switch {
	case known:
	case event == "":
		f.add(FieldEvent, "must not be empty")
	case len(event) > MaxEventName:
		f.add(FieldEvent, "must be at most 128 characters long")
	case !ValidEventName(event):
		f.add(FieldEvent, "must be two or more words of lower-case letters, digits and underscores, joined by dots, such as payment.settled")
	case !Publishable(event):
		f.add(FieldEvent, "must not begin with "+CategoryOf(event)+".: Posthorn alone makes such events")
	}
}

// newEventType is a type of a tenant's own before anything is said about it.
func newEventType(event string) EventType {
	return EventType{Event: event, Category: CategoryOf(event), Schema: json.RawMessage(`{}`), Enforcement: EnforcementWarn}
}

// onto puts the input onto a type of a tenant's own and checks all of the result.
func (in EventTypePut) onto(t EventType, schemas SchemaCompiler) (EventType, error) {
	var faults fieldFaults
	faults.eventName(t.Event)
	if in.Description != nil {
		t.Description = strings.TrimSpace(*in.Description)
	}
	faults.eventTypeDescription(t.Description)
	compiled := faults.putSchema(&t, in.Schema, schemas)
	faults.putExample(&t, in.Example, compiled)
	if in.Enforcement != nil {
		t.Enforcement = *in.Enforcement
	}
	faults.enforcement(t.Enforcement)
	return t, faults.err()
}

// ontoBuiltIn puts the input onto a built-in type: what it repeats is fine, and the enforcement may change.
func (in EventTypePut) ontoBuiltIn(t EventType) (EventType, error) {
	const rule = "must stay as it is: this type comes with Posthorn, and only its enforcement can change"
	var faults fieldFaults
	if in.Description != nil && strings.TrimSpace(*in.Description) != t.Description {
		faults.add(FieldDescription, rule)
	}
	if in.Schema != nil && !sameJSON(in.Schema, t.Schema) {
		faults.add(FieldSchema, rule)
	}
	if in.Example != nil && !sameJSON(in.Example, t.Example) {
		faults.add(FieldExample, rule)
	}
	if in.Enforcement != nil {
		if *in.Enforcement != t.Enforcement && !Publishable(t.Event) {
			faults.add(FieldEnforcement, "must stay as it is: Posthorn alone makes such events, and they fit")
		}
		t.Enforcement = *in.Enforcement
	}
	faults.enforcement(t.Enforcement)
	return t, faults.err()
}

func (f *fieldFaults) enforcement(e Enforcement) {
	if !e.Valid() {
		f.add(FieldEnforcement, "must be one of off, warn and reject")
	}
}

func (f *fieldFaults) eventTypeDescription(text string) {
	switch {
	case text == "":
		f.add(FieldDescription, "must not be empty")
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unfitForText):
		f.add(FieldDescription, "must be plain text")
	case utf8.RuneCountInString(text) > MaxEventTypeDescription:
		f.add(FieldDescription, "must be at most 500 characters long")
	}
}

// unfitForText reports whether a character cannot stand in a text of several lines.
func unfitForText(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == 0x7f }

// putSchema takes over a schema, where one is given, and compiles that of the type; nil when it cannot.
func (f *fieldFaults) putSchema(t *EventType, schema json.RawMessage, schemas SchemaCompiler) CompiledSchema {
	if schema != nil {
		if rule := documentRule(schema); rule != "" {
			f.add(FieldSchema, rule)
			return nil
		}
		t.Schema = schema
	}
	compiled, err := schemas.CompileSchema(t.Schema)
	if err != nil {
		f.add(FieldSchema, err.Error())
		return nil
	}
	return compiled
}

// shownViolations is how many violations of an example the sentence about it names.
const shownViolations = 3

// putExample takes over an example, where one is given, and compares that of the type with its schema.
func (f *fieldFaults) putExample(t *EventType, example json.RawMessage, schema CompiledSchema) {
	if example != nil {
		if rule := documentRule(example); rule != "" {
			f.add(FieldExample, rule)
			return
		}
		t.Example = example
	}
	switch {
	case len(t.Example) == 0:
		f.add(FieldExample, "must be given: people try webhooks out with it")
	case schema != nil:
		if violations := schema.Violations(t.Example, shownViolations); len(violations) > 0 {
			f.add(FieldExample, "must fit the schema: "+strings.Join(violations, "; "))
		}
	}
}

// documentRule says what is wrong with a schema or example as such, empty for nothing.
func documentRule(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0:
		return "must not be empty"
	case len(raw) > MaxEventTypeDocument:
		return "must be at most 64 KiB"
	case !utf8.Valid(raw) || !json.Valid(raw):
		return "must be valid JSON" + jsonFault(raw)
	case !isJSONObject(raw):
		return "must be a JSON object"
	case depth(raw) > maxJSONDepth:
		return fmt.Sprintf("must not be nested deeper than %d levels", maxJSONDepth)
	default:
		return ""
	}
}

// jsonFault says where a document stops being JSON, as the end of a sentence; empty when that is not known.
func jsonFault(raw []byte) string {
	var v any
	syntax, ok := errors.AsType[*json.SyntaxError](json.Unmarshal(raw, &v))
	if !ok {
		return ""
	}
	line := 1 + bytes.Count(raw[:min(syntax.Offset, int64(len(raw)))], []byte("\n"))
	return fmt.Sprintf(": line %d, %s", line, syntax.Error())
}
