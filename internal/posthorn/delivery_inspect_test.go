package posthorn_test

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/posthorn"
)

// inspected is a delivery with one attempt, as it was sent, and the webhook that it was sent to.
type inspected struct {
	entry   posthorn.LogEntry
	webhook *posthorn.WebhookDetail
	gone    error
}

func (s *inspected) Delivery(_ context.Context, _ posthorn.TenantID, id posthorn.DeliveryID) (posthorn.LogEntry, error) {
	if id != s.entry.ID {
		return posthorn.LogEntry{}, posthorn.Errorf(posthorn.NotFound, "Not found")
	}
	return s.entry, nil
}

func (s *inspected) DeliveryBackground(context.Context, *posthorn.LogEntry) (posthorn.DeliveryBackground, error) {
	return posthorn.DeliveryBackground{}, s.gone
}

func (s *inspected) DeliveriesOfActivity(context.Context, posthorn.TenantID, posthorn.ActivityID) ([]posthorn.CausedEvent, error) {
	return nil, nil
}

func (s *inspected) Webhook(context.Context, posthorn.TenantID, posthorn.WebhookID) (posthorn.WebhookDetail, error) {
	if s.webhook == nil {
		return posthorn.WebhookDetail{}, posthorn.Errorf(posthorn.NotFound, "Not found")
	}
	return *s.webhook, nil
}

func (s *inspected) inspect(t *testing.T, attempt int) posthorn.Inspection {
	t.Helper()
	i := posthorn.NewDeliveryInspector(posthorn.DeliveryInspectorConfig{Log: s, Webhooks: s, Box: fakeBox{}})
	in, err := i.Inspect(t.Context(), s.entry.TenantID, s.entry.ID, attempt)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// addSecret gives the webhook a newest secret.
func (s *inspected) addSecret(at time.Time) posthorn.SigningSecret {
	secret := posthorn.NewSigningSecret()
	sealed := posthorn.SealedSecret{
		WebhookID: s.webhook.ID, CreatedAt: at, LastFour: secret.LastFour(),
		Sealed: fakeBox{}.Seal([]byte(secret.Reveal()), posthorn.WebhookSecretPlace(s.webhook.ID)),
	}
	s.webhook.Secrets = append([]posthorn.SealedSecret{sealed}, s.webhook.Secrets...)
	return secret
}

// sent makes a delivery and attempts it once, as the dispatcher does.
func sent(t *testing.T, signature posthorn.Signature) (s *inspected, at time.Time) {
	t.Helper()
	at = time.Date(2026, 11, 20, 14, 36, 11, 900_000_000, time.UTC)
	event := posthorn.NewEventID()
	w := posthorn.WebhookDetail{Webhook: posthorn.Webhook{
		ID: posthorn.NewWebhookID(), TenantID: posthorn.NewTenantID(), URL: "https://ledger.example/hooks", Signature: signature,
		Headers: []posthorn.CustomHeader{{Name: "Authorization"}},
	}}
	s = &inspected{webhook: &w}
	s.entry = posthorn.LogEntry{
		Delivery: posthorn.Delivery{
			ID: posthorn.DeliveryIDOf(event, w.ID), TenantID: w.TenantID, WebhookID: w.ID, EventID: event, Event: "submission.completed",
			Payload: signature.Scheme, State: posthorn.DeliveryFailed, Attempts: 1,
		},
		OccurredAt: at.Add(-time.Minute), Data: []byte(`{"note":"it's"}`),
	}
	secret := s.addSecret(at.Add(-time.Hour))
	e := posthorn.Endpoint{
		Webhook: w.Webhook, Headers: []posthorn.Header{{Name: "Authorization", Value: "Bearer top-secret"}}, Secrets: []posthorn.EndpointSecret{{Secret: secret}},
	}
	j := posthorn.Job{
		DeliveryID: s.entry.ID, TenantID: w.TenantID, WebhookID: w.ID, EventID: event, Event: s.entry.Event, OccurredAt: s.entry.OccurredAt,
		Data: s.entry.Data, Payload: signature.Scheme, Attempt: 1, Schedule: 1,
	}
	request, err := e.Compose(&j, at)
	if err != nil {
		t.Fatal(err)
	}
	result := posthorn.NewResult(&e, j, posthorn.Outcome{StatusCode: 401, StartedAt: at.Add(time.Second), RequestHeaders: request.Headers}, posthorn.Decision{})
	s.entry.History = []posthorn.Attempt{{ID: result.Attempt, Number: 1, URL: result.URL, Outcome: result.Outcome}}
	s.entry.History[0].RequestHeaders = result.RequestHeaders
	return s, at
}

func TestTheSignatureOfAnAttemptIsRecomputed(t *testing.T) {
	t.Parallel()
	for name, signature := range map[string]posthorn.Signature{
		"standard": {Scheme: posthorn.SchemeStandard}, "kryptos": {Scheme: posthorn.SchemeKryptos}, "arkyc": {Scheme: posthorn.SchemeArkyc},
		"smartkyc": {Scheme: posthorn.SchemeSmartKYC, Key: posthorn.KeyWebhook},
		"custom":   {Scheme: posthorn.SchemeCustom, Header: "X-Sign", TimestampHeader: "X-Time", Encoding: posthorn.EncodingBase64, Over: posthorn.OverTimestampBody},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, at := sent(t, signature)
			first := s.webhook.Secrets[0]
			c := s.inspect(t, 0).Signature
			body := string(s.entry.Body())
			if c.Verdict != posthorn.SignatureMatches || cmp.Diff([]string{first.LastFour}, c.Ends) != "" || string(c.Signed) != c.Before+body || c.Sent == "" {
				t.Fatalf("%+v", c)
			}
			if c.Before != "" && !strings.Contains(c.Before, "1795185371.") {
				t.Errorf("signed %q, sent in the second of %v", c.Before, at)
			}
			if text := c.Explain().Text; !strings.Contains(text, first.LastFour) || !strings.Contains(text, c.Header) {
				t.Errorf("explained with %q", text)
			}
			// The secret was replaced, and signs on for a while.
			s.addSecret(at.Add(time.Hour))
			if c = s.inspect(t, 1).Signature; c.Verdict != posthorn.SignatureMatches || len(c.Ends) != 1 {
				t.Errorf("during a rotation: %+v", c)
			}
			s.webhook.Secrets = s.webhook.Secrets[:1]
			if c = s.inspect(t, 1).Signature; c.Verdict != posthorn.SignatureReplaced || !c.SecretSince.Equal(at.Add(time.Hour)) {
				t.Errorf("after a rotation: %+v", c)
			}
			s.webhook.Secrets[0].CreatedAt = at.Add(-time.Hour)
			if c = s.inspect(t, 1).Signature; c.Verdict != posthorn.SignatureDiffers {
				t.Errorf("with another secret: %+v", c)
			}
		})
	}
}

func TestASignatureThatCannotBeRecomputedSaysWhy(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change  func(*inspected)
		verdict posthorn.SignatureVerdict
		says    string
	}{
		"webhook deleted": {func(s *inspected) { s.webhook = nil }, posthorn.SignatureUnknown, "was deleted"},
		"event gone":      {func(s *inspected) { s.entry.Data = nil }, posthorn.SignatureUnknown, "retention"},
		"sealed by another key": {
			func(s *inspected) { s.webhook.Secrets[0].Sealed = []byte("nothing") }, posthorn.SignatureUnknown, "does not open",
		},
		"never sent":   {func(s *inspected) { s.entry.History[0].RequestHeaders = nil }, posthorn.SignatureNotSent, ""},
		"other scheme": {func(s *inspected) { s.webhook.Signature.Scheme = posthorn.SchemeKryptos }, posthorn.SignatureOtherScheme, "X-Webhook-Signature"},
		"no time any more": {
			func(s *inspected) {
				s.webhook.Signature = posthorn.Signature{Scheme: posthorn.SchemeCustom, Header: "webhook-signature", TimestampHeader: "X-Time", Over: posthorn.OverTimestampBody}
			},
			posthorn.SignatureOtherScheme, "X-Time",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := sent(t, posthorn.Signature{Scheme: posthorn.SchemeStandard})
			tc.change(s)
			c := s.inspect(t, 0).Signature
			if x := c.Explain(); c.Verdict != tc.verdict || x.Title == "" || !strings.Contains(x.Text, tc.says) {
				t.Errorf("%+v, explained as %+v", c, x)
			}
		})
	}
}

func TestADeliveryIsLookedAtThroughOneOfItsAttempts(t *testing.T) {
	t.Parallel()
	s, _ := sent(t, posthorn.Signature{Scheme: posthorn.SchemeStandard})
	second := s.entry.History[0]
	second.Number = 2
	s.entry.History = append(s.entry.History, second)
	for asked, want := range map[int]int{0: 2, 1: 1, 2: 2} {
		if in := s.inspect(t, asked); in.Attempt.Number != want || in.Latest() != (want == 2) {
			t.Errorf("asked for %d, got %d, latest %v", asked, in.Attempt.Number, in.Latest())
		}
	}
	i := posthorn.NewDeliveryInspector(posthorn.DeliveryInspectorConfig{Log: s, Webhooks: s, Box: fakeBox{}})
	_, err := i.Inspect(t.Context(), s.entry.TenantID, s.entry.ID, 3)
	wantKind(t, err, posthorn.NotFound)
	_, err = i.Inspect(t.Context(), s.entry.TenantID, posthorn.DeliveryID{}, 0)
	wantKind(t, err, posthorn.NotFound)
	s.entry.History = nil
	if in := s.inspect(t, 0); in.Attempt != nil || in.Signature.Verdict != "" || !in.Replays() {
		t.Errorf("without an attempt: %+v", in)
	}
	s.webhook = nil
	if in := s.inspect(t, 0); in.Webhook != nil || in.Replays() {
		t.Error("what has no webhook can be sent again")
	}
}

func TestAnAttemptAsACommandSendsTheSameBytes(t *testing.T) {
	t.Parallel()
	s, _ := sent(t, posthorn.Signature{Scheme: posthorn.SchemeStandard})
	a := &s.entry.History[0]
	a.URL += "?a='b'&c[]=1"
	a.RequestHeaders = append(a.RequestHeaders, posthorn.Header{Name: "content-length", Value: "1"}, posthorn.Header{Name: "Host", Value: "elsewhere"})
	command := s.entry.Curl(a)
	if strings.Contains(command, "top-secret") || strings.Contains(command, "elsewhere") || strings.Contains(command, "content-length") {
		t.Errorf("too much in %s", command)
	}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `curl() { for word; do printf '%s\n' "$word"; done; }; `+command).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"--globoff", "--include", "--request", "POST", a.URL, "--header", "Content-Type: application/json"}
	for _, h := range a.RequestHeaders[1:4] {
		want = append(want, "--header", h.Name+": "+h.Value)
	}
	want = append(want, "--header", "Authorization: "+posthorn.HeaderMask, "--data-raw", string(s.entry.Body()))
	if diff := cmp.Diff(want, strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")); diff != "" {
		t.Errorf("words of the command:\n%s", diff)
	}
	a.RequestHeaders = nil
	if !strings.Contains(s.entry.Curl(a), "Content-Type: application/json") {
		t.Error("what was not sent has no content type")
	}
	if s.entry.Data = nil; s.entry.Curl(a) != "" {
		t.Error("a command without a body")
	}
}
