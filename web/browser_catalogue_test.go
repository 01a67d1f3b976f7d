package web_test

import (
	"net/http"
	"testing"

	"posthorn/internal/browserkit"
	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// withOwnType runs a site with a type of the tenant's own.
func withOwnType(t *testing.T) *sitekit.Site {
	t.Helper()
	s := sitekit.Start(t)
	if a := s.SignedIn().Post(path.EventCatalogue, typeForm(nil)); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d %s", a.StatusCode, a.Text)
	}
	return s
}

func TestTheCatalogueIsAccessibleAndFits(t *testing.T) {
	t.Parallel()
	s := withOwnType(t)
	p := person(t, s)
	p.Allow("POST /events/catalogue(/payment.settled/edit)?: (409|422)")
	examine(t, p,
		at("catalogue", path.EventCatalogue),
		at("catalogue-found", path.EventCatalogue+"?q=verification"),
		at("catalogue-none-match", path.EventCatalogue+"?q=nothing-has-this"),
		at("event-type", path.EventType("verification.approved")),
		at("event-type-of-posthorn", path.EventType("activity.flagged")),
		at("event-type-own", path.EventType("payment.settled")),
		at("event-type-new", path.EventTypeNew),
		at("event-type-edit", path.EventTypeEdit("payment.settled")),
		view{name: "event-type-error", open: func(p *browserkit.Page) {
			p.Goto(path.EventTypeNew)
			p.Fill(field(posthorn.FieldEvent), "Payment Settled")
			p.Fill("#schema", `{"type":"strin"}`)
			p.Click("button", "Create event type")
			p.Visible("[aria-invalid=true]")
		}},
		view{name: "event-type-conflict", open: func(p *browserkit.Page) {
			p.Goto(path.EventTypeEdit("payment.settled"))
			p.Fill("#description", "Mine")
			p.Allow("beforeunload dialog")
			browserkit.Eval[string](p, `document.querySelector("[name=seen]").value = "2026-01-01T00:00:00Z"`)
			p.Click("main button", "Save event type")
			p.Visible("main [role=alert]", "Not saved:")
		}},
	)
}

func TestTheCatalogueIsSearchedWhileTyping(t *testing.T) {
	t.Parallel()
	s := withOwnType(t)
	p := person(t, s)
	p.Goto(path.EventCatalogue)
	p.Fill("#filter-text", "dismissed")
	p.Visible("#results [data-summary]", "1 of 51 event types")
	p.At(path.EventCatalogue + "?q=dismissed")
	p.Click("#results .row-link", "aml.match.dismissed")
	p.At(path.EventType("aml.match.dismissed"))
}
