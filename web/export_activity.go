package web

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
)

// exportTimeout bounds an export in time.
const exportTimeout = 30 * time.Minute

// recordWriter writes records in one format.
type recordWriter interface {
	begin() error
	record(r *posthorn.ActivityRecord) error
	end() error
}

func (s *Server) exportActivityCSV(c *fiber.Ctx) error {
	return s.exportActivity(c, "csv", "text/csv; charset=utf-8", func(w *bufio.Writer) recordWriter { return csvRecords{csv.NewWriter(w)} })
}

func (s *Server) exportActivityNDJSON(c *fiber.Ctx) error {
	return s.exportActivity(c, "ndjson", "application/x-ndjson", func(w *bufio.Writer) recordWriter { return jsonRecords{w} })
}

// exportActivity streams the filtered feed as a file.
func (s *Server) exportActivity(c *fiber.Ctx, extension, contentType string, format func(*bufio.Writer) recordWriter) error {
	q, err := s.activityQueryOf(c)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("activity-%s.%s", time.Now().UTC().Format("20060102-150405"), extension)
	scope := requestOf(c).signedIn.User.ActivityScope()
	err = s.stream(c, func(w *bufio.Writer) error {
		ctx, cancel := context.WithTimeout(context.Background(), exportTimeout)
		defer cancel()
		return exportRecords(format(w), s.Activity.Export(ctx, scope, q.filter))
	})
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, contentType)
	c.Set(fiber.HeaderContentDisposition, fmt.Sprintf("attachment; filename=%q", name))
	return nil
}

func exportRecords(out recordWriter, records iter.Seq2[posthorn.ActivityRecord, error]) error {
	if err := out.begin(); err != nil {
		return err
	}
	for rec, err := range records {
		if err != nil {
			return err
		}
		if err := out.record(&rec); err != nil {
			return fmt.Errorf("write activity %s: %w", rec.ID, err)
		}
	}
	return out.end()
}

// jsonRecords writes one JSON object a line, payloads included.
type jsonRecords struct{ w *bufio.Writer }

func (jsonRecords) begin() error { return nil }
func (j jsonRecords) end() error { return j.w.Flush() }
func (j jsonRecords) record(r *posthorn.ActivityRecord) error {
	enc := json.NewEncoder(j.w)
	enc.SetEscapeHTML(false)
	return enc.Encode(r)
}

// csvRecords writes one line a record, without payloads, under the field names of the ingest.
type csvRecords struct{ w *csv.Writer }

func (c csvRecords) begin() error {
	return c.w.Write([]string{
		"id", "createdAt", "activityType", "userId", "requestId", "responseId", "statusCode", "blockchain", "transactionHash",
		"address", "entityId", "entityName", "riskLevel", "riskScore", "responseSummary", "errorMessage", "metadata",
		"clientAppId", "clientAppName",
	})
}

func (c csvRecords) end() error {
	c.w.Flush()
	return c.w.Error()
}

func (c csvRecords) record(r *posthorn.ActivityRecord) error {
	score := ""
	if r.RiskScore != nil {
		score = strconv.FormatFloat(*r.RiskScore, 'f', -1, 64)
	}
	row := []string{
		r.ID.String(), posthorn.FormatTime(r.CreatedAt()), string(r.Type), r.UserID, r.RequestID.String(), r.ResponseID,
		strconv.Itoa(r.StatusCode), r.Blockchain, r.TransactionHash, r.Address, r.EntityID, r.EntityName, string(r.RiskLevel),
		score, string(r.ResponseSummary), r.ErrorMessage, string(r.Metadata), r.ClientAppID, r.ClientAppName,
	}
	for i, cell := range row {
		row[i] = inertCell(cell)
	}
	return c.w.Write(row)
}

// inertCell keeps a spreadsheet from running a cell that came from outside as a formula (OWASP, CSV injection).
func inertCell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n", rune(s[0])) {
		return "'" + s
	}
	return s
}
