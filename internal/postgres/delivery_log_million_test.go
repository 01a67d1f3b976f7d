package postgres_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"posthorn/internal/history"
	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
	"posthorn/internal/testkit"
)

// million is a month of a busy installation: a million deliveries, or a quarter of that under the race detector.
type million struct {
	past   *history.Past
	tenant posthorn.TenantID
	// db sends the queries of the product, and plain those that explain them.
	url   string
	plain *postgres.DB
	now   time.Time
}

func newMillion(t *testing.T) *million {
	t.Helper()
	m := &million{tenant: posthorn.NewTenantID(), url: testkit.URL(t), now: time.Now()}
	var err error
	if m.plain, err = postgres.Open(t.Context(), postgres.Options{URL: m.url, MaxConns: 8}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.plain.Close)
	exec(t, m.plain, `INSERT INTO tenants (id, name) VALUES ($1, 'Meridian Pay')`, m.tenant.UUID())
	deliveries := 1_000_000
	if testkit.Race { // what is looked at are plans, and the history takes minutes then
		deliveries = 250_000
	}
	m.past, err = history.Fill(t.Context(), history.Options{URL: m.url, Tenant: m.tenant, Deliveries: deliveries, Until: m.now, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// traced opens the database with a recorder of what is sent to it.
func (m *million) traced(t *testing.T) (*postgres.DB, *queryRecorder) {
	t.Helper()
	r := &queryRecorder{begun: map[*pgx.Conn]string{}}
	db, err := postgres.OpenTraced(t.Context(), postgres.Options{URL: m.url}, r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db, r
}

// Every query of the log, of the events, of the charts, of what needs attention and of bulk replays, under every filter with
// values that are common, rare and absent, is answered from indexes and counts: no partition is read from end to end, and few
// rows are read for nothing.
func TestAMillionDeliveriesAreReadThroughAnIndex(t *testing.T) {
	t.Parallel()
	m := newMillion(t)
	t.Run("log", func(t *testing.T) { t.Parallel(); m.explainLog(t) })
	t.Run("events", func(t *testing.T) { t.Parallel(); m.explainEvents(t) })
	t.Run("counts", func(t *testing.T) { t.Parallel(); m.explainStats(t) })
	t.Run("single ones and replays", func(t *testing.T) { t.Parallel(); m.explainSingles(t) })
}

// filters are those of the log, each alone.
func (m *million) filters() map[string]posthorn.DeliveryFilter {
	type filter = posthorn.DeliveryFilter
	yes, no := true, false
	statuses := func(s ...posthorn.DeliveryStatus) []posthorn.DeliveryStatus { return s }
	code := func(from, to int) posthorn.StatusRange { return posthorn.StatusRange{From: from, To: to} }
	x, hooks := &m.past.Examples, m.past.Webhooks
	return map[string]filter{
		"nothing":            {},
		"busy webhook":       {WebhookID: hooks[history.Everything]},
		"failing webhook":    {WebhookID: hooks[history.Rejecting]},
		"idle webhook":       {WebhookID: hooks[history.Gone]},
		"deleted webhook":    {WebhookID: hooks[history.Deleted]},
		"unknown webhook":    {WebhookID: posthorn.NewWebhookID()},
		"event":              {Events: []string{"user.authenticated"}},
		"rare event":         {Events: []string{"integration.failed"}},
		"absent event":       {Events: []string{"no.such"}},
		"two events":         {Events: []string{"integration.failed", "no.such"}},
		"success":            {Statuses: statuses(posthorn.StatusSuccess)},
		"error":              {Statuses: statuses(posthorn.StatusError)},
		"pending":            {Statuses: statuses(posthorn.StatusPending)},
		"error and pending":  {Statuses: statuses(posthorn.StatusError, posthorn.StatusPending)},
		"200":                {StatusCodes: code(200, 200)},
		"rare success":       {StatusCodes: code(204, 204)},
		"404":                {StatusCodes: code(404, 404)},
		"absent code":        {StatusCodes: code(418, 418)},
		"4xx":                {StatusCodes: code(400, 499)},
		"5xx":                {StatusCodes: code(500, 599)},
		"class":              {ErrorClass: posthorn.ErrorTimeout},
		"absent class":       {ErrorClass: posthorn.ErrorBlocked},
		"tests":              {Test: &yes},
		"no tests":           {Test: &no},
		"application":        {Application: m.past.ApplicationExternal},
		"absent application": {Application: "nobody"},
		"latency":            {Over: 5 * time.Second},
		"absent latency":     {Over: time.Hour},
		"attempts":           {MinAttempts: 3},
		"absent attempts":    {MinAttempts: 50},
		"last hour":          {From: m.now.Add(-time.Hour)},
		"last month":         {From: m.now.AddDate(0, 0, -30)},
		"a day":              {From: m.now.AddDate(0, 0, -20), To: m.now.AddDate(0, 0, -19)},
		"delivery":           {DeliveryID: x.Failed},
		"event id":           {EventID: x.Event},
		"text":               {Text: x.Key},
		"unknown text":       {Text: "order 0"},
	}
}

// joined are filters of several conditions.
func (m *million) joined() map[string]posthorn.DeliveryFilter {
	all := map[string]posthorn.DeliveryFilter{}
	single := m.filters()
	for _, webhook := range []string{"busy webhook", "failing webhook", "idle webhook"} {
		for name, f := range single {
			if f.WebhookID.IsZero() && f.Text == "" {
				f.WebhookID = single[webhook].WebhookID
				all[webhook+", "+name] = f
			}
		}
	}
	for _, status := range []string{"success", "error", "pending"} {
		for _, other := range []string{"event", "rare event", "200", "404", "5xx", "class", "application", "latency", "attempts", "a day", "last hour"} {
			f := single[other]
			f.Statuses = single[status].Statuses
			all[status+", "+other] = f
		}
	}
	for _, event := range []string{"event", "rare event"} {
		for _, other := range []string{"404", "5xx", "class", "tests", "application", "latency", "attempts", "a day"} {
			f := single[other]
			f.Events = single[event].Events
			all[event+", "+other] = f
		}
	}
	return all
}

func (m *million) explainLog(t *testing.T) {
	t.Helper()
	db, sent := m.traced(t)
	log, replays := postgres.NewDeliveryLog(db), postgres.NewReplays(db)
	middle := posthorn.DeliveryIDAt(m.now.AddDate(0, 0, -15))
	ask := func(t *testing.T, f posthorn.DeliveryFilter, positions ...posthorn.DeliveryPosition) {
		t.Helper()
		for _, p := range positions {
			p.Limit = 50
			if _, err := log.ListDeliveries(t.Context(), m.tenant, posthorn.DeliveryQuery{Filter: f, Position: p, Brief: !p.After.IsZero()}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := log.CountDeliveries(t.Context(), m.tenant, f, posthorn.DeliveryID{}, 2000); err != nil {
			t.Fatal(err)
		}
		if _, err := replays.CountReplayable(t.Context(), m.tenant, f, 2000); err != nil {
			t.Fatal(err)
		}
		checkPlans(t, m.plain, sent, 0)
	}
	for name, f := range m.filters() {
		t.Run(name, func(t *testing.T) {
			ask(t, f, posthorn.DeliveryPosition{}, posthorn.DeliveryPosition{After: middle}, posthorn.DeliveryPosition{Before: middle})
		})
	}
	for name, f := range m.joined() {
		t.Run(name, func(t *testing.T) {
			ask(t, f, posthorn.DeliveryPosition{})
		})
	}
	for name, tenant := range map[string]posthorn.TenantID{"small tenant": m.past.Small[0], "empty tenant": posthorn.NewTenantID()} {
		t.Run(name, func(t *testing.T) {
			for _, f := range m.filters() {
				if _, err := log.ListDeliveries(t.Context(), tenant, posthorn.DeliveryQuery{Filter: f, Position: posthorn.DeliveryPosition{Limit: 50}}); err != nil {
					t.Fatal(err)
				}
			}
			checkPlans(t, m.plain, sent, 0)
		})
	}
}

func (m *million) explainEvents(t *testing.T) {
	t.Helper()
	db, sent := m.traced(t)
	events := postgres.NewEventLog(db)
	yes, no := true, false
	middle := posthorn.EventIDAt(m.now.AddDate(0, 0, -15))
	type filter = posthorn.EventFilter
	for name, f := range map[string]filter{
		"nothing":                  {},
		"type":                     {Types: []string{"user.authenticated"}},
		"rare type":                {Types: []string{"integration.failed"}},
		"absent type":              {Types: []string{"no.such"}},
		"two types":                {Types: []string{"integration.failed", "no.such"}},
		"application":              {Application: m.past.ApplicationExternal},
		"absent application":       {Application: "nobody"},
		"tests":                    {Test: &yes},
		"no tests":                 {Test: &no},
		"a day":                    {From: m.now.AddDate(0, 0, -20), To: m.now.AddDate(0, 0, -19)},
		"key":                      {Text: m.past.Examples.Key},
		"delivery":                 {Text: m.past.Examples.Old.String()},
		"unknown text":             {Text: "order 0"},
		"rare type, application":   {Types: []string{"integration.failed"}, Application: m.past.ApplicationExternal},
		"absent type, application": {Types: []string{"no.such"}, Application: m.past.ApplicationExternal},
		"type, tests":              {Types: []string{"user.authenticated"}, Test: &yes},
		"application, tests":       {Application: m.past.ApplicationExternal, Test: &yes},
	} {
		t.Run(name, func(t *testing.T) {
			for _, p := range []posthorn.EventPosition{{}, {After: middle}, {Before: middle}} {
				p.Limit = 50
				if _, err := events.ListEvents(t.Context(), m.tenant, posthorn.EventQuery{Filter: f, Position: p}); err != nil {
					t.Fatal(err)
				}
			}
			checkPlans(t, m.plain, sent, 0)
		})
	}
	t.Run("one", func(t *testing.T) {
		if _, err := events.Event(t.Context(), m.tenant, m.past.Examples.Event); err != nil {
			t.Fatal(err)
		}
		checkPlans(t, m.plain, sent, 0)
	})
}

func (m *million) explainStats(t *testing.T) {
	t.Helper()
	db, sent := m.traced(t)
	stats := postgres.NewDeliveryStats(db)
	lastDay := statsHour(m.now, 24)
	all := make([]posthorn.WebhookID, 0, len(m.past.Webhooks))
	for _, id := range m.past.Webhooks {
		all = append(all, id)
	}
	for name, r := range map[string]posthorn.OverviewRange{
		"1h": {Until: m.now.Truncate(time.Minute).Add(time.Minute), Bucket: time.Minute, Buckets: 60}, "24h": lastDay,
		"7d":  {Until: m.now.Truncate(6 * time.Hour).Add(6 * time.Hour), Bucket: 6 * time.Hour, Buckets: 28},
		"30d": {Until: m.now.Truncate(24 * time.Hour).Add(24 * time.Hour), Bucket: 24 * time.Hour, Buckets: 30},
	} {
		t.Run(name, func(t *testing.T) {
			if o, err := stats.Overview(t.Context(), m.tenant, r, lastDay); err != nil || o.Stats.Total() == 0 {
				t.Fatal(o.Stats.Total(), err)
			}
			for _, c := range []history.Character{history.Everything, history.Accepting, history.Flaky, history.Down} {
				s, err := stats.Range(t.Context(), m.tenant, m.past.Webhooks[c], r)
				if err == nil {
					_, err = stats.Answers(t.Context(), m.tenant, m.past.Webhooks[c], r.From(), r.Until, s.Delivered)
				}
				if err == nil {
					_, err = stats.Waiting(t.Context(), m.tenant, m.past.Webhooks[c])
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			checkPlans(t, m.plain, sent, 0)
		})
	}
	t.Run("webhooks", func(t *testing.T) {
		if _, err := stats.Webhooks(t.Context(), m.tenant, all, lastDay); err != nil {
			t.Fatal(err)
		}
		checkPlans(t, m.plain, sent, 0)
	})
}

func (m *million) explainSingles(t *testing.T) {
	t.Helper()
	db, sent := m.traced(t)
	log, replays := postgres.NewDeliveryLog(db), postgres.NewReplays(db)
	x := &m.past.Examples
	ids := []posthorn.DeliveryID{x.Succeeded, x.Retried, x.Failed, x.Waiting, x.Cancelled, x.Test, x.Old}
	for _, id := range ids {
		e, err := log.Delivery(t.Context(), m.tenant, id)
		if err == nil {
			_, err = log.DeliveryBackground(t.Context(), &e)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if found, err := log.DeliveriesByID(t.Context(), m.tenant, ids); err != nil || len(found) != len(ids) {
		t.Fatal(len(found), err)
	}
	if _, err := log.NewestDelivery(t.Context(), m.tenant); err != nil {
		t.Fatal(err)
	}
	if _, err := log.DeliveriesOfActivity(t.Context(), m.tenant, posthorn.ActivityIDAt(m.now.Add(-time.Hour))); err != nil {
		t.Fatal(err)
	}
	if groups, _, err := replays.Attention(t.Context(), m.tenant, 50); err != nil || len(groups) == 0 {
		t.Fatal(groups, err)
	}
	if _, _, err := replays.ListReplays(t.Context(), m.tenant, posthorn.ReplayID{}, 50); err != nil {
		t.Fatal(err)
	}
	checkPlans(t, m.plain, sent, 0)
	for _, c := range []history.Character{history.Paused, history.Forgotten, history.Gone, history.Everything} {
		for _, events := range []int{5000, 50_000} { // that many events are looked at, whichever the webhook is subscribed to
			if _, err := replays.CountMissed(t.Context(), m.tenant, m.past.Webhooks[c], posthorn.MissedLook{Limit: 2000, Events: events}); err != nil {
				t.Fatal(err)
			}
			checkPlans(t, m.plain, sent, events)
		}
	}
}
