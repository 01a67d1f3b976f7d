package pages

import (
	"net/url"
	"time"

	"github.com/a-h/templ"

	"posthorn/internal/posthorn"
	"posthorn/views/path"
)

// earliestEvent is older than any: it stands for the newest one of an empty list, so that the first to come is a new one.
var earliestEvent = posthorn.EventIDAt(time.UnixMilli(1))

// live are the addresses with which the script keeps the list up to date.
func (p EventListProps) live() templ.Attributes {
	attrs := templ.Attributes{"data-url": path.With(path.Events, p.Values), "data-noun": "event", "data-nouns": "events"}
	if len(p.Faults) > 0 {
		return attrs
	}
	seen := p.Newest.String()
	if p.Newest.IsZero() {
		seen = earliestEvent.String()
	}
	attrs["data-stream"] = path.With(path.EventStream, url.Values{SinceRecord: {seen}})
	attrs["data-new-url"] = path.With(path.EventNews, with(p.Values, SinceRecord, seen))
	attrs["data-refresh-url"] = path.With(path.Events, with(p.Values, FreshSince, seen))
	if p.FirstPage {
		attrs["data-first-page"] = true
	}
	return attrs
}

// fresh says whether an event is one of the new ones.
func (p EventListProps) fresh(id posthorn.EventID) bool {
	return !p.Fresh.IsZero() && id.After(p.Fresh)
}

// text counts what is new, empty for nothing.
func (p EventNewsProps) text() string {
	if p.News.N == 0 {
		return ""
	}
	return counted(int64(p.News.N), p.News.More, "new event", "new events")
}

func (p EventNewsProps) url() string { return path.With(path.Events, p.Values) }
