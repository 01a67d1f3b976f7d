package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// signInCookie signs the owner in and returns the cookie alone, to be replayed.
func signInCookie(t *testing.T, s *sitekit.Site, headers ...string) string {
	t.Helper()
	c := setCookie(s.Client().Post(path.Login, signInForm(s), headers...))
	if c == nil {
		t.Fatal("not signed in")
	}
	return c.Name + "=" + c.Value
}

// lives says whether a cookie signs in.
func lives(t *testing.T, s *sitekit.Site, cookie string) bool {
	t.Helper()
	switch a := s.Client().Get(path.Activity, "Cookie", cookie); a.StatusCode {
	case http.StatusOK:
		return true
	case http.StatusSeeOther:
		return false
	default:
		t.Fatalf("%s: %d", cookie, a.StatusCode)
		return false
	}
}

func postAs(s *sitekit.Site, cookie, target string, form url.Values) sitekit.Answer {
	return s.Client().Post(target, form, "Cookie", cookie)
}

func TestEverySignInIsANewSession(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	first, second := signInCookie(t, s), signInCookie(t, s)
	if first == second || !lives(t, s, first) || !lives(t, s, second) {
		t.Error("two browsers share a session, or one lost its own")
	}
	// In the same browser the new session takes the place of the old one: what was planted there is worth nothing after.
	third := signInCookie(t, s, "Cookie", first)
	if third == first || lives(t, s, first) || !lives(t, s, third) || !lives(t, s, second) {
		t.Error("the old session goes on, or took another one with it")
	}
	if n := selectOne[int](t, s, `SELECT count(*) FROM sessions`); n != 2 {
		t.Errorf("%d sessions, want 2", n)
	}
	// A cookie of somebody's making does not become a session.
	if planted := signInCookie(t, s, "Cookie", sessionCookie+"=planted"); planted == sessionCookie+"=planted" {
		t.Error("the planted cookie was taken")
	}
}

func TestSigningInAsSomebodyElseChangesWhoIsSignedIn(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	s.CreateUser(posthorn.RoleMember, memberEmail, memberID)
	c := s.SignedIn()
	a := c.Post(path.Login, url.Values{"email": {memberEmail}, "password": {sitekit.UserPassword}})
	if a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d", a.StatusCode)
	}
	if who := text(c.Get(path.Activity).HTML(t).Find("nav#nav")); !strings.Contains(who, "Member") {
		t.Errorf("still signed in as %q", who)
	}
	// A failed attempt changes nothing.
	if a := c.Post(path.Login, signInForm(s, "password", "wrong")); a.StatusCode != http.StatusUnauthorized || setCookie(a) != nil {
		t.Errorf("%d", a.StatusCode)
	}
	if a := c.Get(path.Activity); a.StatusCode != http.StatusOK {
		t.Errorf("signed out by a failed attempt: %d", a.StatusCode)
	}
}

func TestACookieIsDeadAfterItsSessionEnded(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	const newPassword = "another good secret"
	for _, step := range []struct {
		name string
		end  func(here string) sitekit.Answer
		// keepsOthers and keepsThis say what the step leaves alone.
		keepsOthers, keepsThis bool
	}{
		{"sign out", func(here string) sitekit.Answer { return postAs(s, here, path.Logout, nil) }, true, false},
		{"sign out everywhere", func(here string) sitekit.Answer { return postAs(s, here, path.SignOutEverywhere, nil) }, false, true},
		{"new password", func(here string) sitekit.Answer {
			return postAs(s, here, path.SettingsPassword, url.Values{"current_password": {s.Owner.Password}, "new_password": {newPassword}})
		}, false, true},
	} {
		here, elsewhere := signInCookie(t, s), signInCookie(t, s)
		if a := step.end(here); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("%s: %d\n%s", step.name, a.StatusCode, a.Text)
		}
		if lives(t, s, here) != step.keepsThis || lives(t, s, elsewhere) != step.keepsOthers {
			t.Errorf("%s: this browser is signed in: %t, the other: %t", step.name, lives(t, s, here), lives(t, s, elsewhere))
		}
	}
	if a := s.Client().Post(path.Login, signInForm(s)); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("the old password: %d", a.StatusCode)
	}
	s.SignedInAs(s.Owner.Email, newPassword)
}

func TestSigningOutTakesTheCookieAway(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := setCookie(postAs(s, signInCookie(t, s), path.Logout, nil))
	if c == nil || c.Value != "" || c.MaxAge >= 0 || c.Path != "/" || !c.HttpOnly {
		t.Errorf("%v", c)
	}
}

func TestACookieThatWasTamperedWithIsNoSignIn(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	good := signInCookie(t, s)
	value := strings.TrimPrefix(good, sessionCookie+"=")
	flip := func(i int) string {
		b := []byte(value)
		if b[i]++; b[i] == 'z'+1 {
			b[i] = 'a'
		}
		return string(b)
	}
	for name, v := range map[string]string{
		"empty": "", "short": "x", "not base64": "%%%", "cut": value[:len(value)-4], "longer": value + "AAAA", "twice": value + value,
		"first": flip(0), "middle": flip(len(value) / 2), "end": flip(len(value) - 5), "huge": strings.Repeat("A", 8000), "high bytes": "\xff\xfe",
		"quoted": `"` + value[:10] + `"`,
	} {
		if lives(t, s, sessionCookie+"="+v) {
			t.Errorf("%s: signed in", name)
		}
	}
	if !lives(t, s, "other=1; "+good+"; "+sessionCookie+"=x") {
		t.Error("other cookies beside it confuse it")
	}
}

func TestASessionThatRanOutIsNoSignIn(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	cookie := signInCookie(t, s)
	selectRows[string](t, s, `UPDATE sessions SET expires_at = now() - interval '1 second' RETURNING 'over'`)
	if lives(t, s, cookie) {
		t.Error("it goes on")
	}
}

func TestASessionInUseLastsOnFromItsLastUse(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	cookie := signInCookie(t, s)
	selectRows[string](t, s, `UPDATE sessions SET created_at = created_at - interval '11 hours', last_seen_at = last_seen_at - interval '11 hours',
		expires_at = expires_at - interval '11 hours' RETURNING 'aged'`)
	if !lives(t, s, cookie) {
		t.Fatal("over after 11 of 12 hours")
	}
	if left := selectOne[float64](t, s, `SELECT extract(epoch FROM expires_at - now())::float8 / 3600 FROM sessions`); left < 11.9 {
		t.Errorf("it lasts %.1f hours more, want 12", left)
	}
}

func TestWhatWasSavedIsSaidOnceOnTheNextPage(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	if a := c.Post(path.SettingsProfile, url.Values{"name": {"Ana <b>Ruiz</b>"}}); a.StatusCode != http.StatusSeeOther {
		t.Fatal(a.StatusCode)
	}
	for _, want := range []string{"Your name is saved.", ""} {
		doc := c.Get(path.SettingsProfile).HTML(t)
		if got := text(doc.Find("#toasts .toast")); got != want {
			t.Errorf("it says %q, want %q", got, want)
		}
		if got := doc.Find("input[name=name]").AttrOr("value", ""); got != "Ana <b>Ruiz</b>" {
			t.Errorf("the name is %q", got)
		}
	}
}

func TestTheProfileSaysWhatIsWrongAndKeepsWhatWasTyped(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	for name, tc := range map[string]struct {
		target string
		form   url.Values
		faulty string
		want   string
	}{
		"no name":           {path.SettingsProfile, url.Values{"name": {" "}}, "name", "Name must not be empty."},
		"long name":         {path.SettingsProfile, url.Values{"name": {strings.Repeat("n", 101)}}, "name", "Name must be at most 100 characters long."},
		"no such theme":     {path.SettingsPreferences, url.Values{"theme": {"pink"}}, "theme", "Theme must be one of system, light and dark."},
		"no such zone":      {path.SettingsPreferences, url.Values{"theme": {"dark"}, "time_zone": {"Mars/Olympus"}}, "time_zone", "Time zone must be the name of a time zone, such as Europe/Madrid."},
		"wrong password":    {path.SettingsPassword, url.Values{"current_password": {"wrong"}, "new_password": {"another good secret"}}, "current_password", "Current password is wrong."},
		"short password":    {path.SettingsPassword, url.Values{"current_password": {s.Owner.Password}, "new_password": {"short"}}, "new_password", "New password must have at least 8 characters."},
		"the same password": {path.SettingsPassword, url.Values{"current_password": {s.Owner.Password}, "new_password": {s.Owner.Password}}, "new_password", "New password must differ from the current password."},
	} {
		a := c.Post(tc.target, tc.form)
		doc := a.HTML(t)
		if got := text(doc.Find("#" + tc.faulty + "-error")); a.StatusCode != http.StatusUnprocessableEntity || got != tc.want {
			t.Errorf("%s: %d %q", name, a.StatusCode, got)
		}
		if strings.Contains(tc.target, "password") && doc.Find("input[type=password][value!='']").Length() != 0 {
			t.Errorf("%s: a password came back", name)
		}
		if typed := tc.form.Get("name"); typed != "" && doc.Find("input[name=name]").AttrOr("value", "") != typed {
			t.Errorf("%s: what was typed is gone", name)
		}
	}
}

func TestThePreferencesAreKeptAndLeadBack(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	a := c.Post(path.SettingsPreferences, url.Values{"theme": {"dark"}, "time_zone": {"Asia/Tokyo"}})
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != path.SettingsProfile {
		t.Fatalf("%d to %q", a.StatusCode, a.Header.Get("Location"))
	}
	// The menu of the frame sends the theme alone, and where it was opened.
	for next, want := range map[string]string{"/activity?risk=high": "/activity?risk=high", "//evil.example": path.SettingsProfile} {
		a := c.Post(path.SettingsPreferences, url.Values{"theme": {"light"}, "next": {next}})
		if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != want {
			t.Errorf("%d to %q, want %q", a.StatusCode, a.Header.Get("Location"), want)
		}
	}
	doc := c.Get(path.SettingsProfile).HTML(t)
	if theme, zone := doc.Find("html").AttrOr("data-theme", ""), doc.Find("select[name=time_zone] option[selected]").AttrOr("value", ""); theme != "light" || zone != "Asia/Tokyo" {
		t.Errorf("theme %q, zone %q", theme, zone)
	}
}
