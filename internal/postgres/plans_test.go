package postgres_test

import (
	"cmp"
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"posthorn/internal/postgres"
)

// queryRecorder remembers every query that is sent, so that the plans of those that the product really sends are looked at.
type queryRecorder struct {
	mu   sync.Mutex
	sent []sentQuery
	// begun is how the transactions of connections began.
	begun map[*pgx.Conn]string
}

type sentQuery struct {
	sql  string
	args []any
	// custom says that the query is planned for its values each time. One that is not is planned once and for all values after
	// some times, when the database thinks that as good.
	custom bool
	// begin begins the transaction that it is sent in, empty for one of its own.
	begin string
}

var (
	_ pgx.QueryTracer = (*queryRecorder)(nil)
	_ pgx.BatchTracer = (*queryRecorder)(nil)
)

func (r *queryRecorder) note(c *pgx.Conn, sql string, args []any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch verb, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(sql)), " "); verb {
	case "SELECT", "WITH":
	case "BEGIN":
		r.begun[c] = sql
		return
	default:
		delete(r.begun, c)
		return
	}
	q := sentQuery{sql: sql, args: args, begin: r.begun[c]}
	if len(args) > 0 {
		if mode, ok := args[0].(pgx.QueryExecMode); ok {
			q.args, q.custom = args[1:], mode == pgx.QueryExecModeCacheDescribe
		}
	}
	r.sent = append(r.sent, q)
}

// take returns what was sent since the last time.
func (r *queryRecorder) take() []sentQuery {
	r.mu.Lock()
	defer r.mu.Unlock()
	sent := r.sent
	r.sent = nil
	return sent
}

func (r *queryRecorder) TraceQueryStart(ctx context.Context, c *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	r.note(c, d.SQL, d.Args)
	return ctx
}

func (r *queryRecorder) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (r *queryRecorder) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (r *queryRecorder) TraceBatchQuery(_ context.Context, c *pgx.Conn, d pgx.TraceBatchQueryData) {
	r.note(c, d.SQL, d.Args)
}

func (r *queryRecorder) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// planNode is a node of what EXPLAIN says in JSON.
type planNode struct {
	Type     string     `json:"Node Type"`
	Relation string     `json:"Relation Name"`
	Rows     float64    `json:"Actual Rows"`
	Loops    float64    `json:"Actual Loops"`
	Filtered float64    `json:"Rows Removed by Filter"`
	Joined   float64    `json:"Rows Removed by Join Filter"`
	Recheck  float64    `json:"Rows Removed by Index Recheck"`
	Hit      int        `json:"Shared Hit Blocks"`
	Read     int        `json:"Shared Read Blocks"`
	Plans    []planNode `json:"Plans"`
}

// faults says what of a plan is out of proportion, when it is meant to look at some rows for nothing.
func (n *planNode) faults(meant int) []string {
	var out []string
	dropped, pages := 0.0, n.Hit+n.Read
	var walk func(*planNode)
	walk = func(n *planNode) {
		dropped += (n.Filtered + n.Joined + n.Recheck) * n.Loops
		if read := (n.Rows + n.Filtered) * n.Loops; strings.HasSuffix(n.Type, "Seq Scan") && read > mostScanned {
			out = append(out, fmt.Sprintf("%s is read from end to end: %.0f rows", cmp.Or(n.Relation, n.Type), read))
		}
		for i := range n.Plans {
			walk(&n.Plans[i])
		}
	}
	walk(n)
	if dropped > float64(mostDropped+meant) {
		out = append(out, fmt.Sprintf("%.0f rows are read for nothing", dropped))
	}
	if pages > mostPages {
		out = append(out, fmt.Sprintf("%d pages are looked at", pages))
	}
	return out
}

// What a plan may do. A query of the log looks at 10,000 deliveries at most, which may lie on as many pages, and finds them
// through an index of four levels.
const (
	mostScanned = 20_000
	mostDropped = 25_000
	mostPages   = 60_000
)

// planOf returns the plan of a query as it is planned for the product, with what really happened.
func planOf(ctx context.Context, db *postgres.DB, q *sentQuery) (*planNode, error) {
	const how = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) "
	var text string
	err := db.Pool().AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		if !q.custom { // also after a fault, when no transaction is open any more: the connection explains other queries
			defer func() {
				_, _ = c.Exec(context.WithoutCancel(ctx), "DEALLOCATE looked_at", pgx.QueryExecModeSimpleProtocol)
			}()
		}
		if q.begin != "" {
			if _, err := c.Exec(ctx, q.begin); err != nil {
				return err
			}
			defer func() { _, _ = c.Exec(context.WithoutCancel(ctx), "ROLLBACK") }() // it only read
		}
		if q.custom {
			return c.QueryRow(ctx, how+q.sql, append([]any{pgx.QueryExecModeCacheDescribe}, q.args...)...).Scan(&text)
		}
		// Five plans for the values, before the database thinks of one for all.
		execute := "EXECUTE looked_at"
		if len(q.args) > 0 {
			execute += "(" + literals(q.args) + ")"
		}
		statements := slices.Concat([]string{"PREPARE looked_at AS " + q.sql}, slices.Repeat([]string{execute}, 5))
		for _, sql := range statements {
			if _, err := c.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
				return fmt.Errorf("%.40s: %w", sql, err)
			}
		}
		return c.QueryRow(ctx, how+execute, pgx.QueryExecModeSimpleProtocol).Scan(&text)
	})
	if err != nil {
		return nil, err
	}
	var plans []struct{ Plan planNode }
	if err := json.Unmarshal([]byte(text), &plans); err != nil {
		return nil, err
	}
	return &plans[0].Plan, nil
}

// literals writes arguments into a statement.
func literals(args []any) string {
	out := make([]string, len(args))
	for i, a := range args {
		if v, ok := a.(driver.Valuer); ok {
			a, _ = v.Value() // what it cannot be is NULL
		}
		if v := reflect.ValueOf(a); a == nil || v.Kind() == reflect.Pointer && v.IsNil() {
			out[i] = "NULL"
			continue
		}
		out[i] = "'" + strings.ReplaceAll(literal(a), "'", "''") + "'"
	}
	return strings.Join(out, ", ")
}

func literal(a any) string {
	switch v := a.(type) {
	case uuid.UUID:
		return v.String()
	case []uuid.UUID:
		all := make([]string, len(v))
		for i := range v {
			all[i] = v[i].String()
		}
		return "{" + strings.Join(all, ",") + "}"
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case time.Duration:
		return fmt.Sprintf("%f seconds", v.Seconds())
	default:
		return fmt.Sprint(v)
	}
}

var spaces = regexp.MustCompile(`\s+`)

// checkPlans looks at the plans of everything that was sent since the last time, which is meant to look at some rows for nothing.
func checkPlans(t *testing.T, db *postgres.DB, r *queryRecorder, meant int) {
	t.Helper()
	for _, q := range r.take() {
		plan, err := planOf(t.Context(), db, &q)
		if err != nil {
			t.Fatalf("%s: %v", q.sql, err)
		}
		if faults := plan.faults(meant); len(faults) > 0 {
			t.Errorf("%s\n%s\n%v", strings.Join(faults, "; "), spaces.ReplaceAllString(q.sql, " "), q.args)
		}
	}
}
