package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

func TestAFormOfAnotherSiteChangesNothing(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	host := strings.TrimPrefix(s.URL, "http://")
	for name, tc := range map[string]struct {
		headers []string
		foreign bool
	}{
		"no browser":                    {},
		"typed by hand":                 {headers: []string{"Sec-Fetch-Site", "none"}},
		"our own form":                  {headers: []string{"Sec-Fetch-Site", "same-origin", "Origin", s.URL}},
		"our own form, old browser":     {headers: []string{"Origin", s.URL}},
		"our own form behind https":     {headers: []string{"Origin", "https://" + host}},
		"another site":                  {headers: []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, foreign: true},
		"another site with our address": {headers: []string{"Sec-Fetch-Site", "cross-site", "Origin", s.URL}, foreign: true},
		"a neighbour":                   {headers: []string{"Sec-Fetch-Site", "same-site", "Origin", "https://blog.posthorn.example"}, foreign: true},
		"another site, old browser":     {headers: []string{"Origin", "https://evil.example"}, foreign: true},
		"another port":                  {headers: []string{"Origin", "http://127.0.0.1:1"}, foreign: true},
		"a sandboxed frame":             {headers: []string{"Origin", "null"}, foreign: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := c.Post(path.SettingsProfile, url.Values{"name": {name}}, tc.headers...)
			saved := selectOne[bool](t, s, `SELECT EXISTS (SELECT FROM audit_log WHERE after::text LIKE '%' || $1 || '%')`, `"`+name+`"`)
			switch {
			case tc.foreign && (a.StatusCode != http.StatusForbidden || saved):
				t.Errorf("%d, saved: %t", a.StatusCode, saved)
			case !tc.foreign && (a.StatusCode != http.StatusSeeOther || !saved):
				t.Errorf("%d, saved: %t", a.StatusCode, saved)
			}
			if doc := a.HTML(t); tc.foreign && (!strings.Contains(text(doc.Find("main")), "nothing was changed") || doc.Find("nav#nav").Length() != 1) {
				t.Errorf("it says %q", text(doc.Find("main")))
			}
		})
	}
}

func TestEveryFormRefusesAnotherSite(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	foreign := []string{"Sec-Fetch-Site", "cross-site"}
	for _, target := range []string{
		path.Logout, path.SettingsProfile, path.SettingsPassword, path.SettingsPreferences, path.SignOutEverywhere, path.Login, path.Setup, "/nope",
	} {
		if a := c.Post(target, signInForm(s), foreign...); a.StatusCode != http.StatusForbidden || len(a.Cookies()) != 0 {
			t.Errorf("%s: %d %v", target, a.StatusCode, a.Cookies())
		}
	}
	if a := c.Get(path.Activity, foreign...); a.StatusCode != http.StatusOK {
		t.Errorf("a link from another site: %d", a.StatusCode)
	}
}

// Workers prove themselves by a header that no browser adds by itself.
func TestTheIngestAsksForNoOrigin(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	if a := s.Ingest(body(t, nil), "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"); a.StatusCode != http.StatusCreated {
		t.Errorf("%d %s", a.StatusCode, a.Text)
	}
}
