package web

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
	"posthorn/views/pages"
	"posthorn/views/path"
)

// Replays is what pages do with bulk replays. Implemented by posthorn.Replays.
type Replays interface {
	Preview(ctx context.Context, tenant posthorn.TenantID, f posthorn.DeliveryFilter) (posthorn.Estimate, error)
	Start(ctx context.Context, actor posthorn.Actor, tenant posthorn.TenantID, f posthorn.DeliveryFilter, rate int, form *posthorn.IdempotencyKey) (posthorn.ReplayID, error)
	Missed(ctx context.Context, tenant posthorn.TenantID, id posthorn.WebhookID) (posthorn.Missed, error)
	MissedLately(ctx context.Context, tenant posthorn.TenantID, id posthorn.WebhookID) (posthorn.Missed, error)
	StartMissed(ctx context.Context, actor posthorn.Actor, tenant posthorn.TenantID, id posthorn.WebhookID, rate int, form *posthorn.IdempotencyKey) (posthorn.ReplayID, error)
	Get(ctx context.Context, tenant posthorn.TenantID, id posthorn.ReplayID) (posthorn.Replay, error)
	List(ctx context.Context, tenant posthorn.TenantID, before posthorn.ReplayID) (replays []posthorn.Replay, more bool, err error)
	Cancel(ctx context.Context, actor posthorn.Actor, tenant posthorn.TenantID, id posthorn.ReplayID) error
	Attention(ctx context.Context, tenant posthorn.TenantID) (groups []posthorn.FailureGroup, more bool, err error)
}

// What the forms of replays make.
const (
	formReplay = "replay"
	formMissed = "missed"
)

// replayPage is the frame of the pages of replays.
func (s *Server) replayPage(c *fiber.Ctx, title string) (layout.PageProps, error) {
	page, err := s.page(c, title+" · Webhooks", layout.NavWebhooks)
	page.Crumbs = []layout.Crumb{{Label: "Webhooks", URL: path.Webhooks}, {Label: title}}
	return page, err
}

// showReplayQuestion asks whether to replay what the filter of the log selects. The time up to which it selects is that of the
// question.
func (s *Server) showReplayQuestion(c *fiber.Ctx) error {
	return s.askToReplay(c, http.StatusOK, queryOf(c), strconv.Itoa(posthorn.DefaultReplayRate), newFormKey(), nil)
}

// askToReplay is the question; faults are what was wrong with its answer.
func (s *Server) askToReplay(c *fiber.Ctx, status int, query url.Values, rate, key string, faults map[string]string) error {
	p := pages.ReplayAskProps{Rate: rate, Faults: faults, FormKey: key, Location: zoneOf(c)}
	q, err := parseDeliveryPage(query, p.Location, time.Now())
	var n posthorn.Estimate
	if err == nil {
		n, err = s.Replays.Preview(c.UserContext(), tenantOf(c), q.filter)
	}
	switch f := describe(err); {
	case err == nil:
		if err := s.fillReplayQuestion(c, &p, q, n); err != nil {
			return err
		}
	case f.fields != nil:
		p.Fault, status = f.message, f.status
	default:
		return err
	}
	if p.Page, err = s.replayPage(c, "Replay deliveries"); err != nil {
		return err
	}
	return s.render(c, status, pages.ReplayAsk(p))
}

func (s *Server) fillReplayQuestion(c *fiber.Ctx, p *pages.ReplayAskProps, q deliveryQuery, n posthorn.Estimate) error {
	p.Count, p.BackURL = n, path.With(path.DeliveryLog, q.values)
	p.Filter, _, _ = posthorn.Replayable(q.filter) // the preview has understood it
	// A range such as the last 24 hours goes on while the question is read, so its bounds are fixed.
	fixed := maps.Clone(q.values)
	fixed.Del(filterRange)
	for name, at := range map[string]time.Time{filterFrom: q.filter.From, filterTo: q.filter.To} {
		if fixed.Del(name); !at.IsZero() {
			fixed.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	p.Query = fixed.Encode()
	if p.Filter.WebhookID.IsZero() {
		return nil
	}
	w, err := s.Webhooks.Get(c.UserContext(), tenantOf(c), p.Filter.WebhookID)
	if err != nil && !kindIs(err, posthorn.NotFound) { // one that was deleted has nothing to replay
		return err
	}
	p.WebhookName, p.WebhookActive = w.Name, err == nil && w.Active()
	return nil
}

// postedRate is the rate of a form; what is no number is one that is refused.
func postedRate(c *fiber.Ctx) int {
	rate, err := strconv.Atoi(strings.TrimSpace(formValue(c, posthorn.FieldRate)))
	if err != nil {
		return 0
	}
	return rate
}

func (s *Server) startReplay(c *fiber.Ctx) error {
	query, err := url.ParseQuery(formValue(c, pages.FieldReplayFilter))
	if err != nil {
		return posthorn.Because(posthorn.Invalid, "The filter could not be read.", err)
	}
	q, err := parseDeliveryPage(query, time.UTC, time.Now())
	var id posthorn.ReplayID
	if err == nil {
		id, err = s.Replays.Start(c.UserContext(), s.webActor(c), tenantOf(c), q.filter, postedRate(c), formKey(c, formReplay))
	}
	switch f := describe(err); {
	case err == nil:
		return s.redirect(c, path.Replay(id.String()))
	case f.fields != nil:
		return s.askToReplay(c, f.status, query, formValue(c, posthorn.FieldRate), postedFormKey(c), f.fields)
	default:
		return err
	}
}

// replayOf finds the replay that the path names.
func (s *Server) replayOf(c *fiber.Ctx) (posthorn.Replay, error) {
	id, err := posthorn.ParseReplayID(c.Params("id"))
	if err != nil {
		return posthorn.Replay{}, posthorn.Because(posthorn.NotFound, "There is no replay with this id.", err)
	}
	return s.Replays.Get(c.UserContext(), tenantOf(c), id)
}

// showReplay is a bulk replay: the page, or how far it is alone, when that renews itself.
func (s *Server) showReplay(c *fiber.Ctx) error {
	r, err := s.replayOf(c)
	if err != nil {
		return err
	}
	p := pages.ReplayProps{Replay: r, Location: zoneOf(c), Now: time.Now()}
	if isFragment(c) && c.Get("HX-Target") == "replay" {
		return s.render(c, http.StatusOK, pages.ReplayProgress(p))
	}
	if p.Page, err = s.replayPage(c, "Replay"); err != nil {
		return err
	}
	p.Page.Crumbs = []layout.Crumb{{Label: "Webhooks", URL: path.Webhooks}, {Label: "Replays", URL: path.Replays}, {Label: "Replay"}}
	return s.render(c, http.StatusOK, pages.Replay(p))
}

func (s *Server) cancelReplay(c *fiber.Ctx) error {
	r, err := s.replayOf(c)
	if err != nil {
		return err
	}
	err = s.Replays.Cancel(c.UserContext(), s.webActor(c), tenantOf(c), r.ID)
	news := "The replay is cancelled. What was queued already is sent."
	switch {
	case kindIs(err, posthorn.Conflict):
		news = "The replay had ended already."
	case err != nil:
		return err
	}
	return s.backTo(c, path.Replay(r.ID.String()), news)
}

// showReplays lists the bulk replays. A position that cannot be understood is the newest.
func (s *Server) showReplays(c *fiber.Ctx) error {
	before, err := posthorn.ParseReplayID(c.Query(pageAfter))
	p := pages.ReplaysProps{First: err != nil, Location: zoneOf(c), Now: time.Now()}
	var more bool
	if p.Replays, more, err = s.Replays.List(c.UserContext(), tenantOf(c), before); err != nil {
		return err
	}
	if n := len(p.Replays); more && n > 0 {
		p.OlderURL = path.With(path.Replays, url.Values{pageAfter: {p.Replays[n-1].ID.String()}})
	}
	if p.Page, err = s.replayPage(c, "Replays"); err != nil {
		return err
	}
	return s.render(c, http.StatusOK, pages.Replays(p))
}

// showMissed says what a webhook missed while it was not active.
func (s *Server) showMissed(c *fiber.Ctx) error {
	w, err := s.webhook(c)
	if err != nil {
		return err
	}
	return s.askAboutMissed(c, http.StatusOK, &w, strconv.Itoa(posthorn.DefaultReplayRate), newFormKey(), nil)
}

func (s *Server) askAboutMissed(
	c *fiber.Ctx, status int, w *posthorn.WebhookDetail, rate, key string, faults map[string]string,
) error {
	p := pages.MissedProps{Rate: rate, Faults: faults}
	var err error
	if p.Missed, err = s.Replays.Missed(c.UserContext(), tenantOf(c), w.ID); err != nil {
		return err
	}
	if p.WebhookPageProps, err = s.webhookPage(c, w, "Missed events"); err != nil {
		return err
	}
	p.FormKey = key
	return s.render(c, status, pages.WebhookMissed(p))
}

func (s *Server) replayMissed(c *fiber.Ctx) error {
	w, err := s.webhook(c)
	if err != nil {
		return err
	}
	id, err := s.Replays.StartMissed(c.UserContext(), s.webActor(c), tenantOf(c), w.ID, postedRate(c), formKey(c, formMissed+" "+w.ID.String()))
	switch f := describe(err); {
	case err == nil:
		return s.redirect(c, path.Replay(id.String()))
	case f.fields != nil:
		return s.askAboutMissed(c, f.status, &w, formValue(c, posthorn.FieldRate), postedFormKey(c), f.fields)
	default:
		return err
	}
}

// missedOf is what a webhook missed before it was activated again and has not been sent since, nil for nothing.
func (s *Server) missedOf(c *fiber.Ctx, w *posthorn.WebhookDetail) (*posthorn.Missed, error) {
	if !w.Active() {
		return nil, nil //nolint:nilnil // nothing is offered then
	}
	m, err := s.Replays.MissedLately(c.UserContext(), w.TenantID, w.ID)
	if err != nil || m.Count.N == 0 {
		return nil, err
	}
	return &m, nil
}
