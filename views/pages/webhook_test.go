package pages

import (
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/go-cmp/cmp"

	"posthorn/internal/posthorn"
	"posthorn/views/path"
)

// ledger is a webhook that is subscribed to four types, with an old secret that still signs.
func ledger() WebhookPageProps {
	made := feedNow.Add(-79 * 24 * time.Hour)
	id := posthorn.NewWebhookID()
	return WebhookPageProps{
		Page: ownerPage("Ledger sync"), Location: time.UTC, Now: feedNow, Types: posthorn.BuiltInEventTypes(), FormKey: "KEY",
		Webhook: posthorn.WebhookDetail{
			Webhook: posthorn.Webhook{
				ID: id, Name: "Ledger sync", URL: "https://ledger.meridianpay.example/hooks/kyc",
				Events:    []string{"aml.match.found", "submission.completed", "verification.approved", "integration.failed"},
				Headers:   []posthorn.CustomHeader{{Name: "Authorization", Sealed: []byte("sealed")}},
				Signature: posthorn.Signature{Scheme: posthorn.SchemeStandard}, Timeout: 10 * time.Second, MaxAttempts: 10, MaxInFlight: 32,
				Status:  posthorn.WebhookStatus{State: posthorn.WebhookActive, Since: made, By: "Jonas Lindqvist"},
				Version: 1, CreatedAt: made, UpdatedAt: made, CreatedBy: "Jonas Lindqvist", UpdatedBy: "Jonas Lindqvist",
			},
			Secrets: []posthorn.SealedSecret{
				{WebhookID: id, LastFour: "4f2a", CreatedAt: made, CreatedBy: "Amara Okafor"},
				{WebhookID: id, LastFour: "9bcd", CreatedAt: made, ExpiresAt: feedNow.Add(24 * time.Hour)},
			},
		},
	}
}

func TestTheOverviewOfAWebhookSumsItsSettingsUp(t *testing.T) {
	t.Parallel()

	p := ledger()
	page := parsed(t, Webhook(p)).Selection
	for _, want := range []string{
		"Events, 4 of 50 aml.match.found submission.completed", "Authorization hidden", "whsec_••••••••4f2a Created 2 Sep 2026 by Amara Okafor",
		"whsec_••••••••9bcd signs until 21 Nov 2026, 14:37 UTC", "Every delivery carries a signature for each of them.",
		"10 attempts over about 75 hours Timeout 10 s Retries 5xx, timeouts and connection errors At most 32 in flight",
		p.Webhook.ID.String() + " Copy ID Created 2 Sep 2026 by Jonas Lindqvist",
	} {
		if got := folded(the(t, page, "main section[aria-labelledby=configuration-title]")); !strings.Contains(got, want) {
			t.Errorf("%q lacks %q", got, want)
		}
	}
	if got := folded(the(t, page, "#verify dl")); !strings.Contains(got, "webhook-timestamp time of the attempt") || !strings.Contains(got, "Authorization custom, hidden") {
		t.Errorf("the headers are %q", got)
	}
	for _, l := range posthorn.Languages() {
		if code := the(t, page, "#code-"+string(l)).Text(); code != p.Webhook.Signature.VerificationCode(l) {
			t.Errorf("the %s code is %q", l, code)
		}
	}
	wantAttr(t, the(t, page, "nav.tabs [aria-current=page]"), "href", path.Webhook(p.Webhook.ID.String()))
	absent(t, page, "dialog#question, .scrim")
}

func TestTheOverviewSaysWhatAWebhookDoes(t *testing.T) {
	t.Parallel()

	since := feedNow.Add(-time.Hour)
	for name, test := range map[string]struct {
		status posthorn.WebhookStatus
		want   string
	}{
		"active":           {posthorn.WebhookStatus{State: posthorn.WebhookActive, Since: since, By: "Ana"}, "Active: events are sent as they happen. Since 20 Nov 2026, 13:37 UTC, by Ana."},
		"active of old":    {posthorn.WebhookStatus{State: posthorn.WebhookActive, Since: since}, "Active: events are sent as they happen. Since 20 Nov 2026, 13:37 UTC."},
		"inactive":         {posthorn.WebhookStatus{State: posthorn.WebhookInactive, Since: since, Reason: "Deactivated by Ana"}, "Inactive: nothing is sent. What is queued waits. Deactivated by Ana, since 20 Nov 2026, 13:37 UTC. Activate"},
		"disabled":         {posthorn.WebhookStatus{State: posthorn.WebhookDisabled, Since: since, Reason: "The endpoint answered 410 Gone"}, "Posthorn has disabled this webhook: nothing is sent. The endpoint answered 410 Gone, since 20 Nov 2026, 13:37 UTC. Activate it when the endpoint works again. Activate"},
		"without a reason": {posthorn.WebhookStatus{State: posthorn.WebhookInactive, Since: since}, "Inactive: nothing is sent. What is queued waits. Since 20 Nov 2026, 13:37 UTC. Activate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := ledger()
			p.Webhook.Status = test.status
			page := parsed(t, Webhook(p)).Selection
			wantText(t, the(t, page, "main .callout"), test.want)
			if activates := page.Find(`form[action="`+path.WebhookActivate(p.Webhook.ID.String())+`"]`).Length() > 0; activates == p.Webhook.Active() {
				t.Errorf("it can be activated: %v", activates)
			}
		})
	}
}

func TestAttemptsAreSaidInWords(t *testing.T) {
	t.Parallel()

	for attempts, want := range map[int]string{
		1: "1 attempt, no retry", 2: "2 attempts over about 5 seconds", 3: "3 attempts over about 5 minutes", 4: "4 attempts over about 35 minutes",
		5: "5 attempts over about 2 hours", 10: "10 attempts over about 75 hours",
	} {
		if got := attemptsWords(attempts); got != want {
			t.Errorf("%d attempts are %q, want %q", attempts, got, want)
		}
	}
}

func TestEverySchemeSaysWhatItsHeadersCarry(t *testing.T) {
	t.Parallel()

	custom := posthorn.Signature{Scheme: posthorn.SchemeCustom, Header: "X-Event", TimestampHeader: "X-Signature", Encoding: posthorn.EncodingBase64, Over: posthorn.OverTimestampBody}
	for _, test := range []struct {
		signature posthorn.Signature
		want      map[string]string
	}{
		{posthorn.Signature{Scheme: posthorn.SchemeSmartKYC}, map[string]string{"X-SmartKYC-Signature": "hex HMAC-SHA256 of the body"}},
		{posthorn.Signature{Scheme: posthorn.SchemeKryptos}, map[string]string{"X-Webhook-Event": "the event type", "X-Webhook-Delivery": "the delivery’s id", "X-Webhook-Signature": "hex HMAC-SHA256 of the body"}},
		{posthorn.Signature{Scheme: posthorn.SchemeArkyc}, map[string]string{"X-Arkyc-Timestamp": "time of the attempt, in Unix seconds", "X-Arkyc-Signature": "hex HMAC-SHA256 of timestamp.body"}},
		{custom, map[string]string{"X-Event": "base64 HMAC-SHA256 of timestamp.body", "X-Signature": "time of the attempt, in Unix seconds"}},
	} {
		p := ledger()
		p.Webhook.Signature = test.signature
		got := map[string]string{}
		for _, h := range p.sentHeaders() {
			got[h.name] = h.value
		}
		for name, want := range test.want {
			if got[name] != want {
				t.Errorf("%s: %s carries %q, want %q", test.signature.Scheme, name, got[name], want)
			}
		}
	}
}

func TestSubscriptionsAreCounted(t *testing.T) {
	t.Parallel()

	for events, want := range map[string]string{
		"*": "All events", "* webhook.*": "All events and 2", "* delivery.failed webhook.disabled": "All events and 2", "aml.match.found": "1 event",
		"aml.* aml.match.found": "3 events", "delivery.*": "1 event", "gone.away": "0 events",
	} {
		if got := eventsWords(posthorn.BuiltInEventTypes(), strings.Fields(events)); got != want {
			t.Errorf("%s is %q, want %q", events, got, want)
		}
	}
}

func TestTheListShowsApplicationsWhereThereAreAny(t *testing.T) {
	t.Parallel()

	w := ledger().Webhook.Webhook
	p := WebhookListProps{
		List:  posthorn.WebhookList{Webhooks: []posthorn.Webhook{w}, Counts: map[posthorn.WebhookStanding]int{posthorn.StandingActive: 1}},
		Shown: []posthorn.Webhook{w}, Any: true, Types: posthorn.BuiltInEventTypes(), Location: time.UTC, Now: feedNow,
	}
	page := parsed(t, Webhooks(WebhooksProps{Page: ownerPage("Webhooks"), List: p})).Selection
	if n := page.Find("#results tbody tr").Length(); n != 1 {
		t.Fatalf("%d rows", n)
	}
	absent(t, page, "#results th:contains(Application), #credentials")
	p.Applications = []posthorn.Application{{ID: posthorn.NewApplicationID(), Name: "Web"}}
	the(t, parsed(t, WebhookList(p)).Selection, "#results th:contains(Application)")
	items := page.Find("#menu-" + w.ID.String() + " .menu-item").Map(func(_ int, item *goquery.Selection) string { return folded(item) })
	if diff := cmp.Diff([]string{"Send test", "Settings", "Deactivate…", "Duplicate", "Delete…"}, items); diff != "" {
		t.Error(diff)
	}
}

func TestTheFormOfAWebhookOffersTheWholeCatalogue(t *testing.T) {
	t.Parallel()

	types := append(posthorn.BuiltInEventTypes(), posthorn.EventType{Event: "card_payment.settled", Category: "card_payment", Description: "Ours"})
	p := WebhookFormProps{Form: NewWebhookForm(), Types: types}
	form := parsed(t, webhookForm(p)).Selection
	for _, eventType := range types {
		box := the(t, form, `input[name=events][value="`+eventType.Event+`"]`)
		if inPicker := box.Closest("#event-picker").Length() == 1; inPicker == aboutPosthorn(eventType.Event) {
			t.Errorf("%s among those that “All events” covers: %v", eventType.Event, inPicker)
		}
		the(t, form, `input[name=events][value="`+eventType.Category+`.*"]`)
	}
	if got := folded(form.Find("#event-picker")); !strings.Contains(got, "All of Card payment, including new types") {
		t.Error("a category of the organisation's own is not offered")
	}
	the(t, form, `input[name=eventScope][value=chosen][checked]`)
	the(t, form, `input[name=signature][value=standard][checked]`)
	wantAttr(t, the(t, form, "[autofocus]"), "name", posthorn.FieldName)
	absent(t, form, "select[name=applicationId], [name=version]")
	if first := form.Find("button[type=submit]").First(); first.AttrOr("name", "") != "" || first.AttrOr("formaction", "") != "" {
		t.Error("Enter in a field presses a button that does not save")
	}
	ids := map[string]bool{}
	form.Find("[id]").Each(func(_ int, el *goquery.Selection) {
		if id := el.AttrOr("id", ""); ids[id] {
			t.Errorf("the id %s is there twice", id)
		} else {
			ids[id] = true
		}
	})
}

func TestDifferencesLeaveOutWhatIsTheSame(t *testing.T) {
	t.Parallel()

	w := ledger().Webhook.Webhook
	theirs, mine := WebhookFormOf(&w), WebhookFormOf(&w)
	if diff := WebhookDifferences(&theirs, &mine, nil); len(diff) != 0 {
		t.Errorf("two equal forms differ: %v", diff)
	}
	mine.Events = []string{"integration.failed", "verification.approved", "submission.completed", "aml.match.found"}
	if diff := WebhookDifferences(&theirs, &mine, nil); len(diff) != 0 {
		t.Errorf("another order differs: %v", diff)
	}
	app := posthorn.Application{ID: posthorn.NewApplicationID(), Name: "Web"}
	mine.Application, mine.Active = app.ID.String(), false
	mine.Headers = []WebhookHeaderRow{{Name: "Authorization", Value: "never shown", Stored: true}, {}, {Name: " X-New ", Value: "nor this"}}
	mine.Signature = posthorn.Signature{Scheme: posthorn.SchemeSmartKYC}
	want := []Difference{
		{"Status", "Active", "Inactive"},
		{"Application", "All applications", "Web"},
		{"Custom headers", "Authorization", "Authorization (new value), X-New (new value)"},
		{"Signature", "Standard Webhooks", "Smart KYC, with the API secret of the organisation"},
	}
	if diff := cmp.Diff(want, WebhookDifferences(&theirs, &mine, []posthorn.Application{app})); diff != "" {
		t.Error(diff)
	}
}

func TestTheShownSecretSaysWhatBecomesOfTheOldOne(t *testing.T) {
	t.Parallel()

	w := ledger().Webhook
	for name, test := range map[string]struct {
		change func(p *WebhookSecretProps)
		want   string
	}{
		"a new webhook":        {func(p *WebhookSecretProps) { p.Rotated = false }, ""},
		"both sign":            {func(*WebhookSecretProps) {}, "The old secret also signs until 21 Nov 2026, 14:37 UTC, so you can switch without losing events."},
		"the old one signs":    {func(p *WebhookSecretProps) { p.Webhook.Signature.Scheme = posthorn.SchemeArkyc }, "The old secret signs until 21 Nov 2026, 14:37 UTC, or until you press “Use the new secret now” on the page of the webhook."},
		"at once":              {func(p *WebhookSecretProps) { p.Webhook.Secrets = p.Webhook.Secrets[:1] }, "The old secret has ended. Deliveries fail verification until the endpoint has this one."},
		"the API secret signs": {func(p *WebhookSecretProps) { p.Webhook.Signature.Scheme = posthorn.SchemeSmartKYC }, "Deliveries are signed with the API secret of the organisation. This one signs when you choose another scheme or key."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := WebhookSecretProps{Webhook: w, Secret: posthorn.NewSigningSecret(), Rotated: true, Location: time.UTC}
			test.change(&p)
			if got := p.note(); got != test.want {
				t.Errorf("it says %q, want %q", got, test.want)
			}
			wantAttr(t, the(t, parsed(t, WebhookSecret(p)).Selection, "#secret-value[readonly]"), "value", p.Secret.Reveal())
		})
	}
}
