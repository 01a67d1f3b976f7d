package listen

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
)

// received is one request, read whole.
type received struct {
	at           time.Time
	method, path string
	header       http.Header
	body         []byte
	// err is what kept the body from being read.
	err      error
	attempt  int
	verified bool
	problem  string
}

// id is that of the delivery, the same at each of its attempts.
func (g *received) id() string { return g.header.Get("webhook-id") }

// event is the event's type, as the body of every scheme has it.
func (g *received) event() string {
	var body struct {
		Event string `json:"event"`
	}
	// A body that is something else has none.
	if json.Unmarshal(g.body, &body) != nil || body.Event == "" {
		return g.method + " " + g.path
	}
	return body.Event
}

// print writes a request: a line that says all, why it is not verified in another, and the body below where it is wanted.
func (r *Receiver) print(g *received, a answer) {
	var text strings.Builder
	id := g.id()
	if id == "" {
		id = "without webhook-id"
	}
	fmt.Fprintf(&text, "%s  %s  %s  attempt %d  %s  %s\n", g.at.Format("15:04:05.000"), printable(g.event()), printable(id), g.attempt,
		r.verdict(g), r.reply(a))
	if g.problem != "" {
		fmt.Fprintf(&text, "    %s\n", printable(g.problem))
	}
	if r.opts.Body && len(g.body) > 0 {
		fmt.Fprintf(&text, "    %s\n", indented(g.body))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, _ = r.opts.Out.Write([]byte(text.String())) // nobody reads it any more, and the sender still gets its answer
}

// verdict says whether a request is what it claims to be.
func (r *Receiver) verdict(g *received) string {
	switch {
	case g.problem != "":
		return "NOT VERIFIED"
	case !g.verified:
		return "not checked (no secret)"
	default:
		return "verified (" + string(r.opts.Signature.Scheme) + ")"
	}
}

// reply says how a request is answered.
func (r *Receiver) reply(a answer) string {
	if r.opts.Hang {
		return "-> no answer"
	}
	text := fmt.Sprintf("-> %d", a.status)
	if r.opts.Delay > 0 {
		text += " after " + r.opts.Delay.String()
	}
	if a.retryAfter != "" {
		text += ", Retry-After " + a.retryAfter
	}
	return text
}

// indented is a body as people read it; what is no JSON stays as it came.
func indented(body []byte) string {
	var out bytes.Buffer
	if json.Indent(&out, body, "    ", "  ") != nil {
		return printable(string(body))
	}
	lines := strings.Split(out.String(), "\n")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	return strings.Join(lines, "\n")
}

// printable takes out what could make a terminal do things: the request may come from anybody.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// Describe says in one line what the receiver does, without the secret.
func (r *Receiver) Describe() string {
	text := "verifies deliveries of the scheme " + string(r.opts.Signature.Scheme)
	if len(r.opts.Secrets) == 0 {
		text = "has no secret, so nothing is verified"
	}
	switch {
	case r.opts.Hang:
		return text + ", and never answers"
	case r.opts.FailFirst > 0:
		return fmt.Sprintf("%s, and answers the first %d attempts of each delivery with %d", text, r.opts.FailFirst,
			r.answer(&received{method: http.MethodPost, attempt: 1}).status)
	case r.opts.Status != 0:
		return fmt.Sprintf("%s, and answers %d", text, r.opts.Status)
	}
	return text
}
