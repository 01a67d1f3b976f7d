package web_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// listed returns the ids of the records that a feed lists, in its order.
func listed(doc *goquery.Document) []string {
	var ids []string
	doc.Find("#results tbody tr").Each(func(_ int, row *goquery.Selection) {
		ids = append(ids, strings.TrimPrefix(row.AttrOr("id", ""), "row-"))
	})
	return ids
}

// fragmentOf are the headers with which htmx asks for a part of a page.
func fragmentOf(target string) []string { return []string{"HX-Request", "true", "HX-Target", target} }

// samples posts one record of every kind and returns their ids by name.
func samples(t *testing.T, s *sitekit.Site) map[string]string {
	t.Helper()
	ids := map[string]string{}
	for _, sample := range []struct {
		name   string
		fields map[string]any
	}{
		{"transaction", map[string]any{
			"transactionHash": "0xAAA111", "blockchain": "bitcoin", "riskLevel": "low", "userId": "u1", "clientAppId": "app-1", "clientAppName": "Ledger",
			"metadata": map[string]any{"source": "batch", "case": map[string]any{"id": 7}, "ok": true}, "requestId": requestID,
		}},
		{"address", map[string]any{
			"activityType": "kya", "transactionHash": nil, "address": "0xBBB222", "blockchain": "ethereum", "riskLevel": "high", "userId": "u2",
			"clientAppId": "app-2", "statusCode": 502, "metadata": map[string]any{"source": "manual"},
		}},
		{"entity", map[string]any{
			"activityType": "kye", "transactionHash": nil, "blockchain": nil, "entityId": "ent-333", "entityName": "Müller Söhne GmbH",
			"riskLevel": "critical", "riskScore": 99.5, "userId": "u1",
		}},
		{"unrated", map[string]any{"transactionHash": "0xDDD444", "blockchain": "ethereum", "riskLevel": nil, "riskScore": nil, "userId": "u3"}},
	} {
		ids[sample.name] = s.PostActivity(sample.fields)
	}
	return ids
}

func receivedAt(t *testing.T, id string) time.Time {
	t.Helper()
	parsed, err := posthorn.ParseActivityID(id)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Time()
}

func TestEachFilterFilters(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner, ids := s.SignedIn(), samples(t, s)
	all := slices.Sorted(maps.Keys(ids))
	since, until := []string{}, []string{}
	middle := receivedAt(t, ids["entity"])
	for _, name := range all {
		if receivedAt(t, ids[name]).Before(middle) {
			until = append(until, name)
		} else {
			since = append(since, name)
		}
	}
	at := url.QueryEscape(posthorn.FormatTime(middle))
	for query, want := range map[string][]string{
		"":                                       all,
		"type=kyt":                               {"transaction", "unrated"},
		"type=kyt&type=kye":                      {"entity", "transaction", "unrated"},
		"risk=high":                              {"address"},
		"risk=high&risk=critical":                {"address", "entity"},
		"blockchain=ethereum":                    {"address", "unrated"},
		"blockchain=ethereum&blockchain=bitcoin": {"address", "transaction", "unrated"},
		"blockchain=Ethereum":                    nil,
		"status=error":                           {"address"},
		"status=ok":                              {"entity", "transaction", "unrated"},
		"status=ok&status=error":                 all,
		"application=app-1":                      {"transaction"},
		"user=u1":                                {"entity", "transaction"},
		"user=u":                                 nil,
		"q=0xaaa":                                {"transaction"},
		"q=0xaaa111":                             {"transaction"},
		"q=aaa111":                               nil,
		"q=0XBBB":                                {"address"},
		"q=ent-333":                              {"entity"},
		"q=m%C3%BCller":                          {"entity"},
		"q=GMBH+m%C3%BCl":                        {"entity"},
		"q=m%C3%BCller+nobody":                   nil,
		"q=" + requestID:                         {"transaction"},
		"q=%27+%7C+%21+%26+%3A*+%5C":             nil,
		"metadata.source=batch":                  {"transaction"},
		"metadata.case.id=7":                     {"transaction"},
		"metadata.ok=true":                       {"transaction"},
		"metadata.source=batch&metadata.case.id=8": nil,
		"metadata.nothing=7":                       nil,
		"range=1h":                                 all,
		"from=" + at:                               since,
		"to=" + at:                                 until,
		"from=" + at + "&to=" + at[:4] + "-12-31T23%3A59%3A59Z":  since,
		"from=2020-01-01&to=2020-01-31":                          nil,
		"from=2020-01-01T10:00&range=24h":                        all,
		"type=kyt&blockchain=ethereum&status=ok":                 {"unrated"},
		"type=kye&q=m%C3%BCller&risk=critical&user=u1&range=24h": {"entity"},
		"type=kye&blockchain=ethereum":                           nil,
		"utm_source=x&chain=bitcoin&type=":                       all,
		"q=&risk=&from=&to=&metadata.=x":                         all,
		"type=kyt&type=kyt&type=":                                {"transaction", "unrated"},
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			a := owner.Get(path.Activity + "?" + query)
			var names []string
			for _, id := range listed(a.HTML(t)) {
				for name := range ids {
					if ids[name] == id {
						names = append(names, name)
					}
				}
			}
			slices.Sort(names)
			if a.StatusCode != http.StatusOK || !slices.Equal(names, want) {
				t.Errorf("%d %v, want %v", a.StatusCode, names, want)
			}
		})
	}
}

func TestTheFormShowsTheFiltersInForce(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	samples(t, s)
	doc := s.SignedIn().Get(path.Activity + "?q=0xa&type=kyt&risk=high&risk=low&blockchain=tron&status=error&application=app-9&user=u9&range=7d&metadata.case.id=7").HTML(t)
	form := doc.Find("form#filters")
	for _, selector := range []string{
		"input[name=q][value='0xa']", "input[name=type][value=kyt][checked]", "input[name=risk][value=high][checked]", "input[name=risk][value=low][checked]",
		"input[name=blockchain][value=tron][checked]", "input[name=status][value=error][checked]", "input[name=application][value='app-9'][checked]",
		"input[name=user][value=u9]", "input[name=range][value='7d'][checked]", "input[name='metadata.case.id'][value='7'][checked]",
	} {
		if form.Find(selector).Length() != 1 {
			t.Errorf("the form has not %s", selector)
		}
	}
	if form.Find("input[name=risk][checked]").Length() != 2 {
		t.Error("another level is chosen")
	}
}

func TestAFilterThatCannotBeUnderstoodIsNamed(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	s.PostActivity(nil)
	owner := s.SignedIn()
	const noTime = "must be a date (2026-01-31) or a time (2026-01-31T13:45:00Z)."
	for query, want := range map[string]string{
		"type=kyz":                      "Type must be one of: kyt, kya, kye.",
		"type=kyt&type=kyz":             "Type must be one of: kyt, kya, kye.",
		"risk=severe":                   "Risk must be one of: low, medium, high, critical.",
		"status=200":                    "Status must be one of: ok, error.",
		"range=2y":                      "Range must be one of: 1h, 24h, 7d, 30d.",
		"from=yesterday":                "From " + noTime,
		"to=2026-13-01":                 "To " + noTime,
		"to=0001-01-01":                 "To " + noTime,
		"from=2026-02-01&to=2026-01-01": "To must be after from.",
		"after=act_x":                   "After must be the id of a record.",
		"before=7":                      "Before must be the id of a record.",
		"q=a%00b":                       "Q must be text.",
		"user=%ff":                      "User must be text.",
		"metadata.a=%00":                "Metadata.a must be text.",
		"metadata.%3Cimg%3E=%00":        "Metadata.<img> must be text.",
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			for _, headers := range [][]string{nil, fragmentOf("results")} {
				a := owner.Get(path.Activity+"?"+query, headers...)
				doc := a.HTML(t)
				if got := text(doc.Find("#results [role=alert] li")); a.StatusCode != http.StatusUnprocessableEntity || got != want {
					t.Errorf("%d %q, want %q", a.StatusCode, got, want)
				}
				if len(listed(doc)) != 0 || doc.Find("#results a[href='/activity']").Length() != 1 {
					t.Error("something is listed, or there is no way out")
				}
			}
			for _, target := range []string{path.ActivityExportCSV, path.ActivityExportNDJSON, path.ActivityNew} {
				a := owner.Get(target + "?" + query)
				words := strings.ToLower(text(a.HTML(t).Find("body")))
				if a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(words, strings.ToLower(want)) {
					t.Errorf("%s: %d %q", target, a.StatusCode, words)
				}
			}
		})
	}
	both := "after=" + posthorn.ActivityID{}.String() + "&before=" + posthorn.ActivityID{}.String()
	if a := owner.Get(path.Activity + "?" + both); a.StatusCode != http.StatusOK {
		t.Errorf("two empty positions: %d", a.StatusCode)
	}
	id := s.PostActivity(nil)
	if a := owner.Get(path.Activity + "?after=" + id + "&before=" + id); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("two positions: %d", a.StatusCode)
	}
	if a := owner.Get(path.ActivityNew + "?since=x"); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a position that is none: %d", a.StatusCode)
	}
}

func TestTheFieldsOfAConditionBecomeOneParameter(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	for query, want := range map[string]string{
		"metadataKey=case.id&metadataValue=7":                       "/activity?metadata.case.id=7",
		"metadataKey=case.id&metadataValue=7&type=kyt&risk=&q=0xa":  "/activity?metadata.case.id=7&q=0xa&type=kyt",
		"metadataKey=a&metadataValue=2&metadata.a=1&metadata.b=3":   "/activity?metadata.a=2&metadata.b=3",
		"metadataKey=a%26b%3D&metadataValue=%2F%2Fevil.example%23x": "/activity?metadata.a%26b%3D=%2F%2Fevil.example%23x",
	} {
		if a := owner.Get(path.Activity + "?" + query); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != want {
			t.Errorf("%s: %d to %q, want %q", query, a.StatusCode, a.Header.Get("Location"), want)
		}
		if a := owner.Get(path.Activity+"?"+query, fragmentOf("results")...); a.StatusCode != http.StatusNoContent || a.Header.Get("HX-Redirect") != want {
			t.Errorf("%s by htmx: %d to %q", query, a.StatusCode, a.Header.Get("HX-Redirect"))
		}
	}
	for _, query := range []string{"metadataKey=a", "metadataValue=1", "metadataKey=&metadataValue="} {
		if a := owner.Get(path.Activity + "?" + query); a.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", query, a.StatusCode)
		}
	}
}

func TestAFragmentIsThePartThatWasAskedFor(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner, id := s.SignedIn(), s.PostActivity(nil)
	for name, tc := range map[string]struct {
		target  string
		headers []string
		// whole says that a whole page comes; has and hasNot are selectors.
		whole       bool
		has, hasNot string
	}{
		"page":              {path.Activity, nil, true, "form#filters", "dialog[open]"},
		"results":           {path.Activity, fragmentOf("results"), false, "section#results tr", "form#filters"},
		"another target":    {path.Activity, fragmentOf("main"), true, "form#filters", "dialog[open]"},
		"from the history":  {path.Activity, append(fragmentOf("results"), "HX-History-Restore-Request", "true"), true, "form#filters", "dialog[open]"},
		"boosted":           {path.Activity, append(fragmentOf("results"), "HX-Boosted", "true"), true, "form#filters", "dialog[open]"},
		"a target alone":    {path.Activity, []string{"HX-Target", "results"}, true, "form#filters", "dialog[open]"},
		"drawer":            {path.ActivityRecord(id), fragmentOf("drawer-slot"), false, "dialog h2#record-title", "section#results"},
		"deep link":         {path.ActivityRecord(id), nil, true, "#drawer-slot dialog[open] h2#record-title", "h1#record-title"},
		"deep link's list":  {path.ActivityRecord(id), nil, true, "#results tr[aria-current=true]", "h1#record-title"},
		"record":            {path.ActivityRecordPage(id), nil, true, "main h1", "dialog[open], section#results"},
		"nobody's record":   {path.ActivityRecord("act_x"), fragmentOf("drawer-slot"), false, "dialog [role=alert]", "section#results"},
		"record, not found": {path.ActivityRecordPage("act_x"), nil, true, "nav#nav", "dialog[open]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := owner.Get(tc.target, tc.headers...)
			doc := a.HTML(t)
			if whole := strings.HasPrefix(strings.ToLower(a.Text), "<!doctype html>"); whole != tc.whole {
				t.Errorf("a whole page: %t", whole)
			}
			if doc.Find(tc.has).Length() == 0 || doc.Find(tc.hasNot).Length() != 0 {
				t.Errorf("%q: %d, %q: %d", tc.has, doc.Find(tc.has).Length(), tc.hasNot, doc.Find(tc.hasNot).Length())
			}
		})
	}
}

func TestAnEmptyFeedSaysWhy(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner, member := s.SignedIn(), addMember(t, s)
	state := func(c *sitekit.Client, target string) string { return text(c.Get(target).HTML(t).Find("#results h2")) }
	for name, c := range map[string]*sitekit.Client{"owner": owner, "member": member} {
		for _, target := range []string{path.Activity, path.Activity + "?risk=high"} {
			if got := state(c, target); got != "No records yet" {
				t.Errorf("%s, %s: %q", name, target, got)
			}
		}
	}
	if text(owner.Get(path.Home).HTML(t).Find("main pre")) == "" {
		t.Error("the overview does not say how to post a record")
	}
	id := s.PostActivity(map[string]any{"userId": "somebody"})
	if got := state(member, path.Activity); got != "No records yet" {
		t.Errorf("a member, of whom there is none: %q", got)
	}
	if got := state(owner, path.Activity+"?risk=high&q=0xa"); got != "No records match" {
		t.Errorf("no match: %q", got)
	}
	doc := owner.Get(path.Activity + "?risk=high&q=0xa").HTML(t)
	if words := text(doc.Find("#results")); !containsAll(words, "“0xa”", "risk High") || doc.Find("#results a[href='/activity']").Length() == 0 {
		t.Errorf("it does not name the filters: %q", words)
	}
	if got := state(owner, path.Activity+"?after="+id); got != "No records here" {
		t.Errorf("beyond the end: %q", got)
	}
}
