package web_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// logMessages reads a stream of the log until a delivery was announced as new and as changed, and returns how many were new.
func (st *feedStream) untilChanged(id string) (news int) {
	st.t.Helper()
	for {
		event, data, _ := strings.Cut(st.block(), "data: ")
		var m struct {
			Topic   string
			New     int
			Changed []string
		}
		if err := json.Unmarshal([]byte(data), &m); err != nil {
			st.t.Fatalf("%q: %v", data, err)
		}
		switch {
		case !strings.HasPrefix(event, "event: changed\n"):
			if m.Topic != "deliveries" || m.Changed != nil {
				st.t.Fatalf("%q %q", event, data)
			}
			news += m.New
		case slices.Contains(m.Changed, id):
			return news
		}
	}
}

// deliveryOf is the id of the delivery of an event to a webhook, both as they are written.
func deliveryOf(t *testing.T, event string, hook posthorn.WebhookID) string {
	t.Helper()
	id, err := posthorn.ParseEventID(event)
	if err != nil {
		t.Fatal(err)
	}
	return posthorn.DeliveryIDOf(id, hook).String()
}

func TestAStreamOfTheLogTellsOfNewAndChangedDeliveries(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t, toLoopback...)
	server := newAnswering(t)
	w := makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.URL = &server.URL })
	settle(t, s, 1)
	st := listenTo(t, s.SignedIn(), path.DeliveryLogStream)
	event := publishEvent(t, s, "submission.created", map[string]any{}, "")
	if news := st.untilChanged(deliveryOf(t, event, w.ID)); news != 1 {
		t.Errorf("%d new", news)
	}
	// A replay is a change and nothing new.
	a := s.Client().Do(http.MethodPost, path.APIDeliveries+"/"+deliveryOf(t, event, w.ID)+"/replay", nil, "Authorization", "Bearer "+s.Owner.APIKey)
	if a.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s", a.StatusCode, a.Text)
	}
	if news := st.untilChanged(deliveryOf(t, event, w.ID)); news != 0 {
		t.Errorf("%d new by a replay", news)
	}
}

func TestAStreamOfTheLogSaysAtOnceWhatWasMissed(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	w := makeWebhook(t, s, nil)
	owner := s.SignedIn()
	first := deliveryOf(t, publishEvent(t, s, "submission.created", map[string]any{}, ""), w.ID)
	second := publishEvent(t, s, "submission.created", map[string]any{}, "")
	st := listenTo(t, owner, path.DeliveryLogStream+"?since="+first)
	if block := st.block(); block != "id: "+deliveryOf(t, second, w.ID)+"\ndata: "+`{"topic":"deliveries","new":0}` {
		t.Errorf("it says %q", block)
	}
}

func TestAStreamOfTheLogIsSilentAboutOthers(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t, toLoopback...)
	server := newAnswering(t)
	w := makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.URL = &server.URL })
	_, other := newTenant(t, s)
	settle(t, s, 1)
	theirs, ours := listenTo(t, other, path.DeliveryLogStream), listenTo(t, s.SignedIn(), path.DeliveryLogStream)
	event := publishEvent(t, s, "submission.created", map[string]any{}, "")
	ours.untilChanged(deliveryOf(t, event, w.ID))
	select {
	case block := <-theirs.blocks:
		t.Errorf("another organisation hears %q", block)
	default:
	}
}

func TestAnotherProcessIsHeardInTheLog(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t, toLoopback...)
	beside := sitekit.Join(t, s)
	server := newAnswering(t)
	makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.URL = &server.URL })
	settle(t, s, 2)
	st := listenTo(t, beside.SignedIn(), path.DeliveryLogStream)
	publishEvent(t, s, "submission.created", map[string]any{}, "")
	for {
		if block := st.block(); strings.Contains(block, `"topic":"deliveries"`) {
			break
		}
	}
	for {
		if block := st.block(); strings.HasPrefix(block, "event: changed\n") && strings.Contains(block, `"more":true`) {
			break
		}
	}
}
