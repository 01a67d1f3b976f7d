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
	"posthorn/internal/rig"
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
	undrained := drained(ctx, conn, o.drain)
	fmt.Fprintf(out, "%d events accepted, after %d answers that were none or no 202; %d kills, %d crashes of PostgreSQL; drained in %s\n",
		len(p.accepted), p.refused, len(f.kills), len(f.outages), time.Since(began).Round(time.Millisecond))
	e := &evidence{accepted: p.accepted, kills: f.kills, outages: f.outages}
	if e.receivers, err = rs.reports(ctx); err != nil {
		return errors.Join(undrained, err)
	}
	if err := e.read(ctx, conn); err != nil {
		return errors.Join(undrained, err)
	}
	v := e.judge()
	if undrained != nil {
		v.wrong = append(v.wrong, undrained)
	}
	v.print(out)
	return errors.Join(v.wrong...)
}

// drained waits until nothing is due any more, now or later.
func drained(ctx context.Context, conn *pgx.Conn, limit time.Duration) error {
	patience, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		left := 0
		if err := conn.QueryRow(ctx, `SELECT count(*) FROM due`).Scan(&left); err != nil {
			return fmt.Errorf("look at what is due: %w", err)
		}
		if left == 0 {
			return nil
		}
		if !rig.Pause(patience, 100*time.Millisecond) {
			return fmt.Errorf("%d deliveries are stuck %s after the faults", left, limit)
		}
	}
}

// read adds what the database has. Events about Posthorn itself are none of those that were published.
func (e *evidence) read(ctx context.Context, conn *pgx.Conn) error {
	if err := conn.QueryRow(ctx, `SELECT count(*) FROM events WHERE event = 'submission.completed'`).Scan(&e.events); err != nil {
		return fmt.Errorf("count events: %w", err)
	}
	rows, err := conn.Query(ctx, `SELECT state, reason, count(*) FROM deliveries WHERE event = 'submission.completed' GROUP BY 1, 2`)
	if err != nil {
		return fmt.Errorf("count deliveries: %w", err)
	}
	var s standing
	_, err = pgx.ForEachRow(rows, []any{&s.state, &s.reason, &s.count}, func() error {
		e.deliveries = append(e.deliveries, s)
		return nil
	})
	if err != nil {
		return fmt.Errorf("count deliveries: %w", err)
	}
	e.attempts = map[string][]written{}
	rows, err = conn.Query(ctx, `SELECT delivery_id, started_at, duration_ms, coalesce(status_code, 0), coalesce(error_class, '') FROM attempts`)
	if err != nil {
		return fmt.Errorf("read attempts: %w", err)
	}
	var id uuid.UUID
	var took float64
	var w written
	_, err = pgx.ForEachRow(rows, []any{&id, &w.began, &took, &w.status, &w.class}, func() error {
		w.ended = w.began.Add(time.Duration(took * float64(time.Millisecond)))
		delivery := posthorn.DeliveryID(id).String()
		e.attempts[delivery] = append(e.attempts[delivery], w)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read attempts: %w", err)
	}
	return nil
}
