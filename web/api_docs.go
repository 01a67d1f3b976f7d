package web

import (
	"net/http"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/openapi"
	"posthorn/internal/posthorn"
	"posthorn/views/pages"
	"posthorn/views/path"
)

// docsRoutes are those of the documentation of the API, which needs no key and no sign-in.
func (s *Server) docsRoutes() []route {
	const get = fiber.MethodGet
	return []route{
		{get, path.Docs, anyone, s.showDocs},
		{get, path.DocsGroup(":group"), anyone, s.showDocsGroup},
		{get, path.OpenAPI, anyone, s.openAPI},
		{get, path.APIOpenAPI, anyone, s.openAPI},
		{get, path.APIDocs, anyone, s.leadToDocs},
	}
}

// baseURL is where people and programs reach the server, without a slash at its end.
func (s *Server) baseURL() string { return strings.TrimSuffix(s.BaseURL.String(), "/") }

// openAPI answers the document of the API.
func (s *Server) openAPI(c *fiber.Ctx) error {
	c.Set(fiber.HeaderCacheControl, "no-cache")
	return sendJSON(c, http.StatusOK, openapi.Load().JSON(s.baseURL()))
}

// leadToDocs answers programs' people who look for the documentation beside the API.
func (*Server) leadToDocs(c *fiber.Ctx) error { return c.Redirect(path.Docs, fiber.StatusSeeOther) }

// showDocs is the introduction.
func (s *Server) showDocs(c *fiber.Ctx) error { return s.renderDocs(c, nil) }

// showDocsGroup is the page about one group of operations.
func (s *Server) showDocsGroup(c *fiber.Ctx) error {
	groups := openapi.Load().Groups
	for i := range groups {
		if groups[i].Slug() == c.Params("group") {
			return s.renderDocs(c, &groups[i])
		}
	}
	return posthorn.Errorf(posthorn.NotFound, "%s", pageMissing)
}

func (s *Server) renderDocs(c *fiber.Ctx, group *openapi.Group) error {
	keepPrivate(c)
	r := requestOf(c)
	if err := s.readSession(c, r); err != nil {
		return err
	}
	p := pages.DocsProps{Document: openapi.Load(), Group: group, Base: s.baseURL(), Now: time.Now()}
	if r.signedIn != nil {
		p.SignedIn, p.Theme = true, themeOf(r.signedIn.User.Theme)
	}
	return s.render(c, http.StatusOK, pages.Docs(p))
}
