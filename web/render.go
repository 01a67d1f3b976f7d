package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"
)

// sendJSON answers with one JSON value.
func sendJSON(c *fiber.Ctx, status int, v any) error {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Status(status).Send(bytes.TrimRight(out.Bytes(), "\n"))
}

// render answers with a page or fragment. It is rendered whole before a byte is sent, so that a fault in a template is
// an error page and not half a page. The deadline of the request is for what is read: the page that says that it has passed must not
// fail by it as well.
func (s *Server) render(c *fiber.Ctx, status int, component templ.Component) error {
	var out bytes.Buffer
	if err := component.Render(context.WithoutCancel(c.UserContext()), &out); err != nil {
		return fmt.Errorf("render %s: %w", loggedPath(c), err)
	}
	c.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	return c.Status(status).Send(out.Bytes())
}
