package posthorn

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// EventLog answers what happened and what became of it.
type EventLog struct{ store EventStore }

// NewEventLog makes the use cases.
func NewEventLog(store EventStore) *EventLog { return &EventLog{store} }

// EventStore keeps events. Implemented by package postgres.
type EventStore interface {
	EventReader
	// CountEvents counts the events above one that a filter lets through, up to most.
	CountEvents(ctx context.Context, tenant TenantID, f EventFilter, since EventID, most int) (Estimate, error)
	// NewestEvent returns the newest id of a tenant, zero when there is none.
	NewestEvent(ctx context.Context, tenant TenantID) (EventID, error)
}

// EventReader reads events.
type EventReader interface {
	// ListEvents returns a page, newest first. It may be shorter than asked for although there is more, so that it is not too
	// large.
	ListEvents(ctx context.Context, tenant TenantID, q EventQuery) (EventRows, error)
	// Event returns one with all that is known of its way; another tenant's is NotFound.
	Event(ctx context.Context, tenant TenantID, id EventID) (EventTrace, error)
}

// EventFilter narrows the list of events. All conditions hold together; within a list any one does. The zero filter lets
// everything through.
type EventFilter struct {
	// Types are exact.
	Types []string
	// From and To bound the time of receipt: From inclusive, To exclusive. A zero time is no bound.
	From, To time.Time
	// Application is an application's id or external id.
	Application string
	// Test is nil for tests and the rest alike.
	Test *bool
	// Text is the id of an event or of one of its deliveries, or the id that the producer gave it.
	Text string
}

// check notes what no event can have.
func (f *EventFilter) check(faults *fieldFaults) {
	(&DeliveryFilter{Events: f.Types, From: f.From, To: f.To}).check(faults)
}

// EventQuery asks for a page of events.
type EventQuery struct {
	Filter   EventFilter
	Position EventPosition
}

// EventRows is a page as it is stored.
type EventRows struct {
	Events []Event
	// HasNewer and HasOlder say whether there is a page above and below.
	HasNewer, HasOlder bool
}

// EventPage is a page of events, newest first. The cursors are empty where there is no page.
type EventPage struct {
	Events                 []Event
	NextCursor, PrevCursor string
}

// List returns a page of events, newest first. Wrong filters, limits and cursors are Invalid with the fields named.
func (l *EventLog) List(ctx context.Context, tenant TenantID, f EventFilter, page PageRequest) (EventPage, error) {
	q := EventQuery{Filter: f}
	var faults fieldFaults
	f.check(&faults)
	readPage(&faults, page, &q.Position)
	if err := faults.err(); err != nil {
		return EventPage{}, err
	}
	rows, err := l.store.ListEvents(ctx, tenant, q)
	if err != nil {
		return EventPage{}, fmt.Errorf("list events of %s: %w", tenant, err)
	}
	out := EventPage{Events: rows.Events}
	if n := len(rows.Events); n > 0 {
		out.PrevCursor, out.NextCursor = cursors(rows.HasNewer, rows.HasOlder, rows.Events[0].ID, rows.Events[n-1].ID)
	}
	return out, nil
}

// maxEventNews is how far the list counts what is new.
const maxEventNews = 99

// News counts the events that are newer than one, up to a cap. Wrong filters are Invalid with the fields named.
func (l *EventLog) News(ctx context.Context, tenant TenantID, f EventFilter, since EventID) (Estimate, error) {
	var faults fieldFaults
	f.check(&faults)
	if err := faults.err(); err != nil {
		return Estimate{}, err
	}
	return l.store.CountEvents(ctx, tenant, f, since, maxEventNews)
}

// Newest returns the newest id of a tenant, zero when there is none.
func (l *EventLog) Newest(ctx context.Context, tenant TenantID) (EventID, error) {
	return l.store.NewestEvent(ctx, tenant)
}

// Get returns one event with what became of it at every webhook, or NotFound.
func (l *EventLog) Get(ctx context.Context, tenant TenantID, id EventID) (EventTrace, error) {
	t, err := l.store.Event(ctx, tenant, id)
	if KindOf(err) == NotFound {
		return t, Because(NotFound, "There is no event with the id "+id.String()+".", err)
	}
	return t, err
}

type eventJSON struct {
	ID            EventID         `json:"id"`
	Event         string          `json:"event"`
	Timestamp     string          `json:"timestamp"`
	CreatedAt     string          `json:"createdAt"`
	ApplicationID *string         `json:"applicationId"`
	Test          bool            `json:"test"`
	Data          json.RawMessage `json:"data"`
}

func (e *Event) public() eventJSON {
	out := eventJSON{
		ID: e.ID, Event: e.Type, Timestamp: FormatTime(e.OccurredAt), CreatedAt: FormatTime(e.ID.Time()), Test: e.Test, Data: e.Data,
	}
	if !e.ApplicationID.IsZero() {
		id := e.ApplicationID.String()
		out.ApplicationID = &id
	}
	return out
}

// MarshalJSON writes the event as the API does.
func (e *Event) MarshalJSON() ([]byte, error) { return marshal(e.public()) }

// EventTrace is an event with its way.
type EventTrace struct {
	Event
	Webhooks []EventReach
}

// EventReach is what became of an event at one webhook.
type EventReach struct {
	Webhook WebhookSummary
	// Delivery is nil when there is none.
	Delivery *Delivery
	// StatusCode and ErrorClass are those of the latest attempt.
	StatusCode int
	ErrorClass ErrorClass
	// FinishedAt is when the delivery came to its end, zero while it is pending.
	FinishedAt time.Time
}

// WebhookSummary is what says whether an event should have reached a webhook.
type WebhookSummary struct {
	ID        WebhookID
	Name, URL string
	// Deleted says that only name, URL and DeletedAt are known.
	Deleted   bool
	DeletedAt time.Time
	CreatedAt time.Time
	Events    []string
	// ApplicationID limits the webhook to the events of one application, zero for all.
	ApplicationID ApplicationID
	Status        WebhookStatus
	// StoppedAt and ResumedAt are the latest time at which the webhook was not active, zero for never and not yet.
	StoppedAt, ResumedAt time.Time
}

// MarshalJSON writes the event as the API does, with what did not fit its schema and what became of it at every webhook.
func (t *EventTrace) MarshalJSON() ([]byte, error) {
	type reachJSON struct {
		WebhookID  WebhookID       `json:"webhookId"`
		Name       string          `json:"name"`
		URL        string          `json:"url"`
		DeliveryID *DeliveryID     `json:"deliveryId"`
		Status     *DeliveryStatus `json:"status"`
		Reason     *string         `json:"reason"`
	}
	reaches := make([]reachJSON, len(t.Webhooks))
	for i := range t.Webhooks {
		r := &t.Webhooks[i]
		out := reachJSON{WebhookID: r.Webhook.ID, Name: r.Webhook.Name, URL: r.Webhook.URL, Reason: orNull(r.Reason(&t.Event))}
		if r.Delivery != nil {
			status := r.Delivery.State.Status()
			out.URL, out.DeliveryID, out.Status = r.Delivery.URL, &r.Delivery.ID, &status
		}
		reaches[i] = out
	}
	return marshal(struct {
		eventJSON
		SchemaViolations []string    `json:"schemaViolations"`
		Webhooks         []reachJSON `json:"webhooks"`
	}{t.public(), append([]string{}, t.Misfits...), reaches})
}
