//go:build !linux

package pgserver

import (
	"context"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// reachCapability finds none: capabilities are Linux's.
func reachCapability() (uintptr, bool) { return 0, false }

func lend(*syscall.SysProcAttr, []uintptr) {}

func startKeepingCaps(cmd *exec.Cmd) error { return cmd.Start() }

// isPostmaster reports whether the process lives and is a postgres started for
// the data folder.
func isPostmaster(pid int, dataDir string) bool {
	state, command := describe(pid)
	return state != "" && !strings.HasPrefix(state, "Z") &&
		strings.Contains(command, "postgres") && strings.Contains(command, dataDir)
}

// lives reports whether the process exists and is no zombie.
func lives(pid int) bool {
	state, _ := describe(pid)
	return state != "" && !strings.HasPrefix(state, "Z")
}

func describe(pid int) (state, command string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ps", "-ww", "-o", "stat=,command=", "-p", strconv.Itoa(pid)).Output() //nolint:gosec // a number
	if err != nil {
		return "", ""
	}
	state, command, _ = strings.Cut(strings.TrimSpace(string(out)), " ")
	return state, command
}
