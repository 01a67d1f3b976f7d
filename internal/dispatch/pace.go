package dispatch

import "time"

const (
	// probeAfter is how many failures in a row close a lane.
	probeAfter = 10
	// The pauses between probes begin with minPause and double up to maxPause.
	minPause = time.Second
	maxPause = 5 * time.Minute
)

// pace is how much an endpoint can be asked to take, as its answers tell. The zero pace is that of an endpoint that is well.
//
// Failures in a row close the lane for a pause, after which there is one slot: the next attempt is a probe. When it fails, the
// next pause is twice as long. With every success there is a slot more, so that what runs at once doubles each round, until
// the endpoint has all of its slots again. An endpoint of which a good part of the answers are successes is never closed.
type pace struct {
	// slots is how many attempts may run at once, 0 for as many as the webhook allows.
	slots int
	// failures counts those since the last success.
	failures int
	// pause is the latest pause between probes, 0 when there is no probing.
	pause time.Duration
	// closedUntil is when the lane opens again.
	closedUntil time.Time
	// round counts the closings. Attempts that began in an earlier round are part of what has led to a closing already: their
	// failures close it no further.
	round int
}

// resumed is the pace of an endpoint that was failing when it was last heard of: the first attempt is a probe.
func resumed() pace { return pace{slots: 1, failures: probeAfter - 1} }

// allowed is how many attempts may run at once, of limit at most.
func (p *pace) allowed(limit int) int {
	if p.slots == 0 {
		return limit
	}
	return min(p.slots, limit)
}

// succeeded notes that the endpoint took a delivery, or refused that one and would have taken another.
func (p *pace) succeeded(limit int) {
	p.failures, p.pause = 0, 0
	if p.slots == 0 {
		return
	}
	if p.slots++; p.slots >= limit {
		p.slots = 0
	}
}

// failed notes that the endpoint could not take a delivery. rnd is from [0, 1).
func (p *pace) failed(round int, now time.Time, rnd float64) {
	if round != p.round {
		return
	}
	p.failures++
	if p.pause == 0 && p.failures < probeAfter {
		return
	}
	p.pause = min(max(2*p.pause, minPause), maxPause)
	p.closeUntil(now.Add(spread(p.pause, rnd)))
}

// closeUntil closes the lane until a time, or for as long as it is closed anyway.
func (p *pace) closeUntil(at time.Time) {
	p.slots = 1
	p.round++
	if at.After(p.closedUntil) {
		p.closedUntil = at
	}
}
