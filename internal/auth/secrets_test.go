package auth

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestANewAPIKeyHasItsFormAndItsParts(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^ph_live_[0-9A-Za-z]{32}$`)
	seen := map[string]bool{}
	for range 200 {
		plain, parts := NewAPIKey()
		if !form.MatchString(plain) || seen[plain] {
			t.Fatalf("key %q has not the form %s or is not new", plain, form)
		}
		seen[plain] = true
		want := APIKeyParts{Hash: sha256.Sum256([]byte(plain)), Prefix: plain[:12], Last4: plain[36:]}
		if diff := cmp.Diff(want, parts); diff != "" {
			t.Fatal(diff)
		}
		parsed, err := ParseAPIKey(plain)
		if err != nil || parsed != parts || HashAPIKey(plain) != parts.Hash {
			t.Fatalf("ParseAPIKey = %+v, %v; want %+v", parsed, err, parts)
		}
	}
}

func TestOnlyWhatLooksLikeAnAPIKeyIsOne(t *testing.T) {
	t.Parallel()
	random := strings.Repeat("aZ09", 8)
	for name, plain := range map[string]string{
		"empty":             "",
		"prefix only":       "ph_live_",
		"another prefix":    "ph_test_" + random,
		"upper case prefix": "PH_LIVE_" + random,
		"short":             "ph_live_" + random[1:],
		"long":              "ph_live_" + random + "a",
		"space":             "ph_live_" + random[:31] + " ",
		"leading space":     " ph_live_" + random[1:],
		"symbol inside":     "ph_live_" + random[:15] + "-" + random[16:],
		"not ascii":         "ph_live_" + random[:30] + "é",
		"zero byte":         "ph_live_" + random[:31] + "\x00",
	} {
		if parts, err := ParseAPIKey(plain); !errors.Is(err, ErrNotAPIKey) || parts != (APIKeyParts{}) {
			t.Errorf("%s: ParseAPIKey = %+v, %v; want ErrNotAPIKey", name, parts, err)
		}
	}
	if _, err := ParseAPIKey("ph_live_" + random); err != nil {
		t.Errorf("a key is refused: %v", err)
	}
}

func TestRandomCharactersUseTheWholeAlphabetEvenly(t *testing.T) {
	t.Parallel()
	const perLetter = 2000
	counts := map[rune]int{}
	for _, r := range randomBase62(len(base62) * perLetter) {
		counts[r]++
	}
	if len(counts) != len(base62) {
		t.Fatalf("%d letters of %d occur", len(counts), len(base62))
	}
	// Taking bytes modulo 62 would give the first eight letters a quarter more than
	// the others; chance alone moves a count by 2 % (ten standard deviations are 22 %).
	for r, n := range counts {
		if n < perLetter*78/100 || n > perLetter*122/100 {
			t.Errorf("%q occurs %d times, expected about %d", r, n, perLetter)
		}
	}
}

func TestAnAPISecretIsPrefixedBase64Of32Bytes(t *testing.T) {
	t.Parallel()
	first, second := NewAPISecret(), NewAPISecret()
	encoded, found := strings.CutPrefix(first, "whsec_")
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if !found || err != nil || len(raw) != 32 {
		t.Errorf("secret %q: prefix %v, %d bytes, %v", first, found, len(raw), err)
	}
	if first == second {
		t.Error("two secrets are equal")
	}
}

func TestATokenIsOpaqueAndStoredByItsHash(t *testing.T) {
	t.Parallel()
	plain, hash := NewToken()
	other, _ := NewToken()
	if raw, err := base64.RawURLEncoding.DecodeString(plain); err != nil || len(raw) != 32 {
		t.Errorf("token %q: %d bytes, %v", plain, len(raw), err)
	}
	if plain == other {
		t.Error("two tokens are equal")
	}
	if hash != sha256.Sum256([]byte(plain)) || HashToken(plain) != hash {
		t.Error("the hash is not the SHA-256 of the token")
	}
}
