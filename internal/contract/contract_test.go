package contract_test

import (
	"net/http"
	"strings"
	"testing"

	"posthorn/internal/contract"
)

const published = `{"id":"evt_0351HU4ugNxmTtC2v5bQ1e","event":"submission.completed","deliveries":2}`

func call(method, target, body string, status int, text string, headers ...string) contract.Call {
	req, err := http.NewRequest(method, "http://localhost"+target, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res := &http.Response{StatusCode: status, Header: http.Header{
		"Content-Type": {"application/json"}, "X-Request-Id": {"8f0c7a52-4b1e-4c55-9b0f-2f9b5c8f0b6e"},
	}}
	for i := 0; i < len(headers); i += 2 {
		res.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			res.Header.Del(headers[i])
		}
	}
	return contract.Call{Request: req, Body: []byte(body), Answer: res, Text: []byte(text)}
}

func TestCheckFindsWhatTheDocumentDoesNotSay(t *testing.T) {
	t.Parallel()
	const (
		events = "/api/v1/events"
		event  = `{"event":"submission.completed","data":{}}`
	)
	for name, c := range map[string]struct {
		call contract.Call
		// wrong is part of the complaint, empty for none.
		wrong string
	}{
		"as it says":                  {call("POST", events, event, 202, published), ""},
		"a batch":                     {call("POST", events, "["+event+"]", 202, `{"data":[`+published+`]}`), ""},
		"an unknown member sent":      {call("POST", events, `{"event":"a.b","data":{},"x":1}`, 202, published), ""},
		"no API":                      {call("GET", "/webhooks", "", 200, "<html>"), ""},
		"filters that are choices":    {call("GET", "/api/v1/activity?range=1h&status=error&risk=high", "", 200, `{"data":[],"nextCursor":null,"prevCursor":null}`), ""},
		"an unknown address":          {call("GET", "/api/v1/nope", "", 404, `{"error":"x","code":"not_found"}`), ""},
		"HEAD":                        {call("HEAD", "/api/v1/event-types", "", 200, ""), ""},
		"a refused wrong request":     {call("POST", events, `{"event":1}`, 422, `{"error":"x","code":"validation_failed"}`), ""},
		"a member of the answer":      {call("POST", events, event, 202, strings.Replace(published, "}", `,"extra":1}`, 1)), "extra"},
		"a missing member":            {call("POST", events, event, 202, `{"id":"evt_1","event":"a.b"}`), "deliveries"},
		"a wrong type":                {call("POST", events, event, 202, strings.Replace(published, "2", `"2"`, 1)), "202"},
		"another status":              {call("POST", events, event, 201, published), "201"},
		"no JSON":                     {call("POST", events, event, 202, "<html>"), "202"},
		"another type of content":     {call("POST", events, event, 202, published, "Content-Type", "text/html"), "202"},
		"a missing header":            {call("POST", events, event, 202, published, "X-Request-Id", ""), "X-Request-Id"},
		"401 without a challenge":     {call("POST", events, event, 401, `{"error":"x","code":"unauthorized"}`), "Www-Authenticate"},
		"429 without Retry-After":     {call("POST", events, event, 429, `{"error":"x","code":"rate_limited"}`), "Retry-After"},
		"a code that is none":         {call("POST", events, event, 422, `{"error":"x","code":"nope"}`), "422"},
		"an accepted wrong request":   {call("POST", events, `{"event":1,"data":{}}`, 202, published), "accepted"},
		"an accepted wrong filter":    {call("GET", events+"?limit=201", "", 200, `{"data":[],"nextCursor":null,"prevCursor":null}`), "accepted"},
		"an undocumented address":     {call("GET", "/api/v1/nope", "", 200, `{}`), "does not know"},
		"an undocumented method":      {call("PUT", events, event, 200, published), "does not know"},
		"an error of another form":    {call("GET", "/api/v1/nope", "", 404, `Not found`), "error and code"},
		"an ingest error with a code": {call("POST", "/api/webhook/activity", "{}", 400, `{"error":"x","code":"y"}`), "code"},
	} {
		err := contract.Check(c.call)
		if (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(c.wrong)) {
			t.Errorf("%s: %v, want a complaint about %q", name, err, c.wrong)
		}
	}
}
