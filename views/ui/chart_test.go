package ui

import (
	"strconv"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/go-cmp/cmp"
)

var fourBuckets = []Bucket{
	{Label: "a", OK: 905},
	{Label: "b", OK: 12, Failed: 1},
	{Label: "c", Failed: 40},
	{Label: "d", OK: 1, Partial: true},
}

// geometry lists x, y, width, height and class of all rects.
func geometry(in *goquery.Selection) [][5]string {
	var out [][5]string
	in.Find("rect").Each(func(_ int, r *goquery.Selection) {
		out = append(out, [5]string{r.AttrOr("x", ""), r.AttrOr("y", ""), r.AttrOr("width", ""), r.AttrOr("height", ""), r.AttrOr("class", "")})
	})
	return out
}

func TestNiceMaxPicksARoundEndOfTheAxis(t *testing.T) {
	t.Parallel()

	for value, want := range map[float64]float64{0: 1, 0.3: 0.4, 1: 1, 2.1: 2.5, 3: 4, 7: 8, 9: 10, 905: 1000, 4001: 5000} {
		if got := niceMax(value); got < want*0.999 || got > want*1.001 {
			t.Errorf("niceMax(%v) = %v, want %v", value, got, want)
		}
	}
}

func TestVolumeMirrorsFailuresBelowTheLineOnOneScale(t *testing.T) {
	t.Parallel()

	page := render(t, Volume(VolumeProps{ID: "v", Buckets: fourBuckets, Summary: "Four hours", SpanHead: "Hour", OKHead: "Delivered", FailedHead: "Failed"}))
	want := [][5]string{
		{"0", "0", "20", "160", "fill-transparent"},
		{"4", "20", "12", "114.7", "fill-chart-1"},
		{"20", "0", "20", "160", "fill-transparent"},
		{"24", "133.2", "12", "1.5", "fill-chart-1"},
		{"24", "136.7", "12", "2.5", "fill-chart-fail"},
		{"40", "0", "20", "160", "fill-transparent"},
		{"44", "136.7", "12", "5.1", "fill-chart-fail"},
		{"60", "0", "20", "160", "fill-transparent"},
		{"64", "133.2", "12", "1.5", "fill-chart-1 opacity-45"},
	}
	if diff := cmp.Diff(want, geometry(page)); diff != "" {
		t.Errorf("bars (-want +got):\n%s", diff)
	}
	attr(t, page.Find("line").Eq(0), "y1", "8")
	attr(t, page.Find("line").Eq(2), "y1", "135.7")
	if got := words(one(t, page, `svg[role=img] > title`)); got != "Four hours" {
		t.Errorf("summary %q", got)
	}
}

func TestVolumeHasTheSameNumbersAsATable(t *testing.T) {
	t.Parallel()

	page := render(t, Volume(VolumeProps{ID: "v", Buckets: fourBuckets, SpanHead: "Hour", OKHead: "Delivered", FailedHead: "Failed"}))
	if got, want := words(page.Find("tbody tr").Eq(1)), "b 12 1"; got != want {
		t.Errorf("row %q, want %q", got, want)
	}
	if got, want := page.Find("g title").Eq(0).Text(), "a: 905 Delivered, 0 Failed"; got != want {
		t.Errorf("title %q, want %q", got, want)
	}
}

func TestVolumeOfNothingIsAnEmptyAxis(t *testing.T) {
	t.Parallel()

	page := render(t, Volume(VolumeProps{ID: "v", Buckets: make([]Bucket, 24)}))
	none(t, page, "rect.fill-chart-1, rect.fill-chart-fail")
	page.Find("line").Each(func(_ int, line *goquery.Selection) {
		if y, err := strconv.ParseFloat(line.AttrOr("y1", ""), 64); err != nil || y < 0 || y > plotHeight {
			t.Errorf("line at %q", line.AttrOr("y1", ""))
		}
	})
}

func TestSparklineMarksSilenceAndFailures(t *testing.T) {
	t.Parallel()

	page := render(t, Sparkline(SparklineProps{Buckets: fourBuckets, Label: "l"}))
	want := [][5]string{
		{"8", "14.5", "3", "1", "fill-line-strong"},
		{"0", "0.5", "3", "15", "fill-chart-1"},
		{"4", "14.5", "3", "1", "fill-chart-1"},
		{"12", "14.5", "3", "1", "fill-chart-1"},
		{"4", "16.5", "3", "2", "fill-chart-fail"},
		{"8", "16.5", "3", "2", "fill-chart-fail"},
	}
	if diff := cmp.Diff(want, geometry(page)); diff != "" {
		t.Errorf("marks (-want +got):\n%s", diff)
	}
}

func TestRiskStackKeepsSmallPartsVisible(t *testing.T) {
	t.Parallel()

	page := render(t, RiskStack(RiskStackProps{Label: "l", Parts: []RiskPart{{"low", 1102}, {"medium", 131}, {"high", 42}, {"critical", 9}}}))
	want := [][5]string{
		{"0", "0", "841.8", "8", "fill-chart-low"},
		{"845.8", "0", "100.1", "8", "fill-chart-medium"},
		{"949.9", "0", "32.1", "8", "fill-chart-high"},
		{"986", "0", "14", "8", "fill-chart-critical"},
	}
	if diff := cmp.Diff(want, geometry(page)); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
}

func TestRiskStackLeavesOutEmptyLevels(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name  string
		parts []RiskPart
		want  [][5]string
	}{
		{"nothing at all", []RiskPart{{"low", 0}, {"high", 0}}, nil},
		{"one level fills it", []RiskPart{{"low", 0}, {"high", 3}}, [][5]string{{"0", "0", "1000", "8", "fill-chart-high"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := geometry(render(t, RiskStack(RiskStackProps{Parts: test.parts})))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("parts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRiskScaleBrightensTheRecordsBandAndMarksTheScore(t *testing.T) {
	t.Parallel()

	page := render(t, RiskScale(RiskScaleProps{Score: 92, Level: "critical"}))
	want := [][5]string{
		{"0", "11", "98.5", "5", "fill-chart-low opacity-25"},
		{"101.5", "11", "97", "5", "fill-chart-medium opacity-25"},
		{"201.5", "11", "117", "5", "fill-chart-high opacity-25"},
		{"321.5", "11", "78.5", "5", "fill-chart-critical"},
	}
	if diff := cmp.Diff(want, geometry(page)); diff != "" {
		t.Errorf("bands (-want +got):\n%s", diff)
	}
	attr(t, one(t, page, "path"), "d", "M363 1h10l-5 7z")
}

func TestBarStaysWithinItsFrame(t *testing.T) {
	t.Parallel()

	for percent, want := range map[float64]string{-3: "1", 0: "1", 44: "44", 250: "100"} {
		page := render(t, Bar(BarProps{Percent: percent, Level: "medium"}))
		attr(t, page.Find("rect").Eq(1), "width", want)
	}
}

func TestVolumeAxisHasWholeNumbersOnly(t *testing.T) {
	t.Parallel()

	for ok, want := range map[int]string{0: "1 0", 1: "1 0", 4: "4 2 0", 5: "5 0", 25: "25 0", 2500: "2.5k 1.25k 0"} {
		page := render(t, Volume(VolumeProps{ID: "v", Buckets: []Bucket{{OK: ok}}}))
		got := strings.Join(page.Find("svg").First().Find("text").Map(func(_ int, s *goquery.Selection) string { return s.Text() }), " ")
		if got != want {
			t.Errorf("%d: axis %q, want %q", ok, got, want)
		}
	}
}

func TestVolumeTableLeadsToWhatWasCounted(t *testing.T) {
	t.Parallel()

	page := render(t, Volume(VolumeProps{ID: "v", Buckets: []Bucket{{Label: "a", URL: "/activity?from=1"}, {Label: "b"}}}))
	attr(t, one(t, page, "tbody a"), "href", "/activity?from=1")
	if got := words(page.Find("tbody th").Eq(1)); got != "b" {
		t.Errorf("second span %q", got)
	}
}

func TestVolumeKeepsTheLastLabelOfTheAxisOnPhones(t *testing.T) {
	t.Parallel()

	for labels, halved := range map[int]bool{5: false, 7: true, 8: false, 9: true} {
		axis := render(t, Volume(VolumeProps{ID: "v", Axis: make([]string, labels)})).Find("div[aria-hidden]")
		if got := strings.Contains(axis.AttrOr("class", ""), "nth-child(even)"); got != halved {
			t.Errorf("%d labels: halved %v, want %v", labels, got, halved)
		}
	}
}
