package posthorn

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// webhookJSON is a webhook as the API writes it.
type webhookJSON struct {
	ID            string        `json:"id"`
	Name          string        `json:"name"`
	URL           string        `json:"url"`
	Active        bool          `json:"active"`
	State         WebhookState  `json:"state"`
	StateReason   *string       `json:"stateReason"`
	Events        []string      `json:"events"`
	ApplicationID *string       `json:"applicationId"`
	Headers       maskedHeaders `json:"headers"`
	Signature     Signature     `json:"signature"`
	Timeout       int           `json:"timeoutSeconds"`
	MaxAttempts   int           `json:"maxAttempts"`
	RetryOn       []int         `json:"retryOn"`
	RateLimit     *int          `json:"rateLimitPerSecond"`
	MaxInFlight   int           `json:"maxInFlight"`
	Description   string        `json:"description"`
	CreatedAt     string        `json:"createdAt"`
	UpdatedAt     string        `json:"updatedAt"`
	Secret        string        `json:"secret,omitempty"`
}

// MarshalJSON writes the webhook as the API does, with the values of its headers masked.
func (w *Webhook) MarshalJSON() ([]byte, error) { return marshal(w.public("")) }

// MarshalJSON writes the webhook as the API does, with the secret beside it when the change made one.
func (m *WebhookMade) MarshalJSON() ([]byte, error) {
	return marshal(m.Webhook.public(m.Secret.Reveal()))
}

func (w *Webhook) public(secret string) webhookJSON {
	out := webhookJSON{
		ID: w.ID.String(), Name: w.Name, URL: w.URL, Active: w.Active(), State: w.Status.State, StateReason: orNull(w.Status.Reason),
		Events: w.Events, Headers: w.Headers, Signature: w.Signature, Timeout: int(w.Timeout.Seconds()), MaxAttempts: w.MaxAttempts,
		RetryOn: append([]int{}, w.RetryOn...), MaxInFlight: w.MaxInFlight, Description: w.Description,
		CreatedAt: FormatTime(w.CreatedAt), UpdatedAt: FormatTime(w.UpdatedAt), Secret: secret,
	}
	if !w.ApplicationID.IsZero() {
		id := w.ApplicationID.String()
		out.ApplicationID = &id
	}
	if w.RateLimit > 0 {
		out.RateLimit = &w.RateLimit
	}
	return out
}

// maskedHeaders writes the names of headers in their order, each with the mask.
type maskedHeaders []CustomHeader

// MarshalJSON writes an object.
func (h maskedHeaders) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, header := range h {
		if i > 0 {
			out.WriteByte(',')
		}
		name, err := json.Marshal(header.Name)
		if err != nil {
			return nil, fmt.Errorf("write a header's name: %w", err)
		}
		out.Write(name)
		out.WriteString(`:"` + HeaderMask + `"`)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// ParseWebhookInput reads the body of a PUT: the id, zero when there is none, and what to change. Fields that only Posthorn
// writes, and unknown ones, are ignored, so that a webhook can be sent back as it was read. A field of the wrong type is
// Invalid with the field named; body must be valid JSON.
func ParseWebhookInput(body []byte) (WebhookID, WebhookInput, error) {
	var id WebhookID
	var in WebhookInput
	var object map[string]json.RawMessage
	if err := json.Unmarshal(body, &object); err != nil || object == nil {
		return id, in, Errorf(Invalid, "The body must be a JSON object.")
	}
	p := inputParser{object: object}
	if text, ok := p.text("id", false); ok {
		var err error
		if id, err = ParseWebhookID(text); err != nil {
			return id, in, Because(NotFound, "There is no webhook with the id "+quoteClip(text)+".", err)
		}
		if id.IsZero() {
			// It is nobody's, and not the same as none, which may create.
			return id, in, Errorf(NotFound, "There is no webhook with the id %s.", quoteClip(text))
		}
	}
	in.Name = p.optionalText(FieldName)
	in.URL = p.optionalText(FieldURL)
	in.Description = p.optionalText(FieldDescription)
	in.Secret = p.optionalText(FieldSecret)
	if text, ok := p.text(FieldApplicationID, true); ok {
		in.Application = &text
	}
	parseInto(&p, FieldActive, &in.Active, "must be true or false")
	parseInto(&p, FieldEvents, &in.Events, "must be a list of strings")
	parseInto(&p, FieldRetryOn, &in.RetryOn, "must be a list of any of 408, 425 and 429")
	in.MaxAttempts = p.integer(FieldMaxAttempts)
	in.MaxInFlight = p.integer(FieldMaxInFlight)
	if seconds := p.integer(FieldTimeout); seconds != nil {
		timeout := time.Duration(min(max(*seconds, -1), math.MaxInt32)) * time.Second
		in.Timeout = &timeout
	}
	in.RateLimit = p.rateLimit()
	in.Headers = p.headers()
	in.Signature = p.signature()
	return id, in, p.faults.err()
}

// inputParser reads the fields of a JSON object and gathers those of a wrong type.
type inputParser struct {
	object map[string]json.RawMessage
	faults fieldFaults
}

// raw returns a field that is there and not null.
func (p *inputParser) raw(field string) (json.RawMessage, bool) {
	raw, ok := p.object[field]
	return raw, ok && string(raw) != "null"
}

// text reads a string. Null is the same as absent, or as empty text where nullIsEmpty.
func (p *inputParser) text(field string, nullIsEmpty bool) (string, bool) {
	raw, ok := p.raw(field)
	if !ok {
		_, given := p.object[field]
		return "", given && nullIsEmpty
	}
	s, ok := textOf(raw)
	if !ok {
		p.faults.add(field, "must be a string")
	}
	return s, ok
}

func (p *inputParser) optionalText(field string) *string {
	if s, ok := p.text(field, false); ok {
		return &s
	}
	return nil
}

// integer reads a whole number; what is beyond an int32 is brought to its edge, which every range refuses.
func (p *inputParser) integer(field string) *int {
	raw, ok := p.raw(field)
	if !ok {
		return nil
	}
	var n float64
	if json.Unmarshal(raw, &n) != nil || n != math.Trunc(n) {
		p.faults.add(field, "must be a whole number")
		return nil
	}
	i := int(min(max(n, math.MinInt32), math.MaxInt32))
	return &i
}

// rateLimit reads the rate: null takes the limit away.
func (p *inputParser) rateLimit() *int {
	none := 0
	if raw, given := p.object[FieldRateLimit]; given && string(raw) == "null" {
		return &none
	}
	limit := p.integer(FieldRateLimit)
	if limit != nil && *limit == 0 {
		p.faults.add(FieldRateLimit, "must be a whole number from 1 to 10000, or null for no limit")
	}
	return limit
}

// parseInto reads a field of any type, or notes the rule.
func parseInto[T any](p *inputParser, field string, into **T, rule string) {
	raw, ok := p.raw(field)
	if !ok {
		return
	}
	var v T
	if json.Unmarshal(raw, &v) != nil {
		p.faults.add(field, rule)
		return
	}
	*into = &v
}

// headers reads an object of names and values in its order.
func (p *inputParser) headers() *[]HeaderInput {
	raw, ok := p.raw(FieldHeaders)
	if !ok {
		return nil
	}
	headers, err := parseHeaders(raw)
	if err != nil {
		p.faults.add(FieldHeaders, "must be an object of header names and their values as strings")
		return nil
	}
	return &headers
}

var errNotHeaders = errors.New("not an object of strings")

func parseHeaders(raw []byte) ([]HeaderInput, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, errNotHeaders
	}
	headers := []HeaderInput{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		value, err := dec.Token()
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		n, _ := name.(string)
		v, ok := value.(string)
		if !ok {
			return nil, errNotHeaders
		}
		headers = append(headers, HeaderInput{Name: n, Value: v})
	}
	return headers, nil
}

// signature reads the scheme with its options.
func (p *inputParser) signature() *Signature {
	raw, ok := p.raw(FieldSignature)
	if !ok {
		return nil
	}
	s, rule := ParseSignature(raw)
	if rule != "" {
		p.faults.add(FieldSignature, rule)
		return nil
	}
	return &s
}
