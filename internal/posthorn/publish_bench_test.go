package posthorn_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"posthorn/internal/posthorn"
)

// benchEvent is a published submission of about 1 KiB, which fits the schema of its type.
func benchEvent(tb testing.TB) string {
	tb.Helper()
	data := map[string]any{
		"submissionId": "sub_123456", "invitationId": "inv_123456", "customerEmail": "customer@example.com", "workflowId": "wf_123456",
		"workflowName": "Basic KYC", "status": "completed", "submittedAt": "2024-01-15T10:30:00Z",
	}
	responses := map[string]any{"firstName": "Zoë", "lastName": "Doe", "age": 42, "score": 0.75, "consent": true, "referrer": nil}
	for i := range 12 {
		responses[fmt.Sprintf("answer%d", i)] = strings.Repeat("words ", 6)
	}
	responses["documents"] = []any{map[string]any{"type": "passport", "pages": []int{1, 2}}, map[string]any{"type": "bill", "pages": []int{}}}
	data["responses"] = responses
	raw, err := json.Marshal(map[string]any{"event": "submission.completed", "id": "order-7", "timestamp": "2024-01-15T10:30:00.123Z", "data": data})
	if err != nil {
		tb.Fatal(err)
	}
	return string(raw)
}

// BenchmarkPublish is what publishing costs before anything is stored: each round is one event.
func BenchmarkPublish(b *testing.B) {
	types := newEventTypes()
	recorder := recorderFunc(func(_ context.Context, events []posthorn.Event) ([]posthorn.Published, error) {
		if len(events[0].Misfits) > 0 {
			b.Error(events[0].Misfits)
		}
		return make([]posthorn.Published, len(events)), nil
	})
	publisher := posthorn.NewPublisher(recorder, types.EventTypes, nil)
	one := benchEvent(b)
	for name, size := range map[string]int{"single": 1, "batch=100": 100} {
		body := []byte(one)
		if size > 1 {
			body = []byte("[" + strings.TrimSuffix(strings.Repeat(one+",", size), ",") + "]")
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(one)))
			for done := 0; done < b.N; done += size {
				if _, _, err := publisher.Publish(b.Context(), types.tenant, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
