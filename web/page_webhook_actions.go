package web

import (
	"cmp"
	"errors"
	"net/http"
	"strconv"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
	"posthorn/views/pages"
	"posthorn/views/path"
)

func isStaleWebhook(err error) bool { return errors.Is(err, posthorn.ErrStaleWebhook) }

// question asks something about the webhook that the path names.
type question struct {
	title  string
	render func(pages.WebhookConfirmProps) templ.Component
}

var (
	askToDeactivate = question{"Deactivate", pages.WebhookDeactivate}
	askToDelete     = question{"Delete", pages.WebhookDelete}
	askToRotate     = question{"Rotate secret", pages.WebhookRotateSecret}
)

// ask answers with a question: a dialog for htmx, a page without.
func (s *Server) ask(c *fiber.Ctx, status int, q question, p pages.WebhookConfirmProps) error {
	p.Dialog, p.Location = isFragment(c), zoneOf(c)
	var err error
	if p.Dialog {
		p.Page = s.frame(c, q.title, layout.NavWebhooks)
	} else if p.Page, err = s.webhookFrame(c, &p.Webhook, q.title); err != nil {
		return err
	}
	return s.render(c, status, q.render(p))
}

// askAgain answers a question that was answered wrongly, where the reader can mend it; other errors it returns.
func (s *Server) askAgain(c *fiber.Ctx, q question, p pages.WebhookConfirmProps, err error) error {
	f := describe(err)
	if f.status != http.StatusUnprocessableEntity && f.status != http.StatusConflict {
		return err
	}
	if p.Faults = f.fields; len(p.Faults) == 0 {
		p.Alert = f.message
	}
	return s.ask(c, f.status, q, p)
}

func (s *Server) activateWebhook(c *fiber.Ctx) error {
	id, err := webhookParam(c)
	if err != nil {
		return err
	}
	w, err := s.Webhooks.SetActive(c.UserContext(), s.webActor(c), tenantOf(c), id, true)
	if err != nil {
		return err
	}
	return s.backTo(c, backFrom(c, id), w.Name+" is active.")
}

// backFrom is the page that a form was sent from, where it says so, else that of its webhook.
func backFrom(c *fiber.Ctx, id posthorn.WebhookID) string {
	return cmp.Or(localPath(formValue(c, layout.FieldNext)), path.Webhook(id.String()))
}

func (s *Server) showDeactivateWebhook(c *fiber.Ctx) error {
	w, err := s.webhook(c)
	if err != nil {
		return err
	}
	return s.ask(c, http.StatusOK, askToDeactivate, pages.WebhookConfirmProps{Webhook: w, Next: localPath(c.Query(layout.FieldNext))})
}

func (s *Server) deactivateWebhook(c *fiber.Ctx) error {
	w, err := s.webhook(c)
	if err != nil {
		return err
	}
	if _, err := s.Webhooks.SetActive(c.UserContext(), s.webActor(c), w.TenantID, w.ID, false); err != nil {
		return s.askAgain(c, askToDeactivate, pages.WebhookConfirmProps{Webhook: w, Next: localPath(formValue(c, layout.FieldNext))}, err)
	}
	return s.backTo(c, backFrom(c, w.ID), w.Name+" is inactive. What is queued waits.")
}

func (s *Server) duplicateWebhook(c *fiber.Ctx) error {
	id, err := webhookParam(c)
	if err != nil {
		return err
	}
	made, err := s.Webhooks.Duplicate(c.UserContext(), s.webActor(c), tenantOf(c), id, formKey(c, formWebhookDuplicate+" "+id.String()))
	if err != nil {
		return err
	}
	if made.Repeated {
		return s.backToWebhook(c, made.Webhook.ID, createdAlready)
	}
	return s.showSecretOnce(c, &made, false)
}

func (s *Server) showDeleteWebhook(c *fiber.Ctx) error {
	w, err := s.webhook(c)
	if err != nil {
		return err
	}
	return s.ask(c, http.StatusOK, askToDelete, pages.WebhookConfirmProps{Webhook: w})
}

func (s *Server) deleteWebhook(c *fiber.Ctx) error {
	w, err := s.webhook(c)
	if err != nil {
		return err
	}
	typed := formValue(c, posthorn.FieldConfirm)
	if _, err := s.Webhooks.Delete(c.UserContext(), s.webActor(c), w.TenantID, w.ID, typed); err != nil {
		return s.askAgain(c, askToDelete, pages.WebhookConfirmProps{Webhook: w, Confirm: typed}, err)
	}
	return s.backTo(c, path.Webhooks, w.Name+" is deleted.")
}

func (s *Server) showRotateWebhookSecret(c *fiber.Ctx) error {
	w, err := s.webhook(c)
	if err != nil {
		return err
	}
	overlap := strconv.Itoa(int(posthorn.DefaultSecretOverlap.Seconds()))
	return s.ask(c, http.StatusOK, askToRotate, pages.WebhookConfirmProps{Webhook: w, Overlap: overlap, FormKey: newFormKey()})
}

func (s *Server) rotateWebhookSecret(c *fiber.Ctx) error {
	w, err := s.webhook(c)
	if err != nil {
		return err
	}
	own := formValue(c, posthorn.FieldSecret)
	made, err := s.Webhooks.RotateSecret(c.UserContext(), s.webActor(c), w.TenantID, w.ID, posthorn.SecretRotation{
		Overlap: postedOverlap(c), Own: own, Form: formKey(c, formWebhookSecret+" "+w.ID.String()),
	})
	switch {
	case err != nil:
		return s.askAgain(c, askToRotate, pages.WebhookConfirmProps{
			Webhook: w, Overlap: formValue(c, posthorn.FieldOverlap), Own: own, FormKey: postedFormKey(c),
		}, err)
	case made.Repeated:
		return s.backToWebhook(c, w.ID, "The secret was rotated already. The new one was shown once; rotate it to get another.")
	}
	return s.showSecretOnce(c, &made, true)
}

func (s *Server) retireWebhookSecrets(c *fiber.Ctx) error {
	id, err := webhookParam(c)
	if err != nil {
		return err
	}
	n, err := s.Webhooks.RetireOldSecrets(c.UserContext(), s.webActor(c), tenantOf(c), id)
	if err != nil {
		return err
	}
	news := "There was no old secret any more."
	if n > 0 {
		news = "Deliveries are signed with the new secret alone from now on."
	}
	return s.backToWebhook(c, id, news)
}
