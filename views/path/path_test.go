package path_test

import (
	"net/url"
	"testing"

	"posthorn/views/path"
)

func TestRecordURLsEscapeTheID(t *testing.T) {
	t.Parallel()

	if got, want := path.ActivityRecord("act_1"), "/activity/act_1"; got != want {
		t.Errorf("ActivityRecord = %q, want %q", got, want)
	}
	if got, want := path.ActivityRecordPage("act_1"), "/activity/act_1/page"; got != want {
		t.Errorf("ActivityRecordPage = %q, want %q", got, want)
	}
	if got, want := path.ActivityRecord("../a?b"), "/activity/..%2Fa%3Fb"; got != want {
		t.Errorf("ActivityRecord = %q, want %q", got, want)
	}
}

func TestWithDropsEmptyValuesAndSortsKeys(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name  string
		query url.Values
		want  string
	}{
		{"no query", nil, "/activity"},
		{"only empty values", url.Values{"q": {""}}, "/activity"},
		{"keys sorted, order within a key kept", url.Values{"type": {"kyt"}, "risk": {"high", "", "critical"}}, "/activity?risk=high&risk=critical&type=kyt"},
		{"values escaped", url.Values{"q": {"a&b=c"}}, "/activity?q=a%26b%3Dc"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := path.With(path.Activity, test.query); got != test.want {
				t.Errorf("With = %q, want %q", got, test.want)
			}
		})
	}
}

func TestLoginThenCarriesTheNextPage(t *testing.T) {
	t.Parallel()

	for next, want := range map[string]string{
		"":                "/login",
		"/":               "/login",
		"/activity?q=0xa": "/login?next=%2Factivity%3Fq%3D0xa",
	} {
		if got := path.LoginThen(next); got != want {
			t.Errorf("LoginThen(%q) = %q, want %q", next, got, want)
		}
	}
}

func TestLocalRefusesAddressesOfOtherHosts(t *testing.T) {
	t.Parallel()

	for next, want := range map[string]bool{
		"/":                     true,
		"/activity?q=0xa#main":  true,
		"":                      false,
		"activity":              false,
		"//evil.example":        false,
		"/\\evil.example":       false,
		"/\tevil":               false,
		"https://evil.example/": false,
		"javascript:alert(1)":   false,
	} {
		if got := path.Local(next); got != want {
			t.Errorf("Local(%q) = %v, want %v", next, got, want)
		}
	}
}
