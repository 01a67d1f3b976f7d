package web_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"posthorn/internal/live"
	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
	"posthorn/web"
)

// wire is a connection on which requests are written byte for byte.
type wire struct {
	t    *testing.T
	conn *net.TCPConn
	in   *bufio.Reader
}

func dial(t *testing.T, s *sitekit.Site) *wire {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		t.Fatalf("%T", conn)
	}
	return &wire{t, tcp, bufio.NewReader(conn)}
}

func (w *wire) send(parts ...string) {
	w.t.Helper()
	if _, err := io.WriteString(w.conn, strings.Join(parts, "")); err != nil {
		w.t.Fatal(err)
	}
}

// read returns the next answer, to a request with a method.
func (w *wire) read(method string) sitekit.Answer {
	w.t.Helper()
	res, err := http.ReadResponse(w.in, &http.Request{Method: method})
	if err != nil {
		w.t.Fatalf("read an answer: %v", err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatalf("read the body of a %d: %v", res.StatusCode, err)
	}
	return sitekit.Answer{Response: res, Text: string(text)}
}

// expectClosed fails the test unless the server has closed the connection.
func (w *wire) expectClosed() {
	w.t.Helper()
	if b, err := w.in.ReadByte(); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		w.t.Errorf("the connection goes on with %q, %v", b, err)
	}
}

// request writes a request with a body of a known length.
func request(line, headers, body string) string {
	return fmt.Sprintf("%s HTTP/1.1\r\nHost: posthorn.example\r\n%sContent-Length: %d\r\n\r\n%s", line, headers, len(body), body)
}

// chunked writes a request with a body in chunks.
func chunked(line, headers string, chunks ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s HTTP/1.1\r\nHost: posthorn.example\r\n%sTransfer-Encoding: chunked\r\n\r\n", line, headers)
	for _, c := range chunks {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(c), c)
	}
	b.WriteString("0\r\n\r\n")
	return b.String()
}

const (
	getReady   = "GET " + path.Readyz + " HTTP/1.1\r\nHost: posthorn.example\r\n\r\n"
	readyText  = `{"status":"ready"}`
	getHealth  = "GET " + path.Healthz + " HTTP/1.1\r\nHost: posthorn.example\r\n\r\n"
	healthText = `{"status":"ok"}`
	form       = "Content-Type: application/x-www-form-urlencoded\r\n"
	jsonBody   = "Content-Type: application/json\r\n"
)

// Fiber's trap: with streamed bodies, what a handler leaves unread is taken for the next request of the connection, so that
// one request can carry another past whoever looks at requests in front.
func TestABodyIsNeverTakenForARequest(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	right := jsonBody + "X-Activity-Webhook-Secret: " + s.Secret + "\r\n"
	long := strings.Repeat(getHealth, 5<<20/len(getHealth))
	for name, tc := range map[string]struct {
		line, headers, body string
		status              int
	}{
		"refused worker":           {"POST " + path.IngestActivity, jsonBody, getHealth, http.StatusUnauthorized},
		"refused worker, long":     {"POST " + path.IngestActivity, jsonBody, long, http.StatusUnauthorized},
		"too long for the ingest":  {"POST " + path.IngestActivity, right, long, http.StatusRequestEntityTooLarge},
		"wrong type":               {"POST " + path.IngestActivity, strings.ReplaceAll(right, "json", "x"), getHealth, http.StatusUnsupportedMediaType},
		"not JSON":                 {"POST " + path.IngestActivity, right, getHealth, http.StatusBadRequest},
		"GET with a body":          {"GET " + path.Readyz, "", getHealth, http.StatusOK},
		"asset with a body":        {"GET " + path.Static + "x", "", getHealth, http.StatusNotFound},
		"page with a body":         {"GET " + path.Login, "", getHealth, http.StatusOK},
		"unknown page":             {"POST /nope", form, getHealth, http.StatusNotFound},
		"unknown page of the API":  {"POST /api/nope", form, getHealth, http.StatusNotFound},
		"wrong method":             {"DELETE " + path.Activity, form, getHealth, http.StatusMethodNotAllowed},
		"method that is none":      {"BREW " + path.Activity, form, getHealth, http.StatusBadRequest},
		"method that is none, too": {"BREW " + path.Activity, form, long, http.StatusBadRequest},
		"form that is no form":     {"POST " + path.Login, "", getHealth, http.StatusUnprocessableEntity},
		"form of another site":     {"POST " + path.Login, form + "Sec-Fetch-Site: cross-site\r\n", getHealth, http.StatusForbidden},
		"form that is too large":   {"POST " + path.Login, form, long, http.StatusRequestEntityTooLarge},
		"form of a stranger":       {"POST " + path.SettingsProfile, form, getHealth, http.StatusUnauthorized},
		"form with files":          {"POST " + path.Login, "Content-Type: multipart/form-data; boundary=x\r\n", getHealth, http.StatusUnprocessableEntity},
		"ingest with files":        {"POST " + path.IngestActivity, "Content-Type: multipart/form-data; boundary=x\r\n", getHealth, http.StatusUnauthorized},
		"compressed":               {"POST " + path.IngestActivity, right + "Content-Encoding: gzip\r\n", getHealth, http.StatusUnsupportedMediaType},
	} {
		half := len(tc.body) / 2
		for how, write := range map[string]string{
			"": request(tc.line, tc.headers, tc.body), ", chunked": chunked(tc.line, tc.headers, tc.body[:half], tc.body[half:]),
		} {
			t.Run(name+how, func(t *testing.T) {
				t.Parallel()
				method, _, _ := strings.Cut(tc.line, " ")
				w := dial(t, s)
				for range 2 {
					w.send(write)
					if a := w.read(method); a.StatusCode != tc.status {
						t.Fatalf("%d, want %d: %s", a.StatusCode, tc.status, a.Text)
					}
					w.send(getReady)
					if a := w.read(http.MethodGet); a.Text != readyText {
						t.Fatalf("the next request is answered with %s", a.Text)
					}
				}
				w.send(write, getReady, write, getReady) // pipelined
				for range 2 {
					if a := w.read(method); a.StatusCode != tc.status {
						t.Fatalf("pipelined: %d, want %d: %s", a.StatusCode, tc.status, a.Text)
					}
					if a := w.read(http.MethodGet); a.Text != readyText {
						t.Fatalf("pipelined: the next request is answered with %s", a.Text)
					}
				}
			})
		}
	}
}

// fasthttp's trap: a body in chunks that is read beyond its end waits for a chunk, or takes the next request for one.
func TestABodyInChunksIsReadToItsEndAndNoFurther(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	record := chunked("POST "+path.IngestActivity, jsonBody+"X-Activity-Webhook-Secret: "+s.Secret+"\r\n", body(t, nil))
	signIn := chunked("POST "+path.Login, form, signInForm(s).Encode())
	w := dial(t, s)
	w.send(record, record, signIn, record, getReady)
	for i, want := range []int{http.StatusCreated, http.StatusCreated, http.StatusSeeOther, http.StatusCreated, http.StatusOK} {
		if a := w.read(http.MethodPost); a.StatusCode != want {
			t.Fatalf("request %d: %d %s", i, a.StatusCode, a.Text)
		}
	}
	w.send(record) // alone, with nothing behind it
	if a := w.read(http.MethodPost); a.StatusCode != http.StatusCreated {
		t.Errorf("%d %s", a.StatusCode, a.Text)
	}
	if n := stored(t, s); n != 4 {
		t.Errorf("%d records, want 4", n)
	}
}

func TestABodyThatIsAskedForFirstIsNoRequestEither(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	for name, tc := range map[string]struct {
		headers, body string
		status        int
	}{
		"accepted": {"X-Activity-Webhook-Secret: " + s.Secret + "\r\n", body(t, nil), http.StatusCreated},
		"refused":  {"", getHealth, http.StatusUnauthorized},
	} {
		w := dial(t, s)
		whole := request("POST "+path.IngestActivity, jsonBody+tc.headers+"Expect: 100-continue\r\n", tc.body)
		head := strings.TrimSuffix(whole, tc.body)
		w.send(head)
		if a := w.read(http.MethodPost); a.StatusCode != http.StatusContinue {
			t.Fatalf("%s: %d, want 100", name, a.StatusCode)
		}
		w.send(tc.body)
		if a := w.read(http.MethodPost); a.StatusCode != tc.status {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.Text)
		}
		w.send(getReady)
		if a := w.read(http.MethodGet); a.Text != readyText {
			t.Errorf("%s: the next request is answered with %s", name, a.Text)
		}
	}
}

// A program that streams does not say before how long a body will be, nor that there will be none.
func TestABodyThatMayBeLeftOutIsLeftOutInChunks(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	hook := path.APIWebhooks + "/" + makeWebhook(t, s, nil).ID.String()
	key := "X-API-Key: " + s.Owner.APIKey + "\r\n"
	for target, want := range map[string]int{hook + "/rotate-secret": http.StatusOK, hook + "/replay-missed": http.StatusAccepted} {
		w := dial(t, s)
		w.send(chunked("POST "+target, key), chunked("POST "+target, key, "[]"))
		if a := w.read(http.MethodPost); a.StatusCode != want {
			t.Errorf("%s without a body: %d %s", target, a.StatusCode, a.Text)
		}
		if a := w.read(http.MethodPost); a.StatusCode != http.StatusUnsupportedMediaType {
			t.Errorf("%s with one of no type: %d %s", target, a.StatusCode, a.Text)
		}
	}
}

func TestAConnectionIsClosedWhenItsBodyIsLongerThanAnybodyReads(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	const most, declared = 64 << 20, 1 << 30
	for name, line := range map[string]string{
		"refused worker": "POST " + path.IngestActivity, "form": "POST " + path.Login, "asset": "GET " + path.Static + "x", "method that is none": "BREW /",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := dial(t, s)
			w.send(fmt.Sprintf("%s HTTP/1.1\r\nHost: posthorn.example\r\nContent-Length: %d\r\n\r\n", line, declared))
			piece := strings.Repeat("x", 1<<20)
			for range most / len(piece) {
				w.send(piece)
			}
			method, _, _ := strings.Cut(line, " ")
			if a := w.read(method); !a.Close || a.StatusCode < http.StatusBadRequest {
				t.Errorf("%d, and it closes: %t", a.StatusCode, a.Close)
			}
			w.expectClosed()
		})
	}
}

func TestABodyThatStopsInTheMiddleIsNotTakenForWhole(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	worker := jsonBody + "X-Activity-Webhook-Secret: " + s.Secret + "\r\n"
	valid := body(t, nil)
	sign := signInForm(s).Encode()
	for name, tc := range map[string]struct {
		line, headers, body string
		missing             int
	}{
		"a record":                 {"POST " + path.IngestActivity, worker, valid, 10},
		"a record, all but spaces": {"POST " + path.IngestActivity, worker, valid + strings.Repeat(" ", 100<<10), 50 << 10},
		"a form":                   {"POST " + path.Login, form, sign + "&x=y", 4},
		"a long form":              {"POST " + path.Login, form, sign + "&x=" + strings.Repeat("y", 60<<10), 20 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := dial(t, s)
			whole := request(tc.line, tc.headers, tc.body)
			w.send(whole[:len(whole)-tc.missing])
			if err := w.conn.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if a := w.read(http.MethodPost); a.StatusCode != http.StatusBadRequest && a.StatusCode != http.StatusUnprocessableEntity || len(a.Cookies()) != 0 {
				t.Errorf("%d %v %s", a.StatusCode, a.Cookies(), a.Text)
			}
			w.expectClosed()
		})
	}
	for name, chunks := range map[string]string{
		"a size that is none": "zz\r\nabc\r\n", "a size that lies": "2\r\nabcdef\r\n0\r\n\r\n", "an end that lies": "2\r\nabX0\r\n\r\n", "an end that lies more": "2\r\nabXY0\r\n\r\n", "an end without its size": "3\r\nabc\r\n",
		"a huge size": "ffffffffffffffffff\r\n", "a negative size": "-1\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, target := range []string{path.Login, path.IngestActivity} {
				w := dial(t, s)
				w.send("POST "+target+" HTTP/1.1\r\nHost: posthorn.example\r\n"+worker+"Transfer-Encoding: chunked\r\n\r\n"+chunks, getHealth)
				if err := w.conn.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				if a := w.read(http.MethodPost); a.StatusCode != http.StatusBadRequest && a.StatusCode != http.StatusUnprocessableEntity {
					t.Errorf("%s: %d %s", target, a.StatusCode, a.Text)
				}
				w.expectClosed()
			}
		})
	}
	if n := stored(t, s); n != 0 {
		t.Errorf("%d records were stored", n)
	}
}

// Two readers of one request must not disagree about where it ends: what can be read in two ways is refused, or is the
// last request of its connection.
func TestARequestThatCanBeReadInTwoWaysIsTheLastOfItsConnection(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	for name, headers := range map[string]string{
		"length and chunks":          "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
		"chunks and length":          "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
		"two lengths":                "Content-Length: 0\r\nContent-Length: 5\r\n",
		"a list of lengths":          "Content-Length: 5, 5\r\n",
		"a signed length":            "Content-Length: +5\r\n",
		"a length with a letter":     "Content-Length: 5x\r\n",
		"a space before the colon":   "Transfer-Encoding : chunked\r\n",
		"another encoding":           "Transfer-Encoding: xchunked\r\n",
		"encodings out of order":     "Transfer-Encoding: chunked, identity\r\n",
		"a folded header":            "X-A: b\r\n Transfer-Encoding: chunked\r\n",
		"a header without a name":    ": chunked\r\n",
		"chunks by an underscore":    "Transfer_Encoding: chunked\r\nContent-Length: 5\r\nContent-Length: 0\r\n",
		"a carriage return in a row": "X-A: b\rTransfer-Encoding: chunked\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := dial(t, s)
			w.send("POST "+path.IngestActivity+" HTTP/1.1\r\nHost: posthorn.example\r\n"+headers+"\r\n0\r\n\r\n", getHealth)
			if err := w.conn.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			rest, err := io.ReadAll(w.in)
			if err != nil && !errors.Is(err, syscall.ECONNRESET) {
				t.Fatal(err)
			}
			if !bytes.HasPrefix(rest, []byte("HTTP/1.1 4")) || strings.Contains(string(rest), healthText) {
				t.Errorf("answered with\n%s", rest)
			}
		})
	}
}

// fasthttp's trap: it ends a streamed body also where a HEAD keeps it from being sent, and a client takes that end for the
// beginning of the next answer.
func TestTheHeadersOfAStreamAloneLeaveTheConnectionUsable(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	s.PostActivity(nil)
	cookie := "Cookie: " + signInCookie(t, s) + "\r\n"
	w := dial(t, s)
	for _, target := range []string{path.ActivityExportCSV, path.ActivityExportNDJSON, path.ActivityStream, path.Activity, path.Readyz} {
		w.send(request("HEAD "+target, cookie, ""))
		if a := w.read(http.MethodHead); a.StatusCode != http.StatusOK || a.Text != "" {
			t.Errorf("HEAD %s: %d %q", target, a.StatusCode, a.Text)
		}
		w.send(getReady)
		if a := w.read(http.MethodGet); a.Text != readyText {
			t.Fatalf("after HEAD %s: %s", target, a.Text)
		}
	}
	if n := s.Goroutines(streamFunction) + s.Goroutines(exportFunction); n != 0 {
		t.Errorf("%d streams for nobody", n)
	}
}

func TestWhatCannotBeReadAsARequestIsAnsweredAndClosed(t *testing.T) {
	t.Parallel()
	s := sitekit.Start(t)
	for name, tc := range map[string]struct {
		raw    string
		status int
	}{
		"too many headers":      {"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", 20<<10) + "\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge},
		"too long an address":   {"GET /" + strings.Repeat("x", 20<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge},
		"no request":            {"hello\r\n\r\n", http.StatusBadRequest},
		"TLS":                   {"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\r\n\r\n", http.StatusBadRequest},
		"a length that is none": {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := dial(t, s)
			w.send(tc.raw)
			a := w.read(http.MethodGet)
			if a.StatusCode != tc.status || !strings.Contains(a.Text, "<!doctype html>") {
				t.Errorf("%d %s", a.StatusCode, a.Text)
			}
			checkHeaders(t, name, a.Header)
			w.expectClosed()
		})
	}
}

func TestAServerThatIsStoppedBeforeItServesReturnsAtOnce(t *testing.T) {
	t.Parallel()
	server := web.New(web.Options{
		Log: slog.New(slog.DiscardHandler), Live: live.NewHub(posthorn.ActivityNotice.Merge), CookieKeys: [][]byte{make([]byte, 32), make([]byte, 32)},
	})
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	select {
	case err := <-served:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("it serves after it was stopped")
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is open: %v", err)
	}
}
