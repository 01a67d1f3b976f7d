package web

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"posthorn/internal/posthorn"
)

// Bounds of a filter: how many values it may have, and how large a number may be.
const (
	maxValues = 50
	maxWhole  = 1_000_000
)

// ranges are the stretches that lists offer by name.
var ranges = map[string]time.Duration{"1h": time.Hour, "24h": 24 * time.Hour, "7d": 7 * 24 * time.Hour, "30d": 30 * 24 * time.Hour}

// queryParser reads a query string, keeps what it understood, and gathers what it did not.
type queryParser struct {
	in, kept url.Values
	faults   map[string]string
}

func readQuery(in url.Values) *queryParser {
	return &queryParser{in: in, kept: url.Values{}, faults: map[string]string{}}
}

// err names every bad parameter, nil when there is none.
func (p *queryParser) err() error { return posthorn.InvalidFields(p.sentence(), p.faults) }

// sentence names every bad parameter, for answers that have no form to show them in.
func (p *queryParser) sentence() string {
	parts := make([]string, 0, len(p.faults))
	for _, name := range slices.Sorted(maps.Keys(p.faults)) {
		parts = append(parts, name+" "+p.faults[name])
	}
	return "These filters could not be understood: " + strings.Join(parts, "; ") + "."
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

// single refuses several values of a parameter that takes one: to go by the first would be to answer another question.
func (p *queryParser) single(names []string) {
	for _, name := range names {
		if len(p.list(name)) > 1 {
			p.faults[name] = "must be given once"
		}
	}
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

// parseIDFilter reads a parameter that is an id of a kind, zero when it is absent.
func parseIDFilter[ID any](p *queryParser, name, rule string, parse func(string) (ID, error)) ID {
	text := p.one(name)
	if text == "" {
		var none ID
		return none
	}
	id, err := parse(text)
	if err != nil {
		p.faults[name] = rule
	}
	return id
}

// test reads whether tests alone or all but tests are asked for, nil for both.
func (p *queryParser) test() *bool {
	text := p.one(filterTest)
	if text == "" {
		return nil
	}
	test := text == "true"
	if !test && text != "false" {
		p.faults[filterTest] = "must be true or false"
	}
	return &test
}

// whole reads a positive number, 0 when it is absent.
func (p *queryParser) whole(name string) int {
	text := p.one(name)
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxWhole {
		p.faults[name] = "must be a whole number from 1 to " + strconv.Itoa(maxWhole)
		return 0
	}
	return n
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

// page reads which page of a list is asked for. It is not kept: a changed filter starts at the top.
func (p *queryParser) page() posthorn.PageRequest {
	page, limit := posthorn.PageRequest{Cursor: p.one(pageCursor)}, p.one(pageLimit)
	p.kept.Del(pageCursor)
	p.kept.Del(pageLimit)
	if limit == "" {
		return page
	}
	var err error
	if page.Limit, err = strconv.Atoi(limit); err != nil || page.Limit < 1 || page.Limit > posthorn.MaxPageLimit {
		p.faults[pageLimit] = "must be a whole number from 1 to " + strconv.Itoa(posthorn.MaxPageLimit)
	}
	return page
}
