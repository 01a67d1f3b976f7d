package posthorn

import "time"

// ClaimRequest asks for deliveries that are due.
type ClaimRequest struct {
	// After is the webhook after which to begin, in the order of ids: what the claim before it reached. Zero begins anew.
	After WebhookID
	// Skip are webhooks that can take nothing now.
	Skip []WebhookID
	// PerWebhook and Limit bound what is claimed of one webhook, and altogether.
	PerWebhook, Limit int
	// Bytes bounds the data of what is claimed; one delivery is claimed however large it is. 0 is no bound.
	Bytes int
	// Most bounds what is claimed of some webhooks further: of those that can take less than PerWebhook.
	Most map[WebhookID]int
	// Lease is what the claimed deliveries are reserved with.
	Lease Lease
}

// Claim is what was due.
type Claim struct {
	Jobs []Job
	// Reached is the last webhook that was looked at, zero when there is none after it.
	Reached WebhookID
	// NextDue is when the earliest of the others is due, zero when there is none. A delivery that is leased counts with the end
	// of its lease.
	NextDue time.Time
}

// Release gives a lease back without an attempt.
type Release struct {
	DeliveryID DeliveryID
	// Token is that of the lease; a delivery that is leased to somebody else meanwhile is left alone.
	Token int64
	// At is when the delivery is due again.
	At time.Time
}
