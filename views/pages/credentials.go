package pages

import (
	"time"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
)

// FieldExpiresOn is the field of the date that a new API key ends on, read when ExpiryOnDate is chosen.
const FieldExpiresOn = "expires_on"

// ExpiryOnDate is the choice of posthorn.FieldExpiresAt that takes the date of FieldExpiresOn. The others are a number of
// days, or empty for never.
const ExpiryOnDate = "date"

// CredentialsProps is the API keys and the API secret of an organisation.
type CredentialsProps struct {
	Keys   []posthorn.APIKey
	Secret posthorn.APISecret
	// Owner says that the reader may make and revoke keys.
	Owner    bool
	Now      time.Time
	Location *time.Location
}

// CredentialsPageProps is the credentials as a page of their own, where what was just made is shown once.
type CredentialsPageProps struct {
	Page        layout.PageProps
	Credentials CredentialsProps
	// Shown is nil unless this answer shows a secret.
	Shown *ShownOnceProps
	// Error is the sentence above everything, empty for none.
	Error string
}

// ShownOnceProps is a key or secret at the only moment at which it can be seen.
type ShownOnceProps struct {
	// Title says what happened, Text why it has to be copied now.
	Title, Text string
	// Label names the value, What in the middle of a sentence: "API key", "key".
	Label, What string
	Value       string
	// DoneURL is the page that follows, which does not show it. The script puts its address into the browser's history.
	DoneURL string
}

// APIKeyFormProps is the form of a new API key.
type APIKeyFormProps struct {
	Page    layout.PageProps
	FormKey string
	Name    string
	Scopes  []posthorn.Scope
	// Expiry is empty, a number of days, or ExpiryOnDate; ExpiresOn is a date such as 2027-03-01.
	Expiry, ExpiresOn string
	// Fields says what is wrong with which field.
	Fields map[string]string
}

// APIKeyRevokeProps asks whether to revoke an API key.
type APIKeyRevokeProps struct {
	Page layout.PageProps
	Key  posthorn.APIKey
	// Confirm says that the name of the key has to be typed, Typed what was.
	Confirm bool
	Typed   string
	Fields  map[string]string
}

// APISecretRotateProps is the form that rotates the API secret.
type APISecretRotateProps struct {
	Page    layout.PageProps
	FormKey string
	// Overlap is how long the old secret signs on, Own the integrator's own new one.
	Overlap  time.Duration
	Own      string
	Error    string
	Fields   map[string]string
	Location *time.Location
}
