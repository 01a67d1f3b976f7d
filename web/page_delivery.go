package web

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
	"posthorn/views/pages"
	"posthorn/views/path"
)

// DeliveryInspector is what pages need of posthorn.DeliveryInspector.
type DeliveryInspector interface {
	Inspect(ctx context.Context, tenant posthorn.TenantID, id posthorn.DeliveryID, attempt int) (posthorn.Inspection, error)
	OfActivity(ctx context.Context, tenant posthorn.TenantID, id posthorn.ActivityID) ([]posthorn.CausedEvent, error)
}

// delivery gathers the delivery that the path names, looked at through the attempt that the query names.
func (s *Server) delivery(c *fiber.Ctx) (pages.DeliveryProps, error) {
	p := pages.DeliveryProps{Location: zoneOf(c), Now: time.Now()}
	id, err := deliveryParam(c)
	if err != nil {
		return p, err
	}
	number := 0
	if text := c.Query(pages.FieldAttempt); text != "" {
		if number, err = strconv.Atoi(text); err != nil || number < 1 {
			return p, posthorn.Errorf(posthorn.NotFound, "This delivery has no such attempt.")
		}
	}
	p.Follow = number == 0
	p.Delivery, err = s.Inspector.Inspect(c.UserContext(), tenantOf(c), id, number)
	return p, err
}

// deliveryFrame is the frame of the pages about a delivery.
func (s *Server) deliveryFrame(c *fiber.Ctx, e *posthorn.LogEntry, title string) (layout.PageProps, error) {
	page, err := s.page(c, title, layout.NavWebhooks)
	page.Crumbs = []layout.Crumb{{Label: "Webhooks", URL: path.Webhooks}, {Label: e.WebhookName, URL: path.Webhook(e.WebhookID.String())}, {Label: "Delivery"}}
	if e.WebhookDeleted {
		page.Crumbs = []layout.Crumb{{Label: "Webhooks", URL: path.Webhooks}, {Label: "Delivery"}}
	}
	return page, err
}

// showDelivery is the page of one delivery.
func (s *Server) showDelivery(c *fiber.Ctx) error {
	p, err := s.delivery(c)
	if err != nil {
		return err
	}
	e := &p.Delivery.Entry
	if p.Page, err = s.deliveryFrame(c, e, e.Event+" to "+e.WebhookName); err != nil {
		return err
	}
	return s.render(c, http.StatusOK, pages.Delivery(p))
}

// showWhatBecame tells a page that shows a pending delivery what became of it. The page asks for it by itself.
func (s *Server) showWhatBecame(c *fiber.Ctx) error {
	p, err := s.delivery(c)
	if err != nil {
		return err
	}
	if !isFragment(c) {
		return s.redirect(c, path.Delivery(p.Delivery.Entry.ID.String()))
	}
	if c.Query(pages.FieldShown) == p.Seen() {
		return s.render(c, http.StatusOK, pages.DeliveryUnchanged(p))
	}
	c.Set("HX-Retarget", "#"+pages.IntoDelivery)
	c.Set("HX-Reswap", "outerHTML")
	return s.render(c, http.StatusOK, pages.DeliveryChanged(p))
}

// downloadDeliveryBody answers the body that a delivery sends, byte for byte.
func (s *Server) downloadDeliveryBody(c *fiber.Ctx) error {
	id, err := deliveryParam(c)
	if err != nil {
		return err
	}
	e, err := s.Deliveries.Get(c.UserContext(), tenantOf(c), id)
	if err != nil {
		return err
	}
	body := e.Body()
	if body == nil {
		return posthorn.Errorf(posthorn.NotFound, "The event of this delivery is past the retention, and the body with it.")
	}
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	c.Set(fiber.HeaderContentDisposition, `attachment; filename="`+id.String()+`.json"`)
	return c.Send(body)
}
