package posthorn

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Kind says what class of failure an Error is. Package web turns a kind into a status; nothing else does.
type Kind int

// The kinds of failure. The zero kind is an internal fault, so that a forgotten kind never blames the caller.
const (
	Internal Kind = iota
	Invalid
	Unauthorized
	Forbidden
	NotFound
	Conflict
	TooLarge
	Unsupported
	RateLimited
	Unavailable
)

// String returns the name of the kind as it is written in logs and in the "code" of an API error.
func (k Kind) String() string {
	switch k {
	case Internal:
		return "internal"
	case Invalid:
		return "validation_failed"
	case Unauthorized:
		return "unauthorized"
	case Forbidden:
		return "forbidden"
	case NotFound:
		return "not_found"
	case Conflict:
		return "conflict"
	case TooLarge:
		return "too_large"
	case Unsupported:
		return "unsupported"
	case RateLimited:
		return "rate_limited"
	case Unavailable:
		return "unavailable"
	}
	return fmt.Sprintf("kind(%d)", int(k))
}

// Error is the one error type of the product. Message and Fields are written for the person or program that made the
// request and are safe to show; Err is the cause, for the log alone.
type Error struct {
	Kind    Kind
	Message string
	// Fields maps a field's name to what is wrong with it, for forms and for the "fields" of an API error.
	Fields map[string]string
	// RetryAt is when a RateLimited request may be made again, zero when that is not known.
	RetryAt time.Time
	Err     error
}

// Error returns the message, the fields and the cause, for logs.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	for _, name := range slices.Sorted(maps.Keys(e.Fields)) {
		fmt.Fprintf(&b, "; %s %s", name, e.Fields[name])
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error of a kind with a message that is safe to show.
func Errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Because wraps a cause that is for the log, under a message that is safe to show.
func Because(kind Kind, message string, cause error) *Error {
	return &Error{Kind: kind, Message: message, Err: cause}
}

// InvalidFields makes an Invalid error that names what is wrong with each field; it is nil when fields is empty.
func InvalidFields(message string, fields map[string]string) error {
	if len(fields) == 0 {
		return nil
	}
	return &Error{Kind: Invalid, Message: message, Fields: fields}
}

// KindOf returns the kind of the outermost Error in the chain, Internal when there is none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}
