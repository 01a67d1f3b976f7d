package web

import (
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
	"posthorn/views/pages"
	"posthorn/views/path"
)

// showResources is the list of a kind: the page, or the list alone when a filter changed.
func (s *Server) showResources(c *fiber.Ctx, kind posthorn.ResourceKind) error {
	list, status, err := s.resourceList(c, kind)
	if err != nil {
		return err
	}
	if isFragmentFor(c, targetResults) {
		return s.render(c, status, pages.ResourceList(list))
	}
	page, err := s.page(c, pages.ResourcesTitle(kind), layout.NavEvents)
	if err != nil {
		return err
	}
	return s.render(c, status, pages.Resources(pages.ResourcesProps{Page: page, List: list}))
}

// resourceList gathers one page of the list. Filters that cannot be understood are a 422 that lists nothing.
func (s *Server) resourceList(c *fiber.Ctx, kind posthorn.ResourceKind) (pages.ResourceListProps, int, error) {
	ctx, tenant := c.UserContext(), tenantOf(c)
	p := pages.ResourceListProps{Kind: kind, Location: zoneOf(c), Now: time.Now()}
	var position posthorn.PageRequest
	var err error
	if kind == posthorn.KindVerification {
		if p.Applications, err = s.Webhooks.Applications(ctx, tenant); err != nil {
			return p, 0, err
		}
	}
	p.Filter, position, p.Values, err = readResourceQuery(queryOf(c), kind, p.Location, p.Now)
	if err == nil {
		p.Page, err = s.Resources.List(ctx, tenant, kind, p.Filter, position)
	}
	p.FirstPage = position.Cursor == ""
	if f := describe(err); err != nil && f.fields != nil {
		p.Faults = f.fields
		return p, f.status, nil
	}
	return p, http.StatusOK, err
}

// showResource is one resource with what became of it.
func (s *Server) showResource(c *fiber.Ctx, kind posthorn.ResourceKind) error {
	d, err := s.Resources.Get(c.UserContext(), tenantOf(c), kind, c.Params("id"))
	if err != nil {
		return err
	}
	h := d.Resource.Head()
	p := pages.ResourceProps{Resource: d.Resource, Changes: d.Changes, Location: zoneOf(c), Now: time.Now()}
	if !h.ApplicationID.IsZero() {
		applications, err := s.Webhooks.Applications(c.UserContext(), tenantOf(c))
		if err != nil {
			return err
		}
		for i := range applications {
			if applications[i].ID == h.ApplicationID {
				p.Application = &applications[i]
			}
		}
	}
	if p.Page, err = s.page(c, pages.ResourceTitle(kind)+" · "+pages.ResourcesTitle(kind), layout.NavEvents); err != nil {
		return err
	}
	p.Page.Crumbs = []layout.Crumb{{Label: pages.ResourcesTitle(kind), URL: path.Resources(kind.Plural())}, {Label: h.ID()}}
	return s.render(c, http.StatusOK, pages.Resource(p))
}
