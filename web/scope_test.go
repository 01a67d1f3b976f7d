package web_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// checkSees compares what a reader finds on every way to the feed with what they may see, newest first.
func checkSees(t *testing.T, who string, c *sitekit.Client, want []string, hidden ...string) {
	t.Helper()
	if got := listed(c.Get(path.Activity).HTML(t)); !slices.Equal(got, want) {
		t.Errorf("%s lists %v, want %v", who, got, want)
	}
	for name, target := range map[string]string{"CSV": path.ActivityExportCSV, "NDJSON": path.ActivityExportNDJSON} {
		a := c.Get(target)
		for _, id := range want {
			if !strings.Contains(a.Text, id) {
				t.Errorf("%s: %s has not %s", who, name, id)
			}
		}
		for _, id := range hidden {
			if strings.Contains(a.Text, id) {
				t.Errorf("%s: %s has %s", who, name, id)
			}
		}
	}
	news := text(c.Get(path.ActivityNew).HTML(t).Find("a"))
	if count, _, _ := strings.Cut(news, " "); (len(want) == 0) != (news == "") || len(want) > 0 && count != string(rune('0'+len(want))) {
		t.Errorf("%s: %q, want %d", who, news, len(want))
	}
	for _, id := range want {
		for _, target := range []string{path.ActivityRecord(id), path.ActivityRecordPage(id)} {
			if a := c.Get(target); a.StatusCode != http.StatusOK {
				t.Errorf("%s: %s is %d", who, target, a.StatusCode)
			}
		}
	}
	for _, id := range hidden {
		for _, a := range []sitekit.Answer{
			c.Get(path.ActivityRecord(id)), c.Get(path.ActivityRecordPage(id)), c.Get(path.ActivityRecord(id), fragmentOf("drawer-slot")...),
		} {
			if a.StatusCode != http.StatusNotFound || a.HTML(t).Find("#record-title, main h1").Length() != 0 {
				t.Errorf("%s: %s is %d", who, a.Request.URL, a.StatusCode)
			}
		}
		// As a place in the feed it says no more than any other id.
		for _, query := range []string{"?after=", "?before=", "?fresh="} {
			a := c.Get(path.Activity + query + id)
			if got := listed(a.HTML(t)); a.StatusCode != http.StatusOK || slices.Contains(got, id) || len(got) > len(want) {
				t.Errorf("%s: %s is %d and lists %v", who, a.Request.URL, a.StatusCode, got)
			}
		}
	}
}

func TestMembersSeeTheirOwnRecordsAndAdminsTheTenants(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	member := addMember(t, s)
	s.CreateUser(posthorn.RoleAdmin, "admin@posthorn.example", "clerk_admin")
	nameless := s.CreateUser(posthorn.RoleMember, "plain@posthorn.example", "")
	mine := s.PostActivity(map[string]any{"userId": memberID, "riskLevel": "high", "clientAppId": "app-1", "blockchain": "tron"})
	others := s.PostActivity(map[string]any{"userId": "clerk_other", "transactionHash": "0xhidden", "clientAppId": "app-hidden", "blockchain": "hiddenchain"})
	byOwnID := s.PostActivity(map[string]any{"userId": nameless.ID.String(), "transactionHash": "0xhidden"})
	prefixed := s.PostActivity(map[string]any{"userId": memberID + "2", "transactionHash": "0xhidden"})

	checkSees(t, "member", member, []string{mine}, others, byOwnID, prefixed)
	checkSees(t, "member without external id", s.SignedInAs("plain@posthorn.example", sitekit.UserPassword), []string{byOwnID}, mine, others)
	for name, c := range map[string]*sitekit.Client{"owner": s.SignedIn(), "admin": s.SignedInAs("admin@posthorn.example", sitekit.UserPassword)} {
		checkSees(t, name, c, []string{prefixed, byOwnID, others, mine})
		if c.Get(path.Activity).HTML(t).Find("#results td[title=clerk_other]").Length() != 1 {
			t.Errorf("%s sees no user column", name)
		}
	}
	// Filters do not widen what a member sees, and do not tell what there is to filter by.
	for _, query := range []string{"?user=clerk_other", "?q=0xhidden", "?application=app-hidden", "?blockchain=hiddenchain"} {
		if got := listed(member.Get(path.Activity + query).HTML(t)); len(got) != 0 {
			t.Errorf("%s lists %v", query, got)
		}
	}
	page := member.Get(path.Activity)
	for _, word := range []string{"hiddenchain", "app-hidden", "0xhidden", "clerk_other"} {
		if strings.Contains(strings.ToLower(page.Text), word) {
			t.Errorf("the member's page tells of %s", word)
		}
	}
}

func TestAUserCreatedLaterSeesWhatWasRecordedBefore(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	before := s.PostActivity(map[string]any{"userId": memberID})
	checkSees(t, "member", addMember(t, s), []string{before})
}

func TestAnotherTenantsRecordsDoNotExist(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	second, secondOwner := newTenant(t, s)
	bound := sitekit.Join(t, s, "ACTIVITY_WEBHOOK_SECRET="+second.TenantID.String()+":bound-secret-of-the-workers")
	bound.Secret = "bound-secret-of-the-workers"
	ours := s.PostActivity(map[string]any{"userId": memberID, "transactionHash": "0xhidden"})
	theirs := bound.PostActivity(map[string]any{"userId": memberID, "transactionHash": "0xhidden"})

	checkSees(t, "our owner", s.SignedIn(), []string{ours}, theirs)
	checkSees(t, "their owner", secondOwner, []string{theirs}, ours)
	checkSees(t, "our member", addMember(t, s), []string{ours}, theirs)
}
