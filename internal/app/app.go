package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"posthorn/internal/config"
	"posthorn/internal/live"
	"posthorn/internal/metrics"
	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
	"posthorn/views/path"
	"posthorn/web"
)

// stopTimeout is how long requests in hand may take to end, while deliveries have deliveryGrace. With the last flush of the
// recorders and closeTimeout it stays under the 20 seconds in which the process is gone after SIGTERM. What is cut off was
// not acknowledged.
const stopTimeout = 7 * time.Second

// App is a running Posthorn.
type App struct {
	*Backend
	// URL is where people reach the server.
	URL      *url.URL
	listener net.Listener
	server   *web.Server
	recorder *postgres.ActivityRecorder
	events   *postgres.EventRecorder
	delivery *delivery
	replays  *postgres.ReplayRunner
	// resources are those that fire events.
	resources *postgres.Resources
	hub       *live.Hub[posthorn.ActivityNotice]
	log       *live.Hub[posthorn.DeliveryNotice]
	hints     *postgres.Hints
	limiter   *limiter
}

// New opens the backend, makes the first owner where the configuration asks for one, and listens; it does not answer
// yet. version is shown on the sign-in page. After an error nothing is left open.
func New(ctx context.Context, cfg *config.Config, log *slog.Logger, version string, options ...Option) (*App, error) {
	backend, err := openBackend(ctx, cfg, log, metrics.New(), options...)
	if err != nil {
		return nil, err
	}
	a := &App{Backend: backend, hub: live.NewHub(posthorn.ActivityNotice.Merge), log: live.NewHub(posthorn.DeliveryNotice.Merge)}
	if err := a.prepare(ctx, version); err != nil {
		return nil, errors.Join(err, backend.Close(ctx))
	}
	return a, nil
}

func (a *App) prepare(ctx context.Context, version string) error {
	if err := a.firstOwner(ctx); err != nil {
		return err
	}
	base, err := url.Parse(a.Config.BaseURL)
	if err != nil {
		return fmt.Errorf("parse POSTHORN_BASE_URL: %w", err)
	}
	a.URL = base
	secrets, err := ingestSecrets(a.Config)
	if err != nil {
		return err
	}
	tenants, err := a.Accounts.ListTenants(ctx)
	if err != nil {
		return err
	}
	if err := a.unknownIngestTenants(tenants); err != nil {
		return err
	}
	var lc net.ListenConfig
	if a.listener, err = lc.Listen(ctx, "tcp", a.Config.Addr); err != nil {
		return fmt.Errorf("listen on POSTHORN_ADDR: %w", err)
	}
	if base.Port() == "0" { // the configuration left the port open, and so the address that follows from it
		_, port, _ := net.SplitHostPort(a.Addr())
		base.Host = net.JoinHostPort(base.Hostname(), port)
	}
	if a.delivery, err = a.openDelivery(version); err != nil {
		return err
	}
	a.hints = postgres.NewHints(a.DB, a.Log, func() {
		a.hub.Hint()
		a.log.Hint()
	})
	if a.limiter, err = a.openLimiter(ctx); err != nil {
		return err
	}
	a.delivery.outbox.Announce = a.announceDeliveries
	a.recorder = postgres.NewActivityRecorder(a.DB, a.Log, a.delivery.outbox, postgres.DefaultGroupLimits, a.announce)
	a.events = postgres.NewEventRecorder(a.DB, a.Log, a.delivery.outbox, postgres.DefaultGroupLimits)
	a.resources = postgres.NewResources(a.DB, a.delivery.outbox)
	a.replays = postgres.NewReplayRunner(a.DB, a.delivery.dispatcher.Wake)
	link := func(id posthorn.ActivityID) string { return base.JoinPath(path.ActivityRecord(id.String())).String() }
	publisher := a.NewPublisher(a.events)
	a.server = web.New(web.Options{ //nolint:contextcheck // each request has a context of its own
		Log:            a.Log,
		Accounts:       a.Accounts,
		Sessions:       postgres.NewSessions(a.DB),
		APIKeys:        a.Accounts,
		Credentials:    a.Accounts,
		Members:        a.Accounts,
		Applications:   posthorn.NewApplications(postgres.NewApplications(a.DB)),
		Audit:          posthorn.NewAuditLog(postgres.NewAuditLog(a.DB)),
		Limits:         a.Limits,
		RateLimits:     a.limiter,
		Ingest:         posthorn.NewIngest(secrets, a.Accounts, a.recorder, link),
		Activity:       postgres.NewActivityFeed(a.DB),
		EventTypes:     a.EventTypes,
		Webhooks:       a.Webhooks,
		Publisher:      publisher,
		ManualEvents:   a.NewManualPublisher(publisher),
		Events:         posthorn.NewEventLog(postgres.NewEventLog(a.DB)),
		Resources:      posthorn.NewResources(a.resources, postgres.NewWebhooks(a.DB)),
		Deliveries:     a.NewDeliveries(a.events, a.delivery.dispatcher.Wake, a.announceDelivery),
		Inspector:      a.newDeliveryInspector(),
		DeliveryFeed:   posthorn.NewDeliveryFeed(postgres.NewDeliveryLog(a.DB)),
		Replays:        a.NewReplays(a.replays.Wake),
		DeliveryStats:  postgres.NewDeliveryStats(a.DB),
		Live:           a.hub,
		LiveDeliveries: a.log,
		Ready:          readiness{a.DB, a.delivery.looks.last},
		Metrics:        a.metrics.Handler(),
		MetricsToken:   a.Config.MetricsToken.Reveal(),
		BaseURL:        base,
		TrustedProxies: a.Config.TrustedProxies,
		CookieKeys:     a.Box.CookieKeys("session cookie"),
		Version:        version,
	})
	return nil
}

func ingestSecrets(cfg *config.Config) ([]posthorn.IngestSecret, error) {
	var secrets []posthorn.IngestSecret
	for _, s := range cfg.IngestSecrets {
		secret := posthorn.IngestSecret{Secret: s.Secret.Reveal()}
		if s.Tenant != "" {
			var err error
			if secret.Tenant, err = posthorn.ParseTenantID(s.Tenant); err != nil {
				return nil, fmt.Errorf("ACTIVITY_WEBHOOK_SECRET is bound to %q: %w", s.Tenant, err)
			}
		}
		secrets = append(secrets, secret)
	}
	return secrets, nil
}

// announce tells open feeds, here and in other processes, what was just committed.
func (a *App) announce(records []posthorn.Activity) {
	for i := range records {
		notice := posthorn.ActivityNotice{Newest: records[i].ID, Worst: records[i].RiskLevel}
		for _, topic := range records[i].Topics() {
			a.hub.Publish(topic, notice)
		}
	}
	a.hints.Send()
}

// announceDeliveries tells open logs, here and in other processes, what was just committed.
func (a *App) announceDeliveries(notices map[posthorn.TenantID]posthorn.DeliveryNotice) {
	for tenant, notice := range notices {
		a.log.Publish(posthorn.DeliveryTopic(tenant), notice)
	}
	if len(notices) > 0 {
		a.hints.Send()
	}
}

// announceDelivery is announceDeliveries for one tenant.
func (a *App) announceDelivery(tenant posthorn.TenantID, notice posthorn.DeliveryNotice) {
	a.announceDeliveries(map[posthorn.TenantID]posthorn.DeliveryNotice{tenant: notice})
}

// Addr is the address that the server listens on, with the port that was chosen where the configuration left it open.
func (a *App) Addr() string { return a.listener.Addr().String() }

// Run answers and sends until ctx ends, then stops: event streams end, requests and attempts in hand finish, what was
// accepted is committed, and the private PostgreSQL goes with its last user.
func (a *App) Run(ctx context.Context) error {
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	work.Go(func() { a.maintenance().Run(background) })
	work.Go(func() { a.accounts.RunAPIKeyUses(background) })
	work.Go(func() { a.replays.Run(background) })
	work.Go(func() { a.resources.RunExpiry(background) })
	work.Go(func() { a.hints.RunSender(background) })
	work.Go(func() { a.hints.RunListener(background) })
	work.Go(func() { a.limiter.run(background) })
	sending, stopSending := context.WithCancel(ctx)
	defer stopSending()
	sent := make(chan error, 1)
	go func() { sent <- a.delivery.run(sending) }()
	served := make(chan error, 1)
	go func() { served <- a.server.Serve(a.listener) }()
	a.Log.InfoContext(ctx, "posthorn is up", slog.String("addr", a.Addr()), slog.String("url", a.URL.String()))

	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		a.Log.InfoContext(ctx, "posthorn is stopping", slog.String("reason", reason(ctx)))
		err = a.stopServing(ctx, served)
	}
	stopSending()
	a.recorder.Close()
	a.events.Close()
	if unsent := <-sent; unsent != nil {
		a.Log.WarnContext(ctx, "deliveries were cut off and will be sent again", slog.Any("error", unsent))
	}
	cancel()
	work.Wait()
	err = errors.Join(err, a.Close(ctx))
	a.Log.InfoContext(ctx, "posthorn has stopped")
	return err
}

func reason(ctx context.Context) string {
	return strings.TrimSuffix(context.Cause(ctx).Error(), " signal received")
}

func (a *App) stopServing(ctx context.Context, served <-chan error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := a.server.Shutdown(ctx); err != nil {
		a.Log.WarnContext(ctx, "requests were cut off", slog.Any("error", err))
		return nil
	}
	return <-served
}
