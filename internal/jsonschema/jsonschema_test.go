package jsonschema_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/jsonschema"
	"posthorn/internal/posthorn"
)

func compile(t *testing.T, schema string) posthorn.CompiledSchema {
	t.Helper()
	s, err := jsonschema.Compiler{}.CompileSchema(json.RawMessage(schema))
	if err != nil {
		t.Fatalf("compile %.200s: %v", schema, err)
	}
	return s
}

func TestViolationsAreSentencesWithPointers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		schema, data string
		want         []string
	}{
		{`{}`, `{"anything":[1,null]}`, nil},
		{`{"properties":{"status":{"enum":["QUEUED","active",null]}}}`, `{"status":"paused"}`, []string{"/status must be one of QUEUED, active, null"}},
		{`{"required":["a","b/c","d~e"]}`, `{"a":1}`, []string{"/b~1c is required", "/d~0e is required"}},
		{`{"properties":{"a":{"type":["string","null"]},"b":{"type":"object"},"c":{"type":"integer"}}}`, `{"a":1,"b":[],"c":1.5}`, []string{
			"/a must be a string or null", "/b must be an object", "/c must be an integer",
		}},
		{`{"properties":{"a":{"items":{"type":"number","maximum":1,"minimum":-0.5}}}}`, `{"a":[0.5,2,-1,"x"]}`, []string{
			"/a/1 must be at most 1", "/a/2 must be at least -0.5", "/a/3 must be a number",
		}},
		{`{"additionalProperties":false,"properties":{"a":{}}}`, `{"a":1,"z":1,"y":1}`, []string{"/y is not allowed", "/z is not allowed"}},
		{`{"properties":{"mail":{"format":"email"},"at":{"format":"date-time"}}}`, `{"mail":"secret-value","at":"2024-01-15T10:30:00Z"}`, []string{"/mail must be a valid email"}},
		{`{"properties":{"id":{"pattern":"^wh_"}}}`, `{"id":"secret-value"}`, []string{"/id must match ^wh_"}},
		{`{"properties":{"a":{"const":"x"},"b":{"minLength":2},"c":{"maxLength":1}}}`, `{"a":"y","b":"1","c":"12"}`, []string{
			"/a must be x", "/b must have at least 2 characters", "/c must have at most 1 character",
		}},
		{`{"anyOf":[{"required":["sessionId"]},{"required":["session_id"]}]}`, `{}`, []string{"The data must fit one of the alternatives, which need sessionId or session_id"}},
		{`{"oneOf":[{"required":["a"]},{"required":["b"]}]}`, `{"a":1,"b":1}`, []string{"The data must fit only one of the alternatives, and fits several"}},
		{`{"$defs":{"n":{"type":"number"}},"properties":{"a":{"$ref":"#/$defs/n"}}}`, `{"a":"x"}`, []string{"/a must be a number"}},
		{`{"allOf":[{"required":["a"]},{"required":["b"]}]}`, `{}`, []string{"/a is required", "/b is required"}},
		{`{"not":{"required":["a"]}}`, `{"a":1}`, []string{"The data must not be like this"}},
		{`{"properties":{"a":false}}`, `{"a":1}`, []string{"/a must not be there"}},
		{`{"properties":{"a":{"uniqueItems":true,"minItems":3}}}`, `{"a":[1,1]}`, []string{"/a must have at least 3 items", "/a must not hold an item twice, as at 0 and 1"}},
		{`{"dependentRequired":{"a":["b"]}}`, `{"a":1}`, []string{"The data must have b because it has a"}},
		{`{"propertyNames":{"pattern":"^a"}}`, `{"b":1}`, []string{"The data must not have a member called b"}},
		{`{"properties":{"a":{"contains":{"type":"string"}}}}`, `{"a":[1]}`, []string{"/a must have more items of the kind that the schema asks for"}},
		{`{"type":"object"}`, `{"a":1e999999999}`, []string{"/a is a number beyond the range of a double"}},
		{`{"$schema":"http://json-schema.org/draft-07/schema#","definitions":{"n":{"type":"string"}},"properties":{"a":{"$ref":"#/definitions/n"}}}`, `{"a":1}`, []string{"/a must be a string"}},
		{`{"$ref":"#"}`, `{}`, []string{"The data does not fit "}},
		{`{"properties":{"a":{"$ref":"https://json-schema.org/draft/2020-12/schema"}}}`, `{"a":{"type":"nothing"}}`, []string{"/a/type must fit one of the alternatives"}},
	} {
		if diff := cmp.Diff(test.want, compile(t, test.schema).Violations(json.RawMessage(test.data), 20)); diff != "" {
			t.Errorf("%s with %s:\n%s", test.data, test.schema, diff)
		}
	}
}

func TestSchemasThatAreNoneAreRefusedInWords(t *testing.T) {
	t.Parallel()
	for schema, want := range map[string]string{
		`{"properties":{"a":{"type":"strin"}}}`:                                    "must be a JSON Schema: /properties/a/type must fit one of the alternatives",
		`{"properties":[]}`:                                                        "must be a JSON Schema: /properties must be an object",
		`{"required":"a"}`:                                                         "must be a JSON Schema: /required must be an array",
		`{"$ref":"https://evil.example/schema.json"}`:                              "must not refer to other documents, as it does to https://evil.example/schema.json",
		`{"$ref":"http://169.254.169.254/latest"}`:                                 "must not refer to other documents, as it does to http://169.254.169.254/latest",
		`{"$ref":"file:///etc/passwd"}`:                                            "must not refer to other documents, as it does to file:///etc/passwd",
		`{"$ref":"other.json"}`:                                                    "must not refer to other documents, as it does to https://posthorn.invalid/other.json",
		`{"$id":"https://evil.example/a","$ref":"b"}`:                              "must not refer to other documents, as it does to https://evil.example/b",
		`{"$dynamicRef":"https://evil.example/b#x"}`:                               "must not refer to other documents, as it does to https://evil.example/b",
		`{"$schema":"https://evil.example/meta"}`:                                  "must not refer to other documents, as it does to https://evil.example/meta",
		`{"$id":"file:///etc/","$ref":"passwd"}`:                                   "must not refer to other documents, as it does to file:///etc/passwd",
		`{"properties":{"a":{"pattern":"^(?=x)"}}}`:                                "must be a JSON Schema: /properties/a/pattern must be a regular expression as RE2 knows them, without look-around and back-references",
		`{"properties":{"a":{"pattern":"("}}}`:                                     "must be a JSON Schema: /properties/a/pattern must be a regular expression as RE2 knows them, without look-around and back-references",
		`{"$ref":"#/$defs/missing"}`:                                               "must be a JSON Schema: it refers to #/$defs/missing, which is not there",
		`{"$ref":"#missing"}`:                                                      "must be a JSON Schema: it refers to #missing, which is not there",
		`{"properties":{"a":{"maximum":1e999999999}}}`:                             "must be a JSON Schema: /properties/a/maximum is a number beyond the range of a double",
		`{"$schema":"http://json-schema.org/draft-03/schema#"}`:                    "must not refer to other documents, as it does to http://json-schema.org/draft-03/schema",
		`{"a":` + strings.Repeat(`{"a":`, 3000) + `{}` + strings.Repeat(`}`, 3001): "must have at most 2000 objects and booleans in it",
	} {
		_, err := jsonschema.Compiler{}.CompileSchema(json.RawMessage(schema))
		if err == nil || err.Error() != want {
			t.Errorf("%.100s: %v\nwant %s", schema, err, want)
		}
	}
}

// A few lines of schema can ask for 2^40 comparisons, in more than one way. Each is given up within a moment.
func TestSchemasThatExplodeAreGivenUp(t *testing.T) {
	t.Parallel()
	const levels = 40
	chain := func(step, last string) string {
		var b strings.Builder
		for i := range levels {
			fmt.Fprintf(&b, `"s%d":`+step+`,`, i, i+1, i+1)
		}
		return fmt.Sprintf(`{%s"s%d":%s}`, b.String(), levels, last)
	}
	for name, schema := range map[string]string{
		"allOf":            `{"$defs":` + chain(`{"allOf":[{"$ref":"#/$defs/s%d"},{"$ref":"#/$defs/s%d"}]}`, `{}`) + `,"$ref":"#/$defs/s0"}`,
		"failing allOf":    `{"$defs":` + chain(`{"allOf":[{"$ref":"#/$defs/s%d"},{"$ref":"#/$defs/s%d"}]}`, `{"type":"string"}`) + `,"$ref":"#/$defs/s0"}`,
		"negated":          `{"$defs":` + chain(`{"dependentSchemas":{"a":{"$ref":"#/$defs/s%d"},"b":{"$ref":"#/$defs/s%d"}}}`, `{"type":"string"}`) + `,"not":{"$ref":"#/$defs/s0"}}`,
		"draft 7":          `{"$schema":"http://json-schema.org/draft-07/schema#","definitions":` + chain(`{"dependencies":{"a":{"$ref":"#/definitions/s%d"},"b":{"$ref":"#/definitions/s%d"}}}`, `{"type":"string"}`) + `,"not":{"allOf":[{"$ref":"#/definitions/s0"}]}}`,
		"draft 4":          `{"$schema":"http://json-schema.org/draft-04/schema#","definitions":` + chain(`{"anyOf":[{"$ref":"#/definitions/s%d"},{"$ref":"#/definitions/s%d"}]}`, `{"type":"string"}`) + `,"allOf":[{"$ref":"#/definitions/s0"}]}`,
		"draft 2019-09":    `{"$schema":"https://json-schema.org/draft/2019-09/schema","$defs":` + chain(`{"oneOf":[{"$ref":"#/$defs/s%d"},{"$ref":"#/$defs/s%d"}]}`, `{"type":"string"}`) + `,"$ref":"#/$defs/s0"}`,
		"deep in the data": `{"$defs":{"n":{"allOf":[{"properties":{"n":{"$ref":"#/$defs/n"}}},{"properties":{"n":{"$ref":"#/$defs/n"}}}]}},"$ref":"#/$defs/n"}`,
		"property names":   `{"$defs":` + chain(`{"allOf":[{"$ref":"#/$defs/s%d"},{"$ref":"#/$defs/s%d"}]}`, `{"type":"number"}`) + `,"propertyNames":{"$ref":"#/$defs/s0"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := `{"a":1,"b":2,"n":` + strings.Repeat(`{"n":`, 60) + `1` + strings.Repeat(`}`, 60) + `}`
			start := time.Now()
			got := compile(t, schema).Violations(json.RawMessage(data), 20)
			if took := time.Since(start); took > time.Minute { // without a limit it is hours
				t.Errorf("took %s", took)
			}
			if diff := cmp.Diff([]string{"The data takes too long to be compared with the schema"}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A pattern takes time that grows with its size times that of the text.
func TestPatternsThatTakeLongAreGivenUp(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("a", 250_000)
	for name, schema := range map[string]string{
		"pattern":             `{"properties":{"v":{"pattern":"` + strings.Repeat("(a|b)?", 2000) + `c"}}}`,
		"pattern of a name":   `{"patternProperties":{"` + strings.Repeat("(a|b)?", 2000) + `c":true}}`,
		"many short patterns": `{"properties":{"v":{"allOf":[` + strings.TrimSuffix(strings.Repeat(`{"pattern":"(a|b)*c"},`, 1000), ",") + `]}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			got := compile(t, schema).Violations(json.RawMessage(`{"v":"`+text+`","`+text+`":1}`), 20)
			if took := time.Since(start); took > time.Minute { // without a limit it is hours
				t.Errorf("took %s", took)
			}
			if diff := cmp.Diff([]string{"The data takes too long to be compared with the schema"}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	long := `{"properties":{"v":{"pattern":"^[a-z0-9_-]{1,64}$"}}}`
	if got := compile(t, long).Violations(json.RawMessage(`{"v":"`+strings.Repeat("a", 2000)+`"}`), 20); len(got) != 1 || got[0] != "/v must match ^[a-z0-9_-]{1,64}$" {
		t.Errorf("an ordinary pattern and a long text: %v", got)
	}
}

func TestViolationsAreBoundedAndTheSameEveryTime(t *testing.T) {
	t.Parallel()
	s := compile(t, `{"additionalProperties":{"type":"string"}}`)
	var b strings.Builder
	for i := range 500 {
		fmt.Fprintf(&b, `,"k%03d":%d`, i, i)
	}
	data := json.RawMessage(`{` + b.String()[1:] + `}`)
	first := s.Violations(data, 20)
	if len(first) != 20 || first[0] != "/k000 must be a string" {
		t.Fatalf("%d: %v", len(first), first)
	}
	for range 5 {
		if diff := cmp.Diff(first, s.Violations(data, 20)); diff != "" {
			t.Fatal(diff)
		}
	}
	long := compile(t, `{"required":["`+strings.Repeat("x", 5000)+`"],"properties":{"a":{"enum":["`+strings.Repeat("y", 5000)+`"]}}}`)
	for _, sentence := range long.Violations(json.RawMessage(`{"a":1}`), 20) {
		if len(sentence) > 300 {
			t.Errorf("a sentence of %d bytes", len(sentence))
		}
	}
}

func TestASchemaServesSeveralGoroutines(t *testing.T) {
	t.Parallel()
	s := compile(t, `{"properties":{"a":{"type":"string"}}}`)
	var work sync.WaitGroup
	for i := range 8 {
		work.Go(func() {
			for range 200 {
				good, data := i%2 == 0, `{"a":1}`
				if good {
					data = `{"a":"x"}`
				}
				if got := s.Violations(json.RawMessage(data), 20); (len(got) == 0) != good {
					t.Errorf("%s: %v", data, got)
					return
				}
			}
		})
	}
	work.Wait()
}

// longest are what takes longest to compile within the limits of a schema.
func longest() map[string]string {
	const size = posthorn.MaxEventTypeDocument
	return map[string]string{
		"many properties": `{"properties":{` + strings.TrimSuffix(numbered(`"p%d":{"type":"string"},`, 1900), ",") + `}}`,
		"many booleans":   `{"allOf":[` + strings.TrimSuffix(strings.Repeat("true,", 1990), ",") + `]}`,
		"many references": `{"allOf":[` + strings.TrimSuffix(numbered(`{"$ref":"#/x/%d"},`, 990), ",") + `],"x":[` + strings.TrimSuffix(strings.Repeat(`{"a":1},`, 990), ",") + `]}`,
		"large pattern":   `{"pattern":"` + strings.Repeat(`(a*)?`, size/5-10) + `"}`,
		"wide pattern":    `{"pattern":"` + strings.Repeat(`(a{1,30}){1,30}`, 900) + `"}`,
	}
}

func BenchmarkCompileTheLongest(b *testing.B) {
	for name, schema := range longest() {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, _ = jsonschema.Compiler{}.CompileSchema(json.RawMessage(schema))
			}
		})
	}
}

func TestASchemaWithTooManySubschemasIsRefused(t *testing.T) {
	t.Parallel()
	for name, many := range map[string]string{"objects": "{},", "booleans": "true,", "mixed": "{},false,"} {
		schema := `{"allOf":[` + strings.TrimSuffix(strings.Repeat(many, 2100), ",") + `]}`
		_, err := jsonschema.Compiler{}.CompileSchema(json.RawMessage(schema))
		if err == nil || err.Error() != "must have at most 2000 objects and booleans in it" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func FuzzViolations(f *testing.F) {
	f.Add(`{"properties":{"a":{"enum":[1,"x"]}}}`, `{"a":2}`)
	f.Add(`{"$ref":"#/$defs/a","$defs":{"a":{"not":{}}}}`, `{}`)
	f.Add(`{"$schema":"http://json-schema.org/draft-07/schema#","items":[{"$ref":"#"}]}`, `[[]]`)
	f.Fuzz(func(t *testing.T, schema, data string) {
		if !json.Valid([]byte(data)) {
			return
		}
		s, err := jsonschema.Compiler{}.CompileSchema(json.RawMessage(schema))
		if err != nil {
			return
		}
		if got := s.Violations(json.RawMessage(data), 3); len(got) > 3 {
			t.Errorf("%d sentences", len(got))
		}
	})
}
