package postgres_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"posthorn/internal/posthorn"
	"posthorn/internal/testkit"
)

// flood makes many wrong guesses at the same time, from two processes, and returns how many were refused unchecked.
func flood(t *testing.T, f accountsFixture, guesses int, attempt func(i int) posthorn.SignInAttempt) (refused int64) {
	t.Helper()
	other := f
	other.Accounts = accountsOver(t, f.db, freeHasher{f.compared}).Accounts
	var limited atomic.Int64
	var wg sync.WaitGroup
	for i := range guesses {
		wg.Go(func() {
			by := []accountsFixture{f, other}[i%2]
			_, err := by.SignIn(t.Context(), attempt(i))
			switch posthorn.KindOf(err) {
			case posthorn.Unauthorized:
			case posthorn.RateLimited:
				limited.Add(1)
			default:
				t.Errorf("guess %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	return limited.Load()
}

func TestGuessesAtTheSameTimeDoNotExceedTheLimitOfTheAccount(t *testing.T) {
	t.Parallel()
	for name, email := range map[string]string{"known": ownerEmail, "unknown": "eve@example.com"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := accountsOver(t, testkit.DB(t), nil)
			f.found(t, ownerEmail)
			refused := flood(t, f, 40, func(i int) posthorn.SignInAttempt {
				return posthorn.SignInAttempt{Email: email, Password: "wrong", Address: fmt.Sprintf("192.0.2.%d", i)}
			})
			if n := f.compared.Load(); n != 5 || refused != 35 {
				t.Errorf("%d passwords were checked and %d refused, want 5 and 35", n, refused)
			}
		})
	}
}

func TestGuessesAtTheSameTimeDoNotExceedTheLimitOfTheAddress(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	refused := flood(t, f, 60, func(i int) posthorn.SignInAttempt {
		return posthorn.SignInAttempt{Email: fmt.Sprintf("eve%d@example.com", i), Password: "wrong", Address: "192.0.2.1"}
	})
	if n := f.compared.Load(); n != 30 || refused != 30 {
		t.Errorf("%d passwords were checked and %d refused, want 30 and 30", n, refused)
	}
}

func TestAttemptsThatShareTheirKeysDoNotDeadlock(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	orders := [][]string{{"a", "b", "c", "d"}, {"d", "c", "b", "a"}, {"c", "a", "d", "b"}, {"b", "d", "a", "c"}}
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			err := f.store.UpdateSignInFailures(t.Context(), orders[i%len(orders)], func(counts []posthorn.SignInFailures) error {
				for k := range counts {
					counts[k].Failures++
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var least int
	if err := f.db.Pool().QueryRow(t.Context(), `SELECT min(failures) FROM sign_in_failures`).Scan(&least); err != nil || least != 100 {
		t.Errorf("counted %d of 100, error %v", least, err)
	}
}

func TestARefusedGuessLeavesNoTrace(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	keys := []string{"account:a", "address:b"}
	refuse := errors.New("refused")
	err := f.store.UpdateSignInFailures(t.Context(), keys, func(counts []posthorn.SignInFailures) error {
		counts[0].Failures = 7
		return refuse
	})
	if !errors.Is(err, refuse) {
		t.Errorf("error %v", err)
	}
	if n := f.count(t, "sign_in_failures"); n != 0 {
		t.Errorf("%d rows", n)
	}
}

func TestFailuresAreKeptAsCountedAndForgottenAtZero(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	keys := []string{"b", "a"} // not in the order in which they are locked
	now := time.Now().Truncate(time.Microsecond)
	update := func(change func([]posthorn.SignInFailures)) {
		t.Helper()
		err := f.store.UpdateSignInFailures(t.Context(), keys, func(counts []posthorn.SignInFailures) error {
			if counts[0].Key != "b" || counts[1].Key != "a" {
				t.Errorf("counts come as %v", counts)
			}
			change(counts)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	update(func(c []posthorn.SignInFailures) {
		if c[0].Failures != 0 || c[0].BlockedUntil.After(now) {
			t.Errorf("a new count is %+v", c[0])
		}
		c[0].Failures, c[0].FirstAt, c[0].LastAt, c[0].BlockedUntil = 3, now.Add(-time.Hour), now, now.Add(time.Minute)
		c[1].Failures = 1
	})
	update(func(c []posthorn.SignInFailures) {
		if c[0].Failures != 3 || !c[0].FirstAt.Equal(now.Add(-time.Hour)) || !c[0].LastAt.Equal(now) || !c[0].BlockedUntil.Equal(now.Add(time.Minute)) {
			t.Errorf("kept as %+v", c[0])
		}
		c[0].Failures = 0
	})
	if n := f.count(t, "sign_in_failures"); n != 1 {
		t.Errorf("%d rows, want the one that is not at zero", n)
	}
}

func TestASignInForgetsTheFailuresOfItsAccount(t *testing.T) {
	t.Parallel()
	f := newAccounts(t)
	f.found(t, ownerEmail)
	attempt := posthorn.SignInAttempt{Email: ownerEmail, Password: "wrong", Address: "192.0.2.1"}
	for range 4 {
		_, err := f.SignIn(t.Context(), attempt)
		wantKind(t, err, posthorn.Unauthorized, "")
	}
	attempt.Password = ownerPassword
	if _, err := f.SignIn(t.Context(), attempt); err != nil {
		t.Fatal(err)
	}
	var key string
	var failures int
	err := f.db.Pool().QueryRow(t.Context(), `SELECT key, failures FROM sign_in_failures`).Scan(&key, &failures)
	if n := f.count(t, "sign_in_failures"); err != nil || n != 1 || key != "address:192.0.2.1" || failures != 4 {
		t.Errorf("%d rows, %s with %d failures, error %v; want the address with its 4", n, key, failures, err)
	}
}
