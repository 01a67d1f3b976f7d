package postgres

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	gormpostgres "gorm.io/driver/postgres"
	"gorm.io/gorm"

	"posthorn/internal/metrics"
)

const (
	// minServerVersion is PostgreSQL 15 as server_version_num counts.
	minServerVersion = 150000
	// minConns is the least pool that works: an advisory lock takes one connection while its holder works on others.
	minConns = 4
	// defaultConnectWait bounds the wait for a database that is still starting.
	defaultConnectWait = 30 * time.Second
	// attemptTimeout bounds one attempt to connect at start.
	attemptTimeout = 5 * time.Second
	// dialTimeout bounds one dial where the connection string sets no connect_timeout.
	dialTimeout = 5 * time.Second
	// pingTimeout bounds the look at a connection that idled in the pool.
	pingTimeout = 3 * time.Second
	// lifetimeJitter spreads the hourly renewal of connections.
	lifetimeJitter = 5 * time.Minute
)

// Options say which database to open and how.
type Options struct {
	// URL is a connection string as libpq and pgx read it, with pgx's pool_… parameters and default_query_exec_mode
	// (cache_describe suits a pooler in transaction mode).
	URL string
	// MaxConns bounds the pool. Zero leaves it to pool_max_conns in the URL, else to pgx: 4, or the number of processors
	// when that is more. It is never less than 4.
	MaxConns int32
	// ConnectWait is how long Open waits for a database that does not answer yet. Zero means 30 seconds.
	ConnectWait time.Duration
	// Logger gets waiting, migrations, partitions and slow statements. Nil discards them.
	Logger *slog.Logger
	// Metrics count what is written. Nil counts nothing.
	Metrics *metrics.Metrics
}

// DB is one pool of connections to Posthorn's database. It is safe for concurrent use.
type DB struct {
	pool *pgxpool.Pool
	sql  *sql.DB
	gorm *gorm.DB
	log  *slog.Logger
	// metrics may be nil.
	metrics *metrics.Metrics
	due     dueHealth
}

// Open connects to the database and waits for it, up to Options.ConnectWait, while it cannot be reached or is starting.
// What waiting cannot help (a wrong password, a missing database, a server older than PostgreSQL 15) fails at once. The
// error is one line for the operator and never holds the password.
func Open(ctx context.Context, o Options) (*DB, error) {
	o.ConnectWait = cmp.Or(o.ConnectWait, defaultConnectWait)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	cfg, err := poolConfig(o)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open the database pool: %w", err)
	}
	db := &DB{pool: pool, sql: stdlib.OpenDBFromPool(pool), log: o.Logger, metrics: o.Metrics}
	if err = db.await(ctx, o.ConnectWait); err == nil {
		err = db.openGorm()
	}
	if err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

func (db *DB) openGorm() (err error) {
	db.gorm, err = gorm.Open(gormpostgres.New(gormpostgres.Config{Conn: db.sql}), &gorm.Config{
		Logger: gormLog{db.log}, SkipDefaultTransaction: true, PrepareStmt: false, DisableAutomaticPing: true,
		NowFunc: func() time.Time { return time.Now().UTC() },
	})
	if err != nil {
		return fmt.Errorf("open gorm over the database pool: %w", err)
	}
	return nil
}

// Close waits for the connections in use to be returned and closes the pool.
func (db *DB) Close() {
	// The pool below holds the connections; this one only has handles, and closing those cannot fail.
	_ = db.sql.Close()
	db.pool.Close()
}

// Ping asks the database for an answer. The error is Unavailable when there is none.
func (db *DB) Ping(ctx context.Context) error {
	return translate(db.pool.Ping(ctx), "ping the database")
}

func poolConfig(o Options) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, urlError(o.URL, err)
	}
	if o.MaxConns > 0 {
		cfg.MaxConns = o.MaxConns
	}
	cfg.MaxConns = max(cfg.MaxConns, minConns)
	cfg.PingTimeout = cmp.Or(cfg.PingTimeout, pingTimeout)
	cfg.MaxConnLifetimeJitter = cmp.Or(cfg.MaxConnLifetimeJitter, lifetimeJitter)
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.DialFunc = (&net.Dialer{Timeout: dialTimeout, KeepAlive: time.Minute}).DialContext
	}
	// Both are among the few parameters that poolers let pass.
	for name, value := range map[string]string{"application_name": "posthorn", "timezone": "UTC"} {
		if cfg.ConnConfig.RuntimeParams[name] == "" {
			cfg.ConnConfig.RuntimeParams[name] = value
		}
	}
	return cfg, nil
}

// urlError says that a connection string is wrong, and why only as far as that cannot give the password away: what the
// parsers say about a malformed URL may quote a part of it.
func urlError(raw string, cause error) error {
	const shape = "DATABASE_URL must look like postgres://user:password@host:5432/database" //nolint:gosec // an example
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" && u.Path == "" || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return fmt.Errorf("%s, with special characters of the password percent-encoded", shape)
	}
	reason := cause.Error()
	// Before the last backquote the driver quotes the whole URL.
	if i := strings.LastIndex(reason, "`: "); i >= 0 {
		reason = reason[i+len("`: "):]
	}
	for _, secret := range urlSecrets(u) {
		reason = strings.ReplaceAll(reason, secret, "xxxxx")
	}
	return fmt.Errorf("%s: %s", shape, reason)
}

// urlSecrets returns every form in which a message could quote a password of the URL.
func urlSecrets(u *url.URL) []string {
	var secrets []string
	password, _ := u.User.Password()
	for _, s := range []string{password, u.Query().Get("password"), u.Query().Get("sslpassword")} {
		if s != "" {
			secrets = append(secrets, s, url.QueryEscape(s), url.PathEscape(s))
		}
	}
	return secrets
}

// await looks at the server until it answers, within a bounded time.
func (db *DB) await(ctx context.Context, wait time.Duration) error {
	target := db.target()
	deadline := time.Now().Add(wait)
	for attempt := 1; ; attempt++ {
		err := db.inspect(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("connect to the database %s: %w", target, context.Cause(ctx))
		case !worthWaiting(err):
			return &connectError{"the database " + target + " cannot be used", err}
		case time.Now().After(deadline):
			return &connectError{fmt.Sprintf("the database %s did not answer within %s", target, wait), err}
		case attempt == 1:
			db.log.WarnContext(ctx, "waiting for the database", slog.String("database", target),
				slog.Duration("at_most", wait), slog.Any("error", err))
		}
		if err := pause(ctx, min(time.Duration(attempt)*100*time.Millisecond, time.Second)); err != nil {
			return fmt.Errorf("connect to the database %s: %w", target, err)
		}
	}
}

// target names the database for people, without user and password.
func (db *DB) target() string {
	c := db.pool.Config().ConnConfig
	database := cmp.Or(c.Database, c.User)
	if strings.HasPrefix(c.Host, "/") {
		return database + " at " + c.Host
	}
	return fmt.Sprintf("%s at %s", database, net.JoinHostPort(c.Host, strconv.FormatUint(uint64(c.Port), 10)))
}

// inspect connects once and refuses a server that Posthorn cannot work with.
func (db *DB) inspect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	var s serverFacts
	err := db.pool.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_version'),
		current_setting('server_encoding'), pg_is_in_recovery()`).Scan(&s.number, &s.version, &s.encoding, &s.standby)
	if err != nil {
		return err
	}
	return s.check()
}

// serverFacts is what Posthorn needs to know of a server before it relies on it.
type serverFacts struct {
	number            int
	version, encoding string
	standby           bool
}

func (s serverFacts) check() error {
	switch {
	case s.number < minServerVersion:
		return fmt.Errorf("posthorn needs PostgreSQL 15 or newer, and this server is %s", s.version)
	case s.encoding != "UTF8":
		return fmt.Errorf("posthorn needs a database with encoding UTF8, and this one has %s: create it with ENCODING 'UTF8' TEMPLATE template0", s.encoding)
	case s.standby:
		return errors.New("posthorn needs a server that accepts writes, and this one is a standby")
	}
	return nil
}

// worthWaiting reports whether the failure may pass: nobody answers, or the server is starting, stopping or full.
func worthWaiting(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return strings.HasPrefix(e.Code, "57P") || strings.HasPrefix(e.Code, "53")
	}
	// context.DeadlineExceeded is a net.Error too.
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// connectError says in one line why the database cannot be used: the driver's own message has a line per address.
type connectError struct {
	what string
	err  error
}

func (e *connectError) Error() string {
	return e.what + ": " + strings.Join(strings.Fields(e.err.Error()), " ")
}

func (e *connectError) Unwrap() error { return e.err }

// pause waits for d or the end of ctx, whichever comes first, and returns the context's cause.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
