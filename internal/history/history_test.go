package history_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"posthorn/internal/history"
	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
	"posthorn/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// one reads a single value.
func one[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%.60s: %v", sql, err)
	}
	return v
}

// fill makes a small history, and connects to it.
func fill(t *testing.T) (*history.Past, *pgx.Conn, string, posthorn.TenantID) {
	t.Helper()
	url, tenant := testkit.URL(t), posthorn.NewTenantID()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	if _, err := conn.Exec(t.Context(), `INSERT INTO tenants (id, name) VALUES ($1, 'Meridian Pay')`, tenant.UUID()); err != nil {
		t.Fatal(err)
	}
	past, err := history.Fill(t.Context(), history.Options{URL: url, Tenant: tenant, Deliveries: 60_000, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	return past, conn, url, tenant
}

func TestAHistoryHoldsTogether(t *testing.T) {
	t.Parallel()
	past, conn, _, tenant := fill(t)
	if past.Deliveries < 55_000 || past.Deliveries > 65_000 {
		t.Errorf("%d deliveries, 60000 were asked for", past.Deliveries)
	}
	for what, tc := range map[string]struct {
		sql  string
		want int
	}{
		"events":     {`SELECT count(*) FROM events`, past.Events},
		"deliveries": {`SELECT count(*) FROM deliveries`, past.Deliveries},
		"attempts":   {`SELECT count(*) FROM attempts`, past.Attempts},
		"waiting":    {`SELECT count(*) FROM due`, past.Waiting},
		"failed":     {`SELECT count(*) FROM dead_letters`, past.Failed},
		"cancelled":  {`SELECT count(*) FROM cancelled_deliveries`, past.Cancelled},
		"webhooks":   {`SELECT count(*) FROM webhooks WHERE tenant_id <> ALL (SELECT id FROM tenants WHERE name LIKE 'Small%')`, history.Webhooks},
		// What stands in two places agrees.
		"attempts that deliveries know of": {`SELECT sum(attempts) FROM deliveries`, past.Attempts},
		"pending":                          {`SELECT count(*) FROM deliveries d JOIN due q ON q.delivery_id = d.id WHERE d.state = 'pending'`, past.Waiting},
		"dead letters":                     {`SELECT count(*) FROM deliveries d JOIN dead_letters l ON l.delivery_id = d.id WHERE d.state = 'failed'`, past.Failed},
		"what stands beside the failed is another":    {besideDiffers("dead_letters"), 0},
		"what stands beside the cancelled is another": {besideDiffers("cancelled_deliveries"), 0},
		"answers of the waiting are others": {`SELECT count(*) FROM due q JOIN deliveries d ON d.id = q.delivery_id
			WHERE (q.attempts, q.status_code, q.error_class) IS DISTINCT FROM (d.attempts, d.status_code, d.error_class)`, 0},
		"ids of deliveries that are another's":        {`SELECT count(*) FROM deliveries WHERE id <> delivery_id(event_id, webhook_id)`, 0},
		"deliveries without an event":                 {`SELECT count(*) FROM deliveries d LEFT JOIN events e ON e.id = d.event_id WHERE e.id IS NULL`, 0},
		"quarters of all together and of each differ": {`SELECT abs(sum(CASE WHEN webhook_id = '00000000-0000-0000-0000-000000000000' THEN 1 ELSE -1 END * (succeeded + failed + dead))) FROM webhook_quarters`, 0},
	} {
		if got := one[int](t, conn, tc.sql); got != tc.want {
			t.Errorf("%s: %d, want %d", what, got, tc.want)
		}
	}
	for name, share := range map[string]float64{"waiting": float64(past.Waiting), "failed": float64(past.Failed), "cancelled": float64(past.Cancelled)} {
		if part := share / float64(past.Deliveries); part <= 0 || part > 0.1 {
			t.Errorf("%s: a share of %.4f of the deliveries", name, part)
		}
	}
	x := past.Examples
	for name, id := range map[string]posthorn.DeliveryID{
		"succeeded": x.Succeeded, "retried": x.Retried, "failed": x.Failed, "waiting": x.Waiting, "cancelled": x.Cancelled, "test": x.Test, "old": x.Old,
	} {
		if !one[bool](t, conn, `SELECT EXISTS (SELECT FROM deliveries WHERE id = $1 AND tenant_id = $2)`, id.UUID(), tenant.UUID()) {
			t.Errorf("the example of %s is not there", name)
		}
	}
	if got := one[int](t, conn, `SELECT count(*) FROM event_keys WHERE tenant_id = $1 AND key = $2`, tenant.UUID(), x.Key); got != 1 {
		t.Errorf("the key %q is there %d times", x.Key, got)
	}
}

// The counts are those that the dispatcher would have left: every attempt but those of tests, in the minute in which it began.
func TestAHistoryIsCounted(t *testing.T) {
	t.Parallel()
	_, conn, url, _ := fill(t)
	const counted = `FROM attempts a JOIN deliveries d ON d.id = a.delivery_id WHERE NOT d.test AND a.started_at >= (SELECT min(minute) FROM webhook_minutes)`
	for what, tc := range map[string][2]string{
		"minutes":   {`SELECT sum(succeeded + failed) FROM webhook_minutes`, `SELECT count(*) ` + counted},
		"successes": {`SELECT sum(succeeded) FROM webhook_minutes`, `SELECT count(*) ` + counted + ` AND a.error_class IS NULL AND a.status_code BETWEEN 200 AND 299`},
		"latency":   {`SELECT sum(n) FROM webhook_minutes, unnest(latency) n`, `SELECT count(*) ` + counted},
		"answers": {
			`SELECT (SELECT sum(attempts) FROM webhook_response_quarters)
  + (SELECT coalesce(sum(attempts), 0) FROM webhook_responses WHERE minute >= (SELECT rolled_until FROM webhook_rollup))`,
			`SELECT count(*) FROM attempts a JOIN deliveries d ON d.id = a.delivery_id WHERE NOT d.test AND (a.error_class IS NOT NULL OR a.status_code <> 200)`,
		},
	} {
		if got, want := one[int](t, conn, tc[0]), one[int](t, conn, tc[1]); got != want || want == 0 {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
	}
	// What is written has its place in partitions that the product knows.
	db, err := postgres.Open(t.Context(), postgres.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Partitions(t.Context()); err != nil {
		t.Error(err)
	}
}

// besideDiffers counts the rows of a table beside the deliveries that say something else than these.
func besideDiffers(table string) string {
	return `SELECT count(*) FROM ` + table + ` b JOIN deliveries d ON d.id = b.delivery_id
		WHERE (b.webhook_id, b.tenant_id, b.event, b.application_id, b.attempts, b.status_code, b.error_class, b.duration_ms)
		IS DISTINCT FROM (d.webhook_id, d.tenant_id, d.event, d.application_id, d.attempts, d.status_code, d.error_class, d.duration_ms)`
}
