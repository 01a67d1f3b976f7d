package web

import (
	"context"
	"iter"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
)

// deliveriesCSV has one line a delivery, under the field names of the API.
var deliveriesCSV = csvOf([]string{
	"id", "eventId", "event", "webhookId", "webhookName", "url", "status", "reason", "test", "createdAt", "finishedAt",
	"nextAttemptAt", "attempts", "statusCode", "errorClass", "durationMs", "applicationId",
}, func(e *posthorn.LogEntry) []string {
	application := ""
	if !e.ApplicationID.IsZero() {
		application = e.ApplicationID.String()
	}
	return []string{
		e.ID.String(), e.EventID.String(), e.Event, e.WebhookID.String(), e.WebhookName, e.URL, string(e.State.Status()), e.Reason,
		strconv.FormatBool(e.Test), posthorn.FormatTime(e.CreatedAt), timeCell(e.FinishedAt), timeCell(e.NextAttemptAt),
		strconv.Itoa(e.Attempts), numberCell(int64(e.StatusCode)), string(e.ErrorClass), numberCell(e.Duration.Milliseconds()), application,
	}
})

func (s *Server) exportDeliveriesCSV(c *fiber.Ctx) error {
	return s.exportDeliveries(c, deliveriesCSV, true)
}

// exportDeliveriesNDJSON has deliveries as the API has them.
func (s *Server) exportDeliveriesNDJSON(c *fiber.Ctx) error {
	return s.exportDeliveries(c, ndjson[posthorn.LogEntry](), false)
}

// exportDeliveries streams the filtered log as a file. A brief one is without payloads and attempts.
func (s *Server) exportDeliveries(c *fiber.Ctx, format exportFormat[posthorn.LogEntry], brief bool) error {
	q, err := deliveryQueryOf(c)
	if err != nil {
		return err
	}
	tenant := tenantOf(c)
	return export[posthorn.LogEntry]{"deliveries", format, func(ctx context.Context) iter.Seq2[posthorn.LogEntry, error] {
		return s.DeliveryFeed.Export(ctx, tenant, q.filter, brief)
	}}.send(s, c)
}
