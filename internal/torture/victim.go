package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"

	"posthorn/internal/pgserver"
	"posthorn/internal/rig"
)

// victim is what is tormented.
type victim struct {
	rig *rig.Rig
	api *rig.API
	// processes are two servers and a worker.
	processes []*rig.Process
}

// server is one of the servers, whether it lives or not.
func (v *victim) server(n int) *rig.Process { return v.processes[n%2] }

// kill ends what runs at once.
func (v *victim) kill() error {
	var errs []error
	for _, p := range v.processes {
		errs = append(errs, p.Kill())
	}
	return errors.Join(errs...)
}

// stop has all processes stop as an operator would.
func (v *victim) stop() error {
	var errs []error
	for _, p := range v.processes {
		errs = append(errs, p.Stop())
	}
	return errors.Join(errs...)
}

// keepLogs keeps what the processes logged, for people.
func (v *victim) keepLogs(out io.Writer) error {
	for _, p := range v.processes {
		name, err := p.KeepLog()
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "the log of posthorn %s is kept in %s\n", p.Name, name)
	}
	return nil
}

// connect opens a connection to the database, past Posthorn.
func (v *victim) connect(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.Connect(ctx, v.rig.PG.URL(pgserver.DefaultDatabase))
	if err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	return conn, nil
}

// leaseTime is how long a process has a delivery in hand.
const leaseTime = 90 * time.Second

// recover stops all processes in good order, makes due what waits for its next attempt, and starts them again. A lease that
// was taken after the last fault has to be gone with its holder, who had the time to give it back. Those of killed processes
// have to run out.
func (v *victim) recover(ctx context.Context, lastFault time.Time) error {
	if err := v.stop(); err != nil {
		return err
	}
	conn, err := v.connect(ctx)
	if err != nil {
		return err
	}
	held := 0
	err = conn.QueryRow(ctx, `SELECT count(*) FROM due WHERE lease_token <> 0 AND next_attempt_at > $1`, lastFault.Add(leaseTime)).Scan(&held)
	if err == nil && held > 0 {
		err = fmt.Errorf("%d deliveries are leased to processes that have stopped in good order", held)
	}
	for _, sql := range []string{
		`UPDATE due SET next_attempt_at = now() WHERE lease_token = 0`,
		`UPDATE webhook_health SET throttled_until = NULL`,
	} {
		if err == nil {
			_, err = conn.Exec(ctx, sql)
		}
	}
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return fmt.Errorf("make due what waits: %w", err)
	}
	for _, p := range v.processes {
		if err := p.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}
