package openapi

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// Document is the description of the API, in a form that a page can show.
type Document struct {
	root value
	// Description introduces the API, in paragraphs whose bold first words name them.
	Description string
	Groups      []Group
	schemas     map[string]*Schema
}

// Group is what belongs together, by its tag.
type Group struct {
	Name, Description string
	Operations        []*Operation
	// Schemas are those that the operations mention, directly or through others.
	Schemas []*Schema
}

// Slug is the name of the group in addresses.
func (g *Group) Slug() string { return strings.ToLower(strings.ReplaceAll(g.Name, " ", "-")) }

// Operation is one method at one path.
type Operation struct {
	// ID names it, such as "putWebhook".
	ID string
	// Method is in capitals; Path has its parameters in braces.
	Method, Path         string
	Summary, Description string
	// Scope is what an API key needs, empty when none is needed.
	Scope string
	// Secret is the header that is needed instead of a key, empty for none.
	Secret     string
	Parameters []Parameter
	// Body is nil when there is none.
	Body    *Body
	Answers []Answer
}

// Parameter is part of a path, a query string or the headers.
type Parameter struct {
	Name string
	// In is "path", "query" or "header".
	In          string
	Required    bool
	Description string
	Type        Type
	// Example is a value as it stands in an address, empty for none.
	Example string
	// Variable is the shell variable that stands for it in command lines, empty for none.
	Variable string
}

// Body is what a request carries.
type Body struct {
	Required    bool
	Description string
	Type        Type
	Fields      []Field
	Examples    []Example
}

// Answer is what comes back with one status.
type Answer struct {
	Status      int
	Description string
	// Type has no parts when nothing comes back.
	Type     Type
	Examples []Example
}

// Example is a body.
type Example struct {
	// Summary is empty for an only one.
	Summary string
	JSON    json.RawMessage
}

// Schema is a named shape.
type Schema struct {
	Name, Description string
	Type              Type
	Fields            []Field
	mentions          []string
}

// Field is a member of an object.
type Field struct {
	Name, Description string
	Required          bool
	Type              Type
}

// Type says in words what a value is.
type Type []TypePart

// TypePart is a word of a type; Schema is the name of the shape that it leads to, empty for none.
type TypePart struct{ Text, Schema string }

// String returns the words.
func (t Type) String() string {
	var b strings.Builder
	for _, part := range t {
		b.WriteString(part.Text)
	}
	return b.String()
}

// Operations returns all of them in the order of the source.
func (d *Document) Operations() []*Operation {
	var all []*Operation
	for _, g := range d.Groups {
		all = append(all, g.Operations...)
	}
	return all
}

// read fills the document from its root.
func (d *Document) read() {
	d.Description = d.root.get("info", "description").text()
	d.schemas = map[string]*Schema{}
	for _, m := range d.root.get("components", "schemas").members() {
		s := &Schema{Name: m.name, Description: m.value.get("description").text(), Type: typeOf(m.value), Fields: d.fields(m.value)}
		s.mentions = mentioned(m.value)
		d.schemas[m.name] = s
	}
	byTag := map[string][]*Operation{}
	for _, p := range d.root.get("paths").members() {
		for _, method := range methods {
			if v := p.value.get(method); v.given() {
				tag := v.get("tags").items()[0].text()
				byTag[tag] = append(byTag[tag], d.operation(method, p.name, p.value, v))
			}
		}
	}
	for _, tag := range d.root.get("tags").items() {
		g := Group{Name: tag.get("name").text(), Description: tag.get("description").text()}
		g.Operations = byTag[g.Name]
		g.Schemas = d.schemasOf(g.Operations)
		d.Groups = append(d.Groups, g)
	}
}

// deref follows references into the document.
func (d *Document) deref(v value) value {
	for {
		ref := v.get("$ref").text()
		if ref == "" {
			return v
		}
		v = d.root.get(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	}
}

func (d *Document) operation(method, path string, shared, v value) *Operation {
	o := &Operation{
		ID: v.get("operationId").text(), Method: strings.ToUpper(method), Path: path,
		Summary: v.get("summary").text(), Description: v.get("description").text(),
	}
	for _, requirement := range v.get("security").items()[:min(1, len(v.get("security").items()))] {
		m := requirement.members()[0]
		scheme := d.root.get("components", "securitySchemes", m.name)
		if scopes := m.value.items(); len(scopes) > 0 {
			o.Scope = scopes[0].text()
		} else {
			o.Secret = scheme.get("name").text()
		}
	}
	for _, p := range slices.Concat(shared.get("parameters").items(), v.get("parameters").items()) {
		o.Parameters = append(o.Parameters, d.parameter(d.deref(p)))
	}
	if body := v.get("requestBody"); body.given() {
		media := body.get("content", "application/json")
		schema := media.get("schema")
		o.Body = &Body{
			Required: body.get("required").isTrue(), Description: body.get("description").text(), Type: typeOf(schema),
			Fields: d.fields(schema), Examples: examples(media),
		}
	}
	for _, m := range v.get("responses").members() {
		answer := d.deref(m.value)
		status, _ := strconv.Atoi(m.name)
		media := answer.get("content", "application/json")
		o.Answers = append(o.Answers, Answer{
			Status: status, Description: answer.get("description").text(), Type: typeOf(media.get("schema")), Examples: examples(media),
		})
	}
	return o
}

func (d *Document) parameter(v value) Parameter {
	p := Parameter{
		Name: v.get("name").text(), In: v.get("in").text(), Required: v.get("required").isTrue(), Description: v.get("description").text(),
		Type: typeOf(v.get("schema")), Variable: v.get("x-variable").text(),
	}
	if p.Example = v.get("example").text(); p.Example == "" {
		for _, item := range v.get("example").items() {
			p.Example = item.text()
		}
	}
	return p
}

// examples returns those of a media type.
func examples(media value) []Example {
	if example := media.get("example"); example.given() {
		return []Example{{JSON: example.json()}}
	}
	var out []Example
	for _, m := range media.get("examples").members() {
		out = append(out, Example{Summary: m.value.get("summary").text(), JSON: m.value.get("value").json()})
	}
	return out
}

// fields returns the members of an object, or of the first of several shapes that is one.
func (d *Document) fields(schema value) []Field {
	schema = d.deref(schema)
	if choices := schema.get("oneOf").items(); len(choices) > 0 {
		return d.fields(choices[0])
	}
	var required []string
	for _, name := range schema.get("required").items() {
		required = append(required, name.text())
	}
	var out []Field
	for _, m := range schema.get("properties").members() {
		description := m.value.get("description").text()
		if description == "" {
			description = d.deref(m.value).get("description").text()
		}
		out = append(out, Field{
			Name: m.name, Required: slices.Contains(required, m.name), Type: typeOf(m.value), Description: description,
		})
	}
	return out
}

// schemasOf returns the shapes that operations mention, directly or through others, in the order of their names.
func (d *Document) schemasOf(operations []*Operation) []*Schema {
	seen := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		if s := d.schemas[name]; s != nil && !seen[name] {
			seen[name] = true
			for _, next := range s.mentions {
				visit(next)
			}
		}
	}
	for _, o := range operations {
		types := make([]Type, 0, len(o.Answers)+len(o.Parameters)+1)
		for _, a := range o.Answers {
			types = append(types, a.Type)
		}
		for _, p := range o.Parameters {
			types = append(types, p.Type)
		}
		if o.Body != nil {
			types = append(types, o.Body.Type)
		}
		for _, part := range slices.Concat(types...) {
			visit(part.Schema)
		}
	}
	var out []*Schema
	for name := range seen {
		out = append(out, d.schemas[name])
	}
	slices.SortFunc(out, func(a, b *Schema) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// mentioned returns the names of the shapes that a value leads to.
func mentioned(v value) []string {
	var out []string
	for _, m := range v.members() {
		if m.name == "$ref" {
			out = append(out, schemaName(m.value.text()))
		}
		out = append(out, mentioned(m.value)...)
	}
	for _, item := range v.items() {
		out = append(out, mentioned(item)...)
	}
	return out
}

func schemaName(ref string) string { return strings.TrimPrefix(ref, "#/components/schemas/") }
