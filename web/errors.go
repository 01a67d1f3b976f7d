package web

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
	"posthorn/views/pages"
	"posthorn/views/path"
)

// Sentences that pages and programs get when nothing more specific is known.
const (
	pageMissing     = "This page does not exist or is not in this tenant."
	internalMessage = "Something went wrong on our side."
	timeoutMessage  = "The database did not answer in time."
)

// codeBadRequest is the code of a request that cannot be read.
const codeBadRequest = "bad_request"

// failure is an error as the outside may see it.
type failure struct {
	status  int
	code    string
	message string
	fields  map[string]string
	retryAt time.Time
}

// statusOf maps the kinds of the domain to statuses. It is the only such map.
var statusOf = map[posthorn.Kind]int{
	posthorn.Internal:     http.StatusInternalServerError,
	posthorn.Invalid:      http.StatusUnprocessableEntity,
	posthorn.Unauthorized: http.StatusUnauthorized,
	posthorn.Forbidden:    http.StatusForbidden,
	posthorn.NotFound:     http.StatusNotFound,
	posthorn.Conflict:     http.StatusConflict,
	posthorn.TooLarge:     http.StatusRequestEntityTooLarge,
	posthorn.Unsupported:  http.StatusUnsupportedMediaType,
	posthorn.RateLimited:  http.StatusTooManyRequests,
	posthorn.Unavailable:  http.StatusServiceUnavailable,
}

// describe turns any error into what may be shown. What it does not know is a 500 that says nothing.
func describe(err error) failure {
	if e, ok := errors.AsType[*badRequestError](err); ok {
		return failure{status: http.StatusBadRequest, code: codeBadRequest, message: e.message}
	}
	if e, ok := errors.AsType[*posthorn.Error](err); ok {
		f := failure{status: statusOf[e.Kind], code: e.Kind.String(), message: e.Message, fields: e.Fields, retryAt: e.RetryAt}
		switch e.Kind {
		case posthorn.Internal:
			f.message = internalMessage
		case posthorn.Unavailable:
			f.message = timeoutMessage
		default:
		}
		return f
	}
	if e, ok := errors.AsType[*fiber.Error](err); ok {
		return describeFiber(e)
	}
	return failure{status: http.StatusInternalServerError, code: posthorn.Internal.String(), message: internalMessage}
}

// errUnknownMethod refuses a method that no route could have.
var errUnknownMethod = errors.New("unknown method")

// describeFiber names the refusals that Fiber makes by itself. None of them is a fault of ours: what it calls a bad
// gateway is a connection that broke while a request was read.
func describeFiber(e *fiber.Error) failure {
	f := failure{status: http.StatusBadRequest, code: codeBadRequest, message: "The request could not be read."}
	switch e.Code {
	case http.StatusNotFound:
		f.status, f.code, f.message = e.Code, posthorn.NotFound.String(), pageMissing
	case http.StatusMethodNotAllowed:
		f.status, f.code, f.message = e.Code, "method_not_allowed", "This address does not take that method."
	case http.StatusRequestEntityTooLarge:
		f.status, f.code, f.message = e.Code, posthorn.TooLarge.String(), bodyTooLarge
	case http.StatusRequestHeaderFieldsTooLarge:
		f.status, f.code, f.message = e.Code, "headers_too_large", "The request headers are too large."
	case http.StatusRequestTimeout:
		f.status, f.code, f.message = e.Code, "timeout", "The request did not arrive in time."
	}
	return f
}

// handleError answers an error in the form that the caller reads: the ingest's own bodies, JSON for programs, a fragment
// for htmx, a page for people.
func (s *Server) handleError(c *fiber.Ctx, err error) error {
	c.Response().ResetBody()
	f := describe(err)
	if requestOf(c) == nil {
		// What cannot be read as a request reaches no handler.
		s.open(c)
		s.Log.InfoContext(c.Context(), "request not read", slog.String("request_id", requestOf(c).id),
			slog.Int("status", f.status), slog.String("address", requestOf(c).address.String()), slog.Any("error", err))
	}
	setRetryAfter(c, f)
	switch {
	case c.Path() == path.IngestActivity:
		return s.answerIngestError(c, f, err)
	case isAPI(c):
		return answerAPIError(c, f, err)
	case isMachine(c):
		return sendJSON(c, f.status, apiError{Error: f.message, Code: f.code, Fields: f.fields})
	case isFragment(c):
		s.knowReader(c, f)
		return s.render(c, f.status, pages.ErrorFragment(s.errorProps(c, f)))
	default:
		s.knowReader(c, f)
		return s.render(c, f.status, pages.Error(s.errorProps(c, f)))
	}
}

// knowReader finds out who gets an error page that no guard has asked for, so that it has the reader's own frame. A
// reader who cannot be found out, as after a fault, gets the frame of strangers.
func (s *Server) knowReader(c *fiber.Ctx, f failure) {
	keepPrivate(c)
	if r := requestOf(c); r.http != nil && r.session == nil && f.status < http.StatusInternalServerError {
		if err := s.readSession(c, r); err != nil {
			s.Log.WarnContext(c.UserContext(), "error page without its reader", slog.String("request_id", r.id), slog.Any("error", err))
		}
	}
}

// setRetryAfter says how long to wait, in seconds.
func setRetryAfter(c *fiber.Ctx, f failure) {
	if !f.retryAt.IsZero() {
		c.Set(fiber.HeaderRetryAfter, wholeSeconds(max(time.Until(f.retryAt), 1)))
	}
}

// apiError is the body of every JSON error but the ingest's.
type apiError struct {
	Error  string            `json:"error"`
	Code   string            `json:"code"`
	Fields map[string]string `json:"fields,omitempty"`
}

// errorTitle names an error in the title of its page.
func errorTitle(status int) string {
	switch {
	case status == http.StatusNotFound:
		return "Not found"
	case status == http.StatusUnauthorized:
		return "Signed out"
	case status == http.StatusTooManyRequests:
		return "Too many attempts"
	case status >= http.StatusInternalServerError:
		return "Something went wrong"
	default:
		return "Not possible"
	}
}

// errorProps is what an error page shows: the sentence, and for a fault of ours the request id that the log has too.
func (s *Server) errorProps(c *fiber.Ctx, f failure) pages.ErrorProps {
	r := requestOf(c)
	p := pages.ErrorProps{
		Page: s.frame(c, errorTitle(f.status), layout.NavNone), Status: f.status, Message: f.message,
		SignIn: f.status == http.StatusUnauthorized, Target: c.Get("HX-Target"),
	}
	if f.status >= http.StatusInternalServerError {
		p.Reference = r.id
	}
	return p
}
