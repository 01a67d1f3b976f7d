package posthorn_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"posthorn/internal/posthorn"
)

// verificationVariants are the signatures whose code differs, by the name of the file or package that it is put into.
var verificationVariants = map[string]posthorn.Signature{
	"standard":         {Scheme: posthorn.SchemeStandard},
	"smartkyc":         {Scheme: posthorn.SchemeSmartKYC},
	"smartkyc_webhook": {Scheme: posthorn.SchemeSmartKYC, Key: posthorn.KeyWebhook},
	"kryptos":          {Scheme: posthorn.SchemeKryptos},
	"arkyc":            {Scheme: posthorn.SchemeArkyc},
	"hex_body":         {Scheme: posthorn.SchemeCustom, Header: "X-Signature"},
	"base64_body":      {Scheme: posthorn.SchemeCustom, Header: "x-!#$%&'*+.^_`|~", Encoding: "base64"},
	"unsigned_time":    custom("hex", "body"),
	"hex_time_body":    custom("hex", "timestamp.body"),
	"base64_time_body": custom("base64", "timestamp.body"),
}

// verificationCase is a request that code judges, and what it has to say.
type verificationCase struct {
	Variant, Name string
	Headers       [][2]string
	Body          []byte
	Secret        string
	want          bool
}

// verificationCases are requests for every variant. Where the time is signed they are signed now, because the code asks the
// clock; the others are the vectors of the signature tests.
func verificationCases(t *testing.T) []verificationCase {
	t.Helper()
	var cases []verificationCase
	now := time.Now()
	for variant, s := range verificationVariants {
		message := func(at time.Time) posthorn.Message {
			m := vectorMessage(vectorBody)
			m.Timestamp = at
			return m
		}
		signed := func(at time.Time, secrets ...posthorn.SigningSecret) []posthorn.Header {
			return s.Sign(message(at), secrets)
		}
		add := func(name string, want bool, headers []posthorn.Header, body, secret string) {
			c := verificationCase{Variant: variant, Name: name, Body: []byte(body), Secret: secret, want: want}
			for _, h := range headers {
				c.Headers = append(c.Headers, [2]string{h.Name, h.Value})
			}
			cases = append(cases, c)
		}
		secret, own := secretOf(t, vectorSecret), secretOf(t, ownSecret)
		timed := string(s.SignedContent(message(now))) != vectorBody
		// webhook-id, the time if there is one, and the signature.
		signature := s.HeaderNames()[1]
		if timed || variant == "unsigned_time" {
			signature = s.HeaderNames()[2]
		}
		add("genuine", true, signed(now, secret), vectorBody, vectorSecret)
		add("genuine, own secret", true, signed(now, own), vectorBody, ownShown)
		add("another body", false, signed(now, secret), vectorBody+" ", vectorSecret)
		add("another secret", false, signed(now, secret), vectorBody, ownShown)
		add("no headers", false, nil, vectorBody, vectorSecret)
		add("no secret", false, signed(now, secret), vectorBody, "")
		add("no secret, signed by nobody", false, withHeader(signed(now, secret), signature, forge(s, s.SignedContent(message(now)), nil)), vectorBody, "")
		add("signature cut", false, withHeader(signed(now, secret), signature, vectorHex[:20]), vectorBody, vectorSecret)
		add("signature not ASCII", false, withHeader(signed(now, secret), signature, "vé1,"), vectorBody, vectorSecret)
		add("rotation, old secret", true, signed(now, own, secret), vectorBody, vectorSecret)
		add("rotation, new secret", s.SignsWithEverySecret(), signed(now, own, secret), vectorBody, ownShown)
		add("ten minutes old", !timed, signed(now.Add(-10*time.Minute), secret), vectorBody, vectorSecret)
		add("ten minutes early", !timed, signed(now.Add(10*time.Minute), secret), vectorBody, vectorSecret)
		if timed {
			clock := s.HeaderNames()[1]
			for _, text := range []string{"", "now", "1e400", "NaN", strings.Repeat("9", 400)} {
				headers := withHeader(signed(now, secret), clock, text)
				content := bytes.Replace(s.SignedContent(vectorMessage(vectorBody)), []byte(strconv.Itoa(vectorSeconds)), []byte(text), 1)
				add("time "+text, false, withHeader(headers, signature, forge(s, content, vectorKey(t, s))), vectorBody, vectorSecret)
			}
		}
	}
	return append(cases,
		verificationCase{"smartkyc", "vector", [][2]string{{"X-SmartKYC-Signature", vectorHex}}, []byte(vectorBody), vectorSecret, true},
		verificationCase{"kryptos", "vector", [][2]string{{"X-Webhook-Signature", ownHex}}, []byte(vectorBody), ownShown, true},
		verificationCase{"hex_body", "vector", [][2]string{{"X-Signature", vectorHex}}, []byte(vectorBody), vectorSecret, true},
	)
}

// forge signs any content under a signature's encoding with any key.
func forge(s posthorn.Signature, content, key []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write(content)
	sum := mac.Sum(nil)
	switch {
	case s.Scheme == posthorn.SchemeStandard:
		return "v1," + base64.StdEncoding.EncodeToString(sum)
	case s.Encoding == posthorn.EncodingBase64:
		return base64.StdEncoding.EncodeToString(sum)
	default:
		return hex.EncodeToString(sum)
	}
}

// vectorKey is the key that vectorSecret stands for.
func vectorKey(t *testing.T, s posthorn.Signature) []byte {
	t.Helper()
	if s.Scheme != posthorn.SchemeStandard {
		return []byte(vectorSecret)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(vectorSecret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// withHeader returns the headers with another value for one that is there.
func withHeader(headers []posthorn.Header, name, value string) []posthorn.Header {
	for i := range headers {
		if headers[i].Name == name {
			headers[i].Value = value
			return headers
		}
	}
	panic("no header " + name)
}

// judge runs a program that reads the cases as JSON and writes its verdicts as a JSON list, and compares them.
func judge(t *testing.T, dir string, cases []verificationCase, program string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("the verification code cannot be tried: %v", err)
	}
	input, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(input)
	// Neither another module's settings nor the network are any business of the code.
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "GOPROXY=off", "GOTOOLCHAIN=local")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, stderr.String())
	}
	var verdicts []bool
	if err := json.Unmarshal(out, &verdicts); err != nil || len(verdicts) != len(cases) {
		t.Fatalf("%d verdicts for %d cases, %v: %s", len(verdicts), len(cases), err, out)
	}
	for i, c := range cases {
		if verdicts[i] != c.want {
			t.Errorf("%s, %s: verify says %t, want %t", c.Variant, c.Name, verdicts[i], c.want)
		}
	}
}

func writeFile(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTheNodeCodeVerifies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for variant, s := range verificationVariants {
		writeFile(t, dir, variant+".mjs", s.VerificationCode(posthorn.LanguageNode))
	}
	writeFile(t, dir, "judge.mjs", `
import { readFileSync } from "node:fs";
const verdicts = [];
for (const c of JSON.parse(readFileSync(0, "utf8"))) {
  const { verify } = await import("./" + c.Variant + ".mjs");
  const headers = Object.fromEntries((c.Headers ?? []).map(([name, value]) => [name.toLowerCase(), value]));
  verdicts.push(verify(headers, Buffer.from(c.Body, "base64"), c.Secret));
}
console.log(JSON.stringify(verdicts));
`)
	judge(t, dir, verificationCases(t), "node", "judge.mjs")
}

func TestTheGoCodeVerifies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var imports, table strings.Builder
	for variant, s := range verificationVariants {
		code := s.VerificationCode(posthorn.LanguageGo)
		if formatted, err := format.Source([]byte(code)); err != nil || string(formatted) != code {
			t.Errorf("%s is not formatted, %v:\n%s", variant, err, code)
		}
		writeFile(t, dir, filepath.Join(variant, "verify.go"), code)
		fmt.Fprintf(&imports, "\t%s \"receiver/%s\"\n", variant, variant)
		fmt.Fprintf(&table, "\t%q: %s.Verify,\n", variant, variant)
	}
	writeFile(t, dir, "go.mod", "module receiver\n\ngo 1.21\n")
	writeFile(t, dir, "main.go", `package main

import (
	"encoding/json"
	"net/http"
	"os"

`+imports.String()+`)

var verify = map[string]func(http.Header, []byte, string) bool{
`+table.String()+`}

func main() {
	var cases []struct {
		Variant string
		Headers [][2]string
		Body    []byte
		Secret  string
	}
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		panic(err)
	}
	verdicts := []bool{}
	for _, c := range cases {
		headers := http.Header{}
		for _, h := range c.Headers {
			headers.Set(h[0], h[1])
		}
		verdicts = append(verdicts, verify[c.Variant](headers, c.Body, c.Secret))
	}
	if err := json.NewEncoder(os.Stdout).Encode(verdicts); err != nil {
		panic(err)
	}
}
`)
	judge(t, dir, verificationCases(t), "go", "run", ".")
}

func TestThePythonCodeVerifies(t *testing.T) {
	t.Parallel()
	// Unlike Node and Go, which the product is built with, Python need not be there.
	if _, err := exec.LookPath("python3"); err != nil {
		t.Log("there is no python3 here: the Python code was not tried")
		return
	}
	dir := t.TempDir()
	for variant, s := range verificationVariants {
		writeFile(t, dir, variant+".py", s.VerificationCode(posthorn.LanguagePython))
	}
	writeFile(t, dir, "judge.py", `
import base64, importlib, json, sys
from email.message import Message

verdicts = []
for c in json.load(sys.stdin):
    headers = Message()  # knows upper and lower case as one
    for name, value in c["Headers"] or []:
        headers[name] = value
    module = importlib.import_module(c["Variant"])
    verdicts.append(module.verify(headers, base64.b64decode(c["Body"]), c["Secret"]))
json.dump(verdicts, sys.stdout)
`)
	judge(t, dir, verificationCases(t), "python3", "-B", "judge.py")
}

func TestVerificationCodeHoldsNoSecretAndNamesTheOneItNeeds(t *testing.T) {
	t.Parallel()
	for variant, s := range verificationVariants {
		for _, lang := range posthorn.Languages() {
			code := s.VerificationCode(lang)
			owner := "the webhook's signing secret"
			if s.UsesTenantSecret() {
				owner = "the organisation's API secret"
			}
			if !strings.Contains(code, owner) || !strings.Contains(code, "WEBHOOK_SECRET") || strings.Contains(code, "<no value>") {
				t.Errorf("%s in %s does not say which secret it takes, and from where:\n%s", variant, lang.Label(), code)
			}
		}
	}
	if code := (posthorn.Signature{Scheme: posthorn.SchemeArkyc}).VerificationCode("cobol"); code != "" {
		t.Errorf("code in an unknown language:\n%s", code)
	}
}
