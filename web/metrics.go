package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"

	"posthorn/internal/posthorn"
)

// metrics answers scrapes from this machine, and from elsewhere those with the token. To all others there is no such page.
func (s *Server) metrics(c *fiber.Ctx) error {
	if s.Metrics == nil || !s.isLocal(c) && !s.hasMetricsToken(c) {
		return posthorn.Errorf(posthorn.NotFound, "%s", pageMissing)
	}
	c.Set(fiber.HeaderCacheControl, "no-store")
	return adaptor.HTTPHandler(s.Metrics)(c)
}

// isLocal reports whether the caller is on this machine. Behind a trusted proxy it is the forwarded address that counts; who
// comes through a proxy that is not trusted is not local, although the proxy is.
func (s *Server) isLocal(c *fiber.Ctx) bool {
	if !requestOf(c).address.IsLoopback() {
		return false
	}
	for _, name := range []string{"Forwarded", "X-Real-Ip", "Via"} {
		if c.Get(name) != "" && len(forwardedFor(c)) == 0 {
			return false
		}
	}
	return len(forwardedFor(c)) == 0 || s.trusted(peerOf(c))
}

// hasMetricsToken compares the bearer with the token, in the same time whatever they are.
func (s *Server) hasMetricsToken(c *fiber.Ctx) bool {
	scheme, token, _ := strings.Cut(c.Get(fiber.HeaderAuthorization), " ")
	got, want := sha256.Sum256([]byte(strings.TrimSpace(token))), sha256.Sum256([]byte(s.MetricsToken))
	same := subtle.ConstantTimeCompare(got[:], want[:]) == 1
	return same && s.MetricsToken != "" && strings.EqualFold(scheme, bearer)
}
