package posthorn

import (
	"fmt"
	"net/netip"
)

// addressRange is a range of addresses that deliveries do not go to. is reads on from an address: "is on a private network".
type addressRange struct {
	prefix netip.Prefix
	is     string
}

// forbiddenRanges lists what is not public, the particular before the general, from the IANA registries of special-purpose
// addresses (RFC 6890) and the documents of the cloud providers. IPv4 addresses inside IPv6 ones are in forbidden.
var forbiddenRanges = ranges(
	"169.254.169.254/32", "is the cloud metadata address",
	"169.254.170.2/32", "is a cloud metadata address",
	"100.100.100.200/32", "is a cloud metadata address",
	"168.63.129.16/32", "is a cloud metadata address",
	"fd00:ec2::254/128", "is the cloud metadata address",
	"fd20:ce::254/128", "is a cloud metadata address",

	"0.0.0.0/8", "is an unspecified address",
	"10.0.0.0/8", "is on a private network",
	"100.64.0.0/10", "is on a carrier's private network",
	"127.0.0.0/8", "is a loopback address",
	"169.254.0.0/16", "is a link-local address",
	"172.16.0.0/12", "is on a private network",
	"192.0.0.0/24", "is reserved for protocols",
	"192.0.2.0/24", "is reserved for documentation",
	"192.88.99.0/24", "is reserved for protocols",
	"192.168.0.0/16", "is on a private network",
	"198.18.0.0/15", "is reserved for benchmarks",
	"198.51.100.0/24", "is reserved for documentation",
	"203.0.113.0/24", "is reserved for documentation",
	"224.0.0.0/4", "is a multicast address",
	"255.255.255.255/32", "is the broadcast address",
	"240.0.0.0/4", "is reserved",

	"::/128", "is an unspecified address",
	"::1/128", "is a loopback address",
	"::/96", "holds an IPv4 address in a form that is no longer used",
	"64:ff9b:1::/48", "is on a private network",
	"100::/64", "is where packets are discarded",
	"fc00::/7", "is on a private network",
	"fe80::/10", "is a link-local address",
	"fec0::/10", "is on a private network",
	"ff00::/8", "is a multicast address",
	"2001::/32", "is a Teredo tunnel to an IPv4 address",
	"2001:2::/48", "is reserved for benchmarks",
	"2001:10::/28", "is a hash, not a place in the network",
	"2001:20::/28", "is a hash, not a place in the network",
	"2001::/23", "is reserved for protocols",
	"2001:db8::/32", "is reserved for documentation",
	"2002::/16", "is a 6to4 tunnel to an IPv4 address",
	"3fff::/20", "is reserved for documentation",
)

// The networks that forbidden treats on its own.
var (
	globalIPv6 = netip.MustParsePrefix("2000::/3")
	// nat64 is how a network without IPv4 reaches public IPv4 addresses (RFC 6052): the last 32 bits are that address.
	nat64 = netip.MustParsePrefix("64:ff9b::/96")
)

// ranges pairs prefixes with what they are.
func ranges(pairs ...string) []addressRange {
	list := make([]addressRange, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, addressRange{prefix: netip.MustParsePrefix(pairs[i]), is: pairs[i+1]})
	}
	return list
}

// Forbids reports whether deliveries must not go to an address, and what it is, to be read on from the address: "is a loopback
// address (127.0.0.0/8)". The networks that the operator named win over every other rule. An IPv4 address in IPv6 form is
// judged as what it is.
func (p *TargetPolicy) Forbids(addr netip.Addr) (is string, forbids bool) {
	// A prefix contains no address with a zone, and a zone does not make an address public.
	addr = addr.Unmap().WithZone("")
	for _, allowed := range p.allowed {
		if allowed.Contains(addr) {
			return "", false
		}
	}
	return forbidden(addr)
}

// forbidden judges an address by the registries alone.
func forbidden(addr netip.Addr) (is string, forbids bool) {
	for _, r := range forbiddenRanges {
		if !r.prefix.Contains(addr) {
			continue
		}
		if r.prefix.IsSingleIP() {
			return r.is, true
		}
		return r.is + " (" + r.prefix.String() + ")", true
	}
	switch {
	case !addr.IsValid():
		return "is no address", true
	case addr.Is4() || globalIPv6.Contains(addr):
		return "", false
	case nat64.Contains(addr):
		bytes := addr.As16()
		inner := netip.AddrFrom4([4]byte(bytes[12:]))
		if is, forbids = forbidden(inner); forbids {
			is = fmt.Sprintf("leads to %s, which %s", inner, is)
		}
		return is, forbids
	}
	return "is not public (outside " + globalIPv6.String() + ")", true
}

// CheckAddr says why deliveries must not go to an address, reading on from "URL": "must lead to a public address, and
// 10.1.2.3 is on a private network (10.0.0.0/8)". It is empty for an address that they may go to.
func (p *TargetPolicy) CheckAddr(addr netip.Addr) (rule string) {
	is, forbids := p.Forbids(addr)
	if !forbids {
		return ""
	}
	return fmt.Sprintf("must lead to a public address, and %s %s", addr.Unmap(), is)
}
