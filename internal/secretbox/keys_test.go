package secretbox_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"posthorn/internal/secretbox"
)

func TestKeysParseInEveryFormOfBase64(t *testing.T) {
	t.Parallel()
	encodings := []*base64.Encoding{
		base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding,
	}
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), secretbox.KeySize, secretbox.KeySize)
		want := rapid.SliceOfNDistinct(key, 1, 4, func(k []byte) string { return string(k) }).Draw(t, "keys")
		texts := make([]string, len(want))
		for i, k := range want {
			space := rapid.SampledFrom([]string{"", " ", "\n"}).Draw(t, "space")
			texts[i] = space + rapid.SampledFrom(encodings).Draw(t, "encoding").EncodeToString(k) + space
		}
		got, err := secretbox.ParseKeys(strings.Join(texts, ","))
		if err != nil {
			t.Fatalf("ParseKeys: %v", err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestFaultyKeysAreNamedByPositionAndNeverShown(t *testing.T) {
	t.Parallel()
	good := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32))
	tests := map[string]struct{ in, want string }{
		"nothing":          {" ", "no key given"},
		"empty entry":      {good + ",", "key 2 is empty"},
		"not base64":       {"hunter2-hunter2!", "key 1 is not base64"},
		"broken in two":    {good[:10] + "\n" + good[10:], "key 1 is not base64"},
		"too much padding": {good + "==", "key 1 is not base64"},
		"loose last bits":  {good[:42] + "F=", "key 1 is not base64"},
		"short":            {"aHVudGVyMg==", "key 1 has 7 bytes, not 32"},
		"hexadecimal":      {strings.Repeat("ab", 32), "key 1 has 48 bytes, not 32"},
		"repeated":         {good + "," + strings.TrimRight(good, "="), "key 2 repeats key 1"},
		"several":          {"aHVudGVyMg," + good + ",?," + good, "key 1 has 7 bytes, not 32; key 3 is not base64; key 4 repeats key 2"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys, err := secretbox.ParseKeys(tt.in)
			if err == nil || keys != nil {
				t.Fatalf("ParseKeys = %d keys, %v; want an error", len(keys), err)
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzParseKeysGivesWholeDistinctKeysOrAnError(f *testing.F) {
	good := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xfb}, 32))
	f.Add("")
	f.Add(good)
	f.Add(good + ", " + base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xfe}, 32)))
	f.Add(",,")
	f.Fuzz(func(t *testing.T, s string) {
		keys, err := secretbox.ParseKeys(s)
		if (err == nil) == (len(keys) == 0) {
			t.Fatalf("%d keys with error %v", len(keys), err)
		}
		if err != nil {
			return
		}
		if _, err := secretbox.New(keys...); err != nil {
			t.Fatalf("parsed keys are refused: %v", err)
		}
	})
}
