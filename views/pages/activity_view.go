package pages

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/a-h/templ"

	"posthorn/internal/posthorn"
	"posthorn/views/path"
	"posthorn/views/ui"
)

// without is the feed without some of its filters.
func (p FeedProps) without(names ...string) string {
	return p.at(without(p.Values, names...))
}

// recordURL opens the drawer of a record over the feed.
func (p FeedProps) recordURL(id posthorn.ActivityID) string {
	return path.With(path.ActivityRecord(id.String()), p.Values)
}

// recordLinkAttrs open the drawer in place.
func recordLinkAttrs(url string) templ.Attributes {
	return templ.Attributes{"hx-get": url, "hx-target": "#" + intoDrawer, "hx-push-url": "true"}
}

// rowID is the id of a record's row.
func rowID(id posthorn.ActivityID) string { return "row-" + id.String() }

// fresh says whether a record is one of the new ones.
func (p FeedProps) fresh(id posthorn.ActivityID) bool {
	return !p.Fresh.IsZero() && id.After(p.Fresh)
}

// live are the addresses with which the script keeps the feed up to date.
func (p FeedProps) live() templ.Attributes {
	attrs := templ.Attributes{"data-url": p.at(p.Values)}
	if len(p.Faults) == 0 {
		maps.Copy(attrs, liveList{
			at: p.at, filters: p.Values, stream: path.ActivityStream, news: path.ActivityNew, newsFilters: p.Values,
			seen: seenOf(p.Newest, posthorn.ActivityIDAt), firstPage: p.FirstPage,
		}.attrs())
	}
	return attrs
}

func (p FeedProps) at(filters url.Values) string { return path.With(path.Activity, filters) }

func (p FeedProps) pager() ui.PagerProps {
	records := p.Page.Records
	pager := ui.PagerProps{Text: p.position()}
	if p.Page.HasNewer {
		pager.NewerURL = p.at(with(p.Values, PageBefore, records[0].ID.String()))
	}
	if p.Page.HasOlder {
		pager.OlderURL = p.at(with(p.Values, PageAfter, records[len(records)-1].ID.String()))
	}
	return pager
}

// position says which part of the feed is shown.
func (p FeedProps) position() string {
	shown := ui.Count(int64(len(p.Page.Records)))
	switch {
	case !p.Page.HasNewer && !p.Page.HasOlder && len(p.Page.Records) == 1:
		return "The only record"
	case !p.Page.HasNewer && !p.Page.HasOlder:
		return "All " + shown + " records"
	case !p.Page.HasNewer:
		return "Newest " + shown + " of " + p.total()
	default:
		return shown + " of " + p.total()
	}
}

// total is how many records the filters let through, "10,000+" when not all were counted.
func (p FeedProps) total() string { return countText(int64(p.Counts.Total()), p.Counts.Capped) }

// totalWord follows total.
func (p FeedProps) totalWord() string {
	if p.Counts.Total() == 1 && !p.Counts.Capped {
		return "record"
	}
	return "records"
}

// figure counts one part of the feed and leads to it.
type figure struct {
	level string
	count string
	// url leads to that part, or back from it while it is the only one shown.
	url     string
	current bool
}

func (p FeedProps) riskFigures() []figure {
	parts := p.riskParts()
	figures := make([]figure, 0, len(parts))
	for _, part := range parts {
		f := figure{level: part.Level, count: ui.Count(part.Count)}
		if f.current = slices.Equal(p.Filter.RiskLevels, []posthorn.RiskLevel{posthorn.RiskLevel(part.Level)}); f.current {
			f.url = p.without(FilterRisk)
		} else {
			f.url = p.at(with(p.Values, FilterRisk, part.Level))
		}
		figures = append(figures, f)
	}
	return figures
}

func (p FeedProps) errorFigure() figure {
	f := figure{count: ui.Count(int64(p.Counts.Errors)), current: p.Filter.Status == posthorn.ActivityError}
	if f.current {
		f.url = p.without(FilterStatus)
	} else {
		f.url = p.at(with(p.Values, FilterStatus, string(posthorn.ActivityError)))
	}
	return f
}

func (p FeedProps) riskParts() []ui.RiskPart { return riskParts(p.Counts) }

// riskParts are the counts of the levels, from harmless to worst.
func riskParts(c posthorn.RiskCounts) []ui.RiskPart {
	return []ui.RiskPart{
		{Level: string(posthorn.RiskLow), Count: int64(c.Low)},
		{Level: string(posthorn.RiskMedium), Count: int64(c.Medium)},
		{Level: string(posthorn.RiskHigh), Count: int64(c.High)},
		{Level: string(posthorn.RiskCritical), Count: int64(c.Critical)},
	}
}

// rated says whether any record has a risk level to be drawn.
func (p FeedProps) rated() bool { return p.Counts.Total() > p.Counts.Unrated }

// riskSentence says the distribution in words.
func (p FeedProps) riskSentence() string {
	sentence := riskSentence(p.Counts)
	if p.Counts.Unrated > 0 {
		sentence += ", " + ui.Count(int64(p.Counts.Unrated)) + " without a result"
	}
	return sentence
}

// riskSentence says the distribution in words.
func riskSentence(c posthorn.RiskCounts) string {
	var counts []string
	for _, part := range riskParts(c) {
		counts = append(counts, ui.Count(part.Count)+" "+part.Level)
	}
	return "Risk distribution: " + strings.Join(counts, ", ")
}

func (p FeedProps) columns() []ui.Column {
	columns := []ui.Column{
		{Label: "Time, " + zoneName(p.Now, p.Location), Class: "max-sm:hidden"},
		{Label: "Type", Class: "sm:!px-0"},
		{Label: "Subject", Class: "max-sm:!pl-0"},
		{Label: "Blockchain", Class: "max-md:hidden"},
		{Label: "Risk", Class: "max-sm:text-right"},
		{Label: "Score", Class: "max-lg:hidden", Number: true},
		{Label: "Status", Class: "max-lg:hidden", Number: true},
		{Label: "Application", Class: "max-xl:hidden"},
	}
	if p.ShowUser {
		columns = append(columns, ui.Column{Label: "User", Class: "max-xl:hidden"})
	}
	return columns
}

// subjectIcon and subjectNoun name what a type of record is about.
func subjectIcon(t posthorn.ActivityType) ui.IconName {
	return map[posthorn.ActivityType]ui.IconName{posthorn.KYT: ui.IconTx, posthorn.KYA: ui.IconWallet, posthorn.KYE: ui.IconEntity}[t]
}

func subjectNoun(t posthorn.ActivityType) string {
	return map[posthorn.ActivityType]string{posthorn.KYT: "transaction", posthorn.KYA: "address", posthorn.KYE: "entity"}[t]
}

// subjectName is what the subject is called where it is copied: "transaction hash".
func subjectName(t posthorn.ActivityType) string {
	if t == posthorn.KYT {
		return "transaction hash"
	}
	return subjectNoun(t)
}

// chainName writes a blockchain with a capital: "ethereum" is "Ethereum".
func chainName(s string) string { return upperFirst(s) }

func upperFirst(s string) string {
	r := []rune(s)
	if len(r) == 0 {
		return ""
	}
	return strings.ToUpper(string(r[0])) + string(r[1:])
}

// text counts what is new and names the worst when it needs a person.
func (p NewsProps) text() string {
	if p.News.Count == 0 {
		return ""
	}
	text := counted(int64(p.News.Count), p.News.Capped, "new record", "new records")
	if !p.News.Worst.Flagged() {
		return text
	}
	text += ", " + string(p.News.Worst) + " risk"
	if p.News.Count > 1 {
		text += " among them"
	}
	return text
}
