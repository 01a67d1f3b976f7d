package posthorn

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Explanation says in words what became of something and what to do about it.
type Explanation struct {
	Tone ExplanationTone
	// Title is one sentence. Text says in sentences what it means and what to do; it may be empty.
	Title, Text string
	// Until is when what is waited for comes, zero for none. It stands beside the text, because people read times in a time
	// zone of their own.
	Until time.Time
}

// IsZero reports whether there is nothing to explain.
func (x Explanation) IsZero() bool { return x.Title == "" }

// ExplanationTone says how much an explanation matters.
type ExplanationTone string

// The tones.
const (
	ToneGood    ExplanationTone = "good"
	ToneWaiting ExplanationTone = "waiting"
	ToneBad     ExplanationTone = "bad"
	TonePlain   ExplanationTone = "plain"
)

// Explain says what an attempt came to, and what to do where it failed.
func (a *Attempt) Explain() Explanation {
	x := Explanation{Tone: ToneBad}
	var text sentences
	switch {
	case a.Success():
		x.Tone = ToneGood
		x.Title = fmt.Sprintf("Attempt %d got %s after %s.", a.Number, statusWords(a.StatusCode), durationWords(a.Total))
		text.add("The endpoint took the delivery.")
	case a.ErrorClass != ErrorNone:
		x.Title = fmt.Sprintf("Attempt %d %s.", a.Number, a.classTitle())
		text.add(a.Error)
		if a.StatusCode != 0 && a.ErrorClass != ErrorRedirect {
			text.add(fmt.Sprintf("The status %d had arrived, but not the whole answer, so it counts as failed.", a.StatusCode))
		}
		// The sentence about a redirect may name the URL to set, and then that is all there is to do.
		if a.ErrorClass != ErrorRedirect || a.Error == "" || strings.HasSuffix(a.Error, ".") {
			text.add(classAdvice(a.ErrorClass))
		}
	case a.StatusCode < 200:
		x.Title = fmt.Sprintf("Attempt %d brought no answer.", a.Number)
		text.add(a.Error)
	default:
		x.Title = fmt.Sprintf("Attempt %d got %s after %s.", a.Number, statusWords(a.StatusCode), durationWords(a.Total))
		text.add(statusMeaning(a.StatusCode))
		text.add(a.waitAsked())
		text.add(statusAdvice(a.StatusCode))
	}
	text.add(a.cutWords())
	x.Text = text.String()
	return x
}

// sentences gathers sentences with a space between them.
type sentences struct{ strings.Builder }

func (s *sentences) add(text string) {
	if text == "" {
		return
	}
	if s.Len() > 0 {
		s.WriteByte(' ')
	}
	s.WriteString(text)
}

// classTitle says what an attempt did that failed other than by its status. It reads on from "Attempt 3 ".
func (a *Attempt) classTitle() string {
	switch a.ErrorClass {
	case ErrorTimeout:
		return "timed out after " + durationWords(a.Total)
	case ErrorRefused:
		return "was refused a connection"
	case ErrorReset:
		return "broke off: the connection was closed early"
	case ErrorUnreachable:
		return "found no way to the address"
	case ErrorDNS:
		return "did not find the host"
	case ErrorTLS:
		return "got no TLS connection"
	case ErrorBlocked:
		return "was not sent: the address is not allowed"
	case ErrorRedirect:
		return "was redirected with " + strconv.Itoa(a.StatusCode)
	case ErrorTooLarge:
		return "got response headers that are too large"
	case ErrorProtocol:
		return "got no valid HTTP answer"
	case ErrorNone:
	}
	return "failed"
}

// classAdvice says what to do about a class of failure.
func classAdvice(c ErrorClass) string {
	switch c {
	case ErrorTimeout:
		return "Answer with a 2xx as soon as the event is stored and work on it afterwards, or allow more time in the settings of the webhook."
	case ErrorRefused:
		return "Check that the server runs, that the port in the URL is right, and that a firewall lets Posthorn in."
	case ErrorReset:
		return "The logs of the server, and of the proxy before it, tell at this time why it hung up."
	case ErrorUnreachable:
		return "Check the address that the host leads to, and the routes and firewalls on the way."
	case ErrorDNS:
		return "Check the host in the URL and its DNS records."
	case ErrorTLS:
		return "Check the certificate of the server: made for this host, not expired, and sent with its intermediate certificates."
	case ErrorBlocked:
		return "Give the webhook a public URL, or have the operator allow the network in POSTHORN_ALLOW_TARGET_CIDRS."
	case ErrorRedirect:
		return "Change the URL in the settings of the webhook to the one that answers."
	case ErrorTooLarge:
		return "Have the server answer with fewer headers: often these are cookies, which a webhook has no use for."
	case ErrorProtocol:
		return "Check that the URL has the right scheme and port: what answers there may not be a web server."
	case ErrorNone:
	}
	return ""
}

// statusMeaning says what a status that is no success means.
func statusMeaning(code int) string {
	switch code {
	case 400, 422:
		return "The server was reached and refused the body."
	case 401, 403:
		return "The endpoint refused the request."
	case 404, 405:
		return "The server answers, but not on this path for POST."
	case 406, 415:
		return "The endpoint does not take JSON as it is sent."
	case 408:
		return "The server gave up waiting for the request."
	case 409:
		return "The endpoint says that this does not go together with what it has."
	case statusGone:
		return "The endpoint said it is gone. Posthorn stopped retrying and disabled the webhook."
	case 413:
		return "The body is larger than the server takes."
	case 425:
		return "The server does not take requests this early on a connection."
	case statusTooMany:
		return "The endpoint gets more requests than it takes."
	case 500:
		return "The endpoint failed while it worked on the request."
	case 501:
		return "The server does not know how to answer this kind of request."
	case statusBadGateway:
		return "A proxy was reached, and got no valid answer from the server behind it."
	case 503:
		return "The server was reached but was not ready."
	case statusGatewayTimeout:
		return "A proxy was reached, and the server behind it did not answer in time."
	}
	switch {
	case code >= 500:
		return "The endpoint failed."
	case code >= firstErrorStatus:
		return "The endpoint refused the request."
	default:
		return "That is no answer a webhook can be delivered with."
	}
}

// statusAdvice says what to do about a status that is no success.
func statusAdvice(code int) string {
	switch code {
	case 400, 422:
		return "Compare the body of the request with what the endpoint expects; its answer may name the field."
	case 401, 403:
		return "Check the signing secret and the custom headers, such as Authorization."
	case 404, 405:
		return "Check the path of the URL, and that it takes POST."
	case 406, 415:
		return "Have it take application/json."
	case 409:
		return "If it has this event already, have it answer a repeated one with 2xx."
	case statusGone:
		return "If that was a mistake, mend the endpoint, activate the webhook and replay."
	case 413:
		return "Raise the limit for bodies on the server and on the proxies before it: an event has up to 256 KiB, and some more around it."
	case 408, 425:
		return "Retrying this status can be chosen in the settings of the webhook."
	case statusTooMany:
		return "A rate limit in the settings of the webhook keeps below what it takes. Retrying this status can be chosen there, too."
	case 500:
		return "Its log tells why at this time."
	case statusBadGateway, statusGatewayTimeout:
		return "Check that the server behind the proxy runs and answers in time."
	}
	if code >= firstErrorStatus && code < 500 {
		return "Its answer, or its log at this time, tells why."
	}
	return ""
}

// waitAsked says how long the endpoint asked to wait, empty when it did not.
func (a *Attempt) waitAsked() string {
	asked := a.askedToWait()
	switch {
	case asked > MaxRetryAfter:
		return "It asked to wait " + durationWords(asked) + " (`retry-after`), of which Posthorn waits 24 h."
	case asked > 0:
		return "It asked to wait " + durationWords(asked) + " (`retry-after`), and retries keep to that."
	case a.StatusCode == statusTooMany:
		return "It did not say how long to wait."
	default:
		return ""
	}
}

// askedToWait reads the header Retry-After: seconds, or a date.
func (a *Attempt) askedToWait() time.Duration {
	const year = 365 * 24 * 60 * 60
	value := strings.TrimSpace(headerValue(a.ResponseHeaders, "Retry-After"))
	if seconds, err := strconv.ParseUint(value, 10, 63); err == nil {
		return time.Duration(min(seconds, year)) * time.Second
	}
	at, err := time.Parse("Mon, 02 Jan 2006 15:04:05 GMT", value)
	if err != nil {
		return 0
	}
	return max(at.Sub(a.StartedAt).Round(time.Second), 0)
}

// cutWords says that the answer was not kept whole.
func (a *Attempt) cutWords() string {
	switch {
	case !a.ResponseTruncated:
		return ""
	case len(a.ResponseBody) >= MaxResponseBytes:
		return "The answer was longer than 64 KiB; its beginning was kept."
	case a.ErrorClass != ErrorNone:
		return "" // why it is not whole is said already
	default:
		return "The answer is not complete: it broke off, or could not be unpacked."
	}
}

// headerValue returns the first value of a header, whatever the case of its name; empty when it is not there.
func headerValue(headers []Header, name string) string {
	for _, h := range headers {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

// statusWords is a status with its name: "503 Service Unavailable".
func statusWords(code int) string {
	text := strconv.Itoa(code)
	if phrase := StatusPhrase(code); phrase != "" {
		text += " " + phrase
	}
	return text
}

// durationWords writes a duration for reading: "219 ms", "10 s", "2 h 30 min".
func durationWords(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "less than 1 ms"
	case d < time.Second:
		return strconv.FormatInt(d.Round(time.Millisecond).Milliseconds(), 10) + " ms"
	case d < 10*time.Minute:
		return strconv.FormatFloat(d.Round(10*time.Millisecond).Seconds(), 'f', -1, 64) + " s"
	case d < time.Hour:
		return strconv.Itoa(int(d.Round(time.Minute).Minutes())) + " min"
	}
	d = d.Round(time.Minute)
	hours, minutes := int(d/time.Hour), int(d%time.Hour/time.Minute)
	if minutes == 0 {
		return strconv.Itoa(hours) + " h"
	}
	return fmt.Sprintf("%d h %d min", hours, minutes)
}
