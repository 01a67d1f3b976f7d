package posthorn

import (
	"slices"
	"strings"
)

// flat is the payload of the scheme arkyc. What data says under the name of a field, in snake_case or else in camelCase, is
// copied as it is; null counts as not said. Verification events have these fields alone, all others carry beside them what
// else is in their data, but for names that are taken.
func (o *Outgoing) flat() []byte {
	w := flatWriter{members: objectMembers(o.Data)}
	w.fixed("event", jsonText(o.Event))
	w.field("session_id", "sessionId", w.firstOf(resourceIDNames(o.Event)))
	w.fixed("tenant_id", textOrNull(o.TenantID))
	w.fixed("project_id", textOrNull(o.ApplicationID))
	w.field("user_reference", "userReference", w.firstOf([]string{fieldUID}))
	w.field("status", "status", jsonText(actionOf(o.Event)))
	w.field("checks", "checks", []byte("{}"))
	w.field("decision_reason", "decisionReason", jsonNull)
	w.fixed("created_at", jsonText(FormatTime(o.OccurredAt)))
	if !strings.HasPrefix(o.Event, "verification.") {
		w.remaining()
	}
	return w.end()
}

// flatWriter writes an object from the members of another and remembers which names are taken.
type flatWriter struct {
	objectWriter
	members []jsonMember
	taken   []string
}

// fixed writes a field that data has no say in.
func (w *flatWriter) fixed(name string, value []byte) {
	w.taken = append(w.taken, name)
	w.member(name, value)
}

// field writes a field with the value that data gives it under its name, else under the camelCase one, else the fallback.
func (w *flatWriter) field(name, camelCase string, fallback []byte) {
	value := fallback
	for _, source := range []string{name, camelCase} {
		if m, ok := findMember(w.members, source); ok && !m.isNull() {
			value = m.value
			w.taken = append(w.taken, source)
			break
		}
	}
	w.fixed(name, value)
}

// firstOf returns the first value that is there and not null, by the names in their order, else null.
func (w *flatWriter) firstOf(names []string) []byte {
	for _, name := range names {
		if m, ok := findMember(w.members, name); ok && !m.isNull() {
			return m.value
		}
	}
	return jsonNull
}

// remaining writes what is left of the members.
func (w *flatWriter) remaining() {
	for _, m := range w.members {
		if !slices.Contains(w.taken, m.name) {
			w.raw(m.rawName, m.value)
		}
	}
}

// actionOf is what happened, which is the last part of an event's name: "completed" of "aml.screening.completed".
func actionOf(event string) string { return event[strings.LastIndexByte(event, '.')+1:] }

// resourceIDNames are the names under which data may carry the id of what an event is about, best first: verificationId, id,
// and the parts of the event's name before the action, such as submissionId. What aml events are about is a submission.
func resourceIDNames(event string) []string {
	names := []string{"verificationId", "verification_id", "id"}
	parts := strings.Split(event, ".")
	for _, part := range parts[:len(parts)-1] {
		names = append(names, part+"Id", part+"_id")
	}
	if parts[0] == "aml" {
		names = append(names, "submissionId", "submission_id")
	}
	return names
}
