package pages

import (
	"net/url"
	"strconv"
	"time"

	"posthorn/internal/posthorn"
	"posthorn/views/path"
	"posthorn/views/ui"
)

// WebhookFiguresProps is how sending to one webhook fares.
type WebhookFiguresProps struct {
	// Range is the chosen stretch: "1h", "24h", "7d" or "30d".
	Range   string
	Window  posthorn.OverviewRange
	Stats   posthorn.DeliveryStats
	Waiting posthorn.WaitingDeliveries
	// Answers are what the attempts got, the most frequent first.
	Answers []posthorn.AnswerCount
}

func (p WebhookPageProps) stretch() stretch {
	s := stretch{zone: p.Location, now: p.Now}
	if p.Figures != nil {
		s.key, s.window = p.Figures.Range, p.Figures.Window
	}
	return s
}

// log lists the deliveries of the webhook.
func (p WebhookPageProps) log() string { return path.WebhookLog(p.Webhook.ID.String()) }

// waiting is the number of pending deliveries, and why they wait.
func (p WebhookPageProps) waiting() ui.StatProps {
	s, w := p.stretch(), &p.Figures.Waiting
	stat := s.waiting(w)
	stat.URL = path.With(p.log(), url.Values{FilterStatus: {string(posthorn.StatusPending)}})
	switch {
	case w.Total == 0:
	case !p.Webhook.Active():
		stat.Note = "Until the webhook is activated"
	case p.Health.Throttled(p.Now):
		stat.Note = "Throttled until " + s.clock(p.Health.ThrottledUntil)
	case w.Retrying > 0 && !w.Next.IsZero():
		stat.Note = ui.Count(w.Retrying) + " to retry · next at " + s.in(w.Next).Format("15:04:05")
		if w.Next.Sub(p.Now) > day/2 {
			stat.Note = ui.Count(w.Retrying) + " to retry · next at " + s.clock(w.Next)
		}
	}
	return stat
}

// figures are the four numbers; the response time stands beside its limit.
func (p WebhookPageProps) figures() []ui.StatProps {
	figures := p.stretch().figures(&p.Figures.Stats, p.waiting(), p.log())
	if p.Figures.Stats.Total() > 0 {
		figures[2].Note += " · timeout " + strconv.Itoa(int(p.Webhook.Timeout.Seconds())) + " s"
	}
	return figures
}

// responseRow is how often an answer was got.
type responseRow struct {
	status int
	text   string
	count  string
	// percent is of the most frequent answer; level colours the bar.
	percent float64
	level   string
	url     string
}

// responses are the answers, the most frequent first, each with its deliveries.
func (p WebhookPageProps) responses() []responseRow {
	var most int64
	for _, a := range p.Figures.Answers {
		most = max(most, a.Attempts)
	}
	rows := make([]responseRow, 0, len(p.Figures.Answers))
	for _, a := range p.Figures.Answers {
		row := responseRow{
			status: a.Answer.Status(), text: answerText(a.Answer), count: ui.Count(a.Attempts), percent: float64(a.Attempts) / float64(most) * 100,
			url: path.With(p.log(), url.Values{FilterCode: {string(a.Answer)}, FilterRange: {p.Figures.Range}}),
		}
		if !a.Answer.Success() {
			row.level = "critical"
		}
		rows = append(rows, row)
	}
	return rows
}

// troubleCallout says what is wrong with the endpoint of an active webhook, what follows, and when.
func (p WebhookPageProps) troubleCallout() (callout ui.CalloutProps, trouble bool) {
	s, h := p.stretch(), &p.Health
	retries := "Posthorn keeps retrying each delivery, " + attemptsWords(p.Webhook.MaxAttempts) + "."
	if p.Webhook.MaxAttempts <= 1 {
		retries = "Each delivery gets one attempt and is not retried."
	}
	failures := ui.LinkButton(ui.LinkButtonProps{
		Label: "View failures", URL: path.With(p.log(), url.Values{FilterStatus: {string(posthorn.StatusError), string(posthorn.StatusPending)}}), Class: "max-sm:hidden",
	})
	switch {
	case h.FailingFor(p.Now) >= posthorn.FailingAfter:
		return ui.CalloutProps{
			Tone: ui.Critical, Icon: ui.IconAlert, Title: s.failingWords(h), Action: failures,
			Text: p.throttled() + "Posthorn probes it with one attempt every few minutes. " + retries + " " + p.disabling(),
		}, true
	case h.Throttled(p.Now):
		return ui.CalloutProps{
			Tone: ui.Warning, Icon: ui.IconClock, Title: "Throttled until " + s.in(h.ThrottledUntil).Format("15:04:05") + lastFault(h.LastFault) + ".",
			Text: "The endpoint asked for fewer requests. What is due waits until then, and no attempt is lost.", Action: failures,
		}, true
	case h.Failing(p.Now):
		return ui.CalloutProps{Tone: ui.Critical, Icon: ui.IconAlert, Title: s.failingWords(h), Text: retries, Action: failures}, true
	case !h.FailingSince.IsZero():
		return ui.CalloutProps{
			Tone: ui.Warning, Icon: ui.IconAlert, Title: "The latest attempt failed" + lastFault(h.LastFault) + ".",
			Text: "Nothing has succeeded since " + s.in(h.FailingSince).Format("15:04:05") + ". " + retries, Action: failures,
		}, true
	default:
		return callout, false
	}
}

// throttled is a sentence about a throttle that adds to failures.
func (p WebhookPageProps) throttled() string {
	if !p.Health.Throttled(p.Now) {
		return ""
	}
	return "It is throttled until " + p.stretch().in(p.Health.ThrottledUntil).Format("15:04:05") + ". "
}

// disabling says when Posthorn gives the endpoint up.
func (p WebhookPageProps) disabling() string {
	at := p.Health.FailingSince.Add(posthorn.DisableAfter)
	if !at.After(p.Now) {
		return "The next failure disables the webhook."
	}
	return "If nothing succeeds until " + until(at, p.Location) + ", it disables the webhook."
}

// stats are how a webhook of the list fares, zero when that is not known.
func (p WebhookListProps) stats(id posthorn.WebhookID) *posthorn.WebhookStats {
	s := p.Stats[id]
	return &s
}

// lastDelivery is the moment of the newest delivery.
func (p WebhookListProps) lastDelivery(at time.Time, style ui.TimeStyle) ui.TimeProps {
	return ui.TimeProps{At: at, Now: p.Now, Zone: p.Location, Style: style}
}

// listNote explains the figures of the list.
const listNote = "Figures cover the last 24 hours. “Failing” means under 95% delivered in the last hour, or nothing but failures for five minutes."
