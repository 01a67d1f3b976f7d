package pgserver

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	helperEnv = "POSTHORN_TEST_PGSERVER_DIR"
	testLimit = 90 * time.Second
)

// fast are settings for tests that survive a killed process, but not a power cut.
var fast = map[string]string{"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}

// TestMain lets the test binary play a second process: with helperEnv set it uses
// the server in that folder, reports it, and stops when its input ends.
func TestMain(m *testing.M) {
	if dir := os.Getenv(helperEnv); dir != "" {
		if err := playUser(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func playUser(dir string) error {
	s, err := Start(context.Background(), Options{Dir: dir, Settings: fast, poll: 50 * time.Millisecond})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(os.Stdout, "ready", s.PID()); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return s.Stop(context.Background())
}

// peer is another process that uses a server.
type peer struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	stdout *bufio.Reader
	stderr *bytes.Buffer
}

func newPeer(t *testing.T, dir string, env ...string) *peer {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	u := &peer{cmd: exec.Command(self), stderr: new(bytes.Buffer)}
	u.cmd.Env = append(append(os.Environ(), helperEnv+"="+dir), env...)
	u.cmd.Stderr = u.stderr
	in, err := u.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := u.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	u.stdin, u.stdout = in, bufio.NewReader(out)
	if err := u.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.kill)
	return u
}

// pid waits until the process has its server and returns the server's pid.
func (u *peer) pid(t *testing.T) int {
	t.Helper()
	line, err := u.stdout.ReadString('\n')
	if err != nil {
		_ = u.cmd.Wait()
		t.Fatalf("the other process did not start its server: %v: %s", err, u.stderr)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, "ready ")))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// kill ends the process as kill -9 does. It may have ended before.
func (u *peer) kill() {
	_ = u.cmd.Process.Kill()
	_ = u.cmd.Wait()
}

// leave ends the process normally.
func (u *peer) leave(t *testing.T) {
	t.Helper()
	if err := u.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if err := u.cmd.Wait(); err != nil {
		t.Fatalf("the other process did not stop: %v: %s", err, u.stderr)
	}
}

// newDir is a folder whose server, if any, ends with the test.
func newDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "postgres")
	cleanUp(t, dir)
	return dir
}

func cleanUp(t *testing.T, dir string) {
	t.Helper()
	t.Cleanup(func() {
		if err := Shutdown(context.Background(), dir); err != nil {
			t.Errorf("shut down: %v", err)
		}
	})
}

func options(t *testing.T, dir string) Options {
	t.Helper()
	return Options{
		Dir: dir, Settings: fast, poll: 50 * time.Millisecond, StartTimeout: testLimit,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

func start(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return s
}

func stop(t *testing.T, s *Server) {
	t.Helper()
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// query runs one statement on a fresh connection and returns its only value.
func query(ctx context.Context, url, sql string) (string, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(ctx) }()
	var value string
	err = conn.QueryRow(ctx, sql).Scan(&value)
	return value, err
}

func wantQuery(t *testing.T, s *Server, sql, want string) {
	t.Helper()
	got, err := query(t.Context(), s.URL(DefaultDatabase), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if got != want {
		t.Errorf("%s = %q, want %q", sql, got, want)
	}
}

// eventually looks until cond holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("never happened: %s", what)
		}
	}
}

func wantGone(t *testing.T, dir string, pid int) {
	t.Helper()
	if lives(pid) {
		t.Errorf("server %d still lives", pid)
	}
	l := layout{dir}
	for _, file := range []string{filepath.Join(l.data(), postmasterPID), socketPath(l.socketDir())} {
		if _, err := os.Lstat(file); err == nil {
			t.Errorf("%s is left", file)
		}
	}
}

func wantLives(t *testing.T, pid int) {
	t.Helper()
	if !lives(pid) {
		t.Errorf("server %d is gone", pid)
	}
}
