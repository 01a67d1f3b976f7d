package pages

import (
	"net/url"
	"time"

	"posthorn/views/path"
	"posthorn/views/ui"
)

// chartTitle names what one bar counts.
func (p OverviewProps) chartTitle() string { return "Records " + p.stretch().per() }

// chart is the volume over the range: what worked above the line, errors below it.
func (p OverviewProps) chart() ui.VolumeProps {
	s := p.stretch()
	props := ui.VolumeProps{
		ID: "volume", Axis: s.axis(false), OKHead: "OK", FailedHead: "Errors", SpanHead: s.spanHead(),
		Summary: countRecords(p.Overview.Counts.Total()) + " in the last " + p.words() + ", " +
			ui.Count(int64(p.Overview.Counts.Errors)) + " with errors",
	}
	for i, bucket := range p.Overview.Buckets {
		end := s.end(i)
		props.Buckets = append(props.Buckets, ui.Bucket{
			Label: s.span(bucket.Start, end), OK: bucket.OK, Failed: bucket.Errors, Partial: end.After(p.Now), URL: p.spanURL(bucket.Start, end),
		})
	}
	return props
}

// spanURL lists the records of a bucket.
func (p OverviewProps) spanURL(start, end time.Time) string {
	return path.With(path.Activity, url.Values{FilterFrom: {p.in(start).Format(minuteLayout)}, FilterTo: {p.in(end).Format(minuteLayout)}})
}
