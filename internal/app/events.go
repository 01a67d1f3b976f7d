package app

import (
	"time"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
)

// NewPublisher makes the use case of publishing; recorder stores the events.
func (b *Backend) NewPublisher(recorder posthorn.EventRecorder) *posthorn.Publisher {
	return posthorn.NewPublisher(recorder, b.EventTypes, postgres.NewWebhooks(b.DB))
}

// NewManualPublisher makes the use case of publishing by hand; publisher is that of services.
func (b *Backend) NewManualPublisher(publisher *posthorn.Publisher) *posthorn.ManualPublisher {
	return posthorn.NewManualPublisher(publisher, postgres.NewEventLog(b.DB), postgres.NewDeliveryLog(b.DB))
}

// NewDeliveries makes the use cases on the delivery log. recorder stores the events of tests, wake tells the dispatcher that
// something is due, announce tells readers of the log what changed.
func (b *Backend) NewDeliveries(
	recorder posthorn.EventRecorder, wake func(), announce func(posthorn.TenantID, posthorn.DeliveryNotice),
) *posthorn.Deliveries {
	return posthorn.NewDeliveries(postgres.NewDeliveryLog(b.DB), posthorn.DeliveriesConfig{
		Webhooks: postgres.NewWebhooks(b.DB), Types: b.EventTypes, Recorder: recorder, Wake: wake, Announce: announce,
		Retention: time.Duration(b.Config.RetentionDays) * 24 * time.Hour,
	})
}

// newDeliveryInspector makes the use cases that look into single deliveries.
func (b *Backend) newDeliveryInspector() *posthorn.DeliveryInspector {
	return posthorn.NewDeliveryInspector(posthorn.DeliveryInspectorConfig{
		Log: postgres.NewDeliveryLog(b.DB), Webhooks: postgres.NewWebhooks(b.DB), Box: b.Box,
	})
}

// NewEventRecorder makes a recorder for a process without a dispatcher: what it stores is sent by whichever finds it. It must
// be closed before the backend.
func (b *Backend) NewEventRecorder() *postgres.EventRecorder {
	return postgres.NewEventRecorder(b.DB, b.Log, &postgres.Outbox{}, postgres.DefaultGroupLimits)
}

// NewReplays makes the use cases of bulk replays; wake tells the runner of this process that there is one.
func (b *Backend) NewReplays(wake func()) *posthorn.Replays {
	return posthorn.NewReplays(postgres.NewReplays(b.DB), posthorn.ReplaysConfig{
		Wake: wake, Retention: time.Duration(b.Config.RetentionDays) * 24 * time.Hour,
	})
}
