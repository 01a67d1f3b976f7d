package posthorn

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The fields of a webhook: form, API, errors and views share these names.
const (
	FieldURL           = "url"
	FieldDescription   = "description"
	FieldActive        = "active"
	FieldEvents        = "events"
	FieldApplicationID = "applicationId"
	FieldHeaders       = "headers"
	FieldSignature     = "signature"
	FieldSecret        = "secret"
	FieldTimeout       = "timeoutSeconds"
	FieldMaxAttempts   = "maxAttempts"
	FieldRetryOn       = "retryOn"
	FieldRateLimit     = "rateLimitPerSecond"
	FieldMaxInFlight   = "maxInFlight"
)

// headerField is the field of one custom header, named by it: what is wrong with it is said there.
func headerField(name string) string { return FieldHeaders + "." + name }

// WebhookInput says what a webhook shall be. A nil field leaves what is there, or the default of a new webhook.
type WebhookInput struct {
	Name        *string
	Description *string
	URL         *string
	Active      *bool
	Events      *[]string
	// Application is an application's id or external id; empty text means all applications.
	Application *string
	// Headers replaces the whole list.
	Headers     *[]HeaderInput
	Signature   *Signature
	Timeout     *time.Duration
	MaxAttempts *int
	RetryOn     *[]int
	// RateLimit is in deliveries a second, 0 for no limit.
	RateLimit   *int
	MaxInFlight *int
	// Secret is the integrator's own signing secret. A new webhook without one gets a generated one; on a change, one that
	// differs from the current secret replaces it as RotateSecret does.
	Secret *string
}

// HeaderInput is a custom header as it is given. HeaderMask as the value keeps the one that is stored under that name.
type HeaderInput struct{ Name, Value string }

// webhookFaults gathers what is wrong with a webhook and knows what it is checked against.
type webhookFaults struct {
	fieldFaults
	catalogue    []EventType
	applications []Application
}

// apply puts the input onto a webhook and checks all of the result, so that a rule holds however the webhook came to be.
// Values of headers are sealed on the way.
func (f *webhookFaults) apply(w *Webhook, in WebhookInput, seal func(plaintext, place []byte) []byte) {
	if in.URL != nil {
		w.URL = strings.TrimSpace(*in.URL)
	}
	if in.Name != nil {
		w.Name = f.name(FieldName, *in.Name)
	} else if w.Name == "" {
		w.Name = nameFromURL(w.URL)
	}
	if in.Description != nil {
		w.Description = f.description(*in.Description)
	}
	if in.Events != nil {
		w.Events = f.events(*in.Events)
	}
	if in.Application != nil {
		w.ApplicationID = f.application(strings.TrimSpace(*in.Application))
	}
	if in.Signature != nil {
		w.Signature = in.Signature.Normal()
	}
	if rule := w.Signature.Check(); rule != "" {
		f.add(FieldSignature, rule)
	}
	if in.Headers != nil {
		f.headers(w, *in.Headers, seal)
	}
	f.reservedHeaders(w)
	f.settings(w, in)
}

// settings takes over the numbers, each within its limits.
func (f *webhookFaults) settings(w *Webhook, in WebhookInput) {
	if in.Timeout != nil {
		if w.Timeout = *in.Timeout; w.Timeout < MinTimeout || w.Timeout > MaxTimeout || w.Timeout%time.Second != 0 {
			f.add(FieldTimeout, "must be a whole number of seconds from 1 to 30")
		}
	}
	f.within(FieldMaxAttempts, &w.MaxAttempts, in.MaxAttempts, 1, MaxMaxAttempts, "must be a whole number from 1 to 10")
	f.within(FieldRateLimit, &w.RateLimit, in.RateLimit, 0, MaxRateLimit, "must be a whole number from 1 to 10000, or empty for no limit")
	f.within(FieldMaxInFlight, &w.MaxInFlight, in.MaxInFlight, 1, MaxMaxInFlight, "must be a whole number from 1 to 512")
	if in.RetryOn == nil {
		return
	}
	w.RetryOn = slices.DeleteFunc(OptionalRetries(), func(code int) bool { return !slices.Contains(*in.RetryOn, code) })
	if slices.ContainsFunc(*in.RetryOn, func(code int) bool { return !slices.Contains(OptionalRetries(), code) }) {
		f.add(FieldRetryOn, "must be any of 408, 425 and 429")
	}
}

func (f *webhookFaults) within(field string, into, value *int, least, most int, rule string) {
	if value == nil {
		return
	}
	if *into = *value; *into < least || *into > most {
		f.add(field, rule)
	}
}

// nameFromURL is what a webhook without a name is called: its host.
func nameFromURL(raw string) string {
	if u, err := url.Parse(raw); err == nil && u.Host != "" {
		return u.Hostname()[:min(len(u.Hostname()), MaxNameLength)]
	}
	return "Webhook"
}

// description returns a text of several lines without the space around it.
func (f *webhookFaults) description(text string) string {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
	unfit := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }
	switch {
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unfit):
		f.add(FieldDescription, "must be plain text")
	case utf8.RuneCountInString(text) > MaxDescriptionLength:
		f.add(FieldDescription, "must be at most 1000 characters long")
	}
	return text
}

// events returns the subscriptions once each, in the order in which they were given.
func (f *webhookFaults) events(given []string) []string {
	var events []string
	for _, e := range given {
		e = strings.TrimSpace(e)
		if slices.Contains(events, e) {
			continue
		}
		if !f.knows(e) {
			f.add(FieldEvents, "must be types of the catalogue, such as submission.completed, a category such as submission.*, or *: "+quoteClip(e)+" is none of these")
		}
		events = append(events, e)
	}
	if len(events) == 0 {
		f.add(FieldEvents, "must name at least one event type, or * for all")
	}
	return events
}

// knows reports whether there is anything that a subscription could cover.
func (f *webhookFaults) knows(subscription string) bool {
	if subscription == "*" {
		return true
	}
	category, whole := strings.CutSuffix(subscription, ".*")
	return slices.ContainsFunc(f.catalogue, func(t EventType) bool {
		return t.Event == subscription || whole && t.Category == category
	})
}

// quoteClip quotes what somebody typed, cut where it is long.
func quoteClip(text string) string {
	const most = 60
	if runes := []rune(strings.ToValidUTF8(text, "�")); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return "“" + text + "”"
}

// application finds an application of the tenant by its id or external id.
func (f *webhookFaults) application(id string) ApplicationID {
	if id == "" {
		return ApplicationID{}
	}
	i := slices.IndexFunc(f.applications, func(a Application) bool { return a.ID.String() == id || a.ExternalID == id })
	if i < 0 {
		f.add(FieldApplicationID, "must be an application of this organisation, or empty for all")
		return ApplicationID{}
	}
	return f.applications[i].ID
}

// headers replaces the custom headers, keeping the values that are given as the mask.
func (f *webhookFaults) headers(w *Webhook, given []HeaderInput, seal func(plaintext, place []byte) []byte) {
	if len(given) > MaxHeaders {
		f.add(FieldHeaders, "must be at most 20")
		return
	}
	headers := make([]CustomHeader, 0, len(given))
	for _, h := range given {
		h.Name, h.Value = strings.TrimSpace(h.Name), strings.Trim(h.Value, " \t")
		stored, known := w.header(h.Name)
		repeated := slices.ContainsFunc(headers, func(other CustomHeader) bool { return strings.EqualFold(other.Name, h.Name) })
		if rule := headerRule(h, known, repeated); rule != "" {
			f.add(headerField(h.Name), rule)
		}
		if h.Value != HeaderMask {
			stored.Sealed = seal([]byte(h.Value), WebhookHeaderPlace(w.ID, h.Name))
		}
		headers = append(headers, CustomHeader{Name: h.Name, Sealed: stored.Sealed})
	}
	w.Headers = headers
}

// headerRule says what is wrong with one header, empty for nothing.
func headerRule(h HeaderInput, stored, repeated bool) string {
	switch {
	case h.Name == "":
		return "must have a name"
	case len(h.Name) > MaxHeaderName:
		return "must have a name of at most 128 characters"
	case !isToken(h.Name):
		return "must have a name of letters, digits and hyphens, such as X-Api-Key"
	case repeated:
		return "is given twice"
	case h.Value == HeaderMask && !stored:
		return "has no stored value to keep: type the value"
	case h.Value == HeaderMask:
		return ""
	case h.Value == "":
		return "must have a value"
	case len(h.Value) > MaxHeaderValue:
		return "must have a value of at most 4 KiB"
	case strings.ContainsFunc(h.Value, func(r rune) bool { return r != '\t' && (r < ' ' || r > '~') }):
		return "must have a value of printable ASCII characters in one line"
	}
	return ""
}

// isToken reports whether text is a token, which is what a header's name must be (RFC 9110, section 5.6.2).
func isToken(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// reservedHeaders refuses names that mean something to the connection, to Posthorn or to the signature scheme.
func (f *webhookFaults) reservedHeaders(w *Webhook) {
	own := w.Signature.HeaderNames()
	for _, h := range w.Headers {
		if rule := reservedHeader(strings.ToLower(h.Name), own); rule != "" {
			f.add(headerField(h.Name), rule)
		}
	}
}

// reservedNames says of each name that cannot be a custom header's what it is taken for.
var reservedNames = map[string]string{
	"host":                "is reserved: it follows from the URL",
	"content-length":      "is reserved: it follows from the body",
	"content-type":        "is reserved: deliveries are always application/json",
	"content-encoding":    "is reserved: bodies are sent as they are signed",
	"user-agent":          "is reserved: it names Posthorn and its version",
	"accept-encoding":     "is reserved: Posthorn decides which answers it can read",
	"connection":          "is reserved: it belongs to the connection",
	"keep-alive":          "is reserved: it belongs to the connection",
	"transfer-encoding":   "is reserved: it belongs to the connection",
	"te":                  "is reserved: it belongs to the connection",
	"trailer":             "is reserved: it belongs to the connection",
	"upgrade":             "is reserved: it belongs to the connection",
	"expect":              "is reserved: it belongs to the connection",
	"proxy-authorization": "is reserved: it is for proxies, and Posthorn uses none",
	"proxy-connection":    "is reserved: it is for proxies, and Posthorn uses none",
	"proxy-authenticate":  "is reserved: it is for proxies, and Posthorn uses none",
}

func reservedHeader(lower string, own []string) string {
	if slices.ContainsFunc(own, func(name string) bool { return strings.EqualFold(name, lower) }) {
		return "is set by Posthorn: the signature scheme sends it. Use another name"
	}
	if strings.HasPrefix(lower, "webhook-") {
		return "is set by Posthorn: names that begin with webhook- are its own. Use another name"
	}
	return reservedNames[lower]
}

// target notes what the policy for URLs has against the webhook's. It may have to ask the name servers.
func (f *webhookFaults) target(ctx context.Context, w *Webhook, check func(ctx context.Context, url string) string) {
	if w.URL == "" {
		f.add(FieldURL, "must not be empty")
	} else if rule := check(ctx, w.URL); rule != "" {
		f.add(FieldURL, rule)
	}
}

// newWebhook is a webhook with every default.
func newWebhook(tenant TenantID, actor Actor, active bool) Webhook {
	now := databaseNow()
	status := WebhookStatus{State: WebhookActive, Since: now, By: actor.Name}
	if !active {
		status.State, status.Reason = WebhookInactive, "Created inactive"
	}
	return Webhook{
		ID: NewWebhookID(), TenantID: tenant, Signature: Signature{Scheme: SchemeStandard},
		Timeout: DefaultTimeout, MaxAttempts: DefaultMaxAttempts, RetryOn: []int{}, MaxInFlight: DefaultMaxInFlight,
		Status: status, Version: 1, CreatedAt: now, UpdatedAt: now, CreatedBy: actor.Name, UpdatedBy: actor.Name,
	}
}

// sameHeaders reports whether two lists have the same names and the same stored values. A value that was typed again is
// sealed anew and so counts as another.
func sameHeaders(a, b []CustomHeader) bool {
	return slices.EqualFunc(a, b, func(x, y CustomHeader) bool {
		return x.Name == y.Name && slices.Equal(x.Sealed, y.Sealed)
	})
}

// sameWebhook reports whether nothing that people configure differs.
func sameWebhook(a, b *Webhook) bool {
	return cmp.Compare(a.Name, b.Name) == 0 && a.Description == b.Description && a.URL == b.URL && slices.Equal(a.Events, b.Events) &&
		a.ApplicationID == b.ApplicationID && sameHeaders(a.Headers, b.Headers) && a.Signature == b.Signature &&
		a.Timeout == b.Timeout && a.MaxAttempts == b.MaxAttempts && slices.Equal(a.RetryOn, b.RetryOn) &&
		a.RateLimit == b.RateLimit && a.MaxInFlight == b.MaxInFlight && a.Status == b.Status
}
