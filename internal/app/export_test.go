package app

import (
	"context"
	"time"

	"posthorn/internal/postgres"
)

// Ready is what the readiness probe asks in a process whose dispatcher last looked for what is due at a time.
func Ready(ctx context.Context, db *postgres.DB, lastLook time.Time) (notes []string, err error) {
	return readiness{db, func() time.Time { return lastLook }}.Ready(ctx)
}
