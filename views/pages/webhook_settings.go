package pages

import (
	"slices"
	"strconv"
	"strings"

	"posthorn/internal/posthorn"
	"posthorn/views/ui"
)

// WebhookDifferences lists the fields on which the form of what is stored and one's own disagree.
func WebhookDifferences(theirs, mine *WebhookForm, applications []posthorn.Application) []Difference {
	var out []Difference
	add := func(label, a, b string) {
		if a != b {
			out = append(out, Difference{Label: label, Theirs: a, Yours: b})
		}
	}
	add("Name", theirs.Name, mine.Name)
	add("URL", theirs.URL, mine.URL)
	add("Status", activeWord(theirs.Active), activeWord(mine.Active))
	add("Application", applicationWord(applications, theirs.Application), applicationWord(applications, mine.Application))
	add("Description", theirs.Description, mine.Description)
	add("Events", eventList(theirs), eventList(mine))
	add("Custom headers", headerList(theirs), headerList(mine))
	add("Signature", signatureWords(theirs.Signature), signatureWords(mine.Signature))
	add("Timeout, seconds", theirs.Timeout, mine.Timeout)
	add("Attempts", theirs.MaxAttempts, mine.MaxAttempts)
	add("Also retry", strings.Join(theirs.RetryOn, ", "), strings.Join(mine.RetryOn, ", "))
	add("Rate limit", theirs.RateLimit, mine.RateLimit)
	add("Requests in flight", theirs.MaxInFlight, mine.MaxInFlight)
	return out
}

func activeWord(active bool) string {
	if active {
		return "Active"
	}
	return "Inactive"
}

func applicationWord(applications []posthorn.Application, id string) string {
	for _, a := range applications {
		if a.ID.String() == id {
			return a.Name
		}
	}
	return "All applications"
}

// eventList is what a form subscribes to, in an order that does not depend on how it was typed.
func eventList(f *WebhookForm) string {
	return strings.Join(slices.Sorted(slices.Values(f.Events)), ", ")
}

// headerList names the headers of a form, and says for which a value was typed: whether it is the one that is stored, nobody
// sees. Rows without either are nothing.
func headerList(f *WebhookForm) string {
	words := make([]string, 0, len(f.Headers))
	for _, h := range f.Headers {
		switch name := strings.TrimSpace(h.Name); {
		case h.Value != "":
			words = append(words, name+" (new value)")
		case name != "":
			words = append(words, name)
		}
	}
	return strings.Join(words, ", ")
}

// signatureWords is a scheme with its options.
func signatureWords(s posthorn.Signature) string {
	words := s.Scheme.Label()
	switch {
	case s.Scheme == posthorn.SchemeCustom:
		words += " (" + s.Header + ": " + signatureMeaning(s)
		if s.TimestampHeader != "" {
			words += ", time in " + s.TimestampHeader
		}
		words += ")"
	case s.UsesTenantSecret():
		words += ", with the API secret of the organisation"
	}
	return words
}

// question is the title of what is asked.
func (p WebhookConfirmProps) question(verb string) string { return verb + " " + p.Webhook.Name + "?" }

// overlaps are how long the old secret may sign on.
func (p WebhookConfirmProps) overlaps() []ui.Option {
	options := make([]ui.Option, len(secretOverlaps))
	for i, o := range secretOverlaps {
		options[i] = ui.Option{Value: strconv.Itoa(int(o.overlap.Seconds())), Label: o.label}
		options[i].Selected = options[i].Value == p.Overlap
	}
	return options
}

// rotateText says what happens while two secrets are live.
func (p WebhookConfirmProps) rotateText() string {
	if p.Webhook.Signature.SignsWithEverySecret() {
		return "Until the old secret ends, every delivery carries a signature of each, so you can switch without losing events."
	}
	return "This scheme has room for one signature. The old secret goes on signing until it ends, or until you press “Use the new secret now”."
}
