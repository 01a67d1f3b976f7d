package pages

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
	"posthorn/views/path"
	"posthorn/views/ui"
)

// FieldReplayFilter is the filter that a replay was asked for with, as a query string whose times are fixed.
const FieldReplayFilter = "filter"

// ReplayAskProps asks whether to replay what a filter of the log selects.
type ReplayAskProps struct {
	Page   layout.PageProps
	Filter posthorn.DeliveryFilter
	// Query is the filter as it is sent with the form.
	Query string
	// BackURL is the log with that filter.
	BackURL string
	Count   posthorn.Estimate
	// WebhookName and WebhookActive are those of the only webhook that the filter lets through.
	WebhookName   string
	WebhookActive bool
	// Rate is as it was typed.
	Rate string
	// Fault is what is wrong with the filter, as a sentence; nothing is offered then.
	Fault    string
	Faults   map[string]string
	FormKey  string
	Location *time.Location
}

// MissedProps says what a webhook missed.
type MissedProps struct {
	WebhookPageProps
	Missed posthorn.Missed
	Rate   string
	Faults map[string]string
}

// ReplayProps is one bulk replay as a page.
type ReplayProps struct {
	Page     layout.PageProps
	Replay   posthorn.Replay
	Location *time.Location
	Now      time.Time
}

// ReplaysProps lists bulk replays.
type ReplaysProps struct {
	Page    layout.PageProps
	Replays []posthorn.Replay
	// First says that there are no newer ones. OlderURL is empty at the end.
	First    bool
	OlderURL string
	Location *time.Location
	Now      time.Time
}

// AttentionProps groups what failed for good.
type AttentionProps struct {
	Page   layout.PageProps
	Groups []posthorn.FailureGroup
	// More says that there are more groups.
	More     bool
	Location *time.Location
	Now      time.Time
}

// estimated is a count, "129", or one that stopped, "2,000+".
func estimated(e posthorn.Estimate) string {
	return countText(int64(e.N), e.More)
}

// deliveriesWord counts deliveries: "1 delivery", "2,000+ deliveries".
func deliveriesWord(e posthorn.Estimate) string {
	return counted(int64(e.N), e.More, "delivery", "deliveries")
}

// perSecond is a rate in words.
func perSecond(rate int) string { return ui.Count(int64(rate)) + " a second" }

// statusWords are the statuses as filters name them.
var statusWords = map[posthorn.DeliveryStatus]string{
	posthorn.StatusSuccess: "delivered", posthorn.StatusError: "failed or stopped", posthorn.StatusPending: "pending",
}

// filterFact is one condition of a filter in words.
type filterFact struct{ label, value string }

// filterFacts are the conditions of a filter in words. name is that of its webhook.
func filterFacts(f *posthorn.DeliveryFilter, name string, zone *time.Location) []filterFact {
	var facts []filterFact
	add := func(label, value string) {
		if value != "" {
			facts = append(facts, filterFact{label, value})
		}
	}
	switch {
	case f.WebhookID.IsZero():
		add("Webhook", "All webhooks")
	case name != "":
		add("Webhook", name)
	default:
		add("Webhook", f.WebhookID.String())
	}
	states := make([]string, 0, len(f.Statuses))
	for _, s := range f.Statuses {
		states = append(states, statusWords[s])
	}
	add("Status", upperFirst(strings.Join(states, ", ")))
	add("Event types", strings.Join(f.Events, ", "))
	add("Response", rangeWords(f.StatusCodes))
	add("Error", string(f.ErrorClass))
	add("Application", f.Application)
	if f.Over > 0 {
		add("Took longer than", ui.Count(f.Over.Milliseconds())+" ms")
	}
	if f.MinAttempts > 0 {
		add("Attempts", "at least "+strconv.Itoa(f.MinAttempts))
	}
	if !f.EventID.IsZero() {
		add("Event", f.EventID.String())
	}
	if !f.DeliveryID.IsZero() {
		add("Delivery", f.DeliveryID.String())
	}
	add("Text", f.Text)
	if !f.From.IsZero() {
		add("Received from", until(f.From, zone))
	}
	if !f.To.IsZero() {
		add("Received before", until(f.To, zone))
	}
	return facts
}

// rangeWords is a response code or class: "404", "5xx".
func rangeWords(r posthorn.StatusRange) string {
	switch {
	case r.IsZero():
		return ""
	case r.From == r.To:
		return strconv.Itoa(r.From)
	case r.From%100 == 0 && r.To == r.From+99:
		return strconv.Itoa(r.From/100) + "xx"
	default:
		return strconv.Itoa(r.From) + " to " + strconv.Itoa(r.To)
	}
}

// includesDelivered reports whether the replay would send what has arrived already.
func (p ReplayAskProps) includesDelivered() bool {
	return slices.Contains(p.Filter.Statuses, posthorn.StatusSuccess)
}

// takes says how long a replay of so many takes at a rate.
func takes(e posthorn.Estimate, rate string) string {
	n, err := strconv.Atoi(rate)
	if err != nil || n < 1 || e.N == 0 {
		return ""
	}
	words := "about "
	if e.More {
		words = "at least "
	}
	return words + spanText(max(time.Duration(e.N)*time.Second/time.Duration(n), time.Second))
}

// replayBadge is the state of a replay with its icon and word.
func replayBadge(r *posthorn.Replay) ui.BadgeProps {
	switch r.State {
	case posthorn.ReplayRunning:
		return ui.BadgeProps{Tone: ui.Accent, Icon: ui.IconLoader, Label: "Running", Spin: true}
	case posthorn.ReplayFinished:
		return ui.BadgeProps{Tone: ui.Success, Icon: ui.IconCheckCircle, Label: "Finished"}
	case posthorn.ReplayFailed:
		return ui.BadgeProps{Tone: ui.Critical, Icon: ui.IconAlert, Label: "Failed"}
	default:
		return ui.BadgeProps{Icon: ui.IconXCircle, Label: "Cancelled"}
	}
}

// replayTitle names a replay.
func replayTitle(r *posthorn.Replay) string {
	what := "Replay of deliveries"
	if r.Kind == posthorn.ReplayOfMissed {
		what = "Replay of what was missed"
	}
	switch {
	case r.WebhookName != "":
		return what + ", " + r.WebhookName
	case r.WebhookID.IsZero():
		return what + ", all webhooks"
	default:
		return what
	}
}

// donePercent is how much of a replay is done, in percent, and -1 when that cannot be told.
func donePercent(r *posthorn.Replay) int {
	switch {
	case r.State == posthorn.ReplayFinished:
		return 100
	case r.Total.More || r.Total.N == 0:
		return -1
	default:
		return min(100*r.Looked()/r.Total.N, 100)
	}
}

// progressWords is "48 of 129 queued".
func progressWords(r *posthorn.Replay) string {
	if r.State == posthorn.ReplayFinished {
		return deliveriesWord(posthorn.Estimate{N: r.Done}) + " queued"
	}
	total := estimated(r.Total)
	if r.Total.N == 0 && r.Total.More {
		return deliveriesWord(posthorn.Estimate{N: r.Done}) + " queued so far"
	}
	return ui.Count(int64(r.Done)) + " of " + total + " queued"
}

// leftWords says how long it takes from now on.
func leftWords(r *posthorn.Replay) string {
	switch left := r.Left(); {
	case r.Ended():
		return ""
	case r.Total.More:
		return "Not known yet"
	case left == 0:
		return "Nearly done"
	default:
		return "About " + spanText(max(left, time.Second))
	}
}

// endWords says when and how a replay ended.
func endWords(r *posthorn.Replay, zone *time.Location) string {
	at := until(r.FinishedAt, zone)
	switch r.State {
	case posthorn.ReplayCancelled:
		return "Cancelled " + at + " by " + r.FinishedBy
	case posthorn.ReplayFailed:
		return "Failed " + at
	default:
		return "Finished " + at
	}
}

// facts are what a replay was asked for with.
func (p ReplayProps) facts() []filterFact {
	if p.Replay.Kind == posthorn.ReplayOfMissed {
		return []filterFact{
			{"Webhook", p.Replay.WebhookName},
			{"Missed", until(p.Replay.Missed.Since, p.Location) + " to " + until(p.Replay.Missed.Until, p.Location)},
		}
	}
	return filterFacts(&p.Replay.Filter, p.Replay.WebhookName, p.Location)
}

// logURL is the log of the webhook that a replay is about, or of all.
func (p ReplayProps) logURL() string {
	if p.Replay.WebhookID.IsZero() {
		return path.DeliveryLog
	}
	return path.WebhookLog(p.Replay.WebhookID.String())
}

// missedSpan is the time in which the webhook was not active.
func (p MissedProps) missedSpan() string {
	since := until(p.Missed.Since, p.Location)
	if p.Missed.Until.IsZero() {
		return "Not active since " + since
	}
	return "Not active from " + since + " to " + until(p.Missed.Until, p.Location)
}

func (p ReplaysProps) columns() []ui.Column {
	return []ui.Column{
		{Label: "Replay"},
		{Label: "Status", Class: "max-sm:text-right"},
		{Label: "Queued", Number: true, Class: "max-sm:hidden"},
		{Label: "Skipped", Number: true, Class: "max-md:hidden"},
		{Label: "Started", Class: "max-md:hidden"},
	}
}

func (p AttentionProps) columns() []ui.Column {
	return []ui.Column{
		{Label: "Webhook"},
		{Label: "Reason"},
		{Label: "Failed", Number: true},
		{Label: "Newest", Class: "max-md:hidden"},
		{Label: "Actions", Hidden: true, Class: "max-sm:hidden"},
	}
}

// failureText is the reason of a group beside its status code.
func failureText(g *posthorn.FailureGroup) string {
	if g.ErrorClass != posthorn.ErrorNone {
		return errorClassText(g.ErrorClass)
	}
	return posthorn.StatusPhrase(g.StatusCode)
}

// groupQuery selects the deliveries of a group in the log.
func groupQuery(g *posthorn.FailureGroup) url.Values {
	q := url.Values{"webhookId": {g.WebhookID.String()}, "status": {string(posthorn.StatusError)}}
	if g.StatusCode != 0 {
		q.Set("statusCode", strconv.Itoa(g.StatusCode))
	}
	if g.ErrorClass != posthorn.ErrorNone {
		q.Set("errorClass", string(g.ErrorClass))
	}
	return q
}

// groupLogURL is the log of a group.
func groupLogURL(g *posthorn.FailureGroup) string { return path.With(path.DeliveryLog, groupQuery(g)) }

// groupReplayURL asks whether to replay a group.
func groupReplayURL(g *posthorn.FailureGroup) string {
	return path.With(path.DeliveryLogReplay, groupQuery(g))
}

// failedLog selects everything that failed.
func failedLog() url.Values { return url.Values{"status": {string(posthorn.StatusError)}} }
