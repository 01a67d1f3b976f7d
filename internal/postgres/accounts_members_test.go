package postgres_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"posthorn/internal/auth"
	"posthorn/internal/posthorn"
)

// signedIn is a user of the fixture's first tenant as signed in.
func (f accountsFixture) signedIn(t *testing.T, u posthorn.User) posthorn.SignedIn {
	t.Helper()
	tenant, err := f.TenantByID(t.Context(), u.TenantID)
	if err != nil {
		t.Fatal(err)
	}
	return posthorn.SignedIn{User: u, Tenant: tenant, Session: posthorn.Session{Address: "192.0.2.1"}}
}

// add makes a user of a tenant.
func (f accountsFixture) add(t *testing.T, tenant posthorn.TenantID, role posthorn.Role, email, external string) posthorn.User {
	t.Helper()
	u, err := f.CreateUser(t.Context(), posthorn.CommandLine(), posthorn.NewUser{
		TenantID: tenant, Email: email, Role: role, ExternalID: external, Password: ownerPassword,
	})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// startSession signs a user in and returns the session's hash.
func (f accountsFixture) startSession(t *testing.T, u posthorn.User, at time.Time) [32]byte {
	t.Helper()
	_, hash := auth.NewToken()
	err := f.sessions.CreateSession(t.Context(), posthorn.Session{
		TokenHash: hash, UserID: u.ID, PasswordChangedAt: u.PasswordChangedAt, CreatedAt: at, LastSeenAt: at, ExpiresAt: at.Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func TestMembersAreListedOwnersFirstWithWhenTheyWereLastSeen(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	made, owner := f.found(t, ownerEmail)
	f.found(t, "elsewhere@example.com")
	f.add(t, made.TenantID, posthorn.RoleMember, "zoe@example.com", "")
	mei := f.add(t, made.TenantID, posthorn.RoleMember, "mei@example.com", "")
	f.add(t, made.TenantID, posthorn.RoleAdmin, "jonas@example.com", "")
	seen := time.Now().UTC().Truncate(time.Second).Add(-time.Hour)
	hash := f.startSession(t, mei, seen)
	later := seen.Add(5 * time.Minute)
	if err := f.sessions.TouchSession(t.Context(), hash, later, later.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	// The end of the session does not make them forgotten.
	if err := f.sessions.DeleteSession(t.Context(), hash); err != nil {
		t.Fatal(err)
	}
	members, err := f.ListMembers(t.Context(), made.TenantID)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{owner.Email, "jonas@example.com", "mei@example.com", "zoe@example.com"}
	if len(members) != len(want) {
		t.Fatalf("%d members", len(members))
	}
	for i, m := range members {
		if m.Email != want[i] {
			t.Errorf("member %d is %s, want %s", i, m.Email, want[i])
		}
		if seen := m.LastSeenAt; (m.ID == mei.ID) != seen.Equal(later) {
			t.Errorf("%s was last seen at %v", m.Email, seen)
		}
	}
}

func TestOfTwoOwnersWhoDemoteEachOtherOneStays(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	made, first := f.found(t, ownerEmail)
	second := f.add(t, made.TenantID, posthorn.RoleOwner, "second@example.com", "")
	change := posthorn.MemberChange{Name: "X", Role: posthorn.RoleMember}
	var wait sync.WaitGroup
	failures := make([]error, 2)
	for i, pair := range [][2]posthorn.User{{first, second}, {second, first}} {
		who := f.signedIn(t, pair[0])
		wait.Go(func() { failures[i] = f.UpdateMember(t.Context(), who, pair[1].ID, change) })
	}
	wait.Wait()
	if (failures[0] == nil) == (failures[1] == nil) {
		t.Errorf("they answer %v and %v", failures[0], failures[1])
	}
	var owners int
	if err := f.db.Pool().QueryRow(t.Context(), `SELECT count(*) FROM users WHERE role = 'owner'`).Scan(&owners); err != nil || owners != 1 {
		t.Errorf("%d owners are left, %v", owners, err)
	}
}

func TestARemovedMemberIsSignedOutAtOnce(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	made, owner := f.found(t, ownerEmail)
	m := f.add(t, made.TenantID, posthorn.RoleAdmin, "mei@example.com", "clerk_mei")
	who := f.signedIn(t, owner)
	hash := f.startSession(t, m, time.Now())
	if _, err := f.MakeResetLink(t.Context(), who, m.ID, nil); err != nil {
		t.Fatal(err)
	}
	if err := f.RemoveMember(t.Context(), who, m.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := f.sessions.Session(t.Context(), hash); posthorn.KindOf(err) != posthorn.NotFound {
		t.Errorf("the session: %v", err)
	}
	entries := f.audit(t, posthorn.ActionUserRemoved)
	if len(entries) != 1 || entries[0].After["sessionsEnded"] != 1.0 || entries[0].Before["externalId"] != "clerk_mei" {
		t.Errorf("the entries are %+v", entries)
	}
	if err := f.RemoveMember(t.Context(), who, m.ID); posthorn.KindOf(err) != posthorn.NotFound {
		t.Errorf("a second time: %v", err)
	}
	f.add(t, made.TenantID, posthorn.RoleMember, "mei@example.com", "clerk_mei") // both are free again
}

// Whoever is about to lose the role could make a link, and come back by it.
func TestTheLinksOfAnOwnerEndWithTheRole(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(accountsFixture, posthorn.SignedIn, posthorn.User) error{
		"removed": func(f accountsFixture, who posthorn.SignedIn, u posthorn.User) error {
			return f.RemoveMember(t.Context(), who, u.ID)
		},
		"demoted": func(f accountsFixture, who posthorn.SignedIn, u posthorn.User) error {
			return f.UpdateMember(t.Context(), who, u.ID, posthorn.MemberChange{Name: "Second", Role: posthorn.RoleAdmin})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newAccounts(t)
			made, first := f.found(t, ownerEmail)
			owner := f.signedIn(t, first)
			member := f.add(t, made.TenantID, posthorn.RoleMember, "mei@example.com", "")
			kept, err := f.InviteMember(t.Context(), owner, posthorn.NewMemberInvitation{Email: "kept@example.com", Role: posthorn.RoleMember})
			if err != nil {
				t.Fatal(err)
			}
			second := f.signedIn(t, f.add(t, made.TenantID, posthorn.RoleOwner, "second@example.com", ""))
			invitation, err := f.InviteMember(t.Context(), second, posthorn.NewMemberInvitation{Email: "back@example.com", Role: posthorn.RoleOwner})
			if err != nil {
				t.Fatal(err)
			}
			reset, err := f.MakeResetLink(t.Context(), second, member.ID, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := end(f, owner, second.User); err != nil {
				t.Fatal(err)
			}
			if i, _, err := f.OpenMemberInvitation(t.Context(), invitation.Token, "192.0.2.7"); err != nil || i.State(time.Now()) != posthorn.MemberInvitationRevoked {
				t.Errorf("the invitation is %s, %v", i.State(time.Now()), err)
			}
			if _, err := f.ResetPasswordByLink(t.Context(), reset.Token, "192.0.2.7", otherPassword); !errors.Is(err, posthorn.ErrResetOver) {
				t.Errorf("the reset link: %v", err)
			}
			if i, _, err := f.OpenMemberInvitation(t.Context(), kept.Token, "192.0.2.7"); err != nil || i.State(time.Now()) != posthorn.MemberInvitationOpen {
				t.Errorf("what another owner made is %s, %v", i.State(time.Now()), err)
			}
			// A request that was under way when the role ended makes none either.
			if _, err := f.MakeResetLink(t.Context(), second, member.ID, nil); !errors.Is(err, posthorn.ErrOwnersManage) {
				t.Errorf("another reset link: %v", err)
			}
			_, err = f.InviteMember(t.Context(), second, posthorn.NewMemberInvitation{Email: "late@example.com", Role: posthorn.RoleOwner})
			if !errors.Is(err, posthorn.ErrOwnersManage) {
				t.Errorf("another invitation: %v", err)
			}
		})
	}
}

func TestAnExternalIDBelongsToOneUserOfATenant(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	made, owner := f.found(t, ownerEmail)
	f.add(t, made.TenantID, posthorn.RoleMember, "mei@example.com", "clerk_mei")
	who := f.signedIn(t, owner)
	err := f.UpdateMember(t.Context(), who, owner.ID, posthorn.MemberChange{Name: "Ada", Role: posthorn.RoleOwner, ExternalID: "clerk_mei"})
	wantConflict(t, err, posthorn.FieldExternalID)
	if entries := f.audit(t, posthorn.ActionUserUpdated); len(entries) != 0 {
		t.Errorf("a refused change is in the audit log: %+v", entries)
	}
}

// wantConflict checks that an error is a Conflict about a field.
func wantConflict(t *testing.T, err error, field string) {
	t.Helper()
	e, ok := errors.AsType[*posthorn.Error](err)
	if !ok || e.Kind != posthorn.Conflict || e.Fields[field] == "" {
		t.Errorf("error is %v, want a conflict about %s", err, field)
	}
}

func TestAnInvitationIsAcceptedByOneOfMany(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	made, owner := f.found(t, ownerEmail)
	invitation, err := f.InviteMember(t.Context(), f.signedIn(t, owner), posthorn.NewMemberInvitation{Email: "mei@example.com", Role: posthorn.RoleAdmin, ExternalID: "clerk_mei"})
	if err != nil {
		t.Fatal(err)
	}
	const tries = 6
	var wait sync.WaitGroup
	failures := make([]error, tries)
	for i := range tries {
		wait.Go(func() {
			_, failures[i] = f.AcceptMemberInvitation(t.Context(), posthorn.Acceptance{Token: invitation.Token, Name: "Mei", Password: ownerPassword})
		})
	}
	wait.Wait()
	accepted := 0
	for _, err := range failures {
		switch {
		case err == nil:
			accepted++
		case !errors.Is(err, posthorn.ErrMemberInvitationOver):
			t.Errorf("refused with %v", err)
		}
	}
	if accepted != 1 {
		t.Errorf("%d were accepted", accepted)
	}
	list, err := f.ListMemberInvitations(t.Context(), made.TenantID)
	if err != nil || len(list) != 1 || list[0].State(time.Now()) != posthorn.MemberInvitationAccepted || list[0].AcceptedBy.IsZero() || list[0].ExternalID != "clerk_mei" {
		t.Errorf("the list is %+v, %v", list, err)
	}
	if n := len(f.audit(t, posthorn.ActionMemberInvitationAccepted)); n != 1 {
		t.Errorf("%d entries", n)
	}
}

func TestAnInvitationThatCouldNotBeAcceptedIsNotMade(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	made, owner := f.found(t, ownerEmail)
	f.add(t, made.TenantID, posthorn.RoleMember, "mei@example.com", "clerk_mei")
	who := f.signedIn(t, owner)
	invite := func(email, external string) error {
		_, err := f.InviteMember(t.Context(), who, posthorn.NewMemberInvitation{Email: email, Role: posthorn.RoleMember, ExternalID: external})
		return err
	}
	wantConflict(t, invite("MEI@example.com", ""), posthorn.FieldEmail)
	wantConflict(t, invite("new@example.com", "clerk_mei"), posthorn.FieldExternalID)
	if err := invite("new@example.com", ""); err != nil {
		t.Fatal(err)
	}
	wantConflict(t, invite("New@example.com", ""), posthorn.FieldEmail)
	if err := invite("second@example.com", "clerk_ana"); err != nil {
		t.Fatal(err)
	}
	wantConflict(t, invite("third@example.com", "clerk_ana"), posthorn.FieldExternalID)
	if _, err := f.db.Pool().Exec(t.Context(), `UPDATE member_invitations SET expires_at = now()`); err != nil {
		t.Fatal(err)
	}
	if err := invite("new@example.com", ""); err != nil {
		t.Errorf("after the first has expired: %v", err)
	}
	if err := invite("third@example.com", "clerk_ana"); err != nil {
		t.Errorf("an external id after its invitation has expired: %v", err)
	}
}

func TestAnInvitationOfAnotherTenantIsNotFound(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	_, owner := f.found(t, ownerEmail)
	_, other := f.found(t, "other@example.com")
	made, err := f.InviteMember(t.Context(), f.signedIn(t, owner), posthorn.NewMemberInvitation{Email: "mei@example.com", Role: posthorn.RoleMember})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.RevokeMemberInvitation(t.Context(), f.signedIn(t, other), made.ID); posthorn.KindOf(err) != posthorn.NotFound {
		t.Errorf("revoke: %v", err)
	}
	if _, err := f.RevokeMemberInvitation(t.Context(), f.signedIn(t, owner), made.ID); err != nil {
		t.Fatal(err)
	}
	i, _, err := f.OpenMemberInvitation(t.Context(), made.Token, "192.0.2.7")
	if err != nil || i.State(time.Now()) != posthorn.MemberInvitationRevoked {
		t.Errorf("it is %s, %v", i.State(time.Now()), err)
	}
}

func TestTheTokensOfLinksAreNotStored(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	made, owner := f.found(t, ownerEmail)
	m := f.add(t, made.TenantID, posthorn.RoleMember, "mei@example.com", "")
	who := f.signedIn(t, owner)
	invitation, err := f.InviteMember(t.Context(), who, posthorn.NewMemberInvitation{Email: "new@example.com", Role: posthorn.RoleMember})
	if err != nil {
		t.Fatal(err)
	}
	reset, err := f.MakeResetLink(t.Context(), who, m.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"member_invitations", "password_resets", "audit_log", "idempotency_keys", "sign_in_failures"} {
		var n int
		err := f.db.Pool().QueryRow(t.Context(), `SELECT count(*) FROM `+table+` x WHERE x::text LIKE '%' || $1 || '%' OR x::text LIKE '%' || $2 || '%'`,
			invitation.Token, reset.Token).Scan(&n)
		if err != nil || n != 0 {
			t.Errorf("%s has a token %d times, %v", table, n, err)
		}
	}
}

func TestAResetLinkEndsAllSessionsAndWorksOnce(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	made, owner := f.found(t, ownerEmail)
	m := f.add(t, made.TenantID, posthorn.RoleMember, "mei@example.com", "")
	hash := f.startSession(t, m, time.Now())
	form := &posthorn.IdempotencyKey{Scope: "form", Key: "k"}
	link, err := f.MakeResetLink(t.Context(), f.signedIn(t, owner), m.ID, form)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := f.MakeResetLink(t.Context(), f.signedIn(t, owner), m.ID, form); err != nil || !again.Repeated || again.Token != "" {
		t.Errorf("the same form again: %+v, %v", again, err)
	}
	const tries = 4
	var wait sync.WaitGroup
	failures := make([]error, tries)
	for i := range tries {
		wait.Go(func() { _, failures[i] = f.ResetPasswordByLink(t.Context(), link.Token, "192.0.2.7", otherPassword) })
	}
	wait.Wait()
	used := 0
	for _, err := range failures {
		if err == nil {
			used++
		} else if !errors.Is(err, posthorn.ErrResetOver) {
			t.Errorf("refused with %v", err)
		}
	}
	if used != 1 {
		t.Errorf("it was used %d times", used)
	}
	if _, err := f.sessions.Session(t.Context(), hash); posthorn.KindOf(err) != posthorn.NotFound {
		t.Errorf("the session: %v", err)
	}
	if _, err := f.SignIn(t.Context(), posthorn.SignInAttempt{Email: m.Email, Password: otherPassword}); err != nil {
		t.Errorf("sign in: %v", err)
	}
}
