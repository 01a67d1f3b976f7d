package posthorn_test

import (
	"net/http"
	"testing"

	"posthorn/internal/posthorn"
)

func TestStatusPhrasesAreThoseOfTheStandard(t *testing.T) {
	t.Parallel()
	for status := range 1000 {
		if got, want := posthorn.StatusPhrase(status), http.StatusText(status); got != want {
			t.Errorf("%d: %q, want %q", status, got, want)
		}
	}
}
