package posthorn

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Event is something that happened, as it is written to the events table and sent to webhooks.
type Event struct {
	ID       EventID
	TenantID TenantID
	// Type is "<category>.<action>", such as "activity.recorded".
	Type string
	// ApplicationID is the application that the event belongs to. Where it is zero, ApplicationExternalID names it as the
	// producer knows it; empty, or unknown to the tenant, means none.
	ApplicationID         ApplicationID
	ApplicationExternalID string
	// OccurredAt is the event's own time, which a producer may set; the id carries the time of receipt.
	OccurredAt time.Time
	// Data is the payload, a JSON object.
	Data json.RawMessage
	// Key is the producer's own id of the event, empty for none: for 7 days the same key is the same event.
	Key string
	// Misfits says what of the data does not fit the schema of the type.
	Misfits []string
	// ActivityID is the record that caused the event, zero for none.
	ActivityID ActivityID
	// Test sends the event to Webhook alone, whatever that is subscribed to.
	Test    bool
	Webhook WebhookID
}

// The events that activity causes.
const (
	EventActivityRecorded = "activity.recorded"
	EventActivityFlagged  = "activity.flagged"
)

// MaxEventBytes is the largest payload of an event, in bytes.
const MaxEventBytes = 256 << 10

// maxEventMessage is the length, in bytes, to which an error message is cut that would make its event too large.
const maxEventMessage = 16 << 10

// Events returns what a new record tells the world: activity.recorded, and activity.flagged when its risk is high or
// critical. The data is the record without its payloads, with "url" pointing at it and "uid" repeating the user; link
// makes the address of a record. When summary and metadata would make the event too large they are left out as well, and
// then a long error message is cut.
func (a *Activity) Events(link func(ActivityID) string) ([]Event, error) {
	data, err := a.eventData(link)
	if err != nil {
		return nil, err
	}
	types := []string{EventActivityRecorded}
	if a.RiskLevel.Flagged() {
		types = append(types, EventActivityFlagged)
	}
	events := make([]Event, len(types))
	for i, t := range types {
		events[i] = Event{
			ID: NewID[eventKind](), TenantID: a.TenantID, Type: t, ApplicationExternalID: a.ClientAppID,
			OccurredAt: a.CreatedAt(), Data: data, ActivityID: a.ID,
		}
	}
	return events, nil
}

func (a *Activity) eventData(link func(ActivityID) string) (json.RawMessage, error) {
	slim := *a
	for {
		data, err := marshal(struct {
			activityJSON
			UID string `json:"uid"`
			URL string `json:"url"`
		}{slim.public(), a.UserID, link(a.ID)})
		if err != nil {
			return nil, fmt.Errorf("event data of %s: %w", a.ID, err)
		}
		switch {
		case len(data) <= MaxEventBytes:
			return data, nil
		case slim.ResponseSummary != nil || slim.Metadata != nil:
			slim.ResponseSummary, slim.Metadata = nil, nil
		default:
			// What is left to be large is the message; in JSON a byte of it takes up to six.
			slim.ErrorMessage = strings.ToValidUTF8(slim.ErrorMessage[:min(len(slim.ErrorMessage), maxEventMessage)], "")
		}
	}
}
