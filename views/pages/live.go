package pages

import (
	"net/url"
	"time"

	"github.com/a-h/templ"

	"posthorn/views/path"
)

// liveList is what the script needs to keep a list up to date.
type liveList struct {
	// at is the address of the list by its filters.
	at      func(url.Values) string
	filters url.Values
	// stream tells that the list grew; news says how much of that the filters let through.
	stream, news string
	// newsFilters are the filters of the news.
	newsFilters url.Values
	// seen is the newest entry that the reader may see, whatever the filters.
	seen      string
	firstPage bool
}

// attrs are the attributes of the element that holds the list.
func (l liveList) attrs() templ.Attributes {
	attrs := templ.Attributes{
		"data-stream":      path.With(l.stream, url.Values{SinceRecord: {l.seen}}),
		"data-new-url":     path.With(l.news, with(l.newsFilters, SinceRecord, l.seen)),
		"data-refresh-url": l.at(with(l.filters, FreshSince, l.seen)),
	}
	if l.firstPage {
		attrs["data-first-page"] = true
	}
	return attrs
}

// seenOf is the newest entry of a list as its stream takes it. Of an empty list it is older than any entry, so that the first to come
// is a new one.
func seenOf[ID interface {
	IsZero() bool
	String() string
}](newest ID, at func(time.Time) ID) string {
	if newest.IsZero() {
		newest = at(time.UnixMilli(1))
	}
	return newest.String()
}
