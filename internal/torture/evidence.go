package main

import (
	"fmt"
	"io"
	"time"

	"posthorn/internal/posthorn"
)

// evidence is what all sides know in the end: the producer, the receivers, the database, and who did the killing.
type evidence struct {
	// accepted are the events by their numbers.
	accepted  map[int]posthorn.EventID
	receivers []report
	// events is how many are stored, deliveries are by their state.
	events     int
	deliveries []standing
	// attempts are by delivery.
	attempts map[string][]written
	// kills last until the process was gone, outages until the database answered again.
	kills, outages []span
}

// report is a receiver's.
type report struct {
	name     string
	requests []seen
	// faults are what was wrong with requests.
	faults []string
}

// standing is how many deliveries are in a state for a reason.
type standing struct {
	state, reason string
	count         int
}

// written is an attempt as the database has it. The status is 0 when none arrived.
type written struct {
	began, ended time.Time
	status       int
	class        string
}

func (w *written) success() bool { return w.class == "" && w.status >= 200 && w.status <= 299 }

const (
	// writeTime is how long after its end an attempt may not be written down yet.
	writeTime = 3 * time.Second
	// backTime is how long after an outage of the database results may still wait to be written.
	backTime = 10 * time.Second
	// lateTime is how long after the end of an attempt, which may have timed out, its receiver may notice the request.
	lateTime = time.Second
)

// attempt finds the attempt that a request belongs to, nil when it is not written down.
func (e *evidence) attempt(got *seen) *written {
	var found *written
	for i, w := range e.attempts[got.delivery] {
		if !w.began.After(got.began) && !got.began.After(w.ended.Add(lateTime)) && (found == nil || w.began.After(found.began)) {
			found = &e.attempts[got.delivery][i]
		}
	}
	return found
}

// explain reports whether a kill may have taken the result of a request along: it was under way or had just ended, or had
// ended when the database was away.
func (e *evidence) explain(got *seen) bool {
	for _, kill := range e.kills {
		from := kill.from.Add(-writeTime)
		for _, outage := range e.outages {
			if outage.from.Before(kill.to) && outage.to.Add(backTime).After(kill.from) && outage.from.Add(-writeTime).Before(from) {
				from = outage.from.Add(-writeTime)
			}
		}
		if got.began.Before(kill.to) && got.ended.After(from) {
			return true
		}
	}
	return false
}

// verdict is what follows from the evidence.
type verdict struct {
	// wrong is what must not be, in words.
	wrong []error
	// requests came for so many deliveries, and so many attempts are written down.
	requests, deliveries, attempts int
	// repeated counts the requests that came for a delivery which had been taken before.
	repeated int
	// cutOff are requests without an attempt, because a kill took their sender; unheard were taken, but the sender did not
	// hear of it in time. Those are the reasons why a delivery may be repeated.
	cutOff, unheard int
	// told counts what was blamed by the kind of fault.
	told map[string]int
}

// maxWrong bounds how many faults of a kind are told.
const maxWrong = 10

func (v *verdict) blame(format string, args ...any) {
	v.told[format]++
	if v.told[format] <= maxWrong {
		v.wrong = append(v.wrong, fmt.Errorf(format, args...))
	}
}

// judge finds out what is wrong.
func (e *evidence) judge() *verdict {
	v := &verdict{told: map[string]int{}}
	came := map[string][]*seen{}
	for i := range e.receivers {
		r := &e.receivers[i]
		e.arrived(v, r)
		for j := range r.requests {
			came[r.requests[j].delivery] = append(came[r.requests[j].delivery], &r.requests[j])
		}
	}
	v.deliveries = len(came)
	for delivery, requests := range came {
		v.requests += len(requests)
		e.traced(v, delivery, requests)
	}
	for delivery, attempts := range e.attempts {
		v.attempts += len(attempts)
		for i := range attempts {
			if attempts[i].status != 0 && !answeredBy(came[delivery], &attempts[i]) {
				v.blame("%s has an answer written down, at %s, that nobody gave", delivery, attempts[i].began.Format(time.StampMilli))
			}
		}
	}
	if v.repeated > v.cutOff+v.unheard {
		v.blame("%d requests were repeated, and %d attempts were cut off or not heard of", v.repeated, v.cutOff+v.unheard)
	}
	e.stored(v)
	return v
}

// arrived checks that a receiver took every event, under one delivery each.
func (e *evidence) arrived(v *verdict, r *report) {
	for _, fault := range r.faults {
		v.blame("receiver %q: %s", r.name, fault)
	}
	deliveries, taken := map[int]string{}, map[int]bool{}
	for _, got := range r.requests {
		if first, ok := deliveries[got.number]; ok && first != got.delivery {
			v.blame("receiver %q: event %d came as %s and as %s", r.name, got.number, first, got.delivery)
		}
		deliveries[got.number] = got.delivery
		taken[got.number] = taken[got.number] || got.taken
		if _, ok := e.accepted[got.number]; !ok {
			v.blame("receiver %q: event %d was not accepted", r.name, got.number)
		}
	}
	for n, id := range e.accepted {
		if !taken[n] {
			v.blame("receiver %q: event %d (%s) was accepted and did not arrive", r.name, n, id)
		}
	}
}

// traced checks that each request for a delivery is written down, or that a kill explains why not and it was tried again; and
// that nothing was sent again after a success was written down.
func (e *evidence) traced(v *verdict, delivery string, requests []*seen) {
	last := requests[0]
	takes := 0
	for _, got := range requests {
		if got.began.After(last.began) {
			last = got
		}
		if got.taken {
			takes++
		}
	}
	v.repeated += max(takes-1, 0)
	for _, got := range requests {
		w := e.attempt(got)
		switch {
		case w == nil:
			v.cutOff++
			if !e.explain(got) {
				v.blame("%s was sent at %s, which is not written down, and no kill explains it", delivery, got.began.Format(time.StampMilli))
			}
			if got == last {
				v.blame("%s was sent at %s, which is not written down, and was not tried again", delivery, got.began.Format(time.StampMilli))
			}
		case got.taken && !w.success():
			v.unheard++
		case got.taken && last.began.After(w.ended):
			v.blame("%s was sent again at %s, although its success was written down", delivery, last.began.Format(time.StampMilli))
		}
	}
}

// answeredBy reports whether a request belongs to an attempt.
func answeredBy(requests []*seen, w *written) bool {
	for _, got := range requests {
		if !w.began.After(got.began) && !got.began.After(w.ended) {
			return true
		}
	}
	return false
}

// stored checks that every event is there once, with a delivery for each receiver that succeeded.
func (e *evidence) stored(v *verdict) {
	if e.events != len(e.accepted) {
		v.blame("%d events are stored, and %d were accepted", e.events, len(e.accepted))
	}
	total := 0
	for _, s := range e.deliveries {
		total += s.count
		if s.state != string(posthorn.DeliverySucceeded) {
			v.blame("%d deliveries are %s: %s", s.count, s.state, s.reason)
		}
	}
	if want := len(e.accepted) * len(e.receivers); total != want {
		v.blame("%d deliveries are stored, not %d", total, want)
	}
}

func (v *verdict) print(out io.Writer) {
	fmt.Fprintf(out, "%d deliveries arrived in %d requests, and %d attempts are written down\n", v.deliveries, v.requests, v.attempts)
	fmt.Fprintf(out, "%d requests repeated what had been taken; %d were in flight at a kill and are not written down, %d were taken and not heard of in time\n",
		v.repeated, v.cutOff, v.unheard)
	if len(v.wrong) == 0 {
		fmt.Fprintln(out, "nothing was lost")
	}
	for format, n := range v.told {
		if n > maxWrong {
			fmt.Fprintf(out, "%d faults like %q, of which %d are told\n", n, format, maxWrong)
		}
	}
}
