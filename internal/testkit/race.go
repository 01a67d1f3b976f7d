//go:build race

package testkit

// Race says whether the race detector is on, which makes what a test computes itself several times slower.
const Race = true
