// Package docs_test has the tests of what the documentation tells its readers to type.
package docs_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"posthorn/internal/openapi"
	"posthorn/internal/sitekit"
	"posthorn/internal/testkit"
	"posthorn/views/path"
)

func TestMain(m *testing.M) {
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: nameServer}
	testkit.Main(m)
}

// nameServer is a connection to a name server that knows every name, and says that it is this machine.
func nameServer(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	go func() {
		defer func() { _ = ours.Close() }()
		for {
			var length [2]byte
			if _, err := io.ReadFull(ours, length[:]); err != nil {
				return
			}
			question := make([]byte, binary.BigEndian.Uint16(length[:]))
			if _, err := io.ReadFull(ours, question); err != nil {
				return
			}
			answer, err := resolve(question)
			if err != nil {
				return
			}
			binary.BigEndian.PutUint16(length[:], uint16(len(answer)))
			if _, err := ours.Write(append(length[:], answer...)); err != nil {
				return
			}
		}
	}()
	return theirs, nil
}

func resolve(question []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil {
		return nil, fmt.Errorf("read a question: %w", err)
	}
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	for _, q := range m.Questions {
		if q.Type == dnsmessage.TypeA {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60},
				Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
			})
		}
	}
	return m.Pack()
}

// shell runs command lines as a reader types them: word for word. Only where the address of the documentation leads to is
// changed, by curl's own configuration file.
type shell struct {
	t         *testing.T
	home      string
	variables map[string]string
}

// base is the address that the README names.
const base = "http://localhost:8090"

func newShell(t *testing.T) (*shell, *sitekit.Site) {
	t.Helper()
	s := sitekit.Start(t, "POSTHORN_BASE_URL="+base, "POSTHORN_ALLOW_HTTP_TARGETS=true", "POSTHORN_ALLOW_TARGET_CIDRS=127.0.0.0/8,::1/128", "POSTHORN_API_BURST=1000")
	at, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	sh := &shell{t: t, home: t.TempDir(), variables: map[string]string{
		openapi.KeyVariable: s.Owner.APIKey, openapi.SecretVariable: s.Secret,
	}}
	config := "silent\nshow-error\nwrite-out = \"\\n%{http_code}\"\nconnect-to = \"localhost:8090:" + at.Host + "\"\n"
	if err := os.WriteFile(filepath.Join(sh.home, ".curlrc"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return sh, s
}

// run runs a command line and returns the status and the body of the answer.
func (sh *shell) run(line string) (status, body string) {
	sh.t.Helper()
	cmd := exec.CommandContext(sh.t.Context(), "sh", "-eu", "-c", line)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + sh.home, "CURL_HOME=" + sh.home}
	for name, value := range sh.variables {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		sh.t.Errorf("%s\n%v: %s", line, err, out)
		return "", ""
	}
	text := string(out)
	end := strings.LastIndexByte(text, '\n')
	return text[end+1:], text[:end]
}

// succeeds runs a command line that must not be refused, and returns the id of what it answers, empty for none.
func (sh *shell) succeeds(line string) string {
	sh.t.Helper()
	status, body := sh.run(line)
	if !strings.HasPrefix(status, "2") && !strings.HasPrefix(status, "3") {
		sh.t.Errorf("%s\n%s %s", line, status, body)
	}
	var answer struct{ ID string }
	if json.Unmarshal([]byte(body), &answer) != nil {
		return ""
	}
	return answer.ID
}

var (
	shellBlock  = regexp.MustCompile("(?s)```sh\n(.*?)```")
	curlCommand = regexp.MustCompile(`(?m)^curl (?:.*\\\n)*.*$`)
)

func TestTheCommandLinesOfTheReadmeWork(t *testing.T) {
	t.Parallel()
	sh, s := newShell(t)
	var lines []string
	for _, name := range []string{"../README.md", "ingest.md", "api.md"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range shellBlock.FindAllStringSubmatch(string(text), -1) {
			lines = append(lines, curlCommand.FindAllString(block[1], -1)...)
		}
	}
	if len(lines) < 5 {
		t.Fatalf("found %d command lines", len(lines))
	}
	for _, line := range lines {
		sh.succeeds(line)
	}
	// The last of them reads the log, which has what the others caused.
	a := s.Client().Get(path.APIDeliveries, "X-API-Key", s.Owner.APIKey)
	if a.StatusCode != http.StatusOK || !strings.Contains(a.Text, `"event":"submission.created"`) {
		t.Errorf("%d %s", a.StatusCode, a.Text)
	}
}

func TestTheCommandLinesOfTheDocumentationWork(t *testing.T) {
	t.Parallel()
	sh, s := newShell(t)
	lines := map[string]string{}
	doc := openapi.Load()
	for i := range doc.Groups {
		page := s.Client().Get(path.DocsGroup(doc.Groups[i].Slug())).HTML(t)
		for _, o := range doc.Groups[i].Operations {
			lines[o.ID] = page.Find("#" + o.ID + "-curl code").Text()
		}
	}
	if first := s.Client().Get(path.Docs).HTML(t).Find("#first-curl code").Text(); first == "" {
		t.Error("the introduction has no command line")
	} else {
		sh.succeeds(first)
	}
	operations := doc.Operations()
	slices.SortStableFunc(operations, func(a, b *openapi.Operation) int { return turn(a) - turn(b) })
	for _, o := range operations {
		if !strings.HasPrefix(lines[o.ID], "curl ") || !strings.Contains(lines[o.ID], base) {
			t.Errorf("%s: %q", o.ID, lines[o.ID])
			continue
		}
		id := sh.succeeds(lines[o.ID])
		sh.keep(o, id)
	}
}

// turn puts those first that make something, and those last that take it away.
func turn(o *openapi.Operation) int {
	about := strings.Contains(o.Path, "{id}")
	switch {
	case o.Method == http.MethodDelete:
		return 4
	case o.ID == "putWebhook":
		return 0
	case !about && o.Method != http.MethodGet:
		return 1
	case o.ID == "testWebhook":
		return 2
	default:
		return 3
	}
}

// keep remembers the id of what an operation made for those about one of it.
func (sh *shell) keep(o *openapi.Operation, id string) {
	if id == "" || o.Method == http.MethodGet {
		return
	}
	for _, other := range openapi.Load().Operations() {
		if other.Path == o.Path+"/{id}" || o.ID == "testWebhook" && other.ID == "getDelivery" || o.ID == "recordActivity" && other.ID == "getActivity" {
			sh.variables[other.Parameters[0].Variable] = id
		}
	}
}
