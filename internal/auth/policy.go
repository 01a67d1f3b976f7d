package auth

import (
	_ "embed"
	"errors"
	"strings"
	"sync"
	"unicode/utf8"
)

// Bounds on the length of a password, in characters. There are no rules about
// which characters: length is what makes it hard to guess (NIST SP 800-63B).
const (
	MinPasswordLength = 8
	MaxPasswordLength = 128
)

// Why [CheckPassword] refuses a password. Each reads as what is wrong with the
// field, to be shown beside it.
var (
	ErrPasswordTooShort = errors.New("must have at least 8 characters")
	ErrPasswordTooLong  = errors.New("must have at most 128 characters")
	ErrPasswordIsEmail  = errors.New("must not be the email address")
	ErrPasswordCommon   = errors.New("is one of the most common passwords, choose another")
)

// CheckPassword says whether password is fit to be set for the account with that
// email address, which may be empty: long enough, not too long, not the address
// itself and not one that everybody tries first. It returns nil or one of the
// errors above.
func CheckPassword(password, email string) error {
	folded := strings.ToLower(strings.TrimSpace(password))
	switch {
	case utf8.RuneCountInString(password) < MinPasswordLength:
		return ErrPasswordTooShort
	case tooLong(password):
		return ErrPasswordTooLong
	case isEmail(folded, strings.ToLower(strings.TrimSpace(email))):
		return ErrPasswordIsEmail
	case isCommon(folded):
		return ErrPasswordCommon
	}
	return nil
}

// tooLong looks at the bytes first, so that it never counts through a body of
// megabytes.
func tooLong(password string) bool {
	return len(password) > utf8.UTFMax*MaxPasswordLength ||
		utf8.RuneCountInString(password) > MaxPasswordLength
}

// isEmail is true for the whole address and for the part before the @.
func isEmail(folded, email string) bool {
	local, _, _ := strings.Cut(email, "@")
	return folded != "" && (folded == email || folded == local)
}

//go:embed common_passwords.txt
var commonText string

// common holds the well-known passwords of at least MinPasswordLength characters,
// in lower case.
var common = sync.OnceValue(func() map[string]bool {
	set := map[string]bool{}
	for password := range strings.Lines(commonText) {
		set[strings.TrimSpace(password)] = true
	}
	return set
})

// isCommon knows the list, and the same character or pair of characters over and
// over, which no list can hold in every length.
func isCommon(folded string) bool {
	if common()[folded] {
		return true
	}
	runes := []rune(folded)
	for i := 2; i < len(runes); i++ {
		if runes[i] != runes[i-2] {
			return false
		}
	}
	return true
}
