package web_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/static"
	"posthorn/views/path"
	"posthorn/web"
)

// outcome is a status and, for a redirect, where it leads.
type outcome struct {
	status int
	to     string
}

// visit is one request and what becomes of it by who asks.
type visit struct {
	method, target string
	// route is the row of the route table that it exercises.
	route                   string
	stranger, member, owner outcome
}

var (
	fine     = outcome{status: http.StatusOK}
	wrong    = outcome{status: http.StatusUnprocessableEntity}
	refused  = outcome{status: http.StatusUnauthorized}
	conflict = outcome{status: http.StatusConflict}
	missing  = outcome{status: http.StatusNotFound}
)

func goes(to string) outcome { return outcome{http.StatusSeeOther, to} }

func asked(next string) outcome { return goes(path.Login + "?next=" + url.QueryEscape(next)) }

// visits exercises every route; signing out comes last. The record is the member's.
func visits(record string) []visit {
	const get, post = http.MethodGet, http.MethodPost
	here, onPage := path.ActivityRecord(record), path.ActivityRecordPage(record)
	all := []visit{
		{get, path.Healthz, path.Healthz, fine, fine, fine},
		{get, path.Readyz, path.Readyz, fine, fine, fine},
		{get, path.Metrics, path.Metrics, fine, fine, fine},
		{get, static.URL("app.css"), path.Static + "*", fine, fine, fine},
		{post, path.IngestActivity, path.IngestActivity, refused, refused, refused},
		{get, path.Docs, path.Docs, fine, fine, fine},
		{get, path.DocsGroup("webhooks"), path.DocsGroup(":group"), fine, fine, fine},
		{get, path.DocsGroup("nope"), path.DocsGroup(":group"), missing, missing, missing},
		{get, path.OpenAPI, path.OpenAPI, fine, fine, fine},
		{get, path.APIOpenAPI, path.APIOpenAPI, fine, fine, fine},
		{get, path.APIDocs, path.APIDocs, goes(path.Docs), goes(path.Docs), goes(path.Docs)},
		{get, path.Setup, path.Setup, conflict, goes(path.Home), goes(path.Home)},
		{post, path.Setup, path.Setup, conflict, conflict, conflict},
		{get, path.Login, path.Login, fine, goes(path.Home), goes(path.Home)},
		{get, path.LoginThen(path.Activity), path.Login, fine, goes(path.Activity), goes(path.Activity)},
		{get, path.Login + "?next=//evil.example", path.Login, fine, goes(path.Home), goes(path.Home)},
		{post, path.Login, path.Login, wrong, wrong, wrong},
		{get, path.Home, path.Home, goes(path.Login), goes(path.Activity), fine},
		{get, path.Home + "?range=7d", path.Home, asked("/?range=7d"), goes(path.Activity), fine},
		{get, path.Search + "?q=0xa", path.Search, asked(path.Search + "?q=0xa"), goes(path.Activity + "?q=0xa"), goes(path.Activity + "?q=0xa")},
		{get, path.Search + "?q=" + record + "%0A", path.Search, asked(path.Search + "?q=" + record + "%0A"), goes(here), goes(here)},
	}
	for route, target := range map[string]string{
		path.Search: path.Search, path.Activity: path.Activity, path.ActivityNew: path.ActivityNew, path.ActivityStream: path.ActivityStream,
		path.ActivityExportCSV: path.ActivityExportCSV, path.ActivityExportNDJSON: path.ActivityExportNDJSON,
		path.ActivityRecord(":id"): here, path.ActivityRecordPage(":id"): onPage, path.SettingsProfile: path.SettingsProfile,
	} {
		all = append(all, visit{get, target, route, asked(target), fine, fine})
	}
	all = append(all, credentialVisits()...)
	all = append(all, webhookVisits()...)
	all = append(all, replayVisits()...)
	all = append(all, apiVisits()...)
	all = append(all, catalogueVisits()...)
	all = append(all, eventVisits()...)
	all = append(all, settingsVisits()...)
	all = append(all, resourceVisits()...)
	return append(all,
		visit{post, path.SettingsProfile, path.SettingsProfile, refused, wrong, wrong},
		visit{post, path.SettingsPassword, path.SettingsPassword, refused, wrong, wrong},
		visit{post, path.SettingsPreferences, path.SettingsPreferences, refused, wrong, wrong},
		visit{post, path.SignOutEverywhere, path.SignOutEverywhere, refused, goes(path.SettingsProfile), goes(path.SettingsProfile)},
		visit{post, path.Logout, path.Logout, refused, goes(path.Login), goes(path.Login)},
	)
}

// adminVisit is a visit of a page that does not exist for members.
func adminVisit(method, target, route string, owner outcome) visit {
	v := visit{method: method, target: target, route: route, stranger: asked(target), member: missing, owner: owner}
	if method != http.MethodGet {
		v.stranger = refused
	}
	return v
}

// credentialVisits exercise the pages around API keys and the API secret. That of the site was shown when it was made.
func credentialVisits() []visit {
	const get, post = http.MethodGet, http.MethodPost
	return []visit{
		adminVisit(get, path.Credentials, path.Credentials, fine),
		adminVisit(get, path.APIKeyNew, path.APIKeyNew, fine),
		adminVisit(get, path.APIKeys, path.APIKeys, goes(path.Credentials)),
		adminVisit(post, path.APIKeys, path.APIKeys, wrong),
		adminVisit(get, path.APIKeyRevoke("key_1"), path.APIKeyRevoke(":id"), missing),
		adminVisit(post, path.APIKeyRevoke("key_1"), path.APIKeyRevoke(":id"), missing),
		adminVisit(get, path.APISecretReveal, path.APISecretReveal, goes(path.Credentials)),
		adminVisit(post, path.APISecretReveal, path.APISecretReveal, conflict),
		adminVisit(get, path.APISecretRotate, path.APISecretRotate, fine),
		adminVisit(post, path.APISecretRotate, path.APISecretRotate, wrong),
		adminVisit(post, path.APISecretRetireOld, path.APISecretRetireOld, goes(path.Credentials)),
	}
}

// settingsVisits exercise the settings of the organisation, and the links that they make. Who and what is named there is nobody.
func settingsVisits() []visit {
	const get, post = http.MethodGet, http.MethodPost
	user, app, invitation := posthorn.UserID{15: 1}.String(), posthorn.ApplicationID{15: 1}.String(), posthorn.MemberInvitationID{15: 1}.String()
	all := []visit{
		{get, path.Settings, path.Settings, asked(path.Settings), goes(path.SettingsProfile), goes(path.SettingsMembers)},
		{get, path.Join("nobodys"), path.Join(":token"), missing, missing, missing},
		{post, path.Join("nobodys"), path.Join(":token"), missing, missing, missing},
		{get, path.Reset("nobodys"), path.Reset(":token"), missing, missing, missing},
		{post, path.Reset("nobodys"), path.Reset(":token"), missing, missing, missing},
		adminVisit(get, path.SettingsInvitations, path.SettingsInvitations, goes(path.SettingsMembers)),
		adminVisit(post, path.SettingsInvitations, path.SettingsInvitations, wrong),
		adminVisit(post, path.SettingsInvitationRevoke(invitation), path.SettingsInvitationRevoke(":id"), missing),
		adminVisit(post, path.SettingsApplications, path.SettingsApplications, wrong),
		adminVisit(post, path.SettingsLimits, path.SettingsLimits, goes(path.SettingsLimits)),
		adminVisit(get, path.SettingsAudit+"?from=never", path.SettingsAudit, wrong),
	}
	for _, page := range []string{
		path.SettingsMembers, path.SettingsInvitationNew, path.SettingsApplications, path.SettingsApplicationNew, path.SettingsKeys, path.SettingsAudit,
		path.SettingsAuditCSV, path.SettingsAuditNDJSON, path.SettingsLimits,
	} {
		all = append(all, adminVisit(get, page, page, fine))
	}
	for _, method := range []string{get, post} {
		for _, page := range []func(string) string{path.SettingsMember, path.SettingsMemberReset, path.SettingsMemberRemove} {
			all = append(all, adminVisit(method, page(user), page(":id"), missing))
		}
		for _, page := range []func(string) string{path.SettingsApplication, path.SettingsApplicationDelete} {
			all = append(all, adminVisit(method, page(app), page(":id"), missing))
		}
	}
	return all
}

// webhookVisits exercise the pages around webhooks. Of those about one webhook the id is nobody's.
func webhookVisits() []visit {
	const get, post = http.MethodGet, http.MethodPost
	all := []visit{
		adminVisit(get, path.Webhooks, path.Webhooks, fine),
		adminVisit(get, path.Webhooks+"?status=broken", path.Webhooks, wrong),
		adminVisit(post, path.Webhooks, path.Webhooks, wrong),
		adminVisit(get, path.WebhookNew, path.WebhookNew, fine),
		adminVisit(post, path.WebhookNewHeaders, path.WebhookNewHeaders, fine),
		adminVisit(get, path.DeliveryLog+"?statusCode=600", path.DeliveryLog, wrong),
	}
	for _, page := range []string{
		path.DeliveryLog, path.DeliveryLogNew, path.DeliveryLogRows, path.DeliveryLogStream, path.DeliveryLogExportCSV, path.DeliveryLogExportNDJSON,
	} {
		all = append(all, adminVisit(get, page, page, fine))
	}
	nobodys := posthorn.WebhookID{15: 1}.String()
	for _, page := range []func(id string) string{
		path.Webhook, path.WebhookSettings, path.WebhookLog, path.WebhookDeactivate, path.WebhookDelete, path.WebhookRotateSecret,
	} {
		all = append(all, adminVisit(get, page(nobodys), page(":id"), missing))
	}
	nobodysDelivery := posthorn.DeliveryID{15: 1}.String()
	for _, page := range []func(id string) string{
		path.Delivery, path.DeliveryNews, path.DeliveryBody, path.DeliveryReplay, path.DeliveryStop,
	} {
		all = append(all, adminVisit(get, page(nobodysDelivery), page(":id"), missing))
	}
	for _, action := range []func(id string) string{path.DeliveryReplay, path.DeliveryStop} {
		all = append(all, adminVisit(post, action(nobodysDelivery), action(":id"), missing))
	}
	for _, action := range []func(id string) string{
		path.WebhookSettings, path.WebhookSettingsHeaders, path.WebhookActivate, path.WebhookDeactivate, path.WebhookDuplicate,
		path.WebhookDelete, path.WebhookRotateSecret, path.WebhookRetireSecrets,
	} {
		all = append(all, adminVisit(post, action(nobodys), action(":id"), missing))
	}
	return all
}

// replayVisits exercise the pages of bulk replays. Those about one replay or webhook are nobody's.
func replayVisits() []visit {
	const get, post = http.MethodGet, http.MethodPost
	nobodys, hook := posthorn.ReplayID{15: 1}.String(), posthorn.WebhookID{15: 1}.String()
	return []visit{
		adminVisit(get, path.DeliveryLogReplay, path.DeliveryLogReplay, fine),
		adminVisit(post, path.DeliveryLogReplay, path.DeliveryLogReplay, wrong),
		adminVisit(get, path.Attention, path.Attention, fine),
		adminVisit(get, path.Replays, path.Replays, fine),
		adminVisit(get, path.Replay(nobodys), path.Replay(":id"), missing),
		adminVisit(post, path.ReplayCancel(nobodys), path.ReplayCancel(":id"), missing),
		adminVisit(get, path.WebhookMissed(hook), path.WebhookMissed(":id"), missing),
		adminVisit(post, path.WebhookMissed(hook), path.WebhookMissed(":id"), missing),
	}
}

// apiVisits call every route of the API without a key: a session is none.
func apiVisits() []visit {
	var all []visit
	for _, r := range web.Routes() {
		if r.Access == web.APIRead || r.Access == web.APIWrite || r.Access == web.APIPublish {
			all = append(all, visit{r.Method, strings.ReplaceAll(r.Path, ":", ""), r.Path, refused, refused, refused})
		}
	}
	return all
}

func TestEveryRouteAnswersByWhoAsks(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	record := s.PostActivity(map[string]any{"userId": memberID})
	all := visits(record)
	for name, role := range map[string]struct {
		client *sitekit.Client
		want   func(visit) outcome
	}{
		"stranger": {s.Client(), func(v visit) outcome { return v.stranger }},
		"member":   {addMember(t, s), func(v visit) outcome { return v.member }},
		"owner":    {s.SignedIn(), func(v visit) outcome { return v.owner }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, v := range all {
				methods := []string{v.method}
				if v.method == http.MethodGet {
					methods = append(methods, http.MethodHead)
				}
				for _, method := range methods {
					res := role.client.Open(method, v.target, nil)
					if got := (outcome{res.StatusCode, res.Header.Get("Location")}); got != role.want(v) {
						t.Errorf("%s %s: %v, want %v", method, v.target, got, role.want(v))
					}
					_ = res.Body.Close()
				}
			}
		})
	}
}

func TestTheVisitsCoverTheRouteTable(t *testing.T) {
	t.Parallel()
	visited, hidden := map[string]bool{}, map[string]bool{}
	for _, v := range visits("act_1") {
		visited[v.method+" "+v.route] = true
		hidden[v.method+" "+v.route] = v.member == missing
	}
	for _, r := range web.Routes() {
		if !visited[r.Method+" "+r.Path] {
			t.Errorf("%s %s is visited by no test", r.Method, r.Path)
		}
		if (r.Access == web.Admin || r.Access == web.Owner) && visited[r.Method+" "+r.Path] && !hidden[r.Method+" "+r.Path] {
			t.Errorf("%s %s is for admins: say so in the visits", r.Method, r.Path)
		}
		delete(visited, r.Method+" "+r.Path)
	}
	for name := range visited {
		t.Errorf("%s is visited and is no route", name)
	}
}

// Whatever package path can name must be there, so each of its names must stand for an address that is visited.
func TestEveryNameOfPackagePathResolves(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, source := range []string{"path.go", "settings.go", "deliveries.go", "docs.go", "resources.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), "../views/path/"+source, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for name := range file.Scope.Objects {
			names[name] = true
		}
	}
	addresses := map[string]string{
		"Home": path.Home, "Login": path.Login, "Logout": path.Logout, "Setup": path.Setup, "Search": path.Search, "Activity": path.Activity,
		"ActivityNew": path.ActivityNew, "ActivityStream": path.ActivityStream, "ActivityExportCSV": path.ActivityExportCSV,
		"ActivityExportNDJSON": path.ActivityExportNDJSON, "SettingsProfile": path.SettingsProfile, "SettingsPassword": path.SettingsPassword,
		"SettingsPreferences": path.SettingsPreferences, "SignOutEverywhere": path.SignOutEverywhere, "Static": static.URL("app.js"),
		"IngestActivity": path.IngestActivity, "Healthz": path.Healthz, "Readyz": path.Readyz, "LoginThen": path.LoginThen(path.Activity),
		"EventCatalogue": path.EventCatalogue, "EventTypeNew": path.EventTypeNew, "APIEventTypes": path.APIEventTypes,
		"EventType": path.EventType("submission.created"), "EventTypeEdit": path.EventTypeEdit("submission.created"),
		"EventTypeEnforcement": path.EventTypeEnforcement("submission.created"),
		"ActivityRecord":       path.ActivityRecord(posthorn.ActivityID{}.String()), "ActivityRecordPage": path.ActivityRecordPage(posthorn.ActivityID{}.String()),
		"Credentials": path.Credentials, "APIKeys": path.APIKeys, "APIKeyNew": path.APIKeyNew, "APIKeyRevoke": path.APIKeyRevoke("key_1"),
		"APISecretReveal": path.APISecretReveal, "APISecretRotate": path.APISecretRotate, "APISecretRetireOld": path.APISecretRetireOld,
		"Webhooks": path.Webhooks, "WebhookNew": path.WebhookNew, "WebhookNewHeaders": path.WebhookNewHeaders, "Webhook": path.Webhook("wh_1"),
		"WebhookSettings": path.WebhookSettings("wh_1"), "WebhookSettingsHeaders": path.WebhookSettingsHeaders("wh_1"),
		"WebhookActivate": path.WebhookActivate("wh_1"), "WebhookDeactivate": path.WebhookDeactivate("wh_1"),
		"WebhookDuplicate": path.WebhookDuplicate("wh_1"), "WebhookDelete": path.WebhookDelete("wh_1"),
		"WebhookRotateSecret": path.WebhookRotateSecret("wh_1"), "WebhookRetireSecrets": path.WebhookRetireSecrets("wh_1"),
		"API": path.API + "event-types", "APIWebhooks": path.APIWebhooks, "APIDeliveries": path.APIDeliveries, "APIEvents": path.APIEvents,
		"Metrics":     path.Metrics,
		"DeliveryLog": path.DeliveryLog, "DeliveryLogNew": path.DeliveryLogNew, "DeliveryLogRows": path.DeliveryLogRows,
		"DeliveryLogStream": path.DeliveryLogStream, "DeliveryLogExportCSV": path.DeliveryLogExportCSV,
		"DeliveryLogExportNDJSON": path.DeliveryLogExportNDJSON, "DeliveryLogReplay": path.DeliveryLogReplay,
		"WebhookLog": path.WebhookLog("wh_1"), "WebhookTest": path.WebhookTest("wh_1"), "WebhookMissed": path.WebhookMissed("wh_1"),
		"Events": path.Events, "EventNew": path.EventNew, "EventNews": path.EventNews, "EventStream": path.EventStream, "Event": path.Event("evt_1"), "Delivery": path.Delivery("whd_1"),
		"DeliveryAttempt": path.DeliveryAttempt("whd_1", 1), "DeliveryNews": path.DeliveryNews("whd_1"), "DeliveryBody": path.DeliveryBody("whd_1"),
		"DeliveryReplay": path.DeliveryReplay("whd_1"), "DeliveryStop": path.DeliveryStop("whd_1"), "Attention": path.Attention,
		"Replays": path.Replays, "Replay": path.Replay("rpl_1"), "ReplayCancel": path.ReplayCancel("rpl_1"),
		"Docs": path.Docs, "DocsGroup": path.DocsGroup("webhooks"), "OpenAPI": path.OpenAPI, "APIDocs": path.APIDocs, "APIOpenAPI": path.APIOpenAPI,
		"APIActivity": path.APIActivity, "Resources": path.Resources("submissions"), "Resource": path.Resource("submissions", "sub_1"),
		"APIResources": path.APIResources("submissions"), "APIScreenings": path.APIScreenings("sub_1"),
		"Settings": path.Settings, "SettingsMembers": path.SettingsMembers, "SettingsInvitations": path.SettingsInvitations,
		"SettingsInvitationNew": path.SettingsInvitationNew, "SettingsInvitationRevoke": path.SettingsInvitationRevoke("join_1"),
		"SettingsMember": path.SettingsMember("user_1"), "SettingsMemberReset": path.SettingsMemberReset("user_1"),
		"SettingsMemberRemove": path.SettingsMemberRemove("user_1"), "SettingsApplications": path.SettingsApplications,
		"SettingsApplicationNew": path.SettingsApplicationNew, "SettingsApplication": path.SettingsApplication("app_1"),
		"SettingsApplicationDelete": path.SettingsApplicationDelete("app_1"), "SettingsKeys": path.SettingsKeys, "SettingsAudit": path.SettingsAudit,
		"SettingsAuditCSV": path.SettingsAuditCSV, "SettingsAuditNDJSON": path.SettingsAuditNDJSON, "SettingsLimits": path.SettingsLimits,
		"LoginAfterReset": path.LoginAfterReset, "Join": path.Join("token"), "Reset": path.Reset("token"),
		"With": path.With(path.Activity, url.Values{"q": {"a"}}),
	}
	s := sitekit.Start(t)
	for name := range names {
		target, known := addresses[name]
		switch {
		case !ast.IsExported(name) || name == "Local": // Local makes no address
			continue
		case !known:
			t.Errorf("path.%s is new: say here what address it makes", name)
			continue
		}
		// OPTIONS has no route, so that the answer lists the methods that have one.
		a := s.Client().Do(http.MethodOptions, target, nil)
		if a.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("path.%s, %s: %d, want a 405 that lists the methods of a route", name, target, a.StatusCode)
		}
	}
}

func TestAnUnknownPageIs404InTheFrameOfTheReader(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	stranger, member := s.Client(), addMember(t, s)
	for _, target := range []string{"/nope", "/activity/", "/ACTIVITY", "/activity/act_1/page/x", "//activity", "/activity/act_1", "/activity/%00", "/activity/..%2fx"} {
		a := member.Get(target)
		doc := a.HTML(t)
		if a.StatusCode != http.StatusNotFound || doc.Find("nav#nav a[href='/activity']").Length() != 1 {
			t.Errorf("%s: %d, and the frame is the member's: %t", target, a.StatusCode, doc.Find("nav#nav").Length() == 1)
		}
		if doc.Find("main a[href='/']").Length() == 0 {
			t.Errorf("%s shows no way out", target)
		}
		if doc.Find("nav#nav a[href='/']").Length() != 0 {
			t.Errorf("%s offers a member the overview", target)
		}
	}
	if a := member.Get("/static/app.css"); a.StatusCode != http.StatusNotFound {
		t.Errorf("an asset without its hash: %d", a.StatusCode)
	}
	a := stranger.Get("/nope")
	if doc := a.HTML(t); a.StatusCode != http.StatusNotFound || doc.Find("nav#nav").Length() != 0 || text(doc.Find("h1")) != "Not found" {
		t.Errorf("a stranger gets %d %q", a.StatusCode, text(doc.Find("body")))
	}
	a = stranger.Get("/api/nope")
	if a.StatusCode != http.StatusNotFound || a.Text != `{"error":"This page does not exist or is not in this tenant.","code":"not_found"}` {
		t.Errorf("a program gets %d %s", a.StatusCode, a.Text)
	}
}

func TestAWrongMethodIs405AndSaysWhichAreRight(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	for _, v := range []struct {
		method, target string
		allow          []string
	}{
		{http.MethodDelete, path.Activity, []string{http.MethodGet, http.MethodHead}},
		{http.MethodPost, path.Home, []string{http.MethodGet, http.MethodHead}},
		{http.MethodGet, path.Logout, []string{http.MethodPost}},
		{http.MethodPut, path.Login, []string{http.MethodGet, http.MethodHead, http.MethodPost}},
		{http.MethodPatch, path.ActivityRecord("act_1"), []string{http.MethodGet, http.MethodHead}},
	} {
		a := owner.Do(v.method, v.target, nil)
		allow := strings.Split(a.Header.Get("Allow"), ", ")
		slices.Sort(allow)
		if a.StatusCode != http.StatusMethodNotAllowed || !slices.Equal(allow, v.allow) {
			t.Errorf("%s %s: %d, allow %v, want %v", v.method, v.target, a.StatusCode, allow, v.allow)
		}
		if a.HTML(t).Find("nav#nav").Length() != 1 {
			t.Errorf("%s %s has not the owner's frame", v.method, v.target)
		}
	}
}

func TestASiteWithoutATenantLeadsToTheSetup(t *testing.T) {
	t.Parallel()
	s := startUnowned(t)
	for _, target := range []string{path.Home, path.Activity, path.Login, path.SettingsProfile} {
		if a := s.Client().Get(target); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != path.Setup {
			t.Errorf("%s: %d to %q", target, a.StatusCode, a.Header.Get("Location"))
		}
	}
	if a := s.Client().Get(path.Readyz); a.StatusCode != http.StatusOK {
		t.Errorf("not ready: %s", a.Text)
	}
	if a := s.Ingest(body(t, nil)); a.StatusCode != http.StatusInternalServerError || a.Text != `{"error":"Failed to record activity"}` {
		t.Errorf("a record for nobody: %d %s", a.StatusCode, a.Text)
	}
}
