package main

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"posthorn/views/path"
)

// group is questions that are printed under one heading; combined ones only where they are over the limit.
type group struct {
	title     string
	questions []question
	combined  bool
}

// of makes a question with one address.
func of(name, target string) question { return question{name, []string{target}} }

// each makes addresses of ids.
func each(name string, ids []string, target func(id string) string) question {
	q := question{name: name}
	for _, id := range ids {
		q.targets = append(q.targets, target(id))
	}
	return q
}

// filter is some conditions on a list, in words and as they stand in a query string.
type filter struct {
	name  string
	query url.Values
}

// on makes a question about a list under a filter.
func (f filter) on(target string) question { return of(f.name, path.With(target, f.query)) }

// and joins filters.
func (f filter) and(other filter) filter {
	joined := filter{strings.TrimPrefix(f.name+", "+other.name, ", "), url.Values{}}
	for _, query := range []url.Values{f.query, other.query} {
		maps.Copy(joined.query, query)
	}
	if other.name == "" {
		joined.name = f.name
	}
	return joined
}

// ranges are those of the charts.
var ranges = []string{"1h", "24h", "7d", "30d"}

// watched are webhooks of every kind, by name: one that gets everything, one that fails often, one that answers other than 200,
// one that is down, and one with little to do.
var watched = []string{"Data warehouse", "Underwriting", "Audit trail", "CRM sync", "Case management", "Service 20"}

// groups are all questions.
func (s *sights) groups() []group {
	return []group{
		{title: "Charts and summaries", questions: s.charts()},
		{title: "The log, page by page", questions: s.logPages()},
		{title: "The log by one filter", questions: askAll(path.DeliveryLog, s.logFilters())},
		{title: "The log by several filters", questions: askAll(path.DeliveryLog, s.combinations()), combined: true},
		{title: "The log of a webhook", questions: s.webhookLogs()},
		{title: "Deliveries, failures, replays", questions: s.deliveryPages()},
		{title: "Events", questions: s.eventPages()},
		{title: "The API", questions: s.api()},
		{title: "The log of the API by one filter", questions: askAll(path.APIDeliveries, s.logFilters())},
		{title: "The log of the API by several filters", questions: askAll(path.APIDeliveries, s.combinations()), combined: true},
	}
}

func askAll(target string, filters []filter) []question {
	var all []question
	for _, f := range filters {
		all = append(all, f.on(target))
	}
	return all
}

// charts are the pages that are made of counts.
func (s *sights) charts() []question {
	var all []question
	for _, r := range ranges {
		all = append(all, of("overview, "+r, path.With(path.Home, url.Values{"range": {r}})))
	}
	all = append(all, of("webhooks, each with its chart", path.Webhooks))
	for _, name := range watched {
		for _, r := range ranges {
			all = append(all, of("webhook "+name+", "+r, path.With(path.Webhook(s.webhooks[name]), url.Values{"range": {r}})))
		}
	}
	return all
}

func (s *sights) logPages() []question {
	below := each("next pages", s.logAfter, func(cursor string) string { return path.With(path.DeliveryLog, url.Values{"cursor": {cursor}}) })
	above := each("previous pages", s.logBefore, func(cursor string) string { return path.With(path.DeliveryLog, url.Values{"cursor": {cursor}}) })
	return []question{
		of("first page", path.DeliveryLog), below, above,
		each("what is new since", s.deliveries["success"], func(id string) string { return path.With(path.DeliveryLogNew, url.Values{"since": {id}}) }),
		of("rows that changed", path.With(path.DeliveryLogRows, url.Values{"id": slices.Concat(s.deliveries["success"], s.deliveries["error"])})),
	}
}

// logFilters is every filter of the log with values that are common, rare, and absent.
func (s *sights) logFilters() []filter {
	var all []filter
	add := func(name string, values ...string) {
		for _, v := range values {
			all = append(all, filter{name + " " + v, url.Values{name: {v}}})
		}
	}
	for _, name := range watched {
		all = append(all, filter{"webhookId of " + name, url.Values{"webhookId": {s.webhooks[name]}}})
	}
	add("event", "user.authenticated", "verification.completed", "integration.failed", "no.such")
	add("status", "success", "error", "pending")
	all = append(all, filter{"status error and pending", url.Values{"status": {"error", "pending"}}})
	add("statusCode", "200", "202", "204", "301", "404", "410", "418", "422", "429", "500", "503", "2xx", "3xx", "4xx", "5xx")
	add("errorClass", "timeout", "refused", "reset", "tls", "dns", "redirect", "blocked")
	add("test", "true", "false")
	add("applicationId", s.application, "client_003", "nobody")
	add("overMs", "100", "5000", "14000", "600000")
	add("minAttempts", "2", "5", "10", "50")
	add("range", "1h", "24h", "7d", "30d")
	all = append(all, s.days()...)
	all = append(all,
		filter{"q, a delivery", url.Values{"q": {s.deliveries["success"][0]}}}, filter{"q, an event", url.Values{"q": {s.events[0]}}},
		filter{"q, a webhook", url.Values{"q": {s.webhooks["Data warehouse"]}}}, filter{"q, unknown", url.Values{"q": {"order-0"}}},
		filter{"eventId", url.Values{"eventId": {s.events[len(s.events)/2]}}},
		filter{"deliveryId", url.Values{"deliveryId": {s.deliveries["error"][0]}}},
	)
	return all
}

// days are days of which one is asked for alone.
func (s *sights) days() []filter {
	var all []filter
	for _, age := range []int{3, 25} {
		from := s.now.AddDate(0, 0, -age)
		all = append(all, filter{
			fmt.Sprintf("the day %d days ago", age),
			url.Values{"from": {from.Format(time.RFC3339)}, "to": {from.AddDate(0, 0, 1).Format(time.RFC3339)}},
		})
	}
	return all
}

// combinations are all that can be made of one filter of each kind.
func (s *sights) combinations() []filter {
	kind := func(name string, values ...string) []filter {
		all := []filter{{}}
		for _, v := range values {
			all = append(all, filter{name + " " + v, url.Values{name: {v}}})
		}
		return all
	}
	webhooks := []filter{{}}
	for _, name := range []string{"Data warehouse", "Underwriting", "Case management"} {
		webhooks = append(webhooks, filter{name, url.Values{"webhookId": {s.webhooks[name]}}})
	}
	combined := []filter{{}}
	for _, dimension := range [][]filter{
		webhooks, kind("event", "submission.created", "integration.failed"), kind("status", "success", "error", "pending"),
		kind("statusCode", "200", "422", "5xx"), append(kind("range", "24h"), s.days()[1]),
	} {
		var next []filter
		for _, f := range combined {
			for _, g := range dimension {
				next = append(next, f.and(g))
			}
		}
		combined = next
	}
	// The other kinds are joined with some of each.
	for _, f := range []filter{
		{"errorClass timeout", url.Values{"errorClass": {"timeout"}}},
		{"test false", url.Values{"test": {"false"}}},
		{"application", url.Values{"applicationId": {"client_003"}}},
		{"overMs 5000", url.Values{"overMs": {"5000"}}},
		{"minAttempts 3", url.Values{"minAttempts": {"3"}}},
	} {
		for _, g := range slices.Concat(webhooks, kind("status", "success", "error", "pending"), kind("event", "submission.created")) {
			if g.name != "" {
				combined = append(combined, f.and(g))
			}
		}
	}
	return slices.DeleteFunc(combined, func(f filter) bool { return f.name == "" })
}

func (s *sights) webhookLogs() []question {
	var all []question
	for _, name := range watched {
		target := path.WebhookLog(s.webhooks[name])
		all = append(all, of(name, target))
		for _, f := range []filter{
			{"error", url.Values{"status": {"error"}}},
			{"pending", url.Values{"status": {"pending"}}},
			{"404", url.Values{"statusCode": {"404"}}},
			{"5xx", url.Values{"statusCode": {"5xx"}}},
			{"tests", url.Values{"test": {"true"}}},
		} {
			q := f.on(target)
			q.name = name + ", " + q.name
			all = append(all, q)
		}
	}
	return all
}

func (s *sights) deliveryPages() []question {
	var all []question
	for _, name := range []string{"success", "error", "pending", "test"} {
		all = append(all, each("delivery, "+name, s.deliveries[name], path.Delivery))
	}
	all = append(all, each("what has become of a delivery", s.deliveries["pending"], path.DeliveryNews),
		each("body of a delivery", s.deliveries["error"], path.DeliveryBody), of("attention", path.Attention), of("replays", path.Replays))
	for _, f := range []filter{
		{"everything", url.Values{}},
		{"error", url.Values{"status": {"error"}}},
		{"success", url.Values{"status": {"success"}}},
		{"5xx of success", url.Values{"status": {"success"}, "statusCode": {"5xx"}}},
		{"422", url.Values{"statusCode": {"422"}}},
		{"minAttempts 5", url.Values{"minAttempts": {"5"}}},
		{"overMs 14000", url.Values{"overMs": {"14000"}}},
		{"a webhook", url.Values{"webhookId": {s.webhooks["Data warehouse"]}}},
		{"errors of a webhook", url.Values{"webhookId": {s.webhooks["Underwriting"]}, "status": {"error"}}},
		{"a rare event", url.Values{"event": {"integration.failed"}}},
		{"30d", url.Values{"range": {"30d"}}},
	} {
		q := f.on(path.DeliveryLogReplay)
		q.name = "replay question, " + f.name
		all = append(all, q)
	}
	for _, name := range []string{"Compliance desk", "Loyalty engine", "Old portal"} {
		all = append(all, of("missed by "+name, path.WebhookMissed(s.webhooks[name])))
	}
	return all
}

// eventFilters is every filter of the list of events.
func (s *sights) eventFilters() []filter {
	var all []filter
	for _, q := range []url.Values{
		{"event": {"user.authenticated"}},
		{"event": {"integration.failed"}},
		{"event": {"no.such"}},
		{"event": {"integration.failed", "user.created"}},
		{"applicationId": {s.application}},
		{"applicationId": {"client_003"}},
		{"applicationId": {"nobody"}},
		{"test": {"true"}},
		{"test": {"false"}},
		{"range": {"1h"}},
		{"range": {"30d"}},
		{"q": {s.events[0]}},
		{"q": {s.deliveries["error"][0]}},
		{"q": {"order-0"}},
		{"event": {"integration.failed"}, "applicationId": {"client_003"}},
		{"event": {"no.such"}, "applicationId": {"client_003"}},
		{"event": {"integration.failed"}, "test": {"true"}},
		{"applicationId": {"client_003"}, "test": {"true"}},
		{"applicationId": {"client_003"}, "range": {"7d"}},
		{"event": {"user.created"}, "applicationId": {"client_003"}, "test": {"true"}},
		{"event": {"user.created"}, "applicationId": {"client_003"}, "test": {"false"}, "range": {"7d"}},
		s.days()[1].query,
	} {
		all = append(all, filter{q.Encode(), q})
	}
	return all
}

func (s *sights) eventPages() []question {
	cursor := func(cursor string) string { return path.With(path.Events, url.Values{"cursor": {cursor}}) }
	return slices.Concat([]question{
		of("events", path.Events), each("next pages", s.eventsAfter, cursor), each("previous pages", s.eventsBefore, cursor),
		each("an event", s.events, path.Event), of("publish an event", path.EventNew), of("catalogue", path.EventCatalogue),
		each("search", slices.Concat(s.events[:2], s.deliveries["error"][:1]), func(id string) string { return path.With(path.Events, url.Values{"q": {id}}) }),
	}, askAll(path.Events, s.eventFilters()))
}

func (s *sights) api() []question {
	page := func(cursor string) string { return path.With(path.APIDeliveries, url.Values{"cursor": {cursor}}) }
	return slices.Concat([]question{
		of("webhooks/configs", path.APIWebhooks), of("webhooks/logs", path.APIDeliveries),
		of("webhooks/logs, 200 of them", path.With(path.APIDeliveries, url.Values{"limit": {"200"}})),
		each("webhooks/logs, next pages", s.logAfter, page), each("webhooks/logs, previous pages", s.logBefore, page),
		each("webhooks/logs/{id}", slices.Concat(s.deliveries["success"], s.deliveries["pending"]), func(id string) string { return path.APIDeliveries + "/" + id }),
		each("events/{id}", s.events, func(id string) string { return path.APIEvents + "/" + id }),
		of("events, 200 of them", path.With(path.APIEvents, url.Values{"limit": {"200"}})), of("event-types", path.APIEventTypes),
	}, askAll(path.APIEvents, s.eventFilters()))
}
