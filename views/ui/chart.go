package ui

import (
	"math"
	"strconv"
)

// Charts are drawn on the server as SVG without style attributes. The functions here turn numbers into geometry; the templates
// write it down. Plots stretch to the width of their card, so text never stands inside them.

const (
	plotHeight  = 160
	plotPadding = 8
	barStep     = 20
	barWidth    = 12
)

// rect is the geometry of one mark, ready for attributes.
type rect struct{ x, y, width, height string }

// px rounds to a tenth, which is more than a screen shows.
func px(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

// niceMax is the smallest of 1, 2, 2.5, 4, 5, 8 or 10 × 10ⁿ that is not below v. It is 1 for nothing.
func niceMax(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 2.5, 4, 5, 8} {
		if m*power >= v {
			return m * power
		}
	}
	return 10 * power
}

// tickLabel writes an axis number: 500, 1.25k.
func tickLabel(v float64) string {
	if v >= 1000 {
		return strconv.FormatFloat(v/1000, 'f', -1, 64) + "k"
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// Bucket is the count of one span of time.
type Bucket struct {
	// Label names the span: "14:00–15:00".
	Label string
	// OK and Failed count what happened in it.
	OK     int
	Failed int
	// Partial marks the span that is not over yet.
	Partial bool
	// URL lists what was counted, from the table below the chart; empty for nowhere.
	URL string
}

// VolumeProps describes a chart of counts over time: what worked above the line, what failed below it.
type VolumeProps struct {
	// ID is unique on the page.
	ID string
	// Buckets are dense and in order, 24 to 60 of them.
	Buckets []Bucket
	// Axis are the labels under the chart, spread evenly.
	Axis []string
	// Summary says in a sentence what the chart shows.
	Summary string
	// SpanHead, OKHead and FailedHead are the heads of the table: "Hour, UTC", "Delivered", "Failed".
	SpanHead   string
	OKHead     string
	FailedHead string
}

type volumeBar struct {
	title    string
	hit      rect
	up, down *rect
	partial  bool
}

type plotTick struct {
	label string
	// y is the line's, textY the label's.
	y, textY string
	zero     bool
}

type volumePlot struct {
	width string
	bars  []volumeBar
	ticks []plotTick
}

// plot computes the mirrored bars on one scale for both sides. A single failure stays visible.
func (p VolumeProps) plot() volumePlot {
	maxOK, maxFailed := 0, 1
	for _, bucket := range p.Buckets {
		maxOK, maxFailed = max(maxOK, bucket.OK), max(maxFailed, bucket.Failed)
	}
	top, low := niceMax(float64(maxOK)), float64(maxFailed)
	room := float64(plotHeight - 2*plotPadding)
	up := min(room*top/(top+low*1.15), room*0.88)
	scale := min(up/top, (room-up)/low)
	base := plotPadding + top*scale

	plot := volumePlot{width: strconv.Itoa(len(p.Buckets) * barStep)}
	for i, bucket := range p.Buckets {
		plot.bars = append(plot.bars, p.bar(i, bucket, base, scale))
	}
	for _, value := range []float64{top, top / 2, 0} {
		if value != math.Trunc(value) {
			continue // there is no half of a thing
		}
		y := base - value*scale
		line := y
		if value == 0 {
			line++
		}
		plot.ticks = append(plot.ticks, plotTick{label: tickLabel(value), y: px(line), textY: px(y + 3.5), zero: value == 0})
	}
	return plot
}

func (p VolumeProps) bar(i int, bucket Bucket, base, scale float64) volumeBar {
	left := float64(i * barStep)
	bar := volumeBar{
		title:   bucket.Label + ": " + Count(int64(bucket.OK)) + " " + p.OKHead + ", " + Count(int64(bucket.Failed)) + " " + p.FailedHead,
		hit:     rect{x: px(left), y: "0", width: strconv.Itoa(barStep), height: strconv.Itoa(plotHeight)},
		partial: bucket.Partial,
	}
	mark := rect{x: px(left + (barStep-barWidth)/2), width: strconv.Itoa(barWidth)}
	if bucket.OK > 0 {
		height := max(1.5, float64(bucket.OK)*scale)
		up := mark
		up.y, up.height = px(base-height), px(height)
		bar.up = &up
	}
	if bucket.Failed > 0 {
		down := mark
		down.y, down.height = px(base+2), px(max(2.5, float64(bucket.Failed)*scale))
		bar.down = &down
	}
	return bar
}

// SparklineProps describes a small chart in a table cell.
type SparklineProps struct {
	Buckets []Bucket
	// Label says what it shows: "412 deliveries, 159 failed".
	Label string
}

type sparkPlot struct {
	viewBox          string
	up, down, nought []rect
}

func (p SparklineProps) plot() sparkPlot {
	maxOK, maxFailed := 1, 0
	for _, bucket := range p.Buckets {
		maxOK, maxFailed = max(maxOK, bucket.OK), max(maxFailed, bucket.Failed)
	}
	up := 22.0
	if maxFailed > 0 {
		up = 15
	}
	scale, base := up/float64(maxOK), up+0.5
	plot := sparkPlot{viewBox: "0 0 " + strconv.Itoa(len(p.Buckets)*4) + " 24"}
	for i, bucket := range p.Buckets {
		x := strconv.Itoa(i * 4)
		if bucket.OK > 0 {
			height := max(1, float64(bucket.OK)*scale)
			plot.up = append(plot.up, rect{x: x, y: px(base - height), width: "3", height: px(height)})
		} else {
			plot.nought = append(plot.nought, rect{x: x, y: px(base - 1), width: "3", height: "1"})
		}
		if bucket.Failed > 0 {
			height := min(7.5, max(2, float64(bucket.Failed)*scale))
			plot.down = append(plot.down, rect{x: x, y: px(base + 1), width: "3", height: px(height)})
		}
	}
	return plot
}

// RiskPart is the count of one level in a RiskStack.
type RiskPart struct {
	// Level is "low", "medium", "high" or "critical".
	Level string
	Count int64
}

// RiskStackProps describes a distribution of risk levels in one bar.
type RiskStackProps struct {
	Parts []RiskPart
	// Label says the counts in a sentence.
	Label string
	// Thin makes it 6 px high instead of 8.
	Thin bool
}

type riskMark struct {
	level, title string
	rect         rect
}

const (
	stackWidth = 1000
	stackGap   = 4
	stackLeast = 14 // a small part stays visible
)

// marks lays the parts side by side over the whole width. Parts without records are left out.
func (p RiskStackProps) marks() []riskMark {
	var parts []RiskPart
	total := int64(0)
	for _, part := range p.Parts {
		if part.Count > 0 {
			parts = append(parts, part)
			total += part.Count
		}
	}
	wide := func(part RiskPart) bool { return float64(part.Count)/float64(total)*stackWidth >= stackLeast }
	flexible, fixed := int64(0), 0
	for _, part := range parts {
		if wide(part) {
			flexible += part.Count
		} else {
			fixed++
		}
	}
	scale := float64(stackWidth-stackGap*(len(parts)-1)-fixed*stackLeast) / float64(max(flexible, 1))
	x, marks := 0.0, make([]riskMark, 0, len(parts))
	for _, part := range parts {
		width := float64(stackLeast)
		if wide(part) {
			width = float64(part.Count) * scale
		}
		marks = append(marks, riskMark{level: part.Level, title: part.Level + ": " + Count(part.Count), rect: rect{x: px(x), width: px(width)}})
		x += width + stackGap
	}
	return marks
}

// RiskScaleProps describes a score on the ruler from 0 to 100.
type RiskScaleProps struct {
	// Score is from 0 to 100; what lies outside is put at the end.
	Score float64
	// Level is the record's; its band is the bright one.
	Level string
}

type riskBand struct {
	level    string
	from, to float64
}

var riskBands = []riskBand{{"low", 0, 25}, {"medium", 25, 50}, {"high", 50, 80}, {"critical", 80, 100}}

func (b riskBand) x() string { return px(b.from*4 + gapIf(b.from > 0)) }

func (b riskBand) width() string { return px((b.to-b.from)*4 - gapIf(b.from > 0) - gapIf(b.to < 100)) }

func gapIf(gap bool) float64 {
	if gap {
		return 1.5
	}
	return 0
}

// marker is the path of the triangle over the score, whole at both ends too.
func (p RiskScaleProps) marker() string {
	return "M" + px(min(max(p.Score*4-5, 0), 390)) + " 1h10l-5 7z"
}

// BarProps describes a share of a whole.
type BarProps struct {
	// Percent is from 0 to 100.
	Percent float64
	// Level colours it by risk; empty is the ordinary chart colour.
	Level string
	// Class sets the width, such as "w-20".
	Class string
}

func (p BarProps) width() string { return px(min(max(p.Percent, 1), 100)) }
