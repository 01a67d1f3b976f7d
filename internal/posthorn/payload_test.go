package posthorn_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/posthorn"
)

// envelopeSchemes are those whose payload is the envelope with the data as it is.
var envelopeSchemes = []posthorn.Scheme{posthorn.SchemeStandard, posthorn.SchemeSmartKYC, posthorn.SchemeCustom}

// outgoing is an event of an application, with data that has to keep its bytes.
func outgoing(event, data string) posthorn.Outgoing {
	return posthorn.Outgoing{
		DeliveryID: "whd_1", Event: event, OccurredAt: time.Date(2024, 1, 15, 12, 30, 0, 123_999_999, time.FixedZone("", 7200)),
		EventID: "evt_1", TenantID: "tenant_1", ApplicationID: "app_1", Data: json.RawMessage(data),
	}
}

func payloadOf(t *testing.T, s posthorn.Scheme, o posthorn.Outgoing) string {
	t.Helper()
	body, err := s.Payload(o)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(body) {
		t.Fatalf("%s payload is not JSON: %s", s, body)
	}
	return string(body)
}

func TestTheEnvelopeHasItsFieldsInOrderAndTheDataByteForByte(t *testing.T) {
	t.Parallel()
	const data = "{ \"b\":1.50, \"a\" : \"\\u0041<&>/\\/\u2028\",\n\t\"b\":1e400,\"big\":12345678901234567890 }"
	want := `{"id":"whd_1","event":"submission.completed","timestamp":"2024-01-15T10:30:00.123Z","eventId":"evt_1",` +
		`"tenantId":"tenant_1","applicationId":"app_1","data":` + data + `}`
	for _, s := range envelopeSchemes {
		if diff := cmp.Diff(want, payloadOf(t, s, outgoing("submission.completed", data))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", s, diff)
		}
	}
}

func TestWhatIsNotKnownIsNullInTheEnvelope(t *testing.T) {
	t.Parallel()
	o := outgoing("a.b", `{}`)
	o.EventID, o.TenantID, o.ApplicationID = "", "", ""
	const want = `{"id":"whd_1","event":"a.b","timestamp":"2024-01-15T10:30:00.123Z","eventId":null,"tenantId":null,"applicationId":null,"data":{}}`
	if diff := cmp.Diff(want, payloadOf(t, posthorn.SchemeStandard, o)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAPayloadNeedsAnObjectAndAKnownScheme(t *testing.T) {
	t.Parallel()
	for _, s := range posthorn.Schemes() {
		for _, data := range []string{"", " ", "null", "[]", `"x"`, "{", `{"a":1`, `{},"id":"whd_2"`, `{}{}`, `{"a":01}`} {
			if body, err := s.Payload(outgoing("a.b", data)); err == nil {
				t.Errorf("%s takes the data %q: %s", s, data, body)
			}
		}
	}
	if body, err := posthorn.Scheme("hmac").Payload(outgoing("a.b", "{}")); err == nil {
		t.Errorf("an unknown scheme has the payload %s", body)
	}
}

// The example of the Kryptos document: its payload is the envelope of that document with more fields before data.
func TestKryptosAlwaysHasAUID(t *testing.T) {
	t.Parallel()
	const source = `{"uid":"user_123","provider":"binance","publicAddress":null,"addedOn":1640995200000}`
	for data, want := range map[string]string{
		source:              source,
		`{}`:                `{"uid":null}`,
		` { } `:             ` {"uid":null } `,
		`{"provider":"x"}`:  `{"uid":null,"provider":"x"}`,
		"{\n  \"a\": 1\n}":  "{\"uid\":null,\n  \"a\": 1\n}",
		`{"uid":null}`:      `{"uid":null}`,
		`{"a":{"uid":"x"}}`: `{"uid":null,"a":{"uid":"x"}}`,
	} {
		body := payloadOf(t, posthorn.SchemeKryptos, outgoing("integration.created", data))
		if !strings.HasSuffix(body, `"applicationId":"app_1","data":`+want+`}`) {
			t.Errorf("data %s is sent as %s, want %s", data, body, want)
		}
	}
}

func TestAddUIDChangesNothingElse(t *testing.T) {
	t.Parallel()
	uid := `user_"1"<&>`
	for data, want := range map[string]string{
		`{}`:                            `{"uid":"user_\"1\"<&>"}`,
		`{"a":1}`:                       `{"uid":"user_\"1\"<&>","a":1}`,
		"\t{ \"a\" : [1, {\"uid\":2}]}": "\t{\"uid\":\"user_\\\"1\\\"<&>\", \"a\" : [1, {\"uid\":2}]}",
		`{"x":"\"uid\":"}`:              `{"uid":"user_\"1\"<&>","x":"\"uid\":"}`,
		`{"UID":1}`:                     `{"uid":"user_\"1\"<&>","UID":1}`,
		`{"uid ":1}`:                    `{"uid":"user_\"1\"<&>","uid ":1}`,
		`{"a":"uid"}`:                   `{"uid":"user_\"1\"<&>","a":"uid"}`,
		// There is one already, however it is spelled and wherever it stands.
		`{"uid":"other"}`:                       `{"uid":"other"}`,
		`{"\u0075id":"other"}`:                  `{"\u0075id":"other"}`,
		`{"u\u0069d":7}`:                        `{"u\u0069d":7}`,
		`{"a":"\\\"","b":-1.5e+3,"uid" : true}`: `{"a":"\\\"","b":-1.5e+3,"uid" : true}`,
		// Null is none, and is replaced where it stands, the last where there are several: it is what readers see.
		`{"a":{"b":["}","\\"]}, "uid" : null}`: `{"a":{"b":["}","\\"]}, "uid" : "user_\"1\"<&>"}`,
		`{"\u0075id":null,"b":null}`:           `{"\u0075id":"user_\"1\"<&>","b":null}`,
		`{"uid":"x","uid":null }`:              `{"uid":"x","uid":"user_\"1\"<&>" }`,
		`{"uid":null,"uid":"x"}`:               `{"uid":null,"uid":"x"}`,
	} {
		if got := string(posthorn.AddUID(json.RawMessage(data), &uid)); got != want {
			t.Errorf("%s becomes %s, want %s", data, got, want)
		}
	}
}

// arkycChecks are those of the example in the Arkyc document.
const arkycChecks = `{
    "document": { "quality_score": 0.93, "ocr_confidence": 0.88, "expired": false, "ocr_parse_stage": "mrz" },
    "liveness": { "passed": true, "score": 0.97 },
    "face_match": { "passed": true, "similarity_score": 0.91 }
  }`

func TestArkycIsFlat(t *testing.T) {
	t.Parallel()
	const at = `"created_at":"2024-01-15T10:30:00.123Z"`
	for name, tc := range map[string]struct{ event, data, want string }{
		"as in its document": {
			"verification.approved",
			`{"session_id":"ses_1","user_reference":"user_123","status":"approved","checks":` + arkycChecks + `,"decision_reason":null}`,
			`{"event":"verification.approved","session_id":"ses_1","tenant_id":"tenant_1","project_id":"app_1","user_reference":"user_123",` +
				`"status":"approved","checks":` + arkycChecks + `,"decision_reason":null,` + at + `}`,
		},
		"camelCase, and nothing beside it": {
			"verification.rejected",
			`{"sessionId":"ses_1","userReference":"user_123","decisionReason":"expired <document>","extra":1}`,
			`{"event":"verification.rejected","session_id":"ses_1","tenant_id":"tenant_1","project_id":"app_1","user_reference":"user_123",` +
				`"status":"rejected","checks":{},"decision_reason":"expired <document>",` + at + `}`,
		},
		"snake_case wins": {
			"verification.started", `{"sessionId":"camel","session_id":"snake"}`,
			`{"event":"verification.started","session_id":"snake","tenant_id":"tenant_1","project_id":"app_1","user_reference":null,` +
				`"status":"started","checks":{},"decision_reason":null,` + at + `}`,
		},
		"null is not said": {
			"verification.document_submitted",
			`{"session_id":null,"verificationId":"ver_1","id":"x","user_reference":null,"uid":"user_1","status":null,"checks":null}`,
			`{"event":"verification.document_submitted","session_id":"ver_1","tenant_id":"tenant_1","project_id":"app_1",` +
				`"user_reference":"user_1","status":"document_submitted","checks":{},"decision_reason":null,` + at + `}`,
		},
		"the last of repeated names counts": {
			"verification.started", `{"status":"a","\u0073tatus":"b"}`,
			`{"event":"verification.started","session_id":null,"tenant_id":"tenant_1","project_id":"app_1","user_reference":null,` +
				`"status":"b","checks":{},"decision_reason":null,` + at + `}`,
		},
		"other events carry the rest of their data": {
			"submission.completed",
			`{ "submissionId":"sub_1", "userReference" : "user_123", "created_at":"never", "status":"completed", "\u0065vent":"x", "n\u0061me": "Zo\u00eb", "n":1.50 }`,
			`{"event":"submission.completed","session_id":"sub_1","tenant_id":"tenant_1","project_id":"app_1","user_reference":"user_123",` +
				`"status":"completed","checks":{},"decision_reason":null,` + at + `,"submissionId":"sub_1","n\u0061me":"Zo\u00eb","n":1.50}`,
		},
		"the id of the resource": {
			"integration.created", `{"id":7,"uid":"user_1"}`,
			`{"event":"integration.created","session_id":7,"tenant_id":"tenant_1","project_id":"app_1","user_reference":"user_1",` +
				`"status":"created","checks":{},"decision_reason":null,` + at + `,"id":7,"uid":"user_1"}`,
		},
		"aml is about a submission": {
			"aml.match.found", `{"submissionId":"sub_123456"}`,
			`{"event":"aml.match.found","session_id":"sub_123456","tenant_id":"tenant_1","project_id":"app_1","user_reference":null,` +
				`"status":"found","checks":{},"decision_reason":null,` + at + `,"submissionId":"sub_123456"}`,
		},
		"the part of the name nearest the category": {
			"aml.screening.completed", `{"submissionId":"sub_1","screening_id":"scr_1"}`,
			`{"event":"aml.screening.completed","session_id":"scr_1","tenant_id":"tenant_1","project_id":"app_1","user_reference":null,` +
				`"status":"completed","checks":{},"decision_reason":null,` + at + `,"submissionId":"sub_1","screening_id":"scr_1"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, payloadOf(t, posthorn.SchemeArkyc, outgoing(tc.event, tc.data))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestArkycHasNoProjectWithoutAnApplication(t *testing.T) {
	t.Parallel()
	o := outgoing("verification.started", `{}`)
	o.ApplicationID = ""
	if body := payloadOf(t, posthorn.SchemeArkyc, o); !strings.Contains(body, `"project_id":null,`) {
		t.Errorf("payload %s", body)
	}
}

// topLevel decodes an object as any receiver would.
func topLevel(data []byte) (members map[string]json.RawMessage, ok bool) {
	return members, json.Unmarshal(data, &members) == nil && members != nil
}

// fuzzSeeds are data with what a scanner can trip over.
var fuzzSeeds = []string{
	`{}`, ` { "a" : 1 } `, `{"uid":1}`, `{"\u0075id":1}`, `{"a":"\\","b":"\"}{"}`, `{"a":[{"uid":1},[]],"b":{}}`, `{"":null,"":true}`,
	`{"uid":null}`, `{"a":[],"uid" : null }`, `{"uid":1,"uid":null}`, `{"status":"x","sessionId":null,"checks":{"a":[1,2]}}`, `[]`, `{"a":1`, `null`, "{\"\xff\":1}", `{"a":-1.5E+10,"b":false}`, `{"a" :{ } , "b":[ ] }`,
}

func FuzzAddUID(f *testing.F) {
	for _, seed := range fuzzSeeds {
		f.Add([]byte(seed), "user_1", true)
		f.Add([]byte(seed), "", false)
	}
	f.Fuzz(func(t *testing.T, data []byte, uid string, known bool) {
		if _, isObject := topLevel(data); !isObject {
			return
		}
		id := &uid
		if !known {
			id = nil
		}
		got := posthorn.AddUID(data, id)
		before, _ := topLevel(data)
		value, present := before["uid"]
		if known && string(value) == "null" {
			after, ok := topLevel(got)
			if !ok || string(after["uid"]) == "null" {
				t.Fatalf("%q became %q, which has no uid", data, got)
			}
			delete(before, "uid")
			delete(after, "uid")
			if diff := cmp.Diff(before, after); diff != "" {
				t.Fatalf("%q became %q:\n%s", data, got, diff)
			}
			return
		}
		if present {
			if !bytes.Equal(got, data) {
				t.Fatalf("%q became %q", data, got)
			}
			return
		}
		after, ok := topLevel(got)
		if _, present := after["uid"]; !ok || !present {
			t.Fatalf("%q became %q, which has no uid", data, got)
		}
		// What was put in is one piece; around it every byte is as it was.
		open := bytes.IndexByte(data, '{') + 1
		if !bytes.HasPrefix(got, data[:open]) || !bytes.HasSuffix(got, data[open:]) || len(got) < len(data) {
			t.Fatalf("%q became %q", data, got)
		}
		delete(after, "uid")
		if diff := cmp.Diff(before, after); diff != "" {
			t.Fatalf("%q became %q:\n%s", data, got, diff)
		}
		if again := posthorn.AddUID(got, id); !bytes.Equal(again, got) {
			t.Fatalf("%q gets a second uid: %q", got, again)
		}
	})
}

func FuzzPayload(f *testing.F) {
	for _, seed := range fuzzSeeds {
		for _, event := range []string{"verification.approved", "aml.match.found", `"<>`, ""} {
			f.Add([]byte(seed), event)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, event string) {
		_, isObject := topLevel(data)
		for _, s := range posthorn.Schemes() {
			kept := bytes.Clone(data)
			o := outgoing(event, string(data))
			o.Data = kept
			body, err := s.Payload(o)
			if (err == nil) != isObject {
				t.Fatalf("%s payload of %q: %v", s, data, err)
			}
			if err != nil {
				continue
			}
			if !json.Valid(body) {
				t.Fatalf("%s payload of %q is not JSON: %q", s, data, body)
			}
			if again, err := s.Payload(o); err != nil || !bytes.Equal(again, body) || !bytes.Equal(kept, data) {
				t.Fatalf("%s payload of %q is another the second time, %v", s, data, err)
			}
			switch s {
			case posthorn.SchemeArkyc:
				fuzzFlat(t, body, data)
			case posthorn.SchemeKryptos:
				data := posthorn.AddUID(data, nil)
				if !bytes.HasSuffix(body, append([]byte(`"data":`), append(data, '}')...)) {
					t.Fatalf("%s payload does not hold %q: %q", s, data, body)
				}
			default:
				if !bytes.HasSuffix(body, append([]byte(`"data":`), append(bytes.Clone(data), '}')...)) {
					t.Fatalf("%s payload does not hold %q: %q", s, data, body)
				}
			}
		}
	})
}

// fuzzFlat checks that a flat payload begins with the fixed fields in their order and has each of them once.
func fuzzFlat(t *testing.T, body, data []byte) {
	t.Helper()
	fixed := []string{
		"event", "session_id", "tenant_id", "project_id", "user_reference", "status", "checks", "decision_reason", "created_at",
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if _, err := dec.Token(); err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for i := 0; dec.More(); i++ {
		token, err := dec.Token()
		if err != nil {
			t.Fatal(err)
		}
		name, _ := token.(string)
		if i < len(fixed) && name != fixed[i] {
			t.Fatalf("member %d of the payload of %q is %q, want %q", i, data, name, fixed[i])
		}
		count[name]++
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range fixed {
		if count[name] != 1 {
			t.Fatalf("the payload of %q has %q %d times", data, name, count[name])
		}
	}
}
