package web

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
	"posthorn/views/pages"
	"posthorn/views/path"
)

// What the forms of webhooks make, as their keys tell it.
const (
	formWebhook          = "webhook"
	formWebhookDuplicate = "webhook_duplicate"
	formWebhookSecret    = "webhook_secret"
)

// maxHeaderRows bounds the rows of headers of a form: more than a webhook may have, so that the fault is told in the form.
const maxHeaderRows = 2 * posthorn.MaxHeaders

// formValues returns every value of a field of a posted form.
func formValues(c *fiber.Ctx, name string) []string {
	raw := c.Request().PostArgs().PeekMulti(name)
	values := make([]string, len(raw))
	for i, v := range raw {
		values[i] = string(v)
	}
	return values
}

// webhookFormOf reads the form of a webhook as it was typed.
func webhookFormOf(c *fiber.Ctx) pages.WebhookForm {
	f := pages.WebhookForm{
		Name: formValue(c, posthorn.FieldName), URL: formValue(c, posthorn.FieldURL), Description: formValue(c, posthorn.FieldDescription),
		Active: formValue(c, posthorn.FieldActive) != pages.ActiveNo, Application: formValue(c, posthorn.FieldApplicationID),
		AllEvents: formValue(c, pages.FieldEventScope) == pages.EventScopeAll,
		Signature: posthorn.Signature{
			Scheme: posthorn.Scheme(formValue(c, posthorn.FieldSignature)), Key: posthorn.SigningKey(formValue(c, pages.FieldSigningKey)),
			Header: strings.TrimSpace(formValue(c, pages.FieldSignatureHeader)), TimestampHeader: strings.TrimSpace(formValue(c, pages.FieldTimestampHeader)),
			Encoding: posthorn.Encoding(formValue(c, pages.FieldEncoding)), Over: posthorn.SignedPart(formValue(c, pages.FieldSigned)),
		},
		Secret: formValue(c, posthorn.FieldSecret), Timeout: formValue(c, posthorn.FieldTimeout), MaxAttempts: formValue(c, posthorn.FieldMaxAttempts),
		RateLimit: formValue(c, posthorn.FieldRateLimit), MaxInFlight: formValue(c, posthorn.FieldMaxInFlight), RetryOn: formValues(c, posthorn.FieldRetryOn),
	}
	f.Events = chosenEvents(formValues(c, posthorn.FieldEvents), f.AllEvents)
	// A version that is no number is older than any.
	if f.Version, _ = strconv.Atoi(formValue(c, pages.FieldVersion)); f.Version < 1 {
		f.Version = -1
	}
	names, values, stored := formValues(c, pages.FieldHeaderName), formValues(c, pages.FieldHeaderValue), formValues(c, pages.FieldHeaderStored)
	for i := range min(len(names), len(values), len(stored), maxHeaderRows) {
		f.Headers = append(f.Headers, pages.WebhookHeaderRow{Name: names[i], Value: values[i], Stored: stored[i] == pages.HeaderStored})
	}
	return f
}

// chosenEvents makes subscriptions out of the boxes that are ticked: without the types of a category that is chosen as a
// whole, and, where all events are asked for, without those that this covers.
func chosenEvents(ticked []string, all bool) []string {
	var events []string
	if all {
		events = append(events, posthorn.SubscribeAll)
	}
	for _, e := range ticked {
		whole := posthorn.CategoryOf(e) + ".*"
		about := posthorn.CategoryOf(e) + ".x" // an event of the category, whichever
		covered := all && posthorn.MatchesSubscription([]string{posthorn.SubscribeAll}, about)
		if !covered && (e == whole || !slices.Contains(ticked, whole)) {
			events = append(events, e)
		}
	}
	return events
}

// inStoredOrder puts subscriptions into the order in which they are stored, new ones last, so that a form which changes
// nothing changes nothing.
func inStoredOrder(events, stored []string) []string {
	out := make([]string, 0, len(events))
	for _, e := range stored {
		if slices.Contains(events, e) {
			out = append(out, e)
		}
	}
	for _, e := range events {
		if !slices.Contains(out, e) {
			out = append(out, e)
		}
	}
	return out
}

// wholeNumber reads a number of a form. What is none is a number that every limit refuses.
func wholeNumber(text string) *int {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 32)
	if err != nil {
		n = math.MinInt32
	}
	i := int(n)
	return &i
}

// webhookInput is a form as the domain takes it. stored are the subscriptions of the webhook, nil for a new one.
func webhookInput(f *pages.WebhookForm, stored []string) posthorn.WebhookInput {
	events, signature := inStoredOrder(f.Events, stored), chosenSignature(f.Signature)
	timeout := time.Duration(*wholeNumber(f.Timeout)) * time.Second
	in := posthorn.WebhookInput{
		Name: &f.Name, Description: &f.Description, URL: &f.URL, Active: &f.Active, Events: &events, Application: &f.Application,
		Headers: headerInputs(f.Headers), Signature: &signature, Timeout: &timeout, MaxAttempts: wholeNumber(f.MaxAttempts),
		MaxInFlight: wholeNumber(f.MaxInFlight), RateLimit: rateLimit(f.RateLimit),
	}
	codes := []int{}
	for _, code := range f.RetryOn {
		codes = append(codes, *wholeNumber(code))
	}
	in.RetryOn = &codes
	return in
}

// rateLimit reads the limit: empty is none, and so 0 is none of the numbers that may be typed.
func rateLimit(text string) *int {
	if strings.TrimSpace(text) == "" {
		none := 0
		return &none
	}
	limit := wholeNumber(text)
	if *limit == 0 {
		*limit = -1
	}
	return limit
}

// chosenSignature leaves out the options of the schemes that are not chosen.
func chosenSignature(s posthorn.Signature) posthorn.Signature {
	switch s.Scheme {
	case posthorn.SchemeCustom:
		s.Key = ""
	case posthorn.SchemeSmartKYC:
		s = posthorn.Signature{Scheme: s.Scheme, Key: s.Key}
	case posthorn.SchemeStandard, posthorn.SchemeKryptos, posthorn.SchemeArkyc:
		s = posthorn.Signature{Scheme: s.Scheme}
	}
	return s.Normal()
}

// headerInputs are the rows that are not empty. A stored one without a new value keeps its own.
func headerInputs(rows []pages.WebhookHeaderRow) *[]posthorn.HeaderInput {
	headers := []posthorn.HeaderInput{}
	for _, row := range rows {
		switch {
		case row.Stored && row.Value == "":
			headers = append(headers, posthorn.HeaderInput{Name: row.Name, Value: posthorn.HeaderMask})
		case strings.TrimSpace(row.Name) != "" || row.Value != "":
			headers = append(headers, posthorn.HeaderInput{Name: row.Name, Value: row.Value})
		}
	}
	return &headers
}

// webhookFormProps adds to a form what it offers.
func (s *Server) webhookFormProps(c *fiber.Ctx, id posthorn.WebhookID, f pages.WebhookForm) (pages.WebhookFormProps, error) {
	p := pages.WebhookFormProps{Form: f, ID: id}
	var err error
	if p.Types, err = s.EventTypes.Outline(c.UserContext(), tenantOf(c)); err != nil {
		return p, err
	}
	p.Applications, err = s.Webhooks.Applications(c.UserContext(), tenantOf(c))
	return p, err
}

func (s *Server) showNewWebhook(c *fiber.Ctx) error {
	p, err := s.webhookFormProps(c, posthorn.WebhookID{}, pages.NewWebhookForm())
	if err != nil {
		return err
	}
	p.FormKey = newFormKey()
	return s.renderNewWebhook(c, http.StatusOK, p)
}

func (s *Server) renderNewWebhook(c *fiber.Ctx, status int, p pages.WebhookFormProps) error {
	page, err := s.page(c, "New webhook", layout.NavWebhooks)
	if err != nil {
		return err
	}
	page.Crumbs = []layout.Crumb{{Label: "Webhooks", URL: path.Webhooks}, {Label: "New webhook"}}
	return s.render(c, status, pages.WebhookNew(pages.WebhookNewProps{Page: page, Form: p}))
}

func (s *Server) createWebhook(c *fiber.Ctx) error {
	form := webhookFormOf(c)
	in := webhookInput(&form, nil)
	in.Secret = &form.Secret
	made, err := s.Webhooks.Create(c.UserContext(), s.webActor(c), tenantOf(c), in, formKey(c, formWebhook))
	switch f := describe(err); {
	case err != nil && f.fields != nil:
		p, err := s.webhookFormProps(c, posthorn.WebhookID{}, form)
		if err != nil {
			return err
		}
		p.Faults, p.FormKey = f.fields, postedFormKey(c)
		return s.renderNewWebhook(c, f.status, p)
	case err != nil:
		return err
	case made.Repeated:
		return s.backToWebhook(c, made.Webhook.ID, createdAlready)
	}
	return s.showSecretOnce(c, &made, false)
}

// createdAlready answers a form that was sent twice.
const createdAlready = "This webhook was created already. Its secret was shown once; rotate it to get a new one."

// changeNewHeaders gives the form of a new webhook back with a header more or less.
func (s *Server) changeNewHeaders(c *fiber.Ctx) error {
	p, err := s.webhookFormProps(c, posthorn.WebhookID{}, webhookFormOf(c))
	if err != nil {
		return err
	}
	p.FormKey = postedFormKey(c)
	changeHeaders(c, &p)
	if isFragment(c) {
		return s.render(c, http.StatusOK, pages.WebhookHeaders(p))
	}
	return s.renderNewWebhook(c, http.StatusOK, p)
}

// changeHeaders does to the rows of a form what the button that sent it says.
func changeHeaders(c *fiber.Ctx, p *pages.WebhookFormProps) {
	p.HeadersChanged = true
	rows := &p.Form.Headers
	if row, err := strconv.Atoi(formValue(c, pages.FieldHeaderRemove)); err == nil && row >= 0 && row < len(*rows) {
		*rows = slices.Delete(*rows, row, row+1)
		p.HeaderFocus = min(row, len(*rows)-1)
		return
	}
	if len(*rows) < posthorn.MaxHeaders {
		*rows = append(*rows, pages.WebhookHeaderRow{})
	} else {
		p.Faults = map[string]string{posthorn.FieldHeaders: "must be at most 20"}
	}
	p.HeaderFocus = len(*rows) - 1
}

func (s *Server) showWebhookSettings(c *fiber.Ctx) error {
	w, err := s.webhook(c)
	if err != nil {
		return err
	}
	return s.renderWebhookSettings(c, http.StatusOK, &w, pages.WebhookFormOf(&w.Webhook), func(*pages.WebhookSettingsProps) {})
}

// renderWebhookSettings answers with the form of a webhook; adjust adds what is particular about this answer.
func (s *Server) renderWebhookSettings(
	c *fiber.Ctx, status int, w *posthorn.WebhookDetail, form pages.WebhookForm, adjust func(*pages.WebhookSettingsProps),
) error {
	var p pages.WebhookSettingsProps
	var err error
	if p.Form, err = s.webhookFormProps(c, w.ID, form); err != nil {
		return err
	}
	adjust(&p)
	if isFragment(c) && p.Form.HeadersChanged {
		return s.render(c, status, pages.WebhookHeaders(p.Form))
	}
	if p.Page, err = s.webhookPage(c, w, "Settings"); err != nil {
		return err
	}
	return s.render(c, status, pages.WebhookSettings(p))
}

// changeStoredHeaders gives the form of a webhook back with a header more or less.
func (s *Server) changeStoredHeaders(c *fiber.Ctx) error {
	w, err := s.webhook(c)
	if err != nil {
		return err
	}
	return s.renderWebhookSettings(c, http.StatusOK, &w, webhookFormOf(c), func(p *pages.WebhookSettingsProps) { changeHeaders(c, &p.Form) })
}

func (s *Server) updateWebhook(c *fiber.Ctx) error {
	w, err := s.webhook(c)
	if err != nil {
		return err
	}
	form := webhookFormOf(c)
	_, err = s.Webhooks.Update(c.UserContext(), s.webActor(c), w.TenantID, w.ID, webhookInput(&form, w.Events), form.Version)
	f := describe(err)
	switch {
	case err == nil:
		return s.backTo(c, path.WebhookSettings(w.ID.String()), "Saved.")
	case isStaleWebhook(err):
		return s.showConflict(c, w.ID, form)
	case f.fields != nil:
		return s.renderWebhookSettings(c, f.status, &w, form, func(p *pages.WebhookSettingsProps) { p.Form.Faults = f.fields })
	default:
		return err
	}
}

// showConflict answers an edit of a version that is not the latest: with what was typed, and beside it what somebody else
// saved meanwhile. Where both are the same there is nothing to decide; a typed value of a header is never the same.
func (s *Server) showConflict(c *fiber.Ctx, id posthorn.WebhookID, form pages.WebhookForm) error {
	w, err := s.Webhooks.Get(c.UserContext(), tenantOf(c), id)
	if err != nil {
		return err
	}
	applications, err := s.Webhooks.Applications(c.UserContext(), w.TenantID)
	if err != nil {
		return err
	}
	theirs := pages.WebhookFormOf(&w.Webhook)
	form.Version = w.Version
	differences := pages.WebhookDifferences(&theirs, &form, applications)
	if len(differences) == 0 {
		return s.backTo(c, path.WebhookSettings(id.String()), "Saved.")
	}
	return s.renderWebhookSettings(c, http.StatusConflict, &w, form, func(p *pages.WebhookSettingsProps) {
		p.Form.Conflict = &pages.Conflict{By: w.UpdatedBy, At: w.UpdatedAt, Differences: differences}
	})
}
