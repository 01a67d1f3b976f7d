package posthorn

import (
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Resource is an *Invitation, *Submission, *Verification or *Integration: what programs create and move through the states
// of its kind, and whose every step is an event.
type Resource interface {
	// Head returns what all kinds have.
	Head() *ResourceHead
	// MarshalJSON writes the resource as the API does.
	MarshalJSON() ([]byte, error)

	// put puts the fields of an input onto the resource and notes in the input which of them changed.
	put(in *resourceInput)
	// entered notes what comes with a state that the resource has just come into.
	entered(in *resourceInput)
	// eventData is what the events say of the resource: the fields of the source documents.
	eventData() any
}

// ResourceHead is what all resources have.
type ResourceHead struct {
	Kind     ResourceKind
	UUID     uuid.UUID
	TenantID TenantID
	Status   ResourceStatus
	// ApplicationID is the application that the events belong to, zero for none.
	ApplicationID        ApplicationID
	CreatedAt, UpdatedAt time.Time
}

// Head returns the head itself, for those that embed it.
func (h *ResourceHead) Head() *ResourceHead { return h }

// ID returns the public id, such as "sub_…".
func (h *ResourceHead) ID() string { return h.Kind.spec().ids.text(h.UUID) }

// ResourceStatus is a state of a resource.
type ResourceStatus string

// The states of invitations, submissions and verifications.
const (
	StatusSent              ResourceStatus = "sent"
	StatusCreated           ResourceStatus = "created"
	StatusStarted           ResourceStatus = "started"
	StatusDocumentSubmitted ResourceStatus = "document_submitted"
	StatusProcessing        ResourceStatus = "processing"
	StatusRequiresReview    ResourceStatus = "requires_review"
	StatusApproved          ResourceStatus = "approved"
	StatusRejected          ResourceStatus = "rejected"
	StatusCompleted         ResourceStatus = "completed"
	StatusExpired           ResourceStatus = "expired"
	StatusCancelled         ResourceStatus = "cancelled"
)

// ResourceKind is one of the kinds of resources, as it is called in English.
type ResourceKind string

// The kinds.
const (
	KindInvitation   ResourceKind = "invitation"
	KindSubmission   ResourceKind = "submission"
	KindVerification ResourceKind = "verification"
	KindIntegration  ResourceKind = "integration"
)

// ResourceKinds lists the kinds in the order in which they are shown.
func ResourceKinds() []ResourceKind {
	return []ResourceKind{KindInvitation, KindSubmission, KindVerification, KindIntegration}
}

// Plural is the kind's name for several, which is also that of its address.
func (k ResourceKind) Plural() string { return string(k) + "s" }

// withArticle begins a sentence about one of the kind.
func (k ResourceKind) withArticle() string {
	if k[0] == 'i' {
		return "An " + string(k)
	}
	return "A " + string(k)
}

// States are those of the kind, in their order.
func (k ResourceKind) States() Machine { return k.spec().machine }

// FilterFields are the fields by whose exact value a list of the kind can be narrowed.
func (k ResourceKind) FilterFields() []string { return k.spec().filters }

// New returns an empty resource of the kind.
func (k ResourceKind) New() Resource { return k.spec().blank() }

// resourceSpec declares a kind.
type resourceSpec struct {
	machine Machine
	ids     resourceIDs
	filters []string
	blank   func() Resource
}

func (k ResourceKind) spec() *resourceSpec {
	switch k {
	case KindInvitation:
		return &invitationSpec
	case KindSubmission:
		return &submissionSpec
	case KindVerification:
		return &verificationSpec
	case KindIntegration:
		return &integrationSpec
	}
	panic("posthorn: there is no kind of resource called " + string(k))
}

// ResourceChange is one entry of a resource's history.
type ResourceChange struct {
	ID       ResourceChangeID
	Resource uuid.UUID
	TenantID TenantID
	// From is empty when the resource was created. It is To where the status stayed the same.
	From, To ResourceStatus
	// Fields are the names of other fields that changed.
	Fields []string
	// Actor is who did it, as the audit log names them.
	Actor string
	// EventID and EventType are those of the event that told of it, zero when none did. The event may be past its retention.
	EventID   EventID
	EventType string
	// Event is the event itself while the change is being made; nil when it is read again.
	Event *Event
}

// At is when the change was made.
func (c *ResourceChange) At() time.Time { return c.ID.Time() }

// newChange makes an entry, and the event that tells of it unless event is empty. data is what the event says.
func newChange(h *ResourceHead, actor string, from ResourceStatus, fields []string, event string, data any, at time.Time) (ResourceChange, error) {
	c := ResourceChange{
		ID: NewID[resourceChangeKind](), Resource: h.UUID, TenantID: h.TenantID, From: from, To: h.Status, Fields: fields, Actor: actor,
	}
	if event == "" {
		return c, nil
	}
	raw, err := marshal(data)
	if err != nil {
		return c, fmt.Errorf("write %s of %s: %w", event, h.ID(), err)
	}
	if len(raw) > MaxEventBytes {
		return c, Errorf(TooLarge, "%s may have at most 256 KiB, and this one has %d bytes.", h.Kind.withArticle(), len(raw))
	}
	e := Event{ID: NewEventID(), TenantID: h.TenantID, Type: event, ApplicationID: h.ApplicationID, OccurredAt: at, Data: raw}
	c.Event, c.EventID, c.EventType = &e, e.ID, e.Type
	return c, nil
}
