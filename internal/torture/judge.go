package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
)

// judge waits for the rest, compares what was accepted, what arrived and what is written, and prints it. The error names
// what must not be.
func judge(ctx context.Context, out io.Writer, o options, p *producer, f *faults, rs *receivers) error {
	conn, err := f.victim.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }() // it was only to look
	began := time.Now()
	if err := drained(ctx, conn, o.drain); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d events accepted, after %d answers that were none or no 202; %d kills, %d crashes of PostgreSQL; drained in %s\n",
		len(p.accepted), p.refused, len(f.kills), len(f.outages), time.Since(began).Round(time.Millisecond))
	j := &verdict{f: f}
	for _, r := range rs.all {
		j.arrived(r, p.accepted)
	}
	if err := j.stored(ctx, conn, len(p.accepted), len(rs.all)); err != nil {
		return err
	}
	if err := j.recorded(ctx, conn); err != nil {
		return err
	}
	j.print(out)
	return errors.Join(j.wrong...)
}

// drained waits until nothing is due any more, now or later.
func drained(ctx context.Context, conn *pgx.Conn, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	left := 0
	for {
		if err := conn.QueryRow(ctx, `SELECT count(*) FROM due`).Scan(&left); err != nil {
			return fmt.Errorf("look at what is due, %d at last: %w", left, err)
		}
		if left == 0 {
			return nil
		}
		if !pause(ctx, 100*time.Millisecond) {
			return fmt.Errorf("%d deliveries are stuck %s after the faults", left, limit)
		}
	}
}

// verdict gathers what is wrong.
type verdict struct {
	f     *faults
	wrong []error
	// deliveries are the requests by delivery.
	deliveries map[string][]seen
	requests   int
	// repeated deliveries were taken more than once, and lost is how many answers are not written down.
	repeated, lost int
}

// maxWrong bounds how many faults of a kind are told.
const maxWrong = 10

func (j *verdict) blame(n int, format string, args ...any) {
	if n <= maxWrong {
		j.wrong = append(j.wrong, fmt.Errorf(format, args...))
	}
}

// arrived checks that a receiver got every event, each as one delivery.
func (j *verdict) arrived(r *receiver, accepted map[int]posthorn.EventID) {
	requests, untrusted := r.took()
	for i, fault := range untrusted {
		j.blame(i+1, "%s", fault)
	}
	if j.deliveries == nil {
		j.deliveries = map[string][]seen{}
	}
	j.requests += len(requests)
	byNumber := map[int]string{}
	twice, missing, unknown := 0, 0, 0
	for _, got := range requests {
		j.deliveries[got.delivery] = append(j.deliveries[got.delivery], got)
		if first, ok := byNumber[got.number]; ok && first != got.delivery {
			twice++
			j.blame(twice, "receiver %q: event %d came as %s and as %s", r.name, got.number, first, got.delivery)
		}
		byNumber[got.number] = got.delivery
		if _, ok := accepted[got.number]; !ok {
			unknown++
			j.blame(unknown, "receiver %q: event %d was not published", r.name, got.number)
		}
	}
	for n, id := range accepted {
		if byNumber[n] == "" {
			missing++
			j.blame(missing, "receiver %q: event %d (%s) was accepted and did not arrive", r.name, n, id)
		}
	}
}

// stored checks that every event is there once, with a delivery for each receiver that succeeded.
func (j *verdict) stored(ctx context.Context, conn *pgx.Conn, events, receivers int) error {
	var n int
	if err := conn.QueryRow(ctx, `SELECT count(*) FROM events WHERE event = 'submission.completed'`).Scan(&n); err != nil {
		return fmt.Errorf("count events: %w", err)
	}
	if n != events {
		j.blame(1, "%d events are stored, and %d were accepted", n, events)
	}
	rows, err := conn.Query(ctx, `SELECT state, reason, count(*) FROM deliveries WHERE event = 'submission.completed' GROUP BY 1, 2`)
	if err != nil {
		return fmt.Errorf("count deliveries: %w", err)
	}
	var state, reason string
	total, others := 0, 0
	_, err = pgx.ForEachRow(rows, []any{&state, &reason, &n}, func() error {
		total += n
		if state != string(posthorn.DeliverySucceeded) {
			others++
			j.blame(others, "%d deliveries are %s: %s", n, state, reason)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("count deliveries: %w", err)
	}
	if total != events*receivers {
		j.blame(1, "%d deliveries are stored, not %d", total, events*receivers)
	}
	return nil
}

// recorded checks that the answers that receivers gave are written down. One that is not has to be explained: its sender was
// killed at that time, or just after, and with it what it knew. An attempt that timed out here may have been answered there.
func (j *verdict) recorded(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `SELECT delivery_id, count(*) FROM attempts
WHERE error_class = 'timeout' OR error_class IS NULL AND status_code IN (204, 429, 500) GROUP BY 1`)
	if err != nil {
		return fmt.Errorf("count attempts: %w", err)
	}
	written := map[string]int{}
	var id uuid.UUID
	var n int
	if _, err = pgx.ForEachRow(rows, []any{&id, &n}, func() error { written[posthorn.DeliveryID(id).String()] = n; return nil }); err != nil {
		return fmt.Errorf("count attempts: %w", err)
	}
	unexplained := 0
	for delivery, requests := range j.deliveries {
		answered, taken, explained := 0, 0, 0
		for _, got := range requests {
			if got.answered {
				answered++
				if j.f.explain(got) {
					explained++
				}
			}
			if got.taken {
				taken++
			}
		}
		if taken > 1 {
			j.repeated++
		}
		lost := max(answered-written[delivery], 0)
		j.lost += lost
		if lost > explained {
			unexplained++
			j.blame(unexplained, "%s was answered %d times, %d of them are written down, and no kill explains the others", delivery, answered, written[delivery])
		}
	}
	return nil
}

const (
	// writeTime is how long after its end an attempt may not be written down yet.
	writeTime = 3 * time.Second
	// backTime is how long after an outage of the database results may still wait to be written.
	backTime = 10 * time.Second
)

// explain reports whether a kill may have taken the result of a request along: it was under way or had just ended, or had
// ended when the database was away.
func (f *faults) explain(got seen) bool {
	for _, kill := range f.kills {
		from := kill.from.Add(-writeTime)
		for _, outage := range f.outages {
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

// atKills is how many requests were under way at the kills, or had just ended.
func (j *verdict) atKills() int {
	n := 0
	for _, requests := range j.deliveries {
		for _, got := range requests {
			if j.f.explain(got) {
				n++
			}
		}
	}
	return n
}

func (j *verdict) print(out io.Writer) {
	fmt.Fprintf(out, "%d deliveries arrived in %d requests; %d were taken more than once; %d answers were lost with their sender, of %d "+
		"requests around the kills\n", len(j.deliveries), j.requests, j.repeated, j.lost, j.atKills())
	if len(j.wrong) == 0 {
		fmt.Fprintln(out, "nothing was lost")
	}
}
