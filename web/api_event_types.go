package web

import (
	"context"
	"net/http"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
)

// EventTypes is what the catalogue's pages and API need of posthorn.EventTypes.
type EventTypes interface {
	List(ctx context.Context, tenant posthorn.TenantID) ([]posthorn.EventType, error)
	Outline(ctx context.Context, tenant posthorn.TenantID) ([]posthorn.EventType, error)
	Get(ctx context.Context, tenant posthorn.TenantID, event string) (posthorn.EventType, error)
	Put(ctx context.Context, actor posthorn.Actor, tenant posthorn.TenantID, in posthorn.EventTypePut) (made posthorn.EventType, created bool, err error)
}

// apiListEventTypes answers the catalogue, which is one page.
func (s *Server) apiListEventTypes(c *fiber.Ctx) error {
	types, err := s.EventTypes.List(c.UserContext(), apiTenant(c))
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusOK, newListAnswer(types, "", ""))
}

// apiPutEventType adds a type to the catalogue or changes one.
func (s *Server) apiPutEventType(c *fiber.Ctx) error {
	body, err := readJSON(c, posthorn.MaxEventTypeBytes)
	if err != nil {
		return err
	}
	in, err := posthorn.ParseEventTypePut(body)
	if err != nil {
		return err
	}
	made, created, err := s.EventTypes.Put(c.UserContext(), s.apiActor(c), apiTenant(c), in)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return sendJSON(c, status, made)
}
