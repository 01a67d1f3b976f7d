package posthorn

import "time"

// SealedSecret is a secret that deliveries are signed with, as it is stored: a webhook's own, or the API secret of a tenant.
type SealedSecret struct {
	ID       SigningSecretID
	TenantID TenantID
	// WebhookID is zero for the API secret of the tenant.
	WebhookID WebhookID
	// Sealed is bound to WebhookSecretPlace or APISecretPlace.
	Sealed []byte
	// LastFour is the end of the secret, by which a person recognises it. It is empty where it was never noted.
	LastFour  string
	CreatedAt time.Time
	// CreatedBy is the name of who made it, as the audit log has it, empty where it was never noted.
	CreatedBy string
	// RevealedAt is when it was shown to a person, zero while nobody has seen it.
	RevealedAt time.Time
	// ExpiresAt is until when a replaced secret signs on; the current one has no end and so the zero time.
	ExpiresAt time.Time
}

// Current reports whether the secret is the newest of its owner, which no other has replaced.
func (s *SealedSecret) Current() bool { return s.ExpiresAt.IsZero() }

// MaxLiveSecrets is how many secrets of one owner sign at the same time at most, the current one included.
const MaxLiveSecrets = 5

// ErrTooManySecrets is the Conflict of a rotation that would leave more than MaxLiveSecrets.
var ErrTooManySecrets = Errorf(Conflict, "Not rotated: %d secrets are in use already.", MaxLiveSecrets)

// TooManySecrets is ErrTooManySecrets with what can be done about it; next is when the next of the old secrets ends.
func TooManySecrets(next time.Time) error {
	message := ErrTooManySecrets.Message + " Retire the old secrets first. The next of them ends at " + FormatTime(next) +
		", and a rotation with overlapSeconds 0 ends all of them at once."
	return Because(Conflict, message, ErrTooManySecrets)
}
