package dispatch

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"posthorn/internal/posthorn"
)

// Options say what a dispatcher works with. Numbers that are zero have their defaults.
type Options struct {
	Store  Store
	Sender Sender
	// Logger gets a line for every attempt and for what goes wrong; nil for none.
	Logger *slog.Logger
	// Concurrency is how many attempts run at once, 512 by default.
	Concurrency int
	// Queue is how many jobs wait in memory at most, 16384 by default, and QueueBytes how many bytes of them, 64 MiB by
	// default; a claim may bring one event more than that. An attempt that is under way has its event beside the queue.
	Queue, QueueBytes int
	// Unwritten is how many attempts may be under way or waiting for their result to be written, twice Concurrency by
	// default. While the store is away, no more than these begin. A result has the kept part of the response, not the event.
	Unwritten int
	// Dispatchers returns how many dispatchers send from the store, this one among them: the limits of each webhook are
	// divided by it. It is asked often and must not block. Nil is for one that is alone.
	Dispatchers func() int
	// Lease is how long a job may be in hand, 90 s by default. It is longer than posthorn.MaxTimeout and Grace together.
	Lease time.Duration
	// Grace is how long a stop takes at most, 20 s by default.
	Grace time.Duration
	// MaxPoll is how long the claim loop waits when nobody wakes it, 5 s by default.
	MaxPoll time.Duration
	// ClaimLimit and ClaimPerWebhook are how many jobs one claim brings at most, altogether and of one webhook, 500 and 100
	// by default.
	ClaimLimit, ClaimPerWebhook int
	// Finishers is how many transactions write results at once, 2 by default, FinishLimit how many results each writes at
	// most, 500 by default.
	Finishers, FinishLimit int
	// Endpoints is how many idle endpoints are remembered beside those in use, 4096 by default.
	Endpoints int
	// EndpointAge is how old the configuration of an endpoint may be when it is used, 5 s by default. A change that nobody
	// told of (see Changed) is noticed by then.
	EndpointAge time.Duration
	// StoreTimeout bounds a call of the store, 10 s by default.
	StoreTimeout time.Duration
}

// withDefaults fills in what is zero and checks the rest.
func (o Options) withDefaults() (Options, error) {
	if o.Store == nil || o.Sender == nil {
		return o, errors.New("dispatch: a store and a sender are needed")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Dispatchers == nil {
		o.Dispatchers = func() int { return 1 }
	}
	for _, n := range []struct {
		name      string
		value     *int
		byDefault int
	}{
		{"Concurrency", &o.Concurrency, 512},
		{"Queue", &o.Queue, 16384},
		{"QueueBytes", &o.QueueBytes, 64 << 20},
		{"ClaimLimit", &o.ClaimLimit, 500},
		{"ClaimPerWebhook", &o.ClaimPerWebhook, 100},
		{"Finishers", &o.Finishers, 2},
		{"FinishLimit", &o.FinishLimit, 500},
		{"Endpoints", &o.Endpoints, 4096},
	} {
		if *n.value == 0 {
			*n.value = n.byDefault
		}
		if *n.value < 0 {
			return o, fmt.Errorf("dispatch: %s is negative", n.name)
		}
	}
	for _, d := range []struct {
		name      string
		value     *time.Duration
		byDefault time.Duration
	}{
		{"Lease", &o.Lease, 90 * time.Second},
		{"Grace", &o.Grace, 20 * time.Second},
		{"MaxPoll", &o.MaxPoll, 5 * time.Second},
		{"EndpointAge", &o.EndpointAge, 5 * time.Second},
		{"StoreTimeout", &o.StoreTimeout, 10 * time.Second},
	} {
		if *d.value == 0 {
			*d.value = d.byDefault
		}
		if *d.value < 0 {
			return o, fmt.Errorf("dispatch: %s is negative", d.name)
		}
	}
	if o.Unwritten == 0 {
		o.Unwritten = 2 * o.Concurrency
	}
	if o.Unwritten < o.Concurrency {
		return o, fmt.Errorf("dispatch: Unwritten is %d, less than the Concurrency of %d", o.Unwritten, o.Concurrency)
	}
	if least := 4 * posthorn.MaxEventBytes; o.QueueBytes < least {
		return o, fmt.Errorf("dispatch: QueueBytes is %d, less than the %d of the four largest events", o.QueueBytes, least)
	}
	if least := posthorn.MaxTimeout + o.Grace; o.Lease <= least {
		return o, fmt.Errorf("dispatch: a lease of %v is not longer than the longest timeout and the grace, %v", o.Lease, least)
	}
	return o, nil
}
