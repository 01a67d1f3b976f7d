package web

import (
	"context"
	"iter"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
	"posthorn/views/pages"
)

// DeliveryFeed is the delivery log as its page shows it. Implemented by posthorn.DeliveryFeed.
type DeliveryFeed interface {
	List(ctx context.Context, tenant posthorn.TenantID, f posthorn.DeliveryFilter, page posthorn.PageRequest) (posthorn.DeliveryPage, error)
	Count(ctx context.Context, tenant posthorn.TenantID, f posthorn.DeliveryFilter) (posthorn.Estimate, error)
	News(ctx context.Context, tenant posthorn.TenantID, f posthorn.DeliveryFilter, since posthorn.DeliveryID) (posthorn.Estimate, error)
	Newest(ctx context.Context, tenant posthorn.TenantID) (posthorn.DeliveryID, error)
	Rows(ctx context.Context, tenant posthorn.TenantID, ids []posthorn.DeliveryID) ([]posthorn.LogEntry, error)
	Export(ctx context.Context, tenant posthorn.TenantID, f posthorn.DeliveryFilter, brief bool) iter.Seq2[posthorn.LogEntry, error]
}

// deliveriesPage is how many deliveries a page of the log has.
const deliveriesPage = 50

// showDeliveries is the log of all webhooks: the page, or the list alone when a filter changed.
func (s *Server) showDeliveries(c *fiber.Ctx) error {
	log, status, err := s.deliveryLog(c, nil)
	if err != nil {
		return err
	}
	if isFragment(c) && c.Get("HX-Target") == targetResults {
		return s.render(c, status, pages.DeliveryLog(log))
	}
	page, err := s.page(c, "Logs · Webhooks", layout.NavWebhooks)
	if err != nil {
		return err
	}
	page.Crumbs = []layout.Crumb{{Label: "Webhooks"}}
	return s.render(c, status, pages.Deliveries(pages.DeliveriesProps{Page: page, Log: log}))
}

// showWebhookLog is the log of one webhook.
func (s *Server) showWebhookLog(c *fiber.Ctx) error {
	w, err := s.webhook(c)
	if err != nil {
		return err
	}
	log, status, err := s.deliveryLog(c, &w)
	if err != nil {
		return err
	}
	if isFragment(c) && c.Get("HX-Target") == targetResults {
		return s.render(c, status, pages.DeliveryLog(log))
	}
	page, err := s.webhookPage(c, &w, "Logs")
	if err != nil {
		return err
	}
	return s.render(c, status, pages.WebhookLog(pages.WebhookLogProps{Page: page, Log: log}))
}

// deliveryQueryOf reads the filters of a request, in the reader's time zone.
func deliveryQueryOf(c *fiber.Ctx) (deliveryQuery, error) {
	return parseDeliveryPage(queryOf(c), zoneOf(c), time.Now())
}

// deliveryLog gathers one page of the log, that of one webhook when there is one. Filters that cannot be understood are a 422
// that lists nothing.
func (s *Server) deliveryLog(c *fiber.Ctx, webhook *posthorn.WebhookDetail) (pages.DeliveryLogProps, int, error) {
	ctx, tenant := c.UserContext(), tenantOf(c)
	q, err := deliveryQueryOf(c)
	if webhook != nil {
		q.filter.WebhookID = webhook.ID
		q.values.Del(filterWebhookID)
	}
	p := pages.DeliveryLogProps{
		Filter: q.filter, Values: q.values, Webhook: webhook, FirstPage: q.page.Cursor == "", Location: zoneOf(c), Now: time.Now(),
	}
	if err == nil {
		// The newest id is read before the list: what comes in between is announced twice rather than never.
		if p.Newest, err = s.DeliveryFeed.Newest(ctx, tenant); err != nil {
			return p, 0, err
		}
		q.page.Limit = deliveriesPage
		p.Page, err = s.DeliveryFeed.List(ctx, tenant, q.filter, q.page)
	}
	status := http.StatusOK
	if f := describe(err); err != nil && f.fields != nil {
		p.Faults, status = f.fields, f.status
	} else if err != nil {
		return p, 0, err
	}
	if status == http.StatusOK {
		if p.Count, err = s.DeliveryFeed.Count(ctx, tenant, q.filter); err != nil {
			return p, 0, err
		}
		p.FirstPage = p.Page.PrevCursor == "" && (p.FirstPage || len(p.Page.Entries) > 0)
		// A mark that cannot be read marks nothing.
		p.Fresh, _ = posthorn.ParseDeliveryID(c.Query("fresh"))
	}
	return p, status, s.deliveryChoices(c, &p)
}

// deliveryChoices adds what the log can be filtered by.
func (s *Server) deliveryChoices(c *fiber.Ctx, p *pages.DeliveryLogProps) (err error) {
	ctx, tenant := c.UserContext(), tenantOf(c)
	if p.Types, err = s.EventTypes.Outline(ctx, tenant); err != nil {
		return err
	}
	if p.Applications, err = s.Webhooks.Applications(ctx, tenant); err != nil || p.Webhook != nil {
		return err
	}
	list, err := s.Webhooks.List(ctx, tenant, posthorn.WebhookFilter{Limit: webhooksPage})
	p.Webhooks = list.Webhooks
	return err
}

// showDeliveryNews counts what is newer than the reader has seen, under the reader's filters.
func (s *Server) showDeliveryNews(c *fiber.Ctx) error {
	q, err := deliveryQueryOf(c)
	if err != nil {
		return err
	}
	since, err := posthorn.ParseDeliveryID(c.Query("since", posthorn.DeliveryID{}.String()))
	if err != nil {
		return posthorn.InvalidFields("The position could not be understood.", map[string]string{"since": "must be the id of a delivery"})
	}
	news, err := s.DeliveryFeed.News(c.UserContext(), tenantOf(c), q.filter, since)
	if err != nil {
		return err
	}
	return s.render(c, http.StatusOK, pages.DeliveryLogNews(pages.DeliveryLogNewsProps{News: news, Values: q.values, Of: c.Query("of")}))
}

// showDeliveryRows is what has become of rows that the reader has before them.
func (s *Server) showDeliveryRows(c *fiber.Ctx) error {
	entries, err := s.DeliveryFeed.Rows(c.UserContext(), tenantOf(c), deliveryIDs(queryOf(c)["id"]))
	if err != nil {
		return err
	}
	return s.render(c, http.StatusOK, pages.DeliveryLogRows(entries))
}
