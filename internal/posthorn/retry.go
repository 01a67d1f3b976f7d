package posthorn

import (
	"fmt"
	"slices"
	"time"
)

// RetryDelays lists how long a delivery waits before each of its attempts, the first one included: SPEC §8. There are
// MaxMaxAttempts of them. A wait differs from its delay by RetryJitter at most, either way.
func RetryDelays() []time.Duration { return slices.Clone(retryDelays[:]) }

var retryDelays = [MaxMaxAttempts]time.Duration{
	0, 5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour,
	5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

const (
	// RetryJitter is the part of a delay by which the wait is longer or shorter at most, so that what failed together does
	// not come back together.
	RetryJitter = 0.2
	// MaxRetryAfter is the longest Retry-After that is honoured; a longer one counts as this.
	MaxRetryAfter = 24 * time.Hour
)

// How long a webhook is left alone after an answer that says "too much" without saying until when. A gateway's error often
// is one server being replaced, a 429 is meant.
const (
	throttleTooMany = 10 * time.Second
	throttleGateway = time.Second
)

// RetryPolicy says which failed attempts are followed by another. See Webhook and Endpoint.RetryPolicy.
type RetryPolicy struct {
	// MaxAttempts is how many attempts a delivery gets. It counts as 1 below 1, and as MaxMaxAttempts above that.
	MaxAttempts int
	// RetryOn are the statuses that are retried beside 5xx: any of OptionalRetries.
	RetryOn []int
}

// Decision is what follows from the outcome of an attempt.
type Decision struct {
	// State of the delivery: succeeded, failed, or pending, which means another attempt.
	State DeliveryState
	// Wait is how long from now the next attempt is due; it is 0 unless State is pending.
	Wait time.Duration
	// Reason says in words why, for people. It is empty for a success.
	Reason string
	// EndpointFailed means that the endpoint could not take the delivery, whichever it was: no answer, or one that is retried.
	// A refusal of this delivery (400, 404) is not that: the endpoint is there and answers at once.
	EndpointFailed bool
	// Throttle is how long the webhook asks to be left alone altogether, 0 when it does not.
	Throttle time.Duration
	// DisableWebhook is the reason why the webhook has to be disabled, empty when it has not.
	DisableWebhook string
}

// Decide says what becomes of a delivery after an attempt, and of its webhook. schedule is the attempt's place in
// RetryDelays, from 1; rnd is drawn evenly from [0, 1) and spreads the wait. An interrupted attempt decides nothing: the
// delivery is due again at once and the attempt does not count.
//
// Every failure without an answer is retried, a forbidden address (ErrorBlocked) among them: a name that leads astray for an
// hour is a fault of name servers like a name that leads nowhere, and a delivery must not be lost by it.
func (p RetryPolicy) Decide(schedule int, o Outcome, rnd float64) Decision {
	if o.Interrupted {
		return Decision{State: DeliveryPending, Reason: "Interrupted, because Posthorn stopped"}
	}
	if o.Success() {
		return Decision{State: DeliverySucceeded}
	}
	retried := p.retries(&o)
	d := Decision{State: DeliveryFailed, EndpointFailed: retried, Throttle: throttle(&o, retried)}
	attempts := min(max(p.MaxAttempts, 1), len(retryDelays))
	schedule = max(schedule, 1)
	switch {
	case !retried:
		d.Reason = fmt.Sprintf("Failed: %d is not retried", o.StatusCode)
		if o.StatusCode == statusGone {
			d.DisableWebhook = "The endpoint answered 410 Gone"
		}
	case schedule >= attempts:
		d.Reason = fmt.Sprintf("Failed after %s: %s", counted(schedule, "attempt"), causeOf(&o))
	default:
		d.State = DeliveryPending
		d.Reason = fmt.Sprintf("Attempt %d of %d failed: %s", schedule, attempts, causeOf(&o))
		d.Wait = max(jittered(retryDelays[schedule], rnd), retryAfter(&o))
	}
	return d
}

// The statuses that mean something of their own (RFC 9110, RFC 6585).
const (
	statusGone           = 410
	statusTooMany        = 429
	statusBadGateway     = 502
	statusGatewayTimeout = 504
)

// retries reports whether the outcome of an attempt that was no success is worth another.
func (p RetryPolicy) retries(o *Outcome) bool {
	switch {
	case o.ErrorClass == ErrorRedirect:
		return false
	case o.ErrorClass != ErrorNone:
		return true
	case o.StatusCode >= 300 && o.StatusCode <= 499:
		return slices.Contains(p.RetryOn, o.StatusCode) && slices.Contains(OptionalRetries(), o.StatusCode)
	default:
		// A 5xx; or no final status at all, which is as good as no answer.
		return true
	}
}

// throttle is how long the webhook is to be left alone. What the receiver asks for counts where it may be meant for more
// than this delivery: on a 429, retried or not, and on every answer that is retried.
func throttle(o *Outcome, retried bool) time.Duration {
	asked := retryAfter(o)
	switch o.StatusCode {
	case statusTooMany:
		if asked == 0 {
			return throttleTooMany
		}
		return asked
	case statusBadGateway, statusGatewayTimeout:
		return max(asked, throttleGateway)
	}
	if !retried {
		return 0
	}
	return asked
}

// retryAfter is what the receiver asked for, within what is sensible.
func retryAfter(o *Outcome) time.Duration { return min(max(o.RetryAfter, 0), MaxRetryAfter) }

// jittered spreads a delay by RetryJitter either way.
func jittered(delay time.Duration, rnd float64) time.Duration {
	return time.Duration(float64(delay) * (1 + RetryJitter*(2*rnd-1)))
}

// causeOf says in a few words why an attempt that is retried failed. It reads on in a sentence.
func causeOf(o *Outcome) string {
	switch o.ErrorClass {
	case ErrorTimeout:
		return "timed out"
	case ErrorRefused:
		return "connection refused"
	case ErrorReset:
		return "connection closed early"
	case ErrorUnreachable:
		return "address unreachable"
	case ErrorDNS:
		return "name not found"
	case ErrorTLS:
		return "TLS failed"
	case ErrorBlocked:
		return "address not allowed"
	case ErrorTooLarge:
		return "response headers too large"
	case ErrorProtocol:
		return "not an HTTP answer"
	case ErrorNone, ErrorRedirect:
	}
	if o.StatusCode >= firstErrorStatus && o.StatusCode <= 599 {
		return httpError(o.StatusCode)
	}
	return "no final answer"
}

// counted writes a number with its noun: "1 attempt", "10 attempts".
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
