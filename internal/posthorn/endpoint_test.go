package posthorn_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/posthorn"
)

var endpointTime = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// anEndpoint has a secret, one that it replaced and that signs for another hour, and one that is over.
func anEndpoint(t *testing.T, scheme posthorn.Scheme) *posthorn.Endpoint {
	t.Helper()
	return &posthorn.Endpoint{
		Webhook: posthorn.Webhook{
			ID: posthorn.NewWebhookID(), URL: "https://hooks.example/in", Timeout: 7 * time.Second,
			Signature:   posthorn.Signature{Scheme: scheme}.Normal(),
			MaxAttempts: 10, RetryOn: []int{429},
		},
		Headers: []posthorn.Header{{Name: "X-Api-Key", Value: "s3cret"}, {Name: "X-Env", Value: "live"}},
		Secrets: []posthorn.EndpointSecret{
			{Secret: secretOf(t, "the newest of all my secrets")},
			{Secret: secretOf(t, "the one before, still alive!"), ExpiresAt: endpointTime.Add(time.Hour)},
			{Secret: secretOf(t, "the oldest, which is over now"), ExpiresAt: endpointTime},
		},
	}
}

func aJob(e *posthorn.Endpoint, data string) *posthorn.Job {
	event := posthorn.NewEventID()
	return &posthorn.Job{
		DeliveryID: posthorn.DeliveryIDOf(event, e.Webhook.ID), TenantID: posthorn.NewTenantID(), WebhookID: e.Webhook.ID,
		EventID: event, Event: "submission.completed", OccurredAt: endpointTime.Add(-time.Hour), Data: json.RawMessage(data),
		Payload: posthorn.SchemeStandard, Attempt: 1, Schedule: 1,
	}
}

func headerOf(headers []posthorn.Header, name string) string {
	for _, h := range headers {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

func TestARequestIsSignedBySecretsThatLiveThen(t *testing.T) {
	t.Parallel()
	e := anEndpoint(t, posthorn.SchemeStandard)
	j := aJob(e, `{"a":1}`)
	for _, c := range []struct {
		name  string
		at    time.Time
		alive int
	}{
		{"an old secret is over at its end", endpointTime, 2},
		{"and signs until then", endpointTime.Add(-time.Second), 3},
		{"the current one has no end", endpointTime.Add(1000 * time.Hour), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := e.Compose(j, c.at)
			if err != nil {
				t.Fatal(err)
			}
			signatures := strings.Fields(headerOf(r.Headers, "webhook-signature"))
			if len(signatures) != c.alive {
				t.Fatalf("%d signatures: %v", len(signatures), signatures)
			}
			lookup := func(name string) string { return headerOf(r.Headers, name) }
			for i, s := range e.Secrets {
				err := e.Webhook.Signature.Verify(lookup, r.Body, []posthorn.SigningSecret{s.Secret}, c.at, time.Minute)
				if (err == nil) != (i < c.alive) {
					t.Errorf("secret %d: %v", i, err)
				}
			}
		})
	}
}

func TestARequestHasItsHeadersInOrder(t *testing.T) {
	t.Parallel()
	e := anEndpoint(t, posthorn.SchemeKryptos)
	j := aJob(e, `{"a":1}`)
	r, err := e.Compose(j, endpointTime)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, h := range r.Headers {
		names = append(names, h.Name)
	}
	want := []string{
		"Content-Type", "webhook-id", "X-Webhook-Signature", "X-Webhook-Event", "X-Webhook-Delivery", "X-Api-Key", "X-Env",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	if r.URL != e.Webhook.URL || r.Timeout != 7*time.Second ||
		headerOf(r.Headers, "content-type") != "application/json" || headerOf(r.Headers, "X-Api-Key") != "s3cret" {
		t.Errorf("request %+v", r)
	}
}

func TestTheBodyIsTheSameAtEveryAttempt(t *testing.T) {
	t.Parallel()
	e := anEndpoint(t, posthorn.SchemeStandard)
	j := aJob(e, `{ "b":1.0, "a":"<&>" }`)
	first, err := e.Compose(j, endpointTime)
	if err != nil {
		t.Fatal(err)
	}
	want, err := j.Payload.Payload(posthorn.Outgoing{
		DeliveryID: j.DeliveryID.String(), Event: j.Event, OccurredAt: j.OccurredAt,
		EventID: j.EventID.String(), TenantID: j.TenantID.String(), Data: j.Data,
	})
	if err != nil || string(first.Body) != string(want) {
		t.Fatalf("body %s, want %s, %v", first.Body, want, err)
	}
	// The webhook has another scheme by now, and the attempt is another.
	e.Webhook.Signature = posthorn.Signature{Scheme: posthorn.SchemeArkyc}
	j.Attempt, j.Schedule = 4, 2
	second, err := e.Compose(j, endpointTime.Add(time.Hour))
	if err != nil || string(second.Body) != string(first.Body) {
		t.Errorf("second body %s, %v", second.Body, err)
	}
	if headerOf(second.Headers, "X-Arkyc-Signature") == "" {
		t.Error("not signed by the scheme of now")
	}
}

func TestTheApplicationIsNullWhereThereIsNone(t *testing.T) {
	t.Parallel()
	e := anEndpoint(t, posthorn.SchemeStandard)
	j := aJob(e, `{}`)
	for _, app := range []posthorn.ApplicationID{{}, posthorn.NewApplicationID()} {
		j.ApplicationID = app
		r, err := e.Compose(j, endpointTime)
		if err != nil {
			t.Fatal(err)
		}
		var body struct{ ApplicationID *string }
		if err := json.Unmarshal(r.Body, &body); err != nil {
			t.Fatal(err)
		}
		if app.IsZero() != (body.ApplicationID == nil) || !app.IsZero() && *body.ApplicationID != app.String() {
			t.Errorf("application %v: %s", app, r.Body)
		}
	}
}

func TestWhatCannotBeSignedOrIsNoObjectIsNotSent(t *testing.T) {
	t.Parallel()
	e := anEndpoint(t, posthorn.SchemeStandard)
	if _, err := e.Compose(aJob(e, `[1]`), endpointTime); err == nil {
		t.Error("a list was sent")
	}
	e.Secrets = e.Secrets[2:]
	_, err := e.Compose(aJob(e, `{}`), endpointTime)
	if err == nil {
		t.Fatal("sent without a signature")
	}
	if strings.Contains(err.Error(), "secret,") || strings.Contains(err.Error(), "oldest") {
		t.Errorf("the error tells: %v", err)
	}
	r := posthorn.UnsentResult(e, *aJob(e, `{}`), endpointTime)
	if r.Decision.State != posthorn.DeliveryFailed || r.Decision.Reason == "" || r.Outcome.Error == "" || r.Decision.EndpointFailed {
		t.Errorf("result %+v", r)
	}
}

func TestATestIsTriedOnce(t *testing.T) {
	t.Parallel()
	e := anEndpoint(t, posthorn.SchemeStandard)
	j := aJob(e, `{}`)
	if d := e.RetryPolicy(j).Decide(1, answered(503), 0); d.State != posthorn.DeliveryPending {
		t.Errorf("an ordinary delivery: %+v", d)
	}
	if d := e.RetryPolicy(j).Decide(1, answered(429), 0); d.State != posthorn.DeliveryPending {
		t.Errorf("its own statuses: %+v", d)
	}
	j.Test = true
	if d := e.RetryPolicy(j).Decide(1, answered(503), 0); d.State != posthorn.DeliveryFailed || d.Reason != "Failed after 1 attempt: HTTP 503 Service Unavailable" {
		t.Errorf("a test: %+v", d)
	}
}

func TestAResultKeepsNoCustomHeaderInTheClear(t *testing.T) {
	t.Parallel()
	e := anEndpoint(t, posthorn.SchemeStandard)
	sent := []posthorn.Header{
		{Name: "Host", Value: "hooks.example"},
		{Name: "X-API-KEY", Value: "s3cret"},
		{Name: "webhook-id", Value: "whd_1"},
		{Name: "x-env", Value: "live"},
	}
	r := posthorn.NewResult(e, *aJob(e, `{}`), posthorn.Outcome{StatusCode: 200, RequestHeaders: sent}, posthorn.Decision{})
	want := []posthorn.Header{
		{Name: "Host", Value: "hooks.example"},
		{Name: "X-API-KEY", Value: posthorn.HeaderMask},
		{Name: "webhook-id", Value: "whd_1"},
		{Name: "x-env", Value: posthorn.HeaderMask},
	}
	if diff := cmp.Diff(want, r.RequestHeaders); diff != "" {
		t.Error(diff)
	}
	if r.Outcome.RequestHeaders != nil || sent[1].Value != "s3cret" || r.URL != e.Webhook.URL || r.Attempt.IsZero() {
		t.Errorf("result %+v", r)
	}
}
