package posthorn

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Webhook is the configuration of an endpoint: where events go, which, and how.
type Webhook struct {
	ID       WebhookID
	TenantID TenantID
	Name     string
	// Description is free text of several lines.
	Description string
	// URL is the endpoint's address, as TargetPolicy allowed it when it was saved.
	URL string
	// Events are the subscriptions: exact types, "category.*", or "*".
	Events []string
	// ApplicationID limits the webhook to the events of one application; zero means the events of all and of none.
	ApplicationID ApplicationID
	// Headers are sent with every delivery, in this order.
	Headers   []CustomHeader
	Signature Signature
	// Timeout covers connect, headers and body of one attempt together.
	Timeout time.Duration
	// MaxAttempts is how many attempts a delivery gets before it is failed.
	MaxAttempts int
	// RetryOn are the statuses that are retried beside 5xx: any of OptionalRetries.
	RetryOn []int
	// RateLimit is the most deliveries a second, 0 for no limit. Dispatchers share it and MaxInFlight: n of them may begin, and
	// have under way, up to n-1 more than it says, and for some seconds after another has joined them its part as well. See
	// package dispatch.
	RateLimit int
	// MaxInFlight is how many attempts run at the same time at most.
	MaxInFlight int
	Status      WebhookStatus
	// Version counts the changes, from 1. An edit names the version it was made from.
	Version              int
	CreatedAt, UpdatedAt time.Time
	// CreatedBy and UpdatedBy are the names of those who did, as the audit log has them.
	CreatedBy, UpdatedBy string
}

// WebhookStatus is a webhook's state with the reason for it.
type WebhookStatus struct {
	State WebhookState
	// Reason is a sentence without its full stop, empty for the ordinary.
	Reason string
	// Since is when the state began, By the name of who brought it about.
	Since time.Time
	By    string
}

// WebhookState says whether deliveries are sent.
type WebhookState string

// The states of a webhook.
const (
	// WebhookActive sends.
	WebhookActive WebhookState = "active"
	// WebhookInactive was paused by a person: nothing is sent, what was queued waits.
	WebhookInactive WebhookState = "inactive"
	// WebhookDisabled was stopped by Posthorn, because the endpoint failed for too long or said that it is gone.
	WebhookDisabled WebhookState = "disabled"
)

// WebhookStates lists the states in the order in which they are offered.
func WebhookStates() []WebhookState {
	return []WebhookState{WebhookActive, WebhookInactive, WebhookDisabled}
}

// Valid reports whether the state is one of WebhookStates.
func (s WebhookState) Valid() bool { return slices.Contains(WebhookStates(), s) }

// webhookTransitions lists which state may follow which.
var webhookTransitions = map[WebhookState][]WebhookState{
	WebhookActive:   {WebhookInactive, WebhookDisabled},
	WebhookInactive: {WebhookActive},
	WebhookDisabled: {WebhookActive, WebhookInactive},
}

// To returns the status that follows when somebody brings a state about. It is Conflict when that state cannot follow; the
// same state again changes nothing.
func (s WebhookStatus) To(state WebhookState, by, reason string, at time.Time) (WebhookStatus, error) {
	if s.State == state {
		return s, nil
	}
	if !slices.Contains(webhookTransitions[s.State], state) {
		return s, Errorf(Conflict, "A webhook that is %s cannot become %s.", s.State, state)
	}
	return WebhookStatus{State: state, Reason: reason, Since: at, By: by}, nil
}

// Active reports whether the webhook sends.
func (w *Webhook) Active() bool { return w.Status.State == WebhookActive }

// CustomHeader is a header that an integrator adds to deliveries. Its value is sealed, bound to WebhookHeaderPlace.
type CustomHeader struct {
	Name   string
	Sealed []byte
}

// HeaderMask stands for the value of a custom header wherever a stored one is shown. Given as a value, it keeps what is stored.
const HeaderMask = "••••"

// WebhookSecretPlace is what the secrets of a webhook are bound to when they are sealed.
func WebhookSecretPlace(id WebhookID) []byte { return []byte(id.String() + "/secret") }

// WebhookHeaderPlace is what the value of a custom header is bound to when it is sealed. The name counts in lower case.
func WebhookHeaderPlace(id WebhookID, name string) []byte {
	return []byte(id.String() + "/headers/" + strings.ToLower(name))
}

// header returns the stored header with a name, in upper or lower case.
func (w *Webhook) header(name string) (CustomHeader, bool) {
	i := slices.IndexFunc(w.Headers, func(h CustomHeader) bool { return strings.EqualFold(h.Name, name) })
	if i < 0 {
		return CustomHeader{}, false
	}
	return w.Headers[i], true
}

// The defaults and limits of a webhook's delivery settings.
const (
	DefaultTimeout     = 15 * time.Second
	MinTimeout         = time.Second
	MaxTimeout         = 30 * time.Second
	DefaultMaxAttempts = 10
	MaxMaxAttempts     = 10
	DefaultMaxInFlight = 32
	MaxMaxInFlight     = 512
	// MaxRateLimit is in deliveries a second.
	MaxRateLimit = 10000
	// MaxDescriptionLength is in characters.
	MaxDescriptionLength = 1000
	MaxHeaders           = 20
	// MaxHeaderName and MaxHeaderValue are in bytes.
	MaxHeaderName  = 128
	MaxHeaderValue = 4 << 10
)

// OptionalRetries lists the statuses that a webhook may have retried beside 5xx.
func OptionalRetries() []int { return []int{408, 425, 429} }

// Application is a part of a tenant's platform that webhooks and events may belong to: what the source documents call
// project or client app.
type Application struct {
	ID       ApplicationID
	TenantID TenantID
	Name     string
	// ExternalID is the application's id in the world of the workers, empty when none is known.
	ExternalID string
}

// WebhookDetail is a webhook with what its own pages show beside it.
type WebhookDetail struct {
	Webhook
	// Secrets are the live secrets that it signs with, newest first: its own, or the tenant's API secrets where the scheme
	// uses those.
	Secrets []SealedSecret
	// Application is nil when the webhook is for all.
	Application *Application
}

// SubscriptionsFor lists what a webhook may be subscribed to for an event of a type to reach it.
func SubscriptionsFor(event string) []string {
	subscriptions := []string{event, CategoryOf(event) + categoryWildcard}
	if MatchesSubscription([]string{SubscribeAll}, event) {
		subscriptions = append(subscriptions, SubscribeAll)
	}
	return subscriptions
}

// WebhookStanding is how a list sorts webhooks: by state, and the active ones by whether they fail. Every webhook has exactly one.
type WebhookStanding string

// The standings of webhooks.
const (
	// StandingActive is active and does not fail, StandingFailing is active and does, as EndpointHealth.Failing says.
	StandingActive   WebhookStanding = "active"
	StandingFailing  WebhookStanding = "failing"
	StandingInactive WebhookStanding = "inactive"
	StandingDisabled WebhookStanding = "disabled"
)

// WebhookStandings lists the standings in the order in which they are offered.
func WebhookStandings() []WebhookStanding {
	return []WebhookStanding{StandingActive, StandingFailing, StandingInactive, StandingDisabled}
}

// WebhookFilter selects webhooks of a list. Its zero value selects all.
type WebhookFilter struct {
	// Text is looked for in name and URL, in upper or lower case; a webhook's id selects that one.
	Text string
	// Standing is empty for any.
	Standing WebhookStanding
	// Event selects those that are subscribed to an event type, empty for any.
	Event string
	// Limit is the size of a page, 0 for everything. The page follows the webhook After, or stands before the webhook Before;
	// without either, or when the list does not have that one, as after it was deleted, it is the first.
	Limit         int
	After, Before WebhookID
}

// FieldText is the field of a filter for the text that is looked for.
const FieldText = "q"

// check refuses what no webhook can have.
func (f WebhookFilter) check() error {
	var faults fieldFaults
	if f.Standing != "" && !slices.Contains(WebhookStandings(), f.Standing) {
		faults.add("status", "must be one of active, failing, inactive and disabled")
	}
	faults.plain(FieldText, f.Text)
	faults.plain(FieldEvent, f.Event)
	return faults.err()
}

// plain notes a fault when a text has bytes that no text in the database has.
func (f *fieldFaults) plain(field, text string) {
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		f.add(field, "must be plain text")
	}
}

// WebhookList is what a filter selects: all of it, or one page.
type WebhookList struct {
	// Webhooks come with what needs attention first: those that fail, disabled ones, then active, then inactive, each by name.
	// The values of their headers are left out.
	Webhooks []Webhook
	// Skipped is how many of the selected ones stand before the page.
	Skipped int
	// Counts says how many there are of each standing when Standing is left out of the filter.
	Counts map[WebhookStanding]int
	// Any says whether there is a webhook at all, the filter aside.
	Any bool
}

// Selected is the number of webhooks that a filter with a standing, or with none, selects, the pages aside.
func (l *WebhookList) Selected(standing WebhookStanding) int {
	if standing == "" {
		return l.Total()
	}
	return l.Counts[standing]
}

// Total is the number of webhooks of every standing.
func (l *WebhookList) Total() int {
	n := 0
	for _, c := range l.Counts {
		n += c
	}
	return n
}

// OpenInto fills an endpoint with the webhook and all that it keeps sealed. An error says which of it does not open.
func (w *WebhookDetail) OpenInto(e *Endpoint, box SecretBox) error {
	e.Webhook = w.Webhook
	for _, h := range w.Headers {
		value, err := box.Open(h.Sealed, WebhookHeaderPlace(w.ID, h.Name))
		if err != nil {
			return fmt.Errorf("open header %s of %s: %w", h.Name, w.ID, err)
		}
		e.Headers = append(e.Headers, Header{Name: h.Name, Value: string(value)})
	}
	for _, s := range w.Secrets {
		place := WebhookSecretPlace(w.ID)
		if s.WebhookID.IsZero() {
			place = APISecretPlace(w.TenantID)
		}
		text, err := box.Open(s.Sealed, place)
		if err != nil {
			return fmt.Errorf("open secret %s of %s: %w", s.ID, w.ID, err)
		}
		secret, rule := ParseSigningSecret(string(text))
		if rule != "" {
			return fmt.Errorf("read secret %s of %s: it %s", s.ID, w.ID, rule)
		}
		e.Secrets = append(e.Secrets, EndpointSecret{Secret: secret, ExpiresAt: s.ExpiresAt})
	}
	return nil
}
