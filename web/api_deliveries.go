package web

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
)

// Deliveries is what pages and API need of posthorn.Deliveries.
type Deliveries interface {
	List(ctx context.Context, tenant posthorn.TenantID, f posthorn.DeliveryFilter, page posthorn.PageRequest) (posthorn.DeliveryPage, error)
	Get(ctx context.Context, tenant posthorn.TenantID, id posthorn.DeliveryID) (posthorn.LogEntry, error)
	Replay(ctx context.Context, actor posthorn.Actor, tenant posthorn.TenantID, id posthorn.DeliveryID) (posthorn.LogEntry, error)
	Stop(ctx context.Context, actor posthorn.Actor, tenant posthorn.TenantID, id posthorn.DeliveryID) (posthorn.LogEntry, error)
	Try(ctx context.Context, actor posthorn.Actor, tenant posthorn.TenantID, id posthorn.WebhookID, t posthorn.Trial) (posthorn.LogEntry, error)
	Test(ctx context.Context, actor posthorn.Actor, tenant posthorn.TenantID, id posthorn.WebhookID, event string, data *json.RawMessage) (posthorn.LogEntry, error)
	ReplayMissed(ctx context.Context, actor posthorn.Actor, tenant posthorn.TenantID, id posthorn.WebhookID, since time.Time) (posthorn.MissedReplay, error)
}

// maxTestBody bounds the JSON of a test: an event and what is around it.
const maxTestBody = 2 * posthorn.MaxEventBytes

// apiListDeliveries answers a page of the delivery log.
func (s *Server) apiListDeliveries(c *fiber.Ctx) error {
	in, err := apiQuery(c)
	if err != nil {
		return err
	}
	f, page, err := parseDeliveryQuery(in, time.UTC, time.Now())
	if err != nil {
		return err
	}
	list, err := s.Deliveries.List(c.UserContext(), apiTenant(c), f, page)
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusOK, newListAnswer(pointers(list.Entries), list.NextCursor, list.PrevCursor))
}

// deliveryParam reads the id in the path; what is no id of a delivery is NotFound.
func deliveryParam(c *fiber.Ctx) (posthorn.DeliveryID, error) {
	id, err := posthorn.ParseDeliveryID(c.Params("id"))
	if err != nil {
		return id, posthorn.Because(posthorn.NotFound, "There is no delivery with this id.", err)
	}
	return id, nil
}

// apiGetDelivery answers one entry of the delivery log.
func (s *Server) apiGetDelivery(c *fiber.Ctx) error {
	id, err := deliveryParam(c)
	if err != nil {
		return err
	}
	entry, err := s.Deliveries.Get(c.UserContext(), apiTenant(c), id)
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusOK, &entry)
}

// apiReplayDelivery sends a delivery again.
func (s *Server) apiReplayDelivery(c *fiber.Ctx) error {
	id, err := deliveryParam(c)
	if err != nil {
		return err
	}
	entry, err := s.Deliveries.Replay(c.UserContext(), s.apiActor(c), apiTenant(c), id)
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusAccepted, &entry)
}

// apiTestWebhook sends an event to one webhook and answers what came of it.
func (s *Server) apiTestWebhook(c *fiber.Ctx) error {
	id, err := webhookParam(c)
	if err != nil {
		return err
	}
	body, err := readJSON(c, maxTestBody)
	if err != nil {
		return err
	}
	in, err := readMembers(body, "The body must be an object with the name of an event type as event, and optionally data.")
	if err != nil {
		return err
	}
	faults := map[string]string{}
	event := readMember[string](in, posthorn.FieldEvent, "must be the name of an event type", faults)
	if event == nil {
		return posthorn.FieldError(posthorn.Invalid, posthorn.FieldEvent, "must be the name of an event type")
	}
	data := readMember[json.RawMessage](in, fieldTestData, "must be an object", faults)
	entry, err := s.Deliveries.Test(c.UserContext(), s.apiActor(c), apiTenant(c), id, *event, data)
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusOK, &entry)
}

// apiReplayMissed makes the deliveries that a webhook missed, and names the bulk replay that makes the rest where they are too many
// for a request. The body may be left out.
func (s *Server) apiReplayMissed(c *fiber.Ctx) error {
	id, err := webhookParam(c)
	if err != nil {
		return err
	}
	since, err := readSince(c)
	if err != nil {
		return err
	}
	made, err := s.Deliveries.ReplayMissed(c.UserContext(), s.apiActor(c), apiTenant(c), id, since)
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusAccepted, &made)
}

// fieldTestData is the data of a test.
const fieldTestData = "data"

// readSince reads {"since"}, which is optional; zero without it.
func readSince(c *fiber.Ctx) (time.Time, error) {
	body, err := readOptionalJSON(c, maxWebhookBody)
	if err != nil || body == nil {
		return time.Time{}, err
	}
	var in map[string]json.RawMessage
	if err := json.Unmarshal(body, &in); err != nil {
		return time.Time{}, posthorn.Because(posthorn.Invalid, "The body must be an object with a time as since, or empty.", err)
	}
	var since *time.Time
	if raw, given := in[posthorn.FieldSince]; given {
		if err := json.Unmarshal(raw, &since); err != nil || since != nil && since.Year() < 1970 {
			return time.Time{}, posthorn.FieldError(posthorn.Invalid, posthorn.FieldSince, "must be a time as in RFC 3339, such as 2026-01-15T10:30:00.000Z")
		}
	}
	if since == nil {
		return time.Time{}, nil
	}
	return *since, nil
}

// parseDeliveryQuery reads the query string of the delivery log. Times without a zone are in loc. The error names each bad
// parameter.
func parseDeliveryQuery(in url.Values, loc *time.Location, now time.Time) (posthorn.DeliveryFilter, posthorn.PageRequest, error) {
	p := readQuery(in)
	f := p.deliveryFilter(loc, now)
	page := p.page()
	return f, page, p.err()
}

// deliveryFilter reads the filters of the delivery log.
func (p *queryParser) deliveryFilter(loc *time.Location, now time.Time) posthorn.DeliveryFilter {
	f := posthorn.DeliveryFilter{
		WebhookID:  parseIDFilter(p, filterWebhookID, "must be the id of a webhook", posthorn.ParseWebhookID),
		EventID:    parseIDFilter(p, filterEventID, "must be the id of an event", posthorn.ParseEventID),
		DeliveryID: parseIDFilter(p, filterDeliveryID, "must be the id of a delivery", posthorn.ParseDeliveryID),
		Events:     p.list(filterEvent),
		Statuses:   parseList(p, filterStatus, posthorn.DeliveryStatuses()),
		Text:       p.one(filterText),

		Application: p.one(filterApplicationID),
		Over:        time.Duration(p.whole(filterOver)) * time.Millisecond,
		MinAttempts: p.whole(filterMinAttempts),
	}
	if classes := parseList(p, filterErrorClass, posthorn.ErrorClasses()); len(classes) > 0 {
		f.ErrorClass = classes[0]
	}
	p.single(singleDeliveryFilters)
	if text := p.one(filterStatusCode); text != "" {
		var ok bool
		if f.StatusCodes, ok = posthorn.ParseStatusRange(text); !ok {
			p.faults[filterStatusCode] = "must be a status such as 404, or a class such as 5xx"
		}
	}
	f.Test = p.test()
	f.From, f.To = p.period(loc, now)
	return f
}

// singleDeliveryFilters are the parameters of the delivery log that take one value.
var singleDeliveryFilters = []string{
	filterWebhookID, filterEventID, filterDeliveryID, filterErrorClass, filterStatusCode, filterTest, filterText,
	filterFrom, filterTo, filterRange, filterApplicationID, filterOver, filterMinAttempts, pageLimit, pageCursor,
}
