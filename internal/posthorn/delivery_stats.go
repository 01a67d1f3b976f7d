package posthorn

import (
	"strconv"
	"time"
)

// When a webhook counts as failing: less than FailingBelow of its attempts of the last RecentSpan succeeded, of FailingAttempts
// or more, or every attempt has failed for FailingAfter.
const (
	FailingBelow    = 0.95
	FailingAttempts = 10
	FailingAfter    = 5 * time.Minute
	RecentSpan      = time.Hour
)

// AttemptCounts are numbers of attempts, tests aside.
type AttemptCounts struct {
	// Delivered succeeded, each the last attempt of its delivery; Failed are the others.
	Delivered, Failed int64
	// Dead are those of Failed after which the delivery was given up.
	Dead int64
}

// Total is the number of attempts.
func (c AttemptCounts) Total() int64 { return c.Delivered + c.Failed }

// Success is the part of the attempts that succeeded, from 0 to 1. It is not ok when there were none.
func (c AttemptCounts) Success() (part float64, ok bool) {
	if c.Total() == 0 {
		return 0, false
	}
	return float64(c.Delivered) / float64(c.Total()), true
}

func (c *AttemptCounts) add(o AttemptCounts) {
	c.Delivered += o.Delivered
	c.Failed += o.Failed
	c.Dead += o.Dead
}

// LatencyCounts are durations of attempts, counted by LatencyBucket.
type LatencyCounts [LatencyBuckets]int64

// Percentile is LatencyPercentile of the counts.
func (l *LatencyCounts) Percentile(share float64) time.Duration {
	return LatencyPercentile(l[:], share)
}

func (l *LatencyCounts) add(o *LatencyCounts) {
	for i, n := range o {
		l[i] += n
	}
}

// AttemptSums are attempts with their durations.
type AttemptSums struct {
	AttemptCounts
	Latency LatencyCounts
}

// Add counts others as well.
func (s *AttemptSums) Add(o *AttemptSums) {
	s.add(o.AttemptCounts)
	s.Latency.add(&o.Latency)
}

// AttemptBucket is what was attempted in a span of time.
type AttemptBucket struct {
	Start time.Time
	AttemptSums
}

// DeliveryStats sums up the attempts of a range, of one webhook or of all.
type DeliveryStats struct {
	AttemptSums
	// Before is the stretch of the same length before the range.
	Before AttemptSums
	// Buckets holds one entry a bucket, oldest first, empty ones included.
	Buckets []AttemptBucket
}

// NewDeliveryStats returns the stats of a range in which nothing was attempted.
func NewDeliveryStats(r OverviewRange) DeliveryStats {
	s := DeliveryStats{Buckets: make([]AttemptBucket, r.Buckets)}
	for i := range s.Buckets {
		s.Buckets[i].Start = r.From().Add(time.Duration(i) * r.Bucket)
	}
	return s
}

// Put counts the attempts of a bucket; those of number -1 belong to the stretch before.
func (s *DeliveryStats) Put(bucket int, sums *AttemptSums) {
	switch {
	case bucket < 0:
		s.Before.Add(sums)
	case bucket < len(s.Buckets):
		s.Buckets[bucket].Add(sums)
		s.Add(sums)
	}
}

// EndpointHealth is how the endpoint of a webhook does.
type EndpointHealth struct {
	// FailingSince is since when every attempt has failed, zero when the latest succeeded; FailedSince counts them.
	FailingSince time.Time
	FailedSince  int64
	// ThrottledUntil is until when nothing is sent because the endpoint asked for it, zero or past when it did not.
	ThrottledUntil time.Time
	// Recent are the attempts of the last RecentSpan.
	Recent AttemptCounts
	// LastFault is what the latest failed attempt got, empty when that is long ago.
	LastFault Answer
}

// Failing reports whether the webhook counts as failing.
func (h *EndpointHealth) Failing(now time.Time) bool {
	if h.FailingFor(now) >= FailingAfter {
		return true
	}
	part, _ := h.Recent.Success()
	return h.Recent.Total() >= FailingAttempts && part < FailingBelow
}

// FailingFor is how long every attempt has failed, 0 when the latest succeeded.
func (h *EndpointHealth) FailingFor(now time.Time) time.Duration {
	if h.FailingSince.IsZero() {
		return 0
	}
	return now.Sub(h.FailingSince)
}

// Throttled reports whether the endpoint is spared because it asked for it.
func (h *EndpointHealth) Throttled(now time.Time) bool { return h.ThrottledUntil.After(now) }

// WebhookStats is how a webhook fares: its endpoint's health, and its attempts in a range.
type WebhookStats struct {
	DeliveryStats
	Health EndpointHealth
	// LastDelivery is when the newest delivery was made, tests aside; zero when none is kept.
	LastDelivery time.Time
}

// Answer is what an attempt got: a status such as "503", or an ErrorClass.
type Answer string

// Status is the HTTP status of the answer, 0 when it is an error of another class.
func (a Answer) Status() int {
	status, err := strconv.Atoi(string(a))
	if err != nil {
		return 0
	}
	return status
}

// Success reports whether the answer is a success.
func (a Answer) Success() bool { return a.Status()/100 == 2 }

// AnswerCount counts the attempts that got an answer.
type AnswerCount struct {
	Answer   Answer
	Attempts int64
}

// WaitingLimit bounds the count of what waits at one webhook, WaitingLimitOfMany that at each of several.
const (
	WaitingLimit       = 10_000
	WaitingLimitOfMany = 1000
)

// WaitingDeliveries are the pending deliveries of a webhook, or of all.
type WaitingDeliveries struct {
	// Total counts them, up to a limit at each webhook. Retrying are those that were tried before.
	Total, Retrying int64
	// More says that there are more than were counted.
	More bool
	// Next is when the next one is tried, zero when there is none ahead. Oldest is when the oldest of those counted was made.
	Next, Oldest time.Time
}

// EndingSecret is a replaced signing secret that stops working.
type EndingSecret struct {
	// WebhookID is whose it is, zero for the API secret of the tenant; Name is the webhook's.
	WebhookID WebhookID
	Name      string
	ExpiresAt time.Time
}

// WebhookFare is a webhook with how it fares.
type WebhookFare struct {
	Webhook
	Stats WebhookStats
}

// DeadLettersLimit bounds the count of deliveries that failed for good.
const DeadLettersLimit = 1000

// DeliveryOverview is how sending fares at all webhooks of a tenant.
type DeliveryOverview struct {
	// States counts the webhooks by state. Failing counts the active ones that fail.
	States  map[WebhookState]int
	Failing int
	Stats   DeliveryStats
	Waiting WaitingDeliveries
	// Webhooks are the ones to look at, those in trouble first, then those with most attempts; their stats are of the last day.
	Webhooks []WebhookFare
	Secrets  []EndingSecret
	// DeadLetters counts the deliveries that failed for good and can be replayed, up to DeadLettersLimit and one more.
	DeadLetters int
	// Tested and Delivered say that there are tests, and other deliveries, among the newest ones.
	Tested, Delivered bool
}

// Total is the number of webhooks in every state.
func (o *DeliveryOverview) Total() int {
	n := 0
	for _, c := range o.States {
		n += c
	}
	return n
}
