// Package contract compares calls of the API with its OpenAPI document. For tests only.
package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"posthorn/internal/openapi"
)

// Call is one request and its answer, both read whole.
type Call struct {
	Request *http.Request
	// Body is what the request carried, when it is known.
	Body   []byte
	Answer *http.Response
	// Text is the body of the answer.
	Text []byte
}

// Document returns the document as the library knows it, after it has been found to be valid OpenAPI with valid examples.
func Document() (*openapi3.T, error) { return document() }

var document = sync.OnceValues(func() (*openapi3.T, error) { return parse(openapi.Load().JSON("/")) })

// routed finds operations by request: requests are compared with the document, answers with one that lets no member through
// which it does not name. What a request does not know is ignored, but what an answer has must be written down.
type routed struct{ requests, answers routers.Router }

var routes = sync.OnceValues(func() (routed, error) {
	doc, err := document()
	if err != nil {
		return routed{}, err
	}
	var out routed
	if out.requests, err = gorillamux.NewRouter(doc); err != nil {
		return routed{}, fmt.Errorf("read the paths: %w", err)
	}
	strict, err := parse(closed(openapi.Load().JSON("/")))
	if err != nil {
		return routed{}, err
	}
	out.answers, err = gorillamux.NewRouter(strict)
	return out, err
})

func parse(raw []byte) (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData(raw)
	if err != nil {
		return nil, fmt.Errorf("load the document: %w", err)
	}
	if err := doc.Validate(context.Background(), openapi3.EnableExamplesValidation()); err != nil {
		return nil, fmt.Errorf("the document is not valid OpenAPI: %w", err)
	}
	return doc, nil
}

// closed gives every schema of an object that names its members no others.
func closed(raw []byte) []byte {
	var doc map[string]any
	if err := json.Unmarshal(raw, &doc); err != nil {
		return raw
	}
	var visit func(v any)
	visit = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			_, named := v["properties"].(map[string]any)
			if _, said := v["additionalProperties"]; named && !said {
				v["additionalProperties"] = false
			}
			for _, next := range v {
				visit(next)
			}
		case []any:
			for _, next := range v {
				visit(next)
			}
		}
	}
	schemas, _ := doc["components"].(map[string]any)
	visit(schemas["schemas"])
	out, err := json.Marshal(doc)
	if err != nil {
		return raw
	}
	return out
}

// general are the statuses that any request may get before it is known what it asks for.
var general = map[int]bool{
	http.StatusBadRequest: true, http.StatusMethodNotAllowed: true, http.StatusRequestTimeout: true, http.StatusRequestHeaderFieldsTooLarge: true,
}

// Check compares a call with the document, and returns what does not fit. Calls of what is not the API fit always. The rules are:
// an answer has a status, headers and a body that the document names; a request that is not as the document says is refused;
// and what the document does not know is answered with an error in the common form.
func Check(call Call) error {
	if !strings.HasPrefix(call.Request.URL.Path, "/api/") {
		return nil
	}
	known, err := routes()
	if err != nil {
		return err
	}
	request := call.Request.Clone(context.Background())
	head := request.Method == http.MethodHead
	if head {
		request.Method = http.MethodGet
	}
	route, params, err := known.answers.FindRoute(request)
	if err != nil || general[call.Answer.StatusCode] && route.Operation.Responses.Status(call.Answer.StatusCode) == nil {
		return checkUnknown(call, head)
	}
	input := &openapi3filter.RequestValidationInput{
		Request: request, PathParams: params, Route: route,
		Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, ExcludeResponseBody: head, MultiError: true,
		},
	}
	answer := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: call.Answer.StatusCode, Header: call.Answer.Header, Options: input.Options,
	}
	if err := openapi3filter.ValidateResponse(context.Background(), answer.SetBodyBytes(call.Text)); err != nil {
		return fmt.Errorf("the answer %d is not as openapi.yaml says: %w", call.Answer.StatusCode, err)
	}
	return checkRequest(known, call, input, request)
}

// checkRequest finds requests that were accepted although the document forbids them.
func checkRequest(known routed, call Call, input *openapi3filter.RequestValidationInput, request *http.Request) error {
	if call.Answer.StatusCode >= http.StatusBadRequest || call.Body == nil && request.ContentLength != 0 {
		return nil
	}
	var err error
	if input.Route, input.PathParams, err = known.requests.FindRoute(request); err != nil {
		return fmt.Errorf("find the operation: %w", err)
	}
	request.Body, request.GetBody = io.NopCloser(bytes.NewReader(call.Body)), nil
	if err := openapi3filter.ValidateRequest(context.Background(), input); err != nil {
		return fmt.Errorf("openapi.yaml forbids a request that was accepted: %w", err)
	}
	return nil
}

// checkUnknown looks at the answer to what is no operation.
func checkUnknown(call Call, head bool) error {
	status := call.Answer.StatusCode
	if status < http.StatusBadRequest {
		return fmt.Errorf("openapi.yaml does not know what was answered with %d", status)
	}
	if head || call.Request.URL.Path == ingest {
		return nil
	}
	var body map[string]any
	if err := json.Unmarshal(call.Text, &body); err != nil || body["error"] == nil || body["code"] == nil {
		return fmt.Errorf("an error is an object with error and code: %.200s", call.Text)
	}
	return nil
}

// ingest has errors of a form of its own.
const ingest = "/api/webhook/activity"
