package posthorn_test

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/posthorn"
)

// allowed is the contract: which state may follow on which, and the event that tells of it.
var allowed = map[posthorn.ResourceKind]map[string]map[string]string{
	posthorn.KindInvitation: {"sent": {"expired": "invitation.expired", "cancelled": "invitation.cancelled"}, "expired": {}, "cancelled": {}},
	posthorn.KindSubmission: {
		"created": {"completed": "submission.completed"}, "completed": {"approved": "submission.approved", "rejected": "submission.rejected"},
		"approved": {}, "rejected": {},
	},
	posthorn.KindVerification: {
		"started":            {"document_submitted": "verification.document_submitted", "expired": "verification.expired", "cancelled": "verification.cancelled"},
		"document_submitted": {"processing": "verification.processing", "expired": "verification.expired", "cancelled": "verification.cancelled"},
		"processing":         {"requires_review": "verification.requires_review", "expired": "verification.expired", "cancelled": "verification.cancelled"},
		"requires_review": {
			"approved": "verification.approved", "rejected": "verification.rejected", "expired": "verification.expired", "cancelled": "verification.cancelled",
		},
		"approved": {"completed": "verification.completed"}, "rejected": {"completed": "verification.completed"},
		"completed": {}, "expired": {}, "cancelled": {},
	},
	posthorn.KindIntegration: {
		"QUEUED": {"ONGOING": "integration.updated"}, "ONGOING": {"COMPLETED": "integration.updated", "FAILED": "integration.failed"},
		"COMPLETED": {}, "FAILED": {},
	},
}

// wayTo returns the states through which a resource comes to one, from the first.
func wayTo(kind posthorn.ResourceKind, status string) []string {
	ways := map[string][]string{string(kind.States().Initial().Status): {}}
	for len(ways[status]) == 0 && status != string(kind.States().Initial().Status) {
		for _, from := range slices.Sorted(maps.Keys(ways)) {
			for to := range allowed[kind][from] {
				if _, known := ways[to]; !known {
					ways[to] = append(slices.Clone(ways[from]), to)
				}
			}
		}
	}
	return ways[status]
}

func TestEveryTransitionIsAllowedOrAConflictThatNamesTheAllowed(t *testing.T) {
	t.Parallel()
	for _, kind := range posthorn.ResourceKinds() {
		statuses := kind.States().Statuses()
		if len(statuses) != len(allowed[kind]) {
			t.Errorf("a %s has the states %v, want %v", kind, statuses, allowed[kind])
		}
		for _, from := range statuses {
			for _, to := range statuses {
				t.Run(string(kind)+" "+string(from)+" to "+string(to), func(t *testing.T) {
					t.Parallel()
					checkTransition(t, kind, string(from), string(to))
				})
			}
		}
	}
}

func checkTransition(t *testing.T, kind posthorn.ResourceKind, from, to string) {
	t.Helper()
	f := newResources(t)
	r := f.create(kind, newResource[kind])
	for _, step := range wayTo(kind, from) {
		r = f.patched(r, `{"status":"`+step+`"}`)
	}
	before := len(f.store.changes)
	changed, err := f.patch(r, `{"status":"`+to+`"}`)
	event, fine := allowed[kind][from][to]
	switch {
	case from == to:
		if err != nil || len(f.store.changes) != before || string(changed.Head().Status) != to {
			t.Errorf("staying is no transition: %v, and %d changes", err, len(f.store.changes)-before)
		}
	case fine:
		if err != nil || string(changed.Head().Status) != to {
			t.Fatalf("%v", err)
		}
		c := f.last()
		if c.EventType != event || string(c.From) != from || string(c.To) != to || c.Actor != ci.Name || c.Event == nil || c.Event.ID != c.EventID {
			t.Errorf("the history says %+v, want the event %s", c, event)
		}
	default:
		if posthorn.KindOf(err) != posthorn.Conflict || len(f.store.changes) != before {
			t.Fatalf("%v, and %d changes", err, len(f.store.changes)-before)
		}
		next := slices.Collect(maps.Keys(allowed[kind][from]))
		if len(next) == 0 && !strings.Contains(err.Error(), "final") {
			t.Errorf("%q does not say that the state is final", err)
		}
		for _, allowed := range next {
			if !strings.Contains(err.Error(), allowed) {
				t.Errorf("%q does not name %s", err, allowed)
			}
		}
	}
}

// sourceExamples are the data of the source documents' examples. Their ids, times and a status that is none are replaced.
var sourceExamples = map[string]string{
	"submission.completed": `{ "submissionId": "sub_123456", "invitationId": "inv_123456", "customerEmail": "customer@example.com", "workflowId": "wf_123456",
"workflowName": "Basic KYC", "status": "completed", "submittedAt": "2024-01-15T10:30:00Z",
"responses": { "firstName": "John", "lastName": "Doe", "email": "john@example.com" } }`,
	"aml.match.found": `{ "submissionId": "sub_123456", "matchType": "sanctions", "matchScore": 0.95, "matchedName": "John Doe", "sourceList": "OFAC", "riskLevel": "high" }`,
	"integration.created": `{"uid": "user_123","provider": "binance","providerPublicName": "Binance","publicAddress": null,"walletId": "wallet_abc123",
"logoUrl": "https://storage.googleapis.com/kryptos-public/logos/binance.png","isContract": false,"alias": "Main Trading Account","status": "QUEUED",
"addedOn": 1640995200000,"lastSyncedAt": 1672531200000,"category": "exchange","type": "api","totalTransactions": 0}`,
}

func TestThePayloadsAreThoseOfTheSourceDocuments(t *testing.T) {
	t.Parallel()
	f := newResources(t)
	f.create(posthorn.KindIntegration, newResource[posthorn.KindIntegration])
	if diff := cmp.Diff(asMap(t, json.RawMessage(sourceExamples["integration.created"])), asMap(t, f.last().Event.Data)); diff != "" {
		t.Errorf("integration.created (-source +got):\n%s", diff)
	}

	invitation := f.create(posthorn.KindInvitation, newResource[posthorn.KindInvitation])
	submission := f.create(posthorn.KindSubmission, `{"customerEmail":"customer@example.com","workflowId":"wf_123456","workflowName":"Basic KYC","invitationId":"`+invitation.Head().ID()+`"}`)
	submission = f.patched(submission, `{"status":"completed","responses":{ "firstName": "John", "lastName": "Doe", "email": "john@example.com" }}`)
	got, want := asMap(t, f.last().Event.Data), asMap(t, json.RawMessage(sourceExamples["submission.completed"]))
	want["submissionId"], want["invitationId"], want["submittedAt"] = submission.Head().ID(), invitation.Head().ID(), got["submittedAt"]
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("submission.completed (-source +got):\n%s", diff)
	}
	submitted, _ := got["submittedAt"].(string)
	if at, err := time.Parse(posthorn.TimeFormat, submitted); err != nil || time.Since(at) > time.Minute {
		t.Errorf("submittedAt is %v", got["submittedAt"])
	}

	body := `{"matches":[{"matchType": "sanctions", "matchScore": 0.95, "matchedName": "John Doe", "sourceList": "OFAC", "riskLevel": "high"}]}`
	if _, err := f.Screen(t.Context(), ci, f.tenant, submission.Head().ID(), []byte(body), ""); err != nil {
		t.Fatal(err)
	}
	got, want = asMap(t, f.last().Event.Data), asMap(t, json.RawMessage(sourceExamples["aml.match.found"]))
	want["submissionId"], want["matchId"] = submission.Head().ID(), got["matchId"]
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("aml.match.found (-source +got):\n%s", diff)
	}

	verification := f.create(posthorn.KindVerification, newResource[posthorn.KindVerification])
	e := f.last().Event
	if e.ApplicationID != f.app.ID {
		t.Errorf("the application is %v", e.ApplicationID)
	}
	if diff := cmp.Diff(map[string]any{
		"sessionId": verification.Head().ID(), "userReference": "user_123", "status": "started", "checks": map[string]any{}, "decisionReason": nil,
	}, asMap(t, e.Data)); diff != "" {
		t.Errorf("verification.started (-want +got):\n%s", diff)
	}
}

// journeys go through every event of resources.
func journeys(f resourcesFixture) {
	for _, kind := range posthorn.ResourceKinds() {
		for _, status := range kind.States().Statuses() {
			r := f.create(kind, newResource[kind])
			for _, step := range wayTo(kind, string(status)) {
				r = f.patched(r, `{"status":"`+step+`"}`)
			}
		}
		minimal := map[posthorn.ResourceKind]string{
			posthorn.KindInvitation: `{"customerEmail":"a@b.co","workflowId":"w"}`, posthorn.KindSubmission: `{"customerEmail":"a@b.co","workflowId":"w"}`,
			posthorn.KindVerification: `{"userReference":"u"}`, posthorn.KindIntegration: `{"uid":"u","provider":"p"}`,
		}
		f.create(kind, minimal[kind])
	}
	s := f.create(posthorn.KindSubmission, newResource[posthorn.KindSubmission])
	f.patched(s, `{"workflowName":null,"responses":null}`)
	for _, body := range []string{
		`{}`, `{"riskLevel":"low","status":"clear","screenedAt":"2024-01-15T10:31:00Z","matches":[]}`,
		`{"matches":[{"matchType":"pep","matchedName":"A"},{"matchId":"m1","matchType":"pep","matchedName":"B","riskLevel":"critical","dismissed":true,"dismissedBy":"ana@example.com","reason":"Another date of birth."}]}`,
	} {
		if _, err := f.Screen(f.t.Context(), ci, f.tenant, s.Head().ID(), []byte(body), ""); err != nil {
			f.t.Fatal(err)
		}
	}
	i := f.create(posthorn.KindIntegration, newResource[posthorn.KindIntegration])
	if err := f.Delete(f.t.Context(), ci, f.tenant, i.Head().ID()); err != nil {
		f.t.Fatal(err)
	}
}

func TestEveryEventOfResourcesFitsItsSchemaAndNoneIsMissing(t *testing.T) {
	t.Parallel()
	f := newResources(t)
	journeys(f)
	emitted := map[string]bool{}
	for _, c := range f.store.changes {
		if c.Event == nil {
			continue
		}
		emitted[c.Event.Type] = true
		if violations := builtInSchema(t, c.Event.Type).Violations(c.Event.Data, 10); len(violations) > 0 {
			t.Errorf("%s does not fit: %v\n%s", c.Event.Type, violations, c.Event.Data)
		}
	}
	for _, e := range posthorn.BuiltInEventTypes() {
		if slices.Contains([]string{"submission", "invitation", "aml", "integration", "verification"}, e.Category) && !emitted[e.Event] {
			t.Errorf("nothing emits %s", e.Event)
		}
	}
}

func TestAChangeOfOtherFieldsIsAnUpdate(t *testing.T) {
	t.Parallel()
	f := newResources(t)
	for _, tc := range []struct {
		kind        posthorn.ResourceKind
		body, event string
		fields      []string
	}{
		{posthorn.KindSubmission, `{"responses":{"firstName":"Jonathan"}}`, "submission.updated", []string{"responses"}},
		{posthorn.KindSubmission, `{"customerEmail":"other@example.com","workflowName":"Full KYC"}`, "submission.updated", []string{"customerEmail", "workflowName"}},
		{posthorn.KindIntegration, `{"totalTransactions":1284,"lastSyncedAt":1739966400000}`, "integration.updated", []string{"lastSyncedAt", "totalTransactions"}},
		{posthorn.KindVerification, `{"checks":{"document":{"expired":false}}}`, "", []string{"checks"}},
		{posthorn.KindInvitation, `{"expiresAt":"2998-01-01T00:00:00Z"}`, "", []string{"expiresAt"}},
	} {
		r := f.create(tc.kind, newResource[tc.kind])
		changed := f.patched(r, tc.body)
		c := f.last()
		if c.EventType != tc.event || !slices.Equal(c.Fields, tc.fields) || c.From != c.To {
			t.Errorf("%s: %+v, want the event %q and the fields %v", tc.body, c, tc.event, tc.fields)
		}
		for field, value := range asMap(t, json.RawMessage(tc.body)) {
			got := asMap(t, changed)[field]
			if at, ok := value.(string); ok && field == "expiresAt" {
				value = strings.Replace(at, "Z", ".000Z", 1)
			}
			if diff := cmp.Diff(value, got); diff != "" {
				t.Errorf("%s: %s", tc.body, diff)
			}
		}
		before := len(f.store.changes)
		if again := f.patched(r, tc.body); len(f.store.changes) != before || !again.Head().UpdatedAt.Equal(changed.Head().UpdatedAt) {
			t.Errorf("%s is a change again", tc.body)
		}
	}
}

func TestAResourceCanBeSentBackAsItWasRead(t *testing.T) {
	t.Parallel()
	f := newResources(t)
	for _, kind := range posthorn.ResourceKinds() {
		r := f.create(kind, newResource[kind])
		before := len(f.store.changes)
		raw, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if same := f.patched(r, string(raw)); len(f.store.changes) != before {
			t.Errorf("%s changed: %v to %v", kind, r, same)
		}
	}
}

func TestWrongInputNamesTheFields(t *testing.T) {
	t.Parallel()
	f := newResources(t)
	const inv, sub, ver, intg = posthorn.KindInvitation, posthorn.KindSubmission, posthorn.KindVerification, posthorn.KindIntegration
	for _, tc := range []struct {
		kind       posthorn.ResourceKind
		post, body string
		fields     []string
	}{
		{inv, "post", `{}`, []string{"customerEmail", "workflowId"}},
		{inv, "post", `{"customerEmail":7,"workflowId":["a"]}`, []string{"customerEmail", "workflowId"}},
		{inv, "post", `{"customerEmail":"Ana <a@b.co>","workflowId":" "}`, []string{"customerEmail", "workflowId"}},
		{inv, "post", `{"customerEmail":"a@b.co","workflowId":"w","expiresAt":"2020-01-01T00:00:00Z"}`, []string{"expiresAt"}},
		{inv, "post", `{"customerEmail":"a@b.co","workflowId":"w","expiresAt":"tomorrow","status":"expired"}`, []string{"expiresAt", "status"}},
		{inv, "post", `{"customerEmail":"a@b.co","workflowId":"w\u0000","workflowName":{}}`, []string{"workflowId", "workflowName"}},
		{inv, "patch", `{"customerEmail":"other@b.co"}`, []string{"customerEmail"}},
		{inv, "patch", `{"status":"accepted"}`, []string{"status"}},
		{sub, "post", `{"customerEmail":"a@b.co","workflowId":"w","invitationId":"inv_123456"}`, []string{"invitationId"}},
		{sub, "post", `{"customerEmail":"a@b.co","workflowId":"w","invitationId":"` + (posthorn.InvitationID{15: 1}).String() + `"}`, []string{"invitationId"}},
		{sub, "post", `{"customerEmail":"a@b.co","workflowId":"w","responses":[]}`, []string{"responses"}},
		{sub, "post", `{"customerEmail":"a@b.co","workflowId":"w","responses":` + strings.Repeat(`{"a":`, 300) + "1" + strings.Repeat("}", 300) + `}`, []string{"responses"}},
		{sub, "patch", `{"customerEmail":"` + strings.Repeat("a", 300) + `@b.co","status":1}`, []string{"customerEmail", "status"}},
		{ver, "post", `{"applicationId":"app_nobody"}`, []string{"applicationId", "userReference"}},
		{ver, "post", `{"userReference":"u","checks":"none","decisionReason":[]}`, []string{"checks", "decisionReason"}},
		{ver, "patch", `{"userReference":"somebody else"}`, []string{"userReference"}},
		{intg, "post", `{}`, []string{"provider", "uid"}},
		{
			intg, "post", `{"uid":"u","provider":"p","category":"bank","type":"pdf","isContract":"no","totalTransactions":-1,"addedOn":"today","lastSyncedAt":1.5,"logoUrl":"javascript:alert(1)","status":"active"}`,
			[]string{"addedOn", "category", "isContract", "lastSyncedAt", "logoUrl", "status", "totalTransactions", "type"},
		},
		{intg, "patch", `{"uid":"somebody else","walletId":"w2"}`, []string{"uid", "walletId"}},
		{intg, "patch", `{"totalTransactions":9007199254740993}`, []string{"totalTransactions"}}, // a double cannot hold it
	} {
		before := len(f.store.changes)
		var err error
		if tc.post == "post" {
			_, err = f.Create(t.Context(), ci, f.tenant, tc.kind, []byte(tc.body), "")
		} else {
			r := f.create(tc.kind, newResource[tc.kind])
			before++
			_, err = f.patch(r, tc.body)
		}
		e, ok := errors.AsType[*posthorn.Error](err)
		if !ok || e.Kind != posthorn.Invalid || !slices.Equal(slices.Sorted(maps.Keys(e.Fields)), tc.fields) || len(f.store.changes) != before {
			t.Errorf("%s %s: %v, want the fields %v", tc.post, tc.body, err, tc.fields)
		}
	}
	for _, body := range []string{`[]`, `null`, `"text"`, `1`} {
		if _, err := f.Create(t.Context(), ci, f.tenant, inv, []byte(body), ""); posthorn.KindOf(err) != posthorn.Invalid {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestAResourceThatIsTooLargeForAnEventIsRefused(t *testing.T) {
	t.Parallel()
	f := newResources(t)
	big := `{"customerEmail":"a@b.co","workflowId":"w","responses":{"a":"` + strings.Repeat("x", posthorn.MaxEventBytes-100) + `"}}`
	_, err := f.Create(t.Context(), ci, f.tenant, posthorn.KindSubmission, []byte(big), "")
	if posthorn.KindOf(err) != posthorn.TooLarge || !strings.Contains(err.Error(), "256 KiB") || len(f.store.changes) != 0 {
		t.Errorf("%v", err)
	}
}

func TestWhatComesWithAState(t *testing.T) {
	t.Parallel()
	f := newResources(t)
	i := f.create(posthorn.KindIntegration, `{"uid":"u","provider":"ethereum"}`)
	if m := asMap(t, i); m["walletId"] != i.Head().ID() || m["providerPublicName"] != "ethereum" || m["category"] != "unknown" || m["type"] != "api" ||
		m["lastSyncedAt"] != nil || m["totalTransactions"] != 0.0 || m["addedOn"] == nil || m["status"] != "QUEUED" {
		t.Errorf("the defaults are %v", m)
	}
	f.patched(i, `{"status":"ONGOING"}`)
	if m := asMap(t, f.patched(i, `{"status":"COMPLETED","totalTransactions":3}`)); m["lastSyncedAt"] == nil || m["totalTransactions"] != 3.0 {
		t.Errorf("after a synchronisation: %v", m)
	}
	if c := f.last(); !slices.Equal(c.Fields, []string{"totalTransactions"}) {
		t.Errorf("the history says that %v changed", c.Fields)
	}
	forever := f.create(posthorn.KindInvitation, `{"customerEmail":"a@b.co","workflowId":"w"}`)
	if m := asMap(t, forever); m["expiresAt"] != nil || m["sentAt"] == nil {
		t.Errorf("an invitation without an end: %v", m)
	}
	if m := asMap(t, f.patched(forever, `{"status":"expired"}`)); m["expiresAt"] == nil || m["status"] != "expired" {
		t.Errorf("an invitation that was ended: %v", m)
	}
}

func TestAClosedResourceCannotBeChanged(t *testing.T) {
	t.Parallel()
	f := newResources(t)
	for kind, body := range map[posthorn.ResourceKind]string{
		posthorn.KindInvitation: `{"workflowName":"Other"}`, posthorn.KindVerification: `{"decisionReason":"Because"}`,
	} {
		r := f.create(kind, newResource[kind])
		f.patched(r, `{"status":"cancelled"}`)
		if _, err := f.patch(r, body); posthorn.KindOf(err) != posthorn.Conflict || !strings.Contains(err.Error(), "cancelled") {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestAnInvitationThatHasRunOutCannotBeCancelled(t *testing.T) {
	t.Parallel()
	f := newResources(t)
	r := f.create(posthorn.KindInvitation, newResource[posthorn.KindInvitation])
	stored, _ := f.store.resources[r.Head().UUID].(*posthorn.Invitation)
	stored.ExpiresAt = time.Now().Add(-time.Second)
	for _, body := range []string{`{"status":"cancelled"}`, `{"expiresAt":"2999-01-01T00:00:00Z"}`, `{"expiresAt":null}`} {
		if _, err := f.patch(r, body); posthorn.KindOf(err) != posthorn.Conflict || !strings.Contains(err.Error(), "expired") {
			t.Errorf("%s: %v", body, err)
		}
	}
	before := stored.UpdatedAt
	c, err := stored.Expire(time.Now())
	if err != nil || c.EventType != "invitation.expired" || c.Actor != posthorn.System().Name || !c.Event.OccurredAt.Equal(stored.ExpiresAt) || stored.UpdatedAt.Equal(before) {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestAMatchIsFoundAndLaterDismissed(t *testing.T) {
	t.Parallel()
	f := newResources(t)
	s := f.create(posthorn.KindSubmission, newResource[posthorn.KindSubmission])
	screen := func(body string) (posthorn.Screening, error) {
		return f.Screen(t.Context(), ci, f.tenant, s.Head().ID(), []byte(body), "")
	}
	events := func(from int) (types []string) {
		for _, c := range f.store.changes[from:] {
			types = append(types, c.EventType)
		}
		return types
	}
	before := len(f.store.changes)
	found, err := screen(`{"matches":[{"matchType":"sanctions","matchScore":0.95,"matchedName":"John Doe","sourceList":"OFAC","riskLevel":"high"}]}`)
	if err != nil || found.Status != "match" || found.RiskLevel != "high" || found.Standing() != 1 || found.Matches[0].MatchID == "" {
		t.Fatalf("%+v, %v", found, err)
	}
	if got := events(before); !slices.Equal(got, []string{"aml.screening.completed", "aml.match.found"}) {
		t.Errorf("the events are %v", got)
	}
	before = len(f.store.changes)
	dismissed, err := screen(`{"matches":[{"matchId":"` + found.Matches[0].MatchID + `","dismissed":true,"reason":"Another date of birth."}]}`)
	if err != nil || dismissed.Status != "clear" || dismissed.Standing() != 0 || dismissed.RiskLevel != "" {
		t.Fatalf("%+v, %v", dismissed, err)
	}
	if got := events(before); !slices.Equal(got, []string{"aml.screening.completed", "aml.match.dismissed"}) {
		t.Errorf("the events are %v", got)
	}
	data := asMap(t, f.last().Event.Data)
	if data["matchedName"] != "John Doe" || data["dismissedBy"] != ci.Name || data["reason"] != "Another date of birth." || data["matchScore"] != 0.95 {
		t.Errorf("dismissed: %v", data)
	}
	for body, field := range map[string]string{
		`{"matches":{}}`: "matches", `{"matches":[null]}`: "matches", `{"matches":[{}]}`: "matches[0].matchType",
		`{"matches":[{"matchId":"nobody","dismissed":true}]}`:                                                                   "matches[0].matchedName",
		`{"matches":[{"matchType":"pep","matchedName":"A","matchScore":1.1}]}`:                                                  "matches[0].matchScore",
		`{"matches":[{"matchType":"pep","matchedName":"A","riskLevel":"extreme"}]}`:                                             "matches[0].riskLevel",
		`{"matches":[{"matchId":"a","matchType":"pep","matchedName":"A"},{"matchId":"a","matchType":"pep","matchedName":"B"}]}`: "matches[1].matchId",
		`{"riskLevel":"none"}`: "riskLevel", `{"screenedAt":"now"}`: "screenedAt",
		`{"matches":[` + strings.Repeat(`{"matchType":"pep","matchedName":"A"},`, posthorn.MaxScreeningMatches) + `{"matchType":"pep","matchedName":"A"}]}`: "matches",
	} {
		before := len(f.store.changes)
		_, err := screen(body)
		e, ok := errors.AsType[*posthorn.Error](err)
		if !ok || e.Kind != posthorn.Invalid || e.Fields[field] == "" || len(f.store.changes) != before {
			t.Errorf("%.80s: %v, want a fault of %s", body, err, field)
		}
	}
}

func TestARepeatedRequestWithAKeyAnswersTheFirstResult(t *testing.T) {
	t.Parallel()
	f := newResources(t)
	body := []byte(newResource[posthorn.KindSubmission])
	first, err := f.Create(t.Context(), ci, f.tenant, posthorn.KindSubmission, body, "key-1")
	if err != nil {
		t.Fatal(err)
	}
	again, err := f.Create(t.Context(), ci, f.tenant, posthorn.KindSubmission, body, "key-1")
	if err != nil || again.Head().UUID != first.Head().UUID || len(f.store.changes) != 1 {
		t.Errorf("%v, %v", again, err)
	}
	if _, err := f.Create(t.Context(), ci, f.tenant, posthorn.KindSubmission, body, strings.Repeat("k", 256)); posthorn.KindOf(err) != posthorn.Invalid {
		t.Errorf("a key that is too long: %v", err)
	}
}

func TestNobodyElsesResourceIsFound(t *testing.T) {
	t.Parallel()
	f := newResources(t)
	stranger := posthorn.NewTenantID()
	for _, kind := range posthorn.ResourceKinds() {
		id := f.create(kind, newResource[kind]).Head().ID()
		if _, err := f.Get(t.Context(), stranger, kind, id); posthorn.KindOf(err) != posthorn.NotFound {
			t.Errorf("get a %s: %v", kind, err)
		}
		if _, err := f.Update(t.Context(), ci, stranger, kind, id, []byte(`{}`)); posthorn.KindOf(err) != posthorn.NotFound {
			t.Errorf("update a %s: %v", kind, err)
		}
		for _, wrong := range []string{"", "x", "sub_1", id + "1", strings.ToUpper(id)} {
			if _, err := f.Get(t.Context(), f.tenant, kind, wrong); posthorn.KindOf(err) != posthorn.NotFound {
				t.Errorf("get %q: %v", wrong, err)
			}
		}
		if err := f.Delete(t.Context(), ci, stranger, id); posthorn.KindOf(err) != posthorn.NotFound {
			t.Errorf("delete a %s: %v", kind, err)
		}
		if _, err := f.Screen(t.Context(), ci, stranger, id, []byte(`{}`), ""); posthorn.KindOf(err) != posthorn.NotFound {
			t.Errorf("screen a %s: %v", kind, err)
		}
	}
}

func TestTheDeletionOfAnIntegrationIsTold(t *testing.T) {
	t.Parallel()
	f := newResources(t)
	id := f.create(posthorn.KindIntegration, newResource[posthorn.KindIntegration]).Head().ID()
	if err := f.Delete(t.Context(), ci, f.tenant, id); err != nil {
		t.Fatal(err)
	}
	if c := f.last(); c.EventType != "integration.deleted" || asMap(t, c.Event.Data)["walletId"] != "wallet_abc123" {
		t.Errorf("%+v", c)
	}
	if len(f.store.audit) != 1 || f.store.audit[0].Subject != id || f.store.audit[0].Actor != ci {
		t.Errorf("the audit log says %+v", f.store.audit)
	}
	if err := f.Delete(t.Context(), ci, f.tenant, id); posthorn.KindOf(err) != posthorn.NotFound {
		t.Errorf("a second time: %v", err)
	}
}

func TestAListIsAskedForWithWhatTheFilterMeans(t *testing.T) {
	t.Parallel()
	f := newResources(t)
	var ids []string
	for range 3 {
		ids = append([]string{f.create(posthorn.KindSubmission, newResource[posthorn.KindSubmission]).Head().ID()}, ids...)
	}
	page, err := f.List(t.Context(), f.tenant, posthorn.KindSubmission, posthorn.ResourceFilter{Text: ids[1]}, posthorn.PageRequest{Limit: 2})
	if err != nil || len(page.Resources) != 2 || page.Resources[0].Head().ID() != ids[0] || page.PrevCursor != "" || page.NextCursor == "" {
		t.Fatalf("%+v, %v", page, err)
	}
	if f.store.query.ID != f.store.changes[1].Resource {
		t.Error("an id as text is not looked up as one")
	}
	if _, err := f.List(t.Context(), f.tenant, posthorn.KindSubmission, posthorn.ResourceFilter{}, posthorn.PageRequest{Cursor: page.NextCursor}); err != nil ||
		f.store.query.Position.After != page.Resources[1].Head().UUID {
		t.Errorf("the next page begins at %+v, %v", f.store.query.Position, err)
	}
	now := time.Now()
	for field, ask := range map[string]struct {
		kind posthorn.ResourceKind
		f    posthorn.ResourceFilter
		page posthorn.PageRequest
	}{
		"status":       {posthorn.KindSubmission, posthorn.ResourceFilter{Statuses: []posthorn.ResourceStatus{"sent"}}, posthorn.PageRequest{}},
		"to":           {posthorn.KindSubmission, posthorn.ResourceFilter{From: now, To: now}, posthorn.PageRequest{}},
		"invitationId": {posthorn.KindSubmission, posthorn.ResourceFilter{Fields: map[string]string{"invitationId": "x"}}, posthorn.PageRequest{}},
		"category":     {posthorn.KindIntegration, posthorn.ResourceFilter{Fields: map[string]string{"category": "x"}}, posthorn.PageRequest{}},
		"limit":        {posthorn.KindSubmission, posthorn.ResourceFilter{}, posthorn.PageRequest{Limit: 201}},
		"cursor":       {posthorn.KindIntegration, posthorn.ResourceFilter{}, posthorn.PageRequest{Cursor: page.NextCursor}},
	} {
		_, err := f.List(t.Context(), f.tenant, ask.kind, ask.f, ask.page)
		if e, ok := errors.AsType[*posthorn.Error](err); !ok || e.Kind != posthorn.Invalid || e.Fields[field] == "" {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// fuzzResource holds that whatever a program sends is refused in words, or makes an event that fits its schema.
func fuzzResource(f *testing.F, kind posthorn.ResourceKind) {
	f.Helper()
	f.Add([]byte(newResource[kind]))
	f.Add([]byte(`{"status":"cancelled","checks":{"a":[1e400]},"responses":{},"expiresAt":null,"walletId":"","totalTransactions":1e99}`))
	f.Add([]byte(`{"uid":"\ud800","provider":"p","addedOn":-1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if !json.Valid(body) {
			return // the API refuses it before
		}
		x := newResources(t)
		r, err := x.Create(t.Context(), ci, x.tenant, kind, body, "")
		if err == nil {
			_, err = x.patch(r, string(body))
			if _, err := json.Marshal(r); err != nil {
				t.Fatal(err)
			}
		}
		known := x.create(kind, newResource[kind])
		_, patched := x.patch(known, string(body))
		for _, err := range []error{err, patched} {
			if kind := posthorn.KindOf(err); err != nil && kind != posthorn.Invalid && kind != posthorn.Conflict && kind != posthorn.TooLarge {
				t.Fatalf("%s: %v", body, err)
			}
		}
		for _, c := range x.store.changes {
			if c.Event == nil {
				continue
			}
			if violations := builtInSchema(t, c.Event.Type).Violations(c.Event.Data, 5); len(violations) > 0 {
				t.Fatalf("%s: %v", c.Event.Data, violations)
			}
		}
	})
}

func FuzzParseInvitation(f *testing.F)   { fuzzResource(f, posthorn.KindInvitation) }
func FuzzParseSubmission(f *testing.F)   { fuzzResource(f, posthorn.KindSubmission) }
func FuzzParseVerification(f *testing.F) { fuzzResource(f, posthorn.KindVerification) }
func FuzzParseIntegration(f *testing.F)  { fuzzResource(f, posthorn.KindIntegration) }

func FuzzParseScreening(f *testing.F) {
	f.Add([]byte(`{"riskLevel":"low","matches":[{"matchType":"pep","matchedName":"A","matchScore":0.5,"dismissed":true}]}`))
	f.Add([]byte(`{"matches":[{"matchId":"x","dismissed":null},{"matchId":"x"}],"screenedAt":"2024-01-15T10:31:00Z"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if !json.Valid(body) {
			return
		}
		x := newResources(t)
		s := x.create(posthorn.KindSubmission, newResource[posthorn.KindSubmission])
		_, err := x.Screen(t.Context(), ci, x.tenant, s.Head().ID(), body, "")
		if kind := posthorn.KindOf(err); err != nil && kind != posthorn.Invalid && kind != posthorn.TooLarge {
			t.Fatalf("%s: %v", body, err)
		}
		for _, c := range x.store.changes {
			if violations := builtInSchema(t, c.Event.Type).Violations(c.Event.Data, 5); len(violations) > 0 {
				t.Fatalf("%s: %v", c.Event.Data, violations)
			}
		}
	})
}
