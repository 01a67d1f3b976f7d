package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
	"posthorn/internal/testkit"
)

func serverError(code string) error {
	return &pgconn.PgError{Severity: "FEHLER", SeverityUnlocalized: "ERROR", Code: code, Message: "refused"}
}

func fatal(code string) error {
	return &pgconn.PgError{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: code, Message: "goodbye"}
}

func TestTranslateGivesEveryErrorItsKind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		err  error
		want posthorn.Kind
	}{
		{"no row in pgx", pgx.ErrNoRows, posthorn.NotFound},
		{"no row in database/sql", sql.ErrNoRows, posthorn.NotFound},
		{"no row in gorm", gorm.ErrRecordNotFound, posthorn.NotFound},
		{"unique violation", serverError("23505"), posthorn.Conflict},
		{"foreign key violation", serverError("23503"), posthorn.Internal},
		{"check violation", serverError("23514"), posthorn.Internal},
		{"bad value", serverError("22P02"), posthorn.Internal},
		{"unknown table", serverError("42P01"), posthorn.Internal},
		{"something else", errors.New("boom"), posthorn.Internal},
		{"connection failure", serverError("08006"), posthorn.Unavailable},
		{"read-only server", serverError("25006"), posthorn.Unavailable},
		{"serialization failure", serverError("40001"), posthorn.Unavailable},
		{"deadlock", serverError("40P01"), posthorn.Unavailable},
		{"disk full", serverError("53100"), posthorn.Unavailable},
		{"too many connections", fatal("53300"), posthorn.Unavailable},
		{"lock not available", serverError("55P03"), posthorn.Unavailable},
		{"statement cancelled", serverError("57014"), posthorn.Unavailable},
		{"admin shutdown", fatal("57P01"), posthorn.Unavailable},
		{"crash shutdown", fatal("57P02"), posthorn.Unavailable},
		{"cannot connect now", fatal("57P03"), posthorn.Unavailable},
		{"deadline", context.DeadlineExceeded, posthorn.Unavailable},
		{"cancelled", context.Canceled, posthorn.Unavailable},
		{"end of stream", io.ErrUnexpectedEOF, posthorn.Unavailable},
		{"connection reset", &net.OpError{Op: "read", Err: syscall.ECONNRESET}, posthorn.Unavailable},
		{"connection given up", sql.ErrConnDone, posthorn.Unavailable},
		{"connection closed", pgconn.ErrConnClosed, posthorn.Unavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, err := range []error{c.err, fmt.Errorf("deeper: %w", c.err)} {
				got := postgres.Translate(err, "read thing 7")
				if posthorn.KindOf(got) != c.want {
					t.Errorf("kind of %v is %v, want %v", got, posthorn.KindOf(got), c.want)
				}
				if !errors.Is(got, c.err) {
					t.Errorf("%v does not wrap its cause", got)
				}
				e, _ := errors.AsType[*posthorn.Error](got)
				if e == nil || e.Err.Error()[:len("read thing 7: ")] != "read thing 7: " {
					t.Errorf("%v does not name the operation in its cause", got)
				}
			}
		})
	}
}

func TestTranslateLeavesSuccessAndKindsAlone(t *testing.T) {
	t.Parallel()
	if err := postgres.Translate(nil, "anything"); err != nil {
		t.Errorf("no error became %v", err)
	}
	err := postgres.Translate(posthorn.Errorf(posthorn.Forbidden, "no"), "outer")
	if posthorn.KindOf(err) != posthorn.Forbidden {
		t.Errorf("kind is %v, want %v", posthorn.KindOf(err), posthorn.Forbidden)
	}
}

func TestTranslateNamesTheFieldOfAConflict(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	ctx := t.Context()
	tenant := uuid.New()
	exec := func(query string, args ...any) error {
		_, err := db.Pool().Exec(ctx, query, args...)
		return err
	}
	const user = `INSERT INTO users (id, tenant_id, email, name, role, external_id, password_hash) VALUES (gen_random_uuid(), $1, $2, 'n', 'member', $3, '')`
	const app = `INSERT INTO applications (id, tenant_id, name, external_id) VALUES (gen_random_uuid(), $1, 'n', $2)`
	const key = `INSERT INTO api_keys (id, tenant_id, name, scopes, hash, prefix, last_four) VALUES (gen_random_uuid(), $1, 'n', '{}', 'h', '', '')`
	for _, err := range []error{
		exec(`INSERT INTO tenants (id, name) VALUES ($1, 'n')`, tenant),
		exec(user, tenant, "a@example.com", "ext"), exec(app, tenant, "ext"), exec(key, tenant),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, field, problem, query string
		args                        []any
	}{
		{"email, in whatever case", "email", "is already in use", user, []any{tenant, "A@Example.com", "other"}},
		{"a user's external id", "externalId", "already belongs to another user", user, []any{tenant, "b@example.com", "ext"}},
		{"an application's external id", "externalId", "already belongs to another application", app, []any{tenant, "ext"}},
		{"what nobody typed", "", "", key, []any{tenant}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for how, err := range map[string]error{
				"pgx":  exec(c.query, c.args...),
				"gorm": db.Gorm().WithContext(context.Background()).Exec(c.query, c.args...).Error,
			} {
				e, ok := errors.AsType[*posthorn.Error](postgres.Translate(err, "insert"))
				if !ok || e.Kind != posthorn.Conflict {
					t.Errorf("%s: got %v, want a conflict", how, err)
					continue
				}
				if e.Fields[c.field] != c.problem || c.field == "" && len(e.Fields) > 0 {
					t.Errorf("%s: fields are %v, want %s %q", how, e.Fields, c.field, c.problem)
				}
			}
		})
	}
}

func TestADataFaultIsTheFaultOfOneRow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		err  error
		want bool
	}{
		{"zero byte in jsonb", serverError("22P05"), true},
		{"number out of range", serverError("22003"), true},
		{"index row too large", serverError("54000"), true},
		{"not null", serverError("23502"), true},
		{"unique", serverError("23505"), true},
		{"check", &pgconn.PgError{Code: "23514", ConstraintName: "users_role_check"}, true},
		{"no partition", &pgconn.PgError{Code: "23514", TableName: "events"}, false},
		{"deadlock", serverError("40P01"), false},
		{"disk full", serverError("53100"), false},
		{"syntax", serverError("42601"), false},
		{"shutdown", fatal("57P01"), false},
		{"connection", io.ErrUnexpectedEOF, false},
		{"none", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := postgres.IsDataFault(c.err); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestAnOutcomeIsUnknownUnlessTheServerSaidNoOrWasNeverAsked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		err  error
		want bool
	}{
		{"success", nil, false},
		{"the server refused", serverError("23505"), false},
		{"the server cancelled the statement", serverError("57014"), false},
		{"the server rolled the commit back", pgx.ErrTxCommitRollback, false},
		{"the transaction was over", pgx.ErrTxClosed, false},
		{"no connection", &pgconn.ConnectError{Config: &pgconn.Config{}}, false},
		{"the pool was exhausted", fmt.Errorf("acquire: %w", context.DeadlineExceeded), false},
		{"admin shutdown", fatal("57P01"), true},
		{"crash of another backend", fatal("57P02"), true},
		{"end of stream", io.ErrUnexpectedEOF, true},
		{"connection reset", &net.OpError{Op: "read", Err: syscall.ECONNRESET}, true},
		{"cancelled under way", context.Canceled, true},
		{"something nobody thought of", errors.New("boom"), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := postgres.OutcomeUnknown(c.err); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestRealFailuresAreClassified(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	check := func(t *testing.T, err error, unknown bool) {
		t.Helper()
		if err == nil {
			t.Fatal("the statement succeeded")
		}
		if got := postgres.OutcomeUnknown(err); got != unknown {
			t.Errorf("outcome of %v unknown: %v, want %v", err, got, unknown)
		}
		if got := postgres.Translate(err, "x"); posthorn.KindOf(got) != posthorn.Unavailable {
			t.Errorf("%v is %v, want %v", err, posthorn.KindOf(got), posthorn.Unavailable)
		}
	}
	t.Run("a statement that runs out of time", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := db.Pool().Exec(ctx, `SELECT pg_sleep(60)`)
		check(t, err, true)
	})
	t.Run("a context that is over before the statement", func(t *testing.T) {
		t.Parallel()
		conn, err := db.Pool().Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()
		ctx, cancel := context.WithTimeout(t.Context(), -1)
		defer cancel()
		_, err = conn.Exec(ctx, `SELECT 1`)
		check(t, err, false)
	})
	t.Run("a pool without a free connection", func(t *testing.T) {
		t.Parallel()
		small, err := postgres.Open(t.Context(), postgres.Options{URL: testkit.URL(t), MaxConns: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer small.Close()
		for range small.Pool().Config().MaxConns {
			conn, err := small.Pool().Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Release()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		err = pgx.BeginFunc(ctx, small.Pool(), func(pgx.Tx) error { return nil })
		check(t, err, false)
	})
	t.Run("a connection that the server ends", func(t *testing.T) {
		t.Parallel()
		conn, err := db.Pool().Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()
		_, err = conn.Exec(t.Context(), `SELECT pg_terminate_backend(pg_backend_pid())`)
		check(t, err, true)
		_, err = conn.Exec(t.Context(), `SELECT 1`)
		check(t, err, false)
	})
	t.Run("a closed pool", func(t *testing.T) {
		t.Parallel()
		closed, err := postgres.Open(t.Context(), postgres.Options{URL: testkit.URL(t)})
		if err != nil {
			t.Fatal(err)
		}
		closed.Close()
		check(t, closed.Pool().Ping(t.Context()), false)
	})
	t.Run("an id outside every partition", func(t *testing.T) {
		t.Parallel()
		_, err := db.Pool().Exec(t.Context(), `INSERT INTO events (id, tenant_id, event, payload, occurred_at)
			VALUES ('00000000-0000-7000-8000-000000000000', gen_random_uuid(), 'a.b', '{}', now())`)
		if err == nil || postgres.IsDataFault(err) || postgres.OutcomeUnknown(err) {
			t.Errorf("%v: want an error that is neither a data fault nor an unknown outcome", err)
		}
	})
}
