// Package static embeds the built assets: style sheet, script, htmx, fonts, icons. `npm --prefix static run build` makes dist from
// src; every file name carries the hash of its content, so an answer may be cached for ever.
package static

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Prefix is the URL path under which the assets are served.
const Prefix = "/static/"

// CacheControl is what an asset is served with: its name changes when its content does.
const CacheControl = "public, max-age=31536000, immutable"

//go:embed dist
var dist embed.FS

// Asset is one built file.
type Asset struct {
	// ContentType is ready for the header of that name.
	ContentType string
	// Body is the file. It is shared: do not change it.
	Body []byte
}

// contentTypes lists what the build may emit. The host's own table of types is not asked, so every machine answers the same.
var contentTypes = map[string]string{
	".css":   "text/css; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".svg":   "image/svg+xml",
	".txt":   "text/plain; charset=utf-8",
	".woff2": "font/woff2",
}

var manifest, assets = mustLoad()

// URL is the address of the asset with this source name, such as "app.css". It panics for a name that is not built: names are
// written in the code and resolved when a package starts, so the first test of that package finds a wrong one.
func URL(name string) string {
	hashed, ok := manifest[name]
	if !ok {
		panic("static: no asset " + name)
	}
	return Prefix + hashed
}

// Lookup finds an asset by its hashed name, the part of the URL after Prefix. The error is fs.ErrNotExist.
func Lookup(hashed string) (Asset, error) {
	asset, ok := assets[hashed]
	if !ok {
		return Asset{}, fmt.Errorf("look up asset %q: %w", hashed, fs.ErrNotExist)
	}
	return asset, nil
}

// mustLoad reads the manifest and every file it names. What fails here was built wrong and fails every test of every view.
func mustLoad() (map[string]string, map[string]Asset) {
	raw, err := dist.ReadFile("dist/manifest.json")
	if err != nil {
		panic(fmt.Sprintf("static: read manifest: %v", err))
	}
	names := map[string]string{}
	if err := json.Unmarshal(raw, &names); err != nil {
		panic(fmt.Sprintf("static: parse manifest: %v", err))
	}
	files := make(map[string]Asset, len(names))
	for _, hashed := range names {
		body, err := dist.ReadFile("dist/" + hashed)
		if err != nil {
			panic(fmt.Sprintf("static: read %s: %v", hashed, err))
		}
		contentType, ok := contentTypes[strings.ToLower(path.Ext(hashed))]
		if !ok {
			panic("static: no content type for " + hashed)
		}
		files[hashed] = Asset{ContentType: contentType, Body: body}
	}
	return names, files
}
