package posthorn_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/jsonschema"
	"posthorn/internal/posthorn"
)

// catalogueNames is the contract's list.
const catalogueNames = `submission.created submission.completed submission.approved submission.rejected submission.updated
invitation.sent invitation.expired invitation.cancelled
aml.screening.completed aml.match.found aml.match.dismissed
integration.created integration.updated integration.deleted integration.failed
verification.started verification.document_submitted verification.processing verification.requires_review verification.approved
verification.rejected verification.completed verification.expired verification.cancelled
user.created user.authenticated user.joined_community user.opted_in user.opted_out
action.completed action.hint_revealed action.milestone_reached
challenge.started challenge.completed challenge.recap_generated
reward.distributed reward.claimed reward.redeemed reward.expired
achievement.unlocked achievement.tier_progressed achievement.streak_milestone
referral.clicked referral.converted referral.reward_distributed
activity.recorded activity.flagged webhook.disabled webhook.recovered delivery.failed`

func TestTheCatalogueIsThatOfTheContract(t *testing.T) {
	t.Parallel()
	var names []string
	for _, e := range posthorn.BuiltInEventTypes() {
		names = append(names, e.Event)
	}
	if diff := cmp.Diff(strings.Fields(catalogueNames), names); diff != "" {
		t.Error(diff)
	}
}

func TestEveryBuiltInTypeIsDescribedAndItsExampleFits(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, e := range posthorn.BuiltInEventTypes() {
		schema, err := jsonschema.Compiler{}.CompileSchema(e.Schema)
		if err != nil {
			t.Errorf("%s: schema %v", e.Event, err)
			continue
		}
		if got := schema.Violations(e.Example, 20); len(got) != 0 {
			t.Errorf("%s: example %v", e.Event, got)
		}
		if got := schema.Violations(json.RawMessage(`[]`), 20); len(got) == 0 {
			t.Errorf("%s: data need not be an object", e.Event)
		}
		if !posthorn.ValidEventName(e.Event) || e.Category != posthorn.CategoryOf(e.Event) || !e.BuiltIn || e.Enforcement != posthorn.EnforcementWarn {
			t.Errorf("%+v", e)
		}
		if len(e.Description) < 15 || !strings.HasSuffix(e.Description, ".") || len(e.Description) > posthorn.MaxEventTypeDescription {
			t.Errorf("%s: description %q", e.Event, e.Description)
		}
		if other := seen[e.Description]; other != "" {
			t.Errorf("%s has the description of %s", e.Event, other)
		}
		seen[e.Description] = e.Event
		if label := posthorn.CategoryLabel(e.Category); label == "" || label == e.Category {
			t.Errorf("%s: label %q", e.Event, label)
		}
		describedProperties(t, e)
	}
}

// describedProperties makes sure that a schema says of every member what it is, and that it leaves room for more.
func describedProperties(t *testing.T, e posthorn.EventType) {
	t.Helper()
	var schema struct {
		Schema               string `json:"$schema"`
		Properties           map[string]struct{ Description string }
		Required             []string
		AdditionalProperties *bool
	}
	if err := json.Unmarshal(e.Schema, &schema); err != nil {
		t.Fatal(err)
	}
	if schema.Schema != "https://json-schema.org/draft/2020-12/schema" || schema.AdditionalProperties != nil || len(schema.Properties) < 3 {
		t.Errorf("%s: %q, additionalProperties %v, %d properties", e.Event, schema.Schema, schema.AdditionalProperties, len(schema.Properties))
	}
	for name, p := range schema.Properties {
		if p.Description == "" {
			t.Errorf("%s: %s is not described", e.Event, name)
		}
	}
	var example map[string]any
	if err := json.Unmarshal(e.Example, &example); err != nil {
		t.Fatal(err)
	}
	for name := range example {
		if _, known := schema.Properties[name]; !known {
			t.Errorf("%s: the example has %s, which the schema does not describe", e.Event, name)
		}
	}
	for _, name := range schema.Required {
		if _, known := schema.Properties[name]; !known {
			t.Errorf("%s: %s is required and not described", e.Event, name)
		}
	}
}

// The examples of the systems that Posthorn takes over from, and what their tables allow beside them.
func TestTheDataOfTheSourcesFits(t *testing.T) {
	t.Parallel()
	const integration = `{"uid":"user_123","provider":"binance","providerPublicName":"Binance","publicAddress":null,"walletId":"wallet_abc123",
"logoUrl":"https://storage.googleapis.com/kryptos-public/logos/binance.png","isContract":false,"alias":"Main Trading Account","status":"active",
"addedOn":1640995200000,"lastSyncedAt":1672531200000,"category":"exchange","type":"api","totalTransactions":0}`
	const verification = `{"event":"verification.approved","session_id":"…","tenant_id":"…","project_id":"…","user_reference":"user_123",
"status":"approved","checks":{"document":{"quality_score":0.93,"ocr_confidence":0.88,"expired":false,"ocr_parse_stage":"mrz"},
"liveness":{"passed":true,"score":0.97},"face_match":{"passed":true,"similarity_score":0.91}},"decision_reason":null,"created_at":"2026-06-21T20:05:00Z"}`
	for _, test := range []struct{ event, data string }{
		{"submission.completed", `{"submissionId":"sub_123456","invitationId":"inv_123456","customerEmail":"customer@example.com","workflowId":"wf_123456","status":"completed","submittedAt":"2024-01-15T10:30:00Z"}`},
		{"submission.completed", `{"submissionId":"sub_123456","invitationId":"inv_123456","customerEmail":"customer@example.com","workflowId":"wf_123456","workflowName":"Basic KYC","status":"completed","submittedAt":"2024-01-15T10:30:00Z","responses":{"firstName":"John","lastName":"Doe","email":"john@example.com"}}`},
		{"aml.match.found", `{"submissionId":"sub_123456","matchType":"sanctions","matchScore":0.95,"matchedName":"John Doe","sourceList":"OFAC","riskLevel":"high"}`},
		{"integration.created", integration},
		{"integration.updated", strings.Replace(integration, "active", "QUEUED", 1)},
		{"integration.updated", strings.Replace(integration, "active", "ONGOING", 1)},
		{"integration.updated", strings.Replace(integration, "active", "COMPLETED", 1)},
		{"integration.failed", strings.Replace(integration, "active", "FAILED", 1)},
		{"integration.deleted", strings.Replace(integration, `"publicAddress":null`, `"publicAddress":"0x52908400098527886E0F7030069857D2E4169EE7"`, 1)},
		{"verification.approved", verification},
		{"verification.rejected", `{"sessionId":"ses_1","userReference":"user_123","status":"rejected","checks":{},"decisionReason":"Expired"}`},
		{"verification.expired", `{"session_id":"ses_1","user_reference":null,"status":"expired","checks":{},"decision_reason":null}`},
	} {
		if got := builtInSchema(t, test.event).Violations(json.RawMessage(test.data), 20); len(got) != 0 {
			t.Errorf("%s: %v", test.event, got)
		}
	}
	for _, test := range []struct{ event, data, want string }{
		{"integration.created", strings.Replace(integration, "active", "paused", 1), "/status must be one of QUEUED, ONGOING, COMPLETED, FAILED, active"},
		{"integration.created", strings.Replace(integration, `"uid":"user_123",`, "", 1), "/uid is required"},
		{"verification.approved", `{"status":"approved"}`, "The data must fit one of the alternatives, which need sessionId, session_id, verificationId or id"},
		{"submission.completed", `{"submissionId":7,"customerEmail":"a@b.example","workflowId":"w","status":"completed"}`, "/submissionId must be a string"},
	} {
		if got := builtInSchema(t, test.event).Violations(json.RawMessage(test.data), 20); !slices.Equal(got, []string{test.want}) {
			t.Errorf("%s: %v, want %s", test.event, got, test.want)
		}
	}
}

func builtInSchema(t *testing.T, event string) posthorn.CompiledSchema {
	t.Helper()
	for _, e := range posthorn.BuiltInEventTypes() {
		if e.Event == event {
			schema, err := jsonschema.Compiler{}.CompileSchema(e.Schema)
			if err != nil {
				t.Fatal(err)
			}
			return schema
		}
	}
	t.Fatalf("%s is not in the catalogue", event)
	return nil
}

// What activity really tells the world fits what the catalogue says about it.
func TestTheEventsOfActivityFit(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"transaction": `{"activityType":"kyt","userId":"user_1","blockchain":"bitcoin","transactionHash":"3a1b","riskLevel":"high","riskScore":88.5,"responseSummary":{"risk":"high"},"metadata":{"source":"w"},"clientAppId":"app_1","clientAppName":"LedgerLink Web"}`,
		"bare entity": `{"activityType":"kye","userId":"user_1","entityId":"e1","statusCode":502,"riskLevel":"critical"}`,
		"unrated":     `{"activityType":"kya","userId":"user_1","blockchain":"tron","address":"T1"}`,
		"too large":   `{"activityType":"kya","userId":"user_1","blockchain":"tron","address":"T1","riskLevel":"critical","metadata":{"pad":"` + strings.Repeat("x", 400_000) + `"}}`,
	} {
		rec, err := posthorn.ParseActivity([]byte(body))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		rec.ID = posthorn.NewActivityID()
		events, err := rec.Events(func(id posthorn.ActivityID) string { return "https://posthorn.example/activity/" + id.String() })
		if err != nil || len(events) == 0 {
			t.Fatalf("%s: %d events, %v", name, len(events), err)
		}
		for _, e := range events {
			if got := builtInSchema(t, e.Type).Violations(e.Data, 20); len(got) != 0 {
				t.Errorf("%s, %s: %v", name, e.Type, got)
			}
		}
	}
}

func TestNamesAndSubscriptionsHaveAForm(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text               string
		name, subscription bool
	}{
		{"submission.created", true, true},
		{"aml.match.found", true, true},
		{"a.b", true, true},
		{"a1_.b_2", true, true},
		{"submission", false, false},
		{"submission.*", false, true},
		{"*", false, true},
		{"aml.match.*", false, false},
		{"**", false, false},
		{".*", false, false},
		{"*.created", false, false},
		{"", false, false},
		{".", false, false},
		{"a.", false, false},
		{".a", false, false},
		{"a..b", false, false},
		{"A.b", false, false},
		{"a.B", false, false},
		{"1a.b", false, false},
		{"a.1b", false, false},
		{"_a.b", false, false},
		{"a-b.c", false, false},
		{"a.b\n", false, false},
		{" a.b", false, false},
		{"é.b", false, false},
		{"a." + strings.Repeat("b", 126), true, true},
		{"a." + strings.Repeat("b", 127), false, false},
	} {
		if got := posthorn.ValidEventName(test.text); got != test.name {
			t.Errorf("ValidEventName(%q) = %t", test.text, got)
		}
		if got := posthorn.ValidSubscription(test.text); got != test.subscription {
			t.Errorf("ValidSubscription(%q) = %t", test.text, got)
		}
	}
}

func TestSubscriptionsCoverWhatTheySay(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		subscriptions string
		event         string
		want          bool
	}{
		{"*", "submission.created", true},
		{"*", "activity.recorded", true},
		{"*", "webhook.disabled", false},
		{"*", "delivery.failed", false},
		{"webhook.*", "webhook.disabled", true},
		{"delivery.failed", "delivery.failed", true},
		{"* delivery.*", "delivery.failed", true},
		{"aml.*", "aml.match.found", true},
		{"aml.*", "amlx.match", false},
		{"aml.match.found", "aml.match.found", true},
		{"aml.match.found", "aml.match.dismissed", false},
		{"submission.created aml.*", "aml.screening.completed", true},
		{"submission.*", "user.created", false},
		{"", "user.created", false},
	} {
		if got := posthorn.MatchesSubscription(strings.Fields(test.subscriptions), test.event); got != test.want {
			t.Errorf("%q covers %s: %t", test.subscriptions, test.event, got)
		}
	}
}

func TestOnlyPosthornMakesEventsAboutItself(t *testing.T) {
	t.Parallel()
	for event, want := range map[string]bool{
		"submission.created": true, "card_payment.settled": true, "webhooks.x": true,
		"webhook.disabled": false, "delivery.failed": false, "activity.recorded": false, "activity.anything": false,
	} {
		if got := posthorn.Publishable(event); got != want {
			t.Errorf("%s: %t", event, got)
		}
	}
	if got := posthorn.CategoryLabel("aml") + ", " + posthorn.CategoryLabel("card_payment"); got != "AML, Card payment" {
		t.Errorf("labels %s", got)
	}
}
