package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
)

// RateLimiter counts the requests of programs. Implemented by posthorn.RateLimiter.
type RateLimiter interface {
	// Take lets a request through, or refuses it as RateLimited.
	Take(ctx context.Context, tenant posthorn.TenantID, kind posthorn.RequestKind) (posthorn.RateStanding, error)
}

// The headers about limits, of every answer to a program whose key is known.
const (
	// headerRateLimit is how many requests may come at once.
	headerRateLimit = "RateLimit-Limit"
	// headerRateRemaining is how many of them are left.
	headerRateRemaining = "RateLimit-Remaining"
	// headerRateReset is in how many seconds all of them are there again, if no more requests come.
	headerRateReset = "RateLimit-Reset"
)

// admit finds out whose request it is, and counts it against the limit of the tenant. The headers are set before anything else
// can answer.
func (s *Server) admit(c *fiber.Ctx, kind posthorn.RequestKind) error {
	plain, err := presentedAPIKey(c)
	if err != nil {
		return err
	}
	k, err := s.APIKeys.VerifyAPIKey(c.UserContext(), plain)
	if err != nil {
		return err
	}
	requestOf(c).apiKey = &k
	standing, err := s.RateLimits.Take(c.UserContext(), k.TenantID, kind)
	c.Set(headerRateLimit, strconv.Itoa(standing.Limit.Burst))
	c.Set(headerRateRemaining, strconv.Itoa(standing.Remaining))
	c.Set(headerRateReset, wholeSeconds(standing.Full))
	return err
}

// wholeSeconds writes a time in seconds, rounded up: whoever waits so long has waited long enough.
func wholeSeconds(d time.Duration) string {
	return strconv.Itoa(int((d + time.Second - 1) / time.Second))
}

// countMissed counts the requests of programs that no route is for, where the key is known: they are answered as they are without one,
// and yet are requests.
func (s *Server) countMissed(c *fiber.Ctx) error {
	err := c.Next()
	if !isAPI(c) || requestOf(c).apiKey != nil || !isMissed(err) {
		return err
	}
	refused := s.admit(c, posthorn.RequestAPI)
	if kindIs(refused, posthorn.RateLimited) {
		return refused
	}
	return err
}

// isMissed reports whether Fiber found no route for a request.
func isMissed(err error) bool {
	e, ok := errors.AsType[*fiber.Error](err)
	return ok && (e.Code == http.StatusNotFound || e.Code == http.StatusMethodNotAllowed)
}
