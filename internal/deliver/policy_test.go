package deliver_test

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"posthorn/internal/deliver"
	"posthorn/internal/posthorn"
)

// odd makes a client know hosts that make trouble.
func odd(o *deliver.Options) {
	known := o.Resolver
	o.Resolver = resolve(func(ctx context.Context, host string) ([]netip.Addr, error) {
		switch host {
		case "far.example":
			return []netip.Addr{netip.MustParseAddr("224.0.0.1")}, nil // TCP has no way to a group.
		case "broken.example":
			return nil, &net.DNSError{Err: "server misbehaving on 10.0.0.2:53", Name: host, IsTemporary: true}
		case "hanging.example":
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return known.LookupNetIP(ctx, "ip", host)
	})
}

// resolveHanging never finds hanging.example, and tells when it is asked for it.
func resolveHanging(known posthorn.Resolver, asked chan<- struct{}) posthorn.Resolver {
	return resolve(func(ctx context.Context, host string) ([]netip.Addr, error) {
		if host != "hanging.example" {
			return known.LookupNetIP(ctx, "ip", host)
		}
		asked <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	})
}

func TestWhatThePolicyForbidsIsNotContacted(t *testing.T) {
	t.Parallel()
	receiver := listen(t, answer(ok204))
	port := portOf(receiver.Addr().String())
	hosts := names{
		"loop.example": "127.0.0.1", "mixed.example": "93.184.216.34 127.0.0.1", "mapped.example": "::ffff:127.0.0.1",
		"meta.example": "169.254.169.254",
	}
	const public = " Posthorn sends only to public addresses."
	for url, want := range map[string]string{
		"http://loop.example:" + port:   "Blocked: loop.example resolves to 127.0.0.1, which is a loopback address (127.0.0.0/8)." + public,
		"https://mixed.example:" + port: "Blocked: mixed.example resolves to 127.0.0.1, which is a loopback address (127.0.0.0/8)." + public,
		"http://mapped.example:" + port: "Blocked: mapped.example resolves to 127.0.0.1, which is a loopback address (127.0.0.0/8)." + public,
		"https://meta.example/":         "Blocked: meta.example resolves to 169.254.169.254, which is the cloud metadata address." + public,
		"http://127.0.0.1:" + port:      "Blocked: the URL must lead to a public address, and 127.0.0.1 is a loopback address (127.0.0.0/8).",
		"ftp://loop.example/":           "Blocked: the URL must be http or https.",
	} {
		client := newClient(t, func(o *deliver.Options) {
			o.Policy, o.Resolver = posthorn.NewTargetPolicy(posthorn.TargetOptions{AllowHTTP: true}), hosts
		})
		out := post(t, client, url, long)
		if out.ErrorClass != posthorn.ErrorBlocked || out.Error != want || out.RemoteAddress != "" || len(out.RequestHeaders) != 0 {
			t.Errorf("%s\n got %s %q, to %q\nwant %q", url, out.ErrorClass, out.Error, out.RemoteAddress, want)
		}
	}
	if n := receiver.conns.Load(); n != 0 {
		t.Errorf("%d connections", n)
	}
}

func TestANameThatTurnsToAnotherAddressDoesNotGetPastTheCheck(t *testing.T) {
	t.Parallel()
	receiver := listen(t, answer("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"))
	// The policy allows 127.0.0.1 as if it were public, and forbids 127.0.0.2.
	var asked atomic.Int32
	client := newClient(t, func(o *deliver.Options) {
		o.Policy = posthorn.NewTargetPolicy(posthorn.TargetOptions{
			AllowHTTP: true, AllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
		})
		o.Resolver = resolve(func(context.Context, string) ([]netip.Addr, error) {
			if asked.Add(1) == 1 {
				return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
			}
			return []netip.Addr{netip.MustParseAddr("127.0.0.2")}, nil
		})
	})
	first := post(t, client, receiver.url(), long)
	if !first.Success() || asked.Load() != 1 || first.RemoteAddress != receiver.Addr().String() {
		t.Errorf("asked %d times: %+v", asked.Load(), first)
	}
	second := post(t, client, receiver.url(), long)
	if second.ErrorClass != posthorn.ErrorBlocked || !strings.Contains(second.Error, "127.0.0.2") || asked.Load() != 2 {
		t.Errorf("asked %d times: %s %s", asked.Load(), second.ErrorClass, second.Error)
	}
}

func TestTheNextAddressIsTriedWhereNothingListens(t *testing.T) {
	t.Parallel()
	receiver := listen(t, answer(ok204))
	client := newClient(t, func(o *deliver.Options) {
		o.Resolver = names{"receiver.example": "224.0.0.1 127.0.0.2 127.0.0.1", "dead.example": "127.0.0.2 224.0.0.1"}
	})
	out := post(t, client, receiver.url(), long)
	if !out.Success() || out.RemoteAddress != receiver.Addr().String() {
		t.Errorf("got %+v", out)
	}
	dead := post(t, client, strings.Replace(receiver.url(), "receiver", "dead", 1), long)
	if dead.ErrorClass != posthorn.ErrorRefused {
		t.Errorf("refused says more than unreachable: %s %s", dead.ErrorClass, dead.Error)
	}
}
