package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"strings"

	"posthorn/internal/listen"
	"posthorn/internal/posthorn"
)

// listenSecret is the variable with the secret: an argument is seen by every process of the machine.
const listenSecret = "POSTHORN_LISTEN_SECRET"

// listenFlags are the arguments of the command.
type listenFlags struct {
	addr, secret, scheme string
	options              listen.Options
}

// runListen receives webhooks on this machine, verifies and prints them, and answers as it is told, until it is interrupted.
func runListen(ctx context.Context, e env, args []string) error {
	f := e.flags("listen")
	var l listenFlags
	l.register(f)
	if err := parse(f, args); err != nil {
		return err
	}
	r, err := l.receiver(e)
	if err != nil {
		fmt.Fprintf(e.stderr, "posthorn listen: %v\n", err)
		return errUsage
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", l.addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", l.addr, err)
	}
	fmt.Fprintf(e.stdout, "Listening on http://%s: it %s.\n", ln.Addr(), r.Describe())
	return r.Serve(ctx, ln)
}

func (l *listenFlags) register(f *flag.FlagSet) {
	f.StringVar(&l.addr, "addr", "127.0.0.1:9000", "address to listen on")
	f.StringVar(&l.secret, "secret", "", "secret that verifies, whsec_… (default "+listenSecret+")")
	f.StringVar(&l.scheme, "scheme", string(posthorn.SchemeStandard), "standard, smartkyc, kryptos, arkyc or custom")
	f.StringVar(&l.options.Signature.Header, "header", "", "header with the signature, of the scheme custom")
	f.StringVar(&l.options.Signature.TimestampHeader, "timestamp-header", "", "header with the time, of the scheme custom")
	f.StringVar((*string)(&l.options.Signature.Encoding), "encoding", "", "hex or base64, of the scheme custom (default hex)")
	f.StringVar((*string)(&l.options.Signature.Over), "over", "", "body or timestamp.body, of the scheme custom (default body)")
	f.BoolVar(&l.options.Body, "body", false, "print the bodies, indented")
	f.IntVar(&l.options.Status, "status", 0, "status to answer with (default 200)")
	f.IntVar(&l.options.FailFirst, "fail-first", 0, "how many attempts of each delivery to fail, with --status or 500")
	f.DurationVar(&l.options.RetryAfter, "retry-after", 0, "Retry-After of answers that are no success, such as 5s")
	f.DurationVar(&l.options.Delay, "delay", 0, "how long an answer takes, such as 2s")
	f.BoolVar(&l.options.Hang, "hang", false, "never answer")
}

// receiver makes the receiver of the arguments.
func (l *listenFlags) receiver(e env) (*listen.Receiver, error) {
	o := l.options
	o.Out, o.Signature.Scheme = e.stdout, posthorn.Scheme(l.scheme)
	text := l.secret
	if text == "" {
		text = variable(e.environ, listenSecret)
	}
	if text != "" {
		secret, rule := posthorn.ParseSigningSecret(text)
		if rule != "" {
			return nil, errors.New("the secret " + rule)
		}
		o.Secrets = []posthorn.SigningSecret{secret}
	}
	return listen.New(o)
}

// variable is the value of an environment variable, empty where it is not set. The last one counts, as in a process.
func variable(environ []string, name string) (value string) {
	for _, v := range environ {
		if text, ok := strings.CutPrefix(v, name+"="); ok {
			value = text
		}
	}
	return value
}
