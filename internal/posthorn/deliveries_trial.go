package posthorn

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// How long a test is waited for.
const (
	// trialGrace is how much longer than the webhook's timeout.
	trialGrace = 5 * time.Second
	// trialMargin is how long before the end of the caller's own time the answer is given as it is.
	trialMargin = time.Second
	// trialFirstLook and trialLastLook are the pauses between two looks at the store, which grow.
	trialFirstLook = 20 * time.Millisecond
	trialLastLook  = 200 * time.Millisecond
)

// Trial is a test that is asked for: an event of any type of the catalogue.
type Trial struct {
	// Event is the type.
	Event string
	// Data is the event's, nil for the example of the type.
	Data *json.RawMessage
	// Form makes a form that is sent twice test once, nil for what is no form.
	Form *IdempotencyKey
}

// Test is Try for programs.
func (ds *Deliveries) Test(
	ctx context.Context, actor Actor, tenant TenantID, id WebhookID, event string, data *json.RawMessage,
) (LogEntry, error) {
	return ds.Try(ctx, actor, tenant, id, Trial{Event: event, Data: data})
}

// Try sends an event to a webhook to try it out, whatever that is subscribed to and whatever its state, and returns what came
// of it: one attempt. What is not there yet when the webhook's timeout has passed, or when the caller's time is nearly over, is
// returned pending. A wrong type or data is Invalid with the field named.
func (ds *Deliveries) Try(ctx context.Context, actor Actor, tenant TenantID, id WebhookID, t Trial) (LogEntry, error) {
	w, err := ds.config.Webhooks.Webhook(ctx, tenant, id)
	if err != nil {
		return LogEntry{}, noWebhook(err, id)
	}
	e, err := ds.trial(ctx, &w.Webhook, t.Event, t.Data)
	if err != nil {
		return LogEntry{}, err
	}
	// It is noted before it is sent, so that nothing is sent that is not.
	entry := audit(tenant, actor, ActionWebhookTested, id.String(), nil,
		map[string]any{FieldEvent: t.Event, "deliveryId": DeliveryIDOf(e.ID, id).String()})
	first, err := noteOnce(ctx, ds.store, entry, t.Form, e.ID)
	if err != nil {
		return LogEntry{}, fmt.Errorf("note the test of %s: %w", id, err)
	}
	// Publishing the event of the first time again changes nothing, and makes up for a process that ended before it did.
	e.ID, e.OccurredAt = first, first.Time()
	delivery := DeliveryIDOf(e.ID, id)
	published, err := ds.config.Recorder.Publish(ctx, []Event{e})
	if err != nil {
		return LogEntry{}, fmt.Errorf("test %s with %s: %w", id, e.ID, err)
	}
	if published[0].Deliveries == 0 {
		return LogEntry{}, noWebhook(Errorf(NotFound, "It was deleted in the meantime."), id)
	}
	ds.config.Wake()
	if err := ds.awaitResult(ctx, tenant, delivery, w.Timeout+trialGrace); err != nil {
		return LogEntry{}, err
	}
	return ds.Get(ctx, tenant, delivery)
}

// trial makes the event of a test, by the rules of publishing.
func (ds *Deliveries) trial(ctx context.Context, w *Webhook, event string, data *json.RawMessage) (Event, error) {
	e := Event{
		ID: NewEventID(), TenantID: w.TenantID, Type: event, ApplicationID: w.ApplicationID, Test: true, Webhook: w.ID,
	}
	e.OccurredAt = e.ID.Time()
	t, err := ds.config.Types.Get(ctx, w.TenantID, event)
	if err != nil {
		if KindOf(err) == NotFound {
			err = FieldError(Invalid, FieldEvent, "must be a type of the catalogue: "+quoteClip(event)+" is not in it")
		}
		return e, err
	}
	if data == nil {
		e.Data = t.Example
		return e, nil
	}
	if len(*data) > MaxEventBytes {
		return e, Errorf(TooLarge, "An event may have at most 256 KiB, and this one has %d bytes.", len(*data))
	}
	e.Data = *data
	fit, err := ds.config.Types.Check(ctx, w.TenantID, event, e.Data)
	switch {
	case err != nil:
		return e, err
	case fit.Rejected():
		return e, FieldError(Invalid, fieldData, "does not fit the schema of "+event+": "+strings.Join(fit.Violations, "; "))
	}
	e.Misfits = fit.Violations
	return e, nil
}

// awaitResult returns when a delivery is not pending any more, or when it has waited long enough.
func (ds *Deliveries) awaitResult(ctx context.Context, tenant TenantID, id DeliveryID, wait time.Duration) error {
	until := time.Now().Add(wait)
	if end, ok := ctx.Deadline(); ok && end.Add(-trialMargin).Before(until) {
		until = end.Add(-trialMargin)
	}
	for look := trialFirstLook; ; look = min(look*3/2, trialLastLook) {
		state, err := ds.store.DeliveryState(ctx, tenant, id)
		if err != nil {
			return fmt.Errorf("wait for the result of %s: %w", id, err)
		}
		left := time.Until(until)
		if state != DeliveryPending || left <= 0 {
			return nil
		}
		timer := time.NewTimer(min(look, left))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("wait for the result of %s: %w", id, context.Cause(ctx))
		}
	}
}
