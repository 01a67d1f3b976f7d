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

// TestDelivery is the parameter that names the test whose result is shown.
const TestDelivery = "delivery"

// url is the form of the tests of this webhook.
func (p WebhookTestProps) url() string { return path.WebhookTest(p.Page.Webhook.ID.String()) }

// sendAttrs send the test in place; the button says that it is under way for as long as an answer may take.
func (p WebhookTestProps) sendAttrs() templ.Attributes {
	return templ.Attributes{
		"hx-post": p.url(), "hx-target": "#" + IntoTestArea, "hx-swap": "outerHTML", "hx-sync": "this:drop", "hx-disinherit": "*",
		"data-patience": "40000",
	}
}

// groups are the types of the catalogue: those that the webhook is subscribed to first.
func (p WebhookTestProps) groups() []typeGroup {
	groups := []typeGroup{{label: "Subscribed"}, {label: "Not subscribed"}}
	for _, t := range p.Page.Types {
		g := &groups[1]
		if posthorn.MatchesSubscription(p.Page.Webhook.Events, t.Event) {
			g = &groups[0]
		}
		g.options = append(g.options, ui.Option{Value: t.Event, Label: t.Event, Selected: t.Event == p.Event})
	}
	return slices.DeleteFunc(groups, func(g typeGroup) bool { return len(g.options) == 0 })
}

func (p WebhookTestProps) fault(field string) string {
	return fieldFault(p.Faults, field, map[string]string{posthorn.FieldEvent: "Event type", FieldData: "Payload"}[field])
}

// alert is the error when no field says it already.
func (p WebhookTestProps) alert() string {
	if firstFault(p.Faults, posthorn.FieldEvent, FieldData) != "" {
		return ""
	}
	return p.Error
}

// note says how a test is sent.
func (p WebhookTestProps) note() string {
	words := "Sent once, with your custom headers and the live signing secret. Tests are not retried and do not count in the figures."
	if !p.Page.Webhook.Active() {
		words += " It is sent although the webhook is " + strings.ToLower(stateBadge(p.Page.Webhook.Status.State).Label) + "."
	}
	return words
}

// resultURL is the form with the result of a test beside it.
func resultURL(e *posthorn.LogEntry) string {
	return path.With(path.WebhookTest(e.WebhookID.String()), url.Values{posthorn.FieldEvent: {e.Event}, TestDelivery: {e.ID.String()}})
}

// WebhookTestResult is the address of a test's result.
func WebhookTestResult(e *posthorn.LogEntry) string { return resultURL(e) }

// attempt is the one attempt of the result, nil while there is none.
func (p WebhookTestProps) attempt() *posthorn.Attempt {
	if p.Result == nil || len(p.Result.History) == 0 {
		return nil
	}
	return &p.Result.History[len(p.Result.History)-1]
}

// pending says whether the result is still to come.
func (p WebhookTestProps) pending() bool {
	return p.Result != nil && p.Result.State == posthorn.DeliveryPending
}

// await asks again for a result that is still to come.
func (p WebhookTestProps) await() templ.Attributes {
	if !p.pending() {
		return nil
	}
	return templ.Attributes{"hx-get": resultURL(p.Result), "hx-trigger": "every 2s", "hx-target": "#" + IntoTestOutcome, "hx-swap": "outerHTML"}
}

// verdict says what came of the test.
func (p WebhookTestProps) verdict() ui.CalloutProps {
	a := p.attempt()
	open := ui.LinkButton(ui.LinkButtonProps{Label: "Open delivery", URL: path.Delivery(p.Result.ID.String())})
	switch {
	case p.pending():
		return ui.CalloutProps{
			Tone: ui.Accent, Icon: ui.IconClock, Title: "No answer yet", Text: "The test is on its way. This page shows the result when it is there.",
			Action: ui.LinkButton(ui.LinkButtonProps{Label: "Look again", URL: resultURL(p.Result)}),
		}
	case p.Result.State == posthorn.DeliveryCancelled || a == nil:
		return ui.CalloutProps{Tone: ui.Warning, Icon: ui.IconAlert, Title: "Not sent", Text: p.Result.Reason, Action: open}
	case p.Result.State == posthorn.DeliverySucceeded:
		return ui.CalloutProps{
			Tone: ui.Success, Icon: ui.IconCheckCircle, Title: "Accepted with " + answerStatus(a.StatusCode) + " in " + took(a.Total), Action: open,
		}
	case a.StatusCode != 0 && a.ErrorClass == posthorn.ErrorNone:
		return ui.CalloutProps{
			Tone: ui.Critical, Icon: ui.IconXCircle, Title: "Refused with " + answerStatus(a.StatusCode) + " in " + took(a.Total), Text: a.Error, Action: open,
		}
	default:
		return ui.CalloutProps{Tone: ui.Critical, Icon: ui.IconXCircle, Title: "Not delivered", Text: a.Error, Action: open}
	}
}

// offer leads to the question whether to send again what failed, now that the endpoint accepts something.
func (p WebhookTestProps) offer() ui.CalloutProps {
	failed := url.Values{FilterWebhookID: {p.Page.Webhook.ID.String()}, FilterStatus: {string(posthorn.StatusError)}}
	return ui.CalloutProps{
		Tone: ui.Warning, Icon: ui.IconRetry, Title: counted(int64(p.Failed.N), p.Failed.More, "delivery", "deliveries") + " of this webhook failed before",
		Text:   "They are not sent again by themselves.",
		Action: ui.LinkButton(ui.LinkButtonProps{Label: "Replay " + counted(int64(p.Failed.N), p.Failed.More, "failed delivery", "failed deliveries"), URL: path.With(path.DeliveryLogReplay, failed)}),
	}
}

// answerStatus is a status with its name: "200 OK".
func answerStatus(code int) string {
	return strings.TrimSpace(strconv.Itoa(code) + " " + posthorn.StatusPhrase(code))
}

// phases are the parts of the time that an attempt took, without those that were not reached.
func phases(t *posthorn.Timings) string {
	var words []string
	for _, part := range []struct {
		name string
		took time.Duration
	}{{"DNS", t.DNS}, {"connect", t.Connect}, {"TLS", t.TLS}, {"first byte", t.FirstByte}} {
		if part.took > 0 {
			words = append(words, part.name+" "+took(part.took))
		}
	}
	if len(words) == 0 {
		return ""
	}
	return " (" + strings.Join(words, ", ") + ")"
}

// signature is the header of a request that carries its signature, nil when it has none.
func (p WebhookTestProps) signature(a *posthorn.Attempt) *posthorn.Header {
	s := p.Page.Webhook.Signature
	for i, h := range a.RequestHeaders {
		named := slices.ContainsFunc(s.HeaderNames(), func(name string) bool { return strings.EqualFold(name, h.Name) })
		own := strings.EqualFold(h.Name, s.Header) || strings.HasSuffix(strings.ToLower(h.Name), "-signature")
		if named && own {
			return &a.RequestHeaders[i]
		}
	}
	return nil
}

// unanswered says in a word or two why an earlier test has no answer.
func unanswered(e *posthorn.LogEntry) string {
	switch e.State {
	case posthorn.DeliveryPending:
		return "Pending"
	case posthorn.DeliveryCancelled:
		return "Cancelled"
	default:
		return errorClassText(e.ErrorClass)
	}
}
