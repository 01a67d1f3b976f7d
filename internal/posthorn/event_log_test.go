package posthorn_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/posthorn"
)

// fakeEvents is an empty list of events.
type fakeEvents struct{}

func (fakeEvents) ListEvents(context.Context, posthorn.TenantID, posthorn.EventQuery) (posthorn.EventRows, error) {
	return posthorn.EventRows{}, nil
}

func (fakeEvents) CountEvents(context.Context, posthorn.TenantID, posthorn.EventFilter, posthorn.EventID, int) (posthorn.Estimate, error) {
	return posthorn.Estimate{}, nil
}

func (fakeEvents) NewestEvent(context.Context, posthorn.TenantID) (posthorn.EventID, error) {
	return posthorn.EventID{}, nil
}

func (fakeEvents) Event(context.Context, posthorn.TenantID, posthorn.EventID) (posthorn.EventTrace, error) {
	return posthorn.EventTrace{}, posthorn.Errorf(posthorn.NotFound, "Not found")
}

func TestAnEventThatIsNotThereIsNotFound(t *testing.T) {
	t.Parallel()
	log := posthorn.NewEventLog(fakeEvents{})
	_, err := log.Get(t.Context(), posthorn.NewTenantID(), posthorn.NewEventID())
	wantKind(t, err, posthorn.NotFound)
	_, err = log.List(t.Context(), posthorn.NewTenantID(), posthorn.EventFilter{Types: []string{"x"}}, posthorn.PageRequest{Limit: 201})
	wantKind(t, err, posthorn.Invalid, "event", "limit")
}

func TestItIsToldWhyAWebhookDidNotGetAnEvent(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC()
	app, otherApp := posthorn.NewApplicationID(), posthorn.NewApplicationID()
	e := posthorn.Event{ID: posthorn.NewEventID(), Type: "submission.completed"}
	ofApp, test, operational := e, e, e
	ofApp.ApplicationID, test.Test, operational.Type = app, true, "delivery.failed"
	base := posthorn.WebhookSummary{Events: []string{"*"}, CreatedAt: now.Add(-time.Hour), Status: posthorn.WebhookStatus{State: posthorn.WebhookActive}}
	with := func(change func(*posthorn.WebhookSummary)) posthorn.WebhookSummary { w := base; change(&w); return w }
	stopped := func(state posthorn.WebhookState, since, until time.Duration) posthorn.WebhookSummary {
		return with(func(w *posthorn.WebhookSummary) {
			w.Status.State, w.StoppedAt = state, now.Add(since)
			if until != 0 {
				w.ResumedAt = now.Add(until)
			}
		})
	}
	const unknown = "At the time the webhook was not subscribed to it, or not active"
	for name, tc := range map[string]struct {
		event   posthorn.Event
		webhook posthorn.WebhookSummary
		want    string
	}{
		"test of another": {test, base, "The event was made to test another webhook"},
		"deleted": {
			e,
			posthorn.WebhookSummary{Deleted: true, DeletedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
			"Got none before it was deleted on 2026-01-02T03:04:05.000Z",
		},
		"created later": {
			e, with(func(w *posthorn.WebhookSummary) { w.CreatedAt = time.Date(2126, 1, 2, 3, 4, 5, 0, time.UTC) }),
			"The webhook was created later, on 2126-01-02T03:04:05.000Z",
		},
		"not subscribed":         {e, with(func(w *posthorn.WebhookSummary) { w.Events = []string{"submission.created", "aml.*"} }), "Not subscribed to submission.completed"},
		"all but ours":           {operational, base, "Not subscribed to delivery.failed"},
		"event without one":      {e, with(func(w *posthorn.WebhookSummary) { w.ApplicationID = app }), "For the events of one application, and this one belongs to none"},
		"other application":      {ofApp, with(func(w *posthorn.WebhookSummary) { w.ApplicationID = otherApp }), "For the events of another application"},
		"inactive":               {e, stopped(posthorn.WebhookInactive, -time.Minute, 0), "The webhook was inactive at the time"},
		"disabled":               {e, stopped(posthorn.WebhookDisabled, -time.Minute, 0), "The webhook was disabled at the time"},
		"inactive until later":   {e, stopped(posthorn.WebhookActive, -time.Minute, time.Minute), "The webhook was not active at the time"},
		"inactive until before":  {e, stopped(posthorn.WebhookActive, -time.Hour, -time.Minute), unknown},
		"inactive since shortly": {e, stopped(posthorn.WebhookInactive, time.Minute, 0), unknown},
		"nothing known":          {e, base, unknown},
		"its application":        {ofApp, with(func(w *posthorn.WebhookSummary) { w.ApplicationID = app }), unknown},
	} {
		if got := (&posthorn.EventReach{Webhook: tc.webhook}).Reason(&tc.event); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

func TestADeliverysOwnReasonCounts(t *testing.T) {
	t.Parallel()
	e := posthorn.Event{ID: posthorn.NewEventID(), Type: "submission.completed"}
	active := posthorn.WebhookSummary{Status: posthorn.WebhookStatus{State: posthorn.WebhookActive}}
	inactive := posthorn.WebhookSummary{Status: posthorn.WebhookStatus{State: posthorn.WebhookInactive}}
	for name, tc := range map[string]struct {
		webhook  posthorn.WebhookSummary
		delivery posthorn.Delivery
		want     string
	}{
		"pending":             {active, posthorn.Delivery{State: posthorn.DeliveryPending}, ""},
		"success":             {inactive, posthorn.Delivery{State: posthorn.DeliverySucceeded}, ""},
		"waits":               {inactive, posthorn.Delivery{State: posthorn.DeliveryPending}, "Waits until the webhook is active again"},
		"a test does not":     {inactive, posthorn.Delivery{State: posthorn.DeliveryPending, Test: true}, ""},
		"retrying and paused": {inactive, posthorn.Delivery{State: posthorn.DeliveryPending, Reason: "Answered 503"}, "Answered 503"},
		"failed":              {active, posthorn.Delivery{State: posthorn.DeliveryFailed, Reason: "Failed: 404 is not retried"}, "Failed: 404 is not retried"},
	} {
		if got := (&posthorn.EventReach{Webhook: tc.webhook, Delivery: &tc.delivery}).Reason(&e); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

func TestAnEventIsWrittenAsTheContractHasIt(t *testing.T) {
	t.Parallel()
	id := mustParse(t, posthorn.ParseEventID, "evt_0351VmS5Pg40TDe4V86zdy")
	hook := mustParse(t, posthorn.ParseWebhookID, "wh_0351VmS5Pg40TDe4V86zdy")
	trace := posthorn.EventTrace{
		Event: posthorn.Event{
			ID: id, Type: "submission.completed", OccurredAt: time.Date(2026, 1, 15, 10, 30, 0, 0, time.UTC), Data: json.RawMessage(`{"a":"<b>"}`),
		},
		Webhooks: []posthorn.EventReach{
			{Webhook: posthorn.WebhookSummary{ID: hook, Name: "Ledger", URL: "https://new.example"}, Delivery: &posthorn.Delivery{
				ID: posthorn.DeliveryIDOf(id, hook), URL: "https://old.example", State: posthorn.DeliverySucceeded,
			}},
			{Webhook: posthorn.WebhookSummary{ID: hook, Name: "Other", URL: "https://other.example", Events: []string{"aml.*"}}},
		},
	}
	got, err := trace.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	event := `{"id":"evt_0351VmS5Pg40TDe4V86zdy","event":"submission.completed","timestamp":"2026-01-15T10:30:00.000Z","createdAt":"` +
		posthorn.FormatTime(id.Time()) + `","applicationId":null,"test":false,"data":{"a":"<b>"}`
	want := event + `,"schemaViolations":[],"webhooks":[` +
		`{"webhookId":"wh_0351VmS5Pg40TDe4V86zdy","name":"Ledger","url":"https://old.example","deliveryId":"` + posthorn.DeliveryIDOf(id, hook).String() + `","status":"success","reason":null},` +
		`{"webhookId":"wh_0351VmS5Pg40TDe4V86zdy","name":"Other","url":"https://other.example","deliveryId":null,"status":null,"reason":"Not subscribed to submission.completed"}]}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("trace (-want +got):\n%s", diff)
	}
	if got, err = trace.Event.MarshalJSON(); err != nil || string(got) != event+"}" {
		t.Errorf("event %s, %v", got, err)
	}
}
