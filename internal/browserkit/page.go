package browserkit

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/inspector"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Page is a tab. Like a person, it does one thing at a time: it is not for several goroutines.
type Page struct {
	t testing.TB
	// tab returns the tab as chromedp hands it around.
	tab func() context.Context
	// site is the address that paths are added to.
	site string

	mu       sync.Mutex
	requests map[network.RequestID]string
	problems []string
	allowed  []*regexp.Regexp
}

// Open returns a tab of a browser of the test's own, without cookies, for a site such as "http://127.0.0.1:8090". It has a
// desktop's size and the light theme. At the end of the test it is closed, and what it complained of fails the test.
func Open(tb testing.TB, site string) *Page {
	tb.Helper()
	return newPage(tb, acquire(tb), site, chromedp.WithNewBrowserContext())
}

// Tab opens another tab of the same browser, for this test or one within it: it has the same cookies, and what was announced
// with Allow counts there too.
func (p *Page) Tab(tb testing.TB) *Page {
	tb.Helper()
	tab := newPage(tb, p.tab, p.site)
	p.mu.Lock()
	defer p.mu.Unlock()
	tab.allowed = slices.Clone(p.allowed)
	return tab
}

func newPage(tb testing.TB, parent func() context.Context, site string, options ...chromedp.ContextOption) *Page {
	tb.Helper()
	tab, closeTab := chromedp.NewContext(parent(), options...)
	p := &Page{t: tb, site: site, tab: func() context.Context { return tab }, requests: map[network.RequestID]string{}}
	tb.Cleanup(func() {
		closeTab()
		for _, problem := range p.Problems() {
			tb.Errorf("the page complained: %s", problem)
		}
	})
	if err := chromedp.Listen(tab, p.listen); err != nil {
		tb.Fatalf("browserkit: open a tab: %v", err)
	}
	// Every tab believes to be in front: they are used in turn, and focus matters in all of them.
	call(p, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	for _, permission := range []string{"clipboard-read", "clipboard-write"} {
		p.allow(permission)
	}
	p.Viewport(Desktop)
	p.Prefer(Light, FullMotion)
	return p
}

func (p *Page) allow(permission string) {
	p.t.Helper()
	_, err := chromedp.CallBrowser(p.tab(), browser.SetPermission, browser.SetPermissionParams{
		Permission:       &browser.PermissionDescriptor{Name: permission},
		Setting:          browser.PermissionSettingGranted,
		Origin:           p.site,
		BrowserContextID: chromedp.FromContext(p.tab()).BrowserContextID,
	})
	if err != nil {
		p.t.Fatalf("browserkit: permit %s: %v", permission, err)
	}
}

// call sends a command of the DevTools protocol to the tab.
func call[P, R any](p *Page, command cdp.Command[P, R], params P) R {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.tab(), patience)
	defer cancel()
	result, err := chromedp.Call(ctx, command, params)
	if err != nil {
		p.t.Fatalf("browserkit: %s: %v%s", command.Method, err, p.state())
	}
	return result
}

// listen keeps what the tab complains of. It runs on the goroutine that reads the browser's messages, so it must not wait.
func (p *Page) listen(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.complain("exception: " + describe(e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert || e.Type == runtime.ConsoleAPICalledTypeWarning {
			p.complain("console." + string(e.Type) + ": " + join(e.Args))
		}
	case *log.EventEntryAdded:
		// Failed requests are told in more detail by the events below.
		if e.Entry.Source != log.EntrySourceNetwork && (e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning) {
			p.complain(string(e.Entry.Source) + ": " + e.Entry.Text)
		}
	case *network.EventRequestWillBeSent:
		p.mu.Lock()
		p.requests[e.RequestID] = e.Request.Method + " " + strings.TrimPrefix(e.Request.URL, p.site)
		p.mu.Unlock()
	case *network.EventResponseReceived:
		if e.Response.Status >= 400 {
			p.complain(fmt.Sprintf("%s: %d", p.request(e.RequestID), e.Response.Status))
		}
	case *network.EventLoadingFailed:
		// What the page itself gives up, as by going elsewhere, is no failure.
		if !e.Canceled && e.ErrorText != "net::ERR_ABORTED" {
			p.complain(fmt.Sprintf("%s: %s %s", p.request(e.RequestID), e.ErrorText, e.BlockedReason))
		}
	case *page.EventJavascriptDialogOpening:
		p.complain(string(e.Type) + " dialog: " + e.Message)
		go func() {
			// It fails when the tab closed meanwhile, which ends the dialog too.
			_, _ = chromedp.Call(p.tab(), page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
		}()
	case *inspector.EventTargetCrashed:
		p.complain("the tab crashed")
	}
}

func (p *Page) complain(problem string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, problem)
}

func (p *Page) request(id network.RequestID) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests[id]
}

// Allow announces problems that belong to the test, by a regular expression for their text: "POST /login: 401".
func (p *Page) Allow(pattern string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.allowed = append(p.allowed, regexp.MustCompile(pattern))
}

// Problems returns what the page complained of, but for what was announced.
func (p *Page) Problems() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.problems), func(problem string) bool {
		return slices.ContainsFunc(p.allowed, func(r *regexp.Regexp) bool { return r.MatchString(problem) })
	})
}

// Complained reports whether the page had a problem that matches, announced or not.
func (p *Page) Complained(pattern string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.problems, regexp.MustCompile(pattern).MatchString)
}

func describe(e *runtime.ExceptionDetails) string {
	if e.Exception != nil && e.Exception.Description != "" {
		return e.Exception.Description
	}
	return e.Text
}

func join(args []*runtime.RemoteObject) string {
	words := make([]string, 0, len(args))
	for _, arg := range args {
		var text string
		switch {
		case json.Unmarshal(arg.Value, &text) == nil:
			words = append(words, text)
		case len(arg.Value) > 0:
			words = append(words, string(arg.Value))
		default:
			words = append(words, arg.Description)
		}
	}
	return strings.Join(words, " ")
}
