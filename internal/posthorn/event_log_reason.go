package posthorn

import "time"

// Reason says why an event has the delivery that it has, or none, as a sentence without its full stop; empty where there is
// nothing to say. Where the webhook has none, it goes by what the webhook is now and what is known of its past.
func (r *EventReach) Reason(e *Event) string {
	if r.Delivery == nil {
		return r.Webhook.missing(e)
	}
	d, w := r.Delivery, &r.Webhook
	if d.Reason == "" && d.State == DeliveryPending && !d.Test && !w.Deleted && w.Status.State != WebhookActive {
		return "Waits until the webhook is active again"
	}
	return d.Reason
}

// missing says why a webhook got no delivery of an event.
func (w *WebhookSummary) missing(e *Event) string {
	at := e.ID.Time()
	switch {
	case e.Test:
		return "The event was made to test another webhook"
	case w.Deleted:
		return "Got none before it was deleted on " + FormatTime(w.DeletedAt)
	case at.Before(w.CreatedAt.Truncate(time.Millisecond)):
		return "The webhook was created later, on " + FormatTime(w.CreatedAt)
	case !MatchesSubscription(w.Events, e.Type):
		return "Not subscribed to " + e.Type
	case !w.ApplicationID.IsZero() && e.ApplicationID.IsZero():
		return "For the events of one application, and this one belongs to none"
	case !w.ApplicationID.IsZero() && w.ApplicationID != e.ApplicationID:
		return "For the events of another application"
	case w.stoppedAt(at) && w.Status.State != WebhookActive:
		return "The webhook was " + string(w.Status.State) + " at the time"
	case w.stoppedAt(at):
		return "The webhook was not active at the time"
	default:
		return "At the time the webhook was not subscribed to it, or not active"
	}
}

// stoppedAt reports whether the webhook is known not to have been active at a time.
func (w *WebhookSummary) stoppedAt(at time.Time) bool {
	return !w.StoppedAt.IsZero() && !at.Before(w.StoppedAt.Truncate(time.Millisecond)) && (w.ResumedAt.IsZero() || at.Before(w.ResumedAt))
}
