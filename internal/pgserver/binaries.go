package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// minMajor is the oldest PostgreSQL that Posthorn's SQL runs on.
const minMajor = 15

// Where binaries can come from, in the order they are looked for.
const (
	SourcePath         = "PATH"
	SourceDistribution = "distribution"
	SourceNPM          = "npm package"
	SourceDownload     = "download"
	// SourceRunning marks a server that was adopted: somebody else chose its binaries.
	SourceRunning = "running server"
)

// Binaries says which PostgreSQL is used.
type Binaries struct {
	// Dir is the folder that holds initdb and postgres.
	Dir string
	// Source is one of the Source constants.
	Source string
	// Version is what the server calls itself, for instance 15.14.
	Version string
}

// search says where to look for binaries.
type search struct {
	path         string   // like $PATH
	distribution []string // patterns of folders
	npm          []string // node_modules folders
	download     download
}

func machineSearch(l layout) search {
	return search{
		path: os.Getenv("PATH"),
		distribution: []string{
			"/usr/lib/postgresql/*/bin",                      // Debian, Ubuntu
			"/usr/pgsql-*/bin",                               // PGDG for Red Hat
			"/usr/lib/postgresql*/bin",                       // SUSE
			"/usr/lib64/postgresql-*/bin",                    // Gentoo
			"/usr/libexec/postgresql*",                       // Alpine
			"/opt/homebrew/opt/postgresql*/bin",              // Homebrew, Apple silicon
			"/usr/local/opt/postgresql*/bin",                 // Homebrew, Intel
			"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin", // Homebrew, Linux
			"/opt/local/lib/postgresql*/bin",                 // MacPorts
			"/Applications/Postgres.app/Contents/Versions/*/bin",
			"/usr/local/pgsql/bin", // built from source
			"/usr/local/bin",
			"/usr/bin",
		},
		npm:      []string{filepath.Join(l.npm(), "node_modules"), "node_modules", "static/node_modules"},
		download: pinnedDownload(filepath.Join(l.npm(), "node_modules")),
	}
}

// find returns the first usable binaries. A major other than zero asks for
// exactly that one, because it made the existing data.
func (s search) find(ctx context.Context, major int) (Binaries, error) {
	var seen []string // what was found but cannot be used
	for _, step := range []struct {
		source  string
		folders func() []string
	}{
		{SourcePath, s.pathFolders},
		{SourceDistribution, s.distributionFolders},
		{SourceNPM, s.npmFolders},
	} {
		var best Binaries
		for _, dir := range step.folders() {
			if step.source == SourceNPM {
				// Best effort: the folder may be another user's, and complete already.
				_ = hydrate(filepath.Dir(filepath.Dir(dir)))
			}
			b, err := probe(ctx, dir, step.source)
			if err == nil {
				err = suits(b.Version, major)
			}
			if err != nil {
				seen = append(seen, dir+" ("+err.Error()+")")
				continue
			}
			// PATH says itself what comes first; among folders the newest does.
			if best.Dir == "" || (step.source == SourceDistribution && majorOf(b.Version) > majorOf(best.Version)) {
				best = b
			}
		}
		if best.Dir != "" {
			return best, nil
		}
	}
	b, err := s.fetch(ctx, major)
	if err == nil {
		return b, nil
	}
	if ctx.Err() != nil {
		return Binaries{}, fmt.Errorf("download postgresql: %w", context.Cause(ctx))
	}
	return Binaries{}, s.notFound(major, seen, err)
}

// fetch downloads the pinned package and probes it.
func (s search) fetch(ctx context.Context, major int) (Binaries, error) {
	if err := suits(s.download.version, major); err != nil {
		return Binaries{}, err
	}
	dir, err := s.download.install(ctx)
	if err != nil {
		return Binaries{}, err
	}
	return probe(ctx, dir, SourceDownload)
}

func (s search) notFound(major int, seen []string, cause error) error {
	wanted := fmt.Sprintf("PostgreSQL %d or newer", minMajor)
	if major != 0 {
		wanted = fmt.Sprintf("PostgreSQL %d (the version that made the existing data)", major)
	}
	var unusable string
	if len(seen) > 0 {
		unusable = "; not usable: " + strings.Join(seen, ", ")
	}
	return fmt.Errorf("found no %s in PATH, in the system's folders (%s, ...) or as an npm package in %s%s, and the download of %s failed (%w): install PostgreSQL (apt install postgresql, brew install postgresql@17) or set DATABASE_URL",
		wanted, firstOf(s.distribution), strings.Join(s.npm, ", "), unusable, s.download.name(), cause)
}

func firstOf(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return list[0]
}

// pathFolders follows links, since a distribution often puts links to single
// programs in PATH, and PostgreSQL looks for its files relative to the real ones.
func (s search) pathFolders() []string {
	var folders []string
	for _, dir := range filepath.SplitList(s.path) {
		if real, err := filepath.EvalSymlinks(filepath.Join(dir, "initdb")); err == nil && filepath.IsAbs(real) {
			folders = appendNew(folders, filepath.Dir(real))
		}
	}
	return folders
}

func (s search) distributionFolders() []string {
	var folders []string
	for _, pattern := range s.distribution {
		matches, err := filepath.Glob(filepath.Join(pattern, "initdb"))
		if err != nil {
			continue // only a malformed pattern, and they are constants
		}
		for _, m := range matches {
			if real, err := filepath.EvalSymlinks(m); err == nil {
				folders = appendNew(folders, filepath.Dir(real))
			}
		}
	}
	return folders
}

func (s search) npmFolders() []string {
	var folders []string
	for _, modules := range s.npm {
		dir, err := filepath.Abs(filepath.Join(modules, filepath.FromSlash(s.download.name()), "native", "bin"))
		if err != nil {
			continue
		}
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			folders = appendNew(folders, real)
		}
	}
	return folders
}

func appendNew(list []string, item string) []string {
	if slices.Contains(list, item) {
		return list
	}
	return append(list, item)
}

// probe runs both programs, which also proves that their libraries load.
func probe(ctx context.Context, dir, source string) (Binaries, error) {
	b := Binaries{Dir: dir, Source: source}
	for _, name := range []string{"initdb", "postgres"} {
		version, err := versionOf(ctx, filepath.Join(dir, name))
		if err != nil {
			return Binaries{}, err
		}
		if b.Version != "" && b.Version != version {
			return Binaries{}, fmt.Errorf("initdb is version %s but postgres is %s", b.Version, version)
		}
		b.Version = version
	}
	return b, nil
}

// versionOf reads "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)".
func versionOf(ctx context.Context, program string) (string, error) {
	name := filepath.Base(program)
	if _, err := os.Stat(program); errors.Is(err, fs.ErrNotExist) {
		return "", errors.New("no " + name + " there")
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "--version")
	cmd.Env = cleanEnv()
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s does not run: %w %s", name, err, strings.TrimSpace(string(out)))
	}
	fields := strings.Fields(string(out))
	if len(fields) < 3 || fields[1] != "(PostgreSQL)" {
		return "", fmt.Errorf("%s is not PostgreSQL's: %.80s", name, strings.TrimSpace(string(out)))
	}
	return fields[2], nil
}

func suits(version string, major int) error {
	switch got := majorOf(version); {
	case major != 0 && got != major:
		return fmt.Errorf("version %s, but the data need %d", version, major)
	case got < minMajor:
		return fmt.Errorf("version %s is too old", version)
	}
	return nil
}

// majorOf is 15 for 15.14, 18 for 18beta1, and 0 for what is no version.
func majorOf(version string) int {
	end := strings.IndexFunc(version, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(version)
	}
	n, err := strconv.Atoi(version[:end])
	if err != nil {
		return 0
	}
	return n
}

// npmPlatform is the package's name for this machine, as npm spells platforms.
func npmPlatform() string {
	arch := runtime.GOARCH
	if arch == "amd64" {
		arch = "x64"
	}
	return runtime.GOOS + "-" + arch
}
