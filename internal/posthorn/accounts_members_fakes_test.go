package posthorn_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"posthorn/internal/posthorn"
)

// fakeTokens draws tokens that tests can foresee: "token 1", "token 2".
func fakeTokens() func() (string, [32]byte) {
	n := 0
	return func() (string, [32]byte) {
		n++
		plain := fmt.Sprintf("token %d", n)
		return plain, sha256.Sum256([]byte(plain))
	}
}

func hashToken(plain string) [32]byte { return sha256.Sum256([]byte(plain)) }

// fakeMembers keeps members, invitations and reset links beside the users of a fakeAccounts.
type fakeMembers struct {
	invitations []posthorn.MemberInvitation
	resets      map[posthorn.UserID]posthorn.PasswordReset
}

func (s *fakeAccounts) ListMembers(_ context.Context, tenant posthorn.TenantID) ([]posthorn.Member, error) {
	var members []posthorn.Member
	for _, u := range s.users {
		if u.User.TenantID == tenant {
			members = append(members, posthorn.Member{User: u.User})
		}
	}
	return members, nil
}

func (s *fakeAccounts) ChangeMember(
	_ context.Context, tenant posthorn.TenantID, by, id posthorn.UserID, change func(posthorn.MemberStanding) (posthorn.MemberOutcome, error),
) error {
	var standing posthorn.MemberStanding
	at := -1
	for i, u := range s.users {
		if u.User.TenantID != tenant {
			continue
		}
		if u.User.ID == by {
			standing.ByRole = u.User.Role
		}
		if u.User.Role == posthorn.RoleOwner {
			standing.Owners++
		}
		if u.User.ID == id {
			at, standing.Member = i, u.User
		}
	}
	if at < 0 {
		return errNone
	}
	out, err := change(standing)
	if err != nil {
		return err
	}
	if out.Remove {
		s.users = slices.Delete(s.users, at, at+1)
	} else {
		s.users[at].User = out.Member
	}
	s.audit = append(s.audit, out.Audit...)
	return nil
}

func (s *fakeAccounts) InsertMemberInvitation(
	_ context.Context, i posthorn.MemberInvitation, _ int, form *posthorn.IdempotencyKey, entry posthorn.AuditEntry,
) (posthorn.MemberInvitationID, error) {
	if first, ok := s.formMade(form, i.ID).(posthorn.MemberInvitationID); ok && first != i.ID {
		return first, nil
	}
	s.members.invitations, s.audit = append(s.members.invitations, i), append(s.audit, entry)
	return i.ID, nil
}

// formMade returns what a form made the first time, which is made where it is the first.
func (s *fakeAccounts) formMade(form *posthorn.IdempotencyKey, made any) any {
	if form == nil {
		return made
	}
	if s.forms == nil {
		s.forms = map[posthorn.IdempotencyKey]any{}
	}
	if first, ok := s.forms[*form]; ok {
		return first
	}
	s.forms[*form] = made
	return made
}

func (s *fakeAccounts) ListMemberInvitations(context.Context, posthorn.TenantID) ([]posthorn.MemberInvitation, error) {
	return s.members.invitations, nil
}

func (s *fakeAccounts) MemberInvitation(_ context.Context, tenant posthorn.TenantID, id posthorn.MemberInvitationID) (posthorn.MemberInvitation, error) {
	for _, i := range s.members.invitations {
		if i.TenantID == tenant && i.ID == id {
			return i, nil
		}
	}
	return posthorn.MemberInvitation{}, errNone
}

func (s *fakeAccounts) MemberInvitationByHash(_ context.Context, hash [32]byte) (posthorn.MemberInvitation, error) {
	s.lookups++
	for _, i := range s.members.invitations {
		if i.TokenHash == hash {
			return i, nil
		}
	}
	return posthorn.MemberInvitation{}, errNone
}

// replaceInvitation stores an invitation in the place of the one with its id.
func (s *fakeAccounts) replaceInvitation(i posthorn.MemberInvitation) {
	for n := range s.members.invitations {
		if s.members.invitations[n].ID == i.ID {
			s.members.invitations[n] = i
		}
	}
}

func (s *fakeAccounts) RevokeMemberInvitation(_ context.Context, i posthorn.MemberInvitation, entry posthorn.AuditEntry) error {
	s.replaceInvitation(i)
	s.audit = append(s.audit, entry)
	return nil
}

func (s *fakeAccounts) AcceptMemberInvitation(
	_ context.Context, i posthorn.MemberInvitation, u posthorn.UserCredentials, entries ...posthorn.AuditEntry,
) error {
	s.replaceInvitation(i)
	s.users, s.audit = append(s.users, u), append(s.audit, entries...)
	return nil
}

func (s *fakeAccounts) ReplacePasswordReset(
	_ context.Context, r posthorn.PasswordReset, form *posthorn.IdempotencyKey, entry posthorn.AuditEntry,
) (bool, error) {
	if s.formMade(form, r.TokenHash) != any(r.TokenHash) {
		return true, nil
	}
	if s.members.resets == nil {
		s.members.resets = map[posthorn.UserID]posthorn.PasswordReset{}
	}
	s.members.resets[r.UserID] = r
	s.audit = append(s.audit, entry)
	return false, nil
}

func (s *fakeAccounts) PasswordResetByHash(ctx context.Context, hash [32]byte) (posthorn.PasswordReset, posthorn.UserCredentials, error) {
	for _, r := range s.members.resets {
		if r.TokenHash == hash {
			known, err := s.CredentialsByID(ctx, r.UserID)
			return r, known, err
		}
	}
	return posthorn.PasswordReset{}, posthorn.UserCredentials{}, errNone
}

func (s *fakeAccounts) UsePasswordReset(ctx context.Context, r posthorn.PasswordReset, p posthorn.PasswordChange) error {
	s.members.resets[r.UserID] = r
	_, err := s.SetPassword(ctx, p)
	return err
}
