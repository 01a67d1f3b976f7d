package posthorn

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Limits of the activity ingest.
const (
	// MaxActivityBytes is the largest body of a post, in bytes.
	MaxActivityBytes = 1 << 20
	// maxActivityText is the longest identifier or name, in characters: longer text cannot be indexed.
	maxActivityText = 512
)

// ParseActivity reads the body of POST /api/webhook/activity. It applies every rule of the ingest in the order of the
// contract and returns the first one broken as an Invalid error whose message is the answer. The result has neither id
// nor tenant; a missing requestId, statusCode or errorMessage is filled in.
func ParseActivity(body []byte) (ActivityRecord, error) {
	in, err := readActivityObject(body)
	if err != nil {
		return ActivityRecord{}, err
	}
	rec := ActivityRecord{}
	for _, rule := range []func(activityInput, *ActivityRecord) error{
		activityTypeRule, requiredRules, requestIDRule, statusCodeRule, riskLevelRule, riskScoreRule, textRules, objectRules,
	} {
		if err := rule(in, &rec); err != nil {
			return ActivityRecord{}, err
		}
	}
	if rec.Failed() && rec.ErrorMessage == "" {
		rec.ErrorMessage = httpError(rec.StatusCode)
	}
	return rec, nil
}

// activityInput holds the members of the posted object that are present and not null.
type activityInput map[string]json.RawMessage

// errInvalidJSON is the answer to a body that is not one JSON object in UTF-8.
var errInvalidJSON = Errorf(Invalid, "Invalid JSON body")

func readActivityObject(body []byte) (activityInput, error) {
	// encoding/json would quietly replace bad UTF-8, and the database would refuse what it let through.
	if !utf8.Valid(body) {
		return nil, errInvalidJSON
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	var in activityInput
	if err := dec.Decode(&in); err != nil || in == nil {
		return nil, errInvalidJSON
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errInvalidJSON
	}
	for name, value := range in {
		if string(value) == "null" {
			delete(in, name)
		}
	}
	return in, nil
}

// text returns a member that is a string; ok is false when it is absent or of another type.
func (in activityInput) text(name string) (s string, ok bool) {
	raw, present := in[name]
	if !present || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

// missing reports whether a required member is absent or blank. One of another type is present: its type is refused
// later, in the order of the contract.
func (in activityInput) missing(name string) bool {
	if _, present := in[name]; !present {
		return true
	}
	s, ok := in.text(name)
	return ok && strings.TrimSpace(s) == ""
}

// number returns a member that is a JSON number within the range of a float64.
func (in activityInput) number(name string) (float64, bool) {
	var n float64
	raw := in[name]
	if len(raw) == 0 || json.Unmarshal(raw, &n) != nil {
		return 0, false
	}
	return n, true
}

func activityTypeRule(in activityInput, rec *ActivityRecord) error {
	s, _ := in.text("activityType")
	if rec.Type = ActivityType(s); !rec.Type.Valid() {
		return Errorf(Invalid, "Invalid activityType. Must be one of: kyt, kya, kye")
	}
	return nil
}

// requiredFor lists what each type cannot do without, in the order in which it is asked for.
var requiredFor = map[ActivityType][]string{
	KYT: {"blockchain", "transactionHash"},
	KYA: {"blockchain", "address"},
	KYE: {"entityId"},
}

func requiredRules(in activityInput, rec *ActivityRecord) error {
	if in.missing("userId") {
		return Errorf(Invalid, "userId is required")
	}
	for _, name := range requiredFor[rec.Type] {
		if in.missing(name) {
			return Errorf(Invalid, "%s is required for %s", name, rec.Type)
		}
	}
	return nil
}

func requestIDRule(in activityInput, rec *ActivityRecord) error {
	if _, present := in["requestId"]; !present {
		rec.RequestID = uuid.New()
		return nil
	}
	s, _ := in.text("requestId")
	id, err := uuid.Parse(s)
	// uuid.Parse also takes a URN, braces and bare digits; the field is the plain form.
	if err != nil || len(s) != len(id.String()) {
		return Errorf(Invalid, "requestId must be a UUID")
	}
	rec.RequestID = id
	return nil
}

func statusCodeRule(in activityInput, rec *ActivityRecord) error {
	if _, present := in["statusCode"]; !present {
		rec.StatusCode = 200
		return nil
	}
	n, ok := in.number("statusCode")
	if !ok || n != math.Trunc(n) || n < 100 || n > 599 {
		return Errorf(Invalid, "statusCode must be an integer between 100 and 599")
	}
	rec.StatusCode = int(n)
	return nil
}

func riskLevelRule(in activityInput, rec *ActivityRecord) error {
	if _, present := in["riskLevel"]; !present {
		return nil
	}
	s, _ := in.text("riskLevel")
	if rec.RiskLevel = RiskLevel(s); !rec.RiskLevel.Valid() {
		return Errorf(Invalid, "Invalid riskLevel. Must be one of: low, medium, high, critical")
	}
	return nil
}

func riskScoreRule(in activityInput, rec *ActivityRecord) error {
	if _, present := in["riskScore"]; !present {
		return nil
	}
	n, ok := in.number("riskScore")
	if !ok || n < 0 || n > 100 {
		return Errorf(Invalid, "riskScore must be between 0 and 100")
	}
	n = math.Abs(n) // -0 is 0
	rec.RiskScore = &n
	return nil
}

// textRules reads the fields that are plain text, in the order of the field table.
func textRules(in activityInput, rec *ActivityRecord) error {
	for _, f := range []struct {
		name  string
		into  *string
		limit int
	}{
		{"userId", &rec.UserID, maxActivityText},
		{"responseId", &rec.ResponseID, maxActivityText},
		{"blockchain", &rec.Blockchain, maxActivityText},
		{"transactionHash", &rec.TransactionHash, maxActivityText},
		{"address", &rec.Address, maxActivityText},
		{"entityId", &rec.EntityID, maxActivityText},
		{"entityName", &rec.EntityName, maxActivityText},
		{"errorMessage", &rec.ErrorMessage, MaxActivityBytes},
		{"clientAppId", &rec.ClientAppID, maxActivityText},
		{"clientAppName", &rec.ClientAppName, maxActivityText},
	} {
		if _, present := in[f.name]; !present {
			continue
		}
		s, ok := in.text(f.name)
		switch {
		case !ok:
			return Errorf(Invalid, "%s must be a string", f.name)
		case utf8.RuneCountInString(s) > f.limit:
			return Errorf(Invalid, "%s must be at most %d characters", f.name, f.limit)
		case strings.ContainsRune(s, 0):
			return Errorf(Invalid, "%s must not contain the null character", f.name)
		}
		*f.into = s
	}
	return nil
}

// objectRules reads the fields that are JSON objects, in the order of the field table.
func objectRules(in activityInput, rec *ActivityRecord) error {
	for _, f := range []struct {
		name string
		into *json.RawMessage
	}{
		{"requestPayload", &rec.RequestPayload},
		{"responsePayload", &rec.ResponsePayload},
		{"responseSummary", &rec.ResponseSummary},
		{"metadata", &rec.Metadata},
	} {
		raw, present := in[f.name]
		if !present {
			continue
		}
		if raw[0] != '{' {
			return Errorf(Invalid, "%s must be an object", f.name)
		}
		if depth(raw) > maxJSONDepth {
			return Errorf(Invalid, "%s must not be nested deeper than %d levels", f.name, maxJSONDepth)
		}
		*f.into = slices.Clone(raw)
	}
	if rec.Metadata == nil {
		return nil
	}
	var err error
	rec.Metadata, err = indexableJSON(rec.Metadata)
	if err != nil {
		return Errorf(Invalid, "metadata %s", err.Error())
	}
	return nil
}

// maxJSONDepth bounds the nesting of a payload: deeper ones exhaust the stack of readers, the database's included.
const maxJSONDepth = 256

// depth returns the deepest nesting of valid JSON, outside strings.
func depth(raw []byte) int {
	deepest, now, inString := 0, 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return deepest
}

// indexableJSON returns an object as jsonb can hold it: with the text of its strings decoded and written anew (lone
// surrogates become U+FFFD) and its numbers as they were. The null character and numbers beyond a double are refused.
func indexableJSON(raw []byte) (json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if err := checkIndexable(v); err != nil {
		return nil, err
	}
	return marshal(v)
}

func checkIndexable(v any) error {
	switch v := v.(type) {
	case string:
		if strings.ContainsRune(v, 0) {
			return errors.New("must not contain the null character")
		}
	case json.Number:
		if !IndexableNumber(v.String()) {
			return errors.New("must not contain a number beyond the range of a double")
		}
	case []any:
		for _, e := range v {
			if err := checkIndexable(e); err != nil {
				return err
			}
		}
	case map[string]any:
		for key, e := range v {
			if err := checkIndexable(key); err != nil {
				return err
			}
			if err := checkIndexable(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// IndexableNumber reports whether a JSON number literal is one that metadata may hold: within the range of a double, of at
// most 400 characters, and with an exponent between -400 and 400.
func IndexableNumber(literal string) bool {
	const most = 400 // digits, and the exponent's size; a double needs fewer
	if _, err := strconv.ParseFloat(literal, 64); err != nil || len(literal) > most {
		return false
	}
	_, exponent, _ := strings.Cut(strings.ToLower(literal), "e")
	if exponent == "" {
		return true
	}
	e, err := strconv.Atoi(exponent)
	return err == nil && -most <= e && e <= most
}
