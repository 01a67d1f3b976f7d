package postgres_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
)

// explain runs a prepared statement under the kind of plan that a busy connection ends up with, and returns the lines.
func explain(t *testing.T, db *postgres.DB, mode, types, query, args string) []string {
	t.Helper()
	conn, err := db.Pool().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for _, sql := range []string{`SET plan_cache_mode = ` + mode, `PREPARE q (` + types + `) AS ` + query} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := conn.Query(t.Context(), `EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE q (`+args+`)`, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	// The settings and the statement must not outlive the test on a connection of the pool.
	if _, err := conn.Exec(t.Context(), `DISCARD ALL`); err != nil {
		t.Fatal(err)
	}
	return lines
}

var scanned = regexp.MustCompile(` on (events_p\d+_\d+)`)

// touched returns the partitions that a plan really read, oldest first.
func touched(lines []string) []string {
	var names []string
	for _, l := range lines {
		if m := scanned.FindStringSubmatch(l); m != nil && !strings.Contains(l, "never executed") && !slices.Contains(names, m[1]) {
			names = append(names, m[1])
		}
	}
	slices.Sort(names)
	return names
}

// filled returns a database with 40 days of events of one tenant, 300 a day, and the id of the event at noon of a day.
func filled(t *testing.T) (db *postgres.DB, tenant uuid.UUID, noon func(day int) uuid.UUID) {
	t.Helper()
	db = migrated(t)
	const days, perDay = 40, 300
	// A day at a time, so that the partitions are days for the past too.
	for d := range days {
		runAt(t, db, postgres.Retention{Events: 60 * day}, start.AddDate(0, 0, d))
	}
	tenant = uuid.New()
	var rows [][]any
	for d := range days {
		for i := range perDay {
			when := start.AddDate(0, 0, d).Truncate(day).Add(time.Duration(i) * day / perDay)
			rows = append(rows, []any{posthorn.ActivityIDAt(when).UUID(), tenant, "a.b", "{}", when})
		}
	}
	_, err := db.Pool().CopyFrom(t.Context(), pgx.Identifier{"events"},
		[]string{"id", "tenant_id", "event", "payload", "occurred_at"}, pgx.CopyFromRows(rows))
	if err != nil {
		t.Fatal(err)
	}
	exec(t, db, `VACUUM ANALYZE events`)
	return db, tenant, func(d int) uuid.UUID { return posthorn.ActivityIDAt(start.AddDate(0, 0, d)).UUID() }
}

func dayName(d int) string {
	from := start.AddDate(0, 0, d)
	return "events_p" + from.Format("20060102") + "_" + from.AddDate(0, 0, 1).Format("20060102")
}

func TestPlansTouchOnlyThePartitionsTheyNeed(t *testing.T) {
	t.Parallel()
	db, tenant, noon := filled(t)
	lit := func(v any) string { return fmt.Sprintf("'%s'", v) }
	for _, c := range []struct {
		name, types, query, args string
		want                     []string
	}{
		{"by id", "uuid", `SELECT event FROM events WHERE id = $1`, lit(noon(20)), []string{dayName(20)}},
		{
			"a page of a tenant", "uuid, uuid", `SELECT id FROM events WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT 50`,
			lit(tenant) + "," + lit(noon(20)),
			[]string{dayName(20)},
		},
		{
			"a page that crosses midnight", "uuid, uuid", `SELECT id FROM events WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT 200`,
			lit(tenant) + "," + lit(noon(20)),
			[]string{dayName(19), dayName(20)},
		},
		{
			"a page the other way", "uuid, uuid", `SELECT id FROM events WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT 50`,
			lit(tenant) + "," + lit(noon(20)),
			[]string{dayName(20)},
		},
		{
			"a batch of ids between its ends", "uuid[], uuid, uuid", `SELECT event FROM events WHERE id = ANY($1) AND id BETWEEN $2 AND $3`,
			"ARRAY[" + lit(noon(20)) + "," + lit(noon(21)) + "]::uuid[]," + lit(noon(20)) + "," + lit(noon(21)),
			[]string{dayName(20), dayName(21)},
		},
	} {
		for _, mode := range []string{"force_generic_plan", "force_custom_plan"} {
			t.Run(c.name+" "+mode, func(t *testing.T) {
				t.Parallel()
				lines := explain(t, db, mode, c.types, c.query, c.args)
				if got := touched(lines); !slices.Equal(got, c.want) {
					t.Errorf("touched %v, want %v:\n%s", got, c.want, strings.Join(lines, "\n"))
				}
			})
		}
	}
}
