package web_test

import (
	"net/http"
	"net/url"
	"sync"
	"testing"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// startUnowned runs a site in production, where nobody is made up.
func startUnowned(t *testing.T, variables ...string) *sitekit.Site {
	t.Helper()
	return sitekit.Start(t, append([]string{
		"POSTHORN_ENV=production", "POSTHORN_SECRET_KEY=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
	}, variables...)...)
}

func setupForm() url.Values {
	return url.Values{
		posthorn.FieldTenant: {"Acme <Compliance>"}, posthorn.FieldName: {"Ana Ruiz"}, posthorn.FieldEmail: {"ana@acme.example"},
		posthorn.FieldPassword: {"a long enough secret"},
	}
}

func TestSetupSaysWhatIsWrongWithEachFieldAndKeepsWhatWasTyped(t *testing.T) {
	t.Parallel()
	s := startUnowned(t)
	for name, tc := range map[string]struct{ field, value, want string }{
		"no organisation":   {posthorn.FieldTenant, " ", "Organisation must not be empty."},
		"two lines":         {posthorn.FieldTenant, "a\nb", "Organisation must be plain text in one line."},
		"no email":          {posthorn.FieldEmail, "", "Email must not be empty."},
		"not an email":      {posthorn.FieldEmail, "ana", "Email must be one plain address, such as ana@example.com."},
		"short password":    {posthorn.FieldPassword, "short", "Password must have at least 8 characters."},
		"common password":   {posthorn.FieldPassword, "password1", "Password is one of the most common passwords, choose another."},
		"email as password": {posthorn.FieldPassword, "ana@acme.example", "Password must not be the email address."},
		"not text":          {posthorn.FieldName, "\xff", "Name must be plain text in one line."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			form := setupForm()
			form.Set(tc.field, tc.value)
			c := s.Client()
			a := c.Post(path.Setup, form)
			doc := a.HTML(t)
			if got := text(doc.Find("#" + tc.field + "-error")); a.StatusCode != http.StatusUnprocessableEntity || got != tc.want {
				t.Errorf("%d %q, want %q", a.StatusCode, got, tc.want)
			}
			if doc.Find("[aria-invalid]").Length() != 1 || setCookie(a) != nil {
				t.Error("another field is marked, or somebody is signed in")
			}
			for _, field := range []string{posthorn.FieldTenant, posthorn.FieldName, posthorn.FieldEmail} {
				if got := doc.Find("input[name="+field+"]").AttrOr("value", ""); field != tc.field && got != form.Get(field) {
					t.Errorf("%s came back as %q", field, got)
				}
			}
			if got := doc.Find("input[name=password]").AttrOr("value", ""); got != "" {
				t.Errorf("the password came back: %q", got)
			}
			if made, err := s.Accounts.SetUp(t.Context()); made || err != nil {
				t.Errorf("a tenant was made: %t, %v", made, err)
			}
		})
	}
}

func TestSetupMakesTheOwnerSignsThemInAndIsThenClosed(t *testing.T) {
	t.Parallel()
	s := startUnowned(t)
	c := s.Client()
	if a := c.Get(path.Setup); a.StatusCode != http.StatusOK || a.HTML(t).Find("form[action='/setup'] input").Length() != 4 {
		t.Fatalf("%d, no form with four fields", a.StatusCode)
	}
	if a := c.Post(path.Setup, setupForm()); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != path.Home {
		t.Fatalf("%d to %q\n%s", a.StatusCode, a.Header.Get("Location"), a.Text)
	}
	doc := c.Get(path.Home).HTML(t)
	if nav := text(doc.Find("nav#nav")); doc.Find("nav#nav").Length() != 1 || !containsAll(nav, "Acme <Compliance>", "Ana Ruiz", "Owner") {
		t.Errorf("signed in as %q", nav)
	}
	s.SignedInAs("ANA@acme.example", "a long enough secret")

	stranger := s.Client()
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		if a := stranger.Do(method, path.Setup, nil); a.StatusCode != http.StatusConflict {
			t.Errorf("%s again: %d", method, a.StatusCode)
		}
	}
	again := setupForm()
	again.Set(posthorn.FieldEmail, "mallory@acme.example")
	if a := stranger.Post(path.Setup, again); a.StatusCode != http.StatusConflict || setCookie(a) != nil {
		t.Errorf("a second setup: %d", a.StatusCode)
	}
	if n := selectOne[int](t, s, `SELECT count(*) FROM users`); n != 1 {
		t.Errorf("%d users", n)
	}
}

func TestSetupsAtTheSameTimeMakeOneTenant(t *testing.T) {
	t.Parallel()
	s := startUnowned(t)
	const posts = 6
	answers := make([]int, posts)
	var work sync.WaitGroup
	for i := range posts {
		work.Go(func() {
			form := setupForm()
			form.Set(posthorn.FieldEmail, string(rune('a'+i))+"@acme.example")
			answers[i] = s.Client().Post(path.Setup, form).StatusCode
		})
	}
	work.Wait()
	made := 0
	for _, status := range answers {
		switch status {
		case http.StatusSeeOther:
			made++
		case http.StatusConflict:
		default:
			t.Errorf("answered %d", status)
		}
	}
	if n := selectOne[int](t, s, `SELECT count(*) FROM tenants`); n != 1 || made != 1 {
		t.Errorf("%d tenants, %d answers that one was made", n, made)
	}
}

func TestTheConfigurationMayNameTheFirstOwner(t *testing.T) {
	t.Parallel()
	owner := []string{"POSTHORN_ADMIN_EMAIL=root@acme.example", "POSTHORN_ADMIN_PASSWORD=configured and kept"}
	s := startUnowned(t, owner...)
	if a := s.SignedInAs("root@acme.example", "configured and kept").Get(path.Home); a.StatusCode != http.StatusOK {
		t.Errorf("the owner gets %d", a.StatusCode)
	}
	if a := s.Client().Get(path.Setup); a.StatusCode != http.StatusConflict {
		t.Errorf("the setup is open: %d", a.StatusCode)
	}
	// A second start with other values changes nothing.
	again := sitekit.Join(t, s, "POSTHORN_ENV=production", "POSTHORN_SECRET_KEY="+s.Config.SecretKey.Reveal(),
		"POSTHORN_ADMIN_EMAIL=other@acme.example", "POSTHORN_ADMIN_PASSWORD=configured anew")
	again.SignedInAs("root@acme.example", "configured and kept")
	if n := selectOne[int](t, s, `SELECT count(*) FROM users`); n != 1 {
		t.Errorf("%d users", n)
	}
}
