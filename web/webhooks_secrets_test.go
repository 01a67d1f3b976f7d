package web_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"posthorn/internal/app"
	"posthorn/internal/auth"
	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/pages"
	"posthorn/views/path"
	"posthorn/web"
)

// startLogged runs a site whose whole log, down to debug, is kept.
func startLogged(t *testing.T) (*sitekit.Site, *lockedBuffer) {
	t.Helper()
	s := sitekit.Start(t, toLoopback...)
	s.Stop()
	log := &lockedBuffer{}
	second, err := app.New(t.Context(), s.Config, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), "test", app.WithPasswords(auth.NewWeakHasher()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	stopped := make(chan error, 1)
	go func() { stopped <- second.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	s.App, s.URL = second, "http://"+second.Addr()
	return s, log
}

// forms are the ways in which a secret could stand somewhere: as it is, in hex, or in base64 at any place of something longer.
// Of each it is the middle that counts, because the ends of some are shown on purpose.
func forms(secret string) []string {
	raw := []string{secret}
	if encoded, ok := strings.CutPrefix(secret, "whsec_"); ok {
		if key, err := base64.StdEncoding.DecodeString(encoded); err == nil {
			raw = append(raw, string(key))
		}
	}
	middle := func(s string) string { return s[len(s)/4 : len(s)-len(s)/4] }
	found := []string{middle(secret), url.QueryEscape(middle(secret))}
	for _, bytes := range raw {
		inHex := middle(hex.EncodeToString([]byte(bytes)))
		found = append(found, inHex, strings.ToUpper(inHex))
		for before := range 3 {
			shifted := []byte(strings.Repeat("x", before) + bytes)
			found = append(found, middle(base64.StdEncoding.EncodeToString(shifted)), middle(base64.URLEncoding.EncodeToString(shifted)))
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// has reports whether a secret stands in a text, in whatever form.
func has(text, secret string) bool {
	return slices.ContainsFunc(forms(secret), func(form string) bool { return strings.Contains(text, form) })
}

// heard is an answer, and the secrets that it may have.
type heard struct {
	request, text string
	may           []string
}

// eavesdropper keeps every answer and every secret of a site. What it is told of a secret it knows by a name.
type eavesdropper struct {
	t       *testing.T
	site    *sitekit.Site
	owner   *sitekit.Client
	secrets map[string]string
	answers []heard
}

// keep notes a secret.
func (e *eavesdropper) keep(name, secret string) {
	e.t.Helper()
	if len(secret) < 20 {
		e.t.Fatalf("%s is %q: too short to look for", name, secret)
	}
	e.secrets[name] = secret
}

// note keeps an answer, which may have the secrets that are named.
func (e *eavesdropper) note(a sitekit.Answer, may ...string) sitekit.Answer {
	headers := a.Header.Clone()
	headers.Del("Set-Cookie") // sealed, and the reader's own
	e.answers = append(e.answers, heard{a.Request.Method + " " + a.Request.URL.Path, fmt.Sprint(a.StatusCode, headers, a.Text), may})
	return a
}

// api calls the API with the first key. Its answer may have the secrets that are named, and must have the status.
func (e *eavesdropper) api(method, target string, body any, status int, may ...string) sitekit.Answer {
	e.t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		e.t.Fatal(err)
	}
	a := e.note(callAPI(e.site.Client(), method, target, string(encoded), e.site.Owner.APIKey), may...)
	if a.StatusCode != status {
		e.t.Fatalf("%s %s: %d %s", method, target, a.StatusCode, a.Text)
	}
	return a
}

// form sends a form and returns what its answer shows once, which it keeps under a name.
func (e *eavesdropper) form(target string, form url.Values, field, name string, may ...string) (string, sitekit.Answer) {
	e.t.Helper()
	a := e.note(e.owner.Post(target, form), append(may, name)...)
	wantStatus(e.t, a, http.StatusOK)
	secret := a.HTML(e.t).Find(field).AttrOr("value", "")
	e.keep(name, secret)
	return secret, a
}

// secretOf reads the secret of an answer of the API.
func secretOf(t *testing.T, a sitekit.Answer) (id, secret string) {
	t.Helper()
	var made struct{ ID, Secret string }
	if err := json.Unmarshal([]byte(a.Text), &made); err != nil || made.Secret == "" {
		t.Fatalf("%v: %s", err, a.Text)
	}
	return made.ID, made.Secret
}

// ownSecret is a secret of an integrator, different for every name.
func ownSecret(name string) string { return fmt.Sprintf("own-%x", sha256.Sum224([]byte(name))) }

// addHeader adds a header to a form.
func addHeader(form url.Values, name, value string) {
	form.Add(pages.FieldHeaderName, name)
	form.Add(pages.FieldHeaderValue, value)
	form.Add(pages.FieldHeaderStored, "")
}

// byForms makes and changes webhooks, keys and the API secret through pages, rightly and wrongly.
func (e *eavesdropper) byForms(target string) (webhook string) {
	t := e.t
	form := newForm(t, e.owner)
	e.keep("own secret", ownSecret("first"))
	e.keep("header", "Bearer first-header-7hW2qK9sV4xN")
	form.Set(posthorn.FieldURL, target)
	form.Set(posthorn.FieldSecret, e.secrets["own secret"])
	addHeader(form, "Authorization", e.secrets["header"])
	_, made := e.form(path.Webhooks, form, secretValue, "own secret as shown", "own secret")
	address := made.HTML(t).Find("[data-replace-url]").AttrOr("data-replace-url", "")
	webhook = strings.TrimPrefix(address, path.Webhooks+"/")
	e.note(e.owner.Post(path.Webhooks, form)) // sent again

	e.keep("secret never saved", ownSecret("wrong"))
	e.keep("header never saved", "Bearer wrong-header-3kF8dJ5mP1zB")
	form = newForm(t, e.owner)
	form.Set(posthorn.FieldURL, "http://10.0.0.1/")
	form.Set(posthorn.FieldSecret, e.secrets["secret never saved"])
	addHeader(form, "Host", e.secrets["header never saved"])
	wantStatus(t, e.note(e.owner.Post(path.Webhooks, form), "secret never saved", "header never saved"), http.StatusUnprocessableEntity)

	e.keep("header replaced", "Bearer second-header-9cT4yG6rD2uM")
	form = filled(t, e.note(e.owner.Get(address+"/settings")).HTML(t), "#webhook-form")
	form.Set(pages.FieldHeaderValue, e.secrets["header replaced"])
	wantRedirect(t, e.note(e.owner.Post(address+"/settings", form)), address+"/settings")
	wantStatus(t, e.note(e.owner.Post(address+"/settings", form), "header replaced"), http.StatusConflict)

	rotation := func(target, own string) url.Values {
		key := e.note(e.owner.Get(target)).HTML(t).Find("[name=form_key]").Last().AttrOr("value", "")
		return url.Values{pages.FieldFormKey: {key}, posthorn.FieldOverlap: {"3600"}, posthorn.FieldSecret: {own}}
	}
	rotate := path.WebhookRotateSecret(webhook)
	e.form(rotate, rotation(rotate, ""), secretValue, "rotated by form")
	e.form(path.WebhookDuplicate(webhook), rotation(rotate, ""), secretValue, "secret of a copy")
	e.keep("own API secret", ownSecret("tenant"))
	e.form(path.APISecretRotate, rotation(path.APISecretRotate, e.secrets["own API secret"]), shownValue, "own API secret as shown", "own API secret")
	wrong := rotation(path.APISecretRotate, e.secrets["secret never saved"])
	wrong.Set(posthorn.FieldOverlap, "-1")
	wantStatus(t, e.note(e.owner.Post(path.APISecretRotate, wrong), "secret never saved"), http.StatusUnprocessableEntity)
	plain, _ := e.form(path.APIKeys, keyForm(t, e.owner, nil), shownValue, "API key")
	// A key in the address is in the log of whoever logs addresses.
	e.note(e.site.Client().Get(path.APIWebhooks + "?api_key=" + plain))
	e.note(e.site.Client().Get("/api/v1/nope?api_key=" + plain))
	e.note(e.site.Client().Get(path.APIWebhooks, "Authorization", "Bearer "+plain+"x"))
	return webhook
}

// byAPI makes and changes a webhook through the API, rightly and wrongly.
func (e *eavesdropper) byAPI(target string) (webhook string) {
	t := e.t
	e.keep("header by API", "Bearer api-header-5vC8nS1hQ7jE")
	in := map[string]any{"url": target, "name": "By API", "events": []string{"*"}, "headers": map[string]string{"Authorization": e.secrets["header by API"]}}
	webhook, secret := secretOf(t, e.api(http.MethodPut, path.APIWebhooks, in, http.StatusCreated, "made by API"))
	e.keep("made by API", secret)
	e.api(http.MethodPut, path.APIWebhooks, in, http.StatusOK)
	for field, wrong := range map[string]any{
		"url": "ftp://nowhere.example", "signature": map[string]string{"scheme": "rot13"}, "secret": e.secrets["secret never saved"] + strings.Repeat("x", 64),
		"headers": map[string]string{"Host": e.secrets["header never saved"]}, "applicationId": e.secrets["secret never saved"],
	} {
		input := maps.Clone(in)
		delete(input, "name")
		input["secret"] = e.secrets["secret never saved"]
		if input[field] = wrong; field != "url" {
			input["url"] = target + "/" + field
		}
		may := []string{}
		if field == "applicationId" { // quoting what is no secret where it was put is fine
			may = append(may, "secret never saved")
		}
		e.api(http.MethodPut, path.APIWebhooks, input, http.StatusUnprocessableEntity, may...)
	}
	rotate := path.APIWebhooks + "/" + webhook + "/rotate-secret"
	_, secret = secretOf(t, e.api(http.MethodPost, rotate, map[string]any{"overlapSeconds": 3600}, http.StatusOK, "rotated by API"))
	e.keep("rotated by API", secret)
	e.keep("own secret by API", ownSecret("api"))
	_, secret = secretOf(t, e.api(http.MethodPost, rotate, map[string]any{"secret": e.secrets["own secret by API"]}, http.StatusOK, "own secret by API", "own secret by API as shown"))
	e.keep("own secret by API as shown", secret)
	for _, wrong := range []string{"short", e.secrets["secret never saved"] + strings.Repeat("x", 64)} {
		e.api(http.MethodPost, rotate, map[string]any{"secret": wrong}, http.StatusUnprocessableEntity)
	}
	return webhook
}

// readAll asks for everything that can be read, with its session and its key.
func (e *eavesdropper) readAll(p property) {
	endless := []string{path.ActivityStream, path.DeliveryLogStream, path.EventStream}
	for _, r := range web.Routes() {
		if r.Method != http.MethodGet || slices.Contains(endless, r.Path) {
			continue
		}
		target := strings.NewReplacer(":id", p.behind(r), ":event", "submission.completed", "*", "").Replace(r.Path)
		e.note(e.owner.Get(target, "X-API-Key", e.site.Owner.APIKey))
	}
}

// dump is every row of every table, a line each, with its table before it.
func dump(t *testing.T, s *sitekit.Site) string {
	t.Helper()
	tables := selectRows[string](t, s, `SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1`)
	var all strings.Builder
	for _, table := range tables {
		for _, row := range selectRows[string](t, s, `SELECT row_to_json(x)::text FROM `+table+` x`) {
			all.WriteString(table + " " + row + "\n")
		}
	}
	return all.String()
}

func TestSecretsAreNowhereButInTheAnswerThatShowsThem(t *testing.T) {
	t.Parallel()
	s, log := startLogged(t)
	var mu sync.Mutex
	arrived := map[string]bool{} // by their value
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		arrived[r.Header.Get("Authorization")] = true
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(receiver.Close)
	e := &eavesdropper{t: t, site: s, owner: s.SignedIn(), secrets: map[string]string{}}
	e.keep("password", s.Owner.Password)
	e.keep("bootstrap key", s.Owner.APIKey)
	e.keep("bootstrap API secret", s.Owner.APISecret)
	_, stranger := newTenant(t, s)
	revealed := e.note(stranger.Post(path.APISecretReveal, nil), "revealed API secret")
	e.keep("revealed API secret", shown(t, revealed))
	first, second := e.byForms(receiver.URL+"/first"), e.byAPI(receiver.URL+"/second")

	var entry struct{ ID, EventID string }
	for _, id := range []string{first, second} {
		a := e.api(http.MethodPost, path.APIWebhooks+"/"+id+"/test", map[string]any{"event": "submission.completed"}, http.StatusOK)
		if err := json.Unmarshal([]byte(a.Text), &entry); err != nil || entry.ID == "" {
			t.Fatal(a.Text)
		}
	}
	e.readAll(property{
		webhook: first, delivery: entry.ID, event: entry.EventID, activity: s.PostActivity(nil),
		key: posthorn.APIKeyID(selectRows[[16]byte](t, s, `SELECT id FROM api_keys`)[0]).String(),
	})
	mu.Lock()
	for _, name := range []string{"header replaced", "header by API"} {
		if !arrived[e.secrets[name]] {
			t.Errorf("%s did not arrive: %v", name, arrived)
		}
	}
	mu.Unlock()

	stored := dump(t, s)
	for name, secret := range e.secrets {
		if has(log.String(), secret) {
			t.Errorf("%s is in the log", name)
		}
		for line := range strings.Lines(stored) {
			if has(line, secret) {
				t.Errorf("%s is in the database: %.200s", name, line)
			}
		}
		for _, a := range e.answers {
			if has(a.text, secret) && !slices.Contains(a.may, name) {
				t.Errorf("%s is in the answer to %s: %.300s", name, a.request, a.text)
			}
		}
	}
	e.checkEars(log.String(), stored)
}

// checkEars makes sure that what is looked for would be found: what is meant to be seen is.
func (e *eavesdropper) checkEars(log, stored string) {
	t := e.t
	if !has(log, "/api/v1/webhooks/configs") || !has(log, "level=DEBUG") && !has(log, "level=INFO") {
		t.Errorf("the log is not whole:\n%.1000s", log)
	}
	sealed := 0
	for _, table := range []string{"webhooks", "signing_secrets", "api_keys", "audit_log", "deliveries", "attempts", "events", "sessions"} {
		if !strings.Contains(stored, "public."+table) {
			t.Errorf("nothing of %s was looked at", table)
		}
	}
	ciphertexts := selectRows[[]byte](t, e.site, `SELECT secret FROM signing_secrets`)
	for _, bytes := range ciphertexts {
		if has(stored, string(bytes)) {
			sealed++
		}
	}
	if sealed == 0 || sealed != len(ciphertexts) {
		t.Errorf("%d of %d sealed secrets are found as what they are", sealed, len(ciphertexts))
	}
	for name := range e.secrets {
		seen := slices.ContainsFunc(e.answers, func(a heard) bool { return slices.Contains(a.may, name) && has(a.text, e.secrets[name]) })
		expected := slices.ContainsFunc(e.answers, func(a heard) bool { return slices.Contains(a.may, name) })
		if expected && !seen {
			t.Errorf("%s may be in an answer, and is in none", name)
		}
	}
}
