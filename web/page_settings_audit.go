package web

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
	"posthorn/views/pages"
)

// AuditLog answers who did what. Implemented by posthorn.AuditLog.
type AuditLog interface {
	List(ctx context.Context, tenant posthorn.TenantID, f posthorn.AuditFilter, page posthorn.PageRequest) (posthorn.AuditPage, error)
	Facets(ctx context.Context, tenant posthorn.TenantID) (posthorn.AuditFacets, error)
	Export(ctx context.Context, tenant posthorn.TenantID, f posthorn.AuditFilter) iter.Seq2[posthorn.AuditEntry, error]
}

// readAuditQuery reads the query string of the audit log; values are the filters as they stand in links, without the position.
func readAuditQuery(in url.Values, loc *time.Location, now time.Time) (f posthorn.AuditFilter, page posthorn.PageRequest, values url.Values, err error) {
	p := readQuery(in)
	f = posthorn.AuditFilter{Actor: p.one(pages.FilterActor), Subject: p.one(pages.FilterSubject), Text: p.one(filterText)}
	for _, action := range p.list(pages.FilterAction) {
		f.Actions = append(f.Actions, posthorn.Action(action))
	}
	f.From, f.To = p.period(loc, now)
	page = p.page()
	return f, page, p.kept, p.err()
}

// showAudit is the log: the page, or the list alone when a filter changed.
func (s *Server) showAudit(c *fiber.Ctx) error {
	list, status, err := s.auditList(c)
	if err != nil {
		return err
	}
	if isFragmentFor(c, targetResults) {
		return s.render(c, status, pages.AuditList(list))
	}
	page, err := s.settingsPage(c, "Audit log")
	if err != nil {
		return err
	}
	return s.render(c, status, pages.Audit(pages.AuditProps{Page: page, List: list}))
}

// auditList gathers one page of the log. Filters that cannot be understood are a 422 that lists nothing.
func (s *Server) auditList(c *fiber.Ctx) (pages.AuditListProps, int, error) {
	p := pages.AuditListProps{Owner: requestOf(c).signedIn.User.Role == posthorn.RoleOwner, Location: zoneOf(c), Now: time.Now()}
	var position posthorn.PageRequest
	var err error
	if p.Facets, err = s.Audit.Facets(c.UserContext(), tenantOf(c)); err != nil {
		return p, 0, err
	}
	p.Filter, position, p.Values, err = readAuditQuery(queryOf(c), p.Location, p.Now)
	p.Beyond = position.Cursor != ""
	if err == nil {
		p.Page, err = s.Audit.List(c.UserContext(), tenantOf(c), p.Filter, position)
	}
	if f := describe(err); err != nil && f.fields != nil {
		p.Faults = f.fields
		return p, f.status, nil
	}
	return p, http.StatusOK, err
}

// auditCSV has one line an entry; what was before and after is JSON.
var auditCSV = csvOf([]string{"id", "createdAt", "actor", "actorId", "address", "action", "subject", "before", "after"}, func(e *posthorn.AuditEntry) []string {
	actor := ""
	if !e.Actor.UserID.IsZero() {
		actor = e.Actor.UserID.String()
	}
	return []string{
		e.ID.String(), posthorn.FormatTime(e.CreatedAt()), e.Actor.Name, actor, e.Actor.Address, string(e.Action), e.Subject,
		fieldsCell(e.Before), fieldsCell(e.After),
	}
})

// fieldsCell is the fields of an entry as JSON, empty for none.
func fieldsCell(fields map[string]any) string {
	raw, err := json.Marshal(fields)
	if fields == nil || err != nil { // what came from JSON can be written as JSON
		return ""
	}
	return string(raw)
}

func (s *Server) exportAuditCSV(c *fiber.Ctx) error { return s.exportAudit(c, auditCSV) }

func (s *Server) exportAuditNDJSON(c *fiber.Ctx) error {
	return s.exportAudit(c, ndjson[posthorn.AuditEntry]())
}

// exportAudit streams the filtered log as a file.
func (s *Server) exportAudit(c *fiber.Ctx, format exportFormat[posthorn.AuditEntry]) error {
	f, _, _, err := readAuditQuery(queryOf(c), zoneOf(c), time.Now())
	if err != nil {
		return err
	}
	tenant := tenantOf(c)
	return export[posthorn.AuditEntry]{"audit", format, func(ctx context.Context) iter.Seq2[posthorn.AuditEntry, error] {
		return s.Audit.Export(ctx, tenant, f)
	}}.send(s, c)
}
