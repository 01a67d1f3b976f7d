package web_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/go-cmp/cmp"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/pages"
	"posthorn/views/path"
)

// webhookNames are the names in the list of a page.
func webhookNames(t *testing.T, a sitekit.Answer) []string {
	t.Helper()
	return a.HTML(t).Find("#results .row-link").Map(func(_ int, link *goquery.Selection) string { return text(link) })
}

func TestTheListOfWebhooksIsFiltered(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	if got := text(c.Get(path.Webhooks).HTML(t).Find("#results h2")); got != "No webhooks yet" {
		t.Errorf("an empty list says %q", got)
	}
	makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.Name = new("Alpha") })
	makeWebhook(t, s, func(in *posthorn.WebhookInput) {
		in.Name, in.URL, in.Events = new("Beta"), new(publicURL+"/beta_100"), &[]string{"aml.*"}
	})
	makeWebhook(t, s, func(in *posthorn.WebhookInput) {
		in.Name, in.Active, in.Events = new("Gamma"), new(false), &[]string{"user.created"}
	})
	for query, want := range map[string][]string{
		"":                       {"Alpha", "Beta", "Gamma"},
		"?status=inactive":       {"Gamma"},
		"?status=disabled":       {},
		"?q=BETA_100":            {"Beta"},
		"?q=alph&status=active":  {"Alpha"},
		"?event=aml.match.found": {"Alpha", "Beta"},
		"?event=user.created":    {"Alpha", "Gamma"},
		"?after=wh_nothing":      {"Alpha", "Beta", "Gamma"},
	} {
		a := c.Get(path.Webhooks + query)
		wantStatus(t, a, http.StatusOK)
		if diff := cmp.Diff(want, webhookNames(t, a)); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	a := c.Get(path.Webhooks+"?q=a&status=inactive", into("results")...)
	fragment := a.HTML(t)
	if fragment.Find("main").Length() != 0 || fragment.Find("#states[hx-swap-oob] [aria-current]").AttrOr("href", "") != "/webhooks?q=a&status=inactive" {
		t.Error("the fragment is a page, or does not tell the form its state")
	}
	counts := fragment.Find("#states a").Map(func(_ int, link *goquery.Selection) string { return text(link) })
	if diff := cmp.Diff([]string{"All 3", "Active 2", "Failing 0", "Inactive 1", "Disabled 0"}, counts); diff != "" {
		t.Error(diff)
	}
	if got := text(c.Get(path.Webhooks + "?q=zzz&event=user.created").HTML(t).Find("#results p.text-balance")); got != "“zzz”, subscribed to user.created." {
		t.Errorf("no match says %q", got)
	}
	wantStatus(t, c.Get(path.Webhooks+"?status=broken"), http.StatusUnprocessableEntity)
}

func TestALongListOfWebhooksHasPages(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	c := s.SignedIn()
	const n = 205
	for i := range n {
		makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.Name = new(fmt.Sprintf("Webhook %03d", i)) })
	}
	first := c.Get(path.Webhooks)
	names := webhookNames(t, first)
	if len(names) != 100 || names[0] != "Webhook 000" || text(first.HTML(t).Find("#results nav p")) != "100 webhooks of 205" {
		t.Fatalf("the first page has %d, %q: %s", len(names), names[0], text(first.HTML(t).Find("#results nav")))
	}
	if first.HTML(t).Find("[rel=prev]").Length() != 0 {
		t.Error("the first page has one before it")
	}
	var all []string
	target := path.Webhooks
	for range 3 {
		page := c.Get(target)
		all = append(all, webhookNames(t, page)...)
		target = page.HTML(t).Find("[rel=next]").AttrOr("href", "")
	}
	if len(all) != n || target != "" || all[n-1] != "Webhook 204" {
		t.Errorf("%d webhooks on three pages, the last is %q, and then %q", len(all), all[len(all)-1], target)
	}
	second := c.Get(first.HTML(t).Find("[rel=next]").AttrOr("href", ""))
	back := c.Get(second.HTML(t).Find("[rel=prev]").AttrOr("href", ""))
	if diff := cmp.Diff(names, webhookNames(t, back)); diff != "" {
		t.Error(diff)
	}
	// What is done on a page comes back to it.
	here := first.HTML(t).Find("[rel=next]").AttrOr("href", "")
	menu, err := url.Parse(second.HTML(t).Find("#results a[href*='/deactivate']").First().AttrOr("href", ""))
	if err != nil || menu.Query().Get("next") != here {
		t.Errorf("a question on %q leads back to %q, %v", here, menu.Query().Get("next"), err)
	}
	form := filled(t, c.Get(menu.String()).HTML(t), "main form")
	wantRedirect(t, c.Post(menu.Path, form), here)
	// A page that has emptied since is the first one.
	third := c.Get(path.With(path.Webhooks, url.Values{"q": {"Webhook 204"}})).HTML(t)
	last := strings.TrimPrefix(third.Find("#results .row-link").AttrOr("href", ""), path.Webhooks+"/")
	beyond := c.Get(path.With(path.Webhooks, url.Values{pages.FilterState: {"active"}, pages.PageAfter: {last}}))
	if got := webhookNames(t, beyond); len(got) != 100 || got[0] != "Webhook 000" {
		t.Errorf("beyond the last page there are %d webhooks", len(got))
	}
	filtered := c.Get(path.With(path.Webhooks, url.Values{"q": {"Webhook 2"}, pages.FilterState: {"active"}}))
	if got := webhookNames(t, filtered); len(got) != 5 || filtered.HTML(t).Find("#results nav").Length() != 0 {
		t.Errorf("%q", got)
	}
}
