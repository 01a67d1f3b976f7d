package app

import (
	"context"
	"fmt"
	"time"

	"posthorn/internal/deliver"
	"posthorn/internal/dispatch"
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
}

// openDelivery makes the dispatcher; it does not send yet.
func (b *Backend) openDelivery(version string) (*delivery, error) {
	d := &delivery{outbox: &postgres.Outbox{}}
	d.client = deliver.New(deliver.Options{Policy: b.Targets, UserAgent: "Posthorn/" + version})
	send := func(ctx context.Context, r posthorn.Request) posthorn.Outcome {
		return d.client.Do(ctx, deliver.Request{URL: r.URL, Header: r.Headers, Body: r.Body, Timeout: r.Timeout})
	}
	var err error
	d.dispatcher, err = dispatch.New(dispatch.Options{
		Store: postgres.NewDispatching(b.DB, b.Box, d.outbox), Sender: dispatch.SenderFunc(send), Logger: b.Log,
		Lease: deliveryLease, Grace: deliveryGrace,
	})
	if err != nil {
		return nil, fmt.Errorf("make the dispatcher: %w", err)
	}
	b.webhookChanged = d.dispatcher.Changed
	d.outbox.HandOffTo(postgres.HandOff{NewLease: d.dispatcher.NewLease, Offer: d.dispatcher.Offer})
	return d, nil
}

// run sends until ctx ends, and then finishes or gives back what is in hand. What is published from then on is left to
// others.
func (d *delivery) run(ctx context.Context) error {
	defer d.client.Close()
	stop := context.AfterFunc(ctx, d.outbox.StopHandingOff)
	defer stop()
	return d.dispatcher.Run(ctx)
}
