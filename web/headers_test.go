package web_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"posthorn/internal/sitekit"
	"posthorn/static"
	"posthorn/views/path"
	"posthorn/web"
)

// checkHeaders finds what is missing of what every answer has.
func checkHeaders(t *testing.T, name string, h http.Header) {
	t.Helper()
	for header, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; " +
			"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
	} {
		if got := h.Values(header); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %s is %q", name, header, got)
		}
	}
	if id := h.Values("X-Request-Id"); len(id) != 1 || !regexp.MustCompile(`^[0-9a-f-]{36}$`).MatchString(id[0]) {
		t.Errorf("%s: request id %q", name, id)
	}
	if h.Get("Server") != "" {
		t.Errorf("%s tells what it runs on: %q", name, h.Get("Server"))
	}
}

// linkAttributes hold addresses, which are of this site on every page.
var linkAttributes = []string{"src", "href", "action", "formaction", "srcset", "poster", "ping", "hx-get", "hx-post"}

// checkInert finds what the policy would refuse, or would let run: scripts, styles and handlers in the page itself, and
// what comes from elsewhere.
func checkInert(t *testing.T, name string, doc *goquery.Document) {
	t.Helper()
	doc.Find("script:not([src]), style, [style], base, iframe, object, embed, meta[http-equiv]").Each(func(_ int, s *goquery.Selection) {
		html, _ := goquery.OuterHtml(s)
		t.Errorf("%s: %s", name, html)
	})
	doc.Find("*").Each(func(_ int, s *goquery.Selection) {
		for _, a := range s.Nodes[0].Attr {
			isHandler := strings.HasPrefix(a.Key, "on") || strings.HasPrefix(a.Key, "hx-on")
			isCode := strings.HasPrefix(a.Key, "hx-") && (strings.Contains(a.Val, "js:") || strings.Contains(a.Val, "javascript:"))
			isForeign := slices.Contains(linkAttributes, a.Key) && !strings.HasPrefix(a.Val, "#") && !path.Local(a.Val)
			if isHandler || isCode || isForeign {
				t.Errorf("%s: <%s %s=%q>", name, s.Nodes[0].Data, a.Key, a.Val)
			}
		}
	})
}

func TestThePolicyIsTheOneOfTheTest(t *testing.T) {
	t.Parallel()
	checkHeaders(t, "policy", http.Header{
		"Content-Security-Policy": {web.ContentSecurityPolicy}, "X-Content-Type-Options": {"nosniff"}, "X-Frame-Options": {"DENY"},
		"Referrer-Policy": {"same-origin"}, "Cross-Origin-Opener-Policy": {"same-origin"}, "X-Request-Id": {strings.Repeat("0", 36)},
	})
}

func TestEveryAnswerIsGuardedByHeadersAndHasNothingInline(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	record := s.PostActivity(map[string]any{
		"userId": memberID, "riskLevel": "critical", "statusCode": 502, "metadata": map[string]any{"a": 1}, "requestPayload": map[string]any{"a": map[string]any{"b": 1}},
		"responseSummary": map[string]any{"a": 1}, "responsePayload": map[string]any{"indicators": []any{map[string]any{"category": "mixer", "share": 0.5, "hops": 2}}},
	})
	htmx := func(target string) []string { return []string{"HX-Request", "true", "HX-Target", target} }
	private := []struct {
		method, target string
		headers        []string
	}{
		{http.MethodGet, path.Home, nil},
		{http.MethodGet, path.Home + "?range=1h", nil},
		{http.MethodGet, path.Activity, nil},
		{http.MethodGet, path.Activity + "?type=nope", nil},
		{http.MethodGet, path.Activity + "?q=nope", nil},
		{http.MethodGet, path.Activity, htmx("results")},
		{http.MethodGet, path.Activity + "?from=x", htmx("results")},
		{http.MethodGet, path.ActivityNew, htmx("new-pill")},
		{http.MethodGet, path.ActivityNew + "?since=x", htmx("new-pill")},
		{http.MethodGet, path.ActivityRecord(record), nil},
		{http.MethodGet, path.ActivityRecord(record), htmx("drawer-slot")},
		{http.MethodGet, path.ActivityRecord("act_x"), nil},
		{http.MethodGet, path.ActivityRecord("act_x"), htmx("drawer-slot")},
		{http.MethodGet, path.ActivityRecordPage(record), nil},
		{http.MethodGet, path.SettingsProfile, nil},
		{http.MethodGet, path.Search, nil},
		{http.MethodPost, path.SettingsProfile, nil},
		{http.MethodPost, path.SettingsPassword, nil},
		{http.MethodPost, path.Home, nil},
		{http.MethodGet, path.ActivityExportCSV, nil},
		{http.MethodGet, path.ActivityExportNDJSON, nil},
		{http.MethodGet, path.ActivityExportCSV + "?risk=x", nil},
		{http.MethodGet, path.Login, nil},
		{http.MethodPost, path.Login, nil},
		{http.MethodGet, path.Setup, nil},
		{http.MethodGet, "/nope", nil},
		{http.MethodGet, "/nope", htmx("results")},
		{http.MethodPost, path.Logout, []string{"Sec-Fetch-Site", "cross-site"}},
	}
	for name, c := range map[string]*sitekit.Client{"stranger": s.Client(), "member": addMember(t, s), "owner": s.SignedIn()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, v := range private {
				a := c.Do(v.method, v.target, nil, v.headers...)
				name := v.method + " " + v.target + " " + strings.Join(v.headers, " ")
				checkHeaders(t, name, a.Header)
				if strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
					checkInert(t, name, a.HTML(t))
				}
				if got := a.Header.Get("Cache-Control"); got != "no-store" {
					t.Errorf("%s: Cache-Control %q", name, got)
				}
				if got := strings.Join(a.Header.Values("Vary"), ", "); !containsAll(got, "HX-Request", "Cookie") {
					t.Errorf("%s: Vary %q", name, got)
				}
			}
		})
	}
	public := s.Client()
	for _, target := range []string{path.Healthz, path.Readyz, static.URL("app.js"), path.Static + "nope.js", path.IngestActivity, "/api/nope"} {
		checkHeaders(t, target, public.Get(target).Header)
	}
	checkHeaders(t, "ingest", s.Ingest(body(t, nil)).Header)
	checkHeaders(t, "a method that is none", public.Do("BREW", path.Home, nil).Header)
}

func TestRequestIDsAreUniqueAndNotTheCallers(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.Client()
	seen := map[string]bool{}
	for range 50 {
		id := c.Get(path.Healthz, "X-Request-Id", "mine").Header.Get("X-Request-Id")
		if seen[id] || id == "mine" {
			t.Errorf("%q again", id)
		}
		seen[id] = true
	}
}

func TestAssetsAreKeptForEverUnderTheirOwnTypes(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	for name, want := range map[string]string{
		"app.css": "text/css; charset=utf-8", "app.js": "text/javascript; charset=utf-8", "htmx.js": "text/javascript; charset=utf-8",
		"geist-latin-wght-normal.woff2": "font/woff2", "posthorn-mark.svg": "image/svg+xml",
	} {
		a := s.Client().Get(static.URL(name))
		if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != want || a.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" || a.Text == "" {
			t.Errorf("%s: %d %v", name, a.StatusCode, a.Header)
		}
		if head := s.Client().Do(http.MethodHead, static.URL(name), nil); head.StatusCode != http.StatusOK || head.ContentLength != int64(len(a.Text)) || head.Text != "" {
			t.Errorf("HEAD %s: %d, %d bytes", name, head.StatusCode, head.ContentLength)
		}
		if len(a.Cookies()) != 0 || a.Header.Get("Vary") != "" {
			t.Errorf("%s: %v", name, a.Header)
		}
	}
	for _, target := range []string{path.Static, path.Static + "nope.css", path.Static + "../embed.go", path.Static + "..%2fembed.go", path.Static + "manifest.json"} {
		if a := s.Client().Get(target); a.StatusCode != http.StatusNotFound || strings.Contains(a.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %v", target, a.StatusCode, a.Header)
		}
	}
}

func TestThePagesAskForAssetsThatAreThere(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	for _, target := range []string{path.Home, path.Activity} {
		c.Get(target).HTML(t).Find("script[src], link[href], img[src], use[href]").Each(func(_ int, e *goquery.Selection) {
			asset := e.AttrOr("src", e.AttrOr("href", ""))
			if a := c.Get(asset); !strings.HasPrefix(asset, path.Static) || a.StatusCode != http.StatusOK {
				t.Errorf("%s asks for %s: %d", target, asset, a.StatusCode)
			}
		})
	}
}
