package web

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
)

// A database that hangs takes all the time of a request. What tells of it comes after that.
func TestAFaultIsToldAlsoWhenTheTimeOfItsRequestIsUp(t *testing.T) {
	t.Parallel()

	s := &Server{Options: Options{Log: slog.New(slog.DiscardHandler)}}
	app := fiber.New(fiber.Config{ErrorHandler: s.handleError})
	app.Get("/", func(c *fiber.Ctx) error {
		s.open(c)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		c.SetUserContext(ctx)
		return posthorn.Because(posthorn.Unavailable, "away", errors.New("hangs"))
	})
	for name, headers := range map[string]map[string]string{"page": nil, "fragment": {"HX-Request": "true"}} {
		req := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		for key, value := range headers {
			req.Header.Set(key, value)
		}
		resp, err := app.Test(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.Body.Close() != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), timeoutMessage) {
			t.Errorf("%s: %d, %s", name, resp.StatusCode, body)
		}
	}
}
