package posthorn

import (
	"bytes"
	"encoding/json"
	"slices"
	"unicode/utf8"
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
	// at is where the value begins, in bytes of the object, and depth how deep it is nested.
	at, depth int
}

// isNull reports whether the value is null.
func (m jsonMember) isNull() bool { return bytes.Equal(m.value, jsonNull) }

// objectMembers returns the members of a valid JSON object in their order, repeated names included. The slices share the
// object's memory.
func objectMembers(object []byte) []jsonMember {
	members := make([]jsonMember, 0, 8)
	rest := object[bytes.IndexByte(object, '{')+1:]
	for {
		rest = bytes.TrimLeft(rest, jsonSpace+",")
		if len(rest) == 0 || rest[0] != '"' {
			return members
		}
		var m jsonMember
		m.rawName, rest, _ = cutValue(rest)
		m.name, _ = textOf(m.rawName)
		rest = bytes.TrimLeft(rest, jsonSpace+":")
		m.at = len(object) - len(rest)
		m.value, rest, m.depth = cutValue(rest)
		members = append(members, m)
	}
}

// arrayItems returns the items of a valid JSON array. The slices share its memory.
func arrayItems(array []byte) []json.RawMessage {
	var items []json.RawMessage
	rest := array[bytes.IndexByte(array, '[')+1:]
	for {
		rest = bytes.TrimLeft(rest, jsonSpace+",")
		if len(rest) == 0 || rest[0] == ']' {
			return items
		}
		var item []byte
		item, rest, _ = cutValue(rest)
		items = append(items, item)
	}
}

// textOf decodes a JSON value that is a string. Most need no more than their quotes taken off.
func textOf(value []byte) (text string, ok bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	if plain := value[1 : len(value)-1]; bytes.IndexByte(plain, '\\') < 0 && utf8.Valid(plain) {
		return string(plain), true
	}
	return unquote(value)
}

// unquote decodes a JSON string with escapes, or with bytes that are not UTF-8.
func unquote(value []byte) (text string, ok bool) {
	err := json.Unmarshal(value, &text)
	return text, err == nil
}

// cutValue cuts the JSON value off that valid JSON begins with, and tells how deep it is nested: 0 for what is neither object
// nor array.
func cutValue(raw []byte) (value, rest []byte, deepest int) {
	depth, inString := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case inString && c == '\\':
			i++
			continue
		case c == '"':
			inString = !inString
			if !inString && depth == 0 {
				return raw[:i+1], raw[i+1:], deepest
			}
		case inString:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case depth == 0 && (c == ',' || c == '}' || c == ']' || bytes.IndexByte([]byte(jsonSpace), c) >= 0):
			// The end of a number, true, false or null.
			return raw[:i], raw[i:], deepest
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return raw[:i+1], raw[i+1:], deepest
			}
		}
	}
	return raw, nil, deepest
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
