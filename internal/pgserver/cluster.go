package pgserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const initPrefix = "data.init-"

// clusterMajor is the major version that made the existing data, or zero when
// there are none.
func (l layout) clusterMajor() (int, error) {
	raw, err := os.ReadFile(filepath.Join(l.data(), "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(l.data()); err == nil {
			return 0, fmt.Errorf("%s holds no PostgreSQL data: move it away", l.data())
		}
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the version of the private postgresql's data: %w", err)
	}
	major := majorOf(strings.TrimSpace(string(raw)))
	if major == 0 {
		return 0, fmt.Errorf("%s/PG_VERSION holds no version: %.20q", l.data(), raw)
	}
	return major, nil
}

// initCluster makes the data folder. It works beside it and renames, so that a
// folder named data is always complete; what an interrupted run left is removed.
// The caller holds the startup lock.
func (s *Server) initCluster(ctx context.Context, b Binaries, a account) error {
	if err := s.layout.removeHalfMade(); err != nil {
		// Its initdb may still be dying. It is in nobody's way.
		s.log.WarnContext(ctx, "half-made data folder left", slog.Any("error", err))
	}
	var err error
	// Not every system knows C.UTF-8; C sorts the same way.
	for _, locale := range []string{"C.UTF-8", "C"} {
		if err = s.initdb(ctx, b, a, locale); err == nil {
			s.log.InfoContext(ctx, "private postgresql initialized",
				slog.String("dir", s.layout.data()), slog.String("locale", locale))
			return nil
		}
		if !strings.Contains(err.Error(), "invalid locale") {
			break
		}
	}
	return err
}

func (s *Server) initdb(ctx context.Context, b Binaries, a account, locale string) error {
	tmp, err := os.MkdirTemp(s.layout.dir, initPrefix)
	if err != nil {
		return fmt.Errorf("create a data folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(tmp) }() // renamed when all went well; else the next start removes it
	if a.drop {
		if err := os.Lchown(tmp, a.uid, a.gid); err != nil {
			return fmt.Errorf("give the data folder to user %d, who runs postgresql: %w", a.uid, err)
		}
	}
	args := []string{
		"--pgdata=" + tmp, "--username=" + superuser, "--encoding=UTF8", "--locale=" + locale,
		// Only the socket's folder guards the server, and that is closed to others.
		"--auth-local=trust", "--auth-host=reject",
	}
	if s.opts.Settings["fsync"] == "off" {
		args = append(args, "--no-sync")
	}
	cmd := exec.CommandContext(ctx, filepath.Join(b.Dir, "initdb"), args...) //nolint:gosec // a probed program
	a.prepare(cmd)
	// initdb runs postgres in turn; they share a session, hence a process group.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := a.start(cmd); err != nil {
		return fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("initdb: %w: %s", err, lastLines(out.String(), 6))
	}
	if err := os.Rename(tmp, s.layout.data()); err != nil {
		return fmt.Errorf("put the data folder in its place: %w", err)
	}
	return syncDir(s.layout.dir)
}

// removeHalfMade removes what killed runs of initdb left.
func (l layout) removeHalfMade() error {
	left, err := filepath.Glob(filepath.Join(l.dir, initPrefix+"*"))
	if err != nil {
		return fmt.Errorf("look for half-made data folders: %w", err)
	}
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove a half-made data folder: %w", err)
		}
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // our own folder
	if err != nil {
		return fmt.Errorf("open %s to sync it: %w", dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}

// lastLines joins the last n lines that say something into one.
func lastLines(text string, n int) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-n):], " | ")
}
