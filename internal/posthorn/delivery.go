package posthorn

import (
	"crypto/sha256"
	"encoding/json"
	"time"
)

// Delivery is one event for one webhook, through all its attempts and replays.
type Delivery struct {
	ID        DeliveryID
	TenantID  TenantID
	WebhookID WebhookID
	EventID   EventID
	// Event is the event's type.
	Event string
	// URL is the webhook's address at the latest attempt, or at the beginning before there was one.
	URL string
	// Payload is the scheme whose shape the body has. It is settled when the delivery is made, so that the body stays the same
	// on every attempt although the webhook may change.
	Payload Scheme
	// Test marks what a person or program sent to try a webhook out: one attempt, and not counted in its health.
	Test  bool
	State DeliveryState
	// Reason says in words why the delivery is in its state, empty for the ordinary.
	Reason string
	// Attempts is how many were made.
	Attempts int
	// NextAttemptAt is when the next one is due, zero when there is none.
	NextAttemptAt time.Time
	CreatedAt     time.Time
}

// DeliveryState says what has become of a delivery.
type DeliveryState string

// The states of a delivery, as the database keeps them.
const (
	// DeliveryPending waits for its first or next attempt, or is being sent.
	DeliveryPending DeliveryState = "pending"
	// DeliverySucceeded got a 2xx in time.
	DeliverySucceeded DeliveryState = "succeeded"
	// DeliveryFailed is in the dead letter list: its attempts are used up, or its answer is one that is not retried.
	DeliveryFailed DeliveryState = "failed"
	// DeliveryCancelled was stopped by a person, or its webhook was deleted.
	DeliveryCancelled DeliveryState = "cancelled"
)

// The reasons for which Posthorn itself cancels deliveries.
const (
	CancelledWithWebhook  = "The webhook was deleted"
	CancelledWithoutEvent = "The event is past the retention and no longer kept"
)

// DeliveryStatus is how a delivery is shown: in three words.
type DeliveryStatus string

// The statuses of deliveries.
const (
	StatusSuccess DeliveryStatus = "success"
	StatusError   DeliveryStatus = "error"
	StatusPending DeliveryStatus = "pending"
)

// DeliveryStatuses lists the statuses in the order in which they are offered.
func DeliveryStatuses() []DeliveryStatus {
	return []DeliveryStatus{StatusSuccess, StatusError, StatusPending}
}

// Status returns the word that the state is shown with.
func (s DeliveryState) Status() DeliveryStatus {
	switch s {
	case DeliverySucceeded:
		return StatusSuccess
	case DeliveryFailed, DeliveryCancelled:
		return StatusError
	default:
		return StatusPending
	}
}

// DeliveryIDOf returns the id of the delivery of an event to a webhook. It is the same whenever it is asked for, and sorts
// as the event does. The function delivery_id of the database computes the same.
func DeliveryIDOf(event EventID, webhook WebhookID) DeliveryID {
	sum := sha256.Sum256(append(event[:], webhook[:]...))
	id := DeliveryID(event)
	// The version stays where it is, in the first half; of the second half the variant is set and the rest is the hash's end.
	copy(id[8:], sum[24:])
	id[8] = 0x80 | id[8]&0x0f
	return id
}

// Job is an attempt that is due: a delivery on its way to the dispatcher.
type Job struct {
	DeliveryID DeliveryID
	TenantID   TenantID
	WebhookID  WebhookID
	EventID    EventID
	Event      string
	// ApplicationID is the event's, zero for none.
	ApplicationID ApplicationID
	OccurredAt    time.Time
	Data          json.RawMessage
	Payload       Scheme
	Test          bool
	// Attempt counts from 1; Schedule is the place in the retry schedule, which a replay begins anew.
	Attempt, Schedule int
	// Revision is that of the webhook's configuration when the job was made: a sender must not use an older one.
	Revision int64
	// Lease is who may finish the job: a result under another lease is too late and dropped.
	Lease Lease
}

// Lease is the right to make one attempt, until it runs out.
type Lease struct {
	Token   int64
	Expires time.Time
}
