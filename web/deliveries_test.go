package web_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// newAnswering is an endpoint that answers each event with the status that its data asks for.
func newAnswering(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Data struct{ Answer int } }
		raw, err := io.ReadAll(r.Body)
		if err != nil || json.Unmarshal(raw, &in) != nil || in.Data.Answer == 0 {
			in.Data.Answer = http.StatusOK
		}
		w.WriteHeader(in.Data.Answer)
	}))
	t.Cleanup(server.Close)
	return server
}

// publishEvent publishes an event through the API and returns its id.
func publishEvent(t *testing.T, s *sitekit.Site, event string, data map[string]any, key string) string {
	t.Helper()
	in := map[string]any{"event": event, "data": data}
	if key != "" {
		in["id"] = key
	}
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	a := s.Client().Do(http.MethodPost, path.APIEvents, strings.NewReader(string(body)), "Authorization", "Bearer "+s.Owner.APIKey, "Content-Type", "application/json")
	var out struct{ ID string }
	if err := json.Unmarshal([]byte(a.Text), &out); err != nil || a.StatusCode != http.StatusAccepted {
		t.Fatalf("publish %s: %d %s", body, a.StatusCode, a.Text)
	}
	return out.ID
}

// logSite is a site with two webhooks and a delivery of each kind, by name.
type logSite struct {
	*sitekit.Site
	owner     *sitekit.Client
	hook, aml posthorn.WebhookDetail
	ids       map[string]string
}

func newLogSite(t *testing.T) *logSite {
	t.Helper()
	s := sitekit.Start(t, toLoopback...)
	server := newAnswering(t)
	l := &logSite{Site: s, owner: s.SignedIn(), ids: map[string]string{}}
	l.hook = makeWebhook(t, s, func(in *posthorn.WebhookInput) { in.URL, in.Events = &server.URL, &[]string{"submission.*"} })
	l.aml = makeWebhook(t, s, func(in *posthorn.WebhookInput) {
		in.URL, in.Events, in.Name = new(server.URL+"/aml"), &[]string{"aml.*"}, new("Screening")
	})
	for _, d := range []struct {
		name, event string
		answer      int
		key         string
	}{
		{"ok", "submission.created", 0, "order 7"},
		{"accepted", "submission.created", http.StatusAccepted, ""},
		{"gone", "submission.completed", http.StatusNotFound, ""},
		{"retrying", "submission.completed", http.StatusServiceUnavailable, ""},
		{"screened", "aml.match.found", http.StatusOK, ""},
	} {
		data := map[string]any{}
		if d.answer != 0 {
			data["answer"] = d.answer
		}
		event := publishEvent(t, s, d.event, data, d.key)
		id, err := posthorn.ParseEventID(event)
		if err != nil {
			t.Fatal(err)
		}
		hook := l.hook.ID
		if strings.HasPrefix(d.event, "aml") {
			hook = l.aml.ID
		}
		l.ids[d.name] = posthorn.DeliveryIDOf(id, hook).String()
		l.ids[d.name+" event"] = event
	}
	await(t, "every delivery is tried", func() bool {
		return selectOne[int](t, s, `SELECT count(*) FROM attempts`) == 5 && selectOne[int](t, s, `SELECT count(*) FROM due WHERE lease_token <> 0`) == 0
	})
	return l
}

// shown are the names of the deliveries that a page lists, in its order.
func (l *logSite) shown(doc *goquery.Document) []string {
	var names []string
	for _, id := range rowsOf(doc) {
		name := id
		for known, its := range l.ids {
			if its == id {
				name = known
			}
		}
		names = append(names, name)
	}
	return names
}

func rowsOf(doc *goquery.Document) []string {
	var ids []string
	doc.Find("#results tbody tr").Each(func(_ int, row *goquery.Selection) { ids = append(ids, row.AttrOr("data-delivery", "")) })
	return ids
}

func TestTheLogListsWhatItsFiltersLetThrough(t *testing.T) {
	t.Parallel()
	l := newLogSite(t)
	for query, want := range map[string][]string{
		"":                            {"screened", "retrying", "gone", "accepted", "ok"},
		"status=success":              {"screened", "accepted", "ok"},
		"status=error&status=pending": {"retrying", "gone"},
		"status=pending":              {"retrying"},
		"status=error":                {"gone"},
		"statusCode=202":              {"accepted"},
		"statusCode=4xx":              {"gone"},
		"code=404":                    {"gone"},
		"code=5xx":                    {"retrying"},
		"code=timeout":                nil,
		"errorClass=dns":              nil,
		"event=submission.created":    {"accepted", "ok"},
		"event=aml.match.found&event=submission.completed": {"screened", "retrying", "gone"},
		"webhookId=" + l.aml.ID.String():                   {"screened"},
		"q=order+7":                                        {"ok"},
		"q=" + l.ids["gone"]:                               {"gone"},
		"q=" + l.ids["gone event"]:                         {"gone"},
		"q=" + l.aml.ID.String():                           {"screened"},
		"q=nothing":                                        nil,
		"eventId=" + l.ids["ok event"]:                     {"ok"},
		"deliveryId=" + l.ids["retrying"]:                  {"retrying"},
		"test=true":                                        nil,
		"test=false&status=error":                          {"gone"},
		"minAttempts=1":                                    {"screened", "retrying", "gone", "accepted", "ok"},
		"minAttempts=2":                                    nil,
		"overMs=30000":                                     nil,
		"applicationId=nothing":                            nil,
		"range=1h&status=error":                            {"gone"},
		"to=2020-01-01":                                    nil,
		"from=2020-01-01&statusCode=2xx":                   {"screened", "accepted", "ok"},
		"unknown=1":                                        {"screened", "retrying", "gone", "accepted", "ok"},
	} {
		doc := l.owner.Get(path.DeliveryLog + "?" + query).HTML(t)
		if got := l.shown(doc); !sameNames(got, want) {
			t.Errorf("%s lists %v, want %v", query, got, want)
		}
		word, _, _ := strings.Cut(text(doc.Find("[data-summary]")), " ")
		if n, err := strconv.Atoi(word); err != nil || n != len(want) {
			t.Errorf("%s counts %q, want %d", query, word, len(want))
		}
	}
}

// sameNames compares without order: what is made within one millisecond is in no particular one.
func sameNames(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func TestTheLogOfAWebhookHasItsOwnDeliveriesAlone(t *testing.T) {
	t.Parallel()
	l := newLogSite(t)
	target := path.WebhookLog(l.aml.ID.String())
	doc := l.owner.Get(target).HTML(t)
	if got := l.shown(doc); !slices.Equal(got, []string{"screened"}) {
		t.Errorf("lists %v", got)
	}
	if current := text(doc.Find(".tabs [aria-current]")); current != "Logs" {
		t.Errorf("the tab is %q", current)
	}
	// Another webhook in the address changes nothing.
	if got := l.shown(l.owner.Get(target + "?webhookId=" + l.hook.ID.String()).HTML(t)); !slices.Equal(got, []string{"screened"}) {
		t.Errorf("with another webhook in the address it lists %v", got)
	}
	if href := doc.Find("#filters").AttrOr("action", ""); href != target {
		t.Errorf("the form leads to %q", href)
	}
	export, _ := doc.Find("#export a").First().Attr("href")
	if rows := readCSV(t, l.owner.Get(export)); len(rows) != 1 || rows[0]["id"] != l.ids["screened"] {
		t.Errorf("%s has %v", export, rows)
	}
}

func TestARowOfTheLogSaysWhatBecameOfTheDelivery(t *testing.T) {
	t.Parallel()
	l := newLogSite(t)
	doc := l.owner.Get(path.DeliveryLog).HTML(t)
	for name, want := range map[string][]string{
		"ok": {"Delivered", "submission.created", "200 OK", "Ledger sync"}, "gone": {"Failed", "submission.completed", "404 Not Found", "1 of 10"},
		"retrying": {"Retrying", "503 Service Unavailable", "1 of 10"}, "screened": {"aml.match.found", "Screening"},
	} {
		row := doc.Find("#row-" + l.ids[name])
		if words := text(row); !containsAll(words, want...) {
			t.Errorf("%s says %q, want %q", name, words, want)
		}
		if href := row.Find(".row-link").AttrOr("href", ""); href != path.Delivery(l.ids[name]) {
			t.Errorf("%s leads to %q", name, href)
		}
	}
}

func TestAChangedFilterBringsTheListAndTheWordsOnTheChips(t *testing.T) {
	t.Parallel()
	l := newLogSite(t)
	a := l.owner.Get(path.DeliveryLog+"?code=4xx&status=error", fragmentOf("results")...)
	doc := a.HTML(t)
	if got := l.shown(doc); !slices.Equal(got, []string{"gone"}) || doc.Find("html #nav").Length() != 0 {
		t.Errorf("lists %v", got)
	}
	if chip := text(doc.Find("#f-response-chip")); chip != "Response: 4xx" {
		t.Errorf("the chip says %q", chip)
	}
	if current := text(doc.Find("#statuses [aria-current]")); current != "Failed" {
		t.Errorf("%q is chosen", current)
	}
	want := path.With(path.DeliveryLog, url.Values{"status": {"error"}, "statusCode": {"4xx"}})
	if got := doc.Find("#results").AttrOr("data-url", ""); got != want {
		t.Errorf("its address is %q, want %q", got, want)
	}
	if value := doc.Find("#filter-kept input").AttrOr("value", ""); value != "error" {
		t.Errorf("the form keeps %q", value)
	}
	if cache := a.Header.Get("Cache-Control"); cache != "no-store" {
		t.Errorf("Cache-Control %q", cache)
	}
}

func TestWrongFiltersOfTheLogAreNamed(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	for query, want := range map[string]string{
		"status=lost":        "Status must be one of",
		"statusCode=600":     "StatusCode must be a status",
		"code=nothing":       "Code must be a status",
		"errorClass=none":    "ErrorClass must be one of",
		"overMs=0":           "OverMs must be a whole number",
		"overMs=1s":          "OverMs must be a whole number",
		"minAttempts=-1":     "MinAttempts must be a whole number",
		"test=maybe":         "Test must be true or false",
		"webhookId=1":        "WebhookId must be the id of a webhook",
		"cursor=x":           "Cursor must be a cursor",
		"from=2026&to=x":     "From must be a date",
		"q=%00":              "Q must be text",
		"event=no+such+type": "Event must be the name of an event type",
	} {
		a := owner.Get(path.DeliveryLog + "?" + query)
		if got := text(a.HTML(t).Find("#results [role=alert]")); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(got, want) {
			t.Errorf("%s is %d %q, want %q", query, a.StatusCode, got, want)
		}
	}
}

func TestTheLogIsPagedInBothDirections(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	makeWebhook(t, s, nil)
	var events []map[string]any
	for i := range 120 {
		events = append(events, map[string]any{"event": "submission.created", "data": map[string]any{"n": i}})
	}
	body, err := json.Marshal(events)
	if err != nil {
		t.Fatal(err)
	}
	if a := s.Client().Do(http.MethodPost, path.APIEvents, strings.NewReader(string(body)), "Authorization", "Bearer "+s.Owner.APIKey, "Content-Type", "application/json"); a.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s", a.StatusCode, a.Text)
	}
	owner := s.SignedIn()
	var down, up [][]string
	target := path.DeliveryLog
	for target != "" {
		doc := owner.Get(target).HTML(t)
		down = append(down, rowsOf(doc))
		target = doc.Find("nav[aria-label=Pages] a[rel=next]").AttrOr("href", "")
		if target == "" {
			for back := doc.Find("nav[aria-label=Pages] a[rel=prev]").AttrOr("href", ""); back != ""; {
				doc = owner.Get(back).HTML(t)
				up = append(up, rowsOf(doc))
				back = doc.Find("nav[aria-label=Pages] a[rel=prev]").AttrOr("href", "")
			}
		}
	}
	if len(down) != 3 || len(down[0]) != 50 || len(down[2]) != 20 || len(up) != 2 || !slices.Equal(up[0], down[1]) || !slices.Equal(up[1], down[0]) {
		t.Errorf("%d pages down, %d up", len(down), len(up))
	}
	seen := map[string]bool{}
	for _, page := range down {
		for _, id := range page {
			seen[id] = true
		}
	}
	if len(seen) != 120 {
		t.Errorf("%d deliveries on all pages", len(seen))
	}
}

func TestTheLogOfOthersIsNotSeen(t *testing.T) {
	t.Parallel()
	l := newLogSite(t)
	_, other := newTenant(t, l.Site)
	member := addMember(t, l.Site)
	if a := other.Get(path.WebhookLog(l.hook.ID.String())); a.StatusCode != http.StatusNotFound {
		t.Errorf("the log of another's webhook is %d", a.StatusCode)
	}
	for _, target := range []string{
		path.DeliveryLog, path.DeliveryLog + "?webhookId=" + l.hook.ID.String(), path.DeliveryLog + "?q=" + l.ids["ok"], path.DeliveryLog + "?status=error&webhookId=" + l.hook.ID.String(),
		path.DeliveryLogRows + "?id=" + l.ids["ok"], path.DeliveryLogExportCSV, path.DeliveryLogExportNDJSON + "?webhookId=" + l.hook.ID.String(), path.DeliveryLogNew,
	} {
		a := other.Get(target)
		for name, id := range l.ids {
			if a.StatusCode != http.StatusOK || strings.Contains(strings.ReplaceAll(a.Text, url.QueryEscape(target), ""), "row-"+id) || strings.Contains(a.Text, `"`+id+`"`) && strings.Contains(target, "export") {
				t.Errorf("%s: %d shows another organisation %s", target, a.StatusCode, name)
			}
		}
		if text(a.HTML(t).Find("#new-pill, a[href*=logs] svg + span")) != "" {
			t.Errorf("%s counts for another organisation", target)
		}
		if a := member.Get(target); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s is %d for a member", target, a.StatusCode)
		}
	}
}

func TestTheEmptyLogSaysWhatToDo(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	if got := text(owner.Get(path.DeliveryLog).HTML(t).Find("#results")); !containsAll(got, "Nothing sent yet", "New webhook") {
		t.Errorf("without a webhook: %q", got)
	}
	w := makeWebhook(t, s, nil)
	if got := text(owner.Get(path.WebhookLog(w.ID.String())).HTML(t).Find("#results")); !containsAll(got, "Nothing sent yet", "Send test") {
		t.Errorf("of a webhook: %q", got)
	}
	if got := text(owner.Get(path.DeliveryLog + "?status=error&range=1h").HTML(t).Find("#results")); !containsAll(got, "No deliveries match", "failed; last hour", "Clear filters") {
		t.Errorf("filtered: %q", got)
	}
}

func TestTheLogIsExportedAsItIsFiltered(t *testing.T) {
	t.Parallel()
	l := newLogSite(t)
	a := l.owner.Get(path.DeliveryLogExportCSV + "?status=error")
	if got := a.Header.Get("Content-Disposition"); !strings.HasPrefix(got, `attachment; filename="deliveries-`) || a.Header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Errorf("%q %q", got, a.Header.Get("Content-Type"))
	}
	rows := readCSV(t, a)
	if len(rows) != 1 || rows[0]["id"] != l.ids["gone"] || rows[0]["statusCode"] != "404" || rows[0]["status"] != "error" || rows[0]["attempts"] != "1" || rows[0]["webhookName"] != "Ledger sync" || rows[0]["eventId"] != l.ids["gone event"] {
		t.Errorf("%v", rows)
	}
	lines := readNDJSON(t, l.owner.Get(path.DeliveryLogExportNDJSON))
	if len(lines) != 5 || !strings.Contains(string(lines[0]["payload"]), `"event":"aml.match.found"`) {
		t.Fatalf("%d lines, the first %v", len(lines), slices.Sorted(maps.Keys(lines[0])))
	}
	var attempts []struct{ StatusCode int }
	if err := json.Unmarshal(lines[0]["attempts"], &attempts); err != nil || len(attempts) != 1 || attempts[0].StatusCode != http.StatusOK {
		t.Errorf("%s, %v", lines[0]["attempts"], err)
	}
	if a := l.owner.Get(path.DeliveryLogExportCSV + "?status=lost"); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a wrong filter is %d", a.StatusCode)
	}
}

func TestNewDeliveriesAreCountedUnderTheFilters(t *testing.T) {
	t.Parallel()
	l := newLogSite(t)
	since := "since=" + l.ids["gone"]
	for query, want := range map[string]string{
		since:                        "2 new deliveries",
		since + "&status=pending":    "1 new delivery",
		since + "&statusCode=404":    "",
		"since=" + l.ids["screened"]: "",
		"webhookId=" + l.aml.ID.String() + "&of=" + l.aml.ID.String() + "&" + since: "1 new delivery",
	} {
		doc := l.owner.Get(path.DeliveryLogNew + "?" + query).HTML(t)
		if got := text(doc.Find("a")); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
		if href := doc.Find("a").AttrOr("href", ""); strings.Contains(query, "of=") && href != path.WebhookLog(l.aml.ID.String()) {
			t.Errorf("%s leads to %q", query, href)
		}
	}
	if a := l.owner.Get(path.DeliveryLogNew + "?since=x"); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a wrong position is %d", a.StatusCode)
	}
}

func TestRowsAreReadAnewPartByPart(t *testing.T) {
	t.Parallel()
	l := newLogSite(t)
	doc := l.owner.Get(fmt.Sprintf("%s?id=%s&id=%s&id=none", path.DeliveryLogRows, l.ids["ok"], l.ids["retrying"])).HTML(t)
	if n := doc.Find("[hx-swap-oob=true]").Length(); n != 10 {
		t.Errorf("%d parts", n)
	}
	page := l.owner.Get(path.DeliveryLog).HTML(t)
	doc.Find("[hx-swap-oob=true]").Each(func(_ int, part *goquery.Selection) {
		if at := page.Find("#" + part.AttrOr("id", "none")); at.Length() != 1 || text(at) != text(part) {
			t.Errorf("%s is %q, and on the page %d times %q", part.AttrOr("id", ""), text(part), at.Length(), text(at))
		}
	})
}
