package posthorn

import (
	"fmt"
	"time"
)

// Endpoint is a webhook with all that is needed to send to it: its secrets and headers in the clear, and how it fares.
type Endpoint struct {
	Webhook Webhook
	// Revision grows with every change of the webhook, its secrets or its state. See Job.
	Revision int64
	// Headers are the custom headers, in their order.
	Headers []Header
	// Secrets are those that sign, newest first: the webhook's own, or the tenant's API secrets where the scheme uses those.
	Secrets []EndpointSecret
	// FailingSince is when the first of the failures came that no success has followed, zero when all is well.
	FailingSince time.Time
	// ThrottledUntil is until when the receiver asked to be left alone, zero when it did not.
	ThrottledUntil time.Time
}

// EndpointSecret is a secret with its end, which is the zero time for the current one.
type EndpointSecret struct {
	Secret    SigningSecret
	ExpiresAt time.Time
}

// Request is the HTTP request of an attempt: a POST.
type Request struct {
	URL string
	// Headers are in the order in which they are written. Host, Content-Length and User-Agent are the client's.
	Headers []Header
	Body    []byte
	// Timeout covers connect, headers and body of the attempt together.
	Timeout time.Duration
}

// RetryPolicy is the policy for a job. What tries a webhook out is tried once.
func (e *Endpoint) RetryPolicy(j *Job) RetryPolicy {
	if j.Test {
		return RetryPolicy{MaxAttempts: 1, RetryOn: e.Webhook.RetryOn}
	}
	return RetryPolicy{MaxAttempts: e.Webhook.MaxAttempts, RetryOn: e.Webhook.RetryOn}
}

// Compose returns the request of an attempt made at a time: signed for that time, by the secrets that live then, with the
// same body at every attempt. It is an error when no secret is alive, and when the event's data is not a JSON object; trying
// again does not help then.
func (e *Endpoint) Compose(j *Job, now time.Time) (Request, error) {
	body, err := j.Payload.Payload(j.outgoing())
	if err != nil {
		return Request{}, fmt.Errorf("compose: %w", err)
	}
	message := Message{ID: j.DeliveryID.String(), Event: j.Event, Timestamp: now, Body: body}
	signed := e.Webhook.Signature.Sign(message, e.live(now))
	if signed == nil {
		return Request{}, fmt.Errorf("compose %s for %s: no signing secret is alive", j.DeliveryID, e.Webhook.ID)
	}
	headers := make([]Header, 0, 1+len(signed)+len(e.Headers))
	headers = append(headers, Header{"Content-Type", "application/json"})
	headers = append(append(headers, signed...), e.Headers...)
	return Request{URL: e.Webhook.URL, Headers: headers, Body: body, Timeout: e.Webhook.Timeout}, nil
}

// live returns the secrets that sign at a time, newest first.
func (e *Endpoint) live(now time.Time) []SigningSecret {
	secrets := make([]SigningSecret, 0, len(e.Secrets))
	for _, s := range e.Secrets {
		if s.ExpiresAt.IsZero() || now.Before(s.ExpiresAt) {
			secrets = append(secrets, s.Secret)
		}
	}
	return secrets
}

// outgoing is what the payload is made of.
func (j *Job) outgoing() Outgoing {
	o := Outgoing{
		DeliveryID: j.DeliveryID.String(), Event: j.Event, OccurredAt: j.OccurredAt,
		EventID: j.EventID.String(), TenantID: j.TenantID.String(), Data: j.Data,
	}
	if !j.ApplicationID.IsZero() {
		o.ApplicationID = j.ApplicationID.String()
	}
	return o
}
