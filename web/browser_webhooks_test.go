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

var _ = strings.Contains
var _ = pages.FieldHeaderAdd
