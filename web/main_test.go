package web_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"posthorn/internal/testkit"
)

func TestMain(m *testing.M) {
	// No test asks name servers, which would be slow to say that they do not know what a test makes up.
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("tests have no name servers")
	}}
	testkit.Main(m)
}
