package posthorn

import (
	"fmt"
	"time"
)

// The events about Posthorn itself.
const (
	EventWebhookDisabled  = "webhook.disabled"
	EventWebhookRecovered = "webhook.recovered"
	EventDeliveryFailed   = "delivery.failed"
)

const (
	// DisableAfter is how long a webhook may do nothing but fail before it is disabled.
	DisableAfter = 5 * 24 * time.Hour
	// DisabledForFailures is the reason then.
	DisabledForFailures = "Every delivery has failed for 5 days"
	// RecoveredAfter is how long a webhook must have failed for its next success to be worth an event.
	RecoveredAfter = 10 * time.Minute
)

// Operational reports whether an event is about webhooks and deliveries themselves. What becomes of such an event makes no
// further ones.
func Operational(event string) bool {
	category := CategoryOf(event)
	return category == categoryWebhook || category == categoryDelivery
}

// System is Posthorn itself as an actor.
func System() Actor { return Actor{Name: "Posthorn"} }

// ActionWebhookDisabled is the action of Posthorn when it disables a webhook.
const ActionWebhookDisabled Action = "webhook.disabled"

// WebhookDisabledEntry is the entry of the audit log when Posthorn disables a webhook.
func WebhookDisabledEntry(tenant TenantID, id WebhookID, reason string) AuditEntry {
	return audit(tenant, System(), ActionWebhookDisabled, id.String(),
		map[string]any{"state": string(WebhookActive)}, map[string]any{"state": string(WebhookDisabled), "reason": reason})
}

// WebhookNotice is what there is to tell of a webhook.
type WebhookNotice struct {
	TenantID  TenantID
	WebhookID WebhookID
	Name, URL string
	// Reason is why it was disabled, without a full stop; it is not needed where it recovered.
	Reason string
	// FailingSince is when the failures began, At when this happened.
	FailingSince, At time.Time
}

// WebhookEvent makes the event that tells of a webhook.
func WebhookEvent(event string, n WebhookNotice) (Event, error) {
	reason := n.Reason + "."
	if event == EventWebhookRecovered {
		reason = "A delivery succeeded after failures since " + FormatTime(n.FailingSince) + "."
	}
	return systemEvent(n.TenantID, event, n.At, struct {
		WebhookID    string  `json:"webhookId"`
		WebhookName  string  `json:"webhookName"`
		URL          string  `json:"url"`
		Reason       string  `json:"reason"`
		Since        string  `json:"since"`
		FailingSince *string `json:"failingSince"`
	}{n.WebhookID.String(), n.Name, n.URL, reason, FormatTime(n.At), timeOrNull(n.FailingSince)})
}

// DeliveryFailedEvent makes the event that tells of a delivery that failed for good.
func DeliveryFailedEvent(r *Result) (Event, error) {
	var status *int
	if r.Outcome.StatusCode != 0 {
		status = &r.Outcome.StatusCode
	}
	at := r.Outcome.StartedAt.Add(r.Outcome.Total)
	e, err := systemEvent(r.Job.TenantID, EventDeliveryFailed, at, struct {
		DeliveryID     string      `json:"deliveryId"`
		EventID        string      `json:"eventId"`
		Event          string      `json:"event"`
		WebhookID      string      `json:"webhookId"`
		URL            string      `json:"url"`
		Attempts       int         `json:"attempts"`
		LastStatusCode *int        `json:"lastStatusCode"`
		LastErrorClass *ErrorClass `json:"lastErrorClass"`
		Reason         string      `json:"reason"`
		FailedAt       string      `json:"failedAt"`
	}{
		r.Job.DeliveryID.String(), r.Job.EventID.String(), r.Job.Event, r.Job.WebhookID.String(), r.URL, r.Job.Attempt, status,
		orNull(r.Outcome.ErrorClass), r.Decision.Reason + ".", FormatTime(at),
	})
	e.ApplicationID = r.Job.ApplicationID
	return e, err
}

func systemEvent(tenant TenantID, event string, at time.Time, data any) (Event, error) {
	raw, err := marshal(data)
	if err != nil {
		return Event{}, fmt.Errorf("make %s: %w", event, err)
	}
	return Event{ID: NewEventID(), TenantID: tenant, Type: event, OccurredAt: at, Data: raw}, nil
}

func timeOrNull(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := FormatTime(t)
	return &text
}
