package postgres_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
	"posthorn/internal/testkit"
)

// A million records of one busy tenant and a hundred of a quiet one. Every list of the feed, with each filter that it
// offers, common values and absent ones, is answered from an index and without reading a fifth of the
// rows, or more, for nothing.
func TestAMillionRecordsAreReadThroughAnIndex(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	busy, quietTenant := posthorn.NewTenantID(), posthorn.NewTenantID()
	fillMillion(t, db, busy, quietTenant)
	meta := func(key, value string) posthorn.ActivityFilter {
		return posthorn.ActivityFilter{Metadata: []posthorn.MetadataCondition{{Key: key, Value: value}}}
	}
	all := posthorn.ActivityScope{TenantID: busy}
	for name, tc := range map[string]struct {
		scope  posthorn.ActivityScope
		filter posthorn.ActivityFilter
	}{
		"feed":                    {scope: all},
		"feed of a quiet tenant":  {scope: posthorn.ActivityScope{TenantID: quietTenant}},
		"feed of an empty tenant": {scope: posthorn.ActivityScope{TenantID: posthorn.NewTenantID()}},
		"feed of a member":        {scope: posthorn.ActivityScope{TenantID: busy, UserID: "user_7"}},
		"feed of a new member":    {scope: posthorn.ActivityScope{TenantID: busy, UserID: "nobody"}},
		"type":                    {all, posthorn.ActivityFilter{Types: []posthorn.ActivityType{posthorn.KYE}}},
		"absent type":             {all, posthorn.ActivityFilter{Types: []posthorn.ActivityType{posthorn.KYA}}},
		"risk":                    {all, posthorn.ActivityFilter{RiskLevels: []posthorn.RiskLevel{posthorn.RiskLow}}},
		"rare risk":               {all, posthorn.ActivityFilter{RiskLevels: []posthorn.RiskLevel{posthorn.RiskCritical}}},
		"two risks":               {all, posthorn.ActivityFilter{RiskLevels: []posthorn.RiskLevel{posthorn.RiskHigh, posthorn.RiskCritical}}},
		"blockchain":              {all, posthorn.ActivityFilter{Blockchains: []string{"tron"}}},
		"absent blockchain":       {all, posthorn.ActivityFilter{Blockchains: []string{"dogecoin"}}},
		"absent blockchains":      {all, posthorn.ActivityFilter{Blockchains: []string{"dogecoin", "litecoin"}}},
		"ok":                      {all, posthorn.ActivityFilter{Status: posthorn.ActivityOK}},
		"errors":                  {all, posthorn.ActivityFilter{Status: posthorn.ActivityError}},
		"application":             {all, posthorn.ActivityFilter{Application: "app_3"}},
		"absent application":      {all, posthorn.ActivityFilter{Application: "app_x"}},
		"user":                    {all, posthorn.ActivityFilter{User: "user_7"}},
		"absent user":             {all, posthorn.ActivityFilter{User: "nobody"}},
		"last hour":               {all, posthorn.ActivityFilter{From: time.Now().Add(-time.Hour)}},
		"a day long ago":          {all, posthorn.ActivityFilter{From: time.Now().AddDate(-1, 0, 0), To: time.Now().AddDate(-1, 0, 1)}},
		"hash":                    {all, posthorn.ActivityFilter{Text: "c4ca4238a0b923820dcc509a6f75849b"}},
		"absent hash":             {all, posthorn.ActivityFilter{Text: "zzzz"}},
		"word of many names":      {all, posthorn.ActivityFilter{Text: "halcyon"}},
		"word of few names":       {all, posthorn.ActivityFilter{Text: "halcyon n42"}},
		"metadata":                {all, meta("case", "77")},
		"common metadata":         {all, meta("source", "async-worker-1")},
		"absent metadata":         {all, meta("source", "nobody")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, plan := range explainFeed(t, db, tc.scope, tc.filter) {
				// The partitions to come are empty: reading one of those from end to end is quicker than an index.
				if strings.Contains(plan, "Seq Scan on million") {
					t.Errorf("the partition is read from end to end:\n%s", plan)
				}
				if dropped := rowsDropped(t, plan); dropped > 200_000 {
					t.Errorf("%d rows were read for nothing:\n%s", dropped, plan)
				}
			}
		})
	}
	t.Run("facets", func(t *testing.T) {
		t.Parallel()
		facets, err := postgres.NewActivityFeed(db).Facets(t.Context(), all)
		if err != nil || !slices.Equal(facets.Blockchains, []string{"bitcoin", "ethereum", "solana", "tron"}) || len(facets.Applications) != 20 {
			t.Errorf("facets = %v, %v", facets, err)
		}
	})
}

// explainFeed returns the plans, with what really happened, of the first page, the page after and the counts.
func explainFeed(t *testing.T, db *postgres.DB, scope posthorn.ActivityScope, f posthorn.ActivityFilter) []string {
	t.Helper()
	var plans []string
	for _, q := range []posthorn.ActivityQuery{
		{Scope: scope, Filter: f, Limit: 50},
		{Scope: scope, Filter: f, Limit: 50, After: posthorn.ActivityIDAt(time.Now().Add(-24 * time.Hour))},
	} {
		sql, args := postgres.ListSQL(q)
		plans = append(plans, explainAnalyze(t, db, sql, args))
	}
	sql, args := postgres.CountsSQL(scope, f)
	return append(plans, explainAnalyze(t, db, sql, args))
}

func explainAnalyze(t *testing.T, db *postgres.DB, sql string, args []any) string {
	t.Helper()
	rows, err := db.Pool().Query(t.Context(), "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) "+sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var lines []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

var removed = regexp.MustCompile(`Rows Removed by \w+(?: \w+)*: (\d+)`)

// rowsDropped sums up what a plan read and threw away.
func rowsDropped(t *testing.T, plan string) int {
	t.Helper()
	sum := 0
	for _, m := range removed.FindAllStringSubmatch(plan, -1) {
		var n int
		if _, err := fmt.Sscan(m[1], &n); err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}

// fillMillion puts a million records, spread over ten days, into a partition of their own. It is filled before it is
// attached, because building the indexes at once takes half the time.
func fillMillion(tb testing.TB, db *postgres.DB, busy, quietTenant posthorn.TenantID) {
	tb.Helper()
	const day = 24 * time.Hour
	from := time.Now().Add(-60 * day)
	until := from.Add(11 * day)
	for _, sql := range []string{
		"SET maintenance_work_mem = '256MB'",
		"CREATE TABLE million (LIKE user_activity_history INCLUDING DEFAULTS)",
		fmt.Sprintf(`INSERT INTO million (id, tenant_id, activity_type, user_id, request_id, status_code, blockchain, transaction_hash, entity_name,
 risk_level, risk_score, request_payload, response_payload, response_summary, metadata, client_app_id, client_app_name, created_at, search)
SELECT (lpad(to_hex(%d + g * 864), 12, '0') || '7000a' || lpad(to_hex(g), 15, '0'))::uuid,
 CASE WHEN g %% 10000 = 0 THEN '%s' ELSE '%s' END::uuid, CASE WHEN g %% 5 = 0 THEN 'kye' ELSE 'kyt' END, 'user_' || (g * 7919) %% 2000, gen_random_uuid(),
 CASE WHEN g %% 97 = 0 THEN 502 ELSE 200 END, (ARRAY['bitcoin','ethereum','tron','solana'])[1 + (g / 5) %% 4], md5(g::text),
 'Halcyon n' || g %% 1000, CASE WHEN g %% 1000 < 7 THEN 'critical' WHEN g %% 1000 < 40 THEN 'high' WHEN g %% 1000 < 140 THEN 'medium' ELSE 'low' END,
 g %% 100, '{"chain":"bitcoin"}', '{"signals":[]}', '{"risk":"low"}', jsonb_build_object('source', 'async-worker-' || g %% 3, 'case', g %% 50000),
 'app_' || g %% 20, 'App ' || g %% 20, now(), array_to_tsvector(ARRAY[md5(g::text), 'halcyon', 'n' || g %% 1000])
FROM generate_series(1::bigint, 1000000) g`, from.UnixMilli(), quietTenant.UUID(), busy.UUID()),
		fmt.Sprintf(`ALTER TABLE user_activity_history ATTACH PARTITION million FOR VALUES FROM ('%s') TO ('%s')`,
			posthorn.ActivityIDAt(from).UUID(), posthorn.ActivityIDAt(until).UUID()),
		"VACUUM ANALYZE user_activity_history",
	} {
		if _, err := db.Pool().Exec(tb.Context(), sql); err != nil {
			tb.Fatalf("%.60s: %v", sql, err)
		}
	}
}

// BenchmarkFirstPage reads what a feed page needs, among a million records.
func BenchmarkFirstPage(b *testing.B) {
	db := testkit.DB(b)
	tenant := posthorn.NewTenantID()
	fillMillion(b, db, tenant, posthorn.NewTenantID())
	feed, scope := postgres.NewActivityFeed(db), posthorn.ActivityScope{TenantID: tenant}
	var took []time.Duration
	for b.Loop() {
		started := time.Now()
		_, err := feed.List(b.Context(), posthorn.ActivityQuery{Scope: scope, Limit: 50})
		if err == nil {
			_, err = feed.Counts(b.Context(), scope, posthorn.ActivityFilter{})
		}
		if err == nil {
			_, err = feed.Facets(b.Context(), scope)
		}
		if err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(started))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
}
