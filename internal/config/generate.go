package config

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"posthorn/internal/secretbox"
)

// SecretsFile is the name of the file in the data folder that keeps generated
// secrets.
const SecretsFile = "secrets.json"

// generatedSecrets is the content of SecretsFile. It always holds both, whichever
// was missing, so that the file never has to be changed.
type generatedSecrets struct {
	SecretKey             string `json:"secretKey"`
	ActivityWebhookSecret string `json:"activityWebhookSecret"`
}

// EnsureSecrets fills in the secrets that Load found missing, which it allows in
// development only. They are generated once and kept in [SecretsFile], readable by
// its owner alone; processes that start at the same time end up with the same ones.
// When nothing is missing it touches no file.
func (c *Config) EnsureSecrets() error {
	if c.SecretKey.IsSet() && len(c.IngestSecrets) > 0 {
		return nil
	}
	path := filepath.Join(c.DataDir, SecretsFile)
	kept, err := readSecrets(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := createSecrets(path); err != nil {
			return fmt.Errorf("keep generated secrets: %w", err)
		}
		// Read back even what was just written: another process may have been first.
		kept, err = readSecrets(path)
	}
	if err != nil {
		return fmt.Errorf("read generated secrets (set %s and %s to do without the file): %w", varSecretKey, varIngestSecret, err)
	}
	if !c.SecretKey.IsSet() {
		c.SecretKey = NewSecret(kept.SecretKey)
	}
	if len(c.IngestSecrets) == 0 {
		c.IngestSecrets = []IngestSecret{{Secret: NewSecret(kept.ActivityWebhookSecret)}}
	}
	return nil
}

// readSecrets reads and checks the file. Its errors show nothing of the content.
func readSecrets(path string) (generatedSecrets, error) {
	var kept generatedSecrets
	info, err := os.Stat(path)
	if err != nil {
		return kept, fmt.Errorf("inspect file: %w", err)
	}
	// Copying and unpacking loosen permissions; tighten them again.
	if info.Mode().Perm()&0o077 != 0 {
		if err := os.Chmod(path, 0o600); err != nil {
			return kept, fmt.Errorf("close file to others: %w", err)
		}
	}
	content, err := os.ReadFile(path) //nolint:gosec // G304: the operator names the folder
	if err != nil {
		return kept, fmt.Errorf("read file: %w", err)
	}
	if err := json.Unmarshal(content, &kept); err != nil {
		return generatedSecrets{}, fmt.Errorf("%s is not JSON as Posthorn writes it", path)
	}
	if _, err := secretbox.ParseKeys(kept.SecretKey); err != nil {
		return generatedSecrets{}, fmt.Errorf("%s: secretKey: %w", path, err)
	}
	if _, fault := parseIngestSecret(kept.ActivityWebhookSecret); fault != "" {
		return generatedSecrets{}, fmt.Errorf("%s: activityWebhookSecret %s", path, fault)
	}
	return kept, nil
}

// createSecrets writes new secrets under path, whole or not at all, and leaves alone
// what another process put there first.
func createSecrets(path string) (err error) {
	dir := filepath.Dir(path)
	// Open to others: the private PostgreSQL in it may run as another user.
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // G301: see above
		return fmt.Errorf("create data folder: %w", err)
	}
	temporary, err := os.CreateTemp(dir, "."+SecretsFile+"-*") // mode 0600
	if err != nil {
		return fmt.Errorf("create file: %w", err)
	}
	defer func() { err = errors.Join(err, os.Remove(temporary.Name())) }()
	if err := writeSecrets(temporary); err != nil {
		return fmt.Errorf("write %s: %w", temporary.Name(), err)
	}
	// Unlike a rename, a link does not replace a file that is there.
	if err := os.Link(temporary.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("put file in place: %w", err)
	}
	return syncDir(dir)
}

func writeSecrets(f *os.File) error {
	key := make([]byte, secretbox.KeySize)
	_, _ = rand.Read(key) // ends the process rather than fail
	content, err := json.MarshalIndent(generatedSecrets{
		SecretKey:             base64.StdEncoding.EncodeToString(key),
		ActivityWebhookSecret: rand.Text(),
	}, "", "  ")
	if err != nil {
		return errors.Join(err, f.Close())
	}
	_, err = f.Write(append(content, '\n'))
	// Synced before it gets its name, or a crash could leave an empty file there.
	return errors.Join(err, f.Sync(), f.Close())
}

// syncDir makes the new name durable: what gets encrypted must not outlive its key.
func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // G304: the operator names the folder
	if err != nil {
		return fmt.Errorf("open data folder: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync data folder: %w", err)
	}
	return nil
}
