package pages

import (
	"strings"
	"testing"
	"time"

	"posthorn/internal/posthorn"
	"posthorn/views/path"
)

// attempts are counts whose attempts took as long as the bucket of 20 ms says.
func attempts(delivered, failed int64) posthorn.AttemptSums {
	s := posthorn.AttemptSums{AttemptCounts: posthorn.AttemptCounts{Delivered: delivered, Failed: failed}}
	s.Latency[posthorn.LatencyBucket(20*time.Millisecond)] = delivered + failed
	return s
}

// fare is an active webhook that did as given in the last hour.
func fare(name string, delivered, failed int64, r posthorn.OverviewRange) posthorn.WebhookFare {
	w := posthorn.WebhookFare{Webhook: posthorn.Webhook{ID: posthorn.NewWebhookID(), Name: name, Status: posthorn.WebhookStatus{State: posthorn.WebhookActive}}}
	w.Stats.DeliveryStats = posthorn.NewDeliveryStats(r)
	sums := attempts(delivered, failed)
	w.Stats.Put(r.Buckets-1, &sums)
	w.Stats.Health.Recent = sums.AttemptCounts
	return w
}

// sending is an overview with webhooks.
func sending() OverviewProps {
	p := overview()
	stats := posthorn.NewDeliveryStats(p.Window)
	now, before := attempts(12342, 138), attempts(11700, 50)
	stats.Put(23, &now)
	stats.Put(-1, &before)
	p.Deliveries = posthorn.DeliveryOverview{
		States: map[posthorn.WebhookState]int{posthorn.WebhookActive: 7, posthorn.WebhookInactive: 1}, Stats: stats, Delivered: true,
		Waiting:  posthorn.WaitingDeliveries{Total: 37, Retrying: 37, Next: overviewNow.Add(4 * time.Minute), Oldest: overviewNow.Add(-72 * time.Minute)},
		Webhooks: []posthorn.WebhookFare{fare("Core banking", 99, 1, p.Window)},
	}
	return p
}

func TestOverviewSumsDeliveriesUp(t *testing.T) {
	t.Parallel()

	main := overviewMain(t, sending())
	figures := main.Find("#delivery-figures dl > div")
	for i, want := range []string{
		"Delivered 12,342 ↑ 5.5% on the 24 hours before", "Success rate 98.89% ↓ 0.68 pts · 138 attempts failed",
		"Response time, p95 22 ms p50 19 ms · p99 22 ms", "Waiting 37 Oldest 1 h 12 min · next at 14:41",
	} {
		wantText(t, figures.Eq(i), want)
	}
	wantAttr(t, figures.Eq(0).Find("a"), "href", path.DeliveryLog+"?range=24h&status=success")
	wantText(t, the(t, main, "#attention"), "All 7 active webhooks deliver normally.")
	bucket := the(t, main, "#deliveries-card details").Find("tbody a").Last()
	wantAttr(t, bucket, "href", path.DeliveryLog+"?from=2026-11-20T14%3A00&to=2026-11-20T15%3A00")
	the(t, main, "#latency-card svg[role=img]")
	if rows := the(t, main, "#latency-card details").Find("tbody tr"); rows.Length() != 24 || !strings.HasPrefix(folded(rows.Last()), "14:00–15:00 19 ms 22 ms") {
		t.Errorf("%d rows, the last one %q", rows.Length(), folded(rows.Last()))
	}
	wantText(t, the(t, main, "#webhooks-card tbody tr").Find("td").Eq(3), "99.00%")
}

func TestOverviewBeginsWithWhatNeedsDoing(t *testing.T) {
	t.Parallel()

	p := sending()
	ledger, poor := fare("Ledger sync", 5, 128, p.Window), fare("Case management", 90, 10, p.Window)
	ledger.Stats.Health.FailingSince, ledger.Stats.Health.FailedSince = overviewNow.Add(-4*time.Hour-25*time.Minute), 128
	ledger.Stats.Health.LastFault, poor.Stats.Health.LastFault = "503", "timeout"
	gone := fare("Old bridge", 0, 0, p.Window)
	gone.Status = posthorn.WebhookStatus{State: posthorn.WebhookDisabled, Reason: "the endpoint answered 410 Gone", Since: overviewNow.Add(-48 * time.Hour)}
	p.Deliveries.Webhooks = []posthorn.WebhookFare{ledger, poor, gone}
	p.Deliveries.Failing, p.Deliveries.States[posthorn.WebhookDisabled] = 4, 2
	p.Deliveries.DeadLetters = 12
	p.Deliveries.Secrets = []posthorn.EndingSecret{
		{WebhookID: poor.ID, Name: "Slack alerts bridge", ExpiresAt: overviewNow.Add(5 * time.Hour)}, {ExpiresAt: overviewNow.Add(30 * time.Hour)},
	}
	lines := the(t, overviewMain(t, p), "#attention").Children()
	for i, want := range []struct{ text, url string }{
		{"Ledger sync is failing. Every attempt has failed since 10:12, 128 so far, last with 503 Service Unavailable. View failures", path.WebhookLog(ledger.ID.String()) + "?range=24h&status=error"},
		{"Case management is failing. 10 of 100 attempts failed in the last hour, last reason: Timed out. View failures", path.WebhookLog(poor.ID.String()) + "?range=24h&status=error"},
		{"Old bridge is disabled: nothing is sent. The endpoint answered 410 Gone, since 18 Nov, 14:37. Review", path.Webhook(gone.ID.String())},
		{"2 more webhooks are failing. View failing", path.Webhooks + "?status=failing"},
		{"1 more webhook is disabled. View disabled", path.Webhooks + "?status=disabled"},
		{"12 deliveries have failed for good. They are not tried again by themselves. Review", path.Attention},
		{"Slack alerts bridge : the old signing secret stops working at 19:37. It signs until then, too. Review", path.WebhookSettings(poor.ID.String())},
		{"The old API secret stops working at 21 Nov, 20:37. It signs until then, too. Review", path.Credentials},
	} {
		wantText(t, lines.Eq(i), want.text)
		wantAttr(t, lines.Eq(i).Find("a").Last(), "href", want.url)
	}
	if lines.Length() != 8 {
		t.Errorf("%d lines", lines.Length())
	}
}

func TestQuietDeliveriesSaySo(t *testing.T) {
	t.Parallel()

	p := sending()
	p.Deliveries.Stats, p.Deliveries.Waiting = posthorn.NewDeliveryStats(p.Window), posthorn.WaitingDeliveries{}
	p.Deliveries.States = map[posthorn.WebhookState]int{posthorn.WebhookInactive: 1}
	main := overviewMain(t, p)
	for part, want := range map[string]string{
		"#attention": "No webhook is active: nothing is sent.", "#deliveries-card": "No deliveries in the last 24 hours.",
		"#latency-card": "No attempts in the last 24 hours.", "#delivery-figures": "Nothing is pending",
	} {
		if got := folded(the(t, main, part)); !strings.Contains(got, want) {
			t.Errorf("%s says %q, want %q in it", part, got, want)
		}
	}
}

func TestSpansAreWrittenInTwoUnits(t *testing.T) {
	t.Parallel()

	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 12 * time.Second: "12 s", 90 * time.Second: "1 min", time.Hour: "1 h", 72 * time.Minute: "1 h 12 min",
		76 * time.Hour: "3 d 4 h", 48*time.Hour + time.Minute: "2 d",
	} {
		if got := ageText(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}

// figuresOf is the ledger webhook with figures.
func figuresOf(change func(p *WebhookPageProps)) WebhookPageProps {
	p := ledger()
	p.Figures = &WebhookFiguresProps{Range: "24h", Window: posthorn.OverviewRange{Until: p.Now.Truncate(time.Hour).Add(time.Hour), Bucket: time.Hour, Buckets: 24}}
	p.Figures.Stats = posthorn.NewDeliveryStats(p.Figures.Window)
	if change != nil {
		change(&p)
	}
	return p
}

func TestTheHealthOfAWebhookIsASentenceWithWhatFollows(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		health posthorn.EndpointHealth
		want   string
	}{
		"well": {posthorn.EndpointHealth{Recent: posthorn.AttemptCounts{Delivered: 20}}, "Active: events are sent as they happen."},
		"failing": {
			posthorn.EndpointHealth{FailingSince: feedNow.Add(-time.Hour), FailedSince: 128, LastFault: "503"},
			"Every attempt has failed since 13:37, 128 so far, last with 503 Service Unavailable. Posthorn probes it with one attempt every few minutes. Posthorn keeps retrying each delivery, 10 attempts over about 75 hours. If nothing succeeds until 25 Nov 2026, 13:37 UTC, it disables the webhook.",
		},
		"failing and throttled": {
			posthorn.EndpointHealth{FailingSince: feedNow.Add(-time.Hour), FailedSince: 2, ThrottledUntil: feedNow.Add(time.Minute)},
			"It is throttled until 14:38:30. Posthorn probes it",
		},
		"about to be disabled": {posthorn.EndpointHealth{FailingSince: feedNow.Add(-posthorn.DisableAfter)}, "The next failure disables the webhook."},
		"poor":                 {posthorn.EndpointHealth{Recent: posthorn.AttemptCounts{Delivered: 90, Failed: 10}, LastFault: "refused"}, "10 of 100 attempts failed in the last hour, last reason: " + errorClassText(posthorn.ErrorRefused) + "."},
		"throttled":            {posthorn.EndpointHealth{ThrottledUntil: feedNow.Add(time.Minute), LastFault: "429"}, "Throttled until 14:38:30, last with 429 Too Many Requests."},
		"one failure":          {posthorn.EndpointHealth{FailingSince: feedNow.Add(-time.Minute), LastFault: "dns"}, "The latest attempt failed, last reason: " + errorClassText(posthorn.ErrorDNS) + "."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := figuresOf(func(p *WebhookPageProps) { p.Health = test.health })
			if got := folded(the(t, parsed(t, Webhook(p)).Selection, "main .callout")); !strings.Contains(got, test.want) {
				t.Errorf("%q, want %q in it", got, test.want)
			}
		})
	}
}

func TestResponsesLeadToTheirDeliveries(t *testing.T) {
	t.Parallel()

	p := figuresOf(func(p *WebhookPageProps) {
		p.Figures.Answers = []posthorn.AnswerCount{{Answer: "200", Attempts: 284}, {Answer: "503", Attempts: 101}, {Answer: "timeout", Attempts: 22}, {Answer: "599", Attempts: 1}}
	})
	rows := the(t, parsed(t, Webhook(p)).Selection, "#responses tbody").Children()
	for i, want := range []struct{ text, code string }{{"200 OK 284", "200"}, {"503 Service Unavailable 101", "503"}, {"Timed out 22", "timeout"}, {"599 1", "599"}} {
		wantText(t, rows.Eq(i), want.text)
		wantAttr(t, rows.Eq(i).Find("a"), "href", path.WebhookLog(p.Webhook.ID.String())+"?code="+want.code+"&range=24h")
	}
}

func TestWhatWaitsSaysWhy(t *testing.T) {
	t.Parallel()

	waits := posthorn.WaitingDeliveries{Total: 34, Retrying: 30, Next: feedNow.Add(4 * time.Minute), Oldest: feedNow.Add(-time.Hour)}
	for want, change := range map[string]func(p *WebhookPageProps){
		"30 to retry · next at 14:41:30": func(*WebhookPageProps) {},
		"Until the webhook is activated": func(p *WebhookPageProps) { p.Webhook.Status.State = posthorn.WebhookInactive },
		"Throttled until 15:37":          func(p *WebhookPageProps) { p.Health.ThrottledUntil = feedNow.Add(time.Hour) },
		"Nothing is pending":             func(p *WebhookPageProps) { p.Figures.Waiting = posthorn.WaitingDeliveries{} },
	} {
		p := figuresOf(func(p *WebhookPageProps) { p.Figures.Waiting = waits })
		change(&p)
		if got := p.waiting(); got.Note != want {
			t.Errorf("%q, want %q", got.Note, want)
		}
	}
}
