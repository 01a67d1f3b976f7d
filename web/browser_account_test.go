package web_test

import (
	"slices"
	"strings"
	"testing"

	"posthorn/internal/browserkit"
	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

func TestAMemberSeesActivityAndTheirOwnSettingsOnly(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	member := s.CreateUser("member", "amara@meridianpay.example", clerkAmara)
	foreign := post(s, "0a0a0a0a", map[string]any{"userId": clerkJonas})
	links := func(p *browserkit.Page) []string {
		return browserkit.Eval[[]string](p, `[...document.querySelectorAll("#nav .nav-link")].map((a) => a.textContent.trim())`)
	}
	owner := person(t, s)
	if got := links(owner); !slices.Equal(got, []string{"Overview", "Activity", "Webhooks", "Events", "Settings"}) {
		t.Errorf("an owner's sidebar has %q", got)
	}
	p := visitor(t, s)
	signIn(p, member.Email, sitekit.UserPassword)
	p.At(path.Activity)
	if got := links(p); !slices.Equal(got, []string{"Activity", "Settings"}) {
		t.Errorf("a member's sidebar has %q", got)
	}
	if p.Shows("#f-user-chip") || p.Shows("th", "User") {
		t.Error("a member can filter by user")
	}
	p.Visible("#results h2", "No records yet")
	p.Press("g", "o")
	p.At(path.Activity)
	p.Allow("GET " + recordURL(foreign) + ": 404")
	p.Goto(recordURL(foreign))
	p.Visible("h2", "")
	if strings.Contains(p.Text("body"), "0a0a0a0a") {
		t.Error("a member sees somebody else's record")
	}
}

func TestASessionThatEndedElsewhereIsSaidInADialog(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	fillFeed(s, 2)
	p, elsewhere := person(t, s), person(t, s)
	p.Goto(path.Activity + "?type=kyt")
	mark(p)
	elsewhere.Goto(path.SettingsProfile)
	elsewhere.Click("main button", "Sign out everywhere")
	elsewhere.Visible("#toasts", "1 other browser is signed out.")
	elsewhere.Goto(path.Home)
	elsewhere.At(path.Home)

	p.Allow("401")
	p.Click(".segmented label", "KYA")
	p.Visible(openModal, "You were signed out")
	unloaded(t, p)
	if href := browserkit.Eval[string](p, `document.querySelector("dialog:modal a").getAttribute("href")`); href != path.LoginThen(path.Activity+"?type=kyt") {
		t.Errorf("signing in again leads to %s", href)
	}
	p.Click(openModal+" button", "Stay here")
	p.Hidden(openModal)
	tab := p.Tab(t)
	signIn(tab, s.Owner.Email, s.Owner.Password)
	tab.At(path.Home)
	p.Click(".segmented label", "KYE")
	p.Visible("#results h2", "No records match")
	unloaded(t, p)
}

func TestAWrongPasswordIsToldWithoutSayingWhichPartWasWrong(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	p := visitor(t, s)
	p.Allow("POST /login: 401")
	for _, email := range []string{s.Owner.Email, "nobody@posthorn.example"} {
		signIn(p, email, "not the password")
		p.Visible("[role=alert]", "Email or password is wrong.")
		p.Focused("[role=alert]")
		kept := browserkit.Eval[[]string](p, `[...document.querySelectorAll("input[type=email], input[type=password]")].map((f) => f.value)`)
		if !slices.Equal(kept, []string{email, ""}) {
			t.Errorf("the form keeps %q", kept)
		}
	}
}

func TestTheFirstOwnerIsMadeInTheBrowser(t *testing.T) {
	t.Parallel()
	s := unsetSite(t)
	p := visitor(t, s)
	p.Goto(path.Home)
	p.At(path.Setup)
	for name, value := range map[string]string{
		posthorn.FieldTenant: "Meridian Pay", posthorn.FieldName: "Amara Okafor", posthorn.FieldEmail: "amara@meridianpay.example",
		posthorn.FieldPassword: "correct horse battery",
	} {
		p.Fill(field(name), value)
	}
	p.Click("button", "Create organisation")
	p.At(path.Home)
	p.Visible("#nav", "Meridian Pay")
	p.Visible("#nav", "Amara Okafor")
	p.Visible("h2", "Three steps to the first delivery")
}

func TestThePasswordIsChangedAndOtherBrowsersAreSignedOut(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	p, other := person(t, s), person(t, s)
	p.Goto(path.SettingsProfile)
	p.Fill(field(posthorn.FieldCurrentPassword), s.Owner.Password)
	p.Fill(field(posthorn.FieldNewPassword), "a new horse and battery")
	p.Click("button", "Change password")
	p.Visible("#toasts", "Your password is changed.")
	p.Goto(path.Activity)
	p.At(path.Activity)

	other.Goto(path.Activity)
	other.At(path.LoginThen(path.Activity))
	other.Allow("POST /login: 401")
	fillSignIn(other, s.Owner.Email, s.Owner.Password)
	other.Visible("[role=alert]", "Email or password is wrong.")
	fillSignIn(other, s.Owner.Email, "a new horse and battery")
	other.At(path.Activity)
}

func TestPreferencesApplyAtOnceAndEverywhere(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	post(s, "feed0001", nil)
	p, other := person(t, s), person(t, s)
	const background = "getComputedStyle(document.body).backgroundColor"
	light := browserkit.Eval[string](p, background)
	p.Goto(path.Activity)
	utc := p.Text("#results tbody time")

	p.Goto(path.SettingsProfile)
	p.Choose("select[name="+posthorn.FieldTheme+"]", "dark")
	p.Choose("select[name="+posthorn.FieldTimeZone+"]", "Asia/Tokyo")
	p.Click("button", "Save preferences")
	p.Visible("#toasts", "Your preferences are saved.")
	for _, browser := range []*browserkit.Page{p, other} {
		browser.Goto(path.Activity)
		if dark := browserkit.Eval[string](browser, background); dark == light {
			t.Errorf("the dark theme has the background %s of the light one", dark)
		}
		if head := browser.Text("#results th"); head != "Time, JST" {
			t.Errorf("the times are headed %q", head)
		}
		if got := browser.Text("#results tbody time"); got == utc || got[2:] != utc[2:] {
			t.Errorf("%s UTC is shown as %s JST", utc, got)
		}
	}
	p.Click("[popovertarget=user-menu]")
	p.Click("#user-menu button", "Light theme")
	p.Visible("html[data-theme=light]")
	p.At(path.Activity)
	if got := browserkit.Eval[string](p, background); got != light {
		t.Errorf("the light theme has the background %s", got)
	}
}

func TestWhatWasTypedIsNotLostWithoutAWord(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	p := person(t, s)
	p.Goto(path.SettingsProfile)
	p.Fill(field(posthorn.FieldName), "Amara Okafor")
	p.Allow("beforeunload dialog")
	p.Click("#nav a", "Activity")
	p.At(path.Activity)
	if !p.Complained("beforeunload dialog") {
		t.Error("the page let go of what was typed")
	}
	p.Goto(path.SettingsProfile)
	p.Fill(field(posthorn.FieldName), "Amara Okafor")
	p.Click("button", "Save name")
	p.Visible("#toasts", "Your name is saved.")
	p.Visible("#nav", "Amara Okafor")
}
