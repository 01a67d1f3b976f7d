package web_test

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/go-cmp/cmp"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/pages"
	"posthorn/views/path"
)

// listedTypes are the names of the types on a page of the catalogue, in order.
func listedTypes(doc *goquery.Document) []string {
	return doc.Find("#results .row-link").Map(func(_ int, s *goquery.Selection) string { return text(s) })
}

func typeForm(fields map[string]string) url.Values {
	form := url.Values{
		posthorn.FieldEvent: {"payment.settled"}, posthorn.FieldDescription: {"A payment arrived."},
		posthorn.FieldSchema: {"{\r\n  \"required\": [\"amount\"]\r\n}"}, posthorn.FieldExample: {`{"amount":12.5}`},
		posthorn.FieldEnforcement: {"warn"},
	}
	for field, value := range fields {
		form.Set(field, value)
	}
	return form
}

func TestTheCatalogueListsEveryTypeByCategory(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	doc := owner.Get(path.EventCatalogue).HTML(t)
	var want []string
	for _, e := range posthorn.BuiltInEventTypes() {
		want = append(want, e.Event)
	}
	if got := listedTypes(doc); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("lists %v", got)
	}
	if got := text(doc.Find("#category-aml h2")); got != "AML" {
		t.Errorf("the category is called %q", got)
	}
	if got := doc.Find("nav#nav a[aria-current=page]"); text(got) != "Events" {
		t.Errorf("the sidebar marks %q", text(got))
	}
	for query, want := range map[string]string{
		"dismissed":                 "aml.match.dismissed",
		"AML  MATCH possible that":  "aml.match.found",
		"screened against PEP":      "aml.screening.completed",
		"hint":                      "action.hint_revealed",
		"nothing-has-this":          "",
		`<script>alert(1)</script>`: "",
	} {
		a := owner.Get(path.With(path.EventCatalogue, url.Values{"q": {query}}))
		doc := a.HTML(t)
		if got := strings.Join(listedTypes(doc), " "); got != want || a.StatusCode != http.StatusOK {
			t.Errorf("%q finds %q", query, got)
		}
		if got := doc.Find("#filter-text").AttrOr("value", ""); got != query {
			t.Errorf("the search field says %q, want %q", got, query)
		}
		fragment := owner.Get(path.With(path.EventCatalogue, url.Values{"q": {query}}), fragmentOf("results")...)
		part := fragment.HTML(t)
		if part.Find("#results").Length() != 1 || part.Find("nav").Length() != 0 || strings.Join(listedTypes(part), " ") != want {
			t.Errorf("the fragment of %q: %.200s", query, fragment.Text)
		}
	}
}

func TestATypesPageShowsWhatItIs(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	for _, e := range posthorn.BuiltInEventTypes() {
		a := owner.Get(path.EventType(e.Event))
		doc := a.HTML(t)
		if a.StatusCode != http.StatusOK || text(doc.Find("main h1")) != e.Event || !strings.Contains(text(doc.Find("main")), e.Description) {
			t.Errorf("%s: %d", e.Event, a.StatusCode)
		}
		for id, raw := range map[string][]byte{"#schema-code": e.Schema, "#example-code": e.Example} {
			if got := doc.Find(id).Text(); !sameDocument(t, got, string(raw)) {
				t.Errorf("%s %s shows %s", e.Event, id, got)
			}
			if doc.Find(id+" .k").Length() == 0 || doc.Find("[data-copy-from='"+id+"']").Length() != 1 {
				t.Errorf("%s %s is not coloured or cannot be copied", e.Event, id)
			}
		}
		if got := doc.Find("form[action$='/enforcement']").Length() == 1; got != posthorn.Publishable(e.Event) {
			t.Errorf("%s offers its enforcement: %t", e.Event, got)
		}
		if doc.Find("a[href$='/edit']").Length() != 0 {
			t.Errorf("%s can be edited", e.Event)
		}
	}
	for _, target := range []string{
		path.EventType("no.such"), path.EventType("nope"), path.EventTypeEdit("submission.created"), path.EventTypeEdit("no.such"), path.EventType("a.b%00"),
	} {
		if a := owner.Get(target); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", target, a.StatusCode)
		}
	}
	if a := owner.Post(path.EventTypeEdit("submission.created"), typeForm(nil)); a.StatusCode != http.StatusNotFound {
		t.Errorf("a built-in type is edited: %d", a.StatusCode)
	}
}

func sameDocument(t *testing.T, a, b string) bool {
	t.Helper()
	fold := func(s string) string {
		return strings.Join(strings.Fields(strings.NewReplacer(" ", "", "\n", "").Replace(s)), "")
	}
	return fold(a) == fold(b)
}

func TestTheEnforcementIsChangedByAForm(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	target := path.EventType("submission.created")
	checked := func() string {
		return owner.Get(target).HTML(t).Find("input[name=enforcement][checked]").AttrOr("value", "")
	}
	if got := checked(); got != "warn" {
		t.Errorf("at first %q", got)
	}
	a := owner.Post(path.EventTypeEnforcement("submission.created"), url.Values{"enforcement": {"reject"}})
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != target {
		t.Fatalf("%d to %q", a.StatusCode, a.Header.Get("Location"))
	}
	if page := owner.Get(target).HTML(t); text(page.Find("#toasts")) != "The enforcement is saved." {
		t.Errorf("says %q", text(page.Find("#toasts")))
	}
	if got := checked(); got != "reject" {
		t.Errorf("then %q", got)
	}
	a = owner.Post(path.EventTypeEnforcement("submission.created"), url.Values{"enforcement": {"strict"}})
	if doc := a.HTML(t); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(text(doc.Find("#enforcement-error")), "must be one of off, warn and reject") {
		t.Errorf("%d %q", a.StatusCode, text(doc.Find("main")))
	}
	if a := owner.Post(path.EventTypeEnforcement("no.such"), url.Values{"enforcement": {"off"}}); a.StatusCode != http.StatusNotFound {
		t.Errorf("of nothing: %d", a.StatusCode)
	}
	if !selectOne[bool](t, s, `SELECT actor_id IS NOT NULL AND address <> '' AND before::text = '{"enforcement":"warn"}' FROM audit_log WHERE action = 'event_type.updated'`) {
		t.Error("the audit log does not say who changed what")
	}
}

func TestATypeIsAddedAndEditedByForms(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	if doc := owner.Get(path.EventTypeNew).HTML(t); doc.Find("form[method=post][action='/events/catalogue']").Length() != 1 || doc.Find("#event[autofocus]").Length() != 1 {
		t.Error("no form")
	}
	a := owner.Post(path.EventCatalogue, typeForm(nil))
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != path.EventType("payment.settled") {
		t.Fatalf("%d to %q\n%s", a.StatusCode, a.Header.Get("Location"), a.Text)
	}
	page := owner.Get(path.EventType("payment.settled")).HTML(t)
	if text(page.Find("#toasts")) != "payment.settled is in the catalogue." || page.Find("a[href='/events/catalogue/payment.settled/edit']").Length() != 1 {
		t.Errorf("page %q", text(page.Find("main")))
	}
	list := owner.Get(path.EventCatalogue + "?q=payment.settled").HTML(t)
	if strings.Join(listedTypes(list), " ") != "payment.settled" || text(list.Find("#category-payment h2")) != "Payment" || text(list.Find("#results .chip")) != "yours" {
		t.Errorf("list %q", text(list.Find("#results")))
	}
	form := owner.Get(path.EventTypeEdit("payment.settled")).HTML(t)
	if got := form.Find("#schema").Text(); strings.TrimPrefix(got, "\n") != "{\n  \"required\": [\"amount\"]\n}" {
		t.Errorf("the schema comes back as %q", got)
	}
	seen := form.Find("input[name=seen]").AttrOr("value", "")
	edit := typeForm(map[string]string{pages.FieldSeen: seen, posthorn.FieldDescription: "Money came.", posthorn.FieldSchema: " "})
	if a := owner.Post(path.EventTypeEdit("payment.settled"), edit); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d %s", a.StatusCode, a.Text)
	}
	if got := selectOne[string](t, s, `SELECT description || schema::text FROM event_types`); got != "Money came.{}" {
		t.Errorf("stored %s", got)
	}
}

func TestAnEditOfAnOldEventTypeShowsBoth(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	target := path.EventTypeEdit("payment.settled")
	wantRedirect(t, owner.Post(path.EventCatalogue, typeForm(nil)), path.EventType("payment.settled"))
	open := func() url.Values { return filled(t, owner.Get(target).HTML(t), "#event-type-form") }
	mine, theirs := open(), open()
	theirs.Set(posthorn.FieldDescription, "Money came.")
	theirs.Set(posthorn.FieldSchema, `{"required": ["amount", "currency"]}`)
	theirs.Set(posthorn.FieldExample, `{"amount":12.5,"currency":"EUR"}`)
	wantRedirect(t, owner.Post(target, theirs), path.EventType("payment.settled"))
	// Who makes the same change, laid out otherwise, has nothing to decide.
	same := maps.Clone(theirs)
	same.Set(pages.FieldSeen, mine.Get(pages.FieldSeen))
	same.Set(posthorn.FieldExample, "{\r\n \"amount\": 12.5, \"currency\": \"EUR\"}")
	wantRedirect(t, owner.Post(target, same), path.EventType("payment.settled"))

	// A form that does not say what it was made from was made from what is not there either.
	var again url.Values
	for _, seen := range []string{"", "yesterday", mine.Get(pages.FieldSeen)} {
		mine.Set(pages.FieldSeen, seen)
		mine.Set(posthorn.FieldDescription, "Mine.")
		mine.Set(posthorn.FieldEnforcement, "reject")
		a := owner.Post(target, mine)
		wantStatus(t, a, http.StatusConflict)
		page := a.HTML(t)
		alert := page.Find("main [role=alert]")
		if got := text(alert.Find("h2")); !strings.HasPrefix(got, "Not saved: somebody else changed this event type at ") {
			t.Errorf("seen %q: the alert says %q", seen, got)
		}
		want := map[string][]string{
			"Description":            {"Money came.", "Mine."},
			"JSON Schema of data":    {`"required": ["amount", "currency"]`, `"required": ["amount"]`},
			"Example of data":        {`"amount": 12.5, "currency": "EUR"`, `"amount": 12.5`},
			"When data does not fit": {"Warn", "Reject"},
		}
		if diff := cmp.Diff(want, differences(alert)); diff != "" {
			t.Errorf("seen %q: %s", seen, diff)
		}
		if page.Find("#event-type-form[data-guard][data-dirty]").Length() != 1 || alert.Find("button[form=event-type-form]").Length() != 1 {
			t.Errorf("seen %q: the form is not guarded, or cannot be saved from the alert", seen)
		}
		again = filled(t, page, "#event-type-form")
	}
	wantRedirect(t, owner.Post(target, again), path.EventType("payment.settled"))
	if got := selectOne[string](t, s, `SELECT description || ' ' || enforcement || ' ' || (schema->'required')::text FROM event_types`); got != `Mine. reject ["amount"]` {
		t.Errorf("mine was not saved over theirs: %s", got)
	}
}

func TestAFormOfATypeComesBackWithItsTextAndItsErrors(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	if a := owner.Post(path.EventCatalogue, typeForm(nil)); a.StatusCode != http.StatusSeeOther {
		t.Fatal(a.StatusCode)
	}
	for _, test := range []struct {
		field, value, says string
		status             int
	}{
		{"event", "Payment Settled", "Event must be two or more words of lower-case letters, digits and underscores, joined by dots, such as payment.settled.", 422},
		{"event", "webhook.mine", "Event must not begin with webhook.: Posthorn alone makes such events.", 422},
		{"event", "payment.settled", "Event is in the catalogue already.", 409},
		{"event", "submission.created", "Event is in the catalogue already.", 409},
		{"event", "", "Event must not be empty.", 422},
		{"description", " ", "Description must not be empty.", 422},
		{"schema", "{\n\"a\": }", "Schema must be valid JSON: line 2, invalid character '}' looking for beginning of value.", 422},
		{"schema", `{"type":"<b>"}`, "Schema must be a JSON Schema: /type must fit one of the alternatives.", 422},
		{"schema", `{"$ref":"https://evil.example/x"}`, "Schema must not refer to other documents, as it does to https://evil.example/x.", 422},
		{"example", "", "Example must not be empty.", 422},
		{"example", `{"b":"<b>"}`, "Example must fit the schema: /amount is required.", 422},
		{"enforcement", "strict", "Enforcement must be one of off, warn and reject.", 422},
	} {
		form := typeForm(map[string]string{posthorn.FieldEvent: "payment.refunded", test.field: test.value})
		a := owner.Post(path.EventCatalogue, form)
		doc := a.HTML(t)
		if got := text(doc.Find("#" + test.field + "-error")); a.StatusCode != test.status || got != test.says {
			t.Errorf("%s %q: %d %q, want %q", test.field, test.value, a.StatusCode, got, test.says)
		}
		for _, field := range []string{posthorn.FieldDescription, posthorn.FieldSchema, posthorn.FieldExample} {
			want := strings.ReplaceAll(form.Get(field), "\r\n", "\n")
			if got := strings.TrimPrefix(doc.Find("#"+field).Text(), "\n"); got != want {
				t.Errorf("%s %q: %s is %q, want %q", test.field, test.value, field, got, want)
			}
		}
		if got := doc.Find("#event").AttrOr("value", ""); got != form.Get("event") {
			t.Errorf("%s %q: the event is %q", test.field, test.value, got)
		}
	}
	if n := selectOne[int](t, s, `SELECT count(*) FROM event_types`); n != 1 {
		t.Errorf("%d types", n)
	}
}

func TestTheCatalogueIsForAdminsOfItsTenant(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner, member := s.SignedIn(), addMember(t, s)
	_, second := newTenant(t, s)
	s.CreateUser(posthorn.RoleAdmin, "admin@posthorn.example", "")
	admin := s.SignedInAs("admin@posthorn.example", sitekit.UserPassword)
	if a := owner.Post(path.EventCatalogue, typeForm(nil)); a.StatusCode != http.StatusSeeOther {
		t.Fatal(a.StatusCode)
	}
	own := []string{path.EventType("payment.settled"), path.EventTypeEdit("payment.settled")}
	for _, target := range append(own, path.EventCatalogue, path.EventTypeNew, path.EventType("submission.created")) {
		if a := admin.Get(target); a.StatusCode != http.StatusOK {
			t.Errorf("admin: %s is %d", target, a.StatusCode)
		}
		if a := member.Get(target); a.StatusCode != http.StatusNotFound {
			t.Errorf("member: %s is %d", target, a.StatusCode)
		}
		if a := s.Client().Get(target); a.StatusCode != http.StatusSeeOther {
			t.Errorf("stranger: %s is %d", target, a.StatusCode)
		}
	}
	for _, target := range own {
		if a := second.Get(target); a.StatusCode != http.StatusNotFound {
			t.Errorf("another tenant: %s is %d", target, a.StatusCode)
		}
	}
	for who, test := range map[string]struct {
		client *sitekit.Client
		want   int
	}{"member": {member, 404}, "stranger": {s.Client(), 401}, "another tenant": {second, 404}} {
		for _, target := range []string{path.EventTypeEdit("payment.settled"), path.EventTypeEnforcement("payment.settled")} {
			if a := test.client.Post(target, typeForm(nil)); a.StatusCode != test.want {
				t.Errorf("%s posts to %s: %d", who, target, a.StatusCode)
			}
		}
	}
	if a := member.Post(path.EventCatalogue, typeForm(map[string]string{"event": "a.b"})); a.StatusCode != http.StatusNotFound {
		t.Errorf("a member adds a type: %d", a.StatusCode)
	}
	if got := listedTypes(second.Get(path.EventCatalogue + "?q=payment").HTML(t)); len(got) != 0 {
		t.Errorf("another tenant lists %v", got)
	}
	if member.Get(path.Activity).HTML(t).Find("nav#nav a[href='/events/catalogue']").Length() != 0 {
		t.Error("a member is offered the catalogue")
	}
	cross := owner.Post(path.EventCatalogue, typeForm(map[string]string{"event": "a.b"}), "Sec-Fetch-Site", "cross-site")
	if cross.StatusCode != http.StatusForbidden {
		t.Errorf("from another site: %d", cross.StatusCode)
	}
	if n := selectOne[int](t, s, `SELECT count(*) FROM event_types`); n != 1 {
		t.Errorf("%d types", n)
	}
}

// catalogueVisits exercise the pages of the catalogue. A built-in type has no form.
func catalogueVisits() []visit {
	const get, post, event = http.MethodGet, http.MethodPost, "submission.created"
	return []visit{
		adminVisit(get, path.EventCatalogue, path.EventCatalogue, fine),
		adminVisit(post, path.EventCatalogue, path.EventCatalogue, wrong),
		adminVisit(get, path.EventTypeNew, path.EventTypeNew, fine),
		adminVisit(get, path.EventType(event), path.EventType(":event"), fine),
		adminVisit(get, path.EventTypeEdit(event), path.EventTypeEdit(":event"), missing),
		adminVisit(post, path.EventTypeEdit(event), path.EventTypeEdit(":event"), missing),
		adminVisit(post, path.EventTypeEnforcement(event), path.EventTypeEnforcement(":event"), wrong),
	}
}
