package web

import (
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/views/pages"
)

// showAttention groups the deliveries that failed for good by webhook and reason.
func (s *Server) showAttention(c *fiber.Ctx) error {
	p := pages.AttentionProps{Location: zoneOf(c), Now: time.Now()}
	var err error
	if p.Groups, p.More, err = s.Replays.Attention(c.UserContext(), tenantOf(c)); err != nil {
		return err
	}
	if p.Page, err = s.replayPage(c, "Needs attention"); err != nil {
		return err
	}
	return s.render(c, http.StatusOK, pages.Attention(p))
}
