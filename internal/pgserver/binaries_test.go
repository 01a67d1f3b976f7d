package pgserver

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakeBinaries makes a folder with programs that only know their version.
func fakeBinaries(t *testing.T, dir, initdb, postgres string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, version := range map[string]string{"initdb": initdb, "postgres": postgres} {
		if version == "" {
			continue
		}
		script := fmt.Sprintf("#!/bin/sh\necho '%s (PostgreSQL) %s (Debian)'\n", name, version)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestBinariesAreFoundInOrder(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	at := func(parts ...string) string { return filepath.Join(append([]string{root}, parts...)...) }
	v16 := fakeBinaries(t, at("usr", "16", "bin"), "16.4", "16.4")
	v18 := fakeBinaries(t, at("usr", "18", "bin"), "18beta1", "18beta1")
	v9 := fakeBinaries(t, at("usr", "9", "bin"), "9.6.24", "9.6.24")
	old := fakeBinaries(t, at("old"), "14.9", "14.9")
	mixed := fakeBinaries(t, at("mixed"), "17.1", "16.4")
	lonely := fakeBinaries(t, at("lonely"), "17.1", "")
	own := fakeBinaries(t, at("own"), "15.3", "15.3")
	links := at("links")
	if err := os.Mkdir(links, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(v16, "initdb"), filepath.Join(links, "initdb")); err != nil {
		t.Fatal(err)
	}
	modules := at("node_modules")
	npm := fakeBinaries(t, filepath.Join(modules, npmScope, npmPlatform(), "native", "bin"), "15.18", "15.18")
	path := func(dirs ...string) string { return strings.Join(dirs, string(os.PathListSeparator)) }
	distribution := []string{at("usr", "*", "bin")}

	for _, tc := range []struct {
		name   string
		search search
		major  int
		want   Binaries
	}{
		{"path wins over newer folders", search{path: path("/nowhere", own), distribution: distribution}, 0, Binaries{own, SourcePath, "15.3"}},
		{"a link in path leads to the real folder", search{path: path(links), distribution: distribution}, 0, Binaries{v16, SourcePath, "16.4"}},
		{"path in its own order", search{path: path(own, v18)}, 0, Binaries{own, SourcePath, "15.3"}},
		{"unusable ones in path are passed over", search{path: path(old, mixed, lonely, own)}, 0, Binaries{own, SourcePath, "15.3"}},
		{"the newest folder when path has none", search{path: path(lonely, old), distribution: distribution}, 0, Binaries{v18, SourceDistribution, "18beta1"}},
		{"the version that made the data", search{path: path(own), distribution: distribution}, 16, Binaries{v16, SourceDistribution, "16.4"}},
		{"an npm package when there is nothing else", search{distribution: []string{v9}, npm: []string{modules}}, 0, Binaries{npm, SourceNPM, "15.18"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.search.download.platform = npmPlatform()
			got, err := tc.search.find(t.Context(), tc.major)
			if err != nil {
				t.Fatal(err)
			}
			if want := tc.want; got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestNothingFoundIsOneSentenceWithAdvice(t *testing.T) {
	t.Parallel()
	old := fakeBinaries(t, filepath.Join(t.TempDir(), "old"), "14.9", "14.9")
	o := options(t, newDir(t))
	o.search = &search{
		path: old, distribution: []string{"/usr/lib/nowhere/*/bin"}, npm: []string{"/nowhere/node_modules"},
		download: download{registry: "http://127.0.0.1:1", platform: "linux-x64", version: npmVersion, integrity: "x", modules: t.TempDir()},
	}
	_, err := Start(t.Context(), o)
	if err == nil {
		t.Fatal("a server without binaries")
	}
	for _, part := range []string{
		"PATH", "/usr/lib/nowhere/*/bin", "/nowhere/node_modules", "version 14.9 is too old",
		"127.0.0.1:1", "apt install postgresql", "DATABASE_URL",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q lacks %q", err, part)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one line: %q", err)
	}
}

func TestDataOfAnotherVersionAreNotTouched(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	s := start(t, options(t, dir))
	stop(t, s)
	file := filepath.Join(s.layout.data(), "PG_VERSION")
	if err := os.WriteFile(file, []byte("99\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), options(t, dir)); err == nil || !strings.Contains(err.Error(), "PostgreSQL 99 (the version that made the existing data)") {
		t.Errorf("err = %v", err)
	}
}

func TestPathWithoutBinariesFallsToTheDistribution(t *testing.T) {
	t.Parallel()
	l := layout{newDir(t)}
	find := machineSearch(l)
	if len(find.distributionFolders()) == 0 {
		t.Skip("this machine's PostgreSQL is in none of the distributions' folders")
	}
	find.path = t.TempDir()
	o := options(t, l.dir)
	o.search = &find
	s := start(t, o)
	if got := s.Binaries(); got.Source != SourceDistribution {
		t.Errorf("binaries = %+v", got)
	}
	wantQuery(t, s, "select 'x'", "x")
}

func TestMajorOf(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]int{"15.14": 15, "18beta1": 18, "17rc1": 17, "16": 16, "9.6.24": 9, "": 0, "devel": 0} {
		if got := majorOf(version); got != want {
			t.Errorf("majorOf(%q) = %d, want %d", version, got, want)
		}
	}
}
