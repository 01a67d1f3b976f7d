package web_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/securecookie"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// signInForm is the owner's; further fields follow in pairs.
func signInForm(s *sitekit.Site, more ...string) url.Values {
	form := url.Values{"email": {s.Owner.Email}, "password": {s.Owner.Password}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}

func TestSigningInLeadsToNextWhenThatIsAPathOfThisSite(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	for next, want := range map[string]string{
		"":                           "/",
		"/activity?q=0xa&risk=high":  "/activity?q=0xa&risk=high",
		"/activity/act_1?type=kyt#x": "/activity/act_1?type=kyt#x",
		"//evil.example":             "/",
		"///evil.example":            "/",
		"https://evil.example":       "/",
		`/\evil.example`:             "/",
		`\\evil.example`:             "/",
		"/\t/evil.example":           "/",
		"/\n/evil.example":           "/",
		"javascript:alert(1)":        "/",
		"data:text/html,x":           "/",
		"activity":                   "/",
		"?q=1":                       "/",
		"/%0d%0aSet-Cookie: a=b":     "/%0d%0aSet-Cookie: a=b",
	} {
		t.Run(next, func(t *testing.T) {
			t.Parallel()
			a := s.Client().Post(path.Login, signInForm(s, "next", next))
			if got := a.Header.Get("Location"); a.StatusCode != http.StatusSeeOther || got != want {
				t.Errorf("%d to %q, want %q", a.StatusCode, got, want)
			}
			if len(a.Cookies()) != 1 {
				t.Errorf("cookies: %v", a.Cookies())
			}
			// The form carries it on, or drops it, in the same way.
			carried := s.Client().Get(path.Login+"?"+url.Values{"next": {next}}.Encode()).HTML(t).Find("input[name=next]").AttrOr("value", "/")
			if carried != want {
				t.Errorf("the form carries %q", carried)
			}
		})
	}
}

func TestHtmxIsToldWhereToGoInItsOwnWay(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	a := s.Client().Post(path.Login, signInForm(s, "next", path.Activity), "HX-Request", "true")
	if a.StatusCode != http.StatusNoContent || a.Header.Get("HX-Redirect") != path.Activity || setCookie(a) == nil {
		t.Errorf("%d %v", a.StatusCode, a.Header)
	}
}

// gorilla/sessions by itself sets SameSite=None and leaves HttpOnly out.
func TestTheCookieIsForThisSiteAndNoScript(t *testing.T) {
	t.Parallel()
	const proxied = "POSTHORN_TRUSTED_PROXIES=127.0.0.0/8"
	const month = 30 * 24 * 60 * 60
	for name, tc := range map[string]struct {
		variables []string
		form      []string
		proto     string
		secure    bool
		maxAge    int
	}{
		"http":                          {},
		"remembered":                    {form: []string{"remember", "1"}, maxAge: month},
		"https by its address":          {variables: []string{"POSTHORN_BASE_URL=https://posthorn.example"}, secure: true},
		"https by a trusted proxy":      {variables: []string{proxied}, proto: "https", secure: true},
		"https by a trusted proxy, too": {variables: []string{proxied}, proto: "HTTPS", form: []string{"remember", "1"}, secure: true, maxAge: month},
		"http by a trusted proxy":       {variables: []string{proxied}, proto: "http"},
		"https by somebody":             {proto: "https"},
		"https by another proxy":        {variables: []string{"POSTHORN_TRUSTED_PROXIES=10.0.0.0/8"}, proto: "https"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := sitekit.Start(t, tc.variables...)
			a := s.Client().Post(path.Login, signInForm(s, tc.form...), "X-Forwarded-Proto", tc.proto)
			c := setCookie(a)
			if c == nil {
				t.Fatalf("%d, no cookie", a.StatusCode)
			}
			if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.Secure != tc.secure || c.MaxAge != tc.maxAge {
				t.Errorf("%s", c.Raw)
			}
			if tc.maxAge == 0 && !c.Expires.IsZero() {
				t.Errorf("it outlives the browser: %s", c.Raw)
			}
			if hsts := a.Header.Get("Strict-Transport-Security"); (hsts != "") != (tc.proto != "" && tc.secure) {
				t.Errorf("Strict-Transport-Security: %q", hsts)
			}
			life := selectOne[time.Duration](t, s, `SELECT expires_at - created_at FROM sessions`)
			if want := map[bool]time.Duration{false: 12 * time.Hour, true: month * time.Second}[tc.maxAge > 0]; life != want {
				t.Errorf("the session lasts %s, want %s", life, want)
			}
		})
	}
}

func TestNeitherCookieNorTableTellsTheToken(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	value := setCookie(s.Client().Post(path.Login, signInForm(s))).Value
	var token string
	if err := securecookie.DecodeMulti(sessionCookie, value, &token, securecookie.CodecsFromPairs(s.Box.CookieKeys("session cookie")...)...); err != nil {
		t.Fatal(err)
	}
	raw, err := base64.URLEncoding.DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	if len(token) < 40 || strings.Contains(value, token) || strings.Contains(string(raw), token) {
		t.Errorf("the cookie %s shows the token %s", value, token)
	}
	sum := sha256.Sum256([]byte(token))
	if hash := selectOne[[]byte](t, s, `SELECT token_hash FROM sessions`); string(hash) != string(sum[:]) {
		t.Errorf("the row has %x, want the hash of the token", hash)
	}
	row := selectOne[string](t, s, `SELECT row_to_json(s)::text || encode(data, 'escape') FROM sessions s`)
	if strings.Contains(row, token) || strings.Contains(row, value) {
		t.Errorf("the row tells the token: %s", row)
	}
	// Signed with other keys it is worth nothing, whoever knows the token.
	forged, err := securecookie.EncodeMulti(sessionCookie, token, securecookie.CodecsFromPairs([]byte(strings.Repeat("k", 32)), []byte(strings.Repeat("e", 32)))...)
	if err != nil {
		t.Fatal(err)
	}
	if a := s.Client().Get(path.Activity, "Cookie", sessionCookie+"="+forged); a.StatusCode != http.StatusSeeOther {
		t.Errorf("a forged cookie: %d", a.StatusCode)
	}
}

func TestAWrongPasswordKeepsTheEmailAndNotThePassword(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	const secret, odd = "not-the-password-zzz", `"><script>alert(1)</script>@x.example`
	sentences := map[string]string{}
	for name, tc := range map[string]struct {
		email, password string
		status          int
		want            string
	}{
		"wrong password": {s.Owner.Email, secret, http.StatusUnauthorized, "Email or password is wrong."},
		"unknown user":   {"nobody@posthorn.example", secret, http.StatusUnauthorized, "Email or password is wrong."},
		"no address":     {odd, secret, http.StatusUnauthorized, "Email or password is wrong."},
		"null character": {"a\x00b@x.example", secret, http.StatusUnauthorized, "Email or password is wrong."},
		"no password":    {s.Owner.Email, "", http.StatusUnprocessableEntity, "Password must not be empty."},
		"no email":       {"", secret, http.StatusUnprocessableEntity, "Email must not be empty."},
	} {
		a := s.Client().Post(path.Login, url.Values{"email": {tc.email}, "password": {tc.password}, "next": {path.Activity}, "remember": {"1"}})
		doc := a.HTML(t)
		sentences[name] = text(doc.Find("[role=alert]"))
		if a.StatusCode != tc.status || sentences[name] != tc.want {
			t.Errorf("%s: %d %q", name, a.StatusCode, sentences[name])
		}
		if got := doc.Find("input[name=email]").AttrOr("value", ""); got != tc.email && name != "null character" {
			t.Errorf("%s: the email came back as %q", name, got)
		}
		if strings.Contains(a.Text, secret) || doc.Find("input[name=password]").AttrOr("value", "") != "" || setCookie(a) != nil {
			t.Errorf("%s: the password came back, or a cookie", name)
		}
		if doc.Find("input[name=next][value='/activity']").Length() != 1 || doc.Find("input[name=remember][checked]").Length() != 1 {
			t.Errorf("%s: the way on is lost", name)
		}
		if doc.Find("main script").Length() != 0 {
			t.Errorf("%s: a script got in", name)
		}
	}
}

func TestFiveFailuresBlockTheAccountAndNoOther(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	s.CreateUser(posthorn.RoleAdmin, "other@posthorn.example", "")
	for i := range 5 {
		if a := s.Client().Post(path.Login, signInForm(s, "password", fmt.Sprint("wrong ", i))); a.StatusCode != http.StatusUnauthorized {
			t.Fatalf("failure %d: %d", i+1, a.StatusCode)
		}
	}
	for _, email := range []string{s.Owner.Email, strings.ToUpper(s.Owner.Email)} {
		a := s.Client().Post(path.Login, signInForm(s, "email", email))
		wait, err := strconv.Atoi(a.Header.Get("Retry-After"))
		if a.StatusCode != http.StatusTooManyRequests || err != nil || wait < 30 || wait > 60 || setCookie(a) != nil {
			t.Errorf("the right password of %s: %d, Retry-After %q", email, a.StatusCode, a.Header.Get("Retry-After"))
		}
		if got := text(a.HTML(t).Find("[role=alert]")); !strings.HasPrefix(got, "Too many failed attempts. Try again after ") {
			t.Errorf("it says %q", got)
		}
	}
	s.SignedInAs("other@posthorn.example", sitekit.UserPassword)
	// An account that does not exist answers alike.
	for i := range 6 {
		a := s.Client().Post(path.Login, signInForm(s, "email", "nobody@posthorn.example", "password", fmt.Sprint("wrong ", i)))
		if want := map[bool]int{false: http.StatusUnauthorized, true: http.StatusTooManyRequests}[i == 5]; a.StatusCode != want {
			t.Errorf("failure %d of nobody: %d, want %d", i+1, a.StatusCode, want)
		}
	}
}
