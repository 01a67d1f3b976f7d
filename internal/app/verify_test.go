package app_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	svix "github.com/svix/svix-webhooks/go"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// received is a delivery as its receiver got it.
type received struct {
	headers http.Header
	body    []byte
}

// receiver is an endpoint that takes everything.
func receiver(t *testing.T) (url string, deliveries <-chan received) {
	t.Helper()
	came := make(chan received, 16)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read the delivery: %v", err)
		}
		came <- received{r.Header, body}
	}))
	t.Cleanup(server.Close)
	return server.URL, came
}

// loopback lets webhooks lead to receivers of the test.
var loopback = []string{"POSTHORN_ALLOW_HTTP_TARGETS=true", "POSTHORN_ALLOW_TARGET_CIDRS=127.0.0.0/8"}

// subscribe makes a webhook by the API and returns its secret.
func subscribe(t *testing.T, s *sitekit.Site, url, signature string) string {
	t.Helper()
	body := fmt.Sprintf(`{"url":%q,"events":["activity.recorded"],"signature":%s}`, url, signature)
	a := s.Client().Do(http.MethodPut, path.APIWebhooks, strings.NewReader(body),
		"Content-Type", "application/json", "Authorization", "Bearer "+s.Owner.APIKey)
	var made struct{ Secret string }
	if err := json.Unmarshal([]byte(a.Text), &made); err != nil || a.StatusCode != http.StatusCreated {
		t.Fatalf("make a webhook: %d %s", a.StatusCode, a.Text)
	}
	return made.Secret
}

func nextDelivery(t *testing.T, deliveries <-chan received) received {
	t.Helper()
	select {
	case d := <-deliveries:
		return d
	case <-time.After(20 * time.Second):
		t.Fatal("nothing was delivered")
		return received{}
	}
}

// delivered makes a webhook under a scheme, has something happen, and returns its secret and what came.
func delivered(t *testing.T, s *sitekit.Site, signature string) (string, received) {
	t.Helper()
	url, deliveries := receiver(t)
	secret := subscribe(t, s, url, signature)
	s.PostActivity(nil)
	return secret, nextDelivery(t, deliveries)
}

// forged returns what a receiver must refuse: another body, another secret, an old time.
func forged(d received, secret string) map[string]struct {
	d      received
	secret string
} {
	other := bytes.Replace(d.body, []byte("bitcoin"), []byte("bitcoim"), 1)
	old := d.headers.Clone()
	old.Set("webhook-timestamp", strconv.FormatInt(time.Now().Add(-10*time.Minute).Unix(), 10))
	return map[string]struct {
		d      received
		secret string
	}{
		"another body":   {received{d.headers, other}, secret},
		"another secret": {d, posthorn.NewSigningSecret().Reveal()},
		"an old time":    {received{old, d.body}, secret},
	}
}

func TestReferenceLibrariesVerifyRealDeliveries(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t, loopback...)
	secret, d := delivered(t, s, `{"scheme":"standard"}`)
	for name, verify := range map[string]func(secret string, d received) error{
		"standardwebhooks for Go": func(secret string, d received) error {
			w, err := standardwebhooks.NewWebhook(secret)
			if err != nil {
				return err
			}
			return w.Verify(d.body, d.headers)
		},
		"svix for Go": func(secret string, d received) error {
			w, err := svix.NewWebhook(secret)
			if err != nil {
				return err
			}
			return w.Verify(d.body, d.headers)
		},
		"standardwebhooks for Node": func(secret string, d received) error { return verifyInNode(t, "standardwebhooks", secret, d) },
		"svix for Node":             func(secret string, d received) error { return verifyInNode(t, "svix", secret, d) },
	} {
		if err := verify(secret, d); err != nil {
			t.Errorf("%s refuses a delivery: %v", name, err)
		}
		for what, f := range forged(d, secret) {
			if verify(f.secret, f.d) == nil {
				t.Errorf("%s accepts %s", name, what)
			}
		}
	}
}

// verifyInNode verifies with a library of npm, which is installed with the front-end packages.
func verifyInNode(t *testing.T, library, secret string, d received) error {
	t.Helper()
	headers := map[string]string{}
	for _, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} {
		headers[name] = d.headers.Get(name)
	}
	in, err := json.Marshal(map[string]any{"library": library, "secret": secret, "headers": headers, "body": string(d.body)})
	if err != nil {
		t.Fatal(err)
	}
	return node(t, `const { Webhook } = require(input.library); new Webhook(input.secret).verify(input.body, input.headers);`, in)
}

// node runs a script in the folder of the front-end packages, with JSON as "input". The error is that of a script that throws.
func node(t *testing.T, script string, input []byte) error {
	t.Helper()
	const read = `const input = JSON.parse(require("fs").readFileSync(0, "utf8")); console.log("running"); `
	cmd := exec.CommandContext(t.Context(), "node", "-e", read+script)
	cmd.Dir, cmd.Stdin = "../../static", bytes.NewReader(input)
	var errors bytes.Buffer
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if !strings.Contains(string(out), "running") {
		t.Fatalf("node did not run: %v\n%s", err, errors.String())
	}
	if err != nil && strings.Contains(errors.String(), "MODULE_NOT_FOUND") {
		t.Fatalf("a package is missing, `make test` installs it:\n%s", errors.String())
	}
	return err
}

// smartKYC is the example of the source document, word for word, and a call of it.
const smartKYC = `const crypto = require("crypto"); function verifySignature(payload, signature, secret) { const hmac = crypto.createHmac("sha256", secret); const calculatedSignature = hmac.update(payload).digest("hex"); return signature === calculatedSignature; }
if (!verifySignature(input.body, input.signature, input.secret)) throw new Error("refused");`

func TestTheExampleOfSmartKYCVerifiesRealDeliveries(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t, loopback...)
	own, d := delivered(t, s, `{"scheme":"smartkyc"}`)
	verify := func(secret string, body []byte) error {
		in, err := json.Marshal(map[string]string{"secret": secret, "signature": d.headers.Get("X-SmartKYC-Signature"), "body": string(body)})
		if err != nil {
			t.Fatal(err)
		}
		return node(t, smartKYC, in)
	}
	if err := verify(s.Owner.APISecret, d.body); err != nil {
		t.Errorf("the API secret does not verify: %v", err)
	}
	if verify(own, d.body) == nil {
		t.Error("the webhook's own secret verifies")
	}
	if verify(s.Owner.APISecret, append(d.body, ' ')) == nil {
		t.Error("another body verifies")
	}
	ownSecret, d2 := delivered(t, s, `{"scheme":"smartkyc","key":"webhook"}`)
	d = d2
	if err := verify(ownSecret, d.body); err != nil {
		t.Errorf("with its own key: %v", err)
	}
}

func TestTheRecipeOfArkycVerifiesRealDeliveries(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t, loopback...)
	secret, d := delivered(t, s, `{"scheme":"arkyc"}`)
	recipe := func(secret, timestamp string, body []byte) bool {
		seconds, err := strconv.ParseInt(timestamp, 10, 64)
		if err != nil || time.Since(time.Unix(seconds, 0)).Abs() > 300*time.Second {
			return false
		}
		mac := hmac.New(sha256.New, []byte(secret))
		fmt.Fprintf(mac, "%s.%s", timestamp, body)
		return hmac.Equal([]byte(hex.EncodeToString(mac.Sum(nil))), []byte(d.headers.Get("X-Arkyc-Signature")))
	}
	timestamp := d.headers.Get("X-Arkyc-Timestamp")
	if !recipe(secret, timestamp, d.body) {
		t.Errorf("a delivery is refused: %v\n%s", d.headers, d.body)
	}
	if recipe(secret+"x", timestamp, d.body) || recipe(secret, timestamp, append(d.body, ' ')) || recipe(secret, "1795275161", d.body) {
		t.Error("a forged one is accepted")
	}
	var flat map[string]any
	if err := json.Unmarshal(d.body, &flat); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"event", "session_id", "tenant_id", "project_id", "user_reference", "status", "checks", "decision_reason", "created_at"} {
		if _, there := flat[field]; !there {
			t.Errorf("the payload has no %s: %s", field, d.body)
		}
	}
}

func TestKryptosAndCustomDeliveriesCarryWhatTheySay(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t, loopback...)
	for signature, timestamp := range map[string]string{
		`{"scheme":"kryptos"}`: "",
		`{"scheme":"custom","header":"X-Signature","timestampHeader":"X-Timestamp","encoding":"base64","over":"timestamp.body"}`: "X-Timestamp",
	} {
		secret, d := delivered(t, s, signature)
		sig, rule := posthorn.ParseSignature(json.RawMessage(signature))
		key, wrong := posthorn.ParseSigningSecret(secret)
		if rule != "" || wrong != "" {
			t.Fatal(rule, wrong)
		}
		if err := sig.Verify(d.headers.Get, d.body, []posthorn.SigningSecret{key}, time.Now(), posthorn.DefaultTolerance); err != nil {
			t.Errorf("%s: %v", signature, err)
		}
		if timestamp != "" && d.headers.Get(timestamp) == "" {
			t.Errorf("%s: no %s", signature, timestamp)
		}
		if d.headers.Get("webhook-id") == "" {
			t.Errorf("%s: no webhook-id", signature)
		}
	}
}
