package posthorn

import (
	"strings"
	"time"
)

// ActivityScope says whose records a reader may see: those of a tenant, or of one user of it.
type ActivityScope struct {
	TenantID TenantID
	// UserID is the external id that a member's records carry; empty means all users of the tenant.
	UserID string
}

// ActivityStatus is the outcome by which the feed can be filtered.
type ActivityStatus string

// The outcomes: a record is an error from status code 400 on.
const (
	ActivityOK    ActivityStatus = "ok"
	ActivityError ActivityStatus = "error"
)

// ActivityFilter narrows the feed. All conditions hold together; within a list any one does. The zero filter lets
// everything through.
type ActivityFilter struct {
	Types       []ActivityType
	RiskLevels  []RiskLevel
	Blockchains []string
	Status      ActivityStatus
	// Application is a clientAppId, User a userId.
	Application string
	User        string
	// From and To bound the time of receipt: From inclusive, To exclusive. A zero time is no bound.
	From, To time.Time
	// Text is looked for in hash, address, entity id, entity name and request id: every word must begin one of them,
	// upper and lower case alike. A name counts by each of its words.
	Text string
	// Metadata maps a path ("source", "case.id") to the value that must be found there.
	Metadata []MetadataCondition
}

// MetadataCondition is one "metadata.key=value" of a filter.
type MetadataCondition struct{ Key, Value string }

// IsZero reports whether the filter lets everything through.
func (f *ActivityFilter) IsZero() bool {
	return len(f.Types) == 0 && len(f.RiskLevels) == 0 && len(f.Blockchains) == 0 && f.Status == "" &&
		f.Application == "" && f.User == "" && f.From.IsZero() && f.To.IsZero() && f.Text == "" && len(f.Metadata) == 0
}

// maxSearchTerm is the length, in characters, to which a search term is cut, in the index as in a query.
const maxSearchTerm = 255

// SearchTerms returns what the free-text search finds the record by: its hash, address, entity id, request id, and the
// words of its entity's name, in lower case.
func (a *Activity) SearchTerms() []string {
	terms := []string{foldTerm(a.RequestID.String())}
	for _, s := range []string{a.TransactionHash, a.Address, a.EntityID} {
		if s = foldTerm(strings.TrimSpace(s)); s != "" {
			terms = append(terms, s)
		}
	}
	return append(terms, SearchWords(a.EntityName)...)
}

// SearchWords splits a free text into the terms that are looked for, in lower case.
func SearchWords(text string) []string {
	words := strings.Fields(text)
	for i, w := range words {
		words[i] = foldTerm(w)
	}
	return words
}

func foldTerm(s string) string {
	s = strings.ToLower(s)
	if r := []rune(s); len(r) > maxSearchTerm {
		return string(r[:maxSearchTerm])
	}
	return s
}
