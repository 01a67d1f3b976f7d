// Package deliver makes one HTTP attempt: it finds the receiver's address, refuses where deliveries must not go, sends the
// request over TLS and reads the answer, all within one deadline, and says in a posthorn.Outcome what happened.
//
// Receivers are strangers. The address that was judged is the address that is dialled, redirects and proxies are not
// followed, no cookie is kept, and of an answer no more is read than is kept. What to do about an outcome is not decided here.
package deliver

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"time"

	"posthorn/internal/posthorn"
)

// The limits of the connections that are kept open between attempts.
const (
	maxIdleConns        = 1024
	maxIdleConnsPerHost = 64
	idleTimeout         = time.Minute
	// maxSessions is of how many hosts the TLS session is kept, to resume it.
	maxSessions = 1024
)

// The limits of what an HTTP/2 connection may send unasked, in bytes, and when a silent one is asked whether it is alive.
const (
	streamWindow     = posthorn.MaxResponseBytes + 16<<10
	connectionWindow = 1 << 20
	pingAfter        = 15 * time.Second
	pingTimeout      = 10 * time.Second
)

// maxInformational is how many 1xx responses may come before the answer.
const maxInformational = 8

// Request is what one attempt sends: always POST and application/json.
type Request struct {
	// URL is the webhook's. The policy is asked about it again.
	URL string
	// Header goes beside the headers that the client sets itself, whose names are left out here: those of ownHeaders.
	Header []posthorn.Header
	Body   []byte
	// Timeout covers looking up, connecting, sending and reading the answer together.
	Timeout time.Duration
}

// Options are what a Client is made of.
type Options struct {
	// Policy says where requests may go.
	Policy *posthorn.TargetPolicy
	// UserAgent is sent as it is: "Posthorn/1.2.3".
	UserAgent string
	// Resolver is net.DefaultResolver when it is nil.
	Resolver posthorn.Resolver
	// RootCAs are the authorities whose certificates are trusted, those of the system when it is nil.
	RootCAs *x509.CertPool
}

// Client makes attempts. It keeps connections open between them and is safe for concurrent use.
type Client struct {
	policy    *posthorn.TargetPolicy
	resolver  posthorn.Resolver
	userAgent string
	dialer    net.Dialer
	tls       *tls.Config
	transport *http.Transport
	// fresh makes a connection for every request.
	fresh *http.Transport
}

// New makes a client.
func New(o Options) *Client {
	c := &Client{
		policy:    o.Policy,
		resolver:  o.Resolver,
		userAgent: o.UserAgent,
		tls: &tls.Config{
			MinVersion:         tls.VersionTLS12,
			RootCAs:            o.RootCAs,
			NextProtos:         []string{"h2", "http/1.1"},
			ClientSessionCache: tls.NewLRUClientSessionCache(maxSessions),
		},
	}
	if c.resolver == nil {
		c.resolver = net.DefaultResolver
	}
	c.transport, c.fresh = c.newTransport(), c.newTransport()
	c.fresh.DisableKeepAlives = true
	return c
}

func (c *Client) newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  nil, // A proxy would choose the address.
		DialContext:            c.dial,
		DialTLSContext:         c.dialTLS,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // readBody undoes gzip, within limits.
		MaxIdleConns:           maxIdleConns,
		MaxIdleConnsPerHost:    maxIdleConnsPerHost,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: posthorn.MaxResponseHeaderBytes,
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerStream:     streamWindow,
			MaxReceiveBufferPerConnection: connectionWindow,
			SendPingTimeout:               pingAfter,
			PingTimeout:                   pingTimeout,
		},
	}
}

// Close closes the connections that are kept open. Attempts that are under way keep theirs until they end.
func (c *Client) Close() {
	c.transport.CloseIdleConnections()
	c.fresh.CloseIdleConnections()
}

// Do makes one attempt. It returns by the request's timeout at the latest, or soon after ctx is done, which makes the outcome
// Interrupted: ctx is Posthorn's own wish to stop and carries no deadline of the attempt.
//
// Where a connection from an earlier attempt turns out to be closed, the request goes over a new one: receivers close idle
// connections at any time, and one may cross the request on its way. That a receiver then gets it twice is as rare as in
// any delivery at least once.
func (c *Client) Do(ctx context.Context, r Request) posthorn.Outcome {
	start := time.Now()
	out := posthorn.Outcome{StartedAt: start}
	target, rule := c.policy.CheckURL(r.URL)
	if rule != "" {
		out.ErrorClass, out.Error = posthorn.ErrorBlocked, "Blocked: the URL "+rule+"."
		return out
	}
	a := newAttempt(ctx, target, start.Add(r.Timeout), r.Timeout)
	attemptCtx, cancel := context.WithDeadline(ctx, a.deadline)
	defer cancel()
	c.send(httptrace.WithClientTrace(context.WithValue(attemptCtx, attemptKey{}, a), a.trace()), a, r, &out)
	a.record(&out)
	out.Total = time.Since(start)
	return out
}

// send makes the request and reads the answer into the outcome.
func (c *Client) send(ctx context.Context, a *attempt, r Request, out *posthorn.Outcome) {
	request, err := c.request(ctx, a.target, r)
	if err != nil {
		out.ErrorClass, out.Error = posthorn.ErrorProtocol, malformed
		return
	}
	// RoundTrip, not http.Client: that would follow redirects.
	response, err := c.transport.RoundTrip(request)
	if err != nil && a.wasStale(err) {
		response, err = c.fresh.RoundTrip(rewound(request))
	}
	if err != nil {
		a.fail(out, err)
		return
	}
	defer response.Body.Close()
	a.update(func() { a.phase = reading })
	out.StatusCode = response.StatusCode
	out.HTTPVersion = httpVersion(response)
	out.ResponseHeaders = responseHeaders(response.Header)
	if response.StatusCode < 200 || response.StatusCode > 599 {
		// The body of 101 Switching Protocols is the connection. The others are no statuses of HTTP.
		out.ErrorClass = posthorn.ErrorProtocol
		out.Error = fmt.Sprintf("%s answered with status %d, which does not answer a request.", a.endpoint(), response.StatusCode)
		return
	}
	body := readBody(response)
	out.ResponseBody, out.ResponseTruncated = body.bytes, body.truncated
	switch {
	case response.StatusCode > 299:
		// The status has decided, however the body ended.
		out.RetryAfter = retryAfter(response.Header.Get("Retry-After"), time.Now())
		out.ErrorClass, out.Error = statusFailure(response, out.RetryAfter)
	case body.err != nil:
		a.fail(out, body.err)
	}
}

// ownHeaders are set by the client, or belong to the connection.
var ownHeaders = []string{
	"Accept-Encoding", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Expect", "Host", "Keep-Alive",
	"Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "User-Agent",
}

// request builds the request with the names of its headers as they were given.
func (c *Client) request(ctx context.Context, target *url.URL, r Request) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(r.Body))
	if err != nil {
		return nil, err
	}
	header := make(http.Header, len(r.Header)+3)
	for _, h := range r.Header {
		name := h.Name
		canonical := http.CanonicalHeaderKey(name)
		if slices.Contains(ownHeaders, canonical) {
			continue
		}
		if canonical == "Idempotency-Key" || canonical == "X-Idempotency-Key" {
			// Spelled canonically it would make the transport send the request again when a connection breaks. One attempt is
			// one request.
			name = strings.ToLower(name)
		}
		header[name] = append(header[name], h.Value)
	}
	header["Content-Type"] = []string{"application/json"}
	header["User-Agent"] = []string{c.userAgent}
	header["Accept-Encoding"] = []string{"gzip"}
	request.Header = header
	return request, nil
}

// rewound is a request to be sent a second time.
func rewound(request *http.Request) *http.Request {
	again := *request
	again.Body, _ = request.GetBody() // A bytes.Reader begins anew without an error.
	return &again
}

func httpVersion(response *http.Response) string {
	if response.ProtoMajor == 2 {
		return "HTTP/2"
	}
	return response.Proto
}
