package pages

import (
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"posthorn/internal/posthorn"
	"posthorn/views/path"
	"posthorn/views/ui"
)

// webhookFormID is the id of the form, for buttons outside of it.
const webhookFormID = "webhook-form"

// NewWebhookForm is the form of a webhook with every default.
func NewWebhookForm() WebhookForm {
	return WebhookForm{
		Active: true, Signature: posthorn.Signature{Scheme: posthorn.SchemeStandard}.Normal(),
		Timeout:     strconv.Itoa(int(posthorn.DefaultTimeout.Seconds())),
		MaxAttempts: strconv.Itoa(posthorn.DefaultMaxAttempts), MaxInFlight: strconv.Itoa(posthorn.DefaultMaxInFlight),
	}
}

// WebhookFormOf is the form with what is stored. Values of headers stay where they are.
func WebhookFormOf(w *posthorn.Webhook) WebhookForm {
	f := WebhookForm{
		Name: w.Name, URL: w.URL, Description: w.Description, Active: w.Active(), AllEvents: subscribesToAll(w.Events),
		Events: slices.Clone(w.Events), Signature: w.Signature, Version: w.Version,
		Timeout: strconv.Itoa(int(w.Timeout.Seconds())), MaxAttempts: strconv.Itoa(w.MaxAttempts), MaxInFlight: strconv.Itoa(w.MaxInFlight),
	}
	if !w.ApplicationID.IsZero() {
		f.Application = w.ApplicationID.String()
	}
	if w.RateLimit > 0 {
		f.RateLimit = strconv.Itoa(w.RateLimit)
	}
	for _, code := range w.RetryOn {
		f.RetryOn = append(f.RetryOn, strconv.Itoa(code))
	}
	for _, h := range w.Headers {
		f.Headers = append(f.Headers, WebhookHeaderRow{Name: h.Name, Stored: true})
	}
	return f
}

// isNew says that there is no such webhook yet.
func (p WebhookFormProps) isNew() bool { return p.ID.IsZero() }

func (p WebhookFormProps) action() string {
	if p.isNew() {
		return path.Webhooks
	}
	return path.WebhookSettings(p.ID.String())
}

// headersAction gives the form back with a header more or less.
func (p WebhookFormProps) headersAction() string {
	if p.isNew() {
		return path.WebhookNewHeaders
	}
	return path.WebhookSettingsHeaders(p.ID.String())
}

// headersAttrs have a button send the form there, and swap the headers alone.
func (p WebhookFormProps) headersAttrs() templ.Attributes {
	return templ.Attributes{
		"formaction": p.headersAction(), "formnovalidate": true,
		"hx-post": p.headersAction(), "hx-target": "#headers", "hx-swap": "outerHTML", "hx-sync": "closest form:replace",
	}
}

// saveLabel and saveBusy are the words of the button.
func (p WebhookFormProps) saveLabel() string {
	if p.isNew() {
		return "Create webhook"
	}
	return "Save changes"
}

func (p WebhookFormProps) saveBusy() string {
	if p.isNew() {
		return "Creating…"
	}
	return "Saving…"
}

// discardURL is the way out without saving.
func (p WebhookFormProps) discardURL() string {
	if p.isNew() {
		return path.Webhooks
	}
	return path.WebhookSettings(p.ID.String())
}

func (p WebhookFormProps) discardLabel() string {
	if p.isNew() {
		return "Cancel"
	}
	return "Discard"
}

// guard asks before what was typed is lost. A form that came back has unsaved text from the start.
func (p WebhookFormProps) guard() templ.Attributes {
	attrs := templ.Attributes{"data-guard": true}
	if len(p.Faults) > 0 || p.HeadersChanged || p.Conflict != nil {
		attrs["data-dirty"] = "1"
	}
	return attrs
}

// webhookFields are the fields in the order of the form, with the words that their faults begin with. Those of single
// headers come between FieldHeaders and what follows it.
var webhookFields = []struct{ name, label string }{
	{posthorn.FieldName, "Name"},
	{posthorn.FieldURL, "URL"},
	{posthorn.FieldActive, "Status"},
	{posthorn.FieldApplicationID, "Application"},
	{posthorn.FieldDescription, "Description"},
	{posthorn.FieldEvents, "Events"},
	{posthorn.FieldHeaders, "Headers"},
	{posthorn.FieldSignature, "Signature"},
	{posthorn.FieldSecret, "Secret"},
	{posthorn.FieldTimeout, "Timeout"},
	{posthorn.FieldMaxAttempts, "Attempts"},
	{posthorn.FieldRetryOn, "Retries"},
	{posthorn.FieldRateLimit, "Rate limit"},
	{posthorn.FieldMaxInFlight, "Requests in flight"},
}

// fault is what is wrong with a field, as a sentence; empty for nothing.
func (p WebhookFormProps) fault(field string) string {
	for _, f := range webhookFields {
		if f.name == field {
			return fieldFault(p.Faults, field, f.label)
		}
	}
	return ""
}

// headerFault is what is wrong with a row of the headers, empty for nothing.
func (p WebhookFormProps) headerFault(row int) string {
	name := strings.TrimSpace(p.Form.Headers[row].Name)
	return fieldFault(p.Faults, posthorn.FieldHeaders+"."+name, "This header")
}

// focus is the first field that is wrong; on a form that is opened anew it is the first field of a new webhook, and none
// while a row of headers takes it.
func (p WebhookFormProps) focus() string {
	for _, f := range webhookFields {
		if p.Faults[f.name] != "" {
			return f.name
		}
		if f.name == posthorn.FieldHeaders && p.badHeader() >= 0 {
			return ""
		}
	}
	if p.isNew() && !p.HeadersChanged {
		return posthorn.FieldName
	}
	return ""
}

// badHeader is the first row of the headers that is wrong, -1 for none.
func (p WebhookFormProps) badHeader() int {
	return slices.IndexFunc(p.Form.Headers, func(h WebhookHeaderRow) bool {
		return p.Faults[posthorn.FieldHeaders+"."+strings.TrimSpace(h.Name)] != ""
	})
}

// headerFocus is the row of headers that takes the focus, -1 for none of them.
func (p WebhookFormProps) headerFocus() int {
	if p.HeadersChanged {
		return p.HeaderFocus
	}
	if p.focus() == "" {
		return p.badHeader()
	}
	return -1
}

// addFocus says that the button that adds a header takes the focus: the last row was removed.
func (p WebhookFormProps) addFocus() bool { return p.HeadersChanged && p.HeaderFocus < 0 }

// trouble counts what is wrong for the bar at the bottom, empty for nothing.
func (p WebhookFormProps) trouble() string {
	switch n := len(p.Faults); n {
	case 0:
		return ""
	case 1:
		return "1 field needs attention."
	default:
		return strconv.Itoa(n) + " fields need attention."
	}
}

func (p WebhookFormProps) statuses() []ui.Choice {
	return []ui.Choice{
		{Value: ActiveYes, Label: "Active", Hint: "Events are sent as they happen.", Selected: p.Form.Active},
		{Value: ActiveNo, Label: "Inactive", Hint: "Nothing is sent. What is queued waits.", Selected: !p.Form.Active},
	}
}

func (p WebhookFormProps) applications() []ui.Option {
	options := []ui.Option{{Label: "All applications", Selected: p.Form.Application == ""}}
	for _, a := range p.Applications {
		options = append(options, ui.Option{Value: a.ID.String(), Label: a.Name, Selected: p.Form.Application == a.ID.String()})
	}
	return options
}

func (p WebhookFormProps) scopes() []ui.Choice {
	return []ui.Choice{
		{Value: EventScopeAll, Label: "All events, including new types", Selected: p.Form.AllEvents},
		{Value: EventScopeChosen, Label: "Chosen types", Selected: !p.Form.AllEvents},
	}
}

// subscriptionGroup is a category of the catalogue.
type subscriptionGroup struct {
	category, label string
	types           []posthorn.EventType
}

// subscription is the value of the box for the whole category.
func (g subscriptionGroup) subscription() string { return g.category + ".*" }

// groups returns the categories of the catalogue in its order: those about Posthorn, or the others.
func (p WebhookFormProps) groups(own bool) []subscriptionGroup {
	var groups []subscriptionGroup
	for _, t := range p.Types {
		if aboutPosthorn(t.Event) != own {
			continue
		}
		i := slices.IndexFunc(groups, func(g subscriptionGroup) bool { return g.category == t.Category })
		if i < 0 {
			i = len(groups)
			groups = append(groups, subscriptionGroup{category: t.Category, label: posthorn.CategoryLabel(t.Category)})
		}
		groups[i].types = append(groups[i].types, t)
	}
	return groups
}

func (p WebhookFormProps) subscribed(event string) bool { return slices.Contains(p.Form.Events, event) }

// eventBoxID is the id of the box of a type or category.
func eventBoxID(event string) string {
	return "event-" + strings.NewReplacer(".", "-", "*", "all").Replace(event)
}

// schemeHints say what each scheme is for.
var schemeHints = map[posthorn.Scheme]string{
	posthorn.SchemeStandard: "Time and body are signed. Any Standard Webhooks or Svix library verifies it.",
	posthorn.SchemeSmartKYC: "The body is signed in X-SmartKYC-Signature.",
	posthorn.SchemeKryptos:  "The body is signed in X-Webhook-Signature; headers repeat event and delivery.",
	posthorn.SchemeArkyc:    "Time and body are signed in X-Arkyc-Signature. The payload is flat, without an envelope.",
	posthorn.SchemeCustom:   "Headers, encoding and signed content of your choice.",
}

func (p WebhookFormProps) schemes() []ui.Choice {
	choices := make([]ui.Choice, 0, len(posthorn.Schemes()))
	for _, s := range posthorn.Schemes() {
		choices = append(choices, ui.Choice{Value: string(s), Label: s.Label(), Hint: schemeHints[s], Selected: s == p.Form.Signature.Scheme})
	}
	return choices
}

func (p WebhookFormProps) keys() []ui.Choice {
	own := p.Form.Signature.Key == posthorn.KeyWebhook
	return []ui.Choice{
		{Value: string(posthorn.KeyTenant), Label: "API secret of the organisation", Selected: !own},
		{Value: string(posthorn.KeyWebhook), Label: "Signing secret of this webhook", Selected: own},
	}
}

func (p WebhookFormProps) encodings() []ui.Option {
	base64 := p.Form.Signature.Encoding == posthorn.EncodingBase64
	return []ui.Option{
		{Value: string(posthorn.EncodingHex), Label: "Hexadecimal", Selected: !base64},
		{Value: string(posthorn.EncodingBase64), Label: "Base64", Selected: base64},
	}
}

func (p WebhookFormProps) signedParts() []ui.Option {
	timed := p.Form.Signature.Over == posthorn.OverTimestampBody
	return []ui.Option{
		{Value: string(posthorn.OverBody), Label: "The body", Selected: !timed},
		{Value: string(posthorn.OverTimestampBody), Label: "Time, a full stop, and the body", Selected: timed},
	}
}

func (p WebhookFormProps) retries() []ui.Choice {
	labels := map[int]string{408: "408 Request Timeout", 425: "425 Too Early", 429: "429 Too Many Requests"}
	var choices []ui.Choice
	for _, code := range posthorn.OptionalRetries() {
		value := strconv.Itoa(code)
		choices = append(choices, ui.Choice{Value: value, Label: labels[code], Selected: slices.Contains(p.Form.RetryOn, value)})
	}
	return choices
}

// numeric is a field for a whole number.
func (p WebhookFormProps) numeric(name, label, value, hint string) ui.FieldProps {
	return ui.FieldProps{
		Name: name, Label: label, Value: value, Hint: hint, Error: p.fault(name), Autocomplete: "off", InputMode: "numeric", Autofocus: p.focus() == name,
	}
}
