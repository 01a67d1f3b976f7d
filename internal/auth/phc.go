package auth

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Bounds on what is accepted from a stored hash. They leave room for other tools'
// hashes and for dearer costs to come, and keep one altered row from taking the
// memory or the processor of the whole server.
const (
	maxMemoryKiB = 256 * 1024
	maxPasses    = 16
	maxLanes     = 16

	minSaltSize, maxSaltSize = 8, 64
	minHashSize, maxHashSize = 16, 64

	// maxEncodedSize is more than any hash within these bounds takes.
	maxEncodedSize = 256
)

// cost is what one hash takes to compute.
type cost struct {
	memoryKiB, passes, lanes uint32
}

// encodedHash is a PHC string in parts.
type encodedHash struct {
	cost       cost
	salt, hash []byte
}

// String returns the PHC string format of the hash.
func (e encodedHash) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		e.cost.memoryKiB, e.cost.passes, e.cost.lanes,
		base64.RawStdEncoding.EncodeToString(e.salt), base64.RawStdEncoding.EncodeToString(e.hash))
}

// parseHash reads a PHC string. Its errors are [ErrMalformedHash] and name the
// part that is wrong, never its content.
func parseHash(s string) (encodedHash, error) {
	malformed := func(what string) (encodedHash, error) {
		return encodedHash{}, fmt.Errorf("%w: %s", ErrMalformedHash, what)
	}
	if len(s) > maxEncodedSize {
		return malformed("too long")
	}
	fields := strings.Split(s, "$")
	if len(fields) != 6 || fields[0] != "" {
		return malformed("not in PHC format")
	}
	if fields[1] != "argon2id" {
		return malformed("not argon2id")
	}
	if fields[2] != "v="+strconv.Itoa(argon2.Version) {
		return malformed("unknown version of argon2")
	}
	c, ok := parseCost(fields[3])
	if !ok {
		return malformed("cost")
	}
	salt, ok := decodePart(fields[4], minSaltSize, maxSaltSize)
	if !ok {
		return malformed("salt")
	}
	hash, ok := decodePart(fields[5], minHashSize, maxHashSize)
	if !ok {
		return malformed("hash")
	}
	return encodedHash{cost: c, salt: salt, hash: hash}, nil
}

// parseCost reads "m=19456,t=2,p=1".
func parseCost(s string) (cost, bool) {
	var c cost
	params := strings.Split(s, ",")
	targets := []struct {
		name string
		to   *uint32
		max  uint32
	}{
		{"m=", &c.memoryKiB, maxMemoryKiB},
		{"t=", &c.passes, maxPasses},
		{"p=", &c.lanes, maxLanes},
	}
	if len(params) != len(targets) {
		return cost{}, false
	}
	for i, target := range targets {
		digits, found := strings.CutPrefix(params[i], target.name)
		n, err := strconv.ParseUint(digits, 10, 32)
		if !found || err != nil || n < 1 || n > uint64(target.max) || digits[0] == '0' {
			return cost{}, false
		}
		*target.to = uint32(n)
	}
	// argon2 needs eight blocks of 1 KiB a lane and would quietly take more.
	return c, c.memoryKiB >= 8*c.lanes
}

func decodePart(s string, minSize, maxSize int) ([]byte, bool) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, false
	}
	b, err := base64.RawStdEncoding.Strict().DecodeString(s)
	return b, err == nil && len(b) >= minSize && len(b) <= maxSize
}
