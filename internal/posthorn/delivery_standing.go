package posthorn

import (
	"fmt"
	"time"
)

// overdueAfter is how long after its time an attempt counts as waiting for something else than that.
const overdueAfter = 10 * time.Second

// Standing says why a delivery is where it is, where its attempts alone do not: what it waits for, who stopped it, that nothing
// more is sent. It is zero for one that was delivered, and for one whose next attempt has its time.
func (in *Inspection) Standing(now time.Time) Explanation {
	e := &in.Entry
	switch e.State {
	case DeliveryCancelled:
		return in.cancelled()
	case DeliveryFailed:
		return in.failed()
	case DeliveryPending:
		return in.waiting(now)
	case DeliverySucceeded:
	}
	return Explanation{}
}

func (in *Inspection) cancelled() Explanation {
	x := Explanation{Tone: TonePlain, Title: orWords(in.Entry.Reason, "Cancelled") + "."}
	switch {
	case in.Entry.Reason == CancelledWithoutEvent:
		x.Text = "Nothing more is sent, and it cannot be sent again."
	case in.Webhook == nil:
		x.Text = "Nothing more is sent. Without its webhook it cannot be sent again."
	default:
		x.Text = "Nothing more is sent, unless somebody replays it."
	}
	return x
}

func (in *Inspection) failed() Explanation {
	x := Explanation{Tone: ToneBad, Title: orWords(in.Entry.Reason, "Failed") + "."}
	switch {
	case in.Webhook == nil:
		x.Text = "Its webhook was deleted since, so it cannot be sent again."
	case in.Entry.Data == nil:
		x.Text = "Its event is past the retention, so it cannot be sent again."
	case in.Entry.Test:
		x.Text = "A test is sent once. Mend the endpoint and replay it, or send another."
	default:
		x.Text = "Nothing more is sent by itself. Mend what is wrong, then replay it."
	}
	return x
}

// waiting says what a pending delivery waits for.
func (in *Inspection) waiting(now time.Time) Explanation {
	e, w := &in.Entry, in.Webhook
	x := Explanation{Tone: ToneWaiting}
	switch {
	case e.InHand:
		return Explanation{Tone: TonePlain, Title: "An attempt is under way."}
	case w == nil:
		return Explanation{}
	case !e.Test && w.Status.State == WebhookInactive:
		x.Title = "It waits: the webhook is inactive."
		x.Text = "Nothing is sent until somebody activates the webhook. Then it goes out at once."
	case !e.Test && w.Status.State == WebhookDisabled:
		x.Title = "It waits: the webhook is disabled."
		x.Text = orWords(w.Status.Reason, "Posthorn stopped sending to it") + ". Mend the endpoint and activate the webhook; then it goes out at once."
	case !e.Test && in.ThrottledUntil.After(now) && !in.ThrottledUntil.Before(e.NextAttemptAt):
		x.Title = "It waits, because the endpoint asked to be left alone."
		x.Text = "That holds for all deliveries of this webhook."
		x.Until = in.ThrottledUntil
	case e.NextAttemptAt.IsZero():
		return Explanation{}
	case now.Sub(e.NextAttemptAt) > overdueAfter:
		x.Title = "It is due and waits for its turn."
		x.Text = "Other deliveries of this webhook are ahead of it: " + w.limitWords() + "."
	case e.NextAttemptAt.After(now):
		return Explanation{}
	default:
		return Explanation{Tone: TonePlain, Title: "It is due and goes out in a moment."}
	}
	return x
}

// limitWords says what a webhook's deliveries queue for.
func (w *Webhook) limitWords() string {
	words := fmt.Sprintf("at most %s run at the same time", counted(w.MaxInFlight, "attempt"))
	if w.RateLimit > 0 {
		words += fmt.Sprintf(", and at most %d begin in a second", w.RateLimit)
	}
	return words
}

func orWords(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// Allowed is how many attempts the delivery gets altogether as things are: those that were made before a replay, and its
// schedule. It is 0 when no more are planned.
func (in *Inspection) Allowed() int {
	if in.Entry.State != DeliveryPending || in.Webhook == nil {
		return 0
	}
	return in.Entry.Attempts - in.Scheduled + in.schedule()
}

// schedule is how many attempts the schedule has.
func (in *Inspection) schedule() int {
	if in.Entry.Test {
		return 1
	}
	return min(max(in.Webhook.MaxAttempts, 1), MaxMaxAttempts)
}

// GivesUp is about when the last attempt is made if all fail, zero when no more are planned. Every wait may differ by
// RetryJitter, and the endpoint may ask for a longer one.
func (in *Inspection) GivesUp() time.Time {
	at := in.Entry.NextAttemptAt
	if in.Entry.State != DeliveryPending || in.Webhook == nil || at.IsZero() {
		return time.Time{}
	}
	// The next attempt has the place Scheduled+1; those after it wait the delays from there on.
	for place := in.Scheduled + 1; place < in.schedule(); place++ {
		at = at.Add(retryDelays[place])
	}
	return at
}
