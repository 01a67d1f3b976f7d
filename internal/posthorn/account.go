package posthorn

import (
	"slices"
	"time"
)

// Role says what a user may do within their tenant.
type Role string

// The roles: an owner manages members, roles, limits and keys; an admin everything else; a member sees their own activity.
const (
	RoleOwner  Role = "owner"
	RoleAdmin  Role = "admin"
	RoleMember Role = "member"
)

// Roles lists the roles, mightiest first.
func Roles() []Role { return []Role{RoleOwner, RoleAdmin, RoleMember} }

// Valid reports whether the role is one of Roles.
func (r Role) Valid() bool { return slices.Contains(Roles(), r) }

// Administers reports whether the role sees and manages the whole tenant: owners and admins do.
func (r Role) Administers() bool { return r == RoleOwner || r == RoleAdmin }

// Tenant is an organisation. Every row but operator data belongs to one.
type Tenant struct {
	ID        TenantID
	Name      string
	CreatedAt time.Time
}

// Theme is the look that a user chose.
type Theme string

// The themes.
const (
	ThemeSystem Theme = "system"
	ThemeLight  Theme = "light"
	ThemeDark   Theme = "dark"
)

// Themes lists the themes in the order in which they are offered.
func Themes() []Theme { return []Theme{ThemeSystem, ThemeLight, ThemeDark} }

// Valid reports whether the theme is one of Themes.
func (t Theme) Valid() bool { return slices.Contains(Themes(), t) }

// User is a person who can sign in.
type User struct {
	ID       UserID
	TenantID TenantID
	Email    string
	Name     string
	Role     Role
	// ExternalID is the user's id in the world of the workers, empty when none is known.
	ExternalID        string
	Theme             Theme
	TimeZone          string
	PasswordChangedAt time.Time
	CreatedAt         time.Time
}

// ActivityScope returns whose records the user may see: the tenant's for those who administer it, else their own, which
// carry the user's external id, or the Posthorn id while there is none.
func (u *User) ActivityScope() ActivityScope {
	scope := ActivityScope{TenantID: u.TenantID}
	switch {
	case u.Role.Administers():
	case u.ExternalID != "":
		scope.UserID = u.ExternalID
	default:
		scope.UserID = u.ID.String()
	}
	return scope
}

// Location returns the user's time zone, UTC when it is unknown to this machine.
func (u *User) Location() *time.Location {
	if loc, err := time.LoadLocation(u.TimeZone); err == nil {
		return loc
	}
	return time.UTC
}

// Session is a signed-in browser.
type Session struct {
	// TokenHash is the SHA-256 of the token in the cookie; it is the session's identity.
	TokenHash [32]byte
	UserID    UserID
	// PasswordChangedAt is the user's, as it was when the password was checked. A password that was changed since then
	// signs nobody in.
	PasswordChangedAt time.Time
	// Data is what the browser's session keeps between requests, opaque to everyone but package web.
	Data []byte
	// Address and UserAgent are those of the sign-in.
	Address, UserAgent               string
	CreatedAt, LastSeenAt, ExpiresAt time.Time
}

// SignedIn is a session with the person behind it: what a page needs to know about its reader.
type SignedIn struct {
	Session Session
	User    User
	Tenant  Tenant
}

// Scope is what an API key may do.
type Scope string

// The scopes of API keys.
const (
	ScopeRead    Scope = "read"
	ScopeWrite   Scope = "write"
	ScopePublish Scope = "publish"
)

// Scopes lists the scopes in the order in which they are offered.
func Scopes() []Scope { return []Scope{ScopeRead, ScopeWrite, ScopePublish} }

// Valid reports whether the scope is one of Scopes.
func (s Scope) Valid() bool { return slices.Contains(Scopes(), s) }

// APIKey describes a key; the key itself is known to its holder alone.
type APIKey struct {
	ID       APIKeyID
	TenantID TenantID
	Name     string
	Scopes   []Scope
	// Hash is the SHA-256 of the key. Prefix and LastFour are what a person recognises it by.
	Hash             [32]byte
	Prefix, LastFour string
	// CreatedBy is zero for keys made on the command line.
	CreatedBy UserID
	CreatedAt time.Time
	// ExpiresAt, LastUsedAt and RevokedAt are zero when they do not apply.
	ExpiresAt, LastUsedAt, RevokedAt time.Time
}
