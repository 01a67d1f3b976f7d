package pages

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/a-h/templ"
)

// Bounds of a document that is laid out.
const (
	// codeWidth is how wide a line may get, in characters, before an object or array is broken up.
	codeWidth = 88
	// codeDepth is how deeply values may be nested: deeper documents would be mostly indentation, up to hundreds of megabytes of it.
	codeDepth = 40
)

// errTooDeep says that a document is nested more deeply than codeDepth.
var errTooDeep = errors.New("nested too deeply")

// codeNode is a value of a JSON document, with its members in their order.
type codeNode struct {
	// text is a scalar, or an empty object or array; class is its colour.
	text, class string
	// open and shut are the brackets around children; keys are quoted and empty inside arrays.
	open, shut string
	keys       []string
	children   []codeNode
	// width is what the value takes on one line, in characters.
	width int
}

// parseCode reads a document that is to be laid out; ok is false when it is not JSON as a whole, or nested too deeply.
func parseCode(raw []byte) (root codeNode, ok bool) {
	if !json.Valid(raw) {
		return codeNode{}, false
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	root, err := readCode(dec, 0)
	return root, err == nil
}

// readCode reads the next value, which lies inside depth others.
func readCode(dec *json.Decoder, depth int) (codeNode, error) {
	token, err := dec.Token()
	if err != nil {
		return codeNode{}, err
	}
	switch token := token.(type) {
	case json.Delim:
		if depth == codeDepth {
			return codeNode{}, errTooDeep
		}
		return readContainer(dec, token == '{', depth+1)
	case string:
		return scalar(quoted(token), "s"), nil
	case json.Number:
		return scalar(token.String(), "n"), nil
	case bool:
		if token {
			return scalar("true", "b"), nil
		}
		return scalar("false", "b"), nil
	default:
		return scalar("null", "b"), nil
	}
}

func scalar(text, class string) codeNode {
	return codeNode{text: text, class: class, width: utf8.RuneCountInString(text)}
}

// readContainer reads the members of an object or array whose opening bracket was read; they lie inside depth others.
func readContainer(dec *json.Decoder, object bool, depth int) (codeNode, error) {
	n := codeNode{open: "[", shut: "]", width: 2}
	if object {
		n.open, n.shut = "{", "}"
	}
	for dec.More() {
		key := ""
		if object {
			token, err := dec.Token()
			if err != nil {
				return n, err
			}
			name, _ := token.(string)
			key = quoted(name)
			n.width += utf8.RuneCountInString(key) + len(": ")
		}
		child, err := readCode(dec, depth)
		if err != nil {
			return n, err
		}
		n.keys, n.children = append(n.keys, key), append(n.children, child)
		n.width += child.width + len(", ")
	}
	if len(n.children) == 0 {
		n.text, n.width = n.open+n.shut, len("{}")
	}
	_, err := dec.Token()
	return n, err
}

// quoted writes a string as JSON, without the escapes that protect HTML.
func quoted(s string) string {
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return `""`
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// codeWriter lays a document out. put gets every piece of it, with the class of its colour, empty for none.
type codeWriter struct{ put func(class, text string) }

// value writes a value at a column of a line that is indented so far; outermost values are always broken up.
func (w codeWriter) value(n codeNode, indent, column int) {
	switch {
	case len(n.children) == 0:
		w.put(n.class, n.text)
	case indent > 0 && column+n.width <= codeWidth:
		w.put("", n.open)
		w.members(n, func(i int) {
			if i > 0 {
				w.put("", " ")
			}
		}, func(child codeNode, _ int) { w.value(child, indent+1, 0) })
		w.put("", n.shut)
	default:
		inner := "\n" + strings.Repeat("  ", indent+1)
		w.put("", n.open)
		w.members(n, func(int) { w.put("", inner) }, func(child codeNode, column int) { w.value(child, indent+1, 2*(indent+1)+column) })
		w.put("", "\n"+strings.Repeat("  ", indent)+n.shut)
	}
}

// members writes the members of a value, each after before and with a comma at its end but for the last.
func (w codeWriter) members(n codeNode, before func(i int), value func(child codeNode, column int)) {
	for i, child := range n.children {
		before(i)
		column := 0
		if key := n.keys[i]; key != "" {
			w.put("k", key)
			w.put("", ": ")
			column = utf8.RuneCountInString(key) + len(": ")
		}
		value(child, column)
		if i < len(n.children)-1 {
			w.put("", ",")
		}
	}
}

// highlighted shows a document laid out and coloured; what is not JSON, or is nested too deeply, is shown as it is.
func highlighted(raw []byte) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, out io.Writer) error {
		var html strings.Builder
		root, ok := parseCode(raw)
		if !ok {
			root = codeNode{text: string(raw)}
		}
		codeWriter{func(class, text string) {
			if class == "" {
				html.WriteString(templ.EscapeString(text))
				return
			}
			html.WriteString(`<span class="` + class + `">` + templ.EscapeString(text) + `</span>`)
		}}.value(root, 0, 0)
		_, err := io.WriteString(out, html.String())
		return err
	})
}

// EditableJSON is a document as a form shows it: as it was typed, or laid out when it is all on one line.
func EditableJSON(raw []byte) string {
	root, ok := parseCode(raw)
	if !ok || bytes.ContainsRune(raw, '\n') {
		return string(raw)
	}
	var text strings.Builder
	codeWriter{func(_, piece string) { text.WriteString(piece) }}.value(root, 0, 0)
	return text.String()
}
