package web_test

import (
	"encoding/json"
	"testing"

	"posthorn/internal/browserkit"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// title is the heading of the open drawer.
const title = drawer + " #record-title"

func TestTheDrawerOpensByClickAndClosesByBackEscapeButtonAndBackdrop(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	ids := fillFeed(s, 4)
	p := person(t, s)
	p.Goto(path.Activity + "?blockchain=bitcoin")
	mark(p)
	for name, closeIt := range map[string]func(){
		"back":     p.Back,
		"escape":   func() { p.Press("Escape") },
		"button":   func() { p.Click(drawer + " a[aria-label^=Close]") },
		"backdrop": func() { p.ClickAt(300, 500) },
	} {
		p.Click(row(ids[1]) + " .row-link")
		p.Visible(title, "feed0002")
		p.At(recordURL(ids[1]) + "?blockchain=bitcoin")
		p.Focused("#record-title")
		p.Wait(`document.title === "KYT record · Activity · Posthorn"`)
		p.Visible(row(ids[1]) + "[aria-current=true]")
		closeIt()
		p.Hidden(drawer)
		p.At(path.Activity + "?blockchain=bitcoin")
		p.Wait(`document.title === "Activity · Posthorn"`)
		p.Focused(row(ids[1]) + " .row-link")
		if p.Shows("tr[aria-current]") {
			t.Errorf("%s: the row is still marked", name)
		}
	}
	p.Forward()
	p.At(recordURL(ids[1]) + "?blockchain=bitcoin")
	p.Visible(title, "feed0002")
}

func TestTheDrawerIsWorkedByKeys(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	ids := fillFeed(s, 4)
	p := person(t, s)
	p.Goto(path.Activity)
	mark(p)
	p.Press("j")
	p.Focused(row(ids[0]) + " .row-link")
	p.Press("j", "j", "k")
	p.Focused(row(ids[1]) + " .row-link")
	p.Press("Enter")
	p.Visible(title, "feed0002")
	steps := browserkit.Eval[int](p, "history.length")
	p.Press("j")
	p.Visible(title, "feed0001")
	p.At(recordURL(ids[2]))
	p.Press("j")
	p.Visible(title, "feed0000")
	if p.Shows(drawer + " [data-key=j]") {
		t.Error("the oldest record has an older one")
	}
	p.Press("k")
	p.Visible(title, "feed0001")
	if got := browserkit.Eval[int](p, "history.length"); got != steps {
		t.Errorf("going from record to record made %d steps of history", got-steps)
	}
	p.Press("Escape")
	p.Hidden(drawer)
	p.At(path.Activity)
	p.Focused(row(ids[2]) + " .row-link")
	unloaded(t, p)
}

func TestADrawerHasAnAddressOfItsOwn(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	ids := fillFeed(s, 3)
	p := person(t, s)
	p.Goto(recordURL(ids[1]) + "?type=kyt")
	p.Visible(title, "feed0001")
	p.Visible(row(ids[1]) + "[aria-current=true]")
	p.Click(drawer + " a[aria-label^=Older]")
	p.Visible(title, "feed0000")
	p.At(recordURL(ids[2]) + "?type=kyt")
	p.Press("Escape")
	p.Hidden(drawer)
	p.At(path.Activity + "?type=kyt")
	p.Focused(row(ids[2]) + " .row-link")
}

func TestARecordIsAPageToo(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	ids := fillFeed(s, 3)
	p := person(t, s)
	p.Goto(path.Activity)
	p.Click(row(ids[1]) + " .row-link")
	p.Click(drawer + " a[aria-label='Open as a page']")
	p.At(path.ActivityRecordPage(ids[1]))
	p.Visible("h1", "feed0001")
	p.Press("j")
	p.At(path.ActivityRecordPage(ids[2]))
	p.Press("k")
	p.At(path.ActivityRecordPage(ids[1]))
	p.Click("a", "Open in the feed")
	p.At(recordURL(ids[1]))
	p.Visible(title, "feed0001")
}

func TestARecordShowsItsDocumentsAsTreesThatFoldAndTextsThatCopy(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	const payload = `{"list":[{"name":"OFAC"}],"n":1.50}`
	post(s, "cafe0001", map[string]any{"responsePayload": json.RawMessage(payload)})
	p := person(t, s)
	p.Goto(path.Activity)
	p.Click(rowLink, "cafe0001")
	p.Visible(title)
	tree := drawer + " section[aria-labelledby=json-response-title] .tree"
	p.Visible(tree+" .s", "OFAC")
	p.Click(tree + " summary")
	p.Hidden(tree+" .s", "OFAC")
	p.Visible(tree + " .fold")
	p.Press("Enter")
	p.Visible(tree+" .s", "OFAC")

	for button, want := range map[string]string{
		drawer + " [data-copy]": "cafe0001",
		drawer + " section[aria-labelledby=json-response-title] [data-copy-from]": payload,
	} {
		copying(func() {
			p.Click(button)
			p.Visible(button + ".copied")
			p.Wait("(want) => navigator.clipboard.readText().then((text) => text === want)", want)
		})
		p.Wait(`(region) => document.querySelector(region).textContent === "Copied"`, announcer)
	}
	p.Visible(drawer)
	p.Press("Escape")
	p.Hidden(drawer)
	p.Click("#results [data-copy]")
	p.Visible("#results .copied")
	if p.Shows(openModal) {
		t.Error("copying the hash of a row opened the row")
	}
}

func TestARecordThatIsGoneSaysSoInTheDrawer(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	ids := fillFeed(s, 2)
	p := person(t, s)
	p.Goto(path.Activity)
	const gone = "act_0000000000000000000000"
	p.Allow("GET /activity/" + gone + ": 404")
	p.Allow("htmx:responseError.*404")
	browserkit.Eval[any](p, `(gone) => { const link = document.querySelector(".row-link"); link.setAttribute("hx-get", "/activity/" + gone); htmx.process(link); }`, gone)
	p.Click(row(ids[0]) + " .row-link")
	p.Visible(drawer, "This record is gone, or it is not yours.")
	p.Press("Escape")
	p.Hidden(drawer)
	p.At(path.Activity)
}
