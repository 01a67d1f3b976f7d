package posthorn

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// ActivityType says which engine produced a record.
type ActivityType string

// The engines: know your transaction, address, entity.
const (
	KYT ActivityType = "kyt"
	KYA ActivityType = "kya"
	KYE ActivityType = "kye"
)

// ActivityTypes lists the types in the order in which people read them.
func ActivityTypes() []ActivityType { return []ActivityType{KYT, KYA, KYE} }

// Valid reports whether the type is one of ActivityTypes.
func (t ActivityType) Valid() bool { return t == KYT || t == KYA || t == KYE }

// RiskLevel is the level the engine gave. The empty level means that it gave none; it is never recomputed from the score.
type RiskLevel string

// The levels, from harmless to worst.
const (
	RiskLow      RiskLevel = "low"
	RiskMedium   RiskLevel = "medium"
	RiskHigh     RiskLevel = "high"
	RiskCritical RiskLevel = "critical"
)

// RiskLevels lists the levels from harmless to worst.
func RiskLevels() []RiskLevel { return []RiskLevel{RiskLow, RiskMedium, RiskHigh, RiskCritical} }

// Rank orders levels: 0 for none or unknown, 1 for low to 4 for critical.
func (l RiskLevel) Rank() int {
	switch l {
	case RiskLow:
		return 1
	case RiskMedium:
		return 2
	case RiskHigh:
		return 3
	case RiskCritical:
		return 4
	default:
		return 0
	}
}

// Valid reports whether the level is one of RiskLevels.
func (l RiskLevel) Valid() bool { return l.Rank() > 0 }

// Flagged reports whether a record of this level deserves a person's attention: high or critical.
func (l RiskLevel) Flagged() bool { return l.Rank() >= 3 }

// Activity is one row of user_activity_history without its two payloads: what lists, events and exports carry. Text that
// the worker did not give is empty.
type Activity struct {
	ID       ActivityID `json:"id"`
	TenantID TenantID   `json:"-"`

	Type ActivityType `json:"activityType"`
	// UserID is the id of the user as the worker knows it (a Clerk id, say), not a Posthorn id.
	UserID     string    `json:"userId"`
	RequestID  uuid.UUID `json:"requestId"`
	ResponseID string    `json:"responseId"`
	// StatusCode is the HTTP status of the check, 100 to 599; from 400 on the record is an error.
	StatusCode      int       `json:"statusCode"`
	Blockchain      string    `json:"blockchain"`
	TransactionHash string    `json:"transactionHash"`
	Address         string    `json:"address"`
	EntityID        string    `json:"entityId"`
	EntityName      string    `json:"entityName"`
	RiskLevel       RiskLevel `json:"riskLevel"`
	// RiskScore is 0 to 100, nil when the engine gave none.
	RiskScore *float64 `json:"riskScore"`
	// ResponseSummary is the compact JSON object for lists, nil when absent.
	ResponseSummary json.RawMessage `json:"responseSummary"`
	ErrorMessage    string          `json:"errorMessage"`
	// Metadata is a free-form JSON object, nil when absent.
	Metadata      json.RawMessage `json:"metadata"`
	ClientAppID   string          `json:"clientAppId"`
	ClientAppName string          `json:"clientAppName"`
}

// ActivityRecord is the whole row: an Activity and what was sent and answered.
type ActivityRecord struct {
	Activity
	// RequestPayload and ResponsePayload are JSON objects, byte for byte as posted; nil when absent.
	RequestPayload  json.RawMessage
	ResponsePayload json.RawMessage
}

// CreatedAt returns when Posthorn received the record, in UTC, to the millisecond.
func (a *Activity) CreatedAt() time.Time { return a.ID.Time() }

// Failed reports whether the check ended in an error.
func (a *Activity) Failed() bool { return a.StatusCode >= firstErrorStatus }

// Subject returns what was checked: the transaction hash, the address, or the entity by its name where it has one.
func (a *Activity) Subject() string {
	switch {
	case a.Type == KYT:
		return a.TransactionHash
	case a.Type == KYA:
		return a.Address
	case a.EntityName != "":
		return a.EntityName
	default:
		return a.EntityID
	}
}

// activityJSON is the public shape: absent text is null, and the time is spelled out.
type activityJSON struct {
	ID              ActivityID      `json:"id"`
	ActivityType    ActivityType    `json:"activityType"`
	UserID          string          `json:"userId"`
	RequestID       uuid.UUID       `json:"requestId"`
	ResponseID      *string         `json:"responseId"`
	StatusCode      int             `json:"statusCode"`
	Blockchain      *string         `json:"blockchain"`
	TransactionHash *string         `json:"transactionHash"`
	Address         *string         `json:"address"`
	EntityID        *string         `json:"entityId"`
	EntityName      *string         `json:"entityName"`
	RiskLevel       *RiskLevel      `json:"riskLevel"`
	RiskScore       *float64        `json:"riskScore"`
	ResponseSummary json.RawMessage `json:"responseSummary"`
	ErrorMessage    *string         `json:"errorMessage"`
	Metadata        json.RawMessage `json:"metadata"`
	ClientAppID     *string         `json:"clientAppId"`
	ClientAppName   *string         `json:"clientAppName"`
	CreatedAt       string          `json:"createdAt"`
}

func (a *Activity) public() activityJSON {
	return activityJSON{
		ID: a.ID, ActivityType: a.Type, UserID: a.UserID, RequestID: a.RequestID, ResponseID: orNull(a.ResponseID),
		StatusCode: a.StatusCode, Blockchain: orNull(a.Blockchain), TransactionHash: orNull(a.TransactionHash),
		Address: orNull(a.Address), EntityID: orNull(a.EntityID), EntityName: orNull(a.EntityName),
		RiskLevel: orNull(a.RiskLevel), RiskScore: a.RiskScore, ResponseSummary: a.ResponseSummary,
		ErrorMessage: orNull(a.ErrorMessage), Metadata: a.Metadata, ClientAppID: orNull(a.ClientAppID),
		ClientAppName: orNull(a.ClientAppName), CreatedAt: FormatTime(a.CreatedAt()),
	}
}

// MarshalJSON writes the record in the field names of the ingest, with id and createdAt, absent values as null.
func (a *Activity) MarshalJSON() ([]byte, error) { return marshal(a.public()) }

// MarshalJSON writes the record as Activity does, with requestPayload and responsePayload beside the rest.
func (r *ActivityRecord) MarshalJSON() ([]byte, error) {
	return marshal(struct {
		activityJSON
		RequestPayload  json.RawMessage `json:"requestPayload"`
		ResponsePayload json.RawMessage `json:"responsePayload"`
	}{r.public(), r.RequestPayload, r.ResponsePayload})
}

// marshal writes JSON as it is meant for programs: without the escapes that protect HTML, so that payloads keep their bytes.
func marshal(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(out.Bytes(), "\n"), nil
}

// TimeFormat is how times are written in JSON: RFC 3339 in UTC with milliseconds.
const TimeFormat = "2006-01-02T15:04:05.000Z"

// FormatTime writes a time as TimeFormat says.
func FormatTime(t time.Time) string { return t.UTC().Format(TimeFormat) }

func orNull[T ~string](s T) *T {
	if s == "" {
		return nil
	}
	return &s
}
