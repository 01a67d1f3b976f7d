package posthorn

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// EventTypes is the event catalogue: the types that come with Posthorn and those that a tenant adds.
type EventTypes struct {
	store   EventTypeStore
	schemas SchemaCompiler
	checks  *checkCache
}

// NewEventTypes makes the use cases.
func NewEventTypes(store EventTypeStore, schemas SchemaCompiler) *EventTypes {
	return &EventTypes{store: store, schemas: schemas, checks: newCheckCache()}
}

// EventTypeStore keeps what a tenant has changed of the catalogue. Implemented by package postgres. Of a built-in type it
// keeps the enforcement: its Description, Schema and Example are empty.
type EventTypeStore interface {
	// ListEventTypes returns what a tenant stored, by name.
	ListEventTypes(ctx context.Context, tenant TenantID) ([]EventType, error)
	// OutlineEventTypes is ListEventTypes without schemas and examples, which it does not read.
	OutlineEventTypes(ctx context.Context, tenant TenantID) ([]EventType, error)
	// EventType returns one, or NotFound.
	EventType(ctx context.Context, tenant TenantID, event string) (EventType, error)
	// PutEventType stores what change makes of the stored type, which is nil while there is none, next to the others that
	// the tenant has stored. Changes of one tenant's types wait for each other. No entry means that there is nothing to
	// store.
	PutEventType(ctx context.Context, tenant TenantID, event string, change EventTypeChange) error
}

// EventTypeChange makes a type out of the stored one.
type EventTypeChange func(stored *EventType, others EventTypesSum) (EventType, *AuditEntry, error)

// EventTypesSum says how many event types there are, and how large their descriptions, schemas and examples are together.
type EventTypesSum struct{ Count, Bytes int }

// SchemaCompiler reads JSON Schema. Implemented by package jsonschema.
type SchemaCompiler interface {
	// CompileSchema reads a schema, a JSON object. It asks neither the network nor the file system. Its error reads on
	// from the name of the field ("must be a JSON Schema: …") and may be shown.
	CompileSchema(schema json.RawMessage) (CompiledSchema, error)
}

// CompiledSchema is a schema that data can be compared with, from several goroutines at once.
type CompiledSchema interface {
	// Violations says what of the data, which is valid JSON, does not fit: at most so many sentences, each with the JSON
	// Pointer of the place that it is about. The sentences hold nothing of the data but the names of its members.
	Violations(data json.RawMessage, most int) []string
}

// The actions on the event catalogue.
const (
	ActionEventTypeCreated Action = "event_type.created"
	ActionEventTypeUpdated Action = "event_type.updated"
)

// Limits of what a tenant may add to the catalogue.
const (
	// MaxOwnEventTypes is how many event types a tenant may add or change.
	MaxOwnEventTypes = 500
	// MaxOwnEventTypesBytes is how large they may be together, in bytes of descriptions, schemas and examples.
	MaxOwnEventTypesBytes = 4 << 20
)

// List returns the catalogue of a tenant: the built-in types in their order, with the tenant's enforcement, and then its
// own by name.
func (ts *EventTypes) List(ctx context.Context, tenant TenantID) ([]EventType, error) {
	stored, err := ts.store.ListEventTypes(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("list the event types of %s: %w", tenant, err)
	}
	return wholeCatalogue(stored), nil
}

// Outline is List without schemas and examples: for lists, for forms, and to check subscriptions.
func (ts *EventTypes) Outline(ctx context.Context, tenant TenantID) ([]EventType, error) {
	stored, err := ts.store.OutlineEventTypes(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("outline the event types of %s: %w", tenant, err)
	}
	types := wholeCatalogue(stored)
	for i := range types {
		types[i].Schema, types[i].Example = nil, nil
	}
	return types, nil
}

// wholeCatalogue adds the built-in types to what a tenant stored.
func wholeCatalogue(stored []EventType) []EventType {
	types := BuiltInEventTypes()
	for i, t := range types {
		if at := slices.IndexFunc(stored, func(s EventType) bool { return s.Event == t.Event }); at >= 0 {
			types[i] = t.as(stored[at])
			stored = slices.Delete(stored, at, at+1)
		}
	}
	for _, s := range stored {
		s.Category = CategoryOf(s.Event)
		types = append(types, s)
	}
	return types
}

// as is a built-in type as a tenant has changed it.
func (t EventType) as(stored EventType) EventType {
	t.Enforcement, t.CreatedAt, t.UpdatedAt = stored.Enforcement, stored.CreatedAt, stored.UpdatedAt
	return t
}

// Get returns one type of a tenant's catalogue, or NotFound.
func (ts *EventTypes) Get(ctx context.Context, tenant TenantID, event string) (EventType, error) {
	builtIn, known := builtInCatalogue().byName[event]
	if !known && !ValidEventName(event) {
		return EventType{}, errNoEventType
	}
	stored, err := ts.store.EventType(ctx, tenant, event)
	switch {
	case err == nil && known:
		return builtIn.as(stored), nil
	case err == nil:
		stored.Category = CategoryOf(event)
		return stored, nil
	case KindOf(err) != NotFound:
		return EventType{}, fmt.Errorf("get event type %s of %s: %w", event, tenant, err)
	case known:
		return builtIn, nil
	default:
		return EventType{}, errNoEventType
	}
}

// errNoEventType is the NotFound of a type that the catalogue does not have.
var errNoEventType = Errorf(NotFound, "There is no such event type in the catalogue.")

// Put adds a type to a tenant's catalogue or changes one. Fields that are nil keep their value. Wrong input is Invalid
// with the fields named. Putting what is there already changes nothing and is no error.
func (ts *EventTypes) Put(ctx context.Context, actor Actor, tenant TenantID, in EventTypePut) (made EventType, created bool, err error) {
	if _, known := builtInCatalogue().byName[in.Event]; !known && !ValidEventName(in.Event) {
		// The store is not asked about what cannot be there; all that is wrong is told at once.
		_, err := in.onto(newEventType(in.Event), ts.schemas)
		return EventType{}, false, err
	}
	change := func(stored *EventType, others EventTypesSum) (EventType, *AuditEntry, error) {
		before, after, err := ts.change(stored, others, in)
		if err != nil {
			return EventType{}, nil, err
		}
		made, created = after, before == nil
		entry := eventTypeAudit(tenant, actor, before, after)
		if entry == nil {
			made = *before
		}
		return after, entry, nil
	}
	if err := ts.store.PutEventType(ctx, tenant, in.Event, change); err != nil {
		return EventType{}, false, fmt.Errorf("put event type %s of %s: %w", in.Event, tenant, err)
	}
	ts.checks.forget(tenant, in.Event)
	return made, created, nil
}

// The Conflicts of a tenant that has as much of its own as it may.
var (
	errTooManyEventTypes  = Errorf(Conflict, "This organisation has added or changed %d event types already, and that is the most.", MaxOwnEventTypes)
	errEventTypesTooLarge = Errorf(Conflict, "The event types of this organisation may have %d MiB of descriptions, schemas and examples together. This one does not fit beside the others.", MaxOwnEventTypesBytes>>20)
)

// change returns the type before and after; before is nil for a type of the tenant's own that is new.
func (ts *EventTypes) change(stored *EventType, others EventTypesSum, in EventTypePut) (before *EventType, after EventType, err error) {
	if err := in.check(stored); err != nil {
		return nil, EventType{}, err
	}
	if stored == nil && others.Count >= MaxOwnEventTypes {
		return nil, EventType{}, errTooManyEventTypes
	}
	if builtIn, known := builtInCatalogue().byName[in.Event]; known {
		if stored != nil {
			builtIn = builtIn.as(*stored)
		}
		after, err = in.ontoBuiltIn(builtIn)
		after.stamp()
		return &builtIn, after, err
	}
	start := newEventType(in.Event)
	if stored != nil {
		start = *stored
		start.Category = CategoryOf(in.Event)
		before = &start
	}
	after, err = in.onto(start, ts.schemas)
	if err == nil && others.Bytes+after.size() > MaxOwnEventTypesBytes && (before == nil || after.size() > before.size()) {
		err = errEventTypesTooLarge
	}
	after.stamp()
	return before, after, err
}

// size is what a type of the tenant's own counts towards MaxOwnEventTypesBytes.
func (t EventType) size() int { return len(t.Description) + len(t.Schema) + len(t.Example) }

// stamp notes that the type is changed now.
func (t *EventType) stamp() {
	t.UpdatedAt = databaseNow()
	if t.CreatedAt.IsZero() {
		t.CreatedAt = t.UpdatedAt
	}
}

// eventTypeAudit is the entry for a change, nil when nothing changed.
func eventTypeAudit(tenant TenantID, actor Actor, before *EventType, after EventType) *AuditEntry {
	now := after.auditFields()
	if before == nil {
		entry := audit(tenant, actor, ActionEventTypeCreated, after.Event, nil, now)
		return &entry
	}
	then := before.auditFields()
	for field, value := range after.auditFields() {
		if then[field] == value {
			delete(then, field)
			delete(now, field)
		}
	}
	if len(now) == 0 {
		return nil
	}
	entry := audit(tenant, actor, ActionEventTypeUpdated, after.Event, then, now)
	return &entry
}

// auditFields are the fields that a change may concern.
func (t EventType) auditFields() map[string]any {
	return map[string]any{
		FieldDescription: t.Description, FieldSchema: string(t.Schema), FieldExample: string(t.Example),
		FieldEnforcement: string(t.Enforcement),
	}
}

// sameJSON reports whether two documents are the same value, whatever their white space and the order of their members.
func sameJSON(a, b json.RawMessage) bool {
	x, err := decodeJSON(a)
	if err != nil {
		return false
	}
	y, err := decodeJSON(b)
	return err == nil && reflect.DeepEqual(x, y)
}

// decodeJSON decodes a document with its numbers as they are written.
func decodeJSON(raw json.RawMessage) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	err = dec.Decode(&v)
	return v, err
}

// isJSONObject reports whether valid JSON is an object.
func isJSONObject(raw json.RawMessage) bool {
	return strings.HasPrefix(strings.TrimLeft(string(raw), " \t\r\n"), "{")
}
