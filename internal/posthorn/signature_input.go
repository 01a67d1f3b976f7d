package posthorn

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// signatureJSON is how a signature is written: options that a scheme does not have, or that have their default, are left out.
type signatureJSON struct {
	Scheme          Scheme     `json:"scheme"`
	Key             SigningKey `json:"key,omitempty"`
	Header          string     `json:"header,omitempty"`
	TimestampHeader string     `json:"timestampHeader,omitempty"`
	Encoding        Encoding   `json:"encoding,omitempty"`
	Over            SignedPart `json:"over,omitempty"`
}

// MarshalJSON writes the signature in the form of the API, such as {"scheme":"smartkyc","key":"webhook"}.
func (s Signature) MarshalJSON() ([]byte, error) { return marshal(signatureJSON(s.Normal())) }

// UnmarshalJSON reads what ParseSignature does. The error is Invalid and says what is wrong.
func (s *Signature) UnmarshalJSON(raw []byte) error {
	parsed, rule := ParseSignature(raw)
	if rule != "" {
		return Errorf(Invalid, "signature %s", rule)
	}
	*s = parsed
	return nil
}

// ParseSignature reads a signature as the API takes it, in the form of Normal. When something is wrong with it, rule says
// what, and reads on from the field's name.
func ParseSignature(raw json.RawMessage) (s Signature, rule string) {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil || members == nil {
		return Signature{}, `must be an object such as {"scheme":"standard"}`
	}
	text := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if _, known := optionOf[name]; !known && name != "scheme" {
			return Signature{}, "must not have the option " + quoteClip(name) + ", which no scheme has"
		}
		// Null is the same as absent, as everywhere.
		var value *string
		if json.Unmarshal(members[name], &value) != nil {
			return Signature{}, "must have text as its " + name
		}
		if value != nil {
			text[name] = *value
		}
	}
	s = Signature{
		Scheme: Scheme(text["scheme"]), Key: SigningKey(text["key"]), Header: text["header"],
		TimestampHeader: text["timestampHeader"], Encoding: Encoding(text["encoding"]), Over: SignedPart(text["over"]),
	}.Normal()
	if rule := s.Check(); rule != "" {
		return Signature{}, rule
	}
	return s, ""
}

// optionOf says which scheme each option belongs to.
var optionOf = map[string]Scheme{
	"key":    SchemeSmartKYC,
	"header": SchemeCustom, "timestampHeader": SchemeCustom, "encoding": SchemeCustom, "over": SchemeCustom,
}

// Check says what is wrong with the signature, empty for nothing. The rule reads on from the field's name.
func (s Signature) Check() (rule string) {
	if !s.Scheme.Valid() {
		return "must have a scheme, which is one of standard, smartkyc, kryptos, arkyc and custom"
	}
	for _, option := range []struct{ name, value string }{
		{"key", string(s.Key)},
		{"header", s.Header},
		{"timestampHeader", s.TimestampHeader},
		{"encoding", string(s.Encoding)},
		{"over", string(s.Over)},
	} {
		if owner := optionOf[option.name]; option.value != "" && owner != s.Scheme {
			return "must not have the option " + option.name + ", which belongs to the scheme " + string(owner)
		}
	}
	switch {
	case s.Key != "" && s.Key != KeyTenant && s.Key != KeyWebhook:
		return "must have tenant or webhook as its key"
	case s.Scheme == SchemeCustom:
		return s.checkCustom()
	}
	return ""
}

func (s Signature) checkCustom() (rule string) {
	if rule := signatureHeaderRule(s.Header, "the signature, such as X-Signature"); rule != "" {
		return rule
	}
	switch s.encoding() {
	case EncodingHex, EncodingBase64:
	default:
		return "must have hex or base64 as its encoding"
	}
	switch s.over() {
	case OverBody, OverTimestampBody:
	default:
		return "must have body or timestamp.body as what it signs over"
	}
	if s.TimestampHeader == "" && !s.signsTime() {
		return ""
	}
	if strings.EqualFold(s.Header, s.TimestampHeader) {
		return "must name two headers: one for the signature and another for the time"
	}
	return signatureHeaderRule(s.TimestampHeader, "the time, such as X-Timestamp")
}

// signatureHeaderRule says what is wrong with the name of a header that carries what purpose says.
func signatureHeaderRule(name, purpose string) string {
	lower := strings.ToLower(name)
	switch {
	case name == "":
		return "must name a header for " + purpose
	case len(name) > MaxHeaderName:
		return "must name a header of at most 128 characters for " + purpose
	case !isToken(name):
		return "must name a header of letters, digits and hyphens for " + purpose
	case lower == headerID:
		return "must name another header than webhook-id, which carries the id of the delivery"
	case reservedNames[lower] != "":
		return "must name another header than " + lower + ", which " + reservedNames[lower]
	}
	return ""
}
