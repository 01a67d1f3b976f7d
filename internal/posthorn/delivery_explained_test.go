package posthorn_test

import (
	"strings"
	"testing"
	"time"

	"posthorn/internal/posthorn"
)

// attemptWith makes an attempt with a result.
func attemptWith(code int, class posthorn.ErrorClass, sentence string, change func(*posthorn.Attempt)) posthorn.Attempt {
	a := posthorn.Attempt{Number: 3, Outcome: posthorn.Outcome{
		StatusCode: code, ErrorClass: class, Error: sentence, StartedAt: time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC),
		Timings: posthorn.Timings{Total: 219 * time.Millisecond},
	}}
	if change != nil {
		change(&a)
	}
	return a
}

func answeredWith(name, value string) func(*posthorn.Attempt) {
	return func(a *posthorn.Attempt) { a.ResponseHeaders = []posthorn.Header{{Name: name, Value: value}} }
}

func tookFor(d time.Duration) func(*posthorn.Attempt) {
	return func(a *posthorn.Attempt) { a.Total = d }
}

func truncated(size int) func(*posthorn.Attempt) {
	return func(a *posthorn.Attempt) { a.ResponseTruncated, a.ResponseBody = true, make([]byte, size) }
}

func TestAnAttemptIsExplainedWithWhatToDo(t *testing.T) {
	t.Parallel()
	const none = posthorn.ErrorNone
	for name, tc := range map[string]struct {
		attempt posthorn.Attempt
		title   string
		// text has these parts.
		text []string
	}{
		"delivered":        {attemptWith(200, none, "", nil), "Attempt 3 got 200 OK after 219 ms.", []string{"The endpoint took the delivery."}},
		"no name":          {attemptWith(299, none, "", nil), "Attempt 3 got 299 after 219 ms.", []string{"took"}},
		"delivered, cut":   {attemptWith(200, none, "", truncated(posthorn.MaxResponseBytes)), "Attempt 3 got 200 OK after 219 ms.", []string{"longer than 64 KiB"}},
		"delivered, broke": {attemptWith(200, none, "", truncated(10)), "Attempt 3 got 200 OK after 219 ms.", []string{"not complete"}},
		"400":              {attemptWith(400, none, "", nil), "Attempt 3 got 400 Bad Request after 219 ms.", []string{"refused the body", "Compare"}},
		"401":              {attemptWith(401, none, "", nil), "Attempt 3 got 401 Unauthorized after 219 ms.", []string{"signing secret"}},
		"403":              {attemptWith(403, none, "", nil), "Attempt 3 got 403 Forbidden after 219 ms.", []string{"signing secret"}},
		"404":              {attemptWith(404, none, "", nil), "Attempt 3 got 404 Not Found after 219 ms.", []string{"not on this path", "Check the path"}},
		"408":              {attemptWith(408, none, "", nil), "Attempt 3 got 408 Request Timeout after 219 ms.", []string{"settings of the webhook"}},
		"409":              {attemptWith(409, none, "", nil), "Attempt 3 got 409 Conflict after 219 ms.", []string{"repeated one with 2xx"}},
		"410":              {attemptWith(410, none, "", nil), "Attempt 3 got 410 Gone after 219 ms.", []string{"said it is gone", "disabled the webhook", "activate"}},
		"413":              {attemptWith(413, none, "", nil), "Attempt 3 got 413 Request Entity Too Large after 219 ms.", []string{"256 KiB"}},
		"415":              {attemptWith(415, none, "", nil), "Attempt 3 got 415 Unsupported Media Type after 219 ms.", []string{"application/json"}},
		"418":              {attemptWith(418, none, "", nil), "Attempt 3 got 418 I'm a teapot after 219 ms.", []string{"refused the request", "tells why"}},
		"425":              {attemptWith(425, none, "", nil), "Attempt 3 got 425 Too Early after 219 ms.", []string{"Retrying this status"}},
		"429":              {attemptWith(429, none, "", nil), "Attempt 3 got 429 Too Many Requests after 219 ms.", []string{"did not say how long", "rate limit"}},
		"429 in seconds":   {attemptWith(429, none, "", answeredWith("retry-after", " 120 ")), "Attempt 3 got 429 Too Many Requests after 219 ms.", []string{"asked to wait 120 s (`retry-after`), and retries keep to that"}},
		"429 by date": {
			attemptWith(429, none, "", answeredWith("Retry-After", "Fri, 20 Nov 2026 16:30:00 GMT")), "Attempt 3 got 429 Too Many Requests after 219 ms.",
			[]string{"asked to wait 2 h 30 min"},
		},
		"503 too long":   {attemptWith(503, none, "", answeredWith("Retry-After", "172800")), "Attempt 3 got 503 Service Unavailable after 219 ms.", []string{"48 h", "Posthorn waits 24 h"}},
		"503 not a time": {attemptWith(503, none, "", answeredWith("Retry-After", "soon")), "Attempt 3 got 503 Service Unavailable after 219 ms.", []string{"not ready"}},
		"500":            {attemptWith(500, none, "", tookFor(1500*time.Millisecond)), "Attempt 3 got 500 Internal Server Error after 1.5 s.", []string{"failed", "log"}},
		"501":            {attemptWith(501, none, "", nil), "Attempt 3 got 501 Not Implemented after 219 ms.", []string{"does not know"}},
		"502":            {attemptWith(502, none, "", nil), "Attempt 3 got 502 Bad Gateway after 219 ms.", []string{"A proxy", "behind"}},
		"504":            {attemptWith(504, none, "", nil), "Attempt 3 got 504 Gateway Timeout after 219 ms.", []string{"in time"}},
		"520":            {attemptWith(520, none, "", nil), "Attempt 3 got 520 after 219 ms.", []string{"The endpoint failed."}},
		"no answer":      {attemptWith(0, none, "Posthorn could not make a request of this event. Nothing was sent.", nil), "Attempt 3 brought no answer.", []string{"Nothing was sent."}},
		"only a 1xx":     {attemptWith(103, none, "", nil), "Attempt 3 brought no answer.", nil},
		"timeout":        {attemptWith(0, posthorn.ErrorTimeout, "No answer in 10 s.", tookFor(10*time.Second)), "Attempt 3 timed out after 10 s.", []string{"No answer in 10 s.", "2xx as soon as"}},
		"timeout midway": {attemptWith(200, posthorn.ErrorTimeout, "The answer was not complete after 10 s.", tookFor(10*time.Second)), "Attempt 3 timed out after 10 s.", []string{"The status 200 had arrived"}},
		"refused":        {attemptWith(0, posthorn.ErrorRefused, "Nothing listens at a:443.", nil), "Attempt 3 was refused a connection.", []string{"Nothing listens", "firewall"}},
		"reset":          {attemptWith(0, posthorn.ErrorReset, "", nil), "Attempt 3 broke off: the connection was closed early.", []string{"hung up"}},
		"unreachable":    {attemptWith(0, posthorn.ErrorUnreachable, "", nil), "Attempt 3 found no way to the address.", []string{"routes"}},
		"dns":            {attemptWith(0, posthorn.ErrorDNS, "", nil), "Attempt 3 did not find the host.", []string{"DNS records"}},
		"tls":            {attemptWith(0, posthorn.ErrorTLS, "The certificate expired on 12 Nov 2026.", nil), "Attempt 3 got no TLS connection.", []string{"expired on 12 Nov 2026. Check the certificate"}},
		"blocked":        {attemptWith(0, posthorn.ErrorBlocked, "", nil), "Attempt 3 was not sent: the address is not allowed.", []string{"POSTHORN_ALLOW_TARGET_CIDRS"}},
		"redirect, final": {
			attemptWith(302, posthorn.ErrorRedirect, "Redirects are not followed. Set the final URL: https://b.example/", nil), "Attempt 3 was redirected with 302.",
			[]string{"Set the final URL: https://b.example/"},
		},
		"redirect":  {attemptWith(302, posthorn.ErrorRedirect, "Redirects are not followed.", nil), "Attempt 3 was redirected with 302.", []string{"Change the URL"}},
		"too large": {attemptWith(0, posthorn.ErrorTooLarge, "", nil), "Attempt 3 got response headers that are too large.", []string{"fewer headers"}},
		"protocol":  {attemptWith(0, posthorn.ErrorProtocol, "", nil), "Attempt 3 got no valid HTTP answer.", []string{"scheme and port"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := tc.attempt.Explain()
			if x.Title != tc.title {
				t.Errorf("title %q, want %q", x.Title, tc.title)
			}
			for _, part := range tc.text {
				if !strings.Contains(x.Text, part) {
					t.Errorf("%q does not say %q", x.Text, part)
				}
			}
			if good := x.Tone == posthorn.ToneGood; good != tc.attempt.Success() {
				t.Errorf("tone %q", x.Tone)
			}
			if strings.Contains(x.Text, "  ") || strings.HasPrefix(x.Text, " ") {
				t.Errorf("spaces in %q", x.Text)
			}
		})
	}
}

func TestEveryClassOfFailureHasItsOwnWords(t *testing.T) {
	t.Parallel()
	titles, texts := map[string]posthorn.ErrorClass{}, map[string]posthorn.ErrorClass{}
	for _, class := range posthorn.ErrorClasses() {
		a := attemptWith(0, class, "", nil)
		x := a.Explain()
		if before, known := titles[x.Title]; known || strings.HasSuffix(x.Title, "failed.") {
			t.Errorf("%s has the title %q, as %q has", class, x.Title, before)
		}
		if before, known := texts[x.Text]; known || x.Text == "" {
			t.Errorf("%s has the text %q, as %q has", class, x.Text, before)
		}
		titles[x.Title], texts[x.Text] = class, class
	}
	for code := 300; code <= 599; code++ {
		a := attemptWith(code, posthorn.ErrorNone, "", nil)
		if x := a.Explain(); x.Text == "" {
			t.Errorf("%d is not explained", code)
		}
	}
}
