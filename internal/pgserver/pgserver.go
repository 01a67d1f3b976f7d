// Package pgserver runs the private PostgreSQL that Posthorn uses when no
// DATABASE_URL is set, and that tests use.
//
// A server lives in one folder:
//
//	data/          the cluster, made by initdb, owned by the account that runs it
//	run/           the Unix socket (or a short folder below /tmp, see layout)
//	server.log     what the server says; server.log.1 is the run before
//	startup.lock   held exclusively while somebody starts or stops the server
//	users.lock     held shared by every process that uses the server
//
// The server is reachable over its socket only. Several processes may use one
// folder: the first starts the server, later ones adopt it, and the last one to
// leave stops it. A process that is killed leaves the server running, and the
// next one adopts it, so the server is not tied to its parent's life by a
// parent-death signal. Every user watches the server and starts it again when it
// dies.
package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	// DefaultDatabase is the database that Start makes sure exists.
	DefaultDatabase = "posthorn"

	superuser           = "posthorn"
	port                = "5432" // part of the socket's name, nobody listens on TCP
	defaultStartTimeout = 5 * time.Minute
	defaultPoll         = time.Second
)

// Options say where the server lives and how it runs.
type Options struct {
	// Dir is the server's folder, for instance var/postgres. It is created when
	// missing. Binaries that have to be downloaded go to npm/ beside it.
	Dir string
	// Logger gets the server's starts, stops and restarts. Nil discards them.
	Logger *slog.Logger
	// Settings are extra PostgreSQL settings that win over the built-in ones, for
	// instance fsync=off in tests. They count for the process that starts the
	// server; an adopted server keeps its own.
	Settings map[string]string
	// StartTimeout bounds initdb and start, crash recovery included, but not a
	// download. Zero means five minutes.
	StartTimeout time.Duration

	search *search       // where binaries are looked for; nil means the machine
	poll   time.Duration // how often the server is looked at; zero means a second
}

// Server is one process's use of a private PostgreSQL. It is safe for concurrent use.
type Server struct {
	opts   Options
	log    *slog.Logger
	layout layout
	search search

	users      *fileLock
	stopWatch  context.CancelFunc
	watchEnded chan struct{}
	stopOnce   sync.Once
	stopErr    error

	mu       sync.Mutex
	process  postmaster
	binaries Binaries
	socket   string    // folder of the socket
	halted   *fileLock // startup lock kept between Halt and Resume
}

// Start runs the server in o.Dir, or adopts the one that already runs there, and
// makes sure DefaultDatabase exists. The context bounds the start only. Every
// successful Start needs one Stop.
//
// The error is one sentence for the operator when there are no usable binaries or
// no account to run them; otherwise it ends with the server's own last words.
func Start(ctx context.Context, o Options) (*Server, error) {
	s, err := newServer(o)
	if err != nil {
		return nil, err
	}
	startup, err := lockExclusive(ctx, s.layout.startupLock())
	if err != nil {
		return nil, fmt.Errorf("wait for another start or stop of the private postgresql: %w", err)
	}
	defer startup.release()
	// Shared and free at once: it is taken exclusively only under the startup lock.
	if s.users, err = lockShared(ctx, s.layout.usersLock()); err != nil {
		return nil, fmt.Errorf("register as a user of the private postgresql: %w", err)
	}
	err = s.up(ctx)
	if err == nil {
		err = s.EnsureDatabase(ctx, DefaultDatabase)
	}
	if err != nil {
		// The server must not outlive a failed start, even when ctx is what ended it.
		return nil, errors.Join(err, s.leave(context.WithoutCancel(ctx)))
	}
	watchCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.stopWatch, s.watchEnded = cancel, make(chan struct{})
	go s.watch(watchCtx)
	return s, nil
}

func newServer(o Options) (*Server, error) {
	if o.Dir == "" {
		return nil, errors.New("private postgresql: no folder given")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.StartTimeout <= 0 {
		o.StartTimeout = defaultStartTimeout
	}
	if o.poll <= 0 {
		o.poll = defaultPoll
	}
	l, err := openLayout(o.Dir)
	if err != nil {
		return nil, err
	}
	s := &Server{opts: o, log: o.Logger, layout: l, socket: l.socketDir()}
	if o.search != nil {
		s.search = *o.search
	} else {
		s.search = machineSearch(l)
	}
	return s, nil
}

// URL returns a connection string for the named database, in the form that pgx
// and libpq read: the socket's folder as host and the server's superuser as user.
// It stays valid across restarts of the server.
func (s *Server) URL(database string) string {
	s.mu.Lock()
	socket := s.socket
	s.mu.Unlock()
	return socketURL(socket, database)
}

func socketURL(socket, database string) string {
	q := url.Values{"host": {socket}, "port": {port}, "user": {superuser}}
	u := url.URL{Scheme: "postgres", Path: "/" + database}
	// libpq reads a plus sign in a query as a plus sign, not as a space.
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20")
	return u.String()
}

// Binaries says which binaries run the server.
func (s *Server) Binaries() Binaries {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.binaries
}

// PID is the process id of the postmaster. It changes when the server is restarted.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.pid
}

// LogPath is the file the server writes its messages to.
func (s *Server) LogPath() string { return s.layout.logFile() }

// Stop gives up this process's use of the server. The last user stops the server
// and waits for its end: first with a fast shutdown, then, when that takes too
// long or ctx ends, with an immediate one, which the next start recovers from.
// Further calls return the first one's result.
func (s *Server) Stop(ctx context.Context) error {
	s.stopOnce.Do(func() { s.stopErr = s.stop(ctx) })
	return s.stopErr
}

func (s *Server) stop(ctx context.Context) error {
	s.stopWatch()
	<-s.watchEnded
	s.mu.Lock()
	startup := s.halted
	s.halted = nil
	s.mu.Unlock()
	if startup == nil {
		var err error
		if startup, err = lockExclusive(ctx, s.layout.startupLock()); err != nil {
			s.users.release()
			return fmt.Errorf("wait for another start or stop of the private postgresql: %w", err)
		}
	}
	defer startup.release()
	return s.leave(ctx)
}

// leave drops out of the users and stops the server when nobody else is left.
// The caller holds the startup lock.
func (s *Server) leave(ctx context.Context) error {
	s.users.release()
	last, err := tryExclusive(s.layout.usersLock())
	if err != nil {
		return fmt.Errorf("look for other users of the private postgresql: %w", err)
	}
	if last == nil {
		s.log.InfoContext(ctx, "private postgresql left to its other users", slog.Int("pid", s.PID()))
		return nil
	}
	defer last.release()
	return s.down(ctx)
}

// Halt stops the server for real, whoever uses it, and keeps it down until Resume
// or Stop: it holds the startup lock, so nobody starts the server meanwhile. It is
// for drills of a lost database.
func (s *Server) Halt(ctx context.Context) error {
	startup, err := lockExclusive(ctx, s.layout.startupLock())
	if err != nil {
		return fmt.Errorf("wait for another start or stop of the private postgresql: %w", err)
	}
	if err := s.down(ctx); err != nil {
		startup.release()
		return err
	}
	s.mu.Lock()
	s.halted = startup
	s.mu.Unlock()
	return nil
}

// Resume starts the server again after Halt. Without a Halt it does nothing.
func (s *Server) Resume(ctx context.Context) error {
	s.mu.Lock()
	startup := s.halted
	s.halted = nil
	s.mu.Unlock()
	if startup == nil {
		return nil
	}
	defer startup.release()
	return s.up(ctx)
}

// Shutdown stops the server that runs in dir for real, whoever uses it, for
// instance one that a killed process left behind. No server is no error. Living
// users start it again.
func Shutdown(ctx context.Context, dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	s, err := newServer(Options{Dir: dir})
	if err != nil {
		return err
	}
	startup, err := lockExclusive(ctx, s.layout.startupLock())
	if err != nil {
		return fmt.Errorf("wait for another start or stop of the private postgresql: %w", err)
	}
	defer startup.release()
	return s.down(ctx)
}
