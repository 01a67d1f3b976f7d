package pages

import (
	"testing"
	"time"

	"posthorn/internal/posthorn"
)

func TestACountThatStoppedSaysSo(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		n    int64
		more bool
		want string
	}{
		{0, false, "0 events"},
		{1, false, "1 event"},
		{1, true, "1+ events"},
		{2000, false, "2,000 events"},
		{2000, true, "2,000+ events"},
	} {
		if got := counted(test.n, test.more, "event", "events"); got != test.want {
			t.Errorf("%d, %v: %q, want %q", test.n, test.more, got, test.want)
		}
	}
}

func TestDurationsAreWrittenByWhatTheyAreOf(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		d                         time.Duration
		took, finely, span, older string
	}{
		{420 * time.Microsecond, "< 1 ms", "0.42 ms", "0 s", "0 s"},
		{12400 * time.Microsecond, "12 ms", "12.4 ms", "0 s", "0 s"},
		{219 * time.Millisecond, "219 ms", "219 ms", "0 s", "0 s"},
		{10 * time.Second, "10.00 s", "10.00 s", "10 s", "10 s"},
		{90 * time.Second, "90.00 s", "90.00 s", "90 s", "1 min"},
		{119*time.Minute + 40*time.Second, "7180.00 s", "7180.00 s", "120 min", "1 h 59 min"},
		{47 * time.Hour, "169200.00 s", "169200.00 s", "47 h", "1 d 23 h"},
		{76 * time.Hour, "273600.00 s", "273600.00 s", "3 d", "3 d 4 h"},
	} {
		for what, words := range map[string][2]string{
			"took": {took(test.d), test.took}, "finely": {tookFinely(test.d), test.finely},
			"span": {spanText(test.d), test.span}, "age": {ageText(test.d), test.older},
		} {
			if words[0] != words[1] {
				t.Errorf("%s of %s: %q, want %q", what, test.d, words[0], words[1])
			}
		}
	}
}

func TestEveryErrorClassHasWordsOfItsOwn(t *testing.T) {
	t.Parallel()

	seen := map[string]posthorn.ErrorClass{errorClassText(posthorn.ErrorNone): posthorn.ErrorNone}
	for _, class := range posthorn.ErrorClasses() {
		words := errorClassText(class)
		if other, ok := seen[words]; ok {
			t.Errorf("%q and %q are both %q", class, other, words)
		}
		seen[words] = class
	}
}
