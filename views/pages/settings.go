package pages

import (
	"strings"
	"time"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
	"posthorn/views/path"
	"posthorn/views/ui"
)

// The tabs of the settings.
const (
	tabMembers      = "Members"
	tabApplications = "Applications"
	tabKeys         = "API keys"
	tabAudit        = "Audit log"
	tabLimits       = "Limits"
	tabProfile      = "Profile"
)

// settingsTabs are the pages of the settings, for who administers the tenant. Others have their profile alone.
func settingsTabs(current string) ui.TabsProps {
	tabs := ui.TabsProps{Label: "Settings", Items: []ui.Tab{
		{Label: tabMembers, URL: path.SettingsMembers, Key: "1"},
		{Label: tabApplications, URL: path.SettingsApplications, Key: "2"},
		{Label: tabKeys, URL: path.SettingsKeys, Key: "3"},
		{Label: tabAudit, URL: path.SettingsAudit, Key: "4"},
		{Label: tabLimits, URL: path.SettingsLimits, Key: "5"},
		{Label: tabProfile, URL: path.SettingsProfile, Key: "6"},
	}}
	for i := range tabs.Items {
		tabs.Items[i].Current = tabs.Items[i].Label == current
	}
	return tabs
}

// SettingsKeysProps is the credentials as a page of the settings.
type SettingsKeysProps struct {
	Page        layout.PageProps
	Credentials CredentialsProps
}

// MembersProps is the list of members and invitations.
type MembersProps struct {
	Page        layout.PageProps
	Members     []posthorn.Member
	Invitations []posthorn.MemberInvitation
	// Reader is who looks. Owners manage members, admins see them.
	Reader   posthorn.User
	Now      time.Time
	Location *time.Location
	// Shown is nil unless this answer shows a link.
	Shown *ShownOnceProps
}

func (p MembersProps) owner() bool { return p.Reader.Role == posthorn.RoleOwner }

func (p MembersProps) time(at time.Time) ui.TimeProps {
	return ui.TimeProps{At: at, Now: p.Now, Zone: p.Location}
}

var memberColumns = []ui.Column{
	{Label: "Member"}, {Label: "Role"}, {Label: "External ID", Class: "max-lg:hidden"}, {Label: "Last seen", Class: "max-sm:hidden"},
}

func (p MembersProps) invitationColumns() []ui.Column {
	columns := []ui.Column{
		{Label: "Email"},
		{Label: "Role", Class: "max-sm:hidden"},
		{Label: "Status"},
		{Label: "Invited", Class: "max-md:hidden"},
		{Label: "Expires", Class: "max-md:hidden"},
	}
	if p.owner() {
		columns = append(columns, ui.Column{Label: "Actions", Hidden: true})
	}
	return columns
}

// roleNames are the roles in words, roleTexts what each may do.
var (
	roleNames = map[posthorn.Role]string{posthorn.RoleOwner: "Owner", posthorn.RoleAdmin: "Admin", posthorn.RoleMember: "Member"}
	roleTexts = map[posthorn.Role]string{
		posthorn.RoleOwner:  "Manages members, API keys and limits, and everything else.",
		posthorn.RoleAdmin:  "Manages webhooks, events and applications. Sees members and the audit log.",
		posthorn.RoleMember: "Sees the activity with their own external ID.",
	}
)

// roleChoices are the roles, each with what it may do.
func roleChoices(chosen posthorn.Role) []ui.Choice {
	var choices []ui.Choice
	for _, r := range posthorn.Roles() {
		choices = append(choices, ui.Choice{Value: string(r), Label: roleNames[r], Hint: roleTexts[r], Selected: r == chosen})
	}
	return choices
}

// invitationStatus is the state of an invitation as a badge.
func (p MembersProps) invitationStatus(i *posthorn.MemberInvitation) ui.BadgeProps {
	switch i.State(p.Now) {
	case posthorn.MemberInvitationAccepted:
		return ui.BadgeProps{Tone: ui.Success, Icon: ui.IconCheckCircle, Label: "Accepted"}
	case posthorn.MemberInvitationRevoked:
		return ui.BadgeProps{Tone: ui.Neutral, Icon: ui.IconSlash, Label: "Revoked"}
	case posthorn.MemberInvitationExpired:
		return ui.BadgeProps{Tone: ui.Neutral, Icon: ui.IconClock, Label: "Expired"}
	case posthorn.MemberInvitationOpen:
	}
	return ui.BadgeProps{Tone: ui.Accent, Icon: ui.IconClock, Label: "Open"}
}

// open reports whether an invitation can still be accepted.
func (p MembersProps) open(i *posthorn.MemberInvitation) bool {
	return i.State(p.Now) == posthorn.MemberInvitationOpen
}

// InviteProps is the form of a new invitation.
type InviteProps struct {
	Page    layout.PageProps
	FormKey string
	// Email, Role and ExternalID are what was typed before.
	Email, ExternalID string
	Role              posthorn.Role
	Error             string
	// Fields says what is wrong with which field.
	Fields map[string]string
}

func (p InviteProps) focus() string {
	if bad := firstFault(p.Fields, posthorn.FieldEmail, posthorn.FieldRole, posthorn.FieldExternalID); bad != "" || p.Error != "" {
		return bad
	}
	return posthorn.FieldEmail
}

// MemberProps is the page of one member, for owners.
type MemberProps struct {
	Page   layout.PageProps
	Member posthorn.Member
	// Self says that the reader looks at themselves.
	Self bool
	// Name, Role and ExternalID are what the form shows: the stored values, or what was typed before.
	Name, ExternalID string
	Role             posthorn.Role
	FormKey          string
	Error            string
	Fields           map[string]string
	// Shown is nil unless this answer shows a link.
	Shown    *ShownOnceProps
	Location *time.Location
}

func (p MemberProps) focus() string {
	return firstFault(p.Fields, posthorn.FieldName, posthorn.FieldRole, posthorn.FieldExternalID)
}

func (p MemberProps) time(at time.Time) ui.TimeProps {
	return ui.TimeProps{At: at, Now: p.Page.Now, Zone: p.Location}
}

// MemberRemoveProps asks whether to remove a member.
type MemberRemoveProps struct {
	Page   layout.PageProps
	Member posthorn.Member
	// Typed is what was typed to confirm.
	Typed  string
	Error  string
	Fields map[string]string
}

// JoinProps is the page where an invitation is accepted.
type JoinProps struct {
	Auth  layout.AuthProps
	Token string
	Email string
	Name  string
	// SignedInAs is the name of who is signed in in this browser, empty for nobody.
	SignedInAs string
	Error      string
	Fields     map[string]string
}

func (p JoinProps) focus() string {
	if bad := firstFault(p.Fields, posthorn.FieldName, posthorn.FieldPassword); bad != "" || p.Error != "" {
		return bad
	}
	return posthorn.FieldName
}

// ResetProps is the page where a forgotten password is replaced.
type ResetProps struct {
	Auth   layout.AuthProps
	Token  string
	Email  string
	Fields map[string]string
}

// LinkOverProps says that a link is good for nothing any more.
type LinkOverProps struct {
	Auth layout.AuthProps
}

// ApplicationsProps is the list of applications.
type ApplicationsProps struct {
	Page         layout.PageProps
	Applications []posthorn.ApplicationUse
	Now          time.Time
	Location     *time.Location
}

var applicationColumns = []ui.Column{
	{Label: "Application"},
	{Label: "External ID", Class: "max-sm:hidden"},
	{Label: "ID", Class: "max-lg:hidden"},
	{Label: "Webhooks", Number: true},
	{Label: "Created", Class: "max-md:hidden"},
}

// ApplicationProps is the form of an application.
type ApplicationProps struct {
	Page layout.PageProps
	// Application is nil for a new one.
	Application *posthorn.ApplicationUse
	FormKey     string
	// Name and ExternalID are what the form shows: the stored values, or what was typed before.
	Name, ExternalID string
	Error            string
	Fields           map[string]string
}

func (p ApplicationProps) focus() string {
	if bad := firstFault(p.Fields, posthorn.FieldName, posthorn.FieldExternalID); bad != "" {
		return bad
	}
	if p.Application == nil && p.Error == "" {
		return posthorn.FieldName
	}
	return ""
}

// ApplicationDeleteProps asks whether to delete an application.
type ApplicationDeleteProps struct {
	Page        layout.PageProps
	Application posthorn.ApplicationUse
	Error       string
}

// webhookNames lists webhooks in a sentence.
func webhookNames(list []posthorn.NamedWebhook) string {
	names := make([]string, len(list))
	for i, w := range list {
		names[i] = w.Name
	}
	return strings.Join(names, ", ")
}

// LimitsProps is how many requests programs may make.
type LimitsProps struct {
	Page   layout.PageProps
	Limits posthorn.TenantLimits
	// Owner says that the reader may change them.
	Owner bool
	// Typed is what the form shows by field: the settings, or what was typed before.
	Typed  map[string]string
	Error  string
	Fields map[string]string
}

func (p LimitsProps) focus() string {
	return firstFault(p.Fields, posthorn.FieldAPIRate, posthorn.FieldAPIBurst, posthorn.FieldPublishRate, posthorn.FieldPublishBurst)
}

// requestLimitWords says what a limit lets through.
func requestLimitWords(l posthorn.RateLimit) string {
	if l.Off() {
		return "No limit"
	}
	return ui.Count(int64(l.PerMinute)) + " a minute, " + ui.Count(int64(l.Burst)) + " at once"
}
