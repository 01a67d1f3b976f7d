package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

func asset(t *testing.T, name string) Asset {
	t.Helper()
	found, err := Lookup(strings.TrimPrefix(URL(name), Prefix))
	if err != nil {
		t.Fatalf("look up %s: %v", name, err)
	}
	return found
}

func TestEveryAssetCarriesTheHashOfItsContent(t *testing.T) {
	t.Parallel()

	for name, hashed := range manifest {
		sum := sha256.Sum256(asset(t, name).Body)
		if !strings.Contains(hashed, "."+hex.EncodeToString(sum[:])[:10]+".") {
			t.Errorf("%s is served as %s, which is not the hash of its content", name, hashed)
		}
	}
}

func TestPagesCanRelyOnTheirAssets(t *testing.T) {
	t.Parallel()

	types := map[string]string{
		"app.css":                       "text/css; charset=utf-8",
		"app.js":                        "text/javascript; charset=utf-8",
		"htmx.js":                       "text/javascript; charset=utf-8",
		"icons.svg":                     "image/svg+xml",
		"posthorn-mark.svg":             "image/svg+xml",
		"geist-latin-wght-normal.woff2": "font/woff2",
	}
	for name, want := range types {
		if got := asset(t, name); got.ContentType != want || len(got.Body) == 0 {
			t.Errorf("%s: type %q with %d bytes, want %q with content", name, got.ContentType, len(got.Body), want)
		}
	}
}

func TestUnknownAssetsAreNotFound(t *testing.T) {
	t.Parallel()

	for _, name := range []string{"", "app.css", "manifest.json", "../embed.go"} {
		if _, err := Lookup(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Lookup(%q) = %v, want fs.ErrNotExist", name, err)
		}
	}
}

func TestURLPanicsForANameThatIsNotBuilt(t *testing.T) {
	t.Parallel()

	defer func() {
		if recover() == nil {
			t.Error("URL of an unknown name returned")
		}
	}()
	URL("nothing.css")
}

func TestStyleSheetRefersOnlyToBuiltAssets(t *testing.T) {
	t.Parallel()

	built := map[string]bool{}
	for _, hashed := range manifest {
		built[hashed] = true
	}
	references := regexp.MustCompile(`url\(([^)]*)\)`).FindAllStringSubmatch(string(asset(t, "app.css").Body), -1)
	if len(references) < 5 {
		t.Fatalf("%d references in app.css, want the four fonts and the select's arrow", len(references))
	}
	for _, reference := range references {
		if !built[reference[1]] {
			t.Errorf("app.css refers to %q", reference[1])
		}
	}
}

func TestScriptStaysSmallAndNeedsNoEval(t *testing.T) {
	t.Parallel()

	script := asset(t, "app.js").Body
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	if _, err := writer.Write(script); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if packed.Len() > 6*1024 {
		t.Errorf("app.js is %d bytes gzipped, want at most 6 KiB", packed.Len())
	}
	for _, forbidden := range []string{"eval(", "new Function", ".style.", ".cssText", ".innerHTML", "outerHTML ="} {
		if bytes.Contains(script, []byte(forbidden)) {
			t.Errorf("app.js uses %s, which the Content-Security-Policy or hostile text forbids", forbidden)
		}
	}
}

func TestBuiltScriptsAndStylesAreUpToDateWithTheirTokens(t *testing.T) {
	t.Parallel()

	css := string(asset(t, "app.css").Body)
	for name := range tokens(t) {
		if !strings.Contains(css, "--ph-"+name+":") {
			t.Errorf("app.css lacks the token %s: run the build", name)
		}
	}
}

// tokens reads the colours of tokens.css: name to light and dark.
func tokens(t *testing.T) map[string][2]string {
	t.Helper()
	source, err := os.ReadFile("src/tokens.css")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][2]string{}
	for _, match := range regexp.MustCompile(`--ph-([\w-]+): light-dark\((#\w{6}), (#\w{6})\)`).FindAllStringSubmatch(string(source), -1) {
		found[match[1]] = [2]string{match[2], match[3]}
	}
	if len(found) < 40 {
		t.Fatalf("%d tokens in tokens.css, want all of them", len(found))
	}
	return found
}
