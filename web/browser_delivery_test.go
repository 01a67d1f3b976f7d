package web_test

import (
	"net/http"
	"testing"

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
	p.Goto(path.Delivery(id))
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
