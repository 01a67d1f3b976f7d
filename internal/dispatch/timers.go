package dispatch

import (
	"container/heap"
	"time"
)

// timers is a heap of the lanes that wait for a time, the earliest first.
type timers []*lane

// set has a lane looked at again at a time, or earlier where that was set before.
func (t *timers) set(l *lane, at time.Time) {
	switch {
	case l.place < 0:
		l.at = at
		heap.Push(t, l)
	case at.Before(l.at):
		l.at = at
		heap.Fix(t, l.place)
	}
}

// due takes out the next lane whose time has come, nil when there is none.
func (t *timers) due(now time.Time) *lane {
	if len(*t) == 0 || (*t)[0].at.After(now) {
		return nil
	}
	l := (*t)[0]
	heap.Remove(t, 0)
	return l
}

// remove takes a lane out.
func (t *timers) remove(l *lane) {
	if l.place >= 0 {
		heap.Remove(t, l.place)
	}
}

// next is the earliest time, zero when no lane waits.
func (t *timers) next() time.Time {
	if len(*t) == 0 {
		return time.Time{}
	}
	return (*t)[0].at
}

// Len implements [heap.Interface].
func (t *timers) Len() int { return len(*t) }

// Less implements [heap.Interface].
func (t *timers) Less(i, j int) bool { return (*t)[i].at.Before((*t)[j].at) }

// Swap implements [heap.Interface].
func (t *timers) Swap(i, j int) {
	lanes := *t
	lanes[i], lanes[j] = lanes[j], lanes[i]
	lanes[i].place, lanes[j].place = i, j
}

// Push implements [heap.Interface].
func (t *timers) Push(x any) {
	l, ok := x.(*lane)
	if !ok {
		panic("dispatch: not a lane")
	}
	l.place = len(*t)
	*t = append(*t, l)
}

// Pop implements [heap.Interface].
func (t *timers) Pop() any {
	lanes := *t
	l := lanes[len(lanes)-1]
	lanes[len(lanes)-1] = nil
	l.place = -1
	*t = lanes[:len(lanes)-1]
	return l
}
