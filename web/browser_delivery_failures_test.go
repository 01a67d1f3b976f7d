package web_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// serveRaw listens, reads a request of every connection, and leaves the rest to serve. It returns the address; the end of the test ends
// what is still open.
func serveRaw(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var open []net.Conn
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, conn)
			mu.Unlock()
			running.Go(func() {
				defer conn.Close()
				request, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				if _, err := io.Copy(io.Discard, request.Body); err == nil {
					serve(conn)
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, conn := range open {
			conn.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return l.Addr().String()
}

// says answers with the same bytes and then closes.
func says(raw string) func(net.Conn) {
	return func(conn net.Conn) { _, _ = io.WriteString(conn, raw) }
}

// hangsAfter answers with bytes and then neither goes on nor closes.
func hangsAfter(raw string) func(net.Conn) {
	return func(conn net.Conn) {
		if _, err := io.WriteString(conn, raw); err == nil {
			_, _ = io.Copy(io.Discard, conn)
		}
	}
}

// resets makes the closing of a connection reset it.
func resets(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
}

// quiet takes what servers say about clients that turn away.
var quiet = log.New(io.Discard, "", 0)

// expiredServer speaks TLS with a certificate for 127.0.0.1 that expired on 12 November 2025.
func expiredServer(t *testing.T) *httptest.Server {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	expired := time.Date(2025, 11, 12, 10, 0, 0, 0, time.UTC)
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ledger"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: expired.AddDate(-1, 0, 0), NotAfter: expired,
	}
	raw, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(status(http.StatusOK))
	server.Config.ErrorLog = quiet
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// failure is an endpoint that does something wrong, and what the page of a delivery to it has to say.
type failure struct {
	// name is that of the webhook.
	name string
	// url is where the webhook leads; it is put there past the product where the product would not let it in.
	url      string
	smuggled bool
	// badge is what became of the delivery, answer what its timeline says, words what the page explains.
	badge, answer string
	words         []string
}

// failures are endpoints that fail in every way that there is a word for.
func failures(t *testing.T) []failure {
	t.Helper()
	answering := func(code int, headers, body string) string {
		return "http://" + serveRaw(t, says("HTTP/1.1 "+strconv.Itoa(code)+" "+http.StatusText(code)+"\r\n"+headers+"Connection: close\r\n\r\n"+body)) + "/hooks/kyc"
	}
	at := func(serve func(net.Conn)) string { return "http://" + serveRaw(t, serve) + "/hooks/kyc" }
	plain := httptest.NewServer(status(http.StatusOK))
	t.Cleanup(plain.Close)
	closed := httptest.NewServer(status(http.StatusOK))
	closed.Close()
	self := httptest.NewUnstartedServer(status(http.StatusOK))
	self.Config.ErrorLog = quiet
	self.StartTLS()
	t.Cleanup(self.Close)
	const retrying, failed = "Retrying", "Failed"
	host := func(url string) string { return strings.TrimPrefix(strings.TrimPrefix(url, "http://"), "https://") }
	return []failure{
		{"timeout", at(hangsAfter("")), false, retrying, "Timed out", []string{"timed out after 1", "No answer in 1 s. The request may have been processed: make the receiver idempotent on webhook-id."}},
		{"timeout within the body", at(hangsAfter("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")), false, retrying, "Timed out", []string{"timed out after 1", "The answer was not complete after 1 s.", "The status 200 had arrived, but not the whole answer, so it counts as failed."}},
		{"refused", closed.URL, false, retrying, "Connection refused", []string{"was refused a connection.", "Nothing listens at " + host(closed.URL) + ".", "that a firewall lets Posthorn in."}},
		{"reset", at(resets), false, retrying, "Connection closed", []string{"broke off: the connection was closed early.", "closed the connection without an answer."}},
		{"broken off", at(says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")), false, retrying, "Connection closed", []string{"closed the connection in the middle of its answer."}},
		{"unreachable", "http://[fe80::1]:8443/hooks", true, retrying, "Unreachable", []string{"found no way to the address.", "There is no way to [fe80::1]:8443 from here."}},
		{"dns", "http://ledger.invalid/hooks", true, retrying, "Name not found", []string{"did not find the host.", "ledger.invalid ", "Check the host in the URL and its DNS records."}},
		{"tls self-signed", self.URL, false, retrying, "TLS failed", []string{"got no TLS connection.", "The certificate is self-signed.", "Check the certificate of the server"}},
		{"tls expired", expiredServer(t).URL, false, retrying, "TLS failed", []string{"got no TLS connection.", "The certificate expired on 12 Nov 2025."}},
		{"tls without TLS", strings.Replace(plain.URL, "http:", "https:", 1), false, retrying, "TLS failed", []string{host(plain.URL) + " does not speak TLS."}},
		{"blocked", "http://10.1.2.3/hooks", true, retrying, "Address not allowed", []string{"was not sent: the address is not allowed.", "10.1.2.3", "POSTHORN_ALLOW_TARGET_CIDRS"}},
		{"redirect", answering(302, "Location: https://ledger.example/"+strings.Repeat("a/long/way/", 20)+"new\r\n", ""), false, failed, "302 Found", []string{"was redirected with 302.", "Redirects are not followed. Set the final URL: https://ledger.example/a/long/way/"}},
		{"headers too large", at(says("HTTP/1.1 200 OK\r\nSet-Cookie: " + strings.Repeat("x", 80<<10) + "\r\n\r\n")), false, retrying, "Headers too large", []string{"got response headers that are too large.", "larger than 64 KiB"}},
		{"no HTTP", at(hangsAfter("220 mail.example ESMTP\r\n")), false, retrying, "Not HTTP", []string{"got no valid HTTP answer.", "is not valid HTTP."}},
		{"400", answering(400, "Content-Type: application/json\r\n", `{"error":"unknown field","field":"data.checks"}`), false, failed, "400 Bad Request", []string{"got 400 Bad Request after", "The server was reached and refused the body."}},
		{"401", answering(401, "", ""), false, failed, "401 Unauthorized", []string{"The endpoint refused the request. Check the signing secret and the custom headers"}},
		{"404", answering(404, "", "no such page"), false, failed, "404 Not Found", []string{"The server answers, but not on this path for POST."}},
		{"410", answering(410, "", ""), false, failed, "410 Gone", []string{"The endpoint said it is gone. Posthorn stopped retrying and disabled the webhook."}},
		{"413", answering(413, "", ""), false, failed, "413", []string{"The body is larger than the server takes."}},
		{"429 that says when", answering(429, "Retry-After: 120\r\n", ""), false, failed, "429 Too Many Requests", []string{"The endpoint gets more requests than it takes.", "It asked to wait 120 s (retry-after), and retries keep to that.", "Retrying this status can be chosen there, too."}},
		{"500", answering(500, "", "<html><h1>Internal error</h1></html>"), false, retrying, "500 Internal Server Error", []string{"The endpoint failed while it worked on the request."}},
		{"502", answering(502, "", ""), false, retrying, "502 Bad Gateway", []string{"A proxy was reached, and got no valid answer from the server behind it."}},
		{"503 that says when", answering(503, "Retry-After: 120\r\n", ""), false, retrying, "503 Service Unavailable", []string{"The server was reached but was not ready.", "It asked to wait 120 s (retry-after), and retries keep to that."}},
		{"504", answering(504, "", ""), false, retrying, "504 Gateway Timeout", []string{"A proxy was reached, and the server behind it did not answer in time."}},
		{"response cut", answering(500, "Content-Type: text/plain\r\n", strings.Repeat("The stack goes on. ", 5000)), false, retrying, "500", []string{"The answer was longer than 64 KiB; its beginning was kept.", "Cut after 65.5 KB."}},
	}
}

// failingSite is a site on which a delivery has failed at each of the failures once; ids are the deliveries by name.
func failingSite(t *testing.T, all []failure) (s *sitekit.Site, ids map[string]string) {
	t.Helper()
	s = sitekit.Start(t, "POSTHORN_ALLOW_HTTP_TARGETS=true", "POSTHORN_ALLOW_TARGET_CIDRS=127.0.0.0/8,fe80::/10")
	hooks := map[string]posthorn.WebhookID{}
	for _, f := range all {
		w := makeWebhook(t, s, func(in *posthorn.WebhookInput) {
			in.Name, in.Timeout = &f.name, new(time.Second)
			if !f.smuggled {
				in.URL = &f.url
			}
		})
		hooks[f.name] = w.ID
		if f.smuggled {
			selectRows[int](t, s, `UPDATE webhooks SET url = $2 WHERE id = $1 RETURNING 1`, w.ID.UUID(), f.url)
		}
	}
	event := publishEvent(t, s, "submission.completed", map[string]any{"submissionId": "sub_7", "amount": 42}, "")
	await(t, "each was tried once", func() bool {
		return selectOne[int](t, s, `SELECT count(DISTINCT delivery_id) FROM attempts`) == len(all)
	})
	ids = map[string]string{}
	for name, hook := range hooks {
		ids[name] = deliveryOf(t, event, hook)
	}
	return s, ids
}

func TestEveryWayToFailIsSaidOnThePageOfTheDelivery(t *testing.T) {
	t.Parallel()
	all := failures(t)
	s, ids := failingSite(t, all)
	c := s.SignedIn()
	for _, f := range all {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			page := c.Get(path.DeliveryAttempt(ids[f.name], 1)).HTML(t)
			if got := text(page.Find("main .badge").First()); got != f.badge {
				t.Errorf("it is %q, want %q", got, f.badge)
			}
			if got := text(page.Find("#delivery section ol")); !strings.Contains(got, f.answer) {
				t.Errorf("the timeline says %q, want %q", got, f.answer)
			}
			if got := text(page.Find("#attempt")); !containsAll(got, append(f.words, "Attempt 1 ")...) {
				t.Errorf("the page says %.1500q, want %q", got, f.words)
			}
			// The log says the same.
			if got := text(c.Get(path.DeliveryLog + "?deliveryId=" + ids[f.name]).HTML(t).Find("#results tbody")); !strings.Contains(got, f.answer) {
				t.Errorf("the log says %q, want %q", got, f.answer)
			}
		})
	}
}

func TestThePagesOfFailuresAreAccessibleAndFit(t *testing.T) {
	t.Parallel()
	all := failures(t)
	s, ids := failingSite(t, all)
	var views []view
	for _, f := range all {
		// Screenshots are of all of them; a few stand for the rest otherwise.
		switch f.name {
		case "timeout within the body", "tls expired", "redirect", "410", "response cut":
		default:
			if *shots == "" {
				continue
			}
		}
		views = append(views, at("failure-"+strings.ReplaceAll(f.name, " ", "-"), path.Delivery(ids[f.name])))
	}
	examine(t, person(t, s), views...)
}
