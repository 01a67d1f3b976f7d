package rig

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit in which the kernel counts CPU time for other programs.
const tick = 10 * time.Millisecond

// Usage is what a process and its children have used.
type Usage struct {
	// CPU is the time on all processors, of children too, whether they live or were waited for.
	CPU time.Duration
	// Peak is the largest resident memory of the process itself, in bytes.
	Peak int64
}

// UsageOf looks at a process.
func UsageOf(pid int) (Usage, error) {
	total, err := cpuOf(pid)
	if err != nil {
		return Usage{}, err
	}
	for _, child := range childrenOf(pid) {
		if used, err := cpuOf(child); err == nil { // it may have ended, and is in its parent's time then
			total += used
		}
	}
	peak, err := peakOf(pid)
	return Usage{CPU: total, Peak: peak}, err
}

// stat returns the fields of /proc/PID/stat from the third on: the second is a name that may hold anything.
func stat(pid int) ([]string, error) {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return nil, fmt.Errorf("look at process %d: %w", pid, err)
	}
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	if len(fields) < 15 {
		return nil, fmt.Errorf("look at process %d: %q", pid, raw)
	}
	return fields, nil
}

// cpuOf is the CPU time of a process, with that of the children it has waited for.
func cpuOf(pid int) (time.Duration, error) {
	fields, err := stat(pid)
	if err != nil {
		return 0, err
	}
	ticks := 0
	for _, field := range fields[11:15] { // utime, stime, cutime, cstime
		n, err := strconv.Atoi(field)
		if err != nil {
			return 0, fmt.Errorf("look at process %d: %w", pid, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}

func childrenOf(parent int) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var children []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if fields, err := stat(pid); err == nil && fields[1] == strconv.Itoa(parent) {
			children = append(children, pid)
		}
	}
	return children
}

func peakOf(pid int) (int64, error) {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, fmt.Errorf("look at process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("look at process %d: %w", pid, err)
			}
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("look at process %d: it has no memory", pid)
}
