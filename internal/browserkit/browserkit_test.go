package browserkit

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// serve answers every path with its page, under a strict policy, and everything else with 404.
func serve(t *testing.T, pages map[string]string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := pages[r.URL.Path]
		if !ok {
			http.Error(w, "Not here", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:")
		w.Header().Set("Content-Type", "text/html")
		if strings.HasSuffix(r.URL.Path, ".js") {
			w.Header().Set("Content-Type", "text/javascript")
		}
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func document(body string) string {
	return `<!DOCTYPE html><html lang="en"><head><title>Page</title><meta name="viewport" content="width=device-width"><link rel="icon" href="data:,"></head><body>` + body + `</body></html>`
}

func TestWithoutChromiumOneSentenceSaysWhatToDo(t *testing.T) {
	t.Parallel()
	_, err := find([]string{"no-such-browser"})
	if !errors.Is(err, errNoChromium) || !strings.Contains(err.Error(), "make test") {
		t.Errorf("%v", err)
	}
}

func TestWhatAPageComplainsOfIsAProblem(t *testing.T) {
	t.Parallel()
	site := serve(t, map[string]string{
		"/console":    document(`<script src="/console.js"></script>`),
		"/console.js": `console.error("first %s", 1)`,
		"/throws":     document(`<script src="/throws.js"></script>`),
		"/throws.js":  `throw new Error("second")`,
		"/rejects":    document(`<script src="/rejects.js"></script>`),
		"/rejects.js": `Promise.reject(new Error("third"))`,
		"/inline":     document(`<p style="color: red">styled</p>`),
		"/missing":    document(`<img src="/no-such.png" alt="">`),
		"/foreign":    document(`<img src="http://127.0.0.1:1/x.png" alt="">`),
		"/fetch":      document(`<script src="/fetch.js"></script>`),
		"/fetch.js":   `fetch("/no-such-thing", { method: "POST" })`,
		"/good":       document(`<script src="/good.js"></script>`),
		"/good.js":    `console.log("fine")`,
	})
	for target, want := range map[string]string{
		"/console": "console.error: first", "/throws": "Error: second", "/rejects": "Error: third",
		"/inline": "Content Security Policy", "/missing": "GET /no-such.png: 404", "/foreign": "Content Security Policy",
		"/fetch": "POST /no-such-thing: 404", "/no-page": "GET /no-page: 404", "/good": "",
	} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			p := Open(t, site)
			p.Goto(target)
			if want == "" {
				if problems := p.Problems(); len(problems) > 0 {
					t.Errorf("%q", problems)
				}
				return
			}
			until(p, want, "true", func(bool) bool { return p.Complained(want) })
			if !slices.ContainsFunc(p.Problems(), func(problem string) bool { return strings.Contains(problem, want) }) {
				t.Errorf("%q, want %q", p.Problems(), want)
			}
			p.Allow(".")
			if problems := p.Problems(); len(problems) > 0 {
				t.Errorf("announced, and still a problem: %q", problems)
			}
		})
	}
}

func TestTabsShareTheirCookiesAndBrowsersDoNot(t *testing.T) {
	t.Parallel()
	site := serve(t, map[string]string{"/": document("")})
	first := Open(t, site)
	first.Goto("/")
	Eval[any](first, `document.cookie = "a=1"`)
	tab, other := first.Tab(t), Open(t, site)
	tab.Goto("/")
	other.Goto("/")
	if got := Eval[string](tab, "document.cookie"); got != "a=1" {
		t.Errorf("the tab has the cookies %q", got)
	}
	if got := Eval[string](other, "document.cookie"); got != "" {
		t.Errorf("the other browser has the cookies %q", got)
	}
}

func TestAWaitOutlivesANavigation(t *testing.T) {
	t.Parallel()
	site := serve(t, map[string]string{
		"/":        document(`<script src="/go.js"></script>`),
		"/go.js":   `setTimeout(() => { location.href = "/next" }, 100)`,
		"/next":    document(`<p id="late" hidden>Here</p><script src="/late.js"></script>`),
		"/late.js": `setTimeout(() => { document.getElementById("late").hidden = false }, 100)`,
	})
	p := Open(t, site)
	p.Goto("/")
	p.Visible("#late", "Here")
	p.At("/next")
}

func TestAClickHitsWhatAPersonWouldHit(t *testing.T) {
	t.Parallel()
	site := serve(t, map[string]string{
		"/": document(`<button id="covered">A</button><dialog id="over">B <button id="inside">C</button></dialog><script src="/x.js"></script>`),
		"/x.js": `const log = [];
			document.addEventListener("click", (e) => log.push(e.target.id + (e.isTrusted ? "" : " by script")));
			document.addEventListener("keydown", (e) => log.push(e.key));
			document.getElementById("over").showModal();
			window.log = log;`,
	})
	p := Open(t, site)
	p.Goto("/")
	if at := Eval[*spot](p, reach, "#covered", ""); at != nil {
		t.Errorf("what a dialog covers can be hit at %v", at)
	}
	p.Click("button", "C")
	p.Press("j", "?", "Escape")
	p.Wait(`!document.getElementById("over").open`)
	if got := Eval[string](p, `log.join(",")`); got != "inside,j,?,Escape" {
		t.Errorf("the page saw %s", got)
	}
}

func TestAKeyTypesUnlessThePagePreventsIt(t *testing.T) {
	t.Parallel()
	site := serve(t, map[string]string{
		"/":     document(`<input id="field"><script src="/x.js"></script>`),
		"/x.js": `document.addEventListener("keydown", (e) => { if (e.key === "/") { e.preventDefault(); document.getElementById("field").focus(); } });`,
	})
	p := Open(t, site)
	p.Goto("/")
	p.Press("/", "a", "Shift+B", "?")
	p.Type("cd")
	p.Press("Backspace")
	p.Wait(`document.getElementById("field").value === "aB?c"`)
}

func TestWithoutScriptAPageIsStillReadAndClicked(t *testing.T) {
	t.Parallel()
	site := serve(t, map[string]string{
		"/":     document(`<a href="/next">Next</a><noscript>None</noscript><script src="/x.js"></script>`),
		"/x.js": `document.body.append("scripted")`,
		"/next": document(`<form action="/there"><input name="q"><button>Go</button></form>`), "/there": document("There"),
	})
	p := Open(t, site)
	p.DisableScript()
	p.Goto("/")
	if text := p.Text("body"); strings.Contains(text, "scripted") || !strings.Contains(text, "None") {
		t.Errorf("the page says %q", text)
	}
	p.Click("a", "Next")
	p.At("/next")
	p.Fill("input", "words")
	p.Press("Enter")
	p.At("/there?q=words")
}

func TestAxeFindsWhatIsNotAccessible(t *testing.T) {
	t.Parallel()
	site := serve(t, map[string]string{
		"/bad":  document(`<main><h1>Page</h1><img src="data:,"><input></main>`),
		"/pale": document(`<main><h1>Page</h1><p><font color="#dddddd">Pale.</font></p><img src="data:,"></main>`),
		"/good": document(`<main><h1>Page</h1><p>Fine.</p></main>`),
	})
	p := Open(t, site)
	p.Goto("/pale")
	if pale := p.Contrast(); len(pale) != 1 || pale[0].ID != "color-contrast" {
		t.Errorf("found %v", pale)
	}
	p.Goto("/bad")
	found := ""
	for _, v := range p.Axe() {
		found += v.String() + "\n"
	}
	if !strings.Contains(found, "image-alt") || !strings.Contains(found, "label") {
		t.Errorf("found %s", found)
	}
	p.Goto("/good")
	if found := p.Axe(); len(found) > 0 {
		t.Errorf("found %v", found)
	}
}

func TestAPageThatIsTooWideNamesTheCulprit(t *testing.T) {
	t.Parallel()
	site := serve(t, map[string]string{"/": document(`<svg id="wide" width="500" height="9"></svg>`)})
	p := Open(t, site)
	p.Goto("/")
	if by, _ := p.Overflow(); by != 0 {
		t.Errorf("on a desktop too wide by %d", by)
	}
	p.Viewport(Phone)
	if by, culprit := p.Overflow(); by <= 0 || !strings.Contains(culprit, "wide") {
		t.Errorf("on a phone too wide by %d, because of %q", by, culprit)
	}
}
