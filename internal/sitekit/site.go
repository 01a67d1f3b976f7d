// Package sitekit runs a whole Posthorn for tests over HTTP and in a browser. For tests only; it stands apart from testkit
// because that is also used by the tests of what it is made of.
package sitekit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"posthorn/internal/app"
	"posthorn/internal/auth"
	"posthorn/internal/config"
	"posthorn/internal/contract"
	"posthorn/internal/posthorn"
	"posthorn/internal/testkit"
	"posthorn/views/path"
)

// Site is a running Posthorn on a database of its own.
type Site struct {
	*app.App
	// URL is its address, without a slash at the end.
	URL string
	// Secret is what workers present.
	Secret string
	// Owner is the sign-in of the first owner.
	Owner posthorn.Bootstrap
	t     testing.TB
	stop  func()
}

// Start runs Posthorn for a test, in development, set up with an owner; variables add to its configuration. It stops with
// the test, and a stop that fails fails the test.
func Start(tb testing.TB, variables ...string) *Site {
	tb.Helper()
	return start(tb, append([]string{"POSTHORN_DATA_DIR=" + tb.TempDir(), "DATABASE_URL=" + testkit.URL(tb)}, variables...))
}

// Join runs a second process's worth of Posthorn on the database of a site.
func Join(tb testing.TB, first *Site, variables ...string) *Site {
	tb.Helper()
	return start(tb, append([]string{
		"POSTHORN_DATA_DIR=" + first.Config.DataDir, "DATABASE_URL=" + first.Config.DatabaseURL.Reveal(),
	}, variables...))
}

func start(tb testing.TB, variables []string) *Site {
	tb.Helper()
	s := &Site{t: tb, Secret: "test-secret-of-the-workers"}
	cfg, err := config.Load(append([]string{"POSTHORN_ADDR=127.0.0.1:0", "ACTIVITY_WEBHOOK_SECRET=" + s.Secret}, variables...))
	if err != nil {
		tb.Fatal(err)
	}
	var out io.Writer = testWriter{tb}
	if _, fuzzes := tb.(*testing.F); fuzzes {
		out = io.Discard // it may not be used while it fuzzes
	}
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if s.App, err = app.New(tb.Context(), cfg, log, "test", app.WithPasswords(auth.NewWeakHasher())); err != nil {
		tb.Fatal(err)
	}
	s.URL = "http://" + s.Addr()
	if cfg.Env == config.Development && cfg.AdminEmail == "" {
		if s.Owner, err = s.SignIn(tb.Context()); err != nil {
			tb.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	stopped := make(chan error, 1)
	// Goroutines inherit the label, so that those of a site can be told from those of others.
	go pprof.Do(ctx, s.label(), func(ctx context.Context) { stopped <- s.Run(ctx) })
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-stopped; err != nil {
			tb.Errorf("stop: %v", err)
		}
	})
	tb.Cleanup(s.stop)
	return s
}

// Stop stops the site before its test ends, and waits until it has stopped.
func (s *Site) Stop() { s.stop() }

func (s *Site) label() pprof.LabelSet { return pprof.Labels("site", s.Addr()) }

// Goroutines counts the site's goroutines that are in a function, such as "web.(*activityStream).run".
func (s *Site) Goroutines(function string) int {
	s.t.Helper()
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		s.t.Fatal(err)
	}
	// Each paragraph begins with how many goroutines it stands for, and has a line with their labels.
	label := fmt.Sprintf(`{"site":%q}`, s.Addr())
	total := 0
	for paragraph := range strings.SplitSeq(profile.String(), "\n\n") {
		if !strings.Contains(paragraph, label) || !strings.Contains(paragraph, function) {
			continue
		}
		count, _, _ := strings.Cut(paragraph, " @")
		n, err := strconv.Atoi(count[strings.LastIndexByte(count, '\n')+1:])
		if err != nil {
			s.t.Fatalf("read the goroutine profile: %v\n%s", err, paragraph)
		}
		total += n
	}
	return total
}

// testWriter sends the log of a site to the log of its test.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(line []byte) (int, error) {
	w.t.Logf("%s", bytes.TrimSpace(line))
	return len(line), nil
}

// Answer is an answer, read whole.
type Answer struct {
	*http.Response
	Text string
}

// HTML parses the answer as a page.
func (a Answer) HTML(tb testing.TB) *goquery.Document {
	tb.Helper()
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(a.Text))
	if err != nil {
		tb.Fatal(err)
	}
	return doc
}

// Client is a browser without a screen: it keeps cookies and does not follow redirects.
type Client struct {
	site *Site
	http *http.Client
}

// Client returns a client that is not signed in.
func (s *Site) Client() *Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{site: s, http: &http.Client{Jar: jar, CheckRedirect: stay}}
}

// SignedIn returns a client that is signed in as the first owner.
func (s *Site) SignedIn() *Client { return s.SignedInAs(s.Owner.Email, s.Owner.Password) }

// SignedInAs returns a client that is signed in.
func (s *Site) SignedInAs(email, password string) *Client {
	s.t.Helper()
	c := s.Client()
	a := c.Post(path.Login, url.Values{posthorn.FieldEmail: {email}, posthorn.FieldPassword: {password}})
	if a.StatusCode != http.StatusSeeOther {
		s.t.Fatalf("sign in as %s: %d\n%s", email, a.StatusCode, a.Text)
	}
	return c
}

// send sends a request to a path of the site, with headers in pairs.
func (c *Client) send(method, target string, body io.Reader, headers []string) *http.Response {
	t := c.site.t
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, c.site.URL+target, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// Open sends a request and leaves the body of its answer to be read, as that of a stream has to be. The test closes it,
// or else its end does.
func (c *Client) Open(method, target string, body io.Reader, headers ...string) *http.Response {
	c.site.t.Helper()
	res := c.send(method, target, body, headers)
	c.site.t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// Do sends a request to a path of the site, with headers in pairs, and reads its answer whole. A call of the API that is not as
// the OpenAPI document says fails the test.
func (c *Client) Do(method, target string, body io.Reader, headers ...string) Answer {
	t := c.site.t
	t.Helper()
	res := c.send(method, target, body, headers)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := contract.Check(contract.Call{Request: res.Request, Body: bodyOf(res.Request), Answer: res, Text: text}); err != nil {
		t.Errorf("%s %s: %v", method, target, err)
	}
	return Answer{Response: res, Text: string(text)}
}

// bodyOf returns what a request has carried, nil when it was a stream that is gone.
func bodyOf(req *http.Request) []byte {
	if req.GetBody == nil {
		return nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return nil
	}
	return text
}

// Get asks for a page, or with headers of htmx for a fragment.
func (c *Client) Get(target string, headers ...string) Answer {
	c.site.t.Helper()
	return c.Do(http.MethodGet, target, nil, headers...)
}

// Post sends a form.
func (c *Client) Post(target string, form url.Values, headers ...string) Answer {
	c.site.t.Helper()
	return c.Do(http.MethodPost, target, strings.NewReader(form.Encode()),
		append([]string{"Content-Type", "application/x-www-form-urlencoded"}, headers...)...)
}

// Activity is a valid record to post; fields replace or add to it, and nil takes away.
func Activity(fields map[string]any) map[string]any {
	body := map[string]any{
		"activityType": "kyt", "userId": "user_1", "blockchain": "bitcoin", "transactionHash": "3a1bfd9d", "riskLevel": "low", "riskScore": 12,
	}
	maps.Copy(body, fields)
	maps.DeleteFunc(body, func(_ string, v any) bool { return v == nil })
	return body
}

// PostActivity posts a record as a worker does and returns its id.
func (s *Site) PostActivity(fields map[string]any) string {
	s.t.Helper()
	body, err := json.Marshal(Activity(fields))
	if err != nil {
		s.t.Fatal(err)
	}
	a := s.Ingest(string(body))
	var receipt struct{ ID string }
	if err := json.Unmarshal([]byte(a.Text), &receipt); err != nil || a.StatusCode != http.StatusCreated {
		s.t.Fatalf("post %s: %d %s", body, a.StatusCode, a.Text)
	}
	return receipt.ID
}

// Ingest posts a body as a worker does; headers in pairs replace or add to the usual ones.
func (s *Site) Ingest(body string, headers ...string) Answer {
	s.t.Helper()
	return s.Client().Do(http.MethodPost, path.IngestActivity, strings.NewReader(body),
		append([]string{"Content-Type", "application/json", "X-Activity-Webhook-Secret", s.Secret}, headers...)...)
}

// CreateUser adds a person to the first tenant.
func (s *Site) CreateUser(role posthorn.Role, email, externalID string) posthorn.User {
	s.t.Helper()
	u, err := s.Accounts.CreateUser(s.t.Context(), posthorn.CommandLine(), posthorn.NewUser{
		TenantID: s.Owner.TenantID, Email: email, Name: "Amara Okafor", Role: role, ExternalID: externalID, Password: UserPassword,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

// UserPassword is the password of everybody whom CreateUser made.
const UserPassword = "correct horse battery"
