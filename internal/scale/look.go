package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"posthorn/views/path"
)

// sights is what there is to ask about, as the API tells it: the program that asks need not be the one that filled.
type sights struct {
	now time.Time
	// webhooks are ids by name.
	webhooks map[string]string
	// deliveries are ids by status, of several ages; tests are those of tests. old are of long ago.
	deliveries map[string][]string
	events     []string
	// types are the types of events of some deliveries.
	application string
	// after and before are cursors of the log and of the events, from the first page on downwards and of the page before.
	logAfter, logBefore, eventsAfter, eventsBefore []string
}

// look finds out what there is.
func look(ctx context.Context, c *client) (*sights, error) {
	s := &sights{now: time.Now().UTC(), webhooks: map[string]string{}, deliveries: map[string][]string{}}
	hooks, err := c.list(ctx, path.APIWebhooks, nil)
	if err != nil {
		return nil, err
	}
	for _, w := range hooks.Data {
		s.webhooks[w.Name] = w.ID
		if w.ApplicationID != "" {
			s.application = w.ApplicationID
		}
	}
	if err := s.findDeliveries(ctx, c); err != nil {
		return nil, err
	}
	if s.logAfter, s.logBefore, err = cursors(ctx, c, path.APIDeliveries, s.now); err != nil {
		return nil, err
	}
	if s.eventsAfter, s.eventsBefore, err = cursors(ctx, c, path.APIEvents, s.now); err != nil {
		return nil, err
	}
	return s, nil
}

// agesInDays are how long ago something is that is asked for.
var agesInDays = []int{0, 1, 2, 5, 9, 14, 20, 26}

func (s *sights) findDeliveries(ctx context.Context, c *client) error {
	for _, age := range agesInDays {
		until := s.now.AddDate(0, 0, -age).Format(time.RFC3339)
		for name, query := range map[string]url.Values{
			"success": {"status": {"success"}}, "error": {"status": {"error"}}, "pending": {"status": {"pending"}}, "test": {"test": {"true"}},
		} {
			query.Set("limit", "3")
			query.Set("to", until)
			found, err := c.list(ctx, path.APIDeliveries, query)
			if err != nil {
				return err
			}
			for _, d := range found.Data {
				s.deliveries[name] = append(s.deliveries[name], d.ID)
				s.events = append(s.events, d.EventID)
			}
		}
	}
	for _, name := range []string{"success", "error", "pending", "test"} {
		if len(s.deliveries[name]) == 0 {
			return fmt.Errorf("there is no delivery with %s in the log", name)
		}
	}
	return nil
}

// cursors returns cursors of a list at several ages, downwards and upwards.
func cursors(ctx context.Context, c *client, target string, now time.Time) (after, before []string, err error) {
	for _, age := range agesInDays {
		// A position under a filter is one without it, too.
		first, err := c.list(ctx, target, url.Values{"to": {now.AddDate(0, 0, -age).Format(time.RFC3339)}, "limit": {strconv.Itoa(50)}})
		if err != nil {
			return nil, nil, err
		}
		if first.NextCursor == "" {
			continue
		}
		second, err := c.list(ctx, target, url.Values{"limit": {strconv.Itoa(50)}, "cursor": {first.NextCursor}})
		if err != nil {
			return nil, nil, err
		}
		after, before = append(after, first.NextCursor), append(before, second.PrevCursor)
	}
	if len(after) == 0 {
		return nil, nil, fmt.Errorf("%s has one page", target)
	}
	return after, before, nil
}
