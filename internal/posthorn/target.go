package posthorn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// TargetPolicy says where deliveries may go. The same one is asked when a webhook is saved and at every dial, where it judges
// the addresses that the connection is then made to, so that a name cannot lead elsewhere in between. Its zero value allows
// https to public addresses alone. It is safe for concurrent use.
type TargetPolicy struct {
	allowHTTP bool
	allowed   []netip.Prefix
}

// TargetOptions are what an operator may allow beyond https to public addresses, for development and for receivers on the
// operator's own network.
type TargetOptions struct {
	// AllowHTTP allows http beside https.
	AllowHTTP bool
	// AllowedCIDRs are networks that deliveries may go to although they are not public.
	AllowedCIDRs []netip.Prefix
}

// NewTargetPolicy makes a policy.
func NewTargetPolicy(o TargetOptions) *TargetPolicy {
	p := &TargetPolicy{allowHTTP: o.AllowHTTP}
	for _, prefix := range o.AllowedCIDRs {
		// Addresses are compared in IPv4 form, which a prefix in IPv6 form does not contain.
		if addr := prefix.Addr(); addr.Is4In6() && prefix.Bits() >= 96 {
			prefix = netip.PrefixFrom(addr.Unmap(), prefix.Bits()-96)
		}
		p.allowed = append(p.allowed, prefix.Masked())
	}
	return p
}

// Resolver finds the addresses of a name, as *net.Resolver does.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// saveLookupTimeout bounds the lookup that saving a webhook waits for.
const saveLookupTimeout = 3 * time.Second

// ErrNoSuchHost reports a name that has no address.
var ErrNoSuchHost = errors.New("host does not resolve")

// Check says why a URL cannot be a webhook's, reading on from "URL" ("must be https"), empty when it can be: its form, and
// every address that its host has now. A rule that comes with an error is about a lookup that failed, not about the URL; the
// error is its cause, for the log.
func (p *TargetPolicy) Check(ctx context.Context, resolver Resolver, raw string) (rule string, err error) {
	target, rule := p.CheckURL(raw)
	if rule != "" {
		return rule, nil
	}
	host := target.Hostname()
	ctx, cancel := context.WithTimeout(ctx, saveLookupTimeout)
	defer cancel()
	addrs, err := LookupTarget(ctx, resolver, host)
	switch {
	case errors.Is(err, ErrNoSuchHost) && !strings.Contains(host, "."):
		return fmt.Sprintf("must lead to a host that exists: %s does not resolve, and a public host has a full name, such as hooks.example.com", host), nil
	case errors.Is(err, ErrNoSuchHost):
		return fmt.Sprintf("must lead to a host that exists: %s does not resolve", host), nil
	case timedOut(err):
		return "could not be checked, because the name did not resolve in time; try again", fmt.Errorf("check the target: %w", err)
	case err != nil:
		return "could not be checked, because the name servers did not answer; try again", fmt.Errorf("check the target: %w", err)
	}
	for _, addr := range addrs {
		if is, forbids := p.Forbids(addr); forbids {
			return fmt.Sprintf("must lead to a public address, and %s resolves to %s, which %s", host, addr, is), nil
		}
	}
	return "", nil
}

// LookupTarget returns every address of a host in the order in which they are to be tried, at least one, with IPv4 addresses
// in IPv4 form. A host that is an address is not looked up. The error is ErrNoSuchHost when the host has none, else the
// resolver's.
func LookupTarget(ctx context.Context, resolver Resolver, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr.Unmap()}, nil
	}
	addrs, err := resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		dns, ok := errors.AsType[*net.DNSError](err)
		if ok && dns.IsNotFound && !dns.IsTimeout {
			return nil, ErrNoSuchHost
		}
		return nil, fmt.Errorf("look up %s: %w", host, err)
	}
	if len(addrs) == 0 {
		return nil, ErrNoSuchHost
	}
	addrs = slices.Clone(addrs)
	for i, addr := range addrs {
		addrs[i] = addr.Unmap()
	}
	return addrs, nil
}

// timedOut reports whether a lookup ended because its time was over.
func timedOut(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	return errors.Is(err, context.DeadlineExceeded) || ok && dns.IsTimeout
}
