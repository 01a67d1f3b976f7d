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

// Members is what the pages do with members, invitations and links for new passwords. Implemented by posthorn.Accounts.
type Members interface {
	ListMembers(ctx context.Context, tenant posthorn.TenantID) ([]posthorn.Member, error)
	Member(ctx context.Context, tenant posthorn.TenantID, id posthorn.UserID) (posthorn.Member, error)
	UpdateMember(ctx context.Context, who posthorn.SignedIn, id posthorn.UserID, in posthorn.MemberChange) error
	RemoveMember(ctx context.Context, who posthorn.SignedIn, id posthorn.UserID) error

	InviteMember(ctx context.Context, who posthorn.SignedIn, in posthorn.NewMemberInvitation) (posthorn.MadeMemberInvitation, error)
	ListMemberInvitations(ctx context.Context, tenant posthorn.TenantID) ([]posthorn.MemberInvitation, error)
	RevokeMemberInvitation(ctx context.Context, who posthorn.SignedIn, id posthorn.MemberInvitationID) (posthorn.MemberInvitation, error)
	OpenMemberInvitation(ctx context.Context, token, address string) (posthorn.MemberInvitation, posthorn.Tenant, error)
	AcceptMemberInvitation(ctx context.Context, in posthorn.Acceptance) (posthorn.User, error)

	MakeResetLink(ctx context.Context, who posthorn.SignedIn, id posthorn.UserID, form *posthorn.IdempotencyKey) (posthorn.MadeResetLink, error)
	OpenResetLink(ctx context.Context, token, address string) (posthorn.User, error)
	ResetPasswordByLink(ctx context.Context, token, address, newPassword string) (posthorn.User, error)
}

// What the forms of members make, as their keys tell it.
const (
	formInvitation = "member_invitation"
	formResetLink  = "reset_link"
)

// membersCrumb is the way back to the members.
var membersCrumb = layout.Crumb{Label: "Members", URL: path.SettingsMembers}

func (s *Server) showMembers(c *fiber.Ctx) error { return s.renderMembers(c, nil) }

// leadToMembers answers who asks again for the address of a form that has shown a link.
func (s *Server) leadToMembers(c *fiber.Ctx) error { return s.redirect(c, path.SettingsMembers) }

func (s *Server) renderMembers(c *fiber.Ctx, shown *pages.ShownOnceProps) error {
	p := pages.MembersProps{Reader: requestOf(c).signedIn.User, Now: time.Now(), Location: zoneOf(c), Shown: shown}
	var err error
	if p.Members, err = s.Members.ListMembers(c.UserContext(), tenantOf(c)); err != nil {
		return err
	}
	if p.Invitations, err = s.Members.ListMemberInvitations(c.UserContext(), tenantOf(c)); err != nil {
		return err
	}
	if p.Page, err = s.settingsPage(c, "Members"); err != nil {
		return err
	}
	return s.render(c, http.StatusOK, pages.Members(p))
}

func (s *Server) showInvite(c *fiber.Ctx) error {
	return s.renderInvite(c, http.StatusOK, pages.InviteProps{FormKey: newFormKey(), Role: posthorn.RoleMember})
}

func (s *Server) renderInvite(c *fiber.Ctx, status int, p pages.InviteProps) error {
	var err error
	if p.Page, err = s.settingsPage(c, "Invite a member", membersCrumb); err != nil {
		return err
	}
	return s.render(c, status, pages.Invite(p))
}

func (s *Server) inviteMember(c *fiber.Ctx) error {
	p := pages.InviteProps{
		FormKey: postedFormKey(c), Email: formValue(c, posthorn.FieldEmail), Role: posthorn.Role(formValue(c, posthorn.FieldRole)),
		ExternalID: formValue(c, posthorn.FieldExternalID),
	}
	made, err := s.Members.InviteMember(c.UserContext(), s.actingAs(c), posthorn.NewMemberInvitation{
		Email: p.Email, Role: p.Role, ExternalID: p.ExternalID, Form: formKey(c, formInvitation),
	})
	if fields, message, status, ok := formProblem(err); ok {
		p.Fields, p.Error = fields, message
		return s.renderInvite(c, status, p)
	}
	switch {
	case err != nil:
		return err
	case made.Repeated:
		return s.backTo(c, path.SettingsMembers, made.Email+" was invited already, the link was shown once.")
	}
	return s.renderMembers(c, &pages.ShownOnceProps{
		Title: "Invitation for " + made.Email + " created",
		Text:  "Send them this link. It is good until " + moment(made.ExpiresAt, zoneOf(c)) + ", for one person, and cannot be shown again.",
		Label: "Invitation link", What: "link", Value: s.link(path.Join(made.Token)), DoneURL: path.SettingsMembers,
	})
}

// link is a path as an address that works from elsewhere.
func (s *Server) link(to string) string { return s.BaseURL.JoinPath(to).String() }

// moment is a time to the minute where a reader is.
func moment(t time.Time, zone *time.Location) string {
	return t.In(zone).Format("2 Jan 2006, 15:04 MST")
}

func (s *Server) revokeInvitation(c *fiber.Ctx) error {
	id, err := posthorn.ParseMemberInvitationID(c.Params("id"))
	if err != nil {
		return posthorn.Because(posthorn.NotFound, pageMissing, err)
	}
	i, err := s.Members.RevokeMemberInvitation(c.UserContext(), s.actingAs(c), id)
	if err != nil {
		return err
	}
	news := "The invitation of " + i.Email + " is revoked. Its link does not work any more."
	if i.RevokedAt.IsZero() {
		news = "The invitation of " + i.Email + " was over already."
	}
	return s.backTo(c, path.SettingsMembers, news)
}

// member is the one that the path names.
func (s *Server) member(c *fiber.Ctx) (posthorn.Member, error) {
	id, err := posthorn.ParseUserID(c.Params("id"))
	if err != nil {
		return posthorn.Member{}, posthorn.Because(posthorn.NotFound, pageMissing, err)
	}
	return s.Members.Member(c.UserContext(), tenantOf(c), id)
}

func (s *Server) showMember(c *fiber.Ctx) error {
	m, err := s.member(c)
	if err != nil {
		return err
	}
	return s.renderMember(c, http.StatusOK, memberPage(m))
}

// memberPage fills the form with what is stored.
func memberPage(m posthorn.Member) pages.MemberProps {
	return pages.MemberProps{Member: m, Name: m.Name, Role: m.Role, ExternalID: m.ExternalID}
}

func (s *Server) renderMember(c *fiber.Ctx, status int, p pages.MemberProps) error {
	var err error
	if p.Page, err = s.settingsPage(c, p.Member.Name, membersCrumb); err != nil {
		return err
	}
	p.Self, p.Location, p.FormKey = p.Member.ID == requestOf(c).signedIn.User.ID, zoneOf(c), newFormKey()
	return s.render(c, status, pages.MemberPage(p))
}

func (s *Server) updateMember(c *fiber.Ctx) error {
	m, err := s.member(c)
	if err != nil {
		return err
	}
	p := memberPage(m)
	p.Name, p.Role = formValue(c, posthorn.FieldName), posthorn.Role(formValue(c, posthorn.FieldRole))
	p.ExternalID = formValue(c, posthorn.FieldExternalID)
	who := s.actingAs(c)
	err = s.Members.UpdateMember(c.UserContext(), who, m.ID, posthorn.MemberChange{Name: p.Name, Role: p.Role, ExternalID: p.ExternalID})
	if fields, message, status, ok := formProblem(err); ok {
		p.Fields, p.Error = fields, message
		return s.renderMember(c, status, p)
	}
	if err != nil {
		return err
	}
	next := path.SettingsMember(m.ID.String())
	if m.ID == who.User.ID && p.Role != posthorn.RoleOwner {
		next = path.Settings // this page is for owners
	}
	return s.backTo(c, next, "The member is saved.")
}

// leadToMember answers who asks again for the address of a form that has shown a link.
func (s *Server) leadToMember(c *fiber.Ctx) error {
	m, err := s.member(c)
	if err != nil {
		return err
	}
	return s.redirect(c, path.SettingsMember(m.ID.String()))
}

func (s *Server) makeResetLink(c *fiber.Ctx) error {
	m, err := s.member(c)
	if err != nil {
		return err
	}
	made, err := s.Members.MakeResetLink(c.UserContext(), s.actingAs(c), m.ID, formKey(c, formResetLink+" "+m.ID.String()))
	address := path.SettingsMember(m.ID.String())
	switch {
	case err != nil:
		return err
	case made.Repeated:
		return s.backTo(c, address, "The link was made already, and was shown once.")
	}
	p := memberPage(m)
	p.Shown = &pages.ShownOnceProps{
		Title: "Link to set a new password for " + m.Name,
		Text:  "Send it to " + m.Email + ". It is good until " + moment(made.ExpiresAt, zoneOf(c)) + ", once, and cannot be shown again.",
		Label: "Reset link", What: "link", Value: s.link(path.Reset(made.Token)), DoneURL: address,
	}
	return s.renderMember(c, http.StatusOK, p)
}

func (s *Server) askToRemoveMember(c *fiber.Ctx) error {
	m, err := s.member(c)
	if err != nil {
		return err
	}
	return s.renderRemoveMember(c, http.StatusOK, pages.MemberRemoveProps{Member: m})
}

func (s *Server) renderRemoveMember(c *fiber.Ctx, status int, p pages.MemberRemoveProps) error {
	var err error
	back := layout.Crumb{Label: p.Member.Name, URL: path.SettingsMember(p.Member.ID.String())}
	if p.Page, err = s.settingsPage(c, "Remove", membersCrumb, back); err != nil {
		return err
	}
	return s.render(c, status, pages.MemberRemove(p))
}

func (s *Server) removeMember(c *fiber.Ctx) error {
	m, err := s.member(c)
	if err != nil {
		return err
	}
	p := pages.MemberRemoveProps{Member: m, Typed: formValue(c, posthorn.FieldConfirm)}
	if !posthorn.SameName(p.Typed, m.Name) {
		p.Fields = map[string]string{posthorn.FieldConfirm: "must be the name of the member: " + m.Name}
		return s.renderRemoveMember(c, http.StatusUnprocessableEntity, p)
	}
	err = s.Members.RemoveMember(c.UserContext(), s.actingAs(c), m.ID)
	if _, message, status, ok := formProblem(err); ok {
		p.Error = message
		return s.renderRemoveMember(c, status, p)
	}
	if err != nil {
		return err
	}
	return s.backTo(c, path.SettingsMembers, m.Name+" is removed and signed out everywhere.")
}
