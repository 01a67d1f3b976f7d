package deliver_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"posthorn/internal/deliver"
	"posthorn/internal/posthorn"
)

const ok204 = "HTTP/1.1 204 No Content\r\n\r\n"

func TestTheRequestIsRecordedAsItWasSent(t *testing.T) {
	t.Parallel()
	sent := make(chan string, 1)
	receiver := listen(t, func(conn net.Conn) {
		sent <- readRequest(bufio.NewReader(conn))
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-B: 2\r\nx-a: one\r\nX-B: 1\r\n\r\ndone")
	})
	out := newClient(t).Do(t.Context(), deliver.Request{
		URL: receiver.url() + "?a=%2F",
		Header: []posthorn.Header{
			{Name: "webhook-id", Value: "whd_1"},
			{Name: "X-SmartKYC-Signature", Value: "abc"},
			{Name: "host", Value: "other.example"},
			{Name: "user-agent", Value: "curl"},
			{Name: "Transfer-Encoding", Value: "chunked"},
		},
		Body: []byte(`{"event":"test"}`), Timeout: long,
	})
	head, body, _ := strings.Cut(<-sent, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	if lines[0] != "POST /hook?a=%2F HTTP/1.1" || body != `{"event":"test"}` {
		t.Errorf("sent %q and %q", lines[0], body)
	}
	want := []posthorn.Header{
		{Name: "Host", Value: receiver.endpoint()},
		{Name: "User-Agent", Value: "Posthorn/1.2.3"},
		{Name: "Content-Length", Value: "16"},
		{Name: "Accept-Encoding", Value: "gzip"},
		{Name: "Content-Type", Value: "application/json"},
		{Name: "X-SmartKYC-Signature", Value: "abc"},
		{Name: "webhook-id", Value: "whd_1"},
	}
	if diff := cmp.Diff(want, out.RequestHeaders); diff != "" {
		t.Error(diff)
	}
	var written []string
	for _, h := range out.RequestHeaders {
		written = append(written, h.Name+": "+h.Value)
	}
	if diff := cmp.Diff(lines[1:], written); diff != "" {
		t.Errorf("sent and recorded differ: %s", diff)
	}
	answered := []posthorn.Header{
		{Name: "Content-Length", Value: "4"}, {Name: "X-A", Value: "one"}, {Name: "X-B", Value: "2"}, {Name: "X-B", Value: "1"},
	}
	if diff := cmp.Diff(answered, out.ResponseHeaders); diff != "" {
		t.Error(diff)
	}
	if !out.Success() || out.StatusCode != http.StatusOK || string(out.ResponseBody) != "done" || out.ResponseTruncated || out.Error != "" ||
		out.HTTPVersion != "HTTP/1.1" || out.RemoteAddress != receiver.Addr().String() || out.StartedAt.IsZero() {
		t.Errorf("got %+v", out)
	}
	phases := out.DNS + out.Connect + out.FirstByte
	if out.DNS <= 0 || out.Connect <= 0 || out.TLS != 0 || out.FirstByte <= 0 || out.Total < phases {
		t.Errorf("timings %+v", out.Timings)
	}
}

func TestHTTP2IsUsedWhereItIsOffered(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	got := make(chan *http.Request, 2)
	url := newServer(t, serverTLS(ca.issue(t, nil)), func(w http.ResponseWriter, r *http.Request) {
		got <- r
		_, _ = io.WriteString(w, "done")
	}, true)
	client := newClient(t, ca.trusted)
	for attempt := range 2 {
		out := client.Do(t.Context(), deliver.Request{
			URL: url, Header: []posthorn.Header{{Name: "X-Test", Value: "1"}}, Body: []byte("{}"), Timeout: long,
		})
		r := <-got
		if !out.Success() || out.HTTPVersion != "HTTP/2" || string(out.ResponseBody) != "done" || r.ProtoMajor != 2 {
			t.Fatalf("got %+v", out)
		}
		want := []posthorn.Header{
			{Name: "accept-encoding", Value: r.Header.Get("Accept-Encoding")},
			{Name: "content-length", Value: r.Header.Get("Content-Length")},
			{Name: "content-type", Value: "application/json"},
			{Name: "host", Value: r.Host},
			{Name: "user-agent", Value: r.UserAgent()},
			{Name: "x-test", Value: "1"},
		}
		slices.SortFunc(out.RequestHeaders, func(a, b posthorn.Header) int { return strings.Compare(a.Name, b.Name) })
		if diff := cmp.Diff(want, out.RequestHeaders); diff != "" {
			t.Error(diff)
		}
		if (out.TLS > 0) != (attempt == 0) || (out.Connect > 0) != (attempt == 0) || (out.DNS > 0) != (attempt == 0) {
			t.Errorf("attempt %d has the timings %+v", attempt, out.Timings)
		}
	}
}

func TestAConnectionIsUsedAgain(t *testing.T) {
	t.Parallel()
	receiver := listen(t, answer("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"))
	client := newClient(t)
	first, second := post(t, client, receiver.url(), long), post(t, client, receiver.url(), long)
	if !first.Success() || !second.Success() || receiver.conns.Load() != 1 {
		t.Fatalf("%d connections, %+v, %+v", receiver.conns.Load(), first, second)
	}
	if second.Connect != 0 || second.DNS != 0 || second.RemoteAddress != first.RemoteAddress {
		t.Errorf("the second has %+v and went to %s", second.Timings, second.RemoteAddress)
	}
}

func TestAConnectionWhoseAnswerWasNotReadToTheEndIsClosed(t *testing.T) {
	t.Parallel()
	long65 := "HTTP/1.1 200 OK\r\nContent-Length: 66560\r\n\r\n" + strings.Repeat("x", 65<<10)
	receiver := listen(t, answer(long65))
	client := newClient(t)
	for range 2 {
		out := post(t, client, receiver.url(), long)
		if !out.Success() || !out.ResponseTruncated || len(out.ResponseBody) != posthorn.MaxResponseBytes {
			t.Errorf("%d bytes of %+v", len(out.ResponseBody), out.StatusCode)
		}
	}
	if n := receiver.conns.Load(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

func TestAnAnswerOfExactlyTheLimitIsWhole(t *testing.T) {
	t.Parallel()
	receiver := listen(t, answer("HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n"+strings.Repeat("x", 64<<10)))
	out := post(t, newClient(t), receiver.url(), long)
	if !out.Success() || out.ResponseTruncated || len(out.ResponseBody) != posthorn.MaxResponseBytes {
		t.Errorf("%d bytes, truncated %t", len(out.ResponseBody), out.ResponseTruncated)
	}
}

func TestAConnectionThatWasClosedWhileIdleIsReplaced(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{}, 1)
	receiver := listen(t, answerAnd(ok204, func(conn net.Conn) {
		conn.Close()
		closed <- struct{}{}
	}))
	client := newClient(t)
	for range 20 {
		if out := post(t, client, receiver.url(), long); !out.Success() {
			t.Fatalf("%s: %s", out.ErrorClass, out.Error)
		}
		<-closed
	}
}

func TestABrokenAttemptIsRepeatedOnceAndOnANewConnectionOnly(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	receiver := listen(t, func(conn net.Conn) {
		r := bufio.NewReader(conn)
		for readRequest(r) != "" {
			// Two succeed, each on its own connection, and from then on none.
			if requests.Add(1) > 2 {
				reset(conn)
				return
			}
			for requests.Load() < 2 {
				runtime.Gosched()
			}
			_, _ = io.WriteString(conn, ok204)
		}
	})
	client := newClient(t)
	attempt := func() posthorn.Outcome {
		return client.Do(t.Context(), deliver.Request{
			URL: receiver.url(), Header: []posthorn.Header{{Name: "Idempotency-Key", Value: "1"}}, Body: []byte("{}"), Timeout: long,
		})
	}
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if out := attempt(); !out.Success() {
				t.Errorf("got %+v", out)
			}
		})
	}
	both.Wait()
	out := attempt()
	if out.ErrorClass != posthorn.ErrorReset || requests.Load() != 4 || receiver.conns.Load() != 3 {
		t.Errorf("%d requests over %d connections: %+v", requests.Load(), receiver.conns.Load(), out)
	}
	if got := headerValues(out.RequestHeaders, "Idempotency-Key"); !cmp.Equal(got, []string{"1"}) {
		t.Errorf("sent Idempotency-Key %q", got)
	}
}

func TestAnAttemptThatPosthornStopsIsNotTheReceiversFailure(t *testing.T) {
	t.Parallel()
	stop := errors.New("stopping")
	resolving, arrived, begun := make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}, 1)
	silent := listen(t, func(conn net.Conn) {
		readRequest(bufio.NewReader(conn))
		arrived <- struct{}{}
		hang(conn)
	})
	mute := listen(t, func(conn net.Conn) {
		arrived <- struct{}{}
		hang(conn)
	})
	halfway := listen(t, answerAnd("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", func(conn net.Conn) {
		begun <- struct{}{}
		hang(conn)
	}))
	for name, c := range map[string]struct {
		url   string
		ready chan struct{}
	}{
		"looking up":         {"https://hanging.example/", resolving},
		"shaking hands":      {strings.Replace(mute.url(), "http", "https", 1), arrived},
		"waiting":            {silent.url(), arrived},
		"reading the answer": {halfway.url(), begun},
	} {
		client := newClient(t, func(o *deliver.Options) {
			known := o.Resolver
			o.Resolver = resolveHanging(known, resolving)
		})
		ctx, cancel := context.WithCancelCause(t.Context())
		result := make(chan posthorn.Outcome)
		go func() { result <- client.Do(ctx, deliver.Request{URL: c.url, Timeout: long}) }()
		<-c.ready
		cancel(stop)
		out := <-result
		if !out.Interrupted || out.ErrorClass != posthorn.ErrorNone || out.Success() ||
			out.Error != "Posthorn stopped before the answer was complete. The request may have been processed." {
			t.Errorf("%s: got %+v", name, out)
		}
	}
}

func TestAnAttemptUnderAStoppedContextIsInterrupted(t *testing.T) {
	t.Parallel()
	receiver := listen(t, answer(ok204))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if out := newClient(t).Do(ctx, deliver.Request{URL: receiver.url(), Timeout: long}); !out.Interrupted {
		t.Errorf("got %+v", out)
	}
}

func TestHeadersThatCannotBeSentAreAFailure(t *testing.T) {
	t.Parallel()
	receiver := listen(t, answer(ok204))
	out := newClient(t).Do(t.Context(), deliver.Request{
		URL: receiver.url(), Header: []posthorn.Header{{Name: "X-Secret", Value: "hunter2\r\nX: y"}}, Timeout: long,
	})
	if out.ErrorClass != posthorn.ErrorProtocol || strings.Contains(out.Error, "hunter2") ||
		out.Error != "The request could not be made: the URL or a header is malformed." {
		t.Errorf("got %+v", out)
	}
}

func BenchmarkDo(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"ok":true}`)
	}))
	defer server.Close()
	client := newClient(b)
	request := deliver.Request{
		URL: server.URL, Body: []byte(strings.Repeat("x", 1000)), Timeout: long,
		Header: []posthorn.Header{
			{Name: "webhook-id", Value: "whd_02YkOqSV2GzVzZ0dS5eYbC"},
			{Name: "webhook-timestamp", Value: "1763650000"},
			{Name: "webhook-signature", Value: "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="},
		},
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if out := client.Do(b.Context(), request); !out.Success() {
				b.Fatal(out.Error)
			}
		}
	})
}
