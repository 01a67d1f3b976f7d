package posthorn_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/posthorn"
)

// fakeBox seals by writing the place in front, so that what is opened elsewhere is noticed, and a number, so that the same
// text is sealed differently each time.
type fakeBox struct{}

var sealings atomic.Int64

func (fakeBox) Seal(plaintext, place []byte) []byte {
	return fmt.Appendf(nil, "sealed for %s: %d: %s", place, sealings.Add(1), plaintext)
}

func (fakeBox) Open(ciphertext, place []byte) ([]byte, error) {
	rest, ok := strings.CutPrefix(string(ciphertext), "sealed for "+string(place)+": ")
	if !ok {
		return nil, errors.New("sealed for another place")
	}
	_, plain, _ := strings.Cut(rest, ": ")
	return []byte(plain), nil
}

// fakeWebhooks keeps webhooks in memory, as the database does.
type fakeWebhooks struct {
	webhooks     map[posthorn.WebhookID]posthorn.Webhook
	secrets      map[posthorn.WebhookID][]posthorn.SealedSecret
	applications []posthorn.Application
	audit        []posthorn.AuditEntry
	// urlTaken makes as many inserts find that somebody else was faster, and calls faster for each.
	urlTaken int
	faster   func()
	// ghosts are found by their URL once, and are gone then.
	ghosts []posthorn.WebhookID
	// stale makes as many updates find that another change came first.
	stale int
	// reads counts what was asked for of one webhook.
	reads int
}

func (f *fakeWebhooks) ListWebhooks(context.Context, posthorn.TenantID, posthorn.WebhookFilter) (posthorn.WebhookList, error) {
	return posthorn.WebhookList{Webhooks: slices.Collect(maps.Values(f.webhooks))}, nil
}

func (f *fakeWebhooks) Webhook(_ context.Context, tenant posthorn.TenantID, id posthorn.WebhookID) (posthorn.WebhookDetail, error) {
	f.reads++
	return f.detail(tenant, id)
}

func (f *fakeWebhooks) detail(tenant posthorn.TenantID, id posthorn.WebhookID) (posthorn.WebhookDetail, error) {
	w, ok := f.webhooks[id]
	if !ok || w.TenantID != tenant {
		return posthorn.WebhookDetail{}, posthorn.Errorf(posthorn.NotFound, "Not found")
	}
	d := posthorn.WebhookDetail{Webhook: w, Secrets: f.secrets[id]}
	if w.Signature.UsesTenantSecret() {
		d.Secrets = []posthorn.SealedSecret{{ID: posthorn.NewSigningSecretID(), TenantID: tenant}}
	}
	return d, nil
}

func (f *fakeWebhooks) OwnSecret(_ context.Context, _ posthorn.TenantID, id posthorn.WebhookID) (posthorn.SealedSecret, error) {
	return f.secrets[id][0], nil
}

func (f *fakeWebhooks) WebhooksAt(
	_ context.Context, tenant posthorn.TenantID, application posthorn.ApplicationID, url string,
) ([]posthorn.WebhookID, error) {
	if !utf8.ValidString(url) || strings.ContainsRune(url, 0) {
		return nil, errors.New("invalid byte sequence")
	}
	ids := f.ghosts
	f.ghosts = nil
	for id, w := range f.webhooks {
		if w.TenantID == tenant && w.ApplicationID == application && w.URL == url {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (f *fakeWebhooks) ListApplications(context.Context, posthorn.TenantID) ([]posthorn.Application, error) {
	return f.applications, nil
}

func (f *fakeWebhooks) InsertWebhook(
	_ context.Context, w posthorn.Webhook, secret posthorn.SealedSecret, _ *posthorn.IdempotencyKey, entry posthorn.AuditEntry,
) (posthorn.WebhookMade, error) {
	f.webhooks[w.ID], f.secrets[w.ID] = w, []posthorn.SealedSecret{secret}
	f.audit = append(f.audit, entry)
	detail, err := f.detail(w.TenantID, w.ID)
	return posthorn.WebhookMade{Webhook: detail}, err
}

func (f *fakeWebhooks) InsertWebhookAtFreeURL(
	ctx context.Context, w posthorn.Webhook, secret posthorn.SealedSecret, entry posthorn.AuditEntry,
) (posthorn.WebhookMade, error) {
	if f.urlTaken > 0 {
		f.urlTaken--
		f.faster()
		return posthorn.WebhookMade{}, posthorn.ErrURLTaken
	}
	return f.InsertWebhook(ctx, w, secret, nil, entry)
}

func (f *fakeWebhooks) UpdateWebhook(
	_ context.Context, w posthorn.Webhook, secret *posthorn.SecretChange, entries ...posthorn.AuditEntry,
) (posthorn.WebhookDetail, error) {
	if f.stale > 0 || f.webhooks[w.ID].Version != w.Version-1 {
		f.stale--
		return posthorn.WebhookDetail{}, posthorn.ErrStaleWebhook
	}
	f.webhooks[w.ID] = w
	if secret != nil {
		f.replace(*secret)
	}
	f.audit = append(f.audit, entries...)
	return f.detail(w.TenantID, w.ID)
}

func (f *fakeWebhooks) replace(c posthorn.SecretChange) {
	var kept []posthorn.SealedSecret
	for _, s := range f.secrets[c.Secret.WebhookID] {
		if !c.OldExpires.IsZero() {
			s.ExpiresAt = c.OldExpires
			kept = append(kept, s)
		}
	}
	f.secrets[c.Secret.WebhookID] = append([]posthorn.SealedSecret{c.Secret}, kept...)
}

func (f *fakeWebhooks) DeleteWebhook(_ context.Context, w posthorn.Webhook, _ time.Time, entry posthorn.AuditEntry) error {
	delete(f.webhooks, w.ID)
	f.audit = append(f.audit, entry)
	return nil
}

func (f *fakeWebhooks) ReplaceSecret(
	_ context.Context, c posthorn.SecretChange, _ *posthorn.IdempotencyKey, entry posthorn.AuditEntry,
) (posthorn.WebhookMade, error) {
	f.replace(c)
	f.audit = append(f.audit, entry)
	detail, err := f.detail(c.Secret.TenantID, c.Secret.WebhookID)
	return posthorn.WebhookMade{Webhook: detail}, err
}

func (f *fakeWebhooks) RetireSecrets(_ context.Context, _ posthorn.TenantID, id posthorn.WebhookID, entry posthorn.AuditEntry) (int, error) {
	n := len(f.secrets[id]) - 1
	f.secrets[id] = f.secrets[id][:1]
	f.audit = append(f.audit, entry)
	return n, nil
}

type fakeCatalogue struct{}

func (fakeCatalogue) Outline(context.Context, posthorn.TenantID) ([]posthorn.EventType, error) {
	return []posthorn.EventType{
		{Event: "submission.created", Category: "submission"},
		{Event: "submission.completed", Category: "submission"},
		{Event: "aml.match.found", Category: "aml"},
		{Event: "webhook.disabled", Category: "webhook"},
	}, nil
}

// bench is the use cases on stores in memory.
type bench struct {
	*posthorn.Webhooks
	store  *fakeWebhooks
	tenant posthorn.TenantID
	actor  posthorn.Actor
	// asked are the URLs that the name servers were asked about.
	asked []string
	// forbidden is the scheme that the policy for URLs does not allow.
	forbidden string
}

func newBench() *bench {
	b := &bench{
		store:  &fakeWebhooks{webhooks: map[posthorn.WebhookID]posthorn.Webhook{}, secrets: map[posthorn.WebhookID][]posthorn.SealedSecret{}},
		tenant: posthorn.NewTenantID(), actor: posthorn.Actor{Name: "Amara Okafor"}, forbidden: "http",
	}
	b.Webhooks = posthorn.NewWebhooks(b.store, posthorn.WebhooksConfig{
		Sealer: fakeBox{}, Catalogue: fakeCatalogue{}, Changed: func(posthorn.WebhookID) {},
		CheckTarget: func(_ context.Context, url string) string {
			b.asked = append(b.asked, url)
			return ""
		},
		CheckURL: func(url string) string {
			policy := posthorn.NewTargetPolicy(posthorn.TargetOptions{AllowHTTP: true})
			_, rule := policy.CheckURL(url)
			if strings.HasPrefix(url, b.forbidden+":") {
				rule = "must not be " + b.forbidden
			}
			return rule
		},
	})
	return b
}

// put sends a body as the API does.
func (b *bench) put(t *testing.T, body string) (posthorn.WebhookMade, error) {
	t.Helper()
	id, in, err := posthorn.ParseWebhookInput([]byte(body))
	if err != nil {
		return posthorn.WebhookMade{}, err
	}
	return b.Put(t.Context(), b.actor, b.tenant, id, in)
}

// mustPut is put with input that is right.
func (b *bench) mustPut(t *testing.T, body string) posthorn.WebhookMade {
	t.Helper()
	made, err := b.put(t, body)
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return made
}

// fieldsOf returns what an error says of fields.
func fieldsOf(t *testing.T, err error) map[string]string {
	t.Helper()
	e, ok := errors.AsType[*posthorn.Error](err)
	if !ok {
		t.Fatalf("want an Error, got %v", err)
	}
	return e.Fields
}

func TestAnIDOfNobodyIsNotFoundAndMakesNoWebhook(t *testing.T) {
	t.Parallel()
	b := newBench()
	for _, id := range []string{posthorn.WebhookID{}.String(), posthorn.NewWebhookID().String(), "", "wh_x"} {
		_, err := b.put(t, fmt.Sprintf(`{"id":%q,"url":"https://ledger.example/hooks","events":["*"]}`, id))
		if posthorn.KindOf(err) != posthorn.NotFound {
			t.Errorf("%q: %v", id, err)
		}
	}
	if made := b.mustPut(t, `{"id":null,"url":"https://ledger.example/hooks","events":["*"]}`); !made.Created {
		t.Error("no id makes no webhook")
	}
}

func TestWrongInputOfAWebhookIsRefusedAtTheFieldAndChangesNothing(t *testing.T) {
	t.Parallel()
	good := map[string]any{"url": "https://ledger.example/hooks", "events": []string{"submission.completed"}}
	many := map[string]string{}
	for i := range 21 {
		many["X-"+strings.Repeat("a", i+1)] = "1"
	}
	for name, c := range map[string]struct {
		field string
		value any
		want  map[string]string
	}{
		"plain http":              {"url", "http://ledger.example", map[string]string{"url": "must not be http"}},
		"no url":                  {"url", " ", map[string]string{"url": "must not be empty"}},
		"url of another type":     {"url", 7, map[string]string{"url": "must be a string"}},
		"empty name":              {"name", "  ", map[string]string{"name": "must not be empty"}},
		"name of two lines":       {"name", "a\nb", map[string]string{"name": "must be plain text in one line"}},
		"no events":               {"events", []string{}, map[string]string{"events": "must name at least one event type, or * for all"}},
		"events of another type":  {"events", "submission.completed", map[string]string{"events": "must be a list of strings"}},
		"unknown event":           {"events", []string{"submission.exploded"}, map[string]string{"events": "must be types of the catalogue, such as submission.completed, a category such as submission.*, or *: “submission.exploded” is none of these"}},
		"unknown category":        {"events", []string{"submissions.*"}, map[string]string{"events": "must be types of the catalogue, such as submission.completed, a category such as submission.*, or *: “submissions.*” is none of these"}},
		"unknown application":     {"applicationId", "app_x", map[string]string{"applicationId": "must be an application of this organisation, or empty for all"}},
		"active of another type":  {"active", "yes", map[string]string{"active": "must be true or false"}},
		"timeout too long":        {"timeoutSeconds", 31, map[string]string{"timeoutSeconds": "must be a whole number of seconds from 1 to 30"}},
		"timeout zero":            {"timeoutSeconds", 0, map[string]string{"timeoutSeconds": "must be a whole number of seconds from 1 to 30"}},
		"timeout huge":            {"timeoutSeconds", 1e300, map[string]string{"timeoutSeconds": "must be a whole number of seconds from 1 to 30"}},
		"timeout of a fraction":   {"timeoutSeconds", 1.5, map[string]string{"timeoutSeconds": "must be a whole number"}},
		"attempts":                {"maxAttempts", 11, map[string]string{"maxAttempts": "must be a whole number from 1 to 10"}},
		"in flight":               {"maxInFlight", 513, map[string]string{"maxInFlight": "must be a whole number from 1 to 512"}},
		"rate":                    {"rateLimitPerSecond", -1, map[string]string{"rateLimitPerSecond": "must be a whole number from 1 to 10000, or empty for no limit"}},
		"rate zero":               {"rateLimitPerSecond", 0, map[string]string{"rateLimitPerSecond": "must be a whole number from 1 to 10000, or null for no limit"}},
		"retry":                   {"retryOn", []int{404}, map[string]string{"retryOn": "must be any of 408, 425 and 429"}},
		"scheme":                  {"signature", map[string]any{"scheme": "md5"}, nil},
		"secret too short":        {"secret", "short", nil},
		"headers no object":       {"headers", []string{"a"}, map[string]string{"headers": "must be an object of header names and their values as strings"}},
		"header value no string":  {"headers", map[string]any{"X-A": 1}, map[string]string{"headers": "must be an object of header names and their values as strings"}},
		"too many headers":        {"headers", many, map[string]string{"headers": "must be at most 20"}},
		"header without a name":   {"headers", map[string]string{"": "v"}, map[string]string{"headers.": "must have a name"}},
		"header with a space":     {"headers", map[string]string{"X A": "v"}, map[string]string{"headers.X A": "must have a name of letters, digits and hyphens, such as X-Api-Key"}},
		"header without a value":  {"headers", map[string]string{"X-A": ""}, map[string]string{"headers.X-A": "must have a value"}},
		"header of two lines":     {"headers", map[string]string{"X-A": "a\r\nHost: b"}, map[string]string{"headers.X-A": "must have a value of printable ASCII characters in one line"}},
		"header too long":         {"headers", map[string]string{"X-A": strings.Repeat("a", 4097)}, map[string]string{"headers.X-A": "must have a value of at most 4 KiB"}},
		"header twice":            {"headers", json.RawMessage(`{"X-A":"1","x-a":"2"}`), map[string]string{"headers.x-a": "is given twice"}},
		"mask of nothing":         {"headers", map[string]string{"X-A": posthorn.HeaderMask}, map[string]string{"headers.X-A": "has no stored value to keep: type the value"}},
		"host":                    {"headers", map[string]string{"Host": "v"}, map[string]string{"headers.Host": "is reserved: it follows from the URL"}},
		"content-length":          {"headers", map[string]string{"content-length": "1"}, map[string]string{"headers.content-length": "is reserved: it follows from the body"}},
		"content-type":            {"headers", map[string]string{"Content-Type": "text/xml"}, map[string]string{"headers.Content-Type": "is reserved: deliveries are always application/json"}},
		"connection":              {"headers", map[string]string{"connection": "close"}, map[string]string{"headers.connection": "is reserved: it belongs to the connection"}},
		"transfer-encoding":       {"headers", map[string]string{"Transfer-Encoding": "chunked"}, map[string]string{"headers.Transfer-Encoding": "is reserved: it belongs to the connection"}},
		"webhook-":                {"headers", map[string]string{"Webhook-Foo": "v"}, map[string]string{"headers.Webhook-Foo": "is set by Posthorn: names that begin with webhook- are its own. Use another name"}},
		"the scheme's own header": {"headers", map[string]string{"webhook-signature": "v"}, map[string]string{"headers.webhook-signature": "is set by Posthorn: the signature scheme sends it. Use another name"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench()
			body := maps.Clone(good)
			body[c.field] = c.value
			raw, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			_, err = b.put(t, string(raw))
			if posthorn.KindOf(err) != posthorn.Invalid {
				t.Fatalf("want Invalid, got %v", err)
			}
			fields := fieldsOf(t, err)
			if c.want == nil {
				c.want = map[string]string{c.field: fields[c.field]}
				if fields[c.field] == "" {
					t.Errorf("nothing is said of %s", c.field)
				}
			}
			if diff := cmp.Diff(c.want, fields); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
			if len(b.store.webhooks)+len(b.store.audit) > 0 {
				t.Error("something was stored")
			}
		})
	}
}

func TestTheHeadersOfAnySchemeAreItsOwn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ signature, header string }{
		{`{"scheme":"smartkyc"}`, "x-smartkyc-signature"},
		{`{"scheme":"kryptos"}`, "X-Webhook-Event"},
		{`{"scheme":"arkyc"}`, "X-Arkyc-Timestamp"},
		{`{"scheme":"custom","header":"X-Sig","timestampHeader":"X-Time","over":"timestamp.body"}`, "x-time"},
	} {
		body := `{"url":"https://ledger.example/","events":["*"],"signature":` + c.signature + `,"headers":{"` + c.header + `":"v"}}`
		_, err := newBench().put(t, body)
		want := map[string]string{"headers." + c.header: "is set by Posthorn: the signature scheme sends it. Use another name"}
		if diff := cmp.Diff(want, fieldsOf(t, err)); diff != "" {
			t.Errorf("%s: fields (-want +got):\n%s", c.signature, diff)
		}
	}
	// Under another scheme the same name is free.
	newBench().mustPut(t, `{"url":"https://ledger.example/","events":["*"],"headers":{"X-Arkyc-Timestamp":"v"}}`)
}

func TestANewWebhookHasTheDefaultsOfTheContract(t *testing.T) {
	t.Parallel()
	b := newBench()
	made := b.mustPut(t, `{"url":" https://ledger.example/hooks ","events":["submission.completed","submission.completed"]}`)
	if !made.Created || made.Secret.Reveal() == "" {
		t.Errorf("created %v, secret %q", made.Created, made.Secret.Reveal())
	}
	raw, err := json.Marshal(&made)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"id": made.Webhook.ID.String(), "name": "ledger.example", "url": "https://ledger.example/hooks", "active": true, "state": "active",
		"stateReason": nil, "events": []any{"submission.completed"}, "applicationId": nil, "headers": map[string]any{},
		"signature": map[string]any{"scheme": "standard"}, "timeoutSeconds": 15.0, "maxAttempts": 10.0, "retryOn": []any{},
		"rateLimitPerSecond": nil, "maxInFlight": 32.0, "description": "", "createdAt": posthorn.FormatTime(made.Webhook.CreatedAt),
		"updatedAt": posthorn.FormatTime(made.Webhook.UpdatedAt), "secret": made.Secret.Reveal(),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
}
