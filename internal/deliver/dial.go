package deliver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"posthorn/internal/posthorn"
)

// minConnect is the least time that one of several addresses gets before the next is tried, as in net.Dialer.
const minConnect = 2 * time.Second

// dial connects to a host whose every address the policy allows.
func (c *Client) dial(ctx context.Context, _, address string) (net.Conn, error) {
	a := attemptOf(ctx)
	ctx, cancel := a.dialContext(ctx)
	defer cancel()
	host, port, err := splitAddress(address)
	if err != nil {
		return nil, err
	}
	addrs, err := c.resolve(ctx, a, host)
	if err != nil {
		return nil, err
	}
	return c.connect(ctx, a, addrs, port)
}

// dialTLS is dial with TLS on the connection. The transport's own handshake would not end with the attempt.
func (c *Client) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := c.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	a := attemptOf(ctx)
	ctx, cancel := a.dialContext(ctx)
	defer cancel()
	a.dialled(func() { a.phase = handshaking })
	start := time.Now()
	config := c.tls.Clone()
	config.ServerName = a.target.Hostname()
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		a.dialled(func() { a.wantsCertificate = true })
		return &tls.Certificate{}, nil
	}
	secure := tls.Client(conn, config)
	err = secure.HandshakeContext(ctx)
	a.dialled(func() { a.timings.TLS = time.Since(start) })
	if err != nil {
		return nil, errors.Join(fmt.Errorf("TLS handshake: %w", err), conn.Close())
	}
	return secure, nil
}

func splitAddress(address string) (host string, port uint16, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("dial: %w", err)
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("dial: port %q: %w", text, err)
	}
	return host, uint16(n), nil
}

// resolve returns the addresses of a host. One forbidden address among them forbids the host.
func (c *Client) resolve(ctx context.Context, a *attempt, host string) ([]netip.Addr, error) {
	start := time.Now()
	addrs, err := posthorn.LookupTarget(ctx, c.resolver, host)
	if _, parseErr := netip.ParseAddr(host); parseErr != nil {
		a.dialled(func() { a.timings.DNS = time.Since(start) })
	}
	switch {
	case errors.Is(err, posthorn.ErrNoSuchHost):
		return nil, &attemptError{posthorn.ErrorDNS, host + " does not resolve.", err}
	case err != nil:
		return nil, &attemptError{posthorn.ErrorDNS, host + " could not be looked up: the name servers gave no answer.", err}
	}
	for _, addr := range addrs {
		if is, forbidden := c.policy.Forbids(addr); forbidden {
			return nil, &attemptError{posthorn.ErrorBlocked, fmt.Sprintf(
				"Blocked: %s resolves to %s, which %s. Posthorn sends only to public addresses.", host, addr, is), nil}
		}
	}
	return addrs, nil
}

// connect tries the addresses in their order until one answers. Each gets its share of the time that is left.
func (c *Client) connect(ctx context.Context, a *attempt, addrs []netip.Addr, port uint16) (net.Conn, error) {
	a.dialled(func() { a.phase = connecting })
	start := time.Now()
	defer func() { a.dialled(func() { a.timings.Connect = time.Since(start) }) }()
	var first error
	for i, addr := range addrs {
		remote := netip.AddrPortFrom(addr, port).String()
		a.dialled(func() { a.remote = remote })
		conn, err := c.connectOne(ctx, remote, a.deadline, len(addrs)-i)
		if err == nil {
			return conn, nil
		}
		// The dialer notices the deadline before the context does.
		if ctx.Err() != nil || !time.Now().Before(a.deadline) {
			return nil, fmt.Errorf("connect to %s: %w", remote, err)
		}
		err = connectFailure(a.endpoint(), err)
		// A host without IPv6 finds IPv6 addresses unreachable: the other failure says more.
		if first == nil || classOf(first) == posthorn.ErrorUnreachable {
			first = err
		}
	}
	return nil, first
}

func (c *Client) connectOne(ctx context.Context, remote string, deadline time.Time, left int) (net.Conn, error) {
	if left > 1 {
		share := max(time.Until(deadline)/time.Duration(left), minConnect)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, share)
		defer cancel()
	}
	return c.dialer.DialContext(ctx, "tcp", remote)
}

// connectFailure says why there is no connection.
func connectFailure(endpoint string, err error) error {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return &attemptError{posthorn.ErrorRefused, "Nothing listens at " + endpoint + ".", err}
	case errors.Is(err, syscall.ECONNRESET):
		return &attemptError{posthorn.ErrorReset, endpoint + " closed the connection before it was established.", err}
	case isTimeout(err):
		return &attemptError{posthorn.ErrorTimeout, endpoint + " did not accept a connection in time.", err}
	}
	return &attemptError{posthorn.ErrorUnreachable, "There is no way to " + endpoint + " from here.", err}
}
