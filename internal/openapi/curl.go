package openapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
)

// KeyVariable and SecretVariable are the shell variables that stand for the API key and the secret of workers in command lines.
const (
	KeyVariable    = "API_KEY"
	SecretVariable = "ACTIVITY_WEBHOOK_SECRET"
)

// Curl is a command line that calls the operation at a base URL such as "https://posthorn.example.com", with its first example
// as the body. Shell variables stand for what only the reader has.
func (o *Operation) Curl(base string) string {
	target, quoted := base+o.Path, false
	for _, p := range o.Parameters {
		if p.In == "path" {
			target, quoted = strings.Replace(target, "{"+p.Name+"}", "$"+p.Variable, 1), true
		}
	}
	if quoted {
		target = `"` + target + `"`
	}
	line := "curl " + target
	if o.Method != http.MethodGet {
		line = "curl -X " + o.Method + " " + target
	}
	parts := []string{line}
	switch {
	case o.Scope != "":
		parts = append(parts, `-H "Authorization: Bearer $`+KeyVariable+`"`)
	case o.Secret != "":
		parts = append(parts, `-H "`+o.Secret+`: $`+SecretVariable+`"`)
	}
	if o.Body != nil && len(o.Body.Examples) > 0 {
		parts = append(parts, "-H 'Content-Type: application/json'", "-d "+shellQuote(compact(o.Body.Examples[0].JSON)))
	}
	return strings.Join(parts, " \\\n  ")
}

// shellQuote makes one word of text for a POSIX shell.
func shellQuote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

func compact(raw json.RawMessage) string {
	var out bytes.Buffer
	if json.Compact(&out, raw) != nil {
		return string(raw)
	}
	return out.String()
}
