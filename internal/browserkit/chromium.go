// Package browserkit drives a real Chromium in tests of the dashboard. For tests only.
//
// Open gives a test a browser of its own: an incognito context in the one Chromium that all tests of a process share. It
// starts with the first test that wants it and stops with the last. What a page complains of (an error in the console, a
// broken rule of the Content-Security-Policy, a request that failed) fails the test that did not announce it with Allow.
//
// There are no pauses: everything waits for a condition in the page, up to a generous deadline. The conditions are asked
// for from outside, so they outlive a navigation and work where the page may run no script.
package browserkit

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// programs are the names under which Chromium is looked for. scripts/need knows the same.
var programs = []string{"chromium", "chromium-browser", "google-chrome"}

// stopPatience is how long Chromium may take to close by itself.
const stopPatience = 10 * time.Second

// chromium is the one of this process. It runs while it has users.
var chromium struct {
	sync.Mutex
	users int
	// tab returns the first tab, of which those of the tests are made: chromedp hands tabs around as contexts.
	tab  func() context.Context
	stop func() error
}

// acquire returns the running Chromium; it is released at the end of the test.
func acquire(tb testing.TB) func() context.Context {
	tb.Helper()
	chromium.Lock()
	defer chromium.Unlock()
	if chromium.users == 0 {
		if err := start(programs); err != nil {
			tb.Fatalf("browserkit: %v", err)
		}
	}
	chromium.users++
	tb.Cleanup(func() {
		chromium.Lock()
		defer chromium.Unlock()
		if chromium.users--; chromium.users > 0 {
			return
		}
		if err := chromium.stop(); err != nil {
			tb.Errorf("browserkit: stop Chromium: %v", err)
		}
	})
	return chromium.tab
}

var errNoChromium = errors.New("these tests need Chromium, and there is none: `make test` installs it (Debian: apt-get install chromium)")

func find(names []string) (string, error) {
	for _, name := range names {
		if program, err := exec.LookPath(name); err == nil {
			return program, nil
		}
	}
	return "", errNoChromium
}

// start starts Chromium with a fresh profile in a temporary folder. It dies with this process.
func start(names []string) error {
	program, err := find(names)
	if err != nil {
		return err
	}
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(program),
		chromedp.Headless,
		chromedp.NoFirstRun,
		chromedp.NoDefaultBrowserCheck,
		// Containers and root have no sandbox to offer; only our own pages are loaded.
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-extensions", true),
		chromedp.Flag("disable-dev-shm-usage", true),
		// The list below the address bar would cost every window a process of its own.
		chromedp.Flag("disable-features", "WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup"),
		// A page that is not in front is still a page under test.
		chromedp.Flag("disable-background-timer-throttling", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true),
		chromedp.Flag("disable-renderer-backgrounding", true),
		// Pictures look the same everywhere.
		chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Flag("font-render-hinting", "none"),
		chromedp.Flag("lang", "en-GB"),
	)
	tab, cancel := chromedp.NewContext(allocator)
	stop := func() error {
		ctx, done := context.WithTimeout(tab, stopPatience)
		defer done()
		err := chromedp.Cancel(ctx)
		cancel()
		stopAllocator()
		return err
	}
	if err := chromedp.Do(tab); err != nil {
		cancel()
		stopAllocator()
		return fmt.Errorf("start %s: %w", program, err)
	}
	chromium.tab, chromium.stop = func() context.Context { return tab }, stop
	return nil
}
