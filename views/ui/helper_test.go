package ui

import (
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/a-h/templ"
)

// render makes the component and parses it as a browser would.
func render(t *testing.T, component templ.Component) *goquery.Selection {
	t.Helper()
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(markup(t, component)))
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	return doc.Find("body")
}

func markup(t *testing.T, component templ.Component) string {
	t.Helper()
	var out strings.Builder
	if err := component.Render(t.Context(), &out); err != nil {
		t.Fatalf("render: %v", err)
	}
	return out.String()
}

// one finds exactly one element.
func one(t *testing.T, in *goquery.Selection, selector string) *goquery.Selection {
	t.Helper()
	found := in.Find(selector)
	if found.Length() != 1 {
		html, _ := in.Html()
		t.Fatalf("%d elements match %q, want 1, in %s", found.Length(), selector, html)
	}
	return found
}

// none makes sure that nothing matches.
func none(t *testing.T, in *goquery.Selection, selector string) {
	t.Helper()
	if found := in.Find(selector); found.Length() != 0 {
		t.Errorf("%d elements match %q, want none", found.Length(), selector)
	}
}

// blocks are the elements that stand on lines of their own.
const blocks = "address article dd details div dl dt form h1 h2 h3 label li nav ol option p pre section summary table td th tr ul"

// words is the text with a space around every block and white space folded.
func words(in *goquery.Selection) string {
	var out strings.Builder
	in.Each(func(_ int, each *goquery.Selection) { gather(&out, each) })
	return strings.Join(strings.Fields(out.String()), " ")
}

func gather(out *strings.Builder, in *goquery.Selection) {
	in.Contents().Each(func(_ int, child *goquery.Selection) {
		name := goquery.NodeName(child)
		if name == "#text" {
			out.WriteString(child.Text())
			return
		}
		block := slices.Contains(strings.Fields(blocks), name)
		if block {
			out.WriteByte(' ')
		}
		gather(out, child)
		if block {
			out.WriteByte(' ')
		}
	})
}

func attr(t *testing.T, in *goquery.Selection, name, want string) {
	t.Helper()
	if got := in.AttrOr(name, ""); got != want {
		t.Errorf("%s is %q, want %q", name, got, want)
	}
}
