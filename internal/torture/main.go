// Command torture looks for lost deliveries. It runs the real binary, two servers and a worker on one PostgreSQL, publishes to
// them, and meanwhile kills one after the other, stops PostgreSQL in the middle of its work, and lets receivers time out,
// reset connections, and answer with errors, garbage, endless bodies and headers without end. Then all is well again, and the
// rest has to arrive. In the end every event that was accepted has arrived at every receiver, and what arrived twice did so
// because of a kill.
//
//	go run ./internal/torture [-duration 60s] [-seed 1]
//
// The seed decides on the faults and their times. One waiting is cut short: when the faults are over, what waits for its next
// attempt is made due at once. What a killed process had in hand is sent again when its lease has run out, which takes up to
// 90 seconds longer than the faults.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"posthorn/internal/rig"
)

// options are the arguments.
type options struct {
	duration time.Duration
	seed     uint64
	rate     int
	// kills and restarts are the mean times between two.
	kills, restarts time.Duration
	drain           time.Duration
	log             *slog.Logger
}

func main() {
	var o options
	flag.DurationVar(&o.duration, "duration", time.Minute, "how long the faults go on")
	flag.Uint64Var(&o.seed, "seed", 1, "decides on the faults")
	flag.IntVar(&o.rate, "rate", 30, "events that are published a second, each for every receiver")
	flag.DurationVar(&o.kills, "kills", 5*time.Second, "mean time between two kills of a process")
	flag.DurationVar(&o.restarts, "restarts", 20*time.Second, "mean time between two crashes of PostgreSQL")
	flag.DurationVar(&o.drain, "drain", 3*time.Minute, "how long the rest may take to arrive")
	flag.Parse()
	o.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, o)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "torture: %v\n", err)
		os.Exit(1)
	}
}

// overhead is what building, starting, stopping and judging may take beside the time of the faults and that of the rest.
const overhead = 5 * time.Minute

// run torments and judges.
func run(ctx context.Context, out io.Writer, o options) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, o.duration+o.drain+overhead, errors.New("something hangs: the time for the whole is over"))
	defer cancel()
	r, err := rig.New(ctx, o.log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close(ctx)) }()
	v := &victim{rig: r, api: r.API(publishers)}
	defer v.api.Close()
	defer func() { err = errors.Join(err, v.kill()) }() // what a failure left running
	for _, p := range []struct{ name, command string }{{"first", "serve"}, {"second", "serve"}, {"third", "worker"}} {
		process, err := r.Process(ctx, p.name, p.command)
		if err != nil {
			return err
		}
		v.processes = append(v.processes, process)
		if err := process.Start(ctx); err != nil {
			return err
		}
	}
	receivers, err := newReceivers(ctx, v, o.seed)
	if err != nil {
		return err
	}
	defer receivers.close()
	fmt.Fprintf(out, "seed %d: %d receivers, %d processes, %d events a second for %s\n", o.seed, len(receivers.all), len(v.processes), o.rate, o.duration)
	p := &producer{victim: v, rate: o.rate}
	f := &faults{victim: v, o: o}
	tormented, mend := context.WithTimeout(ctx, o.duration)
	defer mend()
	faulted := make(chan error, 1)
	go func() { faulted <- f.run(tormented) }()
	published := p.run(tormented, ctx)
	if err := errors.Join(<-faulted, published, context.Cause(ctx)); err != nil {
		return errors.Join(err, v.keepLogs(out))
	}
	receivers.mend()
	if err := v.recover(ctx, f.last()); err != nil {
		return errors.Join(err, v.keepLogs(out))
	}
	err = judge(ctx, out, o, p, f, receivers)
	if err == nil {
		err = v.stop()
	}
	if err != nil {
		err = errors.Join(err, v.keepLogs(out))
	}
	return err
}
