package web_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

func TestTheLogGrowsByItselfAndItsRowsChangeInTheirPlace(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t, toLoopback...)
	var answer atomic.Int64
	answer.Store(http.StatusServiceUnavailable)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(answer.Load())) }))
	t.Cleanup(server.Close)
	w := makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.URL = &server.URL })
	p := person(t, s)
	p.Goto(path.WebhookLog(w.ID.String()))
	p.Visible("#results h2", "Nothing sent yet")
	mark(p)

	first := deliveryOf(t, publishEvent(t, s, "submission.created", map[string]any{}, ""), w.ID)
	p.Visible(row(first), "503")
	p.Visible(row(first)+"-status", "Retrying")
	// While somebody reads, what is new is counted and what is there changes where it is.
	p.Hover("#results table")
	p.Wait("(link) => { document.querySelector(link).focus(); return true }", row(first)+" .row-link")
	answer.Store(http.StatusOK)
	second := deliveryOf(t, publishEvent(t, s, "submission.completed", map[string]any{}, ""), w.ID)
	p.Visible(pill, "1 new delivery")
	a := s.Client().Do(http.MethodPost, path.APIDeliveries+"/"+first+"/replay", nil, "Authorization", "Bearer "+s.Owner.APIKey)
	if a.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s", a.StatusCode, a.Text)
	}
	p.Visible(row(first)+"-status", "Delivered")
	p.Visible(row(first)+"-response", "200")
	p.Focused(row(first) + " .row-link")
	p.WaitCount("#results tbody tr", 1)
	p.Click(pill)
	p.Visible(row(second), "submission.completed")
	p.WaitCount("#results tbody tr", 2)
	unloaded(t, p)
}

func TestTheLogIsFilteredInPlace(t *testing.T) {
	t.Parallel()
	l := newLogSite(t)
	p := person(t, l.Site)
	p.Goto(path.DeliveryLog)
	p.WaitCount("#results tbody tr", 5)
	p.Click("#statuses a", "Not delivered")
	p.WaitCount("#results tbody tr", 2)
	p.At(path.DeliveryLog + "?status=error&status=pending")
	p.Click("#f-response-chip")
	p.Click("#f-response label", "5xx")
	p.WaitCount("#results tbody tr", 1)
	p.At(path.DeliveryLog + "?status=error&status=pending&statusCode=5xx")
	p.Press("Escape")
	p.Visible("#f-response-chip", "Response: 5xx")
	if got := p.Text("[data-summary]"); got != "1 not delivered" {
		t.Errorf("it sums up %q", got)
	}
	p.Click(".filters-clear")
	p.At(path.DeliveryLog)
	p.WaitCount("#results tbody tr", 5)
}
