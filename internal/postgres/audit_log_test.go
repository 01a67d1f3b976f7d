package postgres_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
)

func TestTheAuditLogIsFilteredByWhoWhatAndWhen(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	made, owner := f.found(t, ownerEmail)
	f.found(t, "other@example.com")
	m := f.add(t, made.TenantID, posthorn.RoleMember, "mei@example.com", "")
	who := f.signedIn(t, owner)
	if err := f.UpdateMember(t.Context(), who, m.ID, posthorn.MemberChange{Name: "Mei", Role: posthorn.RoleAdmin}); err != nil {
		t.Fatal(err)
	}
	log := posthorn.NewAuditLog(postgres.NewAuditLog(f.db))
	list := func(filter posthorn.AuditFilter) []posthorn.AuditEntry {
		t.Helper()
		page, err := log.List(t.Context(), made.TenantID, filter, posthorn.PageRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return page.Entries
	}
	all := list(posthorn.AuditFilter{})
	for i, e := range all {
		if e.TenantID != made.TenantID || i > 0 && e.CreatedAt().After(all[i-1].CreatedAt()) {
			t.Errorf("entry %d is %+v", i, e)
		}
	}
	changed := all[0]
	if changed.Action != posthorn.ActionRoleChanged || changed.Before["role"] != "member" || changed.Actor.UserID != owner.ID {
		t.Errorf("the newest entry is %+v", changed)
	}
	boundary := all[1].CreatedAt()
	for name, tc := range map[string]struct {
		filter posthorn.AuditFilter
		want   func(*posthorn.AuditEntry) bool
	}{
		"user":       {posthorn.AuditFilter{Actor: owner.ID.String()}, func(e *posthorn.AuditEntry) bool { return e.Actor.UserID == owner.ID }},
		"other name": {posthorn.AuditFilter{Actor: "command line"}, func(e *posthorn.AuditEntry) bool { return e.Actor.Name == "command line" }},
		"action": {posthorn.AuditFilter{Actions: []posthorn.Action{posthorn.ActionRoleChanged, posthorn.ActionUserCreated}}, func(e *posthorn.AuditEntry) bool {
			return e.Action == posthorn.ActionRoleChanged || e.Action == posthorn.ActionUserCreated
		}},
		"subject":     {posthorn.AuditFilter{Subject: m.ID.String()}, func(e *posthorn.AuditEntry) bool { return e.Subject == m.ID.String() }},
		"from":        {posthorn.AuditFilter{From: boundary}, func(e *posthorn.AuditEntry) bool { return !e.CreatedAt().Before(boundary) }},
		"to":          {posthorn.AuditFilter{To: boundary}, func(e *posthorn.AuditEntry) bool { return e.CreatedAt().Before(boundary) }},
		"entry's id":  {posthorn.AuditFilter{Text: changed.ID.String()}, func(e *posthorn.AuditEntry) bool { return e.ID == changed.ID }},
		"user's id":   {posthorn.AuditFilter{Text: owner.ID.String()}, func(e *posthorn.AuditEntry) bool { return e.Actor.UserID == owner.ID || e.Subject == owner.ID.String() }},
		"other id":    {posthorn.AuditFilter{Text: made.TenantID.String()}, func(e *posthorn.AuditEntry) bool { return e.Subject == made.TenantID.String() }},
		"no such id":  {posthorn.AuditFilter{Text: "wh_none"}, func(*posthorn.AuditEntry) bool { return false }},
		"two at once": {posthorn.AuditFilter{Actor: owner.ID.String(), Subject: made.TenantID.String()}, func(*posthorn.AuditEntry) bool { return false }},
	} {
		var want []posthorn.AuditID
		for i := range all {
			if tc.want(&all[i]) {
				want = append(want, all[i].ID)
			}
		}
		var got []posthorn.AuditID
		for _, e := range list(tc.filter) {
			got = append(got, e.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		if len(want) == len(all) && name != "from" {
			t.Errorf("%s lets everything through: the test shows nothing", name)
		}
	}
	facets, err := log.Facets(t.Context(), made.TenantID)
	if err != nil || !slices.Contains(facets.Actions, posthorn.ActionRoleChanged) || !slices.Equal(facets.Actors, []string{"command line"}) || len(facets.Users) != 2 {
		t.Errorf("the facets are %+v, %v", facets, err)
	}
	if n := len(facets.Actions); n != len(slices.Compact(slices.Clone(facets.Actions))) {
		t.Errorf("actions occur more than once: %v", facets.Actions)
	}
}

// fillAudit writes entries, a second apart.
func (f accountsFixture) fillAudit(t *testing.T, tenant posthorn.TenantID, n int) {
	t.Helper()
	_, err := f.db.Pool().Exec(t.Context(), `INSERT INTO audit_log (id, tenant_id, actor_id, actor, address, action, subject, before, after)
SELECT (lpad(to_hex(($2::bigint + i * 1000)), 12, '0') || '7' || lpad(to_hex(i % 4096), 3, '0') || '8' || lpad(to_hex(i), 15, '0'))::uuid, $1,
       NULL, 'actor ' || i % 7, '', 'thing.action_' || i % 11, 'thing_' || i % 501, NULL, '{"n":1}'
  FROM generate_series(1, $3::int) i`, tenant.UUID(), time.Now().Add(-time.Hour*24*365).UnixMilli(), n)
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheAuditLogIsPagedBothWaysAndExportedWhole(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	made, _ := f.found(t, ownerEmail)
	f.fillAudit(t, made.TenantID, 503)
	log := posthorn.NewAuditLog(postgres.NewAuditLog(f.db))
	filter := posthorn.AuditFilter{Actor: "actor 3"}
	var down, exported []posthorn.AuditID
	var pages [][]posthorn.AuditID
	request := posthorn.PageRequest{Limit: 10}
	var last posthorn.AuditPage
	for {
		page, err := log.List(t.Context(), made.TenantID, filter, request)
		if err != nil {
			t.Fatal(err)
		}
		var ids []posthorn.AuditID
		for _, e := range page.Entries {
			ids = append(ids, e.ID)
		}
		pages, down, last = append(pages, ids), append(down, ids...), page
		if request.Cursor = page.NextCursor; request.Cursor == "" {
			break
		}
	}
	for e, err := range log.Export(t.Context(), made.TenantID, filter) {
		if err != nil {
			t.Fatal(err)
		}
		exported = append(exported, e.ID)
	}
	if len(down) != 72 || !slices.Equal(down, exported) {
		t.Errorf("%d entries by pages, %d exported", len(down), len(exported))
	}
	for i := len(pages) - 2; i >= 0; i-- {
		page, err := log.List(t.Context(), made.TenantID, filter, posthorn.PageRequest{Limit: 10, Cursor: last.PrevCursor})
		if err != nil {
			t.Fatal(err)
		}
		var ids []posthorn.AuditID
		for _, e := range page.Entries {
			ids = append(ids, e.ID)
		}
		if !slices.Equal(ids, pages[i]) {
			t.Errorf("page %d on the way up is another", i)
		}
		last = page
	}
	if last.PrevCursor != "" {
		t.Error("there is a page above the first")
	}
	whole := 0
	for _, err := range log.Export(t.Context(), made.TenantID, posthorn.AuditFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		whole++
	}
	if whole < 503 {
		t.Errorf("%d entries are exported", whole)
	}
	_, err := log.List(t.Context(), made.TenantID, filter, posthorn.PageRequest{Cursor: "nonsense"})
	if posthorn.KindOf(err) != posthorn.Invalid {
		t.Errorf("a cursor that is none: %v", err)
	}
}

// What a removed member did can be looked for still, under the name that they had last.
func TestTheAuditLogKnowsWhoWasRemoved(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	made, owner := f.found(t, ownerEmail)
	who := f.signedIn(t, owner)
	gone := f.signedIn(t, f.add(t, made.TenantID, posthorn.RoleMember, "mei@example.com", ""))
	silent := f.add(t, made.TenantID, posthorn.RoleMember, "silent@example.com", "")
	stays := f.signedIn(t, f.add(t, made.TenantID, posthorn.RoleMember, "ana@example.com", ""))
	for _, step := range []func() error{
		func() error { return f.UpdateProfile(t.Context(), stays, "Ana") },
		func() error { return f.UpdateProfile(t.Context(), gone, "Mei Lin") },
		func() error { gone.User.Name = "Mei Lin"; return f.UpdateProfile(t.Context(), gone, "Mei Wong") },
		func() error { return f.RemoveMember(t.Context(), who, gone.User.ID) },
		func() error { return f.RemoveMember(t.Context(), who, silent.ID) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	facets, err := posthorn.NewAuditLog(postgres.NewAuditLog(f.db)).Facets(t.Context(), made.TenantID)
	want := []posthorn.User{{ID: gone.User.ID, TenantID: made.TenantID, Name: "Mei Lin"}}
	if diff := cmp.Diff(want, facets.Former); err != nil || diff != "" {
		t.Errorf("%v, former members (-want +got):\n%s", err, diff)
	}
	if len(facets.Users) != 2 || slices.Contains(facets.Actors, "Mei Lin") {
		t.Errorf("the facets are %+v", facets)
	}
}

// Every filter is answered from an index of its own, and what it can be filtered by does not read the whole log.
func TestTheFiltersOfTheAuditLogReadIndexes(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	made, _ := f.found(t, ownerEmail)
	f.fillAudit(t, made.TenantID, 20_000)
	if _, err := f.db.Pool().Exec(t.Context(), `ANALYZE audit_log`); err != nil {
		t.Fatal(err)
	}
	for name, q := range map[string]string{
		"audit_log_subject_idx": `subject = 'thing_77'`,
		"audit_log_actor_idx":   `actor_id IS NULL AND actor = 'nobody'`,
		"audit_log_action_idx":  `action = 'thing.rare'`,
	} {
		rows, err := f.db.Pool().Query(t.Context(), fmt.Sprintf(`EXPLAIN SELECT id FROM audit_log WHERE tenant_id = '%s' AND %s ORDER BY id DESC LIMIT 51`, made.TenantID.UUID(), q))
		if err != nil {
			t.Fatal(err)
		}
		var plan strings.Builder
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			plan.WriteString(line + "\n")
		}
		if !strings.Contains(plan.String(), name) || strings.Contains(plan.String(), "Seq Scan") {
			t.Errorf("%s is read by\n%s", q, plan.String())
		}
	}
	began := time.Now()
	facets, err := posthorn.NewAuditLog(postgres.NewAuditLog(f.db)).Facets(t.Context(), made.TenantID)
	if err != nil || len(facets.Actors) != 8 || len(facets.Actions) < 11 {
		t.Errorf("the facets are %d actors and %d actions, %v", len(facets.Actors), len(facets.Actions), err)
	}
	t.Logf("facets of 20,000 entries in %v", time.Since(began))
}
