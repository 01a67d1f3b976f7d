package posthorn

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"
)

// SigningSecret is a secret that deliveries are signed with. It never prints itself: whatever formats, logs or marshals it
// gets a placeholder, and only Reveal gives the text. The zero SigningSecret is no secret.
type SigningSecret struct {
	// Secrets are compared in constant time or not at all.
	_ [0]func()
	// A pointer, because package fmt prints the unexported fields of other structs without asking their methods.
	text *string
}

// Limits of a secret's key, in bytes.
const (
	MinSecretBytes = 24
	MaxSecretBytes = 64
)

const (
	secretPrefix   = "whsec_"
	secretSize     = 32 // bytes
	redactedSecret = "[redacted]"
)

// NewSigningSecret draws a secret of 32 random bytes.
func NewSigningSecret() SigningSecret {
	var key [secretSize]byte
	_, _ = rand.Read(key[:]) // it never fails: since Go 1.24 the process would end instead
	return secretOf(key[:])
}

func secretOf(key []byte) SigningSecret {
	text := secretPrefix + base64.StdEncoding.EncodeToString(key)
	return SigningSecret{text: &text}
}

// ParseSigningSecret reads a secret as it is shown, or an integrator's own: "whsec_" and the base64 of the key, padded or
// not, or text without that prefix, whose UTF-8 bytes are the key. Either is shown as "whsec_" and padded base64 from then
// on. When something is wrong, rule says what, reads on from the field's name, and quotes nothing of the secret.
func ParseSigningSecret(text string) (secret SigningSecret, rule string) {
	if text == "" {
		return SigningSecret{}, "must not be empty"
	}
	encoded, prefixed := strings.CutPrefix(text, secretPrefix)
	if !prefixed {
		return ownSecret(text)
	}
	digits := strings.TrimRight(encoded, "=")
	key, err := base64.RawStdEncoding.DecodeString(digits)
	canonical := base64.StdEncoding.EncodeToString(key)
	// The decoder overlooks line breaks and bits beyond the last byte; the comparison does not.
	if err != nil || encoded != canonical && encoded != strings.TrimRight(canonical, "=") {
		return SigningSecret{}, "must have standard base64 after " + secretPrefix
	}
	if rule := secretSizeRule(len(key)); rule != "" {
		return SigningSecret{}, rule + " after " + secretPrefix + " when decoded"
	}
	return secretOf(key), ""
}

func ownSecret(text string) (SigningSecret, string) {
	switch {
	case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
		return SigningSecret{}, "must be printable text in one line"
	case strings.TrimSpace(text) != text:
		return SigningSecret{}, "must not begin or end with a space"
	}
	if rule := secretSizeRule(len(text)); rule != "" {
		return SigningSecret{}, rule
	}
	return secretOf([]byte(text)), ""
}

func secretSizeRule(size int) string {
	if size < MinSecretBytes || size > MaxSecretBytes {
		return fmt.Sprintf("must be %d to %d bytes, and this one has %d", MinSecretBytes, MaxSecretBytes, size)
	}
	return ""
}

// Reveal returns the secret as it is shown to its owner, once.
func (s SigningSecret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether there is no secret.
func (s SigningSecret) IsZero() bool { return s.text == nil }

// LastFour returns the end of the secret as it is shown, without padding, by which a person recognises it.
func (s SigningSecret) LastFour() string {
	digits := strings.TrimRight(s.Reveal(), "=")
	return digits[max(len(digits)-4, 0):]
}

// key is what keys the HMAC: the decoded bytes under standard, the text as it is shown under every other scheme.
func (s SigningSecret) key(scheme Scheme) []byte {
	if scheme != SchemeStandard {
		return []byte(s.Reveal())
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s.Reveal(), secretPrefix))
	if err != nil {
		panic("posthorn: a signing secret is not the base64 it was made from") // nobody else can set the text
	}
	return key
}

// Format writes a placeholder, whatever the verb.
func (s SigningSecret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redactedSecret) }

// String returns a placeholder.
func (s SigningSecret) String() string { return redactedSecret }

// GoString returns a placeholder.
func (s SigningSecret) GoString() string { return redactedSecret }

// MarshalJSON writes a placeholder.
func (s SigningSecret) MarshalJSON() ([]byte, error) { return []byte(`"` + redactedSecret + `"`), nil }

// MarshalText writes a placeholder.
func (s SigningSecret) MarshalText() ([]byte, error) { return []byte(redactedSecret), nil }

// LogValue is a placeholder.
func (s SigningSecret) LogValue() slog.Value { return slog.StringValue(redactedSecret) }
