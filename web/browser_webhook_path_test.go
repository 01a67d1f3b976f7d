package web_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"posthorn/internal/browserkit"
	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/pages"
	"posthorn/views/path"
)

// hands are a way to use a page: they press what has a selector and, where given, a text, and write into a field.
type hands struct {
	page  func(p *browserkit.Page)
	press func(p *browserkit.Page, selector string, text ...string)
	write func(p *browserkit.Page, selector, text string)
}

var (
	mouse = hands{func(*browserkit.Page) {}, (*browserkit.Page).Click, (*browserkit.Page).Fill}
	thumb = hands{
		func(p *browserkit.Page) { p.Viewport(browserkit.Size{Width: 390, Height: 844}) },
		tap,
		func(p *browserkit.Page, selector, text string) {
			tap(p, selector)
			p.Fill(selector, text)
		},
	}
	keyboard = hands{func(*browserkit.Page) {}, pressByKeyboard, writeByKeyboard}
)

// tap scrolls to what it touches: on a small window a bar may lie over it.
func tap(p *browserkit.Page, selector string, text ...string) {
	p.Visible(selector, text...)
	browserkit.Eval[any](p, `(selector, text) => {
		[...document.querySelectorAll(selector)].find((el) => el.checkVisibility() && (!text || el.textContent.includes(text)))
			?.scrollIntoView({ block: "center", behavior: "instant" });
	}`, selector, strings.Join(text, " "))
	p.Tap(selector, text...)
}

// focus moves on with Tab until something with a selector and a text has the focus.
func focus(p *browserkit.Page, selector string, text ...string) {
	p.Visible(selector, text...)
	for range 250 {
		if browserkit.Eval[bool](p, `(selector, text) => {
			const el = document.activeElement;
			return el.matches(selector) && (el.textContent + " " + (el.ariaLabel || "")).replace(/\s+/g, " ").includes(text);
		}`, selector, strings.Join(text, " ")) {
			return
		}
		p.Press("Tab")
	}
	p.Focused(selector) // which tells where the page is, and fails
}

func pressByKeyboard(p *browserkit.Page, selector string, text ...string) {
	focus(p, selector, text...)
	if browserkit.Eval[bool](p, `document.activeElement.matches("[type=checkbox], [type=radio]")`) {
		p.Press("Space")
	} else {
		p.Press("Enter")
	}
}

// writeByKeyboard relies on Tab, which selects what is in a field.
func writeByKeyboard(p *browserkit.Page, selector, text string) {
	if browserkit.Eval[bool](p, "(selector) => document.activeElement.matches(selector)", selector) {
		p.Press("Tab", "Shift+Tab")
	}
	focus(p, selector)
	if text == "" {
		p.Press("Backspace")
	}
	p.Type(text)
}

// journey is one person's way with a webhook.
type journey struct {
	*testing.T
	hands
	site     *sitekit.Site
	p        *browserkit.Page
	arrivals chan http.Header
	url      string
	// address is the page of the webhook, id its id.
	address, id string
	// seen are the secrets that were shown.
	seen []string
}

func TestAWebhookIsLedThroughItsWholeLife(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]hands{"with a mouse": mouse, "on a phone": thumb, "by keyboard": keyboard} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := &journey{T: t, hands: h, site: sitekit.Start(t, toLoopback...), arrivals: make(chan http.Header, 10)}
			receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { j.arrivals <- r.Header }))
			t.Cleanup(receiver.Close)
			j.url = receiver.URL + "/hooks"
			j.p = person(t, j.site)
			j.page(j.p)
			j.create()
			j.storeSecret()
			j.findNoSecret()
			j.edit()
			j.pause()
			j.rotate()
			j.duplicate()
			j.remove()
		})
	}
}

func (j *journey) create() {
	p := j.p
	p.Goto(path.Webhooks)
	j.press(p, "main a", "New webhook")
	p.At(path.WebhookNew)
	j.write(p, field(posthorn.FieldName), "Ledger sync")
	j.write(p, field(posthorn.FieldURL), j.url)
	j.write(p, "#event-search", "match.found")
	p.Hidden("#event-submission-completed")
	j.press(p, "#event-aml-match-found")
	j.write(p, "#event-search", "")
	j.press(p, "#event-submission-completed")
	j.press(p, "#event-user-created")
	for i, header := range [][2]string{{"X-Env", "production"}, {"X-Team", "ledger"}} {
		j.press(p, "#header-add")
		name := "#header-" + strconv.Itoa(i)
		p.Focused(name)
		j.write(p, name, header[0])
		j.write(p, name+" ~ [name="+pages.FieldHeaderValue+"]", header[1])
	}
	j.press(p, "main button:not([aria-hidden])", "Create webhook")
	p.Visible(openModal + " " + secretValue)
	j.address = p.Path()
	j.id = strings.TrimPrefix(j.address, path.Webhooks+"/")
}

// storeSecret copies the secret that is shown, which must be a new one, and puts it away.
func (j *journey) storeSecret() {
	j.Helper()
	p := j.p
	p.Visible(openModal + " " + secretValue)
	secret := browserkit.Eval[string](p, `document.querySelector("#secret-value").value`)
	if !shownSecret.MatchString(secret) || slices.Contains(j.seen, secret) {
		j.Fatalf("%q is shown after %q", secret, j.seen)
	}
	j.seen = append(j.seen, secret)
	copying(func() {
		j.press(p, openModal+" button", "Copy")
		p.Visible(openModal+" button", "Copied")
		if copied := browserkit.Eval[string](p, "navigator.clipboard.readText()"); copied != secret {
			j.Errorf("copied %q, shown %q", copied, secret)
		}
	})
	j.press(p, openModal+" input[type=checkbox]")
	j.press(p, openModal+" button", "Done")
	p.Hidden(openModal)
}

// findNoSecret makes sure that none of the secrets comes back.
func (j *journey) findNoSecret() {
	j.Helper()
	p := j.p
	look := func(after string) {
		j.Helper()
		p.At(j.address)
		p.Visible("main h1")
		if html := browserkit.Eval[string](p, "document.documentElement.outerHTML"); shownSecret.MatchString(html) {
			j.Errorf("there is a secret after %s", after)
		}
	}
	look("Done")
	p.Reload()
	look("a reload")
	p.Goto(path.Activity)
	p.Back()
	look("going back")
	p.Goto(j.address)
	look("asking again")
}

func (j *journey) edit() {
	p := j.p
	j.press(p, "main a", "Settings")
	p.At(j.address + "/settings")
	p.Visible("#header-1")
	j.write(p, field(posthorn.FieldName), "Ledger")
	j.press(p, "main button:not([aria-hidden])", "Save changes")
	p.Visible("#toasts", "Saved.")
	p.Visible("main h1", "Ledger")
	if got := j.test(); got.Get("X-Env") != "production" || got.Get("X-Team") != "ledger" {
		j.Errorf("the headers were not kept: %v", got)
	}
}

// test sends something to the webhook and returns the headers that arrived.
func (j *journey) test() http.Header {
	j.Helper()
	a := callAPI(j.site.Client(), http.MethodPost, path.APIWebhooks+"/"+j.id+"/test", `{"event":"submission.completed"}`, j.site.Owner.APIKey)
	if a.StatusCode != http.StatusOK || !strings.Contains(a.Text, `"status":"success"`) {
		j.Fatalf("test: %d %s", a.StatusCode, a.Text)
	}
	return <-j.arrivals
}

func (j *journey) pause() {
	p := j.p
	p.Goto(j.address)
	j.press(p, "main a", "Deactivate")
	p.Visible(openModal, "Deactivate Ledger?")
	j.press(p, openModal+" button", "Deactivate")
	p.Visible("#toasts", "Ledger is inactive.")
	p.Visible("main", "Inactive: nothing is sent.")
	j.press(p, "main button", "Activate")
	p.Visible("#toasts", "Ledger is active.")
	p.Visible("main", "Active: events are sent as they happen.")
}

// choose presses a line of the menu of the webhook.
func (j *journey) choose(label string) {
	j.Helper()
	j.press(j.p, "[popovertarget=webhook-menu]")
	j.p.Visible("#webhook-menu:popover-open")
	j.press(j.p, "#webhook-menu a, #webhook-menu button", label)
}

func (j *journey) rotate() {
	p := j.p
	j.choose("Rotate secret…")
	p.Visible(openModal, "Rotate the signing secret of Ledger?")
	j.press(p, openModal+" button", "Rotate secret")
	p.Visible(openModal, "The old secret also signs until")
	j.storeSecret()
	j.findNoSecret()
	p.Visible("main", "signs until")
	if n := len(strings.Fields(j.test().Get("Webhook-Signature"))); n != 2 {
		j.Errorf("%d signatures while two secrets are live", n)
	}
	j.press(p, "main button", "Use the new secret now")
	p.Visible("#toasts", "Deliveries are signed with the new secret alone from now on.")
	p.Hidden("main", "signs until")
	if n := len(strings.Fields(j.test().Get("Webhook-Signature"))); n != 1 {
		j.Errorf("%d signatures of one secret", n)
	}
}

func (j *journey) duplicate() {
	p := j.p
	j.choose("Duplicate")
	j.storeSecret()
	if j.address = p.Path(); strings.Contains(j.address, j.id) {
		j.Errorf("the copy is at %s", j.address)
	}
	p.Visible("main h1", "Ledger (copy)")
	j.findNoSecret()
	j.address = path.Webhook(j.id)
	p.Goto(j.address)
}

func (j *journey) remove() {
	p := j.p
	p.Allow("POST " + path.WebhookDelete(j.id) + ": 422")
	j.choose("Delete…")
	confirm := openModal + " " + field(posthorn.FieldConfirm)
	j.write(p, confirm, "ledger")
	j.press(p, openModal+" button", "Delete webhook")
	p.Visible(openModal+" .error", "must be the name of the webhook")
	p.Focused(confirm)
	j.write(p, confirm, "Ledger")
	j.press(p, openModal+" button", "Delete webhook")
	p.At(path.Webhooks)
	p.Visible("#toasts", "Ledger is deleted.")
	p.WaitCount(rowLink, 1)
	p.Visible(rowLink, "Ledger (copy)")
}

func TestNothingLiesOverWhatHasTheFocusInTheFormOfAWebhook(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	p := person(t, s)
	for _, size := range []browserkit.Size{browserkit.Desktop, {Width: 390, Height: 844}} {
		p.Viewport(size)
		p.Goto(path.WebhookNew)
		p.Visible(field(posthorn.FieldName))
		reached := false
		for range 120 {
			p.Press("Tab")
			over := browserkit.Eval[string](p, `(() => {
				const el = document.activeElement, r = el.getBoundingClientRect();
				if (el === document.body || !el.closest("#webhook-form")) return "";
				const hit = document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2);
				return hit && (el.contains(hit) || hit.contains(el)) ? "" : (el.id || el.outerHTML) + ": " + hit?.outerHTML;
			})()`)
			if over != "" {
				t.Errorf("%d px: something lies over %.300s", size.Width, over)
				break
			}
			if reached = browserkit.Eval[bool](p, `document.activeElement.matches("#webhook-form .btn-primary")`); reached {
				break
			}
		}
		if !reached && !t.Failed() {
			t.Errorf("%d px: the keyboard does not reach the end of the form", size.Width)
		}
	}
}
