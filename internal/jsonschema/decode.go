package jsonschema

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"posthorn/internal/posthorn"
)

// decoder reads valid JSON into what the library compares: the values of encoding/json with numbers as they are written. Data
// was found valid when it came in, so that its grammar is not checked again; what the text is cut from is shared by all
// strings.
type decoder struct {
	text string
	at   int
	// unfit means that a number cannot be computed with.
	unfit bool
}

// decode reads a document; ok is false for what turns out not to be JSON. unfit is true when one of its numbers cannot be
// computed with.
func decode(data []byte) (v any, unfit, ok bool) {
	d := decoder{text: string(data)}
	v, ok = d.value()
	d.space()
	return v, d.unfit, ok && d.at == len(d.text)
}

// space goes past white space.
func (d *decoder) space() {
	for d.at < len(d.text) && (d.text[d.at] == ' ' || d.text[d.at] == '\n' || d.text[d.at] == '\t' || d.text[d.at] == '\r') {
		d.at++
	}
}

// next goes past white space and a byte, if it comes next.
func (d *decoder) next(c byte) bool {
	d.space()
	if d.at == len(d.text) || d.text[d.at] != c {
		return false
	}
	d.at++
	return true
}

// word goes past a word.
func (d *decoder) word(w string) bool {
	if !strings.HasPrefix(d.text[d.at:], w) {
		return false
	}
	d.at += len(w)
	return true
}

func (d *decoder) value() (v any, ok bool) {
	d.space()
	if d.at == len(d.text) {
		return nil, false
	}
	switch d.text[d.at] {
	case '{':
		return d.object()
	case '[':
		return d.array()
	case '"':
		return d.string()
	case 't':
		return true, d.word("true")
	case 'f':
		return false, d.word("false")
	case 'n':
		return nil, d.word("null")
	default:
		return d.number()
	}
}

func (d *decoder) object() (v any, ok bool) {
	d.at++
	object := map[string]any{}
	for !d.next('}') {
		if len(object) > 0 && !d.next(',') {
			return nil, false
		}
		d.space()
		name, ok := d.string()
		if !ok || !d.next(':') {
			return nil, false
		}
		if object[name], ok = d.value(); !ok {
			return nil, false
		}
	}
	return object, true
}

func (d *decoder) array() (v any, ok bool) {
	d.at++
	array := []any{}
	for !d.next(']') {
		if len(array) > 0 && !d.next(',') {
			return nil, false
		}
		item, ok := d.value()
		if !ok {
			return nil, false
		}
		array = append(array, item)
	}
	return array, true
}

func (d *decoder) string() (s string, ok bool) {
	if d.at == len(d.text) || d.text[d.at] != '"' {
		return "", false
	}
	began, plain := d.at, true
	for d.at++; d.at < len(d.text); d.at++ {
		switch c := d.text[d.at]; {
		case c == '"':
			d.at++
			if plain || utf8.ValidString(d.text[began:d.at]) && strings.IndexByte(d.text[began:d.at], '\\') < 0 {
				return d.text[began+1 : d.at-1], true
			}
			return unquote(d.text[began:d.at])
		case c == '\\':
			d.at++
			plain = false
		case c >= utf8.RuneSelf:
			plain = false
		}
	}
	d.at = len(d.text) // a backslash may have been the last
	return "", false
}

// unquote decodes a string with escapes, or with bytes that are not UTF-8.
func unquote(literal string) (s string, ok bool) {
	err := json.Unmarshal([]byte(literal), &s)
	return s, err == nil
}

// maxPlainDigits is how many digits are within the range of a double, whatever they are.
const maxPlainDigits = 300

func (d *decoder) number() (v any, ok bool) {
	began, plain := d.at, true
	for ; d.at < len(d.text) && strings.IndexByte("0123456789-+.eE", d.text[d.at]) >= 0; d.at++ {
		plain = plain && (d.text[d.at] >= '0' && d.text[d.at] <= '9')
	}
	literal := d.text[began:d.at]
	if literal == "" {
		return nil, false
	}
	if (!plain || len(literal) > maxPlainDigits) && !posthorn.IndexableNumber(literal) {
		d.unfit = true
	}
	return json.Number(literal), true
}
