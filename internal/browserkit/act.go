package browserkit

import (
	"context"
	"strings"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// do runs actions of chromedp.
func (p *Page) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.tab(), patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("browserkit: %s: %v%s", what, err, p.state())
	}
}

// Goto opens a path of the site, as by typing its address, and waits until it is loaded.
func (p *Page) Goto(target string) {
	p.t.Helper()
	p.do("go to "+target, chromedp.Navigate(p.site+target))
}

// Reload loads the page anew.
func (p *Page) Reload() {
	p.t.Helper()
	p.do("reload", chromedp.Reload())
}

// Back goes one step back in the history. It does not wait for what that brings.
func (p *Page) Back() { p.t.Helper(); p.step(-1) }

// Forward goes one step forward in the history. It does not wait for what that brings.
func (p *Page) Forward() { p.t.Helper(); p.step(1) }

func (p *Page) step(by int64) {
	p.t.Helper()
	history := call(p, page.GetNavigationHistory, struct{}{})
	at := history.CurrentIndex + by
	if at < 0 || at >= int64(len(history.Entries)) {
		p.t.Fatalf("browserkit: the history has %d entries and no %d%s", len(history.Entries), at, p.state())
	}
	call(p, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: history.Entries[at].ID})
}

// spot is the middle of an element in the window.
type spot struct{ X, Y float64 }

// reach is a function that returns the middle of an element when a click there would hit it. What lies outside of the window,
// or under something else, is brought to the middle of the window first.
const reach = `(selector, text) => {
	const el = (` + visible + `)(selector, text);
	if (!el) return null;
	const middle = () => {
		const r = el.getBoundingClientRect();
		const at = { x: r.x + r.width / 2, y: r.y + r.height / 2 };
		const hit = document.elementFromPoint(at.x, at.y);
		return hit && (el.contains(hit) || hit.closest("label")?.control === el) ? at : null;
	};
	const r = el.getBoundingClientRect();
	const at = middle();
	if (at && r.top >= 0 && r.left >= 0 && r.bottom <= innerHeight && r.right <= innerWidth) return at;
	el.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
	return middle();
}`

// locate waits until an element can be hit and has come to rest.
func (p *Page) locate(selector string, text []string) spot {
	p.t.Helper()
	words := strings.Join(text, " ")
	var before *spot
	return *until(p, strings.TrimSpace("something to click at: "+selector+" "+words), source(reach, []any{selector, words}), func(at *spot) bool {
		still := at != nil && before != nil && *at == *before
		before = at
		return still
	})
}

// Click clicks on the first visible element with a selector and, where given, a text.
func (p *Page) Click(selector string, text ...string) {
	p.t.Helper()
	at := p.locate(selector, text)
	p.do("click on "+selector,
		chromedp.MouseEvent(chromedp.MouseMoved, at.X, at.Y),
		chromedp.MouseClickXY(at.X, at.Y))
}

// ClickAt clicks on a place of the window, whatever is there.
func (p *Page) ClickAt(x, y float64) {
	p.t.Helper()
	p.do("click", chromedp.MouseEvent(chromedp.MouseMoved, x, y), chromedp.MouseClickXY(x, y))
}

// Tap touches an element as a finger does. The page must have a phone's viewport.
func (p *Page) Tap(selector string, text ...string) {
	p.t.Helper()
	at := p.locate(selector, text)
	p.do("tap on "+selector, chromedp.TapXY(at.X, at.Y))
}

// Hover points at an element.
func (p *Page) Hover(selector string, text ...string) {
	p.t.Helper()
	at := p.locate(selector, text)
	p.do("point at "+selector, chromedp.MouseEvent(chromedp.MouseMoved, at.X, at.Y))
}

// PointAway moves the pointer to the corner of the window.
func (p *Page) PointAway() {
	p.t.Helper()
	p.do("point away", chromedp.MouseEvent(chromedp.MouseMoved, 0, 0))
}

// Fill replaces the text of a field.
func (p *Page) Fill(selector, text string) {
	p.t.Helper()
	p.Visible(selector)
	Eval[any](p, "(selector) => { const el = document.querySelector(selector); el.focus(); el.select(); }", selector)
	call(p, input.InsertText, input.InsertTextParams{Text: text})
}

// Choose sets a select to the option with a value.
func (p *Page) Choose(selector, value string) {
	p.t.Helper()
	p.Visible(selector)
	chosen := Eval[string](p, `(selector, value) => {
		const el = document.querySelector(selector);
		el.value = value;
		el.dispatchEvent(new Event("input", { bubbles: true }));
		el.dispatchEvent(new Event("change", { bubbles: true }));
		return el.value;
	}`, selector, value)
	if chosen != value {
		p.t.Fatalf("browserkit: %s has no option %q%s", selector, value, p.state())
	}
}

// keys are the keys whose names are not what they type.
var keys = map[string]string{"Enter": kb.Enter, "Escape": kb.Escape, "Tab": kb.Tab, "Backspace": kb.Backspace, "Space": " "}

// Press presses keys one after the other: "j", "?", "Enter", "Shift+Tab".
func (p *Page) Press(names ...string) {
	p.t.Helper()
	for _, name := range names {
		key, shifted := strings.CutPrefix(name, "Shift+")
		if typed, ok := keys[key]; ok {
			key = typed
		}
		var modifiers kb.Modifier
		if shifted {
			modifiers = kb.ModifierShift
		}
		p.strike(key, modifiers)
	}
}

// Type types a text, key by key.
func (p *Page) Type(text string) {
	p.t.Helper()
	p.strike(text, kb.ModifierNone)
}

// strike presses and releases the keys of a text. What a key types belongs to its press, so that a page can prevent it, as
// with a real keyboard.
func (p *Page) strike(text string, modifiers kb.Modifier) {
	p.t.Helper()
	for _, character := range text {
		events := kb.Encode(character)
		down, up := *events[0], *events[len(events)-1]
		down.Modifiers |= int64(modifiers)
		up.Modifiers |= int64(modifiers)
		if len(events) == 3 {
			down.Text, down.UnmodifiedText = events[1].Text, events[1].UnmodifiedText
		}
		call(p, input.DispatchKeyEvent, down)
		call(p, input.DispatchKeyEvent, up)
	}
}
