package pages

import (
	"strconv"
	"time"

	"posthorn/internal/posthorn"
	"posthorn/views/ui"
)

// How the pages write moments, counts, lengths of time, and what an attempt came to.

// zoned is a moment on the clock of a reader; without a zone that is UTC.
func zoned(t time.Time, zone *time.Location) time.Time {
	if zone == nil {
		return t.UTC()
	}
	return t.In(zone)
}

// zoneName is the short name that a reader's time zone has at a moment.
func zoneName(at time.Time, zone *time.Location) string { return zoned(at, zone).Format("MST") }

// plural counts things: "1 key", "3 keys".
func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return strconv.Itoa(n) + " " + word + "s"
}

// countText writes a count, "129", or one that stopped before the end, "2,000+".
func countText(n int64, more bool) string {
	text := ui.Count(n)
	if more {
		text += "+"
	}
	return text
}

// counted is a count that may have stopped before the end, with its noun: "1 event", "2,000+ events".
func counted(n int64, more bool, one, many string) string {
	if n == 1 && !more {
		return "1 " + one
	}
	return countText(n, more) + " " + many
}

// took writes how long an attempt took, as figures do: "219 ms", "10.00 s". What is measured over many attempts is written by
// ui.Milliseconds.
func took(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "< 1 ms"
	case d >= time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) + " s"
	}
	return strconv.FormatInt(d.Round(time.Millisecond).Milliseconds(), 10) + " ms"
}

// tookFinely writes a short duration more finely than took: "0.42 ms", "12.4 ms".
func tookFinely(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case ms < 10:
		return strconv.FormatFloat(ms, 'f', 2, 64) + " ms"
	case ms < 100:
		return strconv.FormatFloat(ms, 'f', 1, 64) + " ms"
	default:
		return took(d)
	}
}

// spanText writes about how long something is, rounded: "8 s", "10 min", "2 h", "3 d".
func spanText(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < 2*time.Minute:
		return strconv.Itoa(int(d.Round(time.Second).Seconds())) + " s"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d.Round(time.Minute).Minutes())) + " min"
	case d < 2*day:
		return strconv.Itoa(int(d.Round(time.Hour).Hours())) + " h"
	default:
		return strconv.Itoa(int(d/day)) + " d"
	}
}

// ageText writes how old something is, in whole units that have passed: "12 s", "1 h 12 min", "3 d 4 h".
func ageText(d time.Duration) string {
	n := func(of, unit time.Duration, word string) string { return strconv.FormatInt(int64(of/unit), 10) + word }
	two := func(unit, part time.Duration, words, parts string) string {
		text := n(d, unit, words)
		if rest := d % unit; rest >= part {
			text += " " + n(rest, part, parts)
		}
		return text
	}
	switch {
	case d < time.Minute:
		return n(max(d, 0), time.Second, " s")
	case d < time.Hour:
		return n(d, time.Minute, " min")
	case d < day:
		return two(time.Hour, time.Minute, " h", " min")
	default:
		return two(day, time.Hour, " d", " h")
	}
}

// errorClassText says in a word or two what an attempt came to that has no status, or failed in spite of it.
func errorClassText(class posthorn.ErrorClass) string {
	switch class {
	case posthorn.ErrorTimeout:
		return "Timed out"
	case posthorn.ErrorRefused:
		return "Connection refused"
	case posthorn.ErrorReset:
		return "Connection closed"
	case posthorn.ErrorUnreachable:
		return "Unreachable"
	case posthorn.ErrorDNS:
		return "Name not found"
	case posthorn.ErrorTLS:
		return "TLS failed"
	case posthorn.ErrorBlocked:
		return "Address not allowed"
	case posthorn.ErrorRedirect:
		return "Redirected"
	case posthorn.ErrorTooLarge:
		return "Headers too large"
	case posthorn.ErrorProtocol:
		return "Not HTTP"
	case posthorn.ErrorNone:
	}
	return "No answer"
}
