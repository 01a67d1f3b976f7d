package web

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
	"posthorn/views/pages"
	"posthorn/views/path"
)

// Limits is how many requests the programs of a tenant may make. Implemented by posthorn.Limits.
type Limits interface {
	Get(ctx context.Context, tenant posthorn.TenantID) (posthorn.TenantLimits, error)
	Set(ctx context.Context, actor posthorn.Actor, tenant posthorn.TenantID, in posthorn.LimitSettings) (posthorn.TenantLimits, error)
}

// settingsTitle is the heading of the pages of the settings.
const settingsTitle = "Settings"

// settingsRoutes are those of the settings, and of the links that they make.
func (s *Server) settingsRoutes() []route {
	const get, post = fiber.MethodGet, fiber.MethodPost
	return []route{
		{get, path.Settings, person, s.showSettings},
		{get, path.SettingsMembers, admin, s.showMembers},
		{get, path.SettingsInvitations, admin, s.leadToMembers},
		{post, path.SettingsInvitations, owner, s.inviteMember},
		{get, path.SettingsInvitationNew, owner, s.showInvite},
		{post, path.SettingsInvitationRevoke(":id"), owner, s.revokeInvitation},
		{get, path.SettingsMember(":id"), owner, s.showMember},
		{post, path.SettingsMember(":id"), owner, s.updateMember},
		{get, path.SettingsMemberReset(":id"), owner, s.leadToMember},
		{post, path.SettingsMemberReset(":id"), owner, s.makeResetLink},
		{get, path.SettingsMemberRemove(":id"), owner, s.askToRemoveMember},
		{post, path.SettingsMemberRemove(":id"), owner, s.removeMember},
		{get, path.SettingsApplications, admin, s.showApplications},
		{post, path.SettingsApplications, admin, s.createApplication},
		{get, path.SettingsApplicationNew, admin, s.showNewApplication},
		{get, path.SettingsApplication(":id"), admin, s.showApplication},
		{post, path.SettingsApplication(":id"), admin, s.updateApplication},
		{get, path.SettingsApplicationDelete(":id"), admin, s.askToDeleteApplication},
		{post, path.SettingsApplicationDelete(":id"), admin, s.deleteApplication},
		{get, path.SettingsKeys, admin, s.showSettingsKeys},
		{get, path.SettingsAudit, admin, s.showAudit},
		{get, path.SettingsAuditCSV, admin, s.exportAuditCSV},
		{get, path.SettingsAuditNDJSON, admin, s.exportAuditNDJSON},
		{get, path.SettingsLimits, admin, s.showLimits},
		{post, path.SettingsLimits, owner, s.setLimits},
		{get, path.Join(":token"), linked, s.showJoin},
		{post, path.Join(":token"), linked, s.join},
		{get, path.Reset(":token"), linked, s.showReset},
		{post, path.Reset(":token"), linked, s.resetPassword},
	}
}

// settingsPage is the frame of a page of the settings. A page below one of the tabs has a way back to it.
func (s *Server) settingsPage(c *fiber.Ctx, title string, above ...layout.Crumb) (layout.PageProps, error) {
	p, err := s.page(c, title+" · "+settingsTitle, layout.NavSettings)
	p.Crumbs = []layout.Crumb{{Label: settingsTitle}}
	if len(above) > 0 {
		p.Crumbs = slices.Concat(above, []layout.Crumb{{Label: title}})
	}
	return p, err
}

// showSettings leads to the first page of the settings that the reader may see.
func (s *Server) showSettings(c *fiber.Ctx) error {
	if requestOf(c).signedIn.User.Role.Administers() {
		return s.redirect(c, path.SettingsMembers)
	}
	return s.redirect(c, path.SettingsProfile)
}

// formProblem is what a form shows of an error: the fields that are wrong, or the sentence of a conflict. ok is false for an
// error that the form has nothing to do with.
func formProblem(err error) (fields map[string]string, message string, status int, ok bool) {
	f := describe(err)
	switch {
	case err == nil:
		return nil, "", 0, false
	case f.fields != nil:
		return f.fields, "", f.status, true
	case f.status == http.StatusConflict:
		return nil, f.message, f.status, true
	}
	return nil, "", 0, false
}

// showSettingsKeys is the credentials as a page of the settings.
func (s *Server) showSettingsKeys(c *fiber.Ctx) error {
	var p pages.SettingsKeysProps
	var err error
	if p.Credentials, err = s.credentials(c); err != nil {
		return err
	}
	if p.Page, err = s.settingsPage(c, "API keys"); err != nil {
		return err
	}
	return s.render(c, http.StatusOK, pages.SettingsKeys(p))
}

// limitFields are the fields of the form of limits.
var limitFields = []string{posthorn.FieldAPIRate, posthorn.FieldAPIBurst, posthorn.FieldPublishRate, posthorn.FieldPublishBurst}

func (s *Server) showLimits(c *fiber.Ctx) error {
	limits, err := s.Limits.Get(c.UserContext(), tenantOf(c))
	if err != nil {
		return err
	}
	p := pages.LimitsProps{Limits: limits, Typed: map[string]string{}}
	for i, n := range []*int{limits.Set.APIRate, limits.Set.APIBurst, limits.Set.PublishRate, limits.Set.PublishBurst} {
		if n != nil {
			p.Typed[limitFields[i]] = strconv.Itoa(*n)
		}
	}
	return s.renderLimits(c, http.StatusOK, p)
}

func (s *Server) renderLimits(c *fiber.Ctx, status int, p pages.LimitsProps) error {
	var err error
	if p.Page, err = s.settingsPage(c, "Limits"); err != nil {
		return err
	}
	p.Owner = requestOf(c).signedIn.User.Role == posthorn.RoleOwner
	return s.render(c, status, pages.Limits(p))
}

func (s *Server) setLimits(c *fiber.Ctx) error {
	p := pages.LimitsProps{Typed: map[string]string{}}
	var in posthorn.LimitSettings
	for i, into := range []**int{&in.APIRate, &in.APIBurst, &in.PublishRate, &in.PublishBurst} {
		text := strings.TrimSpace(formValue(c, limitFields[i]))
		if p.Typed[limitFields[i]] = text; text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			n = -1 // out of every range, so that all fields are judged at once
		}
		*into = &n
	}
	_, err := s.Limits.Set(c.UserContext(), s.webActor(c), tenantOf(c), in)
	if fields, message, status, ok := formProblem(err); ok {
		p.Fields, p.Error = fields, message
		if p.Limits, err = s.Limits.Get(c.UserContext(), tenantOf(c)); err != nil {
			return err
		}
		return s.renderLimits(c, status, p)
	}
	if err != nil {
		return err
	}
	return s.backTo(c, path.SettingsLimits, "The limits are saved. They hold from now on.")
}
