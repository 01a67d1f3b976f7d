package posthorn_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/posthorn"
)

// withMember adds somebody to the tenant of a signed-in person and returns them as signed in.
func (f accountsFixture) withMember(t *testing.T, who posthorn.SignedIn, role posthorn.Role, name string) posthorn.SignedIn {
	t.Helper()
	u, err := f.CreateUser(t.Context(), posthorn.CommandLine(), posthorn.NewUser{
		TenantID: who.Tenant.ID, Email: strings.ToLower(name) + "@example.com", Name: name, Role: role, Password: goodPassword,
	})
	if err != nil {
		t.Fatal(err)
	}
	return posthorn.SignedIn{User: u, Tenant: who.Tenant, Session: posthorn.Session{Address: "192.0.2.9"}}
}

// lastAudit returns the newest entry.
func (f accountsFixture) lastAudit() posthorn.AuditEntry { return f.store.audit[len(f.store.audit)-1] }

func TestOnlyOwnersManageMembers(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	owner := f.withOwner(t)
	subject := f.withMember(t, owner, posthorn.RoleMember, "Mei")
	for _, role := range []posthorn.Role{posthorn.RoleAdmin, posthorn.RoleMember} {
		who := f.withMember(t, owner, role, "Some-"+string(role))
		before := len(f.store.audit)
		for name, err := range map[string]error{
			"update": f.UpdateMember(t.Context(), who, subject.User.ID, posthorn.MemberChange{Name: "M", Role: posthorn.RoleOwner}),
			"remove": f.RemoveMember(t.Context(), who, subject.User.ID),
			"invite": second(f.InviteMember(t.Context(), who, posthorn.NewMemberInvitation{Email: "x@example.com", Role: posthorn.RoleMember})),
			"revoke": second(f.RevokeMemberInvitation(t.Context(), who, posthorn.MemberInvitationID{1})),
			"reset":  second(f.MakeResetLink(t.Context(), who, subject.User.ID, nil)),
		} {
			if posthorn.KindOf(err) != posthorn.Forbidden {
				t.Errorf("%s by a %s: %v", name, role, err)
			}
		}
		if len(f.store.audit) != before {
			t.Errorf("a refused %s is in the audit log", role)
		}
	}
}

// Who lost the role since their page was opened has lost it.
func TestAnOwnerWhoIsNoneAnyMoreManagesNobody(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	owner := f.withOwner(t)
	other := f.withMember(t, owner, posthorn.RoleOwner, "Second")
	if err := f.UpdateMember(t.Context(), owner, other.User.ID, posthorn.MemberChange{Name: "Second", Role: posthorn.RoleAdmin}); err != nil {
		t.Fatal(err)
	}
	wantKind(t, f.UpdateMember(t.Context(), other, owner.User.ID, posthorn.MemberChange{Name: "Ada", Role: posthorn.RoleMember}), posthorn.Forbidden)
	wantKind(t, f.RemoveMember(t.Context(), other, owner.User.ID), posthorn.Forbidden)
}

func TestTheLastOwnerCanNeitherBeDemotedNorRemoved(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	owner := f.withOwner(t)
	demote := func() error {
		return f.UpdateMember(t.Context(), owner, owner.User.ID, posthorn.MemberChange{Name: "Ada", Role: posthorn.RoleAdmin})
	}
	if err := demote(); !errors.Is(err, posthorn.ErrLastOwner) {
		t.Errorf("demoting the last owner: %v", err)
	}
	if err := f.RemoveMember(t.Context(), owner, owner.User.ID); !errors.Is(err, posthorn.ErrLastOwner) {
		t.Errorf("removing the last owner: %v", err)
	}
	f.withMember(t, owner, posthorn.RoleOwner, "Second")
	if err := f.RemoveMember(t.Context(), owner, owner.User.ID); !errors.Is(err, posthorn.ErrRemoveYourself) {
		t.Errorf("removing oneself: %v", err)
	}
	if err := demote(); err != nil {
		t.Errorf("one of two owners steps down: %v", err)
	}
}

func TestAMemberIsChangedWithAnEntryOfWhatChanged(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	owner := f.withOwner(t)
	m := f.withMember(t, owner, posthorn.RoleMember, "Mei")
	change := posthorn.MemberChange{Name: " Mei  Lin ", Role: posthorn.RoleAdmin, ExternalID: "clerk_mei"}
	before := len(f.store.audit)
	if err := f.UpdateMember(t.Context(), owner, m.User.ID, change); err != nil {
		t.Fatal(err)
	}
	got := f.store.users[1].User
	if got.Name != "Mei Lin" || got.Role != posthorn.RoleAdmin || got.ExternalID != "clerk_mei" {
		t.Errorf("the member is %+v", got)
	}
	type entry struct {
		Action        posthorn.Action
		Before, After map[string]any
	}
	var entries []entry
	for _, e := range f.store.audit[before:] {
		entries = append(entries, entry{e.Action, e.Before, e.After})
		if e.Actor.Name != "Ada" || e.Actor.Address != "192.0.2.1" || e.Subject != m.User.ID.String() {
			t.Errorf("the entry %s names %+v and %s", e.Action, e.Actor, e.Subject)
		}
	}
	want := []entry{
		{posthorn.ActionUserUpdated, map[string]any{"name": "Mei", "externalId": nil}, map[string]any{"name": "Mei Lin", "externalId": "clerk_mei"}},
		{posthorn.ActionRoleChanged, map[string]any{"role": posthorn.RoleMember}, map[string]any{"role": posthorn.RoleAdmin}},
	}
	if diff := cmp.Diff(want, entries); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	if err := f.UpdateMember(t.Context(), owner, m.User.ID, change); err != nil || len(f.store.audit) != before+2 {
		t.Errorf("the same again: %v, and %d entries", err, len(f.store.audit)-before)
	}
	err := f.UpdateMember(t.Context(), owner, m.User.ID, posthorn.MemberChange{Name: " ", Role: "king", ExternalID: strings.Repeat("x", 513)})
	wantKind(t, err, posthorn.Invalid, posthorn.FieldName, posthorn.FieldRole, posthorn.FieldExternalID)
}

func TestAMemberOfAnotherTenantIsNotFound(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	owner := f.withOwner(t)
	stranger := posthorn.SignedIn{User: owner.User, Tenant: posthorn.Tenant{ID: posthorn.NewTenantID()}}
	wantKind(t, second(f.Member(t.Context(), stranger.Tenant.ID, owner.User.ID)), posthorn.NotFound)
	if err := f.RemoveMember(t.Context(), stranger, owner.User.ID); posthorn.KindOf(err) != posthorn.NotFound {
		t.Errorf("remove: %v", err)
	}
	wantKind(t, second(f.MakeResetLink(t.Context(), stranger, owner.User.ID, nil)), posthorn.NotFound)
}

// invite makes an invitation.
func (f accountsFixture) invite(t *testing.T, who posthorn.SignedIn) posthorn.MadeMemberInvitation {
	t.Helper()
	made, err := f.InviteMember(t.Context(), who, posthorn.NewMemberInvitation{Email: "mei@example.com", Role: posthorn.RoleAdmin, ExternalID: "clerk_mei"})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestAnInvitationMakesAUserOnce(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	owner := f.withOwner(t)
	made := f.invite(t, owner)
	if made.Token == "" || made.TokenHash != hashToken(made.Token) {
		t.Fatal("the token does not belong to the stored hash")
	}
	accept := posthorn.Acceptance{Token: made.Token, Address: "192.0.2.7", Name: "Mei", Password: goodPassword}
	u, err := f.AcceptMemberInvitation(t.Context(), accept)
	if err != nil {
		t.Fatal(err)
	}
	if u.Email != "mei@example.com" || u.Role != posthorn.RoleAdmin || u.ExternalID != "clerk_mei" || u.Name != "Mei" || u.TenantID != owner.Tenant.ID {
		t.Errorf("the user is %+v", u)
	}
	if _, err := f.SignIn(t.Context(), posthorn.SignInAttempt{Email: u.Email, Password: goodPassword}); err != nil {
		t.Errorf("sign in: %v", err)
	}
	if e := f.lastAudit(); e.Actor.UserID != u.ID || e.Actor.Address != "192.0.2.7" {
		t.Errorf("the entry names %+v", e.Actor)
	}
	if _, err := f.AcceptMemberInvitation(t.Context(), accept); !errors.Is(err, posthorn.ErrMemberInvitationOver) {
		t.Errorf("the second time: %v", err)
	}
	for _, e := range f.store.audit {
		for _, fields := range []map[string]any{e.Before, e.After} {
			for name, v := range fields {
				if v == made.Token {
					t.Errorf("%s has the token as %s", e.Action, name)
				}
			}
		}
	}
}

func TestAnInvitationThatIsOverIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newAccounts(t)
		owner := f.withOwner(t)
		expired := f.invite(t, owner)
		accept := func(token string) error {
			return second(f.AcceptMemberInvitation(t.Context(), posthorn.Acceptance{Token: token, Name: "Mei", Password: goodPassword}))
		}
		pass(7*24*time.Hour - time.Second)
		if i, _, err := f.OpenMemberInvitation(t.Context(), expired.Token, ""); err != nil || i.State(time.Now()) != posthorn.MemberInvitationOpen {
			t.Errorf("a second before its end it is %s, %v", i.State(time.Now()), err)
		}
		pass(time.Second)
		if err := accept(expired.Token); !errors.Is(err, posthorn.ErrMemberInvitationOver) {
			t.Errorf("an expired one: %v", err)
		}
		revoked := f.invite(t, owner)
		if _, err := f.RevokeMemberInvitation(t.Context(), owner, revoked.ID); err != nil {
			t.Fatal(err)
		}
		if err := accept(revoked.Token); !errors.Is(err, posthorn.ErrMemberInvitationOver) {
			t.Errorf("a revoked one: %v", err)
		}
		n := len(f.store.audit)
		if _, err := f.RevokeMemberInvitation(t.Context(), owner, revoked.ID); err != nil || len(f.store.audit) != n {
			t.Errorf("revoking it again: %v, %d new entries", err, len(f.store.audit)-n)
		}
		wantKind(t, accept("no such token"), posthorn.NotFound)
	})
}

// acceptedFirst is a store in which somebody accepts an invitation just before it is revoked.
type acceptedFirst struct{ *fakeAccounts }

func (s acceptedFirst) RevokeMemberInvitation(_ context.Context, i posthorn.MemberInvitation, _ posthorn.AuditEntry) error {
	i.AcceptedAt, i.RevokedAt = i.RevokedAt, time.Time{}
	s.replaceInvitation(i)
	return nil
}

func TestAnInvitationThatWasAcceptedMeanwhileIsNotSaidToBeRevoked(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	owner := f.withOwner(t)
	made := f.invite(t, owner)
	accounts := posthorn.NewAccounts(acceptedFirst{f.store}, posthorn.AccountsConfig{})
	i, err := accounts.RevokeMemberInvitation(t.Context(), owner, made.ID)
	if err != nil || !i.RevokedAt.IsZero() || i.State(time.Now()) != posthorn.MemberInvitationAccepted {
		t.Errorf("it is %s, %v", i.State(time.Now()), err)
	}
}

func TestWhoJoinsSaysANameAndAFitPassword(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	made := f.invite(t, f.withOwner(t))
	_, err := f.AcceptMemberInvitation(t.Context(), posthorn.Acceptance{Token: made.Token, Name: " ", Password: "short"})
	wantKind(t, err, posthorn.Invalid, posthorn.FieldName, posthorn.FieldPassword)
	if len(f.store.users) != 1 {
		t.Error("a user was made all the same")
	}
}

func TestAnInvitationFormMakesOne(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	owner := f.withOwner(t)
	in := posthorn.NewMemberInvitation{Email: "mei@example.com", Role: posthorn.RoleMember, Form: &posthorn.IdempotencyKey{Scope: "s", Key: "k"}}
	first, err := f.InviteMember(t.Context(), owner, in)
	if err != nil {
		t.Fatal(err)
	}
	again, err := f.InviteMember(t.Context(), owner, in)
	if err != nil || !again.Repeated || again.ID != first.ID || again.Token != "" {
		t.Errorf("the second time: %+v, %v", again, err)
	}
	wantKind(t, second(f.InviteMember(t.Context(), owner, posthorn.NewMemberInvitation{Email: "no address", Role: "king"})),
		posthorn.Invalid, posthorn.FieldEmail, posthorn.FieldRole)
}

// An address with characters that nobody sees looks like another's.
func TestAnEmailHasNoInvisibleCharacters(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	owner := f.withOwner(t)
	for _, email := range []string{"\u202emei@example.com", "mei@\u200bexample.com", "m\u00adei@example.com"} {
		_, err := f.InviteMember(t.Context(), owner, posthorn.NewMemberInvitation{Email: email, Role: posthorn.RoleMember})
		wantKind(t, err, posthorn.Invalid, posthorn.FieldEmail)
	}
}

func TestGuessingAtLinksIsThrottledByAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newAccounts(t)
		made := f.invite(t, f.withOwner(t))
		const address = "192.0.2.66"
		for i := range 100 {
			_, _, err := f.OpenMemberInvitation(t.Context(), strings.Repeat("x", i+1), address)
			if posthorn.KindOf(err) == posthorn.RateLimited {
				if i < 20 {
					t.Errorf("refused after %d guesses", i)
				}
				break
			}
			if i == 99 {
				t.Error("a hundred guesses are allowed")
			}
		}
		lookups := f.store.lookups
		if _, _, err := f.OpenMemberInvitation(t.Context(), made.Token, address); posthorn.KindOf(err) != posthorn.RateLimited || f.store.lookups != lookups {
			t.Errorf("the right token from a blocked address: %v", err)
		}
		// Neither others nor those who have a link suffer.
		for range 50 {
			if _, _, err := f.OpenMemberInvitation(t.Context(), made.Token, "192.0.2.67"); err != nil {
				t.Fatalf("from another address: %v", err)
			}
		}
	})
}

// Who finds a browser signed in must not be able to change the password that they do not know.
func TestNobodyMakesAResetLinkForThemselves(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	owner := f.withOwner(t)
	n := len(f.store.audit)
	made, err := f.MakeResetLink(t.Context(), owner, owner.User.ID, nil)
	wantKind(t, err, posthorn.Conflict)
	if made.Token != "" || len(f.store.audit) != n {
		t.Errorf("made %+v", made)
	}
}

func TestAResetLinkSetsAPasswordOnce(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	owner := f.withOwner(t)
	m := f.withMember(t, owner, posthorn.RoleMember, "Mei")
	made, err := f.MakeResetLink(t.Context(), owner, m.User.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 { // what the account is blocked by
		_, _ = f.SignIn(t.Context(), posthorn.SignInAttempt{Email: m.User.Email, Password: "wrong password"})
	}
	if u, err := f.OpenResetLink(t.Context(), made.Token, "192.0.2.7"); err != nil || u.ID != m.User.ID {
		t.Errorf("the link is of %v, %v", u.ID, err)
	}
	_, err = f.ResetPasswordByLink(t.Context(), made.Token, "192.0.2.7", "short")
	wantKind(t, err, posthorn.Invalid, posthorn.FieldNewPassword)
	if _, err := f.ResetPasswordByLink(t.Context(), made.Token, "192.0.2.7", newPassword); err != nil {
		t.Fatal(err)
	}
	change := f.store.changes[len(f.store.changes)-1]
	if change.Except != nil || change.Audit.Action != posthorn.ActionPasswordReset || change.Audit.Actor.Address != "192.0.2.7" {
		t.Errorf("the change is %+v", change)
	}
	if _, err := f.SignIn(t.Context(), posthorn.SignInAttempt{Email: m.User.Email, Password: newPassword}); err != nil {
		t.Errorf("sign in with the new password: %v", err)
	}
	if _, err := f.ResetPasswordByLink(t.Context(), made.Token, "", goodPassword); !errors.Is(err, posthorn.ErrResetOver) {
		t.Errorf("the second time: %v", err)
	}
}

func TestAResetLinkIsOverAfterADayANewerOneOrAPasswordChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newAccounts(t)
		owner := f.withOwner(t)
		m := f.withMember(t, owner, posthorn.RoleMember, "Mei")
		newLink := func() string {
			made, err := f.MakeResetLink(t.Context(), owner, m.User.ID, nil)
			if err != nil {
				t.Fatal(err)
			}
			return made.Token
		}
		replaced := newLink()
		newest := newLink()
		wantKind(t, second(f.OpenResetLink(t.Context(), replaced, "")), posthorn.NotFound)
		pass(24*time.Hour - time.Second)
		if _, err := f.OpenResetLink(t.Context(), newest, ""); err != nil {
			t.Errorf("a second before its end: %v", err)
		}
		pass(time.Second)
		wantKind(t, second(f.OpenResetLink(t.Context(), newest, "")), posthorn.Conflict)
		older := newLink()
		pass(time.Second)
		for i := range f.store.users {
			if f.store.users[i].User.ID == m.User.ID {
				f.store.users[i].User.PasswordChangedAt = time.Now()
			}
		}
		wantKind(t, second(f.OpenResetLink(t.Context(), older, "")), posthorn.Conflict)
	})
}
