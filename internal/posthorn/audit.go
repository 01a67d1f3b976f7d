package posthorn

// Actor is who made a change, as the audit log names them.
type Actor struct {
	// UserID is zero for the command line and for Posthorn itself.
	UserID UserID
	// Name is kept as it was, so that the log still reads when the user is gone.
	Name string
	// Address is where the request came from, empty for the command line.
	Address string
}

// CommandLine is the actor of the subcommands.
func CommandLine() Actor { return Actor{Name: "command line"} }

// Actor returns the user as the actor of a request from an address.
func (u *User) Actor(address string) Actor {
	return Actor{UserID: u.ID, Name: u.Name, Address: address}
}

// Action names what was done, in an entry of the audit log.
type Action string

// The actions on accounts.
const (
	ActionTenantCreated       Action = "tenant.created"
	ActionUserCreated         Action = "user.created"
	ActionProfileUpdated      Action = "user.profile_updated"
	ActionPreferencesUpdated  Action = "user.preferences_updated"
	ActionPasswordChanged     Action = "user.password_changed"
	ActionPasswordReset       Action = "user.password_reset"
	ActionSignedOutEverywhere Action = "session.signed_out_everywhere"
	ActionAPIKeyCreated       Action = "api_key.created"
	ActionAPIKeyRevoked       Action = "api_key.revoked"
	ActionAPISecretRevealed   Action = "api_secret.revealed"
	ActionAPISecretRotated    Action = "api_secret.rotated"
	ActionAPISecretRetired    Action = "api_secret.retired" //nolint:gosec // G101: what was done to a secret, not one
)

// AuditEntry says who did what to what. It is written in the transaction of the change.
type AuditEntry struct {
	ID       AuditID
	TenantID TenantID
	Actor    Actor
	Action   Action
	// Subject is the id of what was changed.
	Subject string
	// Before and After hold the fields that the change concerns, nil where there are none. Passwords, secrets, keys and
	// their hashes are never among them.
	Before, After map[string]any
}

// SecretsEnded notes how many secrets a change ended, which is known only once it is made.
func (e *AuditEntry) SecretsEnded(n int) {
	if e.After == nil {
		e.After = map[string]any{}
	}
	e.After["secretsEnded"] = n
}

// SessionsEnded notes how many sessions a change ended, which is known only once it is made.
func (e *AuditEntry) SessionsEnded(n int) {
	if e.After == nil {
		e.After = map[string]any{}
	}
	e.After["sessionsEnded"] = n
}

func audit(tenant TenantID, actor Actor, action Action, subject string, before, after map[string]any) AuditEntry {
	return AuditEntry{
		ID: NewID[auditKind](), TenantID: tenant, Actor: actor, Action: action, Subject: subject, Before: before, After: after,
	}
}

// SystemAudit is the entry of something that Posthorn did by itself.
func SystemAudit(tenant TenantID, action Action, subject string, after map[string]any) AuditEntry {
	return audit(tenant, System(), action, subject, nil, after)
}
