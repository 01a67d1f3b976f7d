package ui

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"
)

// templates reads every template of the views.
func templates(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../*/*.templ")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d templates found: %v", len(files), err)
	}
	out := map[string]string{}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out[file] = string(source)
	}
	return out
}

func TestTemplatesFitTheContentSecurityPolicy(t *testing.T) {
	t.Parallel()

	forbidden := map[string]*regexp.Regexp{
		"a style attribute":     regexp.MustCompile(`\sstyle=`),
		"an inline handler":     regexp.MustCompile(`\son[a-z]+=`),
		"an inline script":      regexp.MustCompile(`<script(>|\s+[^s>])`),
		"an inline sheet":       regexp.MustCompile(`<style`),
		"evaluated htmx":        regexp.MustCompile(`hx-on|js:|hx-vals|javascript:`),
		"an address of its own": regexp.MustCompile(`(href|src|action)="/`),
	}
	for file, source := range templates(t) {
		for what, pattern := range forbidden {
			if found := pattern.FindString(source); found != "" {
				t.Errorf("%s has %s: %q", file, what, found)
			}
		}
	}
}

func TestIconNamesAreTheSymbolsOfTheSprite(t *testing.T) {
	t.Parallel()

	read := func(file, pattern string) []string {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(source), -1) {
			names = append(names, match[1])
		}
		slices.Sort(names)
		return names
	}
	names := read("icon.go", `IconName = "([\w-]+)"`)
	symbols := read("../../static/src/icons.svg", `<symbol id="i-([\w-]+)"`)
	if len(names) < 40 || !slices.Equal(names, symbols) {
		t.Errorf("names %v\nsymbols %v", names, symbols)
	}
}

func TestIconIsDecorationInTheCurrentColour(t *testing.T) {
	t.Parallel()

	page := render(t, Icon(IconSearch, ""))
	attr(t, one(t, page, "svg"), "aria-hidden", "true")
	if href := one(t, page, "use").AttrOr("href", ""); !strings.HasPrefix(href, "/static/icons.") || !strings.HasSuffix(href, ".svg#i-search") {
		t.Errorf("href %q", href)
	}
}

func TestButtonKeepsItsNameWhileBusy(t *testing.T) {
	t.Parallel()

	page := render(t, Button(ButtonProps{Label: "Save", Busy: "Saving…", Submit: true, Variant: Primary, Name: "do", Value: "save"}))
	button := one(t, page, "button.btn.btn-primary")
	attr(t, button, "type", "submit")
	attr(t, button, "name", "do")
	attr(t, button, "value", "save")
	if got := strings.TrimSpace(one(t, page, ".btn-face").Text()); got != "Save" {
		t.Errorf("face %q", got)
	}
	if got := strings.TrimSpace(one(t, page, ".btn-busy").Text()); got != "Saving…" {
		t.Errorf("busy face %q", got)
	}
}

func TestButtonWithoutSubmitDoesNotSendItsForm(t *testing.T) {
	t.Parallel()

	page := render(t, Button(ButtonProps{Label: "Close menu", Icon: IconX, IconOnly: true, Attrs: templ.Attributes{"popovertarget": "nav"}}))
	button := one(t, page, "button.btn-icon")
	attr(t, button, "type", "button")
	attr(t, button, "aria-label", "Close menu")
	attr(t, button, "popovertarget", "nav")
}

func TestLinksRefuseScriptAddresses(t *testing.T) {
	t.Parallel()

	page := render(t, LinkButton(LinkButtonProps{Label: "Go", URL: "javascript:alert(1)"}))
	if href := one(t, page, "a").AttrOr("href", ""); strings.HasPrefix(href, "javascript:") {
		t.Errorf("href %q", href)
	}
}

func TestFieldTiesItsNotesToTheInput(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name          string
		hint, message string
		want          string
	}{
		{"plain", "", "", ""},
		{"hint", "Shown in lists.", "", "url-hint"},
		{"error", "", "Use https://.", "url-error"},
		{"error is read before the hint", "Shown in lists.", "Use https://.", "url-error url-hint"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			page := render(t, Field(FieldProps{Name: "url", Label: "URL", Value: "http://x", Hint: test.hint, Error: test.message}))
			input := one(t, page, "input#url[name=url]")
			attr(t, input, "value", "http://x")
			attr(t, input, "aria-describedby", test.want)
			attr(t, one(t, page, "label"), "for", "url")
			for id := range strings.FieldsSeq(test.want) {
				one(t, page, "#"+id)
			}
			if _, invalid := input.Attr("aria-invalid"); invalid != (test.message != "") {
				t.Errorf("aria-invalid %v", invalid)
			}
		})
	}
}

func TestFieldNeverShowsAPasswordAgain(t *testing.T) {
	t.Parallel()

	page := render(t, Field(FieldProps{Name: "password", Label: "Password", Type: "password", Value: "hunter2"}))
	attr(t, one(t, page, "input[type=password]"), "value", "")
}

func TestChoicesMarkTheSelectedOne(t *testing.T) {
	t.Parallel()

	options := []Option{{Value: "a", Label: "A"}, {Value: "b", Label: "B", Selected: true}}
	tests := map[string]struct {
		component templ.Component
		selected  string
	}{
		"select":    {Select(SelectProps{Name: "n", Label: "N", Options: options}), "option[selected]"},
		"segmented": {SegmentedRadios(SegmentedRadiosProps{Name: "n", Legend: "N", Options: options}), "input[type=radio][checked]"},
		"several":   {SegmentedRadios(SegmentedRadiosProps{Name: "n", Legend: "N", Options: options, Multiple: true}), "input[type=checkbox][checked]"},
		"list":      {OptionList(OptionListProps{Name: "n", Options: options}), "input[type=checkbox][checked]"},
		"single":    {OptionList(OptionListProps{Name: "n", Options: options, Single: true}), "input[type=radio][checked]"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			attr(t, one(t, render(t, test.component), test.selected), "value", "b")
		})
	}
}

func TestSegmentedLinksMarkTheCurrentOne(t *testing.T) {
	t.Parallel()

	page := render(t, SegmentedLinks(SegmentedLinksProps{Label: "Range", Items: []SegmentedLink{{Label: "1h", URL: "?range=1h"}, {Label: "24h", URL: "?", Current: true, Count: "8"}}}))
	if got := words(one(t, page, "a[aria-current]")); got != "24h 8" {
		t.Errorf("current %q", got)
	}
}

func TestFilterChipOpensItsPanelAndNamesItsValue(t *testing.T) {
	t.Parallel()

	off := render(t, FilterChip(FilterChipProps{ID: "f-risk", Label: "Risk"}))
	chip := one(t, off, "button#f-risk-chip")
	attr(t, chip, "popovertarget", "f-risk")
	one(t, off, "#f-risk[popover]")
	if got := words(chip); got != "Risk" {
		t.Errorf("chip reads %q", got)
	}
	none(t, off, "[data-active], .panel a")

	on := render(t, FilterChip(FilterChipProps{ID: "f-risk", Label: "Risk", Value: "High, Critical", ClearURL: "/activity"}))
	if got := words(one(t, on, "[data-active]")); got != "Risk: High, Critical" {
		t.Errorf("chip reads %q", got)
	}
	attr(t, one(t, on, ".panel a"), "href", "/activity")
	attr(t, one(t, render(t, FilterChipButton(FilterChipProps{ID: "f", Label: "L", OOB: true})), "button"), "hx-swap-oob", "true")
}

func TestRiskBadgeNeverShowsAMissingResultAsLow(t *testing.T) {
	t.Parallel()

	for level, want := range map[string]string{"low": "Low", "medium": "Medium", "high": "High", "critical": "Critical", "": "No result", "LOW": "No result"} {
		if got := words(render(t, RiskBadge(level))); got != want {
			t.Errorf("RiskBadge(%q) reads %q, want %q", level, got, want)
		}
	}
	if full := one(t, render(t, RiskBadge("medium")), "svg").Find("rect:not([opacity])").Length(); full != 2 {
		t.Errorf("medium has %d full bars, want 2", full)
	}
}

func TestHTTPStatusToneFollowsItsClass(t *testing.T) {
	t.Parallel()

	for code, want := range map[int]string{200: "text-success", 302: "text-accent", 410: "text-warning", 503: "text-danger", 0: "text-danger"} {
		one(t, render(t, HTTPStatus(HTTPStatusProps{Code: code})), "span.font-mono."+want)
	}
	if got := words(render(t, HTTPStatus(HTTPStatusProps{Text: "Timed out"}))); got != "No response Timed out" {
		t.Errorf("status reads %q", got)
	}
}

func TestMiddleKeepsHeadAndTailOfWholeCharacters(t *testing.T) {
	t.Parallel()

	for text, want := range map[string][2]string{
		"":                   {"", ""},
		"short":              {"", "short"},
		"0x0123456789abcdef": {"0x01234567", "89abcdef"},
		"ééééééééé":          {"é", "éééééééé"},
	} {
		p := MiddleProps{Text: text}
		if got := [2]string{p.head(), p.tail()}; got != want {
			t.Errorf("%q is cut into %q, want %q", text, got, want)
		}
	}
	attr(t, render(t, Middle(MiddleProps{Text: "0x0123456789abcdef"})).Children().First(), "title", "0x0123456789abcdef")
}

func TestPagerHasNoLinkPastItsEnds(t *testing.T) {
	t.Parallel()

	page := render(t, Pager(PagerProps{Text: "Newest 50", OlderURL: "/activity?after=c"}))
	older := one(t, page, "a[href]")
	attr(t, older, "href", "/activity?after=c")
	attr(t, older, "hx-get", "/activity?after=c")
	attr(t, older, "hx-target", "#results")
	if got := words(one(t, page, "a[aria-disabled]")); got != "Newer" {
		t.Errorf("disabled link reads %q", got)
	}
}

func TestPillIsAbsentWhenNothingIsNew(t *testing.T) {
	t.Parallel()

	none(t, render(t, Pill(PillProps{URL: "/activity"})), "a")
	if got := words(one(t, render(t, Pill(PillProps{URL: "/activity", Text: "3 new records"})), `a[href="/activity"]`)); got != "3 new records" {
		t.Errorf("pill reads %q", got)
	}
}

func TestErrorStateOffersToTryAgain(t *testing.T) {
	t.Parallel()

	page := render(t, ErrorState(ErrorStateProps{Title: "Records could not be loaded", Text: "The database did not answer.", Reference: "7f3a", RetryURL: "/activity?q=a", Target: "#results"}))
	one(t, page, "[role=alert]")
	retry := one(t, page, "a")
	attr(t, retry, "href", "/activity?q=a")
	attr(t, retry, "hx-target", "#results")
	if !strings.Contains(words(page), "Reference 7f3a") {
		t.Errorf("page reads %q", words(page))
	}
	none(t, render(t, ErrorState(ErrorStateProps{Title: "Gone"})), "a")
}

func TestDrawerClosesToItsListWithAndWithoutScript(t *testing.T) {
	t.Parallel()

	page := render(t, Drawer(DrawerProps{Label: "Transaction check", TitleID: "drawer-title", CloseURL: "/activity?q=a", CloseTitle: "Activity", OlderURL: "/activity/act_2?q=a", RowID: "row-act_1"}))
	drawer := one(t, page, "dialog.drawer[open][data-modal]")
	attr(t, drawer, "data-close-url", "/activity?q=a")
	attr(t, drawer, "data-row", "row-act_1")
	attr(t, drawer, "aria-labelledby", "drawer-title")
	attr(t, one(t, page, "a.scrim"), "href", "/activity?q=a")
	attr(t, one(t, page, "a[data-close]"), "href", "/activity?q=a")
	older := one(t, page, `a[data-key="j"]`)
	attr(t, older, "hx-get", "/activity/act_2?q=a")
	attr(t, older, "hx-replace-url", "true")
	none(t, page, `a[data-key="k"]`)
}

func TestDialogOpensAtOnceOnlyWhenAsked(t *testing.T) {
	t.Parallel()

	none(t, render(t, Dialog(DialogProps{ID: "d", Title: "T"})), "dialog[open]")
	open := one(t, render(t, Dialog(DialogProps{ID: "d", Title: "T", Open: true})), "dialog[open][data-modal]")
	attr(t, open, "closedby", "closerequest")
	attr(t, one(t, render(t, Dialog(DialogProps{ID: "d", Title: "T", Light: true})), "dialog"), "closedby", "any")
}

func TestTimeHasItsAbsoluteMomentInTheReadersZone(t *testing.T) {
	t.Parallel()

	now := time.Date(2026, 11, 20, 14, 37, 0, 0, time.UTC)
	berlin := time.FixedZone("CET", 3600)
	tests := []struct {
		name        string
		props       TimeProps
		text, title string
		ticks       bool
	}{
		{"relative", TimeProps{At: now.Add(-50 * time.Second), Now: now}, "50 s ago", "20 Nov 2026, 14:36:10 UTC", true},
		{"in a zone", TimeProps{At: now.Add(-3 * time.Hour), Now: now, Zone: berlin}, "3 h ago", "20 Nov 2026, 12:37:00 CET", true},
		{"long ago is a date", TimeProps{At: now.AddDate(0, -2, 0), Now: now}, "20 Sep 2026", "20 Sep 2026, 14:37:00 UTC", false},
		{"clock of today", TimeProps{At: now.Add(-50 * time.Second), Now: now, Style: Clock}, "14:36:10", "20 Nov 2026, 14:36:10 UTC", false},
		{"clock of another day", TimeProps{At: now.AddDate(0, 0, -1), Now: now, Style: Clock}, "19 Nov 14:37:00", "19 Nov 2026, 14:37:00 UTC", false},
		{"clock of another year", TimeProps{At: now.AddDate(-1, 0, 0), Now: now, Style: Clock}, "20 Nov 2025 14:37", "20 Nov 2025, 14:37:00 UTC", false},
		{"full", TimeProps{At: now, Now: now, Zone: berlin, Style: Full}, "20 Nov 2026, 15:37:00 CET", "20 Nov 2026, 15:37:00 CET", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			element := one(t, render(t, Time(test.props)), "time")
			attr(t, element, "datetime", test.props.At.UTC().Format("2006-01-02T15:04:05.000Z"))
			attr(t, element, "title", test.title)
			if got := element.Text(); got != test.text {
				t.Errorf("time reads %q, want %q", got, test.text)
			}
			if _, ticks := element.Attr("data-ago"); ticks != test.ticks {
				t.Errorf("ticks %v, want %v", ticks, test.ticks)
			}
		})
	}
}

func TestRelativeTimes(t *testing.T) {
	t.Parallel()

	now := time.Date(2026, 11, 20, 14, 37, 0, 0, time.UTC)
	for ago, want := range map[time.Duration]string{
		-time.Hour:                  "now",
		4 * time.Second:             "now",
		5 * time.Second:             "5 s ago",
		59 * time.Second:            "59 s ago",
		time.Minute:                 "1 min ago",
		59 * time.Minute:            "59 min ago",
		time.Hour:                   "1 h ago",
		23 * time.Hour:              "23 h ago",
		24 * time.Hour:              "1 d ago",
		29*24*time.Hour + time.Hour: "29 d ago",
	} {
		if got := Relative(now.Add(-ago), now); got != want {
			t.Errorf("Relative(%v) = %q, want %q", ago, got, want)
		}
	}
}

func TestNumbersAreWrittenForReading(t *testing.T) {
	t.Parallel()

	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 12480: "12,480", 1234567: "1,234,567", -1000: "-1,000"} {
		if got := Count(n); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int]string{0: "0 bytes", 1: "1 byte", 71: "71 bytes", 1234: "1.2 KB", 1 << 20: "1.0 MB"} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestCopyTakesAValueOrAnElement(t *testing.T) {
	t.Parallel()

	value := one(t, render(t, Copy(CopyProps{Value: `a"b`, What: "hash"})), "button")
	attr(t, value, "data-copy", `a"b`)
	if got := words(value); got != "Copy hash" {
		t.Errorf("button reads %q", got)
	}
	attr(t, one(t, render(t, Copy(CopyProps{From: "#raw", What: "payload"})), "button"), "data-copy-from", "#raw")
}

func TestMenuItemsAreLinksOrSubmitButtons(t *testing.T) {
	t.Parallel()

	attr(t, one(t, render(t, MenuItem(MenuItemProps{Label: "Profile", URL: "/settings/profile"})), "a.menu-item"), "href", "/settings/profile")
	button := one(t, render(t, MenuItem(MenuItemProps{Label: "Dark", Name: "theme", Value: "dark", Current: true})), "button.menu-item[type=submit][aria-current]")
	attr(t, button, "name", "theme")
	attr(t, button, "value", "dark")
}

func TestSentencesNameThingsAsInCode(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain <b>":                "plain &lt;b&gt;",
		"on `webhook-id`.":         `on <code class="font-mono text-xs">webhook-id</code>.`,
		"`a<b` and `c`":            `<code class="font-mono text-xs">a&lt;b</code> and <code class="font-mono text-xs">c</code>`,
		"one ` alone, <i> as well": "one ` alone, &lt;i&gt; as well",
	} {
		var out strings.Builder
		if err := withCode(text).Render(t.Context(), &out); err != nil || out.String() != want {
			t.Errorf("%q is %q, %v, want %q", text, out.String(), err, want)
		}
	}
}
