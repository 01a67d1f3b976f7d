package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"posthorn/internal/pgserver"
	"posthorn/internal/posthorn"
)

// asPosthorn makes the test binary behave as the command itself.
const asPosthorn = "POSTHORN_TEST_RUN_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asPosthorn) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// installation is a folder in which Posthorn runs with nothing configured but a free port.
type installation struct {
	t   *testing.T
	dir string
}

func install(t *testing.T) installation {
	t.Helper()
	in := installation{t, t.TempDir()}
	t.Cleanup(func() {
		// A killed process leaves its PostgreSQL behind, for the next one to adopt. There is none after the test.
		if err := pgserver.Shutdown(t.Context(), filepath.Join(in.dir, "var", "postgres")); err != nil {
			t.Error(err)
		}
	})
	return in
}

func (in installation) command(environ []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(in.t.Context(), os.Args[0], args...)
	cmd.Dir = in.dir
	cmd.Env = append([]string{asPosthorn + "=1", "PATH=" + os.Getenv("PATH"), "HOME=" + in.dir, "POSTHORN_ADDR=127.0.0.1:0"}, environ...)
	return cmd
}

// run runs a command to its end.
func (in installation) run(environ []string, args ...string) (stdout, stderr string, code int) {
	in.t.Helper()
	var out, errs bytes.Buffer
	cmd := in.command(environ, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		in.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// serving is a running server and what it printed.
type serving struct {
	in                           installation
	cmd                          *exec.Cmd
	url, email, password, secret string
	exited                       chan error
	// log is what was logged; it may be read after the end.
	log *bytes.Buffer
}

var printed = regexp.MustCompile(`(?s)Posthorn +(\S+)\nSign in +(\S+) +(\S+)\n.*X-Activity-Webhook-Secret: ([^']+)'.*\n\n`)

// serve starts the server and waits until it has printed how to use it and answers.
func (in installation) serve(environ ...string) *serving {
	in.t.Helper()
	s := &serving{in: in, cmd: in.command(environ, "serve"), exited: make(chan error, 1), log: &bytes.Buffer{}}
	s.cmd.Stderr = s.log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		in.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		in.t.Fatal(err)
	}
	var text strings.Builder
	lines := bufio.NewScanner(out)
	for !printed.MatchString(text.String()) && lines.Scan() {
		text.WriteString(lines.Text() + "\n")
	}
	m := printed.FindStringSubmatch(text.String())
	if m == nil {
		_ = s.cmd.Wait()
		in.t.Fatalf("serve printed:\n%s\nand logged:\n%s", text.String(), s.log.String())
	}
	s.url, s.email, s.password, s.secret = strings.Replace(m[1], "localhost", "127.0.0.1", 1), m[2], m[3], m[4]
	go func() {
		_, _ = io.Copy(io.Discard, out)
		s.exited <- s.cmd.Wait()
	}()
	in.t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	return s
}

func (s *serving) post() string {
	s.in.t.Helper()
	req, err := http.NewRequestWithContext(s.in.t.Context(), http.MethodPost, s.url+"/api/webhook/activity",
		strings.NewReader(`{"activityType":"kye","userId":"user_1","entityId":"ent_1"}`))
	if err != nil {
		s.in.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Activity-Webhook-Secret", s.secret)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.in.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var receipt struct{ ID string }
	if err := json.NewDecoder(res.Body).Decode(&receipt); err != nil || res.StatusCode != http.StatusCreated {
		s.in.t.Fatalf("post: %d, %v", res.StatusCode, err)
	}
	return receipt.ID
}

// browser signs in and returns a client with the session.
func (s *serving) browser() *http.Client {
	s.in.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.in.t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	form := url.Values{posthorn.FieldEmail: {s.email}, posthorn.FieldPassword: {s.password}}
	req, err := http.NewRequestWithContext(s.in.t.Context(), http.MethodPost, s.url+"/login", strings.NewReader(form.Encode()))
	if err != nil {
		s.in.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := client.Do(req)
	if err != nil {
		s.in.t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Request.URL.Path != "/" {
		s.in.t.Fatalf("sign in ended at %s with %d", res.Request.URL, res.StatusCode)
	}
	return client
}

func (s *serving) get(client *http.Client, path string) *http.Response {
	s.in.t.Helper()
	req, err := http.NewRequestWithContext(s.in.t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		s.in.t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		s.in.t.Fatal(err)
	}
	return res
}

// stop sends a signal and waits for the end.
func (s *serving) stop(sig syscall.Signal) error {
	s.in.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.in.t.Fatal(err)
	}
	select {
	case err := <-s.exited:
		return err
	case <-time.After(20 * time.Second):
		s.in.t.Fatal("still there 20 seconds after the signal")
		return nil
	}
}

func TestAKilledServerComesUpAgainWithEveryRecord(t *testing.T) {
	t.Parallel()
	in := install(t)
	first := in.serve()
	var ids []string
	for range 20 {
		ids = append(ids, first.post())
	}
	if err := first.stop(syscall.SIGKILL); err == nil {
		t.Error("a killed process ended well")
	}
	second := in.serve()
	if second.password != first.password || second.secret != first.secret {
		t.Error("the second start printed another sign-in or secret")
	}
	client := second.browser()
	for _, id := range ids {
		res := second.get(client, "/activity/"+id)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", id, res.StatusCode)
		}
	}
	if err := second.stop(syscall.SIGTERM); err != nil {
		t.Errorf("stop: %v", err)
	}
	if _, err := os.Stat(filepath.Join(in.dir, "var", "postgres", "data", "postmaster.pid")); !os.IsNotExist(err) {
		t.Error("a PostgreSQL was left behind")
	}
}

func TestATermEndsTheServerAlthoughAStreamIsOpen(t *testing.T) {
	t.Parallel()
	s := install(t).serve()
	client := s.browser()
	stream := s.get(client, "/activity/stream")
	defer func() { _ = stream.Body.Close() }()
	if stream.StatusCode != http.StatusOK {
		t.Fatalf("stream: %d", stream.StatusCode)
	}
	if err := s.stop(syscall.SIGTERM); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// A request that cannot be parsed is logged without what it holds.
func TestTheLogHoldsNoSecretOfARequestThatCannotBeRead(t *testing.T) {
	t.Parallel()
	s := install(t).serve()
	for _, lines := range []string{"Content-Length: 2\r\nContent-Length: 3", "Content-Length: -1", "Broken", "X: " + strings.Repeat("y", 40_000)} {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(conn, "POST /api/webhook/activity HTTP/1.1\r\nHost: x\r\nX-Activity-Webhook-Secret: %s\r\nCookie: posthorn_session=cookie-of-a-person\r\n%s\r\n\r\n{}", s.secret, lines)
		_, _ = bufio.NewReader(conn).ReadString('\n')
		_ = conn.Close()
	}
	if err := s.stop(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	for _, secret := range []string{s.secret, s.password, "cookie-of-a-person"} {
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

func TestASecretForATenantThatIsNotThereStopsTheStart(t *testing.T) {
	t.Parallel()
	in := install(t)
	_, stderr, code := in.run([]string{"ACTIVITY_WEBHOOK_SECRET=tenant_0351J03IbcmPt0spTwnsZZ:a-secret-of-the-workers"}, "serve")
	if code != exitFailure || !strings.Contains(stderr, "ACTIVITY_WEBHOOK_SECRET is bound to tenant_0351J03IbcmPt0spTwnsZZ, which does not exist") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

func TestCommandsWorkBesideARunningServer(t *testing.T) {
	t.Parallel()
	in := install(t)
	s := in.serve()
	stdout, stderr, code := in.run(nil, "bootstrap", "--json")
	var made posthorn.Bootstrap
	if err := json.Unmarshal([]byte(stdout), &made); err != nil || code != exitOK {
		t.Fatalf("bootstrap: %d, %s%s", code, stdout, stderr)
	}
	if made.Email != s.email || made.Password != s.password || made.APIKey == "" || made.APISecret == "" {
		t.Errorf("bootstrap printed %s, the server %s", stdout, s.email)
	}
	for _, tc := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{"doctor"}, "ok    tenants: 1", exitOK},
		{[]string{"migrate"}, "The schema is at version", exitOK},
		{[]string{"tenant", "create", "--name", "Second", "--email", "second@posthorn.example"}, "Tenant      tenant_", exitOK},
		{[]string{"tenant", "list"}, "Second", exitOK},
		{[]string{"tenant", "create", "--name", "Third", "--email", "second@posthorn.example"}, "", exitFailure},
		{[]string{"user", "create", "--email", "m@posthorn.example", "--name", "Member", "--external-id", "clerk_1"}, "Password  ", exitOK},
		{[]string{"user", "list"}, "clerk_1", exitOK},
		{[]string{"user", "reset-password", "--email", "m@posthorn.example"}, "Password  ", exitOK},
		{[]string{"user", "reset-password", "--email", "nobody@posthorn.example"}, "", exitFailure},
		{[]string{"user", "create", "--role", "king", "--email", "k@posthorn.example"}, "", exitFailure},
		{[]string{"user"}, "", exitUsage},
		{[]string{"tenant", "list", "extra"}, "", exitUsage},
		{[]string{"tenant", "limits"}, "API         100 requests a minute (default)  100 at once (default)\nPublishing  no limit\n", exitOK},
		{
			[]string{"tenant", "limits", "--api-burst", "500", "--publish-rate", "6000"},
			"API         100 requests a minute (default)  500 at once\nPublishing  6000 requests a minute           6000 at once (default)\n", exitOK,
		},
		{[]string{"tenant", "limits", "--api-burst", "default"}, "100 at once (default)\nPublishing  6000", exitOK},
		{[]string{"tenant", "limits", "--api-rate", "0"}, "", exitFailure},
		{[]string{"tenant", "limits", "--api-rate", "fast"}, "", exitUsage},
		{[]string{"tenant", "limits", "--tenant", "tenant_0351J03IbcmPt0spTwnsZZ"}, "", exitFailure},
	} {
		stdout, stderr, code := in.run(nil, tc.args...)
		if code != tc.code || !strings.Contains(stdout, tc.want) || code != exitOK && stderr == "" {
			t.Errorf("%v: exit code %d\n%s%s", tc.args, code, stdout, stderr)
		}
	}
	res := s.get(http.DefaultClient, "/readyz")
	if _ = res.Body.Close(); res.StatusCode != http.StatusOK {
		t.Errorf("after the commands the server is not ready: %d", res.StatusCode)
	}
	if err := s.stop(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
}

func TestACommandThatIsNotUnderstoodSaysSo(t *testing.T) {
	t.Parallel()
	in := installation{t, t.TempDir()}
	for name, tc := range map[string]struct {
		environ, args  []string
		stdout, stderr string
		code           int
	}{
		"help":            {args: []string{"help"}, stdout: "Usage: posthorn COMMAND"},
		"nothing":         {stdout: "Usage: posthorn COMMAND"},
		"unknown":         {args: []string{"fly"}, stderr: `there is no command "fly"`, code: exitUsage},
		"unknown flag":    {args: []string{"serve", "--fast"}, stderr: "flag provided but not defined: -fast", code: exitUsage},
		"version":         {args: []string{"version"}, stdout: "posthorn dev"},
		"config":          {args: []string{"config"}, stdout: "POSTHORN_DATA_DIR"},
		"wrong value":     {environ: []string{"POSTHORN_ENV=staging"}, args: []string{"serve"}, stderr: "POSTHORN_ENV must be development or production", code: exitFailure},
		"missing secrets": {environ: []string{"POSTHORN_ENV=production"}, args: []string{"serve"}, stderr: "ACTIVITY_WEBHOOK_SECRET must be set", code: exitFailure},
		"doctor":          {environ: []string{"POSTHORN_ENV=staging"}, args: []string{"doctor"}, stdout: "FAIL  configuration", code: exitFailure},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stdout, stderr, code := in.run(tc.environ, tc.args...)
			if code != tc.code || !strings.Contains(stdout, tc.stdout) || !strings.Contains(stderr, tc.stderr) {
				t.Errorf("exit code %d\nstdout: %s\nstderr: %s", code, stdout, stderr)
			}
		})
	}
}

func TestTheConfigurationIsPrintedWithoutItsSecrets(t *testing.T) {
	t.Parallel()
	in := installation{t, t.TempDir()}
	stdout, _, _ := in.run([]string{"ACTIVITY_WEBHOOK_SECRET=very-secret-indeed", "DATABASE_URL=postgres://u:hunter2@db/x"}, "config")
	for _, secret := range []string{"very-secret-indeed", "hunter2"} {
		if strings.Contains(stdout, secret) {
			t.Errorf("config prints %q:\n%s", secret, stdout)
		}
	}
}
