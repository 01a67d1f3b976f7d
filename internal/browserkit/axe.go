package browserkit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Violation is a rule of accessibility that a page breaks.
type Violation struct {
	// ID is the name of the rule, as https://dequeuniversity.com/rules/axe lists it.
	ID     string
	Impact string
	Help   string
	Nodes  []struct {
		Target         []any
		FailureSummary string
	}
}

// String tells the rule and the elements that break it.
func (v Violation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s): %s", v.ID, v.Impact, v.Help)
	for _, n := range v.Nodes {
		fmt.Fprintf(&b, "\n  %v: %s", n.Target, strings.ReplaceAll(n.FailureSummary, "\n", " "))
	}
	return b.String()
}

// axeSource is axe-core as it is installed in the repository that the test belongs to.
var axeSource = sync.OnceValues(func() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod above the folder of the test")
		}
		dir = filepath.Dir(dir)
	}
	text, err := fs.ReadFile(os.DirFS(dir), "static/node_modules/axe-core/axe.min.js")
	return string(text), err
})

// Axe examines the page with axe-core for WCAG 2.0 to 2.2, levels A and AA, and for what is good practice beyond.
func (p *Page) Axe() []Violation {
	p.t.Helper()
	return p.axe("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
}

// Contrast examines with axe-core whether what is written can be told from what is behind it, which is all that a theme changes.
func (p *Page) Contrast() []Violation {
	p.t.Helper()
	return p.axe("color-contrast")
}

// axe examines the page for rules, by their tags or ids.
func (p *Page) axe(rules ...string) []Violation {
	p.t.Helper()
	axe, err := axeSource()
	if err != nil {
		p.t.Fatalf("browserkit: this test needs axe-core in static/node_modules: `make test` installs it: %v", err)
	}
	if !Eval[bool](p, "!!window.axe") {
		Eval[any](p, axe+"; null")
	}
	p.settle()
	return Eval[[]Violation](p, `((rules) => axe.run(document, { runOnly: rules, resultTypes: ["violations"] })
		.then((found) => found.violations.map(({ id, impact, help, nodes }) =>
			({ id, impact, help, nodes: nodes.map(({ target, failureSummary }) => ({ target, failureSummary })) }))))`, rules)
}
