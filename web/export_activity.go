package web

import (
	"context"
	"iter"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
)

// activityCSV has one line a record, without payloads, under the field names of the ingest.
var activityCSV = csvOf([]string{
	"id", "createdAt", "activityType", "userId", "requestId", "responseId", "statusCode", "blockchain", "transactionHash",
	"address", "entityId", "entityName", "riskLevel", "riskScore", "responseSummary", "errorMessage", "metadata",
	"clientAppId", "clientAppName",
}, func(r *posthorn.ActivityRecord) []string {
	score := ""
	if r.RiskScore != nil {
		score = strconv.FormatFloat(*r.RiskScore, 'f', -1, 64)
	}
	return []string{
		r.ID.String(), posthorn.FormatTime(r.CreatedAt()), string(r.Type), r.UserID, r.RequestID.String(), r.ResponseID,
		strconv.Itoa(r.StatusCode), r.Blockchain, r.TransactionHash, r.Address, r.EntityID, r.EntityName, string(r.RiskLevel),
		score, string(r.ResponseSummary), r.ErrorMessage, string(r.Metadata), r.ClientAppID, r.ClientAppName,
	}
})

func (s *Server) exportActivityCSV(c *fiber.Ctx) error {
	return s.exportActivity(c, activityCSV)
}

// exportActivityNDJSON has the payloads too.
func (s *Server) exportActivityNDJSON(c *fiber.Ctx) error {
	return s.exportActivity(c, ndjson[posthorn.ActivityRecord]())
}

// exportActivity streams the filtered feed as a file.
func (s *Server) exportActivity(c *fiber.Ctx, format exportFormat[posthorn.ActivityRecord]) error {
	q, err := s.activityQueryOf(c)
	if err != nil {
		return err
	}
	scope := requestOf(c).signedIn.User.ActivityScope()
	return export[posthorn.ActivityRecord]{"activity", format, func(ctx context.Context) iter.Seq2[posthorn.ActivityRecord, error] {
		return s.Activity.Export(ctx, scope, q.filter)
	}}.send(s, c)
}
