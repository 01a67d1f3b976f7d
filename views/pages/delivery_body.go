package pages

import (
	"bytes"
	"context"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/a-h/templ"

	"posthorn/internal/posthorn"
	"posthorn/views/ui"
)

// Bounds of what of a body is shown.
const (
	// shownBody is in bytes; the whole body can be downloaded.
	shownBody = 64 << 10
	// shownSigned is how much of the body is shown again as part of what is signed, in bytes.
	shownSigned = 2 << 10
)

// deliveryBody is a body ready to be shown.
type deliveryBody struct {
	// raw is what is shown of a text, laid out where it is JSON.
	raw []byte
	// note is shown instead of the text, or below it.
	note string
	text bool
}

// bodyOf prepares a body of whatever bytes.
func bodyOf(raw []byte, contentType string, cut bool) deliveryBody {
	if len(raw) == 0 {
		return deliveryBody{note: "Empty"}
	}
	text := raw
	if cut || len(raw) > shownBody {
		text = wholeRunes(raw[:min(len(raw), shownBody)])
	}
	if !isText(text) {
		kind, _, _ := strings.Cut(contentType, ";")
		if kind = strings.TrimSpace(kind); kind == "" {
			kind = "no content-type"
		}
		return deliveryBody{note: "Binary, " + ui.Bytes(len(raw)) + ", " + kind}
	}
	return deliveryBody{raw: text, text: true}
}

// headerText writes headers one a line, with those named as hidden whose values are secrets.
func headerText(headers []posthorn.Header) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, out io.Writer) error {
		var html strings.Builder
		for i, h := range headers {
			if i > 0 {
				html.WriteByte('\n')
			}
			html.WriteString(`<span class="k">` + templ.EscapeString(h.Name) + `:</span> ` + templ.EscapeString(h.Value))
			if h.Value == posthorn.HeaderMask {
				html.WriteString(" (custom, hidden)")
			}
		}
		_, err := io.WriteString(out, html.String())
		return err
	})
}

// wholeRunes drops what was cut of the last character.
func wholeRunes(raw []byte) []byte {
	for i := 1; i <= utf8.UTFMax && i <= len(raw); i++ {
		if c := raw[len(raw)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(raw[len(raw)-i:]) {
				return raw[:len(raw)-i]
			}
			break
		}
	}
	return raw
}

// isText reports whether bytes can be read: UTF-8 without control characters but line breaks and tabs.
func isText(raw []byte) bool {
	return utf8.Valid(raw) && !bytes.ContainsFunc(raw, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == 0x7f })
}

func (p DeliveryProps) attempt() *posthorn.Attempt { return p.Delivery.Attempt }

// responseBody is what was kept of the answer to an attempt.
func responseBody(a *posthorn.Attempt) deliveryBody {
	body := bodyOf(a.ResponseBody, headerOf(a.ResponseHeaders, "Content-Type"), a.ResponseTruncated)
	if body.text && a.ResponseTruncated {
		body.note = "Cut after " + ui.Bytes(len(a.ResponseBody)) + "."
	}
	return body
}

// responseSize is how much of the answer's body was kept.
func (p DeliveryProps) responseSize() string {
	size := ui.Bytes(len(p.attempt().ResponseBody))
	if p.attempt().ResponseTruncated {
		return "more than " + size
	}
	return size
}

// requestBody is what was sent; it is shown in part where it is large.
func requestBody(e *posthorn.LogEntry) deliveryBody {
	raw := e.Body()
	if raw == nil {
		return deliveryBody{note: "The event is past the retention, and the body with it."}
	}
	body := bodyOf(raw, "application/json", false)
	if len(raw) > shownBody {
		body.note = "Cut after " + ui.Bytes(len(body.raw)) + " of " + ui.Bytes(len(raw)) + "."
	}
	return body
}

// signedText is what was signed, with the body cut short.
func (p DeliveryProps) signedText() (text string, cut bool) {
	c := &p.Delivery.Signature
	body := c.Signed[len(c.Before):]
	if len(body) > shownSigned {
		return c.Before + string(wholeRunes(body[:shownSigned])) + "…", true
	}
	return string(c.Signed), false
}

func headerOf(headers []posthorn.Header, name string) string {
	for _, h := range headers {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

// timing is one bar of the timings.
type timing struct {
	label, text string
	// x and width are of 100.
	x, width string
	total    bool
}

// timings are the phases of an attempt, each beginning where the one before ended.
func (p DeliveryProps) timings() []timing {
	a := p.attempt()
	if a.Total <= 0 {
		return nil
	}
	at := time.Duration(0)
	var rows []timing
	add := func(label string, d time.Duration) {
		row := timing{label: label, text: "–"}
		if d > 0 {
			row.text, row.width = tookFinely(d), barWidth(d, a.Total)
			row.x = strconv.FormatFloat(min(100*float64(at)/float64(a.Total), 98.5), 'f', 2, 64)
		}
		at += d
		rows = append(rows, row)
	}
	add("DNS", a.DNS)
	add("Connect", a.Connect)
	add("TLS", a.TLS)
	add("First byte", a.FirstByte)
	if a.StatusCode != 0 {
		add("Body", max(a.Total-at, 0))
	}
	return append(rows, timing{label: "Total", text: tookFinely(a.Total), x: "0", width: "100", total: true})
}

// timingsNote explains phases that are missing.
func (p DeliveryProps) timingsNote() string {
	a := p.attempt()
	switch {
	case a.FirstByte > 0 && a.DNS+a.Connect+a.TLS == 0:
		return "The connection was open already."
	case a.StatusCode == 0:
		return "What is missing was not reached."
	default:
		return ""
	}
}

// wentTo says where the attempt went beside its URL, empty when it went nowhere.
func (p DeliveryProps) wentTo() string {
	a := p.attempt()
	if a.RemoteAddress == "" {
		return ""
	}
	if a.HTTPVersion == "" {
		return a.RemoteAddress
	}
	return a.RemoteAddress + ", " + a.HTTPVersion
}
