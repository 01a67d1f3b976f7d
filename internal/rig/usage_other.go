//go:build !linux

package rig

import (
	"errors"
	"time"
)

// Usage is what a process and its children have used.
type Usage struct {
	// CPU is the time on all processors, of children too, whether they live or were waited for.
	CPU time.Duration
	// Peak is the largest resident memory of the process itself, in bytes.
	Peak int64
}

// UsageOf looks at a process, which only Linux tells enough of.
func UsageOf(int) (Usage, error) {
	return Usage{}, errors.New("what a process uses is read from /proc, on Linux")
}
