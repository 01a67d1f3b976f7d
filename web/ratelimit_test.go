package web_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// rateHeaders reads the headers about limits; ok is false where one is missing or no whole number.
func rateHeaders(a sitekit.Answer) (limit, remaining, reset int, ok bool) {
	ok = true
	read := func(name string) int {
		n, err := strconv.Atoi(a.Header.Get(name))
		ok = ok && err == nil && len(a.Header.Values(name)) == 1
		return n
	}
	return read("RateLimit-Limit"), read("RateLimit-Remaining"), read("RateLimit-Reset"), ok
}

func TestEveryAnswerToAKnownKeySaysWhatIsLeft(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	key := []string{"X-API-Key", s.Owner.APIKey, "Content-Type", "application/json"}
	reader := []string{"X-API-Key", makeKey(t, s, posthorn.ScopeRead).Plain, "Content-Type", "application/json"}
	for i, c := range []struct {
		method, target, body string
		headers              []string
		status               int
	}{
		{http.MethodGet, path.APIEventTypes, "", key, 200},
		{http.MethodHead, path.APIEventTypes, "", key, 200},
		{http.MethodGet, path.APIEventTypes, "", reader, 200},
		{http.MethodPut, path.APIEventTypes, "{", key, 400},
		{http.MethodPut, path.APIEventTypes, "{}", reader, 403},
		{http.MethodGet, path.APIWebhooks + "/wh_nope", "", key, 404},
		{http.MethodGet, "/api/v1/nope", "", key, 404},
		{http.MethodGet, "/api/v1/nope?api_key=" + s.Owner.APIKey, "", nil, 404},
		{http.MethodDelete, path.APIEventTypes, "", key, 405},
		{http.MethodPut, path.APIEventTypes, strings.Repeat(" ", 9<<20), key, 413},
		{http.MethodPut, path.APIEventTypes, "a=b", []string{"X-API-Key", s.Owner.APIKey, "Content-Type", "text/plain"}, 415},
		{http.MethodGet, path.APIEvents + "?limit=0", "", key, 422},
	} {
		a := s.Client().Do(c.method, c.target, strings.NewReader(c.body), c.headers...)
		limit, remaining, reset, ok := rateHeaders(a)
		if a.StatusCode != c.status || !ok || limit != 100 {
			t.Errorf("%s %s: %d, want %d, %v", c.method, c.target, a.StatusCode, c.status, a.Header)
		}
		// What came in since the first request is more than nothing on a slow machine.
		if remaining < 99-i || remaining > 99 || reset < 1 || reset > (i+1) {
			t.Errorf("request %d: %d remaining, reset in %d s", i+1, remaining, reset)
		}
		if a.Header.Get("Retry-After") != "" {
			t.Errorf("%d with Retry-After", a.StatusCode)
		}
	}
	for target, status := range map[string]int{path.APIEventTypes: 401, "/api/v1/nope": 404} {
		a := s.Client().Get(target, "X-API-Key", "ph_live_"+strings.Repeat("a", 32))
		if _, _, _, ok := rateHeaders(a); ok || a.StatusCode != status {
			t.Errorf("%s to nobody: %d %v", target, a.StatusCode, a.Header)
		}
	}
}

func TestOneRequestTooManyIsRefusedWithWhenToComeBack(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t, "POSTHORN_API_RATE=1", "POSTHORN_API_BURST=3")
	c, key := s.Client(), []string{"X-API-Key", s.Owner.APIKey, "Content-Type", "application/json"}
	for want := 2; want >= 0; want-- {
		a := c.Get(path.APIEventTypes, key...)
		if _, remaining, reset, ok := rateHeaders(a); a.StatusCode != http.StatusOK || !ok || remaining != want || reset > (3-want)*60 || reset <= (2-want)*60 {
			t.Errorf("%d %v", a.StatusCode, a.Header)
		}
	}
	second, _ := newTenant(t, s)
	for _, target := range []string{path.APIEventTypes, "/api/v1/nope"} {
		a := c.Get(target, key...)
		text := checkAPIError(t, a, http.StatusTooManyRequests, "rate_limited")
		if want := "Too many requests: this organisation may make 1 requests a minute, and 3 at once. Try again in "; !strings.HasPrefix(text, want) {
			t.Errorf("%q", text)
		}
		limit, remaining, reset, ok := rateHeaders(a)
		retry, err := strconv.Atoi(a.Header.Get("Retry-After"))
		if !ok || limit != 3 || remaining != 0 || reset <= 120 || reset > 180 || err != nil || retry < 1 || retry > 60 {
			t.Errorf("%v", a.Header)
		}
	}
	// Neither another tenant nor publishing has to do with it.
	k, err := s.Accounts.CreateAPIKey(t.Context(), posthorn.CommandLine(), second.TenantID, posthorn.NewAPIKey{Name: "CI", Scopes: posthorn.Scopes()})
	if err != nil {
		t.Fatal(err)
	}
	if a := c.Get(path.APIEventTypes, "X-API-Key", k.Plain); a.StatusCode != http.StatusOK {
		t.Errorf("another tenant: %d %s", a.StatusCode, a.Text)
	}
	event := `{"event":"submission.completed","data":{"submissionId":"sub_1","customerEmail":"customer@example.com","workflowId":"wf_1","status":"completed"}}`
	for range 5 {
		a := c.Do(http.MethodPost, path.APIEvents, strings.NewReader(event), key...)
		if _, _, _, ok := rateHeaders(a); a.StatusCode != http.StatusAccepted || !ok {
			t.Errorf("publish: %d %s %v", a.StatusCode, a.Text, a.Header)
		}
	}
	if s.PostActivity(nil) == "" {
		t.Error("workers are limited")
	}
}

func TestPublishingIsLimitedWhereATenantIsSetTo(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c, key := s.Client(), []string{"X-API-Key", s.Owner.APIKey, "Content-Type", "application/json"}
	if _, err := s.Limits.Set(t.Context(), posthorn.CommandLine(), s.Owner.TenantID, posthorn.LimitSettings{PublishRate: new(1), PublishBurst: new(2)}); err != nil {
		t.Fatal(err)
	}
	event := `{"event":"submission.completed","data":{"submissionId":"sub_1","customerEmail":"customer@example.com","workflowId":"wf_1","status":"completed"}}`
	var a sitekit.Answer
	await(t, "publishing has a limit", func() bool {
		a = c.Do(http.MethodPost, path.APIEvents, strings.NewReader("["+event+","+event+"]"), key...)
		return a.Header.Get("RateLimit-Limit") == "2"
	})
	if a.StatusCode != http.StatusAccepted || a.Header.Get("RateLimit-Remaining") != "1" {
		t.Errorf("a batch is one request: %d %v", a.StatusCode, a.Header)
	}
	for _, want := range []int{http.StatusAccepted, http.StatusTooManyRequests} {
		if a = c.Do(http.MethodPost, path.APIEvents, strings.NewReader(event), key...); a.StatusCode != want {
			t.Errorf("%d, want %d", a.StatusCode, want)
		}
	}
	if a = c.Get(path.APIEvents, key...); a.StatusCode != http.StatusOK || a.Header.Get("RateLimit-Remaining") != "99" {
		t.Errorf("the API: %d %v", a.StatusCode, a.Header)
	}
}
