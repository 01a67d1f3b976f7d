package posthorn

import (
	"context"
	"crypto/subtle"
	"fmt"
	"strings"
	"time"
)

// The actions on invitations of members.
const (
	ActionMemberInvited            Action = "member_invitation.created"
	ActionMemberInvitationRevoked  Action = "member_invitation.revoked"
	ActionMemberInvitationAccepted Action = "member_invitation.accepted"
)

const (
	// memberInvitationLife is how long an invitation is good.
	memberInvitationLife = 7 * 24 * time.Hour
	// maxMemberInvitations is how many open ones a tenant may have.
	maxMemberInvitations = 200
)

type memberInvitationKind struct{}

func (memberInvitationKind) prefix() string { return "join" }

// MemberInvitationID identifies an invitation to join an organisation ("join_…"), not the link.
type MemberInvitationID = ID[memberInvitationKind]

// ParseMemberInvitationID reads "join_…"; the error is ErrBadID.
func ParseMemberInvitationID(s string) (MemberInvitationID, error) {
	return ParseID[memberInvitationKind](s)
}

// MemberInvitation is a link by which one person can join an organisation, once.
type MemberInvitation struct {
	ID       MemberInvitationID
	TenantID TenantID
	Email    string
	Role     Role
	// ExternalID is what the user gets as theirs, empty for none.
	ExternalID string
	// TokenHash is the SHA-256 of the token in the link.
	TokenHash            [32]byte
	CreatedAt, ExpiresAt time.Time
	// CreatedBy is the name of the owner who made it. When CreatedByID is an owner no more, it is revoked.
	CreatedBy   string
	CreatedByID UserID
	// AcceptedAt and RevokedAt are zero where they do not apply; AcceptedBy is the user who came of it.
	AcceptedAt, RevokedAt time.Time
	AcceptedBy            UserID
}

// MemberInvitationState says what an invitation is good for.
type MemberInvitationState string

// The states of an invitation. Only an open one can be accepted.
const (
	MemberInvitationOpen     MemberInvitationState = "open"
	MemberInvitationAccepted MemberInvitationState = "accepted"
	MemberInvitationRevoked  MemberInvitationState = "revoked"
	MemberInvitationExpired  MemberInvitationState = "expired"
)

// State returns the state of the invitation at a time.
func (i *MemberInvitation) State(now time.Time) MemberInvitationState {
	switch {
	case !i.AcceptedAt.IsZero():
		return MemberInvitationAccepted
	case !i.RevokedAt.IsZero():
		return MemberInvitationRevoked
	case !i.ExpiresAt.After(now):
		return MemberInvitationExpired
	default:
		return MemberInvitationOpen
	}
}

// NewMemberInvitation asks for an invitation.
type NewMemberInvitation struct {
	Email      string
	Role       Role
	ExternalID string
	// Form is the key of the form that asked, nil for none.
	Form *IdempotencyKey
}

// MadeMemberInvitation is a new invitation at the one moment at which its token is known.
type MadeMemberInvitation struct {
	MemberInvitation
	// Token is what the link ends with, empty when the form was sent before.
	Token string
	// Repeated says that the form was sent before: the invitation is the one that was made then.
	Repeated bool
}

// MemberInvitationStore keeps invitations of members. What does not exist is NotFound.
type MemberInvitationStore interface {
	// InsertMemberInvitation stores an invitation. It is Conflict, with the field named, when the address has a user or an
	// open invitation to the tenant, or the external id does, and ErrTooManyMemberInvitations when there are limit open ones. With
	// a form key that was used before it stores nothing and returns the invitation that was made then. It is ErrOwnersManage when
	// who made it is an owner no more.
	InsertMemberInvitation(ctx context.Context, i MemberInvitation, limit int, form *IdempotencyKey, entry AuditEntry) (MemberInvitationID, error)
	// ListMemberInvitations returns the open invitations of a tenant and the newest of the others, newest first.
	ListMemberInvitations(ctx context.Context, tenant TenantID) ([]MemberInvitation, error)
	MemberInvitation(ctx context.Context, tenant TenantID, id MemberInvitationID) (MemberInvitation, error)
	MemberInvitationByHash(ctx context.Context, tokenHash [32]byte) (MemberInvitation, error)
	// RevokeMemberInvitation writes i.RevokedAt. One that was accepted or revoked meanwhile stays as it is, without an entry.
	RevokeMemberInvitation(ctx context.Context, i MemberInvitation, entry AuditEntry) error
	// AcceptMemberInvitation stores the user and i.AcceptedAt, or neither: it is ErrMemberInvitationOver when the invitation is not
	// open any more.
	AcceptMemberInvitation(ctx context.Context, i MemberInvitation, u UserCredentials, entries ...AuditEntry) error
}

// The Conflicts of invitations.
var (
	// ErrTooManyMemberInvitations refuses one more open invitation than a tenant may have.
	ErrTooManyMemberInvitations = Errorf(Conflict, "This organisation has %d open invitations, and that is the most. Revoke one that is not needed.", maxMemberInvitations)
	// ErrMemberInvitationOver refuses an invitation that was accepted, revoked, or has expired.
	ErrMemberInvitationOver = Errorf(Conflict, "This invitation is not open any more. Ask an owner of the organisation for a new one.")
)

// InviteMember makes a link by which somebody can join the tenant of an owner, once and within seven days. Wrong input is
// Invalid with the fields named; an address that has a user or an open invitation, and an external id in use, are Conflict.
func (a *Accounts) InviteMember(ctx context.Context, who SignedIn, in NewMemberInvitation) (MadeMemberInvitation, error) {
	if err := who.owns(); err != nil {
		return MadeMemberInvitation{}, err
	}
	var faults fieldFaults
	now := databaseNow()
	token, hash := a.config.NewToken()
	i := MemberInvitation{
		ID: NewID[memberInvitationKind](), TenantID: who.Tenant.ID, Email: faults.email(in.Email), Role: in.Role,
		ExternalID: faults.externalID(in.ExternalID), TokenHash: hash, CreatedAt: now, ExpiresAt: now.Add(memberInvitationLife),
		CreatedBy: who.User.Name, CreatedByID: who.User.ID,
	}
	faults.role(in.Role)
	if err := faults.err(); err != nil {
		return MadeMemberInvitation{}, err
	}
	entry := audit(i.TenantID, who.actor(), ActionMemberInvited, i.ID.String(), nil, i.auditFields())
	made, err := a.store.InsertMemberInvitation(ctx, i, maxMemberInvitations, in.Form, entry)
	if err != nil {
		return MadeMemberInvitation{}, fmt.Errorf("invite to %s by %s: %w", i.TenantID, i.ID, err)
	}
	if made != i.ID {
		first, err := a.store.MemberInvitation(ctx, i.TenantID, made)
		return MadeMemberInvitation{MemberInvitation: first, Repeated: true}, err
	}
	return MadeMemberInvitation{MemberInvitation: i, Token: token}, nil
}

func (i *MemberInvitation) auditFields() map[string]any {
	fields := map[string]any{"email": i.Email, "role": i.Role, "expiresAt": FormatTime(i.ExpiresAt)}
	if i.ExternalID != "" {
		fields["externalId"] = i.ExternalID
	}
	return fields
}

// ListMemberInvitations returns the open invitations of a tenant and the newest of the others, newest first.
func (a *Accounts) ListMemberInvitations(ctx context.Context, tenant TenantID) ([]MemberInvitation, error) {
	return a.store.ListMemberInvitations(ctx, tenant)
}

// RevokeMemberInvitation ends an invitation of the tenant of an owner: from its return on nobody can accept it. One that is
// over already stays as it is. It returns the invitation as it is then.
func (a *Accounts) RevokeMemberInvitation(ctx context.Context, who SignedIn, id MemberInvitationID) (MemberInvitation, error) {
	if err := who.owns(); err != nil {
		return MemberInvitation{}, err
	}
	i, err := a.store.MemberInvitation(ctx, who.Tenant.ID, id)
	if KindOf(err) == NotFound {
		return i, Because(NotFound, "There is no invitation with the id "+id.String()+".", err)
	}
	if now := databaseNow(); err == nil && i.State(now) == MemberInvitationOpen {
		i.RevokedAt = now
		err = a.store.RevokeMemberInvitation(ctx, i, audit(i.TenantID, who.actor(), ActionMemberInvitationRevoked, id.String(), i.auditFields(), nil))
		if err == nil {
			i, err = a.store.MemberInvitation(ctx, who.Tenant.ID, id) // somebody may have accepted it meanwhile
		}
	}
	if err != nil {
		return i, fmt.Errorf("revoke %s of %s: %w", id, who.Tenant.ID, err)
	}
	return i, nil
}

// errUnknownLink is the answer to a token that nobody was given, or that a newer one replaced.
var errUnknownLink = Errorf(NotFound, "This link is not valid. It may be incomplete, or a newer one has replaced it.")

// OpenMemberInvitation returns the invitation of a token, in whatever state it is, and its tenant. An unknown token is NotFound;
// from an address that tried too many it is RateLimited, as a sign-in is.
func (a *Accounts) OpenMemberInvitation(ctx context.Context, token, address string) (MemberInvitation, Tenant, error) {
	var i MemberInvitation
	err := a.guessToken(ctx, token, address, func(hash [32]byte) (stored [32]byte, err error) {
		i, err = a.store.MemberInvitationByHash(ctx, hash)
		return i.TokenHash, err
	})
	if err != nil {
		return MemberInvitation{}, Tenant{}, fmt.Errorf("open an invitation: %w", err)
	}
	t, err := a.TenantByID(ctx, i.TenantID)
	return i, t, err
}

// guessToken runs find with the hash of the token of a link, when the limits allow another guess. An unknown token counts as
// a failed sign-in from that address.
func (a *Accounts) guessToken(ctx context.Context, token, address string, find func(hash [32]byte) (stored [32]byte, err error)) error {
	hash := a.config.HashToken(token)
	right, err := a.guessFrom(ctx, address, func() (bool, error) {
		stored, err := find(hash)
		if KindOf(err) == NotFound {
			return false, nil
		}
		return subtle.ConstantTimeCompare(stored[:], hash[:]) == 1, err
	})
	if err == nil && !right {
		err = errUnknownLink
	}
	return err
}

// Acceptance is what who joins says about themselves.
type Acceptance struct {
	// Token is what the link ends with, Address the IP address that it is used from.
	Token, Address string
	Name, Password string
}

// AcceptMemberInvitation makes the user whom an invitation is for, and ends it. Wrong input is Invalid with the fields named, an
// invitation that is not open ErrMemberInvitationOver, an unknown token NotFound.
func (a *Accounts) AcceptMemberInvitation(ctx context.Context, in Acceptance) (User, error) {
	i, _, err := a.OpenMemberInvitation(ctx, in.Token, in.Address)
	if err != nil {
		return User{}, err
	}
	if i.State(databaseNow()) != MemberInvitationOpen {
		return User{}, ErrMemberInvitationOver
	}
	var faults fieldFaults
	if strings.TrimSpace(in.Name) == "" {
		faults.add(FieldName, "must not be empty")
	}
	u, err := a.newUser(ctx, &faults, NewUser{
		TenantID: i.TenantID, Email: i.Email, Name: in.Name, Role: i.Role, ExternalID: i.ExternalID, Password: in.Password,
	})
	if err != nil {
		return User{}, err
	}
	i.AcceptedAt, i.AcceptedBy = u.User.CreatedAt, u.User.ID
	actor := u.User.Actor(in.Address)
	entry := audit(i.TenantID, actor, ActionMemberInvitationAccepted, i.ID.String(), nil, map[string]any{"userId": u.User.ID.String()})
	if err := a.store.AcceptMemberInvitation(ctx, i, u, entry, userCreated(actor, u.User)); err != nil {
		return User{}, fmt.Errorf("accept %s: %w", i.ID, err)
	}
	return u.User, nil
}
