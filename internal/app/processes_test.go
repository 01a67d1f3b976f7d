package app_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"posthorn/internal/app"
	"posthorn/internal/config"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// request is one that a receiver got.
type request struct {
	delivery string
	// sender is what the process that sent it calls itself.
	sender string
	at     time.Time
}

// collector is a receiver that remembers who sent what.
type collector struct {
	*httptest.Server
	// hold, when there is one, is what an answer waits for.
	hold chan struct{}

	mu       sync.Mutex
	requests []request
}

func newCollector(t *testing.T, hold chan struct{}) *collector {
	t.Helper()
	c := &collector{hold: hold}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.requests = append(c.requests, request{r.Header.Get("webhook-id"), r.UserAgent(), time.Now()})
		c.mu.Unlock()
		if c.hold != nil {
			select {
			case <-c.hold:
			case <-r.Context().Done():
			}
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(c.Close)
	return c
}

// from returns the requests of a sender, of everybody when it is empty.
func (c *collector) from(sender string) []request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.requests), func(r request) bool { return sender != "" && r.sender != sender })
}

// The names under which the two processes send.
const (
	firstSender  = "Posthorn/test"
	secondSender = "Posthorn/second"
)

// startSecond runs a second process on the database of a site. It sends as secondSender and answers at the URL.
func startSecond(t *testing.T, first *sitekit.Site, variables ...string) (url string) {
	t.Helper()
	cfg, err := config.Load(append([]string{
		"POSTHORN_ADDR=127.0.0.1:0", "ACTIVITY_WEBHOOK_SECRET=" + first.Secret,
		"POSTHORN_DATA_DIR=" + first.Config.DataDir, "DATABASE_URL=" + first.Config.DatabaseURL.Reveal(),
	}, variables...))
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.New(t.Context(), cfg, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})), "second")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	stopped := make(chan error, 1)
	go func() { stopped <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Errorf("stop the second process: %v", err)
		}
	})
	return "http://" + a.Addr()
}

// publishAt publishes submissions at a process.
func publishAt(t *testing.T, url, key string, n int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+path.APIEvents, strings.NewReader(submissions(n)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusAccepted {
		t.Fatalf("publish: %d, %v", res.StatusCode, err)
	}
}

// What one process has in hand is bounded, so that most of this backlog waits in the database, where both find it. The first
// answers are held back until both have begun.
func TestTwoProcessesOnOneDatabaseEachSendAndNoneTwice(t *testing.T) {
	t.Parallel()
	variables := slices.Concat(many, loopback)
	first := sitekit.Start(t, variables...)
	second := startSecond(t, first, variables...)
	hold := make(chan struct{})
	receiver := newCollector(t, hold)
	newWebhook(t, first, receiver.URL, `,"timeoutSeconds":30`)
	const batches, size = 5, 300
	for range batches - 1 {
		publishAt(t, first.URL, first.Owner.APIKey, size)
	}
	await(t, func() bool { return len(receiver.from(secondSender)) > 0 && len(receiver.from(firstSender)) > 0 })
	close(hold)
	publishAt(t, second, first.Owner.APIKey, size)
	await(t, func() bool {
		var pending struct{ Data []struct{} }
		api(t, first, http.MethodGet, path.APIDeliveries+"?status=pending&limit=1", "", http.StatusOK, &pending)
		return len(pending.Data) == 0
	})
	senders, times := map[string]int{}, map[string]int{}
	for _, r := range receiver.from("") {
		senders[r.sender]++
		times[r.delivery]++
	}
	for delivery, n := range times {
		if n > 1 {
			t.Errorf("%s was sent %d times", delivery, n)
		}
	}
	if len(times) != batches*size {
		t.Errorf("%d of %d deliveries arrived", len(times), batches*size)
	}
	if got := slices.Sorted(maps.Keys(senders)); !slices.Equal(got, []string{secondSender, firstSender}) {
		t.Errorf("sent by %v", senders)
	}
	t.Logf("sent: %v", senders)
}

// Both webhooks are slow, so that the second process goes on sending what it has in hand, which it knows nothing newer of,
// when they are changed in the first: all it can do is look again.
func TestAWebhookChangedInOneProcessIsEffectiveInTheOtherWithinFiveSeconds(t *testing.T) {
	t.Parallel()
	const (
		perSecond, events = 5, 45
		// tolerance is for a machine that is busy with other tests.
		tolerance = 2 * time.Second
	)
	variables := slices.Concat(many, loopback)
	first := sitekit.Start(t, variables...)
	second := startSecond(t, first, variables...)
	before, after, paused := newCollector(t, nil), newCollector(t, nil), newCollector(t, nil)
	slow := fmt.Sprintf(`,"rateLimitPerSecond":%d`, perSecond)
	moving := newWebhook(t, first, before.URL, slow)
	pausing := newWebhook(t, first, paused.URL, slow)
	publishAt(t, second, first.Owner.APIKey, events)
	await(t, func() bool { return len(before.from(secondSender)) > 1 && len(paused.from(secondSender)) > 1 })
	api(t, first, http.MethodPut, path.APIWebhooks, fmt.Sprintf(`{"id":%q,"url":%q}`, moving, after.URL), http.StatusOK, nil)
	api(t, first, http.MethodPut, path.APIWebhooks, fmt.Sprintf(`{"id":%q,"active":false}`, pausing), http.StatusOK, nil)
	limit := time.Now().Add(5*time.Second + tolerance)
	await(t, func() bool { return len(before.from(""))+len(after.from("")) >= events })
	if !time.Now().After(limit) {
		t.Error("everything was sent before the change had to be noticed")
	}
	if len(after.from(secondSender)) == 0 {
		t.Error("the second process never sent to the new URL")
	}
	for name, c := range map[string]*collector{"the old URL": before, "a webhook that is paused": paused} {
		for _, r := range c.from(secondSender) {
			if r.at.After(limit) {
				t.Errorf("%s was sent to %s %s too late", r.delivery, name, r.at.Sub(limit))
			}
		}
	}
	if n := len(paused.from("")); n >= events {
		t.Errorf("%d deliveries came, although the webhook was paused", n)
	}
	var waiting struct{ Data []struct{} }
	api(t, first, http.MethodGet, path.APIDeliveries+"?status=pending&limit=200&webhookId="+pausing, "", http.StatusOK, &waiting)
	if got := len(waiting.Data) + len(paused.from("")); got != events {
		t.Errorf("%d deliveries wait or were sent, of %d", got, events)
	}
	t.Logf("old URL %d, new URL %d, of the second process %d and %d; sent to the paused webhook %d", len(before.from("")), len(after.from("")),
		len(before.from(secondSender)), len(after.from(secondSender)), len(paused.from("")))
}
