package testkit

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"posthorn/internal/pgserver"
)

// serverVariable names a server to test against instead of a private one.
const serverVariable = "POSTHORN_TEST_DATABASE_URL"

// patience bounds every single thing testkit does with a server.
const patience = 2 * time.Minute

// settings make a private server quick to clone on, and roomy enough for many test processes at once. Nothing that is
// lost in a crash of the machine is missed.
var settings = map[string]string{
	"fsync": "off", "full_page_writes": "off", "max_connections": "500", "max_wal_size": "2GB",
	"autovacuum_naptime": "10min", "log_min_messages": "fatal",
}

// Main runs the tests of a package and then leaves the shared server, which the first test that needs it starts. It does
// not return.
func Main(m *testing.M) {
	main.Lock()
	main.entered = true
	main.Unlock()
	code := m.Run()
	if err := leave(); err != nil {
		fmt.Fprintln(os.Stderr, "testkit:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// server is the shared server as this process uses it.
type server struct {
	url      func(database string) string
	stop     func(context.Context) error
	admin    *pgxpool.Pool
	template string
}

// main is the state of this process. The server is nil until a test needs it.
var main struct {
	sync.Mutex
	entered bool
	server  *server
	err     error
}

// shared returns the shared server, with the template in it.
func shared(tb testing.TB) *server {
	tb.Helper()
	main.Lock()
	defer main.Unlock()
	if !main.entered {
		tb.Fatal("testkit: this package needs func TestMain(m *testing.M) { testkit.Main(m) }")
	}
	if main.server == nil && main.err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		main.server, main.err = join(ctx)
	}
	if main.err != nil {
		tb.Fatalf("testkit: no database to test with: %v", main.err)
	}
	return main.server
}

func join(ctx context.Context) (*server, error) {
	s := &server{stop: func(context.Context) error { return nil }}
	if given := os.Getenv(serverVariable); given != "" {
		u, err := url.Parse(given)
		if err != nil || u.Path == "" {
			return nil, fmt.Errorf("%s must be a URL that ends with a database's name", serverVariable)
		}
		s.url = func(database string) string {
			if database == "" {
				return given
			}
			other := *u
			other.Path = "/" + database
			return other.String()
		}
	} else {
		dir := filepath.Join(os.TempDir(), "posthorn-test-"+strconv.Itoa(os.Getuid()))
		private, err := pgserver.Start(ctx, pgserver.Options{Dir: dir, Settings: settings})
		if err != nil {
			return nil, err
		}
		s.stop = private.Stop
		s.url = func(database string) string {
			if database == "" {
				database = pgserver.DefaultDatabase
			}
			return private.URL(database)
		}
	}
	err := s.prepare(ctx)
	if err != nil {
		err = errors.Join(err, s.close(ctx))
	}
	return s, err
}

// leave closes what this process holds of the server.
func leave() error {
	main.Lock()
	defer main.Unlock()
	if main.server == nil || main.err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return main.server.close(ctx)
}

func (s *server) close(ctx context.Context) error {
	if s.admin != nil {
		s.admin.Close()
	}
	return s.stop(ctx)
}

// Server starts a private server that belongs to the test alone, with an empty database pgserver.DefaultDatabase, and
// stops it at the end of the test. Starting takes a second.
func Server(tb testing.TB) *pgserver.Server {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := pgserver.Start(ctx, pgserver.Options{Dir: filepath.Join(tb.TempDir(), "postgres"), Settings: settings})
	if err != nil {
		tb.Fatalf("testkit: start a server: %v", err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			tb.Errorf("testkit: stop a server: %v", err)
		}
	})
	return s
}
