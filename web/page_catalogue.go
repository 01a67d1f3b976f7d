package web

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
	"posthorn/views/pages"
	"posthorn/views/path"
)

// showEventCatalogue is the list of event types: the page, or the list alone when the search changed.
func (s *Server) showEventCatalogue(c *fiber.Ctx) error {
	types, err := s.EventTypes.Outline(c.UserContext(), requestOf(c).signedIn.Tenant.ID)
	if err != nil {
		return err
	}
	p := pages.NewCatalogueProps(types, c.Query(pages.FilterText))
	if isFragment(c) && c.Get("HX-Target") == targetResults {
		return s.render(c, http.StatusOK, pages.CatalogueResults(p))
	}
	if p.Page, err = s.page(c, "Event catalogue", layout.NavEvents); err != nil {
		return err
	}
	return s.render(c, http.StatusOK, pages.Catalogue(p))
}

// eventTypePage makes the frame of a page about one type, or about a new one when event is empty.
func (s *Server) eventTypePage(c *fiber.Ctx, title, event string) (layout.PageProps, error) {
	page, err := s.page(c, title+" · Event catalogue", layout.NavEvents)
	page.Crumbs = []layout.Crumb{{Label: "Event catalogue", URL: path.EventCatalogue}, {Label: title}}
	if event != "" && title != event {
		page.Crumbs = []layout.Crumb{page.Crumbs[0], {Label: event, URL: path.EventType(event)}, {Label: title}}
	}
	return page, err
}

func (s *Server) showEventType(c *fiber.Ctx) error {
	t, err := s.EventTypes.Get(c.UserContext(), requestOf(c).signedIn.Tenant.ID, c.Params("event"))
	if err != nil {
		return err
	}
	return s.renderEventType(c, http.StatusOK, pages.EventTypeProps{Type: t})
}

func (s *Server) renderEventType(c *fiber.Ctx, status int, p pages.EventTypeProps) error {
	var err error
	if p.Page, err = s.eventTypePage(c, p.Type.Event, p.Type.Event); err != nil {
		return err
	}
	user := requestOf(c).signedIn.User
	p.Location, p.Now = user.Location(), time.Now()
	return s.render(c, status, pages.EventType(p))
}

// updateEnforcement changes what becomes of data that does not fit, of any type.
func (s *Server) updateEnforcement(c *fiber.Ctx) error {
	tenant, event := requestOf(c).signedIn.Tenant.ID, c.Params("event")
	t, err := s.EventTypes.Get(c.UserContext(), tenant, event)
	if err != nil {
		return err
	}
	enforcement := posthorn.Enforcement(formValue(c, posthorn.FieldEnforcement))
	_, _, err = s.EventTypes.Put(c.UserContext(), s.webActor(c), tenant, posthorn.EventTypePut{Event: event, Enforcement: &enforcement})
	if f := describe(err); err != nil && f.fields != nil {
		return s.renderEventType(c, f.status, pages.EventTypeProps{Type: t, Fields: f.fields})
	}
	if err != nil {
		return err
	}
	return s.backTo(c, path.EventType(event), "The enforcement is saved.")
}

func (s *Server) showNewEventType(c *fiber.Ctx) error {
	return s.renderEventTypeForm(c, http.StatusOK, pages.EventTypeFormProps{Enforcement: posthorn.EnforcementWarn, Schema: "{}"})
}

// showEventTypeForm is the form of a type of the tenant's own, filled with what is stored.
func (s *Server) showEventTypeForm(c *fiber.Ctx) error {
	t, err := s.ownEventType(c)
	if err != nil {
		return err
	}
	return s.renderEventTypeForm(c, http.StatusOK, storedEventTypeForm(&t))
}

// storedEventTypeForm is the form of a type as it is stored.
func storedEventTypeForm(t *posthorn.EventType) pages.EventTypeFormProps {
	return pages.EventTypeFormProps{
		Known: t.Event, Event: t.Event, Description: t.Description, Schema: pages.EditableJSON(t.Schema), Example: pages.EditableJSON(t.Example),
		Enforcement: t.Enforcement, Seen: t.UpdatedAt.Format(time.RFC3339Nano),
	}
}

// ownEventType is the type in the path; a built-in one has no form.
func (s *Server) ownEventType(c *fiber.Ctx) (posthorn.EventType, error) {
	t, err := s.EventTypes.Get(c.UserContext(), requestOf(c).signedIn.Tenant.ID, c.Params("event"))
	if err == nil && t.BuiltIn {
		err = posthorn.Errorf(posthorn.NotFound, "%s", pageMissing)
	}
	return t, err
}

func (s *Server) renderEventTypeForm(c *fiber.Ctx, status int, p pages.EventTypeFormProps) error {
	title := "New event type"
	if p.Known != "" {
		title = "Edit"
	}
	var err error
	if p.Page, err = s.eventTypePage(c, title, p.Known); err != nil {
		return err
	}
	p.Location = zoneOf(c)
	return s.render(c, status, pages.EventTypeForm(p))
}

// eventTypeFormOf reads the posted form, as the person typed it and as a change.
func eventTypeFormOf(c *fiber.Ctx) (pages.EventTypeFormProps, posthorn.EventTypePut) {
	p := pages.EventTypeFormProps{
		Event: formValue(c, posthorn.FieldEvent), Description: formText(c, posthorn.FieldDescription),
		Schema: formText(c, posthorn.FieldSchema), Example: formText(c, posthorn.FieldExample),
		Enforcement: posthorn.Enforcement(formValue(c, posthorn.FieldEnforcement)), Seen: formValue(c, pages.FieldSeen),
	}
	in := posthorn.EventTypePut{Event: p.Event, Description: &p.Description, Enforcement: &p.Enforcement}
	in.Schema, in.Example = json.RawMessage(cmp.Or(strings.TrimSpace(p.Schema), "{}")), json.RawMessage(p.Example)
	return p, in
}

// formText returns a field of several lines, which browsers end their own way.
func formText(c *fiber.Ctx, name string) string {
	return strings.ReplaceAll(formValue(c, name), "\r\n", "\n")
}

func (s *Server) createEventType(c *fiber.Ctx) error {
	p, in := eventTypeFormOf(c)
	in.MustBeNew = true
	return s.saveEventType(c, p, in, "is in the catalogue.")
}

func (s *Server) updateEventType(c *fiber.Ctx) error {
	t, err := s.ownEventType(c)
	if err != nil {
		return err
	}
	p, in := eventTypeFormOf(c)
	p.Known, p.Event, in.Event = t.Event, t.Event, t.Event
	if in.Seen, err = time.Parse(time.RFC3339Nano, p.Seen); err != nil {
		in.Seen = time.Unix(0, 0) // a form that does not say what it was made from was made from nothing that is there
	}
	return s.saveEventType(c, p, in, "is saved.")
}

// saveEventType stores what a form says: then the type's page, else the form again with what is wrong.
func (s *Server) saveEventType(c *fiber.Ctx, p pages.EventTypeFormProps, in posthorn.EventTypePut, news string) error {
	made, _, err := s.EventTypes.Put(c.UserContext(), s.webActor(c), requestOf(c).signedIn.Tenant.ID, in)
	switch f := describe(err); {
	case err == nil:
		return s.backTo(c, path.EventType(made.Event), made.Event+" "+news)
	case f.fields == nil && f.status != http.StatusConflict:
		return err
	case f.fields == nil && !in.Seen.IsZero():
		return s.showEventTypeConflict(c, p, in.Seen, f.message)
	default:
		p.Fields, p.Error = f.fields, f.message
		return s.renderEventTypeForm(c, f.status, p)
	}
}

// showEventTypeConflict answers an edit that the catalogue refused: with what was typed, and beside it what somebody else saved
// since the version that was seen. Where both are the same there is nothing to decide. An edit of the latest version was
// refused for another reason, which message tells.
func (s *Server) showEventTypeConflict(c *fiber.Ctx, p pages.EventTypeFormProps, seen time.Time, message string) error {
	t, err := s.ownEventType(c)
	if err != nil {
		return err
	}
	if t.UpdatedAt.Equal(seen) {
		p.Error = message
		return s.renderEventTypeForm(c, http.StatusConflict, p)
	}
	theirs := storedEventTypeForm(&t)
	p.Seen = theirs.Seen
	differences := pages.EventTypeDifferences(&theirs, &p)
	if len(differences) == 0 {
		return s.backTo(c, path.EventType(t.Event), t.Event+" is saved.")
	}
	p.Conflict = &pages.Conflict{At: t.UpdatedAt, Differences: differences}
	return s.renderEventTypeForm(c, http.StatusConflict, p)
}
