package web_test

import (
	"net/url"
	"strings"
	"testing"

	"posthorn/internal/browserkit"
	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// inviteInBrowser makes an invitation through its form and returns the path of its link.
func inviteInBrowser(t *testing.T, p *browserkit.Page, email string, role posthorn.Role) string {
	t.Helper()
	p.Goto(path.SettingsMembers)
	p.Click("main a", "Invite member")
	p.Fill(field(posthorn.FieldEmail), email)
	p.Click("#role-" + string(role))
	p.Click("main button", "Create invitation")
	p.Visible("#shown-title", "Invitation for "+email+" created")
	return linkPath(t, p)
}

// linkPath is the path of the link that a page shows.
func linkPath(t *testing.T, p *browserkit.Page) string {
	t.Helper()
	u, err := url.Parse(browserkit.Eval[string](p, `document.querySelector("`+shownValue+`").value`))
	if err != nil {
		t.Fatal(err)
	}
	return u.Path
}

// settingsSite runs a site with members, invitations in every state, applications, and an audit log.
func settingsSite(t *testing.T) (s *sitekit.Site, member posthorn.User, app posthorn.Application) {
	t.Helper()
	s = sitekit.Start(t)
	member = s.CreateUser(posthorn.RoleAdmin, "a.person.with.a.very.long.address@subsidiary.meridianpay.example", clerkAmara)
	who := theOwner(s)
	for _, email := range []string{"mei@meridianpay.example", "jonas@meridianpay.example", "zoe@meridianpay.example"} {
		made, err := s.Accounts.InviteMember(t.Context(), who, posthorn.NewMemberInvitation{Email: email, Role: posthorn.RoleMember, ExternalID: "user_" + email})
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(email, "jonas") {
			if _, err := s.Accounts.RevokeMemberInvitation(t.Context(), who, made.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	owner := s.SignedIn()
	for name, external := range applications {
		owner.Post(path.SettingsApplications, url.Values{posthorn.FieldName: {external}, posthorn.FieldExternalID: {name}})
	}
	href, _ := owner.Get(path.SettingsApplications).HTML(t).Find("#applications a.row-link").First().Attr("href")
	id, err := posthorn.ParseApplicationID(strings.TrimPrefix(href, path.SettingsApplications+"/"))
	if err != nil {
		t.Fatal(err)
	}
	return s, member, posthorn.Application{ID: id, Name: "LedgerLink Web"}
}

func TestTheSettingsAreAccessibleAndFit(t *testing.T) {
	t.Parallel()
	s, member, app := settingsSite(t)
	p := person(t, s)
	p.Allow("/settings/(members/invitations|limits): 422")
	p.Allow("GET /settings/audit.*: 422")
	examine(t, p,
		at("settings-members", path.SettingsMembers),
		at("settings-member", path.SettingsMember(member.ID.String())),
		at("settings-member-remove", path.SettingsMemberRemove(member.ID.String())),
		at("settings-applications", path.SettingsApplications),
		at("settings-application", path.SettingsApplication(app.ID.String())),
		at("settings-application-new", path.SettingsApplicationNew),
		at("settings-application-delete", path.SettingsApplicationDelete(app.ID.String())),
		at("settings-keys", path.SettingsKeys),
		at("settings-limits", path.SettingsLimits),
		at("settings-profile", path.SettingsProfile),
		at("settings-audit-none-match", path.SettingsAudit+"?q=wh_none"),
		at("settings-audit-faults", path.SettingsAudit+"?from=never"),
		view{name: "settings-audit", open: func(p *browserkit.Page) {
			p.Goto(path.SettingsAudit + "?range=24h&action=application.created")
			p.Click("#results summary")
			p.Visible("#results details[open]")
		}},
		view{name: "settings-invite-error", open: func(p *browserkit.Page) {
			p.Goto(path.SettingsInvitationNew)
			p.Fill(field(posthorn.FieldEmail), "mei@localhost@x")
			browserkit.Eval[bool](p, `(document.querySelector("main form").noValidate = true)`)
			p.Click("main button", "Create invitation")
			p.Visible("#email-error")
		}},
	)
}

func TestTheSettingsWithNothingInThemAreAccessibleAndFit(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	examine(t, person(t, s), at("settings-members-empty", path.SettingsMembers), at("settings-applications-empty", path.SettingsApplications))
}

func TestThePagesOfLinksAreAccessibleAndFit(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	join := invitation(t, owner, "mei@example.com", posthorn.RoleMember)
	m := s.CreateUser(posthorn.RoleMember, "amara@example.com", "")
	reset := shownLink(t, owner.Post(path.SettingsMemberReset(m.ID.String()), nil))
	p := visitor(t, s)
	p.Allow("(GET|POST) /(join|reset)/.*: (404|422)")
	examine(t, p,
		at("join", join), at("reset", reset), at("link-over", path.Join("none")),
		view{name: "join-error", open: func(p *browserkit.Page) {
			p.Goto(join)
			p.Fill(field(posthorn.FieldName), "Mei")
			p.Fill(field(posthorn.FieldPassword), "short")
			p.Click("main button", "Join")
			p.Visible("#password-error")
		}},
	)
}

func TestAPersonIsInvitedPromotedAndRemoved(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := person(t, s)
	link := inviteInBrowser(t, owner, "mei@example.com", posthorn.RoleMember)
	owner.Focused("#shown-title")
	copying(func() {
		owner.Click("main button", "Copy")
		owner.Visible("main button", "Copied")
	})
	owner.Click("label", "I have stored this link")
	owner.Click("main button", "Done")
	owner.At(path.SettingsMembers)
	owner.Visible("#invitations td", "Open")
	owner.Hidden(shownValue)

	mei := visitor(t, s)
	mei.Goto(link)
	mei.Focused(field(posthorn.FieldName))
	mei.Fill(field(posthorn.FieldName), "Mei Lin")
	mei.Fill(field(posthorn.FieldPassword), sitekit.UserPassword)
	mei.Click("main button", "Join")
	mei.At(path.Activity)
	if mei.Shows("#nav a", "Webhooks") {
		t.Error("a member sees the webhooks in the sidebar")
	}

	owner.Goto(path.SettingsMembers)
	owner.Visible("#invitations td", "Accepted")
	owner.Click("#members a", "Mei Lin")
	owner.Click("#role-admin")
	owner.Click("main button", "Save member")
	owner.Visible("#toasts", "The member is saved.")
	mei.Goto(path.Activity)
	mei.Visible("#nav a", "Webhooks")

	owner.Click("main a", "Remove member…")
	owner.Focused(field(posthorn.FieldConfirm))
	owner.Fill(field(posthorn.FieldConfirm), "Mei Lin")
	owner.Click("main button", "Remove member")
	owner.Visible("#toasts", "Mei Lin is removed")
	mei.Goto(path.Activity)
	mei.Visible("h1", "Sign in to Posthorn")

	owner.Goto(path.SettingsAudit)
	owner.Visible("#results summary", "Member removed")
}

func TestTheAuditLogIsFilteredInPlace(t *testing.T) {
	t.Parallel()
	s, member, _ := settingsSite(t)
	p := person(t, s)
	p.Goto(path.SettingsAudit)
	p.Click("#f-action-chip")
	p.Click("#f-action label", "Member invited")
	p.Visible("#f-action-chip", "Action: Member invited")
	p.At(path.SettingsAudit + "?action=member_invitation.created")
	if n := browserkit.Eval[int](p, `document.querySelectorAll("#results tbody tr").length`); n != 3 {
		t.Errorf("%d entries", n)
	}
	p.Press("Escape")
	p.Click("#results summary")
	p.Click("#results details a", "Its history")
	p.Visible("#f-subject-chip", "Changed: join_")
	p.Goto(path.SettingsAudit)
	p.Fill("#filter-text", member.ID.String())
	p.At(path.SettingsAudit + "?q=" + member.ID.String())
	p.Visible("#results summary", "Member added")
	if n := browserkit.Eval[int](p, `document.querySelectorAll("#results tbody tr").length`); n != 1 {
		t.Errorf("%d entries about one member", n)
	}
}

func TestAnApplicationIsMadeUsedAndDeletedWithoutScript(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	p := person(t, s)
	p.DisableScript()
	p.Viewport(browserkit.Phone)
	p.Goto(path.SettingsApplications)
	p.Click("main a", "New application")
	p.Fill(field(posthorn.FieldName), "Web shop")
	p.Click("main button", "Create application")
	p.Visible("#applications td", "Web shop")
	p.Click("#applications a", "Web shop")
	p.Fill(field(posthorn.FieldName), "Shop")
	p.Click("main button", "Save application")
	p.Visible("#toasts", "The application is saved.")
	p.Click("main a", "Delete application…")
	p.Click("main button", "Delete application")
	p.Visible("#toasts", "Shop is deleted.")
	p.Goto(path.SettingsAudit)
	p.Click("#results summary")
	p.Visible("#results details[open] del", "Shop")
}
