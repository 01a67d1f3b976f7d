package static

import (
	"math"
	"strconv"
	"testing"
)

// pair is a foreground on a background and the contrast that WCAG 2.2 AA asks for.
type pair struct {
	fore, back string
	least      float64
}

const (
	forText  = 4.5
	forMarks = 3
)

var pairs = []pair{
	{"ink", "canvas", forText},
	{"ink", "surface", forText},
	{"ink", "sunken", forText},
	{"ink", "raised", forText},
	{"ink", "thumb", forText},
	{"muted", "canvas", forText},
	{"muted", "surface", forText},
	{"muted", "sunken", forText},
	{"muted", "raised", forText},
	{"subtle", "canvas", forText},
	{"subtle", "surface", forText},
	{"subtle", "sunken", forText},
	{"subtle", "raised", forText},
	{"on-primary", "primary", forText},
	{"on-primary", "primary-hover", forText},
	{"accent", "canvas", forText},
	{"accent", "surface", forText},
	{"accent", "accent-soft", forText},
	{"success", "surface", forText},
	{"success", "success-soft", forText},
	{"warning", "surface", forText},
	{"warning", "warning-soft", forText},
	{"danger", "surface", forText},
	{"danger", "danger-soft", forText},
	{"on-danger", "danger-solid", forText},
	{"risk-low", "risk-low-soft", forText},
	{"risk-medium", "risk-medium-soft", forText},
	{"risk-high", "risk-high-soft", forText},
	{"on-danger", "risk-critical-solid", forText},
	{"risk-low", "surface", forText},
	{"risk-medium", "surface", forText},
	{"risk-high", "surface", forText},
	{"risk-critical", "surface", forText},
	{"subtle", "accent-soft", forText},
	{"muted", "accent-soft", forText},
	{"danger", "accent-soft", forText},
	{"success", "accent-soft", forText},
	{"muted", "warning-soft", forText},
	{"muted", "danger-soft", forText},
	{"muted", "success-soft", forText},
	{"code-key", "sunken", forText},
	{"code-string", "sunken", forText},
	{"code-number", "sunken", forText},
	{"code-literal", "sunken", forText},
	{"control", "surface", forMarks},
	{"control", "canvas", forMarks},
	{"focus", "surface", forMarks},
	{"focus", "canvas", forMarks},
	{"chart-1", "surface", forMarks},
	{"chart-2", "surface", forMarks},
	{"chart-3", "surface", forMarks},
	{"chart-fail", "surface", forMarks},
	{"chart-low", "surface", forMarks},
	{"chart-medium", "surface", forMarks},
	{"chart-high", "surface", forMarks},
	{"chart-critical", "surface", forMarks},
}

func TestColoursReachTheirContrastInBothThemes(t *testing.T) {
	t.Parallel()

	colours := tokens(t)
	for _, p := range pairs {
		for theme, name := range []string{"light", "dark"} {
			fore, back := colours[p.fore][theme], colours[p.back][theme]
			if fore == "" || back == "" {
				t.Errorf("no token %s or %s", p.fore, p.back)
				continue
			}
			if got := contrast(t, fore, back); got < p.least {
				t.Errorf("%s on %s, %s: %.2f, want %.1f", p.fore, p.back, name, got, p.least)
			}
		}
	}
}

func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// luminance is the relative luminance of "#rrggbb" as WCAG defines it.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		value, err := strconv.ParseUint(colour[1+2*i:3+2*i], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		channel := float64(value) / 255
		if channel <= 0.04045 {
			channel /= 12.92
		} else {
			channel = math.Pow((channel+0.055)/1.055, 2.4)
		}
		sum += weight * channel
	}
	return sum
}
