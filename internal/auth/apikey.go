package auth

import (
	"crypto/sha256"
	"errors"
	"strings"
)

// What an API key looks like: "ph_live_" and 32 random characters of base62,
// which is 190 bits.
const (
	apiKeyPrefix = "ph_live_"
	apiKeyRandom = 32
	// apiKeyShown is how much of the random part goes into [APIKeyParts.Prefix].
	apiKeyShown = 4
	apiKeyTail  = 4
)

// ErrNotAPIKey means that a string does not have the form of an API key.
var ErrNotAPIKey = errors.New("not an API key")

// APIKeyParts is what is kept of an API key: enough to recognise it when it is
// presented and to tell it from its siblings in a list, too little to use it.
type APIKeyParts struct {
	// Hash is the SHA-256 of the whole key, under which it is looked up.
	Hash [sha256.Size]byte
	// Prefix is how the key begins, such as "ph_live_3kTm".
	Prefix string
	// Last4 is how it ends, four characters.
	Last4 string
}

// NewAPIKey draws a new API key. The plain key is shown once and not kept.
func NewAPIKey() (plain string, parts APIKeyParts) {
	plain = apiKeyPrefix + randomBase62(apiKeyRandom)
	return plain, partsOf(plain)
}

// ParseAPIKey checks the form of a key as it was presented and returns its parts.
// It fails with [ErrNotAPIKey], which spares a look into the database.
func ParseAPIKey(plain string) (APIKeyParts, error) {
	random, found := strings.CutPrefix(plain, apiKeyPrefix)
	if !found || len(random) != apiKeyRandom || strings.Trim(random, base62) != "" {
		return APIKeyParts{}, ErrNotAPIKey
	}
	return partsOf(plain), nil
}

// HashAPIKey returns the hash under which the key is stored. No salt is needed,
// for nobody can try out 190 bits.
func HashAPIKey(plain string) [sha256.Size]byte {
	return sha256.Sum256([]byte(plain))
}

func partsOf(plain string) APIKeyParts {
	return APIKeyParts{
		Hash:   HashAPIKey(plain),
		Prefix: plain[:len(apiKeyPrefix)+apiKeyShown],
		Last4:  plain[len(plain)-apiKeyTail:],
	}
}

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// randomBase62 draws n characters, each equally likely.
func randomBase62(n int) string {
	out := make([]byte, 0, n)
	for len(out) < n {
		for _, b := range randomBytes(n) {
			// 248 is the largest multiple of 62 in a byte; what is above would
			// favour the first letters.
			if b < 248 && len(out) < n {
				out = append(out, base62[b%62])
			}
		}
	}
	return string(out)
}
