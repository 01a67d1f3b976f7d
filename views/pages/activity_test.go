package pages

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"posthorn/internal/posthorn"
	"posthorn/views/path"
)

var feedNow = time.Date(2026, 11, 20, 14, 37, 30, 0, time.UTC)

// recordAt is the id of a record that came so long before feedNow.
func recordAt(ago time.Duration) posthorn.ActivityID { return posthorn.ActivityIDAt(feedNow.Add(-ago)) }

// feed is the first of several pages, with a record of every type.
func feed() FeedProps {
	score := 92.5
	return FeedProps{
		Page: posthorn.ActivityPage{HasOlder: true, Records: []posthorn.Activity{
			{
				ID: recordAt(time.Minute), Type: posthorn.KYT, UserID: "user_2abc", Blockchain: "ethereum", TransactionHash: "0x9f3623fb8c1e2a7d4165fff0",
				RiskLevel: posthorn.RiskCritical, RiskScore: &score, StatusCode: 200, ClientAppID: "app_1", ClientAppName: "LedgerLink Web",
				ResponseSummary: json.RawMessage(`{"verdict":"review","hits":2}`),
			},
			{ID: recordAt(time.Hour), Type: posthorn.KYA, UserID: "user_2abc", Blockchain: "bitcoin", Address: "1Drt3c8pSdrkyjuBiwVcSSixZwQtMZ3Tew", RiskLevel: posthorn.RiskLow, StatusCode: 200, ClientAppID: "app_2"},
			{ID: recordAt(48 * time.Hour), Type: posthorn.KYE, UserID: "user_9", EntityID: "ent_1", EntityName: "Northwind Holdings", StatusCode: 503, ErrorMessage: "HTTP 503 Service Unavailable"},
		}},
		Values: url.Values{}, Counts: posthorn.RiskCounts{Low: 1102, Medium: 131, High: 42, Critical: 9, Unrated: 7, Errors: 5},
		Facets: posthorn.ActivityFacets{
			Blockchains:  []string{"bitcoin", "ethereum"},
			Applications: []posthorn.ApplicationFacet{{ID: "app_1", Name: "LedgerLink Web"}, {ID: "app_2"}},
		},
		FirstPage: true, Any: true, Newest: recordAt(time.Minute), ShowUser: true, Location: time.UTC, Now: feedNow,
	}
}

// filtered is the feed under filters that let nothing through.
func filtered() FeedProps {
	p := feed()
	p.Page, p.Counts = posthorn.ActivityPage{}, posthorn.RiskCounts{}
	p.Filter = posthorn.ActivityFilter{
		Types: []posthorn.ActivityType{posthorn.KYT}, RiskLevels: []posthorn.RiskLevel{posthorn.RiskHigh, posthorn.RiskCritical},
		Blockchains: []string{"tron"}, Status: posthorn.ActivityError, Application: "app_1", User: "user_9", Text: "0x9f",
		From: feedNow.Add(-24 * time.Hour), Metadata: []posthorn.MetadataCondition{{Key: "case.id", Value: "7"}},
	}
	p.Values = url.Values{
		FilterType: {"kyt"}, FilterRisk: {"high", "critical"}, FilterBlockchain: {"tron"}, FilterStatus: {"error"}, FilterApplication: {"app_1"},
		FilterUser: {"user_9"}, FilterText: {"0x9f"}, FilterRange: {"24h"}, FilterMetadata + "case.id": {"7"},
	}
	return p
}

func feedOf(t *testing.T, p FeedProps) *goquery.Selection {
	t.Helper()
	return parsed(t, Feed(p)).Selection
}

func activityOf(t *testing.T, p FeedProps) *goquery.Selection {
	t.Helper()
	return parsed(t, Activity(ActivityProps{Page: ownerPage("Activity"), Feed: p})).Selection
}

func TestFeedShowsEachRecordInOneRow(t *testing.T) {
	t.Parallel()

	page := feedOf(t, feed())
	if n := page.Find("tbody tr").Length(); n != 3 {
		t.Fatalf("%d rows, want 3", n)
	}
	row := the(t, page, "#"+rowID(recordAt(time.Minute)))
	for _, want := range []string{"14:36:30", "KYT", "verdict: review · hits: 2", "Ethereum", "Critical", "92.5", "200", "LedgerLink Web", "user_2abc"} {
		if !strings.Contains(folded(row), want) {
			t.Errorf("row %q lacks %q", folded(row), want)
		}
	}
	wantAttr(t, the(t, row, "[data-copy]"), "data-copy", "0x9f3623fb8c1e2a7d4165fff0")
	failed := the(t, page, "#"+rowID(recordAt(48*time.Hour)))
	for _, want := range []string{"18 Nov 14:37:30", "Northwind Holdings", "HTTP 503 Service Unavailable", "No result", "503"} {
		if !strings.Contains(folded(failed), want) {
			t.Errorf("row %q lacks %q", folded(failed), want)
		}
	}
	if head := folded(the(t, page, "thead")); !strings.HasPrefix(head, "Time, UTC Type Subject") {
		t.Errorf("head reads %q", head)
	}
}

func TestRowIsALinkThatOpensTheDrawerOverTheSameFilters(t *testing.T) {
	t.Parallel()

	p := feed()
	p.Values = url.Values{FilterRisk: {"critical"}}
	link := the(t, feedOf(t, p), "#"+rowID(recordAt(time.Minute))+" a.row-link")
	want := path.ActivityRecord(recordAt(time.Minute).String()) + "?risk=critical"
	wantAttr(t, link, "href", want)
	wantAttr(t, link, "hx-get", want)
	wantAttr(t, link, "hx-target", "#drawer-slot")
	wantAttr(t, link, "hx-push-url", "true")
}

func TestOnlyThoseWhoSeeTheTenantSeeWhoseRecordItIs(t *testing.T) {
	t.Parallel()

	p := feed()
	p.ShowUser = false
	page := activityOf(t, p)
	absent(t, page, "#f-user")
	if text := folded(the(t, page, "#results")); strings.Contains(text, "user_2abc") || strings.Contains(text, "User") {
		t.Errorf("feed of a member reads %q", text)
	}
	the(t, activityOf(t, feed()), "#f-user")
}

func TestFeedNamesTheAddressesOfItsLiveUpdates(t *testing.T) {
	t.Parallel()

	p := feed()
	p.Values = url.Values{FilterType: {"kyt"}}
	seen := p.Newest.String()
	results := the(t, feedOf(t, p), "section#results")
	wantAttr(t, results, "data-url", "/activity?type=kyt")
	wantAttr(t, results, "data-stream", "/activity/stream?since="+seen)
	wantAttr(t, results, "data-new-url", "/activity/new?since="+seen+"&type=kyt")
	wantAttr(t, results, "data-refresh-url", "/activity?fresh="+seen+"&type=kyt")
	the(t, results, "#new-pill")
	the(t, results, "button#live[data-live]")

	p.FirstPage, p.Page.HasNewer = false, true
	if _, first := the(t, feedOf(t, p), "#results").Attr("data-first-page"); first {
		t.Error("a later page would be refreshed under the reader")
	}
}

func TestFreshRecordsAreThoseAboveTheMark(t *testing.T) {
	t.Parallel()

	p := feed()
	absent(t, feedOf(t, p), ".row-new")
	p.Fresh = recordAt(time.Hour)
	wantAttr(t, the(t, feedOf(t, p), ".row-new"), "id", rowID(recordAt(time.Minute)))
}

func TestOpenRecordIsMarkedInTheList(t *testing.T) {
	t.Parallel()

	p := feed()
	p.Current = recordAt(time.Hour)
	wantAttr(t, the(t, feedOf(t, p), "tr[aria-current=true]"), "id", rowID(recordAt(time.Hour)))
}

func TestPagerContinuesBesideTheRecordsShown(t *testing.T) {
	t.Parallel()

	p := feed()
	p.Values = url.Values{FilterType: {"kya"}}
	tests := map[string]struct {
		newer, older, capped bool
		text                 string
	}{
		"only page":    {false, false, false, "All 3 records"},
		"first page":   {false, true, false, "Newest 3 of 1,291"},
		"between":      {true, true, false, "3 of 1,291"},
		"last page":    {true, false, false, "3 of 1,291"},
		"many records": {false, true, true, "Newest 3 of 1,291+"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := p
			p.Page.HasNewer, p.Page.HasOlder, p.Counts.Capped = test.newer, test.older, test.capped
			pager := the(t, feedOf(t, p), "nav[aria-label=Pages]")
			wantText(t, the(t, pager, "p"), test.text)
			if test.newer {
				wantAttr(t, the(t, pager, "a[rel=prev]"), "href", "/activity?before="+recordAt(time.Minute).String()+"&type=kya")
			} else {
				absent(t, pager, "a[rel=prev]")
			}
			if test.older {
				wantAttr(t, the(t, pager, "a[rel=next]"), "hx-get", "/activity?after="+recordAt(48*time.Hour).String()+"&type=kya")
			} else {
				absent(t, pager, "a[rel=next]")
			}
		})
	}
}

func TestCountsLeadToWhatTheyCountAndBack(t *testing.T) {
	t.Parallel()

	p := feed()
	p.Values = url.Values{FilterType: {"kyt"}}
	counts := the(t, feedOf(t, p), "ul[aria-label=Counts]")
	wantText(t, counts, "Low 1,102 Medium 131 High 42 Critical 9 No result 7 Errors 5")
	the(t, counts, `a[href="/activity?risk=critical&type=kyt"]`)
	the(t, counts, `a[href="/activity?status=error&type=kyt"]`)
	absent(t, counts, "[aria-current]")

	p.Filter.RiskLevels, p.Values = []posthorn.RiskLevel{posthorn.RiskHigh}, url.Values{FilterRisk: {"high"}}
	wantAttr(t, the(t, feedOf(t, p), "ul a[aria-current=true]"), "href", "/activity")
}

func TestExportsKeepTheFilters(t *testing.T) {
	t.Parallel()

	p := feed()
	p.Values = url.Values{FilterRisk: {"high", "critical"}}
	menu := the(t, feedOf(t, p), "#export")
	the(t, menu, `a[href="/activity/export.csv?risk=high&risk=critical"]`)
	the(t, menu, `a[href="/activity/export.ndjson?risk=high&risk=critical"]`)
}

func TestNothingListedSaysWhy(t *testing.T) {
	t.Parallel()

	none := FeedProps{Now: feedNow, FirstPage: true}
	first := none
	first.ShowUser = true
	beyond := feed()
	beyond.Page = posthorn.ActivityPage{}
	tests := map[string]struct {
		props      FeedProps
		text, link string
	}{
		"none yet":           {none, "No records yet Checks appear here as they are made.", ""},
		"none yet, an admin": {first, "No records yet Checks appear here as they are made. Post the first record", path.Home},
		"none match": {
			filtered(), "No records match Nothing passes these filters: “0x9f”; type KYT; risk High, Critical; blockchain Tron; status Error; " +
				"application LedgerLink Web; user user_9; metadata case.id = 7; last 24 hours. The newest record of all came 1 min ago. Clear filters", path.Activity,
		},
		"beyond the end": {beyond, "No records here This page lies beyond the end of the list. Newest records", path.Activity},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			results := the(t, feedOf(t, test.props), "#results")
			absent(t, results, "table")
			the(t, results, "#new-pill")
			state := the(t, results, "h2").Parent()
			wantText(t, state, test.text)
			if test.link == "" {
				absent(t, state, "a")
			} else {
				wantAttr(t, the(t, state, "a"), "href", test.link)
			}
		})
	}
}

func TestFaultyFiltersAreNamedAndNothingIsListed(t *testing.T) {
	t.Parallel()

	p := FeedProps{Now: feedNow, Faults: map[string]string{"risk": "must be one of: low, high", "from": "must be a date"}}
	results := the(t, feedOf(t, p), "#results")
	wantText(t, the(t, results, "[role=alert] ul"), "From must be a date. Risk must be one of: low, high.")
	wantAttr(t, the(t, results, "a"), "href", path.Activity)
	absent(t, results, "table, #live, #new-pill")
	if _, live := results.Attr("data-stream"); live {
		t.Error("a faulty feed listens")
	}
}

func TestPageWithoutARecordHasAnEmptyDrawerSlot(t *testing.T) {
	t.Parallel()

	page := activityOf(t, feed())
	absent(t, page, "#drawer-slot *")
	the(t, page, "template#drawer-frame")
	wantText(t, the(t, page, "h1"), "Activity")
}

func TestDeepLinkShowsTheDrawerOverTheFeed(t *testing.T) {
	t.Parallel()

	record := kytRecord()
	page := parsed(t, Activity(ActivityProps{Page: ownerPage("KYT record · Activity"), Feed: feed(), Record: &record}))
	the(t, page.Selection, "#drawer-slot > dialog[open][data-modal]")
	wantText(t, the(t, page.Selection, "h1"), "Activity")
	wantText(t, the(t, page.Selection, "head title"), "KYT record · Activity · Posthorn")
	absent(t, page.Selection, "#drawer-slot title")
}

func TestSummaryIsOneLineInTheOrderPosted(t *testing.T) {
	t.Parallel()

	for raw, want := range map[string]string{
		``: "", `{}`: "", `[1]`: "", `{"b":1,"a":"x"}`: "b: 1 · a: x", `{"a":null,"b":true}`: "a: null · b: true",
		`{"n":12345678901234567890}`:                              "n: 12345678901234567890",
		`{"deep":{ "x": [1, 2] }}`:                                `deep: {"x":[1,2]}`,
		`{"1":1,"2":2,"3":3,"4":4,"5":5,"6":6,"7":7,"8":8,"9":9}`: "1: 1 · 2: 2 · 3: 3 · 4: 4 · 5: 5 · 6: 6 · 7: 7 · 8: 8",
		`{"text":"` + strings.Repeat("é", 500) + `"}`:             "text: " + strings.Repeat("é", summaryRunes-6) + "…",
	} {
		if got := summaryLine(&posthorn.Activity{ResponseSummary: json.RawMessage(raw)}); got != want {
			t.Errorf("summary of %s is %q, want %q", raw, got, want)
		}
	}
}

func TestPillCountsWhatIsNewAndNamesTheWorst(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		news posthorn.ActivityNews
		want string
	}{
		"one":           {posthorn.ActivityNews{Count: 1, Worst: posthorn.RiskLow}, "1 new record"},
		"several":       {posthorn.ActivityNews{Count: 3, Worst: posthorn.RiskMedium}, "3 new records"},
		"one critical":  {posthorn.ActivityNews{Count: 1, Worst: posthorn.RiskCritical}, "1 new record, critical risk"},
		"some are high": {posthorn.ActivityNews{Count: 3, Worst: posthorn.RiskHigh}, "3 new records, high risk among them"},
		"very many":     {posthorn.ActivityNews{Count: 1000, Capped: true}, "1,000+ new records"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := parsed(t, ActivityNews(NewsProps{News: test.news, Values: url.Values{FilterType: {"kyt"}}}))
			pill := the(t, page.Selection, `a[href="/activity?type=kyt"]`)
			wantText(t, pill, test.want)
			wantAttr(t, pill, "hx-target", "#results")
		})
	}
	if text := folded(parsed(t, ActivityNews(NewsProps{})).Selection); text != "" {
		t.Errorf("no news read %q", text)
	}
}
