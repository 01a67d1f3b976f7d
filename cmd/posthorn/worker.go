package main

import (
	"context"
	"log/slog"

	"posthorn/internal/app"
)

// worker sends deliveries until it is told to stop, beside other workers and servers on one database.
func worker(ctx context.Context, e env, args []string) error {
	if err := parse(e.flags("worker"), args); err != nil {
		return err
	}
	cfg, err := e.load()
	if err != nil {
		return err
	}
	log := e.logger(cfg, slog.LevelInfo)
	slog.SetDefault(log)
	w, err := app.NewWorker(ctx, cfg, log, version)
	if err != nil {
		return err
	}
	return w.Run(ctx)
}
