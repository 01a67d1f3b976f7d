package pages

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"posthorn/internal/posthorn"
	"posthorn/views/path"
	"posthorn/views/ui"
)

// eventTestChip is the id of the filter of tests.
const eventTestChip = "f-test"

// eventTabs are the pages about events.
func eventTabs(current string) ui.TabsProps {
	tabs := ui.TabsProps{Label: "Events", Items: []ui.Tab{
		{Label: "Events", URL: path.Events, Key: "1"},
		{Label: "Catalogue", URL: path.EventCatalogue, Key: "2"},
	}}
	for i, kind := range posthorn.ResourceKinds() {
		tabs.Items = append(tabs.Items, ui.Tab{Label: ResourcesTitle(kind), URL: path.Resources(kind.Plural()), Key: strconv.Itoa(i + 3)})
	}
	for i := range tabs.Items {
		tabs.Items[i].Current = tabs.Items[i].Label == current
	}
	return tabs
}

// without is the list without some of its filters.
func (p EventListProps) without(names ...string) string {
	return p.at(without(p.Values, names...))
}

func (p EventListProps) typeChip() ui.FilterChipProps {
	value := strings.Join(p.Filter.Types, ", ")
	if n := len(p.Filter.Types); n > 2 {
		value = eventTypes(n)
	}
	return ui.FilterChipProps{ID: "f-event", Label: "Event type", Value: value, ClearURL: p.without(FilterEvent)}
}

// typeOptions are the types of the catalogue, and what the address asks for beside them.
func (p EventListProps) typeOptions() []ui.Option {
	var options []ui.Option
	known := map[string]bool{}
	for _, t := range p.Types {
		known[t.Event] = true
		options = append(options, ui.Option{Value: t.Event, Label: t.Event, Selected: slices.Contains(p.Filter.Types, t.Event)})
	}
	for _, t := range p.Filter.Types {
		if !known[t] {
			options = append(options, ui.Option{Value: t, Label: t, Selected: true})
		}
	}
	return options
}

func (p EventListProps) applicationChip() ui.FilterChipProps {
	return ui.FilterChipProps{
		ID: "f-application", Label: "Application", Value: chosenLabel(p.applicationOptions()), ClearURL: p.without(posthorn.FieldApplicationID),
		Hidden: len(p.Applications) == 0 && p.Filter.Application == "",
	}
}

func (p EventListProps) applicationOptions() []ui.Option {
	return applicationOptions(p.Applications, p.Filter.Application)
}

// eventTestLabels say what becomes of tests in the list, by the value of the filter.
var eventTestLabels = []ui.Option{{Label: "With tests"}, {Value: "false", Label: "No tests"}, {Value: "true", Label: "Tests only"}}

func (p EventListProps) testOptions() []ui.Option {
	options := slices.Clone(eventTestLabels)
	for i := range options {
		options[i].Selected = p.Values.Get(FilterTest) == options[i].Value
	}
	return options
}

func (p EventListProps) testChip() ui.FilterChipProps {
	return ui.FilterChipProps{ID: eventTestChip, Label: "Tests", Value: strings.ToLower(chosenLabel(p.testOptions())), ClearURL: p.without(FilterTest)}
}

func (p EventListProps) time() timeFilter {
	return timeFilter{values: p.Values, from: p.Filter.From, to: p.Filter.To, location: p.Location, now: p.Now}
}

func (p EventListProps) timeChip() ui.FilterChipProps {
	return p.time().chip(p.without(FilterRange, FilterFrom, FilterTo))
}

// chips are the filters that the form shows.
func (p EventListProps) chips() []ui.FilterChipProps {
	return []ui.FilterChipProps{p.typeChip(), p.applicationChip(), p.testChip(), p.timeChip()}
}

// filtered says whether anything is left out.
func (p EventListProps) filtered() bool { return p.filterWords() != "" }

// filterWords names all filters in words.
func (p EventListProps) filterWords() string {
	return filterSentence(p.Filter.Text, nil, p.chips(), timeChip, eventTestChip)
}

func (p EventListProps) columns() []ui.Column {
	columns := []ui.Column{{Label: "Time, " + zoneName(p.Now, p.Location), Class: "max-sm:hidden"}, {Label: "Event", Class: "max-sm:!pl-4"}}
	if len(p.Applications) > 0 {
		columns = append(columns, ui.Column{Label: "Application", Class: "max-lg:hidden"})
	}
	return append(columns, ui.Column{Label: "ID", Class: "max-lg:hidden"})
}

// applicationName names the application of an event, empty for none.
func (p EventListProps) applicationName(e *posthorn.Event) string {
	if app := applicationOf(p.Applications, e.ApplicationID); app != nil {
		return app.Name
	}
	return ""
}

func (p EventListProps) pager() ui.PagerProps {
	return cursorPager(p.position(), path.Events, p.Values, p.Page.PrevCursor, p.Page.NextCursor)
}

// summary says what is listed above the list.
func (p EventListProps) summary() string {
	switch {
	case p.Page.PrevCursor != "" || p.Page.NextCursor != "":
		return plural(len(p.Page.Events), "event") + " on this page"
	case len(p.Page.Events) > 0:
		return plural(len(p.Page.Events), "event")
	case p.filtered():
		return "No events match"
	default:
		return "No events"
	}
}

// position says which part of the list is shown. All of it is never counted.
func (p EventListProps) position() string {
	shown := plural(len(p.Page.Events), "event")
	switch {
	case p.Page.PrevCursor != "":
		return shown
	case p.Page.NextCursor != "":
		return "Newest " + shown
	case len(p.Page.Events) == 1:
		return "The only event"
	default:
		return "All " + shown
	}
}

// eventLine is the beginning of an event's data on one line.
func eventLine(e *posthorn.Event) string { return shortened(string(compactJSON(string(e.Data)))) }

// reachBadge is what became of an event at a webhook, with its icon and word.
func reachBadge(d *posthorn.Delivery) ui.BadgeProps {
	if d == nil {
		return ui.BadgeProps{Icon: ui.IconSlash, Label: "Not sent"}
	}
	return standingBadge(d.State, d.Attempts, false)
}

// url is this page.
func (p EventProps) url() string { return path.Event(p.Trace.ID.String()) }

// waits says whether something is still on its way.
func (p EventProps) waits() bool {
	return slices.ContainsFunc(p.Trace.Webhooks, func(r posthorn.EventReach) bool {
		return r.Delivery != nil && r.Delivery.State == posthorn.DeliveryPending
	})
}

// refresh asks again for what became of the event while that is not settled.
func (p EventProps) refresh() templ.Attributes {
	if !p.waits() {
		return nil
	}
	return templ.Attributes{"hx-get": p.url(), "hx-trigger": "every 3s", "hx-target": "#" + IntoReaches, "hx-swap": "outerHTML"}
}

// summary counts what became of the event: "2 delivered, 1 pending, 3 not sent".
func (p EventProps) summary() string {
	counts := map[string]int{}
	var order []string
	for i := range p.Trace.Webhooks {
		label := strings.ToLower(reachBadge(p.Trace.Webhooks[i].Delivery).Label)
		if counts[label] == 0 {
			order = append(order, label)
		}
		counts[label]++
	}
	words := make([]string, len(order))
	for i, label := range order {
		words[i] = strconv.Itoa(counts[label]) + " " + label
	}
	return strings.Join(words, ", ")
}

// reason says in words what became of the event at a webhook.
func (p EventProps) reason(r *posthorn.EventReach) string {
	words := r.Reason(&p.Trace.Event)
	d := r.Delivery
	switch {
	case d == nil || words != "":
	case d.State == posthorn.DeliverySucceeded && r.StatusCode != 0:
		words = strings.TrimSpace("Answered with " + strconv.Itoa(r.StatusCode) + " " + posthorn.StatusPhrase(r.StatusCode))
		if d.Attempts > 1 {
			words += " at attempt " + strconv.Itoa(d.Attempts)
		}
	case d.State == posthorn.DeliveryPending && d.NextAttemptAt.IsZero():
		words = "An attempt is under way"
	case d.State == posthorn.DeliveryPending:
		words = "Waits to be sent"
	}
	if words == "" {
		return ""
	}
	return words + "."
}

// next is when the next attempt is due, zero when there is none to come or when it is due already.
func (p EventProps) next(r *posthorn.EventReach) time.Time {
	if r.Delivery == nil || r.Delivery.State != posthorn.DeliveryPending || !r.Delivery.NextAttemptAt.After(p.Now) || r.Webhook.Status.State != posthorn.WebhookActive {
		return time.Time{}
	}
	return r.Delivery.NextAttemptAt
}

// typeGroup is a part of the drop-down of event types.
type typeGroup struct {
	label   string
	options []ui.Option
}

// publishable are the types that a person may publish, by category. A type that the catalogue does not have stands first.
func (p EventNewProps) publishable() []typeGroup {
	var groups []typeGroup
	for _, t := range p.Types {
		if !posthorn.Publishable(t.Event) {
			continue
		}
		label := posthorn.CategoryLabel(t.Category)
		if n := len(groups); n == 0 || groups[n-1].label != label {
			groups = append(groups, typeGroup{label: label})
		}
		last := &groups[len(groups)-1]
		last.options = append(last.options, ui.Option{Value: t.Event, Label: t.Event, Selected: t.Event == p.Event})
	}
	return groups
}

// fault is what is wrong with a field as a sentence, empty for nothing.
func (p EventNewProps) fault(field string) string {
	return fieldFault(p.Faults, field, map[string]string{
		posthorn.FieldEvent: "Event type", posthorn.FieldApplicationID: "Application", posthorn.FieldUserID: "User ID", FieldData: "Data",
	}[field])
}

func (p EventNewProps) focus() string {
	return firstFault(p.Faults, posthorn.FieldEvent, posthorn.FieldApplicationID, posthorn.FieldUserID, FieldData)
}

// alert is the error when no field says it already.
func (p EventNewProps) alert() string {
	if p.focus() != "" {
		return ""
	}
	return p.Error
}

func (p EventNewProps) applicationOptions() []ui.Option {
	options := []ui.Option{{Label: "None", Selected: p.Application == ""}}
	for _, app := range p.Applications {
		options = append(options, ui.Option{Value: app.ID.String(), Label: app.Name, Selected: p.Application == app.ID.String()})
	}
	return options
}

// misfitTitle says what does not fit, and what that means.
func (p EventNewProps) misfitTitle() string {
	if p.Fit.Rejected() {
		return "Not published: the data does not fit the schema of " + p.Event
	}
	return "Not published yet: the data does not fit the schema of " + p.Event
}

func (p EventNewProps) misfitText() string {
	if p.Fit.Rejected() {
		return "This type refuses such events."
	}
	return "This type only warns: you can publish it anyway, and its page will say what did not fit."
}

// exampleURL is a form with the example of a type in it.
func exampleURL(form, event string) string {
	return path.With(form, url.Values{posthorn.FieldEvent: {event}})
}

// loadsExample puts the example of a type into a part of a form.
func loadsExample(form, target string) templ.Attributes {
	return templ.Attributes{"hx-get": form, "hx-target": "#" + target, "hx-swap": "outerHTML", "hx-replace-url": "true"}
}

// jsonField is a field of a document that the script checks while it is typed.
func jsonField(name string, focus bool) templ.Attributes {
	attrs := codeAttrs(focus)
	attrs["data-json"] = "#" + name + "-json"
	return attrs
}
