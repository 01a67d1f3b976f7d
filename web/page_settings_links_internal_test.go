package web

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// An address that has no route is logged with what Fiber says of it, which repeats the path.
func TestTheTokenOfALinkIsNotLogged(t *testing.T) {
	t.Parallel()

	const token = "vplHuH-X2i6EX9SspkJDEEpAWx"
	for _, address := range []string{"/join/" + token + "/", "/reset/" + token + "/", "/JOIN/" + token, "/join/" + token + "/more", "/%6Aoin/" + token + "/"} {
		var log bytes.Buffer
		s := New(Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		resp, err := s.app.Test(httptest.NewRequest(http.MethodGet, address, http.NoBody))
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		if resp.StatusCode != http.StatusNotFound || !strings.Contains(log.String(), "msg=request") || strings.Contains(log.String(), token) {
			t.Errorf("GET %s is %d, logged as %s", address, resp.StatusCode, log.String())
		}
	}
}
