package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// down stops the server of this folder, if there is one, and cleans up after it.
// The caller holds the startup lock.
func (s *Server) down(ctx context.Context) error {
	p, err := s.layout.running()
	switch {
	case err == nil:
		s.mu.Lock()
		process := s.process
		s.mu.Unlock()
		if process.pid != p.pid {
			process = postmaster{pid: p.pid}
		}
		if !stopProcess(ctx, process, syscall.SIGINT) {
			return fmt.Errorf("the private postgresql %d does not end", p.pid)
		}
		s.log.InfoContext(ctx, "private postgresql stopped", slog.Int("pid", p.pid))
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errPIDFile):
		return err
	}
	// Below /tmp nothing may stay behind. In our own folder an empty run/ is fine.
	if dir := s.layout.socketDir(); dir != filepath.Join(s.layout.dir, "run") {
		for _, file := range []string{socketPath(dir), socketPath(dir) + ".lock", dir} {
			if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("remove the socket's folder: %w", err)
			}
		}
	}
	return nil
}

// stopProcess ends a postmaster and reports whether it is gone. It starts with
// first and goes on to harder signals when ctx or the time for one ends.
func stopProcess(ctx context.Context, p postmaster, first syscall.Signal) bool {
	for _, step := range []struct {
		signal syscall.Signal
		limit  time.Duration
	}{
		{syscall.SIGINT, fastLimit},   // roll back, write everything, end
		{syscall.SIGQUIT, abortLimit}, // end; the next start recovers
		{syscall.SIGKILL, abortLimit},
	} {
		if first == syscall.SIGQUIT && step.signal == syscall.SIGINT {
			continue
		}
		if !p.lives() {
			return true
		}
		// A process that ended meanwhile is what we want.
		_ = syscall.Kill(p.pid, step.signal)
		wait := ctx
		if step.signal != syscall.SIGINT {
			wait = context.WithoutCancel(ctx) // an impatient caller still leaves nothing behind
		}
		if p.awaitEnd(wait, step.limit) {
			return true
		}
	}
	return false
}

// lives is false as soon as the process has ended, reaped or not.
func (p postmaster) lives() bool {
	select {
	case <-p.exited: // never for an adopted server, whose channel is nil
		return false
	default:
		return lives(p.pid)
	}
}

func (p postmaster) awaitEnd(ctx context.Context, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for p.lives() {
		if pause(ctx, statePoll) != nil {
			return !p.lives()
		}
	}
	return true
}
