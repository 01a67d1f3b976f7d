package pgserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	maintenanceDatabase = "postgres"
	duplicateDatabase   = "42P04" // SQLSTATE
	connectLimit        = 30 * time.Second
)

// EnsureDatabase creates the named database when it is missing.
func (s *Server) EnsureDatabase(ctx context.Context, name string) error {
	conn, err := pgx.Connect(ctx, s.URL(maintenanceDatabase))
	if err != nil {
		return fmt.Errorf("connect to the private postgresql: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing is pending
	var exists bool
	err = conn.QueryRow(ctx, "select exists(select from pg_database where datname = $1)", name).Scan(&exists)
	if err != nil {
		return fmt.Errorf("look for database %s: %w", name, err)
	}
	if exists {
		return nil
	}
	_, err = conn.Exec(ctx, "create database "+pgx.Identifier{name}.Sanitize())
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.Code == duplicateDatabase {
		return nil // another process was faster
	}
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}

// identify asks the server behind the socket for its version and makes sure that
// it serves the data folder.
func identify(ctx context.Context, socket, dataDir string) (version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	conn, err := pgx.Connect(ctx, socketURL(socket, maintenanceDatabase))
	if err != nil {
		return "", fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing is pending
	var serves string
	err = conn.QueryRow(ctx, "select current_setting('data_directory'), split_part(current_setting('server_version'), ' ', 1)").Scan(&serves, &version)
	if err != nil {
		return "", fmt.Errorf("ask for the data folder: %w", err)
	}
	want, err := os.Stat(dataDir)
	if err != nil {
		return "", fmt.Errorf("look at the data folder: %w", err)
	}
	if got, err := os.Stat(serves); err != nil || !os.SameFile(got, want) {
		return "", fmt.Errorf("the server in %s serves %s, not %s", socket, serves, dataDir)
	}
	return version, nil
}
