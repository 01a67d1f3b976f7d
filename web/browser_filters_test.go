package web_test

import (
	"testing"

	"posthorn/internal/browserkit"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

const checkedType = `document.querySelector("input[name=type]:checked").value`

// variety posts one record of each kind that the tests filter for.
func variety(s *sitekit.Site) (kyt, kya, kye, failed string) {
	kyt = post(s, "aaaa1111", map[string]any{"riskLevel": "critical", "riskScore": 95, "metadata": map[string]any{"source": "async-worker-1"}})
	kya = s.PostActivity(map[string]any{
		"activityType": "kya", "transactionHash": nil, "address": "bc1qbbbb2222", "riskLevel": "high", "riskScore": 70,
		"metadata": map[string]any{"source": "async-worker-2", "case": map[string]any{"id": 4711}},
	})
	kye = s.PostActivity(map[string]any{
		"activityType": "kye", "transactionHash": nil, "blockchain": nil, "entityId": "ent_cccc", "entityName": "Halcyon Freight GmbH",
		"clientAppId": onboarding, "clientAppName": "Onboarding",
	})
	failed = post(s, "dddd4444", map[string]any{"blockchain": "tron", "statusCode": 503, "riskLevel": nil, "riskScore": nil})
	return kyt, kya, kye, failed
}

// lists waits until the feed shows these records and no others.
func lists(p *browserkit.Page, ids ...string) {
	rows := make([]string, len(ids))
	for i, id := range ids {
		rows[i] = row(id)[1:]
	}
	p.Wait(`(rows) => [...document.querySelectorAll("#results tbody tr")].map((row) => row.id).sort().join() === rows.sort().join()`, rows)
}

func TestFiltersAreInTheAddressAndBackUndoesThem(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	kyt, kya, kye, failed := variety(s)
	p := person(t, s)
	p.Goto(path.Activity)
	mark(p)

	p.Click(".segmented label", "KYA")
	p.At("/activity?type=kya")
	lists(p, kya)
	p.Click(".segmented label", "KYT")
	p.At("/activity?type=kyt")
	lists(p, kyt, failed)
	p.Click("#f-risk-chip")
	p.Click("#f-risk label", "Critical")
	p.At("/activity?risk=critical&type=kyt")
	lists(p, kyt)
	p.Visible("#f-risk:popover-open")
	if text := p.Text("#f-risk-chip"); text != "Risk: Critical" {
		t.Errorf("the chip says %q", text)
	}
	p.Click("#f-risk button", "Done")
	p.Hidden("#f-risk")
	unloaded(t, p)

	p.Back()
	p.At("/activity?type=kyt")
	lists(p, kyt, failed)
	p.Wait(checkedType + ` === "kyt"`)
	if p.Shows("#f-risk-chip[data-active]") {
		t.Error("the chip still says that it filters")
	}
	p.Back()
	p.At("/activity?type=kya")
	lists(p, kya)
	p.Back()
	p.At(path.Activity)
	lists(p, kyt, kya, kye, failed)
	p.Wait(checkedType + ` === ""`)
	p.Forward()
	p.At("/activity?type=kya")
	lists(p, kya)
}

func TestEveryFilterFindsWhatItIsFor(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	kyt, kya, kye, failed := variety(s)
	all := []string{kyt, kya, kye, failed}
	p := person(t, s)
	p.Goto(path.Activity)
	choose := func(chip, option string) func() {
		return func() {
			p.Click("#" + chip + "-chip")
			p.Click("#"+chip+" label", option)
			p.Press("Escape")
			p.Hidden("#" + chip)
		}
	}
	for _, c := range []struct {
		name   string
		do     func()
		target string
		want   []string
	}{
		{"two chains", func() { choose("f-blockchain", "Bitcoin")(); choose("f-blockchain", "Tron")() }, "/activity?blockchain=bitcoin&blockchain=tron", []string{kyt, kya, failed}},
		{"status", choose("f-status", "Error"), "/activity?status=error", []string{failed}},
		{"application", choose("f-application", "Onboarding"), "/activity?application=" + onboarding, []string{kye}},
		{"time", choose("f-time", "Last hour"), "/activity?range=1h", all},
		{"user", func() {
			p.Click("#f-user-chip")
			p.Fill("#filter-user", "user_of_nobody")
			p.Press("Enter")
		}, "/activity?user=user_of_nobody", nil},
		{"metadata", func() {
			p.Click("#f-metadata-chip")
			p.Fill("#metadata-key", "case.id")
			p.Fill("#metadata-value", "4711")
			p.Click("#f-metadata button", "Add condition")
		}, "/activity?metadata.case.id=4711", []string{kya}},
		{"text", func() { p.Fill("#filter-text", "halcyon") }, "/activity?q=halcyon", []string{kye}},
		{"a figure of the strip", func() { p.Click("#results a", "Critical") }, "/activity?risk=critical", []string{kyt}},
	} {
		c.do()
		p.At(c.target)
		lists(p, c.want...)
		if !p.Shows(".filters-clear") {
			t.Errorf("%s: no way to clear the filters", c.name)
		}
		p.Click(".filters-clear")
		p.At(path.Activity)
		lists(p, all...)
	}
}

func TestAPanelIsClearedInOneClick(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	kyt, kya, kye, failed := variety(s)
	p := person(t, s)
	p.Goto(path.Activity + "?blockchain=tron&risk=critical&risk=high")
	lists(p)
	p.Click("#f-blockchain-chip")
	p.Click("#f-blockchain a", "Clear")
	p.At("/activity?risk=critical&risk=high")
	lists(p, kyt, kya)
	p.Click("#f-risk-chip")
	p.Click("#f-risk a", "Clear")
	p.At(path.Activity)
	lists(p, kyt, kya, kye, failed)
}

func TestTypingSearchesWithoutFillingTheHistory(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	kyt, _, _, _ := variety(s)
	p := person(t, s)
	p.Goto(path.Activity)
	steps := browserkit.Eval[int](p, "history.length")
	p.Click("#filter-text")
	p.Type("aaaa")
	p.At("/activity?q=aaaa")
	lists(p, kyt)
	p.Focused("#filter-text")
	p.Wait(`(region) => document.querySelector(region).textContent === "1 record"`, announcer)
	if got := browserkit.Eval[int](p, "history.length"); got != steps {
		t.Errorf("typing made %d steps of history", got-steps)
	}
}

func TestNoMatchNamesTheFiltersAndAWayOut(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	kyt, kya, kye, failed := variety(s)
	p := person(t, s)
	p.Goto(path.Activity + "?q=nothing+has+this&type=kye")
	p.Visible("#results h2", "No records match")
	p.Visible("#results p", "“nothing has this”; type KYE")
	p.Click("#results a", "Clear filters")
	p.At(path.Activity)
	lists(p, kyt, kya, kye, failed)
}

func TestPagingGoesDownAndUpWithoutReload(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	ids := fillFeed(s, 55)
	p := person(t, s)
	p.Goto(path.Activity)
	mark(p)
	p.Click("nav[aria-label=Pages] a", "Older")
	p.Visible(row(ids[54]))
	lists(p, ids[50:]...)
	p.Wait("scrollY === 0")
	p.Click("nav[aria-label=Pages] a", "Newer")
	p.Visible(row(ids[0]))
	unloaded(t, p)
	p.Back()
	p.Visible(row(ids[54]))
}

func TestTheFindFieldOpensARecordByItsIDAndLooksForTheRest(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	kyt, _, _, _ := variety(s)
	p := person(t, s)
	p.Fill("#find", kyt)
	p.Press("Enter")
	p.At(recordURL(kyt))
	p.Visible(drawer, "aaaa1111")
	p.Press("Escape")
	p.Hidden(drawer)
	p.Fill("#find", "aaaa")
	p.Press("Enter")
	p.At("/activity?q=aaaa")
	lists(p, kyt)
}
