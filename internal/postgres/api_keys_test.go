package postgres_test

import (
	"strings"
	"testing"
	"time"

	"posthorn/internal/posthorn"
)

func TestAPIKeysAreStoredHashed(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	made, owner := f.found(t, ownerEmail)
	expires := time.Now().Add(time.Hour).Truncate(time.Microsecond)
	k, plain, err := f.CreateAPIKey(t.Context(), owner.Actor("192.0.2.1"), made.TenantID, "CI", []posthorn.Scope{posthorn.ScopePublish}, expires)
	if err != nil {
		t.Fatal(err)
	}
	var row string
	var by string
	var at time.Time
	err = f.db.Pool().QueryRow(t.Context(), `SELECT k::text, created_by::text, expires_at FROM api_keys k WHERE id = $1`, k.ID.UUID()).Scan(&row, &by, &at)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(row, plain) || by != owner.ID.UUID().String() || !at.Equal(expires) {
		t.Errorf("row %s, created by %s, expires %s", row, by, at)
	}
}
