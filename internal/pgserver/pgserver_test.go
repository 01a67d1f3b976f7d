package pgserver

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestServerKeepsItsDataAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	s := start(t, options(t, dir))
	wantQuery(t, s, "select current_database()::text", DefaultDatabase)
	wantQuery(t, s, "show listen_addresses", "")
	wantQuery(t, s, "show fsync", "off")
	wantQuery(t, s, "show server_encoding", "UTF8")
	wantQuery(t, s, "select datcollate from pg_database where datname = current_database()", "C.UTF-8")
	wantQuery(t, s, "with t as (select pg_advisory_lock(1)) select count(*)::text from t", "1")
	if _, err := query(t.Context(), s.URL(DefaultDatabase), "create table kept (id int)"); err == nil {
		t.Fatal("a statement without a row returned one")
	}
	pid := s.PID()
	if b := s.Binaries(); b.Dir == "" || b.Source == "" || majorOf(b.Version) < minMajor {
		t.Errorf("binaries = %+v", b)
	}
	stop(t, s)
	wantGone(t, s.layout.dir, pid)
	stop(t, s) // again is no error

	s = start(t, options(t, dir))
	wantQuery(t, s, "select count(*)::text from kept", "0")
}

func TestSettingsAreDurableByDefault(t *testing.T) {
	t.Parallel()
	o := options(t, newDir(t))
	o.Settings = nil
	s := start(t, o)
	for name, want := range map[string]string{
		"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "jit": "off", "max_connections": "100",
	} {
		wantQuery(t, s, "show "+name, want)
	}
}

func TestEnsureDatabaseCreatesOnce(t *testing.T) {
	t.Parallel()
	s := start(t, options(t, newDir(t)))
	const name = `odd "name" +&?`
	for range 2 {
		if err := s.EnsureDatabase(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	got, err := query(t.Context(), s.URL(name), "select current_database()::text")
	if err != nil || got != name {
		t.Errorf("connected to %q: %v", got, err)
	}
}

func TestLastUserStopsTheServer(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	first := start(t, options(t, dir))
	second := start(t, options(t, dir))
	other := newPeer(t, dir)
	pid := first.PID()
	if second.PID() != pid || other.pid(t) != pid {
		t.Fatal("there is more than one server")
	}
	if b := second.Binaries(); b.Source != SourceRunning || b.Dir != first.Binaries().Dir || b.Version != first.Binaries().Version {
		t.Errorf("adopted binaries = %+v, the starter's are %+v", b, first.Binaries())
	}
	stop(t, first)
	wantLives(t, pid)
	stop(t, second)
	wantLives(t, pid)
	other.leave(t)
	wantGone(t, first.layout.dir, pid)
}

func TestSimultaneousStartsShareOneServer(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	users := []*peer{newPeer(t, dir), newPeer(t, dir), newPeer(t, dir)}
	pid := users[0].pid(t)
	for _, u := range users[1:] {
		if other := u.pid(t); other != pid {
			t.Errorf("servers %d and %d", pid, other)
		}
	}
	for _, u := range users {
		u.leave(t)
	}
	wantGone(t, dir, pid)
}

func TestServerOfAKilledParentIsAdopted(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	parent := newPeer(t, dir)
	pid := parent.pid(t)
	parent.kill()
	wantLives(t, pid)
	s := start(t, options(t, dir))
	if s.PID() != pid {
		t.Errorf("server %d, want the orphan %d", s.PID(), pid)
	}
	wantQuery(t, s, "select 'x'", "x")
	stop(t, s)
	wantGone(t, dir, pid)
}

func TestServerStartsAfterBothWereKilled(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	for range 3 {
		parent := newPeer(t, dir)
		pid := parent.pid(t)
		parent.kill()
		killServer(t, pid)
		s := start(t, options(t, dir))
		if s.PID() == pid {
			t.Error("the killed server was adopted")
		}
		wantQuery(t, s, "select 'x'", "x")
		stop(t, s)
	}
}

func killServer(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func TestStalePIDFileOfAForeignProcessIsNoServer(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	s := start(t, options(t, dir))
	l := s.layout
	raw, err := os.ReadFile(filepath.Join(l.data(), postmasterPID))
	if err != nil {
		t.Fatal(err)
	}
	old := s.PID()
	stop(t, s)

	// A process of the server's own user, since PostgreSQL ignores those of others.
	a, err := chooseAccount(l)
	if err != nil {
		t.Fatal(err)
	}
	foreign := exec.Command("sleep", "600")
	a.prepare(foreign)
	if err := foreign.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = foreign.Wait(); close(ended) }()
	t.Cleanup(func() { _ = foreign.Process.Kill(); <-ended })
	stale := strings.Replace(string(raw), strconv.Itoa(old), strconv.Itoa(foreign.Process.Pid), 1)
	for _, file := range []string{filepath.Join(l.data(), postmasterPID), socketPath(l.socketDir()) + ".lock"} {
		if err := os.WriteFile(file, []byte(stale), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	s = start(t, options(t, dir))
	wantQuery(t, s, "select 'x'", "x")
	stop(t, s)
	select {
	case <-ended:
		t.Error("the foreign process was ended")
	default:
	}
}

func TestIncompletePIDFileIsNoServer(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	s := start(t, options(t, dir))
	stop(t, s)
	if err := os.WriteFile(filepath.Join(s.layout.data(), postmasterPID), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s = start(t, options(t, dir))
	wantQuery(t, s, "select 'x'", "x")
}

func TestKilledServerIsRestarted(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		adopt bool
	}{{"by its parent", false}, {"by an adopter", true}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := newDir(t)
			if tc.adopt {
				parent := newPeer(t, dir)
				parent.pid(t)
				parent.kill()
			}
			s := start(t, options(t, dir))
			url := s.URL(DefaultDatabase)
			for range 2 {
				pid := s.PID()
				killServer(t, pid)
				eventually(t, "another server", func() bool { return s.PID() != pid })
				if got, err := query(t.Context(), url, "select 'x'"); err != nil || got != "x" {
					t.Errorf("the old address answers %q: %v", got, err)
				}
			}
			pid := s.PID()
			stop(t, s)
			wantGone(t, dir, pid)
		})
	}
}

func TestAllUsersFollowARestart(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	first, second := start(t, options(t, dir)), start(t, options(t, dir))
	pid := first.PID()
	killServer(t, pid)
	eventually(t, "both know the new server", func() bool {
		return first.PID() != pid && first.PID() == second.PID()
	})
	stop(t, first)
	wantQuery(t, second, "select 'x'", "x")
}

func TestHaltKeepsTheServerDownUntilResume(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	s, second := start(t, options(t, dir)), start(t, options(t, dir))
	pid := s.PID()
	if err := s.Halt(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantGone(t, dir, pid)
	if _, err := query(t.Context(), s.URL(DefaultDatabase), "select 'x'"); err == nil {
		t.Error("a halted server answers")
	}
	if err := s.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantQuery(t, s, "select 'x'", "x")
	eventually(t, "the second user follows", func() bool { return second.PID() == s.PID() })

	if err := s.Halt(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop(t, s)
	eventually(t, "the other user brings the server back", func() bool {
		_, err := query(t.Context(), second.URL(DefaultDatabase), "select 'x'")
		return err == nil
	})
}

func TestShutdownStopsAnOrphan(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	if err := Shutdown(t.Context(), dir); err != nil {
		t.Errorf("without a server: %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("shutdown made a folder: %v", err)
	}
	parent := newPeer(t, dir)
	pid := parent.pid(t)
	parent.kill()
	if err := Shutdown(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	wantGone(t, dir, pid)
}

func TestStopEndsTheServerEvenWithoutTime(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	s, err := Start(t.Context(), options(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	pid := s.PID()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Stop(ctx); err != nil {
		t.Error(err)
	}
	if lives(pid) {
		t.Errorf("server %d still lives", pid)
	}
	s = start(t, options(t, dir))
	wantQuery(t, s, "select 'x'", "x")
}

func TestFailedStartSaysWhyAndLeavesNoServer(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	o := options(t, dir)
	o.Settings = map[string]string{"fsync": "off", "shared_buffers": "nonsense"}
	if _, err := Start(t.Context(), o); err == nil || !strings.Contains(err.Error(), `"shared_buffers": "nonsense"`) {
		t.Errorf("err = %v, want the server's own words", err)
	}
	// The same process can try again: nothing is locked or left.
	s := start(t, options(t, dir))
	wantQuery(t, s, "select 'x'", "x")
}

func TestInterruptedInitdbLeavesNothingHalfMade(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	half := func() []string {
		found, err := filepath.Glob(filepath.Join(dir, initPrefix+"*", "PG_VERSION"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	killed := newPeer(t, dir)
	eventually(t, "initdb works", func() bool { return len(half()) > 0 })
	killed.kill()

	ctx, cancel := context.WithCancel(t.Context())
	seen := half()
	done := make(chan error, 1)
	go func() {
		_, err := Start(ctx, options(t, dir))
		done <- err
	}()
	eventually(t, "a second initdb works", func() bool {
		now := half()
		return len(now) > 0 && (len(seen) == 0 || now[0] != seen[0] || len(now) > len(seen))
	})
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled start: %v", err)
	}
	if _, err := os.Stat(layout{dir}.data()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a data folder without a finished initdb: %v", err)
	}

	s := start(t, options(t, dir))
	wantQuery(t, s, "select 'x'", "x")
	if left := half(); len(left) > 0 {
		t.Errorf("half-made folders are left: %v", left)
	}
}
