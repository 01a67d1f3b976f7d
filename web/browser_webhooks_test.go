package web_test

import (
	"fmt"
	"strings"
	"testing"

	"posthorn/internal/browserkit"
	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/pages"
	"posthorn/views/path"
)

// secretValue is where a signing secret is shown once.
const secretValue = "#secret-value"

// withWebhooks runs a site with webhooks in every state and returns their ids: one with everything that can be set, an
// inactive one, a disabled one.
func withWebhooks(t *testing.T) (s *sitekit.Site, full, inactive, disabled string) {
	t.Helper()
	s = sitekit.Start(t)
	app := selectOne[[16]byte](t, s, `INSERT INTO applications (id, tenant_id, name) VALUES (gen_random_uuid(), $1, 'LedgerLink Web') RETURNING id`, s.Owner.TenantID.UUID())
	rename := func(id posthorn.WebhookID, url, set string) string {
		selectOne[string](t, s, `UPDATE webhooks SET url = $2`+set+` WHERE id = $1 RETURNING name`, id.UUID(), url)
		return id.String()
	}
	ledger := makeWebhook(t, s, func(in *posthorn.WebhookInput) {
		*in.Name = "Ledger sync"
		in.Description = new("Writes KYC outcomes to the ledger.\nOn call: #ledger-platform")
		in.Events = &[]string{"aml.match.found", "submission.completed", "verification.*", "integration.failed", "webhook.*"}
		in.Application = new(posthorn.ApplicationID(app).String())
		in.Headers = &[]posthorn.HeaderInput{{Name: "Authorization", Value: "Bearer ledger"}, {Name: "X-Meridian-Environment", Value: "production"}}
		in.RetryOn, in.RateLimit = &[]int{408, 429}, new(50)
	})
	rotation := posthorn.SecretRotation{Overlap: posthorn.DefaultSecretOverlap}
	if _, err := s.Webhooks.RotateSecret(t.Context(), posthorn.CommandLine(), s.Owner.TenantID, ledger.ID, rotation); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"Core banking", "Case management", "A service with a name that is much longer than what fits into one line of a table on a phone"} {
		w := makeWebhook(t, s, func(in *posthorn.WebhookInput) { *in.Name = name })
		rename(w.ID, fmt.Sprintf("https://service-%d.meridianpay.example/inbound/posthorn/events", i), "")
	}
	staging := makeWebhook(t, s, func(in *posthorn.WebhookInput) {
		*in.Name, in.Active = "Staging mirror", new(false)
		in.Signature = &posthorn.Signature{Scheme: posthorn.SchemeCustom, Header: "X-Staging-Signature", TimestampHeader: "X-Staging-Time", Over: posthorn.OverTimestampBody}
	})
	nordbank := makeWebhook(t, s, func(in *posthorn.WebhookInput) {
		*in.Name, in.Signature = "Nordbank callbacks", &posthorn.Signature{Scheme: posthorn.SchemeSmartKYC}
	})
	return s, rename(ledger.ID, "https://ledger.meridianpay.example/hooks/kyc", ""),
		rename(staging.ID, "https://staging.meridianpay.example/hooks", ""),
		rename(nordbank.ID, "https://api.nordbank.example/partners/meridian/callbacks", ", state = 'disabled', state_reason = 'The endpoint answered 410 Gone', state_by = 'Posthorn'")
}

func TestTheWebhookPagesAreAccessibleAndFit(t *testing.T) {
	t.Parallel()
	s, full, inactive, disabled := withWebhooks(t)
	p := person(t, s)
	p.Allow(`POST /webhooks/.*: (409|422)`)
	p.Allow(`GET /webhooks\?status=broken: 422`)
	examine(t, p,
		at("webhooks", path.Webhooks),
		at("webhooks-none-match", path.Webhooks+"?q=nothing-has-this&status=active"),
		at("webhooks-faults", path.Webhooks+"?status=broken"),
		view{name: "webhooks-menu", from: 768, open: func(p *browserkit.Page) {
			p.Goto(path.Webhooks)
			p.Click("#row-" + full + " button")
			p.Visible("#menu-" + full + ":popover-open")
		}},
		at("webhook", path.Webhook(full)),
		at("webhook-inactive", path.Webhook(inactive)),
		at("webhook-disabled", path.Webhook(disabled)),
		at("webhook-settings", path.WebhookSettings(full)),
		at("webhook-new", path.WebhookNew),
		view{name: "webhook-faults", open: func(p *browserkit.Page) {
			p.Goto(path.WebhookSettings(full))
			p.Fill(field(posthorn.FieldURL), "http://ledger.meridianpay.example/hooks/kyc")
			p.Fill(field(posthorn.FieldTimeout), "a while")
			p.Click("#header-add")
			p.Focused("#header-2")
			p.Fill("#header-2", "Host")
			p.Click("main button", "Save changes")
			p.Visible("[aria-invalid=true]")
			p.Focused(field(posthorn.FieldURL))
		}},
		view{name: "webhook-conflict", open: func(p *browserkit.Page) {
			p.Goto(path.WebhookSettings(inactive))
			p.Fill(field(posthorn.FieldName), "Mine")
			p.Allow("beforeunload dialog")
			browserkit.Eval[string](p, `document.querySelector("[name=version]").value = "0"`)
			p.Click("main button", "Save changes")
			p.Visible("main [role=alert]", "Not saved:")
		}},
		view{name: "webhook-delete", open: func(p *browserkit.Page) {
			p.Goto(path.WebhookSettings(full))
			p.Click("#danger a", "Delete…")
			p.Visible(openModal, "Delete Ledger sync?")
			p.Fill(field(posthorn.FieldConfirm), "Ledger")
			p.Click(openModal+" button", "Delete webhook")
			p.Visible(openModal+" .error", "must be the name of the webhook")
		}},
		at("webhook-delete-page", path.WebhookDelete(full)),
		at("webhook-deactivate-page", path.WebhookDeactivate(full)),
		at("webhook-rotate-page", path.WebhookRotateSecret(full)),
		view{name: "webhook-deactivate", open: func(p *browserkit.Page) {
			p.Goto(path.Webhook(full))
			p.Click("main a", "Deactivate")
			p.Visible(openModal, "Deactivate Ledger sync?")
		}},
		view{name: "webhook-rotate-faults", open: func(p *browserkit.Page) {
			p.Goto(path.WebhookSettings(full))
			p.Click("#secret a", "Rotate secret…")
			p.Click(openModal+" summary", "Use your own secret")
			p.Fill(openModal+" "+field(posthorn.FieldSecret), "short")
			p.Click(openModal+" button", "Rotate secret")
			p.Visible(openModal + " [aria-invalid=true]")
		}},
		view{name: "webhook-secret-rotated", open: func(p *browserkit.Page) {
			p.Goto(path.WebhookRotateSecret(inactive)) // that of the disabled one is the API secret
			p.Click("main button", "Rotate secret")
			p.Visible(openModal + " " + secretValue)
		}},
		view{name: "webhook-rotate", open: func(p *browserkit.Page) {
			p.Goto(path.WebhookSettings(full))
			p.Click("#secret a", "Rotate secret…")
			p.Visible(openModal, "Rotate the signing secret of Ledger sync?")
		}},
		view{name: "webhook-secret", open: func(p *browserkit.Page) {
			p.Goto(path.Webhook(inactive))
			p.Click("[popovertarget=webhook-menu]")
			p.Click("#webhook-menu button", "Duplicate")
			p.Visible(openModal + " " + secretValue)
		}},
	)
}

func TestThePageWithoutWebhooksIsAccessibleAndFits(t *testing.T) {
	t.Parallel()
	examine(t, person(t, sitekit.Start(t)), at("webhooks-empty", path.Webhooks))
}

func TestTheSecretOfANewWebhookIsShownOnceInTheBrowser(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	p := person(t, s)
	p.Goto(path.Home)
	p.Press("g", "w")
	p.At(path.Webhooks)
	p.Press("n")
	p.At(path.WebhookNew)
	p.Focused(field(posthorn.FieldName))
	p.Type("Ledger sync")
	p.Fill(field(posthorn.FieldURL), publicURL)
	p.Click("#eventScope-all, #events-all")
	p.Hidden("#event-picker")
	p.Click("main button", "Create webhook")
	p.Visible(openModal + " " + secretValue)
	address := p.Path()
	secret := browserkit.Eval[string](p, `document.querySelector("#secret-value").value`)
	if !shownSecret.MatchString(secret) || !strings.HasPrefix(address, path.Webhooks+"/wh_") {
		t.Fatalf("%q is shown at %s", secret, address)
	}
	p.Press("Escape")
	p.Visible(openModal + " " + secretValue)
	p.Click(openModal+" button", "Done") // refused without the tick
	p.Visible(openModal + " " + secretValue)
	p.Click(openModal + " input[type=checkbox]")
	p.Click(openModal+" button", "Done")
	p.Hidden(openModal)
	p.At(address)

	gone := func(when string) {
		t.Helper()
		p.Visible("h1", "Ledger sync")
		p.At(address)
		if html := browserkit.Eval[string](p, "document.documentElement.outerHTML"); shownSecret.MatchString(html) {
			t.Errorf("the secret is there again after %s", when)
		}
	}
	gone("Done")
	p.Goto(path.Activity)
	p.Back()
	gone("going back")
	p.Reload()
	gone("a reload")
	p.Press("2")
	p.At(address + "/settings")
	p.Press("1")
	p.At(address)
}

func TestASecretThatIsLeftBehindDoesNotComeBack(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	w := makeWebhook(t, s, nil)
	p := person(t, s)
	p.Goto(path.Webhook(w.ID.String()))
	p.Click("[popovertarget=webhook-menu]")
	p.Click("#webhook-menu button", "Duplicate")
	p.Visible(openModal + " " + secretValue)
	address := p.Path()
	p.Goto(path.Activity)
	p.Back()
	p.Visible("h1", "Ledger sync (copy)")
	p.At(address)
	p.Hidden(secretValue)
	p.Reload()
	p.Visible("h1", "Ledger sync (copy)")
	p.Hidden(secretValue)
	if n := countWebhooks(t, s); n != 2 {
		t.Errorf("%d webhooks", n)
	}
}

func TestTheFormOfAWebhookHelpsToFillItIn(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	w := makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.Events = &[]string{"aml.match.found"} })
	settings := path.WebhookSettings(w.ID.String())
	p := person(t, s)
	p.Goto(settings)
	p.Fill("#event-search", "FAILED")
	p.Visible("#event-integration-failed")
	p.Hidden("#event-submission-created")
	p.Press("Enter")
	p.Fill("#event-search", "nothing like it")
	p.Visible("[data-sift-none]")
	p.Fill("#event-search", "")
	p.Visible("#event-submission-created")
	p.Click("#event-submission-all")
	p.Hidden("#event-submission-created")

	p.Click("#header-add")
	p.Focused("#header-0")
	p.Type("X-One")
	p.Click("#header-add")
	p.Focused("#header-1")
	p.Click("#headers button[value='0']")
	p.WaitCount("#headers [name="+pages.FieldHeaderName+"]", 1)
	p.Focused("#header-0")
	p.Type("X-Two")
	p.Press("Tab")
	p.Type("value")
	p.Press("Enter") // saves, and does not press the button that removes the header
	p.Visible("#toasts", "Saved.")
	p.At(settings)
	got := storedWebhook(t, s, w.ID)
	if len(got.Headers) != 1 || got.Headers[0].Name != "X-Two" || strings.Join(got.Events, " ") != "aml.match.found submission.*" {
		t.Errorf("headers %v, events %v", got.Headers, got.Events)
	}

	p.Hidden("#signatureHeader")
	p.Click("#signature-custom")
	p.Visible("#signatureHeader")
	p.Click("main a", "Discard") // asks nothing
	p.Hidden("#signatureHeader")
	p.At(settings)
	p.Click("#signature-custom")
	p.Allow("beforeunload dialog")
	p.Goto(path.Webhooks)
	if !p.Complained("beforeunload dialog") {
		t.Error("the page let go of what was changed")
	}
}

func TestQuestionsAboutAWebhookAreAskedInPlace(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	w := makeWebhook(t, s, nil)
	id := w.ID.String()
	p := person(t, s)
	p.Allow("POST " + path.WebhookDelete(id) + ": 422")
	p.Goto(path.Webhooks)
	p.Click("#row-" + id + " button")
	p.Click("#menu-"+id+" a", "Deactivate…")
	p.Visible(openModal, "Deactivate Ledger sync?")
	p.Click(openModal+" a", "Keep active")
	p.Hidden(openModal)
	p.Focused("#row-" + id + " button")
	p.Click("#row-" + id + " button")
	p.Click("#menu-"+id+" a", "Deactivate…")
	p.Click(openModal+" button", "Deactivate")
	p.Visible("#toasts", "Ledger sync is inactive.")
	p.At(path.Webhooks)
	p.Visible("#results", "Inactive")

	p.Goto(path.Webhook(id))
	p.Click("[popovertarget=webhook-menu]")
	p.Click("#webhook-menu a", "Rotate secret…")
	p.Visible(openModal, "Rotate the signing secret of Ledger sync?")
	p.Click(openModal+" button", "Rotate secret")
	p.Visible(openModal + " " + secretValue)
	p.Click(openModal + " input[type=checkbox]")
	p.Click(openModal+" button", "Done")
	p.Visible("main button", "Use the new secret now")
	p.Click("main button", "Use the new secret now")
	p.Visible("#toasts", "Deliveries are signed with the new secret alone from now on.")

	p.Click("[popovertarget=webhook-menu]")
	p.Click("#webhook-menu a", "Delete…")
	p.Fill(openModal+" "+field(posthorn.FieldConfirm), "Ledger")
	p.Click(openModal+" button", "Delete webhook")
	p.Visible(openModal+" .error", "must be the name of the webhook")
	p.Focused(openModal + " " + field(posthorn.FieldConfirm))
	p.Fill(openModal+" "+field(posthorn.FieldConfirm), "Ledger sync")
	p.Click(openModal+" button", "Delete webhook")
	p.At(path.Webhooks)
	p.Visible("#toasts", "Ledger sync is deleted.")
	p.Visible("#results h2", "No webhooks yet")
}

func TestWebhooksAreFilteredInPlace(t *testing.T) {
	t.Parallel()
	s, full, inactive, _ := withWebhooks(t)
	p := person(t, s)
	p.Goto(path.Webhooks)
	mark(p)
	p.Fill("#filter-text", "meridianpay")
	p.WaitCount(rowLink, 5)
	p.Click("#states a", "Inactive")
	p.WaitCount(rowLink, 1)
	p.Visible("#row-" + inactive)
	p.At(path.Webhooks + "?q=meridianpay&status=inactive")
	p.Visible("#states [aria-current]", "Inactive")
	p.Click("#states a", "All")
	p.WaitCount(rowLink, 5)
	p.Click("#f-event-chip")
	p.Click("#f-event label", "webhook.disabled")
	p.WaitCount(rowLink, 1)
	p.Visible("#row-" + full)
	unloaded(t, p)
	p.Click("#f-event button", "Done")
	p.Click(".filters-clear", "Clear all")
	p.At(path.Webhooks)
	p.WaitCount(rowLink, 6)
}

func TestWebhooksWorkWithoutScript(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	p := person(t, s)
	p.Allow("POST /webhooks: 422")
	p.DisableScript()
	p.Goto(path.WebhookNew)
	p.Fill(field(posthorn.FieldName), "Ledger sync")
	p.Fill(field(posthorn.FieldURL), publicURL)
	p.Click("#event-aml-all")
	p.Click("#header-add")
	p.Focused("#header-0")
	p.Fill("#header-0", "X-Gone")
	p.Click("#header-add")
	p.Focused("#header-1")
	p.Fill("#header-1", "X-Env")
	p.Fill("#header-1 ~ [name="+pages.FieldHeaderValue+"]", "production")
	p.Click("button[aria-label='Remove header X-Gone'], button[title='Remove header X-Gone']")
	p.WaitCount("#headers [name="+pages.FieldHeaderName+"]", 1)
	p.Wait(`document.querySelector("#header-0").value === "X-Env"`)

	// What is wrong comes back as it was typed, and the field that says why has the focus.
	p.Fill(field(posthorn.FieldURL), "ftp://ledger.example/hooks")
	p.Click("main button", "Create webhook")
	p.Focused("[name=url][aria-invalid=true][aria-describedby~=url-error]")
	p.Visible("#url-error", "URL must be https")
	p.Wait(`document.querySelector("[name=url]").value === "ftp://ledger.example/hooks" && document.querySelector("[name=name]").value === "Ledger sync" &&
		document.querySelector("#event-aml-all").checked && document.querySelector("#header-0").value === "X-Env"`)
	p.Fill(field(posthorn.FieldURL), publicURL)
	p.Click("main button", "Create webhook")
	p.Visible(secretValue)
	p.Click("dialog input[type=checkbox]")
	p.Click("dialog button", "Done")
	p.Hidden(secretValue)
	p.Visible("h1", "Ledger sync")
	address := strings.TrimSuffix(p.Path(), "?")
	p.Click("main a", "Deactivate")
	p.Visible("main h1", "Deactivate Ledger sync?")
	p.Click("main button", "Deactivate")
	p.At(address)
	p.Visible("main", "Inactive: nothing is sent.")
	p.Visible("#toasts", "Ledger sync is inactive.")
	p.Click("main button", "Activate")
	p.Visible("main", "Active: events are sent as they happen.")
	p.Click("main a", "Settings")
	p.Fill(field(posthorn.FieldName), "Renamed")
	p.Click("main button", "Save changes")
	p.Visible("h1", "Renamed")
	p.Click("#secret a", "Rotate secret…")
	p.Visible("main h1", "Rotate the signing secret of Renamed?")
	p.Click("main button", "Rotate secret")
	p.Visible(secretValue)
	p.Click("dialog input[type=checkbox]")
	p.Click("dialog button", "Done")
	p.Hidden(secretValue)
	p.Click("main button", "Use the new secret now")
	p.Visible("#toasts", "Deliveries are signed with the new secret alone from now on.")
	p.Goto(address + "/delete")
	p.Fill(field(posthorn.FieldConfirm), "Renamed")
	p.Click("main button", "Delete webhook")
	p.At(path.Webhooks)
	p.Visible("h2", "No webhooks yet")
}
