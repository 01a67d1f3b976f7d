package ui

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func tree(raw string) JSONTreeProps {
	return JSONTreeProps{ID: "p", Title: "Payload", Raw: []byte(raw)}
}

func TestTreeKeepsKeyOrderDuplicatesAndNumberLiterals(t *testing.T) {
	t.Parallel()

	page := render(t, JSONTree(tree(`{"z":1.50,"a":12345678901234567890,"z":1e3,"t":true,"n":null,"o":{},"l":[]}`)))
	want := `{ 7 keys } "z": 1.50, "a": 12345678901234567890, "z": 1e3, "t": true, "n": null, "o": {}, "l": [] }`
	if got := words(one(t, page, ".tree")); got != want {
		t.Errorf("tree reads\n%s, want\n%s", got, want)
	}
	for class, want := range map[string]int{".n": 3, ".b": 2, ".k": 7} {
		if got := page.Find(".tree " + class).Length(); got != want {
			t.Errorf("%d elements %s, want %d", got, class, want)
		}
	}
}

func TestTreeShowsHostileStringsAsText(t *testing.T) {
	t.Parallel()

	page := render(t, JSONTree(tree(`{"</script><b>":"<img src=x onerror=alert(1)> \u202e\u0007\ud83d\ude00 \"q\" \\ \n"}`)))
	none(t, page, "img, b, script")
	got := words(one(t, page, ".tree li"))
	want := `"</script><b>": "<img src=x onerror=alert(1)> \u202e\u0007😀 \"q\" \\ \n"`
	if got != want {
		t.Errorf("tree reads %s, want %s", got, want)
	}
}

func TestTreeOpensSmallDocumentsAndFoldsLargeOnes(t *testing.T) {
	t.Parallel()

	small := render(t, JSONTree(tree(`{"a":{"b":{"c":{"d":1}}}}`)))
	if got := small.Find(".tree details[open]").Length(); got != 3 {
		t.Errorf("%d levels open, want 3", got)
	}
	large := render(t, JSONTree(tree("["+strings.Repeat(`{"a":1},`, 150)+"1]")))
	if got := large.Find(".tree details[open]").Length(); got != 1 {
		t.Errorf("%d values open in a large tree, want the outermost one", got)
	}
	attr(t, one(t, large, ".tree"), "tabindex", "0")
}

func TestTreeStopsAtItsBoundAndTheRawTextIsComplete(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name string
		raw  string
	}{
		{"too many values", "[" + strings.Repeat("1,", 5000) + `"last"]`},
		{"too deep", strings.Repeat("[", 200) + `"last"` + strings.Repeat("]", 200)},
		{"a very long string", `{"a":"` + strings.Repeat("x", 50_000) + `last"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			page := render(t, JSONTree(tree(test.raw)))
			if text := one(t, page, ".tree").Text(); strings.Contains(text, "last") {
				t.Error("the tree shows everything")
			}
			if got := page.Find(".tree span").Length(); got > 3*DefaultTreeNodes {
				t.Errorf("%d elements in the tree", got)
			}
			if !strings.Contains(words(page), "leaves out a part") {
				t.Error("nothing says that the tree is cut")
			}
			if !strings.Contains(one(t, page, "#p-raw").Text(), "last") {
				t.Error("the raw text is cut")
			}
		})
	}
}

func TestTreeShowsWhatIsNotJSONAsRawText(t *testing.T) {
	t.Parallel()

	for _, raw := range []string{"<b>no</b>", `{"a":`, `{"a":1} x`, "\xff", strings.Repeat("[", 20_000)} {
		page := render(t, JSONTree(tree(raw)))
		none(t, page, ".tree, b")
		one(t, page, "details[open] #p-raw")
	}
}

func TestTreeWithoutDocumentSaysSo(t *testing.T) {
	t.Parallel()

	page := render(t, JSONTree(tree("")))
	none(t, page, ".tree, details, button")
	if got := words(page); got != "Payload None" {
		t.Errorf("page reads %q", got)
	}
}

func TestTreeIsCopiedFromItsRawText(t *testing.T) {
	t.Parallel()

	page := render(t, JSONTree(tree(`{"b":1.0,"a":"\u00e9"}`)))
	attr(t, one(t, page, "button"), "data-copy-from", "#p-raw")
	if got, want := one(t, page, "#p-raw").Text(), "{\n  \"b\": 1.0,\n  \"a\": \"\\u00e9\"\n}"; got != want {
		t.Errorf("raw text %q, want %q", got, want)
	}
}

func TestIndentationCannotBlowUpADocument(t *testing.T) {
	t.Parallel()

	deep := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	if got := indented([]byte(deep)); got != deep {
		t.Errorf("a deep document became %d bytes", len(got))
	}
}

func FuzzTreeRendersAnything(f *testing.F) {
	for _, seed := range []string{`{"a":[1,true,null,"x"]}`, `[[[[]]]]`, `"\ud800"`, `{"":""}`, "\x00", `1e999`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		html := markup(t, JSONTree(JSONTreeProps{ID: "p", Title: "T", Raw: raw, MaxNodes: 50}))
		if utf8.Valid(raw) && !utf8.ValidString(html) {
			t.Error("valid text became invalid")
		}
		if strings.Contains(html, "<script") {
			t.Error("markup came through")
		}
	})
}
