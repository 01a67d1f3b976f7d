package pages

import (
	"fmt"
	"maps"
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

// IntoDelivery is the id of the element that holds all of a delivery's page, which is swapped as a whole.
const IntoDelivery = "delivery"

// How often the page of a pending delivery asks for news.
const (
	pollSoon  = "every 2s"
	pollLater = "every 10s"
	// pollSoonWithin is how long before the next attempt it asks often.
	pollSoonWithin = time.Minute
)

// standingBadge is how a delivery stands, with its icon and word. attempts is how many were made, inHand says that one is under
// way.
func standingBadge(state posthorn.DeliveryState, attempts int, inHand bool) ui.BadgeProps {
	switch {
	case state == posthorn.DeliverySucceeded:
		return ui.BadgeProps{Tone: ui.Success, Icon: ui.IconCheckCircle, Label: "Delivered"}
	case state == posthorn.DeliveryFailed:
		return ui.BadgeProps{Tone: ui.Critical, Icon: ui.IconXCircle, Label: "Failed"}
	case state == posthorn.DeliveryCancelled:
		return ui.BadgeProps{Icon: ui.IconSlash, Label: "Cancelled"}
	case inHand:
		return ui.BadgeProps{Tone: ui.Accent, Icon: ui.IconLoader, Label: "Sending", Spin: true}
	case attempts > 0:
		return ui.BadgeProps{Tone: ui.Warning, Icon: ui.IconRetry, Label: "Retrying"}
	default:
		return ui.BadgeProps{Icon: ui.IconClock, Label: "Pending"}
	}
}

func (p DeliveryProps) entry() *posthorn.LogEntry { return &p.Delivery.Entry }

func (p DeliveryProps) id() string { return p.Delivery.Entry.ID.String() }

func (p DeliveryProps) badge() ui.BadgeProps {
	e := p.entry()
	return standingBadge(e.State, e.Attempts, e.InHand)
}

// pending says that there is more to come.
func (p DeliveryProps) pending() bool { return p.entry().State == posthorn.DeliveryPending }

// Seen stands for everything that may change on the page by itself.
func (p DeliveryProps) Seen() string {
	e := p.entry()
	parts := []string{string(e.State), strconv.Itoa(e.Attempts), strconv.FormatBool(e.InHand), strconv.FormatInt(e.NextAttemptAt.UnixMilli(), 36)}
	if w := p.Delivery.Webhook; w != nil {
		parts = append(parts, string(w.Status.State), strconv.Itoa(w.Version))
	}
	return strings.Join(append(parts, string(p.standing().Tone)), "-")
}

// newsURL asks what is new since this page.
func (p DeliveryProps) newsURL() string {
	values := url.Values{FieldShown: {p.Seen()}}
	if !p.Follow && p.Delivery.Attempt != nil {
		values.Set(FieldAttempt, strconv.Itoa(p.Delivery.Attempt.Number))
	}
	return path.With(path.DeliveryNews(p.id()), values)
}

// live are the addresses with which the script keeps the page up to date. It hears when something becomes of the delivery, and asks
// all the same while there is more to come: what was said may have got lost.
func (p DeliveryProps) live() templ.Attributes {
	attrs := templ.Attributes{
		"data-stream": path.DeliveryLogStream, "data-watch": p.id(), "hx-get": p.newsURL(), "hx-trigger": "changed", "hx-swap": "none",
	}
	if p.pending() {
		attrs["data-poll"], attrs["hx-trigger"] = true, "changed, "+p.poll()
	}
	return attrs
}

// poll is how often to ask.
func (p DeliveryProps) poll() string {
	if e := p.entry(); e.InHand || e.NextAttemptAt.Before(p.Now.Add(pollSoonWithin)) {
		return pollSoon
	}
	return pollLater
}

func (p DeliveryProps) standing() posthorn.Explanation { return p.Delivery.Standing(p.Now) }

// announcement says to screen readers what became of the delivery.
func (p DeliveryProps) announcement() string {
	if x := p.standing(); !x.IsZero() {
		return x.Title
	}
	if n := len(p.entry().History); n > 0 {
		return p.entry().History[n-1].Explain().Title
	}
	return ""
}

// explained shows an explanation as a callout.
func (p DeliveryProps) explained(x posthorn.Explanation) ui.CalloutProps {
	c := ui.CalloutProps{Title: x.Title, Text: x.Text}
	if !x.Until.IsZero() {
		c.Text = strings.TrimSpace("Until " + p.clock(x.Until) + ". " + c.Text)
	}
	switch x.Tone {
	case posthorn.ToneGood:
		c.Tone, c.Icon = ui.Success, ui.IconCheckCircle
	case posthorn.ToneBad:
		c.Tone, c.Icon = ui.Critical, ui.IconAlert
	case posthorn.ToneWaiting:
		c.Tone, c.Icon = ui.Warning, ui.IconClock
	case posthorn.TonePlain:
		c.Icon = ui.IconInfo
	}
	return c
}

// clock writes a moment on the reader's clock: the time, with the day where it is another.
func (p DeliveryProps) clock(t time.Time) string {
	at, now := zoned(t, p.Location), zoned(p.Now, p.Location)
	if at.Year() == now.Year() && at.YearDay() == now.YearDay() {
		return at.Format("15:04:05")
	}
	return at.Format("2 Jan, 15:04")
}

// deliveryStep is one line of the timeline.
type deliveryStep struct {
	attempt *posthorn.Attempt
	url     string
	current bool
	icon    ui.IconName
	// good says that the endpoint took it.
	good bool
	// gap is how long after the attempt before it was made, empty for the first.
	gap string
	// percent is the duration as a share of the timeout.
	percent string
	first   bool
}

// steps are the attempts, newest first.
func (p DeliveryProps) steps() []deliveryStep {
	history := p.entry().History
	steps := make([]deliveryStep, 0, len(history))
	for i := range history {
		a := &history[i]
		s := deliveryStep{
			attempt: a, url: path.DeliveryAttempt(p.id(), a.Number) + "#attempt", current: a.Number == p.Delivery.Attempt.Number,
			icon: ui.IconX, good: a.Success(), percent: barWidth(a.Total, p.timeout()), first: i == 0,
		}
		switch {
		case a.Success():
			s.icon = ui.IconCheck
		case a.ErrorClass == posthorn.ErrorTimeout:
			s.icon = ui.IconClock
		}
		if i > 0 {
			before := &history[i-1]
			s.gap = fmt.Sprintf("%s after attempt %d", spanText(a.StartedAt.Sub(before.StartedAt.Add(before.Total))), before.Number)
		}
		steps = append(steps, s)
	}
	slices.Reverse(steps)
	return steps
}

// timeout is how long an attempt may take.
func (p DeliveryProps) timeout() time.Duration {
	if w := p.Delivery.Webhook; w != nil {
		return w.Timeout
	}
	return posthorn.MaxTimeout
}

// barWidth is the width of a bar of 100, wide enough to be seen.
func barWidth(part, whole time.Duration) string {
	if whole <= 0 {
		return "0"
	}
	percent := min(max(100*float64(part)/float64(whole), 1.5), 100)
	return strconv.FormatFloat(percent, 'f', 2, 64)
}

// attemptsMade says how many attempts there were, of how many.
func (p DeliveryProps) attemptsMade() string {
	made := p.entry().Attempts
	if allowed := p.Delivery.Allowed(); allowed > 0 {
		return fmt.Sprintf("%d of %d", made, allowed)
	}
	return plural(made, "attempt")
}

// plannedAt is when the next attempt is due, zero where that has no time.
func (p DeliveryProps) plannedAt() time.Time {
	if p.held() {
		return time.Time{}
	}
	return p.entry().NextAttemptAt
}

// held says that the webhook is not active, so that nothing is sent whatever the schedule says.
func (p DeliveryProps) held() bool {
	return !p.entry().Test && p.Delivery.Webhook != nil && !p.Delivery.Webhook.Active()
}

// planned says when the next attempt is made.
func (p DeliveryProps) planned() string {
	switch at := p.entry().NextAttemptAt; {
	case p.entry().InHand:
		return "Sending…"
	case p.held():
		return "When the webhook is active"
	case at.IsZero():
		return "Soon"
	case !at.After(p.Now):
		return "Due now"
	default:
		return "Scheduled, in " + spanText(at.Sub(p.Now))
	}
}

// givesUp says when the last attempt is made, empty where that is not known.
func (p DeliveryProps) givesUp() string {
	if at := p.Delivery.GivesUp(); !at.IsZero() && !p.held() {
		return "Gives up about " + p.clock(at)
	}
	return ""
}

// replayLabel is what sending again is called.
func (p DeliveryProps) replayLabel() string {
	if p.pending() {
		return "Send now"
	}
	return "Replay now"
}

// asksToReplay says that the endpoint has the event already, so that a replay wants a second thought.
func (p DeliveryProps) asksToReplay() bool { return p.entry().State == posthorn.DeliverySucceeded }

// replayAttrs are those of the control that replays; its key is r.
func (p DeliveryProps) replayAttrs() templ.Attributes {
	attrs := templ.Attributes{"data-key": "r", "id": "replay"}
	if p.asksToReplay() {
		maps.Copy(attrs, asksInPlace(path.DeliveryReplay(p.id())))
	}
	return attrs
}
