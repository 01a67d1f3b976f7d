package web

import (
	"net/http"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"posthorn/views/layout"
	"posthorn/views/pages"
	"posthorn/views/path"
)

// deliveryQuestion asks something about the delivery that the path names.
type deliveryQuestion struct {
	title  string
	render func(pages.DeliveryConfirmProps) templ.Component
}

var (
	askToReplay = deliveryQuestion{"Replay", pages.DeliveryReplay}
	askToStop   = deliveryQuestion{"Stop retrying", pages.DeliveryStop}
)

// askAbout answers with a question: a dialog for htmx, a page without. alert is what went wrong before.
func (s *Server) askAbout(c *fiber.Ctx, status int, q deliveryQuestion, alert string) error {
	id, err := deliveryParam(c)
	if err != nil {
		return err
	}
	p := pages.DeliveryConfirmProps{Dialog: isFragment(c), Alert: alert}
	if p.Entry, err = s.Deliveries.Get(c.UserContext(), tenantOf(c), id); err != nil {
		return err
	}
	if p.Dialog {
		p.Page = s.frame(c, q.title, layout.NavWebhooks)
	} else if p.Page, err = s.deliveryFrame(c, &p.Entry, q.title+" · Delivery"); err != nil {
		return err
	}
	return s.render(c, status, q.render(p))
}

// askAboutAgain says why something was not done, with the question once more; other errors it returns.
func (s *Server) askAboutAgain(c *fiber.Ctx, q deliveryQuestion, err error) error {
	if f := describe(err); f.status == http.StatusConflict {
		return s.askAbout(c, f.status, q, f.message)
	}
	return err
}

func (s *Server) askToReplayDelivery(c *fiber.Ctx) error {
	return s.askAbout(c, http.StatusOK, askToReplay, "")
}

// replayDelivery sends a delivery again.
func (s *Server) replayDelivery(c *fiber.Ctx) error {
	id, err := deliveryParam(c)
	if err != nil {
		return err
	}
	entry, err := s.Deliveries.Replay(c.UserContext(), s.webActor(c), tenantOf(c), id)
	if err != nil {
		return s.askAboutAgain(c, askToReplay, err)
	}
	w, err := s.Webhooks.Get(c.UserContext(), tenantOf(c), entry.WebhookID)
	if err != nil {
		return err
	}
	news := "Replayed. It is sent now."
	if !entry.Test && !w.Active() {
		news = "Replayed. It waits until the webhook is active again."
	}
	return s.backTo(c, path.Delivery(id.String()), news)
}

func (s *Server) askToStopDelivery(c *fiber.Ctx) error {
	return s.askAbout(c, http.StatusOK, askToStop, "")
}

// stopDelivery ends the retrying of a delivery.
func (s *Server) stopDelivery(c *fiber.Ctx) error {
	id, err := deliveryParam(c)
	if err != nil {
		return err
	}
	if _, err := s.Deliveries.Stop(c.UserContext(), s.webActor(c), tenantOf(c), id); err != nil {
		return s.askAboutAgain(c, askToStop, err)
	}
	return s.backTo(c, path.Delivery(id.String()), "Stopped. No more attempts are made.")
}
