package postgres_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
)

// resourcesFixture is the use cases of resources over a database with a tenant and an application.
type resourcesFixture struct {
	*posthorn.Resources
	db     *postgres.DB
	store  *postgres.Resources
	tenant posthorn.TenantID
	app    posthorn.ApplicationID
	t      testing.TB
}

var ci = posthorn.Actor{Name: "API key CI"}

func newResources(tb testing.TB, outbox *postgres.Outbox) resourcesFixture {
	tb.Helper()
	db, tenant := newTenant(tb)
	f := resourcesFixture{db: db, tenant: tenant, store: postgres.NewResources(db, outbox), t: tb}
	f.app = newApplication(tb, db, tenant, "client_1")
	f.Resources = posthorn.NewResources(f.store, postgres.NewWebhooks(db))
	return f
}

func (f resourcesFixture) create(kind posthorn.ResourceKind, body string) posthorn.Resource {
	f.t.Helper()
	r, err := f.Create(f.t.Context(), ci, f.tenant, kind, []byte(body), "")
	if err != nil {
		f.t.Fatalf("create a %s from %s: %v", kind, body, err)
	}
	return r
}

func (f resourcesFixture) patch(r posthorn.Resource, body string) (posthorn.Resource, error) {
	return f.Update(f.t.Context(), ci, f.tenant, r.Head().Kind, r.Head().ID(), []byte(body))
}

func (f resourcesFixture) get(r posthorn.Resource) posthorn.ResourceDetail {
	f.t.Helper()
	d, err := f.Get(f.t.Context(), f.tenant, r.Head().Kind, r.Head().ID())
	if err != nil {
		f.t.Fatal(err)
	}
	return d
}

// events are the types of all events, oldest first.
func (f resourcesFixture) events() []string {
	f.t.Helper()
	return selectAll[string](f.t, f.db, `SELECT event FROM events ORDER BY id`)
}

// resourceBodies make one of each kind with something in every field.
var resourceBodies = map[posthorn.ResourceKind]string{
	posthorn.KindInvitation:   `{"customerEmail":"Customer@Example.com","workflowId":"wf_1","workflowName":"Basic KYC","expiresAt":"2999-01-19T09:00:00.123Z"}`,
	posthorn.KindSubmission:   `{"customerEmail":"customer@example.com","workflowId":"wf_1","workflowName":"Basic KYC","responses":{"b":1.50,"a":"\u0000<>"}}`,
	posthorn.KindVerification: `{"userReference":"user_123","applicationId":"client_1","checks":{"liveness":{"score":0.970}},"decisionReason":"two\nlines"}`,
	posthorn.KindIntegration: `{"uid":"user_123","provider":"binance","providerPublicName":"Binance","publicAddress":"0xA","walletId":"wallet_1","logoUrl":"https://a.example/b.png",
"isContract":true,"alias":"Main","addedOn":1640995200123,"lastSyncedAt":1672531200456,"category":"exchange","type":"csv","totalTransactions":9007199254740991}`,
}

func TestAResourceIsReadAsItWasStoredWithItsHistory(t *testing.T) {
	t.Parallel()
	f := newResources(t, &postgres.Outbox{})
	next := map[posthorn.ResourceKind]string{
		posthorn.KindInvitation: "cancelled", posthorn.KindSubmission: "completed", posthorn.KindVerification: "document_submitted", posthorn.KindIntegration: "ONGOING",
	}
	for _, kind := range posthorn.ResourceKinds() {
		made := f.create(kind, resourceBodies[kind])
		if diff := cmp.Diff(written(t, made), strings.Replace(written(t, f.get(made).Resource), `,"screenings":[]`, "", 1)); diff != "" {
			t.Errorf("a new %s (-made +read):\n%s", kind, diff)
		}
		changed, err := f.patch(made, `{"status":"`+next[kind]+`"}`)
		if err != nil {
			t.Fatal(err)
		}
		d := f.get(made)
		if diff := cmp.Diff(written(t, changed), strings.Replace(written(t, d.Resource), `,"screenings":[]`, "", 1)); diff != "" {
			t.Errorf("a changed %s (-changed +read):\n%s", kind, diff)
		}
		if d.Resource.Head().ApplicationID != changed.Head().ApplicationID || len(d.Changes) != 2 {
			t.Fatalf("%s: %+v", kind, d)
		}
		for i, c := range d.Changes {
			e := selectAll[string](t, f.db, `SELECT event FROM events WHERE id = $1`, c.EventID.UUID())
			if len(e) != 1 || e[0] != c.EventType || c.Actor != ci.Name || c.To == "" || (c.From == "") != (i == 1) {
				t.Errorf("%s: the history says %+v, and the event is %v", kind, c, e)
			}
		}
	}
}

// written is a value as the API writes it.
func written(tb testing.TB, v any) string {
	tb.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return string(raw)
}

func TestEventsOfResourcesGoToTheWebhooksThatCoverThem(t *testing.T) {
	t.Parallel()
	var jobs []posthorn.Job
	outbox := &postgres.Outbox{}
	outbox.HandOffTo(postgres.HandOff{
		NewLease: func() posthorn.Lease { return posthorn.Lease{Token: 7, Expires: time.Now().Add(time.Minute)} },
		Offer:    func(batch []posthorn.Job) { jobs = append(jobs, batch...) },
	})
	f := newResources(t, outbox)
	hooks := postgres.NewWebhooks(f.db)
	all := insertHook(t, hooks, f.tenant, func(w *posthorn.Webhook) { w.Events = []string{"*"} })
	scoped := insertHook(t, hooks, f.tenant, func(w *posthorn.Webhook) {
		w.Events, w.ApplicationID = []string{"verification.*"}, f.app
	})
	r := f.create(posthorn.KindVerification, resourceBodies[posthorn.KindVerification])
	var got []posthorn.WebhookID
	for _, j := range jobs {
		got = append(got, j.WebhookID)
		if j.Event != "verification.started" || j.ApplicationID != f.app || !strings.Contains(string(j.Data), r.Head().ID()) {
			t.Errorf("%+v", j)
		}
	}
	slices.SortFunc(got, func(a, b posthorn.WebhookID) int { return slices.Compare(a[:], b[:]) })
	if diff := cmp.Diff([]posthorn.WebhookID{all.ID, scoped.ID}, got); diff != "" {
		t.Error(diff)
	}
}

func TestNothingIsStoredWhenTheEventCannotBe(t *testing.T) {
	t.Parallel()
	f := newResources(t, &postgres.Outbox{})
	submission := f.create(posthorn.KindSubmission, resourceBodies[posthorn.KindSubmission])
	integration := f.create(posthorn.KindIntegration, resourceBodies[posthorn.KindIntegration])
	f.create(posthorn.KindInvitation, resourceBodies[posthorn.KindInvitation])
	mustExec(t, f.db, `UPDATE invitations SET expires_at = now() - interval '1 second'`)
	state := func() []string {
		return selectAll[string](t, f.db, `SELECT x::text FROM submissions x UNION ALL SELECT x::text FROM integrations x UNION ALL SELECT x::text FROM invitations x
UNION ALL SELECT x::text FROM resource_changes x UNION ALL SELECT x::text FROM aml_screenings x UNION ALL SELECT x::text FROM verifications x
UNION ALL SELECT x::text FROM audit_log x UNION ALL SELECT x::text FROM idempotency_keys x ORDER BY 1`)
	}
	before := state()
	mustExec(t, f.db, `ALTER TABLE events RENAME TO events_away`)
	for name, do := range map[string]func() error{
		"create": func() error {
			_, err := f.Create(t.Context(), ci, f.tenant, posthorn.KindVerification, []byte(`{"userReference":"u"}`), "key")
			return err
		},
		"change": func() error { _, err := f.patch(submission, `{"status":"completed"}`); return err },
		"delete": func() error { return f.Delete(t.Context(), ci, f.tenant, integration.Head().ID()) },
		"screen": func() error {
			_, err := f.Screen(t.Context(), ci, f.tenant, submission.Head().ID(), []byte(`{}`), "key")
			return err
		},
		"expire": func() error { _, err := f.store.ExpireInvitations(t.Context()); return err },
	} {
		if err := do(); posthorn.KindOf(err) != posthorn.Internal || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if diff := cmp.Diff(before, state()); diff != "" {
		t.Errorf("something was stored:\n%s", diff)
	}
}

func mustExec(tb testing.TB, db *postgres.DB, sql string, args ...any) {
	tb.Helper()
	if _, err := db.Pool().Exec(tb.Context(), sql, args...); err != nil {
		tb.Fatal(err)
	}
}

func TestOfSeveralWhoMoveAResourceAtOnceOneWins(t *testing.T) {
	t.Parallel()
	f := newResources(t, &postgres.Outbox{})
	for range 5 {
		r := f.create(posthorn.KindSubmission, resourceBodies[posthorn.KindSubmission])
		if _, err := f.patch(r, `{"status":"completed"}`); err != nil {
			t.Fatal(err)
		}
		var won, lost atomic.Int32
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				_, err := f.patch(r, `{"status":"`+[]string{"approved", "rejected"}[i%2]+`","workflowName":"`+fmt.Sprint(i)+`"}`)
				switch posthorn.KindOf(err) {
				case posthorn.Conflict:
					lost.Add(1)
				default:
					if err != nil {
						t.Error(err)
						return
					}
					won.Add(1)
				}
			})
		}
		all.Wait()
		// The same decision again is no transition, and changes another field.
		changes := f.get(r).Changes
		decided := 0
		for _, c := range changes {
			if c.From != c.To && (c.To == posthorn.StatusApproved || c.To == posthorn.StatusRejected) {
				decided++
			}
		}
		if decided != 1 || won.Load() != 4 || lost.Load() != 4 || len(changes) != 6 {
			t.Errorf("%d decisions, %d requests succeeded and %d did not, %d changes", decided, won.Load(), lost.Load(), len(changes))
		}
	}
	events := f.events()
	if n := len(selectAll[uuid.UUID](t, f.db, `SELECT event_id FROM resource_changes WHERE event_id IS NOT NULL`)); n != len(events) {
		t.Errorf("%d events, and the history has %d", len(events), n)
	}
}

func TestAnInvitationExpiresOnceHoweverManyProcessesLook(t *testing.T) {
	t.Parallel()
	f := newResources(t, &postgres.Outbox{})
	for i := range 40 {
		f.create(posthorn.KindInvitation, fmt.Sprintf(`{"customerEmail":"a%d@b.co","workflowId":"w","expiresAt":"2999-01-01T00:00:00Z"}`, i))
	}
	f.create(posthorn.KindInvitation, `{"customerEmail":"never@b.co","workflowId":"w"}`)
	later := f.create(posthorn.KindInvitation, `{"customerEmail":"later@b.co","workflowId":"w","expiresAt":"2999-01-01T00:00:00Z"}`)
	mustExec(t, f.db, `UPDATE invitations SET expires_at = now() - interval '1 minute' WHERE customer_email LIKE 'a%'`)
	other := postgres.NewResources(f.db, &postgres.Outbox{})
	var expired atomic.Int32
	var all sync.WaitGroup
	for _, store := range []*postgres.Resources{f.store, other, f.store, other} {
		all.Go(func() {
			n, err := store.ExpireInvitations(t.Context())
			if err != nil {
				t.Error(err)
			}
			expired.Add(int32(n))
		})
	}
	all.Wait()
	if n, err := f.store.ExpireInvitations(t.Context()); err != nil || expired.Load()+int32(n) != 40 {
		t.Errorf("%d invitations expired, %v", expired.Load()+int32(n), err)
	}
	counts := selectAll[int](t, f.db, `SELECT count(*)::int FROM events WHERE event = 'invitation.expired' UNION ALL
SELECT count(DISTINCT payload->>'invitationId')::int FROM events WHERE event = 'invitation.expired' UNION ALL
SELECT count(*)::int FROM invitations WHERE status = 'expired' UNION ALL
SELECT count(*)::int FROM events e JOIN invitations i ON e.payload->>'customerEmail' = i.customer_email
 WHERE event = 'invitation.expired' AND i.expires_at = e.occurred_at AND e.payload->>'status' = 'expired'`)
	if diff := cmp.Diff([]int{40, 40, 40, 40}, counts); diff != "" {
		t.Error(diff)
	}
	if d := f.get(later); d.Resource.Head().Status != posthorn.StatusSent {
		t.Errorf("%+v", d)
	}
}

func TestInvitationsExpireByThemselves(t *testing.T) {
	t.Parallel()
	f := newResources(t, &postgres.Outbox{})
	made := time.Now()
	f.create(posthorn.KindInvitation, `{"customerEmail":"a@b.co","workflowId":"w","expiresAt":"`+posthorn.FormatTime(made.Add(700*time.Millisecond))+`"}`)
	go f.store.RunExpiry(t.Context())
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !slices.Contains(f.events(), "invitation.expired") {
		select {
		case <-tick.C:
		case <-time.After(time.Until(made.Add(20 * time.Second))):
			t.Fatal("it did not expire")
		}
	}
	if after := time.Since(made); after < 700*time.Millisecond {
		t.Errorf("it expired after %v", after)
	}
}

func TestARepeatedKeyMakesNothing(t *testing.T) {
	t.Parallel()
	f := newResources(t, &postgres.Outbox{})
	create := func(key string) posthorn.Resource {
		r, err := f.Create(t.Context(), ci, f.tenant, posthorn.KindIntegration, []byte(`{"uid":"u","provider":"p"}`), key)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := create("a")
	if again := create("a"); again.Head().UUID != first.Head().UUID {
		t.Error("a second one was made")
	}
	if other := create("b"); other.Head().UUID == first.Head().UUID {
		t.Error("another key made nothing")
	}
	if err := f.Delete(t.Context(), ci, f.tenant, first.Head().ID()); err != nil {
		t.Fatal(err)
	}
	if again := create("a"); again.Head().UUID == first.Head().UUID {
		t.Error("the one that was deleted came back")
	}
	s := f.create(posthorn.KindSubmission, resourceBodies[posthorn.KindSubmission])
	var ids []posthorn.ScreeningID
	for range 2 {
		made, err := f.Screen(t.Context(), ci, f.tenant, s.Head().ID(), []byte(`{"matches":[{"matchType":"pep","matchedName":"A"}]}`), "k")
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, made.ID)
	}
	if ids[0] != ids[1] {
		t.Error("a second screening was made")
	}
	want := []string{
		"integration.created", "integration.created", "integration.deleted", "integration.created", "submission.created", "aml.screening.completed", "aml.match.found",
	}
	if diff := cmp.Diff(want, f.events()); diff != "" {
		t.Error(diff)
	}
}

func TestARetryAnswersTheFirstResultWhenItsBodyIsRightNoMore(t *testing.T) {
	t.Parallel()
	f := newResources(t, &postgres.Outbox{})
	const past = `{"customerEmail":"a@b.co","workflowId":"w","expiresAt":"2020-01-01T00:00:00Z"}`
	first, err := f.Create(t.Context(), ci, f.tenant, posthorn.KindInvitation, []byte(resourceBodies[posthorn.KindInvitation]), "order-7")
	if err != nil {
		t.Fatal(err)
	}
	again, err := f.Create(t.Context(), ci, f.tenant, posthorn.KindInvitation, []byte(past), "order-7")
	if err != nil || again.Head().ID() != first.Head().ID() {
		t.Errorf("%v, want %s: %v", again, first.Head().ID(), err)
	}
	refused := func(name string, tenant posthorn.TenantID, kind posthorn.ResourceKind, body, key string) {
		t.Helper()
		if r, err := f.Create(t.Context(), ci, tenant, kind, []byte(body), key); posthorn.KindOf(err) != posthorn.Invalid {
			t.Errorf("%s: %v, %v", name, r, err)
		}
	}
	refused("a new key", f.tenant, posthorn.KindInvitation, past, "order-8")
	refused("no key", f.tenant, posthorn.KindInvitation, past, "")
	refused("another kind", f.tenant, posthorn.KindSubmission, `{}`, "order-7")
	refused("another tenant", posthorn.NewTenantID(), posthorn.KindInvitation, past, "order-7")

	gone, err := f.Create(t.Context(), ci, f.tenant, posthorn.KindIntegration, []byte(resourceBodies[posthorn.KindIntegration]), "order-9")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Delete(t.Context(), ci, f.tenant, gone.Head().ID()); err != nil {
		t.Fatal(err)
	}
	refused("what was made is deleted", f.tenant, posthorn.KindIntegration, `{}`, "order-9")
	mustExec(t, f.db, `UPDATE idempotency_keys SET expires_at = now() - interval '1 second'`)
	refused("the key has run out", f.tenant, posthorn.KindInvitation, past, "order-7")
}

func TestAWalletBelongsToOneIntegration(t *testing.T) {
	t.Parallel()
	f := newResources(t, &postgres.Outbox{})
	first := f.create(posthorn.KindIntegration, resourceBodies[posthorn.KindIntegration])
	_, err := f.Create(t.Context(), ci, f.tenant, posthorn.KindIntegration, []byte(resourceBodies[posthorn.KindIntegration]), "")
	if posthorn.KindOf(err) != posthorn.Conflict || !strings.Contains(err.Error(), "wallet") {
		t.Errorf("%v", err)
	}
	if err := f.Delete(t.Context(), ci, f.tenant, first.Head().ID()); err != nil {
		t.Fatal(err)
	}
	if left := selectAll[int](t, f.db, `SELECT 1 FROM resource_changes`); len(left) != 0 {
		t.Error("the history of what is deleted is left")
	}
	f.create(posthorn.KindIntegration, resourceBodies[posthorn.KindIntegration])
	if audit := selectAll[string](t, f.db, `SELECT subject FROM audit_log WHERE action = 'integration.deleted'`); !slices.Equal(audit, []string{first.Head().ID()}) {
		t.Errorf("the audit log has %v", audit)
	}
}

func TestScreeningsAreReadWithTheirSubmission(t *testing.T) {
	t.Parallel()
	f := newResources(t, &postgres.Outbox{})
	s := f.create(posthorn.KindSubmission, resourceBodies[posthorn.KindSubmission])
	found, err := f.Screen(t.Context(), ci, f.tenant, s.Head().ID(), []byte(`{"matches":[{"matchType":"pep","matchedName":"A","matchScore":0.5,"riskLevel":"high"}]}`), "")
	if err != nil {
		t.Fatal(err)
	}
	dismissed, err := f.Screen(t.Context(), ci, f.tenant, s.Head().ID(), []byte(`{"matches":[{"matchId":"`+found.Matches[0].MatchID+`","dismissed":true}]}`), "")
	if err != nil {
		t.Fatal(err)
	}
	d := f.get(s)
	stored, _ := d.Resource.(*posthorn.Submission)
	if diff := cmp.Diff([]posthorn.Screening{dismissed, found}, stored.Screenings); diff != "" {
		t.Errorf("(-made +read):\n%s", diff)
	}
	var types []string
	for _, c := range d.Changes {
		types = append(types, c.EventType)
	}
	want := []string{"aml.match.dismissed", "aml.screening.completed", "aml.match.found", "aml.screening.completed", "submission.created"}
	if diff := cmp.Diff(want, types); diff != "" {
		t.Errorf("the history:\n%s", diff)
	}
}

func TestListsOfResourcesAreFilteredAndPagedBothWays(t *testing.T) {
	t.Parallel()
	f := newResources(t, &postgres.Outbox{})
	invitation := f.create(posthorn.KindInvitation, resourceBodies[posthorn.KindInvitation])
	var ids []string // newest first
	for i := range 7 {
		body := fmt.Sprintf(`{"customerEmail":"Person%d@b.co","workflowId":"w%d"}`, i, i%2)
		if i == 3 {
			body = `{"customerEmail":"other_%@b.co","workflowId":"w","invitationId":"` + invitation.Head().ID() + `"}`
		}
		ids = append([]string{f.create(posthorn.KindSubmission, body).Head().ID()}, ids...)
	}
	r, err := f.Get(t.Context(), f.tenant, posthorn.KindSubmission, ids[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.patch(r.Resource, `{"status":"completed"}`); err != nil {
		t.Fatal(err)
	}
	list := func(kind posthorn.ResourceKind, filter posthorn.ResourceFilter, page posthorn.PageRequest) ([]string, posthorn.ResourcePage) {
		t.Helper()
		out, err := f.List(t.Context(), f.tenant, kind, filter, page)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range out.Resources {
			got = append(got, r.Head().ID())
		}
		return got, out
	}
	field := func(name, value string) posthorn.ResourceFilter {
		return posthorn.ResourceFilter{Fields: map[string]string{name: value}}
	}
	for name, tc := range map[string]struct {
		filter posthorn.ResourceFilter
		want   []string
	}{
		"all": {posthorn.ResourceFilter{}, ids}, "status": {posthorn.ResourceFilter{Statuses: []posthorn.ResourceStatus{"completed"}}, ids[:1]},
		"two statuses": {posthorn.ResourceFilter{Statuses: []posthorn.ResourceStatus{"completed", "created"}}, ids},
		"email":        {field("customerEmail", "PERSON0@B.CO"), ids[6:]}, "part of an email": {field("customerEmail", "person"), nil},
		"workflow": {field("workflowId", "w"), ids[3:4]}, "invitation": {field("invitationId", invitation.Head().ID()), ids[3:4]},
		"id": {posthorn.ResourceFilter{Text: ids[2]}, ids[2:3]}, "prefix": {posthorn.ResourceFilter{Text: "PERSON5"}, ids[1:2]},
		"wildcards": {posthorn.ResourceFilter{Text: "other_%"}, ids[3:4]}, "no wildcard": {posthorn.ResourceFilter{Text: "%"}, nil},
		"since":  {posthorn.ResourceFilter{From: time.Now().Add(-time.Hour)}, ids},
		"before": {posthorn.ResourceFilter{To: time.Now().Add(-time.Hour)}, nil},
	} {
		if got, _ := list(posthorn.KindSubmission, tc.filter, posthorn.PageRequest{}); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
	first, page := list(posthorn.KindSubmission, posthorn.ResourceFilter{}, posthorn.PageRequest{Limit: 3})
	second, middle := list(posthorn.KindSubmission, posthorn.ResourceFilter{}, posthorn.PageRequest{Limit: 3, Cursor: page.NextCursor})
	third, end := list(posthorn.KindSubmission, posthorn.ResourceFilter{}, posthorn.PageRequest{Limit: 3, Cursor: middle.NextCursor})
	back, top := list(posthorn.KindSubmission, posthorn.ResourceFilter{}, posthorn.PageRequest{Limit: 3, Cursor: middle.PrevCursor})
	if !slices.Equal(slices.Concat(first, second, third), ids) || !slices.Equal(back, first) || page.PrevCursor != "" || top.PrevCursor != "" ||
		end.NextCursor != "" || top.NextCursor == "" || end.PrevCursor == "" {
		t.Errorf("pages %v, %v, %v and back %v", first, second, third, back)
	}
	v := f.create(posthorn.KindVerification, resourceBodies[posthorn.KindVerification]).Head().ID()
	i := f.create(posthorn.KindIntegration, resourceBodies[posthorn.KindIntegration]).Head().ID()
	for _, tc := range []struct {
		kind        posthorn.ResourceKind
		name, value string
		want        []string
	}{
		{posthorn.KindVerification, "userReference", "user_123", []string{v}},
		{posthorn.KindVerification, "userReference", "USER_123", nil},
		{posthorn.KindVerification, "applicationId", "client_1", []string{v}},
		{posthorn.KindVerification, "applicationId", f.app.String(), []string{v}},
		{posthorn.KindVerification, "applicationId", "nobody", nil},
		{posthorn.KindIntegration, "uid", "user_123", []string{i}},
		{posthorn.KindIntegration, "provider", "binance", []string{i}},
		{posthorn.KindIntegration, "provider", "kraken", nil},
		{posthorn.KindIntegration, "category", "exchange", []string{i}},
		{posthorn.KindInvitation, "workflowId", "wf_1", []string{invitation.Head().ID()}},
	} {
		if got, _ := list(tc.kind, field(tc.name, tc.value), posthorn.PageRequest{}); !slices.Equal(got, tc.want) {
			t.Errorf("%s %s=%s: %v, want %v", tc.kind, tc.name, tc.value, got, tc.want)
		}
	}
}

// rowsRemoved finds how many rows a node of a plan read for nothing.
var rowsRemoved = regexp.MustCompile(`Rows Removed by Filter: (\d+)`)

func TestEveryListOfResourcesIsReadThroughAnIndex(t *testing.T) {
	t.Parallel()
	f := newResources(t, &postgres.Outbox{})
	const ids = `('019' || substr(md5('x'), 1, 5) || '-' || lpad(to_hex(n / 4096), 4, '0') || '-7' || lpad(to_hex(n % 4096), 3, '0') || '-8000-000000000001')::uuid`
	mustExec(t, f.db, `INSERT INTO submissions (id, tenant_id, status, customer_email, workflow_id, created_at, updated_at)
SELECT `+ids+`, $1, CASE WHEN n % 1000 = 0 THEN 'rejected' ELSE 'approved' END, 'person' || n || '@example.com', 'wf_' || n % 300, now(), now()
  FROM generate_series(1, 100000) n`, f.tenant.UUID())
	mustExec(t, f.db, `INSERT INTO integrations (id, tenant_id, status, uid, provider, provider_public_name, wallet_id, is_contract, added_on, category, type,
       total_transactions, created_at, updated_at)
SELECT `+ids+`, $1, CASE WHEN n % 1000 = 0 THEN 'FAILED' ELSE 'COMPLETED' END, 'user_' || n % 5000, 'provider' || n % 200, 'P', 'w' || n, false, now(),
       CASE WHEN n % 500 = 0 THEN 'unknown' ELSE 'wallet' END, 'api', 0, now(), now() FROM generate_series(1, 100000) n`, f.tenant.UUID())
	mustExec(t, f.db, `ANALYZE submissions, integrations`)
	field := func(name, value string) posthorn.ResourceFilter {
		return posthorn.ResourceFilter{Fields: map[string]string{name: value}}
	}
	for name, q := range map[string]posthorn.ResourceQuery{
		"submissions":     {Kind: posthorn.KindSubmission},
		"common status":   {Kind: posthorn.KindSubmission, Filter: posthorn.ResourceFilter{Statuses: []posthorn.ResourceStatus{"approved"}}},
		"rare status":     {Kind: posthorn.KindSubmission, Filter: posthorn.ResourceFilter{Statuses: []posthorn.ResourceStatus{"rejected"}}},
		"absent statuses": {Kind: posthorn.KindSubmission, Filter: posthorn.ResourceFilter{Statuses: []posthorn.ResourceStatus{"created", "completed"}}},
		"email":           {Kind: posthorn.KindSubmission, Filter: field("customerEmail", "person77@example.com")},
		"prefix":          {Kind: posthorn.KindSubmission, Filter: posthorn.ResourceFilter{Text: "person7777"}},
		"absent prefix":   {Kind: posthorn.KindSubmission, Filter: posthorn.ResourceFilter{Text: "zz"}},
		"workflow":        {Kind: posthorn.KindSubmission, Filter: field("workflowId", "wf_7")},
		"invitation":      {Kind: posthorn.KindSubmission, Filter: field("invitationId", (posthorn.InvitationID{15: 1}).String())},
		"user":            {Kind: posthorn.KindIntegration, Filter: field("uid", "user_77")},
		"provider":        {Kind: posthorn.KindIntegration, Filter: field("provider", "provider7")},
		"rare category":   {Kind: posthorn.KindIntegration, Filter: field("category", "unknown")},
	} {
		q.Position.Limit = 50
		sql, args := postgres.ResourcesSQL(f.tenant, q)
		plan := explainAnalyze(t, f.db, sql, args)
		if strings.Contains(plan, "Seq Scan") {
			t.Errorf("%s reads the table from end to end:\n%s", name, plan)
		}
		for _, m := range rowsRemoved.FindAllStringSubmatch(plan, -1) {
			if len(m[1]) > 3 {
				t.Errorf("%s reads %s rows for nothing:\n%s", name, m[1], plan)
			}
		}
	}
}
