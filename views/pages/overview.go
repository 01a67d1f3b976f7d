package pages

import (
	"time"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
)

// OverviewProps is the overview of a tenant.
type OverviewProps struct {
	Page layout.PageProps
	// Range is the chosen stretch: "1h", "24h", "7d" or "30d".
	Range    string
	Window   posthorn.OverviewRange
	Overview posthorn.ActivityOverview
	// Deliveries is how sending fares.
	Deliveries posthorn.DeliveryOverview
	Location   *time.Location
	Now        time.Time
	// IngestURL is where workers post, in full, for the steps of a new tenant.
	IngestURL string
}
