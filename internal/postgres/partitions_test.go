package postgres_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
	"posthorn/internal/testkit"
)

// migrated returns a database with the schema and no partition yet.
func migrated(t *testing.T) *postgres.DB {
	t.Helper()
	db := open(t, testkit.EmptyURL(t))
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

// partitionsOf lists the partitions of a table as their spans.
func partitionsOf(t *testing.T, db *postgres.DB, table string) string {
	t.Helper()
	states, err := db.Partitions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var spans []postgres.Span
	for _, s := range states {
		if s.Table == table {
			spans = append(spans, postgres.NewSpan(s.From, s.To))
		}
	}
	return show(spans)
}

// insertEvent stores an event that was received at a time.
func insertEvent(t *testing.T, db *postgres.DB, tenant uuid.UUID, at time.Time) uuid.UUID {
	t.Helper()
	id := posthorn.ActivityIDAt(at).UUID()
	id[15] = 1
	exec(t, db, `INSERT INTO events (id, tenant_id, event, payload, occurred_at) VALUES ($1, $2, 'a.b', '{}', $3)`, id, tenant, at)
	return id
}

func events(t *testing.T, db *postgres.DB) int {
	t.Helper()
	var n int
	if err := db.Pool().QueryRow(t.Context(), `SELECT count(*) FROM events`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func runAt(t *testing.T, db *postgres.DB, r postgres.Retention, now time.Time) postgres.MaintenanceReport {
	t.Helper()
	report, err := postgres.NewMaintenance(db, r).RunOnceAt(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

var (
	twoDays = postgres.Retention{Events: 2 * day}
	start   = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
)

func TestARunMakesThePartitionsAheadAndSaysSo(t *testing.T) {
	t.Parallel()
	db := migrated(t)
	report := runAt(t, db, twoDays, start)
	if len(report.Created) != 3+3*9 || report.Elsewhere {
		t.Errorf("made %+v", report)
	}
	if got, want := partitionsOf(t, db, "user_activity_history"), "2026-03-01..2026-04-01 2026-04-01..2026-05-01 2026-05-01..2026-06-01"; got != want {
		t.Errorf("activity has %s, want %s", got, want)
	}
	horizon, err := db.PartitionHorizon(t.Context(), start)
	if err != nil {
		t.Fatal(err)
	}
	if !horizon["events"].Equal(at(t, "2026-03-18")) || !horizon["user_activity_history"].Equal(at(t, "2026-06-01")) {
		t.Errorf("horizon is %v", horizon)
	}
	if again := runAt(t, db, twoDays, start); len(again.Created)+len(again.Dropped)+len(again.Postponed) > 0 {
		t.Errorf("the second run did %+v", again)
	}
}

func TestTheHorizonMovesWithTheMonths(t *testing.T) {
	t.Parallel()
	db := migrated(t)
	runAt(t, db, twoDays, start)
	late := start.AddDate(0, 4, 0)
	if h, err := db.PartitionHorizon(t.Context(), late); err != nil || h["events"].After(late) || h["user_activity_history"].After(late) {
		t.Errorf("after four idle months the horizon is %v, %v; want that nothing is covered", h, err)
	}
	report := runAt(t, db, twoDays, late)
	if len(report.Dropped) != 3*9 {
		t.Errorf("dropped %d partitions of events, deliveries and attempts, want all 27", len(report.Dropped))
	}
	h, err := db.PartitionHorizon(t.Context(), late)
	if err != nil || !h["events"].Equal(at(t, "2026-07-18")) || !h["user_activity_history"].Equal(at(t, "2026-10-01")) {
		t.Errorf("horizon is %v, %v", h, err)
	}
	if got := partitionsOf(t, db, "user_activity_history"); !strings.HasPrefix(got, "2026-03-01..2026-04-01 ") {
		t.Errorf("activity, which is kept for ever, has %s", got)
	}
}

func TestAPartitionHasTheIndexesOfItsTable(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	rows, err := db.Pool().Query(t.Context(), `
		SELECT i.inhparent::regclass::text, (SELECT count(*) FROM pg_index x WHERE x.indrelid = i.inhparent),
		       (SELECT count(*) FROM pg_index x WHERE x.indrelid = i.inhrelid),
		       (SELECT count(*) FROM pg_index x JOIN pg_inherits h ON h.inhrelid = x.indexrelid WHERE x.indrelid = i.inhrelid)
		  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent WHERE c.relkind = 'p'`)
	if err != nil {
		t.Fatal(err)
	}
	var table string
	var parent, own, attached, seen int
	_, err = pgx.ForEachRow(rows, []any{&table, &parent, &own, &attached}, func() error {
		seen++
		if parent == 0 || own != parent || attached != parent {
			t.Errorf("%s has %d indexes, a partition %d, of which %d belong to them", table, parent, own, attached)
		}
		return nil
	})
	if err != nil || seen < 12 {
		t.Errorf("saw %d partitions, %v", seen, err)
	}
}

func TestRetentionDropsExactlyWhatIsWhollyBehindIt(t *testing.T) {
	t.Parallel()
	db := migrated(t)
	tenant := uuid.New()
	runAt(t, db, twoDays, start)
	for d := -1; d <= 7; d++ {
		insertEvent(t, db, tenant, start.AddDate(0, 0, d))
	}
	now := at(t, "2026-03-14 00:00")
	report := runAt(t, db, twoDays, now)
	var dropped, want []string
	for _, s := range report.Dropped {
		dropped = append(dropped, s.Name)
	}
	for _, table := range []string{"attempts", "deliveries", "events"} {
		want = append(want, table+"_p20260309_20260310", table+"_p20260310_20260311", table+"_p20260311_20260312")
	}
	if !slices.Equal(dropped, want) {
		t.Errorf("dropped %v, want %v", dropped, want)
	}
	if n := events(t, db); n != 6 {
		t.Errorf("%d events are left, want 6", n)
	}
	var left int
	err := db.Pool().QueryRow(t.Context(), `SELECT count(*) FROM pg_class WHERE relname = ANY($1)`, want).Scan(&left)
	if err != nil || left != 0 {
		t.Errorf("%d of the dropped tables are still there, %v", left, err)
	}
}

func TestOldRangesCanBeMadeAndStayWithoutARetention(t *testing.T) {
	t.Parallel()
	db := migrated(t)
	runAt(t, db, postgres.Retention{}, start)
	made, err := db.EnsureRange(t.Context(), "events", at(t, "2025-11-30 10:00"), at(t, "2026-01-01 00:00"))
	if err != nil || len(made) != 2 {
		t.Errorf("made %v, %v; want two months", made, err)
	}
	insertEvent(t, db, uuid.New(), at(t, "2025-11-01 00:00"))
	if r := runAt(t, db, postgres.Retention{}, start); len(r.Dropped) != 0 || events(t, db) != 1 {
		t.Errorf("dropped %v", r.Dropped)
	}
}

func TestManyProcessesMakeEachPartitionOnce(t *testing.T) {
	t.Parallel()
	url := testkit.EmptyURL(t)
	first := open(t, url)
	if _, err := first.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	const processes = 5
	made, errs := make([]int, processes), make([]error, processes)
	var wg sync.WaitGroup
	for i := range processes {
		db := open(t, url)
		wg.Go(func() {
			r, err := postgres.NewMaintenance(db, twoDays).RunOnceAt(t.Context(), start)
			made[i], errs[i] = len(r.Created), err
		})
	}
	wg.Wait()
	total := 0
	for i, err := range errs {
		if err != nil {
			t.Errorf("process %d: %v", i, err)
		}
		total += made[i]
	}
	if total != 3+3*9 {
		t.Errorf("made %v, together %d, want 30", made, total)
	}
}

func TestAPartitionOfUnknownBoundsStopsTheRunByName(t *testing.T) {
	t.Parallel()
	db := migrated(t)
	exec(t, db, `CREATE TABLE mine PARTITION OF events DEFAULT`)
	_, err := postgres.NewMaintenance(db, twoDays).RunOnce(t.Context())
	if err == nil || !strings.Contains(err.Error(), "partition mine was not made by Posthorn") {
		t.Errorf("got %v", err)
	}
}

func TestStartFailsWhenTodaysPartitionCannotBeMade(t *testing.T) {
	t.Parallel()
	db := migrated(t)
	name := "events_p" + time.Now().UTC().Format("20060102") + "_" + time.Now().UTC().AddDate(0, 0, 1).Format("20060102")
	exec(t, db, `CREATE TABLE `+name+` ()`)
	_, err := postgres.NewMaintenance(db, twoDays).RunOnce(t.Context())
	if err == nil || !strings.Contains(err.Error(), "create partition "+name) {
		t.Errorf("got %v, want an error that names %s", err, name)
	}
}

// reader opens a transaction and reads in it.
func reader(t *testing.T, db *postgres.DB, level pgx.TxIsoLevel, query string) pgx.Tx {
	t.Helper()
	tx, err := db.Pool().BeginTx(t.Context(), pgx.TxOptions{IsoLevel: level})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) })
	if _, err := tx.Exec(t.Context(), query); err != nil {
		t.Fatal(err)
	}
	return tx
}

func TestAnOpenReaderHoldsUpNeitherMakingNorDropping(t *testing.T) {
	t.Parallel()
	db := migrated(t)
	runAt(t, db, twoDays, start)
	tenant := uuid.New()
	id := insertEvent(t, db, tenant, start.AddDate(0, 0, 6))
	insertEvent(t, db, tenant, start)
	tx := reader(t, db, pgx.ReadCommitted, `SELECT id FROM events WHERE id >= '`+id.String()+`'`)
	report := runAt(t, db, twoDays, start.AddDate(0, 0, 5))
	if len(report.Created) != 3*5 {
		t.Errorf("made %d partitions, want 15", len(report.Created))
	}
	if len(report.Dropped) == 0 {
		t.Errorf("dropped none, postponed %v", report.Postponed)
	}
	var found uuid.UUID
	if err := tx.QueryRow(t.Context(), `SELECT id FROM events ORDER BY id LIMIT 1`).Scan(&found); err != nil || found != id {
		t.Errorf("the reader goes on with %v, %v, want %v", found, err, id)
	}
}

func TestWhatWaitsToBeSentKeepsItsPartition(t *testing.T) {
	t.Parallel()
	db := migrated(t)
	runAt(t, db, twoDays, start)
	id := insertEvent(t, db, uuid.New(), start)
	exec(t, db, `INSERT INTO due (delivery_id, webhook_id, next_attempt_at, lease_token, attempts, schedule, test)
		VALUES ('`+id.String()+`', gen_random_uuid(), now(), 0, 3, 3, false)`)
	kept := func(report postgres.MaintenanceReport) bool {
		return !slices.ContainsFunc(report.Dropped, func(s postgres.PartitionState) bool {
			return s.Table != "attempts" && s.From.Equal(start.Truncate(day))
		})
	}
	late := start.AddDate(0, 0, 5)
	report := runAt(t, db, twoDays, late)
	if !kept(report) || len(report.Dropped) == 0 {
		t.Errorf("dropped %v", report.Dropped)
	}
	exec(t, db, `DELETE FROM due`)
	if report = runAt(t, db, twoDays, late); kept(report) {
		t.Errorf("nothing waits any more, and dropped were %v", report.Dropped)
	}
}

func TestAPartitionThatIsBeingReadGoesInALaterRun(t *testing.T) {
	t.Parallel()
	db := migrated(t)
	runAt(t, db, twoDays, start)
	tenant := uuid.New()
	insertEvent(t, db, tenant, start)
	tx := reader(t, db, pgx.RepeatableRead, `SELECT id FROM events`)

	late := start.AddDate(0, 0, 5)
	report := runAt(t, db, twoDays, late)
	ofEvents := slices.ContainsFunc(report.Dropped, func(s postgres.PartitionState) bool { return s.Table == "events" })
	if ofEvents || len(report.Postponed) != 1 || report.Postponed[0].Name != "events_p20260309_20260310" {
		t.Errorf("while it is read: dropped %v, postponed %v; want the oldest postponed", report.Dropped, report.Postponed)
	}
	states, err := db.Partitions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(states, func(s postgres.PartitionState) bool { return s.Detaching && s.Name == "events_p20260309_20260310" }) {
		t.Errorf("no partition is shown as detaching: %v", states)
	}
	// Nobody else waits: rows come and go meanwhile.
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := db.Pool().Exec(ctx, `SELECT count(*) FROM events`); err != nil {
		t.Errorf("another reader: %v", err)
	}
	insertEvent(t, db, tenant, late)

	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	report = runAt(t, db, twoDays, late)
	if len(report.Dropped) != 4 || len(report.Postponed) != 0 {
		t.Errorf("after the reader: dropped %v, postponed %v; want four dropped", report.Dropped, report.Postponed)
	}
	if n := events(t, db); n != 1 {
		t.Errorf("%d events are left, want the new one", n)
	}
}

// half leaves the detaching of the oldest partition half done, as a crash would.
func half(t *testing.T, db *postgres.DB, mark bool) string {
	t.Helper()
	const name = "events_p20260309_20260310"
	if mark {
		exec(t, db, `COMMENT ON TABLE `+name+` IS '`+postgres.DropMark+`'`)
	}
	tx := reader(t, db, pgx.ReadCommitted, `SELECT id FROM events`)
	conn, err := db.Pool().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for _, sql := range []string{`SET lock_timeout = '100ms'`, `ALTER TABLE events DETACH PARTITION ` + name + ` CONCURRENTLY`, `RESET lock_timeout`} {
		if _, err = conn.Exec(t.Context(), sql); err != nil && !strings.Contains(err.Error(), "lock timeout") {
			t.Fatal(err)
		}
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	return name
}

func exists(t *testing.T, db *postgres.DB, name string) bool {
	t.Helper()
	var there bool
	if err := db.Pool().QueryRow(t.Context(), `SELECT to_regclass($1) IS NOT NULL`, name).Scan(&there); err != nil {
		t.Fatal(err)
	}
	return there
}

func TestWhatACrashLeftIsCompleted(t *testing.T) {
	t.Parallel()
	late := start.AddDate(0, 0, 2)
	for _, c := range []struct {
		name string
		// marked says that Posthorn began it, half that it was interrupted in the middle of detaching.
		marked, half bool
		retention    time.Duration
		// there and visible say whether the table and its row are there afterwards.
		there, visible bool
	}{
		{"half detached, to be dropped", true, true, 2 * day, false, false},
		{"detached, to be dropped", true, false, 2 * day, false, false},
		{"half detached, and the retention was made longer", true, true, 20 * day, true, true},
		{"detached, and the retention was made longer", true, false, 20 * day, true, true},
		{"half detached by an operator who keeps it", false, true, 2 * day, true, false},
		{"detached by an operator who keeps it", false, false, 2 * day, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			db := migrated(t)
			runAt(t, db, twoDays, start)
			insertEvent(t, db, uuid.New(), start.AddDate(0, 0, -1))
			name := half(t, db, c.marked)
			if !c.half {
				exec(t, db, `ALTER TABLE events DETACH PARTITION `+name+` FINALIZE`)
			}
			report := runAt(t, db, postgres.Retention{Events: c.retention}, late.Add(day))
			if got := exists(t, db, name); got != c.there {
				t.Errorf("table is there: %v, want %v (%+v)", got, c.there, report)
			}
			if got := events(t, db) == 1; got != c.visible {
				t.Errorf("row is visible: %v, want %v", got, c.visible)
			}
			if again := runAt(t, db, postgres.Retention{Events: c.retention}, late.Add(day)); len(again.Dropped)+len(again.Postponed)+len(again.Created) > 0 {
				t.Errorf("the next run still did %+v", again)
			}
		})
	}
}
