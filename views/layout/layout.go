// Package layout holds the frames that pages are put into: the page of a signed-in viewer, the frame of sign-in and setup, and the
// error page.
package layout

import (
	"slices"
	"strconv"
	"time"

	"github.com/a-h/templ"

	"posthorn/static"
	"posthorn/views/path"
	"posthorn/views/ui"
)

// The assets of every page.
var (
	styleURL = static.URL("app.css")
	appURL   = static.URL("app.js")
	htmxURL  = static.URL("htmx.js")
	fontURL  = static.URL("geist-latin-wght-normal.woff2")
	markURL  = static.URL("posthorn-mark.svg")
)

// htmxConfig fits htmx to the Content-Security-Policy and lets it show what the server says about an error. Going back asks the
// server again: no page is kept in the browser. What was swapped in works at once, without a delay in which a click would follow a
// link that is meant to open a dialog. 401 and what a proxy answers are left to the script.
const htmxConfig = `{"defaultSettleDelay":0,"allowEval":false,"includeIndicatorStyles":false,"historyCacheSize":0,"historyRestoreAsHxRequest":false,` +
	`"selfRequestsOnly":true,"scrollIntoViewOnBoost":false,"responseHandling":[` +
	`{"code":"204","swap":false},{"code":"[23]..","swap":true},` +
	`{"code":"400|403|404|409|413|422|429|500|503","swap":true},{"code":"...","swap":false,"error":true}]}`

// Theme is the colour scheme.
type Theme string

// The themes.
const (
	ThemeSystem Theme = ""
	ThemeLight  Theme = "light"
	ThemeDark   Theme = "dark"
)

// NavItem names an item of the sidebar.
type NavItem string

// The items that exist.
const (
	NavNone     NavItem = ""
	NavOverview NavItem = "overview"
	NavActivity NavItem = "activity"
	NavWebhooks NavItem = "webhooks"
	NavEvents   NavItem = "events"
	NavSettings NavItem = "settings"
)

// Viewer is who looks at the page.
type Viewer struct {
	Name string
	// Initials stand for the portrait: "AO".
	Initials string
	// Role is in words: "Admin".
	Role string
	// Tenant is the organisation's name.
	Tenant string
	// Admin shows what members may not see.
	Admin bool
}

// Crumb is one step of the path to a page. The last one has no URL.
type Crumb struct {
	Label string
	URL   string
}

// PageProps describes a page of a signed-in viewer.
type PageProps struct {
	// Title is the document's, without the product's name.
	Title  string
	Active NavItem
	// Crumbs lead to the page. A single one is its heading; with more, the page has a heading of its own.
	Crumbs []Crumb
	Viewer Viewer
	Theme  Theme
	// Now is the server's time, against which relative times tick.
	Now time.Time
	// Path is the address of this page with its query, to come back to.
	Path string
	// Query is what stands in the find field.
	Query string
	// Flash are messages of the action before.
	Flash []ui.ToastProps
	// Drawer is the open drawer of a deep link.
	Drawer templ.Component
}

// DocumentTitle is what the browser's tab shows for a page of this title.
func DocumentTitle(title string) string {
	if title == "" {
		return "Posthorn"
	}
	return title + " · Posthorn"
}

// milliseconds is a moment for data-now.
func milliseconds(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

type navLink struct {
	item  NavItem
	label string
	icon  ui.IconName
	url   string
	// key is the shortcut; empty for none.
	key string
}

// nav lists what this viewer may open. What a role lacks is absent.
func (v Viewer) nav() []navLink {
	links := []navLink{
		{NavActivity, "Activity", ui.IconActivity, path.Activity, "g a"},
		{NavSettings, "Settings", ui.IconSettings, path.Settings, ""},
	}
	if v.Admin {
		links = slices.Insert(links, 1, navLink{NavWebhooks, "Webhooks", ui.IconWebhook, path.Webhooks, "g w"}, navLink{NavEvents, "Events", ui.IconInbox, path.Events, "g e"})
		links = append([]navLink{{NavOverview, "Overview", ui.IconHome, path.Home, "g o"}}, links...)
	}
	return links
}

type shortcut struct {
	keys []string
	does string
}

// shortcuts lists the keys that work for this viewer.
func (v Viewer) shortcuts() []shortcut {
	list := []shortcut{{[]string{"/"}, "Find by ID, hash or address"}}
	if v.Admin {
		list = append(list,
			shortcut{[]string{"g", "o"}, "Go to Overview"},
			shortcut{[]string{"g", "w"}, "Go to Webhooks"},
			shortcut{[]string{"g", "e"}, "Go to Events"},
			shortcut{[]string{"n"}, "New webhook, on their list"},
			shortcut{[]string{"1"}, "First tab of a webhook; 2 the second"},
		)
	}
	return append(list,
		shortcut{[]string{"g", "a"}, "Go to Activity"},
		shortcut{[]string{"j"}, "Next row, or older record in the drawer"},
		shortcut{[]string{"k"}, "Previous row, or newer record in the drawer"},
		shortcut{[]string{"Enter"}, "Open the row"},
		shortcut{[]string{"."}, "Live updates on or off"},
		shortcut{[]string{"Esc"}, "Close"},
		shortcut{[]string{"?"}, "This list"},
	)
}

type themeChoice struct {
	theme Theme
	value string
	label string
	icon  ui.IconName
}

// themes are the choices of the user menu. The value is what the form sends.
var themes = []themeChoice{
	{ThemeSystem, "system", "System theme", ui.IconSystem},
	{ThemeLight, "light", "Light theme", ui.IconSun},
	{ThemeDark, "dark", "Dark theme", ui.IconMoon},
}

// Names of the fields that the user menu posts to path.SettingsPreferences.
const (
	// FieldTheme is "system", "light" or "dark".
	FieldTheme = "theme"
	// FieldNext is the page to come back to.
	FieldNext = "next"
)

type ring struct{ radius, opacity string }

// rings are the sound waves behind the sign-in form.
var rings = makeRings(9)

func makeRings(n int) []ring {
	out := make([]ring, 0, n)
	for i := range n {
		out = append(out, ring{
			radius:  strconv.Itoa(250 + 62*i),
			opacity: strconv.FormatFloat(0.075-0.0075*float64(i), 'f', 4, 64),
		})
	}
	return out
}
