package posthorn

import (
	"encoding/json"
	"time"
)

// Submission is what a customer hands in for a workflow.
type Submission struct {
	ResourceHead
	CustomerEmail string
	WorkflowID    string
	// WorkflowName is empty for none.
	WorkflowName string
	// InvitationID is the invitation that it answers, zero when there was none.
	InvitationID InvitationID
	// Responses is a JSON object of the customer's answers by field, nil when there is none.
	Responses json.RawMessage
	// SubmittedAt is when the customer finished, zero before that.
	SubmittedAt time.Time
	// Screenings are the newest first; nil in lists, which do not read them.
	Screenings []Screening
}

// MaxScreenings is how many screenings of a submission are read.
const MaxScreenings = 100

const eventSubmissionUpdated = "submission.updated"

var submissionSpec = resourceSpec{
	machine: Machine{
		{Status: StatusCreated, Event: "submission.created", Next: []ResourceStatus{StatusCompleted}, Updated: eventSubmissionUpdated},
		{
			Status: StatusCompleted, Event: "submission.completed", Next: []ResourceStatus{StatusApproved, StatusRejected},
			Updated: eventSubmissionUpdated,
		},
		{Status: StatusApproved, Event: "submission.approved", Updated: eventSubmissionUpdated},
		{Status: StatusRejected, Event: "submission.rejected", Updated: eventSubmissionUpdated},
	},
	ids:     idsOf[submissionKind](),
	filters: []string{FieldCustomerEmail, FieldWorkflowID, FieldInvitationID},
	blank:   func() Resource { return &Submission{} },
}

func (s *Submission) put(in *resourceInput) {
	in.email(FieldCustomerEmail, &s.CustomerEmail)
	in.line(FieldWorkflowID, &s.WorkflowID)
	in.optionalLine(FieldWorkflowName, &s.WorkflowName)
	if _, given := in.object[FieldInvitationID]; given {
		assign(in, FieldInvitationID, &s.InvitationID, in.invitation)
	}
	in.document(FieldResponses, &s.Responses)
}

func (s *Submission) entered(in *resourceInput) {
	if s.Status == StatusCompleted {
		s.SubmittedAt = inMilliseconds(in.now)
	}
}

// submissionJSON is what events and the API say alike.
type submissionJSON struct {
	InvitationID  *string         `json:"invitationId"`
	CustomerEmail string          `json:"customerEmail"`
	WorkflowID    string          `json:"workflowId"`
	WorkflowName  *string         `json:"workflowName"`
	Status        ResourceStatus  `json:"status"`
	SubmittedAt   *string         `json:"submittedAt"`
	Responses     json.RawMessage `json:"responses"`
}

func (s *Submission) public() submissionJSON {
	out := submissionJSON{
		CustomerEmail: s.CustomerEmail, WorkflowID: s.WorkflowID, WorkflowName: orNull(s.WorkflowName), Status: s.Status,
		SubmittedAt: timeOrNull(s.SubmittedAt), Responses: s.Responses,
	}
	if !s.InvitationID.IsZero() {
		id := s.InvitationID.String()
		out.InvitationID = &id
	}
	return out
}

func (s *Submission) eventData() any {
	return struct {
		SubmissionID string `json:"submissionId"`
		submissionJSON
	}{s.ID(), s.public()}
}

// MarshalJSON writes the submission as the API does.
func (s *Submission) MarshalJSON() ([]byte, error) {
	return marshal(struct {
		ID string `json:"id"`
		submissionJSON
		CreatedAt  string       `json:"createdAt"`
		UpdatedAt  string       `json:"updatedAt"`
		Screenings []*Screening `json:"screenings,omitzero"`
	}{s.ID(), s.public(), FormatTime(s.CreatedAt), FormatTime(s.UpdatedAt), s.screenings()})
}

func (s *Submission) screenings() []*Screening {
	if s.Screenings == nil {
		return nil
	}
	out := make([]*Screening, len(s.Screenings))
	for i := range s.Screenings {
		out[i] = &s.Screenings[i]
	}
	return out
}
