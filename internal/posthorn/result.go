package posthorn

import (
	"slices"
	"strings"
	"time"
)

// Result is an attempt that was made: what is written about it.
type Result struct {
	Job     Job
	Attempt AttemptID
	// Outcome has no RequestHeaders: those beside it are the ones to keep.
	Outcome  Outcome
	Decision Decision
	// URL is where the attempt went.
	URL string
	// RequestHeaders are those that were sent. The values of custom headers are HeaderMask.
	RequestHeaders []Header
}

// NewResult returns the result of an attempt at a job, made with the endpoint as it was then.
func NewResult(e *Endpoint, j Job, o Outcome, d Decision) Result {
	sent := maskHeaders(o.RequestHeaders, e.Headers)
	o.RequestHeaders = nil
	return Result{Job: j, Attempt: NewAttemptID(), Outcome: o, Decision: d, URL: e.Webhook.URL, RequestHeaders: sent}
}

// UnsentResult is that of a job for which no request can be made, whenever it is tried: see Endpoint.Compose.
func UnsentResult(e *Endpoint, j Job, at time.Time) Result {
	return NewResult(e, j,
		Outcome{StartedAt: at, Error: "Posthorn could not make a request of this event. Nothing was sent."},
		Decision{State: DeliveryFailed, Reason: "Failed: no request could be made of the event"})
}

// maskHeaders replaces the values of custom headers. Those of one name are one header, whatever the case of its letters.
func maskHeaders(sent, custom []Header) []Header {
	masked := slices.Clone(sent)
	for i, h := range masked {
		if slices.ContainsFunc(custom, func(c Header) bool { return strings.EqualFold(c.Name, h.Name) }) {
			masked[i].Value = HeaderMask
		}
	}
	return masked
}
