package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
)

// replay queues deliveries again: those whose ids are given, or what failed for good at a webhook. A running server or worker
// sends them.
func replay(ctx context.Context, e env, args []string) error {
	f := e.flags("replay")
	webhook := f.String("webhook", "", "id of the webhook whose deliveries to replay")
	failed := f.Bool("failed", false, "replay what failed for good at the webhook")
	since := f.Duration("since", 24*time.Hour, "how long ago it failed at most")
	if err := parseArguments(f, args, 0, -1); err != nil {
		return err
	}
	byWebhook := *webhook != "" && *failed && f.NArg() == 0
	if !byWebhook && (*webhook != "" || *failed || f.NArg() == 0) {
		fmt.Fprintln(e.stderr, "posthorn replay: give ids of deliveries, or both --webhook and --failed")
		return errUsage
	}
	if *since <= 0 {
		fmt.Fprintln(e.stderr, "posthorn replay: --since must be positive, such as 24h")
		return errUsage
	}
	b, err := e.backend(ctx)
	if err != nil {
		return err
	}
	r := replayer{env: e, log: postgres.NewDeliveryLog(b.DB)}
	recorder := b.NewEventRecorder()
	// The process that sends finds what is due by itself, and announces what comes of it.
	r.deliveries = b.NewDeliveries(recorder, func() {}, func(posthorn.TenantID, posthorn.DeliveryNotice) {})
	if byWebhook {
		err = r.failed(ctx, *webhook, time.Now().Add(-*since))
	} else {
		err = r.each(ctx, f.Args())
	}
	recorder.Close()
	return errors.Join(err, b.Close(ctx))
}

// replayer queues deliveries and says which.
type replayer struct {
	env        env
	log        *postgres.DeliveryLog
	deliveries *posthorn.Deliveries
}

// each replays deliveries by their ids. One that cannot be replayed does not keep the others from it.
func (r replayer) each(ctx context.Context, ids []string) error {
	var errs []error
	for _, text := range ids {
		id, err := posthorn.ParseDeliveryID(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", text, err))
			continue
		}
		tenant, err := r.log.DeliveryTenant(ctx, id)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		entry, err := r.deliveries.Replay(ctx, posthorn.CommandLine(), tenant, id)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", text, err))
			continue
		}
		fmt.Fprintf(r.env.stdout, "Queued %s  %s  %s\n", entry.ID, entry.Event, entry.URL)
	}
	return errors.Join(errs...)
}

// failed replays what failed for good at a webhook since a time.
func (r replayer) failed(ctx context.Context, webhook string, since time.Time) error {
	id, err := posthorn.ParseWebhookID(webhook)
	if err != nil {
		return fmt.Errorf("--webhook: %w", err)
	}
	tenant, err := r.log.WebhookTenant(ctx, id)
	if err != nil {
		return err
	}
	n, err := r.deliveries.ReplayFailed(ctx, posthorn.CommandLine(), tenant, id, since)
	fmt.Fprintf(r.env.stdout, "Queued %d deliveries of %s that failed since %s\n", n, id, posthorn.FormatTime(since))
	return err
}

// parseArguments reads the flags of a command that takes other arguments, at least and at most so many; -1 for any number.
func parseArguments(f *flag.FlagSet, args []string, least, most int) error {
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return errUsage
	}
	if n := f.NArg(); n < least || most >= 0 && n > most {
		fmt.Fprintf(f.Output(), "%s: %d arguments are not what it takes\n", f.Name(), n)
		f.Usage()
		return errUsage
	}
	return nil
}
