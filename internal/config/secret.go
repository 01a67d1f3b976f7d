package config

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
)

// redacted is what is shown in place of a secret.
const redacted = "[redacted]"

// Secret is a string that nothing prints: not fmt with any verb, not slog, not
// encoding/json. Only [Secret.Reveal] gives it away. The zero value is unset.
type Secret struct {
	// A pointer, so that a Secret inside an unexported field, whose methods fmt
	// cannot call, prints as an address.
	value *string
}

// NewSecret returns a secret; the empty string gives an unset one.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{value: &value}
}

// Reveal returns the secret itself, and "" when it is unset.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsSet reports whether there is a secret.
func (s Secret) IsSet() bool { return s.value != nil }

// Equal reports whether both are the same secret, in constant time for secrets of
// the same length. (== compares where they are kept.)
func (s Secret) Equal(other Secret) bool {
	return s.IsSet() == other.IsSet() &&
		subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String returns "[redacted]", or "" when there is nothing to redact.
func (s Secret) String() string {
	if !s.IsSet() {
		return ""
	}
	return redacted
}

// Format implements [fmt.Formatter] for every verb and flag.
func (s Secret) Format(f fmt.State, _ rune) {
	// A failed write shows in the printing call itself.
	_, _ = fmt.Fprint(f, s.String())
}

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements [encoding.TextMarshaler], for JSON and whatever else.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}
