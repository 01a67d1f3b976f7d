package openapi

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// value is a part of the document. The zero value is absent: everything that is asked of it is empty.
type value struct{ node *yaml.Node }

// member is one member of a mapping.
type member struct {
	name  string
	value value
}

// resolved follows aliases.
func (v value) resolved() *yaml.Node {
	node := v.node
	for node != nil && node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}

// members returns those of a mapping in their order, with merged ones in the place of the merge.
func (v value) members() []member {
	node := v.resolved()
	if node == nil || node.Kind != yaml.MappingNode {
		return nil
	}
	var out []member
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, val := node.Content[i], value{node.Content[i+1]}
		if key.Tag == "!!merge" {
			out = append(out, val.members()...)
			continue
		}
		out = append(out, member{key.Value, val})
	}
	return out
}

// get returns what is under the names, one inside the other.
func (v value) get(names ...string) value {
	for _, name := range names {
		var found value
		for _, m := range v.members() {
			if m.name == name {
				found = m.value
			}
		}
		v = found
	}
	return v
}

// items returns those of a sequence.
func (v value) items() []value {
	node := v.resolved()
	if node == nil || node.Kind != yaml.SequenceNode {
		return nil
	}
	out := make([]value, len(node.Content))
	for i, item := range node.Content {
		out[i] = value{item}
	}
	return out
}

// text returns a scalar as it is written.
func (v value) text() string {
	if node := v.resolved(); node != nil && node.Kind == yaml.ScalarNode {
		return strings.TrimSpace(node.Value)
	}
	return ""
}

func (v value) isTrue() bool { return v.text() == "true" }

func (v value) given() bool { return v.node != nil }

// json writes the value as JSON, members in their order.
func (v value) json() json.RawMessage {
	var out bytes.Buffer
	v.write(&out)
	return out.Bytes()
}

func (v value) write(out *bytes.Buffer) {
	node := v.resolved()
	switch {
	case node == nil:
		out.WriteString("null")
	case node.Kind == yaml.MappingNode:
		out.WriteByte('{')
		for i, m := range v.members() {
			if i > 0 {
				out.WriteByte(',')
			}
			out.Write(quote(m.name))
			out.WriteByte(':')
			m.value.write(out)
		}
		out.WriteByte('}')
	case node.Kind == yaml.SequenceNode:
		out.WriteByte('[')
		for i, item := range v.items() {
			if i > 0 {
				out.WriteByte(',')
			}
			item.write(out)
		}
		out.WriteByte(']')
	case node.Tag == "!!int", node.Tag == "!!float", node.Tag == "!!bool", node.Tag == "!!null":
		out.WriteString(node.Value)
	default:
		out.Write(quote(node.Value))
	}
}

// with writes a mapping as JSON with another value for one of its members.
func (v value) with(name string, other []byte) json.RawMessage {
	var out bytes.Buffer
	for i, m := range v.members() {
		out.WriteByte("{,"[min(i, 1)])
		out.Write(quote(m.name))
		out.WriteByte(':')
		if m.name == name {
			out.Write(other)
			continue
		}
		m.value.write(&out)
	}
	out.WriteByte('}')
	return out.Bytes()
}

// quote writes text as a JSON string, without the escapes that protect HTML.
func quote(text string) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil {
		return []byte(strconv.Quote(text))
	}
	return bytes.TrimRight(out.Bytes(), "\n")
}
