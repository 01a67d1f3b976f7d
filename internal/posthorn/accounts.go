package posthorn

import (
	"context"
	"time"
)

// Accounts is who may sign in and with what: tenants, their users, passwords and API keys. Every change it makes is
// written to the audit log in the same transaction.
type Accounts struct {
	store  AccountStore
	config AccountsConfig
}

// NewAccounts makes the use cases; every part of the configuration is needed.
func NewAccounts(store AccountStore, config AccountsConfig) *Accounts {
	return &Accounts{store: store, config: config}
}

// AccountsConfig is what makes and checks that which accounts are protected with. Implemented by packages auth and secretbox.
type AccountsConfig struct {
	Passwords PasswordHasher
	// CheckPassword says whether a password is fit to be set for an email address. Its error reads as what is wrong with
	// the field ("must have at least 8 characters").
	CheckPassword func(password, email string) error
	// NewAPIKey draws an API key.
	NewAPIKey func() IssuedKey
	// HashAPIKey returns the hash under which a key is stored; ok is false for what cannot be one.
	HashAPIKey func(plain string) (hash [32]byte, ok bool)
	// NewAPISecret draws the API secret of a tenant.
	NewAPISecret func() string
	// NewToken draws the token of a link, which is stored under its hash; HashToken returns that of a token.
	NewToken  func() (plain string, hash [32]byte)
	HashToken func(plain string) [32]byte
	Sealer    SecretBox
}

// PasswordHasher stretches passwords. Implemented by package auth.
type PasswordHasher interface {
	Hash(ctx context.Context, password string) (string, error)
	// Verify reports whether password is the one that encoded was made from.
	Verify(ctx context.Context, password, encoded string) (bool, error)
	// VerifyNothing takes as long as Verify does, for accounts that do not exist.
	VerifyNothing(ctx context.Context, password string) error
	// NeedsRehash reports whether encoded was made at another cost than today's.
	NeedsRehash(encoded string) bool
}

// Sealer encrypts what must come back in the clear, bound to its place by aad. Implemented by package secretbox.
type Sealer interface {
	Seal(plaintext, aad []byte) []byte
}

// IssuedKey is an API key at the one moment at which it is known.
type IssuedKey struct {
	Plain string
	// Hash is the SHA-256 of Plain. Prefix and LastFour are what a person recognises it by.
	Hash             [32]byte
	Prefix, LastFour string
}

// AccountStore keeps accounts. Implemented by package postgres. What does not exist is NotFound, an email address or
// external id that is in use already is Conflict with the field named.
type AccountStore interface {
	TenantStore
	UserStore
	PasswordStore
	SignInThrottle
	APIKeyStore
	APISecretStore
	MemberStore
	MemberInvitationStore
	PasswordResetStore
}

// TenantStore keeps tenants.
type TenantStore interface {
	FirstTenant
	TenantByID(ctx context.Context, id TenantID) (Tenant, error)
	// ListTenants returns all tenants, oldest first.
	ListTenants(ctx context.Context) ([]Tenant, error)
	// FoundTenant stores a tenant and all that comes with it, or nothing. It is Conflict when the tenant must be the
	// first and is not, also when several are founded at the same time.
	FoundTenant(ctx context.Context, f Founding) error
}

// Founding is a new tenant with what it starts with.
type Founding struct {
	Tenant    Tenant
	APISecret SealedSecret
	Owner     UserCredentials
	// APIKey is nil when none was asked for.
	APIKey *APIKey
	// MustBeFirst allows the tenant only while there is no other.
	MustBeFirst bool
	Audit       []AuditEntry
}

// UserCredentials is a user with the hash of their password.
type UserCredentials struct {
	User         User
	PasswordHash string
}

// UserStore keeps users.
type UserStore interface {
	// ListUsers returns the users of a tenant, oldest first.
	ListUsers(ctx context.Context, tenant TenantID) ([]User, error)
	InsertUser(ctx context.Context, u UserCredentials, entry AuditEntry) error
	// UpdateUser writes the user's name, theme and time zone.
	UpdateUser(ctx context.Context, u User, entry AuditEntry) error
	// DeleteUserSessions ends a user's sessions but the excepted one, and returns how many that were. The entry learns
	// the number.
	DeleteUserSessions(ctx context.Context, id UserID, except *[32]byte, entry AuditEntry) (int, error)
}

// PasswordStore keeps the hashes of passwords.
type PasswordStore interface {
	// CredentialsByEmail finds a user by their address, in upper or lower case.
	CredentialsByEmail(ctx context.Context, email string) (UserCredentials, error)
	CredentialsByID(ctx context.Context, id UserID) (UserCredentials, error)
	// SetPassword changes a password and ends the user's sessions but the excepted one; it returns how many that were.
	// It is Conflict when the hash is not the old one any more.
	SetPassword(ctx context.Context, p PasswordChange) (int, error)
	// ReplaceHash stores the same password under another hash, unless the old one is gone.
	ReplaceHash(ctx context.Context, id UserID, oldHash, newHash string) error
}

// PasswordChange is a new password of a user.
type PasswordChange struct {
	UserID           UserID
	OldHash, NewHash string
	At               time.Time
	// Except is the session that stays, nil for none.
	Except *[32]byte
	Audit  AuditEntry
}

// APIKeyStore keeps API keys.
type APIKeyStore interface {
	// InsertAPIKey stores a key. With a form key that was used before it stores nothing and returns the key that was made
	// then.
	InsertAPIKey(ctx context.Context, k APIKey, form *IdempotencyKey, entry AuditEntry) (made APIKeyID, err error)
	// ListAPIKeys returns the keys of a tenant, newest first.
	ListAPIKeys(ctx context.Context, tenant TenantID) ([]APIKey, error)
	APIKey(ctx context.Context, tenant TenantID, id APIKeyID) (APIKey, error)
	APIKeyByHash(ctx context.Context, hash [32]byte) (APIKey, error)
	// RevokeAPIKey writes k.RevokedAt. One that is revoked already stays as it is, without an entry.
	RevokeAPIKey(ctx context.Context, k APIKey, entry AuditEntry) error
	// NoteAPIKeyUse has the time of a use written a little later. It does not wait.
	NoteAPIKeyUse(id APIKeyID, at time.Time)
}

// APISecretStore keeps the API secrets of tenants.
type APISecretStore interface {
	// APISecrets returns the secrets of a tenant that have not expired, newest first.
	APISecrets(ctx context.Context, tenant TenantID) ([]SealedSecret, error)
	// MarkAPISecretRevealed notes when a secret was shown. It is ErrSecretShown when it was before, or is not the current
	// one any more.
	MarkAPISecretRevealed(ctx context.Context, id SigningSecretID, at time.Time, entry AuditEntry) error
	// ReplaceAPISecret makes a new secret the current one. With a form key that was used before it changes nothing and says
	// so.
	ReplaceAPISecret(ctx context.Context, c SecretChange, form *IdempotencyKey, entry AuditEntry) (repeated bool, err error)
	// RetireAPISecrets ends all secrets of a tenant but the current one and returns how many that were. The entry learns the
	// number; where there is none, nothing is written.
	RetireAPISecrets(ctx context.Context, tenant TenantID, entry AuditEntry) (int, error)
}

// databaseNow is the time to the microsecond, which is what the database keeps.
func databaseNow() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
