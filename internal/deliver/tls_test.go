package deliver_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"posthorn/internal/posthorn"
)

func serverTLS(cert tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{cert}}
}

func TestTLSFailuresAreSaidInWords(t *testing.T) {
	t.Parallel()
	ca, stranger := newAuthority(t), newAuthority(t)
	yesterday, tomorrow := time.Now().Add(-24*time.Hour), time.Now().Add(24*time.Hour)
	day := func(at time.Time) string { return at.UTC().Format("2 Jan 2006") }
	with := func(change func(*tls.Config)) *tls.Config {
		config := serverTLS(ca.issue(t, nil))
		change(config)
		return config
	}
	named := func(dns ...string) *tls.Config {
		return serverTLS(ca.issue(t, func(c *x509.Certificate) { c.DNSNames = dns }))
	}
	const clientCert = "HOST asks for a client certificate, and Posthorn has none."
	for name, c := range map[string]struct {
		config *tls.Config
		want   string
	}{
		"self-signed": {serverTLS((*authority)(nil).issue(t, nil)), "The certificate is self-signed."},
		"unknown authority": {
			serverTLS(stranger.issue(t, nil)),
			"The certificate comes from Test Authority, an authority that is not known here, or the intermediate certificate is missing.",
		},
		"expired": {
			serverTLS(ca.issue(t, func(c *x509.Certificate) {
				c.NotBefore, c.NotAfter = yesterday.Add(-time.Hour), yesterday
			})), "The certificate expired on " + day(yesterday) + ".",
		},
		"not yet valid": {
			serverTLS(ca.issue(t, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = tomorrow, tomorrow.Add(time.Hour) })),
			"The certificate is not valid before " + day(tomorrow) + ".",
		},
		"not for servers": {
			serverTLS(ca.issue(t, func(c *x509.Certificate) {
				c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
			})), "The certificate is not one for servers.",
		},
		"another name": {named("other.example"), "The certificate is for other.example, not for receiver.example."},
		"many names": {
			named("a.example", "b.example", "c.example", "d.example"),
			"The certificate is for a.example, b.example, c.example and others, not for receiver.example.",
		},
		"no name": {named(), "The certificate is not for receiver.example: it names no host."},
		"old version": {with(func(c *tls.Config) {
			c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		}), "HOST offers no TLS version that is safe: Posthorn needs 1.2 or 1.3."},
		"client certificate, 1.2": {with(func(c *tls.Config) {
			c.ClientAuth, c.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12
		}), clientCert},
		"client certificate, 1.3": {with(func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }), clientCert},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := newServer(t, c.config, func(http.ResponseWriter, *http.Request) {}, false)
			out := post(t, newClient(t, ca.trusted), url, long)
			want := strings.ReplaceAll(c.want, "HOST", "receiver.example:"+portOf(strings.TrimSuffix(url, "/hook")))
			if out.ErrorClass != posthorn.ErrorTLS || out.Error != want || out.StatusCode != 0 {
				t.Errorf("\n got %s %q\nwant %q", out.ErrorClass, out.Error, want)
			}
		})
	}
}

func TestAPortWithoutTLSIsATLSFailure(t *testing.T) {
	t.Parallel()
	receiver := listen(t, func(conn net.Conn) {
		_, _ = io.ReadFull(conn, make([]byte, 5))
		_, _ = io.WriteString(conn, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTPS request to an HTTP server.\n")
		hang(conn)
	})
	out := post(t, newClient(t), strings.Replace(receiver.url(), "http", "https", 1), long)
	if out.ErrorClass != posthorn.ErrorTLS || out.Error != receiver.endpoint()+" does not speak TLS." {
		t.Errorf("%s %q", out.ErrorClass, out.Error)
	}
}

func TestACertificateMayBeForAnAddress(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	cert := ca.issue(t, func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = nil, []net.IP{net.IPv4(127, 0, 0, 1)} })
	url := newServer(t, serverTLS(cert), func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }, false)
	out := post(t, newClient(t, ca.trusted), strings.Replace(url, "receiver.example", "127.0.0.1", 1), long)
	if !out.Success() || out.StatusCode != http.StatusAccepted || out.TLS <= 0 || out.DNS != 0 {
		t.Errorf("got %+v", out)
	}
}

func TestHTTP2ReceiversMisbehaveToo(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	for name, c := range map[string]struct {
		handler  http.HandlerFunc
		class    posthorn.ErrorClass
		status   int
		sentence string
		timeout  time.Duration
	}{
		"resets the stream": {
			func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			posthorn.ErrorReset, 0, "HOST closed the connection without an answer.", long,
		},
		"breaks off": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "abc")
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, posthorn.ErrorReset, 200, "HOST closed the connection in the middle of its answer.", long},
		"sends 1 MB of headers": {func(w http.ResponseWriter, _ *http.Request) {
			for range 1000 {
				w.Header().Add("X-A", strings.Repeat("b", 1000))
			}
		}, posthorn.ErrorTooLarge, 0, "The headers of the answer are larger than 64 KiB.", long},
		"never answers": {
			func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			posthorn.ErrorTimeout, 0, "No answer in 0.25 s." + notIdempotent, short,
		},
		"hints without end": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				w.WriteHeader(http.StatusEarlyHints)
			}
		}, posthorn.ErrorProtocol, 0, "HOST sent informational responses without end instead of an answer.", long},
		"sends a body without end": {func(w http.ResponseWriter, _ *http.Request) {
			part := bytes.Repeat([]byte("x"), 10_000)
			for {
				if _, err := w.Write(part); err != nil {
					return
				}
			}
		}, posthorn.ErrorNone, 200, "", long},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := newServer(t, serverTLS(ca.issue(t, nil)), c.handler, true)
			out := post(t, newClient(t, ca.trusted), url, c.timeout)
			want := strings.ReplaceAll(c.sentence, "HOST", "receiver.example:"+portOf(strings.TrimSuffix(url, "/hook")))
			if out.ErrorClass != c.class || out.Error != want || out.StatusCode != c.status {
				t.Errorf("\n got %d %s %q\nwant %d %s %q", out.StatusCode, out.ErrorClass, out.Error, c.status, c.class, want)
			}
			if c.class == posthorn.ErrorNone && (!out.ResponseTruncated || len(out.ResponseBody) != posthorn.MaxResponseBytes) {
				t.Errorf("%d bytes", len(out.ResponseBody))
			}
		})
	}
}
