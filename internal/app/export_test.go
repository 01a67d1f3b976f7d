package app

import (
	"context"

	"posthorn/internal/postgres"
)

// Ready is what the readiness probe asks.
func Ready(ctx context.Context, db *postgres.DB) error { return readiness{db}.Ready(ctx) }
