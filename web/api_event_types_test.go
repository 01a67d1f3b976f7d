package web_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// scopedKey makes an API key of a tenant with some scopes.
func scopedKey(t *testing.T, s *sitekit.Site, tenant posthorn.TenantID, scopes ...posthorn.Scope) string {
	t.Helper()
	made, err := s.Accounts.CreateAPIKey(t.Context(), posthorn.CommandLine(), tenant, posthorn.NewAPIKey{Name: "Test", Scopes: scopes})
	if err != nil {
		t.Fatal(err)
	}
	return made.Plain
}

func listEventTypes(s *sitekit.Site, key string) sitekit.Answer {
	return s.Client().Get(path.APIEventTypes, "Authorization", "Bearer "+key)
}

func putEventType(s *sitekit.Site, key, body string, headers ...string) sitekit.Answer {
	return s.Client().Do(http.MethodPut, path.APIEventTypes, strings.NewReader(body),
		append([]string{"Authorization", "Bearer " + key, "Content-Type", "application/json"}, headers...)...)
}

const paymentSettled = `{"event":"payment.settled","description":"A payment arrived.","schema":{"type":"object","required":["amount"],` +
	`"properties":{"amount":{"type":"number"}}},"example":{"amount":12.5}}`

// eventTypeBody is an event type as the API answers it.
type eventTypeBody struct {
	Event, Category, Description string
	Schema, Example              json.RawMessage
	Enforcement                  string
	BuiltIn                      bool
}

type eventTypeList struct {
	Data                   []eventTypeBody
	NextCursor, PrevCursor *string
}

func decoded[T any](t *testing.T, a sitekit.Answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(a.Text), &v); err != nil {
		t.Fatalf("%d %s: %v", a.StatusCode, a.Text, err)
	}
	return v
}

func TestTheAPIListsTheCatalogue(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	key := scopedKey(t, s, s.Owner.TenantID, posthorn.ScopeRead)
	a := listEventTypes(s, key)
	list := decoded[eventTypeList](t, a)
	if a.StatusCode != http.StatusOK || len(list.Data) != len(posthorn.BuiltInEventTypes()) || !strings.HasSuffix(a.Text, `],"nextCursor":null,"prevCursor":null}`) {
		t.Errorf("%d, %d types, …%s", a.StatusCode, len(list.Data), a.Text[max(0, len(a.Text)-60):])
	}
	const first = `{"data":[{"event":"submission.created","category":"submission","description":"A customer started a submission.","schema":{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object"`
	if !strings.HasPrefix(a.Text, first) || !strings.Contains(a.Text, `"enforcement":"warn","builtIn":true},{"event":"submission.completed"`) {
		t.Errorf("begins %.300s", a.Text)
	}
	if a.Header.Get("X-Request-Id") == "" || a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", a.Header)
	}
}

func TestTheAPIAddsAndChangesEventTypes(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	key := scopedKey(t, s, s.Owner.TenantID, posthorn.ScopeRead, posthorn.ScopeWrite)
	a := putEventType(s, key, paymentSettled)
	const want = `{"event":"payment.settled","category":"payment","description":"A payment arrived.","schema":{"type":"object","required":["amount"],` +
		`"properties":{"amount":{"type":"number"}}},"example":{"amount":12.5},"enforcement":"warn","builtIn":false}`
	if a.StatusCode != http.StatusCreated || a.Text != want {
		t.Errorf("created: %d %s", a.StatusCode, a.Text)
	}
	a = putEventType(s, key, `{"event":"payment.settled","enforcement":"reject"}`)
	if a.StatusCode != http.StatusOK || a.Text != strings.Replace(want, `"warn"`, `"reject"`, 1) {
		t.Errorf("changed: %d %s", a.StatusCode, a.Text)
	}
	a = putEventType(s, key, `{"event":"verification.approved","enforcement":"off"}`)
	if got := decoded[eventTypeBody](t, a); a.StatusCode != http.StatusOK || got.Enforcement != "off" || !got.BuiltIn || len(got.Schema) < 100 {
		t.Errorf("built-in: %d %s", a.StatusCode, a.Text)
	}
	// What is listed can be put back as it is.
	for _, item := range decoded[struct{ Data []json.RawMessage }](t, listEventTypes(s, key)).Data {
		if a := putEventType(s, key, string(item)); a.StatusCode != http.StatusOK || a.Text != string(item) {
			t.Errorf("put back %.80s: %d %.200s", item, a.StatusCode, a.Text)
		}
	}
	actors := selectRows[string](t, s, `SELECT action || ' ' || subject || ' ' || actor FROM audit_log WHERE action LIKE 'event\_type.%' ORDER BY id`)
	wantActors := []string{"event_type.created payment.settled", "event_type.updated payment.settled", "event_type.updated verification.approved"}
	if len(actors) != 3 || !slices.EqualFunc(actors, wantActors, strings.HasPrefix) {
		t.Errorf("audit log: %q", actors)
	}
}

func TestTheAPIRefusesWrongEventTypes(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	key := scopedKey(t, s, s.Owner.TenantID, posthorn.ScopeWrite)
	for _, test := range []struct {
		name, body string
		headers    []string
		status     int
		code       string
		fields     []string
	}{
		{"no JSON", `{"event":`, nil, http.StatusBadRequest, "bad_request", nil},
		{"nothing", ``, nil, http.StatusBadRequest, "bad_request", nil},
		{"two values", `{} {}`, nil, http.StatusBadRequest, "bad_request", nil},
		{"bad UTF-8", "{\"event\":\"\xff\"}", nil, http.StatusBadRequest, "bad_request", nil},
		{"an array", `[` + paymentSettled + `]`, nil, http.StatusUnprocessableEntity, "validation_failed", nil},
		{"a string", `"x"`, nil, http.StatusUnprocessableEntity, "validation_failed", nil},
		{"null", `null`, nil, http.StatusUnprocessableEntity, "validation_failed", nil},
		{"wrong types", `{"event":1,"description":{},"enforcement":[]}`, nil, http.StatusUnprocessableEntity, "validation_failed", []string{"description", "enforcement", "event"}},
		{"nothing in it", `{}`, nil, http.StatusUnprocessableEntity, "validation_failed", []string{"description", "event", "example"}},
		{"name alone", `{"event":"a.b"}`, nil, http.StatusUnprocessableEntity, "validation_failed", []string{"description", "example"}},
		{"schema of another type", strings.Replace(paymentSettled, `"schema":{`, `"schema":"x","other":{`, 1), nil, http.StatusUnprocessableEntity, "validation_failed", []string{"schema"}},
		{"example that does not fit", strings.Replace(paymentSettled, `12.5`, `"12"`, 1), nil, http.StatusUnprocessableEntity, "validation_failed", []string{"example"}},
		{"remote reference", `{"event":"a.b","description":"x","example":{},"schema":{"$ref":"` + s.URL + `/healthz"}}`, nil, http.StatusUnprocessableEntity, "validation_failed", []string{"schema"}},
		{"built-in", `{"event":"submission.created","description":"Mine."}`, nil, http.StatusUnprocessableEntity, "validation_failed", []string{"description"}},
		{"too large", `{"x":"` + strings.Repeat("y", posthorn.MaxEventTypeBytes) + `"}`, nil, http.StatusRequestEntityTooLarge, "too_large", nil},
		{"another content type", paymentSettled, []string{"Content-Type", "text/plain"}, http.StatusUnsupportedMediaType, "unsupported", nil},
		{"compressed", paymentSettled, []string{"Content-Encoding", "gzip"}, http.StatusUnsupportedMediaType, "unsupported", nil},
	} {
		a := putEventType(s, key, test.body, test.headers...)
		got := decoded[struct {
			Error, Code string
			Fields      map[string]string
		}](t, a)
		var fields []string
		for field := range got.Fields {
			fields = append(fields, field)
		}
		slices.Sort(fields)
		if a.StatusCode != test.status || got.Code != test.code || got.Error == "" || !slices.Equal(fields, test.fields) {
			t.Errorf("%s: %d %s", test.name, a.StatusCode, a.Text)
		}
	}
	if n := selectOne[int](t, s, `SELECT count(*) FROM event_types`); n != 0 {
		t.Errorf("%d types stored", n)
	}
}

func TestTheCatalogueOfTheAPIIsForItsTenantAndScope(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	second, _ := newTenant(t, s)
	read, write := scopedKey(t, s, s.Owner.TenantID, posthorn.ScopeRead), scopedKey(t, s, s.Owner.TenantID, posthorn.ScopeWrite)
	theirs := scopedKey(t, s, second.TenantID, posthorn.ScopeRead, posthorn.ScopeWrite)
	for name, a := range map[string]sitekit.Answer{
		"list without read": listEventTypes(s, write), "put without write": putEventType(s, read, paymentSettled),
		"list to publish": listEventTypes(s, scopedKey(t, s, s.Owner.TenantID, posthorn.ScopePublish)),
	} {
		if a.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.Text)
		}
	}
	for name, a := range map[string]sitekit.Answer{"list": listEventTypes(s, "ph_live_wrong"), "put": putEventType(s, "", paymentSettled), "session": s.SignedIn().Get(path.APIEventTypes)} {
		if a.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s without a key: %d %s", name, a.StatusCode, a.Text)
		}
	}
	if a := putEventType(s, theirs, paymentSettled); a.StatusCode != http.StatusCreated {
		t.Fatalf("their type: %d %s", a.StatusCode, a.Text)
	}
	if a := listEventTypes(s, read); strings.Contains(a.Text, "payment.settled") || a.StatusCode != http.StatusOK {
		t.Errorf("our catalogue has their type: %d", a.StatusCode)
	}
	if a := putEventType(s, write, strings.Replace(paymentSettled, "A payment arrived.", "Ours.", 1)); a.StatusCode != http.StatusCreated {
		t.Errorf("our type of the same name: %d %s", a.StatusCode, a.Text)
	}
	if a := listEventTypes(s, theirs); !strings.Contains(a.Text, `"A payment arrived."`) || strings.Contains(a.Text, "Ours.") {
		t.Error("our change reached theirs")
	}
}
