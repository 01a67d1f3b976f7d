package pages

import (
	"math"
	"net/url"
	"strconv"
	"time"

	"posthorn/internal/posthorn"
	"posthorn/views/path"
	"posthorn/views/ui"
)

// volume charts the attempts of a stretch: delivered above the line, failed below it. log lists them.
func (s stretch) volume(stats *posthorn.DeliveryStats, log string) ui.VolumeProps {
	props := ui.VolumeProps{
		ID: "deliveries", Axis: s.axis(false), OKHead: "delivered", FailedHead: "failed", SpanHead: s.spanHead(),
		Summary: ui.Count(stats.Delivered) + " delivered in the last " + s.words() + ", " + ui.Count(stats.Failed) + " attempts failed",
	}
	for i := range stats.Buckets {
		b, end := &stats.Buckets[i], s.end(i)
		props.Buckets = append(props.Buckets, ui.Bucket{
			Label: s.span(b.Start, end), OK: int(b.Delivered), Failed: int(b.Failed), Partial: end.After(s.now),
			URL: path.With(log, url.Values{FilterFrom: {s.in(b.Start).Format(minuteLayout)}, FilterTo: {s.in(end).Format(minuteLayout)}}),
		})
	}
	return props
}

// latency charts how long the attempts of a stretch took.
func (s stretch) latency(stats *posthorn.DeliveryStats) ui.LatencyProps {
	props := ui.LatencyProps{ID: "latency", Axis: s.axis(true), SpanHead: s.spanHead(), Summary: "No attempts in the last " + s.words()}
	if stats.Total() > 0 {
		props.Summary = "In the last " + s.words() + " p50 was " + percentile(stats, 0.5) + ", p95 " + percentile(stats, 0.95) + " and p99 " + percentile(stats, 0.99)
	}
	for i := range stats.Buckets {
		b := &stats.Buckets[i]
		props.Points = append(props.Points, ui.LatencyPoint{
			Label: s.span(b.Start, s.end(i)), P50: b.Latency.Percentile(0.5), P95: b.Latency.Percentile(0.95), P99: b.Latency.Percentile(0.99),
		})
	}
	return props
}

func percentile(stats *posthorn.DeliveryStats, part float64) string {
	return ui.Milliseconds(stats.Latency.Percentile(part))
}

// figures are the four numbers about deliveries, those of the past compared with the stretch before. log lists them.
func (s stretch) figures(stats *posthorn.DeliveryStats, waiting ui.StatProps, log string) []ui.StatProps {
	delivered := s.compared(int(stats.Delivered), int(stats.Before.Delivered))
	delivered.Label, delivered.URL = "Delivered", s.logURL(log, posthorn.StatusSuccess)
	latency := ui.StatProps{Label: "Response time, p95", Value: "–", Note: "No attempts in the last " + s.words()}
	if stats.Total() > 0 {
		latency.Value, latency.Note = percentile(stats, 0.95), "p50 "+percentile(stats, 0.5)+" · p99 "+percentile(stats, 0.99)
	}
	return []ui.StatProps{delivered, s.success(stats), latency, waiting}
}

// logURL lists the deliveries of the stretch with a status.
func (s stretch) logURL(log string, status posthorn.DeliveryStatus) string {
	return path.With(log, url.Values{FilterStatus: {string(status)}, FilterRange: {s.key}})
}

// compared is a count with its change since the stretch before.
func (s stretch) compared(now, before int) ui.StatProps {
	stat := ui.StatProps{Value: ui.Count(int64(now)), Note: "on the " + s.words() + " before"}
	switch {
	case before == 0:
		stat.Note = "None in the " + s.words() + " before"
	case now == before:
		stat.Note = "As in the " + s.words() + " before"
	default:
		stat.Trend = arrow(now > before) + change(now, before)
	}
	return stat
}

// success is the part of the attempts that succeeded.
func (s stretch) success(stats *posthorn.DeliveryStats) ui.StatProps {
	stat := ui.StatProps{Label: "Success rate", Value: "–", Note: "No attempts in the last " + s.words()}
	now, ok := stats.Success()
	if !ok {
		return stat
	}
	stat.Value, stat.Note = share(now*100), failedWords(stats.Failed)
	before, ok := stats.Before.Success()
	if points := math.Round((now-before)*1e4) / 100; ok && points != 0 {
		stat.Trend, stat.TrendTone = arrow(points > 0)+strconv.FormatFloat(math.Abs(points), 'f', 2, 64)+" pts", ui.Critical
		if points > 0 {
			stat.TrendTone = ui.Success
		}
		stat.Note = "· " + stat.Note
	}
	return stat
}

// failedWords counts failed attempts: "138 attempts failed".
func failedWords(n int64) string {
	if n == 0 {
		return "No attempt failed"
	}
	return attemptCount(n) + " failed"
}

func attemptCount(n int64) string {
	if n == 1 {
		return "1 attempt"
	}
	return ui.Count(n) + " attempts"
}

// waiting is the number of pending deliveries.
func (s stretch) waiting(w *posthorn.WaitingDeliveries) ui.StatProps {
	stat := ui.StatProps{Label: "Waiting", Value: countText(w.Total, w.More), Note: "Nothing is pending"}
	if w.Total == 0 {
		return stat
	}
	stat.Note = "Oldest " + ageText(s.now.Sub(w.Oldest))
	if !w.Next.IsZero() {
		stat.Note += " · next at " + s.clock(w.Next)
	}
	return stat
}

// answerText names an answer: "Service Unavailable" beside its status, "Timed out" by itself.
func answerText(a posthorn.Answer) string {
	if status := a.Status(); status != 0 {
		return posthorn.StatusPhrase(status)
	}
	return errorClassText(posthorn.ErrorClass(a))
}

// lastFault says what an attempt got, within a sentence: ", last with 503 Service Unavailable", ", last: timed out".
func lastFault(a posthorn.Answer) string {
	if a == "" {
		return ""
	}
	if status := a.Status(); status != 0 {
		text := ", last with " + strconv.Itoa(status)
		if phrase := posthorn.StatusPhrase(status); phrase != "" {
			text += " " + phrase
		}
		return text
	}
	return ", last reason: " + answerText(a)
}

// failingWords says how a webhook fails: "12 of 133 attempts failed in the last hour, last: …", as a sentence.
func (s stretch) failingWords(h *posthorn.EndpointHealth) string {
	if h.FailingFor(s.now) >= posthorn.FailingAfter {
		words := "Every attempt has failed since " + s.clock(h.FailingSince)
		if h.FailedSince > 0 {
			words += ", " + ui.Count(h.FailedSince) + " so far"
		}
		return words + lastFault(h.LastFault) + "."
	}
	return ui.Count(h.Recent.Failed) + " of " + attemptCount(h.Recent.Total()) + " failed in the last hour" + lastFault(h.LastFault) + "."
}

// attention is one line of what needs doing: an object, a fact, an action.
type attention struct {
	tone ui.Tone
	icon ui.IconName
	// name links to nameURL; both may be empty.
	name, nameURL string
	// fact goes on after the name; detail is of less weight.
	fact, detail      string
	action, actionURL string
}

// attentions are what needs doing, the worst first.
func (p OverviewProps) attentions() []attention {
	var list []attention
	o, s := &p.Deliveries, p.stretch()
	failing, disabled := 0, 0
	for i := range o.Webhooks {
		w := &o.Webhooks[i]
		id := w.ID.String()
		switch {
		case w.Active() && w.Stats.Health.Failing(p.Now):
			failing++
			list = append(list, attention{
				tone: ui.Critical, icon: ui.IconAlert, name: w.Name, nameURL: path.Webhook(id), fact: " is failing.",
				detail: s.failingWords(&w.Stats.Health), action: "View failures", actionURL: s.logURL(path.WebhookLog(id), posthorn.StatusError),
			})
		case w.Status.State == posthorn.WebhookDisabled:
			disabled++
			list = append(list, attention{
				tone: ui.Critical, icon: ui.IconPauseCircle, name: w.Name, nameURL: path.Webhook(id), fact: " is disabled: nothing is sent.",
				detail: sentences(w.Status.Reason, "since "+s.clock(w.Status.Since)), action: "Review", actionURL: path.Webhook(id),
			})
		}
	}
	if more := o.Failing - failing; more > 0 {
		list = append(list, attention{
			tone: ui.Critical, icon: ui.IconAlert, fact: others(more, "is", "are") + " failing.", action: "View failing",
			actionURL: path.With(path.Webhooks, url.Values{FilterState: {string(posthorn.StandingFailing)}}),
		})
	}
	if more := o.States[posthorn.WebhookDisabled] - disabled; more > 0 {
		list = append(list, attention{
			tone: ui.Critical, icon: ui.IconPauseCircle, fact: others(more, "is", "are") + " disabled.", action: "View disabled",
			actionURL: path.With(path.Webhooks, url.Values{FilterState: {string(posthorn.StandingDisabled)}}),
		})
	}
	return append(list, p.lesserAttentions()...)
}

// lesserAttentions are what can wait a little.
func (p OverviewProps) lesserAttentions() []attention {
	var list []attention
	if n := p.Deliveries.DeadLetters; n > 0 {
		fact := ui.Count(int64(n)) + " deliveries have failed for good."
		switch {
		case n == 1:
			fact = "1 delivery has failed for good."
		case n > posthorn.DeadLettersLimit:
			fact = ui.Count(posthorn.DeadLettersLimit) + "+ deliveries have failed for good."
		}
		list = append(list, attention{
			tone: ui.Warning, icon: ui.IconInbox, fact: fact, detail: "They are not tried again by themselves.", action: "Review", actionURL: path.Attention,
		})
	}
	for _, k := range p.Deliveries.Secrets {
		ends := "stops working at " + p.stretch().clock(k.ExpiresAt) + "."
		line := attention{tone: ui.Warning, icon: ui.IconKey, action: "Review", detail: "It signs until then, too."}
		if k.WebhookID.IsZero() {
			line.fact, line.actionURL = "The old API secret "+ends, path.Credentials
		} else {
			line.name, line.nameURL, line.fact, line.actionURL = k.Name, path.Webhook(k.WebhookID.String()), ": the old signing secret "+ends, path.WebhookSettings(k.WebhookID.String())
		}
		list = append(list, line)
	}
	return list
}

// others counts webhooks that are not named.
func others(n int, one, several string) string {
	if n == 1 {
		return "1 more webhook " + one
	}
	return strconv.Itoa(n) + " more webhooks " + several
}

// allGood is the line when nothing needs doing.
func (p OverviewProps) allGood() string {
	switch n := p.Deliveries.States[posthorn.WebhookActive]; n {
	case 0:
		return "No webhook is active: nothing is sent."
	case 1:
		return "The active webhook delivers normally."
	default:
		return "All " + strconv.Itoa(n) + " active webhooks deliver normally."
	}
}

// started says whether there is something to count.
func (p OverviewProps) started() bool { return p.Overview.Any || p.Deliveries.Delivered }

// stepState is how far a first step is.
type stepState int

const (
	stepAhead stepState = iota
	stepNow
	stepDone
)

// step is the state of one of the first steps. Their order is advice: a record may come before a webhook.
func (p OverviewProps) step(i int) stepState {
	done := []bool{p.Deliveries.Total() > 0, p.Deliveries.Tested, p.started()}
	switch {
	case done[i]:
		return stepDone
	case i == 0 || done[i-1]:
		return stepNow
	default:
		return stepAhead
	}
}

// testURL is where the first webhook is tried out.
func (p OverviewProps) testURL() string {
	if len(p.Deliveries.Webhooks) == 0 {
		return path.Webhooks
	}
	return path.WebhookTest(p.Deliveries.Webhooks[0].ID.String())
}

// attentionTile is the class of a line's icon.
func attentionTile(t ui.Tone) string {
	if t == ui.Critical {
		return "tile-danger"
	}
	return "tile-warning"
}

// failingBadge is that of an active webhook that fails.
var failingBadge = ui.BadgeProps{Tone: ui.Critical, Icon: ui.IconAlert, Label: "Failing"}

// fareBadge is the state of a webhook, and that it fails.
func fareBadge(state posthorn.WebhookState, h *posthorn.EndpointHealth, now time.Time) ui.BadgeProps {
	if state == posthorn.WebhookActive && h.Failing(now) {
		return failingBadge
	}
	if state == posthorn.WebhookActive && h.Throttled(now) {
		return ui.BadgeProps{Tone: ui.Warning, Icon: ui.IconClock, Label: "Throttled"}
	}
	return stateBadge(state)
}

// spark is the last day of a webhook, small.
func spark(stats *posthorn.WebhookStats) ui.SparklineProps {
	props := ui.SparklineProps{Label: ui.Count(stats.Delivered) + " delivered, " + failedWords(stats.Failed) + " in 24 hours"}
	for i := range stats.Buckets {
		props.Buckets = append(props.Buckets, ui.Bucket{OK: int(stats.Buckets[i].Delivered), Failed: int(stats.Buckets[i].Failed)})
	}
	return props
}

// successCell is the part of the last day's attempts that succeeded; low is under what is normal.
func successCell(stats *posthorn.WebhookStats) (text string, low bool) {
	part, ok := stats.Success()
	if !ok {
		return "–", false
	}
	return share(part * 100), part < posthorn.FailingBelow
}

// latencyCell is the p95 of the last day.
func latencyCell(stats *posthorn.WebhookStats) string {
	if stats.Total() == 0 {
		return "–"
	}
	return percentile(&stats.DeliveryStats, 0.95)
}
