package posthorn_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"posthorn/internal/posthorn"
)

// kytBody, kyaBody and kyeBody are the smallest posts that are accepted.
var (
	kytBody = fields{"activityType": "kyt", "userId": "user_1", "blockchain": "bitcoin", "transactionHash": "3a1bfd9d"}
	kyaBody = fields{"activityType": "kya", "userId": "user_1", "blockchain": "bitcoin", "address": "1Drt3c8p"}
	kyeBody = fields{"activityType": "kye", "userId": "user_1", "entityId": "ent_7"}
)

// fields is a JSON object; with and without return changed copies.
type fields map[string]any

func (f fields) with(name string, value any) fields {
	c := maps.Clone(f)
	c[name] = value
	return c
}

func (f fields) without(name string) fields {
	c := maps.Clone(f)
	delete(c, name)
	return c
}

func (f fields) json(t *testing.T) []byte {
	t.Helper()
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The messages of the contract.
const (
	msgJSON         = "Invalid JSON body"
	msgActivityType = "Invalid activityType. Must be one of: kyt, kya, kye"
	msgUserID       = "userId is required"
	msgRequestID    = "requestId must be a UUID"
	msgStatusCode   = "statusCode must be an integer between 100 and 599"
	msgRiskLevel    = "Invalid riskLevel. Must be one of: low, medium, high, critical"
	msgRiskScore    = "riskScore must be between 0 and 100"
)

func TestParseActivityRefusesWithTheMessageOfTheContract(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body fields
		want string
	}{
		"activityType missing":          {kytBody.without("activityType"), msgActivityType},
		"activityType null":             {kytBody.with("activityType", nil), msgActivityType},
		"activityType unknown":          {kytBody.with("activityType", "kyx"), msgActivityType},
		"activityType upper case":       {kytBody.with("activityType", "KYT"), msgActivityType},
		"activityType empty":            {kytBody.with("activityType", ""), msgActivityType},
		"activityType number":           {kytBody.with("activityType", 1), msgActivityType},
		"activityType other case name":  {kytBody.without("activityType").with("ActivityType", "kyt"), msgActivityType},
		"userId missing":                {kytBody.without("userId"), msgUserID},
		"userId null":                   {kytBody.with("userId", nil), msgUserID},
		"userId empty":                  {kytBody.with("userId", ""), msgUserID},
		"userId blank":                  {kytBody.with("userId", " \t"), msgUserID},
		"userId number":                 {kytBody.with("userId", 7), "userId must be a string"},
		"userId object":                 {kytBody.with("userId", fields{}), "userId must be a string"},
		"kyt blockchain missing":        {kytBody.without("blockchain"), "blockchain is required for kyt"},
		"kyt blockchain null":           {kytBody.with("blockchain", nil), "blockchain is required for kyt"},
		"kyt blockchain empty":          {kytBody.with("blockchain", ""), "blockchain is required for kyt"},
		"kyt blockchain number":         {kytBody.with("blockchain", 1), "blockchain must be a string"},
		"kya blockchain missing":        {kyaBody.without("blockchain"), "blockchain is required for kya"},
		"kyt transactionHash missing":   {kytBody.without("transactionHash"), "transactionHash is required for kyt"},
		"kyt transactionHash array":     {kytBody.with("transactionHash", []string{"x"}), "transactionHash must be a string"},
		"kya address missing":           {kyaBody.without("address"), "address is required for kya"},
		"kya address boolean":           {kyaBody.with("address", true), "address must be a string"},
		"kye entityId missing":          {kyeBody.without("entityId"), "entityId is required for kye"},
		"kye entityId number":           {kyeBody.with("entityId", 4), "entityId must be a string"},
		"requestId not a uuid":          {kytBody.with("requestId", "a9b2-c1d3"), msgRequestID},
		"requestId empty":               {kytBody.with("requestId", ""), msgRequestID},
		"requestId number":              {kytBody.with("requestId", 12), msgRequestID},
		"requestId urn":                 {kytBody.with("requestId", "urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8"), msgRequestID},
		"requestId in braces":           {kytBody.with("requestId", "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}"), msgRequestID},
		"requestId bare digits":         {kytBody.with("requestId", "6ba7b8109dad11d180b400c04fd430c8"), msgRequestID},
		"responseId number":             {kytBody.with("responseId", 1), "responseId must be a string"},
		"statusCode 99":                 {kytBody.with("statusCode", 99), msgStatusCode},
		"statusCode 600":                {kytBody.with("statusCode", 600), msgStatusCode},
		"statusCode fraction":           {kytBody.with("statusCode", 200.5), msgStatusCode},
		"statusCode text":               {kytBody.with("statusCode", "200"), msgStatusCode},
		"statusCode boolean":            {kytBody.with("statusCode", true), msgStatusCode},
		"statusCode negative":           {kytBody.with("statusCode", -200), msgStatusCode},
		"statusCode huge":               {kytBody.with("statusCode", json.RawMessage("1e999")), msgStatusCode},
		"riskLevel unknown":             {kytBody.with("riskLevel", "severe"), msgRiskLevel},
		"riskLevel upper case":          {kytBody.with("riskLevel", "High"), msgRiskLevel},
		"riskLevel empty":               {kytBody.with("riskLevel", ""), msgRiskLevel},
		"riskLevel number":              {kytBody.with("riskLevel", 3), msgRiskLevel},
		"riskScore below":               {kytBody.with("riskScore", -0.1), msgRiskScore},
		"riskScore above":               {kytBody.with("riskScore", 100.01), msgRiskScore},
		"riskScore text":                {kytBody.with("riskScore", "12"), msgRiskScore},
		"riskScore object":              {kytBody.with("riskScore", fields{}), msgRiskScore},
		"riskScore huge":                {kytBody.with("riskScore", json.RawMessage("1e999")), msgRiskScore},
		"entityName number":             {kytBody.with("entityName", 1), "entityName must be a string"},
		"errorMessage object":           {kytBody.with("errorMessage", fields{}), "errorMessage must be a string"},
		"clientAppId number":            {kytBody.with("clientAppId", 1), "clientAppId must be a string"},
		"clientAppName array":           {kytBody.with("clientAppName", []int{}), "clientAppName must be a string"},
		"requestPayload text":           {kytBody.with("requestPayload", "{}"), "requestPayload must be an object"},
		"responsePayload array":         {kytBody.with("responsePayload", []int{1}), "responsePayload must be an object"},
		"responseSummary number":        {kytBody.with("responseSummary", 1), "responseSummary must be an object"},
		"metadata boolean":              {kytBody.with("metadata", false), "metadata must be an object"},
		"metadata null character":       {kytBody.with("metadata", fields{"a": []string{"x\x00"}}), "metadata must not contain the null character"},
		"metadata null character key":   {kytBody.with("metadata", fields{"x\x00": 1}), "metadata must not contain the null character"},
		"metadata number out of range":  {kytBody.with("metadata", json.RawMessage(`{"n":1e400}`)), "metadata must not contain a number beyond the range of a double"},
		"metadata number with exponent": {kytBody.with("metadata", json.RawMessage(`{"n":0e99999}`)), "metadata must not contain a number beyond the range of a double"},
		"userId null character":         {kytBody.with("userId", "a\x00b"), "userId must not contain the null character"},
		"userId too long":               {kytBody.with("userId", strings.Repeat("é", 513)), "userId must be at most 512 characters"},
		"payload too deep": {
			kytBody.with("requestPayload", json.RawMessage(strings.Repeat(`{"a":`, 300)+"1"+strings.Repeat("}", 300))),
			"requestPayload must not be nested deeper than 256 levels",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec, err := posthorn.ParseActivity(tc.body.json(t))
			if err == nil || err.Error() != tc.want || posthorn.KindOf(err) != posthorn.Invalid {
				t.Errorf("error = %v (%v), want %q", err, posthorn.KindOf(err), tc.want)
			}
			if diff := cmp.Diff(posthorn.ActivityRecord{}, rec); diff != "" {
				t.Errorf("a refused body left something behind:\n%s", diff)
			}
		})
	}
}

func TestParseActivityRefusesWhatIsNotOneJSONObject(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		"", " ", "null", "true", "1", `"kyt"`, "[]", `[{"activityType":"kyt"}]`, "{", `{"activityType":}`, `{} {}`, `{}x`, "{}\x00",
		`{'activityType':'kyt'}`, "{\"userId\":\"\xff\"}", "\xef\xbb\xbf{}", `{"a":"` + "\n" + `"}`, `{"a":01}`, `{"a":NaN}`, `{,}`,
		strings.Repeat("[", 100000), `{"a":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + "}",
	} {
		_, err := posthorn.ParseActivity([]byte(body))
		if err == nil || err.Error() != msgJSON {
			t.Errorf("%.40q: error = %v, want %q", body, err, msgJSON)
		}
	}
}

// Each body breaks a rule and every rule after it; the first one answers.
func TestParseActivityChecksInTheOrderOfTheContract(t *testing.T) {
	t.Parallel()
	bad := fields{
		"activityType": "x", "requestId": "x", "statusCode": 1, "riskLevel": "x", "riskScore": -1,
		"responseId": 1, "requestPayload": 1, "responsePayload": 1, "responseSummary": 1, "metadata": 1,
	}
	steps := []struct {
		want  string
		field string
		fix   any
	}{
		{msgActivityType, "activityType", "kyt"},
		{msgUserID, "userId", "u"},
		{"blockchain is required for kyt", "blockchain", "bitcoin"},
		{"transactionHash is required for kyt", "transactionHash", "h"},
		{msgRequestID, "requestId", uuid.NewString()},
		{msgStatusCode, "statusCode", 200},
		{msgRiskLevel, "riskLevel", "low"},
		{msgRiskScore, "riskScore", 1},
		{"responseId must be a string", "responseId", "r"},
		{"requestPayload must be an object", "requestPayload", fields{}},
		{"responsePayload must be an object", "responsePayload", fields{}},
		{"responseSummary must be an object", "responseSummary", fields{}},
		{"metadata must be an object", "metadata", fields{}},
	}
	for _, step := range steps {
		if _, err := posthorn.ParseActivity(bad.json(t)); err == nil || err.Error() != step.want {
			t.Fatalf("before fixing %s: error = %v, want %q", step.field, err, step.want)
		}
		bad = bad.with(step.field, step.fix)
	}
	if _, err := posthorn.ParseActivity(bad.json(t)); err != nil {
		t.Errorf("everything fixed: %v", err)
	}
}

func TestParseActivityReadsEveryField(t *testing.T) {
	t.Parallel()
	id := uuid.NewString()
	rec, err := posthorn.ParseActivity([]byte(`{"activityType":"kyt","userId":"user_32T5","requestId":"` + id + `","responseId":"f5a0","statusCode":503,
		"blockchain":"bitcoin","transactionHash":"3a1b","address":"1Drt","entityId":"ent","entityName":"Halcyon","riskLevel":"high","riskScore":71.5,
		"requestPayload": {"b":1, "a":[1.10,"x"]},"responsePayload":{"signals":[]},"responseSummary":{"risk":"high"},"errorMessage":"provider down",
		"metadata":{"source":"w<1>","n":1.10},"clientAppId":"app_2x","clientAppName":"LedgerLink Web","unknown":{"ignored":true}}`))
	if err != nil {
		t.Fatal(err)
	}
	score := 71.5
	want := posthorn.ActivityRecord{
		Activity: posthorn.Activity{
			Type: posthorn.KYT, UserID: "user_32T5", RequestID: uuid.MustParse(id), ResponseID: "f5a0", StatusCode: 503, Blockchain: "bitcoin",
			TransactionHash: "3a1b", Address: "1Drt", EntityID: "ent", EntityName: "Halcyon", RiskLevel: posthorn.RiskHigh, RiskScore: &score,
			ResponseSummary: json.RawMessage(`{"risk":"high"}`), ErrorMessage: "provider down", Metadata: json.RawMessage(`{"n":1.10,"source":"w<1>"}`),
			ClientAppID: "app_2x", ClientAppName: "LedgerLink Web",
		},
		// Payloads are kept byte for byte: spaces, order and number literals included.
		RequestPayload:  json.RawMessage(`{"b":1, "a":[1.10,"x"]}`),
		ResponsePayload: json.RawMessage(`{"signals":[]}`),
	}
	if diff := cmp.Diff(want, rec); diff != "" {
		t.Error(diff)
	}
}

func TestParseActivityFillsInWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body   fields
		status int
		failed bool
		errMsg string
	}{
		"nothing":                    {kyeBody, 200, false, ""},
		"null is absent":             {kyeBody.with("requestId", nil).with("statusCode", nil).with("riskScore", nil).with("metadata", nil), 200, false, ""},
		"an error without a message": {kyeBody.with("statusCode", 502), 502, true, "HTTP 502 Bad Gateway"},
		"an error of no known name":  {kyeBody.with("statusCode", 599), 599, true, "HTTP 599"},
		"an error with a message":    {kyeBody.with("statusCode", 400).with("errorMessage", "bad hash"), 400, true, "bad hash"},
		"a message without an error": {kyeBody.with("statusCode", 399).with("errorMessage", "odd"), 399, false, "odd"},
		"an integer with a fraction": {kyeBody.with("statusCode", json.RawMessage("2.04e2")), 204, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec, err := posthorn.ParseActivity(tc.body.json(t))
			if err != nil {
				t.Fatal(err)
			}
			if rec.RequestID == uuid.Nil {
				t.Error("no request id was made")
			}
			if rec.StatusCode != tc.status || rec.Failed() != tc.failed || rec.ErrorMessage != tc.errMsg {
				t.Errorf("got %d, %v, %q; want %d, %v, %q", rec.StatusCode, rec.Failed(), rec.ErrorMessage, tc.status, tc.failed, tc.errMsg)
			}
		})
	}
}

func TestErrorPhrasesAreThoseOfTheStandard(t *testing.T) {
	t.Parallel()
	for status := 400; status <= 599; status++ {
		want := fmt.Sprintf("HTTP %d", status)
		if text := http.StatusText(status); text != "" {
			want += " " + text
		}
		rec, err := posthorn.ParseActivity(kyeBody.with("statusCode", status).json(t))
		if err != nil || rec.ErrorMessage != want {
			t.Errorf("%d: %q, %v; want %q", status, rec.ErrorMessage, err, want)
		}
	}
}

// Whatever is posted, the answer is a record that the database can hold or an Invalid error, never a panic.
func FuzzParseActivity(f *testing.F) {
	for _, seed := range []string{
		`{"activityType":"kyt","userId":"u","blockchain":"b","transactionHash":"h","riskScore":12,"metadata":{"a":[1,{"b":"c"}]}}`,
		`{"activityType":"kye","userId":"u","entityId":"e","statusCode":502,"requestPayload":{"a":"\ud800"}}`,
		`{"activityType":"kya","userId":"\u0000","blockchain":"b","address":"a","metadata":{"\u0000":1e999}}`,
		`{}`, `[]`, `null`, `{"userId":`, "\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		rec, err := posthorn.ParseActivity(body)
		if err != nil {
			if posthorn.KindOf(err) != posthorn.Invalid || err.Error() == "" {
				t.Fatalf("error of kind %v: %v", posthorn.KindOf(err), err)
			}
			return
		}
		if !rec.Type.Valid() || strings.TrimSpace(rec.UserID) == "" || rec.Subject() == "" {
			t.Fatalf("an incomplete record was accepted: %+v", rec.Activity)
		}
		for _, s := range append(rec.SearchTerms(), rec.UserID, rec.ErrorMessage, rec.ClientAppName, string(rec.Metadata)) {
			if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
				t.Fatalf("text that the database refuses: %q", s)
			}
		}
		for _, raw := range []json.RawMessage{rec.RequestPayload, rec.ResponsePayload, rec.ResponseSummary, rec.Metadata} {
			if raw != nil && (!json.Valid(raw) || raw[0] != '{') {
				t.Fatalf("not an object: %s", raw)
			}
		}
	})
}
