package posthorn

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// ID is a UUIDv7 that knows what it identifies. Outside the database it is written as a prefix, an underscore and 22
// characters of base62 ("act_02YkOqSV2GzVzZ0dS5eYbC"), which sort as the ids do: by time. The zero ID is no id.
type ID[P prefixer] uuid.UUID

// prefixer is a phantom type that carries the prefix of one kind of id.
type prefixer interface{ prefix() string }

type (
	tenantKind      struct{}
	userKind        struct{}
	applicationKind struct{}
	activityKind    struct{}
	eventKind       struct{}
	apiKeyKind      struct{}
	auditKind       struct{}

	webhookKind       struct{}
	deliveryKind      struct{}
	attemptKind       struct{}
	signingSecretKind struct{}
	replayKind        struct{}
)

func (tenantKind) prefix() string      { return "tenant" }
func (userKind) prefix() string        { return "user" }
func (applicationKind) prefix() string { return "app" }
func (activityKind) prefix() string    { return "act" }
func (eventKind) prefix() string       { return "evt" }
func (apiKeyKind) prefix() string      { return "key" }
func (auditKind) prefix() string       { return "audit" }

func (webhookKind) prefix() string       { return "wh" }
func (deliveryKind) prefix() string      { return "whd" }
func (attemptKind) prefix() string       { return "att" }
func (signingSecretKind) prefix() string { return "sec" }
func (replayKind) prefix() string        { return "rpl" }

// The ids of the product, one type a concept, so that one cannot be passed for another.
type (
	// TenantID identifies an organisation ("tenant_…").
	TenantID = ID[tenantKind]
	// UserID identifies a person who can sign in ("user_…").
	UserID = ID[userKind]
	// ApplicationID identifies an application of a tenant ("app_…").
	ApplicationID = ID[applicationKind]
	// ActivityID identifies a record of user_activity_history ("act_…").
	ActivityID = ID[activityKind]
	// EventID identifies an event ("evt_…").
	EventID = ID[eventKind]
	// APIKeyID identifies an API key, not the key itself ("key_…").
	APIKeyID = ID[apiKeyKind]
	// AuditID identifies an entry of the audit log ("audit_…").
	AuditID = ID[auditKind]
	// WebhookID identifies a webhook: an endpoint's configuration ("wh_…").
	WebhookID = ID[webhookKind]
	// DeliveryID identifies one event for one webhook, through all its attempts and replays ("whd_…").
	DeliveryID = ID[deliveryKind]
	// AttemptID identifies one HTTP request of a delivery ("att_…").
	AttemptID = ID[attemptKind]
	// SigningSecretID identifies a secret that deliveries are signed with, not the secret itself ("sec_…").
	SigningSecretID = ID[signingSecretKind]
	// ReplayID identifies a bulk replay ("rpl_…").
	ReplayID = ID[replayKind]
)

// idDigits is the length of the base62 part: the fewest digits that hold 128 bits.
const idDigits = 22

// base62 is in ASCII order, so that text sorts as the number does.
const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// NewID makes an id from the current time. Ids made by one process are strictly increasing.
func NewID[P prefixer]() ID[P] { return ID[P](uuid.Must(uuid.NewV7())) }

// IDAt returns the smallest id of the millisecond that t lies in: the bound that turns a time into a range of ids.
func IDAt[P prefixer](t time.Time) ID[P] {
	var id ID[P]
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(max(t.UnixMilli(), 0)))
	copy(id[:6], ms[2:])
	return id
}

// ParseID reads the text form of an id. The error is ErrBadID; it never quotes more than the kind that was expected.
func ParseID[P prefixer](s string) (ID[P], error) {
	var id ID[P]
	var p P
	digits, ok := strings.CutPrefix(s, p.prefix()+"_")
	if !ok || len(digits) != idDigits {
		return id, fmt.Errorf("%w: want %s_ and %d letters or digits", ErrBadID, p.prefix(), idDigits)
	}
	var hi, lo uint64
	for i := range len(digits) {
		d := strings.IndexByte(base62, digits[i])
		if d < 0 {
			return id, fmt.Errorf("%w: %s_ is followed by letters and digits only", ErrBadID, p.prefix())
		}
		if hi, lo, ok = mul62add(hi, lo, uint64(d)); !ok {
			return id, fmt.Errorf("%w: %s_ is followed by a number beyond 128 bits", ErrBadID, p.prefix())
		}
	}
	binary.BigEndian.PutUint64(id[:8], hi)
	binary.BigEndian.PutUint64(id[8:], lo)
	return id, nil
}

// ErrBadID reports text that is not an id of the wanted kind.
var ErrBadID = errors.New("not an id")

// String returns the text form, "prefix_" and 22 base62 digits.
func (id ID[P]) String() string {
	var p P
	hi, lo := binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(id[8:])
	prefix := p.prefix()
	out := make([]byte, len(prefix)+1+idDigits)
	copy(out, prefix)
	out[len(prefix)] = '_'
	for i := len(out) - 1; i > len(prefix); i-- {
		var d uint64
		hi, lo, d = divmod62(hi, lo)
		out[i] = base62[d]
	}
	return string(out)
}

// UUID returns the value that the database holds.
func (id ID[P]) UUID() uuid.UUID { return uuid.UUID(id) }

// IsZero reports whether the id was never set.
func (id ID[P]) IsZero() bool { return id == ID[P]{} }

// After reports whether the id was made after another.
func (id ID[P]) After(other ID[P]) bool { return bytes.Compare(id[:], other[:]) > 0 }

// Time returns the millisecond, in UTC, at which the id was made.
func (id ID[P]) Time() time.Time {
	var ms int64
	for i := range 6 {
		ms = ms<<8 | int64(id[i])
	}
	return time.UnixMilli(ms).UTC()
}

// MarshalText writes the text form, so that ids are strings in JSON.
func (id ID[P]) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads the text form.
func (id *ID[P]) UnmarshalText(text []byte) error {
	parsed, err := ParseID[P](string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// The functions below name the kinds for other packages, which cannot.

// NewActivityID makes an id from the current time.
func NewActivityID() ActivityID { return NewID[activityKind]() }

// ActivityIDAt returns the smallest activity id of the millisecond that t lies in.
func ActivityIDAt(t time.Time) ActivityID { return IDAt[activityKind](t) }

// ParseActivityID reads "act_…"; the error is ErrBadID.
func ParseActivityID(s string) (ActivityID, error) { return ParseID[activityKind](s) }

// NewTenantID makes an id from the current time.
func NewTenantID() TenantID { return NewID[tenantKind]() }

// ParseTenantID reads "tenant_…"; the error is ErrBadID.
func ParseTenantID(s string) (TenantID, error) { return ParseID[tenantKind](s) }

// NewWebhookID makes an id from the current time.
func NewWebhookID() WebhookID { return NewID[webhookKind]() }

// ParseWebhookID reads "wh_…"; the error is ErrBadID.
func ParseWebhookID(s string) (WebhookID, error) { return ParseID[webhookKind](s) }

// ParseApplicationID reads "app_…"; the error is ErrBadID.
func ParseApplicationID(s string) (ApplicationID, error) { return ParseID[applicationKind](s) }

// ParseAPIKeyID reads "key_…"; the error is ErrBadID.
func ParseAPIKeyID(s string) (APIKeyID, error) { return ParseID[apiKeyKind](s) }

// NewSigningSecretID makes an id from the current time.
func NewSigningSecretID() SigningSecretID { return NewID[signingSecretKind]() }

// NewApplicationID makes an id from the current time.
func NewApplicationID() ApplicationID { return NewID[applicationKind]() }

// NewAuditID makes an id from the current time.
func NewAuditID() AuditID { return NewID[auditKind]() }

// NewEventID makes an id from the current time.
func NewEventID() EventID { return NewID[eventKind]() }

// EventIDAt returns the smallest event id of the millisecond that t lies in.
func EventIDAt(t time.Time) EventID { return IDAt[eventKind](t) }

// ParseEventID reads "evt_…"; the error is ErrBadID.
func ParseEventID(s string) (EventID, error) { return ParseID[eventKind](s) }

// DeliveryIDAt returns the smallest delivery id of the millisecond that t lies in.
func DeliveryIDAt(t time.Time) DeliveryID { return IDAt[deliveryKind](t) }

// ParseDeliveryID reads "whd_…"; the error is ErrBadID.
func ParseDeliveryID(s string) (DeliveryID, error) { return ParseID[deliveryKind](s) }

// NewAttemptID makes an id from the current time.
func NewAttemptID() AttemptID { return NewID[attemptKind]() }

// NewReplayID makes an id from the current time.
func NewReplayID() ReplayID { return NewID[replayKind]() }

// ParseReplayID reads "rpl_…"; the error is ErrBadID.
func ParseReplayID(s string) (ReplayID, error) { return ParseID[replayKind](s) }
