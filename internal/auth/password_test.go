package auth

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/crypto/argon2"
	"pgregory.net/rapid"
)

// cheap is a hasher for tests that need many hashes.
func cheap() *Hasher {
	h := NewHasher(2)
	h.cost = cost{memoryKiB: 8, passes: 1, lanes: 1}
	h.decoy.cost = h.cost
	return h
}

func mustHash(t *testing.T, h *Hasher, password string) string {
	t.Helper()
	encoded, err := h.Hash(t.Context(), password)
	if err != nil {
		t.Fatalf("Hash: %v", err)
	}
	return encoded
}

func TestAPasswordVerifiesAgainstItsOwnHashOnly(t *testing.T) {
	t.Parallel()
	h := NewHasher(1)
	encoded := mustHash(t, h, "correct horse battery")
	for password, want := range map[string]bool{
		"correct horse battery":  true,
		"correct horse batterY":  false,
		"correct horse battery ": false,
		"":                       false,
		strings.Repeat("x", 1e6): false,
	} {
		got, err := h.Verify(t.Context(), password, encoded)
		if err != nil || got != want {
			t.Errorf("Verify(%.30q) = %v, %v; want %v", password, got, err, want)
		}
	}
}

func TestHashesCarryTheRecommendedCostAndNeverRepeat(t *testing.T) {
	t.Parallel()
	h := NewHasher(1)
	first, second := mustHash(t, h, "correct horse"), mustHash(t, h, "correct horse")
	form := regexp.MustCompile(`^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`)
	if !form.MatchString(first) {
		t.Errorf("hash %q does not match %s", first, form)
	}
	if first == second {
		t.Error("two hashes of one password are equal")
	}
	if h.NeedsRehash(first) {
		t.Error("a fresh hash needs a rehash")
	}
}

func TestAnyPasswordOfAcceptedLengthVerifies(t *testing.T) {
	t.Parallel()
	h := cheap()
	rapid.Check(t, func(rt *rapid.T) {
		password := rapid.StringN(0, MaxPasswordLength, -1).Draw(rt, "password")
		other := rapid.StringN(0, MaxPasswordLength, -1).Draw(rt, "other")
		encoded := mustHash(t, h, password)
		if ok, err := h.Verify(t.Context(), password, encoded); !ok || err != nil {
			rt.Fatalf("own password: %v, %v", ok, err)
		}
		if ok, err := h.Verify(t.Context(), other, encoded); ok != (other == password) || err != nil {
			rt.Fatalf("other password: %v, %v", ok, err)
		}
	})
}

func TestHashRefusesAPasswordThatCouldNeverVerify(t *testing.T) {
	t.Parallel()
	_, err := cheap().Hash(t.Context(), strings.Repeat("x", MaxPasswordLength+1))
	if !errors.Is(err, ErrPasswordTooLong) {
		t.Errorf("Hash = %v, want ErrPasswordTooLong", err)
	}
}

func TestHashesOfAnotherCostVerifyAndNeedARehash(t *testing.T) {
	t.Parallel()
	h := NewHasher(1)
	salt := []byte("0123456789abcdef")
	tests := map[string]struct {
		cost     cost
		salt     []byte
		hashSize uint32
	}{
		"memory":    {cost{8 * 1024, 2, 1}, salt, 32},
		"passes":    {cost{19456, 1, 1}, salt, 32},
		"lanes":     {cost{19456, 2, 2}, salt, 32},
		"salt size": {cost{19456, 2, 1}, salt[:8], 32},
		"hash size": {cost{19456, 2, 1}, salt, 16},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sum := argon2.IDKey([]byte("secret"), tt.salt, tt.cost.passes, tt.cost.memoryKiB, uint8(tt.cost.lanes), tt.hashSize)
			encoded := encodedHash{cost: tt.cost, salt: tt.salt, hash: sum}.String()
			if ok, err := h.Verify(t.Context(), "secret", encoded); !ok || err != nil {
				t.Errorf("Verify = %v, %v", ok, err)
			}
			if !h.NeedsRehash(encoded) {
				t.Errorf("%s does not need a rehash", encoded)
			}
		})
	}
}

// The hash was computed by the reference implementation's command line tool:
// argon2 somesalt -id -t 2 -m 16 -p 1 (its published test vector).
func TestAHashOfTheReferenceImplementationVerifies(t *testing.T) {
	t.Parallel()
	const encoded = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	if ok, err := NewHasher(1).Verify(t.Context(), "password", encoded); !ok || err != nil {
		t.Errorf("Verify = %v, %v", ok, err)
	}
}

func TestAbsurdOrMalformedHashesAreRefusedBeforeAnyWork(t *testing.T) {
	t.Parallel()
	const salt, hash = "MDEyMzQ1Njc4OWFiY2RlZg", "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	encode := func(params string) string { return "$argon2id$v=19$" + params + "$" + salt + "$" + hash }
	tests := map[string]string{
		"empty":               "",
		"plain text":          "hunter2",
		"no leading dollar":   encode("m=19456,t=2,p=1")[1:],
		"a seventh part":      encode("m=19456,t=2,p=1") + "$",
		"argon2i":             strings.Replace(encode("m=19456,t=2,p=1"), "argon2id", "argon2i", 1),
		"old version":         strings.Replace(encode("m=19456,t=2,p=1"), "v=19", "v=16", 1),
		"terabytes":           encode("m=1073741824,t=2,p=1"),
		"just too much":       encode("m=262145,t=2,p=1"),
		"overflow":            encode("m=18446744073709551617,t=2,p=1"),
		"less than two lanes": encode("m=15,t=2,p=2"),
		"no memory":           encode("m=0,t=2,p=1"),
		"no passes":           encode("m=19456,t=0,p=1"),
		"passes":              encode("m=19456,t=17,p=1"),
		"no lanes":            encode("m=19456,t=2,p=0"),
		"lanes":               encode("m=19456,t=2,p=17"),
		"negative":            encode("m=19456,t=-2,p=1"),
		"signed":              encode("m=+19456,t=2,p=1"),
		"leading zero":        encode("m=019456,t=2,p=1"),
		"no number":           encode("m=,t=2,p=1"),
		"order":               encode("t=2,m=19456,p=1"),
		"missing":             encode("m=19456,t=2"),
		"unknown parameter":   encode("m=19456,t=2,p=1,keyid=x"),
		"short salt":          "$argon2id$v=19$m=19456,t=2,p=1$MDEy$" + hash,
		"long salt":           "$argon2id$v=19$m=19456,t=2,p=1$" + strings.Repeat("MDEy", 22) + "$" + hash,
		"short hash":          "$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$MDEy",
		"long hash":           "$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + strings.Repeat("MDEy", 22),
		"padded":              encode("m=19456,t=2,p=1") + "=",
		"loose last bits":     strings.TrimSuffix(encode("m=19456,t=2,p=1"), "c") + "d",
		"line break":          strings.Replace(encode("m=19456,t=2,p=1"), "MDEy", "MD\nEy", 1),
		"no base64":           "$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + strings.Repeat("*", 43),
		"huge":                encode("m=19456,t=2,p=1") + strings.Repeat("A", 1000),
	}
	for name, encoded := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := NewHasher(1)
			h.slots <- struct{}{} // Any work would wait for ever, not pass.
			ok, err := h.Verify(t.Context(), "password", encoded)
			if ok || !errors.Is(err, ErrMalformedHash) {
				t.Errorf("Verify = %v, %v; want ErrMalformedHash", ok, err)
			}
			if encoded != "" && err != nil && strings.Contains(err.Error(), encoded) {
				t.Errorf("the error shows the hash: %v", err)
			}
			if !h.NeedsRehash(encoded) {
				t.Error("does not need a rehash")
			}
		})
	}
}

func TestNoMorePasswordsAreHashedAtOnceThanAllowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := cheap()
		encoded := mustHash(t, h, "correct horse")
		calls := map[string]func() error{
			"Hash":          func() error { _, err := h.Hash(t.Context(), "correct horse"); return err },
			"Verify":        func() error { _, err := h.Verify(t.Context(), "correct horse", encoded); return err },
			"VerifyNothing": func() error { return h.VerifyNothing(t.Context(), "correct horse") },
		}
		for name, call := range calls {
			h.slots <- struct{}{}
			h.slots <- struct{}{}
			done := make(chan error, 1)
			go func() { done <- call() }()
			synctest.Wait()
			select {
			case err := <-done:
				t.Errorf("%s did not wait for a slot: %v", name, err)
			default:
			}
			<-h.slots
			if err := <-done; err != nil {
				t.Errorf("%s after a slot was free: %v", name, err)
			}
			<-h.slots
		}
		if len(h.slots) != 0 {
			t.Errorf("%d slots were not given back", len(h.slots))
		}
	})
}

func TestWaitingForASlotEndsWithTheContext(t *testing.T) {
	t.Parallel()
	h := NewHasher(0)
	if cap(h.slots) != 1 {
		t.Fatalf("%d slots, want at least one", cap(h.slots))
	}
	encoded := mustHash(t, h, "correct horse")
	ctx, cancel := context.WithCancel(t.Context())
	h.slots <- struct{}{}
	done := make(chan error)
	go func() { _, err := h.Hash(ctx, "correct horse"); done <- err }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Hash = %v, want context.Canceled", err)
	}
	<-h.slots

	if ok, err := h.Verify(ctx, "correct horse", encoded); ok || !errors.Is(err, context.Canceled) {
		t.Errorf("Verify after the context ended = %v, %v; want context.Canceled", ok, err)
	}
	if err := h.VerifyNothing(ctx, "correct horse"); !errors.Is(err, context.Canceled) {
		t.Errorf("VerifyNothing after the context ended = %v, want context.Canceled", err)
	}
}

func TestTheDecoyCostsWhatARealHashCosts(t *testing.T) {
	t.Parallel()
	h := NewHasher(1)
	if h.NeedsRehash(h.decoy.String()) {
		t.Errorf("decoy %s is not of today's cost", h.decoy)
	}
	if err := h.VerifyNothing(t.Context(), "correct horse"); err != nil {
		t.Errorf("VerifyNothing: %v", err)
	}
}

func FuzzWhatParsesAsAHashIsBoundedAndPrintsTheSame(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add("$argon2id$v=19$m=8,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add("$$$$$")
	f.Fuzz(func(t *testing.T, s string) {
		e, err := parseHash(s)
		if err != nil {
			return
		}
		if e.String() != s {
			t.Fatalf("%q prints as %q", s, e)
		}
		if e.cost.memoryKiB > maxMemoryKiB || e.cost.passes > maxPasses || e.cost.lanes > maxLanes {
			t.Fatalf("cost %+v is out of bounds", e.cost)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	h := NewHasher(1)
	encoded, err := h.Hash(b.Context(), "correct horse")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := h.Verify(b.Context(), "correct horse", encoded); !ok || err != nil {
			b.Fatal(fmt.Errorf("verify: %v, %w", ok, err))
		}
	}
}

func TestAWeakHashIsVerifiedAndMadeAnewByTheHasherOfTheProduct(t *testing.T) {
	t.Parallel()
	weak, strong := NewWeakHasher(), NewHasher(1)
	hash, err := weak.Hash(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []*Hasher{weak, strong} {
		if ok, err := h.Verify(t.Context(), "correct horse", hash); !ok || err != nil {
			t.Errorf("the password is %v, %v", ok, err)
		}
		if ok, err := h.Verify(t.Context(), "correct hors", hash); ok || err != nil {
			t.Errorf("another password is %v, %v", ok, err)
		}
	}
	if weak.NeedsRehash(hash) || !strong.NeedsRehash(hash) {
		t.Error("a weak hash would stay")
	}
}
