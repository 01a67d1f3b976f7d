package pages

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"

	"posthorn/internal/posthorn"
)

// nested is a document with a value at a depth.
func nested(depth int) []byte {
	return []byte(strings.Repeat("[", depth) + `"deep"` + strings.Repeat("]", depth))
}

func TestADocumentIsLaidOutAsDeepAsItCanBeRead(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		name, raw string
		laidOut   bool
	}{
		{"as deep as is laid out", string(nested(codeDepth)), true},
		{"deeper", string(nested(codeDepth + 1)), false},
		{"deeper in a later part", `{"a":{"b":1},"c":` + string(nested(codeDepth)) + `}`, false},
		{"deep objects", strings.Repeat(`{"a":`, codeDepth+1) + "1" + strings.Repeat("}", codeDepth+1), false},
		{"brackets in a string", `{"a":"` + strings.Repeat("[", 500) + `\""}`, true},
		{"wide", `{"a":[` + strings.Repeat("1,", 500) + `1]}`, true},
		{"more behind it", `{"a":1} and more`, false},
		{"cut off", `{"a":[1,2`, false},
		{"no JSON", `not yet`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if text := EditableJSON([]byte(test.raw)); strings.Contains(text, "\n") != test.laidOut || !test.laidOut && text != test.raw {
				t.Errorf("laid out: %v, want %v: %q", !test.laidOut, test.laidOut, text)
			}
			shown := parsed(t, highlighted([]byte(test.raw))).Find("body")
			if spans := shown.Find("span").Length(); spans > 0 != test.laidOut {
				t.Errorf("%d coloured pieces", spans)
			}
			if !test.laidOut && shown.Text() != test.raw {
				t.Errorf("shows %q instead of what there is", shown.Text())
			}
		})
	}
}

// Nobody knows how deeply the JSON of others is nested, and laid out it grows with the square of the depth.
func TestDeepJSONOfOthersCannotBlowUpAPage(t *testing.T) {
	t.Parallel()

	const size = 64 << 10
	depth := 9000 // the most that encoding/json takes is 10,000
	closed := append(nested(depth), strings.Repeat(" ", size-2*depth)...)
	for kind, raw := range map[string][]byte{"closed": closed, "open": []byte(strings.Repeat("[", size))} {
		if json.Valid(raw) != (kind == "closed") {
			t.Fatalf("%s: wrong example", kind)
		}
		for page, component := range pagesWith(raw) {
			t.Run(kind+" in "+page, func(t *testing.T) {
				t.Parallel()
				var html strings.Builder
				if err := component.Render(t.Context(), &html); err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(html.String(), strings.Repeat("[", 100)) {
					t.Error("the document is not there as it is")
				}
				if html.Len() > 10*size {
					t.Errorf("%d bytes", html.Len())
				}
			})
		}
	}
}

// pagesWith are all pages that show JSON of others, with such a document.
func pagesWith(raw []byte) map[string]templ.Component {
	hook := ledger()
	attempt := posthorn.Attempt{Number: 1, Outcome: posthorn.Outcome{StatusCode: 200, ResponseBody: raw}}
	entry := posthorn.LogEntry{
		Delivery: posthorn.Delivery{
			ID: posthorn.DeliveryIDAt(feedNow), EventID: posthorn.NewEventID(), Event: "case.opened", WebhookID: hook.Webhook.ID,
			Payload: posthorn.SchemeStandard, State: posthorn.DeliverySucceeded, Attempts: 1, CreatedAt: feedNow,
		},
		Data: raw, History: []posthorn.Attempt{attempt},
	}
	kind := posthorn.EventType{Event: "case.opened", Example: raw, Schema: raw}
	return map[string]templ.Component{
		"the result of a test": WebhookTest(WebhookTestProps{Page: hook, Event: entry.Event, Data: EditableJSON(raw), Result: &entry}),
		"a delivery": Delivery(DeliveryProps{
			Page: ownerPage("Delivery"), Delivery: posthorn.Inspection{Entry: entry, Attempt: &attempt}, Location: time.UTC, Now: feedNow,
		}),
		"an event": Event(EventProps{
			Page: ownerPage("Event"), Trace: posthorn.EventTrace{Event: posthorn.Event{ID: entry.EventID, Type: entry.Event, Data: raw}}, Location: time.UTC, Now: feedNow,
		}),
		"an event type": EventType(EventTypeProps{Page: ownerPage("Type"), Type: kind, Location: time.UTC, Now: feedNow}),
		"a record":      Record(RecordPageProps{Page: ownerPage("Record"), Record: recordWith(raw)}),
		"the drawer":    Drawer(recordWith(raw)),
	}
}

// recordWith has the document as each of its payloads.
func recordWith(raw []byte) RecordProps {
	p := kytRecord()
	p.Record.ResponseSummary, p.Record.ResponsePayload, p.Record.RequestPayload, p.Record.Metadata = raw, raw, raw, raw
	return p
}
