package secretbox_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/securecookie"
	"pgregory.net/rapid"

	"posthorn/internal/secretbox"
)

func testKey(n byte) []byte { return bytes.Repeat([]byte{n}, secretbox.KeySize) }

func newBox(tb testing.TB, keys ...[]byte) *secretbox.Box {
	tb.Helper()
	b, err := secretbox.New(keys...)
	if err != nil {
		tb.Fatalf("New: %v", err)
	}
	return b
}

func TestWhatIsSealedOpensUnderTheSameContextOnly(t *testing.T) {
	t.Parallel()
	b := newBox(t, testKey(1), testKey(2))
	rapid.Check(t, func(t *rapid.T) {
		plaintext := rapid.SliceOf(rapid.Byte()).Draw(t, "plaintext")
		aad := rapid.SliceOf(rapid.Byte()).Draw(t, "aad")
		other := rapid.SliceOf(rapid.Byte()).Filter(func(o []byte) bool { return !bytes.Equal(o, aad) }).Draw(t, "other aad")

		sealed := b.Seal(plaintext, aad)
		if len(sealed) != len(plaintext)+secretbox.Overhead {
			t.Fatalf("sealed has %d bytes for %d", len(sealed), len(plaintext))
		}
		got, err := b.Open(sealed, aad)
		if err != nil || !bytes.Equal(got, plaintext) || got == nil {
			t.Fatalf("Open = %x, %v; want %x", got, err, plaintext)
		}
		if got, err := b.Open(sealed, other); !errors.Is(err, secretbox.ErrTampered) || got != nil {
			t.Fatalf("Open with other context = %x, %v; want ErrTampered", got, err)
		}
		if again := b.Seal(plaintext, aad); bytes.Equal(again, sealed) {
			t.Fatal("two seals of one plaintext are equal")
		}
	})
}

func TestEveryAlteredByteIsNoticed(t *testing.T) {
	t.Parallel()
	b := newBox(t, testKey(1), testKey(2))
	aad := []byte("tenant_x/api_secret")
	rapid.Check(t, func(t *rapid.T) {
		sealed := b.Seal(rapid.SliceOf(rapid.Byte()).Draw(t, "plaintext"), aad)
		at := rapid.IntRange(0, len(sealed)-1).Draw(t, "at")
		sealed[at] ^= rapid.ByteRange(1, 255).Draw(t, "mask")

		want := secretbox.ErrTampered
		switch {
		case at == 0:
			want = secretbox.ErrMalformed
		case at <= 8:
			want = secretbox.ErrUnknownKey
		}
		if _, err := b.Open(sealed, aad); !errors.Is(err, want) {
			t.Fatalf("byte %d altered: %v, want %v", at, err, want)
		}
	})
}

func TestEveryTruncationIsNoticed(t *testing.T) {
	t.Parallel()
	b := newBox(t, testKey(1))
	sealed := b.Seal([]byte("secret"), nil)
	for n := range sealed {
		want := secretbox.ErrTampered
		if n < secretbox.Overhead {
			want = secretbox.ErrMalformed
		}
		if _, err := b.Open(sealed[:n], nil); !errors.Is(err, want) {
			t.Errorf("first %d bytes: %v, want %v", n, err, want)
		}
	}
}

func TestAnotherKeysIDOnACiphertextIsTampering(t *testing.T) {
	t.Parallel()
	b := newBox(t, testKey(1), testKey(2))
	sealed := b.Seal([]byte("secret"), nil)
	second := newBox(t, testKey(2)).Seal(nil, nil)
	copy(sealed[1:9], second[1:9])
	if _, err := b.Open(sealed, nil); !errors.Is(err, secretbox.ErrTampered) {
		t.Errorf("Open = %v, want ErrTampered", err)
	}
}

func TestRotationOpensOldAndSealsUnderTheFirstKey(t *testing.T) {
	t.Parallel()
	old := newBox(t, testKey(1))
	rotated := newBox(t, testKey(2), testKey(1))
	fresh := newBox(t, testKey(2))
	aad := []byte("wh_x/secret")
	sealed := old.Seal([]byte("secret"), aad)

	if old.NeedsReseal(sealed) {
		t.Error("under the only key: needs reseal")
	}
	if !rotated.NeedsReseal(sealed) {
		t.Error("under the second key: does not need reseal")
	}
	plaintext, err := rotated.Open(sealed, aad)
	if err != nil {
		t.Fatalf("Open under the second key: %v", err)
	}
	resealed := rotated.Seal(plaintext, aad)
	if rotated.NeedsReseal(resealed) {
		t.Error("after reseal: needs reseal")
	}
	if got, err := fresh.Open(resealed, aad); err != nil || string(got) != "secret" {
		t.Errorf("Open after the old key is gone = %q, %v", got, err)
	}
	if _, err := fresh.Open(sealed, aad); !errors.Is(err, secretbox.ErrUnknownKey) {
		t.Errorf("Open of what was not resealed = %v, want ErrUnknownKey", err)
	}
}

func TestWhatIsNoCiphertextNeedsReseal(t *testing.T) {
	t.Parallel()
	b := newBox(t, testKey(1))
	sealed := b.Seal(nil, nil)
	wrongVersion := bytes.Clone(sealed)
	wrongVersion[0] = 2
	for name, c := range map[string][]byte{"nil": nil, "short": sealed[:secretbox.Overhead-1], "version": wrongVersion} {
		if !b.NeedsReseal(c) {
			t.Errorf("%s: does not need reseal", name)
		}
	}
}

func TestTheLayoutIsFixed(t *testing.T) {
	t.Parallel()
	sealed := newBox(t, testKey(7)).Seal([]byte("x"), nil)
	sum := sha256.Sum256(testKey(7))
	if want := append([]byte{1}, sum[:8]...); !bytes.Equal(sealed[:9], want) {
		t.Errorf("header = %x, want %x", sealed[:9], want)
	}
}

// What stands in somebody's database must open for ever.
func TestACiphertextOfVersionOneStillOpens(t *testing.T) {
	t.Parallel()
	sealed, err := hex.DecodeString("014bb06f8e4e3a7715d99dc49206f020ce921bdd21d150ebbb5548ee64c2fd86cc" +
		"7fb5f55a7ed02cb87c7c4790f0f30fa1")
	if err != nil {
		t.Fatal(err)
	}
	got, err := newBox(t, testKey(7)).Open(sealed, []byte("tenant_x/api_secret"))
	if err != nil || string(got) != "whsec_golden" {
		t.Errorf("Open = %q, %v", got, err)
	}
}

func TestDerivedKeysNeverChange(t *testing.T) {
	t.Parallel()
	got := hex.EncodeToString(newBox(t, testKey(7)).Derive("golden", 16)[0])
	if want := "075e3ec1948bcb8de3a3dd25dbd5aa1a"; got != want {
		t.Errorf("Derive = %s, want %s", got, want)
	}
}

func TestNewRefusesBadKeysWithoutShowingThem(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		keys [][]byte
		want string
	}{
		"none":     {nil, "secretbox: at least one key is required"},
		"short":    {[][]byte{testKey('s'), []byte("ssss")}, "secretbox: key 2 has 4 bytes, not 32"},
		"long":     {[][]byte{bytes.Repeat([]byte("s"), 33)}, "secretbox: key 1 has 33 bytes, not 32"},
		"repeated": {[][]byte{testKey('s'), testKey(2), testKey('s')}, "secretbox: key 3 repeats an earlier one"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := secretbox.New(tt.keys...)
			if err == nil || b != nil {
				t.Fatalf("New = %v, %v; want an error", b, err)
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNewKeepsItsOwnCopyOfTheKeys(t *testing.T) {
	t.Parallel()
	k := testKey(1)
	b := newBox(t, k)
	before := b.Derive("x", 16)
	clear(k)
	if diff := cmp.Diff(before, b.Derive("x", 16)); diff != "" {
		t.Error(diff)
	}
}

func TestDeriveGivesOneKeyEachAndSeparatesPurposes(t *testing.T) {
	t.Parallel()
	b := newBox(t, testKey(1), testKey(2))
	seen := map[string]bool{}
	for _, purpose := range []string{"a", "b"} {
		keys := b.Derive(purpose, 32)
		if len(keys) != 2 {
			t.Fatalf("%d keys, want 2", len(keys))
		}
		for _, k := range keys {
			if len(k) != 32 {
				t.Errorf("key of %d bytes, want 32", len(k))
			}
			seen[string(k)] = true
		}
	}
	if len(seen) != 4 {
		t.Errorf("%d distinct keys, want 4", len(seen))
	}
	if diff := cmp.Diff(b.Derive("a", 32), b.Derive("a", 32)); diff != "" {
		t.Errorf("not deterministic: %s", diff)
	}
	if diff := cmp.Diff(newBox(t, testKey(2), testKey(1)).Derive("a", 32)[0], b.Derive("a", 32)[1]); diff != "" {
		t.Errorf("depends on the position of the key: %s", diff)
	}
}

func TestDeriveRefusesLengthsThatDoNotExist(t *testing.T) {
	t.Parallel()
	b := newBox(t, testKey(1))
	for _, n := range []int{-1, 0, 8161} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Derive of %d bytes did not panic", n)
				}
			}()
			b.Derive("x", n)
		}()
	}
	if got := len(b.Derive("x", 8160)[0]); got != 8160 {
		t.Errorf("got %d bytes, want 8160", got)
	}
}

func TestCookiesSurviveTheRotationOfKeys(t *testing.T) {
	t.Parallel()
	before := securecookie.CodecsFromPairs(newBox(t, testKey(1)).CookieKeys("session")...)
	during := securecookie.CodecsFromPairs(newBox(t, testKey(2), testKey(1)).CookieKeys("session")...)
	after := securecookie.CodecsFromPairs(newBox(t, testKey(2)).CookieKeys("session")...)

	encode := func(codecs []securecookie.Codec) string {
		s, err := securecookie.EncodeMulti("posthorn", "value", codecs...)
		if err != nil {
			t.Fatalf("encode: %v", err)
		}
		return s
	}
	decodes := func(cookie string, codecs []securecookie.Codec) bool {
		var got string
		return securecookie.DecodeMulti("posthorn", cookie, &got, codecs...) == nil && got == "value"
	}
	if c := encode(before); !decodes(c, before) || !decodes(c, during) || decodes(c, after) {
		t.Error("a cookie of the old key must decode until the key is removed, and not after")
	}
	if c := encode(during); decodes(c, before) || !decodes(c, after) {
		t.Error("a cookie made during rotation must be of the new key")
	}
}

func TestNoWayOfPrintingShowsAKey(t *testing.T) {
	t.Parallel()
	const letters = "SSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSS"
	b := newBox(t, []byte(letters))
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", b)
		fmt.Fprintf(&out, verb+"\n", struct{ B *secretbox.Box }{b})
		fmt.Fprintf(&out, verb+"\n", struct{ b *secretbox.Box }{b})
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", slog.Any("box", b))
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", slog.Any("box", b))
	if err := json.NewEncoder(&out).Encode(struct{ B any }{b}); err != nil {
		t.Fatal(err)
	}
	for _, leak := range []string{"SSSS", "5353", "53 53", "83 83", "0x53", "U1NT"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("shows the key as %q:\n%s", leak, out.String())
		}
	}
	if !strings.Contains(out.String(), "secretbox.Box(1 keys)") {
		t.Errorf("does not say what it is:\n%s", out.String())
	}
}

func FuzzOpenNeverPanicsNorInventsAPlaintext(f *testing.F) {
	b := newBox(f, testKey(1), testKey(2))
	f.Add([]byte{}, []byte{})
	f.Add([]byte{1}, []byte("aad"))
	f.Add(b.Seal(nil, nil), []byte{})
	f.Add(b.Seal([]byte("secret"), []byte("aad")), []byte("aad"))
	f.Add(newBox(f, testKey(2)).Seal([]byte("secret"), nil), []byte{})
	f.Add(newBox(f, testKey(3)).Seal([]byte("secret"), nil), []byte{})
	f.Fuzz(func(t *testing.T, ciphertext, aad []byte) {
		plaintext, err := b.Open(ciphertext, aad)
		if err == nil {
			// Only a seed can open; anything else would be a forgery.
			if s := string(plaintext); s != "" && s != "secret" {
				t.Fatalf("forged %q", s)
			}
			return
		}
		if plaintext != nil {
			t.Fatalf("plaintext %x beside the error %v", plaintext, err)
		}
		known := errors.Is(err, secretbox.ErrMalformed) ||
			errors.Is(err, secretbox.ErrUnknownKey) || errors.Is(err, secretbox.ErrTampered)
		if !known {
			t.Fatalf("error of no known kind: %v", err)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	box := newBox(b, testKey(1))
	secret, aad := bytes.Repeat([]byte("s"), 50), []byte("tenant_x/api_secret")
	for b.Loop() {
		box.Seal(secret, aad)
	}
}
