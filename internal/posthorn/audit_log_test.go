package posthorn_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/posthorn"
)

func TestTheChangesOfAnEntryAreListedByField(t *testing.T) {
	t.Parallel()
	var e posthorn.AuditEntry
	for text, into := range map[string]*map[string]any{
		`{"name":"Ledger","events":["a.b","c.d"],"signature":{"scheme":"standard","header":null},"rateLimitPerSecond":5,"url":"https://a.example"}`: &e.Before,
		`{"name":"Ledger sync","events":["a.b"],"signature":{"scheme":"custom","header":"X-Sig"},"active":true,"url":"https://a.example"}`:          &e.After,
	} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	want := []posthorn.AuditChange{
		{Field: "active", After: "true", HadAfter: true},
		{Field: "events", Before: "a.b, c.d", After: "a.b", HadBefore: true, HadAfter: true},
		{Field: "name", Before: "Ledger", After: "Ledger sync", HadBefore: true, HadAfter: true},
		{Field: "rateLimitPerSecond", Before: "5", HadBefore: true},
		{Field: "signature.header", After: "X-Sig", HadAfter: true},
		{Field: "signature.scheme", Before: "standard", After: "custom", HadBefore: true, HadAfter: true},
		{Field: "url", Before: "https://a.example", After: "https://a.example", HadBefore: true, HadAfter: true},
	}
	if diff := cmp.Diff(want, e.Changes()); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}
