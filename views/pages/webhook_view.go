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

// intoDialog is the id of the element that questions go into.
const intoDialog = "dialog-slot"

// asksInPlace opens a question as a dialog over the page; without the script the link leads to its page.
func asksInPlace(url string) templ.Attributes {
	return templ.Attributes{"hx-get": url, "hx-target": "#" + intoDialog}
}

// answersInPlace keeps a question open that was answered wrongly. It is nil on a page.
func answersInPlace(url string, dialog bool) templ.Attributes {
	if !dialog {
		return nil
	}
	return templ.Attributes{"hx-post": url, "hx-target": "#" + intoDialog}
}

// stateBadge is a webhook's state with its icon and word.
func stateBadge(s posthorn.WebhookState) ui.BadgeProps {
	switch s {
	case posthorn.WebhookActive:
		return ui.BadgeProps{Tone: ui.Success, Icon: ui.IconCheckCircle, Label: "Active"}
	case posthorn.WebhookDisabled:
		return ui.BadgeProps{Tone: ui.Critical, Icon: ui.IconAlert, Label: "Disabled"}
	default:
		return ui.BadgeProps{Icon: ui.IconPauseCircle, Label: "Inactive"}
	}
}

// dayOf is "20 Nov 2026".
func dayOf(t time.Time, zone *time.Location) string { return zoned(t, zone).Format(dayLayout) }

// aboutPosthorn reports whether an event tells of webhooks and deliveries, so that "all events" does not cover it.
func aboutPosthorn(event string) bool {
	return !posthorn.MatchesSubscription([]string{posthorn.SubscribeAll}, event)
}

// subscribesToAll reports whether subscriptions cover every event but those about Posthorn.
func subscribesToAll(events []string) bool { return slices.Contains(events, posthorn.SubscribeAll) }

// covered counts the types of a catalogue that subscriptions cover.
func covered(types []posthorn.EventType, events []string) int {
	n := 0
	for _, t := range types {
		if posthorn.MatchesSubscription(events, t.Event) {
			n++
		}
	}
	return n
}

// eventsWords sums subscriptions up for a list: "All events", "4 events".
func eventsWords(types []posthorn.EventType, events []string) string {
	if !subscribesToAll(events) {
		return plural(covered(types, events), "event")
	}
	if len(events) > 1 {
		return "All events and " + strconv.Itoa(covered(types, slices.DeleteFunc(slices.Clone(events), func(e string) bool { return !aboutPosthorn(e) })))
	}
	return "All events"
}

// withoutScheme is an address as lists show it.
func withoutScheme(address string) string { return strings.TrimPrefix(address, "https://") }

// applicationOf finds an application by its id, nil for none.
func applicationOf(applications []posthorn.Application, id posthorn.ApplicationID) *posthorn.Application {
	for i := range applications {
		if applications[i].ID == id {
			return &applications[i]
		}
	}
	return nil
}

func (p WebhookPageProps) tabs(current string) ui.TabsProps {
	id := p.Webhook.ID.String()
	tabs := ui.TabsProps{Label: p.Webhook.Name, Items: []ui.Tab{
		{Label: "Overview", URL: path.Webhook(id), Key: "1"},
		{Label: "Settings", URL: path.WebhookSettings(id), Key: "2"},
		{Label: tabLogs, URL: path.WebhookLog(id), Key: "3"},
		{Label: "Test", URL: path.WebhookTest(id), Key: "4"},
	}}
	for i := range tabs.Items {
		tabs.Items[i].Current = tabs.Items[i].Label == current
	}
	return tabs
}

// rotates reports whether the webhook has a secret of its own in use.
func (p WebhookPageProps) rotates() bool { return !p.Webhook.Signature.UsesTenantSecret() }

// deactivateURL asks whether to pause a webhook, and comes back to next.
func deactivateURL(id posthorn.WebhookID, next string) string {
	return path.With(path.WebhookDeactivate(id.String()), url.Values{"next": {next}})
}

// webhookRowID is the id of a webhook's row.
func webhookRowID(id posthorn.WebhookID) string { return "row-" + id.String() }

// listURL is this page of the list.
func (p WebhookListProps) listURL() string {
	values := p.Values
	if !p.Filter.After.IsZero() {
		values = with(values, PageAfter, p.Filter.After.String())
	}
	if !p.Filter.Before.IsZero() {
		values = with(values, PageBefore, p.Filter.Before.String())
	}
	return path.With(path.Webhooks, values)
}

// states are the links that select by standing.
func (p WebhookListProps) states() ui.SegmentedLinksProps {
	links := ui.SegmentedLinksProps{ID: "states", Label: "Status", Fill: true}
	add := func(label string, standing posthorn.WebhookStanding, count int) {
		address := path.With(path.Webhooks, with(p.Values, FilterState, string(standing)))
		links.Items = append(links.Items, ui.SegmentedLink{
			Label: label, URL: address, Current: p.Filter.Standing == standing, Count: ui.Count(int64(count)),
			Attrs: resultsLinkAttrs(address),
		})
	}
	add("All", "", p.List.Total())
	for _, standing := range posthorn.WebhookStandings() {
		add(standingLabel(standing), standing, p.List.Counts[standing])
	}
	return links
}

// standingLabel names a standing as the badges of the list do.
func standingLabel(s posthorn.WebhookStanding) string {
	if s == posthorn.StandingFailing {
		return failingBadge.Label
	}
	return stateBadge(posthorn.WebhookState(s)).Label
}

func (p WebhookListProps) eventChip() ui.FilterChipProps {
	return ui.FilterChipProps{
		ID: "f-event", Label: "Event type", Value: p.Filter.Event, ClearURL: path.With(path.Webhooks, with(p.Values, FilterEvent)),
	}
}

func (p WebhookListProps) eventOptions() []ui.Option {
	options := []ui.Option{{Label: "Any event type", Selected: p.Filter.Event == ""}}
	known := p.Filter.Event == ""
	for _, t := range p.Types {
		known = known || t.Event == p.Filter.Event
		options = append(options, ui.Option{Value: t.Event, Label: t.Event, Selected: t.Event == p.Filter.Event})
	}
	if !known {
		options = append(options, ui.Option{Value: p.Filter.Event, Label: p.Filter.Event, Selected: true})
	}
	return options
}

// swappedStates are the links on their way into a form that stays.
func (p WebhookListProps) swappedStates() ui.SegmentedLinksProps {
	links := p.states()
	links.OOB = true
	return links
}

func (p WebhookListProps) columns() []ui.Column {
	columns := []ui.Column{
		{Label: "Name"},
		{Label: "Status", Class: "max-md:text-right"},
		{Label: "Events", Class: "max-md:hidden"},
	}
	if len(p.Applications) > 0 {
		columns = append(columns, ui.Column{Label: "Application", Class: "max-xl:hidden"})
	}
	return append(columns,
		ui.Column{Label: "24 hours", Class: "max-lg:hidden"},
		ui.Column{Label: "Success", Class: "max-md:hidden", Number: true},
		ui.Column{Label: "p95", Class: "max-lg:hidden", Number: true},
		ui.Column{Label: "Last delivery", Class: "max-lg:hidden"},
		ui.Column{Label: "Actions", Class: "max-md:hidden", Hidden: true},
	)
}

// applicationName names the application that a webhook is limited to, empty for all.
func (p WebhookListProps) applicationName(w *posthorn.Webhook) string {
	if app := applicationOf(p.Applications, w.ApplicationID); app != nil {
		return app.Name
	}
	return ""
}

// fares sums up on phones how a webhook fared on the last day; low is under what is normal. Of one that got nothing it says what it is
// subscribed to.
func (p WebhookListProps) fares(w *posthorn.Webhook) (text string, low bool) {
	stats := p.stats(w.ID)
	if stats.Total() == 0 {
		return eventsWords(p.Types, w.Events), false
	}
	text, low = successCell(stats)
	return text + " of " + counted(stats.Total(), false, "attempt", "attempts"), low
}

// pages says whether the list has more than this page.
func (p WebhookListProps) pages() bool { return len(p.Shown) < p.selected() }

// selected is how many webhooks the filters select, on every page.
func (p WebhookListProps) selected() int { return p.List.Selected(p.Filter.Standing) }

func (p WebhookListProps) pager() ui.PagerProps {
	pager := ui.PagerProps{
		Text:       plural(len(p.Shown), "webhook") + " of " + ui.Count(int64(p.selected())),
		NewerLabel: "Previous", OlderLabel: "Next",
	}
	if !p.Previous.IsZero() {
		pager.NewerURL = path.With(path.Webhooks, with(p.Values, PageBefore, p.Previous.String()))
	}
	if !p.Next.IsZero() {
		pager.OlderURL = path.With(path.Webhooks, with(p.Values, PageAfter, p.Next.String()))
	}
	return pager
}

// noMatch names the filters in words.
func (p WebhookListProps) noMatch() string {
	var words []string
	if p.Filter.Text != "" {
		words = append(words, "“"+p.Filter.Text+"”")
	}
	if p.Filter.Standing != "" {
		words = append(words, strings.ToLower(standingLabel(p.Filter.Standing)))
	}
	if p.Filter.Event != "" {
		words = append(words, "subscribed to "+p.Filter.Event)
	}
	return upperFirst(strings.Join(words, ", ")) + "."
}
