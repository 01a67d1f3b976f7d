package posthorn_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/posthorn"
)

func (f accountsFixture) try(t *testing.T, email, password, address string) error {
	t.Helper()
	_, err := f.SignIn(t.Context(), posthorn.SignInAttempt{Email: email, Password: password, Address: address})
	return err
}

func TestSignInFindsTheUserInAnyCaseOfTheAddress(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	who := f.withOwner(t)
	u, err := f.SignIn(t.Context(), posthorn.SignInAttempt{Email: " aDA@example.com ", Password: goodPassword, Address: "192.0.2.1"})
	if err != nil || u.ID != who.User.ID {
		t.Errorf("user %v, error %v", u, err)
	}
}

func TestUnknownUserAndWrongPasswordAreAnsweredAlikeAfterTheSameWork(t *testing.T) {
	t.Parallel()
	for name, email := range map[string]string{
		"wrong password": "ada@example.com", "unknown user": "eve@example.com", "no address at all": "eve\x00",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newAccounts(t)
			f.withOwner(t)
			err := f.try(t, email, "wrong", "192.0.2.1")
			wantKind(t, err, posthorn.Unauthorized)
			if err.Error() != "Email or password is wrong." {
				t.Errorf("message %q", err)
			}
			if n := f.hasher.compared(); n != 1 {
				t.Errorf("compared %d times, want once", n)
			}
			if n := len(f.store.failures); n != 2 {
				t.Errorf("%d counts, want one for the account and one for the address", n)
			}
		})
	}
}

func TestEmptySignInIsInvalidAndCountsNothing(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	wantKind(t, f.try(t, " ", "", "192.0.2.1"), posthorn.Invalid, posthorn.FieldEmail, posthorn.FieldPassword)
	if len(f.store.failures) != 0 {
		t.Error("it was counted as a failure")
	}
}

func TestSignInBringsAnOldHashToTodaysCost(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	f.withOwner(t)
	f.store.users[0].PasswordHash = "old:" + goodPassword
	wantKind(t, f.try(t, "ada@example.com", "wrong", ""), posthorn.Unauthorized)
	if got := f.store.users[0].PasswordHash; got != "old:"+goodPassword {
		t.Errorf("a wrong password made the hash %q", got)
	}
	if err := f.try(t, "ada@example.com", goodPassword, ""); err != nil {
		t.Fatal(err)
	}
	if got := f.store.users[0].PasswordHash; got != "new:"+goodPassword {
		t.Errorf("hash %q", got)
	}
}

// wantBlocked checks that an attempt is refused without looking at the password, for as long as wait.
func (f accountsFixture) wantBlocked(t *testing.T, email, address string, wait time.Duration) {
	t.Helper()
	before := f.hasher.compared()
	err := f.try(t, email, goodPassword, address)
	wantKind(t, err, posthorn.RateLimited)
	e, _ := errors.AsType[*posthorn.Error](err)
	if got := time.Until(e.RetryAt); got != wait {
		t.Errorf("blocked for %s, want %s", got, wait)
	}
	if f.hasher.compared() != before {
		t.Error("the password was looked at all the same")
	}
}

func TestAnAccountIsBlockedAfterFiveFailuresAndLongerAfterEachMore(t *testing.T) {
	t.Parallel()
	for name, email := range map[string]string{"known": "ada@example.com", "unknown": "eve@example.com"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newAccounts(t)
				f.withOwner(t)
				// Every attempt comes from elsewhere: the account alone is what blocks.
				address := func(i int) string { return fmt.Sprintf("192.0.2.%d", i) }
				for i := range 4 {
					wantKind(t, f.try(t, email, "wrong", address(i)), posthorn.Unauthorized)
				}
				const m = time.Minute
				for i, block := range []time.Duration{m, 2 * m, 4 * m, 8 * m, 15 * m, 15 * m, 15 * m} {
					wantKind(t, f.try(t, email, "wrong", address(10+i)), posthorn.Unauthorized)
					f.wantBlocked(t, email, address(30+i), block)
					pass(block - time.Second)
					f.wantBlocked(t, email, address(50+i), time.Second)
					pass(time.Second)
				}
			})
		})
	}
}

func TestARightPasswordStartsTheAccountFromZero(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	f.withOwner(t)
	for range 3 {
		for range 4 {
			wantKind(t, f.try(t, "ada@example.com", "wrong", ""), posthorn.Unauthorized)
		}
		if err := f.try(t, "ada@example.com", goodPassword, ""); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.store.failures) != 0 {
		t.Errorf("still counted: %v", f.store.failures)
	}
}

func TestFailuresOfAnAccountAddUpWhileNoDayPassesBetweenThem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newAccounts(t)
		for range 4 {
			wantKind(t, f.try(t, "eve@example.com", "wrong", ""), posthorn.Unauthorized)
			pass(20 * time.Hour)
		}
		wantKind(t, f.try(t, "eve@example.com", "wrong", ""), posthorn.Unauthorized)
		f.wantBlocked(t, "eve@example.com", "", time.Minute)
	})
}

func TestFailuresOfAnAccountAreForgottenAfterADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newAccounts(t)
		for range 4 {
			wantKind(t, f.try(t, "eve@example.com", "wrong", ""), posthorn.Unauthorized)
		}
		pass(24*time.Hour + time.Second)
		for range 5 {
			wantKind(t, f.try(t, "eve@example.com", "wrong", ""), posthorn.Unauthorized)
		}
		f.wantBlocked(t, "eve@example.com", "", time.Minute)
	})
}

func TestAnAddressIsBlockedAfterThirtyFailuresWithinFifteenMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newAccounts(t)
		f.withOwner(t)
		account := 0
		fail := func(times int) {
			t.Helper()
			for range times {
				account++
				wantKind(t, f.try(t, fmt.Sprintf("eve%d@example.com", account), "wrong", "192.0.2.1"), posthorn.Unauthorized)
			}
		}
		fail(29)
		// A right password takes back nothing but itself.
		if err := f.try(t, "ada@example.com", goodPassword, "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
		fail(1)
		f.wantBlocked(t, "ada@example.com", "192.0.2.1", 15*time.Minute)
		if err := f.try(t, "ada@example.com", goodPassword, "192.0.2.2"); err != nil {
			t.Errorf("another address is blocked too: %v", err)
		}
		pass(15 * time.Minute)
		fail(29)
		pass(15 * time.Minute)
		fail(29)
		if err := f.try(t, "ada@example.com", goodPassword, "192.0.2.1"); err != nil {
			t.Errorf("blocked by failures of more than 15 minutes: %v", err)
		}
	})
}

func TestAddressesOfOneCustomerCountTogether(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		one, other string
		together   bool
	}{
		"IPv6 of one network":      {"2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true},
		"IPv6 of two networks":     {"2001:db8:0:1::1", "2001:db8:0:2::1", false},
		"IPv4 mapped into IPv6":    {"192.0.2.1", "::ffff:192.0.2.1", true},
		"two IPv4 addresses":       {"192.0.2.1", "192.0.2.2", false},
		"one zone and another":     {"fe80::1%eth0", "fe80::1%eth1", true},
		"what is not an address":   {"unix", "unix", true},
		"two that are not one":     {"unix", "pipe", false},
		"IPv6 written differently": {"2001:db8::1", "2001:0DB8:0:0::1", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newAccounts(t)
			_ = f.try(t, "eve@example.com", "wrong", c.one)
			_ = f.try(t, "mal@example.com", "wrong", c.other)
			want := 4 // two accounts, two addresses
			if c.together {
				want = 3
			}
			if got := len(f.store.failures); got != want {
				t.Errorf("%d counts, want %d: %v", got, want, f.store.failures)
			}
		})
	}
}

func TestGuessesAtTheSameTimeDoNotExceedTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newAccounts(t)
		f.withOwner(t)
		f.hasher.hold = make(chan struct{})
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() { _ = f.try(t, "ada@example.com", "wrong", fmt.Sprintf("192.0.2.%d", i)) })
		}
		synctest.Wait() // every one of them is refused or being checked
		if n := f.hasher.compared(); n != 5 {
			t.Errorf("%d passwords are being checked, want 5", n)
		}
		close(f.hasher.hold)
		wg.Wait()
	})
}

func TestChangePasswordChecksEveryField(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		current, next string
		bad           []string
	}{
		"fits":              {goodPassword, newPassword, nil},
		"current wrong":     {"something else", newPassword, []string{posthorn.FieldCurrentPassword}},
		"current missing":   {"", newPassword, []string{posthorn.FieldCurrentPassword}},
		"new too short":     {goodPassword, "short", []string{posthorn.FieldNewPassword}},
		"new missing":       {goodPassword, "", []string{posthorn.FieldNewPassword}},
		"new is the old":    {goodPassword, goodPassword, []string{posthorn.FieldNewPassword}},
		"both missing":      {"", "", []string{posthorn.FieldCurrentPassword, posthorn.FieldNewPassword}},
		"case is different": {"Correct horse battery", newPassword, []string{posthorn.FieldCurrentPassword}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newAccounts(t)
			who := f.withOwner(t)
			err := f.ChangePassword(t.Context(), who, c.current, c.next)
			if c.bad != nil {
				wantKind(t, err, posthorn.Invalid, c.bad...)
				if len(f.store.changes) != 0 {
					t.Error("the password was changed all the same")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			change := f.store.changes[0]
			if change.OldHash != "new:"+goodPassword || change.NewHash != "new:"+newPassword || *change.Except != who.Session.TokenHash {
				t.Errorf("change %+v", change)
			}
		})
	}
}

func TestAWrongCurrentPasswordCountsAsAFailedSignIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newAccounts(t)
		who := f.withOwner(t)
		for range 3 {
			wantKind(t, f.ChangePassword(t.Context(), who, "wrong", newPassword), posthorn.Invalid, posthorn.FieldCurrentPassword)
		}
		for range 2 {
			wantKind(t, f.try(t, "ada@example.com", "wrong", "192.0.2.9"), posthorn.Unauthorized)
		}
		wantKind(t, f.ChangePassword(t.Context(), who, goodPassword, newPassword), posthorn.RateLimited)
		f.wantBlocked(t, "ada@example.com", "192.0.2.9", time.Minute)
	})
}

func TestResetPasswordEndsTheBlockOfTheAccount(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	f.withOwner(t)
	for range 5 {
		wantKind(t, f.try(t, "ada@example.com", "wrong", ""), posthorn.Unauthorized)
	}
	if err := f.ResetPassword(t.Context(), posthorn.CommandLine(), "ADA@example.com", newPassword); err != nil {
		t.Fatal(err)
	}
	if change := f.store.changes[0]; change.Except != nil {
		t.Error("a session is left")
	}
	if err := f.try(t, "ada@example.com", newPassword, ""); err != nil {
		t.Errorf("sign in with the new password: %v", err)
	}
}

func TestResetPasswordOfNobodyIsNotFound(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	wantKind(t, f.ResetPassword(t.Context(), posthorn.CommandLine(), "eve@example.com", newPassword), posthorn.NotFound)
	wantKind(t, f.ResetPassword(t.Context(), posthorn.CommandLine(), "eve", "short"), posthorn.Invalid, posthorn.FieldEmail, posthorn.FieldNewPassword)
}
