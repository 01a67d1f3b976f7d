// Package jsonschema compares JSON with JSON Schema (drafts 4 to 2020-12, the last one unless a schema says otherwise) and
// says in sentences what does not fit. Schemas and data come from outside, so both are bounded: nothing is ever loaded
// from the network or the file system, numbers stay within the range of a double, and a comparison that a schema makes
// grow without end is given up. "format" is compared, not only noted, because a schema that asks for an email address and
// is enforced means it.
package jsonschema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"posthorn/internal/posthorn"
)

const (
	// location is what the library calls a schema. The host cannot exist (RFC 2606).
	location = "https://posthorn.invalid/schema"
	// maxSchemas bounds the subschemas of a schema, which are objects and booleans: compiling takes time that grows with their
	// square.
	maxSchemas = 2000
	// maxSteps bounds one comparison, in subschemas applied to a value. Schemas of a few lines can ask for 2^100 of them.
	maxSteps = 200_000
	// patternWork is how much of a pattern's work counts as a step, in instructions of the pattern times bytes of text.
	patternWork = 100
)

// Compiler reads schemas. It implements posthorn.SchemaCompiler.
type Compiler struct{}

var _ posthorn.SchemaCompiler = Compiler{}

// CompileSchema reads a schema, a JSON object. Its error reads on from the name of the field and may be shown.
func (Compiler) CompileSchema(raw json.RawMessage) (posthorn.CompiledSchema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, errors.New("must be valid JSON")
	}
	if place, found := unfitNumber(doc, nil); found {
		return nil, fmt.Errorf("must be a JSON Schema: %s is a number beyond the range of a double", pointer(place))
	}
	if bytes.Count(raw, []byte("{"))+bytes.Count(raw, []byte("true"))+bytes.Count(raw, []byte("false")) > maxSchemas {
		return nil, fmt.Errorf("must have at most %d objects and booleans in it", maxSchemas)
	}
	s := &schema{}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(noLoader{})
	c.UseRegexpEngine(s.pattern)
	c.AssertFormat()
	// The vocabulary has no keywords. It is how every subschema gets known.
	var all []*jsonschema.Schema
	c.RegisterVocabulary(&jsonschema.Vocabulary{
		URL: "https://posthorn.invalid/vocabulary",
		Compile: func(ctx *jsonschema.CompilerContext, _ map[string]any) (jsonschema.SchemaExt, error) {
			all = append(all, ctx.Enqueue(nil))
			return nil, nil //nolint:nilnil // no keyword, so nothing to compare
		},
	})
	c.AssertVocabs()
	if err := c.AddResource(location, doc); err != nil {
		return nil, errors.New("must be a JSON Schema")
	}
	if s.root, err = c.Compile(location); err != nil {
		return nil, errors.New(compileFault(err))
	}
	for _, sub := range all {
		s.count(sub)
	}
	return s, nil
}

// noLoader refuses whatever is not part of the library: the metaschemas of the drafts.
type noLoader struct{}

var errNotLoaded = errors.New("nothing is loaded from elsewhere")

// Load refuses.
func (noLoader) Load(string) (any, error) { return nil, errNotLoaded }

// schema is a compiled schema.
type schema struct {
	root *jsonschema.Schema
	// mu makes comparisons wait for each other, because the library has no place for what belongs to one of them.
	mu sync.Mutex
	// steps is how much the comparison under way has done.
	steps int
}

var errTooManySteps = errors.New("too many steps")

// spend counts steps and reports whether there are any left.
func (s *schema) spend(steps int) bool {
	s.steps += steps
	return s.steps <= maxSteps
}

// count makes a subschema count its applications, and fail once there are too many, which ends the comparison: the
// format is the first thing that is compared before anything below a subschema is.
func (s *schema) count(sub *jsonschema.Schema) {
	format := jsonschema.Format{Validate: func(any) error { return nil }}
	if sub.Format != nil {
		format = *sub.Format
	}
	compare := format.Validate
	format.Validate = func(v any) error {
		if !s.spend(1) {
			return errTooManySteps
		}
		return compare(v)
	}
	sub.Format = &format
}

// pattern is a regular expression that counts its work.
type pattern struct {
	*regexp.Regexp
	// size is the number of its instructions.
	size  int
	spend func(steps int) bool
}

// pattern reads a regular expression.
func (s *schema) pattern(text string) (jsonschema.Regexp, error) {
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, err
	}
	return &pattern{re, len(program.Inst), s.spend}, nil
}

// MatchString reports whether the pattern is found in text. Once there are no steps left nothing is.
func (p *pattern) MatchString(text string) bool {
	return p.spend(p.size*len(text)/patternWork) && p.Regexp.MatchString(text)
}

// Violations says what of the data does not fit.
func (s *schema) Violations(data json.RawMessage, most int) []string {
	doc, unfit, ok := decode(data)
	if !ok {
		return []string{"The data is not valid JSON"}
	}
	if unfit {
		place, _ := unfitNumber(doc, nil)
		return []string{pointer(place) + " is a number beyond the range of a double"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps = 0
	err := s.root.Validate(doc)
	if s.steps > maxSteps {
		return []string{"The data takes too long to be compared with the schema"}
	}
	invalid, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return nil
	}
	return violations(invalid, most)
}

// compileFault says why a schema cannot be used, as the rest of a sentence.
func compileFault(err error) string {
	if e, ok := errors.AsType[*jsonschema.LoadURLError](err); ok {
		return "must not refer to other documents, as it does to " + clip(e.URL)
	}
	const lead = "must be a JSON Schema"
	if e, ok := errors.AsType[*jsonschema.SchemaValidationError](err); ok {
		if invalid, ok := errors.AsType[*jsonschema.ValidationError](e.Err); ok {
			if found := violations(invalid, 1); len(found) > 0 {
				return lead + ": " + found[0]
			}
		}
		return lead
	}
	if e, ok := errors.AsType[*jsonschema.JSONPointerNotFoundError](err); ok {
		return lead + ": it refers to " + fragment(e.URL) + ", which is not there"
	}
	if e, ok := errors.AsType[*jsonschema.AnchorNotFoundError](err); ok {
		return lead + ": it refers to " + fragment(e.Reference) + ", which is not there"
	}
	if _, ok := errors.AsType[*jsonschema.UnsupportedDraftError](err); ok {
		return "must be of a draft from 4 to 2020-12"
	}
	return lead
}

// fragment is what a URL says after its #.
func fragment(url string) string {
	_, after, _ := strings.Cut(url, "#")
	return clip("#" + after)
}
