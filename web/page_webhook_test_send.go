package web

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
	"posthorn/views/pages"
	"posthorn/views/path"
)

// What the forms of events make, as their keys tell it.
const (
	formWebhookTest = "webhook_test"
	formEvent       = "event"
)

// earlierTests is how many tests are listed beside the form.
const earlierTests = 10

// documentOf reads the JSON of a form, without its layout. rule reads on from the name of the field when it is none.
func documentOf(text string) (raw json.RawMessage, rule string) {
	var compact bytes.Buffer
	err := json.Unmarshal([]byte(text), &raw) // Compact does not say where a fault is
	if err == nil {
		err = json.Compact(&compact, raw)
	}
	if err == nil {
		return compact.Bytes(), ""
	}
	rule = "must be JSON: " + err.Error()
	if e, ok := err.(*json.SyntaxError); ok { //nolint:errorlint // package json returns it as it is
		before := text[:min(max(0, int(e.Offset)-1), len(text))]
		rule += " in line " + strconv.Itoa(1+strings.Count(before, "\n"))
	}
	return nil, rule
}

// isFragmentFor reports whether htmx asks for one part of a page.
func isFragmentFor(c *fiber.Ctx, target string) bool {
	return isFragment(c) && c.Get("HX-Target") == target
}

// showWebhookTest is the form of a test, filled with an example, and the result of the test that the address names.
func (s *Server) showWebhookTest(c *fiber.Ctx) error {
	w, err := s.webhook(c)
	if err != nil {
		return err
	}
	p := pages.WebhookTestProps{Event: c.Query(posthorn.FieldEvent)}
	if p.Result, err = s.testOf(c, w.ID); err != nil {
		return err
	}
	return s.renderWebhookTest(c, http.StatusOK, &w, p)
}

// testOf is the test of a webhook that the address names, nil for none.
func (s *Server) testOf(c *fiber.Ctx, webhook posthorn.WebhookID) (*posthorn.LogEntry, error) {
	id, err := posthorn.ParseDeliveryID(c.Query(pages.TestDelivery))
	if err != nil {
		return nil, nil //nolint:nilnil,nilerr // no test is no error
	}
	entry, err := s.Deliveries.Get(c.UserContext(), tenantOf(c), id)
	switch {
	case kindIs(err, posthorn.NotFound):
		return nil, nil //nolint:nilnil // as one that is past the retention
	case err != nil:
		return nil, err
	case !entry.Test || entry.WebhookID != webhook:
		return nil, nil //nolint:nilnil // it is no test of this webhook
	}
	return &entry, nil
}

// renderWebhookTest answers with the form, or with the part of it that htmx asks for. Without data it is filled with that of the
// result, or with the example of the type.
func (s *Server) renderWebhookTest(c *fiber.Ctx, status int, w *posthorn.WebhookDetail, p pages.WebhookTestProps) error {
	var err error
	if p.Page, err = s.webhookPage(c, w, "Test"); err != nil {
		return err
	}
	if p.FormKey == "" {
		p.FormKey = newFormKey()
	}
	p.Event = testedEvent(p.Event, p.Page.Types, w.Events, len(p.Faults) > 0)
	switch {
	case p.Data != "" || len(p.Faults) > 0:
	case p.Result != nil && p.Result.Event == p.Event:
		p.Data = pages.EditableJSON(p.Result.Data)
	default:
		if p.Data, err = s.exampleOf(c, p.Event); err != nil {
			return err
		}
	}
	if isFragmentFor(c, pages.IntoTestData) {
		return s.render(c, status, pages.WebhookTestData(p))
	}
	if p.Earlier, err = s.testsBefore(c, w.ID, p.Result); err != nil {
		return err
	}
	if p.Result != nil && p.Result.State == posthorn.DeliverySucceeded {
		failed := posthorn.DeliveryFilter{WebhookID: w.ID, Statuses: []posthorn.DeliveryStatus{posthorn.StatusError}}
		if p.Failed, err = s.Replays.Preview(c.UserContext(), tenantOf(c), failed); err != nil {
			return err
		}
	}
	switch {
	case isFragmentFor(c, pages.IntoTestOutcome):
		return s.render(c, status, pages.WebhookTestOutcome(p))
	case isFragmentFor(c, pages.IntoTestArea):
		return s.render(c, status, pages.WebhookTestArea(p))
	default:
		return s.render(c, status, pages.WebhookTest(p))
	}
}

// testedEvent is the type that a form begins with: the one that was asked for where the catalogue has it, or where the form says
// that it does not; else the first that the webhook is subscribed to.
func testedEvent(asked string, types []posthorn.EventType, subscriptions []string, faulty bool) string {
	first := ""
	for _, t := range types {
		switch {
		case t.Event == asked:
			return asked
		case first == "" && posthorn.MatchesSubscription(subscriptions, t.Event):
			first = t.Event
		}
	}
	switch {
	case faulty && asked != "":
		return asked
	case first == "" && len(types) > 0:
		return types[0].Event
	default:
		return first
	}
}

// exampleOf is the example of a type as a form shows it, empty for a type that the catalogue does not have.
func (s *Server) exampleOf(c *fiber.Ctx, event string) (string, error) {
	t, err := s.EventTypes.Get(c.UserContext(), tenantOf(c), event)
	if kindIs(err, posthorn.NotFound) {
		return "", nil
	}
	return pages.EditableJSON(t.Example), err
}

// testsBefore are the newest tests of a webhook, but for the one whose result is shown.
func (s *Server) testsBefore(c *fiber.Ctx, webhook posthorn.WebhookID, shown *posthorn.LogEntry) ([]posthorn.LogEntry, error) {
	list, err := s.Deliveries.List(c.UserContext(), tenantOf(c), posthorn.DeliveryFilter{WebhookID: webhook, Test: new(true)},
		posthorn.PageRequest{Limit: earlierTests + 1})
	if err != nil {
		return nil, err
	}
	tests := slices.DeleteFunc(list.Entries, func(e posthorn.LogEntry) bool { return shown != nil && e.ID == shown.ID })
	return tests[:min(len(tests), earlierTests)], nil
}

// sendWebhookTest sends a test and waits for its result, as long as the webhook's timeout and the request allow.
func (s *Server) sendWebhookTest(c *fiber.Ctx) error {
	w, err := s.webhook(c)
	if err != nil {
		return err
	}
	p := pages.WebhookTestProps{Event: formValue(c, posthorn.FieldEvent), Data: formText(c, pages.FieldData), FormKey: postedFormKey(c)}
	if formValue(c, pages.FieldLoad) != "" {
		return s.redirect(c, path.With(path.WebhookTest(w.ID.String()), url.Values{posthorn.FieldEvent: {p.Event}}))
	}
	data, rule := documentOf(p.Data)
	if rule != "" {
		p.Faults = map[string]string{pages.FieldData: rule}
		return s.renderWebhookTest(c, http.StatusUnprocessableEntity, &w, p)
	}
	entry, err := s.Deliveries.Try(c.UserContext(), s.webActor(c), w.TenantID, w.ID, posthorn.Trial{
		Event: p.Event, Data: &data, Form: formKey(c, formWebhookTest+" "+w.ID.String()),
	})
	switch f := describe(err); {
	case err != nil && f.fields != nil:
		p.Faults = f.fields
		return s.renderWebhookTest(c, f.status, &w, p)
	case err != nil && f.status == http.StatusRequestEntityTooLarge:
		p.Error, p.Faults = f.message, map[string]string{pages.FieldData: "is too large. " + f.message}
		return s.renderWebhookTest(c, f.status, &w, p)
	case err != nil:
		return err
	}
	if !isFragment(c) {
		return c.Redirect(pages.WebhookTestResult(&entry), http.StatusSeeOther)
	}
	// The address is that of the result by now, and the next test is another form.
	c.Set("HX-Replace-Url", pages.WebhookTestResult(&entry))
	p.Result, p.FormKey = &entry, newFormKey()
	return s.renderWebhookTest(c, http.StatusOK, &w, p)
}
