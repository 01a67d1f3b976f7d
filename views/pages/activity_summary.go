package pages

import (
	"bytes"
	"encoding/json"
	"strings"

	"posthorn/internal/posthorn"
)

// Bounds of the line below a subject: it is cut on the screen, and a large summary must not swell the page.
const (
	summaryFields = 8
	summaryRunes  = 160
)

// summaryLine is the summary below a subject: its members in the order in which they were posted, "verdict: review · hits: 2".
func summaryLine(a *posthorn.Activity) string {
	var parts []string
	decoder := json.NewDecoder(bytes.NewReader(a.ResponseSummary))
	decoder.UseNumber()
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return ""
	}
	for decoder.More() && len(parts) < summaryFields {
		key, err := decoder.Token()
		if err != nil {
			break
		}
		var value json.RawMessage
		if decoder.Decode(&value) != nil {
			break
		}
		name, _ := key.(string)
		parts = append(parts, name+": "+plainJSON(value))
	}
	return shortened(strings.Join(parts, " · "))
}

// plainJSON writes a value for reading: text without quotes, the rest in one line.
func plainJSON(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil && string(value) != "null" {
		return text
	}
	var out bytes.Buffer
	if json.Compact(&out, value) != nil {
		return ""
	}
	return out.String()
}

func shortened(s string) string {
	if r := []rune(s); len(r) > summaryRunes {
		return string(r[:summaryRunes]) + "…"
	}
	return s
}
