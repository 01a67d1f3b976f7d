package pgserver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// openDir is a server folder that every account can reach. Those of t.TempDir lie
// below a folder that is closed to others.
func openDir(t *testing.T) string {
	t.Helper()
	parent := t.TempDir()
	for _, dir := range []string{filepath.Dir(parent), parent} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(parent, "postgres")
	cleanUp(t, dir)
	return dir
}

func TestRootLendsACapabilityOnlyBelowClosedFolders(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root changes the user and lends capabilities")
	}
	for _, tc := range []struct {
		name   string
		closed bool
	}{{"open", false}, {"closed", true}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := openDir(t)
			if tc.closed {
				if err := os.Chmod(filepath.Dir(dir), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			s := start(t, options(t, dir))
			wantQuery(t, s, "select 'x'", "x")
			info, err := os.Stat(s.layout.data())
			if err != nil {
				t.Fatal(err)
			}
			if owner(info) == 0 || info.Mode().Perm() != 0o700 {
				t.Errorf("data belong to %d with mode %s", owner(info), info.Mode())
			}
			got, err := ambientOf(s.PID())
			if err != nil {
				t.Fatal(err)
			}
			if lent := strings.Trim(got, "0") != ""; lent != tc.closed {
				t.Errorf("ambient capabilities %s, but the folder is %s", got, tc.name)
			}
		})
	}
}

func TestRestartKeepsTheOwnerOfTheData(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give data to another user")
	}
	dir := newDir(t)
	s := start(t, options(t, dir))
	stop(t, s)
	const nobody = 65534
	err := filepath.Walk(dir, func(path string, _ os.FileInfo, err error) error {
		if err != nil || path == dir {
			return err
		}
		return os.Lchown(path, nobody, nobody)
	})
	if err != nil {
		t.Fatal(err)
	}
	s = start(t, options(t, dir))
	info, err := os.Stat(s.layout.data())
	if err != nil {
		t.Fatal(err)
	}
	if owner(info) != nobody {
		t.Errorf("data belong to %d now", owner(info))
	}
	wantQuery(t, s, "select 'x'", "x")
}

func TestDataOfRootAreRefusedWithAdvice(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root has data of root")
	}
	dir := newDir(t)
	s := start(t, options(t, dir))
	stop(t, s)
	if err := os.Chown(s.layout.data(), 0, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), options(t, dir)); err == nil || !strings.Contains(err.Error(), "chown") {
		t.Errorf("err = %v", err)
	}
}

func TestAnyPathGetsAUsableSocket(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, below string
		short       bool
	}{
		{"long", strings.Repeat("long/", 25), true},
		{"comma", "a,b", true},
		{"space and more", "a b+%20é", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			parent, err := os.MkdirTemp("", "p")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(parent) })
			dir := filepath.Join(parent, tc.below, "postgres")
			cleanUp(t, dir)
			s, second := start(t, options(t, dir)), start(t, options(t, dir))
			wantQuery(t, s, "select 'x'", "x")
			wantQuery(t, second, "select 'x'", "x")
			socket := s.socket
			if len(socketPath(socket)) > maxSocketPath || second.socket != socket || tc.short == strings.HasPrefix(socket, parent) {
				t.Errorf("sockets %s and %s", socket, second.socket)
			}
			stop(t, s)
			stop(t, second)
			if _, err := os.Lstat(socket); tc.short && err == nil {
				t.Errorf("%s is left", socket)
			}
		})
	}
}

func TestForeignFolderForTheSocketIsRefused(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 25)+"postgres")
	cleanUp(t, dir)
	socket := layout{dir}.socketDir()
	if err := os.Mkdir(socket, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(socket) })
	if err := os.Chmod(socket, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), options(t, dir)); err == nil || !strings.Contains(err.Error(), socket) {
		t.Errorf("err = %v", err)
	}
}

func TestForeignEnvironmentDoesNotReachTheServer(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	other := newPeer(t, dir,
		"LANG=en_US.UTF-8", "LC_ALL=xx_XX.UTF-8", "LC_MESSAGES=de_DE", "TZ=Asia/Tokyo",
		"PGDATA=/nowhere", "PGPORT=1", "PGHOST=nowhere.invalid", "PGUSER=x", "PGDATABASE=x", "PGOPTIONS=-c jit=on")
	other.pid(t)
	s := start(t, options(t, dir))
	wantQuery(t, s, "show lc_messages", "C.UTF-8")
	wantQuery(t, s, "show timezone", "UTC")
	other.leave(t)
	wantQuery(t, s, "select 'x'", "x")
}

func TestLinkToTheFolderIsTheSameServer(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	s, second := start(t, options(t, dir)), start(t, options(t, link))
	if s.PID() != second.PID() {
		t.Error("there are two servers")
	}
}

func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	s := start(t, options(t, newDir(t)))
	// The server appends, so that cutting its file leaves no hole before its next line.
	if err := os.Truncate(s.LogPath(), maxLogSize+1); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the log is cut", func() bool {
		info, err := os.Stat(s.LogPath())
		return err == nil && info.Size() < maxLogSize
	})
	stop(t, s)
	text, err := os.ReadFile(s.LogPath())
	if err != nil {
		t.Fatal(err)
	}
	if len(text) == 0 || text[0] == 0 {
		t.Errorf("log after the cut: %.40q", text)
	}
}

func TestURLIsReadByPgx(t *testing.T) {
	t.Parallel()
	const folder, database = "/a b/ü+%/run", "odd name?&"
	c, err := pgx.ParseConfig(socketURL(folder, database))
	if err != nil {
		t.Fatal(err)
	}
	if c.Host != folder || c.Database != database || c.User != superuser || c.Port != 5432 {
		t.Errorf("host %q, database %q, user %q, port %d", c.Host, c.Database, c.User, c.Port)
	}
}
