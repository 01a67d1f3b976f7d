package pgserver

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	// maxSocketPath is the longest socket path that both Linux (107) and macOS
	// (103) take, in bytes.
	maxSocketPath = 103
	// shortRoot is where the socket goes when the folder's own path is too long. It
	// is not os.TempDir: that depends on TMPDIR, and all users of a server must
	// agree on the place.
	shortRoot = "/tmp"
	// maxLogSize bounds server.log, in bytes.
	maxLogSize = 8 << 20
)

// layout names the files below a server's folder, an absolute path without
// symbolic links.
type layout struct{ dir string }

// openLayout creates the folder when it is missing.
//
// As root the folder stays root's own and others may only pass through it: the
// account that runs the server owns data and run, and nothing that root writes
// to, so it cannot make root follow its links.
func openLayout(dir string) (layout, error) {
	mode := fs.FileMode(0o700)
	if os.Geteuid() == 0 {
		mode = 0o711
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return layout{}, fmt.Errorf("create the folder of the private postgresql: %w", err)
	}
	abs, err := filepath.Abs(dir)
	if err == nil {
		abs, err = filepath.EvalSymlinks(abs)
	}
	if err != nil {
		return layout{}, fmt.Errorf("resolve the folder of the private postgresql: %w", err)
	}
	if err := os.Chmod(abs, mode); err != nil {
		return layout{}, fmt.Errorf("protect the folder of the private postgresql: %w", err)
	}
	return layout{abs}, nil
}

func (l layout) data() string        { return filepath.Join(l.dir, "data") }
func (l layout) logFile() string     { return filepath.Join(l.dir, "server.log") }
func (l layout) startupLock() string { return filepath.Join(l.dir, "startup.lock") }
func (l layout) usersLock() string   { return filepath.Join(l.dir, "users.lock") }
func (l layout) npm() string         { return filepath.Join(filepath.Dir(l.dir), "npm") }

// socketDir is run/ below the folder, or a short path derived from it when a
// socket in run/ would have too long a name, or one with a character that lists
// of hosts and folders are made of.
func (l layout) socketDir() string {
	dir := filepath.Join(l.dir, "run")
	if len(socketPath(dir)) <= maxSocketPath && !strings.ContainsAny(dir, `,"`) {
		return dir
	}
	sum := sha256.Sum256([]byte(l.dir))
	return filepath.Join(shortRoot, "posthorn-"+hex.EncodeToString(sum[:10]))
}

func socketPath(dir string) string { return filepath.Join(dir, ".s.PGSQL."+port) }

// makePrivate makes sure that dir is a folder of mode 0700 that belongs to the
// account. It refuses a folder of somebody else, which matters below /tmp.
func makePrivate(dir string, a account) error {
	err := os.Mkdir(dir, 0o700)
	if err == nil && a.drop {
		err = os.Lchown(dir, a.uid, a.gid)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("create a folder for the private postgresql: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("look at a folder of the private postgresql: %w", err)
	}
	if uid := owner(info); !info.IsDir() || info.Mode().Perm() != 0o700 || uid != a.uid {
		return fmt.Errorf("%s must be a folder of user %d with mode 0700, but it has owner %d and mode %s: remove it",
			dir, a.uid, uid, info.Mode())
	}
	return nil
}

func owner(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

// rotateLog keeps the log of the run before and opens a new one for appending, so
// that it can be cut short while the server writes to it.
func (l layout) rotateLog() (*os.File, error) {
	if err := os.Rename(l.logFile(), l.logFile()+".1"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("keep the last log of the private postgresql: %w", err)
	}
	f, err := os.OpenFile(l.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of the private postgresql: %w", err)
	}
	return f, nil
}

// boundLog empties a log that has grown too long.
func (l layout) boundLog() error {
	info, err := os.Stat(l.logFile())
	if err != nil || info.Size() <= maxLogSize {
		return err
	}
	return os.Truncate(l.logFile(), 0)
}
