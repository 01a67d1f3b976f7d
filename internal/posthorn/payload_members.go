package posthorn

import (
	"bytes"
	"encoding/json"
	"slices"
)

// jsonSpace are the bytes that JSON allows between its parts.
const jsonSpace = " \t\r\n"

// isObject reports whether raw is one JSON object.
func isObject(raw []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(raw, jsonSpace), []byte("{")) && json.Valid(raw)
}

// jsonMember is a member of a JSON object: its name decoded, and name and value as they were written.
type jsonMember struct {
	name    string
	rawName []byte
	value   []byte
}

// isNull reports whether the value is null.
func (m jsonMember) isNull() bool { return bytes.Equal(m.value, jsonNull) }

// objectMembers returns the members of a valid JSON object in their order, repeated names included. The slices share the
// object's memory.
func objectMembers(object []byte) []jsonMember {
	var members []jsonMember
	rest := object[bytes.IndexByte(object, '{')+1:]
	for {
		rest = bytes.TrimLeft(rest, jsonSpace+",")
		if len(rest) == 0 || rest[0] != '"' {
			return members
		}
		var m jsonMember
		m.rawName, rest = cutValue(rest)
		// A valid string always decodes.
		_ = json.Unmarshal(m.rawName, &m.name)
		rest = bytes.TrimLeft(rest, jsonSpace+":")
		m.value, rest = cutValue(rest)
		members = append(members, m)
	}
}

// cutValue cuts the JSON value off that valid JSON begins with.
func cutValue(raw []byte) (value, rest []byte) {
	depth, inString := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case inString && c == '\\':
			i++
			continue
		case c == '"':
			inString = !inString
			if !inString && depth == 0 {
				return raw[:i+1], raw[i+1:]
			}
		case inString:
		case c == '{' || c == '[':
			depth++
		case depth == 0 && (c == ',' || c == '}' || c == ']' || bytes.IndexByte([]byte(jsonSpace), c) >= 0):
			// The end of a number, true, false or null.
			return raw[:i], raw[i:]
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return raw[:i+1], raw[i+1:]
			}
		}
	}
	return raw, nil
}

// findMember returns the member that a reader of the object sees under a name: the last one.
func findMember(members []jsonMember, name string) (jsonMember, bool) {
	for _, m := range slices.Backward(members) {
		if m.name == name {
			return m, true
		}
	}
	return jsonMember{}, false
}
