package pages

import (
	"maps"
	"net/url"

	"github.com/a-h/templ"

	"posthorn/internal/posthorn"
	"posthorn/views/path"
)

// live are the addresses with which the script keeps the list up to date.
func (p EventListProps) live() templ.Attributes {
	attrs := templ.Attributes{"data-url": p.at(p.Values), "data-noun": "event", "data-nouns": "events"}
	if len(p.Faults) == 0 {
		maps.Copy(attrs, liveList{
			at: p.at, filters: p.Values, stream: path.EventStream, news: path.EventNews, newsFilters: p.Values,
			seen: seenOf(p.Newest, posthorn.EventIDAt), firstPage: p.FirstPage,
		}.attrs())
	}
	return attrs
}

func (p EventListProps) at(filters url.Values) string { return path.With(path.Events, filters) }

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
