package ui

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// LatencyPoint is how long the attempts of one span of time took.
type LatencyPoint struct {
	// Label names the span: "14:00–15:00".
	Label string
	// P50, P95 and P99 are percentiles. They are zero when nothing was attempted: the lines have a gap there.
	P50, P95, P99 time.Duration
}

// LatencyProps describes a chart of percentiles over time.
type LatencyProps struct {
	// ID is unique on the page.
	ID string
	// Points are dense and in order, 24 to 60 of them.
	Points []LatencyPoint
	// Axis are the labels under the chart, spread evenly.
	Axis []string
	// Summary says in a sentence what the chart shows.
	Summary string
	// SpanHead is the head of the spans in the table: "Time, UTC".
	SpanHead string
}

// Milliseconds writes how long a request took: "94 ms", "1.71 s", "10.0 s".
func Milliseconds(d time.Duration) string {
	switch {
	case d < time.Millisecond && d > 0:
		return "1 ms"
	case d < time.Second-time.Millisecond/2:
		return strconv.FormatInt(d.Round(time.Millisecond).Milliseconds(), 10) + " ms"
	case d < 10*time.Second-5*time.Millisecond:
		return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) + " s"
	default:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	}
}

// lineLabel names a line at its end.
type lineLabel struct{ text, y, class string }

type latencyPlot struct {
	width  string
	ticks  []plotTick
	labels []lineLabel
	// p50, p95 and p99 are the lines, in several pieces where there are gaps.
	p50, p95, p99 []string
}

// labelHeight is how far apart two labels stand at least.
const labelHeight = 12

// plot computes the three lines on one scale.
func (p LatencyProps) plot() latencyPlot {
	top := time.Duration(0)
	for _, point := range p.Points {
		top = max(top, point.P99, point.P95, point.P50)
	}
	scale := niceMax(float64(top) / float64(time.Millisecond))
	if top == 0 {
		scale = 100
	}
	y := func(ms float64) float64 { return plotPadding + (plotHeight-2*plotPadding)*(1-ms/scale) }
	height := func(d time.Duration) float64 { return y(float64(d) / float64(time.Millisecond)) }

	plot := latencyPlot{width: strconv.Itoa(len(p.Points) * barStep)}
	for _, value := range []float64{scale, scale / 2, 0} {
		plot.ticks = append(plot.ticks, plotTick{label: axisTime(value), y: px(y(value)), textY: px(y(value) + 3.5), zero: value == 0})
	}
	plot.p99 = p.line(func(q LatencyPoint) time.Duration { return q.P99 }, height)
	plot.p95 = p.line(func(q LatencyPoint) time.Duration { return q.P95 }, height)
	plot.p50 = p.line(func(q LatencyPoint) time.Duration { return q.P50 }, height)
	for _, last := range slices.Backward(p.Points) {
		if last.P99 > 0 {
			plot.labels = lineLabels(height(last.P99), height(last.P95), height(last.P50))
			break
		}
	}
	return plot
}

// line draws one percentile. A span with gaps on both sides is a short dash.
func (p LatencyProps) line(of func(LatencyPoint) time.Duration, height func(time.Duration) float64) []string {
	var lines []string
	var piece []string
	end := func() {
		if len(piece) > 0 {
			lines = append(lines, strings.Join(piece, " "))
		}
		piece = nil
	}
	for i, point := range p.Points {
		if point.P99 == 0 {
			end()
			continue
		}
		at := func(x float64) string { return px(x) + "," + px(height(of(point))) }
		middle := (float64(i) + 0.5) * barStep
		alone := (i == 0 || p.Points[i-1].P99 == 0) && (i == len(p.Points)-1 || p.Points[i+1].P99 == 0)
		if alone {
			piece = append(piece, at(middle-barWidth/2), at(middle+barWidth/2))
		} else {
			piece = append(piece, at(middle))
		}
	}
	end()
	return lines
}

// lineLabels puts the names of the lines at their ends, one below the other, and moves them apart where they would cover each
// other.
func lineLabels(p99, p95, p50 float64) []lineLabel {
	ys := []float64{p99, p95, p50}
	for i := 1; i < len(ys); i++ {
		ys[i] = max(ys[i], ys[i-1]+labelHeight)
	}
	over := max(0, ys[2]-(plotHeight-plotPadding))
	for i := len(ys) - 1; i >= 0 && over > 0; i-- {
		ys[i] -= over
		if i > 0 {
			over = max(0, ys[i-1]+labelHeight-ys[i])
		}
	}
	names := []lineLabel{{text: "p99", class: "fill-subtle"}, {text: "p95", class: "fill-chart-1 font-semibold"}, {text: "p50", class: "fill-subtle"}}
	for i := range names {
		names[i].y = px(ys[i] + 3.5)
	}
	return names
}

// axisTime writes a number of milliseconds on the axis: "500 ms", "2.5 s".
func axisTime(ms float64) string {
	if ms >= 1000 {
		return strconv.FormatFloat(ms/1000, 'f', -1, 64) + " s"
	}
	return strconv.FormatFloat(math.Round(ms*100)/100, 'f', -1, 64) + " ms"
}

// latencyCell writes a percentile of the table.
func latencyCell(d time.Duration) string {
	if d == 0 {
		return "–"
	}
	return Milliseconds(d)
}
