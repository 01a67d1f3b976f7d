package web_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// countAttempts puts attempts into the minute of some time ago, past the product.
func countAttempts(t *testing.T, s *sitekit.Site, w posthorn.WebhookID, ago time.Duration, delivered, failed int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.Config.DatabaseURL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	_, err = conn.Exec(t.Context(), `WITH undone AS (UPDATE webhook_rollup SET rolled_until = '-infinity'),
answered AS (INSERT INTO webhook_responses (webhook_id, minute, shard, answer, attempts)
  SELECT $1, date_trunc('minute', now() - $2::interval), 0, '503', $4::int WHERE $4::int > 0)
INSERT INTO webhook_minutes (webhook_id, minute, shard, tenant_id, succeeded, failed, dead, latency)
SELECT $1, date_trunc('minute', now() - $2::interval), 0, tenant_id, $3::int, $4::int, 0, ARRAY[0, 0, 0, $3::int + $4::int] FROM webhooks WHERE id = $1`,
		w.UUID(), ago, delivered, failed)
	if err != nil {
		t.Fatal(err)
	}
}

func TestOverviewShowsHowWebhooksFare(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	w := makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.Events = &[]string{"submission.completed"} }) // not what is posted below
	_, other := newTenant(t, s)
	owner, member := s.SignedIn(), addMember(t, s)
	if steps := text(owner.Get(path.Home).HTML(t).Find("main ol")); !strings.Contains(steps, "Create a webhook (done)") {
		t.Errorf("a webhook without deliveries: %q", steps)
	}
	s.PostActivity(nil)
	countAttempts(t, s, w.ID, 2*time.Minute, 30, 10)
	countAttempts(t, s, w.ID, 10*24*time.Hour, 1000, 0)

	a := owner.Get(path.Home)
	wantStatus(t, a, http.StatusOK)
	main := a.HTML(t).Find("main")
	for part, want := range map[string]string{
		"#attention":        "Ledger sync is failing. 10 of 40 attempts failed in the last hour, last with 503 Service Unavailable.",
		"#delivery-figures": "Success rate75.00%10 attempts failed",
		"#webhooks-card":    "Ledger syncFailing75.00%",
	} {
		if got := text(main.Find(part)); !strings.Contains(got, want) {
			t.Errorf("%s says %q, want %q in it", part, got, want)
		}
	}
	if a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control %q", a.Header.Get("Cache-Control"))
	}
	if got := text(owner.Get(path.Home + "?range=30d").HTML(t).Find("#delivery-figures")); !strings.Contains(got, "Delivered1,030") {
		t.Errorf("30 days: %q", got)
	}
	if got := text(owner.Get(path.Home + "?range=1h").HTML(t).Find("#delivery-figures")); !strings.Contains(got, "Delivered30") {
		t.Errorf("an hour: %q", got)
	}
	if got := other.Get(path.Home).Text; strings.Contains(got, "Ledger sync") {
		t.Error("another organisation sees the webhook")
	}
	wantRedirect(t, member.Get(path.Home), path.Activity)
}

func TestPagesOfWebhooksShowHowTheyFare(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	w := makeWebhook(t, s, nil)
	quiet := makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.Name = new("A quiet one") })
	c := s.SignedIn()
	countAttempts(t, s, w.ID, 2*time.Minute, 30, 10)
	countAttempts(t, s, w.ID, 10*24*time.Hour, 1000, 0)

	rows := c.Get(path.Webhooks).HTML(t).Find("#results tbody tr")
	if got := text(rows.Eq(0)); !strings.Contains(got, "Ledger sync") || !strings.Contains(got, "Failing") || !strings.Contains(got, "75.00%") {
		t.Errorf("first in the list is %q", got)
	}
	if got := rows.Eq(0).Find("svg[role=img]").AttrOr("aria-label", ""); got != "30 delivered, 10 attempts failed in 24 hours" {
		t.Errorf("its chart is labelled %q", got)
	}
	for i, want := range []string{"75.00% of 40 attempts", "All events"} {
		if got := text(rows.Eq(i).Find("td:first-child")); !strings.Contains(got, want) {
			t.Errorf("on a phone row %d says %q, want %q", i, got, want)
		}
	}
	if got := text(rows.Eq(1)); !strings.Contains(got, "A quiet one") || strings.Contains(got, "%") {
		t.Errorf("then comes %q", got)
	}

	failing := c.Get(path.Webhooks + "?status=failing").HTML(t)
	if names := webhookNames(t, c.Get(path.Webhooks+"?status=failing")); !slices.Equal(names, []string{"Ledger sync"}) {
		t.Errorf("%q fail", names)
	}
	if names := webhookNames(t, c.Get(path.Webhooks+"?status=active")); !slices.Equal(names, []string{"A quiet one"}) {
		t.Errorf("%q are active and do not fail", names)
	}
	if got := text(failing.Find("#states")); got != "All 2Active 1Failing 1Inactive 0Disabled 0" {
		t.Errorf("the choices are %q", got)
	}

	page := c.Get(path.Webhook(w.ID.String())).HTML(t).Find("main")
	for part, want := range map[string]string{
		"h1 + .badge": "Failing", ".callout": "10 of 40 attempts failed in the last hour, last with 503 Service Unavailable.",
		"#delivery-figures": "Delivered30", "#responses": "200 OK 30503 Service Unavailable 10",
	} {
		if got := text(page.Find(part)); !strings.Contains(got, want) {
			t.Errorf("%s says %q, want %q in it", part, got, want)
		}
	}
	link := page.Find("#responses a").Last().AttrOr("href", "")
	if link != path.WebhookLog(w.ID.String())+"?code=503&range=24h" {
		t.Errorf("the response leads to %s", link)
	}
	wantStatus(t, c.Get(link), http.StatusOK)
	month := c.Get(path.Webhook(w.ID.String()) + "?range=30d").HTML(t)
	if got := text(month.Find("#delivery-figures")); !strings.Contains(got, "Delivered1,030") {
		t.Errorf("30 days: %q", got)
	}
	if got := text(c.Get(path.Webhook(quiet.ID.String()) + "?range=nonsense").HTML(t).Find("main")); !strings.Contains(got, "No deliveries in the last 24 hours.") {
		t.Errorf("a quiet webhook: %q", got)
	}
}
