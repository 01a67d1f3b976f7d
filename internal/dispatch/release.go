package dispatch

import (
	"context"
	"log/slog"
	"time"

	"posthorn/internal/posthorn"
)

// releaseLimit is how many leases are given back in one go at most.
const releaseLimit = 500

// release is a lease on its way back, worth the trouble until it is over anyway.
type release struct {
	Release
	expires time.Time
	// again means that the job can be claimed once it is back.
	again bool
}

// giveBack gives the lease of a job back, due again at a time; again has another claim made then. It never blocks: when the
// store is so far behind that there is no room, the lease runs out instead.
func (d *Dispatcher) giveBack(j *posthorn.Job, at time.Time, again bool) {
	r := release{Release{DeliveryID: j.DeliveryID, Token: j.Lease.Token, At: at}, j.Lease.Expires, again}
	select {
	case d.releases <- r:
	default:
		d.stats.abandoned.Add(1)
	}
}

// runReleases gives leases back until quit is closed and none waits any more, or the context ends.
func (d *Dispatcher) runReleases(ctx context.Context, quit <-chan struct{}) {
	for {
		select {
		case first := <-d.releases:
			d.release(ctx, d.gatherReleases(first))
		case <-quit:
			select {
			case first := <-d.releases:
				d.release(ctx, d.gatherReleases(first))
			default:
				return
			}
		}
	}
}

// gatherReleases adds what else is waiting.
func (d *Dispatcher) gatherReleases(first release) []release {
	batch := []release{first}
	for len(batch) < releaseLimit {
		select {
		case r := <-d.releases:
			batch = append(batch, r)
		default:
			return batch
		}
	}
	return batch
}

// release gives a batch back, and tries again while the store fails and the leases last.
func (d *Dispatcher) release(ctx context.Context, batch []release) {
	for try := 1; ; try++ {
		now, again := time.Now(), false
		releases := make([]Release, 0, len(batch))
		for _, r := range batch {
			if r.expires.After(now) {
				releases = append(releases, r.Release)
				again = again || r.again
			}
		}
		if len(releases) == 0 {
			d.stats.abandoned.Add(int64(len(batch)))
			return
		}
		err := d.storeReleases(ctx, releases)
		if err == nil {
			d.stats.released.Add(int64(len(releases)))
			d.stats.abandoned.Add(int64(len(batch) - len(releases)))
			if again {
				d.Wake()
			}
			return
		}
		d.stats.storeErrors.Add(1)
		d.opts.Logger.WarnContext(ctx, "leases not given back",
			slog.Int("leases", len(releases)), slog.Int("try", try), slog.Any("error", err))
		if !pause(ctx, backOff(try)) {
			d.stats.abandoned.Add(int64(len(batch)))
			return
		}
	}
}

func (d *Dispatcher) storeReleases(ctx context.Context, releases []Release) error {
	ctx, cancel := context.WithTimeout(ctx, d.opts.StoreTimeout)
	defer cancel()
	return d.opts.Store.Release(ctx, releases)
}
