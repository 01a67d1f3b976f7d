package web_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// stored counts the records of a site's tenant.
func stored(t *testing.T, s *sitekit.Site) int {
	t.Helper()
	n, err := postgres.NewActivityFeed(s.DB).Counts(t.Context(), posthorn.ActivityScope{TenantID: s.Owner.TenantID}, posthorn.ActivityFilter{})
	if err != nil {
		t.Fatal(err)
	}
	return n.Total()
}

func body(t *testing.T, fields map[string]any) string {
	t.Helper()
	b, err := json.Marshal(sitekit.Activity(fields))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const requestID = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"

func TestIngestAnswersAsTheContractSays(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	pad := func(size int) string {
		b := body(t, map[string]any{"requestPayload": map[string]any{"pad": ""}})
		return strings.Replace(b, `"pad":""`, `"pad":"`+strings.Repeat("x", size-len(b))+`"`, 1)
	}
	const created = `^\{"success":true,"id":"act_[0-9A-Za-z]{22}","requestId":"[0-9a-f-]{36}"\}$`
	exactly := func(body string) string { return "^" + regexp.QuoteMeta(body) + "$" }
	for name, tc := range map[string]struct {
		body    string
		headers []string
		status  int
		want    string
	}{
		"accepted":                   {body: body(t, nil), status: 201, want: created},
		"accepted with a request id": {body: body(t, map[string]any{"requestId": requestID}), status: 201, want: `"requestId":"` + requestID + `"\}$`},
		"charset":                    {body: body(t, nil), headers: []string{"Content-Type", "application/json; charset=utf-8"}, status: 201, want: created},
		"identity encoding":          {body: body(t, nil), headers: []string{"Content-Encoding", "identity"}, status: 201, want: created},
		"exactly 1 MiB":              {body: pad(1 << 20), status: 201, want: created},
		"unknown fields are ignored": {body: body(t, map[string]any{"zzz": []int{1}}), status: 201, want: created},
		"over 1 MiB":                 {body: pad(1<<20 + 1), status: 413, want: exactly(`{"error":"Request body too large"}`)},
		"far over 1 MiB":             {body: strings.Repeat(" ", 10<<20), status: 413, want: exactly(`{"error":"Request body too large"}`)},
		"wrong secret":               {body: body(t, nil), headers: []string{"X-Activity-Webhook-Secret", "wrong"}, status: 401, want: exactly(`{"error":"Unauthorized"}`)},
		"empty secret":               {body: body(t, nil), headers: []string{"X-Activity-Webhook-Secret", ""}, status: 401, want: exactly(`{"error":"Unauthorized"}`)},
		"secret before the body":     {body: "{", headers: []string{"X-Activity-Webhook-Secret", "wrong", "Content-Type", "text/plain"}, status: 401, want: exactly(`{"error":"Unauthorized"}`)},
		"secret before the size": {
			body: strings.Repeat(" ", 10<<20), headers: []string{"X-Activity-Webhook-Secret", "wrong"}, status: 401, want: exactly(`{"error":"Unauthorized"}`),
		},
		"text":              {body: body(t, nil), headers: []string{"Content-Type", "text/plain"}, status: 415, want: exactly(`{"error":"Content-Type must be application/json"}`)},
		"another charset":   {body: body(t, nil), headers: []string{"Content-Type", "application/json; charset=utf-16"}, status: 415, want: `Content-Type`},
		"form":              {body: "a=b", headers: []string{"Content-Type", "application/x-www-form-urlencoded"}, status: 415, want: `Content-Type`},
		"no type":           {body: body(t, nil), headers: []string{"Content-Type", ""}, status: 415, want: `Content-Type`},
		"compressed":        {body: body(t, nil), headers: []string{"Content-Encoding", "gzip"}, status: 415, want: exactly(`{"error":"Content-Encoding is not supported"}`)},
		"not JSON":          {body: "{", status: 400, want: exactly(`{"error":"Invalid JSON body"}`)},
		"empty":             {body: "", status: 400, want: exactly(`{"error":"Invalid JSON body"}`)},
		"activityType":      {body: body(t, map[string]any{"activityType": "x"}), status: 400, want: exactly(`{"error":"Invalid activityType. Must be one of: kyt, kya, kye"}`)},
		"userId":            {body: body(t, map[string]any{"userId": nil}), status: 400, want: exactly(`{"error":"userId is required"}`)},
		"long key":          {body: body(t, nil), headers: []string{"Idempotency-Key", strings.Repeat("k", 256)}, status: 400, want: `Idempotency-Key must be at most 255`},
		"payload not a map": {body: body(t, map[string]any{"requestPayload": 1}), status: 400, want: exactly(`{"error":"requestPayload must be an object"}`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := s.Ingest(tc.body, tc.headers...)
			if a.StatusCode != tc.status || !regexp.MustCompile(tc.want).MatchString(a.Text) {
				t.Errorf("%d %s, want %d %s", a.StatusCode, a.Text, tc.status, tc.want)
			}
			if got := a.Header.Get("Content-Type"); got != "application/json" {
				t.Errorf("content type %q", got)
			}
			if a.Header.Get("X-Request-Id") == "" {
				t.Error("no request id")
			}
		})
	}
}

func TestIngestWithAnotherMethodIs405(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	a := s.Client().Get(path.IngestActivity)
	if a.StatusCode != http.StatusMethodNotAllowed || !strings.Contains(a.Header.Get("Allow"), http.MethodPost) {
		t.Errorf("%d, allow %q", a.StatusCode, a.Header.Get("Allow"))
	}
}

func TestARefusedPostStoresNothing(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	for _, b := range []string{"", "{}", `{"activityType":"kyt"}`, body(t, map[string]any{"riskScore": 101})} {
		s.Ingest(b)
	}
	s.Ingest(body(t, nil), "X-Activity-Webhook-Secret", "wrong")
	if n := stored(t, s); n != 0 {
		t.Errorf("%d records were stored", n)
	}
}

func TestAnIdempotencyKeyAnswersTheFirstResultAgain(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t, "ACTIVITY_WEBHOOK_SECRET=test-secret-of-the-workers,another-secret-of-the-workers")
	first := s.Ingest(body(t, nil), "Idempotency-Key", "k1")
	again := s.Ingest(body(t, map[string]any{"userId": "user_2"}), "Idempotency-Key", "k1")
	if first.StatusCode != http.StatusCreated || again.StatusCode != http.StatusCreated || first.Text != again.Text {
		t.Errorf("first %d %s, again %d %s", first.StatusCode, first.Text, again.StatusCode, again.Text)
	}
	for name, headers := range map[string][]string{
		"another key":    {"Idempotency-Key", "k2"},
		"another secret": {"Idempotency-Key", "k1", "X-Activity-Webhook-Secret", "another-secret-of-the-workers"},
	} {
		if other := s.Ingest(body(t, nil), headers...); other.StatusCode != http.StatusCreated || other.Text == first.Text {
			t.Errorf("%s: %d %s", name, other.StatusCode, other.Text)
		}
	}
	if n := stored(t, s); n != 3 {
		t.Errorf("%d records, want 3", n)
	}
}

func TestASecretMayBeBoundToATenant(t *testing.T) {
	t.Parallel()
	first := sitekit.Start(t)
	second, err := first.Accounts.CreateTenant(t.Context(), posthorn.CommandLine(), posthorn.NewTenant{
		Name: "Second", OwnerEmail: "second@posthorn.example", OwnerPassword: sitekit.UserPassword,
	})
	if err != nil {
		t.Fatal(err)
	}
	bound := sitekit.Join(t, first, "ACTIVITY_WEBHOOK_SECRET="+second.TenantID.String()+":bound-secret-of-the-workers,"+first.Secret)
	bound.Ingest(body(t, nil), "X-Activity-Webhook-Secret", "bound-secret-of-the-workers")
	bound.Ingest(body(t, nil))
	for _, tenant := range []posthorn.TenantID{first.Owner.TenantID, second.TenantID} {
		n, err := postgres.NewActivityFeed(first.DB).Counts(t.Context(), posthorn.ActivityScope{TenantID: tenant}, posthorn.ActivityFilter{})
		if err != nil || n.Total() != 1 {
			t.Errorf("%s has %d records, %v; want 1", tenant, n.Total(), err)
		}
	}
}

// Ten thousand bodies, most of them broken in some way: none is a 500, none that is refused leaves a row, and every row
// has its 201.
func TestMalformedBodiesAreNeverAFaultAndNeverARow(t *testing.T) {
	t.Parallel()
	const bodies, workers = 10_000, 20
	s := sitekit.Start(t)
	var mu sync.Mutex
	created := 0
	var work sync.WaitGroup
	for w := range workers {
		work.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(w), 20261121))
			for range bodies / workers {
				b := mutate(rnd, body(t, nil))
				a := s.Ingest(b)
				switch {
				case a.StatusCode == http.StatusCreated:
					mu.Lock()
					created++
					mu.Unlock()
				case a.StatusCode != http.StatusBadRequest || !strings.HasPrefix(a.Text, `{"error":"`):
					t.Errorf("%q: %d %s", b, a.StatusCode, a.Text)
				}
			}
		})
	}
	work.Wait()
	// The feed counts to a cap, so the rows are counted by the export.
	rows := 0
	for _, err := range postgres.NewActivityFeed(s.DB).Export(t.Context(), posthorn.ActivityScope{TenantID: s.Owner.TenantID}, posthorn.ActivityFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		rows++
	}
	if rows != created || created == bodies {
		t.Errorf("%d rows, %d answers with 201, %d bodies", rows, created, bodies)
	}
}

// hostile are values that have broken decoders and databases before.
var hostile = []string{
	"null", "true", "-0", "1e999", "-1e-999", "1.5", "[]", "{}", `""`, `"\u0000"`, `"\ud800"`, `"\udfff\ud800"`, `{"a":"\u0000"}`, `{"a":1e999}`,
	`{"a":{"a":{"a":[[[[]]]]}}}`, `"` + strings.Repeat("é", 600) + `"`, `"kyt"`, `"kye"`, `100.0`, `599`, `"';DROP TABLE users;--"`, `"%s%n\\"`,
	strings.Repeat("[", 300) + strings.Repeat("]", 300), `{"\ud800":1}`, `{"":""}`, `0e0`, `123456789012345678901234567890`, "\"\x7f\u200b\"",
}

var names = []string{
	"activityType", "userId", "requestId", "responseId", "statusCode", "blockchain", "transactionHash", "address", "entityId", "entityName",
	"riskLevel", "riskScore", "requestPayload", "responsePayload", "responseSummary", "errorMessage", "metadata", "clientAppId", "clientAppName",
}

// mutate puts hostile values into fields, and now and then breaks the bytes themselves.
func mutate(rnd *rand.Rand, valid string) string {
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(valid), &fields); err != nil {
		panic(err)
	}
	for range 1 + rnd.IntN(4) {
		fields[names[rnd.IntN(len(names))]] = json.RawMessage(hostile[rnd.IntN(len(hostile))])
	}
	var b strings.Builder
	b.WriteByte('{')
	for name, value := range fields {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:%s", name, value)
	}
	b.WriteByte('}')
	raw := []byte(b.String())
	for range rnd.IntN(3) {
		switch at := rnd.IntN(len(raw)); rnd.IntN(3) {
		case 0:
			raw[at] = byte(rnd.IntN(256))
		case 1:
			raw = slices.Delete(raw, at, at+1)
		case 2:
			raw = raw[:max(at, 1)]
		}
	}
	return string(raw)
}

func TestACompressedBodyIsNotInflated(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	if _, err := w.Write(bytes.Repeat([]byte(" "), 64<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if a := s.Ingest(bomb.String(), "Content-Encoding", "gzip"); a.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("%d %s", a.StatusCode, a.Text)
	}
}

// Fiber reuses its buffers: what one request left must not be in the record of another.
func TestConcurrentPostsKeepTheirOwnValues(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	const posts = 300
	answered := make([]string, posts)
	var work sync.WaitGroup
	limit := make(chan struct{}, 30)
	for i := range posts {
		work.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			answered[i] = s.PostActivity(map[string]any{
				"userId": fmt.Sprint("user-", i), "transactionHash": strings.Repeat(fmt.Sprintf("%03d", i), 20), "metadata": map[string]any{"i": i},
			})
		})
	}
	work.Wait()
	feed := postgres.NewActivityFeed(s.DB)
	for i, text := range answered {
		id, err := posthorn.ParseActivityID(text)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := feed.Get(t.Context(), posthorn.ActivityScope{TenantID: s.Owner.TenantID}, id)
		if err != nil {
			t.Fatal(err)
		}
		if rec.UserID != fmt.Sprint("user-", i) || rec.TransactionHash != strings.Repeat(fmt.Sprintf("%03d", i), 20) || string(rec.Metadata) != fmt.Sprintf(`{"i": %d}`, i) {
			t.Errorf("record %d holds %q, %q, %s", i, rec.UserID, rec.TransactionHash, rec.Metadata)
		}
	}
}
