package posthorn

import (
	"slices"
	"time"
)

// MaxResponseBytes is how much of a response body is read and kept, in bytes, after decompression.
const MaxResponseBytes = 64 << 10

// MaxResponseHeaderBytes is the largest header of a response, in bytes. A larger one is ErrorTooLarge.
const MaxResponseHeaderBytes = 64 << 10

// MaxResponseHeaders is how many headers of a response are kept.
const MaxResponseHeaders = 100

// Outcome is what became of one HTTP attempt.
type Outcome struct {
	// StatusCode is 0 when no status arrived. With an ErrorClass beside it the attempt failed in spite of it.
	StatusCode int
	ErrorClass ErrorClass
	// Error says what went wrong in sentences for people, empty for a success.
	Error string
	// Interrupted means that Posthorn itself ended the attempt, as it does when it stops: it says nothing about the receiver
	// and has no ErrorClass. The receiver may have got the request.
	Interrupted bool
	Timings
	// RemoteAddress is the IP address and port that the attempt went to, empty when it went nowhere.
	RemoteAddress string
	// RequestHeaders are those that were sent, all of them and as they were, empty when it did not come to that.
	RequestHeaders []Header
	// ResponseHeaders are in the order of their names, at most MaxResponseHeaders. Bytes that are not text are replaced.
	ResponseHeaders []Header
	// ResponseBody is the beginning of the body, at most MaxResponseBytes; gzip is undone. The bytes are the receiver's: they
	// need not be text.
	ResponseBody []byte
	// ResponseTruncated means that the body went on, or broke off.
	ResponseTruncated bool
	// RetryAfter is how long the receiver asked to wait, 0 when it did not. It is not limited to what is sensible.
	RetryAfter time.Duration
	StartedAt  time.Time
	// HTTPVersion is that of the response: "HTTP/1.1" or "HTTP/2".
	HTTPVersion string
}

// Success reports whether the receiver took the delivery: a 2xx whose headers and body arrived within the timeout.
func (o *Outcome) Success() bool {
	return o.ErrorClass == ErrorNone && !o.Interrupted && o.StatusCode >= 200 && o.StatusCode <= 299
}

// Timings are the phases of an attempt. DNS, Connect and TLS are 0 on a connection that was there already, and what was not
// reached is 0 too.
type Timings struct {
	DNS     time.Duration
	Connect time.Duration
	TLS     time.Duration
	// FirstByte is from having the connection to the first byte of the response: sending the request and waiting.
	FirstByte time.Duration
	// Total is from the start of the attempt to its end.
	Total time.Duration
}

// ErrorClass says in one word why an attempt failed other than by its status.
type ErrorClass string

// The classes of failure.
const (
	// ErrorNone means that the status alone counts.
	ErrorNone ErrorClass = ""
	// ErrorDNS means that the host has no address, or that the name servers did not answer.
	ErrorDNS ErrorClass = "dns"
	// ErrorRefused means that nothing listens.
	ErrorRefused ErrorClass = "refused"
	// ErrorReset means that the connection was closed before the response was complete.
	ErrorReset ErrorClass = "reset"
	// ErrorUnreachable means that there is no way to the address.
	ErrorUnreachable ErrorClass = "unreachable"
	// ErrorTimeout means that the time for the attempt was over.
	ErrorTimeout ErrorClass = "timeout"
	// ErrorTLS means that no TLS connection came about: a wrong certificate, no common version.
	ErrorTLS ErrorClass = "tls"
	// ErrorBlocked means that TargetPolicy refused the URL or one of the addresses.
	ErrorBlocked ErrorClass = "blocked"
	// ErrorRedirect means a 3xx, which is not followed.
	ErrorRedirect ErrorClass = "redirect"
	// ErrorTooLarge means that the headers of the response were larger than MaxResponseHeaderBytes.
	ErrorTooLarge ErrorClass = "too_large"
	// ErrorProtocol means that what came back was not HTTP.
	ErrorProtocol ErrorClass = "protocol"
)

// ErrorClasses lists the classes of failure in the order in which they are offered.
func ErrorClasses() []ErrorClass {
	return []ErrorClass{
		ErrorTimeout, ErrorRefused, ErrorReset, ErrorUnreachable, ErrorDNS, ErrorTLS, ErrorBlocked, ErrorRedirect,
		ErrorTooLarge, ErrorProtocol,
	}
}

// Valid reports whether the class is one of ErrorClasses.
func (c ErrorClass) Valid() bool { return slices.Contains(ErrorClasses(), c) }
