package pages

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
	"posthorn/views/path"
)

// kytRecord has every field, with neighbours on both sides.
func kytRecord() RecordProps {
	score := 92.5
	return RecordProps{
		Record: posthorn.ActivityRecord{
			Activity: posthorn.Activity{
				ID: recordAt(time.Minute), Type: posthorn.KYT, UserID: "user_2abc", RequestID: uuid.MustParse("7f3a91c0-0000-4000-8000-000000000001"),
				ResponseID: "resp_1", StatusCode: 502, Blockchain: "ethereum", TransactionHash: "0x9f3623fb8c1e2a7d4165fff0", Address: "0xfrom",
				EntityID: "ent_1", EntityName: "Northwind Holdings", RiskLevel: posthorn.RiskCritical, RiskScore: &score,
				ResponseSummary: json.RawMessage(`{"verdict":"review"}`), ErrorMessage: "HTTP 502 Bad Gateway", Metadata: json.RawMessage(`{"source":"batch"}`),
				ClientAppID: "app_1", ClientAppName: "LedgerLink Web",
			},
			RequestPayload:  json.RawMessage(`{"asset":"USDT"}`),
			ResponsePayload: json.RawMessage(`{"indicators":[{"category":"sanctioned_entity","exposure":"direct","share":0.61},{"category":"mixer","hops":2}]}`),
		},
		Neighbours: posthorn.ActivityNeighbours{Newer: recordAt(time.Second), Older: recordAt(time.Hour)},
		Values:     url.Values{FilterRisk: {"critical"}}, ShowUser: true, Location: time.UTC, Now: feedNow,
	}
}

func TestDrawerShowsEveryFieldOfTheRecord(t *testing.T) {
	t.Parallel()

	drawer := the(t, parsed(t, Drawer(kytRecord())).Selection, "dialog.drawer")
	text := folded(drawer)
	for _, want := range []string{
		"KYT", "Ethereum transaction", "92.5 of 100", "Critical", "The check reported an error HTTP 502 Bad Gateway",
		"Received 20 Nov 2026, 14:36:30 UTC 1 min ago", "Status code 502 Bad Gateway", "Blockchain ethereum", "Entity name Northwind Holdings",
		"Application LedgerLink Web", "Sanctioned entity direct 61%", "Mixer 2 hops away", `"verdict"`, `"USDT"`, `"batch"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("drawer lacks %q in %q", want, text)
		}
	}
	for _, id := range []string{
		"0x9f3623fb8c1e2a7d4165fff0", "0xfrom", "ent_1", "user_2abc", "app_1", "resp_1", "7f3a91c0-0000-4000-8000-000000000001", recordAt(time.Minute).String(),
	} {
		the(t, drawer, `dl [data-copy="`+id+`"]`)
	}
	for _, id := range []string{"json-summary", "json-response", "json-request", "json-metadata"} {
		the(t, drawer, "#"+id+"-raw")
	}
}

func TestDrawerHasTheTitleOfItsDocumentFirst(t *testing.T) {
	t.Parallel()

	var out strings.Builder
	if err := Drawer(kytRecord()).Render(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	if want := "<title>" + layout.DocumentTitle("KYT record · Activity") + "</title>"; !strings.HasPrefix(out.String(), want) {
		t.Errorf("fragment begins with %.80q, want %q", out.String(), want)
	}
}

func TestDrawerStepsThroughTheFilteredFeed(t *testing.T) {
	t.Parallel()

	drawer := the(t, parsed(t, Drawer(kytRecord())).Selection, "dialog")
	wantAttr(t, drawer, "data-close-url", "/activity?risk=critical")
	wantAttr(t, drawer, "data-close-title", "Activity · Posthorn")
	wantAttr(t, drawer, "data-row", rowID(recordAt(time.Minute)))
	wantAttr(t, drawer, "aria-labelledby", the(t, drawer, "h2[autofocus][tabindex='-1']").AttrOr("id", ""))
	wantAttr(t, the(t, drawer, "[data-key=k]"), "href", path.ActivityRecord(recordAt(time.Second).String())+"?risk=critical")
	wantAttr(t, the(t, drawer, "[data-key=j]"), "hx-get", path.ActivityRecord(recordAt(time.Hour).String())+"?risk=critical")
	the(t, drawer, `a[href="`+path.ActivityRecordPage(recordAt(time.Minute).String())+`?risk=critical"]`)

	alone := kytRecord()
	alone.Neighbours = posthorn.ActivityNeighbours{}
	absent(t, parsed(t, Drawer(alone)).Selection, "[data-key]")
}

func TestFactsLeadToOtherRecordsThatHaveThem(t *testing.T) {
	t.Parallel()

	facts := the(t, parsed(t, Drawer(kytRecord())).Selection, "dl.facts")
	for _, href := range []string{"/activity?q=0x9f3623fb8c1e2a7d4165fff0", "/activity?q=0xfrom", "/activity?q=ent_1", "/activity?user=user_2abc", "/activity?application=app_1"} {
		the(t, facts, `a[href="`+href+`"]`)
	}
	member := kytRecord()
	member.ShowUser = false
	absent(t, parsed(t, Drawer(member)).Selection, `a[href^="/activity?user="]`)
}

func TestAbsentValuesAreSaidToBeAbsent(t *testing.T) {
	t.Parallel()

	bare := RecordProps{Now: feedNow, Record: posthorn.ActivityRecord{Activity: posthorn.Activity{
		ID: recordAt(time.Minute), Type: posthorn.KYE, UserID: "user_1", EntityID: "ent_9", StatusCode: 200,
	}}}
	drawer := the(t, parsed(t, Drawer(bare)).Selection, "dialog")
	text := folded(drawer)
	for _, want := range []string{"Entity check", "No score", "No result", "Application – None", "Response ID – None", "Response payload None", "Metadata None"} {
		if !strings.Contains(text, want) {
			t.Errorf("drawer lacks %q in %q", want, text)
		}
	}
	wantText(t, the(t, drawer, "h2"), "ent_9")
	for _, not := range []string{"Blockchain", "Transaction hash", "of 100", "reported an error"} {
		if strings.Contains(text, not) {
			t.Errorf("drawer has %q in %q", not, text)
		}
	}
	absent(t, drawer, "[aria-label=Findings]")
}

func TestFindingsAreReadInTheShapesThatAreCommon(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		payload string
		want    []reason
	}{
		"nothing":              {``, nil},
		"no list":              {`{"indicators":"none"}`, nil},
		"an empty list":        {`{"signals":[]}`, nil},
		"texts":                {`{"signals":["mixer_use","",7]}`, []reason{{label: "Mixer use"}}},
		"names and shares":     {`{"exposures":[{"name":"Exchange","share":0.175}]}`, []reason{{label: "Exchange", percent: 17.5}}},
		"hops before exposure": {`{"indicators":[{"type":"mixer","exposure":"indirect","hops":2}]}`, []reason{{label: "Mixer", how: "2 hops away"}}},
		"a share beyond one":   {`{"indicators":[{"label":"x","share":61}]}`, []reason{{label: "X"}}},
		"the first list":       {`{"signals":[],"exposures":["a"]}`, []reason{{label: "A"}}},
		"nameless":             {`{"indicators":[{"share":0.5},[1]]}`, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := RecordProps{Record: posthorn.ActivityRecord{ResponsePayload: json.RawMessage(test.payload)}}
			got := p.reasons()
			if len(got) != len(test.want) {
				t.Fatalf("reasons %+v, want %+v", got, test.want)
			}
			for i := range got {
				if got[i] != test.want[i] {
					t.Errorf("reason %+v, want %+v", got[i], test.want[i])
				}
			}
		})
	}
	many := RecordProps{Record: posthorn.ActivityRecord{ResponsePayload: json.RawMessage(`{"signals":["a","b","c","d","e","f","g","h","i"]}`)}}
	if n := len(many.reasons()); n != maxReasons {
		t.Errorf("%d reasons, want %d", n, maxReasons)
	}
}

func TestRecordPageStandsByItself(t *testing.T) {
	t.Parallel()

	frame := ownerPage("KYT record · Activity")
	frame.Crumbs = []layout.Crumb{{Label: "Activity", URL: path.Activity}, {Label: "act_1"}}
	page := parsed(t, Record(RecordPageProps{Page: frame, Record: kytRecord()})).Find("main")
	wantText(t, the(t, page, "h1"), "0x9f3623fb8c1e2a7d4165fff0")
	absent(t, page, "dialog")
	wantAttr(t, the(t, page, "a[data-key=k]"), "href", path.ActivityRecordPage(recordAt(time.Second).String())+"?risk=critical")
	wantAttr(t, the(t, page, "a[data-key=j]"), "href", path.ActivityRecordPage(recordAt(time.Hour).String())+"?risk=critical")
	the(t, page, `a[href="`+path.ActivityRecord(recordAt(time.Minute).String())+`?risk=critical"]`)
	for _, id := range []string{"#risk", "#details", "#documents"} {
		the(t, page, id)
	}
}

func TestHostileTextStaysText(t *testing.T) {
	t.Parallel()

	const hostile = `"><script>alert(1)</script>`
	p := kytRecord()
	p.Record.TransactionHash, p.Record.ErrorMessage, p.Record.UserID = hostile, hostile, hostile
	p.Record.ResponseSummary = json.RawMessage(`{"a":"<script>alert(1)</script>"}`)
	f := feed()
	f.Page.Records = []posthorn.Activity{p.Record.Activity}
	f.Filter.Text, f.Values = hostile, url.Values{FilterText: {hostile}}
	absent(t, parsed(t, Drawer(p)).Selection, "script")
	absent(t, feedOf(t, f), "script")
	absent(t, activityOf(t, f).Find("main"), "script")
}
