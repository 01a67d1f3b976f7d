// Package path holds every URL of the product. Templates, handlers and tests take URLs from here only, so a route has one
// spelling and a link to a page that does not exist does not compile.
package path

import (
	"net/url"
	"strings"

	"posthorn/static"
)

// Fixed URLs.
const (
	// Home is the overview for admins and leads to the activity feed for members.
	Home = "/"
	// Login shows and takes the sign-in form.
	Login = "/login"
	// Logout ends the session (POST).
	Logout = "/logout"
	// Setup creates the first tenant and its owner, once.
	Setup = "/setup"
	// Search looks up one id, hash or address in "q".
	Search = "/search"

	// Activity is the activity feed.
	Activity = "/activity"
	// ActivityNew counts the records newer than the first one of the feed, for the "3 new records" link.
	ActivityNew = "/activity/new"
	// ActivityStream is the server-sent stream that says when the feed has changed.
	ActivityStream = "/activity/stream"
	// ActivityExportCSV streams the filtered feed as CSV.
	ActivityExportCSV = "/activity/export.csv"
	// ActivityExportNDJSON streams the filtered feed as one JSON object a line.
	ActivityExportNDJSON = "/activity/export.ndjson"

	// Webhooks lists the webhooks and takes new ones (POST).
	Webhooks = "/webhooks"
	// WebhookNew is the form of a new webhook.
	WebhookNew = "/webhooks/new"
	// WebhookNewHeaders gives the form back with a header more or less; nothing is saved (POST).
	WebhookNewHeaders = "/webhooks/new/headers"

	// Credentials is the API keys and the API secret of the organisation.
	Credentials = "/webhooks/credentials" //nolint:gosec // G101: a path, not a credential
	// APIKeys takes the form of a new API key (POST); asked for, it leads to the credentials.
	APIKeys = Credentials + "/keys"
	// APIKeyNew is the form of a new API key.
	APIKeyNew = APIKeys + "/new"
	// APISecretReveal shows the API secret, once (POST); asked for, it leads to the credentials.
	APISecretReveal = Credentials + "/secret/reveal"
	// APISecretRotate asks for and makes a new API secret.
	APISecretRotate = Credentials + "/secret/rotate"
	// APISecretRetireOld ends the API secrets that were replaced (POST).
	APISecretRetireOld = Credentials + "/secret/retire-old"

	// EventCatalogue lists the event types and takes new ones (POST).
	EventCatalogue = "/events/catalogue"
	// EventTypeNew is the form of a new event type.
	EventTypeNew = EventCatalogue + "/new"
	// API is the prefix of the admin API.
	API = "/api/v1/"
	// APIWebhooks lists the webhooks of the organisation, and creates or updates one (PUT).
	APIWebhooks = API + "webhooks/configs"
	// APIDeliveries lists the deliveries.
	APIDeliveries = API + "webhooks/logs"
	// APIEvents lists the events and takes new ones (POST).
	APIEvents = API + "events"
	// APIEventTypes is the event catalogue for programs.
	APIEventTypes = API + "event-types"

	// SettingsProfile shows and saves the viewer's own profile.
	SettingsProfile = "/settings/profile"
	// SettingsPassword changes the viewer's password (POST).
	SettingsPassword = "/settings/profile/password"
	// SettingsPreferences saves theme and time zone (POST).
	SettingsPreferences = "/settings/profile/preferences"
	// SignOutEverywhere ends all sessions of the viewer (POST).
	SignOutEverywhere = "/settings/profile/sign-out-everywhere"

	// Static is the prefix of every built asset.
	Static = static.Prefix
	// IngestActivity takes records from the worker (POST).
	IngestActivity = "/api/webhook/activity"
	// Healthz says that the process runs.
	Healthz = "/healthz"
	// Readyz says that the process can serve.
	Readyz = "/readyz"
	// Metrics is what Prometheus scrapes.
	Metrics = "/metrics"
)

// ActivityRecord is the feed with the drawer of one record open. The id is the public one, "act_…".
func ActivityRecord(id string) string { return Activity + "/" + url.PathEscape(id) }

// ActivityRecordPage is one record as a page of its own.
func ActivityRecordPage(id string) string { return ActivityRecord(id) + "/page" }

// Webhook is the overview of one webhook. The id is the public one, "wh_…", here and below.
func Webhook(id string) string { return Webhooks + "/" + url.PathEscape(id) }

// WebhookSettings is the form of one webhook, and takes it (POST).
func WebhookSettings(id string) string { return Webhook(id) + "/settings" }

// WebhookSettingsHeaders gives the form back with a header more or less; nothing is saved (POST).
func WebhookSettingsHeaders(id string) string { return WebhookSettings(id) + "/headers" }

// WebhookActivate has a webhook send (POST).
func WebhookActivate(id string) string { return Webhook(id) + "/activate" }

// WebhookDeactivate asks whether to pause a webhook, and does it (POST).
func WebhookDeactivate(id string) string { return Webhook(id) + "/deactivate" }

// WebhookDuplicate copies a webhook (POST).
func WebhookDuplicate(id string) string { return Webhook(id) + "/duplicate" }

// WebhookDelete asks whether to delete a webhook, and does it (POST).
func WebhookDelete(id string) string { return Webhook(id) + "/delete" }

// WebhookRotateSecret asks how to replace the signing secret of a webhook, and does it (POST).
func WebhookRotateSecret(id string) string { return Webhook(id) + "/secret/rotate" }

// WebhookRetireSecrets ends the replaced signing secrets of a webhook (POST).
func WebhookRetireSecrets(id string) string { return Webhook(id) + "/secret/retire-old" }

// APIKeyRevoke asks whether to revoke an API key, and does it. The id is the public one, "key_…".
func APIKeyRevoke(id string) string { return APIKeys + "/" + url.PathEscape(id) + "/revoke" }

// EventType is one type of the catalogue by its name, such as "submission.completed".
func EventType(event string) string { return EventCatalogue + "/" + url.PathEscape(event) }

// EventTypeEdit is the form of an organisation's own event type, and takes it (POST).
func EventTypeEdit(event string) string { return EventType(event) + "/edit" }

// EventTypeEnforcement takes what becomes of data that does not fit (POST).
func EventTypeEnforcement(event string) string { return EventType(event) + "/enforcement" }

// LoginThen is the sign-in form that leads to next, a path of this site, afterwards.
func LoginThen(next string) string {
	if next == "" || next == Home {
		return Login
	}
	return With(Login, url.Values{"next": {next}})
}

// With appends the query to path. Empty values are left out and keys are sorted, so equal filters give equal URLs.
func With(path string, query url.Values) string {
	kept := make(url.Values, len(query))
	for key, values := range query {
		for _, value := range values {
			if value != "" {
				kept.Add(key, value)
			}
		}
	}
	if len(kept) == 0 {
		return path
	}
	return path + "?" + kept.Encode()
}

// Local says whether next is a path of this site that a redirect may follow: it starts with one slash, and no browser reads it as
// the address of another host.
func Local(next string) bool {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\t\r\n") {
		return false
	}
	parsed, err := url.Parse(next)
	return err == nil && parsed.Host == "" && parsed.Scheme == ""
}
