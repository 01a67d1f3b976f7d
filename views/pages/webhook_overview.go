package pages

import (
	"strconv"
	"strings"
	"time"

	"posthorn/internal/posthorn"
	"posthorn/views/ui"
)

// attemptsWords says how many attempts a delivery gets, and over how long: "10 attempts over about 75 hours".
func attemptsWords(attempts int) string {
	if attempts <= 1 {
		return "1 attempt, no retry"
	}
	var span time.Duration
	for _, delay := range posthorn.RetryDelays()[:min(attempts, posthorn.MaxMaxAttempts)] {
		span += delay
	}
	words := plural(int(span.Seconds()), "second")
	switch {
	case span >= time.Hour:
		words = plural(int(span.Hours()), "hour")
	case span >= time.Minute:
		words = plural(int(span.Minutes()), "minute")
	}
	return plural(attempts, "attempt") + " over about " + words
}

// retryWords says which answers are tried again.
func retryWords(codes []int) string {
	words := "Retries 5xx, timeouts and connection errors"
	if len(codes) == 0 {
		return words
	}
	also := make([]string, len(codes))
	for i, code := range codes {
		also[i] = strconv.Itoa(code)
	}
	return words + ", and also " + strings.Join(also, ", ")
}

// limitWords says how many requests run at a time, and how many a second.
func limitWords(w *posthorn.Webhook) string {
	words := "At most " + strconv.Itoa(w.MaxInFlight) + " in flight"
	if w.RateLimit > 0 {
		words += " and " + ui.Count(int64(w.RateLimit)) + " a second"
	}
	return words
}

// stateCallout says what the webhook does in its state, and how it came to that.
func (p WebhookPageProps) stateCallout() ui.CalloutProps {
	s := p.Webhook.Status
	since := "since " + until(s.Since, p.Location)
	switch s.State {
	case posthorn.WebhookActive:
		if callout, trouble := p.troubleCallout(); trouble {
			return callout
		}
		text := upperFirst(since) + "."
		if s.By != "" {
			text = upperFirst(since) + ", by " + s.By + "."
		}
		return ui.CalloutProps{Tone: ui.Success, Icon: ui.IconCheckCircle, Title: "Active: events are sent as they happen.", Text: text}
	case posthorn.WebhookDisabled:
		return ui.CalloutProps{
			Tone: ui.Critical, Icon: ui.IconAlert, Title: "Posthorn has disabled this webhook: nothing is sent.",
			Text: sentences(s.Reason, since) + " Activate it when the endpoint works again.", Action: activateButton(&p.Webhook.Webhook, ui.Secondary),
		}
	default:
		return ui.CalloutProps{
			Tone: ui.Neutral, Icon: ui.IconPauseCircle, Title: "Inactive: nothing is sent. What is queued waits.",
			Text: sentences(s.Reason, since), Action: activateButton(&p.Webhook.Webhook, ui.Secondary),
		}
	}
}

// sentences joins a reason, a sentence without its full stop that may be empty, and since when it holds.
func sentences(reason, since string) string {
	if reason == "" {
		return upperFirst(since) + "."
	}
	return upperFirst(reason) + ", " + since + "."
}

// eventsTitle counts what the webhook is subscribed to: "Events, 4 of 12".
func (p WebhookPageProps) eventsTitle() string {
	return "Events, " + strconv.Itoa(covered(p.Types, p.Webhook.Events)) + " of " + strconv.Itoa(len(p.Types))
}

// subscriptions are what the webhook is subscribed to, in words where they are short.
func (p WebhookPageProps) subscriptions() []string {
	words := make([]string, 0, len(p.Webhook.Events))
	for _, e := range p.Webhook.Events {
		if e == posthorn.SubscribeAll {
			e = "* (all but webhook and delivery)"
		}
		words = append(words, e)
	}
	return words
}

// secretsTitle says whose secret signs.
func (p WebhookPageProps) secretsTitle() string {
	if p.rotates() {
		return "Signing secret"
	}
	return "API secret of the organisation"
}

// currentSecret is the newest secret, nil when there is none.
func (p WebhookPageProps) currentSecret() *posthorn.SealedSecret {
	for i := range p.Webhook.Secrets {
		if p.Webhook.Secrets[i].Current() {
			return &p.Webhook.Secrets[i]
		}
	}
	return nil
}

// oldSecrets are the replaced secrets that still sign.
func (p WebhookPageProps) oldSecrets() []posthorn.SealedSecret {
	var old []posthorn.SealedSecret
	for _, s := range p.Webhook.Secrets {
		if !s.Current() {
			old = append(old, s)
		}
	}
	return old
}

// secretOrigin says when a secret was made, and by whom.
func (p WebhookPageProps) secretOrigin(s *posthorn.SealedSecret) string {
	return madeBy("Created", s.CreatedAt, s.CreatedBy, p.Location)
}

// madeBy is "Created 14 Feb 2026 by Jonas Lindqvist"; who may be unknown.
func madeBy(verb string, at time.Time, by string, zone *time.Location) string {
	words := verb + " " + dayOf(at, zone)
	if by != "" {
		words += " by " + by
	}
	return words
}

// rotationWords says how deliveries are signed while several secrets are live.
func (p WebhookPageProps) rotationWords() string {
	if p.Webhook.Signature.SignsWithEverySecret() {
		return "Every delivery carries a signature for each of them."
	}
	return "Deliveries are signed with the oldest of them until it ends."
}

// sentHeader is a header of a delivery with what is in it.
type sentHeader struct {
	name, value string
	// verbatim says that the value is sent as it stands here.
	verbatim bool
}

// sentHeaders are the headers that a receiver finds on a delivery.
func (p WebhookPageProps) sentHeaders() []sentHeader {
	s := p.Webhook.Signature
	headers := []sentHeader{{"Content-Type", "application/json", true}}
	for _, name := range s.HeaderNames() {
		headers = append(headers, sentHeader{name: name, value: headerMeaning(s, name)})
	}
	for _, h := range p.Webhook.Headers {
		headers = append(headers, sentHeader{name: h.Name, value: "custom, hidden"})
	}
	return headers
}

// headerMeaning says what a header of a signature scheme carries.
func headerMeaning(s posthorn.Signature, name string) string {
	lower := strings.ToLower(name)
	custom := s.Scheme == posthorn.SchemeCustom
	switch {
	case lower == "webhook-id":
		return "the delivery’s id, the same on every attempt"
	case custom && strings.EqualFold(name, s.Header), !custom && strings.HasSuffix(lower, "-signature"):
		return signatureMeaning(s)
	case custom && strings.EqualFold(name, s.TimestampHeader), strings.HasSuffix(lower, "-timestamp"):
		return "time of the attempt, in Unix seconds"
	case strings.HasSuffix(lower, "-event"):
		return "the event type"
	default:
		return "the delivery’s id"
	}
}

func signatureMeaning(s posthorn.Signature) string {
	switch s.Scheme {
	case posthorn.SchemeStandard:
		return "“v1,” and the base64 HMAC-SHA256 of id.timestamp.body, for each secret"
	case posthorn.SchemeArkyc:
		return "hex HMAC-SHA256 of timestamp.body"
	case posthorn.SchemeCustom:
		encoding, over := "hex", "the body"
		if s.Encoding == posthorn.EncodingBase64 {
			encoding = "base64"
		}
		if s.Over == posthorn.OverTimestampBody {
			over = "timestamp.body"
		}
		return encoding + " HMAC-SHA256 of " + over
	case posthorn.SchemeSmartKYC, posthorn.SchemeKryptos:
	}
	return "hex HMAC-SHA256 of the body"
}

// verificationKey says which secret verifies, and where it is.
func (p WebhookPageProps) verificationKey() string {
	if p.rotates() {
		return "The secret was shown when it was made. Rotate it to get a new one."
	}
	return "The secret is the API secret of the organisation, under API credentials."
}

// languages are the choices of the code to copy.
func languages() []ui.Option {
	options := make([]ui.Option, 0, len(posthorn.Languages()))
	for i, l := range posthorn.Languages() {
		options = append(options, ui.Option{Value: string(l), Label: l.Label(), Selected: i == 0})
	}
	return options
}
