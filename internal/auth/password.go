package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"

	"golang.org/x/crypto/argon2"
)

// Cost of one hash, as OWASP's password storage cheat sheet recommends it for
// argon2id: 19 MiB, two passes, one lane.
const (
	memoryKiB = 19 * 1024
	passes    = 2
	lanes     = 1

	saltSize = 16 // bytes
	hashSize = 32 // bytes
)

// ErrMalformedHash means that a stored password hash is not an argon2id PHC
// string, or asks for a cost outside of what is sensible to compute.
var ErrMalformedHash = errors.New("malformed password hash")

// Hasher hashes and verifies passwords, at most so many at a time, so that a
// flood of sign-ins waits for its turn and does not eat the memory. It is safe
// for concurrent use.
type Hasher struct {
	slots chan struct{}
	cost  cost
	// decoy is what VerifyNothing compares with: a hash of the same cost that no
	// password is known for.
	decoy encodedHash
}

// NewHasher returns a hasher that works on at most concurrent passwords at a time
// and at least one. Each takes 19 MiB and some 20 ms of one core while it lasts.
func NewHasher(concurrent int) *Hasher {
	return newHasher(concurrent, cost{memoryKiB: memoryKiB, passes: passes, lanes: lanes})
}

// NewWeakHasher returns a hasher that takes next to nothing, and whose hashes are as
// easily guessed: for tests that are about something else.
func NewWeakHasher() *Hasher {
	return newHasher(1, cost{memoryKiB: 8, passes: 1, lanes: 1})
}

func newHasher(concurrent int, c cost) *Hasher {
	return &Hasher{
		slots: make(chan struct{}, max(1, concurrent)),
		cost:  c,
		decoy: encodedHash{cost: c, salt: randomBytes(saltSize), hash: randomBytes(hashSize)},
	}
}

// Hash returns the password's hash as a PHC string,
// "$argon2id$v=19$m=19456,t=2,p=1$salt$hash", to be stored. Whether the password
// is good enough is for [CheckPassword] to say; this refuses only what is too long
// to verify later, with [ErrPasswordTooLong]. It fails with the context's error
// when its turn does not come before ctx ends.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	if tooLong(password) {
		return "", ErrPasswordTooLong
	}
	e := encodedHash{cost: h.cost, salt: randomBytes(saltSize)}
	sum, err := h.derive(ctx, password, e, hashSize)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	e.hash = sum
	return e.String(), nil
}

// Verify reports whether password is the one that encoded was made from, in a time
// that does not depend on where they differ. It fails with [ErrMalformedHash] when
// encoded is not a hash it would compute, or with the context's error when its
// turn does not come before ctx ends; ok is false then.
func (h *Hasher) Verify(ctx context.Context, password, encoded string) (ok bool, err error) {
	e, err := parseHash(encoded)
	if err != nil {
		return false, fmt.Errorf("verify password: %w", err)
	}
	return h.compare(ctx, password, e)
}

// VerifyNothing takes the time that [Hasher.Verify] takes for a wrong password.
// Sign-in calls it when there is no such account, so that the time of the answer
// does not tell which accounts exist. It fails as Verify does when ctx ends.
func (h *Hasher) VerifyNothing(ctx context.Context, password string) error {
	_, err := h.compare(ctx, password, h.decoy)
	return err
}

// NeedsRehash reports whether encoded was made with another cost than today's, or
// is malformed. After a successful sign-in the password is then hashed anew.
func (h *Hasher) NeedsRehash(encoded string) bool {
	e, err := parseHash(encoded)
	return err != nil || e.cost != h.cost || len(e.salt) != saltSize || len(e.hash) != hashSize
}

func (h *Hasher) compare(ctx context.Context, password string, e encodedHash) (bool, error) {
	// No stored password is that long. That the answer is quick tells only what
	// the caller knows already: the length of what it sent.
	if tooLong(password) {
		return false, nil
	}
	sum, err := h.derive(ctx, password, e, len(e.hash))
	if err != nil {
		return false, fmt.Errorf("verify password: %w", err)
	}
	return subtle.ConstantTimeCompare(sum, e.hash) == 1, nil
}

// derive waits for a slot and computes size bytes with e's cost and salt.
func (h *Hasher) derive(ctx context.Context, password string, e encodedHash, size int) ([]byte, error) {
	// With a slot free and the context over, select would pick either.
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("wait for a turn: %w", err)
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a turn: %w", ctx.Err())
	}
	c := e.cost
	// Both conversions fit: parseHash bounds lanes and the size of the hash.
	return argon2.IDKey([]byte(password), e.salt, c.passes, c.memoryKiB, uint8(c.lanes), uint32(size)), nil //nolint:gosec // G115: see above
}

// randomBytes draws n bytes; crypto/rand.Read ends the process rather than fail.
func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}
