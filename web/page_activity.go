package web

import (
	"net/http"
	"net/url"
	"time"

	"github.com/gofiber/fiber/v2"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
	"posthorn/views/pages"
	"posthorn/views/path"
)

// feedPage is how many records a page of the feed has.
const feedPage = 50

// Targets of the fragments that htmx asks for.
const (
	targetResults = "results"
	targetDrawer  = "drawer-slot"
)

// queryOf returns the parameters of a request's URL.
func queryOf(c *fiber.Ctx) url.Values {
	values := url.Values{}
	for key, value := range c.Context().QueryArgs().All() {
		values.Add(string(key), string(value))
	}
	return values
}

// activityQueryOf reads the filters of a request, in the reader's time zone.
func (s *Server) activityQueryOf(c *fiber.Ctx) (activityQuery, error) {
	return parseActivityQuery(queryOf(c), requestOf(c).signedIn.User.Location(), time.Now())
}

// showActivity is the feed: the page, or the list alone when a filter changed.
func (s *Server) showActivity(c *fiber.Ctx) error {
	values := queryOf(c)
	// A form cannot name a field after what was typed: the pair becomes the parameter that links use.
	if key, value := values.Get("metadataKey"), values.Get("metadataValue"); key != "" && value != "" {
		values.Del("metadataKey")
		values.Del("metadataValue")
		values.Set(filterMetadata+key, value)
		return s.redirect(c, path.With(path.Activity, values))
	}
	feed, status, err := s.feed(c)
	if err != nil {
		return err
	}
	if isFragment(c) && c.Get("HX-Target") == targetResults {
		return s.render(c, status, pages.Feed(feed))
	}
	page, err := s.page(c, "Activity", layout.NavActivity)
	if err != nil {
		return err
	}
	return s.render(c, status, pages.Activity(pages.ActivityProps{Page: page, Feed: feed}))
}

// redirect sends the browser, or htmx within its page, to another address.
func (s *Server) redirect(c *fiber.Ctx, to string) error {
	if isFragment(c) {
		c.Set("HX-Redirect", to)
		return c.SendStatus(http.StatusNoContent)
	}
	return c.Redirect(to, http.StatusSeeOther)
}

// feed gathers one page of the feed. Filters that cannot be understood are a 422 that lists nothing.
func (s *Server) feed(c *fiber.Ctx) (pages.FeedProps, int, error) {
	user := &requestOf(c).signedIn.User
	q, err := s.activityQueryOf(c)
	props := pages.FeedProps{
		Filter: q.filter, Values: q.values, FirstPage: q.after.IsZero() && q.before.IsZero(),
		ShowUser: user.Role.Administers(), Location: user.Location(), Now: time.Now(),
	}
	if f := describe(err); err != nil && f.fields != nil {
		props.Faults = f.fields
		return props, f.status, nil
	} else if err != nil {
		return props, 0, err
	}
	// The newest id is read before the list: what comes in between is announced twice rather than never.
	ctx, scope := c.UserContext(), user.ActivityScope()
	if props.Newest, err = s.Activity.Newest(ctx, scope); err != nil {
		return props, 0, err
	}
	props.Any = !props.Newest.IsZero()
	if props.Page, err = s.Activity.List(ctx, posthorn.ActivityQuery{
		Scope: scope, Filter: q.filter, After: q.after, Before: q.before, Limit: feedPage,
	}); err != nil {
		return props, 0, err
	}
	if props.Counts, err = s.Activity.Counts(ctx, scope, q.filter); err != nil {
		return props, 0, err
	}
	if props.Facets, err = s.Activity.Facets(ctx, scope); err != nil {
		return props, 0, err
	}
	// A mark that cannot be read marks nothing.
	props.Fresh, _ = posthorn.ParseActivityID(c.Query("fresh"))
	props.FirstPage = !props.Page.HasNewer
	return props, http.StatusOK, nil
}

// showActivityNews counts what is newer than the reader has seen, under the reader's filters.
func (s *Server) showActivityNews(c *fiber.Ctx) error {
	q, err := s.activityQueryOf(c)
	if err != nil {
		return err
	}
	since, err := posthorn.ParseActivityID(c.Query("since", posthorn.ActivityID{}.String()))
	if err != nil {
		return posthorn.InvalidFields("The position could not be understood.", map[string]string{"since": "must be the id of a record"})
	}
	news, err := s.Activity.News(c.UserContext(), requestOf(c).signedIn.User.ActivityScope(), q.filter, since)
	if err != nil {
		return err
	}
	return s.render(c, http.StatusOK, pages.ActivityNews(pages.NewsProps{News: news, Values: q.values}))
}

// errNoRecord is the answer for a record that is not there, or not the reader's.
var errNoRecord = posthorn.Errorf(posthorn.NotFound, "This record is gone, or it is not yours.")

// record gathers one record and its place in the feed.
func (s *Server) record(c *fiber.Ctx) (pages.RecordProps, error) {
	id, err := posthorn.ParseActivityID(c.Params("id"))
	if err != nil {
		return pages.RecordProps{}, errNoRecord
	}
	user := &requestOf(c).signedIn.User
	rec, err := s.Activity.Get(c.UserContext(), user.ActivityScope(), id)
	if posthorn.KindOf(err) == posthorn.NotFound {
		return pages.RecordProps{}, errNoRecord
	}
	if err != nil {
		return pages.RecordProps{}, err
	}
	props := pages.RecordProps{
		Record: rec, ShowUser: user.Role.Administers(), Location: user.Location(), Now: time.Now(), Values: url.Values{},
	}
	if user.Role.Administers() {
		if props.Caused, err = s.Inspector.OfActivity(c.UserContext(), rec.TenantID, id); err != nil {
			return props, err
		}
	}
	q, err := s.activityQueryOf(c)
	if err != nil {
		return props, nil //nolint:nilerr // a record is shown whatever the filters beside it say
	}
	props.Values = q.values
	props.Neighbours, err = s.Activity.Neighbours(c.UserContext(), user.ActivityScope(), q.filter, id)
	return props, err
}

// showRecord is the feed with a record's drawer open, or the drawer alone when a row was opened.
func (s *Server) showRecord(c *fiber.Ctx) error {
	rec, err := s.record(c)
	if err != nil {
		return err
	}
	if isFragment(c) && c.Get("HX-Target") == targetDrawer {
		return s.render(c, http.StatusOK, pages.Drawer(rec))
	}
	feed, status, err := s.feed(c)
	if err != nil {
		return err
	}
	feed.Current = rec.Record.ID
	page, err := s.page(c, "Activity", layout.NavActivity)
	if err != nil {
		return err
	}
	page.Title = recordTitle(&rec.Record.Activity)
	return s.render(c, status, pages.Activity(pages.ActivityProps{Page: page, Feed: feed, Record: &rec}))
}

// showRecordPage is one record as a page.
func (s *Server) showRecordPage(c *fiber.Ctx) error {
	rec, err := s.record(c)
	if err != nil {
		return err
	}
	page, err := s.page(c, recordTitle(&rec.Record.Activity), layout.NavActivity)
	if err != nil {
		return err
	}
	page.Crumbs = []layout.Crumb{{Label: "Activity", URL: path.With(path.Activity, rec.Values)}, {Label: rec.Record.ID.String()}}
	return s.render(c, http.StatusOK, pages.Record(pages.RecordPageProps{Page: page, Record: rec}))
}
