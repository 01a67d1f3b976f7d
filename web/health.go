package web

import (
	"context"
	"net/http"
	"strings"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
	"posthorn/static"
	"posthorn/views/path"
)

// healthz says that the process lives.
func (s *Server) healthz(c *fiber.Ctx) error {
	return sendJSON(c, http.StatusOK, map[string]string{"status": "ok"})
}

// readyz says whether the process can do its work, and if not, what is missing.
func (s *Server) readyz(c *fiber.Ctx) error {
	c.Set(fiber.HeaderCacheControl, "no-store")
	ctx, cancel := context.WithTimeout(c.UserContext(), readyTimeout)
	defer cancel()
	notes, err := s.Ready.Ready(ctx)
	if err != nil {
		return sendJSON(c, http.StatusServiceUnavailable, map[string]string{"status": "unavailable", "reason": describe(err).message})
	}
	return sendJSON(c, http.StatusOK, struct {
		Status string   `json:"status"`
		Notes  []string `json:"notes,omitempty"`
	}{"ready", notes})
}

// static serves a built asset. Its name carries a hash of its content, so it never changes.
func (s *Server) static(c *fiber.Ctx) error {
	asset, err := static.Lookup(strings.TrimPrefix(c.Path(), path.Static))
	if err != nil {
		return posthorn.Because(posthorn.NotFound, pageMissing, err)
	}
	c.Set(fiber.HeaderContentType, asset.ContentType)
	c.Set(fiber.HeaderCacheControl, static.CacheControl)
	return c.Send(asset.Body)
}
