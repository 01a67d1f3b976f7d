package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"time"

	"posthorn/internal/rig"
)

// span is a time in which something was wrong.
type span struct{ from, to time.Time }

// faults kills processes and PostgreSQL, each from time to time.
type faults struct {
	victim *victim
	o      options

	mu sync.Mutex
	// kills last until the process was gone, outages until the database answered again.
	kills, outages []span
}

// run goes on until ctx ends, and then sees to it that everything runs.
func (f *faults) run(ctx context.Context) error {
	var work sync.WaitGroup
	var errs [2]error
	work.Go(func() { errs[0] = f.often(ctx, 1, f.o.kills, f.killOne) })
	work.Go(func() { errs[1] = f.often(ctx, 2, f.o.restarts, f.crashDatabase) })
	work.Wait()
	return errors.Join(errs[:]...)
}

// often does something again and again, with pauses of half to one and a half of the mean.
func (f *faults) often(ctx context.Context, stream uint64, mean time.Duration, do func(context.Context, *rand.Rand) error) error {
	rnd := rand.New(rand.NewPCG(f.o.seed, 1000+stream))
	for rig.Pause(ctx, time.Duration(float64(mean)*(0.5+rnd.Float64()))) {
		// What was begun is ended: a process that was killed runs again.
		if err := do(context.WithoutCancel(ctx), rnd); err != nil {
			return err
		}
	}
	return nil
}

// killOne kills a process and starts it again.
func (f *faults) killOne(ctx context.Context, rnd *rand.Rand) error {
	p := f.victim.processes[rnd.IntN(len(f.victim.processes))]
	if err := p.Died(); err != nil {
		return err
	}
	s := span{from: time.Now()}
	err := p.Kill()
	s.to = time.Now()
	f.mu.Lock()
	f.kills = append(f.kills, s)
	f.mu.Unlock()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		if err = p.Start(ctx); err == nil {
			return nil
		}
		// The database may be away just now, and a server that cannot reach it does not start.
		if err := p.Kill(); err != nil {
			return err
		}
		if !rig.Pause(ctx, time.Second/4) {
			return err
		}
	}
}

// crashDatabase stops PostgreSQL in immediate mode, which loses what is not committed. It is started again by those who watch it.
func (f *faults) crashDatabase(ctx context.Context, _ *rand.Rand) error {
	old := f.victim.rig.PG.PID()
	s := span{from: time.Now()}
	if err := syscall.Kill(old, syscall.SIGQUIT); err != nil {
		return fmt.Errorf("stop postgresql: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		if !rig.Pause(ctx, 50*time.Millisecond) {
			return errors.New("postgresql does not come back")
		}
		if f.victim.rig.PG.PID() == old {
			continue
		}
		conn, err := f.victim.connect(ctx)
		if err != nil {
			continue
		}
		err = conn.Ping(ctx)
		_ = conn.Close(ctx) // it was only to know
		if err == nil {
			break
		}
	}
	s.to = time.Now()
	f.mu.Lock()
	f.outages = append(f.outages, s)
	f.mu.Unlock()
	return nil
}

// last is when the last fault was over. No fault may be under way.
func (f *faults) last() time.Time {
	var last time.Time
	for _, s := range slices.Concat(f.kills, f.outages) {
		if s.to.After(last) {
			last = s.to
		}
	}
	return last
}
