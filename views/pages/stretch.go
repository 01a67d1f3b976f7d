package pages

import (
	"net/url"
	"time"

	"posthorn/internal/posthorn"
	"posthorn/views/path"
	"posthorn/views/ui"
)

// stretch is the time that a page of figures covers, in the words of the reader's clock.
type stretch struct {
	// key is "1h", "24h", "7d" or "30d".
	key    string
	window posthorn.OverviewRange
	zone   *time.Location
	now    time.Time
}

// overviewStretch names a range in words: "Last 24 hours", "the 24 hours before".
type overviewStretch struct{ key, words string }

// overviewStretches are the ranges in the order in which they are offered.
var overviewStretches = []overviewStretch{{"1h", "hour"}, {"24h", "24 hours"}, {"7d", "7 days"}, {"30d", "30 days"}}

// overviewDefault is the range of the address without one.
const overviewDefault = "24h"

const (
	day = 24 * time.Hour
	// quarter is the bucket of the range of seven days.
	quarter = 6 * time.Hour
)

func (s stretch) words() string {
	for _, o := range overviewStretches {
		if o.key == s.key {
			return o.words
		}
	}
	return s.key
}

// lead says which stretch the page shows.
func (s stretch) lead() string {
	return "Last " + s.words() + ", since " + s.in(s.window.From()).Format("2 Jan, 15:04 MST")
}

// ranges are the links to the page with another range.
func (s stretch) ranges(address string) []ui.SegmentedLink {
	links := make([]ui.SegmentedLink, 0, len(overviewStretches))
	for _, o := range overviewStretches {
		link := ui.SegmentedLink{Label: o.key, URL: address, Current: o.key == s.key}
		if o.key != overviewDefault {
			link.URL = path.With(address, url.Values{FilterRange: {o.key}})
		}
		links = append(links, link)
	}
	return links
}

// in is a moment as the reader's clock shows it.
func (s stretch) in(t time.Time) time.Time { return zoned(t, s.zone) }

// per names the bucket of the charts: "per hour".
func (s stretch) per() string {
	switch {
	case s.window.Bucket < time.Hour:
		return "per minute"
	case s.window.Bucket < quarter:
		return "per hour"
	case s.window.Bucket < day:
		return "per 6 hours"
	default:
		return "per day"
	}
}

// end is when a bucket ends.
func (s stretch) end(bucket int) time.Time {
	return s.window.From().Add(time.Duration(bucket+1) * s.window.Bucket)
}

// span names the time of a bucket.
func (s stretch) span(start, end time.Time) string {
	start, end = s.in(start), s.in(end)
	switch {
	case s.window.Bucket < time.Hour:
		return start.Format("15:04")
	case s.window.Bucket < quarter:
		return start.Format("15:04") + "–" + end.Format("15:04")
	case s.window.Bucket < day:
		return start.Format("Mon 2 Jan, 15:04") + "–" + end.Format("15:04")
	default:
		return start.Format("Mon 2 Jan")
	}
}

// spanHead is the head of a column of spans.
func (s stretch) spanHead() string { return "Time, " + s.in(s.now).Format("MST") }

// axis are the labels under a chart, few where it is narrow. Each interval between them covers the same number of buckets.
func (s stretch) axis(few bool) []string {
	intervals, layout := 6, "15:04"
	switch {
	case s.window.Bucket < time.Hour: // an hour, every ten minutes
	case s.window.Bucket < quarter: // a day, every three hours
		intervals = 8
	case s.window.Bucket < day: // a week, every day
		intervals, layout = 7, "Mon"
	default: // a month, every five days
		layout = "2 Jan"
	}
	if few && intervals%2 == 0 {
		intervals /= 2
	}
	labels := make([]string, 0, intervals+1)
	for i := range intervals {
		at := s.window.From().Add(s.window.Bucket * time.Duration(s.window.Buckets*i/intervals))
		labels = append(labels, s.in(at).Format(layout))
	}
	return append(labels, "now")
}

// clock is a moment as short as can be: "10:12" today, "19 Nov, 10:12" on another day.
func (s stretch) clock(t time.Time) string {
	at, now := s.in(t), s.in(s.now)
	if at.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return at.Format("15:04")
	}
	return at.Format("2 Jan, 15:04")
}
