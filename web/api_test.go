package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"posthorn/internal/live"
	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
	"posthorn/web"
)

// makeKey makes an API key of the first tenant.
func makeKey(t *testing.T, s *sitekit.Site, scopes ...posthorn.Scope) posthorn.MadeAPIKey {
	t.Helper()
	k, err := s.Accounts.CreateAPIKey(t.Context(), posthorn.CommandLine(), s.Owner.TenantID, posthorn.NewAPIKey{Name: "CI", Scopes: scopes})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// checkAPIError compares an error of the API with its status and code, and returns its sentence.
func checkAPIError(t *testing.T, a sitekit.Answer, status int, code string) string {
	t.Helper()
	var body struct{ Error, Code string }
	if err := json.Unmarshal([]byte(a.Text), &body); err != nil || a.StatusCode != status || body.Code != code || body.Error == "" {
		t.Errorf("%s %s: %d %s, want %d %s", a.Request.Method, a.Request.URL.Path, a.StatusCode, a.Text, status, code)
	}
	if h := a.Header; h.Get("Content-Type") != "application/json" || h.Get("Cache-Control") != "no-store" || h.Get("X-Request-Id") == "" {
		t.Errorf("%s %s: headers %v", a.Request.Method, a.Request.URL.Path, h)
	}
	if got, want := a.Header.Get("WWW-Authenticate") == "Bearer", status == http.StatusUnauthorized; got != want {
		t.Errorf("%d with WWW-Authenticate %q", status, a.Header.Get("WWW-Authenticate"))
	}
	return body.Error
}

func TestAnAPIKeyIsTakenFromEitherOfThreePlaces(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c, key := s.Client(), s.Owner.APIKey
	other := makeKey(t, s, posthorn.ScopeRead).Plain
	list := path.APIEventTypes
	for name, v := range map[string]struct {
		target  string
		headers []string
		fine    bool
	}{
		"bearer":                       {list, []string{"Authorization", "Bearer " + key}, true},
		"bearer in lower case":         {list, []string{"Authorization", "bearer  " + key}, true},
		"its own header":               {list, []string{"X-API-Key", key}, true},
		"the address":                  {list + "?api_key=" + key, nil, true},
		"everywhere the same":          {list + "?api_key=" + key, []string{"Authorization", "Bearer " + key, "X-API-Key", key}, true},
		"beside a proxy's credentials": {list, []string{"Authorization", "Basic YTpi", "X-API-Key", key}, true},
		"beside empty places":          {list + "?api_key=", []string{"Authorization", "Bearer ", "X-API-Key", key}, true},

		"none":                 {list, nil, false},
		"empty":                {list + "?api_key=", []string{"Authorization", "Bearer ", "X-API-Key", ""}, false},
		"without Bearer":       {list, []string{"Authorization", key}, false},
		"basic":                {list, []string{"Authorization", "Basic " + key}, false},
		"unknown":              {list, []string{"X-API-Key", "ph_live_" + strings.Repeat("a", 32)}, false},
		"cut":                  {list, []string{"X-API-Key", key[:len(key)-1]}, false},
		"longer":               {list, []string{"X-API-Key", key + "a"}, false},
		"another case":         {list, []string{"X-API-Key", strings.ToUpper(key)}, false},
		"NUL":                  {list + "?api_key=" + key + "%00", nil, false},
		"two that differ":      {list + "?api_key=" + other, []string{"Authorization", "Bearer " + key}, false},
		"two headers":          {list, []string{"Authorization", "Bearer " + key, "X-API-Key", other}, false},
		"two in the address":   {list + "?api_key=" + key + "&api_key=" + other, nil, false},
		"one of two is no key": {list + "?api_key=x", []string{"X-API-Key", key}, false},
	} {
		a := c.Get(v.target, v.headers...)
		if v.fine {
			if a.StatusCode != http.StatusOK || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("X-Request-Id") == "" {
				t.Errorf("%s: %d %v", name, a.StatusCode, a.Header)
			}
			continue
		}
		t.Log(name)
		checkAPIError(t, a, http.StatusUnauthorized, "unauthorized")
	}
	// A session is no key, and makes no difference to one.
	checkAPIError(t, s.SignedIn().Get(list), http.StatusUnauthorized, "unauthorized")
}

func TestAKeyDoesWhatItsScopesSay(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	for scope, want := range map[posthorn.Scope]struct{ read, write bool }{
		posthorn.ScopeRead: {true, false}, posthorn.ScopeWrite: {false, true}, posthorn.ScopePublish: {false, false},
	} {
		key := []string{"X-API-Key", makeKey(t, s, scope).Plain, "Content-Type", "application/json"}
		if a := s.Client().Get(path.APIEventTypes, key...); (a.StatusCode == http.StatusOK) != want.read {
			t.Errorf("%s reads: %d", scope, a.StatusCode)
		} else if !want.read && !strings.Contains(checkAPIError(t, a, http.StatusForbidden, "forbidden"), "read") {
			t.Errorf("the missing scope is not named: %s", a.Text)
		}
		a := s.Client().Do(http.MethodPut, path.APIEventTypes, strings.NewReader(`{}`), key...)
		if (a.StatusCode == http.StatusUnprocessableEntity) != want.write {
			t.Errorf("%s writes: %d", scope, a.StatusCode)
		} else if !want.write && !strings.Contains(checkAPIError(t, a, http.StatusForbidden, "forbidden"), "write") {
			t.Errorf("the missing scope is not named: %s", a.Text)
		}
	}
}

func TestARevokedOrExpiredKeyIsRefusedAtOnceByEveryServer(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	second := sitekit.Join(t, s)
	revoked, expired := makeKey(t, s, posthorn.ScopeRead), makeKey(t, s, posthorn.ScopeRead)
	for _, key := range []string{revoked.Plain, expired.Plain} {
		if a := second.Client().Get(path.APIEventTypes, "X-API-Key", key); a.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", a.StatusCode, a.Text)
		}
	}
	if _, err := s.Accounts.RevokeAPIKey(t.Context(), posthorn.CommandLine(), s.Owner.TenantID, revoked.ID); err != nil {
		t.Fatal(err)
	}
	selectRows[string](t, s, `UPDATE api_keys SET expires_at = now() WHERE id = $1 RETURNING name`, expired.ID.UUID())
	sentences := map[string]bool{}
	for _, key := range []string{revoked.Plain, expired.Plain, "ph_live_" + strings.Repeat("a", 32)} {
		sentences[checkAPIError(t, second.Client().Get(path.APIEventTypes, "X-API-Key", key), http.StatusUnauthorized, "unauthorized")] = true
	}
	if len(sentences) != 1 {
		t.Errorf("the answer tells why: %v", sentences)
	}
}

func TestTheUseOfAKeyIsNoted(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	k := makeKey(t, s, posthorn.ScopeRead)
	if a := s.Client().Get(path.APIEventTypes, "X-API-Key", k.Plain); a.StatusCode != http.StatusOK {
		t.Fatal(a.Text)
	}
	await(t, "the use is written", func() bool {
		return selectOne[bool](t, s, `SELECT last_used_at > now() - interval '1 minute' IS TRUE FROM api_keys WHERE id = $1`, k.ID.UUID())
	})
}

func TestTheAPIAnswersWhatIsNotThereInJSON(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	for _, target := range []string{"/api/v1/nope", "/api/v1/", path.APIEventTypes + "/", "/api/v1/%00", "/api/v1/nope?api_key=" + s.Owner.APIKey} {
		if text := checkAPIError(t, s.Client().Get(target), http.StatusNotFound, "not_found"); strings.Contains(text, "page") {
			t.Errorf("%s: %q", target, text)
		}
	}
	a := s.Client().Do(http.MethodDelete, path.APIEventTypes, nil)
	checkAPIError(t, a, http.StatusMethodNotAllowed, "method_not_allowed")
	if allow := a.Header.Get("Allow"); !containsAll(allow, "GET", "HEAD", "PUT") || strings.Contains(allow, "DELETE") {
		t.Errorf("Allow: %q", allow)
	}
}

func TestABodyOfTheAPIMustBeOneJSONValue(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	put := func(body string, headers ...string) sitekit.Answer {
		headers = append([]string{"X-API-Key", s.Owner.APIKey, "Content-Type", "application/json"}, headers...)
		return s.Client().Do(http.MethodPut, path.APIEventTypes, strings.NewReader(body), headers...)
	}
	for name, body := range map[string]string{
		"nothing": "", "space": " \n", "text": "hello", "cut": `{"event":`, "two": `{}{}`, "trailing comma": `{"a":1,}`,
		"not UTF-8": "{\"event\":\"\xff\"}", "single quotes": `{'a':1}`, "too deep": strings.Repeat("[", 20000) + strings.Repeat("]", 20000),
	} {
		t.Log(name)
		checkAPIError(t, put(body), http.StatusBadRequest, "bad_request")
	}
	for name, headers := range map[string][]string{
		"a form": {"Content-Type", "application/x-www-form-urlencoded"}, "text": {"Content-Type", "text/plain"}, "no type": {"Content-Type", ""},
		"another charset": {"Content-Type", "application/json; charset=utf-16"}, "compressed": {"Content-Encoding", "gzip"},
	} {
		t.Log(name)
		checkAPIError(t, put(`{}`, headers...), http.StatusUnsupportedMediaType, "unsupported")
	}
	large := put(`{"event":"` + strings.Repeat("x", 9<<20) + `"}`)
	if text := checkAPIError(t, large, http.StatusRequestEntityTooLarge, "too_large"); !strings.Contains(text, "KiB") && !strings.Contains(text, "MiB") {
		t.Errorf("the limit is not named: %q", text)
	}
}

// oneKey knows one key, which has no scope.
type oneKey struct{ plain string }

func (k oneKey) VerifyAPIKey(_ context.Context, plain string) (posthorn.APIKey, error) {
	if plain != k.plain {
		return posthorn.APIKey{}, posthorn.Errorf(posthorn.Unauthorized, "No.")
	}
	return posthorn.APIKey{ID: posthorn.APIKeyID(posthorn.NewTenantID()), TenantID: posthorn.NewTenantID(), Name: "CI"}, nil
}

// unlimited lets everything through.
type unlimited struct{}

func (unlimited) Take(context.Context, posthorn.TenantID, posthorn.RequestKind) (posthorn.RateStanding, error) {
	return posthorn.RateStanding{}, nil
}

// lockedBuffer is a log that several goroutines write and a test reads.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func TestTheLogNamesTheKeyByItsIDAndNeverHoldsIt(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	const key = "ph_live_0123456789abcdef0123456789abcdef"
	server := web.New(web.Options{
		Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), APIKeys: oneKey{key}, RateLimits: unlimited{},
		Live: live.NewHub(posthorn.ActivityNotice.Merge), CookieKeys: [][]byte{make([]byte, 32), make([]byte, 32)},
	})
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	get := func(method, target string, headers ...string) int {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+ln.Addr().String()+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	list := path.APIEventTypes
	for i, got := range []int{
		get(http.MethodGet, list+"?api_key="+key), get(http.MethodGet, list+"?api_key="+key+"x"), get(http.MethodGet, list, "Authorization", "Bearer "+key),
		get(http.MethodGet, "/api/v1/nope?api_key="+key), get(http.MethodDelete, list+"?api_key="+key), get("BREW", list+"?api_key="+key),
	} {
		want := []int{http.StatusForbidden, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusBadRequest}[i]
		if got != want {
			t.Errorf("request %d: %d, want %d", i+1, got, want)
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	text := log.String()
	if strings.Contains(text, "0123456789abcdef") {
		t.Errorf("the log has the key:\n%s", text)
	}
	if n := strings.Count(text, "api_key_id=key_"); n != 4 || strings.Count(text, "tenant_id=tenant_") != 4 {
		t.Errorf("%d lines name the key:\n%s", n, text)
	}
}
