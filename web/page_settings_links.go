package web

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
	"posthorn/views/pages"
	"posthorn/views/path"
)

// loggedPath is the path of a request as it may be logged: the token of a link is a secret.
func loggedPath(c *fiber.Ctx) string {
	p := c.Path()
	for _, prefix := range []string{path.Join(""), path.Reset("")} {
		// A link that was typed in capitals leads nowhere, and is a secret all the same.
		if len(p) >= len(prefix) && strings.EqualFold(p[:len(prefix)], prefix) {
			return prefix + "…"
		}
	}
	return p
}

// loggedError is an error of a request as it may be logged. Fiber's own for an address without a route repeats the path.
func loggedError(err error) error {
	if e, ok := errors.AsType[*fiber.Error](err); ok && e.Code == http.StatusNotFound {
		return fiber.ErrNotFound
	}
	return err
}

// invitationOver says why an invitation cannot be accepted.
var invitationOver = map[posthorn.MemberInvitationState]string{
	posthorn.MemberInvitationAccepted: "This invitation was used already",
	posthorn.MemberInvitationRevoked:  "This invitation was revoked",
	posthorn.MemberInvitationExpired:  "This invitation has expired",
}

// askForNewLink is the way on from a link that is good for nothing.
const askForNewLink = "Ask an owner of the organisation for a new one. If you have an account, sign in."

// linkOver answers a link that is good for nothing any more.
func (s *Server) linkOver(c *fiber.Ctx, status int, title, lead string) error {
	return s.render(c, status, pages.LinkOver(pages.LinkOverProps{Auth: s.auth(title, lead)}))
}

// linkRefused answers a link that is not known, or comes from an address that tried too many; other errors are left as they
// are.
func (s *Server) linkRefused(c *fiber.Ctx, err error) error {
	f := describe(err)
	switch f.status {
	case http.StatusNotFound:
		return s.linkOver(c, f.status, "This link is not valid", "It may be incomplete, or a newer one has replaced it. "+askForNewLink)
	case http.StatusTooManyRequests:
		setRetryAfter(c, f)
		return s.linkOver(c, f.status, "Too many attempts", f.message)
	}
	return err
}

// showJoin is the form of who was invited.
func (s *Server) showJoin(c *fiber.Ctx) error {
	return s.renderJoin(c, http.StatusOK, pages.JoinProps{})
}

// renderJoin answers with the form, or says why there is none.
func (s *Server) renderJoin(c *fiber.Ctx, status int, p pages.JoinProps) error {
	p.Token = c.Params("token")
	i, tenant, err := s.Members.OpenMemberInvitation(c.UserContext(), p.Token, requestOf(c).address.String())
	if err != nil {
		return s.linkRefused(c, err)
	}
	if over, ok := invitationOver[i.State(time.Now())]; ok {
		return s.linkOver(c, http.StatusGone, over, askForNewLink)
	}
	p.Email = i.Email
	if who := requestOf(c).signedIn; who != nil {
		p.SignedInAs = who.User.Name
	}
	p.Auth = s.auth("Join "+tenant.Name, i.CreatedBy+" invited you to Posthorn")
	return s.render(c, status, pages.Join(p))
}

// join makes the user whom an invitation is for, and signs them in.
func (s *Server) join(c *fiber.Ctx) error {
	p := pages.JoinProps{Name: formValue(c, posthorn.FieldName)}
	user, err := s.Members.AcceptMemberInvitation(c.UserContext(), posthorn.Acceptance{
		Token: c.Params("token"), Address: requestOf(c).address.String(), Name: p.Name, Password: formValue(c, posthorn.FieldPassword),
	})
	switch f := describe(err); {
	case errors.Is(err, posthorn.ErrMemberInvitationOver):
		return s.renderJoin(c, http.StatusGone, p)
	case err != nil && f.fields != nil:
		p.Fields = f.fields
		if p.Fields[posthorn.FieldName] == "" && p.Fields[posthorn.FieldPassword] == "" {
			p.Error = f.message // of a field that is the inviter's
		}
		return s.renderJoin(c, f.status, p)
	case err != nil:
		return s.linkRefused(c, err)
	}
	if err := s.startSession(c, user, false); err != nil {
		return err
	}
	return s.redirect(c, path.Home)
}

// showReset is the form of who forgot their password.
func (s *Server) showReset(c *fiber.Ctx) error { return s.renderReset(c, http.StatusOK, nil) }

// renderReset answers with the form, or says why there is none.
func (s *Server) renderReset(c *fiber.Ctx, status int, fields map[string]string) error {
	p := pages.ResetProps{Token: c.Params("token"), Fields: fields}
	user, err := s.Members.OpenResetLink(c.UserContext(), p.Token, requestOf(c).address.String())
	switch {
	case errors.Is(err, posthorn.ErrResetOver):
		return s.linkOver(c, http.StatusGone, "This link is not good any more", "It was used already, or has expired. "+askForNewLink)
	case err != nil:
		return s.linkRefused(c, err)
	}
	p.Email = user.Email
	p.Auth = s.auth("Set a new password", "You sign in with it from then on")
	return s.render(c, status, pages.Reset(p))
}

// resetPassword sets the new password of who forgot theirs, and leads to the sign-in.
func (s *Server) resetPassword(c *fiber.Ctx) error {
	_, err := s.Members.ResetPasswordByLink(c.UserContext(), c.Params("token"), requestOf(c).address.String(), formValue(c, posthorn.FieldNewPassword))
	switch f := describe(err); {
	case errors.Is(err, posthorn.ErrResetOver):
		return s.renderReset(c, http.StatusGone, nil)
	case err != nil && f.fields != nil:
		return s.renderReset(c, f.status, f.fields)
	case err != nil:
		return s.linkRefused(c, err)
	}
	return s.redirect(c, path.LoginAfterReset)
}
