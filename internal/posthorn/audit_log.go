package posthorn

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"
)

// AuditLog answers who did what, and what it was before and after.
type AuditLog struct{ store AuditReader }

// NewAuditLog makes the use cases.
func NewAuditLog(store AuditReader) *AuditLog { return &AuditLog{store: store} }

// AuditReader reads the audit log. Implemented by package postgres.
type AuditReader interface {
	// ListAudit returns a page, newest first.
	ListAudit(ctx context.Context, tenant TenantID, q AuditQuery) (AuditRows, error)
	// AuditFacets returns what the log of a tenant can be filtered by.
	AuditFacets(ctx context.Context, tenant TenantID) (AuditFacets, error)
}

// AuditFilter narrows the audit log. All conditions hold together; within a list any one does. The zero filter lets
// everything through.
type AuditFilter struct {
	// Actor is the id of a user, or the name of an actor that is none: "command line", "Posthorn", an API key.
	Actor string
	// Actions are exact.
	Actions []Action
	// Subject is the id of what was changed.
	Subject string
	// From and To bound the time: From inclusive, To exclusive. A zero time is no bound.
	From, To time.Time
	// Text is an id: of the entry, of what was changed, or of the user who did it.
	Text string
}

// IsZero reports whether the filter lets everything through.
func (f *AuditFilter) IsZero() bool {
	return f.Actor == "" && len(f.Actions) == 0 && f.Subject == "" && f.From.IsZero() && f.To.IsZero() && f.Text == ""
}

// AuditPosition is where a page of the audit log begins, and how long it is.
type AuditPosition = ListPosition[auditKind]

// AuditQuery asks for a page of the audit log.
type AuditQuery struct {
	Filter   AuditFilter
	Position AuditPosition
}

// AuditRows is a page as it is stored.
type AuditRows struct {
	Entries []AuditEntry
	// HasNewer and HasOlder say whether there is a page above and below.
	HasNewer, HasOlder bool
}

// AuditPage is a page of the audit log, newest first. The cursors are empty where there is no page.
type AuditPage struct {
	Entries                []AuditEntry
	NextCursor, PrevCursor string
}

// AuditFacets is what occurs in an audit log.
type AuditFacets struct {
	Actions []Action
	// Users are the members of the tenant by name; Former are those who acted and are members no more, with id and name alone;
	// Actors are the names of those who acted and never were users.
	Users, Former []User
	Actors        []string
}

// List returns a page of the audit log, newest first. Wrong filters and cursors are Invalid with the fields named.
func (l *AuditLog) List(ctx context.Context, tenant TenantID, f AuditFilter, page PageRequest) (AuditPage, error) {
	q := AuditQuery{Filter: f}
	var faults fieldFaults
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		faults.add(fieldFilterTo, "must be after from")
	}
	readPage(&faults, page, &q.Position)
	if err := faults.err(); err != nil {
		return AuditPage{}, err
	}
	rows, err := l.store.ListAudit(ctx, tenant, q)
	if err != nil {
		return AuditPage{}, fmt.Errorf("list the audit log of %s: %w", tenant, err)
	}
	out := AuditPage{Entries: rows.Entries}
	if n := len(rows.Entries); n > 0 {
		out.PrevCursor, out.NextCursor = cursors(rows.HasNewer, rows.HasOlder, rows.Entries[0].ID, rows.Entries[n-1].ID)
	}
	return out, nil
}

// Facets returns what the log of a tenant can be filtered by.
func (l *AuditLog) Facets(ctx context.Context, tenant TenantID) (AuditFacets, error) {
	return l.store.AuditFacets(ctx, tenant)
}

// Export returns all entries that pass a filter, newest first, read page by page. It ends at the first error.
func (l *AuditLog) Export(ctx context.Context, tenant TenantID, f AuditFilter) iter.Seq2[AuditEntry, error] {
	return func(yield func(AuditEntry, error) bool) {
		page := PageRequest{Limit: MaxPageLimit}
		for {
			p, err := l.List(ctx, tenant, f, page)
			if err != nil {
				yield(AuditEntry{}, err)
				return
			}
			for i := range p.Entries {
				if !yield(p.Entries[i], nil) {
					return
				}
			}
			if page.Cursor = p.NextCursor; page.Cursor == "" {
				return
			}
		}
	}
}

// CreatedAt is when the entry was written, in UTC.
func (e *AuditEntry) CreatedAt() time.Time { return e.ID.Time() }

// AuditChange is one field of an entry, before and after the change, as text. A missing side is empty, and its Had… is false.
type AuditChange struct {
	Field               string
	Before, After       string
	HadBefore, HadAfter bool
}

// Changes lists the fields of an entry by name, those within others as "outer.inner".
func (e *AuditEntry) Changes() []AuditChange {
	before, after := map[string]string{}, map[string]string{}
	flatten(before, "", e.Before)
	flatten(after, "", e.After)
	names := maps.Clone(before)
	maps.Copy(names, after)
	changes := make([]AuditChange, 0, len(names))
	for _, name := range slices.Sorted(maps.Keys(names)) {
		c := AuditChange{Field: name}
		c.Before, c.HadBefore = before[name]
		c.After, c.HadAfter = after[name]
		changes = append(changes, c)
	}
	return changes
}

// flatten writes the fields of an object as text. What is null is left out.
func flatten(into map[string]string, prefix string, fields map[string]any) {
	for name, value := range fields {
		switch v := value.(type) {
		case nil:
		case string:
			into[prefix+name] = v
		case map[string]any:
			flatten(into, prefix+name+".", v)
		default:
			into[prefix+name] = plainJSON(v)
		}
	}
}

// plainJSON writes a value for people: a list without its brackets and quotes, the rest as JSON.
func plainJSON(value any) string {
	if list, ok := value.([]any); ok {
		parts := make([]string, len(list))
		for i, v := range list {
			if text, ok := v.(string); ok {
				parts[i] = text
			} else {
				parts[i] = plainJSON(v)
			}
		}
		return strings.Join(parts, ", ")
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(raw)
}

// MarshalJSON writes the entry as the export does.
func (e *AuditEntry) MarshalJSON() ([]byte, error) {
	var user *string
	if !e.Actor.UserID.IsZero() {
		id := e.Actor.UserID.String()
		user = &id
	}
	return marshal(struct {
		ID        AuditID        `json:"id"`
		CreatedAt string         `json:"createdAt"`
		Actor     string         `json:"actor"`
		ActorID   *string        `json:"actorId"`
		Address   *string        `json:"address"`
		Action    Action         `json:"action"`
		Subject   string         `json:"subject"`
		Before    map[string]any `json:"before"`
		After     map[string]any `json:"after"`
	}{e.ID, FormatTime(e.CreatedAt()), e.Actor.Name, user, orNull(e.Actor.Address), e.Action, e.Subject, e.Before, e.After})
}

// ParseAuditID reads "audit_…"; the error is ErrBadID.
func ParseAuditID(s string) (AuditID, error) { return ParseID[auditKind](s) }
