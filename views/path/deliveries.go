package path

import (
	"net/url"
	"strconv"
)

// URLs of the delivery log.
const (
	// DeliveryLog lists the deliveries of all webhooks.
	DeliveryLog = Webhooks + "/logs"
	// DeliveryLogNew counts the deliveries newer than the first one of the log, for the "3 new deliveries" link.
	DeliveryLogNew = DeliveryLog + "/new"
	// DeliveryLogRows is what has become of rows of the log that changed.
	DeliveryLogRows = DeliveryLog + "/rows"
	// DeliveryLogStream is the server-sent stream that says when the log has changed, and which deliveries.
	DeliveryLogStream = DeliveryLog + "/stream"
	// DeliveryLogExportCSV streams the filtered log as CSV.
	DeliveryLogExportCSV = DeliveryLog + "/export.csv"
	// DeliveryLogExportNDJSON streams the filtered log as one JSON object a line.
	DeliveryLogExportNDJSON = DeliveryLog + "/export.ndjson"
)

// WebhookLog lists the deliveries of one webhook.
func WebhookLog(id string) string { return Webhook(id) + "/logs" }

// WebhookTest is the form that sends a test to a webhook, and takes it (POST).
func WebhookTest(id string) string { return Webhook(id) + "/test" }

// URLs of events.
const (
	// Events lists the events and takes one that is published by hand (POST).
	Events = "/events"
	// EventNew is the form that publishes an event by hand.
	EventNew = Events + "/new"
	// EventNews counts the events newer than the first one of the list, for the "3 new events" link.
	EventNews = Events + "/news"
	// EventStream is the server-sent stream that says when there are new events.
	EventStream = Events + "/stream"
)

// Event is one event with what became of it. The id is the public one, "evt_…".
func Event(id string) string { return Events + "/" + url.PathEscape(id) }

// deliveries is the prefix of the pages of single deliveries.
const deliveries = "/deliveries"

// Delivery is one delivery, looked at through its latest attempt. The id is the public one, "whd_…", here and below.
func Delivery(id string) string { return deliveries + "/" + url.PathEscape(id) }

// DeliveryAttempt is one delivery, looked at through one of its attempts.
func DeliveryAttempt(id string, number int) string {
	return With(Delivery(id), url.Values{"attempt": {strconv.Itoa(number)}})
}

// DeliveryNews is what has become of a delivery since a page showed it.
func DeliveryNews(id string) string { return Delivery(id) + "/news" }

// DeliveryBody is the body that a delivery sends, as a file.
func DeliveryBody(id string) string { return Delivery(id) + "/body" }

// DeliveryReplay asks whether to send a delivery again, and does it (POST).
func DeliveryReplay(id string) string { return Delivery(id) + "/replay" }

// DeliveryStop asks whether to stop a pending delivery, and does it (POST).
func DeliveryStop(id string) string { return Delivery(id) + "/stop" }

// URLs of bulk replays.
const (
	// DeliveryLogReplay asks whether to replay the deliveries that a filter of the log selects, and does it (POST).
	DeliveryLogReplay = DeliveryLog + "/replay"
	// Attention groups the deliveries that failed for good by webhook and reason.
	Attention = Webhooks + "/attention"
	// Replays lists the bulk replays.
	Replays = "/replays"
)

// Replay is one bulk replay. The id is the public one, "rpl_…", here and below.
func Replay(id string) string { return Replays + "/" + url.PathEscape(id) }

// ReplayCancel ends a running bulk replay (POST).
func ReplayCancel(id string) string { return Replay(id) + "/cancel" }

// WebhookMissed says what a webhook missed while it was not active, and takes that it is sent (POST).
func WebhookMissed(id string) string { return Webhook(id) + "/missed" }
