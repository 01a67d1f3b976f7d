package web_test

import (
	"testing"

	"posthorn/internal/openapi"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

func TestTheDocumentationIsAccessibleAndFits(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	views := []view{at("docs", path.Docs)}
	for _, g := range openapi.Load().Groups {
		if slug := g.Slug(); slug == "webhooks" || slug == "events" || slug == "documentation" {
			views = append(views, at("docs-"+slug, path.DocsGroup(slug)))
		}
	}
	examine(t, visitor(t, s), views...)
}

func TestAReaderTriesAnOperation(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	p := visitor(t, s)
	p.Allow("GET /api/v1/events\\?limit=0: 422")
	p.Goto(path.DocsGroup("events"))
	p.Click("#listEvents summary", "Try it")
	p.Fill("#listEvents-key", s.Owner.APIKey)
	p.Fill("#listEvents-query-limit", "1")
	p.Click("#listEvents form button", "Send")
	p.Visible("#listEvents output", "200")
	p.Visible("#listEvents output pre", `"nextCursor": null`)
	p.Fill("#listEvents-query-limit", "0")
	p.Click("#listEvents form button", "Send")
	p.Visible("#listEvents output pre", "must be a whole number from 1 to 200")

	p.Click("#publishEvents summary", "Try it")
	p.Fill("#publishEvents-key", s.Owner.APIKey)
	p.Click("#publishEvents form button", "Send")
	p.Visible("#publishEvents output", "202")
	p.Visible("#publishEvents output pre", `"deliveries": 0`)
}

func TestTheDocumentationIsReadWithoutJavaScript(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	p := visitor(t, s)
	p.DisableScript()
	p.Goto(path.Docs)
	p.Click("#group-webhooks a", "/api/v1/webhooks/configs/{id}")
	p.Visible("#getWebhook-curl", "curl")
	if p.Shows("[data-try]") {
		t.Error("a form is shown that does nothing")
	}
}
