package dispatch

import (
	"context"

	"posthorn/internal/posthorn"
)

// Store keeps the deliveries. Its methods are called from several goroutines and end with their context. An error of the kind
// posthorn.Unavailable means that the same call may succeed later, any other that it may not.
type Store interface {
	// Claim leases due deliveries of active webhooks, and due tests of any, fairly between webhooks, beginning after r.After
	// in the order of webhook ids.
	Claim(ctx context.Context, r ClaimRequest) (Claim, error)
	// Finish writes attempts, states, next attempts, dead letters, health and counters of a batch in one transaction, each
	// fenced by its lease: a result whose lease was lost is dropped without an error. Calls of different shards run at the
	// same time. It may be called again with what was written already.
	Finish(ctx context.Context, shard int, results []posthorn.Result) error
	// Release gives leases back without an attempt; the deliveries are due at At. A lease that was lost is let be.
	Release(ctx context.Context, releases []Release) error
	// Endpoint returns a webhook's configuration for sending, whatever its state; the error is NotFound when it is gone.
	Endpoint(ctx context.Context, id posthorn.WebhookID) (*posthorn.Endpoint, error)
}

// Sender makes HTTP attempts.
type Sender interface {
	// Send makes one attempt. When ctx ends, it returns soon, with an outcome that is Interrupted unless the response was
	// complete already.
	Send(ctx context.Context, r posthorn.Request) posthorn.Outcome
}

// SenderFunc is a Sender that is a function.
type SenderFunc func(ctx context.Context, r posthorn.Request) posthorn.Outcome

// Send calls the function.
func (f SenderFunc) Send(ctx context.Context, r posthorn.Request) posthorn.Outcome { return f(ctx, r) }

type (
	// ClaimRequest is what Store.Claim is asked for.
	ClaimRequest = posthorn.ClaimRequest
	// Claim is what Store.Claim returns.
	Claim = posthorn.Claim
	// Release is what Store.Release gives back.
	Release = posthorn.Release
)
