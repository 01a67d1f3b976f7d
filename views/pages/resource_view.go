package pages

import (
	"strconv"
	"strings"
	"time"

	"posthorn/internal/posthorn"
	"posthorn/views/path"
	"posthorn/views/ui"
)

// resourceFact is one line about a resource.
type resourceFact struct {
	label, text string
	// url makes the text a link, copies a button that copies it, at a time instead of text.
	url, copies string
	at          time.Time
	mono        bool
}

// facts are all about a resource but its documents.
func (p ResourceProps) facts() []resourceFact {
	var facts []resourceFact
	switch r := p.Resource.(type) {
	case *posthorn.Invitation:
		facts = invitationFacts(r)
	case *posthorn.Submission:
		facts = submissionFacts(r)
	case *posthorn.Verification:
		facts = p.verificationFacts(r)
	case *posthorn.Integration:
		facts = integrationFacts(r)
	}
	h := p.Resource.Head()
	return append(facts, resourceFact{label: "Created", at: h.CreatedAt}, resourceFact{label: "Updated", at: h.UpdatedAt})
}

func invitationFacts(i *posthorn.Invitation) []resourceFact {
	return []resourceFact{
		{label: "Email", text: i.CustomerEmail, copies: "email"},
		{label: "Workflow", text: orText(i.WorkflowName, i.WorkflowID)},
		{label: "Workflow ID", text: i.WorkflowID, mono: true},
		{label: "Sent", at: i.SentAt},
		{label: "Expires", at: i.ExpiresAt, text: "Never"},
		{label: "Submissions", text: "Those that answer it", url: path.With(path.Resources(posthorn.KindSubmission.Plural()), map[string][]string{posthorn.FieldInvitationID: {i.ID()}})},
	}
}

func submissionFacts(s *posthorn.Submission) []resourceFact {
	facts := []resourceFact{
		{label: "Email", text: s.CustomerEmail, copies: "email"},
		{label: "Workflow", text: orText(s.WorkflowName, s.WorkflowID)},
		{label: "Workflow ID", text: s.WorkflowID, mono: true},
		{label: "Submitted", at: s.SubmittedAt, text: "Not yet"},
	}
	if !s.InvitationID.IsZero() {
		id := s.InvitationID.String()
		facts = append(facts, resourceFact{label: "Invitation", text: id, url: path.Resource(posthorn.KindInvitation.Plural(), id), mono: true})
	}
	return facts
}

func (p ResourceProps) verificationFacts(v *posthorn.Verification) []resourceFact {
	application := resourceFact{label: "Application", text: "None"}
	switch {
	case p.Application != nil:
		application.text = p.Application.Name
	case !v.ApplicationID.IsZero():
		application.text, application.mono = v.ApplicationID.String(), true
	}
	return []resourceFact{
		{label: "User", text: v.UserReference, copies: "user reference", mono: true},
		application,
		{label: "Decision reason", text: v.DecisionReason},
	}
}

func integrationFacts(i *posthorn.Integration) []resourceFact {
	contract := "No"
	if i.IsContract {
		contract = "Yes"
	}
	return []resourceFact{
		{label: "User", text: i.UID, copies: "user ID", mono: true},
		{label: "Provider", text: i.ProviderPublicName},
		{label: "Provider ID", text: i.Provider, mono: true},
		{label: "Alias", text: i.Alias},
		{label: "Wallet", text: i.WalletID, copies: "wallet ID", mono: true},
		{label: "Address", text: i.PublicAddress, mono: true},
		{label: "Smart contract", text: contract},
		{label: "Category", text: upperFirst(string(i.Category))},
		{label: "Type", text: strings.ToUpper(string(i.Type))},
		{label: "Transactions", text: ui.Count(i.TotalTransactions)},
		{label: "Added", at: i.AddedOn},
		{label: "Last synced", at: i.LastSyncedAt, text: "Never"},
	}
}

// document is the part of a resource that is JSON, with its title; nil for none.
func (p ResourceProps) document() (title string, raw []byte) {
	switch r := p.Resource.(type) {
	case *posthorn.Submission:
		return "Responses", r.Responses
	case *posthorn.Verification:
		return "Checks", r.Checks
	}
	return "", nil
}

// screenings are those of a submission.
func (p ResourceProps) screenings() []posthorn.Screening {
	if s, ok := p.Resource.(*posthorn.Submission); ok {
		return s.Screenings
	}
	return nil
}

// changeText says in words what a change was.
func changeText(c *posthorn.ResourceChange) string {
	switch {
	case c.From == "":
		return resourceState(c.To)
	case c.From != c.To:
		return resourceState(c.From) + " → " + strings.ToLower(resourceState(c.To))
	case c.EventType == "aml.screening.completed":
		return "Screened"
	case c.EventType == "aml.match.found":
		return "Match found"
	case c.EventType == "aml.match.dismissed":
		return "Match dismissed"
	default:
		return "Changed " + strings.Join(c.Fields, ", ")
	}
}

// besides are the fields that changed together with the status.
func besides(c *posthorn.ResourceChange) string {
	if c.From == "" || c.From == c.To || len(c.Fields) == 0 {
		return ""
	}
	return "With " + strings.Join(c.Fields, ", ")
}

// historyCount says how much of the history is shown.
func (p ResourceProps) historyCount() string {
	if len(p.Changes) == posthorn.MaxResourceHistory {
		return "Newest " + strconv.Itoa(len(p.Changes))
	}
	if len(p.Changes) == 1 {
		return "1 entry"
	}
	return strconv.Itoa(len(p.Changes)) + " entries"
}

// screeningBadge is what a screening came to.
func screeningBadge(s *posthorn.Screening) ui.BadgeProps {
	b := ui.BadgeProps{Icon: ui.IconInfo, Label: upperFirst(s.Status)}
	switch {
	case s.Standing() > 0:
		b.Tone, b.Icon = ui.Warning, ui.IconAlert
	case s.Status == "clear":
		b.Tone, b.Icon = ui.Success, ui.IconCheckCircle
	}
	return b
}

// matchLine is a match in one line: kind, list and score.
func matchLine(m *posthorn.AMLMatch) string {
	parts := []string{upperFirst(strings.ReplaceAll(m.MatchType, "_", " "))}
	if m.SourceList != nil {
		parts = append(parts, *m.SourceList)
	}
	if m.MatchScore != nil {
		parts = append(parts, "score "+strconv.FormatFloat(*m.MatchScore, 'f', -1, 64))
	}
	if m.Dismissed && m.DismissedBy != nil {
		parts = append(parts, "dismissed by "+*m.DismissedBy)
	}
	if m.Dismissed && m.Reason != nil {
		parts = append(parts, *m.Reason)
	}
	return strings.Join(parts, " · ")
}

// matchRisk is the risk level of a match, empty for none.
func matchRisk(m *posthorn.AMLMatch) string {
	if m.RiskLevel == nil {
		return ""
	}
	return string(*m.RiskLevel)
}
