package web

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
	"posthorn/views/pages"
	"posthorn/views/path"
)

// ManualEvents publishes what a person puts together. Implemented by posthorn.ManualPublisher.
type ManualEvents interface {
	Publish(ctx context.Context, actor posthorn.Actor, tenant posthorn.TenantID, in posthorn.ManualEvent) (posthorn.ManualResult, error)
}

// showEvents is the list: the page, or the list alone when a filter changed.
func (s *Server) showEvents(c *fiber.Ctx) error {
	list, status, err := s.eventList(c)
	if err != nil {
		return err
	}
	if isFragmentFor(c, targetResults) {
		return s.render(c, status, pages.EventList(list))
	}
	page, err := s.page(c, "Events", layout.NavEvents)
	if err != nil {
		return err
	}
	return s.render(c, status, pages.Events(pages.EventsProps{Page: page, List: list}))
}

// eventList gathers one page of the list. Filters that cannot be understood are a 422 that lists nothing.
func (s *Server) eventList(c *fiber.Ctx) (pages.EventListProps, int, error) {
	ctx, tenant := c.UserContext(), tenantOf(c)
	p := pages.EventListProps{Location: zoneOf(c), Now: time.Now()}
	var position posthorn.PageRequest
	var err error
	if p.Types, err = s.EventTypes.Outline(ctx, tenant); err != nil {
		return p, 0, err
	}
	if p.Applications, err = s.Webhooks.Applications(ctx, tenant); err != nil {
		return p, 0, err
	}
	p.Filter, position, p.Values, err = readEventQuery(queryOf(c), p.Location, p.Now)
	if err == nil {
		// The newest id is read before the list: what comes in between is announced twice rather than never.
		if p.Newest, err = s.Events.Newest(ctx, tenant); err != nil {
			return p, 0, err
		}
		p.Page, err = s.Events.List(ctx, tenant, p.Filter, position)
	}
	p.FirstPage = p.Page.PrevCursor == "" && (position.Cursor == "" || len(p.Page.Events) > 0)
	// A mark that cannot be read marks nothing.
	p.Fresh, _ = posthorn.ParseEventID(c.Query(pages.FreshSince))
	if f := describe(err); err != nil && f.fields != nil {
		p.Faults = f.fields
		return p, f.status, nil
	}
	return p, http.StatusOK, err
}

// showEventNews counts what is newer than the reader has seen, under the reader's filters.
func (s *Server) showEventNews(c *fiber.Ctx) error {
	f, _, values, err := readEventQuery(queryOf(c), zoneOf(c), time.Now())
	if err != nil {
		return err
	}
	since, err := posthorn.ParseEventID(c.Query(pages.SinceRecord, posthorn.EventID{}.String()))
	if err != nil {
		return posthorn.InvalidFields("The position could not be understood.", map[string]string{pages.SinceRecord: "must be the id of an event"})
	}
	news, err := s.Events.News(c.UserContext(), tenantOf(c), f, since)
	if err != nil {
		return err
	}
	return s.render(c, http.StatusOK, pages.EventNews(pages.EventNewsProps{News: news, Values: values}))
}

// readEventQuery reads the query string of the list of events; values are the filters as they stand in links, without the
// position.
func readEventQuery(in url.Values, loc *time.Location, now time.Time) (f posthorn.EventFilter, page posthorn.PageRequest, values url.Values, err error) {
	p := readQuery(in)
	f = posthorn.EventFilter{Types: p.list(filterEvent), Application: p.one(filterApplicationID), Text: p.one(filterText), Test: p.test()}
	f.From, f.To = p.period(loc, now)
	page = p.page()
	return f, page, p.kept, p.err()
}

// showEvent is one event with what became of it, or that part alone while it renews itself.
func (s *Server) showEvent(c *fiber.Ctx) error {
	id, err := posthorn.ParseEventID(c.Params("id"))
	if err != nil {
		return posthorn.Because(posthorn.NotFound, "There is no event with this id.", err)
	}
	p := pages.EventProps{Location: zoneOf(c), Now: time.Now()}
	if p.Trace, err = s.Events.Get(c.UserContext(), tenantOf(c), id); err != nil {
		return err
	}
	if isFragmentFor(c, pages.IntoReaches) {
		return s.render(c, http.StatusOK, pages.EventReaches(p))
	}
	if !p.Trace.ApplicationID.IsZero() {
		applications, err := s.Webhooks.Applications(c.UserContext(), tenantOf(c))
		if err != nil {
			return err
		}
		for i := range applications {
			if applications[i].ID == p.Trace.ApplicationID {
				p.Application = &applications[i]
			}
		}
	}
	if p.Page, err = s.page(c, p.Trace.Type+" · Events", layout.NavEvents); err != nil {
		return err
	}
	p.Page.Crumbs = []layout.Crumb{{Label: "Events", URL: path.Events}, {Label: id.String()}}
	return s.render(c, http.StatusOK, pages.Event(p))
}

// showNewEvent is the form that publishes an event by hand, with the example of a type.
func (s *Server) showNewEvent(c *fiber.Ctx) error {
	return s.renderNewEvent(c, http.StatusOK, pages.EventNewProps{Event: c.Query(posthorn.FieldEvent), FormKey: newFormKey()})
}

// renderNewEvent answers with the form, or with the data alone when another type was chosen.
func (s *Server) renderNewEvent(c *fiber.Ctx, status int, p pages.EventNewProps) error {
	ctx, tenant := c.UserContext(), tenantOf(c)
	var err error
	if p.Types, err = s.EventTypes.Outline(ctx, tenant); err != nil {
		return err
	}
	if p.Applications, err = s.Webhooks.Applications(ctx, tenant); err != nil {
		return err
	}
	if status == http.StatusOK {
		p.Event = publishableEvent(p.Event, p.Types)
		if p.Data, err = s.exampleOf(c, p.Event); err != nil {
			return err
		}
	}
	if isFragmentFor(c, pages.IntoEventData) {
		return s.render(c, status, pages.EventNewData(p))
	}
	if p.Page, err = s.page(c, "Publish event · Events", layout.NavEvents); err != nil {
		return err
	}
	p.Page.Crumbs = []layout.Crumb{{Label: "Events", URL: path.Events}, {Label: "Publish event"}}
	return s.render(c, status, pages.EventNew(p))
}

// publishableEvent is the type that the form begins with: the one that was asked for where it may be published, else the first
// that may.
func publishableEvent(asked string, types []posthorn.EventType) string {
	first := ""
	for _, t := range types {
		if !posthorn.Publishable(t.Event) {
			continue
		}
		if t.Event == asked {
			return asked
		}
		if first == "" {
			first = t.Event
		}
	}
	return first
}

// publishEvent publishes what the form says and leads to the event's page.
func (s *Server) publishEvent(c *fiber.Ctx) error {
	p := pages.EventNewProps{
		Event: formValue(c, posthorn.FieldEvent), Application: formValue(c, posthorn.FieldApplicationID), User: formValue(c, posthorn.FieldUserID),
		Data: formText(c, pages.FieldData), FormKey: postedFormKey(c),
	}
	if formValue(c, pages.FieldLoad) != "" {
		return s.redirect(c, path.With(path.EventNew, url.Values{posthorn.FieldEvent: {p.Event}}))
	}
	data, rule := documentOf(p.Data)
	if rule != "" {
		p.Faults = map[string]string{pages.FieldData: rule}
		return s.renderNewEvent(c, http.StatusUnprocessableEntity, p)
	}
	made, err := s.ManualEvents.Publish(c.UserContext(), s.webActor(c), tenantOf(c), posthorn.ManualEvent{
		Event: p.Event, Application: p.Application, UserID: p.User, Data: data, Anyway: formValue(c, pages.FieldAnyway) != "",
		Form: formKey(c, formEvent),
	})
	switch f := describe(err); {
	case err != nil && f.fields != nil:
		p.Faults = f.fields
		return s.renderNewEvent(c, f.status, p)
	case err != nil && f.status == http.StatusRequestEntityTooLarge:
		p.Faults = map[string]string{pages.FieldData: "is too large. " + f.message}
		return s.renderNewEvent(c, f.status, p)
	case err != nil:
		return err
	case made.ID.IsZero():
		p.Fit = made.Fit
		return s.renderNewEvent(c, http.StatusUnprocessableEntity, p)
	}
	return s.backTo(c, path.Event(made.ID.String()), publishedWords(&made))
}

// publishedWords says what became of the form.
func publishedWords(made *posthorn.ManualResult) string {
	switch {
	case made.Repeated:
		return "This event was published already."
	case made.Deliveries == 0:
		return "The event is published. No webhook is there to get it."
	case made.Deliveries == 1:
		return "The event is published, and goes to 1 webhook."
	default:
		return "The event is published, and goes to " + strconv.Itoa(made.Deliveries) + " webhooks."
	}
}
