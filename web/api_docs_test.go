package web_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"posthorn/internal/openapi"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

func TestTheDocumentIsServedWithItsOwnAddress(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t, "POSTHORN_BASE_URL=https://posthorn.example.com")
	for _, target := range []string{path.OpenAPI, path.APIOpenAPI} {
		a := s.Client().Get(target)
		var doc struct {
			OpenAPI string
			Servers []struct{ URL string }
			Paths   map[string]any
		}
		if err := json.Unmarshal([]byte(a.Text), &doc); err != nil {
			t.Fatalf("%s: %v", target, err)
		}
		if a.StatusCode != http.StatusOK || doc.OpenAPI != "3.1.0" || len(doc.Paths) == 0 || len(doc.Servers) != 1 || doc.Servers[0].URL != "https://posthorn.example.com" {
			t.Errorf("%s: %d %v", target, a.StatusCode, doc.Servers)
		}
		if a.Header.Get("Content-Type") != "application/json" || !strings.HasPrefix(a.Text, `{"openapi":"3.1.0","info":`) {
			t.Errorf("%s: %v %.60s", target, a.Header, a.Text)
		}
	}
}

func TestEveryOperationIsOnAPageForPeople(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t, "POSTHORN_BASE_URL=https://posthorn.example.com")
	stranger := s.Client()
	introduction := stranger.Get(path.Docs).HTML(t)
	doc := openapi.Load()
	for i := range doc.Groups {
		g := &doc.Groups[i]
		page := stranger.Get(path.DocsGroup(g.Slug())).HTML(t)
		for _, o := range g.Operations {
			if introduction.Find(`a[href="`+path.DocsGroup(g.Slug())+"#"+o.ID+`"]`).Length() != 1 {
				t.Errorf("the introduction does not lead to %s", o.ID)
			}
			section := page.Find("section#" + o.ID)
			if section.Length() != 1 || text(section.Find("h2")) != o.Summary {
				t.Errorf("%s: %d sections, %q", o.ID, section.Length(), text(section.Find("h2")))
			}
			if curl := section.Find("#" + o.ID + "-curl code").Text(); curl != o.Curl("https://posthorn.example.com") {
				t.Errorf("%s: %s", o.ID, curl)
			}
			for _, p := range o.Parameters {
				if !strings.Contains(text(section.Find("dl")), p.Name) {
					t.Errorf("%s does not name %s", o.ID, p.Name)
				}
			}
			if o.Body != nil {
				for _, f := range o.Body.Fields {
					if !strings.Contains(text(section.Find("dl")), f.Name) {
						t.Errorf("%s does not name %s", o.ID, f.Name)
					}
				}
			}
			if n := section.Find("form[data-try]").Length(); n != 1 {
				t.Errorf("%s can be tried in %d forms", o.ID, n)
			}
		}
		page.Find("a[href^='#']").Each(func(_ int, link *goquery.Selection) {
			if target := link.AttrOr("href", ""); target != "#main" && page.Find(target).Length() != 1 {
				t.Errorf("%s: %s leads to %d places", g.Name, target, page.Find(target).Length())
			}
		})
	}
}

func TestTheDocumentationKnowsWhoIsSignedIn(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	if doc := s.Client().Get(path.Docs).HTML(t); doc.Find("header a[href='"+path.Login+"']").Length() != 1 {
		t.Error("a stranger is not offered to sign in")
	}
	if doc := s.SignedIn().Get(path.Docs).HTML(t); doc.Find("header a[href='"+path.Home+"']").Length() != 1 {
		t.Error("there is no way back to the dashboard")
	}
	if a := s.Client().Get(path.APIDocs); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != path.Docs {
		t.Errorf("%d to %s", a.StatusCode, a.Header.Get("Location"))
	}
}

func TestEveryOperationHasExamplesAndSaysWhatItNeeds(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, o := range openapi.Load().Operations() {
		if o.ID == "" || seen[o.ID] || o.Summary == "" {
			t.Errorf("%s %s: id %q, summary %q", o.Method, o.Path, o.ID, o.Summary)
		}
		seen[o.ID] = true
		if o.Body != nil && len(o.Body.Examples) == 0 {
			t.Errorf("%s has no example of its body", o.ID)
		}
		for _, a := range o.Answers {
			if a.Description == "" || len(a.Type) > 0 && len(a.Examples) == 0 {
				t.Errorf("%s: the answer %d has %d examples and says %q", o.ID, a.Status, len(a.Examples), a.Description)
			}
		}
		for _, p := range o.Parameters {
			if p.Description == "" || len(p.Type) == 0 || p.In == "path" && (p.Variable == "" || p.Example == "") {
				t.Errorf("%s: %s is not described: %+v", o.ID, p.Name, p)
			}
		}
		if strings.HasPrefix(o.Path, path.API) && o.Scope == "" && !strings.HasSuffix(o.Path, "openapi.json") && !strings.HasSuffix(o.Path, "docs") {
			t.Errorf("%s says of no scope", o.ID)
		}
	}
}
