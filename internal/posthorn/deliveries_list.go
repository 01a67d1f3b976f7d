package posthorn

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"time"
)

// DeliveryFilter narrows the delivery log. All conditions hold together; within a list any one does. The zero filter lets
// everything through.
type DeliveryFilter struct {
	WebhookID  WebhookID
	EventID    EventID
	DeliveryID DeliveryID
	// Events are exact types.
	Events   []string
	Statuses []DeliveryStatus
	// StatusCodes and ErrorClass are about the latest attempt.
	StatusCodes StatusRange
	ErrorClass  ErrorClass
	// From and To bound the time of receipt of the event: From inclusive, To exclusive. A zero time is no bound.
	From, To time.Time
	// Application is the id or external id of the application that the event is of.
	Application string
	// Over selects what took longer at the latest attempt. Zero is no bound.
	Over time.Duration
	// MinAttempts is how many attempts there were at least. Zero is no bound.
	MinAttempts int
	// Test is nil for tests and the rest alike.
	Test *bool
	// Text is the id of an event, delivery or webhook, or the id that the producer gave the event.
	Text string
}

// StatusRange bounds HTTP statuses, both ends inclusive; the zero range is none.
type StatusRange struct{ From, To int }

// IsZero reports whether the range is none.
func (r StatusRange) IsZero() bool { return r == StatusRange{} }

// ParseStatusRange reads a status such as "404", or a class such as "5xx".
func ParseStatusRange(text string) (StatusRange, bool) {
	if len(text) != 3 || text[0] < '1' || text[0] > '5' {
		return StatusRange{}, false
	}
	first := int(text[0]-'0') * 100
	if strings.EqualFold(text[1:], "xx") {
		return StatusRange{first, first + 99}, true
	}
	for _, digit := range text[1:] {
		if digit < '0' || digit > '9' {
			return StatusRange{}, false
		}
	}
	code := first + int(text[1]-'0')*10 + int(text[2]-'0')
	return StatusRange{code, code}, true
}

// Fields of the filters of lists.
const (
	FieldSince       = "since"
	fieldFilterTo    = "to"
	fieldErrorClass  = "errorClass"
	fieldStatus      = "status"
	fieldLimit       = "limit"
	fieldCursor      = "cursor"
	fieldStatusCodes = "statusCode"
	fieldOver        = "overMs"
	fieldMinAttempts = "minAttempts"
)

func (f *DeliveryFilter) check(faults *fieldFaults) {
	if slices.ContainsFunc(f.Events, func(e string) bool { return !ValidEventName(e) }) {
		faults.add(FieldEvent, "must be the name of an event type")
	}
	if slices.ContainsFunc(f.Statuses, func(s DeliveryStatus) bool { return !slices.Contains(DeliveryStatuses(), s) }) {
		faults.add(fieldStatus, "must be one of success, error and pending")
	}
	if c := f.StatusCodes; !c.IsZero() && (c.From > c.To || c.From < 100 || c.To > 599) {
		faults.add(fieldStatusCodes, "must be a status such as 404, or a class such as 5xx")
	}
	if f.ErrorClass != ErrorNone && !f.ErrorClass.Valid() {
		faults.add(fieldErrorClass, "must be a class of errors, such as timeout")
	}
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		faults.add(fieldFilterTo, "must be after from")
	}
	if f.Over < 0 {
		faults.add(fieldOver, "must be a whole number of milliseconds")
	}
	if f.MinAttempts < 0 {
		faults.add(fieldMinAttempts, "must be a whole number from 1")
	}
}

// IsZero reports whether the filter lets everything through.
func (f *DeliveryFilter) IsZero() bool {
	return f.WebhookID.IsZero() && f.EventID.IsZero() && f.DeliveryID.IsZero() && len(f.Events) == 0 && len(f.Statuses) == 0 &&
		f.StatusCodes.IsZero() && f.ErrorClass == ErrorNone && f.From.IsZero() && f.To.IsZero() && f.Application == "" &&
		f.Over == 0 && f.MinAttempts == 0 && f.Test == nil && f.Text == ""
}

// Limits of pages.
const (
	DefaultPageLimit = 50
	MaxPageLimit     = 200
)

// PageRequest asks for a page of a list that is newest first.
type PageRequest struct {
	// Limit is the most entries of the page, 0 for DefaultPageLimit.
	Limit int
	// Cursor is what the page beside gave for this one, empty for the newest.
	Cursor string
}

// ListPosition is where a page begins, and how long it is.
type ListPosition[P prefixer] struct {
	// After continues below an entry (older ones), Before above one (newer ones). At most one of them is set.
	After, Before ID[P]
	// Limit is the most entries.
	Limit int
}

type (
	// DeliveryPosition is a position in the delivery log.
	DeliveryPosition = ListPosition[deliveryKind]
	// EventPosition is a position in the list of events.
	EventPosition = ListPosition[eventKind]
)

// DeliveryQuery asks for a page of the delivery log.
type DeliveryQuery struct {
	Filter   DeliveryFilter
	Position DeliveryPosition
	// Brief leaves out the data of events and the attempts.
	Brief bool
}

// DeliveryRows is a page as it is stored.
type DeliveryRows struct {
	Entries []LogEntry
	// HasNewer and HasOlder say whether there is a page above and below.
	HasNewer, HasOlder bool
	// Reached is the last delivery that was looked at when looking ended before the page was full, zero otherwise: what no
	// index answers is looked for among a bounded number of deliveries at a time. There is a page in that direction, though
	// nothing may be on it.
	Reached DeliveryID
}

// DeliveryPage is a page of the delivery log, newest first. The cursors are empty where there is no page.
type DeliveryPage struct {
	Entries                []LogEntry
	NextCursor, PrevCursor string
	// Reached is that of DeliveryRows.
	Reached DeliveryID
}

// page puts the cursors to rows that were asked for from a position.
func (r *DeliveryRows) page(from DeliveryPosition) DeliveryPage {
	out := DeliveryPage{Entries: r.Entries, Reached: r.Reached}
	if n := len(r.Entries); n > 0 {
		out.PrevCursor, out.NextCursor = cursors(r.HasNewer, r.HasOlder, r.Entries[0].ID, r.Entries[n-1].ID)
	}
	switch {
	case r.Reached.IsZero():
	case from.Before.IsZero():
		out.NextCursor = newCursor(r.Reached, false)
	default:
		out.PrevCursor = newCursor(r.Reached, true)
	}
	return out
}

// readPage checks what was asked for and finds where it is.
func readPage[P prefixer](faults *fieldFaults, page PageRequest, into *ListPosition[P]) {
	into.Limit = page.Limit
	if page.Limit == 0 {
		into.Limit = DefaultPageLimit
	}
	if into.Limit < 1 || into.Limit > MaxPageLimit {
		faults.add(fieldLimit, "must be a whole number from 1 to 200")
	}
	if page.Cursor == "" {
		return
	}
	id, newer, ok := parseCursor[P](page.Cursor)
	switch {
	case !ok:
		faults.add(fieldCursor, "must be a cursor that this list gave")
	case newer:
		into.Before = id
	default:
		into.After = id
	}
}

// cursors returns those of the pages above and below one from its first and last id, empty where there is none.
func cursors[P prefixer](hasNewer, hasOlder bool, first, last ID[P]) (prev, next string) {
	if hasNewer {
		prev = newCursor(first, true)
	}
	if hasOlder {
		next = newCursor(last, false)
	}
	return prev, next
}

// A cursor is a direction, an id, and a check by which text that is no cursor of the list is told from one.
const (
	cursorNewer byte = 'n'
	cursorOlder byte = 'o'
	cursorCheck      = 4
	cursorBytes      = 1 + len(DeliveryID{}) + cursorCheck
)

func newCursor[P prefixer](id ID[P], newer bool) string {
	raw := make([]byte, 0, cursorBytes)
	raw = append(raw, cursorOlder)
	if newer {
		raw[0] = cursorNewer
	}
	raw = append(raw, id[:]...)
	return base64.RawURLEncoding.EncodeToString(append(raw, cursorSum[P](raw)...))
}

func cursorSum[P prefixer](raw []byte) []byte {
	var p P
	sum := sha256.Sum256(append([]byte(p.prefix()), raw...))
	return sum[:cursorCheck]
}

func parseCursor[P prefixer](text string) (id ID[P], newer, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != cursorBytes {
		return id, false, false
	}
	body := raw[:cursorBytes-cursorCheck]
	copy(id[:], body[1:])
	known := body[0] == cursorNewer || body[0] == cursorOlder
	return id, body[0] == cursorNewer, known && string(cursorSum[P](body)) == string(raw[len(body):])
}
