package web

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
)

// deliveryWriter writes deliveries in one format.
type deliveryWriter interface {
	begin() error
	delivery(e *posthorn.LogEntry) error
	end() error
}

func (s *Server) exportDeliveriesCSV(c *fiber.Ctx) error {
	return s.exportDeliveries(c, "csv", "text/csv; charset=utf-8", true, func(w *bufio.Writer) deliveryWriter { return csvDeliveries{csv.NewWriter(w)} })
}

func (s *Server) exportDeliveriesNDJSON(c *fiber.Ctx) error {
	return s.exportDeliveries(c, "ndjson", "application/x-ndjson", false, func(w *bufio.Writer) deliveryWriter { return jsonDeliveries{w} })
}

// exportDeliveries streams the filtered log as a file. A brief one is without payloads and attempts.
func (s *Server) exportDeliveries(c *fiber.Ctx, extension, contentType string, brief bool, format func(*bufio.Writer) deliveryWriter) error {
	q, err := deliveryQueryOf(c)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("deliveries-%s.%s", time.Now().UTC().Format("20060102-150405"), extension)
	tenant := tenantOf(c)
	err = s.stream(c, func(w *bufio.Writer) error {
		ctx, cancel := context.WithTimeout(context.Background(), exportTimeout)
		defer cancel()
		return writeDeliveries(format(w), s.DeliveryFeed.Export(ctx, tenant, q.filter, brief))
	})
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, contentType)
	c.Set(fiber.HeaderContentDisposition, fmt.Sprintf("attachment; filename=%q", name))
	return nil
}

func writeDeliveries(out deliveryWriter, entries iter.Seq2[posthorn.LogEntry, error]) error {
	if err := out.begin(); err != nil {
		return err
	}
	for e, err := range entries {
		if err != nil {
			return err
		}
		if err := out.delivery(&e); err != nil {
			return fmt.Errorf("write %s: %w", e.ID, err)
		}
	}
	return out.end()
}

// jsonDeliveries writes one JSON object a line, as the API has it.
type jsonDeliveries struct{ w *bufio.Writer }

func (jsonDeliveries) begin() error { return nil }
func (j jsonDeliveries) end() error { return j.w.Flush() }
func (j jsonDeliveries) delivery(e *posthorn.LogEntry) error {
	enc := json.NewEncoder(j.w)
	enc.SetEscapeHTML(false)
	return enc.Encode(e)
}

// csvDeliveries writes one line a delivery, under the field names of the API.
type csvDeliveries struct{ w *csv.Writer }

func (c csvDeliveries) begin() error {
	return c.w.Write([]string{
		"id", "eventId", "event", "webhookId", "webhookName", "url", "status", "reason", "test", "createdAt", "finishedAt",
		"nextAttemptAt", "attempts", "statusCode", "errorClass", "durationMs", "applicationId",
	})
}

func (c csvDeliveries) end() error {
	c.w.Flush()
	return c.w.Error()
}

func (c csvDeliveries) delivery(e *posthorn.LogEntry) error {
	row := []string{
		e.ID.String(), e.EventID.String(), e.Event, e.WebhookID.String(), e.WebhookName, e.URL, string(e.State.Status()), e.Reason,
		strconv.FormatBool(e.Test), posthorn.FormatTime(e.CreatedAt), timeCell(e.FinishedAt), timeCell(e.NextAttemptAt),
		strconv.Itoa(e.Attempts), numberCell(int64(e.StatusCode)), string(e.ErrorClass), numberCell(e.Duration.Milliseconds()), "",
	}
	if !e.ApplicationID.IsZero() {
		row[len(row)-1] = e.ApplicationID.String()
	}
	for i, cell := range row {
		row[i] = inertCell(cell)
	}
	return c.w.Write(row)
}

// timeCell and numberCell are empty for what there is none of.
func timeCell(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return posthorn.FormatTime(t)
}

func numberCell(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
