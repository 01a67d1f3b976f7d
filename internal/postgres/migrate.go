package postgres

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/pressly/goose/v3"

	"posthorn/migrations"
)

// Migrate brings the schema up to date and returns how many migrations it applied. Processes that start at once do it
// once. It refuses a database that a newer Posthorn has migrated. It needs no superuser, only a schema it may create
// tables in.
func (db *DB) Migrate(ctx context.Context) (applied int, err error) {
	// Most starts find nothing to do and need no lock.
	if done, err := db.migrated(ctx); done || err != nil {
		return 0, err
	}
	err = db.withLock(ctx, lockMigrate, func() error {
		if done, err := db.migrated(ctx); done || err != nil {
			return err
		}
		provider, err := db.migrations()
		if err != nil {
			return err
		}
		results, err := provider.Up(ctx)
		applied = len(results)
		for _, r := range results {
			db.log.InfoContext(ctx, "migration applied", slog.String("migration", r.Source.Path), slog.Duration("took", r.Duration))
		}
		return err
	})
	if err != nil {
		return applied, fmt.Errorf("migrate the database: %w", err)
	}
	return applied, nil
}

// SchemaVersion returns the version of the database's schema, 0 before the first migration, and the version that this
// binary wants. It changes nothing.
func (db *DB) SchemaVersion(ctx context.Context) (current, want int64, err error) {
	const op = "read the schema's version"
	provider, err := db.migrations()
	if err != nil {
		return 0, 0, err
	}
	sources := provider.ListSources()
	want = sources[len(sources)-1].Version
	var exists bool
	if err := db.pool.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, goose.DefaultTablename).Scan(&exists); err != nil || !exists {
		return 0, want, translate(err, op)
	}
	err = db.pool.QueryRow(ctx, `SELECT coalesce(max(version_id), 0) FROM `+goose.DefaultTablename+` WHERE is_applied`).Scan(&current)
	return current, want, translate(err, op)
}

// migrated reports whether the schema is what this binary wants.
func (db *DB) migrated(ctx context.Context) (bool, error) {
	current, want, err := db.SchemaVersion(ctx)
	if err == nil && current > want {
		err = fmt.Errorf("the database has schema version %d and this Posthorn knows versions up to %d: run the newer Posthorn, or restore a backup from before its upgrade", current, want)
	}
	return err == nil && current == want, err
}

func (db *DB) migrations() (*goose.Provider, error) {
	p, err := goose.NewProvider(goose.DialectPostgres, db.sql, migrations.FS,
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, fmt.Errorf("read the embedded migrations: %w", err)
	}
	return p, nil
}
