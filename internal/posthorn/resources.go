package posthorn

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Resources is what programs do with invitations, submissions, verifications and integrations. Every change is stored with its
// history and with the event that tells of it, all or nothing.
type Resources struct {
	store        ResourceStore
	applications *applicationIndex
}

// NewResources makes the use cases.
func NewResources(store ResourceStore, applications ApplicationReader) *Resources {
	return &Resources{store: store, applications: newApplicationIndex(applications)}
}

// ResourceStore keeps resources. Implemented by package postgres. What does not exist in the tenant is NotFound.
type ResourceStore interface {
	// ListResources returns a page, newest first.
	ListResources(ctx context.Context, tenant TenantID, q ResourceQuery) (ResourceRows, error)
	// Resource returns one with its newest changes, newest first, and a submission with its screenings.
	Resource(ctx context.Context, tenant TenantID, kind ResourceKind, id uuid.UUID) (ResourceDetail, error)
	// InsertResource stores a new resource with the change that made it and its event. With a key that was used before it stores
	// nothing and returns the resource that was made then, unless that was deleted since.
	InsertResource(ctx context.Context, r Resource, made ResourceChange, key *IdempotencyKey) (Resource, error)
	// ResourceMadeWith returns the resource that was made with a key, which is NotFound where the key is new or the resource deleted.
	ResourceMadeWith(ctx context.Context, tenant TenantID, kind ResourceKind, key IdempotencyKey) (Resource, error)
	// ChangeResource stores what change makes of a resource that nobody else changes meanwhile, with its event. Without a change
	// there is nothing to store.
	ChangeResource(ctx context.Context, tenant TenantID, kind ResourceKind, id uuid.UUID, change func(Resource) (*ResourceChange, error)) (Resource, error)
	// DeleteResource deletes a resource with its history, and stores the event that last makes of it.
	DeleteResource(ctx context.Context, tenant TenantID, kind ResourceKind, id uuid.UUID, last func(Resource) (ResourceChange, AuditEntry, error)) error
	// InsertScreening stores what screen makes of a submission that nobody else changes meanwhile, with its events. known are the
	// newest screenings before, newest first. With a key that was used before it returns the screening that was made then.
	InsertScreening(ctx context.Context, tenant TenantID, id SubmissionID, key *IdempotencyKey, screen func(s *Submission, known []Screening) (Screening, []ResourceChange, error)) (Screening, error)
}

// ResourceDetail is a resource with what became of it.
type ResourceDetail struct {
	Resource Resource
	// Changes are the newest first, up to MaxResourceHistory.
	Changes []ResourceChange
}

// MaxResourceHistory is how many changes of a resource are shown.
const MaxResourceHistory = 200

// Get returns one resource by its public id, or NotFound.
func (rs *Resources) Get(ctx context.Context, tenant TenantID, kind ResourceKind, id string) (ResourceDetail, error) {
	key, err := findable(kind, id)
	if err != nil {
		return ResourceDetail{}, err
	}
	d, err := rs.store.Resource(ctx, tenant, kind, key)
	return d, missingResource(kind, id, err)
}

// findable reads a public id; what is none is NotFound.
func findable(kind ResourceKind, id string) (uuid.UUID, error) {
	key, err := kind.spec().ids.parse(id)
	if err != nil {
		return key, Because(NotFound, "There is no "+string(kind)+" with this id.", err)
	}
	return key, nil
}

// missingResource says in words which resource is not there.
func missingResource(kind ResourceKind, id string, err error) error {
	if KindOf(err) == NotFound {
		return Because(NotFound, "There is no "+string(kind)+" with the id "+id+".", err)
	}
	return err
}

// Create makes a resource from the body of a request, which must be valid JSON. Wrong input is Invalid with the fields named.
// A key, which may be empty, makes a repeated request answer the first result for 24 hours.
func (rs *Resources) Create(ctx context.Context, actor Actor, tenant TenantID, kind ResourceKind, body []byte, key string) (Resource, error) {
	idempotency, err := resourceKey(tenant, kind.Plural(), key)
	if err != nil {
		return nil, err
	}
	r, made, err := rs.fresh(ctx, actor, tenant, kind, body)
	if KindOf(err) == Invalid && idempotency != nil {
		return rs.madeBefore(ctx, tenant, kind, *idempotency, err)
	}
	if err != nil {
		return nil, err
	}
	stored, err := rs.store.InsertResource(ctx, r, made, idempotency)
	if err != nil {
		return nil, fmt.Errorf("create %s of %s: %w", r.Head().ID(), tenant, err)
	}
	return stored, nil
}

// fresh makes a resource from the body of a request, not stored yet.
func (rs *Resources) fresh(ctx context.Context, actor Actor, tenant TenantID, kind ResourceKind, body []byte) (Resource, ResourceChange, error) {
	in, err := parseResourceInput(body, true)
	if err != nil {
		return nil, ResourceChange{}, err
	}
	if err := rs.resolve(ctx, tenant, kind, in); err != nil {
		return nil, ResourceChange{}, err
	}
	return in.create(kind, tenant, actor)
}

// madeBefore returns the first result of a key for a body that is invalid now: it may have been right then, such as an end of an
// invitation that is past by the time of the retry. Without a first result it is the fault of the body.
func (rs *Resources) madeBefore(ctx context.Context, tenant TenantID, kind ResourceKind, key IdempotencyKey, fault error) (Resource, error) {
	first, err := rs.store.ResourceMadeWith(ctx, tenant, kind, key)
	if KindOf(err) == NotFound {
		return nil, fault
	}
	return first, err
}

// resourceKey reads the key of a request that makes something of a kind, nil for none.
func resourceKey(tenant TenantID, what, key string) (*IdempotencyKey, error) {
	if key == "" {
		return nil, nil //nolint:nilnil // no key is no error
	}
	if len(key) > maxIdempotencyKey || !printable(key) {
		return nil, Errorf(Invalid, "Idempotency-Key must be at most %d printable ASCII characters.", maxIdempotencyKey)
	}
	return &IdempotencyKey{Scope: what + ":" + tenant.String(), Key: key}, nil
}

// Update changes a resource by the body of a request, which must be valid JSON. Fields that are left out keep their value. Wrong
// input is Invalid with the fields named; a state that may not follow is Conflict, naming those that may. What is there already
// is no change.
func (rs *Resources) Update(ctx context.Context, actor Actor, tenant TenantID, kind ResourceKind, id string, body []byte) (Resource, error) {
	key, err := findable(kind, id)
	if err != nil {
		return nil, err
	}
	in, err := parseResourceInput(body, false)
	if err != nil {
		return nil, err
	}
	if err := rs.resolve(ctx, tenant, kind, in); err != nil {
		return nil, err
	}
	r, err := rs.store.ChangeResource(ctx, tenant, kind, key, func(r Resource) (*ResourceChange, error) {
		if i, ok := r.(*Invitation); ok && i.Status == StatusSent && i.Overdue(in.now) {
			i.Status = StatusExpired // which is about to be noted
		}
		return in.change(r, actor)
	})
	return r, missingResource(kind, id, err)
}

// resolve finds what the ids in a body stand for. Nobody holds a lock meanwhile.
func (rs *Resources) resolve(ctx context.Context, tenant TenantID, kind ResourceKind, in *resourceInput) error {
	switch kind {
	case KindVerification:
		name, _ := in.text(FieldApplicationID, true)
		if name = strings.TrimSpace(name); name == "" {
			return nil
		}
		id, known, err := rs.applications.find(ctx, tenant, name, time.Now())
		if err != nil {
			return err
		}
		if in.application = id; !known {
			in.faults.add(FieldApplicationID, "must be an application of this organisation")
		}
	case KindSubmission:
		id, ok := in.invitationOf()
		if ok && id.IsZero() {
			return nil
		}
		_, err := rs.store.Resource(ctx, tenant, KindInvitation, id.UUID())
		switch {
		case !ok || KindOf(err) == NotFound:
			in.faults.add(FieldInvitationID, "must be an invitation of this organisation")
		case err != nil:
			return err
		}
		in.invitation = id
	default:
	}
	return nil
}

// ActionIntegrationDeleted is the action of deleting an integration.
const ActionIntegrationDeleted Action = "integration.deleted"

// Delete deletes an integration. Other kinds stay: NotFound.
func (rs *Resources) Delete(ctx context.Context, actor Actor, tenant TenantID, id string) error {
	key, err := findable(KindIntegration, id)
	if err != nil {
		return err
	}
	err = rs.store.DeleteResource(ctx, tenant, KindIntegration, key, func(r Resource) (ResourceChange, AuditEntry, error) {
		h := r.Head()
		last, err := newChange(h, actor.Name, h.Status, nil, eventIntegrationDeleted, r.eventData(), inMilliseconds(databaseNow()))
		before := map[string]any{fieldStatus: string(h.Status)}
		if i, ok := r.(*Integration); ok {
			before[FieldUID], before[FieldProvider], before[FieldWalletID] = i.UID, i.Provider, i.WalletID
		}
		return last, audit(tenant, actor, ActionIntegrationDeleted, id, before, nil), err
	})
	return missingResource(KindIntegration, id, err)
}

// ResourceFilter narrows a list of resources. All conditions hold together; within a list any one does.
type ResourceFilter struct {
	Statuses []ResourceStatus
	// From and To bound the time of creation: From inclusive, To exclusive. A zero time is no bound.
	From, To time.Time
	// Text is a public id, or the beginning of the email address, user reference or user id, upper and lower case alike.
	Text string
	// Fields are exact values by the names of ResourceKind.FilterFields.
	Fields map[string]string
}

// ResourcePosition is where a page of resources begins, and how long it is.
type ResourcePosition struct {
	// After continues below a resource (older ones), Before above one (newer ones). At most one of them is set.
	After, Before uuid.UUID
	Limit         int
}

// ResourceQuery asks for a page of resources of a kind.
type ResourceQuery struct {
	Kind   ResourceKind
	Filter ResourceFilter
	// ID is what the free text is the id of, zero when it is none.
	ID       uuid.UUID
	Position ResourcePosition
}

// ResourceRows is a page as it is stored.
type ResourceRows struct {
	Resources []Resource
	// HasNewer and HasOlder say whether there is a page above and below.
	HasNewer, HasOlder bool
}

// ResourcePage is a page of resources, newest first. The cursors are empty where there is no page.
type ResourcePage struct {
	Resources              []Resource
	NextCursor, PrevCursor string
}

// List returns a page of a kind, newest first. Wrong filters, limits and cursors are Invalid with the fields named.
func (rs *Resources) List(ctx context.Context, tenant TenantID, kind ResourceKind, f ResourceFilter, page PageRequest) (ResourcePage, error) {
	ids := kind.spec().ids
	var faults fieldFaults
	f.check(kind, &faults)
	q := ResourceQuery{Kind: kind, Filter: f, Position: ids.readPage(&faults, page)}
	if err := faults.err(); err != nil {
		return ResourcePage{}, err
	}
	if id, err := ids.parse(strings.TrimSpace(f.Text)); err == nil {
		q.ID = id
	}
	rows, err := rs.store.ListResources(ctx, tenant, q)
	if err != nil {
		return ResourcePage{}, fmt.Errorf("list the %s of %s: %w", kind.Plural(), tenant, err)
	}
	out := ResourcePage{Resources: rows.Resources}
	if n := len(rows.Resources); n > 0 {
		out.PrevCursor, out.NextCursor = ids.cursors(rows.HasNewer, rows.HasOlder, rows.Resources[0].Head().UUID, rows.Resources[n-1].Head().UUID)
	}
	return out, nil
}

// check notes conditions that no resource of the kind can meet.
func (f *ResourceFilter) check(kind ResourceKind, faults *fieldFaults) {
	machine := kind.States()
	if slices.ContainsFunc(f.Statuses, func(s ResourceStatus) bool { _, known := machine.State(s); return !known }) {
		faults.add(fieldStatus, "must be one of "+orList(machine.Statuses()))
	}
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		faults.add(fieldFilterTo, "must be after from")
	}
	if id := f.Fields[FieldInvitationID]; id != "" {
		if _, err := ParseID[invitationKind](id); err != nil {
			faults.add(FieldInvitationID, "must be the id of an invitation")
		}
	}
	if c := f.Fields[FieldCategory]; c != "" && !slices.Contains(IntegrationCategories(), IntegrationCategory(c)) {
		faults.add(FieldCategory, "must be one of "+orList(IntegrationCategories()))
	}
}

// ParseInvitationID reads "inv_…"; the error is ErrBadID.
func ParseInvitationID(s string) (InvitationID, error) { return ParseID[invitationKind](s) }
