package app

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"posthorn/internal/deliver"
	"posthorn/internal/dispatch"
	"posthorn/internal/metrics"
	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
)

// How deliveries are sent.
const (
	// deliveryLease is how long a delivery is reserved for the process that has it in hand: the longest attempt, the grace of
	// a stop, and a while in the queue.
	deliveryLease = 90 * time.Second
	// deliveryGrace is how long attempts may go on when the process stops. With what follows it stays under the 20 seconds in
	// which the process is gone after SIGTERM.
	deliveryGrace = 11 * time.Second
)

// delivery is the half of Posthorn that sends: the outbox that events go through, and the dispatcher that takes them from
// there.
type delivery struct {
	outbox     *postgres.Outbox
	dispatcher *dispatch.Dispatcher
	client     *deliver.Client
	// dispatchers are all that send from the database, which share the limits of webhooks.
	dispatchers *postgres.Dispatchers
	looks       lookingStore
}

// openDelivery makes the dispatcher; it does not send yet.
func (b *Backend) openDelivery(version string) (*delivery, error) {
	d := &delivery{outbox: &postgres.Outbox{Metrics: b.metrics}, dispatchers: postgres.NewDispatchers(b.DB)}
	d.looks.Store = postgres.NewDispatching(b.DB, b.Box, d.outbox)
	d.client = deliver.New(deliver.Options{Policy: b.Targets, UserAgent: "Posthorn/" + version})
	send := func(ctx context.Context, r posthorn.Request) posthorn.Outcome {
		return d.client.Do(ctx, deliver.Request{URL: r.URL, Header: r.Headers, Body: r.Body, Timeout: r.Timeout})
	}
	var err error
	d.dispatcher, err = dispatch.New(dispatch.Options{
		Store: &d.looks, Sender: dispatch.SenderFunc(send), Logger: b.Log,
		Lease: deliveryLease, Grace: deliveryGrace, Dispatchers: d.dispatchers.Live,
	})
	if err != nil {
		return nil, fmt.Errorf("make the dispatcher: %w", err)
	}
	b.webhookChanged = d.dispatcher.Changed
	d.outbox.HandOffTo(postgres.HandOff{NewLease: d.dispatcher.NewLease, Offer: d.dispatcher.Offer})
	b.watch(d.dispatcher)
	return d, nil
}

// run sends until ctx ends, and then finishes or gives back what is in hand. What is published from then on is left to
// others.
func (d *delivery) run(ctx context.Context) error {
	defer d.client.Close()
	stop := context.AfterFunc(ctx, d.outbox.StopHandingOff)
	defer stop()
	return d.dispatchers.During(ctx, func() error { return d.dispatcher.Run(ctx) })
}

// watch adds what is under way here, and what is due in all processes, to the metrics.
func (b *Backend) watch(d *dispatch.Dispatcher) {
	b.metrics.WatchDispatch(func() (inFlight, queued int64) {
		stats := d.Stats()
		return stats.InFlight, stats.Queued
	})
	b.metrics.WatchDue(func(ctx context.Context) (metrics.Due, error) {
		health, err := b.DB.DueHealth(ctx)
		return metrics.Due{Deliveries: health.Due, Oldest: health.Oldest, StuckWebhooks: health.Stuck}, err
	})
}

// lookingStore is the store of a dispatcher, and knows when that last found out what is due.
type lookingStore struct {
	dispatch.Store
	at atomic.Pointer[time.Time]
}

// Claim implements [dispatch.Store].
func (s *lookingStore) Claim(ctx context.Context, r dispatch.ClaimRequest) (dispatch.Claim, error) {
	claim, err := s.Store.Claim(ctx, r)
	if err == nil {
		s.at.Store(new(time.Now()))
	}
	return claim, err
}

// last is when the dispatcher last looked, zero for never.
func (s *lookingStore) last() time.Time {
	if at := s.at.Load(); at != nil {
		return *at
	}
	return time.Time{}
}
