package web

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
	"posthorn/views/pages"
	"posthorn/views/path"
)

// DeliveryStats says how sending fares. Implemented by package postgres.
type DeliveryStats interface {
	// Overview is about all webhooks of a tenant, Range about one in more detail, Webhooks about several in less.
	Overview(ctx context.Context, tenant posthorn.TenantID, r, lastDay posthorn.OverviewRange) (posthorn.DeliveryOverview, error)
	Range(ctx context.Context, tenant posthorn.TenantID, webhook posthorn.WebhookID, r posthorn.OverviewRange) (posthorn.DeliveryStats, error)
	Webhooks(ctx context.Context, tenant posthorn.TenantID, ids []posthorn.WebhookID, r posthorn.OverviewRange) (map[posthorn.WebhookID]posthorn.WebhookStats, error)
	// Waiting is what is pending at a webhook.
	Waiting(ctx context.Context, tenant posthorn.TenantID, webhook posthorn.WebhookID) (posthorn.WaitingDeliveries, error)
	// Answers are what the attempts of a webhook got from a time until another, in which delivered of them succeeded.
	Answers(ctx context.Context, tenant posthorn.TenantID, webhook posthorn.WebhookID, from, until time.Time, delivered int64) ([]posthorn.AnswerCount, error)
}

// overviewRanges are the stretches of the overview, each cut into buckets that a chart can show.
var overviewRanges = map[string]posthorn.OverviewRange{
	"1h":  {Bucket: time.Minute, Buckets: 60},
	"24h": {Bucket: time.Hour, Buckets: 24},
	"7d":  {Bucket: 6 * time.Hour, Buckets: 28},
	"30d": {Bucket: 24 * time.Hour, Buckets: 30},
}

// defaultOverviewRange is shown when none, or none that exists, is asked for.
const defaultOverviewRange = "24h"

// overviewWindow returns a range that ends with the bucket that now lies in. Buckets begin on the clock of the reader:
// days at their midnight.
func overviewWindow(name string, now time.Time, loc *time.Location) (string, posthorn.OverviewRange) {
	r, ok := overviewRanges[name]
	if !ok {
		name, r = defaultOverviewRange, overviewRanges[defaultOverviewRange]
	}
	local := now.In(loc)
	midnight := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, loc)
	r.Until = midnight.Add(local.Sub(midnight).Truncate(r.Bucket) + r.Bucket)
	return name, r
}

// showOverview is the start page of those who see the whole tenant; a member's is the feed.
func (s *Server) showOverview(c *fiber.Ctx) error {
	who := requestOf(c).signedIn
	if !who.User.Role.Administers() {
		return c.Redirect(path.Activity, http.StatusSeeOther)
	}
	now := time.Now()
	name, window := overviewWindow(c.Query(filterRange), now, who.User.Location())
	overview, err := s.Activity.Overview(c.UserContext(), who.Tenant.ID, window)
	if err != nil {
		return err
	}
	lastDay := window
	if name != defaultOverviewRange {
		_, lastDay = overviewWindow(defaultOverviewRange, now, who.User.Location())
	}
	deliveries, err := s.DeliveryStats.Overview(c.UserContext(), who.Tenant.ID, window, lastDay)
	if err != nil {
		return err
	}
	page, err := s.page(c, "Overview", layout.NavOverview)
	if err != nil {
		return err
	}
	return s.render(c, http.StatusOK, pages.Overview(pages.OverviewProps{
		Page: page, Range: name, Window: window, Overview: overview, Deliveries: deliveries, Location: who.User.Location(), Now: now,
		IngestURL: s.BaseURL.JoinPath(path.IngestActivity).String(),
	}))
}

// search jumps to the record that an id names, and looks for everything else in the feed.
func (s *Server) search(c *fiber.Ctx) error {
	q := strings.TrimSpace(c.Query(filterText))
	if q == "" {
		page, err := s.page(c, "Find", layout.NavNone)
		if err != nil {
			return err
		}
		return s.render(c, http.StatusOK, pages.Search(pages.SearchProps{Page: page}))
	}
	if id, err := posthorn.ParseActivityID(q); err == nil {
		return c.Redirect(path.ActivityRecord(id.String()), http.StatusSeeOther)
	}
	if address := addressOf(q); address != "" && requestOf(c).signedIn.User.Role.Administers() {
		return c.Redirect(address, http.StatusSeeOther)
	}
	return c.Redirect(path.With(path.Activity, map[string][]string{filterText: {q}}), http.StatusSeeOther)
}

// addressOf is the page of what an id that only admins see stands for, empty for other text.
func addressOf(text string) string {
	if id, err := posthorn.ParseEventID(text); err == nil {
		return path.Event(id.String())
	}
	if id, err := posthorn.ParseDeliveryID(text); err == nil {
		return path.Delivery(id.String())
	}
	if id, err := posthorn.ParseWebhookID(text); err == nil {
		return path.Webhook(id.String())
	}
	return ""
}
