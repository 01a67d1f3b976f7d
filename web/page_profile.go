package web

import (
	"cmp"
	"fmt"
	"net/http"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
	"posthorn/views/pages"
	"posthorn/views/path"
)

func (s *Server) showProfile(c *fiber.Ctx) error {
	return s.renderProfile(c, http.StatusOK, profileOf(c))
}

// profileOf fills the forms with what is stored.
func profileOf(c *fiber.Ctx) pages.ProfileProps {
	user := requestOf(c).signedIn.User
	return pages.ProfileProps{
		User: user, Name: user.Name, Theme: user.Theme, TimeZone: user.TimeZone, Zones: timeZones(user.TimeZone), Location: user.Location(),
	}
}

func (s *Server) renderProfile(c *fiber.Ctx, status int, p pages.ProfileProps) error {
	var err error
	if p.Page, err = s.page(c, "Profile", layout.NavSettings); err != nil {
		return err
	}
	if p.Page.Viewer.Admin {
		p.Page.Crumbs = []layout.Crumb{{Label: settingsTitle}}
	}
	return s.render(c, status, pages.Profile(p))
}

// saved answers a form of the profile: back to the page with good news, or the form again with what is wrong.
func (s *Server) saved(c *fiber.Ctx, err error, news string, p pages.ProfileProps) error {
	if f := describe(err); err != nil && f.fields != nil {
		p.Fields = f.fields
		return s.renderProfile(c, f.status, p)
	}
	if err != nil {
		return err
	}
	if err := s.flash(c, news); err != nil {
		return err
	}
	return s.redirect(c, cmp.Or(localPath(formValue(c, layout.FieldNext)), path.SettingsProfile))
}

func (s *Server) updateProfile(c *fiber.Ctx) error {
	p := profileOf(c)
	p.Name = formValue(c, posthorn.FieldName)
	err := s.Accounts.UpdateProfile(c.UserContext(), s.actingAs(c), p.Name)
	return s.saved(c, err, "Your name is saved.", p)
}

// actingAs is the reader as the audit log names them now: from the address of this request.
func (s *Server) actingAs(c *fiber.Ctx) posthorn.SignedIn {
	who := *requestOf(c).signedIn
	who.Session.Address = requestOf(c).address.String()
	return who
}

func (s *Server) updatePreferences(c *fiber.Ctx) error {
	p := profileOf(c)
	// The menu of the frame sends the theme alone.
	if args := c.Request().PostArgs(); args.Has(posthorn.FieldTimeZone) {
		p.TimeZone = formValue(c, posthorn.FieldTimeZone)
	}
	p.Theme = posthorn.Theme(formValue(c, posthorn.FieldTheme))
	err := s.Accounts.UpdatePreferences(c.UserContext(), s.actingAs(c), p.Theme, p.TimeZone)
	return s.saved(c, err, "Your preferences are saved.", p)
}

func (s *Server) changePassword(c *fiber.Ctx) error {
	err := s.Accounts.ChangePassword(c.UserContext(), s.actingAs(c),
		formValue(c, posthorn.FieldCurrentPassword), formValue(c, posthorn.FieldNewPassword))
	return s.saved(c, err, "Your password is changed. Every other browser is signed out.", profileOf(c))
}

// signOutEverywhere ends every other session and keeps this one.
func (s *Server) signOutEverywhere(c *fiber.Ctx) error {
	who := s.actingAs(c)
	ended, err := s.Accounts.DeleteUserSessions(c.UserContext(), who.User.Actor(who.Session.Address), who.User, &who.Session.TokenHash)
	news := "No other browser was signed in."
	switch {
	case ended == 1:
		news = "1 other browser is signed out."
	case ended > 1:
		news = fmt.Sprintf("%d other browsers are signed out.", ended)
	}
	return s.saved(c, err, news, profileOf(c))
}
