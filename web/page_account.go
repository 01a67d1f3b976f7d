package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
	"posthorn/views/pages"
	"posthorn/views/path"
)

// Accounts is what the pages need of posthorn.Accounts.
type Accounts interface {
	SetUp(ctx context.Context) (bool, error)
	FirstOwner(ctx context.Context, actor posthorn.Actor, t posthorn.NewTenant) (posthorn.Bootstrap, error)
	SignIn(ctx context.Context, at posthorn.SignInAttempt) (posthorn.User, error)
	ChangePassword(ctx context.Context, who posthorn.SignedIn, current, newPassword string) error
	UpdateProfile(ctx context.Context, who posthorn.SignedIn, name string) error
	UpdatePreferences(ctx context.Context, who posthorn.SignedIn, theme posthorn.Theme, timeZone string) error
	DeleteUserSessions(ctx context.Context, actor posthorn.Actor, u posthorn.User, except *[32]byte) (int, error)
}

// formValue returns a field of a posted form. Fiber's own would also take it from the query string, where passwords end
// up in logs.
func formValue(c *fiber.Ctx, name string) string { return string(c.Request().PostArgs().Peek(name)) }

// auth makes the frame of the pages for people who are not signed in.
func (s *Server) auth(title, lead string) layout.AuthProps {
	return layout.AuthProps{Title: title, Heading: title, Lead: lead, Now: time.Now(), Host: s.BaseURL.Host, Version: s.Version}
}

func (s *Server) showLogin(c *fiber.Ctx) error {
	ready, err := s.Accounts.SetUp(c.UserContext())
	if err != nil {
		return err
	}
	if !ready {
		return c.Redirect(path.Setup, http.StatusSeeOther)
	}
	p := pages.LoginProps{Next: localPath(c.Query(layout.FieldNext))}
	if c.OriginalURL() == path.LoginAfterReset {
		p.Notice = "Your password is set. Sign in with it."
	}
	return s.renderLogin(c, http.StatusOK, p)
}

func (s *Server) renderLogin(c *fiber.Ctx, status int, p pages.LoginProps) error {
	p.Auth = s.auth("Sign in to Posthorn", "Webhook delivery and compliance activity")
	return s.render(c, status, pages.Login(p))
}

// localPath keeps a path of this site to go on to, and drops everything else.
func localPath(next string) string {
	if !path.Local(next) {
		return ""
	}
	return next
}

// nextPath is where to go on to: next where it is a path of this site, else the start page.
func nextPath(next string) string { return cmp.Or(localPath(next), path.Home) }

func (s *Server) signIn(c *fiber.Ctx) error {
	p := pages.LoginProps{
		Email: formValue(c, posthorn.FieldEmail), Remember: formValue(c, pages.FieldRemember) != "", Next: localPath(formValue(c, layout.FieldNext)),
	}
	user, err := s.Accounts.SignIn(c.UserContext(), posthorn.SignInAttempt{
		Email: p.Email, Password: formValue(c, posthorn.FieldPassword), Address: requestOf(c).address.String(),
	})
	if e, ok := errors.AsType[*posthorn.Error](err); ok && e.Kind != posthorn.Internal && e.Kind != posthorn.Unavailable {
		f := describe(err)
		p.Error = f.message
		setRetryAfter(c, f)
		return s.renderLogin(c, f.status, p)
	}
	if err != nil {
		return err
	}
	if err := s.startSession(c, user, p.Remember); err != nil {
		return err
	}
	return s.redirect(c, nextPath(p.Next))
}

func (s *Server) signOut(c *fiber.Ctx) error {
	if err := s.endSession(c); err != nil {
		return err
	}
	return s.redirect(c, path.Login)
}

// setupClosed reports that there is an owner already: the page does not exist any more.
func (s *Server) setupClosed(c *fiber.Ctx) error {
	ready, err := s.Accounts.SetUp(c.UserContext())
	if err != nil {
		return err
	}
	if ready {
		return posthorn.ErrAlreadySetUp
	}
	return nil
}

func (s *Server) showSetup(c *fiber.Ctx) error {
	if err := s.setupClosed(c); err != nil {
		return err
	}
	return s.renderSetup(c, http.StatusOK, pages.SetupProps{})
}

func (s *Server) renderSetup(c *fiber.Ctx, status int, p pages.SetupProps) error {
	p.Auth = s.auth("Set up Posthorn", "Name your organisation and make its owner: you")
	return s.render(c, status, pages.Setup(p))
}

func (s *Server) setUp(c *fiber.Ctx) error {
	p := pages.SetupProps{
		Tenant: formValue(c, posthorn.FieldTenant), Name: formValue(c, posthorn.FieldName), Email: formValue(c, posthorn.FieldEmail),
	}
	password, address := formValue(c, posthorn.FieldPassword), requestOf(c).address.String()
	_, err := s.Accounts.FirstOwner(c.UserContext(), posthorn.Actor{Name: p.Name, Address: address}, posthorn.NewTenant{
		Name: p.Tenant, OwnerEmail: p.Email, OwnerName: p.Name, OwnerPassword: password,
	})
	if f := describe(err); err != nil && f.fields != nil {
		p.Error, p.Fields = f.message, f.fields
		return s.renderSetup(c, f.status, p)
	}
	if err != nil {
		return err
	}
	user, err := s.Accounts.SignIn(c.UserContext(), posthorn.SignInAttempt{Email: p.Email, Password: password, Address: address})
	if err != nil {
		return err
	}
	if err := s.startSession(c, user, false); err != nil {
		return err
	}
	return s.redirect(c, path.Home)
}
