package posthorn

import (
	"encoding/json"
	"math"
	"strings"
	"time"
)

// LogEntry is a delivery as the log shows it, with everything that happened to it.
type LogEntry struct {
	Delivery
	// WebhookName is what the webhook is called, or was when it was deleted.
	WebhookName    string
	WebhookDeleted bool
	// ApplicationID is the event's, zero for none.
	ApplicationID ApplicationID
	// OccurredAt is the event's own time, Data what was published.
	OccurredAt time.Time
	Data       json.RawMessage
	// StatusCode, ErrorClass and Duration are those of the latest attempt.
	StatusCode int
	ErrorClass ErrorClass
	Duration   time.Duration
	// FinishedAt is when the delivery came to its end, zero while it is pending.
	FinishedAt time.Time
	// InHand says that a dispatcher has it: an attempt runs, or is about to. There is no NextAttemptAt then.
	InHand bool
	// History holds the attempts in their order.
	History []Attempt
}

// Attempt is one HTTP request of a delivery, as it is kept.
type Attempt struct {
	ID AttemptID
	// Number counts from 1, through replays.
	Number int
	URL    string
	// Outcome has the request's headers as they are kept: the values of custom ones are HeaderMask.
	Outcome
}

// Body returns the body that is sent: the same on every attempt. It is nil when none can be made of the event.
func (e *LogEntry) Body() json.RawMessage {
	j := Job{
		DeliveryID: e.ID, TenantID: e.TenantID, EventID: e.EventID, Event: e.Event, ApplicationID: e.ApplicationID,
		OccurredAt: e.OccurredAt, Data: e.Data,
	}
	body, err := e.Payload.Payload(j.outgoing())
	if err != nil {
		return nil
	}
	return body
}

type logEntryJSON struct {
	ID            DeliveryID      `json:"id"`
	EventID       EventID         `json:"eventId"`
	Event         string          `json:"event"`
	WebhookID     WebhookID       `json:"webhookId"`
	URL           string          `json:"url"`
	Status        DeliveryStatus  `json:"status"`
	Reason        *string         `json:"reason"`
	Test          bool            `json:"test"`
	Payload       json.RawMessage `json:"payload"`
	CreatedAt     string          `json:"createdAt"`
	NextAttemptAt *string         `json:"nextAttemptAt"`
	Attempts      []attemptJSON   `json:"attempts"`
}

type attemptJSON struct {
	ID              AttemptID     `json:"id"`
	Number          int           `json:"number"`
	StartedAt       string        `json:"startedAt"`
	Duration        int64         `json:"durationMs"`
	StatusCode      *int          `json:"statusCode"`
	ErrorClass      *ErrorClass   `json:"errorClass"`
	Error           *string       `json:"error"`
	RequestHeaders  headersObject `json:"requestHeaders"`
	ResponseHeaders headersObject `json:"responseHeaders"`
	ResponseBody    *string       `json:"responseBody"`
	RemoteAddress   *string       `json:"remoteAddress"`
	Timings         timingsJSON   `json:"timings"`
}

// timingsJSON has null for phases that were not reached.
type timingsJSON struct {
	DNS       *float64 `json:"dnsMs"`
	Connect   *float64 `json:"connectMs"`
	TLS       *float64 `json:"tlsMs"`
	FirstByte *float64 `json:"firstByteMs"`
	Total     *float64 `json:"totalMs"`
}

// MarshalJSON writes the entry as the API does.
func (e *LogEntry) MarshalJSON() ([]byte, error) {
	out := logEntryJSON{
		ID: e.ID, EventID: e.EventID, Event: e.Event, WebhookID: e.WebhookID, URL: e.URL, Status: e.State.Status(),
		Reason: orNull(e.Reason), Test: e.Test, Payload: e.Body(), CreatedAt: FormatTime(e.CreatedAt),
		NextAttemptAt: timeOrNull(e.NextAttemptAt), Attempts: make([]attemptJSON, len(e.History)),
	}
	for i := range e.History {
		out.Attempts[i] = e.History[i].public()
	}
	return marshal(out)
}

func (a *Attempt) public() attemptJSON {
	out := attemptJSON{
		ID: a.ID, Number: a.Number, StartedAt: FormatTime(a.StartedAt), Duration: a.Total.Round(time.Millisecond).Milliseconds(),
		ErrorClass: orNull(a.ErrorClass), Error: orNull(a.Error), RequestHeaders: a.RequestHeaders, ResponseHeaders: a.ResponseHeaders,
		ResponseBody: orNull(strings.ToValidUTF8(string(a.ResponseBody), "\uFFFD")), RemoteAddress: orNull(a.RemoteAddress),
		Timings: timingsJSON{
			millisecondsOrNull(a.DNS), millisecondsOrNull(a.Connect), millisecondsOrNull(a.TLS), millisecondsOrNull(a.FirstByte),
			millisecondsOrNull(a.Total),
		},
	}
	if a.StatusCode != 0 {
		out.StatusCode = &a.StatusCode
	}
	return out
}

// millisecondsOrNull writes a duration to the microsecond, null for none.
func millisecondsOrNull(d time.Duration) *float64 {
	if d == 0 {
		return nil
	}
	ms := math.Round(float64(d)/float64(time.Microsecond)) / 1000
	return &ms
}

// headersObject writes headers as an object in their order; the values of a name that comes several times are joined.
type headersObject []Header

// MarshalJSON writes an object.
func (h headersObject) MarshalJSON() ([]byte, error) {
	if len(h) == 0 {
		return []byte("{}"), nil
	}
	var names []string
	values := map[string][]string{}
	for _, header := range h {
		key := strings.ToLower(header.Name)
		if values[key] == nil {
			names = append(names, header.Name)
		}
		values[key] = append(values[key], header.Value)
	}
	var w objectWriter
	for _, name := range names {
		w.member(name, jsonText(strings.Join(values[strings.ToLower(name)], ", ")))
	}
	return w.end(), nil
}
