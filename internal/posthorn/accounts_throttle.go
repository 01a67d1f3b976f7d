package posthorn

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"time"
)

// Limits on guessing passwords.
const (
	// accountLimit is the number of failures after which an account is blocked, for accountBlock at first and twice as
	// long after each further one, up to maxAccountBlock.
	accountLimit    = 5
	accountBlock    = time.Minute
	maxAccountBlock = 15 * time.Minute
	// accountMemory is how long the failures of an account count after the last of them.
	accountMemory = 24 * time.Hour
	// addressLimit is the number of failures from one address within addressWindow after which it is blocked for as long.
	addressLimit  = 30
	addressWindow = 15 * time.Minute
)

// SignInFailures counts the failed sign-ins of one account or from one address. Attempts that are still being checked
// count as failures until they turn out right.
type SignInFailures struct {
	// Key names the account or address. It tells nothing about what was typed.
	Key      string
	Failures int
	// FirstAt and LastAt are when counting began and when it last went on. BlockedUntil is in the past unless blocked.
	FirstAt, LastAt, BlockedUntil time.Time
}

// SignInThrottle keeps the counts.
type SignInThrottle interface {
	// UpdateSignInFailures gives the counts of keys, in their order, to change, while no other update sees them; a key
	// without a count comes with zero failures. What change leaves there is stored, zero failures by forgetting the key.
	// When change fails nothing is stored and its error is returned.
	UpdateSignInFailures(ctx context.Context, keys []string, change func([]SignInFailures) error) error
}

// guessKeys returns the keys under which an attempt counts: the account first, then the address unless it is unknown.
// An account that does not exist is counted by the email that was typed, so that it answers as one that does.
func guessKeys(user UserID, email, address string) []string {
	account := "account:" + user.String()
	if user.IsZero() {
		sum := sha256.Sum256([]byte(foldEmail(email)))
		account = "account:" + hex.EncodeToString(sum[:])
	}
	if address == "" {
		return []string{account}
	}
	return []string{account, "address:" + addressKey(address)}
}

// addressKey names who an IP address belongs to: the address itself, of IPv6 the first 64 bits, for one customer has all
// that begin with them.
func addressKey(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		sum := sha256.Sum256([]byte(address))
		return hex.EncodeToString(sum[:])
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	return netip.PrefixFrom(ip, 64).Masked().String()
}

// guess runs verify when the limits allow another guess. The guess is counted as a failure before it is checked and
// given back when it was right, so that no number of guesses at the same time gets past the limits.
func (a *Accounts) guess(ctx context.Context, keys []string, verify func() (bool, error)) (bool, error) {
	err := a.store.UpdateSignInFailures(ctx, keys, func(counts []SignInFailures) error { return countGuess(counts, time.Now()) })
	if err != nil {
		return false, fmt.Errorf("count the attempt: %w", err)
	}
	right, err := verify()
	if err != nil || !right {
		return false, err
	}
	return true, a.forgive(ctx, keys)
}

// forgive takes back what a right guess was counted as: the account starts from zero, the address loses this one only,
// or else whoever has an account could go on guessing at others.
func (a *Accounts) forgive(ctx context.Context, keys []string) error {
	err := a.store.UpdateSignInFailures(ctx, keys, func(counts []SignInFailures) error {
		counts[0].Failures = 0
		if len(counts) > 1 {
			counts[1].takeBack()
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forget failed attempts: %w", err)
	}
	return nil
}

// countGuess counts one more guess, or refuses it when the account or the address is blocked.
func countGuess(counts []SignInFailures, now time.Time) error {
	if err := refuseBlocked(counts, now); err != nil {
		return err
	}
	counts[0].countAccount(now)
	if len(counts) > 1 {
		counts[1].countAddress(now)
	}
	return nil
}

// refuseBlocked is RateLimited while the account or the address is blocked.
func refuseBlocked(counts []SignInFailures, now time.Time) error {
	var until time.Time
	for _, c := range counts {
		if c.BlockedUntil.After(now) && c.BlockedUntil.After(until) {
			until = c.BlockedUntil
		}
	}
	if until.IsZero() {
		return nil
	}
	shown := until.Add(time.Minute - 1).Truncate(time.Minute).UTC() // rounded up: at that minute it will work
	return &Error{
		Kind: RateLimited, RetryAt: until,
		Message: "Too many failed attempts. Try again after " + shown.Format("15:04 UTC") + ".",
	}
}

// guessFrom is guess for what belongs to no account, as the token of a link: it counts by the address alone.
func (a *Accounts) guessFrom(ctx context.Context, address string, verify func() (bool, error)) (bool, error) {
	if address == "" {
		return verify()
	}
	keys := []string{"address:" + addressKey(address)}
	err := a.store.UpdateSignInFailures(ctx, keys, func(counts []SignInFailures) error {
		if err := refuseBlocked(counts, time.Now()); err != nil {
			return err
		}
		counts[0].countAddress(time.Now())
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("count the attempt: %w", err)
	}
	right, err := verify()
	if err != nil || !right {
		return false, err
	}
	err = a.store.UpdateSignInFailures(ctx, keys, func(counts []SignInFailures) error {
		counts[0].takeBack()
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("forget the attempt: %w", err)
	}
	return true, nil
}

func (f *SignInFailures) countAccount(now time.Time) {
	if now.Sub(f.LastAt) > accountMemory {
		f.Failures = 0
	}
	f.count(now)
	if over := f.Failures - accountLimit; over >= 0 {
		// The shift is bounded, for a count that grew for days would overflow it.
		f.BlockedUntil = now.Add(min(accountBlock<<min(over, 10), maxAccountBlock))
	}
}

func (f *SignInFailures) countAddress(now time.Time) {
	if now.Sub(f.FirstAt) >= addressWindow {
		f.Failures = 0
	}
	f.count(now)
	if f.Failures >= addressLimit {
		f.BlockedUntil = now.Add(addressWindow)
	}
}

func (f *SignInFailures) count(now time.Time) {
	if f.Failures == 0 {
		f.FirstAt = now
	}
	f.Failures++
	f.LastAt = now
}

// takeBack uncounts one guess, and the block that it was the reason for.
func (f *SignInFailures) takeBack() {
	f.Failures = max(f.Failures-1, 0)
	if f.Failures < addressLimit {
		f.BlockedUntil = time.Time{}
	}
}
