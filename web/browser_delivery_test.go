package web_test

import (
	"net/http"
	"testing"

	"posthorn/internal/browserkit"
	"posthorn/views/path"
)

func TestADeliveryInTheBrowser(t *testing.T) {
	t.Parallel()
	s, e, _ := siteWithHook(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"error":"no_healthy_upstream","service":"ledger-writer"}`))
	}, nil)
	id := deliver(t, s)
	p := person(t, s)
	for _, size := range []browserkit.Size{{Width: 1440, Height: 900}, {Width: 390, Height: 844}} {
		p.Viewport(size)
		for _, scheme := range []browserkit.Scheme{browserkit.Light, browserkit.Dark} {
			p.Prefer(scheme, browserkit.FullMotion)
			p.Goto(path.Delivery(id))
			if found := p.Axe(); len(found) > 0 {
				t.Errorf("%v, %v: %v", size, scheme, found)
			}
			if pixels, culprit := p.Overflow(); pixels > 0 {
				t.Errorf("%v: %d px too wide: %s", size, pixels, culprit)
			}
		}
	}
	// Something becomes of it while the page is open.
	e.answers(status(http.StatusOK))
	if a := s.SignedIn().Post(path.DeliveryReplay(id), nil); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("replay: %d", a.StatusCode)
	}
	p.Visible("#attempt", "got 200 OK")
	p.Visible("main .badge", "Delivered")
	p.WaitCount("[data-poll]", 0)
	p.Press("r")
	p.Visible("dialog", "has this event already")
	p.Click("dialog button", "Replay")
	p.Visible("#toasts", "Replayed. It is sent now.")
}
