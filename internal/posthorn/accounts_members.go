package posthorn

import (
	"context"
	"fmt"
	"time"
)

// The actions on the members of a tenant.
const (
	ActionUserUpdated Action = "user.updated"
	ActionRoleChanged Action = "user.role_changed"
	ActionUserRemoved Action = "user.removed"
)

// Member is a user as the list of members shows them.
type Member struct {
	User
	// LastSeenAt is when they last used Posthorn, to the minute, zero for never.
	LastSeenAt time.Time
}

// MemberChange is what an owner says about a member. All of it is written.
type MemberChange struct {
	Name string
	Role Role
	// ExternalID is empty to have none.
	ExternalID string
}

// MemberStore keeps the members of tenants. What does not exist in the tenant is NotFound.
type MemberStore interface {
	// ListMembers returns the members of a tenant: owners first, then admins, then the rest, each by name.
	ListMembers(ctx context.Context, tenant TenantID) ([]Member, error)
	// ChangeMember lets change look at a member and does what it decides, while no other change of the tenant's members is
	// under way. When change fails nothing is stored and its error is returned. An external id in use is Conflict. The links that
	// an owner made end with the role.
	ChangeMember(ctx context.Context, tenant TenantID, by, id UserID, change func(MemberStanding) (MemberOutcome, error)) error
}

// MemberStanding is a member with what decides whether they may be changed.
type MemberStanding struct {
	Member User
	// ByRole is the role, as it is now, of who asks; empty when they are no member any more.
	ByRole Role
	// Owners is how many owners the tenant has.
	Owners int
}

// MemberOutcome is what becomes of a member.
type MemberOutcome struct {
	// Remove deletes the member with their sessions; the entry learns how many those were. Otherwise name, role and external
	// id are written as Member has them.
	Remove bool
	Member User
	// Audit is empty where nothing changes.
	Audit []AuditEntry
}

// ErrOwnersManage is the answer to who is no owner and would change members. Members are the one thing, with tenant limits and
// keys, that admins do not manage.
var ErrOwnersManage = Errorf(Forbidden, "Only owners of the organisation manage its members. Ask one of them.")

// The Conflicts of a change of members.
var (
	// ErrLastOwner refuses what would leave a tenant without an owner.
	ErrLastOwner = Errorf(Conflict, "This is the only owner of the organisation. Make somebody else an owner first.")
	// ErrRemoveYourself refuses that people remove themselves, as a slip would.
	ErrRemoveYourself = Errorf(Conflict, "You cannot remove yourself. Another owner can.")
)

// owns is an error unless a signed-in person is an owner.
func (s *SignedIn) owns() error {
	if s.User.Role != RoleOwner {
		return ErrOwnersManage
	}
	return nil
}

// ListMembers returns the members of a tenant: owners first, then admins, then the rest, each by name.
func (a *Accounts) ListMembers(ctx context.Context, tenant TenantID) ([]Member, error) {
	return a.store.ListMembers(ctx, tenant)
}

// Member returns a member of a tenant, or NotFound.
func (a *Accounts) Member(ctx context.Context, tenant TenantID, id UserID) (Member, error) {
	members, err := a.store.ListMembers(ctx, tenant)
	if err != nil {
		return Member{}, err
	}
	for _, m := range members {
		if m.ID == id {
			return m, nil
		}
	}
	return Member{}, Errorf(NotFound, "There is no member with the id %s.", id)
}

// UpdateMember changes what an owner may change about a member: name, role and external id. A new role holds from the
// member's next request on. Wrong input is Invalid with the fields named, an external id in use Conflict, and a change that
// would leave the tenant without an owner ErrLastOwner.
func (a *Accounts) UpdateMember(ctx context.Context, who SignedIn, id UserID, in MemberChange) error {
	if err := who.owns(); err != nil {
		return err
	}
	var faults fieldFaults
	in.Name = faults.name(FieldName, in.Name)
	in.ExternalID = faults.externalID(in.ExternalID)
	faults.role(in.Role)
	if err := faults.err(); err != nil {
		return err
	}
	err := a.store.ChangeMember(ctx, who.Tenant.ID, who.User.ID, id, func(s MemberStanding) (MemberOutcome, error) {
		if s.ByRole != RoleOwner {
			return MemberOutcome{}, ErrOwnersManage
		}
		if s.Member.Role == RoleOwner && in.Role != RoleOwner && s.Owners < 2 {
			return MemberOutcome{}, ErrLastOwner
		}
		return updatedMember(who.actor(), s.Member, in), nil
	})
	if err != nil {
		return fmt.Errorf("update %s: %w", id, err)
	}
	return nil
}

// updatedMember is a member after a change. The role has an entry of its own, so that it can be looked for.
func updatedMember(actor Actor, m User, in MemberChange) MemberOutcome {
	out := MemberOutcome{Member: m}
	out.Member.Name, out.Member.Role, out.Member.ExternalID = in.Name, in.Role, in.ExternalID
	before, after := map[string]any{}, map[string]any{}
	note := func(field, was, is string) {
		if was != is {
			before[field], after[field] = orNil(was), orNil(is)
		}
	}
	note("name", m.Name, in.Name)
	note("externalId", m.ExternalID, in.ExternalID)
	if len(after) > 0 {
		out.Audit = append(out.Audit, audit(m.TenantID, actor, ActionUserUpdated, m.ID.String(), before, after))
	}
	if m.Role != in.Role {
		out.Audit = append(out.Audit, audit(m.TenantID, actor, ActionRoleChanged, m.ID.String(),
			map[string]any{"role": m.Role}, map[string]any{"role": in.Role}))
	}
	return out
}

// orNil is empty text as the absence that it stands for.
func orNil(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// RemoveMember takes a member out of their tenant: they are signed out everywhere at once and cannot sign in any more. What
// they did stays in the audit log under their name, and their activity stays. It is ErrLastOwner or ErrRemoveYourself where
// that is so.
func (a *Accounts) RemoveMember(ctx context.Context, who SignedIn, id UserID) error {
	if err := who.owns(); err != nil {
		return err
	}
	err := a.store.ChangeMember(ctx, who.Tenant.ID, who.User.ID, id, func(s MemberStanding) (MemberOutcome, error) {
		switch {
		case s.ByRole != RoleOwner:
			return MemberOutcome{}, ErrOwnersManage
		case s.Member.Role == RoleOwner && s.Owners < 2:
			return MemberOutcome{}, ErrLastOwner
		case id == who.User.ID:
			return MemberOutcome{}, ErrRemoveYourself
		}
		m := s.Member
		before := map[string]any{"email": m.Email, "name": m.Name, "role": m.Role}
		if m.ExternalID != "" {
			before["externalId"] = m.ExternalID
		}
		entry := audit(m.TenantID, who.actor(), ActionUserRemoved, id.String(), before, nil)
		return MemberOutcome{Remove: true, Member: m, Audit: []AuditEntry{entry}}, nil
	})
	if err != nil {
		return fmt.Errorf("remove %s: %w", id, err)
	}
	return nil
}

// ParseUserID reads "user_…"; the error is ErrBadID.
func ParseUserID(s string) (UserID, error) { return ParseID[userKind](s) }
