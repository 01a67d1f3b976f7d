package pages

import (
	"net/url"
	"time"

	"posthorn/views/path"
	"posthorn/views/ui"
)

const (
	day = 24 * time.Hour
	// quarter is the bucket of the range of seven days.
	quarter = 6 * time.Hour
)

// chartTitle names what one bar counts.
func (p OverviewProps) chartTitle() string {
	switch {
	case p.Window.Bucket < time.Hour:
		return "Records per minute"
	case p.Window.Bucket < quarter:
		return "Records per hour"
	case p.Window.Bucket < day:
		return "Records per 6 hours"
	default:
		return "Records per day"
	}
}

// chart is the volume over the range: what worked above the line, errors below it.
func (p OverviewProps) chart() ui.VolumeProps {
	props := ui.VolumeProps{
		ID: "volume", Axis: p.axis(), OKHead: "OK", FailedHead: "Errors",
		SpanHead: "Time, " + p.in(p.Now).Format("MST"),
		Summary: countRecords(p.Overview.Counts.Total()) + " in the last " + p.words() + ", " +
			ui.Count(int64(p.Overview.Counts.Errors)) + " with errors",
	}
	for i, bucket := range p.Overview.Buckets {
		end := p.Window.Until
		if i+1 < len(p.Overview.Buckets) {
			end = p.Overview.Buckets[i+1].Start
		}
		props.Buckets = append(props.Buckets, ui.Bucket{
			Label: p.span(bucket.Start, end), OK: bucket.OK, Failed: bucket.Errors, Partial: end.After(p.Now), URL: p.spanURL(bucket.Start, end),
		})
	}
	return props
}

// span names the time of a bucket.
func (p OverviewProps) span(start, end time.Time) string {
	start, end = p.in(start), p.in(end)
	switch {
	case p.Window.Bucket < time.Hour:
		return start.Format("15:04")
	case p.Window.Bucket < quarter:
		return start.Format("15:04") + "–" + end.Format("15:04")
	case p.Window.Bucket < day:
		return start.Format("Mon 2 Jan, 15:04") + "–" + end.Format("15:04")
	default:
		return start.Format("Mon 2 Jan")
	}
}

// spanURL lists the records of a bucket.
func (p OverviewProps) spanURL(start, end time.Time) string {
	return path.With(path.Activity, url.Values{FilterFrom: {p.in(start).Format(minuteLayout)}, FilterTo: {p.in(end).Format(minuteLayout)}})
}

// axis are the labels under the chart. Each interval between them covers the same number of buckets.
func (p OverviewProps) axis() []string {
	intervals, layout := 6, "15:04"
	switch {
	case p.Window.Bucket < time.Hour: // an hour, every ten minutes
	case p.Window.Bucket < quarter: // a day, every three hours
		intervals = 8
	case p.Window.Bucket < day: // a week, every day
		intervals, layout = 7, "Mon"
	default: // a month, every five days
		layout = "2 Jan"
	}
	labels := make([]string, 0, intervals+1)
	for i := range intervals {
		at := p.Window.From().Add(p.Window.Bucket * time.Duration(p.Window.Buckets*i/intervals))
		labels = append(labels, p.in(at).Format(layout))
	}
	return append(labels, "now")
}
