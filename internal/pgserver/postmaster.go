package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	statePoll     = 20 * time.Millisecond
	fastLimit     = 30 * time.Second // for the checkpoint of a fast shutdown
	abortLimit    = 10 * time.Second // for an immediate shutdown
	unclearLimit  = 3 * time.Second  // for a pid file that is being written
	postmasterPID = "postmaster.pid"
)

// postmaster is the server's main process.
type postmaster struct {
	pid int
	// exited is closed when our child has ended and is reaped. It is nil for an
	// adopted server: only a parent is told.
	exited chan struct{}
}

// pidFile is what the server writes about itself into its data folder.
type pidFile struct {
	pid    int
	socket string // folder
	ready  bool
}

var errPIDFile = errors.New("the pid file is not complete")

// readPIDFile fails with fs.ErrNotExist without a file and with errPIDFile for
// one that is being written or was left incomplete by a crash of the machine.
func readPIDFile(dataDir string) (pidFile, error) {
	raw, err := os.ReadFile(filepath.Join(dataDir, postmasterPID)) //nolint:gosec // our own folder
	if err != nil {
		return pidFile{}, fmt.Errorf("read the pid file: %w", err)
	}
	lines := strings.Split(string(raw), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	// One line less than five: pid, folder, start time, port, socket folder.
	if err != nil || pid <= 0 || len(lines) < 6 {
		return pidFile{}, errPIDFile
	}
	return pidFile{
		pid:    pid,
		socket: strings.TrimSpace(lines[4]),
		ready:  len(lines) > 7 && strings.TrimSpace(lines[7]) == "ready",
	}, nil
}

// running returns the pid file of a living server of this folder, or fs.ErrNotExist
// when there is none, or errPIDFile when that cannot be said yet.
func (l layout) running() (pidFile, error) {
	p, err := readPIDFile(l.data())
	if err != nil {
		return pidFile{}, err
	}
	if !isPostmaster(p.pid, l.data()) {
		// Left by a kill, and the number may be another process's by now.
		return pidFile{}, fs.ErrNotExist
	}
	return p, nil
}

// up adopts the running server or starts one, and returns when it is ready. The
// caller holds the startup lock.
func (s *Server) up(ctx context.Context) error {
	unclear := time.Now().Add(unclearLimit)
	var giveUp time.Time // a download is not part of the time to retry in
	for {
		p, err := s.layout.running()
		switch {
		case err == nil:
			err = s.adopt(ctx, p)
		case errors.Is(err, errPIDFile) && time.Now().Before(unclear):
			err = errRetry
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, errPIDFile):
			err = s.create(ctx)
		}
		if !errors.Is(err, errRetry) {
			return err
		}
		if giveUp.IsZero() {
			giveUp = time.Now().Add(s.opts.StartTimeout)
		}
		if time.Now().After(giveUp) || pause(ctx, 5*statePoll) != nil {
			return fmt.Errorf("start the private postgresql in %s: %w", s.layout.dir, err)
		}
	}
}

// errRetry marks a state that ends by itself, such as a server that is going down
// or the backends of a killed one.
var errRetry = errors.New("another server is still in the way")

// adopt waits until a running server is ready and takes it as ours.
func (s *Server) adopt(ctx context.Context, p pidFile) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.StartTimeout)
	defer cancel()
	for {
		now, err := s.layout.running()
		if err != nil || now.pid != p.pid {
			return fmt.Errorf("%w: server %d ended", errRetry, p.pid)
		}
		if now.ready {
			p = now
			break
		}
		if err := pause(ctx, statePoll); err != nil {
			return fmt.Errorf("wait for the private postgresql %d to be ready: %w", p.pid, err)
		}
	}
	version, err := identify(ctx, p.socket, s.layout.data())
	if err != nil {
		if now, gone := s.layout.running(); gone != nil || now.pid != p.pid {
			return fmt.Errorf("%w: %w", errRetry, err)
		}
		return fmt.Errorf("adopt the private postgresql %d: %w", p.pid, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process.pid == p.pid {
		return nil // ours already; keep the notice of its end
	}
	s.process, s.socket = postmaster{pid: p.pid}, p.socket
	s.binaries = Binaries{Dir: s.layout.runningBinaries(), Source: SourceRunning, Version: version}
	s.log.InfoContext(ctx, "private postgresql adopted", slog.Int("pid", p.pid), slog.String("version", version))
	return nil
}

// runningBinaries reads the folder of programs from the command line that the
// server keeps in its data folder. It serves as information only.
func (l layout) runningBinaries() string {
	opts, err := os.ReadFile(filepath.Join(l.data(), "postmaster.opts"))
	if err != nil {
		return ""
	}
	program, _, _ := strings.Cut(string(opts), ` "`)
	return filepath.Dir(strings.TrimSpace(program))
}

// create finds binaries, makes the cluster when there is none, and starts a server.
func (s *Server) create(ctx context.Context) error {
	major, err := s.layout.clusterMajor()
	if err != nil {
		return err
	}
	b, err := s.search.find(ctx, major)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.StartTimeout)
	defer cancel()
	a, err := chooseAccount(s.layout)
	if err != nil {
		return err
	}
	s.mu.Lock()
	socket := s.socket
	s.mu.Unlock()
	if a, err = a.withReach(s.layout.data(), filepath.Join(b.Dir, "postgres"), socket); err != nil {
		return err
	}
	if major == 0 {
		if err := s.initCluster(ctx, b, a); err != nil {
			return err
		}
	}
	if err := makePrivate(socket, a); err != nil {
		return err
	}
	if err := s.clearStale(ctx, socket); err != nil {
		return err
	}
	return s.launch(ctx, b, a, socket)
}

// clearStale removes what a killed server left, which a new one would otherwise
// refuse when a foreign process has taken over the old number.
func (s *Server) clearStale(ctx context.Context, socket string) error {
	var d net.Dialer
	if conn, err := d.DialContext(ctx, "unix", socketPath(socket)); err == nil {
		_ = conn.Close() // only a knock
		// For instance a server in another container, whose processes we cannot see.
		return fmt.Errorf("%w: something answers on %s", errRetry, socketPath(socket))
	}
	for _, file := range []string{
		filepath.Join(s.layout.data(), postmasterPID), socketPath(socket), socketPath(socket) + ".lock",
	} {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what a killed server left: %w", err)
		}
	}
	return nil
}

// settings are those of a small server with durable commits. Fsync and
// synchronous_commit are on by default.
func (s *Server) settings(socket string) []string {
	all := map[string]string{
		"listen_addresses":        "",
		"port":                    port,
		"unix_socket_directories": socket,
		"unix_socket_permissions": "0700",
		"max_connections":         "100",
		"shared_buffers":          "128MB",
		"jit":                     "off",
		"timezone":                "UTC",
		"log_timezone":            "UTC",
		"logging_collector":       "off",
		"log_destination":         "stderr",
		// An error is its client's to report; the statement may hold payloads.
		"log_min_messages":        "log",
		"log_min_error_statement": "panic",
		"log_checkpoints":         "off",
	}
	maps.Copy(all, s.opts.Settings)
	var args []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		args = append(args, "-c", name+"="+all[name])
	}
	return args
}

// launch starts the server and waits until it is ready.
func (s *Server) launch(ctx context.Context, b Binaries, a account, socket string) error {
	logFile, err := s.layout.rotateLog()
	if err != nil {
		return err
	}
	defer func() { _ = logFile.Close() }() // the child has its own
	args := append([]string{"-D", s.layout.data()}, s.settings(socket)...)
	// Not bound to ctx: the server outlives this call.
	cmd := exec.Command(filepath.Join(b.Dir, "postgres"), args...) //nolint:gosec,noctx // a probed program
	a.prepare(cmd)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	if err := a.start(cmd); err != nil {
		return fmt.Errorf("start %s: %w", filepath.Join(b.Dir, "postgres"), err)
	}
	child := postmaster{pid: cmd.Process.Pid, exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is in the log
		close(child.exited)
	}()
	if err := s.awaitReady(ctx, child); err != nil {
		stopProcess(context.WithoutCancel(ctx), child, syscall.SIGQUIT)
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process, s.binaries = child, b
	s.log.InfoContext(ctx, "private postgresql started", slog.Int("pid", child.pid),
		slog.String("binaries", b.Dir), slog.String("source", b.Source), slog.String("version", b.Version))
	return nil
}

// awaitReady waits for a pid file of this very child: an old file may say ready too.
func (s *Server) awaitReady(ctx context.Context, child postmaster) error {
	tick := time.NewTicker(statePoll)
	defer tick.Stop()
	for {
		select {
		case <-child.exited:
			return s.deathReport()
		case <-ctx.Done():
			return fmt.Errorf("wait for the private postgresql to be ready: %w; its log says: %s", context.Cause(ctx), s.layout.logTail())
		case <-tick.C:
		}
		if p, err := readPIDFile(s.layout.data()); err == nil && p.pid == child.pid && p.ready {
			return nil
		}
	}
}

// deathReport is the error of a server that ended while it started.
func (s *Server) deathReport() error {
	tail := s.layout.logTail()
	err := fmt.Errorf("the private postgresql did not start, %s says: %s", s.layout.logFile(), tail)
	// The backends of a killed server end when they notice; another starter may
	// have been faster.
	for _, passing := range []string{"is still in use", `"postmaster.pid" already exists`} {
		if strings.Contains(tail, passing) {
			return fmt.Errorf("%w: %w", errRetry, err)
		}
	}
	return err
}

// logTail is the last thing the server said, on one line.
func (l layout) logTail() string {
	text, err := os.ReadFile(l.logFile())
	if err != nil || len(text) == 0 {
		return "nothing"
	}
	return lastLines(string(text[max(0, len(text)-4096):]), 6)
}
