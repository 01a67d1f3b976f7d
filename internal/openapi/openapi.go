// Package openapi holds the description of the HTTP API in OpenAPI 3.1. The file openapi.yaml is its source; tests compare it
// with the routes, and every request and answer of the HTTP tests with it.
package openapi

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"sync"

	"go.yaml.in/yaml/v3"
)

//go:embed openapi.yaml
var source []byte

// Methods of operations in the order in which a page lists them, as OpenAPI spells them.
var methods = []string{"get", "post", "put", "patch", "delete"}

// load reads the document once.
var load = sync.OnceValues(func() (*Document, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(source, &root); err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	d := &Document{root: value{root.Content[0]}}
	d.read()
	return d, nil
})

// Load returns the document of the API. It is the same for everybody and must not be changed.
func Load() *Document {
	d, err := load()
	if err != nil {
		panic(err) // the file is part of the program, and every test reads it
	}
	return d
}

// JSON returns the document as JSON, its members in the order of the source, with base, such as "https://posthorn.example.com",
// as the address of its server.
func (d *Document) JSON(base string) json.RawMessage {
	return d.root.with("servers", []byte(`[{"url":`+string(quote(base))+`}]`))
}
