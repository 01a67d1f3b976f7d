package web_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// soon is how long an announcement is waited for. The promise is one second; a busy machine may take its time.
const soon = 10 * time.Second

// announcement is one message of the stream.
type announcement struct {
	id    string
	Topic string
	New   int
	Worst string
}

// feedStream is an open stream of the feed.
type feedStream struct {
	t        *testing.T
	response *http.Response
	blocks   chan string
	// err is how the stream ended, once blocks is closed.
	err error
}

// settle waits until the processes on a site's database listen for each other's hints. A process that begins to listen
// wakes its streams once, for what it may have missed.
func settle(t *testing.T, s *sitekit.Site, processes int) {
	t.Helper()
	await(t, "the listeners", func() bool {
		return processes == selectOne[int](t, s, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND query LIKE 'LISTEN %' AND state = 'idle'`)
	})
}

// listen opens a stream and reads its first block, which says when to come back.
func listen(t *testing.T, c *sitekit.Client, since string, headers ...string) *feedStream {
	t.Helper()
	target := path.ActivityStream
	if since != "" {
		target += "?since=" + since
	}
	return listenTo(t, c, target, headers...)
}

// listenTo opens a stream by its address and reads its first block.
func listenTo(t *testing.T, c *sitekit.Client, target string, headers ...string) *feedStream {
	t.Helper()
	st := &feedStream{
		t: t, blocks: make(chan string, 1000),
		response: c.Open(http.MethodGet, target, nil, append([]string{"Accept", "text/event-stream"}, headers...)...), //nolint:bodyclose // the end of the test closes it
	}
	if got := st.response.Header.Get("Content-Type"); st.response.StatusCode != http.StatusOK || got != "text/event-stream" {
		t.Fatalf("%d %q", st.response.StatusCode, got)
	}
	go st.read()
	if first := st.block(); first != "retry: 1000" {
		t.Fatalf("it begins with %q", first)
	}
	return st
}

func (st *feedStream) read() {
	defer close(st.blocks)
	lines := bufio.NewReader(st.response.Body)
	var block []string
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			st.err = err
			return
		}
		if line = strings.TrimSuffix(line, "\n"); line != "" {
			block = append(block, line)
			continue
		}
		st.blocks <- strings.Join(block, "\n")
		block = nil
	}
}

func (st *feedStream) block() string {
	st.t.Helper()
	select {
	case b, on := <-st.blocks:
		if !on {
			st.t.Fatalf("the stream ended: %v", st.err)
		}
		return b
	case <-time.After(soon):
		st.t.Fatal("the stream says nothing")
		return ""
	}
}

// next returns the next announcement.
func (st *feedStream) next() announcement {
	st.t.Helper()
	b := st.block()
	id, data, ok := strings.Cut(b, "\ndata: ")
	a := announcement{id: strings.TrimPrefix(id, "id: ")}
	if !ok || json.Unmarshal([]byte(data), &a) != nil || a.Topic != "activity" {
		st.t.Fatalf("the stream says %q", b)
	}
	return a
}

// expect reads one announcement and compares it.
func (st *feedStream) expect(id string, count int, worst string) {
	st.t.Helper()
	if got, want := st.next(), (announcement{id, "activity", count, worst}); got != want {
		st.t.Errorf("announced %+v, want %+v", got, want)
	}
}

func TestAStreamAnnouncesWhatIsRecorded(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	settle(t, s, 1)
	st := listen(t, s.SignedIn(), "")
	st.expect(s.PostActivity(map[string]any{"riskLevel": "high"}), 1, "high")
	st.expect(s.PostActivity(map[string]any{"riskLevel": nil}), 1, "")
}

func TestAStreamSaysAtOnceWhatWasMissed(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	settle(t, s, 1)
	owner := s.SignedIn()
	for name, tc := range map[string]struct {
		// since and header name a record, as the page and as a browser that comes back do.
		since, header string
		missed        bool
	}{
		"nothing seen":            {missed: true},
		"one seen":                {since: "older", missed: true},
		"all seen":                {since: "newest"},
		"one seen, coming back":   {since: "newest", header: "older", missed: true},
		"all seen by coming back": {since: "older", header: "newest"},
		"an id that is none":      {since: "x", missed: true},
		"a header that is none":   {since: "newest", header: "x", missed: true},
	} {
		ids := map[string]string{"older": s.PostActivity(nil), "newest": s.PostActivity(map[string]any{"riskLevel": "critical"}), "x": "x"}
		var headers []string
		if tc.header != "" {
			headers = []string{"Last-Event-ID", ids[tc.header]}
		}
		st := listen(t, owner, ids[tc.since], headers...)
		if tc.missed {
			st.expect(ids["newest"], 0, "")
		}
		// The first thing after is the next record, so nothing else was said.
		st.expect(s.PostActivity(nil), 1, "low")
		if t.Failed() {
			t.Fatal(name)
		}
		_ = st.response.Body.Close()
	}
}

func TestABurstIsAnnouncedInAFewMessages(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	settle(t, s, 1)
	st := listen(t, s.SignedIn(), "")
	const posts, workers = 200, 20
	begin := time.Now()
	ids := make(chan string, posts)
	var work sync.WaitGroup
	for range workers {
		work.Go(func() {
			for range posts / workers {
				ids <- s.PostActivity(nil)
			}
		})
	}
	work.Wait()
	close(ids)
	newest := slices.Max(slices.Collect(func(yield func(string) bool) {
		for id := range ids {
			if !yield(id) {
				return
			}
		}
	}))
	messages, told, last := 0, 0, ""
	for told < posts {
		a := st.next()
		messages, told, last = messages+1, told+a.New, a.id
	}
	// A quarter of a second lies between two messages.
	if most := int(time.Since(begin)/(250*time.Millisecond)) + 1; messages > most || told != posts || last != newest {
		t.Errorf("%d messages, at most %d, told of %d up to %s, want %s", messages, most, told, last, newest)
	}
}

func TestAMemberHearsOfTheirOwnRecordsOnly(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	settle(t, s, 1)
	second, secondOwner := newTenant(t, s)
	st, theirs := listen(t, addMember(t, s), ""), listen(t, secondOwner, "")
	s.PostActivity(map[string]any{"userId": "clerk_other"})
	s.PostActivity(map[string]any{"userId": memberID + "2"})
	st.expect(s.PostActivity(map[string]any{"userId": memberID}), 1, "low")

	bound := sitekit.Join(t, s, "ACTIVITY_WEBHOOK_SECRET="+second.TenantID.String()+":bound-secret-of-the-workers")
	bound.Secret = "bound-secret-of-the-workers"
	settle(t, s, 2)
	theirs.expect(bound.PostActivity(nil), 0, "") // through the database, which does not say how much
}

func TestProcessesOnOneDatabaseHearOfEachOther(t *testing.T) {
	t.Parallel()
	first := sitekit.Start(t)
	second := sitekit.Join(t, first)
	second.Owner = first.Owner
	settle(t, first, 2)
	first.CreateUser("member", memberEmail, memberID)
	member := listen(t, second.SignedInAs(memberEmail, sitekit.UserPassword), "")
	there, here := listen(t, second.SignedIn(), ""), listen(t, first.SignedIn(), "")

	others := first.PostActivity(map[string]any{"userId": "clerk_other"})
	here.expect(others, 1, "low")
	there.expect(others, 0, "")
	// The hint reached the second process, where it is no news for the member: the next record of theirs is the first.
	mine := first.PostActivity(map[string]any{"userId": memberID})
	there.expect(mine, 0, "")
	member.expect(mine, 0, "")
	// And the other way round.
	back := second.PostActivity(map[string]any{"userId": memberID})
	member.expect(back, 1, "low")
	here.expect(mine, 1, "low")
	here.expect(back, 0, "")
}

func TestAStreamEndsWhenTheSiteStops(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	streams := []*feedStream{listen(t, s.SignedIn(), ""), listen(t, addMember(t, s), "")}
	stopped := make(chan struct{})
	go func() { defer close(stopped); s.Stop() }()
	for _, st := range streams {
		select {
		case b, on := <-st.blocks:
			// The last chunk came, so that it is no broken connection.
			if on || !errors.Is(st.err, io.EOF) {
				t.Errorf("%q, %v", b, st.err)
			}
		case <-time.After(soon):
			t.Fatal("the stream goes on")
		}
	}
	select {
	case <-stopped:
	case <-time.After(patience):
		t.Fatal("the site does not stop")
	}
}

func TestAStreamIsForThoseWhoAreSignedIn(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	for name, headers := range map[string][]string{
		"browser": {"Accept", "text/event-stream"}, "list": {"Accept", "text/html, text/event-stream;q=0.9"}, "htmx": {"HX-Request", "true"},
		"old cookie": {"Accept", "text/event-stream", "Cookie", sessionCookie + "=x"},
	} {
		if a := s.Client().Get(path.ActivityStream, headers...); a.StatusCode != http.StatusUnauthorized || strings.Contains(a.Text, "retry") {
			t.Errorf("%s: %d", name, a.StatusCode)
		}
	}
}

// streamFunction is where the goroutine of a stream is.
const streamFunction = "web.(*listStream[...]).run"

func TestAReaderWhoLeavesIsForgotten(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	var streams []*feedStream
	for range 5 {
		streams = append(streams, listen(t, owner, ""))
	}
	if n := s.Goroutines(streamFunction); n != len(streams) {
		t.Fatalf("%d goroutines for %d streams", n, len(streams))
	}
	for _, st := range streams[1:] {
		_ = st.response.Body.Close()
	}
	// That nobody reads is noticed by writing.
	await(t, "the streams of those who left", func() bool {
		s.PostActivity(nil)
		return s.Goroutines(streamFunction) == 1
	})
	if a := streams[0].next(); a.New == 0 {
		t.Errorf("who stayed hears %+v", a)
	}
}

func TestTheNewsCountWhatIsNewerUnderTheFilters(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	var ids []string
	for _, level := range []string{"low", "medium", "critical", "high"} {
		ids = append(ids, s.PostActivity(map[string]any{"riskLevel": level}))
	}
	for query, want := range map[string]string{
		"":                            "4 new records, critical risk among them",
		"since=" + ids[0]:             "3 new records, critical risk among them",
		"since=" + ids[2]:             "1 new record, high risk",
		"since=" + ids[3]:             "",
		"risk=low&risk=medium":        "2 new records",
		"risk=low&since=" + ids[0]:    "",
		"risk=critical&since=":        "1 new record, critical risk",
		"type=kye":                    "",
		"range=1h&since=" + ids[1]:    "2 new records, critical risk among them",
		"after=" + ids[3] + "&q=3a1b": "4 new records, critical risk among them",
	} {
		a := owner.Get(path.ActivityNew+"?"+query, fragmentOf("new-pill")...)
		link := a.HTML(t).Find("a")
		if got := text(link); a.StatusCode != http.StatusOK || got != want {
			t.Errorf("%s: %d %q, want %q", query, a.StatusCode, got, want)
		}
		if href := link.AttrOr("href", "/activity"); strings.Contains(href, "since") || strings.Contains(href, "after") || strings.Contains(query, "risk=critical") && href != "/activity?risk=critical" {
			t.Errorf("%s leads to %q", query, href)
		}
	}
	for i := range 100 {
		s.PostActivity(map[string]any{"transactionHash": fmt.Sprint("0x", i), "riskLevel": nil})
	}
	if got := text(owner.Get(path.ActivityNew + "?since=" + ids[3]).HTML(t).Find("a")); got != "99+ new records" {
		t.Errorf("a hundred: %q", got)
	}
}

func TestWhatIsNewIsMarkedInTheListThatFollows(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	owner := s.SignedIn()
	seen := s.PostActivity(nil)
	fresh := s.PostActivity(nil)
	doc := owner.Get(path.Activity+"?fresh="+seen, fragmentOf("results")...).HTML(t)
	if got := doc.Find("tr.row-new").AttrOr("id", ""); got != "row-"+fresh || doc.Find("tr.row-new").Length() != 1 {
		t.Errorf("marked: %q", got)
	}
	// The address of the page is the feed's own: the mark is not kept.
	if got := doc.Find("#results").AttrOr("data-url", ""); got != path.Activity {
		t.Errorf("the address is %q", got)
	}
	for _, at := range []string{"data-stream", "data-new-url", "data-refresh-url"} {
		if got := doc.Find("#results").AttrOr(at, ""); !strings.Contains(got, fresh) {
			t.Errorf("%s goes on from %q", at, got)
		}
	}
	if owner.Get(path.Activity+"?fresh=x").HTML(t).Find("tr.row-new").Length() != 0 {
		t.Error("a mark that is none marks")
	}
}
