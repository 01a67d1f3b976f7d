package testkit

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"posthorn/internal/postgres"
	"posthorn/migrations"
)

const (
	templatePrefix = "posthorn_template_"
	clonePrefix    = "posthorn_test_"
	// templateLock is the advisory lock under which the template is made.
	templateLock = 0x74657374
	// leftoverAge is from when on a database that nobody is connected to belongs to a process that was killed.
	leftoverAge = time.Hour
	// connsPerTest bounds the pool of one test: many tests run at once.
	connsPerTest = 8
)

// EventRetention is the retention of events that the partitions of test databases are made for; activity has none.
const EventRetention = 30 * 24 * time.Hour

// DB returns a migrated database of the test's own, without rows and with the partitions of the days around now. It is
// closed and dropped at the end of the test.
func DB(tb testing.TB) *postgres.DB {
	tb.Helper()
	db, err := postgres.Open(tb.Context(), postgres.Options{
		URL: URL(tb), MaxConns: connsPerTest,
		Logger: slog.New(slog.NewTextHandler(tb.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		tb.Fatalf("testkit: open a database: %v", err)
	}
	tb.Cleanup(db.Close)
	return db
}

// URL is DB for tests that open the database themselves; it returns the connection string.
func URL(tb testing.TB) string {
	tb.Helper()
	s := shared(tb)
	return s.create(tb, s.template)
}

// EmptyURL returns the connection string of an empty database of the test's own.
func EmptyURL(tb testing.TB) string {
	tb.Helper()
	return shared(tb).create(tb, "template0")
}

// create clones a database for the test and drops it at the end.
func (s *server) create(tb testing.TB, template string) string {
	tb.Helper()
	name := cloneName(time.Now())
	if _, err := s.admin.Exec(tb.Context(), createSQL(name, template)); err != nil {
		tb.Fatalf("testkit: create a database: %v", err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := drop(ctx, s.admin, name); err != nil {
			tb.Errorf("testkit: %v", err)
		}
	})
	return s.url(name)
}

// cloneName carries the time, so that what a killed process left behind can be told from what is in use.
func cloneName(now time.Time) string {
	return clonePrefix + strconv.FormatInt(now.Unix(), 36) + "_" + strings.ToLower(rand.Text()[:12])
}

func createSQL(name, template string) string {
	sql := "CREATE DATABASE " + quote(name) + " TEMPLATE " + quote(template)
	if template == "template0" {
		sql += " ENCODING 'UTF8'"
	}
	return sql
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

func drop(ctx context.Context, admin *pgxpool.Pool, name string) error {
	if _, err := admin.Exec(ctx, "DROP DATABASE IF EXISTS "+quote(name)+" WITH (FORCE)"); err != nil {
		return fmt.Errorf("drop database %s: %w", name, err)
	}
	return nil
}

// prepare connects to the server and sees to it that today's template is there.
func (s *server) prepare(ctx context.Context) error {
	cfg, err := pgxpool.ParseConfig(s.url(""))
	if err != nil {
		return fmt.Errorf("connection string of the test server: %w", err)
	}
	cfg.MaxConns = 4
	if s.admin, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return fmt.Errorf("connect to the test server: %w", err)
	}
	if s.template, err = templateName(time.Now()); err != nil {
		return err
	}
	lock, err := s.admin.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect to the test server: %w", err)
	}
	defer lock.Release()
	if _, err := lock.Exec(ctx, "SELECT pg_advisory_lock($1)", templateLock); err != nil {
		return fmt.Errorf("lock the template: %w", err)
	}
	var exists bool
	err = lock.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", s.template).Scan(&exists)
	if err == nil && !exists {
		err = s.makeTemplate(ctx)
	}
	if _, unlockErr := lock.Exec(ctx, "SELECT pg_advisory_unlock($1)", templateLock); err == nil {
		err = unlockErr
	}
	return err
}

// templateName changes with the schema and with the day, because the partitions in the template are those of its day.
func templateName(now time.Time) (string, error) {
	h := sha256.New()
	err := fs.WalkDir(migrations.FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(migrations.FS, path)
		fmt.Fprintf(h, "%s %d\n%s", path, len(text), text)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read the migrations: %w", err)
	}
	return templatePrefix + now.UTC().Format("20060102") + "_" + hex.EncodeToString(h.Sum(nil)[:8]), nil
}

// makeTemplate makes the template under another name and then renames it, so that it is there complete or not at all.
// What killed processes left behind goes first.
func (s *server) makeTemplate(ctx context.Context) error {
	if err := s.sweep(ctx); err != nil {
		return err
	}
	unfinished := templatePrefix + "unfinished"
	if err := drop(ctx, s.admin, unfinished); err != nil {
		return err
	}
	if _, err := s.admin.Exec(ctx, createSQL(unfinished, "template0")); err != nil {
		return fmt.Errorf("create the template: %w", err)
	}
	if err := fill(ctx, s.url(unfinished)); err != nil {
		return fmt.Errorf("fill the template: %w", err)
	}
	if _, err := s.admin.Exec(ctx, "ALTER DATABASE "+quote(unfinished)+" RENAME TO "+quote(s.template)); err != nil {
		return fmt.Errorf("name the template: %w", err)
	}
	return nil
}

func fill(ctx context.Context, url string) error {
	db, err := postgres.Open(ctx, postgres.Options{URL: url})
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.Migrate(ctx); err != nil {
		return err
	}
	_, err = postgres.NewMaintenance(db, postgres.Retention{Events: EventRetention}).RunOnce(ctx)
	return err
}

// sweep drops the databases of processes that were killed, and templates of other days.
func (s *server) sweep(ctx context.Context) error {
	rows, err := s.admin.Query(ctx, `SELECT datname FROM pg_database d WHERE (starts_with(datname, $1) OR starts_with(datname, $2))
		AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datid = d.oid)`, templatePrefix, clonePrefix)
	if err != nil {
		return fmt.Errorf("list leftover databases: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("list leftover databases: %w", err)
	}
	for _, name := range names {
		if !leftover(name, time.Now()) {
			continue
		}
		if err := drop(ctx, s.admin, name); err != nil {
			return err
		}
	}
	return nil
}

// leftover reads the age of a database from its name.
func leftover(name string, now time.Time) bool {
	if rest, ok := strings.CutPrefix(name, clonePrefix); ok {
		stamp, _, _ := strings.Cut(rest, "_")
		made, err := strconv.ParseInt(stamp, 36, 64)
		return err == nil && now.Sub(time.Unix(made, 0)) > leftoverAge
	}
	stamp, _, _ := strings.Cut(strings.TrimPrefix(name, templatePrefix), "_")
	made, err := time.Parse("20060102", stamp)
	return err == nil && now.Sub(made) > 2*24*time.Hour
}
