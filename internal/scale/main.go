// Command scale asks an installation with millions of deliveries for every list, filter and chart, and says how long the answers
// take. It runs the real binary on a PostgreSQL of its own, which it fills with the history of a busy month.
//
//	go run ./internal/scale [-deliveries 5000000] [-requests 20] [-limit 100ms]
//
// It prints a line for each question: the median, the 95th percentile and the longest of its answers, and what an answer takes of
// the processors, Posthorn and PostgreSQL together, which says more where other programs are at work. It ends with code 1 when a
// 95th percentile is over the limit. Of the combinations of filters it prints the sum, and those that are over the limit.
//
// With -server it asks a server that runs already, with -email and -password of an admin and an API -key that may read. What it
// asks for changes nothing.
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
	"strconv"
	"syscall"
	"time"

	"posthorn/internal/history"
	"posthorn/internal/pgserver"
	"posthorn/internal/rig"
)

// options are the arguments.
type options struct {
	deliveries, requests         int
	combined                     int
	seed                         uint64
	limit                        time.Duration
	server, email, password, key string
	// pids are the processes that answer, where they are on this machine.
	pids []int
	log  *slog.Logger
}

func main() {
	var o options
	flag.IntVar(&o.deliveries, "deliveries", 5_000_000, "how many deliveries the history has")
	flag.IntVar(&o.requests, "requests", 20, "how often each question is asked")
	flag.IntVar(&o.combined, "combined", 6, "how often each combination of filters is asked for")
	flag.Uint64Var(&o.seed, "seed", 1, "decides on the history")
	flag.DurationVar(&o.limit, "limit", 100*time.Millisecond, "what a 95th percentile must not exceed")
	flag.StringVar(&o.server, "server", "", "address of a server to ask, instead of a new one")
	flag.StringVar(&o.email, "email", "", "sign-in at that server")
	flag.StringVar(&o.password, "password", "", "sign-in at that server")
	flag.StringVar(&o.key, "key", "", "API key of that server")
	flag.Func("pid", "a process of that server or of its PostgreSQL on this machine, whose CPU time is counted; may be repeated", func(text string) error {
		pid, err := strconv.Atoi(text)
		o.pids = append(o.pids, pid)
		return err
	})
	flag.Parse()
	o.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, &o)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "scale: %v\n", err)
		os.Exit(1)
	}
}

// run fills, asks, and prints.
func run(ctx context.Context, out io.Writer, o *options) (err error) {
	if o.server != "" {
		return ask(ctx, out, o)
	}
	r, err := rig.New(ctx, o.log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close(ctx)) }()
	if err := fill(ctx, out, o, r); err != nil {
		return err
	}
	server, err := r.Process(ctx, "serve", "serve")
	if err != nil {
		return err
	}
	if err := server.Start(ctx); err != nil {
		return errors.Join(err, server.Kill())
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	o.server, o.email, o.password, o.key = server.URL, r.Owner.Email, r.Owner.Password, r.Owner.APIKey
	o.pids = []int{server.PID(), r.PG.PID()}
	return ask(ctx, out, o)
}

// fill makes the history.
func fill(ctx context.Context, out io.Writer, o *options, r *rig.Rig) error {
	began := time.Now()
	url := r.PG.URL(pgserver.DefaultDatabase)
	past, err := history.Fill(ctx, history.Options{URL: url, Tenant: r.Owner.TenantID, Deliveries: o.deliveries, Seed: o.seed, Progress: func(done, days int) {
		fmt.Fprintf(os.Stderr, "\rday %d of %d", done, days)
	}})
	fmt.Fprintln(os.Stderr)
	if err != nil {
		return fmt.Errorf("fill the database: %w", err)
	}
	size, err := sizeOf(ctx, url)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d deliveries, %d attempts, %d events; %d wait, %d failed, %d were stopped; %d webhooks\n"+
		"filled in %s, %s of it maintenance; the database has %.1f GB\n\n", past.Deliveries, past.Attempts, past.Events, past.Waiting, past.Failed,
		past.Cancelled, history.Webhooks, time.Since(began).Round(time.Second), past.Maintenance.Round(time.Second), float64(size)/1e9)
	return nil
}
