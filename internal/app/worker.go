package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"posthorn/internal/config"
	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
)

// Worker is a Posthorn that only sends: a dispatcher beside others on one database.
type Worker struct {
	*Backend
	delivery *delivery
	hints    *postgres.Hints
}

// NewWorker opens the backend. version is part of the User-Agent of deliveries. After an error nothing is left open.
func NewWorker(ctx context.Context, cfg *config.Config, log *slog.Logger, version string) (*Worker, error) {
	backend, err := OpenBackend(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	w := &Worker{Backend: backend}
	if w.delivery, err = w.openDelivery(version); err != nil {
		return nil, errors.Join(err, backend.Close(ctx))
	}
	w.hints = postgres.NewHints(w.DB, w.Log, func() {}) // nobody reads here
	w.delivery.outbox.Announce = func(map[posthorn.TenantID]posthorn.DeliveryNotice) { w.hints.Send() }
	return w, nil
}

// Run sends until ctx ends, and then finishes or gives back what is in hand.
func (w *Worker) Run(ctx context.Context) error {
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	work.Go(func() { w.maintenance().Run(background) })
	work.Go(func() { postgres.NewReplayRunner(w.DB, w.delivery.dispatcher.Wake).Run(background) })
	work.Go(func() { postgres.NewResources(w.DB, w.delivery.outbox).RunExpiry(background) })
	work.Go(func() { w.hints.RunSender(background) })
	w.Log.InfoContext(ctx, "posthorn worker is up")
	err := w.delivery.run(ctx)
	cancel()
	work.Wait()
	err = errors.Join(err, w.Close(ctx))
	w.Log.InfoContext(ctx, "posthorn worker has stopped")
	return err
}
