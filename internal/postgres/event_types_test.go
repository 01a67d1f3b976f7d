package postgres_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/jsonschema"
	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
)

// eventTypesFixture is the catalogue of two tenants.
type eventTypesFixture struct {
	*posthorn.EventTypes
	accounts      accountsFixture
	tenant, other posthorn.TenantID
}

func newEventTypes(t *testing.T) eventTypesFixture {
	t.Helper()
	accounts := newAccounts(t)
	first, _ := accounts.found(t, ownerEmail)
	second, _ := accounts.found(t, "other@example.com")
	return eventTypesFixture{
		posthorn.NewEventTypes(postgres.NewEventTypes(accounts.db), jsonschema.Compiler{}), accounts, first.TenantID, second.TenantID,
	}
}

func (f eventTypesFixture) put(t *testing.T, tenant posthorn.TenantID, body string) (posthorn.EventType, bool, error) {
	t.Helper()
	in, err := posthorn.ParseEventTypePut([]byte(body))
	if err != nil {
		return posthorn.EventType{}, false, err
	}
	return f.Put(t.Context(), posthorn.Actor{Name: "Ada", Address: "192.0.2.1"}, tenant, in)
}

func (f eventTypesFixture) count(t *testing.T, sql string, args ...any) (n int) {
	t.Helper()
	if err := f.accounts.db.Pool().QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAnEventTypeIsStoredAsItWasGiven(t *testing.T) {
	t.Parallel()
	f := newEventTypes(t)
	const schema, example = `{ "b": 1,  "a": "\u0000<>", "n": 1.50 }`, "{\n  \"z\": 1,\n  \"a\": 2\n}"
	made, created, err := f.put(t, f.tenant, `{"event":"payment.settled","description":"A payment arrived.","schema":`+schema+`,"example":`+example+`}`)
	if err != nil || !created {
		t.Fatalf("created %t, %v", created, err)
	}
	got, err := f.Get(t.Context(), f.tenant, "payment.settled")
	if diff := cmp.Diff(made, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if string(got.Schema) != schema || string(got.Example) != example {
		t.Errorf("schema %s, example %s", got.Schema, got.Example)
	}
	list, err := f.List(t.Context(), f.tenant)
	if diff := cmp.Diff(made, list[len(list)-1]); err != nil || diff != "" {
		t.Errorf("listed: %v %s", err, diff)
	}
	if n := f.count(t, `SELECT count(*) FROM audit_log WHERE tenant_id = $1 AND action = 'event_type.created' AND subject = 'payment.settled' AND address = '192.0.2.1'`, f.tenant.UUID()); n != 1 {
		t.Errorf("%d audit entries", n)
	}
}

func TestOfABuiltInTypeTheEnforcementAloneIsStored(t *testing.T) {
	t.Parallel()
	f := newEventTypes(t)
	if _, created, err := f.put(t, f.tenant, `{"event":"submission.created","enforcement":"reject"}`); err != nil || created {
		t.Fatalf("created %t, %v", created, err)
	}
	if n := f.count(t, `SELECT count(*) FROM event_types WHERE description IS NULL AND schema IS NULL AND example IS NULL AND enforcement = 'reject'`); n != 1 {
		t.Errorf("%d rows", n)
	}
	for tenant, want := range map[posthorn.TenantID]posthorn.Enforcement{f.tenant: posthorn.EnforcementReject, f.other: posthorn.EnforcementWarn} {
		got, err := f.Get(t.Context(), tenant, "submission.created")
		if err != nil || got.Enforcement != want || !strings.Contains(string(got.Schema), "submissionId") {
			t.Errorf("%s: %+v, %v", tenant, got, err)
		}
	}
}

func TestEventTypesOfTenantsAreApart(t *testing.T) {
	t.Parallel()
	f := newEventTypes(t)
	const body = `{"event":"payment.settled","description":"%s.","example":{}}`
	for tenant, name := range map[posthorn.TenantID]string{f.tenant: "Ours", f.other: "Theirs"} {
		if _, created, err := f.put(t, tenant, fmt.Sprintf(body, name)); err != nil || !created {
			t.Fatalf("%s: created %t, %v", name, created, err)
		}
	}
	if _, _, err := f.put(t, f.other, `{"event":"secret.kind","description":"Theirs alone.","example":{}}`); err != nil {
		t.Fatal(err)
	}
	got, err := f.Get(t.Context(), f.tenant, "payment.settled")
	if err != nil || got.Description != "Ours." {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := f.Get(t.Context(), f.tenant, "secret.kind"); posthorn.KindOf(err) != posthorn.NotFound {
		t.Errorf("another tenant's: %v", err)
	}
	list, err := f.List(t.Context(), f.tenant)
	if err != nil || len(list) != len(posthorn.BuiltInEventTypes())+1 {
		t.Errorf("%d listed, %v", len(list), err)
	}
	if _, _, err := f.put(t, posthorn.NewTenantID(), fmt.Sprintf(body, "Nobody's")); posthorn.KindOf(err) != posthorn.NotFound {
		t.Errorf("a tenant that is not there: %v", err)
	}
}

func TestTheOutlineOfATenantsTypesHasNoDocuments(t *testing.T) {
	t.Parallel()
	f := newEventTypes(t)
	made, _, err := f.put(t, f.tenant, `{"event":"payment.settled","description":"A payment arrived.","schema":{"type":"object"},"example":{"a":1}}`)
	if err != nil {
		t.Fatal(err)
	}
	made.Schema, made.Example = nil, nil
	list, err := postgres.NewEventTypes(f.accounts.db).OutlineEventTypes(t.Context(), f.tenant)
	made.Category = "" // which is of the domain
	if diff := cmp.Diff([]posthorn.EventType{made}, list); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func TestTheSizeOfATenantsTypesIsThatOfTheOthers(t *testing.T) {
	t.Parallel()
	f := newEventTypes(t)
	for event, body := range map[string]string{"a.b": `"description":"Fünf!","schema":{"b":true},"example":{"a":1}`, "c.d": `"description":"x","example":{}`} {
		if _, _, err := f.put(t, f.tenant, `{"event":"`+event+`",`+body+`}`); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := f.put(t, f.tenant, `{"event":"submission.created","enforcement":"reject"}`); err != nil {
		t.Fatal(err)
	}
	want := map[string]posthorn.EventTypesSum{"c.d": {Count: 2, Bytes: 6 + 10 + 7}, "a.b": {Count: 2, Bytes: 1 + 2 + 2}, "e.f": {Count: 3, Bytes: 28}}
	for event, sum := range want {
		err := postgres.NewEventTypes(f.accounts.db).PutEventType(t.Context(), f.tenant, event, func(_ *posthorn.EventType, others posthorn.EventTypesSum) (posthorn.EventType, *posthorn.AuditEntry, error) {
			if others != sum {
				t.Errorf("beside %s: %+v, want %+v", event, others, sum)
			}
			return posthorn.EventType{}, nil, nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// Several changes of one type at the same time: each is made on top of the one before, and one of them creates it.
func TestChangesOfOneEventTypeWaitForEachOther(t *testing.T) {
	t.Parallel()
	f := newEventTypes(t)
	const writers = 12
	var (
		work    sync.WaitGroup
		mu      sync.Mutex
		created int
	)
	for i := range writers {
		work.Go(func() {
			_, isNew, err := f.put(t, f.tenant, fmt.Sprintf(`{"event":"payment.settled","description":"Writer %d.","example":{"n":%d}}`, i, i))
			if err != nil {
				t.Errorf("writer %d: %v", i, err)
			}
			mu.Lock()
			defer mu.Unlock()
			if isNew {
				created++
			}
		})
	}
	work.Wait()
	got, err := f.Get(t.Context(), f.tenant, "payment.settled")
	var example struct{ N int }
	if err := json.Unmarshal(got.Example, &example); err != nil {
		t.Fatal(err)
	}
	if err != nil || created != 1 || got.Description != fmt.Sprintf("Writer %d.", example.N) {
		t.Errorf("%d created, %+v, %v", created, got, err)
	}
	if n := f.count(t, `SELECT count(*) FROM audit_log WHERE tenant_id = $1 AND subject = 'payment.settled'`, f.tenant.UUID()); n != writers {
		t.Errorf("%d audit entries, want %d", n, writers)
	}
}
