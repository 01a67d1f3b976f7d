package jsonschema

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"posthorn/internal/posthorn"
)

// violations returns the sentences of the innermost causes, sorted by place, at most so many. The library walks maps, so
// without the sorting every run would have another order.
func violations(e *jsonschema.ValidationError, most int) []string {
	var found []string
	collect(e, &found)
	slices.Sort(found)
	found = slices.Compact(found)
	if len(found) > most {
		found = found[:most:most]
	}
	return found
}

// collect goes down where a cause only says that something below it failed. Of alternatives it does not tell each one's
// faults: all but one of them are meant to fail.
func collect(e *jsonschema.ValidationError, into *[]string) {
	switch k := e.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.AllOf, *kind.Reference:
		if len(e.Causes) > 0 {
			for _, cause := range e.Causes {
				collect(cause, into)
			}
			return
		}
	case *kind.Required:
		for _, name := range k.Missing {
			*into = append(*into, pointer(append(slices.Clone(e.InstanceLocation), name))+" is required")
		}
		return
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			*into = append(*into, pointer(append(slices.Clone(e.InstanceLocation), name))+" is not allowed")
		}
		return
	}
	*into = append(*into, pointer(e.InstanceLocation)+" "+rule(e))
}

// rule says what a place must be like, without what it is.
func rule(e *jsonschema.ValidationError) string {
	switch k := e.ErrorKind.(type) {
	case *kind.Type:
		return "must be " + anyOf(typeNames(k.Want))
	case *kind.Enum:
		return "must be one of " + list(k.Want)
	case *kind.Const:
		return "must be " + value(k.Want)
	case *kind.Format:
		return formatRule(k.Want)
	case *kind.Pattern:
		return "must match " + clip(k.Want)
	case *kind.MinLength:
		return "must have at least " + characters(k.Want)
	case *kind.MaxLength:
		return "must have at most " + characters(k.Want)
	case *kind.Minimum:
		return "must be at least " + number(k.Want)
	case *kind.Maximum:
		return "must be at most " + number(k.Want)
	case *kind.ExclusiveMinimum:
		return "must be more than " + number(k.Want)
	case *kind.ExclusiveMaximum:
		return "must be less than " + number(k.Want)
	case *kind.MultipleOf:
		return "must be a multiple of " + number(k.Want)
	default:
		return structureRule(e)
	}
}

// formatRule says what a format asks for. A pattern of a schema is itself of the format "regex".
func formatRule(format string) string {
	if format == "regex" {
		return "must be a regular expression as RE2 knows them, without look-around and back-references"
	}
	return "must be a valid " + format
}

// structureRule is rule for objects, arrays and alternatives.
func structureRule(e *jsonschema.ValidationError) string {
	switch k := e.ErrorKind.(type) {
	case *kind.AnyOf:
		return "must fit one of the alternatives" + needed(e)
	case *kind.OneOf:
		if len(k.Subschemas) > 0 {
			return "must fit only one of the alternatives, and fits several"
		}
		return "must fit one of the alternatives" + needed(e)
	case *kind.Not:
		return "must not be like this"
	case *kind.FalseSchema:
		return "must not be there"
	case *kind.MinItems:
		return "must have at least " + strconv.Itoa(k.Want) + " items"
	case *kind.MaxItems:
		return "must have at most " + strconv.Itoa(k.Want) + " items"
	case *kind.UniqueItems:
		return fmt.Sprintf("must not hold an item twice, as at %d and %d", k.Duplicates[0], k.Duplicates[1])
	case *kind.MinProperties:
		return "must have at least " + strconv.Itoa(k.Want) + " members"
	case *kind.MaxProperties:
		return "must have at most " + strconv.Itoa(k.Want) + " members"
	case *kind.PropertyNames:
		return "must not have a member called " + clip(k.Property)
	case *kind.DependentRequired:
		return "must have " + clip(strings.Join(k.Missing, ", ")) + " because it has " + clip(k.Prop)
	case *kind.Dependency:
		return "must have " + clip(strings.Join(k.Missing, ", ")) + " because it has " + clip(k.Prop)
	case *kind.Contains, *kind.MinContains:
		return "must have more items of the kind that the schema asks for"
	case *kind.MaxContains:
		return "must have fewer items of the kind that the schema asks for"
	case *kind.AdditionalItems:
		return "must not have so many items"
	default:
		return "does not fit " + strings.Join(e.ErrorKind.KeywordPath(), ".")
	}
}

// needed names the members that alternatives ask for, when a missing member is all that any of them finds wrong.
func needed(e *jsonschema.ValidationError) string {
	var names []string
	for _, cause := range e.Causes {
		k, ok := cause.ErrorKind.(*kind.Required)
		if !ok || len(k.Missing) != 1 {
			return ""
		}
		names = append(names, k.Missing[0])
	}
	if len(names) == 0 {
		return ""
	}
	return ", which need " + anyOf(names)
}

// pointer writes a place as a JSON Pointer (RFC 6901). The whole document, whose pointer is empty, is called the data.
func pointer(place []string) string {
	if len(place) == 0 {
		return "The data"
	}
	var b strings.Builder
	for _, token := range place {
		b.WriteByte('/')
		b.WriteString(pointerEscapes.Replace(token))
	}
	return clip(b.String())
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// typeNames puts an article before the names of types; null comes last.
func typeNames(types []string) []string {
	articles := map[string]string{"object": "an object", "array": "an array", "integer": "an integer"}
	names := make([]string, 0, len(types))
	for _, t := range types {
		if t != "null" {
			names = append(names, cmp.Or(articles[t], "a "+t))
		}
	}
	if slices.Contains(types, "null") {
		names = append(names, "null")
	}
	return names
}

// anyOf joins alternatives: "a, b or c".
func anyOf(names []string) string {
	if len(names) < 2 {
		return clip(strings.Join(names, ""))
	}
	last := len(names) - 1
	return clip(strings.Join(names[:last], ", ") + " or " + names[last])
}

// list writes the values of an enumeration.
func list(values []any) string {
	texts := make([]string, 0, len(values))
	for _, v := range values {
		texts = append(texts, value(v))
	}
	return clip(strings.Join(texts, ", "))
}

// value writes a value of a schema: text as it is, everything else as JSON.
func value(v any) string {
	if text, ok := v.(string); ok && text != "" {
		return clip(text)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return "the value that the schema gives"
	}
	return clip(string(raw))
}

func characters(n int) string {
	if n == 1 {
		return "1 character"
	}
	return strconv.Itoa(n) + " characters"
}

// clip shortens what could be of any length.
func clip(text string) string {
	const most = 200
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// number writes a bound.
func number(bound *big.Rat) string {
	f, _ := bound.Float64()
	return value(f)
}

// unfitNumber finds a number that cannot be computed with, because exponents of a few digits make numbers of gigabytes,
// and returns its place.
func unfitNumber(v any, place []string) (at []string, found bool) {
	switch v := v.(type) {
	case json.Number:
		return place, !posthorn.IndexableNumber(v.String())
	case []any:
		for i, item := range v {
			if at, found = unfitNumber(item, append(place, strconv.Itoa(i))); found {
				return at, true
			}
		}
	case map[string]any:
		for key, item := range v {
			if at, found = unfitNumber(item, append(place, key)); found {
				return at, true
			}
		}
	}
	return nil, false
}
