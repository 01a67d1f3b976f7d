package web_test

import (
	"net/http"
	"strings"
	"testing"

	"posthorn/internal/browserkit"
	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// standings is a site with a delivery in every state, by name.
type standings struct {
	*sitekit.Site
	ledger, slow, paused posthorn.WebhookDetail
	ids                  map[string]string
	// event is one of which something became at each webhook.
	event string
}

func newStandings(t *testing.T) *standings {
	t.Helper()
	s := &standings{Site: sitekit.Start(t, toLoopback...), ids: map[string]string{}}
	ledger := newMoody(t, "submission.completed", "submission.created", "submission.updated", "submission.approved")
	ledger.answers("submission.completed", http.StatusOK)
	ledger.answers("submission.updated", http.StatusServiceUnavailable)
	ledger.answers("submission.approved", http.StatusServiceUnavailable)
	hold := make(chan struct{})
	slow := newHeldReceiver(t, hold)
	t.Cleanup(func() { close(hold) }) // before the receiver waits for its requests
	s.ledger = makeWebhook(t, s.Site, func(in *posthorn.WebhookInput) { in.URL = &ledger.URL })
	s.slow = makeWebhook(t, s.Site, func(in *posthorn.WebhookInput) {
		in.Name, in.URL, in.Events = new("Data warehouse"), &slow.URL, &[]string{"submission.completed"}
	})
	s.paused = makeWebhook(t, s.Site, func(in *posthorn.WebhookInput) { in.Name, in.URL = new("Staging mirror"), &ledger.URL })
	setActive := func(active bool) {
		if _, err := s.Webhooks.SetActive(t.Context(), posthorn.CommandLine(), s.Owner.TenantID, s.paused.ID, active); err != nil {
			t.Fatal(err)
		}
	}
	setActive(false)

	data := map[string]any{"submissionId": "sub_7", "amount": 42, "checks": []string{"document", "liveness", "aml"}}
	s.event = publishEvent(t, s.Site, "submission.completed", data, "")
	s.ids["succeeded"], s.ids["sending"] = deliveryOf(t, s.event, s.ledger.ID), deliveryOf(t, s.event, s.slow.ID)
	for name, event := range map[string]string{"failed": "submission.created", "waiting": "submission.updated", "stopped": "submission.approved"} {
		s.ids[name] = deliveryOf(t, publishEvent(t, s.Site, event, data, ""), s.ledger.ID)
		attempted(t, s.Site, s.ids[name], 1)
	}
	attempted(t, s.Site, s.ids["succeeded"], 1)
	c := s.SignedIn()
	wantRedirect(t, c.Post(path.DeliveryStop(s.ids["stopped"]), nil), path.Delivery(s.ids["stopped"]))
	tested := c.Post(path.WebhookTest(s.ledger.ID.String()), testForm(t, c, s.ledger.ID, "submission.completed"))
	_, s.ids["test"], _ = strings.Cut(tested.Header.Get("Location"), "delivery=")
	s.ids["test"], _, _ = strings.Cut(s.ids["test"], "&")
	// What a webhook missed that is paused again waits, and was never tried.
	setActive(true)
	setActive(false)
	made := callAPI(s.Client(), http.MethodPost, path.APIWebhooks+"/"+s.paused.ID.String()+"/replay-missed", "", s.Owner.APIKey)
	if !strings.Contains(made.Text, `"replayId":null`) {
		t.Fatalf("replay what was missed: %d %s", made.StatusCode, made.Text)
	}
	s.ids["never tried"] = deliveryOf(t, s.event, s.paused.ID)
	return s
}

func TestEveryPageOfTheLogIsAccessibleAndFits(t *testing.T) {
	t.Parallel()
	s := newStandings(t)
	p := person(t, s.Site)
	p.Allow(`GET /webhooks/logs\?range=never: 422`)
	log := path.WebhookLog(s.ledger.ID.String())
	examine(t, p,
		at("log", path.DeliveryLog),
		at("log-faults", path.DeliveryLog+"?range=never"),
		at("log-none-match", path.DeliveryLog+"?statusCode=418&test=false"),
		at("log-webhook", log+"?status=error&status=pending&range=24h"),
		view{name: "log-menu", open: func(p *browserkit.Page) {
			p.Goto(path.DeliveryLog)
			p.Click("#f-response-chip")
			p.Visible("#f-response:popover-open")
		}},
		at("delivery-never-tried", path.Delivery(s.ids["never tried"])),
		at("delivery-sending", path.Delivery(s.ids["sending"])),
		at("delivery-waiting", path.Delivery(s.ids["waiting"])),
		at("delivery-succeeded", path.Delivery(s.ids["succeeded"])),
		at("delivery-failed", path.Delivery(s.ids["failed"])),
		at("delivery-stopped", path.Delivery(s.ids["stopped"])),
		at("delivery-test", path.Delivery(s.ids["test"])),
		at("delivery-replay", path.DeliveryReplay(s.ids["succeeded"])),
		view{name: "delivery-replay-dialog", open: func(p *browserkit.Page) {
			p.Goto(path.Delivery(s.ids["succeeded"]))
			p.Click("#replay")
			p.Visible(openModal)
		}},
		at("delivery-stop", path.DeliveryStop(s.ids["waiting"])),
		at("event-reaches", path.Event(s.event)),
		at("overview-deliveries", path.Home),
		at("webhook-overview", path.Webhook(s.ledger.ID.String())),
		at("webhook-overview-paused", path.Webhook(s.paused.ID.String())),
		at("webhooks-with-figures", path.Webhooks),
		view{name: "webhook-test-sending", open: func(p *browserkit.Page) {
			p.Goto(path.WebhookTest(s.slow.ID.String()))
			p.Click(sendTest)
			p.Visible(result, "Sending…")
		}},
		view{name: "webhook-test-offer", open: func(p *browserkit.Page) {
			p.Goto(path.WebhookTest(s.ledger.ID.String()) + "?event=submission.completed")
			p.Click(sendTest)
			p.Visible(result, "Replay 2 failed deliveries")
		}},
		at("webhooks-failing", path.Webhooks+"?status=failing"),
	)
}

func TestThePagesOfAnEmptyLogAreAccessibleAndFit(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	w := makeWebhook(t, s, nil)
	examine(t, person(t, s),
		at("log-empty", path.DeliveryLog),
		at("log-webhook-empty", path.WebhookLog(w.ID.String())),
		at("replays-empty", path.Replays),
		at("attention-empty", path.Attention),
		at("missed-nothing", path.WebhookMissed(w.ID.String())),
		at("events-empty", path.Events),
		at("webhook-overview-empty", path.Webhook(w.ID.String())),
	)
}

func TestTheLogWorksWithoutJavaScript(t *testing.T) {
	t.Parallel()
	s := newStandings(t)
	p := visitor(t, s.Site)
	p.DisableScript()
	signIn(p, s.Owner.Email, s.Owner.Password)
	p.At(path.Home)

	// The log and its filters.
	p.Goto(path.DeliveryLog)
	if p.Shows("[data-live]") || p.Shows("[data-copy]") {
		t.Error("there is a button that does nothing")
	}
	p.Click("#statuses a", "Not delivered")
	p.At(path.DeliveryLog + "?status=error&status=pending")
	p.Click("#f-response-chip")
	p.Click("#f-response label", "4xx")
	p.Click("button", "Apply filters")
	p.Wait("location.search.includes('4xx')")
	p.WaitCount("#results tbody tr", 1)
	p.Click(row(s.ids["failed"]) + " .row-link")

	// One delivery: another attempt of it, a question, a stop.
	p.At(path.Delivery(s.ids["failed"]))
	p.Click("main button", "Replay")
	p.Visible("#toasts", "Replayed. It is sent now.")
	p.At(path.Delivery(s.ids["failed"]))
	attempted(t, s.Site, s.ids["failed"], 2)
	p.Reload()
	p.Visible("#attempt", "Attempt 2 got 404 Not Found")
	p.Click("section ol a", "Attempt 1")
	p.At(path.DeliveryAttempt(s.ids["failed"], 1))
	p.Visible("#attempt", "Attempt 1 got 404 Not Found")
	p.Goto(path.Delivery(s.ids["succeeded"]))
	p.Click("#replay")
	p.At(path.DeliveryReplay(s.ids["succeeded"]))
	p.Click("main button", "Replay")
	p.At(path.Delivery(s.ids["succeeded"]))
	p.Goto(path.Delivery(s.ids["waiting"]))
	p.Click("main a", "Stop retrying")
	p.At(path.DeliveryStop(s.ids["waiting"]))
	p.Click("main button", "Stop")
	p.Visible("main .badge", "Cancelled")

	// A test, and what failed before.
	p.Goto(path.WebhookTest(s.ledger.ID.String()) + "?event=submission.completed")
	p.Fill(dataField, `{"amount": 18}`)
	p.Click(sendTest)
	p.Visible(result, "Accepted with 200 OK")
	p.Visible("#response-body", `"booked": "18"`)
	p.Click(result+" a", "Replay 3 failed deliveries")
	p.Fill("#rate", "1")
	p.Click("main button", "Replay 3")
	p.Visible("#replay .badge")
	p.Click("#replay button", "Cancel replay")
	p.Visible("#replay .badge")
	p.Click("main a", "All replays")
	p.At(path.Replays)
	p.WaitCount("main tbody tr", 1)
	p.Goto(path.Events + "?event=submission.completed")
	p.Click("#results .row-link")
	p.Visible("#reaches")
	p.Goto(path.Attention)
	p.Visible("main h1")
}
