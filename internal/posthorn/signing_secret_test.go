package posthorn_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"posthorn/internal/posthorn"
)

func TestANewSecretIs32RandomBytes(t *testing.T) {
	t.Parallel()
	a, b := posthorn.NewSigningSecret(), posthorn.NewSigningSecret()
	if a.Reveal() == b.Reveal() {
		t.Fatal("two secrets are the same")
	}
	encoded, ok := strings.CutPrefix(a.Reveal(), "whsec_")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(key) != 32 || bytes.Equal(key, make([]byte, 32)) {
		t.Errorf("%d bytes, %v", len(key), err)
	}
	if again := secretOf(t, a.Reveal()); again.Reveal() != a.Reveal() {
		t.Error("a secret is not read back as it is shown")
	}
}

func TestParseSigningSecretBringsEveryFormToTheOneThatIsShown(t *testing.T) {
	t.Parallel()
	bytes24, bytes25, bytes64 := strings.Repeat("x", 24), strings.Repeat("y", 25), strings.Repeat("z", 64)
	shown := func(key string) string { return "whsec_" + base64.StdEncoding.EncodeToString([]byte(key)) }
	for text, want := range map[string]string{
		vectorSecret:                           vectorSecret,
		ownSecret:                              ownShown,
		ownShown:                               ownShown,
		strings.TrimRight(ownShown, "="):       ownShown,
		bytes24:                                shown(bytes24),
		bytes64:                                shown(bytes64),
		shown(bytes25):                         shown(bytes25),
		strings.TrimRight(shown(bytes25), "="): shown(bytes25),
		shown(bytes64):                         shown(bytes64),
		"Zoë's very own secret, ¿?":            shown("Zoë's very own secret, ¿?"),
		// Base64 without the prefix is text like any other.
		vectorSecret[6:]: shown(vectorSecret[6:]),
	} {
		secret, rule := posthorn.ParseSigningSecret(text)
		if rule != "" || secret.Reveal() != want {
			t.Errorf("%q is read as %q, %q; want %q", text, secret.Reveal(), rule, want)
		}
	}
}

func TestParseSigningSecretRefusesTheRestAndSaysWhy(t *testing.T) {
	t.Parallel()
	const noBase64 = "must have standard base64 after whsec_"
	encoded := base64.StdEncoding.EncodeToString
	for text, want := range map[string]string{
		"":                      "must not be empty",
		"hunter2":               "must be 24 to 64 bytes, and this one has 7",
		strings.Repeat("x", 65): "must be 24 to 64 bytes, and this one has 65",
		"whsec_":                "must be 24 to 64 bytes, and this one has 0 after whsec_ when decoded",
		"whsec_" + encoded([]byte(strings.Repeat("x", 23))):    "must be 24 to 64 bytes, and this one has 23 after whsec_ when decoded",
		"whsec_" + encoded([]byte(strings.Repeat("x", 65))):    "must be 24 to 64 bytes, and this one has 65 after whsec_ when decoded",
		"whsec_" + strings.Repeat("-_", 16):                    noBase64,
		"whsec_not base64 at all, but long enough to be a key": noBase64,
		"whsec_MfKQ9r8GKYqrTwjU\nPD8ILPZIo2LaLaSw":             noBase64,
		vectorSecret + "=":                            noBase64,
		strings.TrimSuffix(ownShown, "="):             noBase64,
		ownShown + "=":                                noBase64,
		strings.TrimSuffix(ownShown, "ZQ==") + "ZR==": noBase64,
		" " + vectorSecret:                            "must not begin or end with a space",
		"correct horse battery staple\n":              "must be printable text in one line",
		"correct\x00horse battery staple":             "must be printable text in one line",
		"correct horse battery stapl\xff":             "must be printable text in one line",
	} {
		secret, rule := posthorn.ParseSigningSecret(text)
		if rule != want || !secret.IsZero() {
			t.Errorf("%q: %q, want %q", text, rule, want)
		}
	}
}

func TestLastFourIsTheEndThatAPersonSees(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{vectorSecret: "LaSw", ownShown: "BsZQ"} {
		if got := secretOf(t, text).LastFour(); got != want {
			t.Errorf("LastFour() = %q, want %q", got, want)
		}
	}
	if got := (posthorn.SigningSecret{}).LastFour(); got != "" {
		t.Errorf("no secret ends in %q", got)
	}
}

func TestASecretNeverPrintsItself(t *testing.T) {
	t.Parallel()
	secret := secretOf(t, vectorSecret)
	nested := struct {
		Shown  posthorn.SigningSecret
		hidden posthorn.SigningSecret
		List   []posthorn.SigningSecret
	}{secret, secret, []posthorn.SigningSecret{secret}}
	if nested.hidden.IsZero() {
		t.Fatal("the struct has no hidden secret")
	}
	var out bytes.Buffer
	for _, value := range []any{secret, &secret, nested, &nested, []posthorn.SigningSecret{secret}, map[string]posthorn.SigningSecret{"a": secret}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%T"} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
		raw, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(raw)
		for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(handler).Error("failed", slog.Any("secret", value))
		}
	}
	fmt.Fprintln(&out, secret.String(), secret.GoString(), fmt.Errorf("sign: %v", secret))
	text := strings.ToLower(out.String())
	for _, leak := range []string{vectorSecret, vectorSecret[6:], fmt.Sprintf("%x", vectorSecret), fmt.Sprintf("%d", []byte(vectorSecret))} {
		if strings.Contains(text, strings.ToLower(leak)) {
			t.Errorf("printed: %s", leak)
		}
	}
	if !strings.Contains(text, "[redacted]") {
		t.Errorf("nothing says that something was left out:\n%s", text)
	}
}

func TestEveryPrintableTextOfTheRightSizeIsASecretAndStaysThatSecret(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[!-~][ -~]{22,62}[!-~]`).Draw(t, "text")
		if strings.HasPrefix(text, "whsec_") {
			return
		}
		secret, rule := posthorn.ParseSigningSecret(text)
		if rule != "" {
			t.Fatalf("%q %s", text, rule)
		}
		again, rule := posthorn.ParseSigningSecret(secret.Reveal())
		if rule != "" || again.Reveal() != secret.Reveal() {
			t.Fatalf("shown as %q, and read as %q, %q", secret.Reveal(), again.Reveal(), rule)
		}
	})
}
