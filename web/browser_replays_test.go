package web_test

import (
	"net/url"
	"testing"

	"posthorn/internal/browserkit"
	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

func TestThePagesOfReplaysAreAccessibleAndFit(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	w := pausedWebhook(t, s)
	failDeliveries(t, s, &w.Webhook, 120, 503)
	failDeliveries(t, s, &w.Webhook, 4, 404)
	s.PostActivity(nil)
	failDeliveries(t, s, &w.Webhook, 2, 500) // these no replay takes away
	c := s.SignedIn()
	started := func(filter string, rate string) string {
		form := filled(t, c.Get(path.DeliveryLogReplay+"?"+filter).HTML(t), "main form")
		form.Set(posthorn.FieldRate, rate)
		return c.Post(path.DeliveryLogReplay, form).Header.Get("Location")
	}
	running := started("statusCode=503", "1")
	cancelled := started("statusCode=404", "1")
	c.Post(cancelled+"/cancel", url.Values{})
	p := person(t, s)
	p.Allow("POST " + path.DeliveryLogReplay + ": 422")
	examine(t, p,
		at("replay-question", path.DeliveryLogReplay+"?statusCode=500&event=submission.created"),
		at("replay-question-nothing", path.DeliveryLogReplay+"?statusCode=418"),
		at("replay-running", running),
		at("replay-cancelled", cancelled),
		at("replays", path.Replays),
		at("attention", path.Attention),
		at("missed", path.WebhookMissed(w.ID.String())),
		view{name: "replay-question-error", open: func(p *browserkit.Page) {
			p.Goto(path.DeliveryLogReplay + "?statusCode=500")
			p.Fill("#rate", "9000")
			p.Click("main button", "Replay")
			p.Visible("[aria-invalid=true]")
		}},
	)
}

func TestTheProgressOfAReplayRenewsItself(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	w := pausedWebhook(t, s)
	failDeliveries(t, s, &w.Webhook, 3, 503)
	p := person(t, s)
	p.Goto(path.Attention)
	p.Click("main a", "Replay…")
	p.Fill("#rate", "1")
	p.Click("main button", "Replay 3")
	p.Visible("#replay", "Running")
	p.Visible("#replay", "Finished")
	p.Visible("#replay", "3 deliveries queued")
}
