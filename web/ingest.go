package web

import (
	"errors"
	"mime"
	"net/http"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"posthorn/internal/posthorn"
)

// headerActivitySecret carries the shared secret of the workers.
const headerActivitySecret = "X-Activity-Webhook-Secret" //nolint:gosec // G101: a name, not a secret

// headerIdempotencyKey carries the key under which a repeated post answers the first result.
const headerIdempotencyKey = "Idempotency-Key"

// ingestAnswer is the body of a 201.
type ingestAnswer struct {
	Success   bool                `json:"success"`
	ID        posthorn.ActivityID `json:"id"`
	RequestID uuid.UUID           `json:"requestId"`
}

// ingestActivity takes in one record. The secret is checked before anything is looked at.
func (s *Server) ingestActivity(c *fiber.Ctx) error {
	w, err := s.Ingest.Authenticate(c.Get(headerActivitySecret))
	if err != nil {
		return err
	}
	if err := wantJSON(c); err != nil {
		return err
	}
	body, err := readBody(c, posthorn.MaxActivityBytes)
	if err != nil {
		return err
	}
	receipt, err := s.Ingest.Record(c.UserContext(), w, body, c.Get(headerIdempotencyKey))
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusCreated, ingestAnswer{Success: true, ID: receipt.ID, RequestID: receipt.RequestID})
}

// wantJSON refuses a body that is not said to be JSON, or that is compressed.
func wantJSON(c *fiber.Ctx) error {
	mediaType, params, err := mime.ParseMediaType(c.Get(fiber.HeaderContentType))
	charset := params["charset"]
	if err != nil || mediaType != fiber.MIMEApplicationJSON || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return posthorn.Errorf(posthorn.Unsupported, "Content-Type must be application/json")
	}
	if encoding := c.Get(fiber.HeaderContentEncoding); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return posthorn.Errorf(posthorn.Unsupported, "Content-Encoding is not supported")
	}
	return nil
}

// answerIngestError writes the bodies that the contract of the ingest fixes: an object with "error" alone. Whatever kept
// a record from being stored is the same 500, which a worker may retry; only an outcome that is unknown says so.
func (s *Server) answerIngestError(c *fiber.Ctx, f failure, err error) error {
	switch {
	case kindIs(err, posthorn.Invalid):
		f.status = http.StatusBadRequest
	case errors.Is(err, posthorn.ErrOutcomeUnknown):
		f.status = http.StatusGatewayTimeout
		f.message = "Outcome unknown: the database went away during the commit. Retry with the same " + headerIdempotencyKey
	case f.status >= http.StatusInternalServerError, kindIs(err, posthorn.NotFound): // no tenant yet to record for
		f.status, f.message = http.StatusInternalServerError, "Failed to record activity"
	}
	return sendJSON(c, f.status, struct {
		Error string `json:"error"`
	}{f.message})
}
