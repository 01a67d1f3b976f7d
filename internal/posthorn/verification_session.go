package posthorn

import "encoding/json"

// Verification is a session in which a user proves who they are.
type Verification struct {
	ResourceHead
	// UserReference is the user as the integrator knows them.
	UserReference string
	// Checks is a JSON object of what was checked, by the check's name, with its measurements.
	Checks json.RawMessage
	// DecisionReason is why it was decided so, empty for no reason.
	DecisionReason string
}

// verificationSpec has the states of a session. One that is open, which is not decided yet, can expire or be cancelled.
var verificationSpec = resourceSpec{
	machine: Machine{
		openVerification(StatusStarted, StatusDocumentSubmitted),
		openVerification(StatusDocumentSubmitted, StatusProcessing),
		openVerification(StatusProcessing, StatusRequiresReview),
		openVerification(StatusRequiresReview, StatusApproved, StatusRejected),
		{Status: StatusApproved, Event: "verification.approved", Next: []ResourceStatus{StatusCompleted}},
		{Status: StatusRejected, Event: "verification.rejected", Next: []ResourceStatus{StatusCompleted}},
		{Status: StatusCompleted, Event: "verification.completed", Closed: true},
		{Status: StatusExpired, Event: "verification.expired", Closed: true},
		{Status: StatusCancelled, Event: "verification.cancelled", Closed: true},
	},
	ids:     idsOf[verificationKind](),
	filters: []string{FieldUserReference, FieldApplicationID},
	blank:   func() Resource { return &Verification{} },
}

func openVerification(status ResourceStatus, next ...ResourceStatus) State {
	return State{Status: status, Event: "verification." + string(status), Next: append(next, StatusExpired, StatusCancelled)}
}

// noChecks is what a session has before anything was checked.
var noChecks = json.RawMessage("{}")

func (v *Verification) put(in *resourceInput) {
	in.fixed(FieldUserReference, func() { in.line(FieldUserReference, &v.UserReference) })
	if _, given := in.object[FieldApplicationID]; given {
		in.fixed(FieldApplicationID, func() { assign(in, FieldApplicationID, &v.ApplicationID, in.application) })
	}
	in.document(FieldChecks, &v.Checks)
	if v.Checks == nil {
		v.Checks = noChecks
	}
	in.prose(FieldReason, &v.DecisionReason)
}

func (*Verification) entered(*resourceInput) {}

// verificationJSON is what events and the API say alike.
type verificationJSON struct {
	UserReference  string          `json:"userReference"`
	Status         ResourceStatus  `json:"status"`
	Checks         json.RawMessage `json:"checks"`
	DecisionReason *string         `json:"decisionReason"`
}

func (v *Verification) public() verificationJSON {
	return verificationJSON{v.UserReference, v.Status, v.Checks, orNull(v.DecisionReason)}
}

// eventData has the fields that differ from session to session; tenant, project and time are the event's own.
func (v *Verification) eventData() any {
	return struct {
		SessionID string `json:"sessionId"`
		verificationJSON
	}{v.ID(), v.public()}
}

// MarshalJSON writes the verification as the API does.
func (v *Verification) MarshalJSON() ([]byte, error) {
	var application *string
	if !v.ApplicationID.IsZero() {
		id := v.ApplicationID.String()
		application = &id
	}
	return marshal(struct {
		ID            string  `json:"id"`
		ApplicationID *string `json:"applicationId"`
		verificationJSON
		CreatedAt string `json:"createdAt"`
		UpdatedAt string `json:"updatedAt"`
	}{v.ID(), application, v.public(), FormatTime(v.CreatedAt), FormatTime(v.UpdatedAt)})
}
