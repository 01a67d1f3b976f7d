package posthorn

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/google/uuid"
)

// Receipt is the answer to a post: the stored record's id and its request id.
type Receipt struct {
	ID        ActivityID `json:"id"`
	RequestID uuid.UUID  `json:"requestId"`
}

// IdempotencyKey makes a repeated post answer the first result. Keys of different scopes never meet.
type IdempotencyKey struct{ Scope, Key string }

// Recording is one record on its way into the database, with everything that is committed beside it.
type Recording struct {
	Record ActivityRecord
	Events []Event
	// Idempotency is nil when the worker sent no key.
	Idempotency *IdempotencyKey
}

// ActivityRecorder stores recordings. Implemented by package postgres.
type ActivityRecorder interface {
	// Record returns after the record and its events are durable. With an idempotency key that is live it stores
	// nothing and returns the receipt of the first.
	Record(ctx context.Context, r Recording) (Receipt, error)
}

// FirstTenant finds the tenant that unbound secrets write to. Implemented by package postgres.
type FirstTenant interface {
	// FirstTenantID returns the oldest tenant; NotFound before there is one.
	FirstTenantID(ctx context.Context) (TenantID, error)
}

// IngestSecret is one shared secret of the workers. A zero tenant means the first one.
type IngestSecret struct {
	Tenant TenantID
	Secret string
}

// Ingest takes in the activity that workers post.
type Ingest struct {
	secrets  []hashedSecret
	tenants  FirstTenant
	recorder ActivityRecorder
	link     func(ActivityID) string
	// first is the first tenant, once there is one: the oldest stays the oldest.
	first atomic.Pointer[TenantID]
}

type hashedSecret struct {
	tenant TenantID
	sum    [sha256.Size]byte
}

// NewIngest makes the use case. link makes the address of a record for its events.
func NewIngest(secrets []IngestSecret, tenants FirstTenant, recorder ActivityRecorder, link func(ActivityID) string) *Ingest {
	in := &Ingest{tenants: tenants, recorder: recorder, link: link}
	for _, s := range secrets {
		in.secrets = append(in.secrets, hashedSecret{s.Tenant, sha256.Sum256([]byte(s.Secret))})
	}
	return in
}

// Worker is a caller that presented a valid secret.
type Worker struct {
	tenant TenantID
	scope  string
}

// Authenticate checks a presented secret against all of them in constant time. It is Unauthorized when none fits.
func (in *Ingest) Authenticate(presented string) (Worker, error) {
	sum := sha256.Sum256([]byte(presented))
	found := -1
	for i, s := range in.secrets {
		if subtle.ConstantTimeCompare(sum[:], s.sum[:]) == 1 && found < 0 {
			found = i
		}
	}
	if found < 0 || presented == "" {
		return Worker{}, Errorf(Unauthorized, "Unauthorized")
	}
	return Worker{tenant: in.secrets[found].tenant, scope: "activity:" + hex.EncodeToString(sum[:16])}, nil
}

// maxIdempotencyKey is the longest idempotency key, in bytes.
const maxIdempotencyKey = 255

// ErrOutcomeUnknown reports that the database went away during a commit and did not come back in time to say how the
// commit ended. Only an idempotency key makes a retry safe then.
var ErrOutcomeUnknown = errors.New("the outcome is unknown")

// Record parses and stores one posted body for an authenticated worker. key is the Idempotency-Key header, empty for
// none. An Invalid error carries the message of the contract, ErrOutcomeUnknown says what it says, and any other error
// means that nothing was stored.
func (in *Ingest) Record(ctx context.Context, w Worker, body []byte, key string) (Receipt, error) {
	rec, err := ParseActivity(body)
	if err != nil {
		return Receipt{}, err
	}
	if len(key) > maxIdempotencyKey || !printable(key) {
		return Receipt{}, Errorf(Invalid, "Idempotency-Key must be at most %d printable ASCII characters", maxIdempotencyKey)
	}
	if rec.TenantID, err = in.tenantOf(ctx, w); err != nil {
		return Receipt{}, fmt.Errorf("find the tenant that activity is written to: %w", err)
	}
	rec.ID = NewID[activityKind]()
	recording := Recording{Record: rec}
	if recording.Events, err = rec.Events(in.link); err != nil {
		return Receipt{}, err
	}
	if key != "" {
		recording.Idempotency = &IdempotencyKey{Scope: w.scope, Key: key}
	}
	receipt, err := in.recorder.Record(ctx, recording)
	if err != nil {
		return Receipt{}, fmt.Errorf("record activity %s of %s: %w", rec.ID, rec.TenantID, err)
	}
	return receipt, nil
}

// tenantOf returns the tenant that a worker writes to.
func (in *Ingest) tenantOf(ctx context.Context, w Worker) (TenantID, error) {
	if !w.tenant.IsZero() {
		return w.tenant, nil
	}
	if known := in.first.Load(); known != nil {
		return *known, nil
	}
	id, err := in.tenants.FirstTenantID(ctx)
	if err != nil {
		return id, err
	}
	in.first.Store(&id)
	return id, nil
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
