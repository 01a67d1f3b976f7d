package web

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
	"posthorn/views/ui"
)

// page makes the frame of a page, with what earlier requests left to say.
func (s *Server) page(c *fiber.Ctx, title string, active layout.NavItem) (layout.PageProps, error) {
	p := s.frame(c, title, active)
	messages, err := s.takeFlash(c)
	if err != nil {
		return p, err
	}
	for _, m := range messages {
		p.Flash = append(p.Flash, ui.ToastProps{Text: m, Tone: ui.Success, Icon: ui.IconCheckCircle})
	}
	return p, nil
}

// frame makes the frame of a page without touching the session: error pages use it as it is.
func (s *Server) frame(c *fiber.Ctx, title string, active layout.NavItem) layout.PageProps {
	p := layout.PageProps{
		Title: title, Active: active, Crumbs: []layout.Crumb{{Label: title}}, Now: time.Now(), Path: c.OriginalURL(), Query: c.Query(filterText),
	}
	if who := requestOf(c).signedIn; who != nil {
		p.Theme = themeOf(who.User.Theme)
		p.Viewer = layout.Viewer{
			Name: who.User.Name, Initials: initials(who.User.Name), Role: roleLabels[who.User.Role], Tenant: who.Tenant.Name,
			Admin: who.User.Role.Administers(),
		}
	}
	return p
}

// roleLabels are the roles in words.
var roleLabels = map[posthorn.Role]string{posthorn.RoleOwner: "Owner", posthorn.RoleAdmin: "Admin", posthorn.RoleMember: "Member"}

func themeOf(t posthorn.Theme) layout.Theme {
	if t == posthorn.ThemeSystem {
		return layout.ThemeSystem
	}
	return layout.Theme(t)
}

// initials returns the first letters of the first and the last word of a name.
func initials(name string) string {
	words := strings.Fields(name)
	if len(words) > 2 {
		words = []string{words[0], words[len(words)-1]}
	}
	var b strings.Builder
	for _, w := range words {
		r, _ := utf8.DecodeRuneInString(w)
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String())
}

// recordTitle names a record in the title of its page.
func recordTitle(a *posthorn.Activity) string {
	return strings.ToUpper(string(a.Type)) + " record · Activity"
}
