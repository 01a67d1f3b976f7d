package postgres_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
	"posthorn/internal/testkit"
)

var quiet = slog.New(slog.DiscardHandler)

func link(id posthorn.ActivityID) string { return "https://posthorn.example/activity/" + id.String() }

// record makes a record of a tenant; change it before it is stored.
func record(tenant posthorn.TenantID) posthorn.ActivityRecord {
	score := 12.0
	return posthorn.ActivityRecord{
		Activity: posthorn.Activity{
			ID: posthorn.NewActivityID(), TenantID: tenant, Type: posthorn.KYT, UserID: "user_1", RequestID: uuid.New(), StatusCode: 200,
			Blockchain: "bitcoin", TransactionHash: "3a1bfd9d", RiskLevel: posthorn.RiskLow, RiskScore: &score,
			ResponseSummary: json.RawMessage(`{"risk": "low"}`), Metadata: json.RawMessage(`{"source": "worker-1"}`),
			ClientAppID: "app_1", ClientAppName: "LedgerLink",
		},
		RequestPayload: json.RawMessage(`{ "txid" : "3a1bfd9d" }`), ResponsePayload: json.RawMessage(`{"signals":[]}`),
	}
}

func recording(tb testing.TB, r posthorn.ActivityRecord, key string) posthorn.Recording {
	tb.Helper()
	events, err := r.Events(link)
	if err != nil {
		tb.Fatal(err)
	}
	rec := posthorn.Recording{Record: r, Events: events}
	if key != "" {
		rec.Idempotency = &posthorn.IdempotencyKey{Scope: "activity:test", Key: key}
	}
	return rec
}

// store stores records, oldest first, and returns them.
func store(tb testing.TB, db *postgres.DB, records ...posthorn.ActivityRecord) []posthorn.ActivityRecord {
	tb.Helper()
	r := postgres.NewActivityRecorder(db, quiet, &postgres.Outbox{}, postgres.DefaultGroupLimits, func([]posthorn.Activity) {})
	defer r.Close()
	for _, rec := range records {
		if _, err := r.Record(tb.Context(), recording(tb, rec, "")); err != nil {
			tb.Fatal(err)
		}
	}
	return records
}

func TestAStoredRecordComesBackAsItWas(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	full := record(posthorn.NewTenantID())
	bare := posthorn.ActivityRecord{Activity: posthorn.Activity{
		ID: posthorn.NewActivityID(), TenantID: full.TenantID, Type: posthorn.KYE, UserID: "user_2", RequestID: uuid.New(), StatusCode: 502,
		EntityID: "ent_1", ErrorMessage: "HTTP 502 Bad Gateway",
	}}
	store(t, db, full, bare)
	feed := postgres.NewActivityFeed(db)
	for _, want := range []posthorn.ActivityRecord{full, bare} {
		got, err := feed.Get(t.Context(), posthorn.ActivityScope{TenantID: full.TenantID}, want.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestARecordOfAnotherTenantOrUserIsNotFound(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	rec := store(t, db, record(posthorn.NewTenantID()))[0]
	feed := postgres.NewActivityFeed(db)
	for name, scope := range map[string]posthorn.ActivityScope{
		"tenant": {TenantID: posthorn.NewTenantID()},
		"user":   {TenantID: rec.TenantID, UserID: "user_2"},
	} {
		if _, err := feed.Get(t.Context(), scope, rec.ID); posthorn.KindOf(err) != posthorn.NotFound {
			t.Errorf("another %s's record: %v", name, err)
		}
		if page, err := feed.List(t.Context(), posthorn.ActivityQuery{Scope: scope, Limit: 10}); err != nil || len(page.Records) != 0 {
			t.Errorf("another %s's feed: %d records, %v", name, len(page.Records), err)
		}
	}
	if _, err := feed.Get(t.Context(), posthorn.ActivityScope{TenantID: rec.TenantID, UserID: "user_1"}, rec.ID); err != nil {
		t.Errorf("the user's own record: %v", err)
	}
}

// Every filter on its own, each with a record that it finds and one that it leaves out.
func TestEachFilterFindsWhatItNames(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	tenant := posthorn.NewTenantID()
	old := record(tenant)
	old.ID = posthorn.ActivityIDAt(time.Now().Add(-time.Hour))
	found := record(tenant)
	found.Type, found.RiskLevel, found.Blockchain, found.StatusCode = posthorn.KYE, posthorn.RiskCritical, "Tron's \\ chain", 503
	found.UserID, found.ClientAppID, found.TransactionHash, found.Address = "user_9", "app_9", "0xABCdef99", "T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb"
	found.EntityID, found.EntityName = "Ent:77", "Halcyon Freight GmbH"
	found.Metadata = json.RawMessage(`{"source":"worker-9","n":42,"ok":true,"case":{"id":"c-1"},"a.b":"dotted","o'brien":"it's"}`)
	store(t, db, old, record(tenant), found)
	meta := func(key, value string) posthorn.ActivityFilter {
		return posthorn.ActivityFilter{Metadata: []posthorn.MetadataCondition{{Key: key, Value: value}}}
	}
	for name, f := range map[string]posthorn.ActivityFilter{
		"type":                 {Types: []posthorn.ActivityType{posthorn.KYE}},
		"types":                {Types: []posthorn.ActivityType{posthorn.KYE, posthorn.KYA}},
		"risk":                 {RiskLevels: []posthorn.RiskLevel{posthorn.RiskCritical}},
		"risks":                {RiskLevels: []posthorn.RiskLevel{posthorn.RiskHigh, posthorn.RiskCritical}},
		"blockchain":           {Blockchains: []string{"Tron's \\ chain"}},
		"error":                {Status: posthorn.ActivityError},
		"application":          {Application: "app_9"},
		"user":                 {User: "user_9"},
		"hash":                 {Text: "0xabcDEF99"},
		"hash prefix":          {Text: "0xab"},
		"address":              {Text: "t9yd14nj9"},
		"entity id":            {Text: "ent:77"},
		"entity name word":     {Text: "freight"},
		"entity name words":    {Text: "halc gmbh"},
		"request id":           {Text: found.RequestID.String()},
		"metadata text":        meta("source", "worker-9"),
		"metadata number":      meta("n", "42"),
		"metadata truth":       meta("ok", "true"),
		"metadata path":        meta("case.id", "c-1"),
		"metadata dotted key":  meta("a.b", "dotted"),
		"metadata with quotes": meta("o'brien", "it's"),
		"all of them": {
			Types: []posthorn.ActivityType{posthorn.KYE}, RiskLevels: []posthorn.RiskLevel{posthorn.RiskCritical}, Status: posthorn.ActivityError,
			Application: "app_9", User: "user_9", Text: "halcyon", From: time.Now().Add(-time.Minute), To: time.Now().Add(time.Minute),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ids(t, db, tenant, f)
			if !slices.Equal(got, []posthorn.ActivityID{found.ID}) {
				t.Errorf("found %v, want %v", got, found.ID)
			}
		})
	}
	for name, f := range map[string]posthorn.ActivityFilter{
		"ok": {Status: posthorn.ActivityOK}, "others": {Text: "3a1bfd9d"},
		"to": {To: time.Now().Add(-time.Minute)}, "from": {From: time.Now().Add(-time.Minute), Types: []posthorn.ActivityType{posthorn.KYT}},
	} {
		if got := ids(t, db, tenant, f); slices.Contains(got, found.ID) || len(got) == 0 {
			t.Errorf("%s: found %v", name, got)
		}
	}
	for _, text := range []string{"x':* | 'y", `\`, "'", "!", "& |", "<->", "()", "ent:77 nothing"} {
		if got := ids(t, db, tenant, posthorn.ActivityFilter{Text: text}); len(got) != 0 {
			t.Errorf("%q found %v", text, got)
		}
	}
}

// What no record can hold finds none, and is no fault.
func TestAMetadataValueThatCannotBeStoredFindsNothing(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	tenant := posthorn.NewTenantID()
	store(t, db, record(tenant))
	for _, value := range []string{"1e-999999", "1e999999", "1e99999999999999999999", "-0e999999", `"`, "{}", "[", "null"} {
		f := posthorn.ActivityFilter{Metadata: []posthorn.MetadataCondition{{Key: "n", Value: value}}}
		if got := ids(t, db, tenant, f); len(got) != 0 {
			t.Errorf("%q found %v", value, got)
		}
	}
}

func ids(tb testing.TB, db *postgres.DB, tenant posthorn.TenantID, f posthorn.ActivityFilter) []posthorn.ActivityID {
	tb.Helper()
	page, err := postgres.NewActivityFeed(db).List(tb.Context(), posthorn.ActivityQuery{
		Scope: posthorn.ActivityScope{TenantID: tenant}, Filter: f, Limit: 100,
	})
	if err != nil {
		tb.Fatal(err)
	}
	var got []posthorn.ActivityID
	for _, r := range page.Records {
		got = append(got, r.ID)
	}
	return got
}

func TestTheFeedPagesBothWays(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	tenant := posthorn.NewTenantID()
	var all []posthorn.ActivityID // newest first
	for range 7 {
		all = slices.Insert(all, 0, store(t, db, record(tenant))[0].ID)
	}
	feed, scope := postgres.NewActivityFeed(db), posthorn.ActivityScope{TenantID: tenant}
	for name, tc := range map[string]struct {
		after, before posthorn.ActivityID
		want          []posthorn.ActivityID
		newer, older  bool
	}{
		"top":             {want: all[:3], older: true},
		"after third":     {after: all[2], want: all[3:6], newer: true, older: true},
		"after sixth":     {after: all[5], want: all[6:], newer: true},
		"after last":      {after: all[6], want: nil, newer: true},
		"before seventh":  {before: all[6], want: all[3:6], newer: true, older: true},
		"before fourth":   {before: all[3], want: all[:3], older: true},
		"before second":   {before: all[1], want: all[:1], older: true},
		"before the last": {before: all[0], want: nil, older: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page, err := feed.List(t.Context(), posthorn.ActivityQuery{Scope: scope, After: tc.after, Before: tc.before, Limit: 3})
			if err != nil {
				t.Fatal(err)
			}
			var got []posthorn.ActivityID
			for _, r := range page.Records {
				got = append(got, r.ID)
			}
			if !slices.Equal(got, tc.want) || page.HasNewer != tc.newer || page.HasOlder != tc.older {
				t.Errorf("got %v, newer %v, older %v; want %v, %v, %v", got, page.HasNewer, page.HasOlder, tc.want, tc.newer, tc.older)
			}
		})
	}
	t.Run("neighbours", func(t *testing.T) {
		t.Parallel()
		for i, id := range all {
			n, err := feed.Neighbours(t.Context(), scope, posthorn.ActivityFilter{}, id)
			if err != nil {
				t.Fatal(err)
			}
			var want posthorn.ActivityNeighbours
			if i > 0 {
				want.Newer = all[i-1]
			}
			if i < len(all)-1 {
				want.Older = all[i+1]
			}
			if n != want {
				t.Errorf("neighbours of %d: %v, want %v", i, n, want)
			}
		}
	})
	t.Run("export", func(t *testing.T) {
		t.Parallel()
		var got []posthorn.ActivityID
		for r, err := range feed.Export(t.Context(), scope, posthorn.ActivityFilter{}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, r.ID)
		}
		if !slices.Equal(got, all) {
			t.Errorf("exported %v, want %v", got, all)
		}
	})
	t.Run("news", func(t *testing.T) {
		t.Parallel()
		news, err := feed.News(t.Context(), scope, posthorn.ActivityFilter{}, all[2])
		if want := (posthorn.ActivityNews{Count: 2, Worst: posthorn.RiskLow}); err != nil || news != want {
			t.Errorf("news = %+v, %v; want %+v", news, err, want)
		}
	})
}

// Counts of the feed and of the overview agree with the rows, whatever was posted twice.
func TestCountsAgreeWithTheRows(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	tenant := posthorn.NewTenantID()
	var records []posthorn.ActivityRecord
	for i, level := range []posthorn.RiskLevel{"low", "low", "medium", "high", "critical", ""} {
		r := record(tenant)
		r.RiskLevel, r.StatusCode = level, 200+i*60
		records = append(records, r)
	}
	store(t, db, records...)
	store(t, db, records[0]) // the same record again changes nothing
	want := posthorn.RiskCounts{Low: 2, Medium: 1, High: 1, Critical: 1, Unrated: 1, Errors: 2}
	feed := postgres.NewActivityFeed(db)
	counts, err := feed.Counts(t.Context(), posthorn.ActivityScope{TenantID: tenant}, posthorn.ActivityFilter{})
	if err != nil || counts != want {
		t.Errorf("counts = %+v, %v; want %+v", counts, err, want)
	}
	window := posthorn.OverviewRange{Until: time.Now().Truncate(time.Hour).Add(time.Hour), Bucket: time.Hour, Buckets: 24}
	o, err := feed.Overview(t.Context(), tenant, window)
	if err != nil || !o.Any || o.Counts != want || len(o.Flagged) != 2 || o.Flagged[0].ID != records[4].ID {
		t.Errorf("overview = %+v, %v", o, err)
	}
	// The records may have fallen into the hour before: all that matters is the sum.
	ok, failed := 0, 0
	for _, b := range o.Buckets {
		ok, failed = ok+b.OK, failed+b.Errors
	}
	if len(o.Buckets) != 24 || ok != 4 || failed != 2 {
		t.Errorf("%d buckets with %d ok and %d errors", len(o.Buckets), ok, failed)
	}
	empty, err := feed.Overview(t.Context(), posthorn.NewTenantID(), window)
	if err != nil || empty.Any {
		t.Errorf("a tenant without records: %+v, %v", empty, err)
	}
}

// Events exist exactly when the record that caused them does, and carry it without its payloads.
func TestARecordEmitsItsEventsOnce(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	flagged := record(posthorn.NewTenantID())
	flagged.RiskLevel = posthorn.RiskHigh
	for _, sql := range []string{
		`INSERT INTO tenants (id, name) VALUES ($1, 'T')`,
		`INSERT INTO applications (id, tenant_id, name, external_id) VALUES (gen_random_uuid(), $1, 'LedgerLink', 'app_1')`,
	} {
		if _, err := db.Pool().Exec(t.Context(), sql, flagged.TenantID.UUID()); err != nil {
			t.Fatal(err)
		}
	}
	r := postgres.NewActivityRecorder(db, quiet, &postgres.Outbox{}, postgres.DefaultGroupLimits, func([]posthorn.Activity) {})
	defer r.Close()
	for range 2 { // the second one is turned away by its key
		if _, err := r.Record(t.Context(), recording(t, flagged, "once")); err != nil {
			t.Fatal(err)
		}
		flagged.ID = posthorn.NewActivityID()
	}
	rows, err := db.Pool().Query(t.Context(), `SELECT e.event, a.name, e.payload::text FROM events e LEFT JOIN applications a ON a.id = e.application_id
 WHERE e.tenant_id = $1 ORDER BY e.id`, flagged.TenantID.UUID())
	if err != nil {
		t.Fatal(err)
	}
	type event struct{ Type, Application, Data string }
	events, err := pgx.CollectRows(rows, pgx.RowToStructByPos[event])
	if err != nil || len(events) != 2 {
		t.Fatalf("%d events, %v; want 2", len(events), err)
	}
	for i, want := range []string{posthorn.EventActivityRecorded, posthorn.EventActivityFlagged} {
		if events[i].Type != want || events[i].Application != "LedgerLink" {
			t.Errorf("event %d is %s of %q, want %s of LedgerLink", i, events[i].Type, events[i].Application, want)
		}
	}
	var data map[string]any
	if err := json.Unmarshal([]byte(events[0].Data), &data); err != nil {
		t.Fatal(err)
	}
	if id, _ := data["id"].(string); data["uid"] != "user_1" || data["url"] != "https://posthorn.example/activity/"+id {
		t.Errorf("uid %v, url %v, id %v", data["uid"], data["url"], data["id"])
	}
	for _, absent := range []string{"requestPayload", "responsePayload"} {
		if _, there := data[absent]; there {
			t.Errorf("the event carries %s", absent)
		}
	}
}

func TestFacetsListEachValueOnce(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	tenant := posthorn.NewTenantID()
	for i := range 12 {
		r := record(tenant)
		r.Blockchain = []string{"bitcoin", "ethereum", ""}[i%3]
		r.ClientAppID, r.ClientAppName = fmt.Sprintf("app_%d", i%2), fmt.Sprintf("Name %d", i)
		store(t, db, r)
	}
	store(t, db, record(posthorn.NewTenantID()))
	got, err := postgres.NewActivityFeed(db).Facets(t.Context(), posthorn.ActivityScope{TenantID: tenant})
	want := posthorn.ActivityFacets{
		Blockchains:  []string{"bitcoin", "ethereum"},
		Applications: []posthorn.ApplicationFacet{{ID: "app_0", Name: "Name 10"}, {ID: "app_1", Name: "Name 11"}},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

// Many posts at once onto few keys: each key is stored once, and everybody who used it hears of the same record.
func TestConcurrentPostsUnderOneKeyStoreOneRecord(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	tenant := posthorn.NewTenantID()
	var committed sync.Map
	r := postgres.NewActivityRecorder(db, quiet, &postgres.Outbox{}, postgres.DefaultGroupLimits, func(stored []posthorn.Activity) {
		for _, a := range stored {
			committed.Store(a.ID, true)
		}
	})
	defer r.Close()
	const keys, posts = 20, 400
	receipts := make([][]posthorn.Receipt, keys)
	var mu sync.Mutex
	var callers sync.WaitGroup
	for i := range posts {
		callers.Go(func() {
			receipt, err := r.Record(context.WithoutCancel(t.Context()), recording(t, record(tenant), fmt.Sprint("key ", i%keys)))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			receipts[i%keys] = append(receipts[i%keys], receipt)
		})
	}
	callers.Wait()
	stored := ids(t, db, tenant, posthorn.ActivityFilter{})
	if len(stored) != keys {
		t.Fatalf("%d records, want %d", len(stored), keys)
	}
	for key, group := range receipts {
		for _, receipt := range group {
			if receipt != group[0] || !slices.Contains(stored, receipt.ID) {
				t.Errorf("key %d was answered %v and %v", key, group[0], receipt)
			}
		}
	}
	for _, id := range stored {
		if _, ok := committed.Load(id); !ok {
			t.Errorf("%s was stored and not announced", id)
		}
	}
}
