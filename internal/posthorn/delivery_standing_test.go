package posthorn_test

import (
	"strings"
	"testing"
	"time"

	"posthorn/internal/posthorn"
)

func TestADeliverySaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)
	hook := func(state posthorn.WebhookState, reason string) *posthorn.WebhookDetail {
		return &posthorn.WebhookDetail{Webhook: posthorn.Webhook{
			MaxAttempts: 8, MaxInFlight: 1, RateLimit: 5, Status: posthorn.WebhookStatus{State: state, Reason: reason},
		}}
	}
	active := hook(posthorn.WebhookActive, "")
	entry := func(state posthorn.DeliveryState, reason string, next time.Duration) posthorn.LogEntry {
		e := posthorn.LogEntry{Delivery: posthorn.Delivery{State: state, Reason: reason}, Data: []byte(`{}`)}
		if state == posthorn.DeliveryPending {
			e.NextAttemptAt = now.Add(next)
		}
		return e
	}
	pending := func(next time.Duration) posthorn.LogEntry { return entry(posthorn.DeliveryPending, "", next) }
	inHand, test, old := pending(0), pending(time.Minute), entry(posthorn.DeliveryFailed, "Failed: 404 is not retried", 0)
	inHand.InHand, inHand.NextAttemptAt = true, time.Time{}
	test.Test = true
	old.Data = nil
	failedTest := entry(posthorn.DeliveryFailed, "Failed after 1 attempt: HTTP 500 Internal Server Error", 0)
	failedTest.Test = true
	for name, tc := range map[string]struct {
		entry     posthorn.LogEntry
		webhook   *posthorn.WebhookDetail
		throttled time.Duration
		title     string
		text      string
		until     time.Duration
	}{
		"delivered":            {entry: entry(posthorn.DeliverySucceeded, "", 0), webhook: active},
		"has its time":         {entry: pending(time.Hour), webhook: active},
		"under way":            {entry: inHand, webhook: active, title: "An attempt is under way."},
		"in a moment":          {entry: pending(-time.Second), webhook: active, title: "It is due and goes out in a moment."},
		"overdue":              {entry: pending(-time.Minute), webhook: active, title: "It is due and waits for its turn.", text: "at most 1 attempt run at the same time, and at most 5 begin in a second"},
		"inactive":             {entry: pending(time.Hour), webhook: hook(posthorn.WebhookInactive, ""), title: "It waits: the webhook is inactive.", text: "activates"},
		"disabled":             {entry: pending(time.Hour), webhook: hook(posthorn.WebhookDisabled, "Failed for 5 days"), title: "It waits: the webhook is disabled.", text: "Failed for 5 days. Mend"},
		"test while inactive":  {entry: test, webhook: hook(posthorn.WebhookInactive, "")},
		"throttled":            {entry: pending(0), webhook: active, throttled: time.Minute, title: "It waits, because the endpoint asked to be left alone.", text: "all deliveries", until: time.Minute},
		"throttled until then": {entry: pending(time.Hour), webhook: active, throttled: time.Minute},
		"throttled before":     {entry: pending(-time.Second), webhook: active, throttled: -time.Minute, title: "It is due and goes out in a moment."},
		"stopped":              {entry: entry(posthorn.DeliveryCancelled, "Stopped by Amara", 0), webhook: active, title: "Stopped by Amara.", text: "replays"},
		"webhook deleted":      {entry: entry(posthorn.DeliveryCancelled, posthorn.CancelledWithWebhook, 0), title: "The webhook was deleted.", text: "cannot be sent again"},
		"event gone":           {entry: entry(posthorn.DeliveryCancelled, posthorn.CancelledWithoutEvent, 0), webhook: active, title: posthorn.CancelledWithoutEvent + ".", text: "cannot be sent again"},
		"failed":               {entry: entry(posthorn.DeliveryFailed, "Failed: 404 is not retried", 0), webhook: active, title: "Failed: 404 is not retried.", text: "replay"},
		"failed, old":          {entry: old, webhook: active, title: "Failed: 404 is not retried.", text: "retention"},
		"failed, deleted":      {entry: old, title: "Failed: 404 is not retried.", text: "webhook was deleted"},
		"failed test":          {entry: failedTest, webhook: active, title: failedTest.Reason + ".", text: "A test is sent once."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := posthorn.Inspection{Entry: tc.entry, Webhook: tc.webhook}
			if tc.throttled != 0 {
				in.ThrottledUntil = now.Add(tc.throttled)
			}
			x := in.Standing(now)
			if x.Title != tc.title || !strings.Contains(x.Text, tc.text) {
				t.Errorf("%q %q, want %q %q", x.Title, x.Text, tc.title, tc.text)
			}
			if tc.until == 0 != x.Until.IsZero() || tc.until != 0 && !x.Until.Equal(now.Add(tc.until)) {
				t.Errorf("until %v", x.Until)
			}
		})
	}
}

func TestADeliverySaysHowManyAttemptsItHasLeft(t *testing.T) {
	t.Parallel()
	next := time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC)
	hook := &posthorn.WebhookDetail{Webhook: posthorn.Webhook{MaxAttempts: 4}}
	pending := posthorn.LogEntry{Delivery: posthorn.Delivery{State: posthorn.DeliveryPending, NextAttemptAt: next, Attempts: 2}}
	test, done := pending, pending
	test.Test, test.Attempts = true, 0
	done.State, done.NextAttemptAt = posthorn.DeliveryFailed, time.Time{}
	for name, tc := range map[string]struct {
		in      posthorn.Inspection
		allowed int
		givesUp time.Time
	}{
		// The third attempt is due; the fourth is half an hour later.
		"in its schedule": {posthorn.Inspection{Entry: pending, Webhook: hook, DeliveryBackground: posthorn.DeliveryBackground{Scheduled: 2}}, 4, next.Add(30 * time.Minute)},
		"after a replay":  {posthorn.Inspection{Entry: pending, Webhook: hook}, 6, next.Add(35*time.Minute + 5*time.Second)},
		"test":            {posthorn.Inspection{Entry: test, Webhook: hook}, 1, next},
		"finished":        {posthorn.Inspection{Entry: done, Webhook: hook}, 0, time.Time{}},
		"deleted":         {posthorn.Inspection{Entry: pending}, 0, time.Time{}},
	} {
		if got := tc.in.Allowed(); got != tc.allowed {
			t.Errorf("%s: %d attempts, want %d", name, got, tc.allowed)
		}
		if got := tc.in.GivesUp(); !got.Equal(tc.givesUp) {
			t.Errorf("%s: gives up %v, want %v", name, got, tc.givesUp)
		}
	}
}
