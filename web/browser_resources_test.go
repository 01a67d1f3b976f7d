package web_test

import (
	"net/http"
	"strings"
	"testing"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// fillResources makes a few resources in several states and returns one id of each kind.
func fillResources(t *testing.T, s *sitekit.Site) map[posthorn.ResourceKind]string {
	t.Helper()
	ids := makeResources(t, s)
	patch := func(kind posthorn.ResourceKind, id, body string) {
		t.Helper()
		wantStatus(t, callAPI(s.Client(), http.MethodPatch, path.APIResources(kind.Plural())+"/"+id, body, s.Owner.APIKey), http.StatusOK)
	}
	cancelled := makeResource(t, s, posthorn.KindInvitation, `{"customerEmail":"ops@meridian.example","workflowId":"wf_2"}`)
	patch(posthorn.KindInvitation, cancelled, `{"status":"cancelled"}`)
	submission := ids[posthorn.KindSubmission]
	patch(posthorn.KindSubmission, submission, `{"status":"completed","responses":{"firstName":"John","lastName":"Doe"}}`)
	wantStatus(t, callAPI(s.Client(), http.MethodPost, path.APIScreenings(submission), `{"matches":[
{"matchId":"m-1","matchType":"sanctions","matchScore":0.95,"matchedName":"John Doe","sourceList":"OFAC","riskLevel":"high"},
{"matchType":"pep","matchedName":"J. Doe","dismissed":true,"reason":"Another date of birth."}]}`, s.Owner.APIKey), http.StatusCreated)
	patch(posthorn.KindSubmission, submission, `{"status":"rejected"}`)
	verification := ids[posthorn.KindVerification]
	for _, status := range []string{"document_submitted", "processing", "requires_review"} {
		patch(posthorn.KindVerification, verification, `{"status":"`+status+`","checks":{"liveness":{"passed":true,"score":0.97}}}`)
	}
	makeResource(t, s, posthorn.KindVerification, `{"userReference":"`+strings.Repeat("user_with_a_long_reference_", 8)+`"}`)
	patch(posthorn.KindIntegration, ids[posthorn.KindIntegration], `{"status":"ONGOING"}`)
	patch(posthorn.KindIntegration, ids[posthorn.KindIntegration], `{"status":"FAILED"}`)
	return ids
}

func TestThePagesOfResourcesAreAccessibleAndFit(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	empty := sitekit.Start(t)
	ids := fillResources(t, s)
	p := person(t, s)
	p.Allow(`GET /submissions\?status=lost: 422`)
	views := []view{
		at("resources-none-match", path.Resources("submissions")+"?status=created&workflowId=wf_9"),
		at("resources-faults", path.Resources("submissions")+"?status=lost"),
	}
	for _, kind := range posthorn.ResourceKinds() {
		views = append(views, at(kind.Plural(), path.Resources(kind.Plural())), at(string(kind), path.Resource(kind.Plural(), ids[kind])))
	}
	examine(t, p, views...)
	examine(t, person(t, empty), at("resources-empty", path.Resources("invitations")))
}

func TestResourcesAreFilteredAndFollowedToTheirEvents(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	ids := fillResources(t, s)
	invitation := ids[posthorn.KindInvitation]
	p := person(t, s)
	p.Goto(path.Events)
	p.Click("nav.tabs a", "Invitations")
	p.At(path.Resources("invitations"))
	p.WaitCount(rowLink, 2)
	p.Click("#f-status-chip")
	p.Click("#f-status label", "Sent")
	p.Wait("location.search === '?status=sent'")
	p.WaitCount(rowLink, 1)
	p.Visible("#f-status-chip[data-active]", "Sent")
	p.Click("#f-status button", "Done")
	p.Fill("#filter-text", "nobody@")
	p.Visible("#results", "No invitations match")
	p.Fill("#filter-text", "CUSTOMER@")
	p.Visible(row(invitation))
	p.Click(row(invitation) + " .row-link")
	p.At(path.Resource("invitations", invitation))
	p.Visible("#history", "invitation.sent")
	p.Click("#history a", "invitation.sent")
	p.Visible("h1", "invitation.sent")
	p.Visible("#data", invitation)
}

func TestThePagesOfResourcesWorkWithoutJavaScript(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	ids := fillResources(t, s)
	p := visitor(t, s)
	p.DisableScript()
	p.Goto(path.Resources("submissions"))
	fillSignIn(p, s.Owner.Email, s.Owner.Password)
	p.At(path.Resources("submissions"))
	p.Fill("#filter-text", "customer@")
	p.Click("button", "Apply filters")
	p.Wait("location.search.includes('q=customer')")
	p.Click(row(ids[posthorn.KindSubmission]) + " .row-link")
	p.Visible("h1", "customer@example.com")
	p.Visible("#screenings", "John Doe")
	p.Visible("#document", "lastName")
	p.Click("nav[aria-label=Breadcrumb] a", "Submissions")
	p.At(path.Resources("submissions"))
}
