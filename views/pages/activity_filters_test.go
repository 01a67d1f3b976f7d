package pages

import (
	"net/url"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"posthorn/internal/posthorn"
	"posthorn/views/path"
)

func TestFormHoldsEveryFilterOfTheAddress(t *testing.T) {
	t.Parallel()

	form := the(t, activityOf(t, filtered()), "form#filters[method=get]")
	wantAttr(t, form, "action", path.Activity)
	got := url.Values{}
	form.Find("input").Each(func(_ int, input *goquery.Selection) {
		kind, value := input.AttrOr("type", ""), input.AttrOr("value", "")
		if _, checked := input.Attr("checked"); value != "" && (checked || kind != "checkbox" && kind != "radio") {
			got.Add(input.AttrOr("name", ""), value)
		}
	})
	want := filtered().Values
	want[FilterRisk] = []string{"critical", "high"}
	if got.Encode() != want.Encode() {
		t.Errorf("form sends %q, want %q", got.Encode(), want.Encode())
	}
}

func TestSeveralTypesAreCheckboxesSoThatNoneIsLost(t *testing.T) {
	t.Parallel()

	p := feed()
	the(t, activityOf(t, p), "input[type=radio][name=type][checked][value='']")
	p.Filter.Types = []posthorn.ActivityType{posthorn.KYT, posthorn.KYE}
	page := activityOf(t, p)
	if n := page.Find("input[type=checkbox][name=type][checked]").Length(); n != 2 {
		t.Errorf("%d types are checked, want 2", n)
	}
	absent(t, page, "input[type=radio][name=type], input[name=type][value='']")
}

func TestDatesStandOnTheReadersClock(t *testing.T) {
	t.Parallel()

	berlin := time.FixedZone("CET", 3600)
	p := feed()
	p.Location = berlin
	p.Filter.From, p.Filter.To = time.Date(2026, 11, 19, 23, 0, 0, 0, time.UTC), time.Date(2026, 11, 20, 11, 30, 5, 0, time.UTC)
	p.Values = url.Values{FilterFrom: {"2026-11-20"}, FilterTo: {"2026-11-20T12:30:05"}}
	page := activityOf(t, p)
	wantAttr(t, the(t, page, "input[name=from]"), "value", "2026-11-20T00:00")
	wantAttr(t, the(t, page, "input[name=to]"), "value", "2026-11-20T12:30:05")
	wantText(t, the(t, page, "#f-time-chip"), "Time: 20 Nov 2026, 00:00 – 20 Nov 2026, 12:30")
	wantText(t, the(t, page, "label[for=filter-from]"), "From, CET")
	wantAttr(t, the(t, page, "#f-time a[data-clear]"), "href", path.Activity)

	p.Values = url.Values{FilterRange: {"24h"}}
	page = activityOf(t, p)
	wantAttr(t, the(t, page, "input[name=from]"), "value", "")
	wantText(t, the(t, page, "#f-time-chip"), "Time: last 24 hours")
}

func TestFragmentBringsTheWordsOfItsChips(t *testing.T) {
	t.Parallel()

	page := feedOf(t, filtered())
	for id, want := range map[string]string{
		"f-risk": "Risk: High, Critical", "f-blockchain": "Blockchain: Tron", "f-status": "Status: Error", "f-application": "Application: LedgerLink Web",
		"f-user": "User: user_9", "f-metadata": "Metadata: case.id = 7", "f-time": "Time: last 24 hours",
	} {
		chip := the(t, page, "body > button#"+id+"-chip[hx-swap-oob=true]")
		wantText(t, chip, want)
	}
	absent(t, activityOf(t, filtered()), "[hx-swap-oob]")
}

func TestEveryChipIsClearedWithoutTheOthers(t *testing.T) {
	t.Parallel()

	page := activityOf(t, filtered())
	for id, names := range map[string][]string{
		"f-risk": {FilterRisk}, "f-blockchain": {FilterBlockchain}, "f-status": {FilterStatus}, "f-application": {FilterApplication},
		"f-user": {FilterUser}, "f-metadata": {FilterMetadata + "case.id"}, "f-time": {FilterRange, FilterFrom, FilterTo},
	} {
		rest := filtered().Values
		for _, name := range names {
			rest.Del(name)
		}
		wantAttr(t, the(t, page, "#"+id+" a[data-clear]"), "href", path.With(path.Activity, rest))
	}
}

func TestFiltersWithoutAChoiceAreNotOffered(t *testing.T) {
	t.Parallel()

	p := feed()
	p.Facets = posthorn.ActivityFacets{}
	page := activityOf(t, p)
	absent(t, page, "#f-blockchain-filter:not([hidden]), #f-application-filter:not([hidden])")
	the(t, page, "#f-risk-filter:not([hidden])")
}

func TestAListThatRenewsItselfBringsTheChoicesOfItsNewRecords(t *testing.T) {
	t.Parallel()

	p := feed()
	fragment := parsed(t, Feed(p)).Selection
	absent(t, fragment, "#f-blockchain")
	the(t, fragment, "#f-blockchain-chip[hx-swap-oob]")
	p.Fresh = posthorn.ActivityIDAt(time.UnixMilli(1))
	fragment = parsed(t, Feed(p)).Selection
	the(t, fragment, "#f-blockchain-filter[hx-swap-oob] input[value=bitcoin]")
	the(t, fragment, "#f-application-filter[hx-swap-oob] input[type=radio]:checked")
	absent(t, fragment, "#f-risk-chip, button[hx-swap-oob]")
}
