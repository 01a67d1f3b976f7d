package web_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// resourceVisits exercise the pages of resources.
func resourceVisits() []visit {
	var all []visit
	for _, kind := range posthorn.ResourceKinds() {
		list, one := path.Resources(kind.Plural()), path.Resource(kind.Plural(), ":id")
		all = append(all,
			adminVisit(http.MethodGet, list, list, fine), adminVisit(http.MethodGet, list+"?status=lost", list, wrong),
			adminVisit(http.MethodGet, path.Resource(kind.Plural(), "x_1"), one, missing),
		)
	}
	return all
}

// newResources are the bodies that make one of each kind.
var newResources = map[posthorn.ResourceKind]string{
	posthorn.KindInvitation:   `{"customerEmail":"customer@example.com","workflowId":"wf_1","workflowName":"Basic KYC"}`,
	posthorn.KindSubmission:   `{"customerEmail":"customer@example.com","workflowId":"wf_1","workflowName":"Basic KYC","responses":{"firstName":"John"}}`,
	posthorn.KindVerification: `{"userReference":"user_123"}`,
	posthorn.KindIntegration:  `{"uid":"user_123","provider":"binance","providerPublicName":"Binance","walletId":"wallet_1","category":"exchange"}`,
}

// makeResource creates a resource as a program does and returns its id.
func makeResource(t *testing.T, s *sitekit.Site, kind posthorn.ResourceKind, body string) string {
	t.Helper()
	a := callAPI(s.Client(), http.MethodPost, path.APIResources(kind.Plural()), body, s.Owner.APIKey)
	id, _ := objectOf(t, a)["id"].(string)
	if a.StatusCode != http.StatusCreated || id == "" {
		t.Fatalf("create a %s: %d %s", kind, a.StatusCode, a.Text)
	}
	return id
}

func makeResources(t *testing.T, s *sitekit.Site) map[posthorn.ResourceKind]string {
	t.Helper()
	ids := map[posthorn.ResourceKind]string{}
	for kind, body := range newResources {
		ids[kind] = makeResource(t, s, kind, body)
	}
	return ids
}

// objectOf is the object of an answer.
func objectOf(t *testing.T, a sitekit.Answer) (m map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.Text), &m); err != nil {
		t.Fatalf("%d %s: %v", a.StatusCode, a.Text, err)
	}
	return m
}

// memberNames are the members of an object in order.
func memberNames(m map[string]any) []string {
	all := make([]string, 0, len(m))
	for name := range m {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func TestResourcesAreCreatedReadChangedAndListed(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	call := func(method, target, body string) sitekit.Answer {
		return callAPI(s.Client(), method, target, body, s.Owner.APIKey)
	}
	next := map[posthorn.ResourceKind]string{
		posthorn.KindInvitation: "cancelled", posthorn.KindSubmission: "completed", posthorn.KindVerification: "document_submitted", posthorn.KindIntegration: "ONGOING",
	}
	shape := map[posthorn.ResourceKind][]string{
		posthorn.KindInvitation:   {"createdAt", "customerEmail", "expiresAt", "id", "sentAt", "status", "updatedAt", "workflowId", "workflowName"},
		posthorn.KindSubmission:   {"createdAt", "customerEmail", "id", "invitationId", "responses", "status", "submittedAt", "updatedAt", "workflowId", "workflowName"},
		posthorn.KindVerification: {"applicationId", "checks", "createdAt", "decisionReason", "id", "status", "updatedAt", "userReference"},
		posthorn.KindIntegration: {
			"addedOn", "alias", "category", "createdAt", "id", "isContract", "lastSyncedAt", "logoUrl", "provider", "providerPublicName", "publicAddress",
			"status", "totalTransactions", "type", "uid", "updatedAt", "walletId",
		},
	}
	for _, kind := range posthorn.ResourceKinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			list := path.APIResources(kind.Plural())
			if a := call(http.MethodGet, list, ""); a.StatusCode != http.StatusOK || a.Text != `{"data":[],"nextCursor":null,"prevCursor":null}` {
				t.Errorf("an empty list: %d %s", a.StatusCode, a.Text)
			}
			created := call(http.MethodPost, list, newResources[kind])
			wantStatus(t, created, http.StatusCreated)
			made := objectOf(t, created)
			if diff := cmp.Diff(shape[kind], memberNames(made)); diff != "" {
				t.Errorf("the shape (-want +got):\n%s", diff)
			}
			id, _ := made["id"].(string)
			first, _ := made["status"].(string)
			one := list + "/" + id
			read := objectOf(t, call(http.MethodGet, one, ""))
			delete(read, "screenings")
			if diff := cmp.Diff(made, read); diff != "" {
				t.Errorf("(-created +read):\n%s", diff)
			}
			changed := call(http.MethodPatch, one, `{"status":"`+next[kind]+`"}`)
			wantStatus(t, changed, http.StatusOK)
			if got := objectOf(t, changed); got["status"] != next[kind] {
				t.Errorf("changed to %v", got)
			}
			again := call(http.MethodPatch, one, `{"status":"`+next[kind]+`"}`)
			if again.StatusCode != http.StatusOK || again.Text != changed.Text {
				t.Errorf("the same again: %d %s", again.StatusCode, again.Text)
			}
			back := call(http.MethodPatch, one, `{"status":"`+first+`"}`)
			if sentence := checkAPIError(t, back, http.StatusConflict, "conflict"); !strings.Contains(sentence, next[kind]) {
				t.Errorf("%q", sentence)
			}
			data, _ := objectOf(t, call(http.MethodGet, list+"?status="+next[kind], ""))["data"].([]any)
			if len(data) != 1 || cmp.Diff(objectOf(t, changed), data[0]) != "" {
				t.Errorf("the list has %v", data)
			}
			if a := call(http.MethodGet, list+"?status="+first, ""); !strings.HasPrefix(a.Text, `{"data":[]`) {
				t.Errorf("nothing is %v any more: %s", made["status"], a.Text)
			}
		})
	}
}

func TestRequestsForResourcesAreRefusedInWords(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	ids := makeResources(t, s)
	before := holdings(t, s)
	for _, kind := range posthorn.ResourceKinds() {
		list := path.APIResources(kind.Plural())
		one := list + "/" + ids[kind]
		for _, tc := range []struct {
			method, target, body string
			status               int
			code                 string
		}{
			{http.MethodPost, list, `{`, http.StatusBadRequest, "bad_request"},
			{http.MethodPost, list, ``, http.StatusBadRequest, "bad_request"},
			{http.MethodPost, list, `[]`, http.StatusUnprocessableEntity, "validation_failed"},
			{http.MethodPost, list, `{}`, http.StatusUnprocessableEntity, "validation_failed"},
			{http.MethodPost, list, `{"a":"` + strings.Repeat("x", posthorn.MaxResourceBytes) + `"}`, http.StatusRequestEntityTooLarge, "too_large"},
			{http.MethodPatch, one, `{"status":"lost"}`, http.StatusUnprocessableEntity, "validation_failed"},
			{http.MethodPatch, one, `{`, http.StatusBadRequest, "bad_request"},
			{http.MethodPatch, list + "/nobody", `{}`, http.StatusNotFound, "not_found"},
			{http.MethodGet, list + "/nobody", ``, http.StatusNotFound, "not_found"},
			{http.MethodGet, list + "?status=lost", ``, http.StatusUnprocessableEntity, "validation_failed"},
			{http.MethodGet, list + "?limit=201", ``, http.StatusUnprocessableEntity, "validation_failed"},
			{http.MethodGet, list + "?limit=0", ``, http.StatusUnprocessableEntity, "validation_failed"},
			{http.MethodGet, list + "?cursor=x", ``, http.StatusUnprocessableEntity, "validation_failed"},
			{http.MethodGet, list + "?from=x", ``, http.StatusUnprocessableEntity, "validation_failed"},
			{http.MethodGet, list + "?q=a&q=b", ``, http.StatusUnprocessableEntity, "validation_failed"},
			{http.MethodPut, one, `{}`, http.StatusMethodNotAllowed, "method_not_allowed"},
			{http.MethodPost, one, `{}`, http.StatusMethodNotAllowed, "method_not_allowed"},
		} {
			checkAPIError(t, callAPI(s.Client(), tc.method, tc.target, tc.body, s.Owner.APIKey), tc.status, tc.code)
		}
		checkAPIError(t, s.Client().Do(http.MethodPost, list, strings.NewReader(`{}`), "Content-Type", "text/plain", "X-API-Key", s.Owner.APIKey),
			http.StatusUnsupportedMediaType, "unsupported")
		if kind != posthorn.KindIntegration {
			checkAPIError(t, callAPI(s.Client(), http.MethodDelete, one, "", s.Owner.APIKey), http.StatusMethodNotAllowed, "method_not_allowed")
		}
	}
	aml := path.APIScreenings(ids[posthorn.KindSubmission])
	for body, status := range map[string]int{
		`{`: http.StatusBadRequest, `[]`: http.StatusUnprocessableEntity, `{"matches":[{}]}`: http.StatusUnprocessableEntity,
	} {
		if a := callAPI(s.Client(), http.MethodPost, aml, body, s.Owner.APIKey); a.StatusCode != status {
			t.Errorf("%s: %d %s", body, a.StatusCode, a.Text)
		}
	}
	wantUnchanged(t, s, before)
}

func TestAScreeningIsRecordedAndRead(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	id := makeResource(t, s, posthorn.KindSubmission, newResources[posthorn.KindSubmission])
	a := callAPI(s.Client(), http.MethodPost, path.APIScreenings(id),
		`{"matches":[{"matchId":"m-1","matchType":"sanctions","matchScore":0.95,"matchedName":"John Doe","sourceList":"OFAC","riskLevel":"high"}]}`, s.Owner.APIKey)
	wantStatus(t, a, http.StatusCreated)
	made := objectOf(t, a)
	if made["status"] != "match" || made["riskLevel"] != "high" || made["matchCount"] != 1.0 || made["submissionId"] != id {
		t.Errorf("%v", made)
	}
	wantStatus(t, callAPI(s.Client(), http.MethodPost, path.APIScreenings(id), `{"matches":[{"matchId":"m-1","dismissed":true}]}`, s.Owner.APIKey), http.StatusCreated)
	read := objectOf(t, s.Client().Get(path.APIResources("submissions")+"/"+id, "X-API-Key", s.Owner.APIKey))
	screenings, _ := read["screenings"].([]any)
	if len(screenings) != 2 || cmp.Diff(made, screenings[1]) != "" {
		t.Errorf("the submission has %v", screenings)
	}
	want := []string{"submission.created", "aml.screening.completed", "aml.match.found", "aml.screening.completed", "aml.match.dismissed"}
	if got := selectRows[string](t, s, `SELECT event FROM events ORDER BY id`); !slices.Equal(got, want) {
		t.Errorf("the events are %v", got)
	}
}

func TestADeletedIntegrationIsGone(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	one := path.APIResources("integrations") + "/" + makeResource(t, s, posthorn.KindIntegration, newResources[posthorn.KindIntegration])
	twice := callAPI(s.Client(), http.MethodPost, path.APIResources("integrations"), newResources[posthorn.KindIntegration], s.Owner.APIKey)
	checkAPIError(t, twice, http.StatusConflict, "conflict")
	if a := callAPI(s.Client(), http.MethodDelete, one, "", s.Owner.APIKey); a.StatusCode != http.StatusNoContent || a.Text != "" {
		t.Errorf("%d %s", a.StatusCode, a.Text)
	}
	for _, method := range []string{http.MethodDelete, http.MethodGet} {
		checkAPIError(t, callAPI(s.Client(), method, one, "", s.Owner.APIKey), http.StatusNotFound, "not_found")
	}
}

func TestAnIdempotencyKeyMakesOneResource(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	create := func() sitekit.Answer {
		return s.Client().Do(http.MethodPost, path.APIResources("invitations"), strings.NewReader(newResources[posthorn.KindInvitation]),
			"Content-Type", "application/json", "X-API-Key", s.Owner.APIKey, "Idempotency-Key", "order-7")
	}
	first, again := create(), create()
	if first.StatusCode != http.StatusCreated || again.StatusCode != http.StatusCreated || first.Text != again.Text {
		t.Errorf("%d %s, then %d %s", first.StatusCode, first.Text, again.StatusCode, again.Text)
	}
}

func TestTheFeedIsReadAsData(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	var ids []string // newest first
	for i := range 5 {
		fields := map[string]any{"userId": "u_1", "metadata": map[string]any{"case": i}, "requestPayload": map[string]any{"n": i}}
		if i == 2 {
			fields["riskLevel"], fields["statusCode"] = "critical", 502
		}
		ids = append([]string{s.PostActivity(fields)}, ids...)
	}
	list := func(query string) ([]string, map[string]any) {
		t.Helper()
		a := s.Client().Get(path.APIActivity+"?"+query, "X-API-Key", s.Owner.APIKey)
		wantStatus(t, a, http.StatusOK)
		answer := objectOf(t, a)
		var got []string
		data, _ := answer["data"].([]any)
		for _, record := range data {
			m, _ := record.(map[string]any)
			if _, there := m["requestPayload"]; there {
				t.Error("a list has payloads")
			}
			id, _ := m["id"].(string)
			got = append(got, id)
		}
		return got, answer
	}
	for query, want := range map[string][]string{
		"": ids, "risk=critical": ids[2:3], "status=error": ids[2:3], "metadata.case=4": ids[:1], "user=nobody": nil, "type=kya": nil, "range=1h": ids,
		"after=" + ids[0]: ids,
	} {
		if got, _ := list(query); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", query, got, want)
		}
	}
	first, page := list("limit=2")
	next, _ := page["nextCursor"].(string)
	second, middle := list("limit=2&cursor=" + url.QueryEscape(next))
	prev, _ := middle["prevCursor"].(string)
	back, top := list("limit=2&cursor=" + url.QueryEscape(prev))
	if !slices.Equal(slices.Concat(first, second), ids[:4]) || !slices.Equal(back, first) || page["prevCursor"] != nil || top["prevCursor"] != nil {
		t.Errorf("%v, %v and back %v", first, second, back)
	}
	one := objectOf(t, s.Client().Get(path.APIActivity+"/"+ids[2], "X-API-Key", s.Owner.APIKey))
	if one["id"] != ids[2] || cmp.Diff(map[string]any{"n": 2.0}, one["requestPayload"]) != "" || one["errorMessage"] != "HTTP 502 Bad Gateway" {
		t.Errorf("one record: %v", one)
	}
	for _, query := range []string{"risk=extreme", "limit=0", "limit=x", "cursor=x", "from=never", "q=a&q=b", "metadata.a=%00"} {
		checkAPIError(t, s.Client().Get(path.APIActivity+"?"+query, "X-API-Key", s.Owner.APIKey), http.StatusUnprocessableEntity, "validation_failed")
	}
	for _, id := range []string{"nobody", (posthorn.ActivityID{15: 1}).String()} {
		checkAPIError(t, s.Client().Get(path.APIActivity+"/"+id, "X-API-Key", s.Owner.APIKey), http.StatusNotFound, "not_found")
	}
}

func TestAVerificationReachesAnArkycReceiverAsItsDocumentSays(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t, toLoopback...)
	bodies := make(chan map[string]any, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		bodies <- body
	}))
	t.Cleanup(receiver.Close)
	makeWebhook(t, s, func(in *posthorn.WebhookInput) {
		in.URL, in.Events, in.Signature = &receiver.URL, &[]string{"verification.*"}, &posthorn.Signature{Scheme: posthorn.SchemeArkyc}
	})
	app := posthorn.NewApplicationID()
	selectOne[int](t, s, `WITH i AS (INSERT INTO applications (id, tenant_id, name, external_id) VALUES ($1, $2, 'Onboarding', 'client_1')) SELECT 1`,
		app.UUID(), s.Owner.TenantID.UUID())
	id := makeResource(t, s, posthorn.KindVerification, `{"userReference":"user_123","applicationId":"client_1"}`)
	body := <-bodies
	at, _ := body["created_at"].(string)
	want := map[string]any{
		"event": "verification.started", "session_id": id, "tenant_id": s.Owner.TenantID.String(), "project_id": app.String(), "user_reference": "user_123",
		"status": "started", "checks": map[string]any{}, "decision_reason": nil, "created_at": at,
	}
	if diff := cmp.Diff(want, body); diff != "" || at == "" {
		t.Errorf("(-source +got):\n%s", diff)
	}
}
