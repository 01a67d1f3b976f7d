package dispatch

import (
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"posthorn/internal/posthorn"
)

// Dispatcher sends deliveries. Make one with New, and run it with Run.
type Dispatcher struct {
	opts  Options
	stats counters

	// queued counts the jobs in memory that have not begun. Offers keep within it, so that no channel below is ever full.
	queued budget
	// unwritten counts the attempts that are under way or have a result that is not written.
	unwritten atomic.Int64

	// offers has a place for each job in the queue, and no batch is empty: sending never blocks.
	offers  chan []posthorn.Job
	wake    chan struct{}
	changed chan posthorn.WebhookID
	// releases are given back. When it is full, a lease may as well run out.
	releases chan release
	// results has a place for each unwritten one, done for each attempt: sending never blocks.
	results chan *posthorn.Result
	done    chan completion
	// written tells that unwritten has become less.
	written chan struct{}

	started, stopped atomic.Bool
}

// New makes a dispatcher. It is an error when the options contradict each other.
func New(opts Options) (*Dispatcher, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Dispatcher{
		opts:     opts,
		queued:   budget{maxJobs: opts.Queue, maxBytes: opts.QueueBytes},
		offers:   make(chan []posthorn.Job, opts.Queue),
		wake:     make(chan struct{}, 1),
		changed:  make(chan posthorn.WebhookID, 256),
		releases: make(chan release, 2*opts.Queue),
		results:  make(chan *posthorn.Result, opts.Unwritten),
		done:     make(chan completion, opts.Concurrency),
		written:  make(chan struct{}, 1),
	}, nil
}

// ErrStopping is the cause with which an attempt is cancelled when a stop has used up its grace.
var ErrStopping = errors.New("dispatch: stopping")

// NewLease returns a lease for jobs that are going to be offered to this dispatcher.
func (d *Dispatcher) NewLease() posthorn.Lease {
	return posthorn.Lease{Token: 1 + rand.Int64N(1<<63-1), Expires: time.Now().Add(d.opts.Lease)}
}

// Offer hands in jobs that are stored, due, and leased for this dispatcher. It never blocks: what finds no room is given back
// and claimed later. The slice is the dispatcher's from then on.
func (d *Dispatcher) Offer(jobs []posthorn.Job) {
	taken := 0
	if !d.stopped.Load() {
		taken = d.queued.take(jobs)
	}
	if taken > 0 {
		d.offers <- jobs[:taken:taken]
	}
	now := time.Now()
	for i := range jobs[taken:] {
		d.giveBack(&jobs[taken+i], now, true)
	}
	clear(jobs[taken:]) // the others keep the slice alive, which must not keep this data
}

// Wake says that something is due: the claim loop looks at once. It never blocks.
func (d *Dispatcher) Wake() { signal(d.wake) }

// Changed says that a webhook is not what it was: its configuration is read again before anything else is sent to it. It
// never blocks. It is a hint, without which the change is noticed within Options.EndpointAge.
func (d *Dispatcher) Changed(id posthorn.WebhookID) {
	select {
	case d.changed <- id:
	default:
	}
}

// signal wakes the reader of a channel with one place, unless it is about to wake anyway.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
