package ui

import (
	"context"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
)

// middleTail is how many characters of a cut text stay at its end.
const middleTail = 8

// MiddleProps describes a long identifier of which head and tail matter.
type MiddleProps struct {
	// Text is shown whole in the title.
	Text string
}

// head is what may shrink, with an ellipsis at its end.
func (p MiddleProps) head() string {
	runes := []rune(p.Text)
	return string(runes[:max(0, len(runes)-middleTail)])
}

// tail is what always stays.
func (p MiddleProps) tail() string {
	runes := []rune(p.Text)
	return string(runes[max(0, len(runes)-middleTail):])
}

// TimeStyle is how a time is written.
type TimeStyle int

// The styles.
const (
	// Ago is relative, "3 min ago", and ticks with the script; the title has the absolute time.
	Ago TimeStyle = iota
	// Clock is "14:36:10" for the day of Now, else with the date, and with the year when it is another one.
	Clock
	// Full is "20 Nov 2026, 14:36:10 UTC".
	Full
)

const (
	fullLayout = "2 Jan 2006, 15:04:05 MST"
	wireLayout = "2006-01-02T15:04:05.000Z07:00"
)

// TimeProps describes a moment.
type TimeProps struct {
	At time.Time
	// Now is the moment of the page.
	Now time.Time
	// Zone is the reader's; UTC when nil.
	Zone  *time.Location
	Style TimeStyle
}

func (p TimeProps) zone() *time.Location {
	if p.Zone == nil {
		return time.UTC
	}
	return p.Zone
}

// wire is the value of datetime, in UTC with milliseconds.
func (p TimeProps) wire() string { return p.At.UTC().Format(wireLayout) }

// full is the absolute time in the reader's zone.
func (p TimeProps) full() string { return p.At.In(p.zone()).Format(fullLayout) }

// ticks says whether the script keeps the text up to date.
func (p TimeProps) ticks() bool { return p.Style == Ago && p.Now.Sub(p.At) < agoLimit }

func (p TimeProps) text() string {
	switch p.Style {
	case Clock:
		at, now := p.At.In(p.zone()), p.Now.In(p.zone())
		if at.YearDay() == now.YearDay() && at.Year() == now.Year() {
			return at.Format("15:04:05")
		}
		if at.Year() != now.Year() {
			return at.Format("2 Jan 2006 15:04")
		}
		return at.Format("2 Jan 15:04:05")
	case Full:
		return p.full()
	default:
		if !p.ticks() {
			return p.At.In(p.zone()).Format("2 Jan 2006")
		}
		return Relative(p.At, p.Now)
	}
}

// agoLimit is the age from which a date says more than a number of days.
const agoLimit = 30 * 24 * time.Hour

// Relative writes how long before now a moment was: "now", "12 s ago", "3 min ago", "2 h ago", "4 d ago". A moment ahead of now, as
// clocks differ, is "now".
func Relative(at, now time.Time) string {
	seconds := int64(now.Sub(at) / time.Second)
	switch {
	case seconds < 5:
		return "now"
	case seconds < 60:
		return strconv.FormatInt(seconds, 10) + " s ago"
	case seconds < 60*60:
		return strconv.FormatInt(seconds/60, 10) + " min ago"
	case seconds < 24*60*60:
		return strconv.FormatInt(seconds/3600, 10) + " h ago"
	default:
		return strconv.FormatInt(seconds/86400, 10) + " d ago"
	}
}

// Count writes a number with thousands separators: 12480 is "12,480".
func Count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// Bytes writes a size: "71 bytes", "1.2 KB", "3.4 MB".
func Bytes(n int) string {
	switch {
	case n == 1:
		return "1 byte"
	case n < 1000:
		return strconv.Itoa(n) + " bytes"
	case n < 1000*1000:
		return strconv.FormatFloat(float64(n)/1000, 'f', 1, 64) + " KB"
	default:
		return strconv.FormatFloat(float64(n)/1000/1000, 'f', 1, 64) + " MB"
	}
}

// withCode writes a sentence that may name things as in code, between backticks. A backtick without another is one.
func withCode(text string) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, out io.Writer) error {
		parts := strings.Split(text, "`")
		if len(parts)%2 == 0 {
			parts = []string{text}
		}
		var html strings.Builder
		for i, part := range parts {
			part = templ.EscapeString(part)
			if i%2 == 1 {
				part = `<code class="font-mono text-xs">` + part + `</code>`
			}
			html.WriteString(part)
		}
		_, err := io.WriteString(out, html.String())
		return err
	})
}
