// Package secretbox keeps small secrets encrypted at rest: signing secrets,
// custom header values and whatever else must come back in the clear to be used.
//
// It seals with AES-256-GCM. Every ciphertext names the key it was made with, so
// that keys can be rotated: the first key of a [Box] seals, every key opens, and
// [Box.NeedsReseal] says which ciphertexts still wait to be moved to the first.
// The caller binds each ciphertext to its place, such as "tenant_…/api_secret",
// so that one copied to another row does not open there.
//
// The layout of a ciphertext is fixed by its first byte:
//
//	version (1) | key id (8) | nonce (12) | encrypted text | tag (16)
//
// A configured key is never used directly. What encrypts, and what [Box.Derive]
// hands out for cookies, are keys derived from it for one purpose each.
//
// The package does no input or output besides reading random numbers.
package secretbox

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
)

const (
	// KeySize is the length in bytes of every key given to [New].
	KeySize = 32
	// Overhead is by how many bytes a ciphertext is longer than its plaintext.
	Overhead = headerSize + nonceSize + tagSize

	version    = 1
	keyIDSize  = 8
	headerSize = 1 + keyIDSize
	nonceSize  = 12
	tagSize    = 16

	// maxDerived is the most that HKDF-SHA256 can expand one key to.
	maxDerived = 255 * sha256.Size

	purposeSeal   = "posthorn/secretbox/seal/v1"
	purposePrefix = "posthorn/secretbox/derive/v1/"
)

// What [Box.Open] reports, to be told apart with [errors.Is].
var (
	// ErrMalformed means the bytes are not a ciphertext of this package: too
	// short, or of a version it does not know.
	ErrMalformed = errors.New("secretbox: not a ciphertext of a known version")
	// ErrUnknownKey means the ciphertext was made with a key that the box was
	// not given. Usually an old key was removed before everything was resealed.
	ErrUnknownKey = errors.New("secretbox: sealed under a key that is not configured")
	// ErrTampered means the key is known but the ciphertext or its additional
	// data are not what was sealed.
	ErrTampered = errors.New("secretbox: ciphertext or its context was altered")
)

// Box seals and opens with a list of keys. It is safe for concurrent use, and
// prints as the number of its keys.
type Box struct {
	keys []key
}

type key struct {
	id   [keyIDSize]byte
	aead cipher.AEAD
	// derive closes over the configured key. A field that held the key would be
	// printed when a box sits in an unexported field and the verb does not fit.
	derive func(purpose string, n int) ([]byte, error)
}

// New returns a box whose first key seals and whose keys all open. It fails when
// there is no key, a key is not [KeySize] bytes long, or a key is given twice;
// the error names the position, counted from 1, and never the key.
func New(keys ...[]byte) (*Box, error) {
	if len(keys) == 0 {
		return nil, errors.New("secretbox: at least one key is required")
	}
	b := &Box{keys: make([]key, 0, len(keys))}
	for i, secret := range keys {
		if len(secret) != KeySize {
			return nil, fmt.Errorf("secretbox: key %d has %d bytes, not %d", i+1, len(secret), KeySize)
		}
		k, err := newKey(secret)
		if err != nil {
			return nil, fmt.Errorf("secretbox: key %d: %w", i+1, err)
		}
		if b.find(k.id[:]) != nil {
			return nil, fmt.Errorf("secretbox: key %d repeats an earlier one", i+1)
		}
		b.keys = append(b.keys, k)
	}
	return b, nil
}

func newKey(secret []byte) (key, error) {
	secret = bytes.Clone(secret)
	derive := func(purpose string, n int) ([]byte, error) {
		return hkdf.Key(sha256.New, secret, nil, purpose, n)
	}
	sealing, err := derive(purposeSeal, KeySize)
	if err != nil {
		return key{}, fmt.Errorf("derive sealing key: %w", err)
	}
	block, err := aes.NewCipher(sealing)
	if err != nil {
		return key{}, fmt.Errorf("new cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return key{}, fmt.Errorf("new gcm: %w", err)
	}
	sum := sha256.Sum256(secret)
	k := key{aead: aead, derive: derive}
	copy(k.id[:], sum[:])
	return k, nil
}

// Seal encrypts plaintext under the first key and binds it to aad, which is not
// stored and has to be given to [Box.Open] again. Two calls never give the same
// ciphertext. The result is [Overhead] bytes longer than plaintext.
func (b *Box) Seal(plaintext, aad []byte) []byte {
	k := &b.keys[0]
	out := make([]byte, 0, Overhead+len(plaintext))
	out = append(out, version)
	out = append(out, k.id[:]...)
	return k.aead.Seal(out, nil, plaintext, bind(out, aad)) //nolint:gosec // G407: this AEAD takes no nonce and draws a random one
}

// Open decrypts what Seal made with any key of the box and the same aad. It
// fails with an error that is [ErrMalformed], [ErrUnknownKey] or [ErrTampered].
func (b *Box) Open(ciphertext, aad []byte) ([]byte, error) {
	if len(ciphertext) < Overhead {
		return nil, fmt.Errorf("%w: %d bytes", ErrMalformed, len(ciphertext))
	}
	if ciphertext[0] != version {
		return nil, fmt.Errorf("%w: version %d", ErrMalformed, ciphertext[0])
	}
	header, sealed := ciphertext[:headerSize], ciphertext[headerSize:]
	k := b.find(header[1:])
	if k == nil {
		return nil, fmt.Errorf("%w: key id %x", ErrUnknownKey, header[1:])
	}
	plaintext, err := k.aead.Open([]byte{}, nil, sealed, bind(header, aad))
	if err != nil {
		// The cause says nothing beyond "authentication failed".
		return nil, ErrTampered
	}
	return plaintext, nil
}

// NeedsReseal reports whether ciphertext is not one made under the first key, in
// the current version. It looks at the header only and proves nothing about the
// rest.
func (b *Box) NeedsReseal(ciphertext []byte) bool {
	return len(ciphertext) < Overhead ||
		ciphertext[0] != version ||
		!bytes.Equal(ciphertext[1:headerSize], b.keys[0].id[:])
}

// Derive returns one key of n bytes for every key of the box, in their order,
// made with HKDF-SHA256 for the named purpose. Another purpose gives unrelated
// keys. It panics when n is not between 1 and 8160, which HKDF cannot give.
func (b *Box) Derive(purpose string, n int) [][]byte {
	if n < 1 || n > maxDerived {
		panic(fmt.Sprintf("secretbox: cannot derive a key of %d bytes", n))
	}
	derived := make([][]byte, len(b.keys))
	for i := range b.keys {
		// The prefix keeps every purpose apart from purposeSeal.
		d, err := b.keys[i].derive(purposePrefix+purpose, n)
		if err != nil {
			panic(fmt.Sprintf("secretbox: derive %q: %v", purpose, err))
		}
		derived[i] = d
	}
	return derived
}

// CookieKeys returns what gorilla's securecookie.CodecsFromPairs and session
// stores take: an authentication key of 64 bytes and an encryption key of 32 for
// every key of the box, in turn. The first pair encodes and all decode, so a
// rotated key signs nobody out until it is removed.
func (b *Box) CookieKeys(purpose string) [][]byte {
	authentication := b.Derive(purpose+"/authentication", 64)
	encryption := b.Derive(purpose+"/encryption", KeySize)
	pairs := make([][]byte, 0, 2*len(b.keys))
	for i := range b.keys {
		pairs = append(pairs, authentication[i], encryption[i])
	}
	return pairs
}

// Format implements [fmt.Formatter] for every verb, so that no way of printing a
// box shows a key.
func (b *Box) Format(f fmt.State, _ rune) {
	// A failed write shows in the printing call itself.
	_, _ = fmt.Fprintf(f, "secretbox.Box(%d keys)", len(b.keys))
}

func (b *Box) find(id []byte) *key {
	for i := range b.keys {
		if bytes.Equal(b.keys[i].id[:], id) {
			return &b.keys[i]
		}
	}
	return nil
}

// bind puts the header under authentication too. It has a fixed length, so no
// two pairs of header and aad give the same bytes.
func bind(header, aad []byte) []byte {
	bound := make([]byte, 0, len(header)+len(aad))
	return append(append(bound, header...), aad...)
}
