package listen_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"posthorn/internal/deliver"
	"posthorn/internal/listen"
	"posthorn/internal/posthorn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const body = `{"id":"whd_1","event":"submission.completed","data":{"n":1}}`

// output is what a receiver prints.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// receiver is a receiver that runs until the end of its test.
type receiver struct {
	t    *testing.T
	url  string
	out  *output
	stop func()
}

func start(t *testing.T, o listen.Options) *receiver {
	t.Helper()
	r := &receiver{t: t, out: &output{}}
	o.Out = r.out
	l, err := listen.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.url = "http://" + ln.Addr().String() + "/hook"
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- l.Serve(ctx, ln) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

// answer is the head of an answer.
type answer struct {
	status int
	header http.Header
}

// post sends a body with headers.
func (r *receiver) post(body string, headers []posthorn.Header) answer {
	r.t.Helper()
	a, err := r.try(r.t.Context(), http.MethodPost, body, headers)
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

func (r *receiver) try(ctx context.Context, method, body string, headers []posthorn.Header) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, r.url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for _, h := range headers {
		req.Header.Set(h.Name, h.Value)
	}
	req.Close = true
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	_, _ = io.Copy(io.Discard, res.Body)
	return answer{res.StatusCode, res.Header}, res.Body.Close()
}

func (r *receiver) printed(parts ...string) {
	r.t.Helper()
	for _, part := range parts {
		if got := r.out.String(); !strings.Contains(got, part) {
			r.t.Errorf("printed %q, without %q", got, part)
		}
	}
}

var (
	custom = posthorn.Signature{
		Scheme: posthorn.SchemeCustom, Header: "X-Sig", TimestampHeader: "X-Time", Encoding: posthorn.EncodingBase64,
		Over: posthorn.OverTimestampBody,
	}
	signatures = []posthorn.Signature{
		{Scheme: posthorn.SchemeStandard},
		{Scheme: posthorn.SchemeSmartKYC},
		{Scheme: posthorn.SchemeKryptos},
		{Scheme: posthorn.SchemeArkyc},
		custom,
	}
)

func sign(s posthorn.Signature, secret posthorn.SigningSecret, at time.Time) []posthorn.Header {
	return s.Sign(posthorn.Message{ID: "whd_1", Event: "submission.completed", Timestamp: at, Body: []byte(body)}, []posthorn.SigningSecret{secret})
}

func TestARequestOfEveryScheme(t *testing.T) {
	t.Parallel()
	for _, s := range signatures {
		t.Run(string(s.Scheme), func(t *testing.T) {
			t.Parallel()
			secret := posthorn.NewSigningSecret()
			r := start(t, listen.Options{Signature: s, Secrets: []posthorn.SigningSecret{secret}})
			if got := r.post(body, sign(s, secret, time.Now())).status; got != http.StatusOK {
				t.Errorf("a signed request is answered %d", got)
			}
			r.printed("submission.completed", "whd_1", "attempt 1", "verified ("+string(s.Scheme)+")", "-> 200")
			if strings.Contains(r.out.String(), "NOT VERIFIED") {
				t.Errorf("printed %s", r.out)
			}
			if got := r.post(body+" ", sign(s, secret, time.Now())).status; got != http.StatusUnauthorized {
				t.Errorf("another body is answered %d", got)
			}
			r.printed("attempt 2", "NOT VERIFIED", "-> 401", "byte for byte")
			if got := r.post(body, sign(s, posthorn.NewSigningSecret(), time.Now())).status; got != http.StatusUnauthorized {
				t.Errorf("another secret is answered %d", got)
			}
			if got := r.post(body, nil).status; got != http.StatusUnauthorized {
				t.Errorf("no signature is answered %d", got)
			}
			r.printed("is missing")
			if strings.Contains(r.out.String(), secret.Reveal()) {
				t.Error("the secret is printed")
			}
		})
	}
}

func TestAnOldSignatureIsRefused(t *testing.T) {
	t.Parallel()
	for _, s := range []posthorn.Signature{{Scheme: posthorn.SchemeStandard}, {Scheme: posthorn.SchemeArkyc}, custom} {
		secret := posthorn.NewSigningSecret()
		r := start(t, listen.Options{Signature: s, Secrets: []posthorn.SigningSecret{secret}})
		if got := r.post(body, sign(s, secret, time.Now().Add(-6*time.Minute))).status; got != http.StatusUnauthorized {
			t.Errorf("%s: a signature of six minutes ago is answered %d", s.Scheme, got)
		}
		r.printed("ago")
	}
}

func TestWithoutASecretNothingIsSaidToBeVerified(t *testing.T) {
	t.Parallel()
	r := start(t, listen.Options{})
	if got := r.post(body, nil).status; got != http.StatusOK {
		t.Errorf("answered %d", got)
	}
	r.printed("not checked (no secret)", "without webhook-id")
}

func TestWhatIsNoDeliveryIsRefused(t *testing.T) {
	t.Parallel()
	r := start(t, listen.Options{})
	res, err := r.try(t.Context(), http.MethodGet, "", nil)
	if err != nil || res.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %v, %v", res, err)
	}
	if got := r.post(strings.Repeat("x", 1<<20+1), nil).status; got != http.StatusBadRequest {
		t.Errorf("a body over 1 MiB is answered %d", got)
	}
	r.printed("larger than 1 MiB")
}

func TestTheFirstAttemptsOfEachDeliveryFail(t *testing.T) {
	t.Parallel()
	r := start(t, listen.Options{FailFirst: 2, RetryAfter: 1500 * time.Millisecond, Status: http.StatusServiceUnavailable})
	for i, want := range []int{503, 503, 200, 200} {
		res := r.post(body, []posthorn.Header{{Name: "webhook-id", Value: "whd_1"}})
		if res.status != want {
			t.Errorf("attempt %d: %d, want %d", i+1, res.status, want)
		}
		if wait := res.header.Get("Retry-After"); (wait == "2") != (want == 503) {
			t.Errorf("attempt %d: Retry-After %q", i+1, wait)
		}
	}
	if got := r.post(body, []posthorn.Header{{Name: "webhook-id", Value: "whd_2"}}).status; got != 503 {
		t.Errorf("the first attempt of another delivery: %d", got)
	}
	r.printed("whd_1  attempt 4", "whd_2  attempt 1", "-> 503, Retry-After 2")
	plain := start(t, listen.Options{FailFirst: 1})
	if got := plain.post(body, []posthorn.Header{{Name: "webhook-id", Value: "whd_1"}}).status; got != 500 {
		t.Errorf("without a status: %d", got)
	}
}

func TestAStatusIsAnswered(t *testing.T) {
	t.Parallel()
	for _, status := range []int{201, 204, 302, 410, 429, 500} {
		if got := start(t, listen.Options{Status: status}).post(body, nil).status; got != status {
			t.Errorf("%d, want %d", got, status)
		}
	}
}

func TestAnAnswerIsDelayed(t *testing.T) {
	t.Parallel()
	const delay = 150 * time.Millisecond
	r := start(t, listen.Options{Delay: delay})
	began := time.Now()
	if got := r.post(body, nil).status; got != http.StatusOK {
		t.Errorf("answered %d", got)
	}
	if took := time.Since(began); took < delay {
		t.Errorf("answered after %v", took)
	}
}

func TestAReceiverThatHangsIsLeftAndCanBeStopped(t *testing.T) {
	t.Parallel()
	r := start(t, listen.Options{Hang: true})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := r.try(ctx, http.MethodPost, body, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a request ended with %v", err)
	}
	left := make(chan error, 1)
	go func() {
		_, err := r.try(t.Context(), http.MethodPost, body, []posthorn.Header{{Name: "webhook-id", Value: "whd_2"}})
		left <- err
	}()
	look, patience := time.NewTicker(5*time.Millisecond), time.After(20*time.Second)
	defer look.Stop()
	for !strings.Contains(r.out.String(), "whd_2") {
		select {
		case <-look.C:
		case <-patience:
			t.Fatal("the request did not arrive")
		}
	}
	r.stop()
	if err := <-left; err == nil {
		t.Error("the request was answered")
	}
	r.printed("-> no answer")
}

func TestBodiesArePrintedIndentedAndWithoutControlCharacters(t *testing.T) {
	t.Parallel()
	r := start(t, listen.Options{Body: true})
	r.post("{\"event\":\"a\u009b31mb.c\",\"data\":{\"n\":1}}", []posthorn.Header{{Name: "webhook-id", Value: "whd_\u009b2J"}})
	r.printed("\n      \"data\": {\n        \"n\": 1\n")
	r.post("no JSON \x1b[2J", nil)
	r.printed("    no JSON \uFFFD[2J", "POST /hook")
	if strings.ContainsAny(r.out.String(), "\x1b\u009b") {
		t.Errorf("printed %q", r.out)
	}
}

func TestOptionsThatContradictEachOtherAreRefused(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]listen.Options{
		"unknown scheme":        {Signature: posthorn.Signature{Scheme: "other"}},
		"custom without header": {Signature: posthorn.Signature{Scheme: posthorn.SchemeCustom}},
		"foreign option":        {Signature: posthorn.Signature{Scheme: posthorn.SchemeStandard, Header: "X-Sig"}},
		"status 100":            {Status: 100},
		"status 600":            {Status: 600},
		"fails with success":    {FailFirst: 1, Status: 204},
		"negative":              {FailFirst: -1},
		"negative delay":        {Delay: -1},
		"hangs and answers":     {Hang: true, Status: 500},
	} {
		if _, err := listen.New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// What Posthorn itself sends is verified.
func TestADeliveryIsVerified(t *testing.T) {
	t.Parallel()
	client := deliver.New(deliver.Options{
		Policy: posthorn.NewTargetPolicy(posthorn.TargetOptions{
			AllowHTTP: true, AllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		}),
		UserAgent: "Posthorn/test",
	})
	t.Cleanup(client.Close)
	for _, s := range signatures {
		secret := posthorn.NewSigningSecret()
		r := start(t, listen.Options{Signature: s, Secrets: []posthorn.SigningSecret{secret}})
		out := client.Do(t.Context(), deliver.Request{
			URL: r.url, Header: sign(s, secret, time.Now()), Body: []byte(body), Timeout: 20 * time.Second,
		})
		if !out.Success() {
			t.Errorf("%s: %d %s", s.Scheme, out.StatusCode, out.Error)
		}
		r.printed("verified (" + string(s.Scheme) + ")")
	}
}
