package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"posthorn/internal/posthorn"
)

var listening = regexp.MustCompile(`^Listening on (http://\S+): it (.*)\.$`)

func TestListenVerifiesPrintsAndAnswersUntilItIsInterrupted(t *testing.T) {
	t.Parallel()
	secret := posthorn.NewSigningSecret()
	in := installation{t, t.TempDir()}
	cmd := in.command([]string{listenSecret + "=" + secret.Reveal()}, "listen", "--addr", "127.0.0.1:0", "--fail-first", "1",
		"--scheme", "custom", "--header", "X-Sig", "--timestamp-header", "X-Time", "--over", "timestamp.body", "--encoding", "base64")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal("it printed nothing")
	}
	m := listening.FindStringSubmatch(lines.Text())
	if m == nil || !strings.Contains(m[2], "custom") || !strings.Contains(m[2], "500") || strings.Contains(m[2], secret.Reveal()) {
		t.Fatalf("it printed %q", lines.Text())
	}
	signature := posthorn.Signature{
		Scheme: posthorn.SchemeCustom, Header: "X-Sig", TimestampHeader: "X-Time", Encoding: posthorn.EncodingBase64, Over: posthorn.OverTimestampBody,
	}
	const body = `{"event":"submission.completed"}`
	for _, want := range []int{500, 200} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m[1]+"/hook", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		message := posthorn.Message{ID: "whd_1", Timestamp: time.Now(), Body: []byte(body)}
		for _, h := range signature.Sign(message, []posthorn.SigningSecret{secret}) {
			req.Header.Set(h.Name, h.Value)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("answered %d, want %d", res.StatusCode, want)
		}
		if !lines.Scan() || !strings.Contains(lines.Text(), "verified (custom)") {
			t.Errorf("printed %q", lines.Text())
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after the interruption: %v", err)
	}
}

func TestListenRefusesArgumentsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	in := installation{t, t.TempDir()}
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"short secret":   {[]string{"--secret", "short"}, "24 to 64 bytes"},
		"unknown scheme": {[]string{"--scheme", "other"}, "must have a scheme"},
		"custom":         {[]string{"--scheme", "custom"}, "must name a header"},
		"status":         {[]string{"--status", "99"}, "from 200 to 599"},
	} {
		_, stderr, code := in.run(nil, append([]string{"listen"}, tc.args...)...)
		if code != exitUsage || !strings.Contains(stderr, tc.want) {
			t.Errorf("%s: exit code %d, %s", name, code, stderr)
		}
	}
}
