package web_test

import (
	"testing"

	"posthorn/internal/browserkit"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

func TestOnAPhoneEverythingIsWithinReach(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	ids := fillFeed(s, 3)
	p := person(t, s)
	p.Viewport(browserkit.Phone)
	p.Goto(path.Home)

	if p.Shows("#nav") {
		t.Error("the navigation takes room before it is asked for")
	}
	p.Tap("button[aria-label='Open menu']")
	p.Visible("#nav:popover-open")
	p.Tap("#nav button[aria-label='Close menu']")
	p.Hidden("#nav")
	p.Tap("button[aria-label='Open menu']")
	p.Tap("#nav a", "Activity")
	p.At(path.Activity)
	p.Hidden("#nav")

	const chips = `document.querySelector("#f-risk-filter").parentElement`
	if !browserkit.Eval[bool](p, chips+".scrollWidth > "+chips+".clientWidth") {
		t.Error("the filters do not scroll sideways")
	}
	p.Tap("#f-time-chip")
	p.Visible("#f-time:popover-open")
	p.Wait(`(() => { const r = document.querySelector("#f-time").getBoundingClientRect(); return r.left === 0 && r.width === innerWidth && r.bottom === innerHeight })()`)
	p.Tap("#f-time label", "Last 24 hours")
	p.At("/activity?range=24h")
	p.Tap("#f-time button", "Done")
	p.Hidden("#f-time")

	p.Tap(row(ids[1]) + " .row-link")
	p.Visible(title, "feed0001")
	p.Wait(`(drawer) => { const r = document.querySelector(drawer).getBoundingClientRect(); return r.left === 0 && r.top === 0 && r.width === innerWidth && r.height === innerHeight }`, drawer)
	p.Tap(drawer + " a[aria-label^=Older]")
	p.Visible(title, "feed0000")
	p.Tap(drawer + " a[aria-label^=Close]")
	p.Hidden(drawer)
	p.At("/activity?range=24h")

	// The focus is on the row that was open, so the list stays as it is.
	id := post(s, "arrives", nil)
	p.Tap(pill, "1 new record")
	p.Visible(row(id), "arrives")
	p.Tap("a[aria-label=Find]")
	p.At(path.Search)
	p.Fill("#search-text", "feed0002")
	p.Tap("main button", "Find")
	p.At("/activity?q=feed0002")
	lists(p, ids[0])
}

func TestOnAPhoneEveryControlIsLargeEnoughToHit(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	ids := postChecks(t, s)
	p := person(t, s)
	p.Viewport(browserkit.Phone)
	for _, target := range []string{path.Home, path.Activity, path.Activity + "?risk=low&type=kyt", recordURL(ids[0]), path.ActivityRecordPage(ids[0]), path.SettingsProfile, path.Search} {
		p.Goto(target)
		// WCAG 2.2, 2.5.8: 24 by 24 px, but for links in a line of text.
		small := browserkit.Eval[[]string](p, `[...document.querySelectorAll("button, input, select, summary, a[href]")]
			.filter((el) => el.checkVisibility() && el.getClientRects().length && !el.matches(".sr-only, .skip-link, .link, .row-link, td a, [type=hidden]"))
			.map((el) => [el.closest("label")?.getBoundingClientRect() || el.getBoundingClientRect(), el])
			.filter(([r]) => r.width < 24 || r.height < 24)
			.map(([r, el]) => r.width + " x " + r.height + ": " + el.outerHTML.slice(0, 150))`)
		for _, control := range small {
			t.Errorf("%s: %s", target, control)
		}
	}
}
