package posthorn

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Replay is a bulk replay: many deliveries that are sent again, oldest first, at a steady rate. It goes on by itself, in
// whichever process has the time, and survives that process.
type Replay struct {
	ID       ReplayID
	TenantID TenantID
	Kind     ReplayKind
	// WebhookID is the only webhook that it is about, zero for all. WebhookName is what that is called, or was when it was
	// deleted.
	WebhookID   WebhookID
	WebhookName string
	// Filter selects the deliveries of a ReplayOfFilter.
	Filter DeliveryFilter
	// Missed bounds the receipt of the events of a ReplayOfMissed.
	Missed MissedRange
	// Rate is how many deliveries become due in a second.
	Rate  int
	Total Estimate
	// Done counts the deliveries that were made due, Skipped those that were looked at and cannot be sent again or need not.
	Done, Skipped int
	State         ReplayState
	// Reason says why it failed.
	Reason    string
	CreatedAt time.Time
	CreatedBy string
	// FinishedAt is when it came to its end, zero before. FinishedBy is who cancelled it.
	FinishedAt time.Time
	FinishedBy string
}

// Ended reports whether nothing more comes of the replay.
func (r *Replay) Ended() bool { return r.State != ReplayRunning }

// Looked is how many deliveries it has come past.
func (r *Replay) Looked() int { return r.Done + r.Skipped }

// Left estimates how long the replay takes from now on, 0 when it has ended or when that cannot be told.
func (r *Replay) Left() time.Duration {
	left := r.Total.N - r.Looked()
	if r.Ended() || left <= 0 || r.Rate <= 0 {
		return 0
	}
	return time.Duration(left) * time.Second / time.Duration(r.Rate)
}

// Estimate is a count that may stop at a limit.
type Estimate struct {
	N int
	// More says that there are, or may be, more than N.
	More bool
}

// ReplayKind says what a bulk replay sends.
type ReplayKind string

// The kinds of bulk replays.
const (
	// ReplayOfFilter sends deliveries of the log again.
	ReplayOfFilter ReplayKind = "filter"
	// ReplayOfMissed sends what a webhook did not get while it was not active.
	ReplayOfMissed ReplayKind = "missed"
)

// ReplayState says how far a bulk replay is.
type ReplayState string

// The states of a bulk replay.
const (
	ReplayRunning   ReplayState = "running"
	ReplayCancelled ReplayState = "cancelled"
	ReplayFinished  ReplayState = "finished"
	// ReplayFailed was given up, with the reason in words.
	ReplayFailed ReplayState = "failed"
)

// The rate of a bulk replay, in deliveries a second.
const (
	DefaultReplayRate = 20
	MaxReplayRate     = 500
)

// FieldRate is the field of the rate.
const FieldRate = "rate"

// The actions on bulk replays.
const (
	ActionReplayStarted   Action = "replay.started"
	ActionReplayCancelled Action = "replay.cancelled"
	ActionReplayFinished  Action = "replay.finished"
	ActionReplayFailed    Action = "replay.failed"
)

// ErrReplayEnded is the Conflict of cancelling what has ended.
var ErrReplayEnded = Errorf(Conflict, "This replay has ended already: there is nothing to cancel.")

// ErrNothingToReplay is the Conflict of a bulk replay of nothing.
var ErrNothingToReplay = Errorf(Conflict, "There is nothing to send again.")

// replayCounted is up to where a preview counts.
const replayCounted = 2000

// Replays is what people do with bulk replays.
type Replays struct {
	store  ReplayStore
	config ReplaysConfig
}

// ReplaysConfig is what the use cases work with beside the store.
type ReplaysConfig struct {
	// Wake tells those that carry replays out that there is one. It does not block.
	Wake func()
	// Retention is how long events are kept, 0 for ever.
	Retention time.Duration
}

// NewReplays makes the use cases; every part of the configuration is needed.
func NewReplays(store ReplayStore, config ReplaysConfig) *Replays {
	return &Replays{store: store, config: config}
}

// ReplayStore keeps bulk replays. Implemented by package postgres. What does not exist in the tenant is NotFound.
type ReplayStore interface {
	// CountReplayable counts the deliveries that a filter selects, up to a limit.
	CountReplayable(ctx context.Context, tenant TenantID, f DeliveryFilter, limit int) (Estimate, error)
	// CountMissed counts what a webhook missed, and says in which stretch of time it was not active: Since and Until are zero
	// when it always was, and Until when it is not active now.
	CountMissed(ctx context.Context, tenant TenantID, webhook WebhookID, look MissedLook) (Missed, error)
	// CreateReplay begins a replay, once for a form key: sent again, the answer is the replay of the first time.
	CreateReplay(ctx context.Context, r *Replay, form *IdempotencyKey, entry AuditEntry) (ReplayID, error)
	Replay(ctx context.Context, tenant TenantID, id ReplayID) (Replay, error)
	// ListReplays returns replays newest first, those before one where that is given, and whether there are more.
	ListReplays(ctx context.Context, tenant TenantID, before ReplayID, limit int) (replays []Replay, more bool, err error)
	// CancelReplay ends a running replay within a batch. It is Conflict when that has ended.
	CancelReplay(ctx context.Context, tenant TenantID, id ReplayID, by string, entry AuditEntry) error
	// Attention groups what failed for good by webhook and reason, the newest first, and says whether there are more groups.
	Attention(ctx context.Context, tenant TenantID, limit int) (groups []FailureGroup, more bool, err error)
}

// Missed is what a webhook did not get while it was not active, the latest time that it was not.
type Missed struct {
	// Since and Until are when it stopped and came back, zero for never.
	Since, Until time.Time
	// Count is how many events it missed and has not got since.
	Count Estimate
	// Replay is the latest replay of what it missed that time, zero for none.
	Replay ReplayID
}

// MissedLook says how closely to look at what a webhook missed.
type MissedLook struct {
	// Kept is from when on events are kept, zero for all.
	Kept time.Time
	// Limit is up to where they are counted, Events among how many that came in that time.
	Limit, Events int
	// NewSince leaves the count at 0 unless the webhook was activated since then and there is no replay yet. Zero always counts.
	NewSince time.Time
}

// How closely what a webhook missed is looked at: when it is asked for, and with every look at the webhook.
const (
	missedEvents   = 50_000
	missedGlance   = 5_000
	missedIsRecent = 14 * 24 * time.Hour
)

// FailureGroup is what failed for good at one webhook for one reason.
type FailureGroup struct {
	WebhookID   WebhookID
	WebhookName string
	// StatusCode is that of the latest attempts, 0 when there was no answer; ErrorClass says why there was none.
	StatusCode int
	ErrorClass ErrorClass
	Count      Estimate
	// NewestAt is when the latest of them failed.
	NewestAt time.Time
}

// Replayable narrows a filter to what can be replayed: neither tests nor what is under way. The error is Invalid where the
// filter cannot be understood; ok is false when it asks for nothing else.
func Replayable(f DeliveryFilter) (out DeliveryFilter, ok bool, err error) {
	var faults fieldFaults
	f.check(&faults)
	if err := faults.err(); err != nil {
		return f, false, err
	}
	if f.Test != nil && *f.Test {
		return f, false, nil
	}
	f.Test = new(bool)
	asked := f.Statuses
	f.Statuses = nil
	// What has arrived got a 2xx, and no error.
	arrived := f.ErrorClass == ErrorNone && (f.StatusCodes.IsZero() || f.StatusCodes.From <= 299 && f.StatusCodes.To >= 200)
	for _, s := range []DeliveryStatus{StatusSuccess, StatusError} {
		if (len(asked) == 0 || slices.Contains(asked, s)) && (s != StatusSuccess || arrived) {
			f.Statuses = append(f.Statuses, s)
		}
	}
	return f, len(f.Statuses) > 0, nil
}

// Preview counts what a replay of the deliveries that a filter selects would send.
func (rs *Replays) Preview(ctx context.Context, tenant TenantID, f DeliveryFilter) (Estimate, error) {
	f, ok, err := Replayable(f)
	if err != nil || !ok {
		return Estimate{}, err
	}
	n, err := rs.store.CountReplayable(ctx, tenant, f, replayCounted)
	if err != nil {
		return n, fmt.Errorf("count what to replay in %s: %w", tenant, err)
	}
	return n, nil
}

// Start begins to replay the deliveries that a filter selects now, at a rate. A form that is sent again starts nothing more.
func (rs *Replays) Start(
	ctx context.Context, actor Actor, tenant TenantID, f DeliveryFilter, rate int, form *IdempotencyKey,
) (ReplayID, error) {
	if err := checkRate(rate); err != nil {
		return ReplayID{}, err
	}
	f, ok, err := Replayable(f)
	switch {
	case err != nil:
		return ReplayID{}, err
	case !ok:
		return ReplayID{}, ErrNothingToReplay
	}
	// What comes in from now on is not meant.
	now := databaseNow()
	if f.To.IsZero() || f.To.After(now) {
		f.To = now
	}
	r := rs.running(actor, tenant, ReplayOfFilter, rate)
	r.Filter, r.WebhookID = f, f.WebhookID
	if r.Total, err = rs.store.CountReplayable(ctx, tenant, f, replayCounted); err != nil {
		return ReplayID{}, fmt.Errorf("count what to replay in %s: %w", tenant, err)
	}
	return rs.create(ctx, actor, r, form)
}

// Missed says what a webhook did not get while it was not active.
func (rs *Replays) Missed(ctx context.Context, tenant TenantID, id WebhookID) (Missed, error) {
	return rs.missed(ctx, tenant, id, MissedLook{Kept: rs.kept(), Limit: replayCounted, Events: missedEvents})
}

// MissedLately is Missed at a glance: it counts only what a webhook missed that was activated again in the last two weeks, and
// only until a replay of that is started.
func (rs *Replays) MissedLately(ctx context.Context, tenant TenantID, id WebhookID) (Missed, error) {
	return rs.missed(ctx, tenant, id, MissedLook{
		Kept: rs.kept(), Limit: replayCounted, Events: missedGlance, NewSince: databaseNow().Add(-missedIsRecent),
	})
}

func (rs *Replays) missed(ctx context.Context, tenant TenantID, id WebhookID, look MissedLook) (Missed, error) {
	m, err := rs.store.CountMissed(ctx, tenant, id, look)
	if err != nil {
		return m, fmt.Errorf("count what %s missed: %w", id, noWebhook(err, id))
	}
	return m, nil
}

// StartMissed begins to send to a webhook what it missed, at a rate.
func (rs *Replays) StartMissed(
	ctx context.Context, actor Actor, tenant TenantID, id WebhookID, rate int, form *IdempotencyKey,
) (ReplayID, error) {
	if err := checkRate(rate); err != nil {
		return ReplayID{}, err
	}
	m, err := rs.Missed(ctx, tenant, id)
	if err != nil {
		return ReplayID{}, err
	}
	if m.Since.IsZero() {
		return ReplayID{}, ErrNothingToReplay
	}
	r := rs.running(actor, tenant, ReplayOfMissed, rate)
	r.WebhookID, r.Total = id, m.Count
	r.Missed.Kept = rs.kept()
	return rs.create(ctx, actor, r, form)
}

func (rs *Replays) kept() time.Time {
	if rs.config.Retention <= 0 {
		return time.Time{}
	}
	return databaseNow().Add(-rs.config.Retention)
}

func (rs *Replays) running(actor Actor, tenant TenantID, kind ReplayKind, rate int) *Replay {
	return &Replay{
		ID: NewReplayID(), TenantID: tenant, Kind: kind, Rate: rate, State: ReplayRunning, CreatedAt: databaseNow(), CreatedBy: actor.Name,
	}
}

func (rs *Replays) create(ctx context.Context, actor Actor, r *Replay, form *IdempotencyKey) (ReplayID, error) {
	after := map[string]any{"kind": string(r.Kind), FieldRate: r.Rate, "total": r.Total.N}
	if !r.WebhookID.IsZero() {
		after["webhookId"] = r.WebhookID.String()
	}
	id, err := rs.store.CreateReplay(ctx, r, form, audit(r.TenantID, actor, ActionReplayStarted, r.ID.String(), nil, after))
	if err != nil {
		return id, fmt.Errorf("create a replay in %s: %w", r.TenantID, err)
	}
	rs.config.Wake()
	return id, nil
}

func checkRate(rate int) error {
	if rate < 1 || rate > MaxReplayRate {
		return FieldError(Invalid, FieldRate, fmt.Sprintf("must be a whole number from 1 to %d", MaxReplayRate))
	}
	return nil
}

// Get returns one replay, or NotFound.
func (rs *Replays) Get(ctx context.Context, tenant TenantID, id ReplayID) (Replay, error) {
	r, err := rs.store.Replay(ctx, tenant, id)
	return r, noReplay(err, id)
}

// List returns replays, newest first, those before one where that is given, and whether there are more.
func (rs *Replays) List(ctx context.Context, tenant TenantID, before ReplayID) (replays []Replay, more bool, err error) {
	replays, more, err = rs.store.ListReplays(ctx, tenant, before, DefaultPageLimit)
	if err != nil {
		return nil, false, fmt.Errorf("list the replays of %s: %w", tenant, err)
	}
	return replays, more, nil
}

// Cancel ends a running replay. What it made due already is sent.
func (rs *Replays) Cancel(ctx context.Context, actor Actor, tenant TenantID, id ReplayID) error {
	entry := audit(tenant, actor, ActionReplayCancelled, id.String(), nil, nil)
	return noReplay(rs.store.CancelReplay(ctx, tenant, id, actor.Name, entry), id)
}

// maxFailureGroups is how many groups of failures are shown.
const maxFailureGroups = 200

// Attention groups what failed for good by webhook and reason, the newest first, and says whether there are more groups than
// that. Tests are not among them, and neither is what went to webhooks that were deleted.
func (rs *Replays) Attention(ctx context.Context, tenant TenantID) (groups []FailureGroup, more bool, err error) {
	groups, more, err = rs.store.Attention(ctx, tenant, maxFailureGroups)
	if err != nil {
		return nil, false, fmt.Errorf("group what failed in %s: %w", tenant, err)
	}
	return groups, more, nil
}

// noReplay says of a NotFound what was not found.
func noReplay(err error, id ReplayID) error {
	if KindOf(err) == NotFound {
		return Because(NotFound, "There is no replay with the id "+id.String()+".", err)
	}
	return err
}
