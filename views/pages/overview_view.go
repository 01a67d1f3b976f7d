package pages

import (
	"maps"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"posthorn/internal/posthorn"
	"posthorn/views/path"
	"posthorn/views/ui"
)

// minuteLayout is how the bounds of a stretch stand in the address of the feed, in the zone of the reader.
const minuteLayout = "2006-01-02T15:04"

// stretch is the time that the page covers.
func (p OverviewProps) stretch() stretch { return stretch{p.Range, p.Window, p.Location, p.Now} }

func (p OverviewProps) words() string { return p.stretch().words() }

// in is a moment as the reader's clock shows it.
func (p OverviewProps) in(t time.Time) time.Time { return p.stretch().in(t) }

// feedURL is the feed from the start of the range, filtered as well, so that it lists what was counted.
func (p OverviewProps) feedURL(filters url.Values) string {
	values := url.Values{FilterFrom: {p.in(p.Window.From()).Format(minuteLayout)}}
	maps.Copy(values, filters)
	return path.With(path.Activity, values)
}

// flaggedFilter selects what deserves a person's attention.
func flaggedFilter() url.Values {
	return url.Values{FilterRisk: {string(posthorn.RiskHigh), string(posthorn.RiskCritical)}}
}

// figures are the four numbers on top, each compared with the stretch before.
func (p OverviewProps) figures() []ui.StatProps {
	now, before := p.Overview.Counts, p.Overview.Before
	records := p.compared(now.Total(), before.Total(), ui.Neutral, ui.Neutral)
	records.Label, records.URL = "Records", p.feedURL(nil)
	flagged := p.compared(now.Flagged(), before.Flagged(), ui.Neutral, ui.Neutral)
	flagged.Label, flagged.URL = "High or critical", p.feedURL(flaggedFilter())
	failed := p.compared(now.Errors, before.Errors, ui.Critical, ui.Success)
	failed.Label, failed.URL = "Errors", p.feedURL(url.Values{FilterStatus: {string(posthorn.ActivityError)}})
	return []ui.StatProps{records, flagged, failed, p.success()}
}

// compared is a count with its change; more and fewer are the tones of a rise and a fall.
func (p OverviewProps) compared(now, before int, more, fewer ui.Tone) ui.StatProps {
	stat := ui.StatProps{Value: ui.Count(int64(now)), Note: "on the " + p.words() + " before"}
	switch {
	case before == 0:
		stat.Note = "None in the " + p.words() + " before"
	case now == before:
		stat.Note = "As in the " + p.words() + " before"
	default:
		stat.Trend, stat.TrendTone = arrow(now > before)+change(now, before), fewer
		if now > before {
			stat.TrendTone = more
		}
	}
	return stat
}

// success is the share of checks that did not end in an error.
func (p OverviewProps) success() ui.StatProps {
	stat := ui.StatProps{Label: "Success", Value: "–", Note: "No records in the last " + p.words()}
	now, ok := succeeded(p.Overview.Counts)
	if !ok {
		return stat
	}
	stat.Value, stat.URL = share(now), p.feedURL(url.Values{FilterStatus: {string(posthorn.ActivityOK)}})
	before, ok := succeeded(p.Overview.Before)
	points := math.Round((now-before)*100) / 100
	switch {
	case !ok:
		stat.Note = "No records in the " + p.words() + " before"
	case points == 0:
		stat.Note = "As in the " + p.words() + " before"
	default:
		stat.Trend = arrow(points > 0) + strconv.FormatFloat(math.Abs(points), 'f', 2, 64) + " pts"
		stat.Note = "on the " + p.words() + " before"
		stat.TrendTone = ui.Critical
		if points > 0 {
			stat.TrendTone = ui.Success
		}
	}
	return stat
}

// succeeded is the percentage of checks without an error. It is not ok when there were none.
func succeeded(c posthorn.RiskCounts) (percent float64, ok bool) {
	if c.Total() == 0 {
		return 0, false
	}
	return float64(c.Total()-c.Errors) / float64(c.Total()) * 100, true
}

// share writes a percentage: "98.89%", and "100%" only when nothing is missing.
func share(percent float64) string {
	if percent == 100 {
		return "100%"
	}
	return strconv.FormatFloat(math.Floor(percent*100)/100, 'f', 2, 64) + "%"
}

func arrow(up bool) string {
	if up {
		return "↑ "
	}
	return "↓ "
}

// change writes how far now is from before, which is not zero: "6.2%", "140%".
func change(now, before int) string {
	percent := math.Abs(float64(now-before)) / float64(before) * 100
	switch {
	case percent < 0.1:
		return "less than 0.1%"
	case percent < 10:
		return strconv.FormatFloat(percent, 'f', 1, 64) + "%"
	default:
		return ui.Count(int64(math.Round(percent))) + "%"
	}
}

// riskFigure is the count of one level, which leads to its records. Those without a level cannot be filtered by it.
type riskFigure struct {
	level string
	count string
	// share is the part of all records.
	share string
	url   string
}

func (p OverviewProps) riskFigures() []riskFigure {
	var figures []riskFigure
	for _, part := range p.riskParts() {
		figures = append(figures, p.riskFigure(part.Level, part.Count, p.feedURL(url.Values{FilterRisk: {part.Level}})))
	}
	if n := p.Overview.Counts.Unrated; n > 0 {
		figures = append(figures, p.riskFigure("", int64(n), ""))
	}
	return figures
}

func (p OverviewProps) riskFigure(level string, count int64, url string) riskFigure {
	percent := float64(count) / float64(max(1, p.Overview.Counts.Total())) * 100
	return riskFigure{level: level, count: ui.Count(count), share: strconv.FormatFloat(percent, 'f', 1, 64) + "%", url: url}
}

func (p OverviewProps) riskParts() []ui.RiskPart { return riskParts(p.Overview.Counts) }

// riskSentence says the distribution in words.
func (p OverviewProps) riskSentence() string { return riskSentence(p.Overview.Counts) }

// rated says whether any record of the range has a risk level to be drawn.
func (p OverviewProps) rated() bool { return p.Overview.Counts.Total() > p.Overview.Counts.Unrated }

// countRecords counts records in words: "1 record", "1,291 records".
func countRecords(n int) string {
	if n == 1 {
		return "1 record"
	}
	return ui.Count(int64(n)) + " records"
}

// recordURL opens a flagged record over the feed of such records.
func (p OverviewProps) recordURL(id posthorn.ActivityID) string {
	return path.With(path.ActivityRecord(id.String()), flaggedFilter())
}

// engineChip is the code of an activity type with its long form.
func engineChip(t posthorn.ActivityType) ui.ChipProps {
	titles := map[posthorn.ActivityType]string{
		posthorn.KYT: "Know your transaction", posthorn.KYA: "Know your address", posthorn.KYE: "Know your entity",
	}
	return ui.ChipProps{Label: strings.ToUpper(string(t)), Title: titles[t]}
}

// scoreText writes a risk score, empty when there is none.
func scoreText(s *float64) string {
	if s == nil {
		return ""
	}
	return strconv.FormatFloat(*s, 'f', -1, 64)
}

// applicationName says where a record came from: by its name, else by its id.
func applicationName(a *posthorn.Activity) string {
	if a.ClientAppName != "" {
		return a.ClientAppName
	}
	return a.ClientAppID
}

// firstRecord is a command that posts a record.
func (p OverviewProps) firstRecord() string {
	return `curl -X POST ` + p.IngestURL + ` \
  -H "Content-Type: application/json" \
  -H "X-Activity-Webhook-Secret: $ACTIVITY_WEBHOOK_SECRET" \
  -d '{
    "activityType": "kya",
    "userId": "user_1",
    "blockchain": "bitcoin",
    "address": "1Drt3c8pSdrkyjuBiwVcSSixZwQtMZ3Tew",
    "riskLevel": "medium",
    "riskScore": 42
  }'`
}
