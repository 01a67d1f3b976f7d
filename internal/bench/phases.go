package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"posthorn/internal/posthorn"
	"posthorn/internal/rig"
)

// drainLimit bounds how long the rest of a phase may be on its way.
const drainLimit = time.Minute

// bench is what the phases run on.
type bench struct {
	o        options
	rig      *rig.Rig
	server   *rig.Process
	receiver *receiver
	api      *rig.API
	publish  *publisher
	secret   posthorn.SigningSecret
}

func newBench(ctx context.Context, o options, r *rig.Rig, server *rig.Process) (*bench, error) {
	b := &bench{o: o, rig: r, server: server, api: r.API(o.connections)}
	var err error
	if b.receiver, err = newReceiver(ctx); err != nil {
		return nil, err
	}
	w, err := b.api.CreateWebhook(ctx, server.URL, map[string]any{
		"url": b.receiver.url, "name": "bench", "events": []string{"submission.*"}, "maxInFlight": o.inFlight,
	})
	if err != nil {
		return nil, err
	}
	var rule string
	if b.secret, rule = posthorn.ParseSigningSecret(w.Secret); rule != "" {
		return nil, errors.New("the webhook's secret " + rule)
	}
	b.publish = newPublisher(b.api, server.URL, o.bytes)
	return b, nil
}

func (b *bench) close() {
	b.api.Close()
	b.receiver.close()
}

// measured is what a phase gave.
type measured struct {
	deliveries int
	took       time.Duration
	latency    []time.Duration
	// posthorn and postgres are the CPU time.
	posthorn, postgres time.Duration
	repeated           int
}

func (m *measured) perSecond() float64 { return float64(m.deliveries) / m.took.Seconds() }

// percentile is in milliseconds.
func (m *measured) percentile(p int) float64 {
	if len(m.latency) == 0 {
		return 0
	}
	return float64(m.latency[(len(m.latency)-1)*p/100].Microseconds()) / 1000
}

// perThousand is seconds of CPU time for a thousand deliveries.
func (m *measured) perThousand(cpu time.Duration) float64 {
	return cpu.Seconds() * 1000 / float64(max(m.deliveries, 1))
}

// phases runs them all and prints a line each.
func (b *bench) phases(ctx context.Context, out io.Writer, rates []int) error {
	fmt.Fprintf(out, "%-22s %12s %9s %9s %9s %14s %14s %9s\n", "phase", "deliveries/s", "p50 ms", "p95 ms", "p99 ms",
		"posthorn CPU/k", "postgres CPU/k", "repeated")
	var best float64
	phase := func(name string, rate, batch int) error {
		m, err := b.phase(ctx, rate, batch)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if rate == 0 {
			best = max(best, m.perSecond())
		}
		fmt.Fprintf(out, "%-22s %12.0f %9.1f %9.1f %9.1f %14.3f %14.3f %9d\n", name, m.perSecond(), m.percentile(50), m.percentile(95),
			m.percentile(99), m.perThousand(m.posthorn), m.perThousand(m.postgres), m.repeated)
		return nil
	}
	if err := phase("single, full speed", 0, 1); err != nil {
		return err
	}
	if err := phase(fmt.Sprintf("batches of %d, full", b.o.batch), 0, b.o.batch); err != nil {
		return err
	}
	for _, rate := range rates {
		if err := phase(fmt.Sprintf("single, %d/s", rate), rate, 1); err != nil {
			return err
		}
	}
	ceiling, cpu := b.ceiling(ctx)
	fmt.Fprintf(out, "%-22s %12.0f %29s %14.3f\n", "bare signed sender", ceiling, "", cpu)
	fmt.Fprintf(out, "\nPosthorn at full speed delivers %.2f of what a bare sender does on this machine.\n", best/ceiling)
	return b.memory(out)
}

// phase publishes for a while, after a warm-up, and waits for the rest.
func (b *bench) phase(ctx context.Context, rate, batch int) (*measured, error) {
	b.receiver.forget()
	b.publish.published.Store(0)
	l := &load{p: b.publish, connections: b.o.connections, batch: batch, rate: rate, arrived: b.receiver.arrived, room: func() bool {
		events, _ := b.receiver.received()
		return int(b.publish.published.Load())-events < b.o.window
	}}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- l.run(ctx) }()
	if err := wait(ctx, b.o.warmUp, ended); err != nil {
		return nil, err
	}
	before, err := b.usage()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	b.receiver.count()
	if err := wait(ctx, b.o.duration, ended); err != nil {
		return nil, err
	}
	m := &measured{latency: b.receiver.counted(), took: time.Since(began)}
	m.deliveries = len(m.latency)
	after, err := b.usage()
	if err != nil {
		return nil, err
	}
	m.posthorn, m.postgres = after[0]-before[0], after[1]-before[1]
	cancel()
	if err := <-ended; err != nil {
		return nil, err
	}
	m.repeated, err = b.drain(context.WithoutCancel(ctx))
	return m, err
}

// wait lets a phase go on for a while, unless it ends by itself, which is a failure.
func wait(ctx context.Context, d time.Duration, ended <-chan error) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case err := <-ended:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// usage is the CPU time of Posthorn and of PostgreSQL so far.
func (b *bench) usage() (cpu [2]time.Duration, err error) {
	for i, pid := range []int{b.server.PID(), b.rig.PG.PID()} {
		u, err := rig.UsageOf(pid)
		if err != nil {
			return cpu, err
		}
		cpu[i] = u.CPU
	}
	return cpu, nil
}

// drain waits until everything that was accepted has arrived, and returns how many deliveries came more than once.
func (b *bench) drain(ctx context.Context) (repeated int, err error) {
	ctx, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	for {
		events, repeated := b.receiver.received()
		missing := int(b.publish.published.Load()) - events
		if missing == 0 {
			return repeated, nil
		}
		select {
		case <-b.receiver.arrived:
		case <-ctx.Done():
			return repeated, fmt.Errorf("%d of %d events did not arrive", missing, b.publish.published.Load())
		}
	}
}

// memory prints the peaks.
func (b *bench) memory(out io.Writer) error {
	u, err := rig.UsageOf(b.server.PID())
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Posthorn's memory was %d MiB at most.\n", u.Peak>>20)
	return nil
}
