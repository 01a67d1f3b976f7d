package app

import (
	"context"
	"errors"
	"log/slog"

	"posthorn/internal/config"
)

// Worker is a Posthorn that only sends: a dispatcher beside others on one database.
type Worker struct {
	*Backend
	delivery *delivery
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
	return w, nil
}

// Run sends until ctx ends, and then finishes or gives back what is in hand.
func (w *Worker) Run(ctx context.Context) error {
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	maintained := make(chan struct{})
	go func() {
		defer close(maintained)
		w.maintenance().Run(background)
	}()
	w.Log.InfoContext(ctx, "posthorn worker is up")
	err := w.delivery.run(ctx)
	cancel()
	<-maintained
	err = errors.Join(err, w.Close(ctx))
	w.Log.InfoContext(ctx, "posthorn worker has stopped")
	return err
}
