package app

import (
	"context"
	"log/slog"
	"net"

	"posthorn/internal/jsonschema"
	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
)

// openWebhooks makes the use cases on webhooks and on the catalogue that they subscribe to.
func (b *Backend) openWebhooks() {
	b.Targets = posthorn.NewTargetPolicy(posthorn.TargetOptions{
		AllowHTTP: b.Config.AllowHTTPTargets, AllowedCIDRs: b.Config.AllowTargetCIDRs,
	})
	b.EventTypes = posthorn.NewEventTypes(postgres.NewEventTypes(b.DB), jsonschema.Compiler{})
	b.Webhooks = posthorn.NewWebhooks(postgres.NewWebhooks(b.DB), posthorn.WebhooksConfig{
		Sealer: b.Box, Catalogue: b.EventTypes, CheckTarget: b.checkTarget,
		CheckURL: func(url string) (rule string) {
			_, rule = b.Targets.CheckURL(url)
			return rule
		},
		Changed: func(id posthorn.WebhookID) {
			if b.webhookChanged != nil {
				b.webhookChanged(id)
			}
		},
	})
}

// checkTarget asks the policy, and logs why a name could not be looked up.
func (b *Backend) checkTarget(ctx context.Context, url string) (rule string) {
	rule, err := b.Targets.Check(ctx, net.DefaultResolver, url)
	if err != nil {
		b.Log.WarnContext(ctx, "the URL of a webhook could not be checked", slog.Any("error", err))
	}
	return rule
}
