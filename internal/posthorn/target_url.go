package posthorn

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// MaxTargetURL is the longest URL of a webhook, in bytes.
const MaxTargetURL = 2048

// maxHostName and maxHostLabel are the limits of a name in the DNS (RFC 1035, section 2.3.4), in bytes.
const (
	maxHostName  = 253
	maxHostLabel = 63
)

// CheckURL says why a URL cannot be a webhook's by its form, reading on from "URL" ("must be https"), without asking a name
// server. When there is nothing against it the rule is empty and the URL comes back parsed: scheme and host in lower case,
// without the scheme's own port.
//
// Whatever a client could take for another host than a reader does is refused: user names, backslashes, percent-encoding in
// the host, and IPv4 addresses in any spelling but four decimal numbers.
func (p *TargetPolicy) CheckURL(raw string) (target *url.URL, rule string) {
	if rule = p.checkText(raw); rule != "" {
		return nil, rule
	}
	scheme, rest, _ := strings.Cut(raw, "://")
	authority := rest
	if end := strings.IndexAny(rest, "/?"); end >= 0 {
		authority = rest[:end]
	}
	host, port, rule := p.checkAuthority(authority)
	if rule != "" {
		return nil, rule
	}
	if !isASCII(raw) {
		return nil, "must be plain ASCII: percent-encode the other characters"
	}
	target, err := url.Parse(raw)
	if err != nil {
		// Everything else that url.Parse refuses was refused above.
		return nil, "must have two hexadecimal digits after each %"
	}
	if port != "" && port != defaultPort(strings.ToLower(scheme)) {
		host = net.JoinHostPort(strings.Trim(host, "[]"), port)
	}
	target.Host = host
	return target, ""
}

// checkText judges a URL as text, and its scheme.
func (p *TargetPolicy) checkText(raw string) (rule string) {
	scheme, rest, _ := strings.Cut(raw, ":")
	scheme = strings.ToLower(scheme)
	switch {
	case raw == "":
		return "must not be empty"
	case len(raw) > MaxTargetURL:
		return "must be at most 2048 characters long"
	case strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' }):
		return "must not contain spaces, control characters or backslashes"
	case p.allowHTTP && scheme != "http" && scheme != "https":
		return "must be http or https"
	case !p.allowHTTP && scheme != "https":
		return "must be https"
	case !strings.HasPrefix(rest, "//"):
		return "must be a full address, such as https://example.com/webhooks"
	case strings.Contains(raw, "#"):
		return "must not have a fragment (#)"
	}
	return ""
}

// checkAuthority judges what stands between the slashes and the path, and returns the host in lower case, an IPv6 address in
// brackets, and the port without leading zeros, empty when there is none.
func (p *TargetPolicy) checkAuthority(authority string) (host, port, rule string) {
	if strings.Contains(authority, "@") {
		return "", "", "must not contain a user name or password"
	}
	if !strings.HasPrefix(authority, "[") && strings.Count(authority, ":") > 1 {
		return "", "", "must have an IPv6 address in brackets, such as https://[2606:4700::1111]/"
	}
	host = authority
	// Colons within brackets belong to the address.
	if colon := strings.LastIndexByte(authority, ':'); colon > strings.LastIndexByte(authority, ']') {
		host, port = authority[:colon], authority[colon+1:]
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return "", "", "must have a port from 1 to 65535"
		}
		port = strconv.FormatUint(n, 10)
	}
	host = strings.ToLower(host)
	switch {
	case host == "":
		rule = "must have a host"
	case !isASCII(host):
		rule = "must have its host in ASCII: names with other letters are written xn--…"
	case strings.HasPrefix(host, "["):
		host, rule = p.checkIPv6(host)
	case strings.Contains(host, "%"):
		rule = "must not have a percent-encoded host"
	case strings.HasSuffix(host, "."):
		rule = "must not have a dot at the end of its host"
	case endsInNumber(host):
		rule = p.checkIPv4(host)
	case !isHostName(host):
		rule = "must have a host of letters, digits, hyphens and dots, such as hooks.example.com"
	}
	return host, port, rule
}

// checkIPv6 judges an address in brackets and returns it as it is usually written.
func (p *TargetPolicy) checkIPv6(host string) (canonical, rule string) {
	if strings.Contains(host, "%") {
		return "", "must not have a zone in its IPv6 address"
	}
	inside, closed := strings.CutSuffix(host[1:], "]")
	addr, err := netip.ParseAddr(inside)
	if !closed || err != nil || !addr.Is6() {
		return "", "must have an IPv6 address in its brackets, such as https://[2606:4700::1111]/"
	}
	return "[" + addr.String() + "]", p.CheckAddr(addr)
}

// checkIPv4 judges a host that clients take for an IPv4 address.
func (p *TargetPolicy) checkIPv4(host string) (rule string) {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return "must have an IPv4 address of four decimal numbers without leading zeros, such as 192.0.2.7"
	}
	return p.CheckAddr(addr)
}

// endsInNumber reports whether the last label of a host is a decimal, octal or hexadecimal number: what makes clients read
// the whole as an IPv4 address (WHATWG URL, "ends in a number checker").
func endsInNumber(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

// isHostName reports whether a host in lower case could be a name in the DNS. Underscores are none of RFC 1123 but are in use.
func isHostName(host string) bool {
	if len(host) > maxHostName || strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > maxHostLabel {
			return false
		}
	}
	return true
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}

func defaultPort(scheme string) string {
	if scheme == "http" {
		return "80"
	}
	return "443"
}
