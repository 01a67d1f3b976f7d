package posthorn

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// EventType describes one type of event: what it means, and what the data of such an event looks like.
type EventType struct {
	// Event is the name, "<category>.<action>".
	Event string
	// Category is what comes before the first dot of Event.
	Category    string
	Description string
	// Schema is a JSON Schema of an event's data, {} when nothing is known about it. Example is data that fits.
	Schema, Example json.RawMessage
	Enforcement     Enforcement
	// BuiltIn types come with Posthorn: a tenant changes their enforcement and nothing else.
	BuiltIn bool
	// CreatedAt and UpdatedAt are zero for a built-in type that the tenant left as it is.
	CreatedAt, UpdatedAt time.Time
}

// MarshalJSON writes the type as the API shows it.
func (t EventType) MarshalJSON() ([]byte, error) {
	return marshal(struct {
		Event       string          `json:"event"`
		Category    string          `json:"category"`
		Description string          `json:"description"`
		Schema      json.RawMessage `json:"schema"`
		Example     json.RawMessage `json:"example"`
		Enforcement Enforcement     `json:"enforcement"`
		BuiltIn     bool            `json:"builtIn"`
	}{t.Event, t.Category, t.Description, t.Schema, t.Example, t.Enforcement, t.BuiltIn})
}

// Enforcement says what becomes of a published event whose data does not fit the schema of its type.
type Enforcement string

// The enforcements.
const (
	// EnforcementOff compares nothing.
	EnforcementOff Enforcement = "off"
	// EnforcementWarn accepts the event, and its page says what did not fit.
	EnforcementWarn Enforcement = "warn"
	// EnforcementReject refuses the event.
	EnforcementReject Enforcement = "reject"
)

// Enforcements lists the enforcements, mildest first.
func Enforcements() []Enforcement {
	return []Enforcement{EnforcementOff, EnforcementWarn, EnforcementReject}
}

// Valid reports whether the enforcement is one of Enforcements.
func (e Enforcement) Valid() bool { return slices.Contains(Enforcements(), e) }

// MaxEventName is the longest name of an event type, in bytes.
const MaxEventName = 128

var (
	eventName    = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$`)
	categoryName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

// ValidEventName reports whether text has the form of an event type's name: words of lower-case letters, digits and
// underscores, at least two, joined by dots, at most MaxEventName bytes.
func ValidEventName(text string) bool {
	return len(text) <= MaxEventName && eventName.MatchString(text)
}

// CategoryOf returns what comes before the first dot of an event type's name.
func CategoryOf(event string) string {
	category, _, _ := strings.Cut(event, ".")
	return category
}

// Categories of events that Posthorn alone makes.
const (
	categoryActivity = "activity"
	categoryWebhook  = "webhook"
	categoryDelivery = "delivery"
)

// Publishable reports whether an event of this type may come from outside: activity comes in through its own ingest, and
// what happens to webhooks and deliveries only Posthorn knows.
func Publishable(event string) bool {
	switch CategoryOf(event) {
	case categoryActivity, categoryWebhook, categoryDelivery:
		return false
	default:
		return true
	}
}

// Forms of a subscription beside the exact name of an event type.
const (
	// SubscribeAll covers every event but those about webhooks and deliveries.
	SubscribeAll = "*"
	// categoryWildcard ends a subscription to a whole category.
	categoryWildcard = ".*"
)

// ValidSubscription reports whether text has the form of a subscription: the name of an event type, "category.*" or "*".
func ValidSubscription(text string) bool {
	if text == SubscribeAll {
		return true
	}
	if category, ok := strings.CutSuffix(text, categoryWildcard); ok {
		return len(category) <= MaxEventName && categoryName.MatchString(category)
	}
	return ValidEventName(text)
}

// MatchesSubscription reports whether any of the subscriptions covers an event. Events about webhooks and deliveries are
// covered by their name or category alone: a webhook that asks for all would otherwise be told of its own failures.
func MatchesSubscription(subscriptions []string, event string) bool {
	category := CategoryOf(event)
	return slices.ContainsFunc(subscriptions, func(s string) bool {
		switch s {
		case SubscribeAll:
			return category != categoryWebhook && category != categoryDelivery
		case event, category + categoryWildcard:
			return true
		default:
			return false
		}
	})
}

// CategoryLabel is a category as people read it: "AML" for aml, and "Card payment" for a tenant's own card_payment.
func CategoryLabel(category string) string {
	if label, known := builtInCatalogue().labels[category]; known {
		return label
	}
	words := strings.TrimSpace(strings.ReplaceAll(category, "_", " "))
	first, size := utf8.DecodeRuneInString(words)
	return string(unicode.ToUpper(first)) + words[size:]
}
