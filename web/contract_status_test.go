package web_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"posthorn/internal/contract"
	"posthorn/internal/live"
	"posthorn/internal/openapi"
	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
	"posthorn/web"
)

// brokenServer knows keys, and nothing else works in it. It returns its address.
func brokenServer(t *testing.T, keys web.APIKeys) string {
	t.Helper()
	server := web.New(web.Options{
		Log: slog.New(slog.DiscardHandler), APIKeys: keys,
		Live: live.NewHub(posthorn.ActivityNotice.Merge), CookieKeys: [][]byte{make([]byte, 32), make([]byte, 32)},
	})
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return "http://" + ln.Addr().String()
}

// callBroken calls an operation of such a server with its example, and compares the answer with the document.
func callBroken(t *testing.T, base string, o *openapi.Operation, key string) (status int, header http.Header, text string) {
	t.Helper()
	var body []byte
	if o.Body != nil {
		body = o.Body.Examples[0].JSON
	}
	target := strings.Replace(o.Path, "{id}", exampleID(o), 1)
	req, err := http.NewRequestWithContext(t.Context(), o.Method, base+target, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", key)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := contract.Check(contract.Call{Request: req, Body: body, Answer: res, Text: answer}); err != nil {
		t.Errorf("%s: %v", o.ID, err)
	}
	return res.StatusCode, res.Header, string(answer)
}

func TestEveryOperationButPublishingSaysWhenThereWereTooManyCalls(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t, "POSTHORN_API_RATE=1", "POSTHORN_API_BURST=1")
	key := scopedKey(t, s, s.Owner.TenantID, allScopes...)
	if a := s.Client().Get(path.APIEventTypes, "X-API-Key", key); a.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", a.StatusCode, a.Text)
	}
	for _, o := range keyed() {
		body := ""
		if o.Body != nil {
			body = string(o.Body.Examples[0].JSON)
		}
		target := strings.Replace(o.Path, "{id}", exampleID(o), 1)
		a := s.Client().Do(o.Method, target, strings.NewReader(body), "X-API-Key", key, "Content-Type", "application/json")
		if o.Scope == string(posthorn.ScopePublish) {
			if a.StatusCode != http.StatusAccepted {
				t.Errorf("%s: %d %s", o.ID, a.StatusCode, a.Text)
			}
			continue
		}
		checkAPIError(t, a, http.StatusTooManyRequests, "rate_limited")
		for name, want := range map[string]string{"Retry-After": "", "RateLimit-Limit": "1", "RateLimit-Remaining": "0", "RateLimit-Reset": ""} {
			if got := a.Header.Get(name); got == "" || want != "" && got != want {
				t.Errorf("%s: %s is %q, want %q", o.ID, name, got, want)
			}
		}
	}
}

func TestWhatIsThereMayStandInTheWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	send := func(method, target, body string) sitekit.Answer {
		return w.client.Do(method, target, strings.NewReader(body), "X-API-Key", w.all, "Content-Type", "application/json")
	}
	receiver := newTestReceiver(t, http.StatusOK, "")
	for range 2 {
		makeWebhook(t, w.Site, func(in *posthorn.WebhookInput) { in.URL = &receiver.URL })
	}
	shared := makeWebhook(t, w.Site, func(in *posthorn.WebhookInput) { in.Signature = &posthorn.Signature{Scheme: posthorn.SchemeSmartKYC} })
	t.Log("several webhooks at one URL")
	checkAPIError(t, send(http.MethodPut, path.APIWebhooks, `{"url":"`+receiver.URL+`","name":"Which"}`), http.StatusConflict, "conflict")
	t.Log("a webhook that has no secret of its own")
	checkAPIError(t, send(http.MethodPost, path.APIWebhooks+"/"+shared.ID.String()+"/rotate-secret", ""), http.StatusConflict, "conflict")
	t.Log("steps that no machine has")
	for _, kind := range []string{"invitation", "submission", "verification", "integration"} {
		at := path.API + kind + "s/" + w.ids[strings.ToUpper(kind)+"_ID"]
		step := map[string]string{"invitation": "sent", "submission": "approved", "verification": "completed", "integration": "FAILED"}[kind]
		if kind == "invitation" {
			if a := send(http.MethodPatch, at, `{"status":"cancelled"}`); a.StatusCode != http.StatusOK {
				t.Errorf("cancel: %d %s", a.StatusCode, a.Text)
			}
		}
		before := w.client.Get(at, "X-API-Key", w.all).Text
		checkAPIError(t, send(http.MethodPatch, at, `{"status":"`+step+`"}`), http.StatusConflict, "conflict")
		if after := w.client.Get(at, "X-API-Key", w.all).Text; after != before {
			t.Errorf("a refused step changed the %s: %s", kind, after)
		}
	}
	t.Log("a delivery whose webhook is gone")
	if a := send(http.MethodDelete, path.APIWebhooks+"/"+w.ids["WEBHOOK_ID"], ""); a.StatusCode != http.StatusNoContent {
		t.Fatalf("%d %s", a.StatusCode, a.Text)
	}
	checkAPIError(t, send(http.MethodPost, path.APIDeliveries+"/"+w.ids["DELIVERY_ID"]+"/replay", ""), http.StatusConflict, "conflict")
}

func TestADatabaseThatDoesNotAnswerIsUnavailable(t *testing.T) {
	t.Parallel()
	base := brokenServer(t, slowKeys{})
	for _, o := range keyed() {
		status, _, text := callBroken(t, base, o, "ph_live_"+strings.Repeat("a", 32))
		if status != http.StatusServiceUnavailable || !strings.Contains(text, `"code":"unavailable"`) {
			t.Errorf("%s: %d %s", o.ID, status, text)
		}
	}
}

func TestAFaultSaysNothingButItsRequestID(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	key := scopedKey(t, s, s.Owner.TenantID, allScopes...)
	base := brokenServer(t, s.Accounts)
	for _, o := range keyed() {
		status, header, text := callBroken(t, base, o, key)
		id := header.Get("X-Request-Id")
		if status != http.StatusInternalServerError || id == "" || !strings.Contains(text, id) || !strings.Contains(text, `"code":"internal"`) {
			t.Errorf("%s: %d %s", o.ID, status, text)
		}
		for _, inside := range []string{"panic", "nil pointer", "goroutine", ".go:"} {
			if strings.Contains(text, inside) {
				t.Errorf("%s tells of its inside: %s", o.ID, text)
			}
		}
	}
}

// slowKeys is what a database that does not answer looks like.
type slowKeys struct{}

func (slowKeys) VerifyAPIKey(context.Context, string) (posthorn.APIKey, error) {
	return posthorn.APIKey{}, posthorn.Errorf(posthorn.Unavailable, "late")
}
