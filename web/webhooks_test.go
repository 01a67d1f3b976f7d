package web_test

import (
	"testing"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
)

// publicURL is one that every policy allows, and that nobody has to look up.
const publicURL = "https://93.184.215.14/hooks"

// makeWebhook makes a webhook with the first secret; change adds to the input.
func makeWebhook(t *testing.T, s *sitekit.Site, change func(in *posthorn.WebhookInput)) posthorn.WebhookDetail {
	t.Helper()
	in := posthorn.WebhookInput{Name: new("Ledger sync"), URL: new(publicURL), Events: &[]string{posthorn.SubscribeAll}}
	if change != nil {
		change(&in)
	}
	made, err := s.Webhooks.Create(t.Context(), posthorn.CommandLine(), s.Owner.TenantID, in, nil)
	if err != nil {
		t.Fatal(err)
	}
	return made.Webhook
}
