// Package auth makes and checks what people and machines prove themselves with:
// passwords, API keys, the tenant's API secret, session and invitation tokens,
// and shared secrets.
//
// Passwords are stretched with argon2id, because people choose them. Everything
// that Posthorn itself draws is random and long, so a single SHA-256 is enough to
// store it: there is nothing to guess.
//
// The package is pure. It knows no database, no HTTP and no clock, and decides
// nothing about who may do what.
package auth
