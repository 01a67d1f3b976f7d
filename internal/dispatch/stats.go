package dispatch

import (
	"sync/atomic"

	"posthorn/internal/posthorn"
)

// Stats are a dispatcher's figures. Those of the first group are of now, all others count since it was made.
type Stats struct {
	// InFlight attempts are under way, Queued jobs of QueuedBytes wait in memory (room that a claim under way was promised
	// counts as taken), ResultsWaiting are made and not written yet. Endpoints are those that are known, in use or not.
	InFlight, Queued, QueuedBytes, ResultsWaiting, Endpoints int64

	// Attempts were made; Interrupted ones were cancelled by a stop and do not count among them.
	Attempts, Interrupted int64
	// Succeeded, Retried and Failed results were written, in Finishes transactions. Lost ones were not: their deliveries are
	// sent again.
	Succeeded, Retried, Failed, Finishes, Lost int64
	// Claims were made, and Claimed jobs came by them.
	Claims, Claimed int64
	// Released leases were given back. Abandoned ones could not be: they run out.
	Released, Abandoned int64
	// StoreErrors is how many calls of the store failed.
	StoreErrors int64
}

// counters are the figures as they are kept.
type counters struct {
	inFlight, endpoints                  atomic.Int64
	attempts, interrupted                atomic.Int64
	succeeded, retried, failed, finishes atomic.Int64
	lost, claims, claimed                atomic.Int64
	released, abandoned, storeErrors     atomic.Int64
}

// finished counts a written result.
func (c *counters) finished(state posthorn.DeliveryState) {
	switch state {
	case posthorn.DeliverySucceeded:
		c.succeeded.Add(1)
	case posthorn.DeliveryPending:
		c.retried.Add(1)
	default:
		c.failed.Add(1)
	}
}

// Stats returns the figures. Each is exact; together they are not of one moment.
func (d *Dispatcher) Stats() Stats {
	c := &d.stats
	queued, bytes := d.queued.used()
	return Stats{
		InFlight: c.inFlight.Load(), Queued: int64(queued), QueuedBytes: int64(bytes), Endpoints: c.endpoints.Load(),
		ResultsWaiting: max(d.unwritten.Load()-c.inFlight.Load(), 0),
		Attempts:       c.attempts.Load(), Interrupted: c.interrupted.Load(),
		Succeeded: c.succeeded.Load(), Retried: c.retried.Load(), Failed: c.failed.Load(),
		Finishes: c.finishes.Load(), Lost: c.lost.Load(),
		Claims: c.claims.Load(), Claimed: c.claimed.Load(),
		Released: c.released.Load(), Abandoned: c.abandoned.Load(),
		StoreErrors: c.storeErrors.Load(),
	}
}
