package pgserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

const lockPoll = 20 * time.Millisecond

// fileLock is an advisory lock on a file. The kernel drops it when its holder
// dies. Two locks of one process exclude each other like those of two processes.
//
// A shared lock is never turned into an exclusive one: flock does that by letting
// go first, so that a failed attempt would lose the shared lock too.
type fileLock struct{ f *os.File }

// release is safe to call more than once, but not concurrently.
func (l *fileLock) release() {
	_ = l.f.Close() // closing drops the lock; nothing was written
}

func lockExclusive(ctx context.Context, path string) (*fileLock, error) {
	return lockWait(ctx, path, syscall.LOCK_EX)
}

func lockShared(ctx context.Context, path string) (*fileLock, error) {
	return lockWait(ctx, path, syscall.LOCK_SH)
}

// tryExclusive returns nil without an error when somebody else holds the lock.
func tryExclusive(path string) (*fileLock, error) {
	return lockOnce(path, syscall.LOCK_EX)
}

func lockWait(ctx context.Context, path string, how int) (*fileLock, error) {
	for {
		l, err := lockOnce(path, how)
		if l != nil || err != nil {
			return l, err
		}
		if err := pause(ctx, lockPoll); err != nil {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
	}
}

func lockOnce(path string, how int) (*fileLock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // a fixed name in our own folder
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err == nil {
		return &fileLock{f}, nil
	}
	_ = f.Close() // nothing was written
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, nil //nolint:nilnil // held by somebody else, said in the callers' words
	}
	return nil, fmt.Errorf("lock %s: %w", path, err)
}

// pause waits for d or the end of ctx, whichever comes first.
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
