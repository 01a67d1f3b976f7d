package pages

import (
	"net/url"
	"time"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
)

// Names of the filters of the delivery log, in its form as in the query string, beside those that it shares with other lists.
const (
	FilterWebhookID     = "webhookId"
	FilterApplicationID = "applicationId"
	FilterStatusCode    = "statusCode"
	FilterErrorClass    = "errorClass"
	FilterOver          = "overMs"
	FilterMinAttempts   = "minAttempts"
	FilterTest          = "test"
	FilterEventID       = "eventId"
	FilterDeliveryID    = "deliveryId"
	// FilterCode is a class of statuses or of errors, chosen from one list.
	FilterCode = "code"
	// PageCursor continues the log where a page ended.
	PageCursor = "cursor"
	// LogOf is the webhook whose log a link leads to.
	LogOf = "of"
)

// DeliveriesProps is the log of all webhooks as a page.
type DeliveriesProps struct {
	Page layout.PageProps
	Log  DeliveryLogProps
}

// WebhookLogProps is the log of one webhook.
type WebhookLogProps struct {
	Page WebhookPageProps
	Log  DeliveryLogProps
}

// DeliveryLogProps is a page of the log with its filters: the fragment that is swapped when a filter changes.
type DeliveryLogProps struct {
	Page   posthorn.DeliveryPage
	Filter posthorn.DeliveryFilter
	// Values are the filters as they stand in the query string; links add to them.
	Values url.Values
	// Faults says what is wrong with which filter; nothing is listed then.
	Faults map[string]string
	Count  posthorn.Estimate
	// Webhook is the one whose log it is, nil for that of all.
	Webhook *posthorn.WebhookDetail
	// Types, Applications and Webhooks are what there is to filter by.
	Types        []posthorn.EventType
	Applications []posthorn.Application
	Webhooks     []posthorn.Webhook
	// FirstPage says that the list begins with the newest delivery, so that new ones may be put on top.
	FirstPage bool
	// Newest is the newest delivery of all, zero while there is none.
	Newest posthorn.DeliveryID
	// Fresh marks the deliveries above it as new; zero marks none.
	Fresh    posthorn.DeliveryID
	Location *time.Location
	Now      time.Time
}

// DeliveryLogNewsProps is the link that counts new deliveries.
type DeliveryLogNewsProps struct {
	News posthorn.Estimate
	// Values are the filters of the log that the link leads to the top of.
	Values url.Values
	// Of is the webhook whose log it is, empty for that of all.
	Of string
}
