package layout

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/a-h/templ"

	"posthorn/views/path"
	"posthorn/views/ui"
)

var (
	admin  = Viewer{Name: "Amara Okafor", Initials: "AO", Role: "Admin", Tenant: "Meridian Pay", Admin: true}
	member = Viewer{Name: "Jonas Lindqvist", Initials: "JL", Role: "Member", Tenant: "Meridian Pay"}
)

func render(t *testing.T, component templ.Component) *goquery.Document {
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

func props(viewer Viewer) PageProps {
	return PageProps{
		Title: "Activity", Active: NavActivity, Crumbs: []Crumb{{Label: "Activity"}}, Viewer: viewer,
		Now: time.UnixMilli(1_795_000_000_000), Path: "/activity?risk=high",
	}
}

func texts(in *goquery.Selection) []string {
	return in.Map(func(_ int, s *goquery.Selection) string { return strings.Join(strings.Fields(s.Text()), " ") })
}

func TestSidebarShowsOnlyWhatTheRoleMayOpen(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		viewer Viewer
		want   string
	}{
		"admin":  {admin, "Overview Activity Webhooks Events Settings"},
		"member": {member, "Activity Settings"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := render(t, Page(props(test.viewer)))
			if got := strings.Join(texts(page.Find("#nav .nav-link")), " "); got != test.want {
				t.Errorf("sidebar has %q, want %q", got, test.want)
			}
			if got := page.Find(`[data-key="g o"]`).Length(); got != map[bool]int{true: 1}[test.viewer.Admin] {
				t.Errorf("%d shortcuts to the overview", got)
			}
		})
	}
}

func TestPageMarksWhereItIs(t *testing.T) {
	t.Parallel()

	page := render(t, Page(props(admin)))
	if got := texts(page.Find("#nav .nav-link[aria-current]")); len(got) != 1 || got[0] != "Activity" {
		t.Errorf("current item %q", got)
	}
	if got := page.Find("title").First().Text(); got != "Activity · Posthorn" {
		t.Errorf("title %q", got)
	}
	if got := texts(page.Find("h1")); len(got) != 1 || got[0] != "Activity" {
		t.Errorf("headings %q", got)
	}
	if got := page.Find("html").AttrOr("data-now", ""); got != "1795000000000" {
		t.Errorf("data-now %q", got)
	}
}

func TestBreadcrumbLeavesTheHeadingToThePage(t *testing.T) {
	t.Parallel()

	p := props(admin)
	p.Crumbs = []Crumb{{Label: "Activity", URL: path.Activity}, {Label: "Record"}}
	page := render(t, Page(p))
	if got := page.Find("h1").Length(); got != 0 {
		t.Errorf("%d headings", got)
	}
	if got := page.Find(`header nav a`).AttrOr("href", ""); got != path.Activity {
		t.Errorf("crumb leads to %q", got)
	}
	if got := page.Find(`header nav [aria-current=page]`).Text(); got != "Record" {
		t.Errorf("last crumb %q", got)
	}
}

func TestThemeIsRenderedByTheServer(t *testing.T) {
	t.Parallel()

	for theme, want := range map[Theme]string{ThemeSystem: "", ThemeLight: "light", ThemeDark: "dark"} {
		p := props(admin)
		p.Theme = theme
		page := render(t, Page(p))
		if got := page.Find("html").AttrOr("data-theme", ""); got != want {
			t.Errorf("theme %q renders %q", theme, got)
		}
		current := page.Find("#user-menu button[aria-current]")
		if current.Length() != 1 || current.AttrOr("name", "") != FieldTheme || (want != "" && current.AttrOr("value", "") != want) {
			t.Errorf("theme %q: the menu marks %q", theme, current.AttrOr("value", ""))
		}
	}
}

func TestUserMenuWorksByFormsAndComesBack(t *testing.T) {
	t.Parallel()

	page := render(t, Page(props(member)))
	preferences := page.Find(`#user-menu form[action="` + path.SettingsPreferences + `"][method=post]`)
	if got := preferences.Find(`input[name=`+FieldNext+`]`).AttrOr("value", ""); got != "/activity?risk=high" {
		t.Errorf("comes back to %q", got)
	}
	if got := page.Find(`#user-menu form[action="` + path.Logout + `"][method=post] button[type=submit]`).Length(); got != 1 {
		t.Errorf("%d sign-out buttons", got)
	}
}

func TestSignedOutDialogLeadsBackToThePage(t *testing.T) {
	t.Parallel()

	link := render(t, Page(props(admin))).Find("dialog#signed-out:not([open]) a")
	if got, want := link.AttrOr("href", ""), path.LoginThen("/activity?risk=high"); got != want {
		t.Errorf("leads to %q, want %q", got, want)
	}
}

func TestPageHasTheSlotsThatFragmentsGoTo(t *testing.T) {
	t.Parallel()

	p := props(admin)
	p.Flash = []ui.ToastProps{{Text: "Saved."}}
	p.Drawer = ui.Drawer(ui.DrawerProps{Label: "Record", CloseURL: path.Activity})
	page := render(t, Page(p))
	for _, id := range []string{"main", "drawer-slot", "dialog-slot", "toasts", "announcer", "toast-template", "shortcuts"} {
		if got := page.Find("#" + id).Length(); got != 1 {
			t.Errorf("%d elements #%s, want 1", got, id)
		}
	}
	if page.Find("#drawer-slot dialog").Length() != 1 || page.Find("#toasts .toast").Length() != 1 {
		t.Error("drawer or flash is not in its place")
	}
}

func TestHTMXIsConfiguredForTheContentSecurityPolicy(t *testing.T) {
	t.Parallel()

	var config struct {
		AllowEval               bool `json:"allowEval"`
		IncludeIndicatorStyles  bool `json:"includeIndicatorStyles"`
		HistoryRestoreAsRequest bool `json:"historyRestoreAsHxRequest"`
		HistoryCacheSize        int  `json:"historyCacheSize"`
		ResponseHandling        []struct {
			Code string `json:"code"`
			Swap bool   `json:"swap"`
		} `json:"responseHandling"`
	}
	config.AllowEval, config.IncludeIndicatorStyles, config.HistoryRestoreAsRequest, config.HistoryCacheSize = true, true, true, 10
	content := render(t, Page(props(admin))).Find(`meta[name="htmx-config"]`).AttrOr("content", "")
	if err := json.Unmarshal([]byte(content), &config); err != nil {
		t.Fatalf("parse %s: %v", content, err)
	}
	if config.AllowEval || config.IncludeIndicatorStyles || config.HistoryRestoreAsRequest || config.HistoryCacheSize != 0 {
		t.Errorf("config %s", content)
	}
	for status, want := range map[string]bool{"200": true, "204": false, "303": true, "401": false, "404": true, "409": true, "422": true, "429": true, "500": true, "502": false, "503": true} {
		for _, rule := range config.ResponseHandling {
			if regexp.MustCompile(rule.Code).MatchString(status) {
				if rule.Swap != want {
					t.Errorf("status %s swaps %v, want %v", status, rule.Swap, want)
				}
				break
			}
		}
	}
}

func TestEveryAssetOfThePageIsOurs(t *testing.T) {
	t.Parallel()

	for name, page := range map[string]*goquery.Document{
		"page": render(t, Page(props(admin))),
		"auth": render(t, Auth(AuthProps{Title: "Sign in"})),
	} {
		assets := page.Find("link[href], script")
		if assets.Length() != 5 {
			t.Errorf("%s: %d assets, want 5", name, assets.Length())
		}
		assets.Each(func(_ int, s *goquery.Selection) {
			if url := s.AttrOr("href", s.AttrOr("src", "")); !strings.HasPrefix(url, path.Static) {
				t.Errorf("%s loads %q", name, url)
			}
		})
	}
}

func TestErrorPageKeepsTheFrameForViewersOnly(t *testing.T) {
	t.Parallel()

	signedIn := render(t, Error(ErrorProps{Page: props(member), Heading: "This page does not exist", Text: "It is gone.", Reference: "7f3a"}))
	if signedIn.Find("#nav").Length() != 1 || !strings.Contains(signedIn.Find("main").Text(), "7f3a") {
		t.Error("the viewer's error page lacks its frame or the reference")
	}
	if got := signedIn.Find("main a").AttrOr("href", ""); got != path.Home {
		t.Errorf("way out leads to %q", got)
	}
	p := ErrorProps{Page: PageProps{Title: "Not found"}, Heading: "This page does not exist", Reference: "7f3a", ActionURL: path.Login, ActionLabel: "Sign in"}
	stranger := render(t, Error(p))
	if stranger.Find("#nav").Length() != 0 || stranger.Find("h1").Text() != "This page does not exist" {
		t.Error("the stranger's error page has the viewer's frame or no heading")
	}
	if got := stranger.Find("main a").AttrOr("href", ""); got != path.Login {
		t.Errorf("way out leads to %q", got)
	}
}

func TestAuthFooterShowsWhatIsKnown(t *testing.T) {
	t.Parallel()

	if got := render(t, Auth(AuthProps{Heading: "Sign in to Posthorn"})).Find("footer").Length(); got != 0 {
		t.Errorf("%d footers without host and version", got)
	}
	page := render(t, Auth(AuthProps{Heading: "Sign in to Posthorn", Host: "posthorn.example", Version: "v1.0.0"}))
	if got := strings.Join(strings.Fields(page.Find("footer").Text()), " "); got != "posthorn.example · v1.0.0" {
		t.Errorf("footer %q", got)
	}
	if got := page.Find("h1").Text(); got != "Sign in to Posthorn" {
		t.Errorf("heading %q", got)
	}
}
