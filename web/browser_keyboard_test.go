package web_test

import (
	"testing"

	"posthorn/internal/browserkit"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

func TestShortcutsWorkEverywhereButInFields(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	fillFeed(s, 2)
	p := person(t, s)
	p.Press("g", "a")
	p.At(path.Activity)
	p.Press("/")
	p.Focused("#find")
	p.Press("?", "g", "o", ".", "/")
	p.Wait(`document.querySelector("#find").value === "?go./"`)
	if p.Shows(openModal) || p.Path() != path.Activity {
		t.Error("a shortcut worked inside a field")
	}
	p.Press("Escape")
	browserkit.Eval[any](p, "document.activeElement.blur()")
	p.Press("?")
	p.Visible("#shortcuts:modal")
	p.Press("g", "o")
	p.Press("Escape")
	p.Hidden("#shortcuts")
	p.At(path.Activity)
	p.Press(".")
	p.Visible("[data-live][data-state=paused]")
	p.Press(".")
	p.Visible("[data-live][data-state=live]")
	p.Press("g", "o")
	p.At(path.Home)
}

func TestShortcutsCanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	fillFeed(s, 2)
	p := person(t, s)
	p.Goto(path.Activity)
	p.Press("?")
	p.Click("#shortcuts label", "Single-key shortcuts")
	p.Click("#shortcuts button", "Close")
	p.Hidden("#shortcuts")
	p.Press("?", ".", "j", "g", "o", "/")
	p.Visible("[data-live][data-state=live]")
	if p.Shows(openModal) || p.Path() != path.Activity || !browserkit.Eval[bool](p, "document.activeElement.matches('body, [data-open]')") {
		t.Error("a shortcut worked although they are off")
	}
	p.Goto(path.SettingsProfile)
	p.Wait(`!document.querySelector("main [data-shortcuts]").checked`)
	p.Click("main label", "Single-key shortcuts")
	p.Press("g", "a")
	p.At(path.SettingsProfile)
	browserkit.Eval[any](p, "document.activeElement.blur()")
	p.Press("g", "a")
	p.At(path.Activity)
}

func TestTheKeyboardReachesTheContentAndFollowsTheFocus(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	ids := fillFeed(s, 2)
	p := person(t, s)
	p.Goto(path.Activity)
	p.Press("Tab")
	p.Focused(".skip-link")
	p.Press("Enter")
	p.Focused("#main")
	p.Press("Tab")
	p.Focused("#filter-text")
	for range 30 {
		if browserkit.Eval[bool](p, "document.activeElement.matches('.row-link')") {
			break
		}
		p.Press("Tab")
	}
	p.Focused(row(ids[0]) + " .row-link")
	p.Press("Enter")
	p.Visible(drawer)
	for range 25 {
		p.Press("Tab")
		if !browserkit.Eval[bool](p, "document.activeElement === document.body || !!document.activeElement.closest('dialog:modal')") {
			t.Fatalf("the focus left the drawer for %s", browserkit.Eval[string](p, "document.activeElement.outerHTML"))
		}
	}
}
