package dispatch

import "posthorn/internal/posthorn"

// queue holds jobs, first in first out. It keeps its memory.
type queue struct {
	jobs []posthorn.Job
	head int
	// bytes is the size of all of them.
	bytes int
}

func (q *queue) len() int { return len(q.jobs) - q.head }

func (q *queue) push(j *posthorn.Job) {
	if len(q.jobs) == cap(q.jobs) && 2*q.head > len(q.jobs) {
		// Instead of growing, use the room before the head; what lies behind must not keep the events' data alive.
		n := copy(q.jobs, q.jobs[q.head:])
		clear(q.jobs[n:])
		q.jobs, q.head = q.jobs[:n], 0
	}
	q.jobs = append(q.jobs, *j)
	q.bytes += size(j)
}

// pop takes the oldest job out. There must be one.
func (q *queue) pop() posthorn.Job {
	j := q.jobs[q.head]
	q.bytes -= size(&j)
	q.jobs[q.head] = posthorn.Job{}
	if q.head++; q.head == len(q.jobs) {
		q.jobs, q.head = q.jobs[:0], 0
	}
	return j
}

// cut takes out all but the n oldest jobs. They are valid until the next push.
func (q *queue) cut(n int) []posthorn.Job {
	if n >= q.len() {
		return nil
	}
	rest := q.jobs[q.head+n:]
	for i := range rest {
		q.bytes -= size(&rest[i])
	}
	q.jobs = q.jobs[:q.head+n]
	if n == 0 {
		q.jobs, q.head = nil, 0
	}
	return rest
}

// ring holds the lanes that may start a job, in turn. It does not shrink: there are never more in it than lanes.
type ring struct {
	lanes []*lane
	head  int
	n     int
}

func (r *ring) push(l *lane) {
	if r.n == len(r.lanes) {
		grown := make([]*lane, max(2*r.n, 16))
		for i := range r.n {
			grown[i] = r.lanes[(r.head+i)%r.n]
		}
		r.lanes, r.head = grown, 0
	}
	r.lanes[(r.head+r.n)%len(r.lanes)] = l
	r.n++
}

// pop takes the lane out whose turn it is. There must be one.
func (r *ring) pop() *lane {
	l := r.lanes[r.head]
	r.lanes[r.head] = nil
	r.head = (r.head + 1) % len(r.lanes)
	r.n--
	return l
}
