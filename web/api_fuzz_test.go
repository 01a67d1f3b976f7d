package web_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"posthorn/internal/contract"
	"posthorn/internal/openapi"
	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
)

// The targets of this file send any body to every operation that takes one: no 500, no answer that the document does not know,
// and nothing is stored of what is refused.

func FuzzPutWebhook(f *testing.F)          { fuzzOperation(f, "putWebhook") }
func FuzzRotateWebhookSecret(f *testing.F) { fuzzOperation(f, "rotateWebhookSecret") }
func FuzzTestWebhook(f *testing.F)         { fuzzOperation(f, "testWebhook") }
func FuzzReplayMissed(f *testing.F)        { fuzzOperation(f, "replayMissed") }
func FuzzPublishEvents(f *testing.F)       { fuzzOperation(f, "publishEvents") }
func FuzzPutEventType(f *testing.F)        { fuzzOperation(f, "putEventType") }
func FuzzCreateInvitation(f *testing.F)    { fuzzOperation(f, "createInvitation") }
func FuzzUpdateInvitation(f *testing.F)    { fuzzOperation(f, "updateInvitation") }
func FuzzCreateSubmission(f *testing.F)    { fuzzOperation(f, "createSubmission") }
func FuzzUpdateSubmission(f *testing.F)    { fuzzOperation(f, "updateSubmission") }
func FuzzScreenSubmission(f *testing.F)    { fuzzOperation(f, "screenSubmission") }
func FuzzCreateVerification(f *testing.F)  { fuzzOperation(f, "createVerification") }
func FuzzUpdateVerification(f *testing.F)  { fuzzOperation(f, "updateVerification") }
func FuzzCreateIntegration(f *testing.F)   { fuzzOperation(f, "createIntegration") }
func FuzzUpdateIntegration(f *testing.F)   { fuzzOperation(f, "updateIntegration") }
func FuzzRecordActivity(f *testing.F)      { fuzzOperation(f, "recordActivity") }

// TestEveryBodyIsFuzzed keeps the list above complete.
func TestEveryBodyIsFuzzed(t *testing.T) {
	t.Parallel()
	for _, o := range openapi.Load().Operations() {
		if o.Body != nil && !fuzzed[o.ID] {
			t.Errorf("no target fuzzes the body of %s", o.ID)
		}
	}
}

var fuzzed = map[string]bool{
	"putWebhook": true, "rotateWebhookSecret": true, "testWebhook": true, "replayMissed": true, "publishEvents": true, "putEventType": true,
	"createInvitation": true, "updateInvitation": true, "createSubmission": true, "updateSubmission": true, "screenSubmission": true,
	"createVerification": true, "updateVerification": true, "createIntegration": true, "updateIntegration": true, "recordActivity": true,
}

// fuzzSite is a site for calls of one operation, which go past its testing.F: that may not be used while it fuzzes.
type fuzzSite struct {
	*sitekit.Site
	operation *openapi.Operation
	target    string
	conn      *pgx.Conn
}

// storedRows counts what requests store.
const storedRows = `SELECT (SELECT count(*) FROM webhooks) + (SELECT count(*) FROM signing_secrets) + (SELECT count(*) FROM events)
	+ (SELECT count(*) FROM event_types) + (SELECT count(*) FROM user_activity_history) + (SELECT count(*) FROM audit_log)
	+ (SELECT count(*) FROM resource_changes)`

func fuzzOperation(f *testing.F, id string) {
	f.Helper()
	s := newFuzzSite(f, id)
	for _, e := range s.operation.Body.Examples {
		f.Add([]byte(e.JSON))
	}
	for _, seed := range fuzzSeeds {
		f.Add([]byte(seed))
	}
	for _, field := range s.operation.Body.Fields {
		for _, value := range []string{`null`, `""`, `"\u0000"`, `-1`, `1e400`, `[]`, `{}`, `[null]`, `{"":null}`, `true`, `"9999-12-31T23:59:59.999999999+14:00"`} {
			f.Add([]byte(`{"` + field.Name + `":` + value + `}`))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) { s.try(t, body) })
}

var fuzzSeeds = []string{
	``, `null`, `{}`, `[]`, `[{}]`, `"`, `{"a":1,"a":2}`, "{\"\xff\":1}", `{"event":"submission.created","data":{"a":[[[[[[1]]]]]]}}`,
	`{"event":"a.b","description":"x","schema":{"$ref":"#"},"example":{}}`, `{"matches":[{"matchId":"m","dismissed":true}]}`,
	`{"signature":{"scheme":"custom","header":"X-S","encoding":"base64","over":"timestamp.body","timestampHeader":"X-T"}}`,
}

func newFuzzSite(f *testing.F, id string) *fuzzSite {
	f.Helper()
	s := &fuzzSite{Site: sitekit.Start(f, apiTestVariables...)}
	for _, o := range openapi.Load().Operations() {
		if o.ID == id {
			s.operation = o
		}
	}
	var err error
	if s.conn, err = pgx.Connect(f.Context(), s.Config.DatabaseURL.Reveal()); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.conn.Close(f.Context()) })
	s.target = strings.Replace(s.operation.Path, "{id}", s.subject(f), 1)
	return s
}

// subject makes what the operation is about and returns its id, empty for an operation without one.
func (s *fuzzSite) subject(f *testing.F) string {
	f.Helper()
	before, _, about := strings.Cut(s.operation.Path, "/{id}")
	if !about {
		return ""
	}
	if strings.HasSuffix(before, "/configs") {
		url, events := "http://127.0.0.1:9/", []string{"user.created"}
		made, err := s.Webhooks.Create(f.Context(), posthorn.CommandLine(), s.Owner.TenantID, posthorn.WebhookInput{URL: &url, Events: &events}, nil)
		if err != nil {
			f.Fatal(err)
		}
		return made.Webhook.ID.String()
	}
	for _, o := range openapi.Load().Operations() {
		if o.Path != before || o.Method != http.MethodPost {
			continue
		}
		a := s.Client().Do(o.Method, before, bytes.NewReader(o.Body.Examples[0].JSON), "X-API-Key", s.Owner.APIKey, "Content-Type", "application/json")
		var made struct{ ID string }
		if err := json.Unmarshal([]byte(a.Text), &made); err != nil || made.ID == "" {
			f.Fatalf("%d %s", a.StatusCode, a.Text)
		}
		return made.ID
	}
	f.Fatalf("nothing makes what %s is about", s.operation.ID)
	return ""
}

func (s *fuzzSite) count(t *testing.T) (n int) {
	t.Helper()
	if err := s.conn.QueryRow(t.Context(), storedRows).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func (s *fuzzSite) try(t *testing.T, body []byte) {
	t.Helper()
	before := s.count(t)
	req, err := http.NewRequestWithContext(t.Context(), s.operation.Method, s.URL+s.target, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", s.Owner.APIKey)
	req.Header.Set("X-Activity-Webhook-Secret", s.Secret)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := contract.Check(contract.Call{Request: req, Body: body, Answer: res, Text: text}); err != nil {
		t.Error(err)
	}
	switch {
	case res.StatusCode >= http.StatusInternalServerError:
		t.Errorf("%d %s", res.StatusCode, text)
	case res.StatusCode >= http.StatusBadRequest && s.count(t) != before:
		t.Errorf("%d %s, and something was stored", res.StatusCode, text)
	}
}
