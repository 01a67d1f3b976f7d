package web

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
	"posthorn/views/path"
)

// Resources is what pages and API need of posthorn.Resources.
type Resources interface {
	List(ctx context.Context, tenant posthorn.TenantID, kind posthorn.ResourceKind, f posthorn.ResourceFilter, page posthorn.PageRequest) (posthorn.ResourcePage, error)
	Get(ctx context.Context, tenant posthorn.TenantID, kind posthorn.ResourceKind, id string) (posthorn.ResourceDetail, error)
	Create(ctx context.Context, actor posthorn.Actor, tenant posthorn.TenantID, kind posthorn.ResourceKind, body []byte, key string) (posthorn.Resource, error)
	Update(ctx context.Context, actor posthorn.Actor, tenant posthorn.TenantID, kind posthorn.ResourceKind, id string, body []byte) (posthorn.Resource, error)
	Delete(ctx context.Context, actor posthorn.Actor, tenant posthorn.TenantID, id string) error
	Screen(ctx context.Context, actor posthorn.Actor, tenant posthorn.TenantID, id string, body []byte, key string) (posthorn.Screening, error)
}

// resourceRoutes are those of resources that fire events, for programs and for people, and of activity for programs.
func (s *Server) resourceRoutes() []route {
	const get, post, patch = fiber.MethodGet, fiber.MethodPost, fiber.MethodPatch
	list := []route{
		{get, path.APIActivity, apiRead, s.apiListActivity},
		{get, path.APIActivity + "/:id", apiRead, s.apiGetActivity},
		{fiber.MethodDelete, path.APIResources(posthorn.KindIntegration.Plural()) + "/:id", apiWrite, s.apiDeleteIntegration},
		{post, path.APIScreenings(":id"), apiWrite, s.apiScreenSubmission},
	}
	for _, kind := range posthorn.ResourceKinds() {
		api := path.APIResources(kind.Plural())
		list = append(list,
			route{get, api, apiRead, of(kind, s.apiListResources)},
			route{post, api, apiWrite, of(kind, s.apiCreateResource)},
			route{get, api + "/:id", apiRead, of(kind, s.apiGetResource)},
			route{patch, api + "/:id", apiWrite, of(kind, s.apiUpdateResource)},
			route{get, path.Resources(kind.Plural()), admin, of(kind, s.showResources)},
			route{get, path.Resource(kind.Plural(), ":id"), admin, of(kind, s.showResource)},
		)
	}
	return list
}

// of makes the handler of one kind of resources.
func of(kind posthorn.ResourceKind, handle func(*fiber.Ctx, posthorn.ResourceKind) error) fiber.Handler {
	return func(c *fiber.Ctx) error { return handle(c, kind) }
}

// apiListResources answers a page of a kind.
func (s *Server) apiListResources(c *fiber.Ctx, kind posthorn.ResourceKind) error {
	in, err := apiQuery(c)
	if err != nil {
		return err
	}
	f, page, _, err := readResourceQuery(in, kind, time.UTC, time.Now())
	if err != nil {
		return err
	}
	list, err := s.Resources.List(c.UserContext(), apiTenant(c), kind, f, page)
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusOK, newListAnswer(list.Resources, list.NextCursor, list.PrevCursor))
}

// readResourceQuery reads the query string of a list of resources; values are the filters as they stand in links, without the
// position. Times without a zone are in loc. The error names each bad parameter.
func readResourceQuery(
	in url.Values, kind posthorn.ResourceKind, loc *time.Location, now time.Time,
) (f posthorn.ResourceFilter, page posthorn.PageRequest, values url.Values, err error) {
	p := readQuery(in)
	f = posthorn.ResourceFilter{
		Statuses: parseList(p, filterStatus, kind.States().Statuses()), Text: p.one(filterText), Fields: map[string]string{},
	}
	single := []string{filterText, filterFrom, filterTo, filterRange, pageLimit, pageCursor}
	for _, name := range kind.FilterFields() {
		f.Fields[name] = p.one(name)
		single = append(single, name)
	}
	p.single(single)
	f.From, f.To = p.period(loc, now)
	page = p.page()
	return f, page, p.kept, p.err()
}

// apiGetResource answers one resource.
func (s *Server) apiGetResource(c *fiber.Ctx, kind posthorn.ResourceKind) error {
	d, err := s.Resources.Get(c.UserContext(), apiTenant(c), kind, c.Params("id"))
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusOK, d.Resource)
}

// apiCreateResource makes a resource.
func (s *Server) apiCreateResource(c *fiber.Ctx, kind posthorn.ResourceKind) error {
	body, err := readJSON(c, posthorn.MaxResourceBytes)
	if err != nil {
		return err
	}
	r, err := s.Resources.Create(c.UserContext(), s.apiActor(c), apiTenant(c), kind, body, c.Get(headerIdempotencyKey))
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusCreated, r)
}

// apiUpdateResource changes a resource.
func (s *Server) apiUpdateResource(c *fiber.Ctx, kind posthorn.ResourceKind) error {
	body, err := readJSON(c, posthorn.MaxResourceBytes)
	if err != nil {
		return err
	}
	r, err := s.Resources.Update(c.UserContext(), s.apiActor(c), apiTenant(c), kind, c.Params("id"), body)
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusOK, r)
}

// apiDeleteIntegration deletes an integration.
func (s *Server) apiDeleteIntegration(c *fiber.Ctx) error {
	if err := s.Resources.Delete(c.UserContext(), s.apiActor(c), apiTenant(c), c.Params("id")); err != nil {
		return err
	}
	return c.SendStatus(http.StatusNoContent)
}

// apiScreenSubmission records an AML screening.
func (s *Server) apiScreenSubmission(c *fiber.Ctx) error {
	body, err := readJSON(c, posthorn.MaxResourceBytes)
	if err != nil {
		return err
	}
	made, err := s.Resources.Screen(c.UserContext(), s.apiActor(c), apiTenant(c), c.Params("id"), body, c.Get(headerIdempotencyKey))
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusCreated, &made)
}
