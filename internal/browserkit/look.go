package browserkit

import (
	"os"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
)

// Size is the size of a window in CSS pixels. One as narrow as a phone is a phone's, with a touch screen.
type Size struct{ Width, Height int64 }

// The sizes that the design was drawn for.
var (
	Desktop = Size{1440, 900}
	Phone   = Size{375, 812}
)

// widestPhone is the widest window that has a touch screen.
const widestPhone = 480

// Viewport gives the window another size.
func (p *Page) Viewport(s Size) {
	p.t.Helper()
	phone := s.Width <= widestPhone
	call(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: s.Width, Height: s.Height, DeviceScaleFactor: 1, Mobile: phone,
	})
	call(p, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: phone})
}

// Scheme is the theme that the system of the reader asks for.
type Scheme string

// The themes.
const (
	Light Scheme = "light"
	Dark  Scheme = "dark"
)

// Motion is whether the system of the reader asks for stillness.
type Motion string

// Whether things may move.
const (
	FullMotion Motion = "no-preference"
	Still      Motion = "reduce"
)

// Prefer sets what the system of the reader asks for.
func (p *Page) Prefer(scheme Scheme, motion Motion) {
	p.t.Helper()
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: string(scheme)}, {Name: "prefers-reduced-motion", Value: string(motion)},
	}})
}

// settle waits until what was changed is drawn and nothing moves any more, but for what moves for ever. One transition may
// start another, in what inherits from it, so two frames in a row must be still.
func (p *Page) settle() {
	p.t.Helper()
	Eval[any](p, `(async () => {
		for (let still = 0; still < 2; ) {
			await new Promise(requestAnimationFrame);
			const moving = document.getAnimations().some((a) => a.playState === "running" && a.effect.getTiming().iterations < Infinity);
			still = moving ? 0 : still + 1;
		}
	})()`)
}

// DisableScript makes a browser without JavaScript of it, from the next page on. Eval and everything that waits still work.
func (p *Page) DisableScript() {
	p.t.Helper()
	call(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
}

// Overflow returns by how many pixels the page is wider than the window, and what sticks out farthest.
func (p *Page) Overflow() (pixels int, culprit string) {
	p.t.Helper()
	found := Eval[struct {
		Pixels  int
		Culprit string
	}](p, `(() => {
		const pixels = document.documentElement.scrollWidth - document.documentElement.clientWidth;
		let culprit = "", edge = document.documentElement.clientWidth;
		if (pixels > 0) for (const el of document.body.querySelectorAll("*")) {
			const { right } = el.getBoundingClientRect();
			if (right > edge) [edge, culprit] = [right, el.outerHTML.slice(0, 200)];
		}
		return { pixels, culprit };
	})()`)
	return found.Pixels, found.Culprit
}

// Screenshot writes what the window shows to a file, as PNG.
func (p *Page) Screenshot(file string) {
	p.t.Helper()
	if err := os.WriteFile(file, call(p, page.CaptureScreenshot, page.CaptureScreenshotParams{}).Data, 0o600); err != nil {
		p.t.Fatalf("browserkit: write a screenshot: %v", err)
	}
}
