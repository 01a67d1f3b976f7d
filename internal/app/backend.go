package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"posthorn/internal/auth"
	"posthorn/internal/config"
	"posthorn/internal/metrics"
	"posthorn/internal/pgserver"
	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
	"posthorn/internal/secretbox"
)

// hashings is how many passwords are stretched at once; each takes 19 MiB.
const hashings = 4

// Backend is everything behind the server: the database, migrated, and the use cases on it. The commands that change
// accounts need no more than this.
type Backend struct {
	Config   *config.Config
	Log      *slog.Logger
	DB       *postgres.DB
	Accounts *posthorn.Accounts
	// Limits are how many requests the programs of tenants may make.
	Limits *posthorn.Limits
	// EventTypes is the catalogue; Webhooks are the endpoints, whose URLs Targets allows.
	EventTypes *posthorn.EventTypes
	Webhooks   *posthorn.Webhooks
	Targets    *posthorn.TargetPolicy
	// Box seals what is kept encrypted.
	Box *secretbox.Box
	// metrics count what this process does, nil where nobody can ask for them.
	metrics *metrics.Metrics
	// Private is the private PostgreSQL, nil when DATABASE_URL names another.
	Private *pgserver.Server
	// webhookChanged tells the dispatcher of this process, where there is one, that a webhook was changed.
	webhookChanged func(posthorn.WebhookID)
	// accounts is what Accounts are kept in.
	accounts *postgres.Accounts
	// passwords stretches the passwords of people.
	passwords posthorn.PasswordHasher
}

// Option changes what a Backend is made of.
type Option func(*Backend)

// WithPasswords has passwords stretched by another hasher than Posthorn's own: tests sign in often.
func WithPasswords(h posthorn.PasswordHasher) Option {
	return func(b *Backend) { b.passwords = h }
}

// OpenBackend makes the missing secrets, starts or joins the private PostgreSQL where no DATABASE_URL is set, connects,
// and brings the schema up to date. Every successful call needs one Close.
func OpenBackend(ctx context.Context, cfg *config.Config, log *slog.Logger) (*Backend, error) {
	return openBackend(ctx, cfg, log, nil)
}

func openBackend(ctx context.Context, cfg *config.Config, log *slog.Logger, m *metrics.Metrics, options ...Option) (*Backend, error) {
	b, err := connect(ctx, cfg, log, m, options...)
	if err != nil {
		return nil, err
	}
	if err := b.migrate(ctx); err != nil {
		return nil, errors.Join(err, b.Close(ctx))
	}
	return b, nil
}

// connect opens the database as it is: doctor looks at it without changing it.
func connect(ctx context.Context, cfg *config.Config, log *slog.Logger, m *metrics.Metrics, options ...Option) (*Backend, error) {
	if err := cfg.EnsureSecrets(); err != nil {
		return nil, err
	}
	keys, err := cfg.EncryptionKeys()
	if err != nil {
		return nil, err
	}
	b := &Backend{Config: cfg, Log: log, metrics: m, passwords: auth.NewHasher(hashings)}
	for _, option := range options {
		option(b)
	}
	if b.Box, err = secretbox.New(keys...); err != nil {
		return nil, fmt.Errorf("use POSTHORN_SECRET_KEY: %w", err)
	}
	url := cfg.DatabaseURL.Reveal()
	if url == "" {
		if b.Private, err = startPrivate(ctx, cfg, log); err != nil {
			return nil, err
		}
		url = b.Private.URL(pgserver.DefaultDatabase)
	}
	if b.DB, err = postgres.Open(ctx, postgres.Options{URL: url, Logger: log, Metrics: m}); err != nil {
		return nil, errors.Join(err, b.Close(ctx))
	}
	b.accounts = postgres.NewAccounts(b.DB)
	b.Accounts = posthorn.NewAccounts(b.accounts, posthorn.AccountsConfig{
		Passwords:     b.passwords,
		CheckPassword: auth.CheckPassword,
		NewAPIKey:     newAPIKey,
		HashAPIKey:    hashAPIKey,
		NewAPISecret:  auth.NewAPISecret,
		NewToken:      auth.NewToken,
		HashToken:     auth.HashToken,
		Sealer:        b.Box,
	})
	b.Limits = posthorn.NewLimits(postgres.NewRateLimits(b.DB), b.apiLimit())
	b.openWebhooks()
	return b, nil
}

// apiLimit is the limit of the API where a tenant has none of its own.
func (b *Backend) apiLimit() posthorn.RateLimit {
	return posthorn.RateLimit{PerMinute: b.Config.APIRate, Burst: b.Config.APIBurst}
}

func newAPIKey() posthorn.IssuedKey {
	plain, parts := auth.NewAPIKey()
	return posthorn.IssuedKey{Plain: plain, Hash: parts.Hash, Prefix: parts.Prefix, LastFour: parts.Last4}
}

func hashAPIKey(plain string) (hash [32]byte, ok bool) {
	parts, err := auth.ParseAPIKey(plain)
	return parts.Hash, err == nil
}

func startPrivate(ctx context.Context, cfg *config.Config, log *slog.Logger) (*pgserver.Server, error) {
	dir := filepath.Join(cfg.DataDir, "postgres")
	server, err := pgserver.Start(ctx, pgserver.Options{Dir: dir, Logger: log})
	if err != nil {
		return nil, fmt.Errorf("start the private PostgreSQL in %s: %w", dir, err)
	}
	used := server.Binaries()
	log.InfoContext(ctx, "private postgresql is up", slog.String("dir", dir), slog.String("binaries", used.Dir),
		slog.String("found_by", used.Source), slog.String("version", used.Version), slog.Int("pid", server.PID()))
	return server, nil
}

// migrate brings the schema up to date and makes today's partitions.
func (b *Backend) migrate(ctx context.Context) error {
	applied, err := b.DB.Migrate(ctx)
	if err != nil {
		return err
	}
	if applied > 0 {
		b.Log.InfoContext(ctx, "schema migrated", slog.Int("migrations", applied))
	}
	if _, err := b.maintenance().RunOnce(ctx); err != nil {
		return fmt.Errorf("prepare the partitions: %w", err)
	}
	return nil
}

func (b *Backend) maintenance() *postgres.Maintenance {
	const day = 24 * time.Hour
	return postgres.NewMaintenance(b.DB, postgres.Retention{
		Activity: time.Duration(b.Config.ActivityRetentionDays) * day,
		Events:   time.Duration(b.Config.RetentionDays) * day,
	})
}

// closeTimeout bounds the stop of the private PostgreSQL.
const closeTimeout = 7 * time.Second

// Close closes the database, and stops the private PostgreSQL when nobody else uses it. It does so although ctx may have
// ended.
func (b *Backend) Close(ctx context.Context) error {
	if b.DB != nil {
		b.DB.Close()
	}
	if b.Private == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if err := b.Private.Stop(ctx); err != nil {
		return fmt.Errorf("stop the private PostgreSQL: %w", err)
	}
	return nil
}
