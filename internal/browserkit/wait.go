package browserkit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

const (
	// patience is how long a condition may take to come true on a machine that does much else.
	patience = 20 * time.Second
	// interval is how often a condition is asked for.
	interval = 20 * time.Millisecond
)

// Eval returns the value of an expression in the page. With arguments the expression is a function that gets them; a
// promise is waited for. T is what the value is decoded into, as JSON.
func Eval[T any](p *Page, expression string, args ...any) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.tab(), patience)
	defer cancel()
	value, err := evaluate[T](ctx, source(expression, args))
	if err != nil {
		p.t.Fatalf("browserkit: evaluate %s: %v%s", expression, err, p.state())
	}
	return value
}

// source writes the arguments into the expression.
func source(expression string, args []any) string {
	if len(args) == 0 {
		return expression
	}
	written := make([]string, 0, len(args))
	for _, arg := range args {
		text, err := json.Marshal(arg)
		if err != nil {
			panic(fmt.Sprintf("browserkit: an argument that JSON does not know: %v", err))
		}
		written = append(written, string(text))
	}
	return "(" + expression + ")(" + strings.Join(written, ", ") + ")"
}

func evaluate[T any](ctx context.Context, expression string) (T, error) {
	var value T
	yes := true
	result, err := chromedp.Call(ctx, runtime.Evaluate, runtime.EvaluateParams{
		Expression: expression, ReturnByValue: &yes, AwaitPromise: &yes, UserGesture: &yes,
	})
	if err != nil {
		return value, err
	}
	if result.ExceptionDetails != nil {
		return value, errors.New(describe(result.ExceptionDetails))
	}
	if len(result.Result.Value) == 0 {
		return value, nil // undefined
	}
	if err := json.Unmarshal(result.Result.Value, &value); err != nil {
		return value, fmt.Errorf("decode %s: %w", result.Result.Value, err)
	}
	return value, nil
}

// until asks for the value of an expression until it is done, and returns it. An expression that fails is asked for again:
// the page may be on its way to another.
func until[T any](p *Page, what, expression string, done func(T) bool) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.tab(), patience)
	defer cancel()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	var last error
	for {
		value, err := evaluate[T](ctx, expression)
		if err == nil && done(value) {
			return value
		}
		if err != nil && ctx.Err() == nil {
			last = err
		} else if ctx.Err() == nil {
			last = nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			if last != nil {
				what += ": " + last.Error()
			}
			p.t.Fatalf("browserkit: waited %v in vain for %s%s", patience, what, p.state())
		}
	}
}

// Wait waits until an expression, or a function of the arguments, is true.
func (p *Page) Wait(expression string, args ...any) {
	p.t.Helper()
	until(p, describeWait(expression, args), "!!"+wrap(source(expression, args)), func(ok bool) bool { return ok })
}

// wrap makes an expression an operand.
func wrap(expression string) string { return "(" + expression + ")" }

func describeWait(expression string, args []any) string {
	if len(args) == 0 {
		return expression
	}
	return fmt.Sprintf("%s with %q", expression, args)
}

// state says where a page is, for the message of a failed test.
func (p *Page) state() string {
	ctx, cancel := context.WithTimeout(p.tab(), time.Second)
	defer cancel()
	text, err := evaluate[string](ctx, `location.href + "\n" + (document.querySelector("dialog:modal") || document.body).innerText.replace(/\s*\n\s*/g, "\n").slice(0, 2000)`)
	if err != nil {
		text = err.Error()
	}
	return fmt.Sprintf("\npage: %s\nproblems: %q", text, p.Problems())
}

// visible is a function that finds the first visible element with a selector and, where it is given, a text. The text is
// compared with the element's words and its accessible name.
const visible = `(selector, text) => [...document.querySelectorAll(selector)].find((el) => el.checkVisibility({ visibilityProperty: true, opacityProperty: true })
	&& el.getClientRects().length > 0
	&& (!text || (el.textContent + " " + (el.getAttribute("aria-label") || "") + " " + (el.title || "")).replace(/\s+/g, " ").includes(text)))`

// Visible waits until an element with a selector, and where given with a text, is visible.
func (p *Page) Visible(selector string, text ...string) {
	p.t.Helper()
	p.Wait(visible, selector, strings.Join(text, " "))
}

// Hidden waits until no element with a selector, and where given with a text, is visible any more.
func (p *Page) Hidden(selector string, text ...string) {
	p.t.Helper()
	p.Wait("(selector, text) => !("+visible+")(selector, text)", selector, strings.Join(text, " "))
}

// Shows reports whether an element with a selector, and where given with a text, is visible now.
func (p *Page) Shows(selector string, text ...string) bool {
	p.t.Helper()
	return Eval[bool](p, "(selector, text) => !!("+visible+")(selector, text)", selector, strings.Join(text, " "))
}

// Count returns how many elements a selector has.
func (p *Page) Count(selector string) int {
	p.t.Helper()
	return Eval[int](p, "(selector) => document.querySelectorAll(selector).length", selector)
}

// WaitCount waits until a selector has so many elements.
func (p *Page) WaitCount(selector string, n int) {
	p.t.Helper()
	p.Wait("(selector, n) => document.querySelectorAll(selector).length === n", selector, n)
}

// Text returns the words of the first element with a selector, with single spaces between them.
func (p *Page) Text(selector string) string {
	p.t.Helper()
	return Eval[string](p, `(selector) => document.querySelector(selector).textContent.replace(/\s+/g, " ").trim()`, selector)
}

// Focused waits until the element with a selector has the focus.
func (p *Page) Focused(selector string) {
	p.t.Helper()
	p.Wait("(selector) => document.activeElement.matches(selector)", selector)
}

// At waits until the page with a path and query is there, and whole.
func (p *Page) At(target string) {
	p.t.Helper()
	p.Wait(`(target) => location.pathname + location.search === target && document.readyState === "complete"`, target)
}

// Path returns the path and query of the page.
func (p *Page) Path() string {
	p.t.Helper()
	return Eval[string](p, "location.pathname + location.search")
}
