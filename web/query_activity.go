package web

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"posthorn/internal/posthorn"
)

// Names of the filters of the feed, in the query string and in the form.
const (
	filterText        = "q"
	filterType        = "type"
	filterRisk        = "risk"
	filterBlockchain  = "blockchain"
	filterStatus      = "status"
	filterApplication = "application"
	filterUser        = "user"
	filterRange       = "range"
	filterFrom        = "from"
	filterTo          = "to"
	filterMetadata    = "metadata."
	// pageAfter and pageBefore continue the feed below and above a record.
	pageAfter  = "after"
	pageBefore = "before"
)

// Each word and each condition is looked up on its own, so their number is what a query costs.
const (
	maxWords      = 20
	maxConditions = 10
	maxValues     = 50
)

// ranges are the stretches that the feed offers by name.
var ranges = map[string]time.Duration{"1h": time.Hour, "24h": 24 * time.Hour, "7d": 7 * 24 * time.Hour, "30d": 30 * 24 * time.Hour}

// activityQuery is the query string of the feed, understood.
type activityQuery struct {
	filter posthorn.ActivityFilter
	// values are the filters as they stand in links: unknown and empty parameters dropped, the position left out.
	values        url.Values
	after, before posthorn.ActivityID
}

// parseActivityQuery reads the query string. Times without a zone are in loc. The error names each bad parameter.
func parseActivityQuery(in url.Values, loc *time.Location, now time.Time) (activityQuery, error) {
	q := activityQuery{values: url.Values{}}
	p := queryParser{in: in, kept: q.values, faults: map[string]string{}}
	q.filter = posthorn.ActivityFilter{
		Types:       parseList(&p, filterType, posthorn.ActivityTypes()),
		RiskLevels:  parseList(&p, filterRisk, posthorn.RiskLevels()),
		Blockchains: p.list(filterBlockchain),
		Application: p.one(filterApplication),
		User:        p.one(filterUser),
		Text:        p.one(filterText),
		Metadata:    p.metadata(),
	}
	if words := len(posthorn.SearchWords(q.filter.Text)); words > maxWords {
		p.faults[filterText] = fmt.Sprintf("must be at most %d words", maxWords)
	}
	if status := parseList(&p, filterStatus, []posthorn.ActivityStatus{posthorn.ActivityOK, posthorn.ActivityError}); len(status) == 1 {
		q.filter.Status = status[0]
	}
	q.filter.From, q.filter.To = p.period(loc, now)
	q.after = p.position(pageAfter)
	q.before = p.position(pageBefore)
	if !q.after.IsZero() && !q.before.IsZero() {
		p.faults[pageBefore] = "cannot be used together with " + pageAfter
	}
	return q, posthorn.InvalidFields(p.sentence(), p.faults)
}

// sentence names every bad parameter, for answers that have no form to show them in.
func (p *queryParser) sentence() string {
	parts := make([]string, 0, len(p.faults))
	for _, name := range slices.Sorted(maps.Keys(p.faults)) {
		parts = append(parts, name+" "+p.faults[name])
	}
	return "These filters could not be understood: " + strings.Join(parts, "; ") + "."
}

// queryParser reads a query string, keeps what it understood, and gathers what it did not.
type queryParser struct {
	in, kept url.Values
	faults   map[string]string
}

// list returns the values of a parameter without empty and repeated ones.
func (p *queryParser) list(name string) []string {
	var values []string
	for _, v := range p.in[name] {
		if v = strings.TrimSpace(v); v != "" && !slices.Contains(values, v) && p.storable(name, v) {
			values = append(values, v)
		}
	}
	if len(values) > maxValues {
		p.faults[name] = fmt.Sprintf("must be at most %d values", maxValues)
		return nil
	}
	if len(values) > 0 {
		p.kept[name] = values
	}
	return values
}

func (p *queryParser) one(name string) string {
	values := p.list(name)
	if len(values) == 0 {
		return ""
	}
	p.kept[name] = values[:1]
	return values[0]
}

// storable refuses text that the database could not have stored, so that it is not asked for it.
func (p *queryParser) storable(name, value string) bool {
	if strings.ToValidUTF8(value, "") != value || strings.ContainsRune(value, 0) {
		p.faults[name] = "must be text"
		return false
	}
	return true
}

// parseList returns the values of a parameter that takes only known ones.
func parseList[S ~string](p *queryParser, name string, known []S) []S {
	var values []S
	for _, v := range p.list(name) {
		if !slices.Contains(known, S(v)) {
			p.faults[name] = "must be one of: " + join(known)
			delete(p.kept, name)
			return nil
		}
		values = append(values, S(v))
	}
	return values
}

func join[S ~string](values []S) string {
	var b strings.Builder
	for i, v := range values {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(v))
	}
	return b.String()
}

// metadata returns every "metadata.key=value".
func (p *queryParser) metadata() []posthorn.MetadataCondition {
	var conditions []posthorn.MetadataCondition
	for _, name := range slices.Sorted(maps.Keys(p.in)) {
		key, ok := strings.CutPrefix(name, filterMetadata)
		if !ok || key == "" || !p.storable(name, key) {
			continue
		}
		for _, v := range p.list(name) {
			conditions = append(conditions, posthorn.MetadataCondition{Key: key, Value: v})
		}
	}
	if len(conditions) > maxConditions {
		p.faults[strings.TrimSuffix(filterMetadata, ".")] = fmt.Sprintf("must be at most %d conditions", maxConditions)
		return nil
	}
	return conditions
}

// period returns the bounds in time: a named range up to now, or from and to.
func (p *queryParser) period(loc *time.Location, now time.Time) (from, to time.Time) {
	if name := p.one(filterRange); name != "" {
		length, ok := ranges[name]
		if !ok {
			p.faults[filterRange] = "must be one of: 1h, 24h, 7d, 30d"
			return from, to
		}
		from = now.Add(-length)
	}
	if v := p.one(filterFrom); v != "" {
		from, _ = p.moment(filterFrom, v, loc)
	}
	if v := p.one(filterTo); v != "" {
		var wholeDay bool
		if to, wholeDay = p.moment(filterTo, v, loc); wholeDay {
			to = to.AddDate(0, 0, 1) // "to 20 November" includes the 20th
		}
	}
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		p.faults[filterTo] = "must be after " + filterFrom
	}
	return from, to
}

// moment reads a time as an API, a datetime-local field or a date field writes it.
func (p *queryParser) moment(name, value string, loc *time.Location) (t time.Time, wholeDay bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, value, loc); err == nil && t.Year() >= 1970 {
			return t, layout == time.DateOnly
		}
	}
	p.faults[name] = "must be a date (2026-01-31) or a time (2026-01-31T13:45:00Z)"
	return time.Time{}, false
}

// position reads an id to continue from. It is not kept: a changed filter starts at the top.
func (p *queryParser) position(name string) posthorn.ActivityID {
	v := p.in.Get(name)
	if v == "" {
		return posthorn.ActivityID{}
	}
	id, err := posthorn.ParseActivityID(v)
	if err != nil {
		p.faults[name] = "must be the id of a record"
	}
	return id
}
