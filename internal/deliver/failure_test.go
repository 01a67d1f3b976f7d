package deliver_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"posthorn/internal/deliver"
	"posthorn/internal/posthorn"
)

const notIdempotent = " The request may have been processed: make the receiver idempotent on `webhook-id`."

func TestWhatReceiversDoWrongIsSaidInWords(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		serve  func(net.Conn)
		status int
		class  posthorn.ErrorClass
		// sentence has HOST where the receiver stands.
		sentence string
		// waits is for receivers that answer nothing in time.
		waits bool
	}{
		"resets": {serve: func(conn net.Conn) {
			readRequest(bufio.NewReader(conn))
			reset(conn)
		}, class: posthorn.ErrorReset, sentence: "HOST closed the connection without an answer."},
		"closes": {
			serve: func(conn net.Conn) { readRequest(bufio.NewReader(conn)) },
			class: posthorn.ErrorReset, sentence: "HOST closed the connection without an answer.",
		},
		"closes within the header": {
			serve: answerAnd("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n", func(net.Conn) {}),
			class: posthorn.ErrorReset, sentence: "HOST closed the connection without an answer.",
		},
		"closes within the body": {
			serve:  answerAnd("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", func(net.Conn) {}),
			status: 200, class: posthorn.ErrorReset, sentence: "HOST closed the connection in the middle of its answer.",
		},
		"never answers": {serve: hang, class: posthorn.ErrorTimeout, sentence: "No answer in 0.25 s." + notIdempotent, waits: true},
		"hangs within the body": {
			serve:  answerAnd("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", hang),
			status: 200, class: posthorn.ErrorTimeout, sentence: "The answer was not complete after 0.25 s." + notIdempotent, waits: true,
		},
		"hangs before the body": {
			serve:  answerAnd("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", hang),
			status: 200, class: posthorn.ErrorTimeout, sentence: "The answer was not complete after 0.25 s." + notIdempotent, waits: true,
		},
		"drips headers": {
			serve: answerAnd("HTTP/1.1 200 OK\r\n", drip("X-A: b\r\n")),
			class: posthorn.ErrorTimeout, sentence: "No answer in 0.25 s." + notIdempotent, waits: true,
		},
		"drips a body": {
			serve:  answerAnd("HTTP/1.1 200 OK\r\n\r\n", drip("x")),
			status: 200, class: posthorn.ErrorTimeout, sentence: "The answer was not complete after 0.25 s." + notIdempotent, waits: true,
		},
		"sends 1 MB of headers": {
			serve: answerAnd("HTTP/1.1 200 OK\r\n", endless("X-A: "+strings.Repeat("b", 1000)+"\r\n")),
			class: posthorn.ErrorTooLarge, sentence: "The headers of the answer are larger than 64 KiB.",
		},
		"sends a header without end": {
			serve: answerAnd("HTTP/1.1 200 OK\r\nX-A: ", endless("b")),
			class: posthorn.ErrorTooLarge, sentence: "The headers of the answer are larger than 64 KiB.",
		},
		"sends early hints without end": {
			serve: answerAnd("", endless("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")),
			class: posthorn.ErrorProtocol, sentence: "HOST sent informational responses without end instead of an answer.",
		},
		"continues without end": {
			serve: answerAnd("", endless("HTTP/1.1 100 Continue\r\n\r\n")),
			class: posthorn.ErrorProtocol, sentence: "HOST sent informational responses without end instead of an answer.",
		},
		"switches protocols": {
			serve:  answer("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
			status: 101, class: posthorn.ErrorProtocol, sentence: "HOST answered with status 101, which does not answer a request.",
		},
		"makes up a status": {
			serve:  answer("HTTP/1.1 999 Request denied\r\nContent-Length: 0\r\n\r\n"),
			status: 999, class: posthorn.ErrorProtocol, sentence: "HOST answered with status 999, which does not answer a request.",
		},
		"sends garbage": {
			serve: answerAnd("\x00\x01\x02\xff garbage\r\n\r\n", hang),
			class: posthorn.ErrorProtocol, sentence: "The answer of HOST is not valid HTTP.",
		},
		"greets like SMTP": {
			serve: answerAnd("220 mail.example ESMTP\r\n", hang),
			class: posthorn.ErrorProtocol, sentence: "The answer of HOST is not valid HTTP.",
		},
		"has a broken header": {
			serve: answerAnd("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", hang),
			class: posthorn.ErrorProtocol, sentence: "The answer of HOST is not valid HTTP.",
		},
		"has a NUL in a header": {
			serve: answerAnd("HTTP/1.1 200 OK\r\nX-A: \x00\r\n\r\n", hang),
			class: posthorn.ErrorProtocol, sentence: "The answer of HOST is not valid HTTP.",
		},
		"has two lengths": {
			serve: answerAnd("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", hang),
			class: posthorn.ErrorProtocol, sentence: "The answer of HOST is not valid HTTP.",
		},
		"has broken chunks": {
			serve:  answerAnd("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", hang),
			status: 200, class: posthorn.ErrorProtocol, sentence: "The answer of HOST is not valid HTTP.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			receiver := listen(t, c.serve)
			timeout := long
			if c.waits {
				timeout = short
			}
			out := post(t, newClient(t), receiver.url(), timeout)
			want := strings.ReplaceAll(c.sentence, "HOST", receiver.endpoint())
			if out.ErrorClass != c.class || out.Error != want || out.StatusCode != c.status || out.Success() || out.Interrupted {
				t.Errorf("\n got %d %s %q\nwant %d %s %q", out.StatusCode, out.ErrorClass, out.Error, c.status, c.class, want)
			}
			if out.RemoteAddress != receiver.Addr().String() || len(out.RequestHeaders) == 0 {
				t.Errorf("went to %q with %v", out.RemoteAddress, out.RequestHeaders)
			}
			if c.waits && (out.Total < short || out.Total > short+5*time.Second) {
				t.Errorf("took %s", out.Total)
			}
			if n := receiver.conns.Load(); n != 1 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// drip writes the same bytes again and again, slowly.
func drip(raw string) func(net.Conn) {
	return func(conn net.Conn) {
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for range ticker.C {
			if _, err := io.WriteString(conn, raw); err != nil {
				return
			}
		}
	}
}

// endless writes the same bytes again and again, as fast as they are read.
func endless(raw string) func(net.Conn) {
	return func(conn net.Conn) {
		raw := strings.Repeat(raw, 100)
		for {
			if _, err := io.WriteString(conn, raw); err != nil {
				return
			}
		}
	}
}

func TestWhereThereIsNoReceiverTheOutcomeSaysSo(t *testing.T) {
	t.Parallel()
	closed := listen(t, hang)
	closed.Close()
	mute := listen(t, hang)
	abrupt := listen(t, func(conn net.Conn) { _, _ = io.ReadFull(conn, make([]byte, 5)) })
	https := func(l *listener) string { return strings.Replace(l.url(), "http", "https", 1) }
	for name, c := range map[string]struct {
		url      string
		timeout  time.Duration
		class    posthorn.ErrorClass
		sentence string
	}{
		"refused":      {closed.url(), long, posthorn.ErrorRefused, "Nothing listens at " + closed.endpoint() + "."},
		"unreachable":  {"https://far.example/", long, posthorn.ErrorUnreachable, "There is no way to far.example:443 from here."},
		"unknown name": {"https://none.example/", long, posthorn.ErrorDNS, "none.example does not resolve."},
		"broken name servers": {
			"https://broken.example/", long, posthorn.ErrorDNS,
			"broken.example could not be looked up: the name servers gave no answer.",
		},
		"silent name servers": {"https://hanging.example/", short, posthorn.ErrorDNS, ""},
		"silent TLS":          {https(mute), short, posthorn.ErrorTimeout, "No TLS connection to " + mute.endpoint() + " in 0.25 s."},
		"broken TLS": {
			https(abrupt), long, posthorn.ErrorReset, abrupt.endpoint() + " closed the connection during the TLS handshake.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := post(t, newClient(t, odd), c.url, c.timeout)
			if out.ErrorClass != c.class || out.Error != c.sentence && c.sentence != "" || out.Error == "" || out.StatusCode != 0 {
				t.Errorf("\n got %d %s %q\nwant %s %q", out.StatusCode, out.ErrorClass, out.Error, c.class, c.sentence)
			}
			if len(out.RequestHeaders) != 0 {
				t.Errorf("sent %v", out.RequestHeaders)
			}
		})
	}
}

func TestAnswersThatAreNoSuccess(t *testing.T) {
	t.Parallel()
	const refused = "The endpoint refused the request."
	for answered, want := range map[string]struct {
		class    posthorn.ErrorClass
		sentence string
		wait     time.Duration
	}{
		"300 Multiple Choices":                                   {class: posthorn.ErrorRedirect, sentence: "Redirects are not followed."},
		"301 Moved\r\nLocation: https://b.example/new?x=1#top":   {class: posthorn.ErrorRedirect, sentence: "Redirects are not followed. Set the final URL: https://b.example/new?x=1"},
		"302 Found\r\nLocation: /hook/":                          {class: posthorn.ErrorRedirect, sentence: "Redirects are not followed. Set the final URL: http://HOST/hook/"},
		"307 Temporary\r\nLocation: javascript:alert(1)":         {class: posthorn.ErrorRedirect, sentence: "Redirects are not followed."},
		"308 Permanent\r\nLocation: https://a:b@b.example/":      {class: posthorn.ErrorRedirect, sentence: "Redirects are not followed."},
		"304 Not Modified":                                       {class: posthorn.ErrorRedirect, sentence: "Redirects are not followed."},
		"400 Bad Request":                                        {sentence: refused},
		"401 Unauthorized":                                       {sentence: refused + " Check the signing secret and custom headers."},
		"403 Forbidden":                                          {sentence: refused + " Check the signing secret and custom headers."},
		"404 Not Found":                                          {sentence: "The server answers, but not on this path for POST."},
		"405 Method Not Allowed":                                 {sentence: "The server answers, but not on this path for POST."},
		"410 Gone":                                               {sentence: "The endpoint said it is gone."},
		"422 Unprocessable":                                      {sentence: refused},
		"429 Slow down\r\nRetry-After: 120":                      {sentence: "It asked to wait 120 s.", wait: 2 * time.Minute},
		"429 Slow down":                                          {sentence: refused},
		"500 Oops":                                               {sentence: "The endpoint failed."},
		"503 Busy\r\nRetry-After: 99999999999999999999":          {sentence: "It asked to wait 31536000 s.", wait: 365 * 24 * time.Hour},
		"503 Busy\r\nRetry-After: -5":                            {sentence: "The endpoint failed."},
		"503 Busy\r\nRetry-After: soon":                          {sentence: "The endpoint failed."},
		"503 Busy\r\nRetry-After: Fri, 01 Jan 1999 00:00:00 GMT": {sentence: "The endpoint failed."},
		"599 Odd": {sentence: "The endpoint failed."},
	} {
		t.Run(answered[:3], func(t *testing.T) {
			t.Parallel()
			length := "\r\nContent-Length: 4\r\n\r\nbody"
			if strings.HasPrefix(answered, "304") {
				length = "\r\n\r\n"
			}
			receiver := listen(t, answer("HTTP/1.1 "+answered+length))
			out := post(t, newClient(t), receiver.url(), long)
			sentence := strings.ReplaceAll(want.sentence, "HOST", receiver.endpoint())
			if out.ErrorClass != want.class || out.Error != sentence || out.RetryAfter != want.wait || out.Success() {
				t.Errorf("%s\n got %q %q %s\nwant %q %q %s", answered, out.ErrorClass, out.Error, out.RetryAfter, want.class, sentence, want.wait)
			}
			if length != "\r\n\r\n" && string(out.ResponseBody) != "body" {
				t.Errorf("body %q", out.ResponseBody)
			}
			if n := receiver.conns.Load(); n != 1 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

func TestARetryAfterMayBeADate(t *testing.T) {
	t.Parallel()
	at := time.Now().Add(time.Hour).UTC()
	receiver := listen(t, answer("HTTP/1.1 503 Busy\r\nRetry-After: "+at.Format(http.TimeFormat)+"\r\nContent-Length: 0\r\n\r\n"))
	out := post(t, newClient(t), receiver.url(), long)
	if out.RetryAfter < 59*time.Minute || out.RetryAfter > time.Hour || !strings.HasPrefix(out.Error, "It asked to wait 3") {
		t.Errorf("wait %s, %q", out.RetryAfter, out.Error)
	}
}

func TestTheStatusOfAFailureCountsHoweverItsBodyEnds(t *testing.T) {
	t.Parallel()
	receiver := listen(t, answerAnd("HTTP/1.1 410 Gone\r\nContent-Length: 10\r\n\r\nabc", hang))
	out := post(t, newClient(t), receiver.url(), short)
	if out.StatusCode != http.StatusGone || out.ErrorClass != posthorn.ErrorNone || !out.ResponseTruncated || string(out.ResponseBody) != "abc" {
		t.Errorf("got %+v", out)
	}
}

func TestOfABodyNoMoreIsReadThanIsKept(t *testing.T) {
	t.Parallel()
	gzipped := func(text string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = io.WriteString(w, text)
		w.Close()
		return b.String()
	}
	const head, zipped = "HTTP/1.1 200 OK\r\n", "Content-Encoding: gzip\r\n"
	bomb := gzipped(strings.Repeat("\x00", 40<<20))
	small := gzipped("hello")
	if len(bomb) > posthorn.MaxResponseBytes {
		t.Fatalf("the bomb takes %d bytes", len(bomb))
	}
	// An empty stored block: five bytes that inflate to nothing, for ever.
	empty := strings.Repeat("\x00\x00\x00\xff\xff", 1000)
	for name, c := range map[string]struct {
		serve     func(net.Conn)
		body      string
		truncated bool
	}{
		"endless":            {answerAnd(head+"\r\n", endless("x")), strings.Repeat("x", 64<<10), true},
		"gzip":               {answerAnd(head+zipped+"\r\n"+small, func(net.Conn) {}), "hello", false},
		"gzip of nothing":    {answerAnd(head+zipped+"\r\n"+gzipped(""), func(net.Conn) {}), "", false},
		"gzip that is none":  {answerAnd(head+zipped+"\r\nplain text", func(net.Conn) {}), "plain text", false},
		"gzip, damaged":      {answerAnd(head+zipped+"\r\n"+small[:len(small)-8], func(net.Conn) {}), "hello", true},
		"gzip bomb":          {answerAnd(head+zipped+"\r\n"+bomb, func(net.Conn) {}), strings.Repeat("\x00", 64<<10), true},
		"gzip without end":   {answerAnd(head+zipped+"\r\n"+small[:10], endless(empty)), "", true},
		"another encoding":   {answerAnd(head+"Content-Encoding: br\r\n\r\n\x8b\x02", func(net.Conn) {}), "\x8b\x02", false},
		"gzip in upper case": {answerAnd(head+"Content-Encoding: GZIP\r\n\r\n"+small, func(net.Conn) {}), "hello", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := post(t, newClient(t), listen(t, c.serve).url(), long)
			if !out.Success() || out.ResponseTruncated != c.truncated {
				t.Errorf("success %t, truncated %t, %s", out.Success(), out.ResponseTruncated, out.Error)
			}
			if name == "gzip without end" {
				if len(out.ResponseBody) > posthorn.MaxResponseBytes {
					t.Errorf("%d bytes", len(out.ResponseBody))
				}
			} else if string(out.ResponseBody) != c.body {
				t.Errorf("%d bytes, %.40q", len(out.ResponseBody), out.ResponseBody)
			}
		})
	}
}

func TestAFewHintsBeforeTheAnswerAreFine(t *testing.T) {
	t.Parallel()
	hints := strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 3)
	receiver := listen(t, answer("HTTP/1.1 100 Continue\r\n\r\n"+hints+ok204))
	client := newClient(t)
	for range 5 {
		if out := post(t, client, receiver.url(), long); !out.Success() || out.StatusCode != http.StatusNoContent {
			t.Fatalf("got %+v", out)
		}
	}
}

func TestHeadersOfStrangersAreKeptAsText(t *testing.T) {
	t.Parallel()
	many := strings.Repeat("X-Many: 1\r\n", 150)
	receiver := listen(t, answer("HTTP/1.1 204 No Content\r\nA-Odd: caf\xe9 ü\r\n"+many+"\r\n"))
	out := post(t, newClient(t), receiver.url(), long)
	if len(out.ResponseHeaders) != posthorn.MaxResponseHeaders {
		t.Errorf("%d headers", len(out.ResponseHeaders))
	}
	if got := headerValues(out.ResponseHeaders, "A-Odd"); len(got) != 1 || got[0] != "caf\uFFFD ü" {
		t.Errorf("got %q, %s", got, out.Error)
	}
}

func TestTheDialEndsWithTheAttempt(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	client := newClient(t, func(o *deliver.Options) {
		o.Resolver = resolve(func(ctx context.Context, _ string) ([]netip.Addr, error) {
			<-ctx.Done()
			ended <- ctx.Err()
			return nil, ctx.Err()
		})
	})
	out := post(t, client, "https://hanging.example/", short)
	// The transport would let it run on, for a request that may come.
	if err := <-ended; err == nil || out.ErrorClass != posthorn.ErrorDNS {
		t.Errorf("ended with %v: %+v", err, out)
	}
}
