package pages

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"posthorn/internal/posthorn"
	"posthorn/views/path"
	"posthorn/views/ui"
)

// What the filters of the lists have in common. Every filter is one chip: its words stand on the chip and, when nothing matches, in
// the sentence that says so.

// filterFormAttrs are those of the form's own requests. What is chosen adds a step to the history.
func filterFormAttrs(list string) templ.Attributes {
	return templ.Attributes{
		"hx-get": list, "hx-target": "#" + intoResults, "hx-swap": "outerHTML", "hx-push-url": "true",
		"hx-sync": "#" + intoResults + ":replace", "hx-disinherit": "*", "hx-trigger": "submit, change target:input:not([data-typed])",
	}
}

// filterSearchAttrs are those of the field that is searched from while somebody types, which replaces the address.
func filterSearchAttrs(list string) templ.Attributes {
	return templ.Attributes{
		"data-typed": true, "hx-get": list, "hx-target": "#" + intoResults, "hx-swap": "outerHTML", "hx-replace-url": "true",
		"hx-sync": "#" + intoResults + ":replace", "hx-include": "#filters", "hx-trigger": "input changed delay:300ms",
	}
}

// resultsLinkAttrs have a link show another selection of the list in its place.
func resultsLinkAttrs(address string) templ.Attributes {
	return templ.Attributes{
		"hx-get": address, "hx-target": "#" + intoResults, "hx-swap": "outerHTML", "hx-push-url": "true", "hx-sync": "#" + intoResults + ":replace",
	}
}

// with copies filters and sets one of them, or drops it when there are no values.
func with(filters url.Values, name string, values ...string) url.Values {
	out := maps.Clone(filters)
	if out == nil {
		out = url.Values{}
	}
	out[name] = values
	return out
}

// without copies filters but for some of them.
func without(filters url.Values, names ...string) url.Values {
	out := maps.Clone(filters)
	for _, name := range names {
		out.Del(name)
	}
	return out
}

// cursorPager leads to the pages beside one, of a list that goes on by cursors.
func cursorPager(text, list string, filters url.Values, prev, next string) ui.PagerProps {
	at := func(cursor string) string {
		if cursor == "" {
			return ""
		}
		return path.With(list, with(filters, PageCursor, cursor))
	}
	return ui.PagerProps{Text: text, NewerURL: at(prev), OlderURL: at(next)}
}

// filterSentence names the filters in force: `“abc”; type KYT; risk High, Critical`. The text that is searched for comes first, then
// further words, then the chips, each with its label but for those whose words speak for themselves.
func filterSentence(text string, further []string, chips []ui.FilterChipProps, speaking ...string) string {
	var words []string
	if text != "" {
		words = append(words, "“"+text+"”")
	}
	words = append(words, further...)
	for _, chip := range chips {
		switch {
		case chip.Value == "":
		case slices.Contains(speaking, chip.ID):
			words = append(words, chip.Value)
		default:
			words = append(words, strings.ToLower(chip.Label)+" "+chip.Value)
		}
	}
	return strings.Join(words, "; ")
}

// faultSentences say what is wrong with each filter.
func faultSentences(faults map[string]string) []string {
	words := make([]string, 0, len(faults))
	for _, name := range slices.Sorted(maps.Keys(faults)) {
		words = append(words, upperFirst(name)+" "+strings.TrimSuffix(faults[name], ".")+".")
	}
	return words
}

// chosenLabel is the label of the option in force, empty for the one that filters nothing.
func chosenLabel(options []ui.Option) string {
	for _, option := range options {
		if option.Selected && option.Value != "" {
			return option.Label
		}
	}
	return ""
}

// applicationOptions offer the applications. chosen is what the address asks for, the id of one or the name that the producer has for
// it; it is offered even where there is no such application.
func applicationOptions(applications []posthorn.Application, chosen string) []ui.Option {
	options := []ui.Option{{Label: "Any application", Selected: chosen == ""}}
	known := chosen == ""
	for _, a := range applications {
		option := ui.Option{Value: a.ID.String(), Label: a.Name, Selected: chosen != "" && (chosen == a.ID.String() || chosen == a.ExternalID)}
		known = known || option.Selected
		options = append(options, option)
	}
	if !known {
		options = append(options, ui.Option{Value: chosen, Label: chosen, Selected: true})
	}
	return options
}

// swapped is a chip on its way into a form that stays.
func swapped(chip ui.FilterChipProps) ui.FilterChipProps {
	chip.OOB = true
	return chip
}

// timeChip is the id of the filter of time.
const timeChip = "f-time"

// rangeLabels are the stretches up to now, in the order in which they are offered.
var rangeLabels = []ui.Option{
	{Value: "", Label: "Any time"},
	{Value: "1h", Label: "Last hour"},
	{Value: "24h", Label: "Last 24 hours"},
	{Value: "7d", Label: "Last 7 days"},
	{Value: "30d", Label: "Last 30 days"},
}

// timeFilter is the filter of time of a list, by a stretch up to now or by bounds of its own.
type timeFilter struct {
	// values are the filters as they stand in the query string, from and to the bounds that they mean.
	values   url.Values
	from, to time.Time
	location *time.Location
	now      time.Time
}

// chip is the filter of time; clearURL is the list without it.
func (f timeFilter) chip(clearURL string) ui.FilterChipProps {
	return ui.FilterChipProps{ID: timeChip, Label: "Time", Value: f.words(), Icon: ui.IconCalendar, ClearURL: clearURL}
}

func (f timeFilter) words() string {
	from, to := f.wordsOf(FilterFrom, f.from), f.wordsOf(FilterTo, f.to)
	switch {
	case from != "" && to != "":
		return from + " – " + to
	case from != "":
		return "since " + from
	case to != "":
		return "until " + to
	default:
		return strings.ToLower(chosenLabel(f.options()))
	}
}

// wordsOf writes a bound that was given by itself, empty when it was not.
func (f timeFilter) wordsOf(name string, bound time.Time) string {
	if f.values.Get(name) == "" || bound.IsZero() {
		return ""
	}
	return zoned(bound, f.location).Format("2 Jan 2006, 15:04")
}

// field is the value of a date field: the bound that was given by itself, on the reader's clock.
func (f timeFilter) field(name string, bound time.Time) string {
	if f.values.Get(name) == "" || bound.IsZero() {
		return ""
	}
	t := zoned(bound, f.location)
	if t.Truncate(time.Minute).Equal(t) {
		return t.Format(minuteLayout)
	}
	return t.Format("2006-01-02T15:04:05")
}

func (f timeFilter) options() []ui.Option {
	options := slices.Clone(rangeLabels)
	for i := range options {
		options[i].Selected = options[i].Value == f.values.Get(FilterRange)
	}
	return options
}
