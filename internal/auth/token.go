package auth

import (
	"crypto/sha256"
	"encoding/base64"
)

const (
	apiSecretPrefix = "whsec_"
	apiSecretSize   = 32 // bytes
	tokenSize       = 32 // bytes
)

// NewAPISecret draws a tenant's API secret: "whsec_" and the base64 of 32 random
// bytes, the form of every signing secret.
func NewAPISecret() string {
	return apiSecretPrefix + base64.StdEncoding.EncodeToString(randomBytes(apiSecretSize))
}

// NewToken draws an opaque token for a session, an invitation or a reset link: 32
// random bytes in unpadded base64url, fit for a cookie and a path. The plain token
// goes to its owner, the hash is what is stored.
func NewToken() (plain string, hash [sha256.Size]byte) {
	plain = base64.RawURLEncoding.EncodeToString(randomBytes(tokenSize))
	return plain, HashToken(plain)
}

// HashToken returns the hash under which the token is stored.
func HashToken(plain string) [sha256.Size]byte {
	return sha256.Sum256([]byte(plain))
}
