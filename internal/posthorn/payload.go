package posthorn

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Outgoing is an event on its way to one webhook: all that its payload is made of.
type Outgoing struct {
	DeliveryID string
	Event      string
	// OccurredAt is the event's own time.
	OccurredAt time.Time
	// EventID, TenantID and ApplicationID are null in the payload where they are empty.
	EventID, TenantID, ApplicationID string
	// Data is a JSON object.
	Data json.RawMessage
}

// Payload returns the body of a delivery: the envelope, with data byte for byte as it was published, or the flat object of
// the scheme arkyc. Under kryptos data has a uid, null where it is not known. The same input makes the same bytes. It is an
// error when the data is not a JSON object.
func (s Scheme) Payload(o Outgoing) ([]byte, error) {
	if !isObject(o.Data) {
		return nil, fmt.Errorf("payload of %s for %s: the data is not a JSON object", o.EventID, o.DeliveryID)
	}
	switch s {
	case SchemeArkyc:
		return o.flat(), nil
	case SchemeKryptos:
		o.Data = addUID(o.Data, objectMembers(o.Data), nil)
	case SchemeStandard, SchemeSmartKYC, SchemeCustom:
	default:
		return nil, fmt.Errorf("payload of %s for %s: unknown scheme %q", o.EventID, o.DeliveryID, string(s))
	}
	return o.envelope(), nil
}

func (o *Outgoing) envelope() []byte {
	w := objectWriter{make([]byte, 0, 320+len(o.Data))}
	w.member("id", jsonText(o.DeliveryID))
	w.member("event", jsonText(o.Event))
	w.member("timestamp", jsonText(FormatTime(o.OccurredAt)))
	w.member("eventId", textOrNull(o.EventID))
	w.member("tenantId", textOrNull(o.TenantID))
	w.member("applicationId", textOrNull(o.ApplicationID))
	w.member("data", o.Data)
	return w.end()
}

// fieldUID is the member of the data that says which user an event is about.
const fieldUID = "uid"

// addUID returns data, a JSON object with these members, with "uid" as its first member, null for a nil uid, when it has none
// at the top level yet, however that is spelled in JSON; one that is null gets the value of a uid that is not nil. No other
// byte changes.
func addUID(data json.RawMessage, members []jsonMember, uid *string) json.RawMessage {
	value := jsonNull
	if uid != nil {
		value = jsonText(*uid)
	}
	if m, present := findMember(members, fieldUID); present {
		if uid == nil || !m.isNull() {
			return data
		}
		return slices.Concat(data[:m.at], value, data[m.at+len(m.value):])
	}
	open := bytes.IndexByte(data, '{') + 1
	out := make([]byte, 0, len(data)+len(`"uid":,`)+len(value))
	out = append(out, data[:open]...)
	out = append(append(out, `"uid":`...), value...)
	if len(members) > 0 {
		out = append(out, ',')
	}
	return append(out, data[open:]...)
}

// objectWriter writes a JSON object whose values are JSON already, so that their bytes stay as they are.
type objectWriter struct{ out []byte }

func (w *objectWriter) member(name string, value []byte) { w.raw(jsonText(name), value) }

// raw adds a member whose name is a JSON string already.
func (w *objectWriter) raw(name, value []byte) {
	separator := byte(',')
	if len(w.out) == 0 {
		separator = '{'
	}
	w.out = append(w.out, separator)
	w.out = append(append(w.out, name...), ':')
	w.out = append(w.out, value...)
}

// end returns the object, which has a member at least.
func (w *objectWriter) end() []byte { return append(w.out, '}') }

var jsonNull = []byte("null")

// jsonText returns text as a JSON string, without the escapes that protect HTML. Bytes that are not UTF-8 become U+FFFD.
func jsonText(text string) []byte {
	if isPlain(text) {
		out := make([]byte, 0, len(text)+2)
		return append(append(append(out, '"'), text...), '"')
	}
	out, err := marshal(text)
	if err != nil {
		panic("posthorn: a string is always JSON: " + err.Error())
	}
	return out
}

// isPlain reports whether text is the same inside of a JSON string.
func isPlain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c > '~' {
			return false
		}
	}
	return true
}

func textOrNull(text string) []byte {
	if text == "" {
		return jsonNull
	}
	return jsonText(text)
}
