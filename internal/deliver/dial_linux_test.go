package deliver_test

import (
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"

	"posthorn/internal/deliver"
	"posthorn/internal/posthorn"
)

// fullPort returns the port of a listener on an address that takes no more connections: packets to it are dropped, as by a
// firewall.
func fullPort(t *testing.T, ip [4]byte) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: ip}); err != nil {
		t.Fatal(err)
	}
	if err = syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	bound, ok := name.(*syscall.SockaddrInet4)
	if !ok {
		t.Fatalf("bound to %T", name)
	}
	port := strconv.Itoa(bound.Port)
	for range 10 {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(net.IP(ip[:]).String(), port), 200*time.Millisecond)
		if err != nil {
			return port
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Fatal("the listener takes every connection")
	return ""
}

func TestAConnectionThatIsNotAcceptedTimesOut(t *testing.T) {
	t.Parallel()
	port := fullPort(t, [4]byte{127, 0, 0, 1})
	out := post(t, newClient(t), "https://receiver.example:"+port, short)
	want := "No connection to receiver.example:" + port + " in 0.25 s."
	if out.ErrorClass != posthorn.ErrorTimeout || out.Error != want || out.RemoteAddress != "127.0.0.1:"+port || out.Total < short {
		t.Errorf("got %s %q after %s, to %s", out.ErrorClass, out.Error, out.Total, out.RemoteAddress)
	}
}

func TestAnAddressThatDoesNotAnswerLeavesTimeForTheNext(t *testing.T) {
	t.Parallel()
	port := fullPort(t, [4]byte{127, 0, 0, 3})
	receiver := listenAt(t, "127.0.0.4:"+port, answer(ok204))
	client := newClient(t, func(o *deliver.Options) { o.Resolver = names{"receiver.example": "127.0.0.3 127.0.0.4"} })
	out := post(t, client, receiver.url(), 4*time.Second)
	if !out.Success() || out.RemoteAddress != "127.0.0.4:"+port || out.Connect < 2*time.Second {
		t.Errorf("got %+v", out)
	}
}
