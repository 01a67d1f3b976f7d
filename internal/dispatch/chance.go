package dispatch

import (
	"math/rand/v2"
	"time"
)

// jitter is by which part a pause is longer or shorter at most.
const jitter = 0.2

// spread makes a pause longer or shorter by a part of it; rnd is from [0, 1).
func spread(d time.Duration, rnd float64) time.Duration {
	return time.Duration(float64(d) * (1 + jitter*(2*rnd-1)))
}

// spreadAtRandom does so with a number of its own.
func spreadAtRandom(d time.Duration) time.Duration { return spread(d, rand.Float64()) }

// The pauses after errors of the store, the first and the longest.
const (
	minBackOff = 200 * time.Millisecond
	maxBackOff = 5 * time.Second
)

// backOff is the pause after a number of errors in a row, from 1.
func backOff(errors int) time.Duration {
	pause := maxBackOff
	if doublings := errors - 1; doublings < 10 {
		pause = min(minBackOff<<doublings, maxBackOff)
	}
	return spreadAtRandom(pause)
}
