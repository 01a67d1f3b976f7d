package posthorn

import "github.com/google/uuid"

type (
	invitationKind     struct{}
	submissionKind     struct{}
	verificationKind   struct{}
	integrationKind    struct{}
	resourceChangeKind struct{}
	screeningKind      struct{}
	amlMatchKind       struct{}
)

func (invitationKind) prefix() string     { return "inv" }
func (submissionKind) prefix() string     { return "sub" }
func (verificationKind) prefix() string   { return "ver" }
func (integrationKind) prefix() string    { return "int" }
func (resourceChangeKind) prefix() string { return "chg" }
func (screeningKind) prefix() string      { return "scr" }
func (amlMatchKind) prefix() string       { return "match" }

// The ids of resources.
type (
	// InvitationID identifies an invitation ("inv_…").
	InvitationID = ID[invitationKind]
	// SubmissionID identifies a submission ("sub_…").
	SubmissionID = ID[submissionKind]
	// IntegrationID identifies an integration ("int_…").
	IntegrationID = ID[integrationKind]
	// ResourceChangeID identifies an entry of the history of a resource ("chg_…").
	ResourceChangeID = ID[resourceChangeKind]
	// ScreeningID identifies an AML screening of a submission ("scr_…").
	ScreeningID = ID[screeningKind]
)

// resourceIDs reads and writes the ids and cursors of one kind.
type resourceIDs struct {
	fresh    func() uuid.UUID
	text     func(id uuid.UUID) string
	parse    func(text string) (uuid.UUID, error)
	readPage func(faults *fieldFaults, page PageRequest) ResourcePosition
	cursors  func(hasNewer, hasOlder bool, first, last uuid.UUID) (prev, next string)
}

func idsOf[P prefixer]() resourceIDs {
	return resourceIDs{
		fresh: func() uuid.UUID { return NewID[P]().UUID() },
		text:  func(id uuid.UUID) string { return ID[P](id).String() },
		parse: func(text string) (uuid.UUID, error) {
			id, err := ParseID[P](text)
			return id.UUID(), err
		},
		readPage: func(faults *fieldFaults, page PageRequest) ResourcePosition {
			var at ListPosition[P]
			readPage(faults, page, &at)
			return ResourcePosition{After: at.After.UUID(), Before: at.Before.UUID(), Limit: at.Limit}
		},
		cursors: func(hasNewer, hasOlder bool, first, last uuid.UUID) (prev, next string) {
			return cursors(hasNewer, hasOlder, ID[P](first), ID[P](last))
		},
	}
}
