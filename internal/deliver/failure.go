package deliver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"posthorn/internal/posthorn"
)

// attemptError is a failure that is already in words.
type attemptError struct {
	class    posthorn.ErrorClass
	sentence string
	cause    error
}

func (e *attemptError) Error() string { return e.sentence }
func (e *attemptError) Unwrap() error { return e.cause }

// classOf returns the class of an attemptError, and none of another.
func classOf(err error) posthorn.ErrorClass {
	if e, ok := errors.AsType[*attemptError](err); ok {
		return e.class
	}
	return posthorn.ErrorNone
}

func isTimeout(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.ETIMEDOUT)
}

// malformed is said of a request that was not sent. It does not say which header: its value may be a secret.
const malformed = "The request could not be made: the URL or a header is malformed."

// fail says in the outcome why there is no answer, or only a part of one.
func (a *attempt) fail(out *posthorn.Outcome, err error) {
	known, isKnown := errors.AsType[*attemptError](err)
	switch {
	case a.stopped():
		out.Interrupted, out.Error = true, "Posthorn stopped before the answer was complete. The request may have been processed."
	case isKnown:
		out.ErrorClass, out.Error = known.class, known.sentence
	// The clock counts as much as the error: what breaks off at the deadline breaks in many ways.
	case isTimeout(err) || !time.Now().Before(a.deadline):
		out.ErrorClass, out.Error = a.timedOut()
	default:
		out.ErrorClass, out.Error = a.explain(err)
	}
}

// timedOut says what the time was spent on.
func (a *attempt) timedOut() (class posthorn.ErrorClass, sentence string) {
	const maybe = " The request may have been processed: make the receiver idempotent on `webhook-id`."
	after := seconds(a.timeout)
	switch a.reached() {
	case resolving:
		return posthorn.ErrorDNS, fmt.Sprintf("%s could not be looked up in %s.", a.target.Hostname(), after)
	case connecting:
		return posthorn.ErrorTimeout, fmt.Sprintf("No connection to %s in %s.", a.endpoint(), after)
	case handshaking:
		return posthorn.ErrorTimeout, fmt.Sprintf("No TLS connection to %s in %s.", a.endpoint(), after)
	case reading:
		return posthorn.ErrorTimeout, fmt.Sprintf("The answer was not complete after %s.", after) + maybe
	default:
		return posthorn.ErrorTimeout, fmt.Sprintf("No answer in %s.", after) + maybe
	}
}

// explain classifies what the transport and the connection report.
func (a *attempt) explain(err error) (class posthorn.ErrorClass, sentence string) {
	if sentence := tlsFailure(a, err); sentence != "" {
		return posthorn.ErrorTLS, sentence
	}
	text := err.Error()
	switch {
	case a.reached() == resolving:
		// The transport refuses such a request before it does anything for it.
		return posthorn.ErrorProtocol, malformed
	// Neither package exports these errors; a test meets both.
	case strings.Contains(text, "response headers exceeded"), strings.Contains(text, "header list larger"):
		return posthorn.ErrorTooLarge, "The headers of the answer are larger than 64 KiB."
	case a.isFlooded():
		return posthorn.ErrorProtocol, a.endpoint() + " sent informational responses without end instead of an answer."
	case a.reached() == reading && isBroken(err):
		return posthorn.ErrorReset, a.endpoint() + " closed the connection in the middle of its answer."
	case a.reached() == handshaking && isBroken(err):
		return posthorn.ErrorReset, a.endpoint() + " closed the connection during the TLS handshake."
	case isBroken(err):
		return posthorn.ErrorReset, a.endpoint() + " closed the connection without an answer."
	}
	return posthorn.ErrorProtocol, "The answer of " + a.endpoint() + " is not valid HTTP."
}

// streamError has the form of the HTTP/2 errors of net/http, which lets errors.As copy them out.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string { return fmt.Sprintf("HTTP/2 stream error %d", e.Code) }

// isBroken reports whether the other side ended a connection, or an HTTP/2 stream.
func isBroken(err error) bool {
	if stream, ok := errors.AsType[streamError](err); ok {
		// Streams also end because what came was not valid.
		return stream.Cause != nil && stream.Cause.Error() == "received from peer"
	}
	return isClosed(err)
}

// isClosed reports whether the other side ended a connection.
func isClosed(err error) bool {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return true
	}
	text := err.Error()
	return strings.Contains(text, "server closed idle connection") || strings.Contains(text, "server sent GOAWAY") ||
		strings.Contains(text, "client connection lost")
}

// statusFailure puts an answer that is no success into words.
func statusFailure(response *http.Response, wait time.Duration) (class posthorn.ErrorClass, sentence string) {
	status := response.StatusCode
	switch {
	case status < 400:
		return posthorn.ErrorRedirect, redirectSentence(response)
	case wait > 0 && (status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable):
		return posthorn.ErrorNone, "It asked to wait " + seconds(wait) + "."
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return posthorn.ErrorNone, "The endpoint refused the request. Check the signing secret and custom headers."
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed:
		return posthorn.ErrorNone, "The server answers, but not on this path for POST."
	case status == http.StatusGone:
		return posthorn.ErrorNone, "The endpoint said it is gone."
	case status >= 500:
		return posthorn.ErrorNone, "The endpoint failed."
	}
	return posthorn.ErrorNone, "The endpoint refused the request."
}

// redirectSentence names where the redirect leads, when that is a URL that a webhook could have by its form.
func redirectSentence(response *http.Response) string {
	const refusal = "Redirects are not followed."
	location, err := response.Location()
	if err != nil || location.User != nil || location.Scheme != "http" && location.Scheme != "https" {
		return refusal
	}
	location.Fragment, location.RawFragment = "", ""
	if final := location.String(); len(final) <= posthorn.MaxTargetURL {
		return refusal + " Set the final URL: " + final
	}
	return refusal
}

// seconds writes a duration as people read it: "10 s", "1.5 s".
func seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Round(10*time.Millisecond).Seconds(), 'f', -1, 64) + " s"
}

// alertText is what a TLS alert of the other side says, empty for any other error.
func alertText(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return strings.TrimPrefix(op.Err.Error(), "tls: ")
	}
	if alert, ok := errors.AsType[tls.AlertError](err); ok {
		return strings.TrimPrefix(alert.Error(), "tls: ")
	}
	return ""
}
