// Command bench measures deliveries from end to end, with the real binary: events are published through the API over HTTP, a
// PostgreSQL that syncs every commit keeps them, and a receiver on the loopback interface takes what is delivered. Beside it
// stands what this machine can do at all: a loop that signs and sends the same bodies to the same receiver, and keeps
// nothing.
//
//	go run ./internal/bench [-duration 15s] [-rates 100,500]
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
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"posthorn/internal/rig"
)

// options are the arguments.
type options struct {
	duration, warmUp              time.Duration
	connections, window, inFlight int
	batch, bytes                  int
	rates                         string
	log                           *slog.Logger
}

func main() {
	var o options
	flag.DurationVar(&o.duration, "duration", 15*time.Second, "how long each phase takes")
	flag.DurationVar(&o.warmUp, "warm-up", 3*time.Second, "how long each phase runs before it counts")
	flag.IntVar(&o.connections, "connections", 32, "how many requests publish at once")
	flag.IntVar(&o.window, "window", 2000, "how many deliveries may be on their way at full speed")
	flag.IntVar(&o.inFlight, "in-flight", 64, "how many attempts the webhook takes at once")
	flag.IntVar(&o.batch, "batch", 100, "events in a batch")
	flag.IntVar(&o.bytes, "bytes", 1024, "size of the data of an event")
	flag.StringVar(&o.rates, "rates", "100,500", "events a second that are published in the phases below full speed")
	flag.Parse()
	o.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, o)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// run measures everything and prints it.
func run(ctx context.Context, out io.Writer, o options) (err error) {
	rates, err := parseRates(o.rates)
	if err != nil {
		return err
	}
	r, err := rig.New(ctx, o.log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close(ctx)) }()
	server, err := r.Process(ctx, "serve", "serve")
	if err != nil {
		return err
	}
	if err := server.Start(ctx); err != nil {
		return errors.Join(err, server.Kill())
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	b, err := newBench(ctx, o, r, server)
	if err != nil {
		return err
	}
	defer b.close()
	fmt.Fprintf(out, "%d processors, %s, events of %d bytes, one webhook with %d attempts at once, fsync on\n\n",
		runtime.NumCPU(), runtime.Version(), o.bytes, o.inFlight)
	return b.phases(ctx, out, rates)
}

func parseRates(text string) ([]int, error) {
	var rates []int
	for field := range strings.SplitSeq(text, ",") {
		if field == "" {
			continue
		}
		rate, err := strconv.Atoi(strings.TrimSpace(field))
		if err != nil || rate < 1 {
			return nil, fmt.Errorf("-rates must be whole numbers from 1, separated by commas, and %q is none", field)
		}
		rates = append(rates, rate)
	}
	return rates, nil
}
