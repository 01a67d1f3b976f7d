package dispatch

import (
	"math"
	"time"
)

// rate spaces the attempts of a webhook evenly: one each interval, and never more at once than a hundredth of what is allowed
// in a second, to make up for timers that are late. The zero rate has no limit.
type rate struct {
	perSecond int
	interval  time.Duration
	// tolerance is by how much an attempt may come before its turn.
	tolerance time.Duration
	// turn is when the next attempt's turn is.
	turn time.Time
}

// set changes the limit, 0 for none.
func (r *rate) set(perSecond int) {
	if r.perSecond == perSecond {
		return
	}
	*r = rate{perSecond: perSecond, turn: r.turn}
	if perSecond > 0 {
		// Rounded up, or one too many would begin within a second.
		r.interval = (time.Second + time.Duration(perSecond) - 1) / time.Duration(perSecond)
		r.tolerance = time.Duration(max(perSecond/100-1, 0)) * r.interval
	}
}

// next is when an attempt may begin.
func (r *rate) next() time.Time { return r.turn.Add(-r.tolerance) }

// take begins an attempt.
func (r *rate) take(now time.Time) {
	if r.turn.Before(now) {
		r.turn = now
	}
	r.turn = r.turn.Add(r.interval)
}

// within is how many attempts may begin in a time.
func (r *rate) within(d time.Duration) int {
	if r.perSecond == 0 {
		return math.MaxInt
	}
	return max(int(d/r.interval), 1)
}
