package auth

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestThePolicyAsksForLengthAndRefusesWhatEverybodyTries(t *testing.T) {
	t.Parallel()
	const email = "Ada.Lovelace@example.com"
	tests := []struct {
		name, password, email string
		want                  error
	}{
		{"empty", "", email, ErrPasswordTooShort},
		{"seven characters", "xkcd-93", email, ErrPasswordTooShort},
		{"eight characters", "xkcd-936", email, nil},
		{"seven characters of two bytes", "äöüßéèñ", email, ErrPasswordTooShort},
		{"eight characters of two bytes", "äöüßéèñç", email, nil},
		{"no digits or symbols", "loweronlyletters", email, nil},
		{"a phrase with spaces", "quite a long phrase", email, nil},
		{"128 characters", strings.Repeat("pässwörd", 16), email, nil},
		{"129 characters", strings.Repeat("pässwörd", 16) + "x", email, ErrPasswordTooLong},
		{"128 characters of four bytes", strings.Repeat("🐎🔋📎🪵", 32), email, nil},
		{"megabytes", strings.Repeat("x", 1<<20), email, ErrPasswordTooLong},
		{"the address", "Ada.Lovelace@example.com", email, ErrPasswordIsEmail},
		{"the address in another case", "ada.lovelace@EXAMPLE.com ", email, ErrPasswordIsEmail},
		{"the name in the address", "adA.lovelace", email, ErrPasswordIsEmail},
		{"more than the address", "ada.lovelace@example.com!9", email, nil},
		{"no address to compare with", "ada.lovelace@example.com", "", nil},
		{"common", "password123", email, ErrPasswordCommon},
		{"common in another case", "QwertyUiop", email, ErrPasswordCommon},
		{"common with spaces around", " 1234567890 ", email, ErrPasswordCommon},
		{"one character over and over", "kkkkkkkkkkkkkkkk", email, ErrPasswordCommon},
		{"two characters over and over", "ababababababababa", email, ErrPasswordCommon},
		{"only spaces", "            ", email, ErrPasswordCommon},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := CheckPassword(tt.password, tt.email); !errors.Is(got, tt.want) {
				t.Errorf("CheckPassword = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestTheMessagesNameTheLimitsThatHold(t *testing.T) {
	t.Parallel()
	if msg := ErrPasswordTooShort.Error(); !strings.Contains(msg, strconv.Itoa(MinPasswordLength)) {
		t.Errorf("%q does not name %d", msg, MinPasswordLength)
	}
	if msg := ErrPasswordTooLong.Error(); !strings.Contains(msg, strconv.Itoa(MaxPasswordLength)) {
		t.Errorf("%q does not name %d", msg, MaxPasswordLength)
	}
}

func TestTheListHoldsOnlyWhatOtherRulesLetPass(t *testing.T) {
	t.Parallel()
	list := common()
	if len(list) < 400 {
		t.Fatalf("only %d passwords", len(list))
	}
	for password := range list {
		switch {
		case utf8.RuneCountInString(password) < MinPasswordLength:
			t.Errorf("%q is refused for its length already", password)
		case password != strings.ToLower(password) || password != strings.TrimSpace(password):
			t.Errorf("%q is never found: it is not folded", password)
		}
	}
}
