package pages

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/a-h/templ"

	"posthorn/internal/auth"
	"posthorn/internal/posthorn"
	"posthorn/views/layout"
	"posthorn/views/path"
)

// parsed makes the component and reads it as a browser would.
func parsed(t *testing.T, component templ.Component) *goquery.Document {
	t.Helper()
	var out strings.Builder
	if err := component.Render(t.Context(), &out); err != nil {
		t.Fatalf("render: %v", err)
	}
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(out.String()))
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	return doc
}

// the finds exactly one element.
func the(t *testing.T, in *goquery.Selection, selector string) *goquery.Selection {
	t.Helper()
	found := in.Find(selector)
	if found.Length() != 1 {
		html, _ := in.Html()
		t.Fatalf("%d elements match %q, want 1, in %s", found.Length(), selector, html)
	}
	return found
}

// absent makes sure that nothing matches.
func absent(t *testing.T, in *goquery.Selection, selector string) {
	t.Helper()
	if n := in.Find(selector).Length(); n != 0 {
		t.Errorf("%d elements match %q, want none", n, selector)
	}
}

func wantAttr(t *testing.T, in *goquery.Selection, name, want string) {
	t.Helper()
	if got, ok := in.Attr(name); !ok || got != want {
		t.Errorf("%s is %q (there: %v), want %q", name, got, ok, want)
	}
}

// folded is the text with one space between the texts of any two elements.
func folded(in *goquery.Selection) string {
	var words []string
	in.Contents().Each(func(_ int, child *goquery.Selection) {
		if goquery.NodeName(child) == "#text" {
			words = append(words, strings.Fields(child.Text())...)
		} else if text := folded(child); text != "" {
			words = append(words, text)
		}
	})
	return strings.Join(words, " ")
}

func wantText(t *testing.T, in *goquery.Selection, want string) {
	t.Helper()
	if got := folded(in); got != want {
		t.Errorf("text is %q, want %q", got, want)
	}
}

func ownerPage(title string) layout.PageProps {
	return layout.PageProps{
		Title: title, Crumbs: []layout.Crumb{{Label: title}}, Now: time.Date(2026, 11, 20, 14, 37, 30, 0, time.UTC), Path: "/" + strings.ToLower(title),
		Viewer: layout.Viewer{Name: "Amara Okafor", Initials: "AO", Role: "Owner", Tenant: "Meridian Pay", Admin: true},
	}
}

func TestLoginSendsWhatTheHandlerReads(t *testing.T) {
	t.Parallel()

	doc := parsed(t, Login(LoginProps{Next: "/activity?risk=high"}))
	form := the(t, doc.Selection, `form[method=post][action="`+path.Login+`"]`)
	wantAttr(t, the(t, form, `input[name=email]`), "autocomplete", "username")
	wantAttr(t, the(t, form, `input[name=password][type=password]`), "autocomplete", "current-password")
	wantAttr(t, the(t, form, `input[name=next][type=hidden]`), "value", "/activity?risk=high")
	wantAttr(t, the(t, form, `input[name=remember][type=checkbox]:not([checked])`), "value", "1")
	wantAttr(t, the(t, doc.Selection, "[autofocus]"), "name", "email")
	absent(t, doc.Selection, "[role=alert]")
	absent(t, parsed(t, Login(LoginProps{})).Selection, "input[name=next]")
}

func TestRefusedLoginKeepsEverythingButThePassword(t *testing.T) {
	t.Parallel()

	doc := parsed(t, Login(LoginProps{Email: "amara@meridianpay.example", Remember: true, Error: "Email or password is wrong.", Notice: "You are signed out."}))
	wantText(t, the(t, doc.Selection, "[role=alert][autofocus]"), "Email or password is wrong.")
	wantAttr(t, the(t, doc.Selection, "input[name=email]"), "value", "amara@meridianpay.example")
	wantAttr(t, the(t, doc.Selection, "input[name=password]"), "value", "")
	the(t, doc.Selection, "input[name=remember][checked]")
	if n := doc.Find("[autofocus]").Length(); n != 1 {
		t.Errorf("%d elements want the focus", n)
	}
	if text := doc.Text(); strings.Contains(text, "You are signed out.") {
		t.Error("old news beside the error")
	}
}

func TestLoginShowsGoodNews(t *testing.T) {
	t.Parallel()

	doc := parsed(t, Login(LoginProps{Notice: "You are signed out."}))
	wantText(t, the(t, doc.Selection, ".callout"), "You are signed out.")
}

func TestSetupNamesEachFaultAtItsField(t *testing.T) {
	t.Parallel()

	doc := parsed(t, Setup(SetupProps{
		Tenant: "Meridian Pay", Name: "Amara", Email: "amara@", Error: "Email must be one plain address.",
		Fields: map[string]string{posthorn.FieldPassword: "must have at least 8 characters", posthorn.FieldEmail: "must be one plain address"},
	}))
	form := the(t, doc.Selection, `form[method=post][action="`+path.Setup+`"]`)
	for name, value := range map[string]string{"tenant": "Meridian Pay", "name": "Amara", "email": "amara@", "password": ""} {
		wantAttr(t, the(t, form, "input[name="+name+"]"), "value", value)
	}
	email := the(t, form, "input[name=email][aria-invalid=true][autofocus]")
	wantText(t, the(t, form, "#"+email.AttrOr("aria-describedby", "")), "Email must be one plain address.")
	wantText(t, the(t, form, "#password-error"), "Password must have at least 8 characters.")
	the(t, doc.Selection, "[autofocus]")
	absent(t, form, "input[name=tenant][aria-invalid]")
	absent(t, doc.Selection, "[role=alert]")
}

func TestSetupStartsAtTheTopOrAtTheError(t *testing.T) {
	t.Parallel()

	wantAttr(t, the(t, parsed(t, Setup(SetupProps{})).Selection, "[autofocus]"), "name", "tenant")
	wantText(t, the(t, parsed(t, Setup(SetupProps{Error: "It failed."})).Selection, "[autofocus]"), "It failed.")
}

func TestPasswordRulesAreThoseOfThePolicy(t *testing.T) {
	t.Parallel()

	bounds := strconv.Itoa(auth.MinPasswordLength) + " to " + strconv.Itoa(auth.MaxPasswordLength) + " characters"
	if !strings.HasPrefix(strengthRules, bounds) {
		t.Errorf("the rules say %q, the policy %q", strengthRules, bounds)
	}
	for name, page := range map[string]templ.Component{"setup": Setup(SetupProps{}), "profile": Profile(ProfileProps{})} {
		input := the(t, parsed(t, page).Selection, "input[autocomplete=new-password]")
		if !strings.HasSuffix(input.AttrOr("aria-describedby", ""), "-hint") {
			t.Errorf("%s: the rules are not tied to the field", name)
		}
	}
}

func profile() ProfileProps {
	return ProfileProps{
		Page: ownerPage("Profile"), User: posthorn.User{Email: "amara@meridianpay.example", Name: "Amara Okafor"}, Name: "Amara Okafor",
		Theme: posthorn.ThemeDark, TimeZone: "America/New_York", Zones: []string{"UTC", "America/New_York"}, Location: time.FixedZone("EST", -5*60*60),
	}
}

func TestProfilePostsEachFormToItsOwnPath(t *testing.T) {
	t.Parallel()

	main := the(t, parsed(t, Profile(profile())).Selection, "main")
	for action, fields := range map[string]string{
		path.SettingsProfile:     "name",
		path.SettingsPassword:    "current_password new_password",
		path.SettingsPreferences: "theme time_zone",
		path.SignOutEverywhere:   "",
		path.Logout:              "",
	} {
		form := the(t, main, `form[method=post][action="`+action+`"]`)
		the(t, form, "button[type=submit]")
		names := form.Find("[name]").Map(func(_ int, s *goquery.Selection) string { return s.AttrOr("name", "") })
		if got := strings.Join(names, " "); got != fields {
			t.Errorf("%s sends %q, want %q", action, got, fields)
		}
	}
	absent(t, main, "[role=alert], [aria-invalid], [autofocus]")
}

func TestProfileShowsWhatIsStored(t *testing.T) {
	t.Parallel()

	main := the(t, parsed(t, Profile(profile())).Selection, "main")
	wantAttr(t, the(t, main, "input[name=name]"), "value", "Amara Okafor")
	wantAttr(t, the(t, main, "select[name=theme] option[selected]"), "value", "dark")
	zone := the(t, main, "select[name=time_zone] option[selected]")
	wantAttr(t, zone, "value", "America/New_York")
	wantText(t, zone, "America/New York")
	wantText(t, the(t, main, "#time_zone-hint"), "All times are shown in this zone. It is 09:37 EST for you now.")
	wantText(t, the(t, main, ".facts"), "Email amara@meridianpay.example Role Owner Organisation Meridian Pay")
}

func TestProfileOffersAZoneThatIsNotOnTheList(t *testing.T) {
	t.Parallel()

	p := profile()
	p.TimeZone = "Antarctica/Troll"
	selects := the(t, parsed(t, Profile(p)).Selection, "select[name=time_zone]")
	wantAttr(t, the(t, selects, "option[selected]"), "value", "Antarctica/Troll")
	if n := selects.Find("option").Length(); n != 3 {
		t.Errorf("%d zones, want 3", n)
	}
}

func TestProfileSaysWhatWasNotSaved(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		fields map[string]string
		alert  string
		focus  string
		notes  string
	}{
		"name": {
			map[string]string{posthorn.FieldName: "must not be empty"},
			"Not saved. 1 field needs attention.", "name", "Name must not be empty.",
		},
		"both passwords": {
			map[string]string{posthorn.FieldNewPassword: "is too short", posthorn.FieldCurrentPassword: "is wrong"},
			"Not saved. 2 fields need attention.", "current_password", "Current password is wrong. New password is too short.",
		},
		"time zone": {
			map[string]string{posthorn.FieldTimeZone: "must be the name of a time zone"},
			"Not saved. 1 field needs attention.", "time_zone", "Time zone must be the name of a time zone.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := profile()
			p.Fields = test.fields
			main := the(t, parsed(t, Profile(p)).Selection, "main")
			wantText(t, the(t, main, "[role=alert]"), test.alert)
			wantAttr(t, the(t, main, "[autofocus][aria-invalid=true]"), "name", test.focus)
			wantText(t, main.Find(".error"), test.notes)
		})
	}
}

func TestSearchSendsTheTextByItself(t *testing.T) {
	t.Parallel()

	main := the(t, parsed(t, Search(SearchProps{Page: ownerPage("Find"), Query: "0xabc"})).Selection, "main")
	form := the(t, main, `form[method=get][action="`+path.Search+`"]`)
	input := the(t, form, "input[name=q][autofocus]")
	wantAttr(t, input, "value", "0xabc")
	the(t, form, "#"+input.AttrOr("aria-describedby", "none"))
	the(t, form, "button[type=submit]")
}
