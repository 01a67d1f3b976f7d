package web_test

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/pages"
	"posthorn/views/path"
)

// shownLink is the path of the link that an answer shows.
func shownLink(t *testing.T, a sitekit.Answer) string {
	t.Helper()
	value, ok := a.HTML(t).Find(shownValue).Attr("value")
	u, err := url.Parse(value)
	if !ok || err != nil || u.Host == "" {
		t.Fatalf("no link is shown: %d %q, %v", a.StatusCode, value, err)
	}
	return u.Path
}

// invitation makes an invitation and returns the path of its link.
func invitation(t *testing.T, c *sitekit.Client, email string, role posthorn.Role) string {
	t.Helper()
	return shownLink(t, c.Post(path.SettingsInvitations, url.Values{posthorn.FieldEmail: {email}, posthorn.FieldRole: {string(role)}}))
}

// wantFault checks that a form came back with what is wrong at a field, and with what was typed.
func wantFault(t *testing.T, a sitekit.Answer, status int, field, fault, typed string) {
	t.Helper()
	doc := a.HTML(t)
	if got := text(doc.Find("#" + field + "-error")); a.StatusCode != status || !strings.Contains(got, fault) {
		t.Errorf("%d, and at %s %q, want %d and %q", a.StatusCode, field, got, status, fault)
	}
	if got, _ := doc.Find("input[name=" + field + "]").Attr("value"); got != typed {
		t.Errorf("the field %s has %q, want %q", field, got, typed)
	}
}

func TestAnInvitedPersonJoinsSignedIn(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner, guest := s.SignedIn(), s.Client()
	link := invitation(t, owner, "mei@example.com", posthorn.RoleAdmin)
	form := guest.Get(link)
	if email, _ := form.HTML(t).Find(field(posthorn.FieldEmail)).Attr("value"); form.StatusCode != http.StatusOK || email != "mei@example.com" {
		t.Errorf("%d, for %q", form.StatusCode, email)
	}
	if form.Header.Get("Cache-Control") != "no-store" {
		t.Error("the form may be kept in a cache")
	}
	wantFault(t, guest.Post(link, url.Values{posthorn.FieldName: {"Mei"}, posthorn.FieldPassword: {"short"}}),
		http.StatusUnprocessableEntity, posthorn.FieldPassword, "Password must have", "")
	joined := guest.Post(link, url.Values{posthorn.FieldName: {"Mei"}, posthorn.FieldPassword: {sitekit.UserPassword}})
	if joined.StatusCode != http.StatusSeeOther || joined.Header.Get("Location") != path.Home || setCookie(joined) == nil {
		t.Fatalf("%d to %s", joined.StatusCode, joined.Header.Get("Location"))
	}
	if a := guest.Get(path.Webhooks); a.StatusCode != http.StatusOK {
		t.Errorf("who joined gets %d", a.StatusCode)
	}
	for _, a := range []sitekit.Answer{s.Client().Get(link), s.Client().Post(link, url.Values{posthorn.FieldName: {"X"}, posthorn.FieldPassword: {sitekit.UserPassword}})} {
		if heading := text(a.HTML(t).Find("h1")); a.StatusCode != http.StatusGone || heading != "This invitation was used already" {
			t.Errorf("the link again: %d %q", a.StatusCode, heading)
		}
	}
	wantFault(t, owner.Post(path.SettingsInvitations, url.Values{posthorn.FieldEmail: {"mei@example.com"}, posthorn.FieldRole: {"member"}}),
		http.StatusConflict, posthorn.FieldEmail, "Email already belongs to a user.", "mei@example.com")
}

func TestALinkThatIsOverSaysWhy(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	revoked := invitation(t, owner, "mei@example.com", posthorn.RoleMember)
	action, _ := owner.Get(path.SettingsMembers).HTML(t).Find("#invitations form").Attr("action")
	if a := owner.Post(action, nil); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("revoke: %d", a.StatusCode)
	}
	if news := text(owner.Get(path.SettingsMembers).HTML(t).Find("#toasts .toast p")); !strings.Contains(news, "is revoked") {
		t.Errorf("the news is %q", news)
	}
	expired := invitation(t, owner, "mei@example.com", posthorn.RoleMember)
	selectOne[string](t, s, `UPDATE member_invitations SET expires_at = now() WHERE revoked_at IS NULL RETURNING email`)
	for link, want := range map[string]outcomeOfLink{
		revoked:           {http.StatusGone, "This invitation was revoked"},
		expired:           {http.StatusGone, "This invitation has expired"},
		path.Join("none"): {http.StatusNotFound, "This link is not valid"},
	} {
		a := s.Client().Get(link)
		if got := (outcomeOfLink{a.StatusCode, text(a.HTML(t).Find("h1"))}); got != want {
			t.Errorf("%s: %v, want %v", link, got, want)
		}
	}
}

// outcomeOfLink is a status and the heading of the page.
type outcomeOfLink struct {
	status  int
	heading string
}

func TestTooManyUnknownLinksAreRefused(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.Client()
	for i := range 60 {
		a := c.Get(path.Reset("guess" + strconv.Itoa(i)))
		if a.StatusCode == http.StatusTooManyRequests {
			if a.Header.Get("Retry-After") == "" || text(a.HTML(t).Find("h1")) != "Too many attempts" {
				t.Errorf("the answer is %v", a.Header)
			}
			return
		}
	}
	t.Error("sixty guesses are allowed")
}

func TestARoleHoldsFromTheNextRequestOn(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	m := s.CreateUser(posthorn.RoleAdmin, "mei@example.com", "clerk_mei")
	member := s.SignedInAs(m.Email, sitekit.UserPassword)
	page := path.SettingsMember(m.ID.String())
	form := url.Values{posthorn.FieldName: {"Mei Lin"}, posthorn.FieldRole: {"member"}, posthorn.FieldExternalID: {"clerk_mei"}}
	if a := member.Get(path.Webhooks); a.StatusCode != http.StatusOK {
		t.Errorf("an admin gets %d", a.StatusCode)
	}
	if a := owner.Post(page, form); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("save: %d\n%s", a.StatusCode, a.Text)
	}
	if a := member.Get(path.Webhooks); a.StatusCode != http.StatusNotFound {
		t.Errorf("a member gets %d", a.StatusCode)
	}
	form.Set(posthorn.FieldName, " ")
	wantFault(t, owner.Post(page, form), http.StatusUnprocessableEntity, posthorn.FieldName, "Name must not be empty.", " ")

	remove := path.SettingsMemberRemove(m.ID.String())
	wantFault(t, owner.Post(remove, url.Values{posthorn.FieldConfirm: {"Mei"}}), http.StatusUnprocessableEntity, posthorn.FieldConfirm, "must be the name", "Mei")
	if a := owner.Post(remove, url.Values{posthorn.FieldConfirm: {"Mei Lin"}}); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("remove: %d", a.StatusCode)
	}
	if a := member.Get(path.Activity); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), path.Login) {
		t.Errorf("who was removed gets %d", a.StatusCode)
	}
}

func TestTheLastOwnerStays(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	self := path.SettingsMember(s.Owner.UserID.String())
	a := owner.Post(self, url.Values{posthorn.FieldName: {"Owner"}, posthorn.FieldRole: {"admin"}})
	if a.StatusCode != http.StatusConflict || !strings.Contains(text(a.HTML(t).Find("[role=alert]")), "only owner") {
		t.Errorf("demote: %d %q", a.StatusCode, text(a.HTML(t).Find("[role=alert]")))
	}
	if a := owner.Post(path.SettingsMemberRemove(s.Owner.UserID.String()), url.Values{posthorn.FieldConfirm: {"Owner"}}); a.StatusCode != http.StatusConflict {
		t.Errorf("remove: %d", a.StatusCode)
	}
	s.CreateUser(posthorn.RoleOwner, "second@example.com", "")
	a = owner.Post(self, url.Values{posthorn.FieldName: {"Owner"}, posthorn.FieldRole: {"admin"}})
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != path.Settings {
		t.Errorf("one of two steps down: %d to %s", a.StatusCode, a.Header.Get("Location"))
	}
	if a := owner.Get(path.SettingsInvitationNew); a.StatusCode != http.StatusForbidden {
		t.Errorf("an admin is offered the form of owners: %d", a.StatusCode)
	}
	doc := owner.Get(path.SettingsMembers).HTML(t)
	if doc.Find("#members tbody tr").Length() != 2 || doc.Find("main a[href^='"+path.SettingsMembers+"/']").Length() != 0 {
		t.Error("an admin does not see the members, or is offered to change them")
	}
}

func TestAForgottenPasswordIsReplacedByALink(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	m := s.CreateUser(posthorn.RoleMember, "mei@example.com", "")
	member := s.SignedInAs(m.Email, sitekit.UserPassword)
	link := shownLink(t, owner.Post(path.SettingsMemberReset(m.ID.String()), nil))
	guest := s.Client()
	if email, _ := guest.Get(link).HTML(t).Find(field(posthorn.FieldEmail)).Attr("value"); email != m.Email {
		t.Errorf("the form is for %q", email)
	}
	wantFault(t, guest.Post(link, url.Values{posthorn.FieldNewPassword: {"short"}}), http.StatusUnprocessableEntity, posthorn.FieldNewPassword, "New password must have", "")
	const password = "an entirely new password"
	a := guest.Post(link, url.Values{posthorn.FieldNewPassword: {password}})
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != path.LoginAfterReset {
		t.Fatalf("%d to %s", a.StatusCode, a.Header.Get("Location"))
	}
	if news := text(guest.Get(path.LoginAfterReset).HTML(t).Find(".callout")); !strings.Contains(news, "Your password is set.") {
		t.Errorf("the sign-in says %q", news)
	}
	if a := member.Get(path.Activity); a.StatusCode != http.StatusSeeOther {
		t.Errorf("a session from before gets %d", a.StatusCode)
	}
	s.SignedInAs(m.Email, password)
	if a := guest.Get(link); a.StatusCode != http.StatusGone {
		t.Errorf("the link again: %d", a.StatusCode)
	}
}

func TestAnApplicationIsMadeAndEventsNameItAtOnceInEveryProcess(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	second := sitekit.Join(t, s)
	owner := s.SignedIn()
	publish := func(to *sitekit.Site) int {
		return to.Client().Do(http.MethodPost, path.APIEvents, strings.NewReader(`{"event":"submission.created","data":{},"applicationId":"shop"}`),
			"Authorization", "Bearer "+s.Owner.APIKey, "Content-Type", "application/json").StatusCode
	}
	if got := publish(second); got != http.StatusUnprocessableEntity {
		t.Fatalf("an application that is not there: %d", got)
	}
	form := url.Values{posthorn.FieldName: {"Web shop"}, posthorn.FieldExternalID: {"shop"}, pages.FieldFormKey: {"A"}}
	for range 2 {
		if a := owner.Post(path.SettingsApplications, form); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("create: %d\n%s", a.StatusCode, a.Text)
		}
	}
	for _, to := range []*sitekit.Site{s, second} {
		if got := publish(to); got != http.StatusAccepted {
			t.Errorf("publish to %s: %d", to.URL, got)
		}
	}
	rows := owner.Get(path.SettingsApplications).HTML(t).Find("#applications tbody tr")
	if rows.Length() != 1 {
		t.Errorf("a form that was sent twice made %d applications", rows.Length())
	}
	form.Set(pages.FieldFormKey, "B")
	wantFault(t, owner.Post(path.SettingsApplications, form), http.StatusConflict, posthorn.FieldExternalID, "already belongs to another application", "shop")
}

func TestTheAuditLogShowsWhatWasBeforeAndAfter(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	m := s.CreateUser(posthorn.RoleMember, "mei@example.com", "")
	form := url.Values{posthorn.FieldName: {"Mei <b>Lin</b>"}, posthorn.FieldRole: {"admin"}, posthorn.FieldExternalID: {""}}
	if a := owner.Post(path.SettingsMember(m.ID.String()), form); a.StatusCode != http.StatusSeeOther {
		t.Fatal(a.StatusCode)
	}
	find := func(query string) *goquery.Selection {
		t.Helper()
		return owner.Get(path.SettingsAudit + "?" + query).HTML(t).Find("#results tbody tr")
	}
	changed := find("action=" + string(posthorn.ActionUserUpdated))
	if changed.Length() != 1 || !containsAll(text(changed), "Member changed", "Before: Amara Okafor", "After: Mei <b>Lin</b>", "from 127.0.0.1", m.ID.String()) {
		t.Errorf("%d rows: %q", changed.Length(), text(changed))
	}
	if n := find("subject=" + m.ID.String()).Length(); n != 3 {
		t.Errorf("the member has %d entries, want one of the making and two of the change", n)
	}
	if n := find("actor=" + s.Owner.UserID.String()).Length(); n != 2 {
		t.Errorf("the owner made %d changes", n)
	}
	if none := owner.Get(path.SettingsAudit + "?q=wh_none").HTML(t); !strings.Contains(text(none.Find("#results")), "No entries match") {
		t.Error("a filter that nothing passes is not said")
	}
	if a := owner.Get(path.SettingsAudit+"?from=never", "HX-Request", "true", "HX-Target", "results"); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.Text, "From must be a date") {
		t.Errorf("a filter that cannot be understood: %d", a.StatusCode)
	}

	lines := owner.Get(path.SettingsAuditCSV + "?subject=" + m.ID.String())
	rows, err := csv.NewReader(strings.NewReader(lines.Text)).ReadAll()
	if err != nil || len(rows) != 4 || rows[1][5] != string(posthorn.ActionRoleChanged) || rows[1][7] != `{"role":"member"}` {
		t.Errorf("the CSV is %q, %v", rows, err)
	}
	var entry struct {
		Action  string
		ActorID string
		After   map[string]any
	}
	first, _, _ := strings.Cut(owner.Get(path.SettingsAuditNDJSON+"?subject="+m.ID.String()).Text, "\n")
	if err := json.Unmarshal([]byte(first), &entry); err != nil || entry.After["role"] != "admin" || entry.ActorID != s.Owner.UserID.String() {
		t.Errorf("the first line is %s, %v", first, err)
	}
}

func TestTheSettingsOfAnotherTenantAreNotThere(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	_, stranger := newTenant(t, s)
	m := s.CreateUser(posthorn.RoleMember, "mei@example.com", "")
	owner := s.SignedIn()
	owner.Post(path.SettingsApplications, url.Values{posthorn.FieldName: {"Shop"}})
	link, _ := owner.Get(path.SettingsApplications).HTML(t).Find("#applications a.row-link").Attr("href")
	for _, target := range []string{path.SettingsMember(m.ID.String()), path.SettingsMemberRemove(m.ID.String()), link, link + "/delete"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if a := stranger.Do(method, target, nil); a.StatusCode != http.StatusNotFound {
				t.Errorf("%s %s: %d", method, target, a.StatusCode)
			}
		}
	}
	for _, page := range []string{path.SettingsMembers, path.SettingsApplications, path.SettingsAudit} {
		if a := stranger.Get(page); strings.Contains(a.Text, m.ID.String()) || strings.Contains(a.Text, "Shop") || strings.Contains(a.Text, s.Owner.Email) {
			t.Errorf("%s shows what is another tenant's", page)
		}
	}
}

func TestLimitsAreSavedByOwnersAndSaidToAdmins(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	s.CreateUser(posthorn.RoleAdmin, "admin@example.com", "")
	admin := s.SignedInAs("admin@example.com", sitekit.UserPassword)
	wantFault(t, owner.Post(path.SettingsLimits, url.Values{posthorn.FieldAPIRate: {"many"}, posthorn.FieldPublishBurst: {"7"}}),
		http.StatusUnprocessableEntity, posthorn.FieldAPIRate, "must be a whole number", "many")
	if a := owner.Post(path.SettingsLimits, url.Values{posthorn.FieldAPIRate: {"1200"}, posthorn.FieldAPIBurst: {"60"}, posthorn.FieldPublishRate: {""}}); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("save: %d", a.StatusCode)
	}
	if got := text(admin.Get(path.SettingsLimits).HTML(t).Find("main dl")); !strings.Contains(got, "1,200 a minute, 60 at once") || !strings.Contains(got, "No limit") {
		t.Errorf("an admin reads %q", got)
	}
	if a := admin.Post(path.SettingsLimits, nil); a.StatusCode != http.StatusForbidden {
		t.Errorf("an admin saves: %d", a.StatusCode)
	}
	if n := owner.Get(path.SettingsAudit + "?action=" + string(posthorn.ActionLimitsUpdated)).HTML(t).Find("#results tbody tr").Length(); n != 1 {
		t.Errorf("%d entries", n)
	}
}
