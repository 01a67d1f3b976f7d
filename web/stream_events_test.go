package web_test

import (
	"net/http"
	"strings"
	"testing"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

func TestAStreamOfEventsTellsOfNewOnes(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t, toLoopback...)
	server := newAnswering(t)
	makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.URL, in.Events = &server.URL, &[]string{"submission.*"} })
	_, other := newTenant(t, s)
	settle(t, s, 1)
	owner := s.SignedIn()
	ours, theirs := listenTo(t, owner, path.EventStream), listenTo(t, other, path.EventStream)

	// One that no webhook gets is an event all the same.
	unwanted := publishEvent(t, s, "user.created", map[string]any{}, "order 7")
	if got, want := ours.block(), "id: "+unwanted+"\ndata: "+`{"topic":"events","new":1}`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	// Neither what was published before, nor what becomes of deliveries, is a new event.
	publishEvent(t, s, "user.created", map[string]any{}, "order 7")
	first := publishEvent(t, s, "submission.created", map[string]any{}, "")
	if got, want := ours.block(), "id: "+first+"\ndata: "+`{"topic":"events","new":1}`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	await(t, "the delivery ends", func() bool {
		return selectOne[int](t, s, `SELECT count(*) FROM deliveries WHERE state = 'succeeded'`) == 1
	})
	second := publishEvent(t, s, "user.created", map[string]any{}, "")
	if got, want := ours.block(), "id: "+second+"\ndata: "+`{"topic":"events","new":1}`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	select {
	case block := <-theirs.blocks:
		t.Errorf("another organisation hears %q", block)
	default:
	}

	if late := listenTo(t, owner, path.EventStream+"?since="+first); late.block() != "id: "+second+"\ndata: "+`{"topic":"events","new":0}` {
		t.Error("what was missed is not told at once")
	}
	for query, want := range map[string]string{
		"since=" + unwanted: "2 new events", "since=" + first: "1 new event", "since=" + second: "", "since=" + unwanted + "&event=user.created": "1 new event",
	} {
		a := owner.Get(path.EventNews + "?" + query)
		wantStatus(t, a, http.StatusOK)
		if got := text(a.HTML(t).Find("a")); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	news := owner.Get(path.EventNews + "?event=user.created&since=" + first).HTML(t)
	if href := news.Find("a").AttrOr("href", ""); href != path.Events+"?event=user.created" {
		t.Errorf("the new ones are at %q", href)
	}
}

func TestAnotherProcessIsHeardInTheEvents(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	beside := sitekit.Join(t, s)
	settle(t, s, 2)
	st := listenTo(t, beside.SignedInAs(s.Owner.Email, s.Owner.Password), path.EventStream)
	event := publishEvent(t, s, "user.created", map[string]any{}, "")
	if block := st.block(); !strings.HasPrefix(block, "id: "+event+"\n") {
		t.Errorf("it hears %q", block)
	}
}

func TestAStopAndAReplayAreToldToOthersWhoLook(t *testing.T) {
	t.Parallel()
	s, _, hook := siteWithHook(t, status(http.StatusServiceUnavailable), nil)
	id := deliver(t, s)
	settle(t, s, 1)
	c := s.SignedIn()
	st := listenTo(t, c, path.DeliveryLogStream)
	wantRedirect(t, c.Post(path.DeliveryStop(id), nil), path.Delivery(id))
	if news := st.untilChanged(id); news != 0 {
		t.Errorf("%d new by a stop", news)
	}
	// The webhook is inactive, so that nothing but the replay itself can be told.
	if _, err := s.Webhooks.SetActive(t.Context(), posthorn.CommandLine(), s.Owner.TenantID, hook.ID, false); err != nil {
		t.Fatal(err)
	}
	wantRedirect(t, c.Post(path.DeliveryReplay(id), nil), path.Delivery(id))
	if news := st.untilChanged(id); news != 0 {
		t.Errorf("%d new by a replay", news)
	}
}
