package posthorn_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/posthorn"
)

// names is a resolver that knows a few hosts. A host with an error has no addresses.
type names map[string]struct {
	addrs string
	err   error
}

func (n names) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	known, ok := n[host]
	switch {
	case network != "ip":
		return nil, fmt.Errorf("network %q: want ip, for all addresses", network)
	case !ok:
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	case known.err != nil:
		return nil, known.err
	}
	var addrs []netip.Addr
	for text := range strings.FieldsSeq(known.addrs) {
		addrs = append(addrs, netip.MustParseAddr(text))
	}
	return addrs, nil
}

var resolver = names{
	"hooks.example.com":    {addrs: "93.184.216.34 2606:2800:220:1::1"},
	"mapped.example.com":   {addrs: "::ffff:93.184.216.34"},
	"under_score.example":  {addrs: "93.184.216.34"},
	"xn--mnchen-3ya.test":  {addrs: "93.184.216.34"},
	"private.example.com":  {addrs: "10.1.2.3"},
	"mixed.example.com":    {addrs: "93.184.216.34 2606:2800:220:1::1 192.168.1.1"},
	"mapped10.example.com": {addrs: "::ffff:10.1.2.3"},
	"v6.example.com":       {addrs: "93.184.216.34 fd12:3456::1"},
	"metadata.internal":    {addrs: "169.254.169.254"},
	"localhost":            {addrs: "127.0.0.1 ::1"},
	"a.localhost":          {addrs: "127.0.0.1"},
	"printer.local":        {addrs: "169.254.7.7"},
	"empty.example.com":    {},
	"slow.example.com":     {err: &net.DNSError{Err: "i/o timeout", Name: "slow.example.com", IsTimeout: true}},
	"broken.example.com":   {err: &net.DNSError{Err: "server misbehaving", Name: "broken.example.com", IsTemporary: true}},
}

// The rules, as they read on from "URL".
const (
	ruleHTTPS   = "must be https"
	ruleText    = "must not contain spaces, control characters or backslashes"
	ruleFull    = "must be a full address, such as https://example.com/webhooks"
	ruleUser    = "must not contain a user name or password"
	ruleHost    = "must have a host"
	ruleName    = "must have a host of letters, digits, hyphens and dots, such as hooks.example.com"
	rulePort    = "must have a port from 1 to 65535"
	ruleIPv4    = "must have an IPv4 address of four decimal numbers without leading zeros, such as 192.0.2.7"
	ruleIPv6    = "must have an IPv6 address in its brackets, such as https://[2606:4700::1111]/"
	ruleBracket = "must have an IPv6 address in brackets, such as https://[2606:4700::1111]/"
	ruleZone    = "must not have a zone in its IPv6 address"
	rulePercent = "must not have a percent-encoded host"
	ruleASCII   = "must have its host in ASCII: names with other letters are written xn--…"
	rulePublic  = "must lead to a public address, and "
)

func TestATargetIsRefusedInTheSentenceOfItsRule(t *testing.T) {
	t.Parallel()
	var policy posthorn.TargetPolicy
	for raw, want := range map[string]string{
		"https://hooks.example.com":                              "",
		"https://hooks.example.com/":                             "",
		"https://hooks.example.com/a/b?c=d&e=%20":                "",
		"HTTPS://Hooks.Example.COM/Path":                         "",
		"https://hooks.example.com:443/":                         "",
		"https://hooks.example.com:8443/x":                       "",
		"https://hooks.example.com:0443/x":                       "",
		"https://hooks.example.com?x=1":                          "",
		"https://hooks.example.com/a@b":                          "",
		"https://hooks.example.com/?to=a@b":                      "",
		"https://under_score.example/":                           "",
		"https://xn--mnchen-3ya.test/":                           "",
		"https://mapped.example.com/":                            "",
		"https://93.184.216.34/":                                 "",
		"https://[2606:4700::1111]/":                             "",
		"https://[2606:4700:0:0:0:0:0:1111]:8443/":               "",
		"https://[::ffff:93.184.216.34]/":                        "",
		"https://[64:ff9b::5db8:d822]/":                          "",
		"":                                                       "must not be empty",
		"https://hooks.example.com/" + strings.Repeat("a", 2023): "must be at most 2048 characters long",
		"http://hooks.example.com/":                              ruleHTTPS,
		"ftp://hooks.example.com/":                               ruleHTTPS,
		"file:///etc/passwd":                                     ruleHTTPS,
		"javascript:alert(1)":                                    ruleHTTPS,
		"hooks.example.com/x":                                    ruleHTTPS,
		"hooks.example.com:443/x":                                ruleHTTPS,
		"//hooks.example.com/x":                                  ruleHTTPS,
		"httpss://hooks.example.com/":                            ruleHTTPS,
		"://hooks.example.com/":                                  ruleHTTPS,
		"https":                                                  ruleFull,
		"https:hooks.example.com":                                ruleFull,
		"https:/hooks.example.com":                               ruleFull,
		" https://hooks.example.com/":                            ruleText,
		"https://hooks.example.com/a b":                          ruleText,
		"https://hooks.example.com/\r\nX: y":                     ruleText,
		"https://hooks.example.com/\x00":                         ruleText,
		"https://hooks.example.com\\@10.0.0.1/":                  ruleText,
		"https:\\\\hooks.example.com":                            ruleText,
		"https://ana:secret@hooks.example.com/":                  ruleUser,
		"https://ana@hooks.example.com/":                         ruleUser,
		"https://@hooks.example.com/":                            ruleUser,
		"https://hooks.example.com@10.0.0.1/":                    ruleUser,
		"https://hooks.example.com/#top":                         "must not have a fragment (#)",
		"https://hooks.example.com/#":                            "must not have a fragment (#)",
		"https://hooks.example.com#@10.0.0.1/":                   "must not have a fragment (#)",
		"https://":                                               ruleHost,
		"https:///path":                                          ruleHost,
		"https://?x":                                             ruleHost,
		"https://:443/":                                          ruleHost,
		"https://hooks.example.com:/":                            rulePort,
		"https://hooks.example.com:0/":                           rulePort,
		"https://hooks.example.com:65536/":                       rulePort,
		"https://hooks.example.com:-1/":                          rulePort,
		"https://hooks.example.com:+443/":                        rulePort,
		"https://hooks.example.com:https/":                       rulePort,
		"https://[2606:4700::1111]x/":                            ruleIPv6,
		"https://[2606:4700::1111/":                              ruleIPv6,
		"https://[hooks.example.com]/":                           ruleIPv6,
		"https://[93.184.216.34]/":                               ruleIPv6,
		"https://[]/":                                            ruleIPv6,
		"https://2606:4700::1111/":                               ruleBracket,
		"https://[fe80::1%25eth0]/":                              ruleZone,
		"https://hooks%2eexample.com/":                           rulePercent,
		"https://%31%32%37.0.0.1/":                               rulePercent,
		"https://hooks.example.com./":                            "must not have a dot at the end of its host",
		"https://127.0.0.1./":                                    "must not have a dot at the end of its host",
		"https://münchen.test/":                                  ruleASCII,
		"https://１２７.0.0.1/":                                     ruleASCII,
		"https://hooks。example.com/":                             ruleASCII,
		"https://hooks.example.com/ü":                            "must be plain ASCII: percent-encode the other characters",
		"https://hooks.example.com/\xff":                         "must be plain ASCII: percent-encode the other characters",
		"https://hooks.example.com/%zz":                          "must have two hexadecimal digits after each %",
		"https://.example.com/":                                  ruleName,
		"https://hooks..example.com/":                            ruleName,
		"https://hooks.exam,ple/":                                ruleName,
		"https://hooks.example.com]/":                            ruleName,
		"https://<script>/":                                      ruleName,
		"https://" + strings.Repeat("a", 64) + ".com/":           ruleName,
		"https://" + strings.Repeat("abc.", 64) + "com/":         ruleName,
		"https://2130706433/":                                    ruleIPv4,
		"https://0x7f000001/":                                    ruleIPv4,
		"https://017700000001/":                                  ruleIPv4,
		"https://0177.0.0.1/":                                    ruleIPv4,
		"https://0x7f.1/":                                        ruleIPv4,
		"https://0X7F.0.0.0X1/":                                  ruleIPv4,
		"https://127.1/":                                         ruleIPv4,
		"https://127.0.0.01/":                                    ruleIPv4,
		"https://127.0.0.256/":                                   ruleIPv4,
		"https://1.2.3.4.5/":                                     ruleIPv4,
		"https://hooks.0x/":                                      ruleIPv4,
		"https://hooks.example.7/":                               ruleIPv4,
		"https://127.0.0.1/":                                     rulePublic + "127.0.0.1 is a loopback address (127.0.0.0/8)",
		"https://10.1.2.3/":                                      rulePublic + "10.1.2.3 is on a private network (10.0.0.0/8)",
		"https://169.254.169.254/latest/meta-data":               rulePublic + "169.254.169.254 is the cloud metadata address",
		"https://[::1]/":                                         rulePublic + "::1 is a loopback address",
		"https://[::ffff:127.0.0.1]/":                            rulePublic + "127.0.0.1 is a loopback address (127.0.0.0/8)",
		"https://[::ffff:7f00:1]/":                               rulePublic + "127.0.0.1 is a loopback address (127.0.0.0/8)",
		"https://private.example.com/":                           rulePublic + "private.example.com resolves to 10.1.2.3, which is on a private network (10.0.0.0/8)",
		"https://mixed.example.com/":                             rulePublic + "mixed.example.com resolves to 192.168.1.1, which is on a private network (192.168.0.0/16)",
		"https://mapped10.example.com/":                          rulePublic + "mapped10.example.com resolves to 10.1.2.3, which is on a private network (10.0.0.0/8)",
		"https://v6.example.com/":                                rulePublic + "v6.example.com resolves to fd12:3456::1, which is on a private network (fc00::/7)",
		"https://metadata.internal/":                             rulePublic + "metadata.internal resolves to 169.254.169.254, which is the cloud metadata address",
		"https://localhost/":                                     rulePublic + "localhost resolves to 127.0.0.1, which is a loopback address (127.0.0.0/8)",
		"https://a.localhost:8443/":                              rulePublic + "a.localhost resolves to 127.0.0.1, which is a loopback address (127.0.0.0/8)",
		"https://printer.local/":                                 rulePublic + "printer.local resolves to 169.254.7.7, which is a link-local address (169.254.0.0/16)",
		"https://example.invalid/":                               "must lead to a host that exists: example.invalid does not resolve",
		"https://empty.example.com/":                             "must lead to a host that exists: empty.example.com does not resolve",
		"https://receiver/":                                      "must lead to a host that exists: receiver does not resolve, and a public host has a full name, such as hooks.example.com",
	} {
		rule, err := policy.Check(t.Context(), resolver, raw)
		if rule != want || err != nil {
			t.Errorf("Check(%q)\n got %q, %v\nwant %q", raw, rule, err, want)
		}
	}
}

func TestALookupThatFailsIsNotTheFaultOfTheURL(t *testing.T) {
	t.Parallel()
	var policy posthorn.TargetPolicy
	for host, want := range map[string]string{
		"slow.example.com":   "could not be checked, because the name did not resolve in time; try again",
		"broken.example.com": "could not be checked, because the name servers did not answer; try again",
	} {
		rule, err := policy.Check(t.Context(), resolver, "https://"+host+"/")
		if dns, ok := errors.AsType[*net.DNSError](err); rule != want || !ok || dns.Name != host {
			t.Errorf("%s: got %q and %v, want %q and the resolver's error", host, rule, err, want)
		}
	}
}

// hanging is a resolver that never answers.
type hanging struct{}

func (hanging) LookupNetIP(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestSavingWaitsThreeSecondsForTheNameServers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var policy posthorn.TargetPolicy
		start := time.Now()
		rule, err := policy.Check(t.Context(), hanging{}, "https://hooks.example.com/")
		if rule != "could not be checked, because the name did not resolve in time; try again" || err == nil {
			t.Errorf("got %q, %v", rule, err)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestDevelopmentMayAllowHTTPAndNamedNetworks(t *testing.T) {
	t.Parallel()
	policy := posthorn.NewTargetPolicy(posthorn.TargetOptions{
		AllowHTTP: true,
		AllowedCIDRs: []netip.Prefix{
			netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("10.1.0.9/16"),
			netip.MustParsePrefix("::ffff:192.168.7.0/120"),
		},
	})
	for raw, want := range map[string]string{
		"http://localhost:8080/hook":    "",
		"https://localhost/hook":        "",
		"http://127.0.0.1:9/":           "",
		"http://[::1]:9/":               "",
		"http://[::ffff:127.0.0.1]/":    "",
		"http://private.example.com/":   "",
		"http://hooks.example.com/":     "",
		"http://192.168.7.1/":           "",
		"ftp://localhost/":              "must be http or https",
		"localhost:8080":                "must be http or https",
		"http://192.168.8.1/":           rulePublic + "192.168.8.1 is on a private network (192.168.0.0/16)",
		"http://10.2.0.1/":              rulePublic + "10.2.0.1 is on a private network (10.0.0.0/8)",
		"http://metadata.internal/":     rulePublic + "metadata.internal resolves to 169.254.169.254, which is the cloud metadata address",
		"http://[64:ff9b::7f00:1]/":     rulePublic + "64:ff9b::7f00:1 leads to 127.0.0.1, which is a loopback address (127.0.0.0/8)",
		"http://[2002:7f00:1::]/":       rulePublic + "2002:7f00:1:: is a 6to4 tunnel to an IPv4 address (2002::/16)",
		"http://mixed.example.com:8080": rulePublic + "mixed.example.com resolves to 192.168.1.1, which is on a private network (192.168.0.0/16)",
	} {
		if rule, err := policy.Check(t.Context(), resolver, raw); rule != want || err != nil {
			t.Errorf("Check(%q)\n got %q, %v\nwant %q", raw, rule, err, want)
		}
	}
}

func TestACheckedURLComesBackInOneSpelling(t *testing.T) {
	t.Parallel()
	policy := posthorn.NewTargetPolicy(posthorn.TargetOptions{AllowHTTP: true})
	for raw, want := range map[string]string{
		"HTTPS://Hooks.Example.COM:0443/Path?Q=%2F": "https://hooks.example.com/Path?Q=%2F",
		"https://hooks.example.com:80":              "https://hooks.example.com:80",
		"http://hooks.example.com:80/":              "http://hooks.example.com/",
		"http://hooks.example.com:08080/%2e":        "http://hooks.example.com:8080/%2e",
		"https://[2606:4700:0:0:0:0:0:AB]:443/":     "https://[2606:4700::ab]/",
		"https://[2606:4700:0:0:0:0:0:AB]:8443/":    "https://[2606:4700::ab]:8443/",
	} {
		target, rule := policy.CheckURL(raw)
		if rule != "" || target.String() != want {
			t.Errorf("CheckURL(%q) = %v, %q; want %s", raw, target, rule, want)
		}
	}
}

func TestAnAddressIsRefusedWithWhatItIs(t *testing.T) {
	t.Parallel()
	var policy posthorn.TargetPolicy
	for text, want := range map[string]string{
		"1.1.1.1": "", "9.255.255.255": "", "11.0.0.0": "", "100.63.255.255": "", "100.128.0.0": "", "126.255.255.255": "",
		"128.0.0.0": "", "169.253.255.255": "", "172.15.255.255": "", "172.32.0.0": "", "192.0.1.0": "", "192.167.255.255": "",
		"198.17.255.255": "", "198.20.0.0": "", "223.255.255.255": "",
		"2000::1": "", "2001:200::1": "", "2003::1": "", "2606:4700::1111": "", "3fff:1000::": "",
		"::ffff:8.8.8.8": "", "64:ff9b::808:808": "",

		"0.0.0.0":         "is an unspecified address (0.0.0.0/8)",
		"0.1.2.3":         "is an unspecified address (0.0.0.0/8)",
		"10.255.255.255":  "is on a private network (10.0.0.0/8)",
		"100.64.0.1":      "is on a carrier's private network (100.64.0.0/10)",
		"100.100.100.200": "is a cloud metadata address",
		"127.255.0.1":     "is a loopback address (127.0.0.0/8)",
		"168.63.129.16":   "is a cloud metadata address",
		"169.254.170.2":   "is a cloud metadata address",
		"169.254.0.1":     "is a link-local address (169.254.0.0/16)",
		"172.16.0.1":      "is on a private network (172.16.0.0/12)",
		"172.31.255.255":  "is on a private network (172.16.0.0/12)",
		"192.0.0.8":       "is reserved for protocols (192.0.0.0/24)",
		"192.0.2.1":       "is reserved for documentation (192.0.2.0/24)",
		"192.88.99.1":     "is reserved for protocols (192.88.99.0/24)",
		"192.168.0.1":     "is on a private network (192.168.0.0/16)",
		"198.19.255.255":  "is reserved for benchmarks (198.18.0.0/15)",
		"198.51.100.1":    "is reserved for documentation (198.51.100.0/24)",
		"203.0.113.1":     "is reserved for documentation (203.0.113.0/24)",
		"239.1.2.3":       "is a multicast address (224.0.0.0/4)",
		"240.0.0.1":       "is reserved (240.0.0.0/4)",
		"255.255.255.255": "is the broadcast address",

		"::":                  "is an unspecified address",
		"::1":                 "is a loopback address",
		"::127.0.0.1":         "holds an IPv4 address in a form that is no longer used (::/96)",
		"::ffff:0:127.0.0.1":  "is not public (outside 2000::/3)",
		"64:ff9b::10.0.0.1":   "leads to 10.0.0.1, which is on a private network (10.0.0.0/8)",
		"64:ff9b:1::1":        "is on a private network (64:ff9b:1::/48)",
		"100::1":              "is where packets are discarded (100::/64)",
		"2001::1":             "is a Teredo tunnel to an IPv4 address (2001::/32)",
		"2001:2::1":           "is reserved for benchmarks (2001:2::/48)",
		"2001:10::1":          "is a hash, not a place in the network (2001:10::/28)",
		"2001:2f::1":          "is a hash, not a place in the network (2001:20::/28)",
		"2001:1ff::1":         "is reserved for protocols (2001::/23)",
		"2001:db8::1":         "is reserved for documentation (2001:db8::/32)",
		"2002:0808:0808::1":   "is a 6to4 tunnel to an IPv4 address (2002::/16)",
		"3fff:fff::1":         "is reserved for documentation (3fff::/20)",
		"4000::1":             "is not public (outside 2000::/3)",
		"5f00::1":             "is not public (outside 2000::/3)",
		"fc00::1":             "is on a private network (fc00::/7)",
		"fd00:ec2::254":       "is the cloud metadata address",
		"fd20:ce::254":        "is a cloud metadata address",
		"fe80::1":             "is a link-local address (fe80::/10)",
		"fe80::1%eth0":        "is a link-local address (fe80::/10)",
		"2606:4700::1111%eth": "",
		"fec0::1":             "is on a private network (fec0::/10)",
		"ff02::1":             "is a multicast address (ff00::/8)",
		"::ffff:10.0.0.1":     "is on a private network (10.0.0.0/8)",
		"::ffff:169.254.1.1":  "is a link-local address (169.254.0.0/16)",
	} {
		addr := netip.MustParseAddr(text)
		if want != "" {
			want = rulePublic + addr.Unmap().String() + " " + want
		}
		if rule := policy.CheckAddr(addr); rule != want {
			t.Errorf("CheckAddr(%s)\n got %q\nwant %q", text, rule, want)
		}
	}
	if is, forbidden := policy.Forbids(netip.Addr{}); !forbidden || is != "is no address" {
		t.Errorf("no address: %q, %t", is, forbidden)
	}
}

func TestWhatTheStandardLibraryKnowsToBeSpecialIsForbidden(t *testing.T) {
	t.Parallel()
	var policy posthorn.TargetPolicy
	special := 0
	for range 200_000 {
		var bytes [16]byte
		for i := range bytes {
			bytes[i] = byte(rand.Uint32())
		}
		// Half of them are near the ranges that matter.
		if heads := []byte{0xfc, 0xfd, 0xfe, 0xff, 0x20, 0x00}; rand.IntN(2) == 0 {
			bytes[0] = heads[rand.IntN(len(heads))]
		}
		for _, addr := range []netip.Addr{netip.AddrFrom16(bytes), netip.AddrFrom4([4]byte(bytes[12:]))} {
			if addr.IsGlobalUnicast() && !addr.IsPrivate() {
				continue
			}
			special++
			if policy.CheckAddr(addr) == "" {
				t.Fatalf("%s is allowed", addr)
			}
		}
	}
	if special == 0 {
		t.Error("no special address came up")
	}
}

func FuzzTarget(f *testing.F) {
	for _, seed := range []string{
		"https://hooks.example.com:8443/a?b=c", "https://[::ffff:127.0.0.1]/", "https://0x7f.1/", "https://a:b@c/", "https://[fe80::1%25a]/",
		"https://hooks.example.com\\@1.2.3.4/", "http://127.0.0.1:80", "https://8.8.8.8", "https://a%00b/", "https://[1::2]:0443/%2f//..",
	} {
		f.Add(seed)
	}
	strict, loose := &posthorn.TargetPolicy{}, posthorn.NewTargetPolicy(posthorn.TargetOptions{
		AllowHTTP: true, AllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
	})
	f.Fuzz(func(t *testing.T, raw string) {
		for _, policy := range []*posthorn.TargetPolicy{strict, loose} {
			target, rule := policy.CheckURL(raw)
			if (target == nil) != (rule != "") {
				t.Fatalf("CheckURL(%q) = %v, %q", raw, target, rule)
			}
			if target == nil {
				continue
			}
			again, err := url.Parse(target.String())
			if err != nil || again.Host != target.Host || again.User != nil || again.Fragment != "" || again.Hostname() == "" {
				t.Fatalf("%q became %q, which parses as %#v, %v", raw, target, again, err)
			}
			plain, err := url.Parse(raw)
			if err != nil || !strings.EqualFold(plain.Hostname(), target.Hostname()) && !sameAddr(plain.Hostname(), target.Hostname()) {
				t.Fatalf("%q has the host %q, the target %q, %v", raw, plain.Hostname(), target.Hostname(), err)
			}
			if twice, rule := policy.CheckURL(target.String()); rule != "" || twice.String() != target.String() {
				t.Fatalf("%q became %q, which is not stable: %v, %q", raw, target, twice, rule)
			}
			if addr, err := netip.ParseAddr(target.Hostname()); err == nil && policy.CheckAddr(addr) != "" {
				t.Fatalf("%q leads to %s, which is forbidden", raw, addr)
			}
		}
	})
}

// sameAddr reports whether two texts are spellings of one address.
func sameAddr(a, b string) bool {
	x, errX := netip.ParseAddr(a)
	y, errY := netip.ParseAddr(b)
	return errX == nil && errY == nil && x == y
}
