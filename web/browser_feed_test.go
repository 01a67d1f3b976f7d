package web_test

import (
	"fmt"
	"testing"

	"posthorn/internal/browserkit"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// mark leaves a mark in the page that a reload would take away.
func mark(p *browserkit.Page) { browserkit.Eval[any](p, "window.marked = true") }

// unloaded fails the test when the page was loaded anew since mark.
func unloaded(t *testing.T, p *browserkit.Page) {
	t.Helper()
	if !browserkit.Eval[bool](p, "window.marked === true") {
		t.Error("the page was loaded anew")
	}
}

func TestAPostedRecordAppearsInTheOpenFeedByItself(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	p := visitor(t, s)
	p.Goto(path.Activity)
	p.At(path.LoginThen(path.Activity))
	fillSignIn(p, s.Owner.Email, s.Owner.Password)
	p.At(path.Activity)
	p.Visible("#results h2", "No records yet")
	mark(p)

	id := post(s, "4e9d21c0", map[string]any{"riskLevel": "critical", "riskScore": 97})
	p.Visible(row(id), "4e9d21c0")
	if tint := browserkit.Eval[string](p, "(row) => getComputedStyle(document.querySelector(row + ' > td')).animationName", row(id)); tint != "ph-new" {
		t.Errorf("the new row is animated with %q", tint)
	}
	p.Wait("(region) => document.querySelector(region).textContent === '1 new record, 1 critical'", announcer)
	if got := p.Text("[data-summary]"); got != "1 record" {
		t.Errorf("the feed sums up %q", got)
	}
	p.Click("#f-blockchain-chip")
	p.Visible("#f-blockchain label", "Bitcoin")
	p.Press("Escape")
	p.Hidden("#f-blockchain")
	p.PointAway()
	browserkit.Eval[any](p, "document.activeElement.blur()")

	second := post(s, "b7701f35", nil)
	p.Visible(row(second), "b7701f35")
	if got := p.Text("#results tbody tr:first-child"); got != p.Text(row(second)) {
		t.Errorf("the newest record is not first: %s", got)
	}
	p.WaitCount(newRow, 1)
	unloaded(t, p)
}

func TestAMemberGetsOnlyTheirOwnRecordsLive(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	member := s.CreateUser("member", "amara@meridianpay.example", clerkAmara)
	p := visitor(t, s)
	signIn(p, member.Email, sitekit.UserPassword)
	p.At(path.Activity)
	foreign := post(s, "0a0a0a0a", map[string]any{"userId": clerkJonas})
	own := post(s, "0b0b0b0b", map[string]any{"userId": clerkAmara})
	p.Visible(row(own))
	if p.Count(row(foreign)) != 0 || p.Text("[data-summary]") != "1 record" {
		t.Errorf("a member sees somebody else's record: %s", p.Text("#results"))
	}
}

// fillFeed posts so many records that the feed has to be scrolled. It returns their ids, newest first.
func fillFeed(s *sitekit.Site, n int) []string {
	ids := make([]string, n)
	for i := range n {
		ids[n-1-i] = post(s, fmt.Sprintf("feed%04d", i), nil)
	}
	return ids
}

func TestRowsStayWhileSomebodyReadsAndAPillCountsWhatIsNew(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func(p *browserkit.Page, ids []string){
		"scrolled down": func(p *browserkit.Page, _ []string) {
			browserkit.Eval[any](p, "scrollTo({ top: 400, behavior: 'instant' })")
		},
		"drawer open": func(p *browserkit.Page, ids []string) {
			p.Click(row(ids[3]) + " .row-link")
			p.Visible(drawer)
		},
		"pointer over the table": func(p *browserkit.Page, ids []string) { p.Hover(row(ids[2])) },
		"focus in the table":     func(p *browserkit.Page, _ []string) { p.Press("j", "j") },
		"menu open":              func(p *browserkit.Page, _ []string) { p.Click("#f-risk-chip") },
		"text selected": func(p *browserkit.Page, ids []string) {
			browserkit.Eval[any](p, "(row) => getSelection().selectAllChildren(document.querySelector(row))", row(ids[1]))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := sitekit.Start(t)
			ids := fillFeed(s, 30)
			p := person(t, s)
			p.Goto(path.Activity)
			mark(p)
			read(p, ids)
			// The place of the row in the picture: what is drawn next, with the scrolling that makes up for a change above.
			const top = "(row) => new Promise(requestAnimationFrame).then(() => new Promise(requestAnimationFrame)).then(() => document.querySelector(row).getBoundingClientRect().top)"
			before := browserkit.Eval[float64](p, top, row(ids[20]))

			newest := fillFeed(s, 3)[0]
			p.Visible(pill, "3 new records")
			p.Wait("(region) => document.querySelector(region).textContent.endsWith('new records')", announcer)
			if n := p.Count(rowLink); n != 30 {
				t.Errorf("%d rows, want the 30 that were read", n)
			}
			if after := browserkit.Eval[float64](p, top, row(ids[20])); name == "scrolled down" && after != before {
				t.Errorf("the row under the reader moved from %v to %v", before, after)
			}

			p.Press("Escape")
			p.Hidden(openModal)
			p.Click(pill)
			p.Visible(row(newest))
			p.WaitCount(rowLink, 33)
			p.Hidden(pill)
			p.Wait("scrollY === 0")
			p.At(path.Activity)
			unloaded(t, p)
		})
	}
}

func TestThePillNamesTheWorstOfTheNewRecordsAndCountsAmongTheFilters(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	ids := fillFeed(s, 3)
	p := person(t, s)
	p.Goto(path.Activity + "?blockchain=bitcoin")
	p.Hover(row(ids[0]))
	post(s, "other", map[string]any{"blockchain": "tron"})
	post(s, "worst", map[string]any{"riskLevel": "high", "riskScore": 80})
	p.Visible(pill, "1 new record")
	if text := p.Text(pill); text != "1 new record, high risk" {
		t.Errorf("the pill says %q", text)
	}
}

func TestLiveOffStopsTheFeedUntilItIsOnAgain(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	fillFeed(s, 2)
	paused, witness := person(t, s), person(t, s)
	paused.Goto(path.Activity)
	witness.Goto(path.Activity)
	mark(paused)
	paused.Click("[data-live]")
	paused.Visible("[data-live][data-state=paused][aria-pressed=false]")

	id := post(s, "unseen", nil)
	witness.Visible(row(id))
	if paused.Count(row(id)) != 0 || paused.Shows(pill) {
		t.Error("the paused feed changed")
	}
	paused.Reload()
	paused.Visible("[data-live][data-state=paused]")

	second := post(s, "unseen too", nil)
	witness.Visible(row(second))
	paused.Press(".")
	paused.Visible("[data-live][data-state=live][aria-pressed=true]")
	paused.Visible(row(second))
}

func TestEveryTabOfABrowserIsLive(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	p := person(t, s)
	tabs := []*browserkit.Page{p, p.Tab(t), p.Tab(t)}
	for _, tab := range tabs {
		tab.Goto(path.Activity)
	}
	id := post(s, "for all", nil)
	for _, tab := range tabs {
		tab.Visible(row(id))
	}
}

func TestARecordOfOneProcessAppearsInTheFeedOfAnother(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	other := sitekit.Join(t, s)
	p := visitor(t, other)
	signIn(p, s.Owner.Email, s.Owner.Password)
	p.At(path.Home)
	p.Goto(path.Activity)
	id := post(s, "from afar", nil)
	p.Visible(row(id))
}
