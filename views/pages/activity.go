package pages

import (
	"net/url"
	"time"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
)

// ActivityProps is the feed as a page.
type ActivityProps struct {
	Page layout.PageProps
	Feed FeedProps
	// Record is the record whose drawer is open, nil for none.
	Record *RecordProps
}

// FeedProps is the list of records with its filters: the fragment that is swapped when a filter changes.
type FeedProps struct {
	Page   posthorn.ActivityPage
	Filter posthorn.ActivityFilter
	// Values are the filters as they stand in the query string; links add to them.
	Values url.Values
	// Faults says what is wrong with which filter; nothing is listed then.
	Faults map[string]string
	Counts posthorn.RiskCounts
	Facets posthorn.ActivityFacets
	// FirstPage says that the list begins with the newest record, so that new ones may be put on top.
	FirstPage bool
	// Any says whether the reader has a record at all, filters aside.
	Any bool
	// Newest is the newest id that the reader has seen, zero while there is none.
	Newest posthorn.ActivityID
	// Fresh marks the records above it as new; zero marks none.
	Fresh posthorn.ActivityID
	// Current is the record whose drawer is open.
	Current posthorn.ActivityID
	// ShowUser adds the column and filter of those who see the whole tenant.
	ShowUser bool
	Location *time.Location
	Now      time.Time
}

// RecordProps is one record, in the drawer or on a page of its own.
type RecordProps struct {
	Record posthorn.ActivityRecord
	// Neighbours are the records above and below it in the filtered feed.
	Neighbours posthorn.ActivityNeighbours
	// Caused are the events that it caused, with their deliveries; none for readers who may not know of them.
	Caused []posthorn.CausedEvent
	// Values are the filters of the feed behind the drawer.
	Values   url.Values
	ShowUser bool
	Location *time.Location
	Now      time.Time
}

// RecordPageProps is one record as a page.
type RecordPageProps struct {
	Page   layout.PageProps
	Record RecordProps
}

// NewsProps is the link that counts new records.
type NewsProps struct {
	News posthorn.ActivityNews
	// Values are the filters of the feed that the link leads to the top of.
	Values url.Values
}
