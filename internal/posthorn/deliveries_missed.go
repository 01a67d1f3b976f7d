package posthorn

import (
	"context"
	"fmt"
	"time"
)

// MissedRange is the stretch of time of which a webhook gets what it did not get.
type MissedRange struct {
	// Since and Until bound the receipt of events; both are zero for the latest time at which the webhook was not active.
	Since, Until time.Time
	// Kept is from when on events are kept, zero for all.
	Kept time.Time
}

// MissedSlack is added at both ends of the time in which a webhook was not active: an event gets its id before the
// transaction that decides where it goes. What did go to the webhook is not sent again.
const MissedSlack = 30 * time.Second

// MissedReplay is what a replay of missed events has come to by the time that its request is answered.
type MissedReplay struct {
	// Deliveries is how many were made.
	Deliveries int
	// GoesOn is the bulk replay that makes the rest, which are not counted; zero when there is no rest.
	GoesOn ReplayID
}

// MarshalJSON writes the answer as the API does.
func (r MissedReplay) MarshalJSON() ([]byte, error) {
	var out struct {
		Deliveries int       `json:"deliveries"`
		ReplayID   *ReplayID `json:"replayId"`
	}
	if out.Deliveries = r.Deliveries; !r.GoesOn.IsZero() {
		out.ReplayID = &r.GoesOn
	}
	return marshal(out)
}

// ReplayMissed makes the deliveries that a webhook did not get while it was inactive or disabled, the latest time that it was
// and by what it is subscribed to now. Where since is given, it gets every event from then on that it has no delivery of. They
// are due at once; while the webhook is not active they wait. It is safe to repeat. What takes longer than a few seconds goes on by
// itself as a bulk replay, which the answer names.
func (ds *Deliveries) ReplayMissed(ctx context.Context, actor Actor, tenant TenantID, id WebhookID, since time.Time) (MissedReplay, error) {
	now := databaseNow()
	var m MissedRange
	after := map[string]any{FieldSince: nil}
	if !since.IsZero() {
		if since.After(now) {
			return MissedReplay{}, FieldError(Invalid, FieldSince, "must not be in the future")
		}
		m.Since, m.Until = since, now
		after[FieldSince] = FormatTime(since)
	}
	if ds.config.Retention > 0 {
		m.Kept = now.Add(-ds.config.Retention)
	}
	made, err := ds.store.ReplayMissed(ctx, tenant, id, m, audit(tenant, actor, ActionMissedReplayed, id.String(), nil, after))
	ds.config.Wake()
	if err != nil {
		return made, fmt.Errorf("replay what %s missed: %w", id, noWebhook(err, id))
	}
	return made, nil
}
