package web

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
)

// apiListActivity answers a page of the feed, the records without their payloads.
func (s *Server) apiListActivity(c *fiber.Ctx) error {
	in, err := apiQuery(c)
	if err != nil {
		return err
	}
	f, page, err := readActivityListQuery(in, time.Now())
	if err != nil {
		return err
	}
	list, err := posthorn.ListActivity(c.UserContext(), s.Activity, posthorn.ActivityScope{TenantID: apiTenant(c)}, f, page)
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusOK, newListAnswer(pointers(list.Records), list.NextCursor, list.PrevCursor))
}

// readActivityListQuery reads the filters of the feed, and which page is asked for by limit and cursor.
func readActivityListQuery(in url.Values, now time.Time) (posthorn.ActivityFilter, posthorn.PageRequest, error) {
	in = maps.Clone(in)
	// Pages of the feed for people go by these.
	in.Del(pageAfter)
	in.Del(pageBefore)
	q, err := parseActivityQuery(in, time.UTC, now)
	p := readQuery(in)
	if e, ok := errors.AsType[*posthorn.Error](err); ok {
		maps.Copy(p.faults, e.Fields)
	}
	page := p.page()
	p.single([]string{filterText, filterApplication, filterUser, filterFrom, filterTo, filterRange, pageLimit, pageCursor})
	return q.filter, page, p.err()
}

// apiGetActivity answers one record with its payloads.
func (s *Server) apiGetActivity(c *fiber.Ctx) error {
	const missing = "There is no activity with this id."
	id, err := posthorn.ParseActivityID(c.Params("id"))
	if err != nil {
		return posthorn.Because(posthorn.NotFound, missing, err)
	}
	rec, err := s.Activity.Get(c.UserContext(), posthorn.ActivityScope{TenantID: apiTenant(c)}, id)
	if kindIs(err, posthorn.NotFound) {
		return posthorn.Because(posthorn.NotFound, missing, err)
	}
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusOK, &rec)
}
