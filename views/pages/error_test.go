package pages

import (
	"testing"

	"posthorn/views/layout"
	"posthorn/views/path"
)

func TestErrorPageSaysItInOneSentenceWithOneWayOut(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		props   ErrorProps
		heading string
		action  string
	}{
		"not found":   {ErrorProps{Status: 404}, "Not found", path.Home},
		"forbidden":   {ErrorProps{Status: 403}, "Not allowed", path.Home},
		"conflict":    {ErrorProps{Status: 409}, "Not saved", path.Home},
		"too large":   {ErrorProps{Status: 413}, "Too large", path.Home},
		"throttled":   {ErrorProps{Status: 429}, "Too many requests", path.Home},
		"fault":       {ErrorProps{Status: 500, Reference: "7f3a-91c0"}, "Server error", path.Home},
		"unavailable": {ErrorProps{Status: 503, Reference: "7f3a-91c0"}, "Not available right now", path.Home},
		"other":       {ErrorProps{Status: 418}, "This did not work", path.Home},
		"signed out":  {ErrorProps{Status: 401, SignIn: true}, "Sign in again", path.Login},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.props.Page, test.props.Message = ownerPage("Error"), "What happened."
			main := the(t, parsed(t, Error(test.props)).Selection, "main")
			wantText(t, the(t, main, "h2"), test.heading)
			action := the(t, main, "a")
			wantAttr(t, action, "href", test.action)
			if got := action.AttrOr("target", "") == "_blank"; got != test.props.SignIn {
				t.Errorf("opens a new tab: %v, want %v", got, test.props.SignIn)
			}
			want := test.heading + " What happened."
			if test.props.Reference != "" {
				want += " Reference 7f3a-91c0"
			}
			wantText(t, main, want+" "+folded(action))
		})
	}
}

func TestErrorPageOfAStrangerHasNoFrame(t *testing.T) {
	t.Parallel()

	doc := parsed(t, Error(ErrorProps{Page: layout.PageProps{Title: "Not Found"}, Status: 404, Message: "This page does not exist."}))
	absent(t, doc.Selection, "#nav")
	wantText(t, the(t, doc.Selection, "h1"), "Not found")
}

// failed is a fragment of the feed that the server could not make.
func failed(status int, target, address string) ErrorProps {
	p := ErrorProps{Page: ownerPage("Error"), Status: status, Message: "The database did not answer in time.", Target: target}
	p.Page.Path = address
	return p
}

func TestResultsThatFailedCanBeAskedForAgain(t *testing.T) {
	t.Parallel()

	body := parsed(t, ErrorFragment(failed(503, "results", "/activity?risk=high"))).Find("body")
	results := the(t, body, "#results")
	if body.Children().Length() != 1 {
		t.Error("more than #results would stay on the page after a retry")
	}
	wantText(t, the(t, results, "[role=alert] p"), "The database did not answer in time.")
	retry := the(t, results, "a")
	for name, want := range map[string]string{
		"href": "/activity?risk=high", "hx-get": "/activity?risk=high", "hx-target": "#results", "hx-swap": "outerHTML",
	} {
		wantAttr(t, retry, name, want)
	}
}

func TestDrawerThatFailedKeepsItsFrameAndItsList(t *testing.T) {
	t.Parallel()

	body := parsed(t, ErrorFragment(failed(500, "drawer-slot", "/activity/act_1?risk=high"))).Find("body")
	drawer := the(t, body, "dialog[data-modal][open]")
	wantAttr(t, drawer, "data-close-url", "/activity?risk=high")
	wantText(t, the(t, drawer, "#"+drawer.AttrOr("aria-labelledby", "")+"[tabindex='-1'][autofocus]"), "Server error")
	retry := the(t, drawer, `[role=alert] a[hx-get="/activity/act_1?risk=high"]`)
	wantAttr(t, retry, "hx-target", "#drawer-slot")
	wantAttr(t, the(t, drawer, `[role=alert] a[data-close]`), "href", "/activity?risk=high")
}

func TestWhatIsGoneIsNotAskedForAgain(t *testing.T) {
	t.Parallel()

	for _, target := range []string{"results", "drawer-slot", ""} {
		for status, retries := range map[int]bool{404: false, 403: false, 422: false, 408: true, 429: true, 500: true, 503: true} {
			body := parsed(t, ErrorFragment(failed(status, target, "/activity/act_1"))).Find("body")
			if got := body.Find(`a[href="/activity/act_1"]`).Length() == 1; got != retries {
				t.Errorf("status %d into %q: retry %v, want %v", status, target, got, retries)
			}
		}
	}
}

func TestCountOfNewRecordsFailsWithoutAWord(t *testing.T) {
	t.Parallel()

	if got := folded(parsed(t, ErrorFragment(failed(500, "new-pill", "/activity/new"))).Find("body")); got != "" {
		t.Errorf("the pill says %q", got)
	}
}

func TestUnknownPlaceGetsThePlainBlock(t *testing.T) {
	t.Parallel()

	body := parsed(t, ErrorFragment(failed(503, "", "/activity"))).Find("body")
	absent(t, body, "#results, dialog, [hx-get]")
	the(t, body, "[role=alert]")
}

func TestSignedOutFragmentOpensSignInBesideThePage(t *testing.T) {
	t.Parallel()

	for target, want := range map[string]string{
		"results":     path.LoginThen("/activity?q=x"),
		"drawer-slot": path.LoginThen("/activity?q=x"),
		"new-pill":    path.Login,
	} {
		p := failed(401, target, "/activity?q=x")
		p.SignIn = true
		dialog := the(t, parsed(t, ErrorFragment(p)).Selection, "dialog[data-modal]")
		wantText(t, the(t, dialog, "h2"), "You were signed out")
		link := the(t, dialog, "a[target=_blank]")
		wantAttr(t, link, "href", want)
	}
}
