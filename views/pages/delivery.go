package pages

import (
	"time"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
)

// Names in the query of the pages of a delivery.
const (
	// FieldAttempt is the number of the attempt that is looked at, none for the latest.
	FieldAttempt = "attempt"
	// FieldShown is what the page has shown: see DeliveryProps.Seen.
	FieldShown = "shown"
)

// DeliveryProps is one delivery, looked at through one of its attempts.
type DeliveryProps struct {
	Page     layout.PageProps
	Delivery posthorn.Inspection
	// Follow says that no attempt was chosen: the latest is shown, also when another is made.
	Follow   bool
	Location *time.Location
	Now      time.Time
}

// DeliveryConfirmProps is a question about a delivery: a dialog for htmx, a page without.
type DeliveryConfirmProps struct {
	Page  layout.PageProps
	Entry posthorn.LogEntry
	// Dialog is for htmx.
	Dialog bool
	// Alert is what went wrong, empty for nothing.
	Alert string
}
