package posthorn_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/jsonschema"
	"posthorn/internal/posthorn"
)

// fakeEventTypes is a store in memory that counts how often it was asked for one type.
type fakeEventTypes struct {
	mu      sync.Mutex
	types   map[posthorn.TenantID][]posthorn.EventType
	entries []posthorn.AuditEntry
	asked   int
}

func (s *fakeEventTypes) ListEventTypes(_ context.Context, tenant posthorn.TenantID) ([]posthorn.EventType, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.types[tenant]), nil
}

// OutlineEventTypes answers what no list or form needs, too: whoever asks for an outline must not pass it on.
func (s *fakeEventTypes) OutlineEventTypes(ctx context.Context, tenant posthorn.TenantID) ([]posthorn.EventType, error) {
	return s.ListEventTypes(ctx, tenant)
}

func (s *fakeEventTypes) find(tenant posthorn.TenantID, event string) int {
	return slices.IndexFunc(s.types[tenant], func(t posthorn.EventType) bool { return t.Event == event })
}

func (s *fakeEventTypes) EventType(_ context.Context, tenant posthorn.TenantID, event string) (posthorn.EventType, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if i := s.find(tenant, event); i >= 0 {
		return s.types[tenant][i], nil
	}
	return posthorn.EventType{}, posthorn.Errorf(posthorn.NotFound, "Not found")
}

func (s *fakeEventTypes) PutEventType(_ context.Context, tenant posthorn.TenantID, event string, change posthorn.EventTypeChange) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var stored *posthorn.EventType
	i := s.find(tenant, event)
	if i >= 0 {
		stored = &s.types[tenant][i]
	}
	var others posthorn.EventTypesSum
	for j, t := range s.types[tenant] {
		if j != i {
			others.Count++
			others.Bytes += len(t.Description) + len(t.Schema) + len(t.Example)
		}
	}
	made, entry, err := change(stored, others)
	if err != nil || entry == nil {
		return err
	}
	if made.BuiltIn {
		made.Description, made.Schema, made.Example = "", nil, nil
	}
	if i >= 0 {
		s.types[tenant][i] = made
	} else {
		s.types[tenant] = append(s.types[tenant], made)
	}
	s.entries = append(s.entries, *entry)
	return nil
}

type eventTypesFixture struct {
	*posthorn.EventTypes
	store  *fakeEventTypes
	tenant posthorn.TenantID
}

func newEventTypes() eventTypesFixture {
	store := &fakeEventTypes{types: map[posthorn.TenantID][]posthorn.EventType{}}
	return eventTypesFixture{posthorn.NewEventTypes(store, jsonschema.Compiler{}), store, posthorn.NewTenantID()}
}

// put puts a type given as the API takes it.
func (f eventTypesFixture) put(t *testing.T, body string) (posthorn.EventType, bool, error) {
	t.Helper()
	in, err := posthorn.ParseEventTypePut([]byte(body))
	if err != nil {
		return posthorn.EventType{}, false, err
	}
	return f.Put(t.Context(), posthorn.Actor{Name: "Ada", Address: "192.0.2.1"}, f.tenant, in)
}

func (f eventTypesFixture) mustPut(t *testing.T, body string) posthorn.EventType {
	t.Helper()
	made, _, err := f.put(t, body)
	if err != nil {
		t.Fatalf("put %s: %v", body, err)
	}
	return made
}

const paymentSettled = `{"event":"payment.settled","description":"A payment arrived.","schema":{"type":"object","required":["amount"],
"properties":{"amount":{"type":"number"}}},"example":{"amount":12.5}}`

func TestATypeOfTheTenantIsAddedAndChanged(t *testing.T) {
	t.Parallel()
	f := newEventTypes()
	made, created, err := f.put(t, paymentSettled)
	if err != nil || !created {
		t.Fatalf("created %t, %v", created, err)
	}
	if made.Enforcement != posthorn.EnforcementWarn || made.BuiltIn || made.Category != "payment" || made.CreatedAt.IsZero() || made.UpdatedAt.IsZero() {
		t.Errorf("made %+v", made)
	}
	changed, created, err := f.put(t, `{"event":"payment.settled","enforcement":"reject","description":null}`)
	if err != nil || created || changed.Enforcement != posthorn.EnforcementReject || changed.Description != "A payment arrived." || !changed.CreatedAt.Equal(made.CreatedAt) {
		t.Errorf("changed %+v, created %t, %v", changed, created, err)
	}
	got, err := f.Get(t.Context(), f.tenant, "payment.settled")
	if err != nil || cmp.Diff(changed, got) != "" {
		t.Errorf("got %v %s", err, cmp.Diff(changed, got))
	}
	list, err := f.List(t.Context(), f.tenant)
	if err != nil || len(list) != len(posthorn.BuiltInEventTypes())+1 || list[len(list)-1].Event != "payment.settled" {
		t.Errorf("%d listed, %v", len(list), err)
	}
	var actions []string
	for _, e := range f.store.entries {
		actions = append(actions, fmt.Sprint(e.Action, " ", e.Subject, " ", e.Before, " ", len(e.After)))
	}
	want := []string{"event_type.created payment.settled map[] 4", "event_type.updated payment.settled map[enforcement:warn] 1"}
	if diff := cmp.Diff(want, actions); diff != "" {
		t.Error(diff)
	}
}

func TestPuttingWhatIsThereChangesNothing(t *testing.T) {
	t.Parallel()
	f := newEventTypes()
	first := f.mustPut(t, paymentSettled)
	again, created, err := f.put(t, paymentSettled)
	if err != nil || created || len(f.store.entries) != 1 || cmp.Diff(first, again) != "" {
		t.Errorf("created %t, %d entries, %v, %s", created, len(f.store.entries), err, cmp.Diff(first, again))
	}
	if _, created, err := f.put(t, `{"event":"submission.created","enforcement":"warn"}`); err != nil || created || len(f.store.entries) != 1 {
		t.Errorf("created %t, %d entries, %v", created, len(f.store.entries), err)
	}
}

func TestOfABuiltInTypeOnlyTheEnforcementChanges(t *testing.T) {
	t.Parallel()
	f := newEventTypes()
	original, err := f.Get(t.Context(), f.tenant, "submission.created")
	if err != nil {
		t.Fatal(err)
	}
	whole, err := json.Marshal(original)
	if err != nil {
		t.Fatal(err)
	}
	// What the API shows can be sent back, laid out anew, with another enforcement.
	var members map[string]any
	if err := json.Unmarshal(whole, &members); err != nil {
		t.Fatal(err)
	}
	members["enforcement"] = "reject"
	body, err := json.MarshalIndent(members, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	made, created, err := f.put(t, string(body))
	if err != nil || created || made.Enforcement != posthorn.EnforcementReject || !made.BuiltIn {
		t.Fatalf("made %+v, created %t, %v", made, created, err)
	}
	list, err := f.List(t.Context(), f.tenant)
	if err != nil || list[0].Enforcement != posthorn.EnforcementReject || cmp.Diff(original.Schema, list[0].Schema) != "" || len(list) != len(posthorn.BuiltInEventTypes()) {
		t.Errorf("%d listed, first %+v, %v", len(list), list[0], err)
	}
	for field, body := range map[string]string{
		"description": `{"event":"submission.created","description":"Something else."}`,
		"schema":      `{"event":"submission.created","schema":{}}`,
		"example":     `{"event":"submission.created","example":{"submissionId":"other"}}`,
		"enforcement": `{"event":"submission.created","enforcement":"strict"}`,
	} {
		_, _, err := f.put(t, body)
		checkFault(t, body, err, field)
	}
	if posthorn.BuiltInEventTypes()[0].Enforcement != posthorn.EnforcementWarn {
		t.Error("a tenant's change reached the built-in type itself")
	}
}

// checkFault makes sure that an error is Invalid and blames one field.
func checkFault(t *testing.T, what string, err error, field string) {
	t.Helper()
	e := asError(err)
	if e == nil || e.Kind != posthorn.Invalid || len(e.Fields) != 1 || e.Fields[field] == "" {
		t.Errorf("%.200s: %v, want %s to be at fault", what, err, field)
	}
}

// asError returns the product's error in a chain, nil for none.
func asError(err error) *posthorn.Error {
	e, _ := errors.AsType[*posthorn.Error](err)
	return e
}

func TestWrongTypesAreRefusedWithTheFieldNamed(t *testing.T) {
	t.Parallel()
	f := newEventTypes()
	with := func(field, value string) string {
		members := map[string]json.RawMessage{
			"event": json.RawMessage(`"payment.settled"`), "description": json.RawMessage(`"A payment arrived."`),
			"schema": json.RawMessage(`{"properties":{"a":{"type":"string"}}}`), "example": json.RawMessage(`{"a":"x"}`),
		}
		if value == "" {
			delete(members, field)
		} else {
			members[field] = json.RawMessage(value)
		}
		body, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	deep := strings.Repeat(`{"a":`, 300) + `1` + strings.Repeat(`}`, 300)
	for _, test := range []struct{ field, value, rule string }{
		{"event", ``, "must not be empty"},
		{"event", `""`, "must not be empty"},
		{"event", `7`, "must be a string"},
		{"event", `"payment"`, "must be two or more words of lower-case letters, digits and underscores, joined by dots, such as payment.settled"},
		{"event", `"Payment.settled"`, "must be two or more words"},
		{"event", `"payment.*"`, "must be two or more words"},
		{"event", `"a.` + strings.Repeat("b", 127) + `"`, "must be at most 128 characters long"},
		{"event", `"webhook.mine"`, "must not begin with webhook.: Posthorn alone makes such events"},
		{"event", `"delivery.mine"`, "must not begin with delivery."},
		{"event", `"activity.mine"`, "must not begin with activity."},
		{"description", ``, "must not be empty"},
		{"description", `"  "`, "must not be empty"},
		{"description", `["x"]`, "must be a string"},
		{"description", `"` + strings.Repeat("é", 501) + `"`, "must be at most 500 characters long"},
		{"description", `"a\u0000b"`, "must be plain text"},
		{"schema", `"{}"`, "must be a JSON object"},
		{"schema", `true`, "must be a JSON object"},
		{"schema", `[]`, "must be a JSON object"},
		{"schema", `{"type":"strin"}`, "must be a JSON Schema: /type must fit one of the alternatives"},
		{"schema", `{"$ref":"https://evil.example/x"}`, "must not refer to other documents, as it does to https://evil.example/x"},
		{"schema", `{"x":"` + strings.Repeat("y", 64<<10) + `"}`, "must be at most 64 KiB"},
		{"schema", deep, "must not be nested deeper than 256 levels"},
		{"example", ``, "must be given: people try webhooks out with it"},
		{"example", `null`, "must be given: people try webhooks out with it"},
		{"example", `[1]`, "must be a JSON object"},
		{"example", `{"a":1}`, "must fit the schema: /a must be a string"},
		{"example", `{"a":"` + strings.Repeat("y", 64<<10) + `"}`, "must be at most 64 KiB"},
		{"example", deep, "must not be nested deeper than 256 levels"},
		{"enforcement", `"strict"`, "must be one of off, warn and reject"},
		{"enforcement", `""`, "must be one of off, warn and reject"},
		{"enforcement", `true`, "must be a string"},
	} {
		_, _, err := f.put(t, with(test.field, test.value))
		checkFault(t, with(test.field, test.value), err, test.field)
		if e := asError(err); e != nil && !strings.HasPrefix(e.Fields[test.field], test.rule) {
			t.Errorf("%s %.100s: %q, want %q", test.field, test.value, e.Fields[test.field], test.rule)
		}
	}
	if len(f.store.entries) != 0 {
		t.Errorf("%d entries", len(f.store.entries))
	}
	if _, err := posthorn.ParseEventTypePut([]byte(`[]`)); posthorn.KindOf(err) != posthorn.Invalid {
		t.Errorf("an array: %v", err)
	}
}

// A new schema is compared with the example that stays, too.
func TestASchemaThatTheStoredExampleDoesNotFitIsRefused(t *testing.T) {
	t.Parallel()
	f := newEventTypes()
	f.mustPut(t, paymentSettled)
	_, _, err := f.put(t, `{"event":"payment.settled","schema":{"required":["currency"]}}`)
	checkFault(t, "schema alone", err, "example")
	f.mustPut(t, `{"event":"payment.settled","schema":{"required":["currency"]},"example":{"currency":"EUR"}}`)
}

func TestATypeCanBeAskedToBeNewOrUnchanged(t *testing.T) {
	t.Parallel()
	f := newEventTypes()
	made := f.mustPut(t, paymentSettled)
	for _, event := range []string{"payment.settled", "submission.created"} {
		description := "Another."
		_, _, err := f.Put(t.Context(), posthorn.CommandLine(), f.tenant, posthorn.EventTypePut{Event: event, Description: &description, MustBeNew: true})
		if e := asError(err); e == nil || e.Kind != posthorn.Conflict || e.Fields["event"] != "is in the catalogue already" {
			t.Errorf("%s: %v", event, err)
		}
	}
	reject := posthorn.EnforcementReject
	in := posthorn.EventTypePut{Event: "payment.settled", Enforcement: &reject, Seen: made.UpdatedAt.Add(-time.Second)}
	if _, _, err := f.Put(t.Context(), posthorn.CommandLine(), f.tenant, in); posthorn.KindOf(err) != posthorn.Conflict {
		t.Errorf("an old version: %v", err)
	}
	in.Seen = made.UpdatedAt
	if _, _, err := f.Put(t.Context(), posthorn.CommandLine(), f.tenant, in); err != nil {
		t.Errorf("the version that is there: %v", err)
	}
}

func TestATenantHasABoundedNumberOfTypes(t *testing.T) {
	t.Parallel()
	f := newEventTypes()
	for i := range posthorn.MaxOwnEventTypes {
		f.store.types[f.tenant] = append(f.store.types[f.tenant], posthorn.EventType{
			Event: fmt.Sprintf("a.t%d", i), Description: "One.", Schema: json.RawMessage(`{}`), Example: json.RawMessage(`{}`), Enforcement: posthorn.EnforcementWarn,
		})
	}
	if _, _, err := f.put(t, paymentSettled); posthorn.KindOf(err) != posthorn.Conflict {
		t.Errorf("one more: %v", err)
	}
	f.mustPut(t, `{"event":"a.t0","enforcement":"off"}`)
}

func TestATenantsTypesAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	f := newEventTypes()
	document := json.RawMessage(`{"x":"` + strings.Repeat("y", posthorn.MaxEventTypeDocument-8) + `"}`)
	for i := range posthorn.MaxOwnEventTypesBytes / (2 * posthorn.MaxEventTypeDocument) {
		f.store.types[f.tenant] = append(f.store.types[f.tenant], posthorn.EventType{
			Event: fmt.Sprintf("a.t%d", i), Description: "One.", Schema: document, Example: document, Enforcement: posthorn.EnforcementWarn,
		})
	}
	_, _, err := f.put(t, paymentSettled)
	if e := asError(err); e == nil || e.Kind != posthorn.Conflict || !strings.Contains(e.Message, "4 MiB") {
		t.Errorf("one more: %v", err)
	}
	// What does not grow is changed all the same, and what becomes smaller makes room.
	f.mustPut(t, `{"event":"a.t0","enforcement":"off"}`)
	f.mustPut(t, `{"event":"a.t0","example":{}}`)
	f.mustPut(t, paymentSettled)
}

func TestTheOutlineLeavesDocumentsOut(t *testing.T) {
	t.Parallel()
	f := newEventTypes()
	f.mustPut(t, paymentSettled)
	f.mustPut(t, `{"event":"submission.created","enforcement":"reject"}`)
	want, err := f.List(t.Context(), f.tenant)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		want[i].Schema, want[i].Example = nil, nil
	}
	got, err := f.Outline(t.Context(), f.tenant)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if posthorn.BuiltInEventTypes()[0].Schema == nil {
		t.Error("the built-in types lost theirs")
	}
}

func TestWhatPosthornAloneMakesHasNoEnforcementToChoose(t *testing.T) {
	t.Parallel()
	f := newEventTypes()
	for _, event := range []string{"activity.recorded", "webhook.disabled", "delivery.failed"} {
		_, _, err := f.put(t, `{"event":"`+event+`","enforcement":"reject"}`)
		checkFault(t, event, err, "enforcement")
		f.mustPut(t, `{"event":"`+event+`","enforcement":"warn"}`)
	}
	if len(f.store.entries) != 0 {
		t.Errorf("%d entries", len(f.store.entries))
	}
}

func TestAnotherTenantsTypesDoNotExist(t *testing.T) {
	t.Parallel()
	f := newEventTypes()
	f.mustPut(t, paymentSettled)
	f.mustPut(t, `{"event":"submission.created","enforcement":"reject"}`)
	other := posthorn.NewTenantID()
	if _, err := f.Get(t.Context(), other, "payment.settled"); posthorn.KindOf(err) != posthorn.NotFound {
		t.Errorf("get: %v", err)
	}
	if got, err := f.Get(t.Context(), other, "submission.created"); err != nil || got.Enforcement != posthorn.EnforcementWarn {
		t.Errorf("built-in: %+v, %v", got, err)
	}
	if _, err := f.Check(t.Context(), other, "payment.settled", json.RawMessage(`{"amount":1}`)); posthorn.KindOf(err) != posthorn.Invalid {
		t.Errorf("check: %v", err)
	}
	list, err := f.List(t.Context(), other)
	if diff := cmp.Diff(posthorn.BuiltInEventTypes(), list); err != nil || diff != "" {
		t.Errorf("list: %v %s", err, diff)
	}
	for _, event := range []string{"nothing.here", "", "..", "Payment.settled"} {
		if _, err := f.Get(t.Context(), f.tenant, event); posthorn.KindOf(err) != posthorn.NotFound {
			t.Errorf("%q: %v", event, err)
		}
	}
}

func TestDataIsComparedAsTheTenantEnforcesIt(t *testing.T) {
	t.Parallel()
	f := newEventTypes()
	f.mustPut(t, paymentSettled)
	bad := json.RawMessage(`{"amount":"12"}`)
	for _, test := range []struct {
		enforcement posthorn.Enforcement
		want        posthorn.Fit
		rejected    bool
	}{
		{posthorn.EnforcementWarn, posthorn.Fit{Enforcement: posthorn.EnforcementWarn, Violations: []string{"/amount must be a number"}}, false},
		{posthorn.EnforcementReject, posthorn.Fit{Enforcement: posthorn.EnforcementReject, Violations: []string{"/amount must be a number"}}, true},
		{posthorn.EnforcementOff, posthorn.Fit{Enforcement: posthorn.EnforcementOff}, false},
	} {
		f.mustPut(t, `{"event":"payment.settled","enforcement":"`+string(test.enforcement)+`"}`)
		got, err := f.Check(t.Context(), f.tenant, "payment.settled", bad)
		if diff := cmp.Diff(test.want, got); err != nil || diff != "" || got.Rejected() != test.rejected {
			t.Errorf("%s: %v %s, rejected %t", test.enforcement, err, diff, got.Rejected())
		}
	}
	// A new schema counts at once.
	f.mustPut(t, `{"event":"payment.settled","enforcement":"reject","schema":{},"example":{}}`)
	if got, err := f.Check(t.Context(), f.tenant, "payment.settled", bad); err != nil || got.Rejected() {
		t.Errorf("under the new schema: %+v, %v", got, err)
	}
	for data, field := range map[string]string{
		`[]`: "data", `"x"`: "data", `null`: "data", ``: "data", `{`: "data",
		strings.Repeat(`{"a":`, 300) + `1` + strings.Repeat(`}`, 300): "data",
	} {
		_, err := f.Check(t.Context(), f.tenant, "payment.settled", json.RawMessage(data))
		checkFault(t, data, err, field)
	}
	_, err := f.Check(t.Context(), f.tenant, "payment.unknown", json.RawMessage(`{}`))
	checkFault(t, "unknown type", err, "event")
}

// Publishing asks the database about a type once a second, and a change made elsewhere counts after that.
func TestATypeIsReadOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newEventTypes()
		f.mustPut(t, paymentSettled)
		elsewhere := posthorn.NewEventTypes(f.store, jsonschema.Compiler{})
		check := func() posthorn.Fit {
			fit, err := elsewhere.Check(t.Context(), f.tenant, "payment.settled", json.RawMessage(`{}`))
			if err != nil {
				t.Fatal(err)
			}
			return fit
		}
		for range 50 {
			check()
		}
		if f.store.asked != 1 {
			t.Errorf("asked %d times", f.store.asked)
		}
		f.mustPut(t, `{"event":"payment.settled","enforcement":"reject"}`)
		<-time.After(time.Second)
		if fit := check(); !fit.Rejected() || f.store.asked != 2 {
			t.Errorf("a second later: %+v, asked %d times", fit, f.store.asked)
		}
		if _, err := elsewhere.Check(t.Context(), f.tenant, "payment.refunded", json.RawMessage(`{}`)); err == nil {
			t.Error("an unknown type is known")
		}
		f.mustPut(t, strings.ReplaceAll(paymentSettled, "settled", "refunded"))
		if _, err := elsewhere.Check(t.Context(), f.tenant, "payment.refunded", json.RawMessage(`{}`)); err != nil {
			t.Errorf("a type that was just added: %v", err)
		}
	})
}

func TestViolationsOfOneEventAreBounded(t *testing.T) {
	t.Parallel()
	f := newEventTypes()
	f.mustPut(t, `{"event":"a.b","description":"Numbers.","schema":{"additionalProperties":{"type":"number"}},"example":{}}`)
	members := make(map[string]string)
	for i := range 100 {
		members[fmt.Sprint("m", i)] = "x"
	}
	data, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	if fit, err := f.Check(t.Context(), f.tenant, "a.b", data); err != nil || len(fit.Violations) != posthorn.MaxViolations {
		t.Errorf("%d violations, %v", len(fit.Violations), err)
	}
}
