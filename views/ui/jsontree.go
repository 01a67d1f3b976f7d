package ui

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what a tree renders. The raw text beside it is always complete.
const (
	// DefaultTreeNodes is how many values a tree shows unless told otherwise.
	DefaultTreeNodes = 1000
	treeDepth        = 40
	treeStringRunes  = 2000
	treeOpenDepth    = 3
	treeLarge        = 200 // values from which only the outermost ones are unfolded
)

// JSONTreeProps describes a JSON document.
type JSONTreeProps struct {
	// ID is unique on the page; the raw text gets ID + "-raw".
	ID string
	// Title names the document: "Response payload".
	Title string
	// Raw is the document as it was received. Empty means that there is none.
	Raw []byte
	// MaxNodes bounds the values shown; 0 means DefaultTreeNodes.
	MaxNodes int
}

// jsonNode is one value, ready to be rendered.
type jsonNode struct {
	// key is the quoted key, empty inside arrays and at the root.
	key string
	// class colours a scalar: s, n or b.
	class string
	// text is a scalar's literal, or an empty container.
	text string
	// open and shut are the brackets of a container with children.
	open, shut string
	// fold stands for the children while they are folded.
	fold     string
	expanded bool
	// comma is "," unless the value is the last one.
	comma    string
	children []*jsonNode
}

// jsonView is what the template renders.
type jsonView struct {
	raw string
	// root is nil when the text is not JSON that can be shown as a tree.
	root *jsonNode
	// cut says that the tree leaves something out.
	cut bool
	// large trees start folded and scroll in a frame.
	large bool
}

// view parses the document. Key order, duplicate keys and number literals stay as they are.
func (p JSONTreeProps) view() jsonView {
	view := jsonView{raw: indented(p.Raw)}
	if !json.Valid(p.Raw) {
		return view
	}
	budget := p.MaxNodes
	if budget <= 0 {
		budget = DefaultTreeNodes
	}
	decoder := json.NewDecoder(bytes.NewReader(p.Raw))
	decoder.UseNumber()
	builder := treeBuilder{decoder: decoder, budget: budget}
	root, err := builder.value(0)
	if err != nil && !errors.Is(err, errTreeFull) {
		return view
	}
	view.root, view.cut = root, builder.cut
	if view.large = budget-builder.budget > treeLarge; view.large {
		root.foldInner()
	}
	return view
}

// errTreeFull ends the walk when the budget is spent.
var errTreeFull = errors.New("tree is full")

type treeBuilder struct {
	decoder *json.Decoder
	budget  int
	cut     bool
}

// value reads one value. With errTreeFull the node holds what was read before the budget ended.
func (b *treeBuilder) value(depth int) (*jsonNode, error) {
	token, err := b.decoder.Token()
	if err != nil {
		return nil, fmt.Errorf("read token: %w", err)
	}
	b.budget--
	switch token := token.(type) {
	case json.Delim:
		return b.container(token, depth)
	case string:
		return &jsonNode{class: "s", text: b.quote(token)}, nil
	case json.Number:
		return &jsonNode{class: "n", text: token.String()}, nil
	case bool:
		return &jsonNode{class: "b", text: strconv.FormatBool(token)}, nil
	default:
		return &jsonNode{class: "b", text: "null"}, nil
	}
}

// container reads the members of an object or array whose opening bracket was read.
func (b *treeBuilder) container(open json.Delim, depth int) (*jsonNode, error) {
	node := &jsonNode{open: "{", shut: "}", expanded: depth < treeOpenDepth}
	if open == '[' {
		node.open, node.shut = "[", "]"
	}
	if depth >= treeDepth {
		return b.skip(node)
	}
	err := b.members(node, open == '{', depth)
	if err == nil && len(node.children) == 0 {
		return &jsonNode{text: node.open + node.shut}, nil
	}
	node.fold = foldLabel(node, err != nil)
	return node, err
}

func (b *treeBuilder) members(node *jsonNode, keyed bool, depth int) error {
	for b.decoder.More() {
		if b.budget <= 0 {
			b.cut = true
			return errTreeFull
		}
		key := ""
		if keyed {
			token, err := b.decoder.Token()
			if err != nil {
				return fmt.Errorf("read key: %w", err)
			}
			key = b.quote(fmt.Sprint(token))
		}
		child, err := b.value(depth + 1)
		if child != nil {
			child.key = key
			if count := len(node.children); count > 0 {
				node.children[count-1].comma = ","
			}
			node.children = append(node.children, child)
		}
		if err != nil {
			return err
		}
	}
	if _, err := b.decoder.Token(); err != nil {
		return fmt.Errorf("read end: %w", err)
	}
	return nil
}

// skip passes over a container that lies too deep to be shown.
func (b *treeBuilder) skip(node *jsonNode) (*jsonNode, error) {
	b.cut = true
	for level := 1; level > 0; {
		token, err := b.decoder.Token()
		if err != nil {
			return nil, fmt.Errorf("skip value: %w", err)
		}
		if delim, ok := token.(json.Delim); ok {
			if delim == '{' || delim == '[' {
				level++
			} else {
				level--
			}
		}
	}
	return &jsonNode{text: node.open + "…" + node.shut}, nil
}

// foldInner folds everything below the node.
func (n *jsonNode) foldInner() {
	for _, child := range n.children {
		child.expanded = false
		child.foldInner()
	}
}

func foldLabel(node *jsonNode, partial bool) string {
	word := "key"
	if node.open == "[" {
		word = "item"
	}
	count := len(node.children)
	label := Count(int64(count)) + " " + word
	if count != 1 {
		label += "s"
	}
	if partial {
		return "more than " + label
	}
	return label
}

// quote writes a string as JSON for reading. Characters that cannot be seen or that reorder the text are escaped; a very long one
// is cut.
func (b *treeBuilder) quote(s string) string {
	var out strings.Builder
	out.WriteByte('"')
	shown := 0
	for _, r := range s {
		if shown == treeStringRunes {
			b.cut = true
			fmt.Fprintf(&out, "… %s more characters", Count(int64(utf8.RuneCountInString(s)-shown)))
			break
		}
		shown++
		writeRune(&out, r)
	}
	out.WriteByte('"')
	return out.String()
}

func writeRune(out *strings.Builder, r rune) {
	switch {
	case r == '"' || r == '\\':
		out.WriteByte('\\')
		out.WriteRune(r)
	case r == '\n':
		out.WriteString(`\n`)
	case r == '\r':
		out.WriteString(`\r`)
	case r == '\t':
		out.WriteString(`\t`)
	case r == ' ' || unicode.IsPrint(r):
		out.WriteRune(r)
	case r > 0xffff:
		high := 0xd800 + (r-0x10000)>>10
		low := 0xdc00 + (r-0x10000)&0x3ff
		fmt.Fprintf(out, `\u%04x\u%04x`, high, low)
	default:
		fmt.Fprintf(out, `\u%04x`, r)
	}
}

// indented is the document with line breaks, or as it is when it is no JSON or when the breaks would make it many times larger, as
// deep nesting does.
func indented(raw []byte) string {
	var out bytes.Buffer
	if !json.Valid(raw) || indentedSize(raw) > 4*len(raw)+4096 || json.Indent(&out, raw, "", "  ") != nil {
		return string(raw)
	}
	return out.String()
}

// indentedSize estimates from above how many bytes json.Indent would write.
func indentedSize(raw []byte) int {
	size, depth, quoted := len(raw), 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			size += 1 + 2*depth
		case c == '}' || c == ']':
			depth--
			size += 1 + 2*depth
		case c == ',':
			size += 1 + 2*depth
		}
	}
	return size
}
