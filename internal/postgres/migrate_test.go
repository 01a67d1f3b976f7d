package postgres_test

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"posthorn/internal/postgres"
	"posthorn/internal/testkit"
	"posthorn/migrations"
)

func open(t *testing.T, url string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Options{URL: url, MaxConns: 8})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

func migrationFiles(t *testing.T) int {
	t.Helper()
	entries, err := migrations.FS.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestProcessesThatStartAtOnceMigrateOnce(t *testing.T) {
	t.Parallel()
	url := testkit.EmptyURL(t)
	const processes = 4
	applied, errs := make([]int, processes), make([]error, processes)
	var wg sync.WaitGroup
	for i := range processes {
		db := open(t, url)
		wg.Go(func() { applied[i], errs[i] = db.Migrate(t.Context()) })
	}
	wg.Wait()
	total := 0
	for i, err := range errs {
		if err != nil {
			t.Errorf("process %d: %v", i, err)
		}
		total += applied[i]
	}
	if want := migrationFiles(t); total != want {
		t.Errorf("applied %v, together %d migrations, want %d", applied, total, want)
	}
	db := open(t, url)
	if n, err := db.Migrate(t.Context()); n != 0 || err != nil {
		t.Errorf("once more: %d migrations and %v, want none", n, err)
	}
	current, want, err := db.SchemaVersion(t.Context())
	if err != nil || current != want || current != int64(migrationFiles(t)) {
		t.Errorf("schema version %d, wanted %d, %v", current, want, err)
	}
}

func TestTheSchemaVersionIsReadWithoutChangingAnything(t *testing.T) {
	t.Parallel()
	db := open(t, testkit.EmptyURL(t))
	current, want, err := db.SchemaVersion(t.Context())
	if err != nil || current != 0 || want != int64(migrationFiles(t)) {
		t.Errorf("schema version %d, wanted %d, %v; want 0 of %d", current, want, err, migrationFiles(t))
	}
	var tables int
	if err := db.Pool().QueryRow(t.Context(), `SELECT count(*) FROM pg_tables WHERE schemaname = 'public'`).Scan(&tables); err != nil || tables != 0 {
		t.Errorf("%d tables (%v), want none", tables, err)
	}
}

func TestADatabaseOfANewerPosthornIsRefused(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	if _, err := db.Pool().Exec(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9000, true)`); err != nil {
		t.Fatal(err)
	}
	n, err := db.Migrate(t.Context())
	if n != 0 || err == nil || !strings.Contains(err.Error(), "schema version 9000 and this Posthorn knows versions up to") {
		t.Errorf("%d migrations and %v, want a refusal that names both versions", n, err)
	}
}

func TestEverythingWorksForARoleThatOwnsTheDatabaseAndNothingElse(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	dsn := testkit.EmptyURL(t)
	admin := open(t, dsn)
	role := "posthorn_test_" + strings.ToLower(rand.Text()[:12])
	var database string
	if err := admin.Pool().QueryRow(ctx, `SELECT current_database()`).Scan(&database); err != nil {
		t.Fatal(err)
	}
	exec(t, admin, `CREATE ROLE `+role)
	t.Cleanup(func() {
		// The context of the test is over, and the role owns things in its database until both are gone.
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := admin.Pool().Exec(ctx, `REASSIGN OWNED BY `+role+` TO current_user`); err != nil {
			t.Error(err)
		}
		if _, err := admin.Pool().Exec(ctx, `DROP ROLE `+role); err != nil {
			t.Error(err)
		}
	})
	exec(t, admin, `ALTER DATABASE `+pgx.Identifier{database}.Sanitize()+` OWNER TO `+role)
	db := open(t, with(dsn, "options=-c%20role%3D"+role))
	var super string
	if err := db.Pool().QueryRow(ctx, `SELECT current_setting('is_superuser')`).Scan(&super); err != nil || super != "off" {
		t.Fatalf("is_superuser is %q, %v", super, err)
	}
	if _, err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	m := postgres.NewMaintenance(db, postgres.Retention{Events: 7 * day})
	if _, err := m.RunOnce(ctx); err != nil {
		t.Fatal(err)
	}
	report, err := m.RunOnceAt(ctx, time.Now().Add(30*day))
	if err != nil || len(report.Dropped) == 0 || len(report.Created) == 0 {
		t.Errorf("a month later: %+v, %v; want partitions made and dropped", report, err)
	}
}

const day = 24 * time.Hour

func exec(t *testing.T, db *postgres.DB, sql string, args ...any) {
	t.Helper()
	if _, err := db.Pool().Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}
