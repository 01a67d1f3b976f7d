package web_test

import (
	"net/http"
	"testing"

	"posthorn/internal/browserkit"
	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/pages"
	"posthorn/views/path"
)

// The fields and buttons of the forms that put an event together.
const (
	dataField = "textarea[name=" + pages.FieldData + "]"
	dataNote  = "#" + pages.FieldData + "-json"
	sendTest  = "#send-test"
	result    = "#test-result"
)

func TestThePagesOfEventsAreAccessibleAndFit(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t, toLoopback...)
	receiver, broken := newTestReceiver(t, http.StatusOK, `{"received":true,"ledger_entry":"le_90412"}`), newTestReceiver(t, http.StatusNotFound, "no such page")
	good := makeWebhook(t, s, func(in *posthorn.WebhookInput) {
		in.URL, in.Headers = &receiver.URL, &[]posthorn.HeaderInput{{Name: "Authorization", Value: "Bearer x"}}
	})
	bad := makeWebhook(t, s, func(in *posthorn.WebhookInput) {
		in.Name, in.URL, in.Events = new("Screening"), &broken.URL, &[]string{"submission.*"}
	})
	makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.Name, in.Active = new("Paused"), new(false) })
	makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.Name, in.Events = new("Picky"), &[]string{"aml.*"} })
	id := publishes(t, s, `{"event":"submission.completed","data":{"submissionId":"sub_1","amount":42,"checks":["document","liveness","aml"]}}`)
	publishes(t, s, `{"event":"user.created","data":{"uid":"u_1"}}`)
	await(t, "both deliveries end", func() bool {
		return selectOne[int](t, s, `SELECT count(*) FROM deliveries WHERE state = 'pending'`) == 0
	})
	p := person(t, s)
	p.Allow(`POST /events: 422`)
	p.Allow(`GET /events\?range=never: 422`)
	send := func(webhook posthorn.WebhookID, says string) func(p *browserkit.Page) {
		return func(p *browserkit.Page) {
			p.Goto(path.WebhookTest(webhook.String()))
			p.Click(sendTest)
			p.Visible(result, says)
		}
	}
	examine(t, p,
		at("events", path.Events),
		at("events-none-match", path.Events+"?event=aml.match.found&test=false"),
		at("events-faults", path.Events+"?range=never"),
		at("event", path.Event(id)),
		at("event-new", path.EventNew),
		view{name: "event-new-misfits", open: func(p *browserkit.Page) {
			p.Goto(path.EventNew)
			p.Fill(dataField, "{}")
			p.Click("main button:not([aria-hidden])", "Publish event")
			p.Visible("main [role=alert]", "Not published yet")
		}},
		at("webhook-test", path.WebhookTest(good.ID.String())),
		view{name: "webhook-test-sent", open: send(good.ID, "Accepted with 200 OK")},
		view{name: "webhook-test-refused", open: send(bad.ID, "Refused with 404 Not Found")},
		at("catalogue-tabs", path.EventCatalogue),
	)
}

func TestATestIsSentFromTheBrowser(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t, toLoopback...)
	hold := make(chan struct{})
	receiver := newHeldReceiver(t, hold)
	w := makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.URL = &receiver.URL })
	p := person(t, s)
	p.Allow(`POST /webhooks/.*/test: 422`)
	address := path.WebhookTest(w.ID.String())
	p.Goto(path.Webhook(w.ID.String()))
	p.Click("main a", "Send test")
	p.At(address)

	p.Choose("#event", "invitation.sent")
	p.Wait(`document.querySelector("textarea[name=data]").value.includes("customer")`)
	p.At(address + "?event=invitation.sent")

	p.Fill(dataField, `{"a": }`)
	p.Visible(dataNote, "Not JSON yet")
	p.Click(sendTest)
	p.Visible("#data-error", "Payload must be JSON")
	p.Focused(dataField)
	p.Fill(dataField, `{"a": 1}`)
	p.Wait(`document.querySelector("` + dataNote + `").textContent === ""`)

	p.Click(sendTest)
	p.Visible(result, "Sending…")
	close(hold)
	p.Visible(result, "Accepted with 204 No Content")
	p.Wait(`document.querySelector("#announcer").textContent.startsWith("Accepted with 204")`)
	p.Reload()
	p.Visible(result, "Accepted with 204 No Content")
	if got := receiver.got(); len(got) != 1 {
		t.Errorf("%d requests", len(got))
	}
	p.Click("main a", "Reset to example")
	p.Wait(`document.querySelector("textarea[name=data]").value.includes("customer")`)
}
