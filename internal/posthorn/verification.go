package posthorn

import (
	"embed"
	"strings"
	"text/template"
)

// Language is one that verification code is offered in.
type Language string

// The languages.
const (
	LanguageNode   Language = "node"
	LanguageGo     Language = "go"
	LanguagePython Language = "python"
)

// Languages lists the languages in the order in which they are offered.
func Languages() []Language { return []Language{LanguageNode, LanguageGo, LanguagePython} }

// Valid reports whether the language is one of Languages.
func (l Language) Valid() bool { return l.template() != "" }

// Label returns the language's name for people.
func (l Language) Label() string {
	switch l {
	case LanguageNode:
		return "Node.js"
	case LanguageGo:
		return "Go"
	case LanguagePython:
		return "Python"
	}
	return string(l)
}

// template is the file that the code is made from.
func (l Language) template() string {
	switch l {
	case LanguageNode:
		return "verify.mjs.tmpl"
	case LanguageGo:
		return "verify.go.tmpl"
	case LanguagePython:
		return "verify.py.tmpl"
	}
	return ""
}

//go:embed verification
var verificationFiles embed.FS

// verificationTemplates put the names of headers between double quotes as they are: a token has nothing to escape.
var verificationTemplates = template.Must(template.New("").
	Funcs(template.FuncMap{"lower": strings.ToLower}).
	ParseFS(verificationFiles, "verification/*.tmpl"))

// VerificationCode returns code for receivers, to be copied as it is: one function verify(headers, rawBody, secret) (Verify
// in Go) that compares in constant time, refuses a time more than five minutes off where the scheme signs the time, takes
// nothing for genuine while its secret is empty, and needs the language's own library alone. An unknown language has none.
func (s Signature) VerificationCode(lang Language) string {
	if !lang.Valid() {
		return ""
	}
	source := "the webhook's signing secret"
	if s.UsesTenantSecret() {
		source = "the organisation's API secret"
	}
	var code strings.Builder
	err := verificationTemplates.ExecuteTemplate(&code, lang.template(), struct {
		Standard, Timed, Base64                    bool
		IDHeader, TimestampHeader, SignatureHeader string
		Encoding                                   Encoding
		SecretSource                               string
	}{
		Standard: s.Scheme == SchemeStandard, Timed: s.signsTime(), Base64: s.encoding() == EncodingBase64,
		IDHeader: headerID, TimestampHeader: s.timestampHeader(), SignatureHeader: s.signatureHeader(),
		Encoding: s.encoding(), SecretSource: source,
	})
	if err != nil {
		panic("posthorn: the templates of the verification code are fixed: " + err.Error())
	}
	return code.String()
}
