package pgserver

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// reachCapability is the least capability we hold that lets a process pass
// through any folder. Containers often have only the second one.
func reachCapability() (uintptr, bool) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, false
	}
	return pickCapability(string(status))
}

func pickCapability(status string) (uintptr, bool) {
	for line := range strings.Lines(status) {
		value, ok := strings.CutPrefix(line, "CapPrm:")
		if !ok {
			continue
		}
		permitted, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err != nil {
			return 0, false
		}
		for _, c := range []uintptr{unix.CAP_DAC_READ_SEARCH, unix.CAP_DAC_OVERRIDE} {
			if permitted&(1<<c) != 0 {
				return c, true
			}
		}
	}
	return 0, false
}

func lend(attr *syscall.SysProcAttr, caps []uintptr) { attr.AmbientCaps = caps }

// secbitNoSetuidFixup is SECBIT_NO_SETUID_FIXUP of capabilities(7).
const secbitNoSetuidFixup = 1 << 2

// startKeepingCaps starts a command that changes its user and is lent capabilities.
//
// The kernel withdraws capabilities from a process that leaves root until its next
// exec, which would keep that very exec from reaching a program below a closed
// folder, and it ignores them in access(2), by which PostgreSQL looks for its own
// programs. A security bit of the starting thread, which the child inherits,
// switches both off. The thread ends with its goroutine, since it is never
// unlocked, and takes the bit along.
func startKeepingCaps(cmd *exec.Cmd) error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		bits, err := unix.PrctlRetInt(unix.PR_GET_SECUREBITS, 0, 0, 0, 0)
		if err == nil {
			err = unix.Prctl(unix.PR_SET_SECUREBITS, uintptr(bits)|secbitNoSetuidFixup, 0, 0, 0)
		}
		if err != nil {
			started <- fmt.Errorf("keep capabilities: %w", err)
			return
		}
		started <- cmd.Start()
	}()
	return <-started
}

// isPostmaster reports whether the process lives and is a postgres that was
// started for the data folder. A zombie does not live: it holds nothing, but
// nobody may have reaped it for a while.
//
// It reads the command line, which everybody may: the links in /proc that name a
// process's folder or program are closed even to root in most containers.
func isPostmaster(pid int, dataDir string) bool {
	if !lives(pid) {
		return false
	}
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return false // gone meanwhile
	}
	args := strings.Split(string(raw), "\x00")
	i := slices.Index(args, "-D")
	if i < 0 || i+1 >= len(args) || filepath.Base(args[0]) != "postgres" {
		return false
	}
	// The same folder can have two names, for instance as a mount.
	got, err := os.Stat(args[i+1]) //nolint:gosec // only compared
	if err != nil {
		return false
	}
	want, err := os.Stat(dataDir)
	return err == nil && os.SameFile(got, want)
}

// lives reports whether the process exists and is no zombie.
func lives(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ESRCH)
	}
	// The state follows the command's name, which may hold any character.
	i := bytes.LastIndexByte(stat, ')')
	if i < 0 || i+2 >= len(stat) {
		return false
	}
	return stat[i+2] != 'Z' && stat[i+2] != 'X'
}
