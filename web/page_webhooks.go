package web

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
	"posthorn/views/pages"
	"posthorn/views/path"
)

// Webhooks is what pages and API do with webhooks. Implemented by posthorn.Webhooks.
type Webhooks interface {
	WebhookReader
	WebhookEditor
	WebhookActions
}

// WebhookReader finds webhooks.
type WebhookReader interface {
	List(ctx context.Context, tenant posthorn.TenantID, f posthorn.WebhookFilter) (posthorn.WebhookList, error)
	Get(ctx context.Context, tenant posthorn.TenantID, id posthorn.WebhookID) (posthorn.WebhookDetail, error)
	Applications(ctx context.Context, tenant posthorn.TenantID) ([]posthorn.Application, error)
}

// WebhookEditor makes, changes and deletes webhooks.
type WebhookEditor interface {
	Create(ctx context.Context, actor posthorn.Actor, tenant posthorn.TenantID, in posthorn.WebhookInput, form *posthorn.IdempotencyKey) (posthorn.WebhookMade, error)
	Update(ctx context.Context, actor posthorn.Actor, tenant posthorn.TenantID, id posthorn.WebhookID, in posthorn.WebhookInput, version int) (posthorn.WebhookMade, error)
	Put(ctx context.Context, actor posthorn.Actor, tenant posthorn.TenantID, id posthorn.WebhookID, in posthorn.WebhookInput) (posthorn.WebhookMade, error)
	Duplicate(ctx context.Context, actor posthorn.Actor, tenant posthorn.TenantID, id posthorn.WebhookID, form *posthorn.IdempotencyKey) (posthorn.WebhookMade, error)
	Delete(ctx context.Context, actor posthorn.Actor, tenant posthorn.TenantID, id posthorn.WebhookID, confirm string) (posthorn.Webhook, error)
	DeleteByID(ctx context.Context, actor posthorn.Actor, tenant posthorn.TenantID, id posthorn.WebhookID) error
}

// WebhookActions changes the state and the secrets of webhooks.
type WebhookActions interface {
	SetActive(ctx context.Context, actor posthorn.Actor, tenant posthorn.TenantID, id posthorn.WebhookID, active bool) (posthorn.WebhookDetail, error)
	RotateSecret(ctx context.Context, actor posthorn.Actor, tenant posthorn.TenantID, id posthorn.WebhookID, r posthorn.SecretRotation) (posthorn.WebhookMade, error)
	RetireOldSecrets(ctx context.Context, actor posthorn.Actor, tenant posthorn.TenantID, id posthorn.WebhookID) (int, error)
}

// webhooksPage is how many webhooks a page of the list has.
const webhooksPage = 100

// tenantOf is the organisation of the reader.
func tenantOf(c *fiber.Ctx) posthorn.TenantID { return requestOf(c).signedIn.Tenant.ID }

// zoneOf is the time zone of the reader.
func zoneOf(c *fiber.Ctx) *time.Location { return requestOf(c).signedIn.User.Location() }

// showWebhooks is the list: the page, or the list alone when a filter changed.
func (s *Server) showWebhooks(c *fiber.Ctx) error {
	list, status, err := s.webhookList(c)
	if err != nil {
		return err
	}
	if isFragment(c) && c.Get("HX-Target") == targetResults {
		return s.render(c, status, pages.WebhookList(list))
	}
	credentials, err := s.credentials(c)
	if err != nil {
		return err
	}
	page, err := s.page(c, "Webhooks", layout.NavWebhooks)
	if err != nil {
		return err
	}
	return s.render(c, status, pages.Webhooks(pages.WebhooksProps{Page: page, List: list, Credentials: pages.Credentials(credentials)}))
}

// webhookFilterOf reads the filters of a request, and as they stand in links.
func webhookFilterOf(c *fiber.Ctx) (posthorn.WebhookFilter, url.Values) {
	in, kept := queryOf(c), url.Values{}
	for _, name := range []string{filterText, pages.FilterState, pages.FilterEvent} {
		if value := in.Get(name); value != "" {
			kept.Set(name, value)
		}
	}
	return posthorn.WebhookFilter{
		Text: kept.Get(filterText), Standing: posthorn.WebhookStanding(kept.Get(pages.FilterState)), Event: kept.Get(pages.FilterEvent),
	}, kept
}

// webhookList gathers one page of the list. Filters that cannot be understood are a 422 that lists nothing.
func (s *Server) webhookList(c *fiber.Ctx) (pages.WebhookListProps, int, error) {
	ctx, tenant := c.UserContext(), tenantOf(c)
	p := pages.WebhookListProps{FormKey: newFormKey(), Location: zoneOf(c), Now: time.Now()}
	p.Filter, p.Values = webhookFilterOf(c)
	var err error
	if p.Types, err = s.EventTypes.Outline(ctx, tenant); err != nil {
		return p, 0, err
	}
	if p.Applications, err = s.Webhooks.Applications(ctx, tenant); err != nil {
		return p, 0, err
	}
	p.Filter.Limit = webhooksPage
	// What is no id of a webhook is that of none, and the list begins anew.
	p.Filter.After, _ = posthorn.ParseWebhookID(c.Query(pageAfter))
	p.Filter.Before, _ = posthorn.ParseWebhookID(c.Query(pageBefore))
	p.List, err = s.Webhooks.List(ctx, tenant, p.Filter)
	if err == nil && len(p.List.Webhooks) == 0 && p.List.Selected(p.Filter.Standing) > 0 {
		// The last page is empty by now, because a change took its webhooks out of the filter.
		p.Filter.After, p.Filter.Before = posthorn.WebhookID{}, posthorn.WebhookID{}
		p.List, err = s.Webhooks.List(ctx, tenant, p.Filter)
	}
	if f := describe(err); err != nil && f.fields != nil {
		p.Fault = f.message
		return p, f.status, nil
	} else if err != nil {
		return p, 0, err
	}
	p.Shown, p.Any = p.List.Webhooks, p.List.Any
	n := len(p.Shown)
	ids := make([]posthorn.WebhookID, n)
	for i := range p.Shown {
		ids[i] = p.Shown[i].ID
	}
	_, lastDay := overviewWindow(defaultOverviewRange, p.Now, p.Location)
	if p.Stats, err = s.DeliveryStats.Webhooks(ctx, tenant, ids, lastDay); err != nil {
		return p, 0, err
	}
	if n > 0 && p.List.Skipped > 0 {
		p.Previous = p.Shown[0].ID
	}
	if n > 0 && p.List.Skipped+n < p.List.Selected(p.Filter.Standing) {
		p.Next = p.Shown[n-1].ID
	}
	return p, http.StatusOK, nil
}

// webhook finds the webhook that the path names.
func (s *Server) webhook(c *fiber.Ctx) (posthorn.WebhookDetail, error) {
	id, err := webhookParam(c)
	if err != nil {
		return posthorn.WebhookDetail{}, err
	}
	return s.Webhooks.Get(c.UserContext(), tenantOf(c), id)
}

// webhookPage gathers the frame of the pages about a webhook.
func (s *Server) webhookPage(c *fiber.Ctx, w *posthorn.WebhookDetail, tab string) (pages.WebhookPageProps, error) {
	p := pages.WebhookPageProps{Webhook: *w, FormKey: newFormKey(), Location: zoneOf(c), Now: time.Now()}
	var err error
	if p.Types, err = s.EventTypes.Outline(c.UserContext(), tenantOf(c)); err != nil {
		return p, err
	}
	_, lastDay := overviewWindow(defaultOverviewRange, p.Now, p.Location)
	stats, err := s.DeliveryStats.Webhooks(c.UserContext(), tenantOf(c), []posthorn.WebhookID{w.ID}, lastDay)
	if err != nil {
		return p, err
	}
	p.Health = stats[w.ID].Health
	p.Page, err = s.webhookFrame(c, w, tab)
	return p, err
}

// webhookOverview gathers the overview of a webhook.
func (s *Server) webhookOverview(c *fiber.Ctx, w *posthorn.WebhookDetail) (pages.WebhookPageProps, error) {
	p, err := s.webhookPage(c, w, "")
	if err != nil {
		return p, err
	}
	ctx, tenant := c.UserContext(), tenantOf(c)
	f := &pages.WebhookFiguresProps{}
	f.Range, f.Window = overviewWindow(c.Query(filterRange), p.Now, p.Location)
	if f.Stats, err = s.DeliveryStats.Range(ctx, tenant, w.ID, f.Window); err != nil {
		return p, err
	}
	if f.Waiting, err = s.DeliveryStats.Waiting(ctx, tenant, w.ID); err != nil {
		return p, err
	}
	f.Answers, err = s.DeliveryStats.Answers(ctx, tenant, w.ID, f.Window.From(), f.Window.Until, f.Stats.Delivered)
	p.Figures = f
	return p, err
}

// webhookFrame is the frame of a page about a webhook; tab names it, empty for the overview.
func (s *Server) webhookFrame(c *fiber.Ctx, w *posthorn.WebhookDetail, tab string) (layout.PageProps, error) {
	title := w.Name + " · Webhooks"
	if tab != "" {
		title = tab + " · " + title
	}
	page, err := s.page(c, title, layout.NavWebhooks)
	page.Crumbs = []layout.Crumb{{Label: "Webhooks", URL: path.Webhooks}, {Label: w.Name}}
	return page, err
}

func (s *Server) showWebhook(c *fiber.Ctx) error {
	w, err := s.webhook(c)
	if err != nil {
		return err
	}
	p, err := s.webhookOverview(c, &w)
	if err != nil {
		return err
	}
	if p.Missed, err = s.missedOf(c, &w); err != nil {
		return err
	}
	return s.render(c, http.StatusOK, pages.Webhook(p))
}

// showSecretOnce answers a form with the secret that it made, over the page of its webhook. It is in this answer alone.
func (s *Server) showSecretOnce(c *fiber.Ctx, made *posthorn.WebhookMade, rotated bool) error {
	secret := pages.WebhookSecretProps{Webhook: made.Webhook, Secret: made.Secret, Rotated: rotated, Location: zoneOf(c)}
	if isFragment(c) {
		return s.render(c, http.StatusOK, pages.WebhookSecret(secret))
	}
	p, err := s.webhookOverview(c, &made.Webhook)
	if err != nil {
		return err
	}
	p.Secret = &secret
	return s.render(c, http.StatusOK, pages.Webhook(p))
}

// backToWebhook leads to the page of a webhook with a sentence about what became of a form.
func (s *Server) backToWebhook(c *fiber.Ctx, id posthorn.WebhookID, news string) error {
	return s.backTo(c, path.Webhook(id.String()), news)
}

// backTo leads to a page with a sentence about what became of a form.
func (s *Server) backTo(c *fiber.Ctx, address, news string) error {
	if err := s.flash(c, news); err != nil {
		return err
	}
	return s.redirect(c, address)
}
