package web_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// keyForm opens the form of a new key and fills it in; fields replace or add to it.
func keyForm(t *testing.T, c *sitekit.Client, fields url.Values) url.Values {
	t.Helper()
	a := c.Get(path.APIKeyNew)
	formKey := a.HTML(t).Find("form[action='"+path.APIKeys+"'] input[type=hidden][name=form_key]").AttrOr("value", "")
	if a.StatusCode != http.StatusOK || len(formKey) < 20 {
		t.Fatalf("%d, form key %q", a.StatusCode, formKey)
	}
	form := url.Values{"form_key": {formKey}, "name": {"Risk dashboard"}, "scopes": {"read", "publish"}, "expires_at": {""}}
	maps.Copy(form, fields)
	return form
}

// shown is what an answer shows once, empty for nothing.
func shown(t *testing.T, a sitekit.Answer) string {
	t.Helper()
	return a.HTML(t).Find("[data-replace-url='"+path.Credentials+"'] input[readonly]").AttrOr("value", "")
}

func TestANewKeyIsShownOnceAndWorks(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	form := keyForm(t, owner, nil)
	a := owner.Post(path.APIKeys, form)
	key := shown(t, a)
	if a.StatusCode != http.StatusOK || !strings.HasPrefix(key, "ph_live_") || strings.Count(a.Text, key) != 1 || a.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d, key %q, %v", a.StatusCode, key, a.Header)
	}
	doc := a.HTML(t)
	checkHeaders(t, "the answer that shows the key", a.Header)
	checkInert(t, "the answer that shows the key", doc)
	done := doc.Find("form[method=get][action='" + path.Credentials + "']")
	if done.Find("input[type=checkbox][required]:not([name])").Length() != 1 || text(done.Find("label")) != "I have stored this key" {
		t.Errorf("done: %q", text(done))
	}
	if got := text(doc.Find("#shown-title")); got != "API key “Risk dashboard” created" {
		t.Errorf("title %q", got)
	}
	k, err := s.Accounts.VerifyAPIKey(t.Context(), key)
	if err != nil || k.Name != "Risk dashboard" || !k.Has(posthorn.ScopePublish) || k.Has(posthorn.ScopeWrite) || k.CreatedBy != s.Owner.UserID {
		t.Errorf("%+v, %v", k, err)
	}
	// A reload sends the form again.
	again := owner.Post(path.APIKeys, form)
	if again.StatusCode != http.StatusSeeOther || again.Header.Get("Location") != path.Credentials || strings.Contains(again.Text, key) {
		t.Errorf("sent again: %d to %q", again.StatusCode, again.Header.Get("Location"))
	}
	page := owner.Get(path.Credentials)
	if got := text(page.HTML(t).Find("#toasts")); !strings.Contains(got, "Risk dashboard was created already, its key was shown once.") {
		t.Errorf("flash %q", got)
	}
	if strings.Contains(page.Text, key) || shown(t, page) != "" {
		t.Error("the key is shown again")
	}
	row := page.HTML(t).Find("#api-keys tbody tr").First()
	if got := text(row); !containsAll(got, "Risk dashboard", k.Prefix+"••••", "••••"+k.LastFour, "read", "publish", "Active", "Never") {
		t.Errorf("row %q", got)
	}
	if n := selectOne[int](t, s, `SELECT count(*)::int FROM api_keys`); n != 2 {
		t.Errorf("%d keys", n)
	}
}

func TestAFormSentTwentyTimesAtOnceMakesOneKeyAndShowsItOnce(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	form := keyForm(t, owner, nil)
	answers := make([]sitekit.Answer, 20)
	var work sync.WaitGroup
	for i := range answers {
		work.Go(func() { answers[i] = owner.Post(path.APIKeys, form) })
	}
	work.Wait()
	keys := 0
	for _, a := range answers {
		switch {
		case a.StatusCode == http.StatusOK && shown(t, a) != "":
			keys++
		case a.StatusCode != http.StatusSeeOther || strings.Contains(a.Text, "ph_live_"):
			t.Errorf("%d %s", a.StatusCode, a.Text)
		}
	}
	if n := selectOne[int](t, s, `SELECT count(*)::int FROM api_keys`); keys != 1 || n != 2 {
		t.Errorf("shown %d times, %d keys", keys, n)
	}
}

func TestAKeyEndsWhenItsFormSays(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	day := time.Now().UTC().AddDate(0, 1, 0)
	end := time.Date(day.Year(), day.Month(), day.Day()+1, 0, 0, 0, 0, time.UTC)
	for name, v := range map[string]struct {
		choice, day string
		want        time.Time
		fault       string
	}{
		"never":           {"", "2020-01-01", time.Time{}, ""},
		"in 90 days":      {"90", "", time.Now().AddDate(0, 0, 90), ""},
		"on a day":        {"date", day.Format(time.DateOnly), end, ""},
		"on no day":       {"date", "", time.Time{}, "Expiry must be a date within ten years"},
		"in the past":     {"date", "2020-01-01", time.Time{}, "Expiry must lie in the future."},
		"beyond all days": {"date", "9999-01-01", time.Time{}, "Expiry must be a date within ten years"},
		"on nonsense":     {"date", "31.12.2027", time.Time{}, "Expiry must be a date within ten years"},
		"another choice":  {"-1", "", time.Time{}, "Expiry must be one of the choices."},
	} {
		form := keyForm(t, owner, url.Values{"name": {name}, "expires_at": {v.choice}, "expires_on": {v.day}})
		a := owner.Post(path.APIKeys, form)
		if v.fault != "" {
			doc := a.HTML(t)
			if got := text(doc.Find("#expires_at-error")); a.StatusCode != http.StatusUnprocessableEntity || !strings.HasPrefix(got, v.fault) {
				t.Errorf("%s: %d %q", name, a.StatusCode, got)
			}
			if doc.Find("input[name=name]").AttrOr("value", "") != name || doc.Find("input[name=scopes][checked]").Length() != 2 ||
				doc.Find("input[name=form_key]").AttrOr("value", "") != form.Get("form_key") || doc.Find("input[name=expires_on]").AttrOr("value", "") != v.day {
				t.Errorf("%s: what was typed is gone", name)
			}
			continue
		}
		k, err := s.Accounts.VerifyAPIKey(t.Context(), shown(t, a))
		if err != nil || k.ExpiresAt.IsZero() != v.want.IsZero() || k.ExpiresAt.Sub(v.want).Abs() > time.Minute {
			t.Errorf("%s: %s, %v, want %s", name, k.ExpiresAt, err, v.want)
		}
	}
	bad := owner.Post(path.APIKeys, keyForm(t, owner, url.Values{"name": {" "}, "scopes": {}}))
	doc := bad.HTML(t)
	if bad.StatusCode != http.StatusUnprocessableEntity || text(doc.Find("#name-error")) != "Name must not be empty." || !strings.HasPrefix(text(doc.Find("#scopes-error")), "Scopes must be") {
		t.Errorf("%d %q", bad.StatusCode, text(doc.Find("main")))
	}
}

func TestAnAdminSeesTheKeysAndOnlyAnOwnerChangesThem(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	s.CreateUser(posthorn.RoleAdmin, "admin@posthorn.example", "")
	admin, member := s.SignedInAs("admin@posthorn.example", sitekit.UserPassword), addMember(t, s)
	k := makeKey(t, s, posthorn.ScopeRead)
	revoke := path.APIKeyRevoke(k.ID.String())
	for who, c := range map[string]*sitekit.Client{"owner": s.SignedIn(), "admin": admin} {
		doc := c.Get(path.Credentials).HTML(t)
		links := doc.Find("#api-keys a[href='" + path.APIKeyNew + "'], #api-keys a[href='" + revoke + "']").Length()
		if doc.Find("#api-keys tbody tr").Length() != 2 || (links > 0) != (who == "owner") {
			t.Errorf("%s: %d rows, %d links", who, doc.Find("#api-keys tbody tr").Length(), links)
		}
		if doc.Find("#api-secret a[href='"+path.APISecretRotate+"']").Length() != 1 {
			t.Errorf("%s cannot rotate the API secret", who)
		}
	}
	for _, target := range []string{path.APIKeyNew, revoke} {
		if a := admin.Get(target); a.StatusCode != http.StatusForbidden || !strings.Contains(text(a.HTML(t).Find("main")), "Only owners") {
			t.Errorf("admin, %s: %d", target, a.StatusCode)
		}
	}
	for _, target := range []string{path.APIKeys, revoke} {
		if a := admin.Post(target, url.Values{"name": {"X"}, "scopes": {"read"}, "confirm": {"CI"}}); a.StatusCode != http.StatusForbidden {
			t.Errorf("admin, %s: %d", target, a.StatusCode)
		}
	}
	for _, target := range []string{path.Credentials, path.APIKeyNew, revoke, path.APISecretRotate} {
		if a := member.Get(target); a.StatusCode != http.StatusNotFound {
			t.Errorf("member, %s: %d", target, a.StatusCode)
		}
	}
	for _, target := range []string{path.APIKeys, revoke, path.APISecretReveal, path.APISecretRotate, path.APISecretRetireOld} {
		if a := member.Post(target, url.Values{"name": {"X"}, "scopes": {"read"}, "overlapSeconds": {"0"}}); a.StatusCode != http.StatusNotFound {
			t.Errorf("member, %s: %d", target, a.StatusCode)
		}
	}
	if n := selectOne[int](t, s, `SELECT count(*)::int FROM api_keys WHERE revoked_at IS NULL`); n != 2 {
		t.Errorf("%d live keys", n)
	}
}

func TestAKeyIsRevokedAfterAQuestionThatNamesTheConsequence(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	_, stranger := newTenant(t, s)
	idle, busy := makeKey(t, s, posthorn.ScopeRead), makeKey(t, s, posthorn.ScopeRead)
	selectRows[string](t, s, `UPDATE api_keys SET last_used_at = now() - interval '8 days 1 hour' WHERE id = $1 RETURNING name`, idle.ID.UUID())
	selectRows[string](t, s, `UPDATE api_keys SET last_used_at = now() - interval '3 hours 1 minute' WHERE id = $1 RETURNING name`, busy.ID.UUID())

	ask, askBusy := path.APIKeyRevoke(idle.ID.String()), path.APIKeyRevoke(busy.ID.String())
	page := owner.Get(ask).HTML(t).Find("main")
	if got := text(page); !containsAll(got, "Revoke CI?", "Last used 8 days ago. Calls with this key fail at once.", "Keep key") || page.Find("input[name=confirm]").Length() != 0 {
		t.Errorf("page %q", got)
	}
	if got := text(owner.Get(askBusy).HTML(t).Find("main")); !containsAll(got, "Last used 3 hours ago.", "Type CI to confirm") {
		t.Errorf("page %q", got)
	}
	for _, a := range []sitekit.Answer{stranger.Get(ask), stranger.Post(ask, nil), owner.Get(path.APIKeyRevoke("key_1")), owner.Post(path.APIKeyRevoke("key_1"), nil)} {
		if a.StatusCode != http.StatusNotFound {
			t.Errorf("%s %s: %d", a.Request.Method, a.Request.URL.Path, a.StatusCode)
		}
	}
	for _, typed := range []string{"", "ci"} {
		a := owner.Post(askBusy, url.Values{"confirm": {typed}})
		if a.StatusCode != http.StatusUnprocessableEntity || a.HTML(t).Find("input[name=confirm][aria-invalid]").AttrOr("value", "-") != typed {
			t.Errorf("typed %q: %d", typed, a.StatusCode)
		}
	}
	for target, form := range map[string]url.Values{ask: nil, askBusy: {"confirm": {"CI"}}} {
		for range 2 { // the second changes nothing
			if a := owner.Post(target, form); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != path.Credentials {
				t.Errorf("%s: %d", target, a.StatusCode)
			}
		}
	}
	badges := owner.Get(path.Credentials).HTML(t).Find("#api-keys tbody .badge-neutral")
	if badges.Length() != 2 || text(badges.First()) != "Revoked" {
		t.Errorf("badges %q", text(badges))
	}
	for _, key := range []string{idle.Plain, busy.Plain} {
		checkAPIError(t, s.Client().Get(path.APIEventTypes, "X-API-Key", key), http.StatusUnauthorized, "unauthorized")
	}
	if n := selectOne[int](t, s, `SELECT count(*)::int FROM audit_log WHERE action = 'api_key.revoked'`); n != 2 {
		t.Errorf("%d entries", n)
	}
	if a := owner.Get(ask); a.StatusCode != http.StatusSeeOther {
		t.Errorf("asks to revoke again: %d", a.StatusCode)
	}
}

func TestTheAPISecretIsShownToOneOfTwentyWhoAskAtOnce(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	_, owner := newTenant(t, s)
	if got := text(owner.Get(path.Credentials).HTML(t).Find("#api-secret")); !containsAll(got, "Show", "Not yet. It can be shown once.") {
		t.Errorf("before: %q", got)
	}
	answers := make([]sitekit.Answer, 20)
	var work sync.WaitGroup
	for i := range answers {
		work.Go(func() { answers[i] = owner.Post(path.APISecretReveal, nil) })
	}
	work.Wait()
	seen := ""
	for _, a := range answers {
		secret := shown(t, a)
		switch {
		case a.StatusCode == http.StatusOK && strings.HasPrefix(secret, "whsec_") && seen == "" && a.Header.Get("Cache-Control") == "no-store":
			seen = secret
		case a.StatusCode != http.StatusConflict || secret != "" || !strings.Contains(a.Text, "was shown already"):
			t.Errorf("%d, %q", a.StatusCode, secret)
		}
	}
	if seen == "" {
		t.Fatal("nobody saw it")
	}
	page := owner.Get(path.Credentials)
	card := page.HTML(t).Find("#api-secret")
	if strings.Contains(page.Text, seen) || card.Find("form[action='"+path.APISecretReveal+"']").Length() != 0 ||
		!strings.Contains(text(card), "whsec_••••••••"+strings.TrimRight(seen, "=")[len(strings.TrimRight(seen, "="))-4:]) {
		t.Errorf("after: %q", text(card))
	}
	if n := selectOne[int](t, s, `SELECT count(*)::int FROM audit_log WHERE action = 'api_secret.revealed' AND tenant_id <> $1`, s.Owner.TenantID.UUID()); n != 1 {
		t.Errorf("%d entries", n)
	}
}

func rotateForm(t *testing.T, c *sitekit.Client, overlap, own string) url.Values {
	t.Helper()
	doc := c.Get(path.APISecretRotate).HTML(t)
	if got := doc.Find("select[name=overlapSeconds] option[selected]").AttrOr("value", ""); got != "86400" {
		t.Errorf("default overlap %q", got)
	}
	return url.Values{"form_key": {doc.Find("input[name=form_key]").AttrOr("value", "")}, "overlapSeconds": {overlap}, "secret": {own}}
}

func TestTheAPISecretIsRotatedWithAnOverlapThatCanBeEnded(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	form := rotateForm(t, owner, "3600", "")
	a := owner.Post(path.APISecretRotate, form)
	secret := shown(t, a)
	if a.StatusCode != http.StatusOK || !strings.HasPrefix(secret, "whsec_") || secret == s.Owner.APISecret || a.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d, %q", a.StatusCode, secret)
	}
	if again := owner.Post(path.APISecretRotate, form); again.StatusCode != http.StatusSeeOther || again.Header.Get("Location") != path.Credentials {
		t.Errorf("sent again: %d", again.StatusCode)
	}
	page := owner.Get(path.Credentials)
	old := strings.TrimRight(s.Owner.APISecret, "=")
	if got := text(page.HTML(t).Find("#api-secret .callout")); !strings.Contains(got, "The secret ending in "+old[len(old)-4:]+" signs until ") || strings.Contains(page.Text, secret) {
		t.Errorf("callout %q", got)
	}
	if got := text(page.HTML(t).Find("#api-secret dl")); !containsAll(got, " by Owner", " · Rotate it to get a new one.") {
		t.Errorf("facts %q", got)
	}
	if a := owner.Post(path.APISecretRetireOld, nil); a.StatusCode != http.StatusSeeOther {
		t.Errorf("retire: %d", a.StatusCode)
	}
	if doc := owner.Get(path.Credentials).HTML(t); doc.Find("#api-secret .callout").Length() != 0 || !strings.Contains(text(doc.Find("#toasts")), "new secret from now on") {
		t.Errorf("still signing: %q", text(doc.Find("#api-secret")))
	}
	if n := selectOne[int](t, s, `SELECT count(*)::int FROM signing_secrets`); n != 1 {
		t.Errorf("%d secrets", n)
	}
}

func TestAWrongRotationSaysWhatIsWrongAndKeepsWhatWasTyped(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	const own = "an own secret that is too long for what it has to do, which is to sign deliveries"
	for _, v := range []struct{ overlap, own, at string }{
		{"3600", own, "#secret-error"},
		{"3600", "short", "#secret-error"},
		{"604801", "", "#overlapSeconds-error"},
		{"-1", "", "#overlapSeconds-error"},
		{"x", "", "#overlapSeconds-error"},
		{"99999999999999999999", "", "#overlapSeconds-error"},
		{"", "", "#overlapSeconds-error"},
	} {
		a := owner.Post(path.APISecretRotate, rotateForm(t, owner, v.overlap, v.own))
		doc := a.HTML(t)
		if a.StatusCode != http.StatusUnprocessableEntity || text(doc.Find(v.at)) == "" {
			t.Errorf("%q, %q: %d %q", v.overlap, v.own, a.StatusCode, text(doc.Find(v.at)))
		}
		if kept := doc.Find("input[name=secret][type=password]"); kept.AttrOr("value", "-") != v.own || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%q, %q: the secret came back as %q, Cache-Control %q", v.overlap, v.own, kept.AttrOr("value", "-"), a.Header.Get("Cache-Control"))
		}
	}
	fine := owner.Post(path.APISecretRotate, rotateForm(t, owner, "604801", "an own secret of the integrator"))
	if got := fine.HTML(t).Find("input[name=secret]").AttrOr("value", "-"); got != "an own secret of the integrator" {
		t.Errorf("a wrong overlap leaves the secret %q", got)
	}
	for i := range posthorn.MaxLiveSecrets {
		a := owner.Post(path.APISecretRotate, rotateForm(t, owner, "3600", fmt.Sprintf("an own secret of the integrator %d", i)))
		if i < posthorn.MaxLiveSecrets-1 {
			if a.StatusCode != http.StatusOK {
				t.Errorf("rotation %d: %d", i+1, a.StatusCode)
			}
			continue
		}
		if a.StatusCode != http.StatusConflict || !strings.Contains(text(a.HTML(t).Find("main [role=alert]")), "Retire the old secrets first") {
			t.Errorf("%d %q", a.StatusCode, text(a.HTML(t).Find("main")))
		}
	}
	if a := owner.Post(path.APISecretRotate, rotateForm(t, owner, "0", "")); a.StatusCode != http.StatusOK || !strings.Contains(text(a.HTML(t).Find("main")), "The old one has ended.") {
		t.Errorf("at once: %d", a.StatusCode)
	}
}

func TestASecretWhoseEndWasNeverNotedIsShownByDotsAlone(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	selectRows[string](t, s, `UPDATE signing_secrets SET last_four = '', created_by = '' RETURNING last_four`)
	owner := s.SignedIn()
	if got := text(owner.Get(path.Credentials).HTML(t).Find("#api-secret dd").First()); got != "whsec_••••••••" {
		t.Errorf("%q", got)
	}
}
