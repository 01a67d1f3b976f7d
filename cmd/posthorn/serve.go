package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"posthorn/internal/app"
	"posthorn/internal/config"
	"posthorn/views/path"
)

// serve runs the server until it is told to stop.
func serve(ctx context.Context, e env, args []string) error {
	if err := parse(e.flags("serve"), args); err != nil {
		return err
	}
	cfg, err := e.load()
	if err != nil {
		return err
	}
	log := e.logger(cfg, slog.LevelInfo)
	slog.SetDefault(log) // what libraries say goes the same way
	for _, w := range cfg.Warnings() {
		log.WarnContext(ctx, "configuration", slog.String("warning", w))
	}
	a, err := app.New(ctx, cfg, log, version)
	if err != nil {
		return err
	}
	if err := e.welcome(ctx, a); err != nil {
		return errors.Join(err, a.Close(ctx))
	}
	return a.Run(ctx)
}

// welcome prints, in development, all that it takes to see the first record.
func (e env) welcome(ctx context.Context, a *app.App) error {
	if a.Config.Env != config.Development {
		return nil
	}
	secret := a.Config.IngestSecrets[0].Secret.Reveal()
	fmt.Fprintf(e.stdout, "\nPosthorn  %s\n", a.URL)
	switch kept, err := a.SignIn(ctx); {
	case err == nil:
		fmt.Fprintf(e.stdout, "Sign in   %s   %s\nAPI key   %s\n", kept.Email, kept.Password, kept.APIKey)
	case !errors.Is(err, app.ErrSetUpElsewhere):
		return err
	}
	fmt.Fprintf(e.stdout, `
Post a record:

curl -X POST %s \
  -H 'Content-Type: application/json' \
  -H 'X-Activity-Webhook-Secret: %s' \
  -d '{"activityType":"kya","userId":"user_1","blockchain":"bitcoin","address":"1Drt3c8pSdrkyjuBiwVcSSixZwQtMZ3Tew","riskLevel":"medium","riskScore":42}'

`, a.URL.JoinPath(path.IngestActivity), secret)
	return nil
}
