package pages

import (
	"net/url"
	"time"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
)

// Names of the fields of the forms that put an event together, beside those of the domain.
const (
	// FieldData is the event's data.
	FieldData = "data"
	// FieldLoad is the name of the button that puts the example of the chosen type into the form.
	FieldLoad = "load"
	// FieldAnyway is the name of the button that publishes data although it does not fit its schema.
	FieldAnyway = "anyway"
)

// Ids of the parts of these forms, as HX-Target names them.
const (
	IntoTestData    = "test-data"
	IntoTestOutcome = "test-outcome"
	IntoTestArea    = "test-area"
	IntoEventData   = "event-data"
	IntoReaches     = "reaches"
)

// EventsProps is the list of events as a page.
type EventsProps struct {
	Page layout.PageProps
	List EventListProps
}

// EventListProps is the list with its filters: the fragment that is swapped when a filter changes.
type EventListProps struct {
	Page   posthorn.EventPage
	Filter posthorn.EventFilter
	// Values are the filters as they stand in the query string; links add to them.
	Values url.Values
	// Faults says what is wrong with which filter; nothing is listed then.
	Faults map[string]string
	// Types is the event catalogue.
	Types        []posthorn.EventType
	Applications []posthorn.Application
	// FirstPage says that the list begins with the newest event, so that new ones may be put on top.
	FirstPage bool
	// Newest is the newest event of all, zero while there is none.
	Newest posthorn.EventID
	// Fresh marks the events above it as new; zero marks none.
	Fresh    posthorn.EventID
	Location *time.Location
	Now      time.Time
}

// EventNewsProps is the link that counts new events.
type EventNewsProps struct {
	News posthorn.Estimate
	// Values are the filters of the list that the link leads to the top of.
	Values url.Values
}

// EventProps is one event with what became of it.
type EventProps struct {
	Page  layout.PageProps
	Trace posthorn.EventTrace
	// Application is the event's, nil for none.
	Application *posthorn.Application
	Location    *time.Location
	Now         time.Time
}

// EventNewProps is the form that publishes an event by hand.
type EventNewProps struct {
	Page layout.PageProps
	// Event, Application, User and Data are what was typed before, or what the form begins with.
	Event, Application, User, Data string
	Types                          []posthorn.EventType
	Applications                   []posthorn.Application
	// Error is the sentence about what no field is to blame for.
	Error string
	// Faults says what is wrong with which field.
	Faults map[string]string
	// Fit says what of the data does not fit the schema of the type.
	Fit     posthorn.Fit
	FormKey string
}

// WebhookTestProps is the form that sends a test to a webhook, what came of the last one, and those before it.
type WebhookTestProps struct {
	Page WebhookPageProps
	// Event and Data are what was typed before, or what the form begins with.
	Event, Data string
	// Error is the sentence about what no field is to blame for.
	Error string
	// Faults says what is wrong with which field.
	Faults map[string]string
	// Result is the test that was just sent, or that the address names, nil for none.
	Result *posthorn.LogEntry
	// Failed counts the deliveries of the webhook that failed and can be sent again, where the result is a success.
	Failed posthorn.Estimate
	// Earlier are the newest tests.
	Earlier []posthorn.LogEntry
	FormKey string
}
