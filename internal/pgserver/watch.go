package pgserver

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"time"
)

const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 10 * time.Second
)

// watch brings the server up again whenever it dies, until ctx ends. A parent
// learns of the death at once, an adopter when it looks the next time.
func (s *Server) watch(ctx context.Context) {
	defer close(s.watchEnded)
	tick := time.NewTicker(s.opts.poll)
	defer tick.Stop()
	for {
		s.mu.Lock()
		exited := s.process.exited
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-exited:
		case <-tick.C:
		}
		if err := s.layout.boundLog(); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.log.WarnContext(ctx, "private postgresql's log cannot be cut", slog.Any("error", err))
		}
		if !s.isUp() {
			s.restart(ctx)
		}
	}
}

// isUp reports whether the postmaster we know runs. Another user of the folder may
// have replaced it, which restart finds out.
func (s *Server) isUp() bool {
	p, err := s.layout.running()
	return err == nil && p.pid == s.PID()
}

// restart tries until the server runs or ctx ends.
func (s *Server) restart(ctx context.Context) {
	s.log.WarnContext(ctx, "private postgresql ended", slog.Int("pid", s.PID()), slog.String("log", s.layout.logFile()))
	for delay := firstBackoff; ; delay = min(2*delay, lastBackoff) {
		err := s.lockedUp(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		s.log.ErrorContext(ctx, "private postgresql does not start", slog.Any("error", err), slog.Duration("retry_in", delay))
		if pause(ctx, delay) != nil {
			return
		}
	}
}

func (s *Server) lockedUp(ctx context.Context) error {
	// Waits as long as somebody keeps the server down on purpose.
	startup, err := lockExclusive(ctx, s.layout.startupLock())
	if err != nil {
		return err
	}
	defer startup.release()
	return s.up(ctx)
}
