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

// NewDeliveries makes the use cases on the delivery log. recorder stores the events of tests, wake tells the dispatcher that
// something is due.
func (b *Backend) NewDeliveries(recorder posthorn.EventRecorder, wake func()) *posthorn.Deliveries {
	return posthorn.NewDeliveries(postgres.NewDeliveryLog(b.DB), posthorn.DeliveriesConfig{
		Webhooks: postgres.NewWebhooks(b.DB), Types: b.EventTypes, Recorder: recorder, Wake: wake,
		Retention: time.Duration(b.Config.RetentionDays) * 24 * time.Hour,
	})
}

// NewEventRecorder makes a recorder for a process without a dispatcher: what it stores is sent by whichever finds it. It must
// be closed before the backend.
func (b *Backend) NewEventRecorder() *postgres.EventRecorder {
	return postgres.NewEventRecorder(b.DB, b.Log, &postgres.Outbox{}, postgres.DefaultGroupLimits)
}
