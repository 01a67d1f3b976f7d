package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func ensured(t *testing.T, dir string, environ ...string) *Config {
	t.Helper()
	c := mustLoad(t, append(environ, "POSTHORN_DATA_DIR="+dir)...)
	if err := c.EnsureSecrets(); err != nil {
		t.Fatalf("EnsureSecrets: %v", err)
	}
	return c
}

func TestMissingSecretsAreGeneratedOnceAndKept(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data", "deeper")
	first := ensured(t, dir)
	keys, err := first.EncryptionKeys()
	if err != nil || len(keys) != 1 {
		t.Fatalf("EncryptionKeys = %d keys, %v", len(keys), err)
	}
	if len(first.IngestSecrets) != 1 || first.IngestSecrets[0].Tenant != "" || len(first.IngestSecrets[0].Secret.Reveal()) < minIngestSecret {
		t.Errorf("ingest secrets: %+v", first.IngestSecrets)
	}
	if diff := cmp.Diff(first, ensured(t, dir), ignoreInner); diff != "" {
		t.Errorf("the second start has other secrets: %s", diff)
	}
	if other := ensured(t, t.TempDir()); other.SecretKey.Equal(first.SecretKey) || other.IngestSecrets[0].Secret.Equal(first.IngestSecrets[0].Secret) {
		t.Error("another folder has the same secrets")
	}
}

func TestTheSecretsFileIsItsOwnersAloneAndTheFolderIsNot(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	ensured(t, dir)
	path := filepath.Join(dir, SecretsFile)
	perm := func(name string) os.FileMode {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm()
	}
	if got := perm(path); got != 0o600 {
		t.Errorf("file mode %o, want 600", got)
	}
	if got := perm(dir); got&0o111 != 0o111 {
		t.Errorf("folder mode %o: another user's PostgreSQL cannot enter it", got)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	ensured(t, dir)
	if got := perm(path); got != 0o600 {
		t.Errorf("file mode %o after it was loosened, want 600", got)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("%d files in the folder (%v), want the one", len(entries), err)
	}
}

func TestProcessesThatStartAtOnceEndUpWithTheSameSecrets(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	configs := make([]*Config, 16)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range configs {
		c := mustLoad(t, "POSTHORN_DATA_DIR="+dir)
		configs[i] = c
		wg.Go(func() {
			<-start
			if err := c.EnsureSecrets(); err != nil {
				t.Errorf("EnsureSecrets: %v", err)
			}
		})
	}
	close(start)
	wg.Wait()
	for _, c := range configs[1:] {
		if diff := cmp.Diff(configs[0], c, ignoreInner); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestWhatTheEnvironmentGivesIsNotGenerated(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	both := []string{"POSTHORN_SECRET_KEY=" + keyA, "ACTIVITY_WEBHOOK_SECRET=given"}
	for _, environ := range [][]string{both, append(both, "POSTHORN_ENV=production")} {
		ensured(t, dir, environ...)
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%v: a file was touched: %v", environ, err)
		}
	}
	onlyKey := ensured(t, dir, both[0])
	if onlyKey.SecretKey.Reveal() != keyA || !onlyKey.IngestSecrets[0].Secret.IsSet() {
		t.Error("with the key given, only the ingest secret is generated")
	}
	onlyIngest := ensured(t, dir, both[1])
	if onlyIngest.IngestSecrets[0].Secret.Reveal() != "given" || !onlyIngest.SecretKey.IsSet() {
		t.Error("with the ingest secret given, only the key is generated")
	}
	neither := ensured(t, dir)
	if !neither.SecretKey.Equal(onlyIngest.SecretKey) || !neither.IngestSecrets[0].Secret.Equal(onlyKey.IngestSecrets[0].Secret) {
		t.Error("what was generated once is not kept")
	}
}

func TestADamagedSecretsFileStopsTheStartAndIsLeftAlone(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ content, want string }{
		"empty":           {"", "is not JSON as Posthorn writes it"},
		"not json":        {"hunter2", "is not JSON as Posthorn writes it"},
		"another shape":   {`{"secretKey":["hunter2"]}`, "is not JSON as Posthorn writes it"},
		"no key":          {`{"activityWebhookSecret":"hunter2"}`, "secretKey: no key given"},
		"a broken key":    {`{"secretKey":"hunter2","activityWebhookSecret":"hunter2"}`, "secretKey: key 1 is not base64"},
		"no other secret": {`{"secretKey":"` + keyA + `"}`, "activityWebhookSecret is empty"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, SecretsFile)
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			c := mustLoad(t, "POSTHORN_DATA_DIR="+dir)
			err := c.EnsureSecrets()
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Fatalf("EnsureSecrets = %v, want %q and the path", err, tt.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows a secret: %v", err)
			}
			if c.SecretKey.IsSet() || len(c.IngestSecrets) > 0 {
				t.Error("half of the secrets were taken")
			}
			if content, err := os.ReadFile(path); err != nil || string(content) != tt.content {
				t.Errorf("the file was changed to %q (%v)", content, err)
			}
		})
	}
}

func TestUnknownEntriesOfTheSecretsFileAreLeftToOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	content, err := json.Marshal(map[string]string{"secretKey": keyA, "activityWebhookSecret": "kept", "later": "x"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, SecretsFile), content, 0o600); err != nil {
		t.Fatal(err)
	}
	if c := ensured(t, dir); c.SecretKey.Reveal() != keyA || c.IngestSecrets[0].Secret.Reveal() != "kept" {
		t.Error("the secrets in the file were not taken")
	}
}

func TestADataFolderThatCannotBeIsAnErrorWithItsPath(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		err := mustLoad(t, "POSTHORN_DATA_DIR="+dir).EnsureSecrets()
		if err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("EnsureSecrets in %s = %v, want an error with the path", dir, err)
		}
	}
}
