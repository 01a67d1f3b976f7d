package web

import (
	"context"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
	"posthorn/views/pages"
	"posthorn/views/path"
)

// Applications is what the pages do with applications. Implemented by posthorn.Applications.
type Applications interface {
	List(ctx context.Context, tenant posthorn.TenantID) ([]posthorn.ApplicationUse, error)
	Get(ctx context.Context, tenant posthorn.TenantID, id posthorn.ApplicationID) (posthorn.ApplicationUse, error)
	Create(ctx context.Context, who posthorn.SignedIn, in posthorn.ApplicationInput) (posthorn.MadeApplication, error)
	Update(ctx context.Context, who posthorn.SignedIn, id posthorn.ApplicationID, in posthorn.ApplicationInput) error
	Delete(ctx context.Context, who posthorn.SignedIn, id posthorn.ApplicationID) error
}

// formApplication is what the form of a new application makes, as its key tells it.
const formApplication = "application"

// applicationsCrumb is the way back to the applications.
var applicationsCrumb = layout.Crumb{Label: "Applications", URL: path.SettingsApplications}

func (s *Server) showApplications(c *fiber.Ctx) error {
	p := pages.ApplicationsProps{Now: time.Now(), Location: zoneOf(c)}
	var err error
	if p.Applications, err = s.Applications.List(c.UserContext(), tenantOf(c)); err != nil {
		return err
	}
	if p.Page, err = s.settingsPage(c, "Applications"); err != nil {
		return err
	}
	return s.render(c, http.StatusOK, pages.Applications(p))
}

func (s *Server) showNewApplication(c *fiber.Ctx) error {
	return s.renderApplication(c, http.StatusOK, pages.ApplicationProps{FormKey: newFormKey()})
}

// renderApplication answers with the form of an application, a new one where there is none yet.
func (s *Server) renderApplication(c *fiber.Ctx, status int, p pages.ApplicationProps) error {
	var err error
	title, view := "New application", pages.ApplicationNew
	if p.Application != nil {
		title, view = p.Application.Name, pages.ApplicationPage
	}
	if p.Page, err = s.settingsPage(c, title, applicationsCrumb); err != nil {
		return err
	}
	return s.render(c, status, view(p))
}

func (s *Server) createApplication(c *fiber.Ctx) error {
	p := pages.ApplicationProps{
		FormKey: postedFormKey(c), Name: formValue(c, posthorn.FieldName), ExternalID: formValue(c, posthorn.FieldExternalID),
	}
	made, err := s.Applications.Create(c.UserContext(), s.actingAs(c), posthorn.ApplicationInput{
		Name: p.Name, ExternalID: p.ExternalID, Form: formKey(c, formApplication),
	})
	if fields, message, status, ok := formProblem(err); ok {
		p.Fields, p.Error = fields, message
		return s.renderApplication(c, status, p)
	}
	switch {
	case err != nil:
		return err
	case made.Repeated:
		return s.backTo(c, path.SettingsApplications, made.Name+" was created already.")
	}
	return s.backTo(c, path.SettingsApplications, made.Name+" is created. Events may name it from now on.")
}

// application is the one that the path names.
func (s *Server) application(c *fiber.Ctx) (posthorn.ApplicationUse, error) {
	id, err := posthorn.ParseApplicationID(c.Params("id"))
	if err != nil {
		return posthorn.ApplicationUse{}, posthorn.Because(posthorn.NotFound, pageMissing, err)
	}
	return s.Applications.Get(c.UserContext(), tenantOf(c), id)
}

func (s *Server) showApplication(c *fiber.Ctx) error {
	a, err := s.application(c)
	if err != nil {
		return err
	}
	return s.renderApplication(c, http.StatusOK, pages.ApplicationProps{Application: &a, Name: a.Name, ExternalID: a.ExternalID})
}

func (s *Server) updateApplication(c *fiber.Ctx) error {
	a, err := s.application(c)
	if err != nil {
		return err
	}
	p := pages.ApplicationProps{Application: &a, Name: formValue(c, posthorn.FieldName), ExternalID: formValue(c, posthorn.FieldExternalID)}
	err = s.Applications.Update(c.UserContext(), s.actingAs(c), a.ID, posthorn.ApplicationInput{Name: p.Name, ExternalID: p.ExternalID})
	if fields, message, status, ok := formProblem(err); ok {
		p.Fields, p.Error = fields, message
		return s.renderApplication(c, status, p)
	}
	if err != nil {
		return err
	}
	return s.backTo(c, path.SettingsApplication(a.ID.String()), "The application is saved.")
}

func (s *Server) askToDeleteApplication(c *fiber.Ctx) error {
	a, err := s.application(c)
	if err != nil {
		return err
	}
	return s.renderDeleteApplication(c, http.StatusOK, pages.ApplicationDeleteProps{Application: a})
}

func (s *Server) renderDeleteApplication(c *fiber.Ctx, status int, p pages.ApplicationDeleteProps) error {
	var err error
	back := layout.Crumb{Label: p.Application.Name, URL: path.SettingsApplication(p.Application.ID.String())}
	if p.Page, err = s.settingsPage(c, "Delete", applicationsCrumb, back); err != nil {
		return err
	}
	return s.render(c, status, pages.ApplicationDelete(p))
}

func (s *Server) deleteApplication(c *fiber.Ctx) error {
	a, err := s.application(c)
	if err != nil {
		return err
	}
	err = s.Applications.Delete(c.UserContext(), s.actingAs(c), a.ID)
	if _, message, status, ok := formProblem(err); ok {
		return s.renderDeleteApplication(c, status, pages.ApplicationDeleteProps{Application: a, Error: message})
	}
	if err != nil {
		return err
	}
	return s.backTo(c, path.SettingsApplications, a.Name+" is deleted.")
}
