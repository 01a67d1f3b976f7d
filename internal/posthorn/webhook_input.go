package posthorn

import (
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

// webhookRules is what the webhooks of a tenant are checked against.
type webhookRules struct {
	config       *WebhooksConfig
	catalogue    []EventType
	applications []Application
	// asked is the URL that the name servers were asked about, and answered what came of it.
	asked, answered string
}

// webhookFaults gathers what is wrong with a webhook.
type webhookFaults struct {
	fieldFaults
	*webhookRules
}

// newWebhook makes a webhook with its secret out of an input.
func (r *webhookRules) newWebhook(ctx context.Context, actor Actor, tenant TenantID, in WebhookInput) (Webhook, SigningSecret, error) {
	faults := webhookFaults{webhookRules: r}
	w := newWebhook(tenant, actor, in.Active == nil || *in.Active)
	faults.apply(&w, in)
	if in.Events == nil {
		faults.events(nil)
	}
	secret := NewSigningSecret()
	if in.Secret != nil && *in.Secret != "" {
		secret = faults.ownSecret(&w, *in.Secret)
	}
	faults.target(ctx, &w, "")
	return w, secret, faults.err()
}

// place returns the application, zero for none, and the URL of the webhook that an input without an id means; not ok when
// no webhook can be there.
func (r *webhookRules) place(in WebhookInput) (application ApplicationID, url string, ok bool) {
	if in.URL == nil || r.config.CheckURL(normalURL(*in.URL)) != "" {
		return application, "", false
	}
	faults := webhookFaults{webhookRules: r}
	if in.Application != nil {
		application = faults.application(*in.Application)
	}
	return application, normalURL(*in.URL), faults.fields == nil
}

// ownSecret reads a secret of the integrator's own, and refuses one that would sign nothing; zero when it is refused.
func (f *webhookFaults) ownSecret(w *Webhook, own string) SigningSecret {
	if w.Signature.UsesTenantSecret() {
		f.add(FieldSecret, `signs nothing here, because the API secret of the organisation does: leave it out, or choose the webhook's own key with "key":"webhook" in the signature`)
		return SigningSecret{}
	}
	secret, rule := ParseSigningSecret(own)
	if rule != "" {
		f.add(FieldSecret, rule)
	}
	return secret
}

// apply puts the input onto a webhook and checks all of the result, so that a rule holds however the webhook came to be.
// Values of headers are sealed on the way.
func (f *webhookFaults) apply(w *Webhook, in WebhookInput) {
	if in.URL != nil {
		w.URL = normalURL(*in.URL)
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
		w.ApplicationID = f.application(*in.Application)
	}
	if in.Signature != nil {
		w.Signature = in.Signature.Normal()
	}
	if rule := w.Signature.Check(); rule != "" {
		f.add(FieldSignature, rule)
	}
	if in.Headers != nil {
		f.headers(w, *in.Headers)
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

// normalURL is the one spelling in which a URL is stored and looked for: without the space around it, with scheme and host in
// lower case, and without the scheme's own port. It checks nothing.
func normalURL(raw string) string {
	raw = strings.TrimSpace(raw)
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return raw
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	scheme, authority := strings.ToLower(scheme), strings.ToLower(rest[:end])
	// Colons belong to an IPv6 address unless they follow its bracket.
	if strings.HasPrefix(authority, "[") || strings.Count(authority, ":") == 1 {
		authority = strings.TrimSuffix(authority, ":"+defaultPort(scheme))
	}
	return scheme + "://" + authority + rest[end:]
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
	id = strings.TrimSpace(id)
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

// target notes what the policy for URLs has against the webhook's. The form of the URL is checked always, because the policy
// may have changed since it was saved; the name servers are asked about one that is not the stored one, once.
func (f *webhookFaults) target(ctx context.Context, w *Webhook, stored string) {
	rule := f.config.CheckURL(w.URL)
	if rule == "" && w.URL != stored {
		if f.asked != w.URL {
			f.asked, f.answered = w.URL, f.config.CheckTarget(ctx, w.URL)
		}
		rule = f.answered
	}
	if rule != "" {
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

// sameWebhook reports whether nothing that people configure differs.
func sameWebhook(a, b *Webhook) bool {
	return a.Name == b.Name && a.Description == b.Description && a.URL == b.URL && slices.Equal(a.Events, b.Events) &&
		a.ApplicationID == b.ApplicationID && sameHeaders(a.Headers, b.Headers) && a.Signature == b.Signature &&
		a.Timeout == b.Timeout && a.MaxAttempts == b.MaxAttempts && slices.Equal(a.RetryOn, b.RetryOn) &&
		a.RateLimit == b.RateLimit && a.MaxInFlight == b.MaxInFlight && a.Status == b.Status
}
