package pages

import (
	"net/url"
	"time"

	"github.com/a-h/templ"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
)

// Names of the filters of the list of webhooks, in the query string and in its form.
const (
	FilterState = "status"
	FilterEvent = "event"
)

// Names of the form's fields beside those of the domain.
const (
	// FieldEventScope says whether a webhook gets all events or the chosen ones: EventScopeAll or EventScopeChosen.
	FieldEventScope = "eventScope"
	// FieldHeaderName, FieldHeaderValue and FieldHeaderStored are repeated for every custom header, in the same order.
	// FieldHeaderStored is HeaderStored for a header whose value is stored: it is kept unless another is typed.
	FieldHeaderName   = "headerName"
	FieldHeaderValue  = "headerValue"
	FieldHeaderStored = "headerStored"
	// FieldHeaderAdd and FieldHeaderRemove are the names of the buttons; the second one's value is the row, from 0.
	FieldHeaderAdd    = "headerAdd"
	FieldHeaderRemove = "headerRemove"
	// Options of the signature schemes.
	FieldSigningKey      = "signingKey"
	FieldSignatureHeader = "signatureHeader"
	FieldTimestampHeader = "timestampHeader"
	FieldEncoding        = "signatureEncoding"
	FieldSigned          = "signed"
	// FieldVersion is the version of the webhook that an edit was made from.
	FieldVersion = "version"
	// FieldFormKey makes a form that was sent twice create once.
	FieldFormKey = "form_key"
)

// Values of FieldEventScope, FieldActive and FieldHeaderStored.
const (
	EventScopeAll    = "all"
	EventScopeChosen = "chosen"
	ActiveYes        = "true"
	ActiveNo         = "false"
	HeaderStored     = "1"
)

// WebhooksProps is the list of webhooks as a page.
type WebhooksProps struct {
	Page layout.PageProps
	List WebhookListProps
	// Credentials is the part below the list, nil for none.
	Credentials templ.Component
}

// WebhookListProps is the list with its filters: the fragment that is swapped when a filter changes.
type WebhookListProps struct {
	// List is the page of what the filter selects, with what there is beside it; Shown are its webhooks.
	List   posthorn.WebhookList
	Shown  []posthorn.Webhook
	Filter posthorn.WebhookFilter
	// Values are the filters as they stand in the query string; links add to them.
	Values url.Values
	// Fault is what is wrong with the filters, as a sentence; nothing is listed then.
	Fault string
	// Any says whether there is a webhook at all, filters aside.
	Any          bool
	Types        []posthorn.EventType
	Applications []posthorn.Application
	// Stats say how the shown webhooks fare on the last day.
	Stats map[posthorn.WebhookID]posthorn.WebhookStats
	// Previous and Next are the webhooks that the neighbouring pages begin above and below, zero at the ends.
	Previous, Next posthorn.WebhookID
	// FormKey makes each copy once.
	FormKey  string
	Location *time.Location
	Now      time.Time
}

// WebhookPageProps is one webhook with the frame of its pages.
type WebhookPageProps struct {
	Page    layout.PageProps
	Webhook posthorn.WebhookDetail
	// Types is the event catalogue.
	Types []posthorn.EventType
	// FormKey makes each copy once.
	FormKey  string
	Location *time.Location
	Now      time.Time
	// Secret is a secret that is shown over the page, nil for none.
	Secret *WebhookSecretProps
	// Health is how the endpoint does.
	Health posthorn.EndpointHealth
	// Figures are those of the overview, nil on other pages.
	Figures *WebhookFiguresProps
	// Missed is what it did not get while it was not active and may be sent now, nil for nothing.
	Missed *posthorn.Missed
}

// WebhookSecretProps is a signing secret at the only moment at which it is shown.
type WebhookSecretProps struct {
	Webhook posthorn.WebhookDetail
	// Secret is in the clear.
	Secret posthorn.SigningSecret
	// Rotated says that it replaces another.
	Rotated  bool
	Location *time.Location
}

// WebhookForm is what the form of a webhook says, as it was typed.
type WebhookForm struct {
	Name, URL, Description string
	Active                 bool
	// Application is an id, empty for all.
	Application string
	// AllEvents subscribes to everything but what is about Posthorn itself; Events are the boxes that are ticked.
	AllEvents bool
	Events    []string
	Headers   []WebhookHeaderRow
	// Signature has the options of every scheme as they were typed, whichever is chosen.
	Signature posthorn.Signature
	// Secret is the integrator's own, empty to have one made. Only a new webhook asks for it.
	Secret string
	// Timeout is in seconds.
	Timeout, MaxAttempts, RateLimit, MaxInFlight string
	RetryOn                                      []string
	Version                                      int
}

// WebhookHeaderRow is one custom header of the form.
type WebhookHeaderRow struct {
	Name string
	// Value is what was typed; empty keeps the stored value where there is one.
	Value  string
	Stored bool
}

// WebhookFormProps is the form of a webhook with what it needs to offer.
type WebhookFormProps struct {
	Form WebhookForm
	// ID is the webhook's, zero for a new one.
	ID           posthorn.WebhookID
	Types        []posthorn.EventType
	Applications []posthorn.Application
	// Faults says what is wrong with which field.
	Faults map[string]string
	// HeaderFocus is the row of headers that takes the focus after one was added or removed; -1 is the button that adds
	// another. It counts only where HeadersChanged.
	HeaderFocus    int
	HeadersChanged bool
	FormKey        string
	// Conflict is there when somebody else changed the webhook since the form was opened.
	Conflict *Conflict
}

// WebhookNewProps is the form of a new webhook as a page.
type WebhookNewProps struct {
	Page layout.PageProps
	Form WebhookFormProps
}

// WebhookSettingsProps is the form of a webhook with its secret and what cannot be undone.
type WebhookSettingsProps struct {
	Page WebhookPageProps
	Form WebhookFormProps
}

// WebhookConfirmProps is a question about a webhook: a dialog for htmx, a page without.
type WebhookConfirmProps struct {
	Page    layout.PageProps
	Webhook posthorn.WebhookDetail
	// Dialog is for htmx.
	Dialog bool
	// Alert is what went wrong where no field says it, empty for nothing.
	Alert string
	// Faults says what is wrong with which field.
	Faults map[string]string
	// Next is the page to come back to, empty for that of the webhook.
	Next string
	// Confirm is what was typed to confirm.
	Confirm string
	// Overlap is the chosen overlap in seconds, as it was sent; Own the integrator's own secret.
	Overlap, Own string
	FormKey      string
	Location     *time.Location
}
