package web_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// postMany posts n records, with the fields of each by its number, and returns their ids, newest first.
func postMany(s *sitekit.Site, n int, fields func(i int) map[string]any) []string {
	ids := make([]string, 0, n)
	for i := range n {
		ids = append(ids, s.PostActivity(fields(i)))
	}
	slices.Sort(ids)
	slices.Reverse(ids)
	return ids
}

// walk follows the links of one direction from a page on, and returns the ids of each page.
func walk(t *testing.T, c *sitekit.Client, target, rel string, check func(target string)) (visited [][]string, last string) {
	t.Helper()
	for range 20 {
		a := c.Get(target)
		if a.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d", target, a.StatusCode)
		}
		check(target)
		doc := a.HTML(t)
		visited = append(visited, listed(doc))
		link := doc.Find("#results nav a[rel=" + rel + "]")
		href, on := link.Attr("href")
		if !on {
			return visited, target
		}
		if link.AttrOr("hx-get", "") != href {
			t.Errorf("%s: htmx goes to %q, a click to %q", target, link.AttrOr("hx-get", ""), href)
		}
		target = href
	}
	t.Fatal("the links do not end")
	return nil, ""
}

func TestThePagesShowEveryRecordOnceInBothDirections(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	levels := []string{"low", "high", "critical"}
	ids := postMany(s, 130, func(i int) map[string]any {
		return map[string]any{"transactionHash": fmt.Sprintf("0x%03d", i), "riskLevel": levels[i%3], "metadata": map[string]any{"half": i % 2}}
	})
	for name, tc := range map[string]struct {
		filter url.Values
		pages  []int
	}{
		"all":        {nil, []int{50, 50, 30}},
		"two levels": {url.Values{"risk": {"high", "critical"}, "metadata.half": {"0", "1"}}, nil},
		"one level":  {url.Values{"risk": {"low"}, "range": {"24h"}, "q": {"0x"}}, []int{44}},
		"two pages":  {url.Values{"metadata.half": {"1"}, "status": {"ok"}, "blockchain": {"bitcoin"}}, []int{50, 15}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := path.With(path.Activity, tc.filter)
			keeps := func(target string) {
				u, err := url.Parse(target)
				if err != nil {
					t.Fatal(err)
				}
				got := u.Query()
				got.Del("after")
				got.Del("before")
				if got.Encode() != tc.filter.Encode() {
					t.Errorf("%s lost a filter: %s", target, tc.filter.Encode())
				}
			}
			down, bottom := walk(t, owner, start, "next", keeps)
			up, top := walk(t, owner, bottom, "prev", keeps)
			slices.Reverse(up)
			var sizes []int
			for _, page := range down {
				sizes = append(sizes, len(page))
			}
			if tc.pages != nil && !slices.Equal(sizes, tc.pages) {
				t.Errorf("pages of %v, want %v", sizes, tc.pages)
			}
			if !slices.EqualFunc(down, up, slices.Equal[[]string]) {
				t.Errorf("down %v, up %v", down, up)
			}
			flat := slices.Concat(down...)
			if !slices.IsSortedFunc(flat, func(a, b string) int { return strings.Compare(b, a) }) || len(slices.Compact(slices.Clone(flat))) != len(flat) {
				t.Errorf("out of order, or twice: %v", flat)
			}
			if name == "all" && !slices.Equal(flat, ids) {
				t.Errorf("%d of %d records", len(flat), len(ids))
			}
			if owner.Get(top).HTML(t).Find("#results[data-first-page]").Length() != 1 {
				t.Errorf("%s does not know that it is the top", top)
			}
		})
	}
}

func TestNewRecordsDoNotMoveThePagesBelow(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	ids := postMany(s, 120, func(int) map[string]any { return nil })
	var fresh []string
	down, bottom := walk(t, owner, path.Activity, "next", func(string) { fresh = append(fresh, s.PostActivity(nil)) })
	// What came before the first page was read is on it: each page is checked before its successor is asked for.
	flat := slices.Concat(down...)
	if !slices.Equal(flat, ids) {
		t.Errorf("the walk saw %d records, want the %d that were there", len(flat), len(ids))
	}
	up, _ := walk(t, owner, bottom, "prev", func(string) {})
	slices.Reverse(up)
	slices.Reverse(fresh)
	if flat := slices.Concat(up...); !slices.Equal(flat, slices.Concat(fresh, ids)) {
		t.Errorf("on the way back: %d records, want %d", len(flat), len(fresh)+len(ids))
	}
}

func TestTheDrawerLeadsThroughTheFilteredFeed(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	ids := postMany(s, 6, func(i int) map[string]any {
		return map[string]any{"riskLevel": []string{"low", "high"}[i%2]}
	})
	high := []string{ids[0], ids[2], ids[4]}
	const filter = "?risk=high"
	for i, id := range high {
		doc := owner.Get(path.ActivityRecord(id)+filter, fragmentOf("drawer-slot")...).HTML(t)
		for _, tc := range []struct {
			key string
			at  int
		}{{"k", i - 1}, {"j", i + 1}} {
			href, on := doc.Find("dialog a[data-key=" + tc.key + "]").Attr("href")
			if inside := tc.at >= 0 && tc.at < len(high); on != inside || on && href != path.ActivityRecord(high[tc.at])+filter {
				t.Errorf("record %d, %s: leads to %q", i, tc.key, href)
			}
		}
		if doc.Find("dialog a[href='/activity?risk=high'], dialog[data-close-url='/activity?risk=high']").Length() == 0 {
			t.Errorf("record %d: closing loses the filter", i)
		}
	}
	// Filters that make no sense leave the record as it is.
	if a := owner.Get(path.ActivityRecord(ids[0])+"?risk=x", fragmentOf("drawer-slot")...); a.StatusCode != http.StatusOK {
		t.Errorf("%d", a.StatusCode)
	}
}
