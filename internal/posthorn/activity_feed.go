package posthorn

import (
	"context"
	"iter"
	"time"
)

// ActivityQuery asks for one page of the feed, newest first.
type ActivityQuery struct {
	Scope  ActivityScope
	Filter ActivityFilter
	// After continues below a record (older ones), Before above one (newer ones). At most one of them is set.
	After, Before ActivityID
	// Limit is the most records to return.
	Limit int
}

// ActivityPage is one page of the feed.
type ActivityPage struct {
	Records []Activity
	// HasNewer and HasOlder say whether there is a page above and below.
	HasNewer, HasOlder bool
}

// RiskCounts counts records by risk level. Capped means that there were more than were counted.
type RiskCounts struct {
	Low, Medium, High, Critical, Unrated int
	Errors                               int
	Capped                               bool
}

// Total returns how many records were counted.
func (c RiskCounts) Total() int { return c.Low + c.Medium + c.High + c.Critical + c.Unrated }

// ActivityNews says how many records of a filtered feed are newer than one the reader has seen.
type ActivityNews struct {
	Count int
	// Worst is the worst risk level among them.
	Worst RiskLevel
	// Capped means that there are more than Count.
	Capped bool
}

// ActivityNotice tells readers of a feed that it grew. It is a hint: what is new is read from the feed.
type ActivityNotice struct {
	// Newest is the newest id behind the notice, Worst the worst risk level.
	Newest ActivityID
	Worst  RiskLevel
}

// Merge returns one notice that stands for two.
func (n ActivityNotice) Merge(next ActivityNotice) ActivityNotice {
	if next.Newest.After(n.Newest) {
		n.Newest = next.Newest
	}
	if next.Worst.Rank() > n.Worst.Rank() {
		n.Worst = next.Worst
	}
	return n
}

// Topics returns the topics under which a record is announced: its tenant's, and its user's within the tenant.
func (a *Activity) Topics() []string {
	tenant := ActivityScope{TenantID: a.TenantID}
	return []string{tenant.Topic(), ActivityScope{TenantID: a.TenantID, UserID: a.UserID}.Topic()}
}

// Topic returns the topic under which the records of a scope are announced.
func (s ActivityScope) Topic() string {
	topic := "activity/" + s.TenantID.String()
	if s.UserID != "" {
		topic += "/" + s.UserID
	}
	return topic
}

// ActivityNeighbours are the records above and below one in a filtered feed; zero where it ends.
type ActivityNeighbours struct{ Newer, Older ActivityID }

// ActivityFacets lists what a scope's records can be filtered by.
type ActivityFacets struct {
	Blockchains  []string
	Applications []ApplicationFacet
}

// ApplicationFacet is an application that records came from: its clientAppId and the newest name it gave.
type ApplicationFacet struct{ ID, Name string }

// ActivityReader answers the questions of the feed. Implemented by package postgres.
type ActivityReader interface {
	// List returns one page, newest first.
	List(ctx context.Context, q ActivityQuery) (ActivityPage, error)
	// Get returns one record with its payloads; another tenant's, or another user's in a user's scope, is NotFound.
	Get(ctx context.Context, scope ActivityScope, id ActivityID) (ActivityRecord, error)
	// Neighbours returns the records beside one, in the order of the feed.
	Neighbours(ctx context.Context, scope ActivityScope, f ActivityFilter, id ActivityID) (ActivityNeighbours, error)
	// Counts counts the newest records of a filtered feed by risk level, up to a cap.
	Counts(ctx context.Context, scope ActivityScope, f ActivityFilter) (RiskCounts, error)
	// News counts what is newer than a record.
	News(ctx context.Context, scope ActivityScope, f ActivityFilter, since ActivityID) (ActivityNews, error)
	// Facets lists the blockchains and applications of a scope.
	Facets(ctx context.Context, scope ActivityScope) (ActivityFacets, error)
	// Export yields every record of a filtered feed, newest first, reading as the consumer does.
	Export(ctx context.Context, scope ActivityScope, f ActivityFilter) iter.Seq2[ActivityRecord, error]
	// Overview sums up the records of a tenant in a range of time.
	Overview(ctx context.Context, tenant TenantID, r OverviewRange) (ActivityOverview, error)
	// Newest returns the newest id in a scope, zero when there is none.
	Newest(ctx context.Context, scope ActivityScope) (ActivityID, error)
}

// OverviewRange is the stretch of time that the overview covers, in buckets of equal length that end at Until.
type OverviewRange struct {
	Until   time.Time
	Bucket  time.Duration
	Buckets int
}

// From returns the start of the first bucket.
func (r OverviewRange) From() time.Time { return r.Until.Add(-time.Duration(r.Buckets) * r.Bucket) }

// ActivityOverview sums up a tenant's records in a range.
type ActivityOverview struct {
	// Any says whether the tenant has a record at all, in the range or not.
	Any    bool
	Counts RiskCounts
	// Before are the counts of the stretch of the same length before the range.
	Before RiskCounts
	// Buckets holds one entry a bucket, oldest first, empty ones included.
	Buckets []OverviewBucket
	// Flagged are the newest high and critical records of the range.
	Flagged []Activity
}

// OverviewBucket counts the records of one bucket.
type OverviewBucket struct {
	Start      time.Time
	OK, Errors int
}

// Flagged returns how many were high or critical.
func (c RiskCounts) Flagged() int { return c.High + c.Critical }
