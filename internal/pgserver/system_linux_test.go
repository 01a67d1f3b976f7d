package pgserver

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// ambientOf is the process's set of ambient capabilities, in hexadecimal.
func ambientOf(pid int) (string, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "CapAmb:"); ok {
			return strings.TrimSpace(value), nil
		}
	}
	return "", errors.New("the status has no ambient set")
}

func TestLeastCapabilityToPassThroughFolders(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, status string
		want         uintptr
		ok           bool
	}{
		{"all", "Name:\tx\nCapPrm:\t000001ffffffffff\n", unix.CAP_DAC_READ_SEARCH, true},
		{"a container's default", "CapPrm:\t00000000a80425fb\n", unix.CAP_DAC_OVERRIDE, true},
		{"none", "CapPrm:\t0000000000000000\n", 0, false},
		{"no such line", "Name:\tx\n", 0, false},
		{"nonsense", "CapPrm:\tzz\n", 0, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got, ok := pickCapability(tc.status); got != tc.want || ok != tc.ok {
				t.Errorf("got %d, %t; want %d, %t", got, ok, tc.want, tc.ok)
			}
		})
	}
}
