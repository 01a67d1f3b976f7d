package posthorn

import "time"

// The fields of resources: API, errors and views share these names.
const (
	FieldCustomerEmail = "customerEmail"
	FieldWorkflowID    = "workflowId"
	FieldWorkflowName  = "workflowName"
	FieldInvitationID  = "invitationId"
	FieldResponses     = "responses"
	FieldUserReference = "userReference"
	FieldChecks        = "checks"
	FieldReason        = "decisionReason"
	fieldInvitationEnd = "expiresAt"
)

// Invitation asks a customer to go through a workflow.
type Invitation struct {
	ResourceHead
	CustomerEmail string
	WorkflowID    string
	// WorkflowName is empty for none.
	WorkflowName string
	SentAt       time.Time
	// ExpiresAt is until when it can be answered, zero for no end.
	ExpiresAt time.Time
}

var invitationSpec = resourceSpec{
	machine: Machine{
		{Status: StatusSent, Event: "invitation.sent", Next: []ResourceStatus{StatusExpired, StatusCancelled}},
		{Status: StatusExpired, Event: "invitation.expired", Closed: true},
		{Status: StatusCancelled, Event: "invitation.cancelled", Closed: true},
	},
	ids:     idsOf[invitationKind](),
	filters: []string{FieldCustomerEmail, FieldWorkflowID},
	blank:   func() Resource { return &Invitation{} },
}

// Overdue reports whether the invitation has run out at a moment, whether or not that is noted.
func (i *Invitation) Overdue(at time.Time) bool {
	return !i.ExpiresAt.IsZero() && !i.ExpiresAt.After(at)
}

func (i *Invitation) put(in *resourceInput) {
	in.fixed(FieldCustomerEmail, func() { in.email(FieldCustomerEmail, &i.CustomerEmail) })
	in.fixed(FieldWorkflowID, func() { in.line(FieldWorkflowID, &i.WorkflowID) })
	in.optionalLine(FieldWorkflowName, &i.WorkflowName)
	before := i.ExpiresAt
	if in.moment(fieldInvitationEnd, &i.ExpiresAt); i.ExpiresAt != before && i.Overdue(in.now) {
		in.faults.add(fieldInvitationEnd, "must be in the future")
	}
}

// entered notes when it was sent. An invitation that is ended by hand before its time, or that had none, ran out then.
func (i *Invitation) entered(in *resourceInput) {
	now := inMilliseconds(in.now)
	if i.Status == StatusSent {
		i.SentAt = now
	}
	if i.Status == StatusExpired && !i.Overdue(now) {
		i.ExpiresAt = now
	}
}

// Expire notes that an invitation that is overdue has run out, and when it did.
func (i *Invitation) Expire(now time.Time) (ResourceChange, error) {
	from := i.Status
	i.Status, i.UpdatedAt = StatusExpired, now
	state, _ := invitationSpec.machine.State(i.Status)
	return newChange(&i.ResourceHead, System().Name, from, nil, state.Event, i.eventData(), i.ExpiresAt)
}

type invitationData struct {
	InvitationID  string         `json:"invitationId"`
	CustomerEmail string         `json:"customerEmail"`
	WorkflowID    string         `json:"workflowId"`
	WorkflowName  *string        `json:"workflowName"`
	Status        ResourceStatus `json:"status"`
	SentAt        string         `json:"sentAt"`
	ExpiresAt     *string        `json:"expiresAt"`
}

func (i *Invitation) eventData() any {
	return invitationData{
		i.ID(), i.CustomerEmail, i.WorkflowID, orNull(i.WorkflowName), i.Status, FormatTime(i.SentAt), timeOrNull(i.ExpiresAt),
	}
}

// MarshalJSON writes the invitation as the API does.
func (i *Invitation) MarshalJSON() ([]byte, error) {
	return marshal(struct {
		ID            string         `json:"id"`
		CustomerEmail string         `json:"customerEmail"`
		WorkflowID    string         `json:"workflowId"`
		WorkflowName  *string        `json:"workflowName"`
		Status        ResourceStatus `json:"status"`
		SentAt        string         `json:"sentAt"`
		ExpiresAt     *string        `json:"expiresAt"`
		CreatedAt     string         `json:"createdAt"`
		UpdatedAt     string         `json:"updatedAt"`
	}{
		i.ID(), i.CustomerEmail, i.WorkflowID, orNull(i.WorkflowName), i.Status, FormatTime(i.SentAt), timeOrNull(i.ExpiresAt),
		FormatTime(i.CreatedAt), FormatTime(i.UpdatedAt),
	})
}
