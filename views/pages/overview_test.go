package pages

import (
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"posthorn/internal/posthorn"
	"posthorn/views/path"
	"posthorn/views/ui"
)

// overviewNow lies in the running bucket of every range.
var overviewNow = time.Date(2026, 11, 20, 14, 37, 30, 0, time.UTC)

func score92() *float64 {
	s := 92.5
	return &s
}

// overview is a day of records.
func overview() OverviewProps {
	p := OverviewProps{
		Page: ownerPage("Overview"), Range: "24h", Now: overviewNow, Location: time.UTC, IngestURL: "https://posthorn.example/api/webhook/activity",
		Window: posthorn.OverviewRange{Until: overviewNow.Truncate(time.Hour).Add(time.Hour), Bucket: time.Hour, Buckets: 24},
		Overview: posthorn.ActivityOverview{
			Any:    true,
			Counts: posthorn.RiskCounts{Low: 1102, Medium: 131, High: 42, Critical: 9, Unrated: 16, Errors: 13},
			Before: posthorn.RiskCounts{Low: 1000, Medium: 250, Errors: 10},
			Flagged: []posthorn.Activity{
				{ID: posthorn.ActivityIDAt(overviewNow.Add(-12 * time.Second)), Type: posthorn.KYT, TransactionHash: "0x9f3623fb8c1e2a7d4165fff0", Blockchain: "ethereum", RiskLevel: posthorn.RiskCritical, RiskScore: score92(), ClientAppID: "app_1", ClientAppName: "LedgerLink Web"},
				{ID: posthorn.ActivityIDAt(overviewNow.Add(-3 * time.Minute)), Type: posthorn.KYE, EntityID: "ent_1", EntityName: "Northwind Holdings Limited", RiskLevel: posthorn.RiskHigh, ClientAppID: "app_2"},
			},
		},
	}
	p.Overview.Buckets = emptyBuckets(p.Window)
	p.Overview.Buckets[23].OK, p.Overview.Buckets[23].Errors = 40, 2
	return p
}

func emptyBuckets(r posthorn.OverviewRange) []posthorn.OverviewBucket {
	buckets := make([]posthorn.OverviewBucket, r.Buckets)
	for i := range buckets {
		buckets[i].Start = r.From().Add(time.Duration(i) * r.Bucket)
	}
	return buckets
}

func overviewMain(t *testing.T, p OverviewProps) *goquery.Selection {
	t.Helper()
	return the(t, parsed(t, Overview(p)).Selection, "main")
}

func TestOverviewComparesItsFiguresWithTheStretchBefore(t *testing.T) {
	t.Parallel()

	const day = "the 24 hours before"
	for name, test := range map[string]struct {
		now, before posthorn.RiskCounts
		want        [4]string
	}{
		"more and less": {
			posthorn.RiskCounts{Low: 100, High: 10, Critical: 5, Errors: 3},
			posthorn.RiskCounts{Low: 80, High: 20, Errors: 2},
			[4]string{"Records 115 ↑ 15% on " + day, "High or critical 15 ↓ 25% on " + day, "Errors 3 ↑ 50% on " + day, "Success 97.39% ↓ 0.61 pts on " + day},
		},
		"the same": {
			posthorn.RiskCounts{Low: 10, High: 1, Errors: 1},
			posthorn.RiskCounts{Low: 10, High: 1, Errors: 1},
			[4]string{"Records 11 As in " + day, "High or critical 1 As in " + day, "Errors 1 As in " + day, "Success 90.90% As in " + day},
		},
		"nothing before": {
			posthorn.RiskCounts{Low: 1200},
			posthorn.RiskCounts{},
			[4]string{"Records 1,200 None in " + day, "High or critical 0 None in " + day, "Errors 0 None in " + day, "Success 100% No records in " + day},
		},
		"nothing now": {
			posthorn.RiskCounts{},
			posthorn.RiskCounts{Low: 7},
			[4]string{"Records 0 ↓ 100% on " + day, "High or critical 0 None in " + day, "Errors 0 None in " + day, "Success – No records in the last 24 hours"},
		},
		"hardly a change": {
			posthorn.RiskCounts{Low: 100_001, Errors: 1},
			posthorn.RiskCounts{Low: 100_000, Errors: 0},
			[4]string{"Records 100,001 ↑ less than 0.1% on " + day, "High or critical 0 None in " + day, "Errors 1 None in " + day, "Success 99.99% As in " + day},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := overview()
			p.Overview.Counts, p.Overview.Before = test.now, test.before
			figures := overviewMain(t, p).Find("dl.card > div")
			if figures.Length() != 4 {
				t.Fatalf("%d figures", figures.Length())
			}
			figures.Each(func(i int, figure *goquery.Selection) {
				var parts []string
				figure.Children().Each(func(_ int, part *goquery.Selection) { parts = append(parts, folded(part)) })
				if got := strings.Join(parts, " "); got != test.want[i] {
					t.Errorf("figure %d says %q, want %q", i, got, test.want[i])
				}
			})
		})
	}
}

func TestOnlyErrorsAndSuccessAreGoodOrBadNews(t *testing.T) {
	t.Parallel()

	p := overview()
	p.Overview.Counts, p.Overview.Before = posthorn.RiskCounts{Low: 90, High: 10, Errors: 5}, posthorn.RiskCounts{Low: 95, High: 4, Errors: 2}
	for i, want := range []ui.Tone{ui.Neutral, ui.Neutral, ui.Critical, ui.Critical} {
		if got := p.figures()[i].TrendTone; got != want {
			t.Errorf("worse: figure %d has tone %d, want %d", i, got, want)
		}
	}
	p.Overview.Counts, p.Overview.Before = p.Overview.Before, p.Overview.Counts
	for i, want := range []ui.Tone{ui.Neutral, ui.Neutral, ui.Success, ui.Success} {
		if got := p.figures()[i].TrendTone; got != want {
			t.Errorf("better: figure %d has tone %d, want %d", i, got, want)
		}
	}
}

func TestOverviewNumbersLeadToTheRecordsTheyCount(t *testing.T) {
	t.Parallel()

	main := overviewMain(t, overview())
	from := "from=2026-11-19T15%3A00"
	for i, want := range []string{"?" + from, "?" + from + "&risk=high&risk=critical", "?" + from + "&status=error", "?" + from + "&status=ok"} {
		wantAttr(t, main.Find("dl.card > div").Eq(i).Find("a"), "href", path.Activity+want)
	}
	levels := the(t, main, "#risk-card table").Find("tbody tr")
	wantAttr(t, levels.Eq(3).Find("a.row-link"), "href", path.Activity+"?"+from+"&risk=critical")
	bucket := the(t, main, "#volume-card details").Find("tbody a").Last()
	wantText(t, bucket, "14:00–15:00")
	wantAttr(t, bucket, "href", path.Activity+"?from=2026-11-20T14%3A00&to=2026-11-20T15%3A00")
}

func TestOverviewRangesAreAddresses(t *testing.T) {
	t.Parallel()

	p := overview()
	p.Range = "7d"
	nav := the(t, overviewMain(t, p), `nav[aria-label="Time range"]`)
	got := nav.Find("a").Map(func(_ int, s *goquery.Selection) string { return folded(s) + " " + s.AttrOr("href", "") })
	if want := "1h /?range=1h, 24h /, 7d /?range=7d, 30d /?range=30d"; strings.Join(got, ", ") != want {
		t.Errorf("ranges %q, want %q", got, want)
	}
	wantText(t, the(t, nav, "[aria-current]"), "7d")
}

func TestChartFitsItsRange(t *testing.T) {
	t.Parallel()

	madrid := time.FixedZone("CET", 60*60)
	for name, test := range map[string]struct {
		window posthorn.OverviewRange
		title  string
		span   string
		axis   string
	}{
		"1h":  {posthorn.OverviewRange{Bucket: time.Minute, Buckets: 60}, "Records per minute", "14:38", "14:38 14:48 14:58 15:08 15:18 15:28 now"},
		"24h": {posthorn.OverviewRange{Bucket: time.Hour, Buckets: 24}, "Records per hour", "16:00–17:00", "16:00 19:00 22:00 01:00 04:00 07:00 10:00 13:00 now"},
		"7d":  {posthorn.OverviewRange{Bucket: 6 * time.Hour, Buckets: 28}, "Records per 6 hours", "Fri 13 Nov, 19:00–01:00", "Fri Sat Sun Mon Tue Wed Thu now"},
		"30d": {posthorn.OverviewRange{Bucket: 24 * time.Hour, Buckets: 30}, "Records per day", "Thu 22 Oct", "22 Oct 27 Oct 1 Nov 6 Nov 11 Nov 16 Nov now"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := overview()
			p.Range, p.Window, p.Location = name, test.window, madrid
			p.Window.Until = overviewNow.Truncate(test.window.Bucket).Add(test.window.Bucket)
			p.Overview.Buckets = emptyBuckets(p.Window)
			chart := p.chart()
			if got := p.chartTitle(); got != test.title {
				t.Errorf("title %q, want %q", got, test.title)
			}
			if got := chart.Buckets[0].Label; got != test.span {
				t.Errorf("first span %q, want %q", got, test.span)
			}
			if got := strings.Join(chart.Axis, " "); got != test.axis {
				t.Errorf("axis %q, want %q", got, test.axis)
			}
			for i, bucket := range chart.Buckets {
				if last := i == len(chart.Buckets)-1; bucket.Partial != last {
					t.Errorf("bucket %d: partial is %v", i, bucket.Partial)
				}
			}
			if chart.SpanHead != "Time, CET" {
				t.Errorf("head %q does not name the zone", chart.SpanHead)
			}
		})
	}
}

func TestChartIsSaidInASentence(t *testing.T) {
	t.Parallel()

	chart := the(t, overviewMain(t, overview()), "#volume-card svg[role=img]")
	wantText(t, chart.Find("title").First(), "1,300 records in the last 24 hours, 13 with errors")
	wantText(t, chart.Find("g").Last().Find("title"), "14:00–15:00: 40 OK, 2 Errors")
}

func TestRiskTableCountsEveryRecordOnce(t *testing.T) {
	t.Parallel()

	rows := the(t, overviewMain(t, overview()), "#risk-card table").Find("tbody tr")
	want := []string{"Low 1,102 84.8%", "Medium 131 10.1%", "High 42 3.2%", "Critical 9 0.7%", "No result 16 1.2%"}
	if rows.Length() != len(want) {
		t.Fatalf("%d rows, want %d", rows.Length(), len(want))
	}
	rows.Each(func(i int, row *goquery.Selection) {
		cells := row.Children().Map(func(_ int, cell *goquery.Selection) string { return folded(cell) })
		if got := strings.Join(cells, " "); got != want[i] {
			t.Errorf("row %d says %q, want %q", i, got, want[i])
		}
	})
	absent(t, rows.Last(), "a")
}

func TestFlaggedRecordsOpenOverTheirFeed(t *testing.T) {
	t.Parallel()

	p := overview()
	rows := the(t, overviewMain(t, p), "#flagged-card table").Find("tbody tr")
	if rows.Length() != 2 {
		t.Fatalf("%d rows", rows.Length())
	}
	for i, a := range p.Overview.Flagged {
		link := the(t, rows.Eq(i), "a.row-link")
		wantAttr(t, link, "href", path.ActivityRecord(a.ID.String())+"?risk=high&risk=critical")
		if got := strings.TrimSpace(link.Text()); got != a.Subject() {
			t.Errorf("row %d names %q, want %q", i, got, a.Subject())
		}
		wantText(t, rows.Eq(i).Find(".badge"), []string{"Critical", "High"}[i])
	}
	if text := folded(rows.Eq(0)); !strings.Contains(text, "92.5") || !strings.Contains(text, "LedgerLink Web") || !strings.Contains(text, "12 s ago") {
		t.Errorf("first row says %q", text)
	}
	if text := folded(rows.Eq(1)); !strings.Contains(text, "app_2") {
		t.Errorf("an application without a name is not named by its id: %q", text)
	}
}

func TestQuietRangeSaysSo(t *testing.T) {
	t.Parallel()

	p := overview()
	p.Overview.Counts, p.Overview.Flagged, p.Overview.Buckets = posthorn.RiskCounts{}, nil, emptyBuckets(p.Window)
	main := overviewMain(t, p)
	absent(t, main, "#flagged-card table")
	for card, want := range map[string]string{
		"#flagged-card": "No high or critical records in the last 24 hours.",
		"#volume-card":  "No records in the last 24 hours.",
		"#risk-card":    "No risk levels in the last 24 hours.",
	} {
		if text := folded(the(t, main, card)); !strings.Contains(text, want) {
			t.Errorf("%s says %q, want %q in it", card, text, want)
		}
	}
}

func TestNewTenantIsLedToItsFirstDelivery(t *testing.T) {
	t.Parallel()

	p := overview()
	p.Overview = posthorn.ActivityOverview{}
	main := overviewMain(t, p)
	absent(t, main, "svg[role=img], dl, table, nav")
	steps := main.Find("ol > li")
	if steps.Length() != 3 {
		t.Fatalf("%d steps, want 3", steps.Length())
	}
	wantAttr(t, steps.Eq(0), "aria-current", "step")
	the(t, steps.Eq(0), `a[href="`+path.WebhookNew+`"]`)
	command := the(t, steps.Eq(2), "pre#first-record").Text()
	for _, part := range []string{"curl -X POST " + p.IngestURL + " ", "X-Activity-Webhook-Secret: $ACTIVITY_WEBHOOK_SECRET", `"activityType": "kya"`} {
		if !strings.Contains(command, part) {
			t.Errorf("the command lacks %q: %s", part, command)
		}
	}
	the(t, steps.Eq(2), `[data-copy-from="#first-record"]`)
	the(t, steps.Eq(2), `a[href="`+path.Activity+`"]`)

	id := posthorn.NewWebhookID()
	p.Deliveries = posthorn.DeliveryOverview{
		States:   map[posthorn.WebhookState]int{posthorn.WebhookActive: 1},
		Webhooks: []posthorn.WebhookFare{{Webhook: posthorn.Webhook{ID: id}}},
	}
	steps = overviewMain(t, p).Find("ol > li")
	wantText(t, steps.Eq(0).Find("h3"), "Create a webhook (done)")
	the(t, steps.Eq(1), `a[href="`+path.WebhookTest(id.String())+`"]`)
	p.Deliveries.Tested = true
	steps = overviewMain(t, p).Find("ol > li")
	wantText(t, steps.Eq(1).Find("h3"), "Send a test (done)")
	wantAttr(t, steps.Eq(2), "aria-current", "step")
}
