package openapi_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"posthorn/internal/openapi"
	"posthorn/internal/sitekit"
)

// tool is a program of the front-end packages, which `make test` installs.
func tool(t *testing.T, name string) string {
	t.Helper()
	at, err := filepath.Abs("../../static/node_modules/.bin/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(at); err != nil {
		t.Fatalf("this test needs %s in static/node_modules: `make test` installs it: %v", name, err)
	}
	return at
}

// run runs a program in a folder and returns what it prints.
func run(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", filepath.Base(program), err, out, complaints.String())
	}
	return string(out)
}

// clientFolder has the program of an integrator, and the packages that it needs.
func clientFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	modules, err := filepath.Abs("../../static/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS("testdata")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAGeneratedClientCreatesAWebhookPublishesAndReadsTheLog(t *testing.T) {
	t.Parallel()
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	t.Cleanup(receiver.Close)
	s := sitekit.Start(t, "POSTHORN_ALLOW_HTTP_TARGETS=true", "POSTHORN_ALLOW_TARGET_CIDRS=127.0.0.0/8", "POSTHORN_API_BURST=1000")
	dir := clientFolder(t)
	if err := os.WriteFile(filepath.Join(dir, "openapi.json"), []byte(s.Client().Get("/openapi.json").Text), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, dir, tool(t, "openapi-typescript"), "openapi.json", "--output", "schema.ts")
	run(t, dir, tool(t, "tsc"), "--project", "tsconfig.json")
	run(t, dir, tool(t, "esbuild"), "client.ts", "--bundle", "--platform=node", "--format=esm", "--log-level=error", "--outfile=client.mjs")

	var result struct {
		Webhook, Event, Delivery, Status string
		StatusCode                       int
	}
	out := run(t, dir, "node", "client.mjs", s.URL, s.Owner.APIKey, receiver.URL)
	if err := json.Unmarshal([]byte(out), &result); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	if !strings.HasPrefix(result.Webhook, "wh_") || !strings.HasPrefix(result.Event, "evt_") || !strings.HasPrefix(result.Delivery, "whd_") ||
		result.Status != "success" || result.StatusCode != http.StatusOK {
		t.Errorf("%+v", result)
	}
}

func TestAClientThatUsesWhatTheDocumentDoesNotHaveDoesNotCompile(t *testing.T) {
	t.Parallel()
	dir := clientFolder(t)
	if err := os.WriteFile(filepath.Join(dir, "openapi.json"), openapi.Load().JSON("/"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, dir, tool(t, "openapi-typescript"), "openapi.json", "--output", "schema.ts")
	at := filepath.Join(dir, "client.ts")
	text, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(strings.Replace(string(text), "one.status,", "one.nonsense,", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), tool(t, "tsc"), "--project", "tsconfig.json")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "nonsense") {
		t.Errorf("%v: %s", err, out)
	}
}
