package posthorn

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Header is one header of a request or an answer.
type Header struct{ Name, Value string }

// Message is what one attempt signs.
type Message struct {
	// ID is the delivery's, the same at every attempt ("whd_…").
	ID string
	// Event is the event's type.
	Event string
	// Timestamp is when the attempt is made; it is sent in whole seconds.
	Timestamp time.Time
	// Body is sent byte for byte.
	Body []byte
}

// DefaultTolerance is by how much the time of a signature and a receiver's clock may differ, as receivers do it by custom.
const DefaultTolerance = 5 * time.Minute

func (m Message) seconds() string { return strconv.FormatInt(m.Timestamp.Unix(), 10) }

// Sign returns the headers that identify and sign a message, in a fixed order, webhook-id first. secrets are the live ones,
// newest first. Without any the result is nil: a message that nobody can verify must not be sent.
func (s Signature) Sign(m Message, secrets []SigningSecret) []Header {
	if secrets = withoutZero(secrets); len(secrets) == 0 {
		return nil
	}
	headers := []Header{{headerID, m.ID}}
	if name := s.timestampHeader(); name != "" {
		headers = append(headers, Header{name, m.seconds()})
	}
	if !s.SignsWithEverySecret() {
		secrets = secrets[len(secrets)-1:]
	}
	content := s.SignedContent(m)
	signatures := make([]string, len(secrets))
	for i, secret := range secrets {
		signatures[i] = s.signature(content, secret)
	}
	headers = append(headers, Header{s.signatureHeader(), strings.Join(signatures, " ")})
	if s.Scheme == SchemeKryptos {
		headers = append(headers, Header{headerKryptosEvent, m.Event}, Header{headerKryptosDelivery, m.ID})
	}
	return headers
}

// withoutZero leaves out what is no secret: with its empty key anybody could sign.
func withoutZero(secrets []SigningSecret) []SigningSecret {
	return slices.DeleteFunc(slices.Clone(secrets), SigningSecret.IsZero)
}

// SignedContent returns the bytes that the HMAC of a message is taken of.
func (s Signature) SignedContent(m Message) []byte {
	prefix := ""
	switch {
	case s.Scheme == SchemeStandard:
		prefix = m.ID + "." + m.seconds() + "."
	case s.signsTime():
		prefix = m.seconds() + "."
	}
	return append([]byte(prefix), m.Body...)
}

// signature is the signature of content by one secret, as the scheme writes it.
func (s Signature) signature(content []byte, secret SigningSecret) string {
	mac := hmac.New(sha256.New, secret.key(s.Scheme))
	mac.Write(content)
	sum := mac.Sum(nil)
	switch {
	case s.Scheme == SchemeStandard:
		return "v1," + base64.StdEncoding.EncodeToString(sum)
	case s.encoding() == EncodingBase64:
		return base64.StdEncoding.EncodeToString(sum)
	default:
		return hex.EncodeToString(sum)
	}
}

// Verify checks what a receiver got: the headers, by a function that knows their names in upper and lower case, and the body
// as it came. Any of the secrets may have signed it. Where the scheme signs the time, that may lie before or after now by
// tolerance, such as DefaultTolerance. The error is Unauthorized and says in a sentence what is wrong.
func (s Signature) Verify(header func(name string) string, body []byte, secrets []SigningSecret, now time.Time, tolerance time.Duration) error {
	presented := header(s.signatureHeader())
	if presented == "" {
		return Errorf(Unauthorized, "The header %s with the signature is missing.", s.signatureHeader())
	}
	m := Message{Body: body}
	if s.Scheme == SchemeStandard {
		if m.ID = header(headerID); m.ID == "" {
			return Errorf(Unauthorized, "The header %s, which is part of what is signed, is missing.", headerID)
		}
	}
	if s.signsTime() {
		var err error
		if m.Timestamp, err = s.signedTime(header); err != nil {
			return err
		}
	}
	if !s.matches(presented, m, secrets) {
		return Errorf(Unauthorized, "The signature in %s is not one of this body by this secret. "+
			"Check the secret, and that the body is verified as it was received, byte for byte.", s.signatureHeader())
	}
	if !s.signsTime() {
		return nil
	}
	switch age := now.Sub(m.Timestamp); {
	case age > tolerance:
		return Errorf(Unauthorized, "The signature is of %s, more than %g seconds ago.", FormatTime(m.Timestamp), tolerance.Seconds())
	case age < -tolerance:
		return Errorf(Unauthorized, "The signature is of %s, more than %g seconds in the future. Check the clock.",
			FormatTime(m.Timestamp), tolerance.Seconds())
	}
	return nil
}

// signedTime reads the header with the time.
func (s Signature) signedTime(header func(name string) string) (time.Time, error) {
	text := header(s.timestampHeader())
	if text == "" {
		return time.Time{}, Errorf(Unauthorized, "The header %s with the time of the signature is missing.", s.timestampHeader())
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	// Only the spelling that is signed can match, so that no other is looked at.
	if err != nil || strconv.FormatInt(seconds, 10) != text {
		return time.Time{}, Errorf(Unauthorized, "The header %s must be a time in Unix seconds, such as 1700000000.", s.timestampHeader())
	}
	return time.Unix(seconds, 0), nil
}

// matches reports whether one of the presented signatures is one by one of the secrets.
func (s Signature) matches(presented string, m Message, secrets []SigningSecret) bool {
	candidates := []string{presented}
	if s.SignsWithEverySecret() {
		candidates = strings.Fields(presented)
	}
	content := s.SignedContent(m)
	return slices.ContainsFunc(withoutZero(secrets), func(secret SigningSecret) bool {
		want := []byte(s.signature(content, secret))
		return slices.ContainsFunc(candidates, func(got string) bool { return hmac.Equal(want, []byte(got)) })
	})
}
