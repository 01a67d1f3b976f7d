package web_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/pages"
	"posthorn/views/path"
	"posthorn/web"
)

// toLoopback lets webhooks lead to receivers of the test.
var toLoopback = []string{"POSTHORN_ALLOW_HTTP_TARGETS=true", "POSTHORN_ALLOW_TARGET_CIDRS=127.0.0.0/8"}

// property is what a tenant has behind the addresses with an id in them.
type property struct {
	webhook, delivery, event, key, activity, replay, member, invitation, application string
	resources                                                                        map[posthorn.ResourceKind]string
}

// theOwner is who owns the first tenant of a site.
func theOwner(s *sitekit.Site) posthorn.SignedIn {
	return posthorn.SignedIn{
		Tenant: posthorn.Tenant{ID: s.Owner.TenantID}, User: posthorn.User{ID: s.Owner.UserID, Name: "Owner", Role: posthorn.RoleOwner},
	}
}

// withProperty runs a site whose first tenant has one of everything.
func withProperty(t *testing.T) (*sitekit.Site, property) {
	t.Helper()
	s := sitekit.Start(t, append([]string{"POSTHORN_API_RATE=60000", "POSTHORN_API_BURST=60000"}, toLoopback...)...)
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(receiver.Close)
	w := makeWebhook(t, s, func(in *posthorn.WebhookInput) {
		in.URL, in.Headers = &receiver.URL, &[]posthorn.HeaderInput{{Name: "X-Env", Value: "production"}}
	})
	event := publish(t, s, s.Owner.APIKey)
	delivery := selectOne[[16]byte](t, s, `SELECT id FROM deliveries WHERE webhook_id = $1`, w.ID.UUID())
	replay := selectOne[[16]byte](t, s, `INSERT INTO replays (id, tenant_id, kind, filter, cursor, until, rate, total, total_more, state, created_at, created_by)
 SELECT gen_random_uuid(), tenant_id, 'filter', '{}', id, id, 1, 0, false, 'finished', now(), 'Amara' FROM deliveries LIMIT 1 RETURNING id`)
	application := selectOne[[16]byte](t, s, `INSERT INTO applications (id, tenant_id, name) VALUES (gen_random_uuid(), $1, 'Mobile') RETURNING id`,
		s.Owner.TenantID.UUID())
	invitation, err := s.Accounts.InviteMember(t.Context(), theOwner(s), posthorn.NewMemberInvitation{Email: "zoe@meridianpay.example", Role: posthorn.RoleMember})
	if err != nil {
		t.Fatal(err)
	}
	return s, property{
		member: s.CreateUser(posthorn.RoleMember, "mei@meridianpay.example", "user_mei").ID.String(), invitation: invitation.ID.String(),
		application: posthorn.ApplicationID(application).String(), replay: posthorn.ReplayID(replay).String(), webhook: w.ID.String(), delivery: posthorn.DeliveryID(delivery).String(), event: event,
		key: makeKey(t, s, posthorn.ScopeRead).ID.String(), activity: s.PostActivity(nil), resources: makeResources(t, s),
	}
}

// publish publishes an event and returns its id.
func publish(t *testing.T, s *sitekit.Site, key string) string {
	t.Helper()
	a := callAPI(s.Client(), http.MethodPost, path.APIEvents, `{"event":"submission.completed","data":{}}`, key)
	var published struct{ ID string }
	if err := json.Unmarshal([]byte(a.Text), &published); err != nil || a.StatusCode != http.StatusAccepted {
		t.Fatalf("publish: %d %s", a.StatusCode, a.Text)
	}
	return published.ID
}

func callAPI(c *sitekit.Client, method, target, body, key string) sitekit.Answer {
	return c.Do(method, target, strings.NewReader(body), "Content-Type", "application/json", "X-API-Key", key)
}

// behind returns whose id a route takes; empty for none.
func (p property) behind(r web.Route) string {
	for prefix, id := range map[string]string{
		path.Webhooks + "/:id": p.webhook, path.APIWebhooks + "/:id": p.webhook, path.APIDeliveries + "/:id": p.delivery,
		path.APIEvents + "/:id": p.event, path.APIKeys + "/:id": p.key, path.Activity + "/:id": p.activity,
		path.APIActivity + "/:id": p.activity, path.Event(":id"): p.event, path.Delivery(":id"): p.delivery, path.Replay(":id"): p.replay,
		path.SettingsMember(":id"): p.member, path.SettingsInvitations + "/:id": p.invitation, path.SettingsApplication(":id"): p.application,
	} {
		if r.Path == prefix || strings.HasPrefix(r.Path, prefix+"/") {
			return id
		}
	}
	for kind, id := range p.resources {
		api := path.APIResources(kind.Plural()) + "/:id"
		if r.Path == api || r.Path == path.Resource(kind.Plural(), ":id") || strings.HasPrefix(r.Path, api+"/") {
			return id
		}
	}
	if r.Method == http.MethodPut && r.Path == path.APIWebhooks { // in the body
		return p.webhook
	}
	return ""
}

// takesID says that a route is about one thing of a tenant.
func takesID(r web.Route) bool {
	return strings.Contains(r.Path, ":id") || r.Method == http.MethodPut && r.Path == path.APIWebhooks
}

func isAPI(r web.Route) bool { return strings.HasPrefix(r.Path, path.API) }

// ask sends a request to a route, with a body that every route of webhooks could do something with. The key is for the API
// alone.
func ask(c *sitekit.Client, r web.Route, id, key string) sitekit.Answer {
	target := strings.ReplaceAll(r.Path, ":id", url.PathEscape(id))
	switch {
	case isAPI(r):
		quoted, _ := json.Marshal(id) // a string always has JSON
		return callAPI(c, r.Method, target, `{"id":`+string(quoted)+`,"name":"Taken over","event":"submission.completed","data":{},"overlapSeconds":0}`, key)
	case r.Method == http.MethodGet:
		return c.Get(target)
	}
	return c.Post(target, url.Values{
		posthorn.FieldConfirm: {"Ledger sync"}, posthorn.FieldOverlap: {"0"}, posthorn.FieldName: {"Taken over"}, posthorn.FieldURL: {publicURL},
		pages.FieldEventScope: {pages.EventScopeAll}, posthorn.FieldSignature: {string(posthorn.SchemeStandard)}, posthorn.FieldTimeout: {"15"},
		posthorn.FieldMaxAttempts: {"10"}, posthorn.FieldMaxInFlight: {"32"}, pages.FieldVersion: {"1"},
		posthorn.FieldScopes: {"read"},
	})
}

// holdings are the rows that requests about webhooks and credentials could change.
func holdings(t *testing.T, s *sitekit.Site) []string {
	t.Helper()
	return selectRows[string](t, s, `
		SELECT 'webhook ' || w::text FROM webhooks w UNION ALL SELECT 'secret ' || x::text FROM signing_secrets x
		UNION ALL SELECT 'key ' || k.id || k.name || coalesce(k.revoked_at::text, '') FROM api_keys k
		UNION ALL SELECT 'member ' || u.id || u.email || u.name || u.role || u.password_hash FROM users u
		UNION ALL SELECT 'application ' || a::text FROM applications a UNION ALL SELECT 'reset ' || r::text FROM password_resets r
		UNION ALL SELECT 'member invitation ' || i::text FROM member_invitations i UNION ALL SELECT 'invitation ' || i FROM invitations i UNION ALL SELECT 'submission ' || x::text FROM submissions x
		UNION ALL SELECT 'verification ' || v::text FROM verifications v UNION ALL SELECT 'integration ' || i FROM integrations i
		UNION ALL SELECT 'change ' || c FROM resource_changes c UNION ALL SELECT 'screening ' || a::text FROM aml_screenings a
		UNION ALL SELECT 'delivery ' || d.id FROM deliveries d UNION ALL SELECT 'event ' || e.id FROM events e
		UNION ALL SELECT 'audit ' || a.id || a.action FROM audit_log a ORDER BY 1`)
}

func wantUnchanged(t *testing.T, s *sitekit.Site, before []string) {
	t.Helper()
	if diff := cmp.Diff(before, holdings(t, s)); diff != "" {
		t.Errorf("something changed:\n%s", diff)
	}
}

func TestNoRouteFindsWhatAnotherTenantOwns(t *testing.T) {
	t.Parallel()
	s, mine := withProperty(t)
	stranger, second := newTenant(t, s)
	theirs, err := s.Accounts.CreateAPIKey(t.Context(), posthorn.CommandLine(), stranger.TenantID, posthorn.NewAPIKey{Name: "CI", Scopes: posthorn.Scopes()})
	if err != nil {
		t.Fatal(err)
	}
	owner := s.SignedIn()
	before := holdings(t, s)
	checked := 0
	for _, r := range web.Routes() {
		if !takesID(r) {
			continue
		}
		id := mine.behind(r)
		if id == "" {
			t.Errorf("%s %s is new: say here what its id is of", r.Method, r.Path)
			continue
		}
		checked++
		a := ask(second, r, id, theirs.Plain)
		if a.StatusCode != http.StatusNotFound || strings.Contains(a.Text, "Ledger sync") {
			t.Errorf("%s %s is %d for another tenant", r.Method, r.Path, a.StatusCode)
		}
	}
	if checked < 25 {
		t.Errorf("only %d routes take an id", checked)
	}
	for _, list := range []string{
		path.Webhooks, path.Webhooks + "?after=" + mine.webhook, path.Credentials, path.Activity,
		path.APIWebhooks, path.APIDeliveries, path.APIDeliveries + "?webhookId=" + mine.webhook, path.APIDeliveries + "?eventId=" + mine.event,
		path.APIDeliveries + "?deliveryId=" + mine.delivery, path.APIEvents, path.APIEvents + "?q=" + mine.event,
		path.APIActivity, path.APIResources("invitations"), path.APIResources("submissions"), path.APIResources("verifications"),
		path.APIResources("integrations"), path.Resources("submissions"), path.Resources("integrations"),
	} {
		a := second.Get(list, "X-API-Key", theirs.Plain)
		wantStatus(t, a, http.StatusOK)
		for _, id := range append([]string{mine.delivery, mine.key, mine.activity, publicURL, "Ledger sync"}, slices.Collect(maps.Values(mine.resources))...) {
			if strings.Contains(a.Text, id) {
				t.Errorf("%s tells another tenant of %s", list, id)
			}
		}
	}
	wantUnchanged(t, s, before)

	// The owner finds all of it by the same requests. Some delete the webhook, so each gets one of its own.
	for _, r := range web.Routes() {
		if !takesID(r) {
			continue
		}
		mine.webhook = makeWebhook(t, s, nil).ID.String()
		mine.resources[posthorn.KindIntegration] = makeResource(t, s, posthorn.KindIntegration, `{"uid":"u","provider":"p"}`)
		if a := ask(owner, r, mine.behind(r), s.Owner.APIKey); a.StatusCode == http.StatusNotFound {
			t.Errorf("%s %s is %d for its owner", r.Method, r.Path, a.StatusCode)
		}
	}
}

func TestMembersFindNoRouteOfWebhooks(t *testing.T) {
	t.Parallel()
	s, mine := withProperty(t)
	member := addMember(t, s)
	before := holdings(t, s)
	checked := 0
	for _, r := range web.Routes() {
		if r.Path != path.Webhooks && !strings.HasPrefix(r.Path, path.Webhooks+"/") {
			continue
		}
		checked++
		if a := ask(member, r, mine.behind(r), ""); a.StatusCode != http.StatusNotFound || strings.Contains(a.Text, "Ledger sync") {
			t.Errorf("%s %s is %d for a member", r.Method, r.Path, a.StatusCode)
		}
	}
	if checked < 25 {
		t.Errorf("only %d routes are about webhooks", checked)
	}
	wantUnchanged(t, s, before)
}

func TestAKeyReachesNothingBeyondItsScopes(t *testing.T) {
	t.Parallel()
	s, mine := withProperty(t)
	// For every scope a key that has all the others, and one that can only read.
	without := map[posthorn.Scope]string{}
	for _, scope := range posthorn.Scopes() {
		others := slices.DeleteFunc(posthorn.Scopes(), func(other posthorn.Scope) bool { return other == scope })
		without[scope] = makeKey(t, s, others...).Plain
	}
	reader := makeKey(t, s, posthorn.ScopeRead).Plain
	scopes := map[web.Access]posthorn.Scope{web.APIRead: posthorn.ScopeRead, web.APIWrite: posthorn.ScopeWrite, web.APIPublish: posthorn.ScopePublish}
	before := holdings(t, s)
	writes := 0
	for _, r := range web.Routes() {
		scope, ok := scopes[r.Access]
		if !ok {
			continue
		}
		keys := []string{without[scope]}
		if scope != posthorn.ScopeRead {
			keys = append(keys, reader)
			writes++
		}
		for _, key := range keys {
			a := ask(s.Client(), r, mine.behind(r), key)
			if sentence := checkAPIError(t, a, http.StatusForbidden, "forbidden"); !strings.Contains(sentence, string(scope)) {
				t.Errorf("%s %s: %q does not name the scope", r.Method, r.Path, sentence)
			}
		}
	}
	if writes < 8 {
		t.Errorf("only %d routes write", writes)
	}
	wantUnchanged(t, s, before)
}

func TestWhatIsNoIDIsNotFound(t *testing.T) {
	t.Parallel()
	s, mine := withProperty(t)
	owner := s.SignedIn()
	before := holdings(t, s)
	for _, r := range web.Routes() {
		if !takesID(r) {
			continue
		}
		good := mine.behind(r)
		prefix, digits, _ := strings.Cut(good, "_")
		for what, id := range map[string]string{
			"no prefix": digits, "prefix alone": prefix + "_", "another prefix": "x" + good, "of a tenant": s.Owner.TenantID.String(),
			"too short": good[:len(good)-1], "too long": good + "0", "beyond 128 bits": prefix + "_" + strings.Repeat("z", 22),
			"zero": prefix + "_" + strings.Repeat("0", 22), "upper case": strings.ToUpper(prefix) + "_" + digits, "with a space": good + " ",
			"with NUL": good + "\x00", "with a line": good + "\n", "quote": good[:len(good)-1] + "'", "not ASCII": prefix + "_" + strings.Repeat("é", 11),
			"a path": good + "/../" + good, "a UUID": "0190f1d2-0000-7000-8000-000000000000", "long": prefix + "_" + strings.Repeat("0", 2000),
			"markup": "<script>alert(1)</script>",
		} {
			a := ask(owner, r, id, s.Owner.APIKey)
			if a.StatusCode != http.StatusNotFound || strings.Contains(a.Text, "Ledger sync") {
				t.Errorf("%s %s: an id that is %s is %d", r.Method, r.Path, what, a.StatusCode)
			}
			if isAPI(r) { // JSON may repeat the id: nothing takes it for markup
				checkAPIError(t, a, http.StatusNotFound, "not_found")
				checkHeaders(t, r.Method+" "+r.Path, a.Header)
			} else if strings.Contains(a.Text, "<script>alert") {
				t.Errorf("%s %s has the id as markup", r.Method, r.Path)
			}
		}
	}
	wantUnchanged(t, s, before)
}

func TestAFormSentTenTimesAtOnceMakesOneWebhook(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	form := newForm(t, c)
	answers := make([]sitekit.Answer, 10)
	var work sync.WaitGroup
	for i := range answers {
		work.Go(func() { answers[i] = c.Post(path.Webhooks, form) })
	}
	work.Wait()
	id := posthorn.WebhookID(selectOne[[16]byte](t, s, `SELECT id FROM webhooks`)).String()
	secrets := 0
	for _, a := range answers {
		switch {
		case a.StatusCode == http.StatusOK && shownSecret.MatchString(a.Text):
			secrets++
		case shownSecret.MatchString(a.Text):
			t.Errorf("%d with a secret", a.StatusCode)
		default:
			wantRedirect(t, a, path.Webhook(id))
		}
	}
	if n := selectOne[int](t, s, `SELECT count(*)::int FROM signing_secrets WHERE webhook_id IS NOT NULL`); secrets != 1 || n != 1 {
		t.Errorf("%d answers show a secret, and there are %d", secrets, n)
	}
	if n := selectOne[int](t, s, `SELECT count(*)::int FROM audit_log WHERE action = 'webhook.created'`); n != 1 {
		t.Errorf("the audit log tells of %d", n)
	}
}

// make500 gives the first tenant of a site 500 webhooks and returns their names in order. Every fifth is inactive, every
// seventh listens to one category alone.
func make500(tb testing.TB, s *sitekit.Site) []string {
	tb.Helper()
	names := make([]string, 500)
	for i := range names {
		names[i] = fmt.Sprintf("Webhook %03d", i)
		in := posthorn.WebhookInput{
			Name: &names[i], URL: new(fmt.Sprintf("%s/%d", publicURL, i)), Events: &[]string{posthorn.SubscribeAll}, Active: new(i%5 != 0),
		}
		if i%7 == 0 {
			in.Events = &[]string{"aml.*"}
		}
		if _, err := s.Webhooks.Create(tb.Context(), posthorn.CommandLine(), s.Owner.TenantID, in, nil); err != nil {
			tb.Fatal(err)
		}
	}
	return names
}

func TestOneOf500WebhooksIsFoundAndEachIsListedOnce(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	names := make500(t, s)
	c := s.SignedIn()
	for query, want := range map[string][]string{
		"q=webhook+321": {"Webhook 321"}, "q=hooks/499": {"Webhook 499"}, "q=hooks/42&status=active": {"Webhook 042", "Webhook 421", "Webhook 422", "Webhook 423", "Webhook 424", "Webhook 426", "Webhook 427", "Webhook 428", "Webhook 429"},
		"q=Webhook+49&status=inactive&event=user.created": {"Webhook 495"}, "q=Webhook+500": {},
	} {
		if diff := cmp.Diff(want, webhookNames(t, c.Get(path.Webhooks+"?"+query))); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	for query, kept := range map[string]func(i int) bool{
		"": func(int) bool { return true }, "status=active": func(i int) bool { return i%5 != 0 },
		"event=user.created": func(i int) bool { return i%7 != 0 },
	} {
		var active, inactive, got []string
		for i, name := range names {
			switch {
			case !kept(i):
			case i%5 == 0:
				inactive = append(inactive, name)
			default:
				active = append(active, name)
			}
		}
		want := slices.Concat(active, inactive)
		pagesSeen := 0
		for target := path.Webhooks + "?" + query; target != ""; pagesSeen++ {
			page := c.Get(target)
			wantStatus(t, page, http.StatusOK)
			got = append(got, webhookNames(t, page)...)
			target = page.HTML(t).Find("[rel=next]").AttrOr("href", "")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q on %d pages: %s", query, pagesSeen, diff)
		}
	}
	var list struct{ Data []struct{ ID, Name string } }
	if err := json.Unmarshal([]byte(c.Get(path.APIWebhooks, "X-API-Key", s.Owner.APIKey).Text), &list); err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	for _, w := range list.Data {
		ids[w.ID] = w.Name
	}
	if diff := cmp.Diff(names, slices.Sorted(maps.Values(ids))); diff != "" || len(list.Data) != 500 {
		t.Errorf("the API lists %d: %s", len(list.Data), diff)
	}
}

// BenchmarkListOf500 measures whole requests for the list of a tenant with 500 webhooks, and how many times as long as the
// list of a tenant with one each of them takes.
func BenchmarkListOf500(b *testing.B) {
	s := sitekit.Start(b)
	c := s.SignedIn()
	one := sitekit.Start(b)
	if _, err := one.Webhooks.Create(b.Context(), posthorn.CommandLine(), one.Owner.TenantID, posthorn.WebhookInput{
		Name: new("Webhook"), URL: new(publicURL), Events: &[]string{posthorn.SubscribeAll},
	}, nil); err != nil {
		b.Fatal(err)
	}
	oneClient := one.SignedIn()
	make500(b, s)
	get := func(c *sitekit.Client, target string) time.Duration {
		start := time.Now()
		if a := c.Get(target); a.StatusCode != http.StatusOK {
			b.Fatalf("%s: %d", target, a.StatusCode)
		}
		return time.Since(start)
	}
	var single []time.Duration
	for range 30 {
		single = append(single, get(oneClient, path.Webhooks))
	}
	slices.Sort(single)
	for name, query := range map[string]string{
		"page": "", "filter": "status=active&event=user.created", "search": "q=webhook+3", "both": "q=webhook+3&status=active&event=user.created",
	} {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				took = append(took, get(c, path.Webhooks+"?"+query))
			}
			slices.Sort(took)
			middle := took[len(took)/2]
			b.ReportMetric(float64(middle.Microseconds())/1000, "ms/median")
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "ms/p95")
			b.ReportMetric(float64(middle)/float64(single[len(single)/2]), "x-one-webhook")
		})
	}
}
