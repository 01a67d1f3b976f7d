package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"posthorn/internal/posthorn"
)

// signIn stores a session of a user that lasts for life.
func (f accountsFixture) signIn(t *testing.T, u posthorn.User, token byte, life time.Duration) posthorn.Session {
	t.Helper()
	s := session(u, token, life)
	if err := f.sessions.CreateSession(t.Context(), s); err != nil {
		t.Fatalf("create session: %v", err)
	}
	return s
}

func session(u posthorn.User, token byte, life time.Duration) posthorn.Session {
	now := time.Now().UTC().Truncate(time.Microsecond)
	return posthorn.Session{
		TokenHash: [32]byte{token}, UserID: u.ID, PasswordChangedAt: u.PasswordChangedAt, Data: []byte(`{"a":1}`),
		Address: "192.0.2.1", UserAgent: "Firefox", CreatedAt: now, LastSeenAt: now, ExpiresAt: now.Add(life),
	}
}

func (f accountsFixture) alive(t *testing.T, token byte) bool {
	t.Helper()
	_, err := f.sessions.Session(t.Context(), [32]byte{token})
	if err == nil {
		return true
	}
	wantKind(t, err, posthorn.NotFound, "")
	return false
}

func TestASessionComesWithItsUserAndTenant(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	made, owner := f.found(t, ownerEmail)
	s := f.signIn(t, owner, 1, time.Hour)
	tenant, err := f.TenantByID(t.Context(), made.TenantID)
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.sessions.Session(t.Context(), s.TokenHash)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(posthorn.SignedIn{Session: s, User: owner, Tenant: tenant}, got, cmpopts.EquateApproxTime(0)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestASessionIsOverWhenItsTimeHasComeOrItNeverWas(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	_, owner := f.found(t, ownerEmail)
	f.signIn(t, owner, 1, -time.Millisecond)
	f.signIn(t, owner, 2, time.Hour)
	for token, want := range map[byte]bool{1: false, 2: true, 3: false} {
		if got := f.alive(t, token); got != want {
			t.Errorf("session %d is alive: %v, want %v", token, got, want)
		}
	}
}

func TestASessionIsTouchedAtMostOnceAMinuteAndLastsLongerForIt(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	_, owner := f.found(t, ownerEmail)
	s := f.signIn(t, owner, 1, time.Hour)
	for _, step := range []struct {
		after time.Duration
		want  time.Duration // when it counts as last seen
	}{
		{59 * time.Second, 0},
		{time.Minute, time.Minute},
		{90 * time.Second, time.Minute},
		{2 * time.Minute, 2 * time.Minute},
		{-time.Hour, 2 * time.Minute},
	} {
		seen := s.LastSeenAt.Add(step.after)
		if err := f.sessions.TouchSession(t.Context(), s.TokenHash, seen, seen.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		got, err := f.sessions.Session(t.Context(), s.TokenHash)
		if err != nil {
			t.Fatal(err)
		}
		want := s.LastSeenAt.Add(step.want)
		if !got.Session.LastSeenAt.Equal(want) || !got.Session.ExpiresAt.Equal(want.Add(time.Hour)) {
			t.Errorf("touched after %s: last seen %s, expires %s", step.after, got.Session.LastSeenAt, got.Session.ExpiresAt)
		}
	}
	if err := f.sessions.TouchSession(t.Context(), [32]byte{9}, time.Now(), time.Now().Add(time.Hour)); err != nil || f.alive(t, 9) {
		t.Errorf("touching what is no session: %v", err)
	}
}

func TestSessionDataIsKeptWhileTheSessionIs(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	_, owner := f.found(t, ownerEmail)
	s := f.signIn(t, owner, 1, time.Hour)
	if err := f.sessions.SaveSessionData(t.Context(), s.TokenHash, []byte("new")); err != nil {
		t.Fatal(err)
	}
	got, err := f.sessions.Session(t.Context(), s.TokenHash)
	if err != nil || string(got.Session.Data) != "new" {
		t.Errorf("data %q, error %v", got.Session.Data, err)
	}
	for range 2 { // ending it again changes nothing
		if err := f.sessions.DeleteSession(t.Context(), s.TokenHash); err != nil {
			t.Fatal(err)
		}
	}
	wantKind(t, f.sessions.SaveSessionData(t.Context(), s.TokenHash, nil), posthorn.NotFound, "")
}

func TestASessionTakesWhateverTheBrowserCallsItself(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	_, owner := f.found(t, ownerEmail)
	s := session(owner, 1, time.Hour)
	s.UserAgent, s.Data = "Fire\xff\x00fox é"[:11], nil
	if err := f.sessions.CreateSession(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	got, err := f.sessions.Session(t.Context(), s.TokenHash)
	if err != nil || got.Session.UserAgent != "Fire\uFFFDfox \uFFFD" {
		t.Errorf("user agent %q, error %v", got.Session.UserAgent, err)
	}
}

func TestSigningOutEverywhereSparesTheExceptedSessionAndOtherUsers(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	_, owner := f.found(t, ownerEmail)
	_, other := f.found(t, "other@example.com")
	for token := range byte(3) {
		f.signIn(t, owner, token, time.Hour)
	}
	f.signIn(t, other, 7, time.Hour)
	ended, err := f.DeleteUserSessions(t.Context(), owner.Actor("192.0.2.1"), owner, &[32]byte{1})
	if err != nil || ended != 2 {
		t.Errorf("ended %d, error %v", ended, err)
	}
	for token, want := range map[byte]bool{0: false, 1: true, 2: false, 7: true} {
		if got := f.alive(t, token); got != want {
			t.Errorf("session %d is alive: %v, want %v", token, got, want)
		}
	}
	if ended, err = f.DeleteUserSessions(t.Context(), owner.Actor("192.0.2.1"), owner, nil); err != nil || ended != 1 || f.alive(t, 1) {
		t.Errorf("without an exception: ended %d, error %v", ended, err)
	}
	entries := f.audit(t, posthorn.ActionSignedOutEverywhere)
	if len(entries) != 2 || entries[0].After["sessionsEnded"] != 2.0 {
		t.Errorf("audit log %+v", entries)
	}
}

func TestANewPasswordEndsTheOtherSessions(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	_, owner := f.found(t, ownerEmail)
	mine := f.signIn(t, owner, 1, time.Hour)
	f.signIn(t, owner, 2, time.Hour)
	who := posthorn.SignedIn{User: owner, Session: mine}
	if err := f.ChangePassword(t.Context(), who, ownerPassword, otherPassword); err != nil {
		t.Fatal(err)
	}
	if !f.alive(t, 1) || f.alive(t, 2) {
		t.Error("want the session that changed it to stay and the other to end")
	}
	if err := f.ResetPassword(t.Context(), posthorn.CommandLine(), ownerEmail, ownerPassword); err != nil {
		t.Fatal(err)
	}
	if f.alive(t, 1) {
		t.Error("a reset leaves a session")
	}
	if n := len(f.audit(t, posthorn.ActionPasswordChanged)) + len(f.audit(t, posthorn.ActionPasswordReset)); n != 2 {
		t.Errorf("%d entries in the audit log, want 2", n)
	}
}

func TestAPasswordThatWasChangedMeanwhileIsNotOverwritten(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	_, owner := f.found(t, ownerEmail)
	_, err := f.store.SetPassword(t.Context(), posthorn.PasswordChange{UserID: owner.ID, OldHash: "free:older", NewHash: "free:mine", At: time.Now()})
	wantKind(t, err, posthorn.Conflict, "")
	if err := f.store.ReplaceHash(t.Context(), owner.ID, "free:older", "free:mine"); err != nil {
		t.Fatal(err)
	}
	c, err := f.store.CredentialsByID(t.Context(), owner.ID)
	if err != nil || c.PasswordHash != "free:"+ownerPassword {
		t.Errorf("hash %q, error %v", c.PasswordHash, err)
	}
	if err := f.store.ReplaceHash(t.Context(), owner.ID, c.PasswordHash, "free:again"); err != nil {
		t.Fatal(err)
	}
	if c, err = f.store.CredentialsByID(t.Context(), owner.ID); err != nil || c.PasswordHash != "free:again" || !c.User.PasswordChangedAt.Equal(owner.PasswordChangedAt) {
		t.Errorf("after a rehash: %+v, error %v", c, err)
	}
}

func TestAnOldPasswordBeginsNoSessionAfterItsChange(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	_, owner := f.found(t, ownerEmail)
	if err := f.ResetPassword(t.Context(), posthorn.CommandLine(), ownerEmail, otherPassword); err != nil {
		t.Fatal(err)
	}
	wantKind(t, f.sessions.CreateSession(t.Context(), session(owner, 1, time.Hour)), posthorn.Unauthorized, "")
}

func TestASessionWaitsForAPasswordThatIsBeingChanged(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	_, owner := f.found(t, ownerEmail)
	ctx := t.Context()
	tx, err := f.db.Pool().Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if _, err := tx.Exec(ctx, `UPDATE users SET password_changed_at = now() WHERE id = $1`, owner.ID.UUID()); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- f.sessions.CreateSession(ctx, session(owner, 1, time.Hour)) }()
	awaitBlocked(t, f.db)
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	wantKind(t, <-done, posthorn.Unauthorized, "")
	if f.count(t, "sessions") != 0 {
		t.Error("the session was stored")
	}
}
