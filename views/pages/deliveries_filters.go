package pages

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"posthorn/internal/posthorn"
	"posthorn/views/ui"
)

// The statuses that are chosen together.
const (
	segmentAll          = "All"
	segmentDelivered    = "Delivered"
	segmentNotDelivered = "Not delivered"
	segmentPending      = "Pending"
	segmentFailed       = "Failed"
)

var segments = []struct {
	label    string
	statuses []posthorn.DeliveryStatus
}{
	{segmentAll, nil},
	{segmentDelivered, []posthorn.DeliveryStatus{posthorn.StatusSuccess}},
	{segmentNotDelivered, []posthorn.DeliveryStatus{posthorn.StatusError, posthorn.StatusPending}},
	{segmentPending, []posthorn.DeliveryStatus{posthorn.StatusPending}},
	{segmentFailed, []posthorn.DeliveryStatus{posthorn.StatusError}},
}

// segment names the statuses in force, empty for others than are offered.
func (p DeliveryLogProps) segment() string {
	for _, s := range segments {
		if len(s.statuses) == len(p.Filter.Statuses) && !slices.ContainsFunc(s.statuses, func(status posthorn.DeliveryStatus) bool {
			return !slices.Contains(p.Filter.Statuses, status)
		}) {
			return s.label
		}
	}
	return ""
}

// statuses are the links that select by status. What failed for good is offered while it is what is shown: other pages lead to it.
func (p DeliveryLogProps) statuses() ui.SegmentedLinksProps {
	links := ui.SegmentedLinksProps{ID: "statuses", Label: "Status", Fill: true}
	current := p.segment()
	for _, s := range segments {
		if s.label == segmentFailed && current != segmentFailed {
			continue
		}
		values := make([]string, len(s.statuses))
		for i, status := range s.statuses {
			values[i] = string(status)
		}
		address := p.at(with(p.Values, FilterStatus, values...))
		links.Items = append(links.Items, ui.SegmentedLink{
			Label: s.label, URL: address, Current: s.label == current,
			Attrs: resultsLinkAttrs(address),
		})
	}
	return links
}

// swappedStatuses are the links on their way into a form that stays.
func (p DeliveryLogProps) swappedStatuses() ui.SegmentedLinksProps {
	links := p.statuses()
	links.OOB = true
	return links
}

// chips are the filters that the form shows.
func (p DeliveryLogProps) chips() []ui.FilterChipProps {
	chips := []ui.FilterChipProps{p.eventChip(), p.responseChip()}
	if p.Webhook == nil {
		chips = append(chips, p.webhookChip())
	}
	return append(chips, p.applicationChip(), p.durationChip(), p.attemptsChip(), p.testChip(), p.timeChip())
}

func (p DeliveryLogProps) eventChip() ui.FilterChipProps {
	return ui.FilterChipProps{ID: "f-event", Label: "Event type", Value: strings.Join(p.Filter.Events, ", "), ClearURL: p.without(FilterEvent)}
}

func (p DeliveryLogProps) eventOptions() []ui.Option {
	names := make([]string, 0, len(p.Types))
	for _, t := range p.Types {
		names = append(names, t.Event)
	}
	for _, e := range p.Filter.Events {
		if !slices.Contains(names, e) {
			names = append(names, e)
		}
	}
	options := make([]ui.Option, 0, len(names))
	for _, name := range names {
		options = append(options, ui.Option{Value: name, Label: name, Selected: slices.Contains(p.Filter.Events, name)})
	}
	return options
}

func (p DeliveryLogProps) responseChip() ui.FilterChipProps {
	value := p.Values.Get(FilterStatusCode)
	if class := p.Filter.ErrorClass; class != "" {
		value = strings.TrimPrefix(value+", "+errorClassText(class), ", ")
	}
	return ui.FilterChipProps{ID: "f-response", Label: "Response", Value: value, ClearURL: p.without(FilterStatusCode, FilterErrorClass)}
}

func (p DeliveryLogProps) responseOptions() []ui.Option {
	code := p.Values.Get(FilterStatusCode)
	options := []ui.Option{{Label: "Any response", Selected: code == "" && p.Filter.ErrorClass == ""}}
	for _, class := range []string{"2xx", "3xx", "4xx", "5xx"} {
		options = append(options, ui.Option{Value: class, Label: class, Selected: strings.EqualFold(code, class)})
	}
	for _, class := range posthorn.ErrorClasses() {
		options = append(options, ui.Option{Value: string(class), Label: errorClassText(class), Selected: class == p.Filter.ErrorClass})
	}
	return options
}

// typedCode is the one status that is asked for, empty for a class.
func (p DeliveryLogProps) typedCode() string {
	if c := p.Filter.StatusCodes; !c.IsZero() && c.From == c.To {
		return strconv.Itoa(c.From)
	}
	return ""
}

func (p DeliveryLogProps) webhookChip() ui.FilterChipProps {
	return ui.FilterChipProps{
		ID: "f-webhook", Label: "Webhook", Value: chosenLabel(p.webhookOptions()), ClearURL: p.without(FilterWebhookID),
		Hidden: len(p.Webhooks) == 0 && p.Filter.WebhookID.IsZero(),
	}
}

func (p DeliveryLogProps) webhookOptions() []ui.Option {
	options := []ui.Option{{Label: "Any webhook", Selected: p.Filter.WebhookID.IsZero()}}
	known := p.Filter.WebhookID.IsZero()
	for i := range p.Webhooks {
		option := ui.Option{Value: p.Webhooks[i].ID.String(), Label: p.Webhooks[i].Name, Selected: p.Webhooks[i].ID == p.Filter.WebhookID}
		known = known || option.Selected
		options = append(options, option)
	}
	if !known {
		name := p.Filter.WebhookID.String()
		if len(p.Page.Entries) > 0 {
			name = p.Page.Entries[0].WebhookName
		}
		options = append(options, ui.Option{Value: p.Filter.WebhookID.String(), Label: name, Selected: true})
	}
	return options
}

func (p DeliveryLogProps) applicationChip() ui.FilterChipProps {
	return ui.FilterChipProps{
		ID: "f-application", Label: "Application", Value: chosenLabel(p.applicationOptions()), ClearURL: p.without(FilterApplicationID),
		Hidden: len(p.Applications) == 0 && p.Filter.Application == "",
	}
}

func (p DeliveryLogProps) applicationOptions() []ui.Option {
	return applicationOptions(p.Applications, p.Filter.Application)
}

// durations are the latencies that the form offers, in milliseconds.
var durations = []int{250, 500, 1000, 2500, 5000, 10000}

func (p DeliveryLogProps) durationChip() ui.FilterChipProps {
	chip := ui.FilterChipProps{ID: "f-duration", Label: "Duration", ClearURL: p.without(FilterOver)}
	if p.Filter.Over > 0 {
		chip.Value = "over " + plainDuration(p.Filter.Over)
	}
	return chip
}

// plainDuration writes a bound: "250 ms", "2.5 s".
func plainDuration(d time.Duration) string {
	if d < time.Second {
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " s"
}

func (p DeliveryLogProps) durationOptions() []ui.Option {
	options := []ui.Option{{Label: "Any duration", Selected: p.Filter.Over == 0}}
	known := p.Filter.Over == 0
	for _, ms := range durations {
		d := time.Duration(ms) * time.Millisecond
		known = known || d == p.Filter.Over
		options = append(options, ui.Option{Value: strconv.Itoa(ms), Label: "Over " + plainDuration(d), Selected: d == p.Filter.Over})
	}
	if !known {
		ms := strconv.FormatInt(p.Filter.Over.Milliseconds(), 10)
		options = append(options, ui.Option{Value: ms, Label: "Over " + plainDuration(p.Filter.Over), Selected: true})
	}
	return options
}

func (p DeliveryLogProps) attemptsChip() ui.FilterChipProps {
	chip := ui.FilterChipProps{ID: "f-attempts", Label: "Attempts", ClearURL: p.without(FilterMinAttempts)}
	if n := p.Filter.MinAttempts; n > 0 {
		chip.Value = strconv.Itoa(n) + " or more"
	}
	return chip
}

func (p DeliveryLogProps) attemptsOptions() []ui.Option {
	options := []ui.Option{{Label: "Any number", Selected: p.Filter.MinAttempts == 0}}
	offered := []int{1, 2, 3, 5, posthorn.MaxMaxAttempts}
	if n := p.Filter.MinAttempts; n > 0 && !slices.Contains(offered, n) {
		offered = append(offered, n)
		slices.Sort(offered)
	}
	for _, n := range offered {
		options = append(options, ui.Option{Value: strconv.Itoa(n), Label: strconv.Itoa(n) + " or more", Selected: n == p.Filter.MinAttempts})
	}
	return options
}

// testLabels are the kinds of deliveries by the value of the filter.
var testLabels = []ui.Option{{Label: "Tests and others"}, {Value: "true", Label: "Tests only"}, {Value: "false", Label: "Without tests"}}

func (p DeliveryLogProps) testChip() ui.FilterChipProps {
	chip := ui.FilterChipProps{ID: "f-test", Label: "Tests", ClearURL: p.without(FilterTest)}
	if p.Filter.Test != nil {
		chip.Value = "without"
		if *p.Filter.Test {
			chip.Value = "only"
		}
	}
	return chip
}

func (p DeliveryLogProps) testOptions() []ui.Option {
	options := slices.Clone(testLabels)
	for i := range options {
		options[i].Selected = options[i].Value == p.Values.Get(FilterTest)
	}
	return options
}

func (p DeliveryLogProps) time() timeFilter {
	return timeFilter{values: p.Values, from: p.Filter.From, to: p.Filter.To, location: p.Location, now: p.Now}
}

func (p DeliveryLogProps) timeChip() ui.FilterChipProps {
	return p.time().chip(p.without(FilterRange, FilterFrom, FilterTo))
}

// filterWords names all filters in words: "“order 7”; not delivered; response 5xx".
func (p DeliveryLogProps) filterWords() string {
	var further []string
	if segment := p.segment(); segment != segmentAll && segment != "" {
		further = append(further, strings.ToLower(segment))
	}
	if !p.Filter.EventID.IsZero() {
		further = append(further, "event "+p.Filter.EventID.String())
	}
	if !p.Filter.DeliveryID.IsZero() {
		further = append(further, "delivery "+p.Filter.DeliveryID.String())
	}
	return filterSentence(p.Filter.Text, further, p.chips(), timeChip)
}

// noMatch says why nothing is listed, and how old the newest delivery is that the filters hide.
func (p DeliveryLogProps) noMatch() string {
	text := "Nothing passes these filters: " + p.filterWords() + "."
	if !p.Newest.IsZero() {
		text += " The newest delivery of all was made " + ui.Relative(p.Newest.Time(), p.Now) + "."
	}
	return text
}
