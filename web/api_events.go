package web

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
)

// EventPublisher takes events in. Implemented by posthorn.Publisher.
type EventPublisher interface {
	Publish(ctx context.Context, tenant posthorn.TenantID, body []byte) (published []posthorn.Published, batch bool, err error)
}

// EventLog is what pages and API need of posthorn.EventLog.
type EventLog interface {
	List(ctx context.Context, tenant posthorn.TenantID, f posthorn.EventFilter, page posthorn.PageRequest) (posthorn.EventPage, error)
	News(ctx context.Context, tenant posthorn.TenantID, f posthorn.EventFilter, since posthorn.EventID) (posthorn.Estimate, error)
	Newest(ctx context.Context, tenant posthorn.TenantID) (posthorn.EventID, error)
	Get(ctx context.Context, tenant posthorn.TenantID, id posthorn.EventID) (posthorn.EventTrace, error)
}

// apiPublishEvents takes in one event, or several in an array, and answers in the same form.
func (s *Server) apiPublishEvents(c *fiber.Ctx) error {
	body, err := readJSON(c, posthorn.MaxBatchBytes)
	if err != nil {
		return err
	}
	published, batch, err := s.Publisher.Publish(c.UserContext(), apiTenant(c), body)
	if err != nil {
		return err
	}
	if !batch {
		return sendJSON(c, http.StatusAccepted, published[0])
	}
	return sendJSON(c, http.StatusAccepted, struct {
		Data []posthorn.Published `json:"data"`
	}{published})
}

// apiListEvents answers a page of events.
func (s *Server) apiListEvents(c *fiber.Ctx) error {
	in, err := apiQuery(c)
	if err != nil {
		return err
	}
	f, page, err := parseEventQuery(in, time.UTC, time.Now())
	if err != nil {
		return err
	}
	list, err := s.Events.List(c.UserContext(), apiTenant(c), f, page)
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusOK, newListAnswer(pointers(list.Events), list.NextCursor, list.PrevCursor))
}

// apiGetEvent answers one event with what became of it.
func (s *Server) apiGetEvent(c *fiber.Ctx) error {
	id, err := posthorn.ParseEventID(c.Params("id"))
	if err != nil {
		return posthorn.Because(posthorn.NotFound, "There is no event with this id.", err)
	}
	trace, err := s.Events.Get(c.UserContext(), apiTenant(c), id)
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusOK, &trace)
}

// pointers returns where the values are, for types that are written to JSON by their address.
func pointers[T any](values []T) []*T {
	out := make([]*T, len(values))
	for i := range values {
		out[i] = &values[i]
	}
	return out
}

// apiQuery returns the query string of a request.
func apiQuery(c *fiber.Ctx) (url.Values, error) {
	in, err := url.ParseQuery(string(c.Request().URI().QueryString()))
	if err != nil {
		return nil, posthorn.Because(posthorn.Invalid, "The query string is not encoded as it must be.", err)
	}
	return in, nil
}

// Names of the filters of events and deliveries in the query string, beside those of the feed.
const (
	filterEvent         = "event"
	filterApplicationID = "applicationId"
	filterWebhookID     = "webhookId"
	filterEventID       = "eventId"
	filterDeliveryID    = "deliveryId"
	filterStatusCode    = "statusCode"
	filterErrorClass    = "errorClass"
	filterTest          = "test"
	pageLimit           = "limit"
	pageCursor          = "cursor"
)

// parseEventQuery reads the query string of the list of events. Times without a zone are in loc. The error names each bad
// parameter.
func parseEventQuery(in url.Values, loc *time.Location, now time.Time) (posthorn.EventFilter, posthorn.PageRequest, error) {
	f, page, _, err := readEventQuery(in, loc, now)
	return f, page, err
}
