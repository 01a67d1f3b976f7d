package posthorn_test

import (
	"encoding/json"
	"strings"
	"testing"

	"posthorn/internal/posthorn"
)

// However large a record is, its events stay within the limit and still say whose record it is and where.
func TestEventsOfALargeRecordFit(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("\u00e9\x01", 400_000)
	for name, a := range map[string]posthorn.Activity{
		"metadata": {Metadata: json.RawMessage(`{"pad":"` + strings.Repeat("x", 900_000) + `"}`)},
		"summary":  {ResponseSummary: json.RawMessage(`{"pad":"` + strings.Repeat("x", 900_000) + `"}`)},
		"message":  {ErrorMessage: large},
		"all":      {ErrorMessage: large, Metadata: json.RawMessage(`{"pad":"` + strings.Repeat("x", 900_000) + `"}`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a.ID, a.UserID, a.RiskLevel = posthorn.NewActivityID(), "user_1", posthorn.RiskCritical
			events, err := a.Events(func(id posthorn.ActivityID) string { return "https://posthorn.example/" + id.String() })
			if err != nil || len(events) != 2 {
				t.Fatalf("%d events, %v", len(events), err)
			}
			for _, e := range events {
				var data struct{ ID, UID, URL string }
				if err := json.Unmarshal(e.Data, &data); err != nil || len(e.Data) > posthorn.MaxEventBytes {
					t.Fatalf("%d bytes, %v", len(e.Data), err)
				}
				if data.ID != a.ID.String() || data.UID != "user_1" || data.URL != "https://posthorn.example/"+data.ID {
					t.Errorf("data = %+v", data)
				}
			}
		})
	}
}
