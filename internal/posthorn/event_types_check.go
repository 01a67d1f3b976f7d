package posthorn

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// Fit says how the data of an event goes with the schema of its type.
type Fit struct {
	Enforcement Enforcement
	// Violations are sentences, each with the JSON Pointer of the place that it is about; none when the data fits or
	// nothing was compared.
	Violations []string
}

// Rejected reports whether the event must be refused.
func (f Fit) Rejected() bool { return f.Enforcement == EnforcementReject && len(f.Violations) > 0 }

// MaxViolations is how many violations of one event are told.
const MaxViolations = 20

// Fields of a published event that Check finds fault with.
const fieldData = "data"

// Check compares data with the schema of a type, as the tenant enforces it. A type that the catalogue does not have, and
// data that no event can have, are Invalid with "event" or "data" named. The data is compared as it is given: whatever is
// added to it before it is sent has to be there. A change of the catalogue counts at once in this process and within
// checkAge in others; a type that was just added is found by all of them.
func (ts *EventTypes) Check(ctx context.Context, tenant TenantID, event string, data json.RawMessage) (Fit, error) {
	if rule := eventDataRule(data); rule != "" {
		return Fit{}, InvalidFields("The data of the event "+rule+".", map[string]string{fieldData: rule})
	}
	return ts.fit(ctx, tenant, event, data)
}

// fit is Check for data that an event can have.
func (ts *EventTypes) fit(ctx context.Context, tenant TenantID, event string, data json.RawMessage) (Fit, error) {
	check, err := ts.check(ctx, tenant, event)
	if err != nil {
		return Fit{}, err
	}
	fit := Fit{Enforcement: check.enforcement}
	if check.enforcement != EnforcementOff {
		fit.Violations = check.schema.Violations(data, MaxViolations)
	}
	return fit, nil
}

// notAnObject is what is wrong with data that is something else.
const notAnObject = "must be a JSON object"

func eventDataRule(data json.RawMessage) string {
	if !json.Valid(data) || !isJSONObject(data) {
		return notAnObject
	}
	return depthRule(depth(data))
}

// depthRule says what is wrong with JSON of a depth, empty for nothing.
func depthRule(deepest int) string {
	if deepest > maxJSONDepth {
		return fmt.Sprintf("must not be nested deeper than %d levels", maxJSONDepth)
	}
	return ""
}

// check returns what the data of a type is compared with.
func (ts *EventTypes) check(ctx context.Context, tenant TenantID, event string) (typeCheck, error) {
	key := checkKey{tenant, event}
	last, generation := ts.checks.get(key)
	started := time.Now()
	if started.Sub(last.read) < checkAge {
		return last, nil
	}
	t, err := ts.Get(ctx, tenant, event)
	if err != nil && KindOf(err) == NotFound {
		return typeCheck{}, FieldError(Invalid, FieldEvent, "must be a type of the catalogue: "+quoteClip(event)+" is not in it")
	}
	if err != nil {
		return typeCheck{}, err
	}
	check := typeCheck{enforcement: t.Enforcement, source: t.Schema, schema: last.schema, read: started}
	if check.schema == nil || !bytes.Equal(last.source, t.Schema) {
		if check.schema, err = ts.compiled(t); err != nil {
			return typeCheck{}, fmt.Errorf("compile the schema of %s of %s: %w", event, tenant, err)
		}
	}
	ts.checks.put(key, check, generation)
	return check, nil
}

// compiled returns the compiled schema of a type. Those of built-in types are shared by all tenants.
func (ts *EventTypes) compiled(t EventType) (CompiledSchema, error) {
	if !t.BuiltIn {
		return ts.schemas.CompileSchema(t.Schema)
	}
	return ts.checks.builtIn(t.Event, func() (CompiledSchema, error) { return ts.schemas.CompileSchema(t.Schema) })
}

const (
	// checkAge is how long a type is believed to be as it was read, so that publishing asks the database once a second
	// and not once an event.
	checkAge = time.Second
	// maxChecks bounds what is remembered, in types of all tenants.
	maxChecks = 4096
)

type checkKey struct {
	tenant TenantID
	event  string
}

// typeCheck is what the data of a type is compared with.
type typeCheck struct {
	enforcement Enforcement
	// source is what schema was compiled from.
	source json.RawMessage
	schema CompiledSchema
	read   time.Time
}

// checkCache remembers compiled schemas, and for a moment the enforcement that goes with them.
type checkCache struct {
	mu     sync.Mutex
	checks map[checkKey]typeCheck
	// generation counts the changes of the catalogue: what was read before one is not remembered after it.
	generation uint64
	shared     map[string]CompiledSchema
}

func newCheckCache() *checkCache {
	return &checkCache{checks: map[checkKey]typeCheck{}, shared: map[string]CompiledSchema{}}
}

// get returns what is remembered, the zero value for nothing, and the generation to put something else with.
func (c *checkCache) get(key checkKey) (typeCheck, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.checks[key], c.generation
}

func (c *checkCache) put(key checkKey, check typeCheck, generation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if generation != c.generation {
		return
	}
	if len(c.checks) >= maxChecks {
		clear(c.checks)
	}
	c.checks[key] = check
}

func (c *checkCache) forget(tenant TenantID, event string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	delete(c.checks, checkKey{tenant, event})
}

// builtIn returns the compiled schema of a built-in type, which never changes.
func (c *checkCache) builtIn(event string, compile func() (CompiledSchema, error)) (CompiledSchema, error) {
	c.mu.Lock()
	schema := c.shared[event]
	c.mu.Unlock()
	if schema != nil {
		return schema, nil
	}
	schema, err := compile()
	if err == nil {
		c.mu.Lock()
		c.shared[event] = schema
		c.mu.Unlock()
	}
	return schema, err
}
