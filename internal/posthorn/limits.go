package posthorn

import (
	"context"
	"fmt"
	"maps"
	"time"
)

// RateLimit is a token bucket: it holds Burst requests when it is full, and fills at PerMinute. In any span of time it lets
// through Burst requests and those that came in meanwhile: of the default, 100 at once and 200 in a minute.
type RateLimit struct {
	// PerMinute is in requests a minute; zero is no limit.
	PerMinute int
	// Burst is how many requests may come at once.
	Burst int
}

// DefaultRateLimit holds for the API of a tenant where nothing else is configured.
var DefaultRateLimit = RateLimit{PerMinute: 100, Burst: 100}

// Off reports whether there is no limit.
func (l RateLimit) Off() bool { return l.PerMinute == 0 }

// MaxRequestRate is the highest rate, in requests a minute, and the largest burst that a limit can have.
const MaxRequestRate = 1_000_000

// LimitSettings is what a tenant's limits are set to. Nil is the default: that of the installation for the API, no limit for
// publishing, and one minute's worth for the burst of publishing.
type LimitSettings struct {
	APIRate      *int
	APIBurst     *int
	PublishRate  *int
	PublishBurst *int
}

// TenantLimits is how many requests the programs of a tenant may make.
type TenantLimits struct {
	// Set is what was set; Defaults are the API's limit where nothing is.
	Set      LimitSettings
	Defaults RateLimit
	// API counts all requests but those that publish, which count against Publish alone.
	API     RateLimit
	Publish RateLimit
}

// limits returns what holds where the settings leave the API to defaults.
func (s LimitSettings) limits(defaults RateLimit) TenantLimits {
	l := TenantLimits{Set: s, Defaults: defaults, API: defaults}
	if s.APIRate != nil {
		l.API.PerMinute = *s.APIRate
	}
	if s.APIBurst != nil {
		l.API.Burst = *s.APIBurst
	}
	if s.PublishRate != nil {
		l.Publish = RateLimit{PerMinute: *s.PublishRate, Burst: *s.PublishRate}
		if s.PublishBurst != nil {
			l.Publish.Burst = *s.PublishBurst
		}
	}
	return l
}

// LimitOf returns the limit of a kind of request where the API is left to defaults.
func LimitOf(set LimitSettings, defaults RateLimit, kind RequestKind) RateLimit {
	l := set.limits(defaults)
	if kind == RequestPublish {
		return l.Publish
	}
	return l.API
}

// The fields of the form about limits.
const (
	FieldAPIRate      = "apiRate"
	FieldAPIBurst     = "apiBurst"
	FieldPublishRate  = "publishRate"
	FieldPublishBurst = "publishBurst"
)

// ActionLimitsUpdated is the change of a tenant's limits.
const ActionLimitsUpdated Action = "tenant.limits_updated"

// LimitStore keeps what the limits of tenants are set to. Implemented by package postgres. An unknown tenant is NotFound.
type LimitStore interface {
	LimitSettings(ctx context.Context, tenant TenantID) (LimitSettings, error)
	// UpdateLimitSettings gives the settings to change, while no other update sees them, and stores what change returns, with
	// the entry; nothing when the entry is nil. Where a burst grows from one that defaults leave to the next, the bucket gets
	// the difference at once.
	UpdateLimitSettings(ctx context.Context, tenant TenantID, defaults RateLimit, change func(LimitSettings) (LimitSettings, *AuditEntry)) error
}

// Limits says and changes how many requests the programs of a tenant may make.
type Limits struct {
	store    LimitStore
	defaults RateLimit
}

// NewLimits makes the use cases; defaults hold for the API of tenants that have no settings.
func NewLimits(store LimitStore, defaults RateLimit) *Limits {
	return &Limits{store: store, defaults: defaults}
}

// Get returns the limits of a tenant, or NotFound.
func (l *Limits) Get(ctx context.Context, tenant TenantID) (TenantLimits, error) {
	set, err := l.store.LimitSettings(ctx, tenant)
	if err != nil {
		return TenantLimits{}, fmt.Errorf("get the limits of %s: %w", tenant, err)
	}
	return set.limits(l.defaults), nil
}

// Set replaces the settings of a tenant, all four of them, and returns what holds from then on: in every process at once, and
// at worst within LimitsReread. A number out of range, and a burst of publishing without a rate, is Invalid with the fields
// named; an unknown tenant is NotFound. Settings that are the same already change nothing and leave no audit entry.
func (l *Limits) Set(ctx context.Context, actor Actor, tenant TenantID, in LimitSettings) (TenantLimits, error) {
	var faults fieldFaults
	faults.requests(FieldAPIRate, in.APIRate)
	faults.requests(FieldAPIBurst, in.APIBurst)
	faults.requests(FieldPublishRate, in.PublishRate)
	faults.requests(FieldPublishBurst, in.PublishBurst)
	if in.PublishBurst != nil && in.PublishRate == nil {
		faults.add(FieldPublishBurst, "must be empty where publishing has no rate")
	}
	if err := faults.err(); err != nil {
		return TenantLimits{}, err
	}
	err := l.store.UpdateLimitSettings(ctx, tenant, l.defaults, func(before LimitSettings) (LimitSettings, *AuditEntry) {
		from, to := before.auditFields(), in.auditFields()
		if maps.Equal(from, to) {
			return before, nil
		}
		entry := audit(tenant, actor, ActionLimitsUpdated, tenant.String(), from, to)
		return in, &entry
	})
	if err != nil {
		return TenantLimits{}, fmt.Errorf("set the limits of %s: %w", tenant, err)
	}
	return in.limits(l.defaults), nil
}

// requests notes a fault when a number of requests is set and out of range.
func (f *fieldFaults) requests(field string, n *int) {
	if n != nil && (*n < 1 || *n > MaxRequestRate) {
		f.add(field, "must be a whole number from 1 to 1000000, or empty for the default")
	}
}

// auditFields are the settings as the audit log has them, null for a default.
func (s LimitSettings) auditFields() map[string]any {
	fields := map[string]any{}
	for name, n := range map[string]*int{
		FieldAPIRate: s.APIRate, FieldAPIBurst: s.APIBurst, FieldPublishRate: s.PublishRate, FieldPublishBurst: s.PublishBurst,
	} {
		fields[name] = nil
		if n != nil {
			fields[name] = *n
		}
	}
	return fields
}

// LimitsReread is how often each process reads the settings of all tenants again, also when no hint of a change arrives.
const LimitsReread = 5 * time.Second
