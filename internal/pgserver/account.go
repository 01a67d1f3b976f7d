package pgserver

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is who initdb and postgres run as. Both refuse root.
type account struct {
	uid, gid int
	drop     bool      // we are root and the children run as somebody else
	caps     []uintptr // ambient capabilities the children need (Linux)
}

// chooseAccount is ourselves, unless we are root: then it is the owner of an
// existing cluster, else the user postgres, else nobody.
func chooseAccount(l layout) (account, error) {
	me := os.Geteuid()
	info, err := os.Stat(l.data())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return account{}, fmt.Errorf("look at the private postgresql's data: %w", err)
	}
	if me != 0 {
		if err == nil && owner(info) != me {
			return account{}, fmt.Errorf("the private postgresql's data in %s belong to user %d, not to user %d who starts it: run as that user or set POSTHORN_DATA_DIR to another folder", l.data(), owner(info), me)
		}
		return account{uid: me, gid: os.Getegid()}, nil
	}
	if err == nil {
		return dataOwner(l, info)
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			return accountOf(u)
		}
	}
	return account{}, errors.New("root may not run postgresql and there is no user postgres or nobody to run it as: create one, run Posthorn as another user, or set DATABASE_URL")
}

func dataOwner(l layout, info fs.FileInfo) (account, error) {
	uid := owner(info)
	if uid == 0 {
		return account{}, fmt.Errorf("the private postgresql's data in %s belong to root, who may not run postgresql: chown -R them to postgres or nobody", l.data())
	}
	a := account{uid: uid, gid: uid, drop: true}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		a.gid = int(st.Gid)
	}
	return a, nil
}

func accountOf(u *user.User) (account, error) {
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return account{}, fmt.Errorf("user id of %s: %w", u.Username, err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return account{}, fmt.Errorf("group id of %s: %w", u.Username, err)
	}
	return account{uid: uid, gid: gid, drop: true}, nil
}

// withReach adds the capability to pass through folders, but only when one of the
// paths lies below a folder that is closed to the account.
func (a account) withReach(paths ...string) (account, error) {
	if !a.drop {
		return a, nil
	}
	for _, p := range paths {
		closed, err := a.closedAncestor(p)
		if err != nil {
			return a, err
		}
		if closed == "" {
			continue
		}
		reach, ok := reachCapability()
		if !ok {
			return a, fmt.Errorf("user %d, who runs postgresql for root, cannot pass through %s to %s, and this process has neither CAP_DAC_READ_SEARCH nor CAP_DAC_OVERRIDE to lend: chmod o+x that folder or set POSTHORN_DATA_DIR to another one", a.uid, closed, p)
		}
		a.caps = []uintptr{reach}
		return a, nil
	}
	return a, nil
}

// closedAncestor returns the first folder above path that the account may not
// pass through, or nothing. Access lists are not read: they can only make us lend
// a capability that was not needed.
func (a account) closedAncestor(path string) (string, error) {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return "", fmt.Errorf("look at the folders above %s: %w", path, err)
		}
		if !a.passes(info) {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", nil
		}
	}
}

func (a account) passes(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	perm := info.Mode().Perm()
	switch {
	case int(st.Uid) == a.uid:
		return perm&0o100 != 0
	case int(st.Gid) == a.gid:
		return perm&0o010 != 0
	default:
		return perm&0o001 != 0
	}
}

// prepare makes cmd run as the account, in its own session (a Ctrl-C in the
// terminal must not reach the server before Posthorn has drained) and with a
// clean environment: no locale that initdb may not know, no PG* variable, none of
// Posthorn's secrets.
func (a account) prepare(cmd *exec.Cmd) {
	cmd.Dir = "/"
	cmd.Env = cleanEnv()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if a.drop {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)} //nolint:gosec // ids come from the kernel or the user database
		lend(cmd.SysProcAttr, a.caps)
	}
}

// cleanEnv keeps what the dynamic loader and a shell need.
func cleanEnv() []string {
	env := []string{"LC_ALL=C"}
	for _, name := range []string{"PATH", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LOCALE_ARCHIVE"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// start starts a prepared command.
func (a account) start(cmd *exec.Cmd) error {
	start := cmd.Start
	if len(a.caps) > 0 {
		start = func() error { return startKeepingCaps(cmd) }
	}
	return a.explainStart(start())
}

// explainStart turns a refusal to change the user into a sentence.
func (a account) explainStart(err error) error {
	if a.drop && (errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EINVAL)) {
		return fmt.Errorf("root may not run postgresql and this process may not start it as user %d (CAP_SETUID, CAP_SETGID and, below closed folders, CAP_SETPCAP are needed): run Posthorn as another user or set DATABASE_URL: %w", a.uid, err)
	}
	return err
}
