package openapi

import "slices"

// typeOf says in words what a schema lets through.
func typeOf(schema value) Type {
	switch {
	case !schema.given():
		return nil
	case schema.get("$ref").given():
		name := schemaName(schema.get("$ref").text())
		return Type{{Text: name, Schema: name}}
	case schema.get("oneOf").given():
		var choices []Type
		for _, choice := range schema.get("oneOf").items() {
			choices = append(choices, typeOf(choice))
		}
		return oneOf(choices)
	case schema.get("const").given():
		return Type{{Text: literal(schema.get("const"))}}
	case schema.get("enum").given():
		var choices []Type
		for _, choice := range schema.get("enum").items() {
			choices = append(choices, Type{{Text: literal(choice)}})
		}
		return oneOf(choices)
	}
	names := schema.get("type").items()
	if len(names) == 0 {
		names = []value{schema.get("type")}
	}
	var choices []Type
	for _, name := range names {
		choices = append(choices, named(name.text(), schema))
	}
	return oneOf(choices)
}

// named is a schema of one type.
func named(name string, schema value) Type {
	switch name {
	case "array":
		return slices.Concat(Type{{Text: "array of "}}, typeOf(schema.get("items")))
	case "string":
		switch format := schema.get("format").text(); format {
		case "date-time":
			return Type{{Text: "time"}}
		case "uuid":
			return Type{{Text: "UUID"}}
		}
	case "integer", "number":
		least, most := schema.get("minimum").text(), schema.get("maximum").text()
		switch {
		case least != "" && most != "":
			return Type{{Text: name + " from " + least + " to " + most}}
		case least != "":
			return Type{{Text: name + " from " + least}}
		}
	case "":
		return Type{{Text: "any"}}
	}
	return Type{{Text: name}}
}

// oneOf joins choices as a sentence does, with null as the last.
func oneOf(choices []Type) Type {
	isNull := func(t Type) bool { return t.String() == "null" }
	if i := slices.IndexFunc(choices, isNull); i >= 0 && i < len(choices)-1 {
		null := choices[i]
		choices = append(slices.Delete(slices.Clone(choices), i, i+1), null)
	}
	var out Type
	for i, choice := range choices {
		switch {
		case i > 0 && i == len(choices)-1:
			out = append(out, TypePart{Text: " or "})
		case i > 0:
			out = append(out, TypePart{Text: ", "})
		}
		out = append(out, choice...)
	}
	return out
}

// literal is a value as JSON has it.
func literal(v value) string { return string(v.json()) }
