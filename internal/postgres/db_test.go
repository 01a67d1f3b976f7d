package postgres_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"posthorn/internal/pgserver"
	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
	"posthorn/internal/testkit"
)

func TestOpenRefusesABadURLWithoutShowingThePassword(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ url, says string }{
		"malformed escape":    {"postgres://user:hun%zzter2@localhost/db", "percent-encoded"},
		"slash in password":   {"postgres://user:hunter2/hunter2@localhost/db", "percent-encoded"},
		"another scheme":      {"mysql://user:hunter2@localhost/db", "postgres://user:password@host"},
		"key and value":       {"password=hunter2 pool_max_conns=none", "postgres://user:password@host"},
		"unknown exec mode":   {"postgres://user:hunter2@localhost/db?default_query_exec_mode=hunter2", "default_query_exec_mode"},
		"unknown sslmode":     {"postgres://user:hunter2@localhost/db?sslmode=wrong", "sslmode"},
		"password in query":   {"postgres://localhost/db?password=hunter2&sslmode=wrong", "sslmode"},
		"pool size not a num": {"postgres://user:hunter2@localhost/db?pool_max_conns=hunter2", "invalid syntax"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := postgres.Open(t.Context(), postgres.Options{URL: c.url})
			if err == nil {
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("%q does not say %q", err, c.says)
			}
			if text := err.Error(); strings.Contains(text, "unter2") || strings.Contains(text, "hun%") || strings.Contains(text, "\n") {
				t.Errorf("%q shows the password, or is not one line", text)
			}
		})
	}
}

func TestOpenSaysInOneLineWhatCannotBeReached(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	_, err = postgres.Open(t.Context(), postgres.Options{
		URL: "postgres://user:hunter2@" + address + "/shop", ConnectWait: 150 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err == nil {
		t.Fatal("opened")
	}
	for _, want := range []string{"shop at " + address, "did not answer within 150ms", "connection refused"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if strings.ContainsAny(err.Error(), "\n\t") || strings.Contains(err.Error()+log.String(), "hunter2") {
		t.Errorf("%q and %q: want one line each, without the password", err, log.String())
	}
	if n := strings.Count(log.String(), "waiting for the database"); n != 1 {
		t.Errorf("waiting was logged %d times, want once:\n%s", n, log.String())
	}
}

func TestOpenDoesNotWaitForWhatWaitingCannotHelp(t *testing.T) {
	t.Parallel()
	url := strings.Replace(testkit.EmptyURL(t), "posthorn_test_", "no_such_database_", 1)
	// Waiting would outlast the test's own deadline.
	_, err := postgres.Open(t.Context(), postgres.Options{URL: url, ConnectWait: 24 * time.Hour})
	if err == nil || !strings.Contains(err.Error(), "cannot be used") || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("got %v, want that the database does not exist", err)
	}
}

func TestOpenWaitsForAServerThatComesBackAndSurvivesItsRestart(t *testing.T) {
	t.Parallel()
	server := testkit.Server(t)
	if err := server.Halt(t.Context()); err != nil {
		t.Fatal(err)
	}
	waiting := make(chan struct{})
	type opened struct {
		db  *postgres.DB
		err error
	}
	done := make(chan opened, 1)
	go func() {
		db, err := postgres.Open(t.Context(), postgres.Options{
			URL: server.URL(pgserver.DefaultDatabase), ConnectWait: time.Minute, Logger: slog.New(signalHandler{ch: waiting}),
		})
		done <- opened{db, err}
	}()
	<-waiting
	if err := server.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	o := <-done
	if o.err != nil {
		t.Fatal(o.err)
	}
	defer o.db.Close()
	if err := o.db.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if err := server.Halt(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := o.db.Ping(t.Context()); posthorn.KindOf(err) != posthorn.Unavailable {
		t.Errorf("without a server the ping says %v, want %v", err, posthorn.Unavailable)
	}
	if err := server.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := o.db.Ping(t.Context()); err != nil {
		t.Errorf("after the restart the ping says %v", err)
	}
}

// signalHandler closes a channel at the first log line.
type signalHandler struct {
	slog.Handler
	ch chan struct{}
}

func (signalHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h signalHandler) Handle(context.Context, slog.Record) error { close(h.ch); return nil }

func TestOpenStopsWaitingWhenItIsToldTo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := postgres.Open(ctx, postgres.Options{URL: "postgres://127.0.0.1:1/x", ConnectWait: 24 * time.Hour})
	if err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Errorf("got %v, want that it was cancelled", err)
	}
}

func TestOnlyAServerThatPosthornCanWorkWithIsAccepted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, version, encoding string
		number                  int
		standby                 bool
		says                    string
	}{
		{"oldest", "15.0", "UTF8", 150000, false, ""},
		{"newer", "18.4", "UTF8", 180004, false, ""},
		{"too old", "14.19", "UTF8", 140019, false, "posthorn needs PostgreSQL 15 or newer, and this server is 14.19"},
		{"another encoding", "15.18", "SQL_ASCII", 150018, false, "encoding UTF8"},
		{"standby", "15.18", "UTF8", 150018, true, "standby"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := postgres.CheckServer(c.number, c.version, c.encoding, c.standby)
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
}

func TestTheURLSetsWhatItSays(t *testing.T) {
	t.Parallel()
	url := testkit.EmptyURL(t)
	db, err := postgres.Open(t.Context(), postgres.Options{URL: with(url, "default_query_exec_mode=cache_describe&application_name=mine&pool_max_conns=7")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	cfg := db.Pool().Config()
	if cfg.ConnConfig.DefaultQueryExecMode != pgx.QueryExecModeCacheDescribe || cfg.MaxConns != 7 {
		t.Errorf("mode %v and %d connections, want cache_describe and 7", cfg.ConnConfig.DefaultQueryExecMode, cfg.MaxConns)
	}
	var name, zone string
	err = db.Gorm().WithContext(t.Context()).Raw(`SELECT current_setting('application_name'), current_setting('timezone')`).Row().Scan(&name, &zone)
	if err != nil || name != "mine" || zone != "UTC" {
		t.Errorf("application %q in zone %q (%v), want mine in UTC", name, zone, err)
	}
	again, err := postgres.Open(t.Context(), postgres.Options{URL: url, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if n := again.Pool().Config().MaxConns; n != 4 {
		t.Errorf("%d connections, want no less than 4", n)
	}
}

func TestGormLogsNoParametersAndNoFailureThatItsCallerHandles(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	db, err := postgres.Open(t.Context(), postgres.Options{
		URL: testkit.EmptyURL(t), Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	gorm := db.Gorm().WithContext(t.Context())
	if err := gorm.Exec(`SELECT pg_sleep(0.6), ?::text`, "hunter2").Error; err != nil {
		t.Fatal(err)
	}
	if err := gorm.Exec(`SELECT ?::int`, "hunter2").Error; err == nil {
		t.Fatal("a word became a number")
	}
	text := log.String()
	if !strings.Contains(text, `level=WARN msg="slow database statement"`) || !strings.Contains(text, `level=DEBUG msg="database statement failed"`) {
		t.Errorf("log is\n%s\nwant the slow statement as a warning and the failed one for debugging", text)
	}
	if strings.Contains(text, "'hunter2'") {
		t.Errorf("log shows parameters:\n%s", text)
	}
}

// with adds parameters to a connection string.
func with(url, params string) string {
	if strings.Contains(url, "?") {
		return url + "&" + params
	}
	return url + "?" + params
}
