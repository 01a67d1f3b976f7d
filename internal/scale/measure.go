package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"posthorn/internal/rig"
)

// question is what is asked: addresses that are asked for in turn, so that not every answer lies ready.
type question struct {
	name    string
	targets []string
}

// answers are how long the answers to a question took, in order.
type answers struct {
	question
	took []time.Duration
	// cpu is the time that an answer took on all processors, in the mean; 0 when that is not known.
	cpu time.Duration
}

func (a *answers) percentile(p int) time.Duration { return a.took[(len(a.took)-1)*p/100] }

// measure asks a question so often. The first time does not count: a page is made for readers, who look at more than one.
func measure(ctx context.Context, c *client, q question, times int, used func() (time.Duration, error)) (*answers, error) {
	a := &answers{question: q}
	var before time.Duration
	for i := range times + 1 {
		if i == 1 {
			var err error
			if before, err = used(); err != nil {
				return nil, err
			}
		}
		_, took, err := c.get(ctx, q.targets[i%len(q.targets)])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", q.name, err)
		}
		if i > 0 {
			a.took = append(a.took, took)
		}
	}
	slices.Sort(a.took)
	after, err := used()
	a.cpu = (after - before) / time.Duration(times)
	return a, err
}

// usedBy returns what counts the CPU time of processes and their children.
func usedBy(pids []int) func() (time.Duration, error) {
	return func() (sum time.Duration, err error) {
		for _, pid := range pids {
			u, err := rig.UsageOf(pid)
			if err != nil {
				return 0, err
			}
			sum += u.CPU
		}
		return sum, nil
	}
}

// report prints what was measured and counts what is over the limit.
type report struct {
	out         io.Writer
	limit       time.Duration
	asked, over int
	// total are all answers to the questions of a group that are not printed one by one.
	total []time.Duration
	cpu   time.Duration
}

const lineFormat = "%-58s %8.1f %8.1f %8.1f %8.1f  %s\n"

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (r *report) heading(title string) {
	fmt.Fprintf(r.out, "\n%-58s %8s %8s %8s %8s\n", title, "p50 ms", "p95 ms", "max ms", "CPU ms")
}

// line prints an answer. A quiet one is printed only when it is over the limit.
func (r *report) line(a *answers, quiet bool) {
	r.asked++
	mark := ""
	if a.percentile(95) > r.limit {
		r.over++
		mark = "over the limit"
	}
	if quiet {
		r.total = append(r.total, a.took...)
		r.cpu += a.cpu
	}
	if !quiet || mark != "" {
		fmt.Fprintf(r.out, lineFormat, a.name, milliseconds(a.percentile(50)), milliseconds(a.percentile(95)), milliseconds(a.percentile(100)),
			milliseconds(a.cpu), mark)
	}
}

// sum prints all quiet lines together.
func (r *report) sum(questions int) {
	all := answers{took: r.total, cpu: r.cpu / time.Duration(max(questions, 1))}
	slices.Sort(all.took)
	r.total, r.cpu = nil, 0
	if len(all.took) > 0 {
		fmt.Fprintf(r.out, lineFormat, fmt.Sprintf("%d combinations together", questions), milliseconds(all.percentile(50)),
			milliseconds(all.percentile(95)), milliseconds(all.percentile(100)), milliseconds(all.cpu), "")
	}
}

// ask asks everything and prints the answers.
func ask(ctx context.Context, out io.Writer, o *options) error {
	c, err := newClient(ctx, o)
	if err != nil {
		return err
	}
	past, err := look(ctx, c)
	if err != nil {
		return err
	}
	r := &report{out: out, limit: o.limit}
	for _, g := range past.groups() {
		r.heading(g.title)
		times := o.requests
		if g.combined {
			times = o.combined
		}
		for _, q := range g.questions {
			a, err := measure(ctx, c, q, times, usedBy(o.pids))
			if err != nil {
				return err
			}
			r.line(a, g.combined)
		}
		if g.combined {
			r.sum(len(g.questions))
		}
	}
	fmt.Fprintf(out, "\n%d of %d questions are over %s at the 95th percentile.\n", r.over, r.asked, o.limit)
	if r.over > 0 {
		return fmt.Errorf("%d of %d questions are over %s", r.over, r.asked, o.limit)
	}
	return nil
}
