package path

import "net/url"

// URLs of the settings of the organisation.
const (
	// Settings leads to the first page of the settings that the viewer may see.
	Settings = "/settings"
	// SettingsMembers lists the members and the invitations.
	SettingsMembers = "/settings/members"
	// SettingsInvitations takes the form of a new invitation (POST); asked for, it leads to the members.
	SettingsInvitations = SettingsMembers + "/invitations"
	// SettingsInvitationNew is the form of a new invitation.
	SettingsInvitationNew = SettingsInvitations + "/new"
	// SettingsApplications lists the applications and takes new ones (POST).
	SettingsApplications = "/settings/applications"
	// SettingsApplicationNew is the form of a new application.
	SettingsApplicationNew = SettingsApplications + "/new"
	// SettingsKeys is the credentials as a page of the settings.
	SettingsKeys = "/settings/keys"
	// SettingsAudit is the audit log.
	SettingsAudit = "/settings/audit"
	// SettingsAuditCSV streams the filtered audit log as CSV.
	SettingsAuditCSV = SettingsAudit + "/export.csv"
	// SettingsAuditNDJSON streams the filtered audit log as one JSON object a line.
	SettingsAuditNDJSON = SettingsAudit + "/export.ndjson"
	// SettingsLimits shows and saves how many requests programs may make.
	SettingsLimits = "/settings/limits"

	// LoginAfterReset is the sign-in form that says that a password was reset.
	LoginAfterReset = Login + "?reset=1"

	// join and reset are the prefixes of links that carry a token.
	join  = "/join/"
	reset = "/reset/"
)

// SettingsInvitationRevoke ends an invitation (POST). The id is the public one, "join_…".
func SettingsInvitationRevoke(id string) string {
	return SettingsInvitations + "/" + url.PathEscape(id) + "/revoke"
}

// SettingsMember is the form of one member, and takes it (POST). The id is the public one, "user_…", here and below.
func SettingsMember(id string) string { return SettingsMembers + "/" + url.PathEscape(id) }

// SettingsMemberReset makes a link for a new password (POST); asked for, it leads to the member.
func SettingsMemberReset(id string) string { return SettingsMember(id) + "/reset-link" }

// SettingsMemberRemove asks whether to remove a member, and does it (POST).
func SettingsMemberRemove(id string) string { return SettingsMember(id) + "/remove" }

// SettingsApplication is the form of one application, and takes it (POST). The id is the public one, "app_…", here and below.
func SettingsApplication(id string) string { return SettingsApplications + "/" + url.PathEscape(id) }

// SettingsApplicationDelete asks whether to delete an application, and does it (POST).
func SettingsApplicationDelete(id string) string { return SettingsApplication(id) + "/delete" }

// Join is where an invitation is accepted. The token is a secret.
func Join(token string) string { return join + url.PathEscape(token) }

// Reset is where a forgotten password is replaced. The token is a secret.
func Reset(token string) string { return reset + url.PathEscape(token) }
