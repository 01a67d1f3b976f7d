package web_test

import (
	"context"
	"errors"
	"flag"
	"net"
	"runtime"
	"strconv"
	"testing"

	"posthorn/internal/testkit"
)

func TestMain(m *testing.M) {
	// No test asks name servers, which would be slow to say that they do not know what a test makes up.
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("tests have no name servers")
	}}
	// Tests wait for browsers more than they compute, so that twice as many as there are processors keep those busy.
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		if err := parallel.Value.Set(strconv.Itoa(2 * runtime.GOMAXPROCS(0))); err != nil {
			panic(err)
		}
	}
	testkit.Main(m)
}
