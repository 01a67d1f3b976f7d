package deliver_test

import (
	"bufio"
	"context"
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
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"posthorn/internal/deliver"
	"posthorn/internal/posthorn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// long is a timeout that no test waits for, short is one that some do.
const (
	long  = 20 * time.Second
	short = 250 * time.Millisecond
)

// names resolves hosts to the addresses that are written behind them, whatever the time.
type names map[string]string

func (n names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	known, ok := n[host]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	var addrs []netip.Addr
	for text := range strings.FieldsSeq(known) {
		addrs = append(addrs, netip.MustParseAddr(text))
	}
	return addrs, nil
}

// resolve is a resolver made of a function.
type resolve func(ctx context.Context, host string) ([]netip.Addr, error)

func (r resolve) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	return r(ctx, host)
}

// loopback lets tests send to their own listeners.
func loopback() *posthorn.TargetPolicy {
	return posthorn.NewTargetPolicy(posthorn.TargetOptions{
		AllowHTTP: true,
		AllowedCIDRs: []netip.Prefix{
			netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("224.0.0.1/32"),
		},
	})
}

// newClient makes a client that knows receiver.example and trusts one authority.
func newClient(tb testing.TB, change ...func(*deliver.Options)) *deliver.Client {
	tb.Helper()
	o := deliver.Options{Policy: loopback(), UserAgent: "Posthorn/1.2.3", Resolver: names{"receiver.example": "127.0.0.1"}}
	for _, f := range change {
		f(&o)
	}
	client := deliver.New(o)
	tb.Cleanup(client.Close)
	return client
}

// post makes one attempt with a small body.
func post(t *testing.T, client *deliver.Client, url string, timeout time.Duration) posthorn.Outcome {
	t.Helper()
	return client.Do(t.Context(), deliver.Request{URL: url, Body: []byte(`{"event":"test"}`), Timeout: timeout})
}

// portOf returns what follows the last colon.
func portOf(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

// listener is a receiver that is not bound to HTTP. It counts its connections.
type listener struct {
	net.Listener
	conns atomic.Int32
}

// url leads to the receiver by its name.
func (l *listener) url() string {
	return "http://receiver.example:" + portOf(l.Addr().String()) + "/hook"
}

// endpoint is the receiver as outcomes call it.
func (l *listener) endpoint() string { return "receiver.example:" + portOf(l.Addr().String()) }

// listen serves every connection with a function until the test ends, then closes them all.
func listen(t *testing.T, serve func(net.Conn)) *listener {
	t.Helper()
	return listenAt(t, "127.0.0.1:0", serve)
}

func listenAt(t *testing.T, address string, serve func(net.Conn)) *listener {
	t.Helper()
	inner, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{Listener: inner}
	var mu sync.Mutex
	var conns []net.Conn
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := inner.Accept()
			if err != nil {
				return
			}
			l.conns.Add(1)
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			running.Go(func() {
				defer conn.Close()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		inner.Close()
		mu.Lock()
		for _, conn := range conns {
			conn.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return l
}

// readRequest reads a whole request and returns it as it came, empty when the connection ended.
func readRequest(r *bufio.Reader) string {
	var raw strings.Builder
	request, err := http.ReadRequest(bufio.NewReader(io.TeeReader(r, &raw)))
	if err != nil {
		return ""
	}
	if _, err = io.Copy(io.Discard, request.Body); err != nil {
		return ""
	}
	return raw.String()
}

// answer serves requests with the same bytes until the connection ends.
func answer(raw string) func(net.Conn) {
	return func(conn net.Conn) {
		r := bufio.NewReader(conn)
		for readRequest(r) != "" {
			if _, err := io.WriteString(conn, raw); err != nil {
				return
			}
		}
	}
}

// answerAnd answers one request and then does something else with the connection.
func answerAnd(raw string, then func(net.Conn)) func(net.Conn) {
	return func(conn net.Conn) {
		if readRequest(bufio.NewReader(conn)) == "" {
			return
		}
		if _, err := io.WriteString(conn, raw); err == nil {
			then(conn)
		}
	}
}

// reset makes closing a connection reset it.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
}

// hang reads until the other side closes.
func hang(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// authority issues certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test Authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key, pool: x509.NewCertPool()}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pool.AddCert(a.cert)
	return a
}

// trusted is the option of a client that trusts the authority.
func (a *authority) trusted(o *deliver.Options) { o.RootCAs = a.pool }

// issue makes a certificate for receiver.example, changed as wanted. Without an authority it is self-signed.
func (a *authority) issue(t *testing.T, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "receiver.example"}, DNSNames: []string{"receiver.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if change != nil {
		change(template)
	}
	parent, signer := template, key
	if a != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// newServer starts an HTTPS server at https://receiver.example and returns its URL.
func newServer(t *testing.T, config *tls.Config, handler http.HandlerFunc, http2 bool) (url string) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.TLS = config
	server.EnableHTTP2 = http2
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return "https://receiver.example:" + portOf(server.Listener.Addr().String()) + "/hook"
}

// headerValues collects the values of one header.
func headerValues(headers []posthorn.Header, name string) []string {
	var values []string
	for _, h := range headers {
		if strings.EqualFold(h.Name, name) {
			values = append(values, h.Value)
		}
	}
	return values
}
